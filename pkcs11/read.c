/*
 * Reading attributes: see read.h. The standard's five cases for each attribute (PKCS#11 2.40 base,
 * C_GetAttributeValue): sensitive, absent, only the length, enough room, too little room; all are
 * processed, whatever happens to one.
 */
#include "pkcs11/read.h"

#include "base/names.h"
#include "pkcs11/handles.h"
#include "pkcs11/nested.h"
#include "pkcs11/profile.h"
#include "pkcs11/reveal.h"
#include "pkcs11/view.h"

#include <string.h>

/* More than any application asks at once; a count past it is a mistake, not a wish. */
#define READ_COUNT_MAX 4096U

static bool wants_values(const CK_ATTRIBUTE *template, CK_ULONG count)
{
    for (CK_ULONG i = 0; i < count; i++)
        if (template[i].pValue != NULL)
            return true;
    return false;
}

static bool is_secret(const struct object *object, CK_ATTRIBUTE_TYPE type)
{
    return view_is_secret(object, type) || reveal_has(object, type);
}

static bool wants_secret(const struct object *object, const CK_ATTRIBUTE *template, CK_ULONG count)
{
    for (CK_ULONG i = 0; i < count; i++)
        if (is_secret(object, template[i].type))
            return true;
    return false;
}

static enum action secret_action(const struct object *object)
{
    return object->cls == CKO_DATA ? ACTION_GET_SECRET : ACTION_RELEASE;
}

/* Either right is enough; the one that is there stands in the record. */
static CK_RV ask_to_read(struct run *run, const struct object *object)
{
    struct ask ask = {.action = ACTION_LIST, .object = object, .quiet = true};
    CK_RV rv = gate_ask(run, &ask);

    if (rv != CKR_FUNCTION_REJECTED)
        return rv;
    ask.action = ACTION_GET;
    ask.quiet = false;
    return gate_ask(run, &ask);
}

/* The value of a data object or of a key: refused, it is a sensitive attribute and the rest is
 * still read. */
static CK_RV ask_for_secret(struct run *run, struct reading *r)
{
    bool data = r->held->object.cls == CKO_DATA;
    struct ask ask = {.action = secret_action(&r->held->object),
                      .object = &r->held->object,
                      .quiet = !wants_values(r->template, r->count)};
    struct grant other;
    CK_RV rv;

    gate_keep(run, &other);
    rv = gate_ask(run, &ask);
    r->secret = rv == CKR_OK;
    if (rv == CKR_OK && !data)
        rv = reveal_value(run, &r->held->object, &r->value);
    if (rv != CKR_ATTRIBUTE_SENSITIVE && rv != CKR_USER_NOT_LOGGED_IN &&
        rv != CKR_FUNCTION_REJECTED)
        return rv;
    run->gate.grant = other;
    run->gate.granted = true;
    return CKR_OK;
}

/* ---- one attribute at a time, where a policy wants to know which ---- */

/* As ask_to_read(): either right is enough. */
static bool may_read(struct run *run, struct ask *ask)
{
    bool secret = is_secret(ask->object, ask->attribute);

    ask->action = secret ? secret_action(ask->object) : ACTION_LIST;
    if (gate_would_allow(run, ask))
        return true;
    ask->action = secret ? ask->action : ACTION_GET;
    return !secret && gate_would_allow(run, ask);
}

bool read_may(struct run *run, const struct object *object, CK_ATTRIBUTE_TYPE type)
{
    struct ask ask = {.object = object, .has_attribute = true, .attribute = type};

    return may_read(run, &ask);
}

/* Each refusal has its record; the codes of a refusal are no failure of the call. */
static CK_RV ask_for_attribute(struct run *run, const struct reading *r, CK_ULONG i)
{
    struct ask ask = {.object = &r->held->object,
                      .has_attribute = true,
                      .attribute = r->template[i].type,
                      .quiet = r->template[i].pValue == NULL};
    CK_RV rv;

    r->refused[i] = !may_read(run, &ask);
    if (!r->refused[i])
        return CKR_OK;
    rv = gate_ask(run, &ask);
    return rv == CKR_DEVICE_ERROR || rv == CKR_HOST_MEMORY ? rv : CKR_OK;
}

static CK_RV ask_for_attributes(struct run *run, struct reading *r)
{
    struct grant whole;
    CK_RV rv = CKR_OK;

    if (r->count == 0 || !gate_hears_attributes(run))
        return CKR_OK;
    r->refused = calloc(r->count, sizeof(*r->refused));
    if (r->refused == NULL)
        return fail_memory();
    gate_keep(run, &whole);
    for (CK_ULONG i = 0; rv == CKR_OK && i < r->count; i++)
        rv = ask_for_attribute(run, r, i);
    run->gate.grant = whole;
    run->gate.granted = rv == CKR_OK;
    return rv;
}

/* ---- the whole question ---- */

static CK_RV ask(struct run *run, struct reading *r)
{
    const struct object *object = &r->held->object;
    struct grant unused;
    CK_RV rv;

    if (profile_is(object))
        return CKR_OK;
    rv = ask_to_read(run, object);
    if (rv == CKR_OK && wants_secret(object, r->template, r->count))
        rv = ask_for_secret(run, r);
    if (rv == CKR_OK)
        rv = ask_for_attributes(run, r);
    /* Asking how long values are is no use of them: decided, not recorded. */
    if (rv == CKR_OK && !wants_values(r->template, r->count))
        gate_keep(run, &unused);
    return rv;
}

/* ---- one attribute ---- */

static CK_RV answer_code(const struct reading *r, CK_ATTRIBUTE *attr, struct view *view)
{
    const struct object *object = &r->held->object;
    enum view_answer answer = view_attribute(object, attr->type, view);

    if (answer == VIEW_SENSITIVE && attrs_get(&r->value, attr->type) != NULL) {
        view->value = attrs_bytes(&r->value, attr->type);
        answer = VIEW_VALUE;
    }
    if (r->refused != NULL && r->refused[attr - r->template])
        return CKR_ATTRIBUTE_SENSITIVE;
    if (answer == VIEW_SENSITIVE || (view_is_secret(object, attr->type) && !r->secret))
        return CKR_ATTRIBUTE_SENSITIVE;
    if (answer == VIEW_ABSENT)
        return CKR_ATTRIBUTE_TYPE_INVALID;
    if (nested_is(attr->type))
        return nested_read(view->value, attr, false);
    if (attr->pValue != NULL && attr->ulValueLen < view->value.len)
        return CKR_BUFFER_TOO_SMALL;
    return CKR_OK;
}

static void give_one(const struct reading *r, CK_ATTRIBUTE *attr)
{
    struct view view;
    CK_RV code = answer_code(r, attr, &view);

    if (nested_is(attr->type) && (code == CKR_OK || code == CKR_BUFFER_TOO_SMALL)) {
        fail_unheeded(nested_read(view.value, attr, true)); /* the code is told already */
        return;
    }
    if (code != CKR_OK) {
        attr->ulValueLen = CK_UNAVAILABLE_INFORMATION;
        return;
    }
    if (attr->pValue != NULL && view.value.len > 0)
        memcpy(attr->pValue, view.value.data, view.value.len);
    attr->ulValueLen = view.value.len;
}

/* ---- all of them ---- */

static CK_RV fail_attribute(CK_RV rv, CK_ATTRIBUTE_TYPE type)
{
    const char *why = rv == CKR_BUFFER_TOO_SMALL      ? "its buffer is too small"
                      : rv == CKR_ATTRIBUTE_SENSITIVE ? "its value is kept secret"
                                                      : "such an object has none";
    char name[NAME_BUF_MAX];

    return fail(rv, "%s is not given: %s", name_of_attribute(type, name), why);
}

static CK_RV first_code(const struct reading *r)
{
    for (CK_ULONG i = 0; i < r->count; i++) {
        struct view view;
        CK_RV rv = answer_code(r, &r->template[i], &view);

        if (rv != CKR_OK)
            return fail_attribute(rv, r->template[i].type);
    }
    return CKR_OK;
}

CK_RV read_attributes(struct run *run, CK_OBJECT_HANDLE handle, CK_ATTRIBUTE *template,
                      CK_ULONG count, struct reading *ret)
{
    CK_RV rv;

    *ret = (struct reading){.template = template, .count = count};
    if (template == NULL && count > 0)
        return fail_argument("pTemplate");
    if (count > READ_COUNT_MAX)
        return fail(CKR_ARGUMENTS_BAD, "template counts %lu attributes: ask for at most %u", count,
                    READ_COUNT_MAX);
    rv = handles_get(run, handle, &ret->held);
    if (rv == CKR_OK)
        rv = ask(run, ret);
    if (rv != CKR_OK)
        return rv;
    gate_count(run, count);
    ret->code = first_code(ret);
    return CKR_OK;
}

CK_RV reading_recorded(const struct reading *reading)
{
    return reading->code == CKR_BUFFER_TOO_SMALL ? CKR_OK : reading->code;
}

void reading_give(struct reading *reading)
{
    for (CK_ULONG i = 0; i < reading->count; i++)
        give_one(reading, &reading->template[i]);
}

void reading_release(struct reading *reading)
{
    attrs_release(&reading->value);
    free(TAKE(reading->refused));
    held_release(reading->held);
    reading->held = NULL;
}
