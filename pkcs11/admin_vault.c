/* Verbs about vaults, and status. A vault is made ready to use: its first user, its security
 * officer and the policy that says who may what. */
#include "pkcs11/admin_widen.h"

#include "base/secret.h"

#include <stdlib.h>
#include <string.h>

static json_t *vault_json(const struct vault_info *vault)
{
    char id[2 * VAULT_ID_LEN + 1];

    bytes_to_hex(BYTES(vault->id, VAULT_ID_LEN), id);
    return json_pack("{s:s, s:I, s:s, s:s, s:o, s:I, s:b, s:b, s:s, s:i}", "name", vault->name,
                     "slot", (json_int_t)vault->slot, "id", id, "protection",
                     protection_name(vault->protection), "created", admin_json_time(vault->created),
                     "retention", (json_int_t)vault->retention, "purge-protection",
                     (int)vault->purge_protection, "legacy", (int)vault->legacy, "default-user",
                     vault->default_user, "confirmations", (int)vault->confirmations);
}

/* What new keys are protected by, where nothing else is said; untouched where the member is absent.
 */
static CK_RV read_protection(struct admin *a, enum protection *protection)
{
    const char *name = admin_text(a, "protection");

    if (name == NULL || protection_parse(bytes_from_str(name), protection) == CKR_OK)
        return CKR_OK;
    return fail(CKR_ARGUMENTS_BAD, "%s", fail_reason());
}

/* ---- vault.create ---- */

/* What vault.create was asked for, checked before anything is made. */
struct creation {
    struct vault_spec spec;
    const char *user;
    struct bytes pin, so_pin;
    bool has_so;
    struct buf policy;
};

static CK_RV read_spec(struct admin *a, struct vault_spec *spec)
{
    const char *retention = admin_text(a, "retention");
    CK_RV rv;

    spec->name = admin_text(a, "vault");
    spec->purge_protection = admin_bool(a, "purge-protection", true);
    spec->legacy = admin_bool(a, "legacy", false);
    spec->protection = PROTECTION_HSM;
    if (!vault_name_is_valid(spec->name))
        return fail(CKR_ARGUMENTS_BAD,
                    "\"%.64s\" is no name for a vault: use 1 to %d of A-Z a-z 0-9 . _ - and begin "
                    "with a letter, a digit or _",
                    spec->name, VAULT_NAME_MAX);
    rv = read_protection(a, &spec->protection);
    if (rv == CKR_OK && retention != NULL)
        rv = admin_parse_duration(retention, &spec->retention);
    return rv;
}

static CK_RV read_users(struct admin *a, struct creation *c)
{
    bool has_pin = admin_secret(a, "pin", &c->pin);
    CK_RV rv = CKR_OK;

    c->user = admin_text(a, "user");
    c->has_so = admin_secret(a, "so-pin", &c->so_pin);
    if ((c->user != NULL) != has_pin)
        return fail(CKR_ARGUMENTS_BAD, "vault.create: \"user\" and \"pin\" go together");
    if (c->user != NULL && (!user_name_is_valid(c->user) || strcmp(c->user, "so") == 0))
        return fail(CKR_ARGUMENTS_BAD,
                    "\"%.80s\" is no name for a user: use 1 to %d of A-Z a-z 0-9 . _ @ - (\"so\" "
                    "is the security officer)",
                    c->user, USER_NAME_MAX);
    if (has_pin)
        rv = admin_check_pin(c->pin, "the user's");
    if (rv == CKR_OK && c->has_so)
        rv = admin_check_pin(c->so_pin, "the security officer's");
    return rv;
}

static CK_RV write_policy(struct admin *a, struct creation *c)
{
    engine_vault_policy(&c->policy, c->spec.name);
    if (c->user != NULL)
        admin_policy_statement(&c->policy, c->user, NULL);
    if (!buf_ok(&c->policy))
        return fail_memory();
    return admin_policy_check(a, c->spec.name, buf_bytes(&c->policy));
}

/* What was asked for, as the store takes it: all of it or nothing. */
static void fill_spec(struct creation *c)
{
    struct vault_user *user = c->spec.users;

    if (c->has_so)
        *user++ = (struct vault_user){.name = "so", .pin = c->so_pin};
    if (c->user != NULL)
        *user = (struct vault_user){.name = c->user, .pin = c->pin};
    c->spec.default_user = c->user;
    c->spec.policy = buf_bytes(&c->policy);
}

static CK_RV vault_create_verb(struct admin *a)
{
    struct creation c = {.policy = BUF_INIT(POLICY_TEXT_MAX)};
    struct vault_info vault = {0};
    CK_RV rv = read_spec(a, &c.spec);

    if (rv == CKR_OK)
        rv = read_users(a, &c);
    if (rv == CKR_OK)
        rv = write_policy(a, &c);
    if (rv == CKR_OK)
        rv = admin_ask(a, ACTION_CREATE_VAULT, NULL);
    if (rv == CKR_OK) {
        fill_spec(&c);
        rv = vault_create(run_store(&a->run), &c.spec, &vault);
    }
    if (rv == CKR_OK) {
        a->run.vault = vault; /* the outcome's record names it */
        a->run.has_vault = true;
    }
    if (rv == CKR_OK)
        rv = admin_put(a->answer, "vault", vault_json(&vault));
    buf_release(&c.policy);
    return rv;
}

/* ---- vault.list, vault.show ---- */

static CK_RV vault_list_verb(struct admin *a)
{
    SCOPED_FREE struct vault_info *vaults = NULL;
    size_t count = 0;
    json_t *list = json_array();
    CK_RV rv = admin_put(a->answer, "vaults", list);

    if (rv == CKR_OK)
        rv = vault_list(run_store(&a->run), &vaults, &count);
    for (size_t i = 0; rv == CKR_OK && i < count; i++)
        rv = admin_append(list, vault_json(&vaults[i]));
    gate_count(&a->run, count);
    return rv;
}

/* Numbers that stand beside the record. */
static CK_RV put_counts(struct admin *a)
{
    SCOPED_FREE struct user_info *users = NULL;
    size_t user_count = 0;
    uint64_t objects = 0;
    CK_RV rv = user_list(run_store(&a->run), &a->run.vault, &users, &user_count);

    if (rv == CKR_OK)
        rv = object_count(run_store(&a->run), &a->run.vault, &objects);
    if (rv == CKR_OK)
        rv = admin_put(a->answer, "users", json_integer((json_int_t)user_count));
    if (rv == CKR_OK)
        rv = admin_put(a->answer, "objects", json_integer((json_int_t)objects));
    return rv;
}

static CK_RV vault_show_verb(struct admin *a)
{
    CK_RV rv = admin_put(a->answer, "vault", vault_json(&a->run.vault));

    return rv == CKR_OK ? put_counts(a) : rv;
}

/* ---- vault.update ---- */

/* What the verb's own records do not tell, told in the log before it is so. */
static CK_RV note_legacy(struct admin *a, bool legacy)
{
    if (legacy == a->run.vault.legacy)
        return CKR_OK;
    return gate_warn(&a->run, legacy
                                  ? "the vault will offer legacy mechanisms: DES, MD5, RSA below "
                                    "2048 bits, unwrapping with CKM_AES_CBC_PAD"
                                  : "the vault will offer legacy mechanisms no longer");
}

/* So many that there are not would lock everybody out. */
static CK_RV take_confirmations(struct admin *a, struct vault_info *vault)
{
    int64_t wanted = admin_number(a, "confirmations", 0);
    unsigned administrators = 0;
    CK_RV rv = CKR_OK;

    if (!admin_has(a, "confirmations"))
        return CKR_OK;
    if (wanted > 0)
        rv = admin_count_administrators(a, NULL, &administrators);
    if (rv == CKR_OK && wanted > administrators)
        rv = fail(CKR_ARGUMENTS_BAD,
                  "vault.update: %lld administrators cannot agree where there are %u",
                  (long long)wanted, administrators);
    if (rv == CKR_OK && wanted > VAULT_CONFIRMATIONS_MAX)
        rv = fail(CKR_ARGUMENTS_BAD, "vault.update: at most %d administrators need to agree",
                  VAULT_CONFIRMATIONS_MAX);
    if (rv == CKR_OK)
        vault->confirmations = (unsigned)wanted;
    return rv;
}

/* The protection is that of keys made from now on: those that are there stay where they are.
 * Legacy mechanisms come and go for all keys. */
static CK_RV vault_update_verb(struct admin *a)
{
    struct vault_info *vault = &a->run.vault;
    bool legacy = admin_bool(a, "legacy", vault->legacy);
    CK_RV rv = read_protection(a, &vault->protection);

    if (rv == CKR_OK && !admin_has(a, "protection") && !admin_has(a, "legacy") &&
        !admin_has(a, "confirmations"))
        rv = fail(CKR_ARGUMENTS_BAD, "vault.update: nothing is to be changed: give \"protection\", "
                                     "\"legacy\" or \"confirmations\"");
    if (rv == CKR_OK)
        rv = take_confirmations(a, vault);
    if (rv == CKR_OK)
        rv = note_legacy(a, legacy);
    vault->legacy = legacy;
    if (rv == CKR_OK)
        rv = vault_update(run_store(&a->run), vault, NULL);
    if (rv == CKR_OK)
        rv = vault_get(run_store(&a->run), vault->name, vault);
    return rv == CKR_OK ? admin_put(a->answer, "vault", vault_json(vault)) : rv;
}

/* ---- status ---- */

static CK_RV put_hsm(struct admin *a)
{
    struct hsm_status hsm;
    CK_RV rv = hsm_status(run_hsm(&a->run), &hsm);

    if (rv != CKR_OK)
        return rv;
    return admin_put(a->answer, "hsm",
                     json_pack("{s:o, s:o, s:o, s:I, s:i, s:i, s:i}", "library",
                               admin_json_text(bytes_from_str(hsm.library)), "token",
                               admin_json_text(bytes_from_str(hsm.token)), "serial",
                               admin_json_text(bytes_from_str(hsm.serial)), "worker",
                               (json_int_t)hsm.worker, "restarts", (int)hsm.restarts, "relogins",
                               (int)hsm.relogins, "lanes-open", (int)hsm.lanes_open));
}

static CK_RV put_log(struct admin *a)
{
    char clock[FAIL_REASON_MAX];
    struct trail_status log;
    CK_RV rv = trail_status(engine_trail(a->run.app->engine), &log);

    if (rv == CKR_OK) {
        (void)gate_clock_problem(&a->run, clock, sizeof(clock));
        rv = admin_put(a->answer, "clock-problem", json_string(clock));
    }

    if (rv != CKR_OK)
        return rv;
    return admin_put(a->answer, "log",
                     json_pack("{s:I, s:I, s:o}", "size", (json_int_t)log.size, "signed-size",
                               (json_int_t)log.signed_size, "last-error",
                               admin_json_text(bytes_from_str(log.last_error))));
}

/* One vault's line: do its rules load, and who has no PIN. */
static CK_RV put_vault_health(struct admin *a, const struct vault_info *vault, json_t *list)
{
    struct rules *rules = NULL;
    SCOPED_FREE struct user_info *users = NULL;
    size_t count = 0;
    struct buf text = BUF_INIT(POLICY_TEXT_MAX);
    json_t *without = json_array();
    uint64_t generation = 0;
    CK_RV rv;

    fail_clear();
    rv = run_generation(&a->run, &generation);
    if (rv == CKR_OK)
        rv = engine_rules(a->run.app->engine, vault, generation, &rules);
    if (rv == CKR_OK)
        rv = admin_append(list, json_pack("{s:s, s:b, s:b, s:o, s:o}", "name", vault->name,
                                          "legacy", (int)vault->legacy, "policy-ok",
                                          (int)(rules->policy != NULL), "policy-problem",
                                          rules->policy != NULL
                                              ? json_string("")
                                              : admin_json_text(bytes_from_str(fail_reason())),
                                          "users-without-pin", json_incref(without)));
    engine_rules_release(a->run.app->engine, rules);
    if (rv == CKR_OK)
        rv = vault_get_policy(run_store(&a->run), vault, &text);
    if (rv == CKR_OK)
        rv = admin_put(json_array_get(list, json_array_size(list) - 1), "policy-empty",
                       json_boolean(text.len == 0));
    if (rv == CKR_OK)
        rv = user_list(run_store(&a->run), vault, &users, &count);
    for (size_t i = 0; rv == CKR_OK && i < count; i++)
        if (!users[i].has_pin)
            rv = admin_append(without, json_string(users[i].name));
    buf_release_secure(&text);
    json_decref(without);
    return rv;
}

static CK_RV put_vaults(struct admin *a)
{
    SCOPED_FREE struct vault_info *vaults = NULL;
    size_t count = 0;
    json_t *list = json_array();
    CK_RV rv = admin_put(a->answer, "vaults", list);

    if (rv == CKR_OK)
        rv = vault_list(run_store(&a->run), &vaults, &count);
    for (size_t i = 0; rv == CKR_OK && i < count; i++)
        rv = put_vault_health(a, &vaults[i], list);
    return rv;
}

static CK_RV status_verb(struct admin *a)
{
    struct engine *engine = a->run.app->engine;
    uint64_t generation = 0, records = 0;
    CK_RV rv = store_generation(engine_store(engine), &generation);

    if (rv == CKR_OK && admin_bool(a, "check", false)) {
        rv = store_check(engine_store(engine), &records);
        if (rv == CKR_OK)
            rv = hsm_self_test(engine_hsm(engine));
        if (rv == CKR_OK)
            rv = admin_put(a->answer, "records-checked", json_integer((json_int_t)records));
    }
    if (rv == CKR_OK)
        rv = admin_put(a->answer, "home", json_string(engine_paths(engine)->home));
    if (rv == CKR_OK)
        rv = admin_put(a->answer, "generation", json_integer((json_int_t)(generation & INT64_MAX)));
    if (rv == CKR_OK)
        rv = admin_put(a->answer, "memory-locked", json_boolean(secret_locking_works()));
    if (rv == CKR_OK)
        rv = put_hsm(a);
    if (rv == CKR_OK)
        rv = put_log(a);
    return rv == CKR_OK ? put_vaults(a) : rv;
}

/* ---- the chapter ---- */

static const struct admin_member create_members[] = {
    {"vault", MEMBER_TEXT, true},
    {"protection", MEMBER_TEXT, false},
    {"user", MEMBER_TEXT, false},
    {"pin", MEMBER_SECRET, false},
    {"so-pin", MEMBER_SECRET, false},
    {"retention", MEMBER_TEXT, false},
    {"purge-protection", MEMBER_BOOL, false},
    {"legacy", MEMBER_BOOL, false},
    {0},
};
static const struct admin_member update_members[] = {
    {"vault", MEMBER_TEXT, true},
    {"protection", MEMBER_TEXT, false},
    {"legacy", MEMBER_BOOL, false},
    {"confirmations", MEMBER_NUMBER, false},
    {0},
};
static const struct admin_member vault_members[] = {{"vault", MEMBER_TEXT, true}, {0}};
static const struct admin_member status_members[] = {{"check", MEMBER_BOOL, false}, {0}};
static const struct admin_member no_members[] = {{0}};

static const struct admin_verb verbs[] = {
    {"status", ACTION_READ_STATUS, 0, status_members, status_verb},
    {"vault.create", ACTION_CREATE_VAULT, ADMIN_CHANGES | ADMIN_ASKS, create_members,
     vault_create_verb},
    {"vault.list", ACTION_LIST_VAULT, 0, no_members, vault_list_verb},
    {"vault.show", ACTION_LIST_VAULT, ADMIN_VAULT, vault_members, vault_show_verb},
    {"vault.update", ACTION_UPDATE_VAULT, ADMIN_VAULT | ADMIN_CHANGES, update_members,
     vault_update_verb},
};

const struct admin_chapter admin_vault_chapter = {verbs, sizeof(verbs) / sizeof(*verbs)};
