/*
 * Policies made at random, and for each of them every principal x action x object x mechanism: what
 * policy_decide() says of the request as the documents describe it (built here, not by the gate) is
 * what the module answers, with the code that DESIGN 2 gives for it.
 */
#include "base/mech.h"
#include "policy/schema.h"
#include "tests/support/lab.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct lab lab;
static CK_SESSION_HANDLE session;
static struct policy *rules; /* the home's and the vault's, as the gate has them */

/* ---- policies ---- */

static uint32_t seed;

static uint32_t draw(uint32_t n)
{
    seed = seed * 1664525U + 1013904223U;
    return (seed >> 8) % n;
}

#define DRAW(list) (list)[draw(sizeof(list) / sizeof(*(list)))]

static char unix_name[64];

static void put_rule(struct buf *out, bool forbid)
{
    static const char *const actions[] = {"action",
                                          "action == Action::\"list\"",
                                          "action == Action::\"sign\"",
                                          "action == Action::\"encrypt\"",
                                          "action == Action::\"update\"",
                                          "action == Action::\"get\"",
                                          "action == Action::\"random\"",
                                          "action in Action::\"keyUse\"",
                                          "action in [Action::\"verify\", Action::\"decrypt\"]",
                                          "action in Action::\"cryptoUser\""};
    static const char *const resources[] = {"resource", "resource == Key::\"web/tls\"",
                                            "resource == Key::\"web/seal\"",
                                            "resource in Vault::\"web\"", "resource is Key"};
    static const char *const conditions[] = {
        "",
        "",
        "when { context has mechanism && context.mechanism == \"CKM_ECDSA_SHA256\" }",
        "when { context has mechanism && context.mechanism like \"*_ECB\" }",
        "unless { context has hash && context.hash == \"CKM_SHA384\" }",
        "when { resource has class && resource.class == \"private\" }",
        "when { resource has type && resource.type == \"aes\" }",
        "when { context.loggedIn }",
        "unless { resource has name && resource.name like \"s*\" }"};
    char principals[4][96] = {"principal", "principal == User::\"alice\"",
                              "principal == User::\"bob\""};

    (void)snprintf(principals[3], sizeof(principals[3]), "principal == Unix::\"%s\"", unix_name);
    buf_printf(out, "%s (%s, %s, %s) %s;\n", forbid ? "forbid" : "permit", DRAW(principals),
               forbid ? actions[1 + draw(8)] : DRAW(actions), DRAW(resources), DRAW(conditions));
}

/* Those by which every answer there is comes up for every principal. */
static const char *const by_hand[] = {
    "permit (principal, action in Action::\"cryptoUser\", resource);"
    "forbid (principal, action in Action::\"keyUse\", resource) when { context has mechanism && "
    "context.mechanism == \"CKM_ECDSA_SHA256\" };",
    "permit (principal, action in Action::\"cryptoUser\", resource);"
    "forbid (principal, action == Action::\"random\", resource);",
    "permit (principal, action == Action::\"list\", resource);"
    "permit (principal is User, action == Action::\"verify\", resource);",
};

#define BY_HAND (sizeof(by_hand) / sizeof(*by_hand))

/* Mostly permits, so that there is something to forbid. */
static void make_policy(struct buf *out, uint32_t number)
{
    uint32_t permits, forbids;

    if (number < BY_HAND) {
        buf_puts(out, by_hand[number]);
        return;
    }
    seed = 20261124U + number * 7919U;
    permits = 2 + draw(4);
    forbids = draw(3);
    for (uint32_t i = 0; i < permits; i++)
        put_rule(out, false);
    for (uint32_t i = 0; i < forbids; i++)
        put_rule(out, true);
}

static void load(const char *home, const char *vault)
{
    const struct policy_source sources[] = {
        {.name = "home", .text = bytes_from_str(home), .prefix = "home:"},
        {.name = "web", .text = bytes_from_str(vault), .prefix = ""}};
    struct policy_error error;

    policy_free(rules);
    ck_assert_msg(policy_load(sources, 2, &rules, &error) == CKR_OK, "%s\n%s", error.message,
                  vault);
}

/* ---- who and what ---- */

static const struct principal {
    const char *type, *id, *pin; /* pin NULL: the Unix user, without a login */
} principals[] = {
    {"User", "alice", "alice:" LAB_PIN},
    {"User", "bob", "bob:" LAB_BOB_PIN},
    {"Unix", unix_name, NULL},
};

enum thing { TLS, TLS_PUBLIC, SIGN, SEAL, VAULT, THINGS };

static const struct {
    const char *label, *class_word, *type, *protection;
    CK_OBJECT_CLASS cls;
    int64_t size;
    bool private;
} things[THINGS] = {
    [TLS] = {"tls", "private", "ec", "hsm", CKO_PRIVATE_KEY, 256, true},
    [TLS_PUBLIC] = {"tls", "public", "ec", "none", CKO_PUBLIC_KEY, 256, false},
    [SIGN] = {"sign", "private", "rsa", "hsm", CKO_PRIVATE_KEY, 2048, true},
    [SEAL] = {"seal", "secret", "aes", "hsm", CKO_SECRET_KEY, 256, true},
};

static CK_OBJECT_HANDLE handles[THINGS];

static CK_RV sign(enum thing thing, CK_MECHANISM *m)
{
    return lab.f->C_SignInit(session, m, handles[thing]);
}
static CK_RV verify(enum thing thing, CK_MECHANISM *m)
{
    return lab.f->C_VerifyInit(session, m, handles[thing]);
}
static CK_RV encrypt(enum thing thing, CK_MECHANISM *m)
{
    return lab.f->C_EncryptInit(session, m, handles[thing]);
}
static CK_RV decrypt(enum thing thing, CK_MECHANISM *m)
{
    return lab.f->C_DecryptInit(session, m, handles[thing]);
}
static CK_RV read_class(enum thing thing, CK_MECHANISM *m)
{
    CK_OBJECT_CLASS cls;
    CK_ATTRIBUTE a = {CKA_CLASS, &cls, sizeof(cls)};

    (void)m;
    return lab.f->C_GetAttributeValue(session, handles[thing], &a, 1);
}
static CK_RV update(enum thing thing, CK_MECHANISM *m)
{
    CK_BYTE id[] = "matrix";
    CK_ATTRIBUTE a = {CKA_ID, id, sizeof(id)};

    (void)m;
    return lab.f->C_SetAttributeValue(session, handles[thing], &a, 1);
}
static CK_RV random_bytes(enum thing thing, CK_MECHANISM *m)
{
    CK_BYTE bytes[4];

    (void)thing;
    (void)m;
    return lab.f->C_GenerateRandom(session, bytes, sizeof(bytes));
}

static const struct cell {
    const char *function;
    CK_RV (*call)(enum thing thing, CK_MECHANISM *m);
    enum action action;
    enum thing thing;
    CK_MECHANISM_TYPE mechanism; /* KW_NO_MECHANISM: none */
    CK_RV visible, hidden;       /* what a refusal answers */
} cells[] = {
#define USE(function, call, action, thing, mechanism)                                              \
    {                                                                                              \
        function, call, action, thing, mechanism, CKR_KEY_FUNCTION_NOT_PERMITTED,                  \
            CKR_KEY_HANDLE_INVALID                                                                 \
    }
    USE("C_SignInit", sign, ACTION_SIGN, TLS, CKM_ECDSA_SHA256),
    USE("C_SignInit", sign, ACTION_SIGN, TLS, CKM_ECDSA_SHA384),
    USE("C_SignInit", sign, ACTION_SIGN, TLS, CKM_ECDSA),
    USE("C_SignInit", sign, ACTION_SIGN, SIGN, CKM_SHA256_RSA_PKCS),
    USE("C_SignInit", sign, ACTION_SIGN, SIGN, CKM_SHA384_RSA_PKCS),
    USE("C_VerifyInit", verify, ACTION_VERIFY, TLS_PUBLIC, CKM_ECDSA_SHA256),
    USE("C_VerifyInit", verify, ACTION_VERIFY, TLS_PUBLIC, CKM_ECDSA_SHA384),
    USE("C_EncryptInit", encrypt, ACTION_ENCRYPT, SEAL, CKM_AES_ECB),
    USE("C_DecryptInit", decrypt, ACTION_DECRYPT, SEAL, CKM_AES_ECB),
#undef USE
    {"C_SetAttributeValue", update, ACTION_UPDATE, TLS, KW_NO_MECHANISM, CKR_ACTION_PROHIBITED,
     CKR_OBJECT_HANDLE_INVALID},
    {"C_SetAttributeValue", update, ACTION_UPDATE, SEAL, KW_NO_MECHANISM, CKR_ACTION_PROHIBITED,
     CKR_OBJECT_HANDLE_INVALID},
    {"C_GetAttributeValue", read_class, ACTION_GET, TLS, KW_NO_MECHANISM, CKR_ATTRIBUTE_SENSITIVE,
     CKR_OBJECT_HANDLE_INVALID},
    {"C_GetAttributeValue", read_class, ACTION_GET, TLS_PUBLIC, KW_NO_MECHANISM,
     CKR_ATTRIBUTE_SENSITIVE, CKR_OBJECT_HANDLE_INVALID},
    {"C_GenerateRandom", random_bytes, ACTION_RANDOM, VAULT, KW_NO_MECHANISM, CKR_FUNCTION_REJECTED,
     CKR_FUNCTION_REJECTED},
};

/* ---- the request, as docs/POLICY.md describes it ---- */

static struct policy_value text(const char *s)
{
    return (struct policy_value){.kind = POLICY_STRING, .u.string = bytes_from_str(s)};
}

static struct policy_value number(int64_t n)
{
    return (struct policy_value){.kind = POLICY_LONG, .u.number = n};
}

static struct policy_value truth(bool b)
{
    return (struct policy_value){.kind = POLICY_BOOL, .u.boolean = b};
}

#define FIELD(key, val) ((struct policy_field){.name = BYTES_LIT(key), .value = (val)})
#define RECORD(list, n)                                                                            \
    ((struct policy_value){.kind = POLICY_RECORD, .u.record = {.fields = (list), .count = (n)}})

static size_t make_context(struct policy_field *f, const struct principal *who,
                           const struct cell *cell, CK_MECHANISM_TYPE mechanism)
{
    const struct mech *row = mechanism != KW_NO_MECHANISM ? mech_find(mechanism) : NULL;
    const struct mech *hash = row != NULL ? mech_find(row->hash) : NULL;
    const struct policy_field *first = f;

    *f++ = FIELD("approvals", number(0));
    *f++ = FIELD("function", text(cell->function));
    if (hash != NULL)
        *f++ = FIELD("hash", text(hash->name));
    *f++ = FIELD("loggedIn", truth(who->pin != NULL));
    if (row != NULL)
        *f++ = FIELD("mechanism", text(row->name));
    *f++ = FIELD("now", number(1795500000));
    *f++ = FIELD("readWrite", truth(true));
    *f++ = FIELD("vault", text("web"));
    *f++ = FIELD("via", text("pkcs11"));
    return (size_t)(f - first);
}

/* Entities are listed by type: Action, Key, the principal (Unix or User), Vault. */
static bool allowed(const struct principal *who, const struct cell *cell, enum action action,
                    CK_MECHANISM_TYPE mechanism)
{
    enum thing thing = cell->thing;
    const struct policy_uid vault = {.type = BYTES_LIT("Vault"), .id = BYTES_LIT("web")};
    char id[64];
    struct policy_field context[12];
    const struct policy_field object[] = {FIELD("class", text(things[thing].class_word)),
                                          FIELD("name", text(things[thing].label)),
                                          FIELD("private", truth(things[thing].private)),
                                          FIELD("protection", text(things[thing].protection)),
                                          FIELD("size", number(things[thing].size)),
                                          FIELD("state", text("enabled")),
                                          FIELD("tags", RECORD(NULL, 0)),
                                          FIELD("token", truth(true)),
                                          FIELD("type", text(things[thing].type)),
                                          FIELD("version", number(1))};
    const struct policy_field of_vault[] = {FIELD("name", text("web")),
                                            FIELD("protection", text("hsm"))};
    struct policy_entity entities[4];
    size_t n = 0;
    uint32_t reasons[64];
    struct policy_verdict verdict = {.reasons = reasons, .max = 64};
    struct policy_request request = {
        .principal = {.type = bytes_from_str(who->type), .id = bytes_from_str(who->id)},
        .action = schema_action(action)->uid,
        .resource = vault,
        .entities = entities};

    (void)snprintf(id, sizeof(id), "web/%s", thing == VAULT ? "" : things[thing].label);
    entities[n++] = *schema_action(action);
    if (thing != VAULT) {
        request.resource = (struct policy_uid){.type = BYTES_LIT("Key"), .id = bytes_from_str(id)};
        entities[n++] = (struct policy_entity){.uid = request.resource,
                                               .ancestors = &vault,
                                               .ancestor_count = 1,
                                               .attributes = RECORD(object, 10)};
    }
    entities[n++] = (struct policy_entity){.uid = request.principal, .attributes = RECORD(NULL, 0)};
    entities[n++] = (struct policy_entity){.uid = vault, .attributes = RECORD(of_vault, 2)};
    request.entity_count = n;
    request.context = RECORD(context, make_context(context, who, cell, mechanism));
    policy_decide(rules, &request, &verdict);
    /* Without a login a private object is there for those only whom the policy names. */
    return verdict.allow && (who->pin != NULL || thing == VAULT || !things[thing].private ||
                             policy_verdict_names_principal(rules, &request, &verdict));
}

/* ---- the answer ---- */

static bool some_login_helps(const struct principal *who, const struct cell *cell)
{
    for (size_t i = 0; i < 2 && who->pin == NULL; i++)
        if (allowed(&principals[i], cell, cell->action, cell->mechanism))
            return true;
    return false;
}

static bool some_mechanism_helps(const struct principal *who, const struct cell *cell)
{
    const struct mech *row = mech_find(cell->mechanism);

    for (size_t i = 0; row != NULL && i < mech_count(); i++) {
        const struct mech *other = mech_at(i);
        struct cell with = *cell;

        /* A hint does not say more than the policy alone does. */
        with.mechanism = other->type;
        if (other != row && other->key == row->key && (other->flags & row->flags) != 0 &&
            allowed(who, &with, with.action, with.mechanism))
            return true;
    }
    return false;
}

static CK_RV expected(const struct principal *who, const struct cell *cell)
{
    bool visible = cell->thing == VAULT || allowed(who, cell, ACTION_LIST, KW_NO_MECHANISM);
    bool may = allowed(who, cell, cell->action, cell->mechanism);

    if (cell->action == ACTION_GET && (visible || may))
        return CKR_OK;
    if (!visible)
        return cell->action == ACTION_UPDATE && may ? CKR_OK : cell->hidden;
    if (may)
        return CKR_OK;
    if (some_login_helps(who, cell))
        return CKR_USER_NOT_LOGGED_IN;
    return some_mechanism_helps(who, cell) ? CKR_MECHANISM_INVALID : cell->visible;
}

static void end_operations(void)
{
    for (size_t i = 0; i < sizeof(cells) / sizeof(*cells); i++)
        if (cells[i].mechanism != KW_NO_MECHANISM)
            (void)cells[i].call(cells[i].thing, NULL);
}

/* Each answer that there can be must have been among them. */
static struct {
    CK_RV rv;
    bool unix_only; /* nobody else lacks a login */
    unsigned count;
} seen[] = {
    {CKR_OK, false, 0},
    {CKR_KEY_HANDLE_INVALID, false, 0},
    {CKR_OBJECT_HANDLE_INVALID, false, 0},
    {CKR_KEY_FUNCTION_NOT_PERMITTED, false, 0},
    {CKR_ACTION_PROHIBITED, false, 0},
    {CKR_MECHANISM_INVALID, false, 0},
    {CKR_FUNCTION_REJECTED, false, 0},
    {CKR_USER_NOT_LOGGED_IN, true, 0},
};

static void note_answer(CK_RV rv)
{
    for (size_t i = 0; i < sizeof(seen) / sizeof(*seen); i++)
        if (seen[i].rv == rv)
            seen[i].count++;
}

static void check_cells(const struct principal *who, const char *policy)
{
    for (size_t i = 0; i < sizeof(cells) / sizeof(*cells); i++) {
        const struct cell *cell = &cells[i];
        CK_MECHANISM m = {.mechanism = cell->mechanism};
        CK_RV want = expected(who, cell);
        CK_RV got = cell->call(cell->thing, &m);

        ck_assert_msg(want == got, "%s %s %s: wanted 0x%lx, got 0x%lx (%s)\n%s", who->id,
                      cell->function, cell->thing == VAULT ? "" : things[cell->thing].label, want,
                      got, lab.admin->reason(), policy);
        note_answer(got);
        if (got == CKR_OK && cell->mechanism != KW_NO_MECHANISM)
            end_operations();
    }
}

/* ---- the matrix ---- */

#define POLICIES 24U

static const char *to_apply;

static void apply_here(struct lab *other, int n)
{
    (void)n;
    assert_ok(other->f->C_Initialize(NULL));
    lab_policy(other, to_apply);
    lab_unload(other);
}

/* By the administrator, in another process: here somebody may be logged in. */
static void apply(const char *policy)
{
    to_apply = policy;
    lab_join(lab_child(apply_here, &lab, 0));
}

static void read_home(struct buf *out)
{
    json_error_t error;
    json_t *answer;

    assert_ok(lab_admin(&lab, NULL, "{\"verb\":\"policy.show\"}"));
    answer = json_loads(lab.answer, 0, &error);
    buf_puts(out, lab_member(answer, "text"));
    json_decref(answer);
}

START_TEST(the_module_answers_as_the_policy_decides)
{
    const struct principal *who = &principals[_i];
    const struct passwd *self = getpwuid(getuid());
    struct buf home = BUF_INIT(1U << 16);
    char all[160];

    ck_assert_ptr_nonnull(self);
    (void)snprintf(unix_name, sizeof(unix_name), "%s", self->pw_name);
    (void)snprintf(all, sizeof(all), "permit (principal == %s::\"%s\", action, resource);",
                   who->type, who->id);
    lab_start(&lab);
    read_home(&home);
    lab_policy(&lab, all);
    session = lab_session(&lab, CKF_SERIAL_SESSION | CKF_RW_SESSION);
    if (who->pin != NULL)
        assert_ok(lab_login(&lab, session, CKU_USER, who->pin));
    for (unsigned t = 0; t < VAULT; t++)
        handles[t] = lab_find(&lab, session, things[t].cls, things[t].label);
    for (uint32_t p = 0; p < POLICIES; p++) {
        struct buf policy = BUF_INIT(1U << 16);

        make_policy(&policy, p);
        load(buf_str(&home), buf_str(&policy));
        apply(buf_str(&policy));
        check_cells(who, buf_str(&policy));
        buf_release(&policy);
    }
    for (size_t i = 0; i < sizeof(seen) / sizeof(*seen); i++)
        ck_assert_msg(seen[i].count > 0 || (seen[i].unix_only && who->pin != NULL),
                      "no cell was answered 0x%lx", seen[i].rv);
    policy_free(rules);
    buf_release(&home);
    lab_end(&lab);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        {.test = the_module_answers_as_the_policy_decides,
         .loop_end = sizeof(principals) / sizeof(*principals),
         .timeout_s = 300},
    };

    return lab_suite_run("pkcs11/matrix", cases, sizeof(cases) / sizeof(*cases));
}
