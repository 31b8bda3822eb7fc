/*
 * Templates against the attribute rules: see template.h. Two passes, each of which can assume what
 * the one before has shown: scan (template_form.c), then complete, change or copy.
 */
#include "pkcs11/template.h"

#include "base/names.h"
#include "pkcs11/nested.h"
#include "pkcs11/roles.h"

#include <string.h>

static struct bytes value_of(const CK_ATTRIBUTE *attr)
{
    return BYTES(attr->pValue, attr->ulValueLen);
}

static const char *name_of(CK_ATTRIBUTE_TYPE type)
{
    const struct attr_name *row = attr_name_find(type);

    return row != NULL ? row->name : "unknown attribute";
}

static bool is_true(const CK_ATTRIBUTE *attr)
{
    return attr != NULL && attr->ulValueLen == sizeof(CK_BBOOL) &&
           *(const CK_BBOOL *)attr->pValue == CK_TRUE;
}

/* A template in a template is kept packed, all else as it is. */
static CK_RV set_value(struct attrs *attrs, const CK_ATTRIBUTE *attr)
{
    SCOPED(buf_release) struct buf packed = BUF_INIT(NESTED_BYTES_MAX);
    CK_RV rv;

    if (!nested_is(attr->type))
        return attrs_set(attrs, attr->type, value_of(attr));
    rv = nested_pack(attr, &packed);
    return rv == CKR_OK ? attrs_set(attrs, attr->type, buf_bytes(&packed)) : rv;
}

/* ---- complete: what a template says, then what it leaves to us ---- */

/* The footnotes that a call's template must heed. */
static const struct {
    unsigned must, never;
} uses[] = {
    [TEMPLATE_CREATE] = {.must = NOTE_1, .never = NOTE_2},
    [TEMPLATE_GENERATE] = {.must = NOTE_3, .never = NOTE_4},
    [TEMPLATE_UNWRAP] = {.must = NOTE_5, .never = NOTE_6},
    [TEMPLATE_DERIVE] = {.must = 0, .never = NOTE_6},
};

static CK_RV check_given(const struct attr_rule *rule, enum template_use use,
                         const CK_ATTRIBUTE *attr)
{
    if (rule == NULL)
        return fail(CKR_ATTRIBUTE_TYPE_INVALID,
                    "an object of this class and type has no %s: leave it out",
                    name_of(attr->type));
    if ((rule->notes & uses[use].never) != 0)
        return fail(CKR_ATTRIBUTE_READ_ONLY, "%s is set by the token: leave it out",
                    name_of(attr->type));
    return CKR_OK;
}

/* 2.40 base, 4.9: a key that asks for a login each time is not one that is there without any. */
static CK_RV check_authenticate(const struct attrs *attrs)
{
    if (attrs_true(attrs, CKA_ALWAYS_AUTHENTICATE) && !attrs_true(attrs, CKA_PRIVATE))
        return fail(CKR_TEMPLATE_INCONSISTENT,
                    "CKA_ALWAYS_AUTHENTICATE true goes with CKA_PRIVATE true: give both or none");
    return CKR_OK;
}

static bool names_usage(enum object_kind kind, const CK_ATTRIBUTE *template, CK_ULONG count)
{
    for (CK_ULONG i = 0; i < count; i++) {
        const struct attr_rule *rule = rule_find(template[i].type, kind);

        if (rule != NULL && (rule->notes & RULE_USAGE) != 0 && is_true(&template[i]))
            return true;
    }
    return false;
}

static CK_RV set_default(struct attrs *attrs, enum object_kind kind, const struct attr_rule *rule,
                         bool usage_named)
{
    switch (rule->fallback) {
    case DEFAULT_ABSENT:
        return CKR_OK;
    case DEFAULT_EMPTY:
        return attrs_set(attrs, rule->type, BYTES_NONE);
    case DEFAULT_FALSE:
        return attrs_set_bool(attrs, rule->type, false);
    case DEFAULT_TRUE:
        return attrs_set_bool(attrs, rule->type, !role_excluded(kind, attrs, rule->type));
    case DEFAULT_ZERO:
        return attrs_set_ulong(attrs, rule->type, 0);
    case DEFAULT_USAGE:
        return attrs_set_bool(attrs, rule->type,
                              !usage_named && !role_excluded(kind, attrs, rule->type));
    }
    return fail_internal("every default has a value");
}

static CK_RV set_given(struct attrs *attrs, enum object_kind kind, enum template_use use,
                       const CK_ATTRIBUTE *template, CK_ULONG count)
{
    for (CK_ULONG i = 0; i < count; i++) {
        const struct attr_rule *rule = rule_find(template[i].type, kind);
        CK_RV rv = check_given(rule, use, &template[i]);

        if (rv == CKR_OK && (rule->notes & NOTE_7) == 0)
            rv = set_value(attrs, &template[i]);
        if (rv != CKR_OK)
            return rv;
    }
    return CKR_OK;
}

static CK_RV set_absent(struct attrs *attrs, enum object_kind kind, enum template_use use,
                        const CK_ATTRIBUTE *template, CK_ULONG count)
{
    bool usage_named = names_usage(kind, template, count);

    for (size_t i = 0; i < rule_count(); i++) {
        const struct attr_rule *rule = rule_at(i);
        CK_RV rv;

        if ((rule->kinds & (unsigned)kind) == 0 ||
            template_get(template, count, rule->type) != NULL)
            continue;
        if ((rule->notes & uses[use].must) != 0)
            return fail(CKR_TEMPLATE_INCOMPLETE, "the template has no %s: add it",
                        name_of(rule->type));
        rv = set_default(attrs, kind, rule, usage_named);
        if (rv != CKR_OK)
            return rv;
    }
    return CKR_OK;
}

CK_RV template_complete(enum object_kind kind, enum template_use use, const CK_ATTRIBUTE *template,
                        CK_ULONG count, struct attrs *ret)
{
    struct attrs attrs = ATTRS_INIT;
    CK_RV rv = set_given(&attrs, kind, use, template, count);

    if (rv == CKR_OK)
        rv = set_absent(&attrs, kind, use, template, count);
    if (rv == CKR_OK)
        rv = role_settle(kind, &attrs);
    if (rv == CKR_OK)
        rv = check_authenticate(&attrs);
    if (rv != CKR_OK) {
        attrs_release(&attrs);
        return rv;
    }
    *ret = attrs;
    return CKR_OK;
}

/* ---- change and copy: C_SetAttributeValue, C_CopyObject ---- */

/* What a rule allows: more of a copy than of the object itself. */
static unsigned notes_of(const struct attr_rule *rule, bool copying)
{
    static const struct {
        unsigned copy, means;
    } more[] = {
        {RULE_COPY, NOTE_8},
        {RULE_COPY_TRUE, NOTE_11},
        {RULE_COPY_FALSE, NOTE_12},
    };
    unsigned notes = rule->notes;

    for (size_t i = 0; copying && i < sizeof(more) / sizeof(*more); i++)
        if ((rule->notes & more[i].copy) != 0)
            notes |= more[i].means;
    return notes;
}

static CK_RV check_change(const struct object *object, const struct attr_rule *rule, bool copying,
                          const CK_ATTRIBUTE *attr)
{
    const char *name = name_of(attr->type);
    bool is = attrs_true(&object->attrs, attr->type);
    unsigned notes;

    if (rule == NULL)
        return fail(CKR_ATTRIBUTE_TYPE_INVALID, "this object has no %s: leave it out", name);
    notes = notes_of(rule, copying);
    if ((notes & (NOTE_8 | NOTE_10)) != 0)
        return CKR_OK;
    if ((notes & NOTE_11) != 0)
        return is_true(attr) || !is ? CKR_OK
                                    : fail(CKR_ATTRIBUTE_READ_ONLY,
                                           "%s can only be changed to true: leave it out", name);
    if (!is_true(attr) && role_keeps(kind_of_object(object), &object->attrs, attr->type))
        return fail(CKR_ATTRIBUTE_READ_ONLY,
                    "%s stays true while the key signs or decrypts: it could undo with no padding "
                    "what was wrapped to it. Set CKA_SIGN, CKA_SIGN_RECOVER and CKA_DECRYPT false "
                    "before",
                    name);
    if ((notes & NOTE_12) != 0)
        return !is_true(attr) || is ? CKR_OK
                                    : fail(CKR_ATTRIBUTE_READ_ONLY,
                                           "%s can only be changed to false: make a new key "
                                           "instead",
                                           name);
    return fail(CKR_ATTRIBUTE_READ_ONLY, "%s can not be changed: make a new object instead", name);
}

/* Dates of a key are its life in the vault; a certificate's can not be changed. */
static bool sets_date(const CK_ATTRIBUTE *attr)
{
    return attr->type == CKA_START_DATE || attr->type == CKA_END_DATE;
}

static CK_RV apply(struct object *object, bool copying, const CK_ATTRIBUTE *template,
                   CK_ULONG count)
{
    enum object_kind kind = kind_of_object(object);
    bool dates = false;

    for (CK_ULONG i = 0; i < count; i++) {
        CK_RV rv = check_change(object, rule_find(template[i].type, kind), copying, &template[i]);

        if (rv == CKR_OK)
            rv = set_value(&object->attrs, &template[i]);
        if (rv != CKR_OK)
            return rv;
        dates = dates || sets_date(&template[i]);
    }
    return dates ? template_dates(object) : CKR_OK;
}

CK_RV template_change(struct object *object, const CK_ATTRIBUTE *template, CK_ULONG count)
{
    if (!attrs_true(&object->attrs, CKA_MODIFIABLE))
        return fail(CKR_ACTION_PROHIBITED,
                    "the object was made with CKA_MODIFIABLE false: make a new one instead");
    return apply(object, false, template, count);
}

CK_RV template_copy(struct object *copy, const CK_ATTRIBUTE *template, CK_ULONG count)
{
    if (!attrs_true(&copy->attrs, CKA_COPYABLE))
        return fail(CKR_ACTION_PROHIBITED,
                    "the object was made with CKA_COPYABLE false: make a new one instead");
    return apply(copy, true, template, count);
}
