/*
 * The vendor interface: one function, JSON in and out (keyward.h). Promises: what has no row in a
 * chapter's table cannot be asked; a member that is unknown, missing or of the wrong kind is
 * refused by name before anything happens; the gate is asked before the act; and the answer is
 * handed out only after call_leave() has written the record. Never takes or gives a PIN in JSON.
 */
#include "pkcs11/admin_int.h"

#include "base/clock.h"
#include "base/names.h"
#include "pkcs11/module.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUEST_MAX (POLICY_TEXT_MAX + (1U << 20)) /* a policy text and what stands around it */

static const struct admin_chapter *const chapters[] = {
    &admin_home_chapter,    &admin_vault_chapter,   &admin_user_chapter,   &admin_group_chapter,
    &admin_issuer_chapter,  &admin_key_chapter,     &admin_policy_chapter, &admin_log_chapter,
    &admin_approve_chapter, &admin_confirm_chapter,
};

const struct admin_chapter *admin_chapter_at(size_t i)
{
    return i < sizeof(chapters) / sizeof(*chapters) ? chapters[i] : NULL;
}

/* ---- members ---- */

static const json_t *member(const struct admin *a, const char *name)
{
    return json_object_get(a->request, name);
}

const char *admin_text(const struct admin *a, const char *name)
{
    return json_string_value(member(a, name));
}

int64_t admin_number(const struct admin *a, const char *name, int64_t fallback)
{
    const json_t *value = member(a, name);

    return value != NULL ? json_integer_value(value) : fallback;
}

bool admin_bool(const struct admin *a, const char *name, bool fallback)
{
    const json_t *value = member(a, name);

    return value != NULL ? json_is_true(value) : fallback;
}

const char *admin_list(const struct admin *a, const char *name, size_t i)
{
    return json_string_value(json_array_get(member(a, name), i));
}

bool admin_has(const struct admin *a, const char *name)
{
    return member(a, name) != NULL;
}

bool admin_secret(const struct admin *a, const char *name, struct bytes *ret)
{
    const json_t *value = member(a, name);
    const struct keyward_secret *secret;

    if (value == NULL)
        return false;
    secret = &a->secrets[json_integer_value(value)];
    *ret = BYTES(secret->data, secret->len);
    return true;
}

/* ---- answers ---- */

CK_RV admin_put(json_t *object, const char *name, json_t *value)
{
    return json_object_set_new(object, name, value) == 0 ? CKR_OK : fail_memory();
}

CK_RV admin_append(json_t *array, json_t *value)
{
    return json_array_append_new(array, value) == 0 ? CKR_OK : fail_memory();
}

json_t *admin_json_text(struct bytes text)
{
    json_t *value = json_stringn(text.len > 0 ? (const char *)text.data : "", text.len);
    SCOPED_FREE char *copy = NULL;

    if (value != NULL)
        return value;
    copy = bytes_to_str(text);
    for (size_t i = 0; copy != NULL && i < text.len; i++)
        if ((unsigned char)copy[i] >= 0x80 || copy[i] == '\0')
            copy[i] = '?';
    return copy != NULL ? json_string(copy) : NULL;
}

json_t *admin_json_time(int64_t seconds)
{
    char text[CLOCK_TEXT_MAX];
    char *fraction;

    if (seconds <= 0 || seconds > INT64_MAX / 1000000000)
        return json_null();
    clock_format(seconds * 1000000000, text);
    fraction = strchr(text, '.');
    if (fraction != NULL)
        memcpy(fraction, "Z", 2);
    return json_string(text);
}

/* {"error": sentence, "rv": name}, and the details of a policy or the report on a log that was
 * refused. */
static json_t *error_json(struct admin *a, CK_RV rv)
{
    char name[NAME_BUF_MAX];
    const char *reason = fail_reason();
    json_t *error = json_object();
    bool whole;

    if (reason[0] == '\0')
        reason = "the call failed: no reason was given";
    whole = json_object_set_new(error, "error", admin_json_text(bytes_from_str(reason))) == 0 &&
            json_object_set_new(error, "rv", json_string(name_of_rv(rv, name))) == 0;
    if (whole && a->details != NULL)
        whole = json_object_set(error, "errors", a->details) == 0;
    if (whole && a->report != NULL)
        whole = json_object_set(error, "report", a->report) == 0;
    if (whole)
        return error;
    json_decref(error);
    return NULL;
}

static int take_text(const char *text, size_t len, void *ctx)
{
    struct buf *whole = ctx;

    buf_put(whole, text, len);
    return buf_ok(whole) ? 0 : -1;
}

bool admin_json_print(const json_t *value, struct buf *out)
{
    return json_dump_callback(value, take_text, out, JSON_COMPACT) == 0;
}

static CK_RV give(struct admin *a, CK_RV rv,
                  void (*receive)(void *ctx, const CK_UTF8CHAR *json, CK_ULONG len), void *ctx)
{
    static const char no_memory[] = "{\"error\":\"out of memory\",\"rv\":\"CKR_HOST_MEMORY\"}";
    json_t *answer = rv == CKR_OK ? json_incref(a->answer) : error_json(a, rv);
    struct buf text = BUF_INIT(SIZE_MAX);

    if (answer != NULL && admin_json_print(answer, &text)) {
        receive(ctx, text.data, text.len);
    } else {
        receive(ctx, (const CK_UTF8CHAR *)no_memory, sizeof(no_memory) - 1);
        rv = CKR_HOST_MEMORY;
    }
    json_decref(answer);
    buf_release(&text);
    return rv;
}

/* ---- requests ---- */

const struct admin_verb *admin_verb_find(const char *name)
{
    for (size_t c = 0; c < sizeof(chapters) / sizeof(*chapters); c++)
        for (size_t i = 0; i < chapters[c]->count; i++)
            if (strcmp(chapters[c]->verbs[i].name, name) == 0)
                return &chapters[c]->verbs[i];
    return NULL;
}

static const struct admin_member *member_find(const struct admin_verb *verb, const char *name)
{
    for (const struct admin_member *m = verb->members; m->name != NULL; m++)
        if (strcmp(m->name, name) == 0)
            return m;
    return NULL;
}

static bool list_is_of_texts(const json_t *value)
{
    for (size_t i = 0; i < json_array_size(value); i++)
        if (!json_is_string(json_array_get(value, i)))
            return false;
    return json_is_array(value);
}

static bool secret_is_there(const struct admin *a, const json_t *value)
{
    json_int_t index = json_integer_value(value);

    return json_is_integer(value) && index >= 0 && (uint64_t)index < a->secret_count &&
           (a->secrets[index].data != NULL || a->secrets[index].len == 0);
}

/* NULL when the value is of its kind, else what it must be. */
static const char *kind_missed(const struct admin *a, enum member_kind kind, const json_t *value)
{
    switch (kind) {
    case MEMBER_TEXT:
        return json_is_string(value) ? NULL : "a text";
    case MEMBER_NUMBER:
        return json_is_integer(value) && json_integer_value(value) >= 0 ? NULL : "a number from 0";
    case MEMBER_BOOL:
        return json_is_boolean(value) ? NULL : "true or false";
    case MEMBER_LIST:
        return list_is_of_texts(value) ? NULL : "a list of texts";
    case MEMBER_OBJECT:
        return json_is_object(value) ? NULL : "an object";
    case MEMBER_SECRET:
        return secret_is_there(a, value) ? NULL : "the index of a secret given with the call";
    }
    return "known to this version";
}

static CK_RV check_members(struct admin *a, const struct admin_verb *verb)
{
    const char *name;
    json_t *value;

    json_object_foreach(a->request, name, value)
    {
        const struct admin_member *m = member_find(verb, name);
        const char *missed;

        if (strcmp(name, "verb") == 0)
            continue;
        if (m == NULL)
            return fail(CKR_ARGUMENTS_BAD, "%s: unknown member \"%.64s\": see docs/ADMIN.md",
                        verb->name, name);
        missed = kind_missed(a, m->kind, value);
        if (missed != NULL)
            return fail(CKR_ARGUMENTS_BAD, "%s: member \"%s\" must be %s", verb->name, name,
                        missed);
    }
    for (const struct admin_member *m = verb->members; m->name != NULL; m++)
        if (m->required && member(a, m->name) == NULL)
            return fail(CKR_ARGUMENTS_BAD, "%s: member \"%s\" is missing", verb->name, m->name);
    return CKR_OK;
}

static CK_RV parse(struct admin *a, struct bytes request)
{
    json_error_t error;
    const char *verb;

    if (request.len > REQUEST_MAX)
        return fail(CKR_ARGUMENTS_BAD, "request of %zu bytes is too long: %u are the most",
                    request.len, REQUEST_MAX);
    a->request =
        json_loadb((const char *)request.data, request.len, JSON_REJECT_DUPLICATES, &error);
    if (a->request == NULL)
        return fail(CKR_ARGUMENTS_BAD, "request is no JSON: line %d column %d: %s", error.line,
                    error.column, error.text);
    verb = admin_text(a, "verb");
    if (!json_is_object(a->request) || verb == NULL)
        return fail(CKR_ARGUMENTS_BAD, "request must be an object with the text member \"verb\"");
    a->verb = admin_verb_find(verb);
    if (a->verb == NULL)
        return fail(CKR_ARGUMENTS_BAD, "unknown verb \"%.64s\": see docs/ADMIN.md", verb);
    return check_members(a, a->verb);
}

/* ---- acting ---- */

CK_RV admin_ask(struct admin *a, enum action action, const struct object *object)
{
    struct ask ask = {.action = action, .object = object};
    CK_RV rv = gate_ask(&a->run, &ask);

    if (rv == CKR_OK && (a->verb->flags & ADMIN_CHANGES))
        rv = gate_intent(&a->run);
    return rv;
}

void admin_run_is_verb(struct admin *a)
{
    a->run.verb = a->verb->name;
    a->run.permission = permission_of_verb(a->verb->name, a->verb->action);
}

CK_RV admin_check_pin(struct bytes pin, const char *whose)
{
    if (pin.len < PIN_MIN || pin.len > PIN_MAX)
        return fail(CKR_PIN_LEN_RANGE, "%s PIN has %zu bytes: choose one of %d to %d", whose,
                    pin.len, PIN_MIN, PIN_MAX);
    if (memchr(pin.data, '\0', pin.len) != NULL)
        return fail(CKR_PIN_INVALID, "%s PIN holds a NUL byte: choose another", whose);
    return CKR_OK;
}

static CK_RV enter_vault(struct admin *a)
{
    const char *name = admin_text(a, "vault");
    CK_RV rv;

    if (name == NULL)
        return CKR_OK;
    rv = vault_get(run_store(&a->run), name, &a->run.vault);
    if (rv == CKR_SLOT_ID_INVALID)
        return fail(rv, "there is no vault %.64s: see keyward vault list", name);
    a->run.has_vault = rv == CKR_OK;
    return rv;
}

/* A verb that asks by itself is guarded by itself. */
static CK_RV ask_and_guard(struct admin *a)
{
    CK_RV rv = admin_ask(a, a->verb->action, NULL);

    return rv == CKR_OK ? admin_guard(a) : rv;
}

static CK_RV act(struct admin *a)
{
    CK_RV rv = CKR_OK;

    admin_run_is_verb(a);
    if (a->verb->flags & ADMIN_VAULT)
        rv = enter_vault(a);
    if (rv == CKR_OK && !(a->verb->flags & ADMIN_ASKS))
        rv = ask_and_guard(a);
    if (rv == CKR_OK)
        rv = a->verb->act(a);
    return rv;
}

static CK_RV run_homeless(struct admin *a)
{
    struct app *app = NULL;
    CK_RV rv = module_acquire(&app);

    if (rv != CKR_OK)
        return fail(rv, "the module is not initialized: call C_Initialize first");
    rv = a->verb->act(a);
    module_release();
    return rv;
}

static CK_RV run_verb(struct admin *a)
{
    char reason[FAIL_REASON_MAX];
    CK_RV rv = call_enter(&a->run, CALL_ADMIN, 0);
    CK_RV left;

    if (rv == CKR_OK)
        rv = act(a);
    else if (a->verb->flags & ADMIN_REPORTS)
        admin_log_report(a);
    (void)snprintf(reason, sizeof(reason), "%s", fail_reason());
    left = call_leave(&a->run, rv);
    /* Writing the record may itself have met and repaired trouble: the caller's reason is the
     * act's. */
    return left == rv && rv != CKR_OK ? fail(rv, "%s", reason) : left;
}

static CK_RV admin_call(const CK_UTF8CHAR *request, CK_ULONG request_len,
                        const struct keyward_secret *secrets, CK_ULONG secret_count,
                        void (*receive)(void *ctx, const CK_UTF8CHAR *json, CK_ULONG len),
                        void *ctx)
{
    struct admin a = {.secrets = secrets, .secret_count = secrets != NULL ? secret_count : 0};
    CK_RV rv;

    if (request == NULL || receive == NULL)
        return fail_argument(request == NULL ? "request" : "receive");
    fail_clear();
    a.answer = json_object();
    rv = a.answer != NULL ? parse(&a, BYTES(request, request_len)) : fail_memory();
    if (rv == CKR_OK)
        rv = a.verb->flags & ADMIN_HOMELESS ? run_homeless(&a) : run_verb(&a);
    rv = give(&a, rv, receive, ctx);
    json_decref(a.request);
    json_decref(a.answer);
    json_decref(a.details);
    json_decref(a.report);
    return rv;
}

struct keyward_functions module_admin_functions = {
    .version = {.major = 1, .minor = 0}, .call = admin_call, .reason = fail_reason};
