/* What an administrator asks of a new key, read and turned into templates: see admin_keyplan.h.
 * Every right that is not asked for is written as CK_FALSE. */
#include "pkcs11/admin_keyplan.h"

#include "base/mech.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* ---- words ---- */

/* clang-format off */
static const struct admin_use uses[] = {
    {"sign",        CKA_SIGN,        .is_public = false},
    {"verify",      CKA_VERIFY,      .is_public = true},
    {"encrypt",     CKA_ENCRYPT,     .is_public = true},
    {"decrypt",     CKA_DECRYPT,     .is_public = false},
    {"wrap",        CKA_WRAP,        .is_public = true},
    {"unwrap",      CKA_UNWRAP,      .is_public = false},
    {"derive",      CKA_DERIVE,      .is_public = false},
    {"encapsulate", CKA_ENCAPSULATE, .is_public = true, .of_pairs = true},
    {"decapsulate", CKA_DECAPSULATE, .is_public = false, .of_pairs = true},
};
/* clang-format on */
#define USES (sizeof(uses) / sizeof(*uses))

const struct admin_use *admin_use_at(size_t i)
{
    return i < USES ? &uses[i] : NULL;
}

/* ---- types ---- */

#define USE_SIGN   (1U << 0 | 1U << 1) /* sign, verify: bits by place in uses */
#define USE_CRYPT  (1U << 2 | 1U << 3) /* encrypt, decrypt */
#define USE_DERIVE (1U << 6)
#define USE_KEM    (1U << 7 | 1U << 8) /* encapsulate, decapsulate */

/* One that says no more than its parameter set. */
#define SET(word, type, set, use)                                                                  \
    {                                                                                              \
        (word), CKM_##type##_KEY_PAIR_GEN, CKK_##type, true, 0, NULL, (use), CKP_##set             \
    }

static const struct key_kind kinds[] = {
    {"rsa:2048", CKM_RSA_PKCS_KEY_PAIR_GEN, CKK_RSA, true, 2048, NULL, USE_SIGN | USE_CRYPT, 0},
    {"rsa:3072", CKM_RSA_PKCS_KEY_PAIR_GEN, CKK_RSA, true, 3072, NULL, USE_SIGN | USE_CRYPT, 0},
    {"rsa:4096", CKM_RSA_PKCS_KEY_PAIR_GEN, CKK_RSA, true, 4096, NULL, USE_SIGN | USE_CRYPT, 0},
    {"ec:P-256", CKM_EC_KEY_PAIR_GEN, CKK_EC, true, 256, "P-256", USE_SIGN, 0},
    {"ec:P-384", CKM_EC_KEY_PAIR_GEN, CKK_EC, true, 384, "P-384", USE_SIGN, 0},
    {"ec:P-521", CKM_EC_KEY_PAIR_GEN, CKK_EC, true, 521, "P-521", USE_SIGN, 0},
    {"ed25519", CKM_EC_EDWARDS_KEY_PAIR_GEN, CKK_EC_EDWARDS, true, 255, "ed25519", USE_SIGN, 0},
    {"x25519", CKM_EC_MONTGOMERY_KEY_PAIR_GEN, CKK_EC_MONTGOMERY, true, 255, "x25519", USE_DERIVE,
     0},
    {"aes:128", CKM_AES_KEY_GEN, CKK_AES, false, 128, NULL, USE_CRYPT, 0},
    {"aes:256", CKM_AES_KEY_GEN, CKK_AES, false, 256, NULL, USE_CRYPT, 0},
    {"hmac:256", CKM_GENERIC_SECRET_KEY_GEN, CKK_GENERIC_SECRET, false, 256, NULL, USE_SIGN, 0},
    SET("ml-kem-512", ML_KEM, ML_KEM_512, USE_KEM),
    SET("ml-kem-768", ML_KEM, ML_KEM_768, USE_KEM),
    SET("ml-kem-1024", ML_KEM, ML_KEM_1024, USE_KEM),
    SET("ml-dsa-44", ML_DSA, ML_DSA_44, USE_SIGN),
    SET("ml-dsa-65", ML_DSA, ML_DSA_65, USE_SIGN),
    SET("ml-dsa-87", ML_DSA, ML_DSA_87, USE_SIGN),
    SET("slh-dsa-sha2-128s", SLH_DSA, SLH_DSA_SHA2_128S, USE_SIGN),
    SET("slh-dsa-shake-128s", SLH_DSA, SLH_DSA_SHAKE_128S, USE_SIGN),
    SET("slh-dsa-sha2-128f", SLH_DSA, SLH_DSA_SHA2_128F, USE_SIGN),
    SET("slh-dsa-shake-128f", SLH_DSA, SLH_DSA_SHAKE_128F, USE_SIGN),
    SET("slh-dsa-sha2-192s", SLH_DSA, SLH_DSA_SHA2_192S, USE_SIGN),
    SET("slh-dsa-shake-192s", SLH_DSA, SLH_DSA_SHAKE_192S, USE_SIGN),
    SET("slh-dsa-sha2-192f", SLH_DSA, SLH_DSA_SHA2_192F, USE_SIGN),
    SET("slh-dsa-shake-192f", SLH_DSA, SLH_DSA_SHAKE_192F, USE_SIGN),
    SET("slh-dsa-sha2-256s", SLH_DSA, SLH_DSA_SHA2_256S, USE_SIGN),
    SET("slh-dsa-shake-256s", SLH_DSA, SLH_DSA_SHAKE_256S, USE_SIGN),
    SET("slh-dsa-sha2-256f", SLH_DSA, SLH_DSA_SHA2_256F, USE_SIGN),
    SET("slh-dsa-shake-256f", SLH_DSA, SLH_DSA_SHAKE_256F, USE_SIGN),
};

/* ---- reading ---- */

static CK_RV read_kind(const char *type, const struct key_kind **ret)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        if (strcmp(kinds[i].word, type) == 0) {
            *ret = &kinds[i];
            return CKR_OK;
        }
    }
    return fail(CKR_ARGUMENTS_BAD,
                "key type \"%.64s\" is unknown: it is one of rsa:2048 rsa:3072 rsa:4096 ec:P-256 "
                "ec:P-384 ec:P-521 ed25519 x25519 aes:128 aes:256 hmac:256 ml-kem-768 ml-dsa-65 "
                "slh-dsa-sha2-128s or a sibling of the last three",
                type);
}

const struct key_kind *key_plan_kind_of(CK_KEY_TYPE type)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
        if (kinds[i].pair && kinds[i].type == type)
            return &kinds[i];
    return NULL;
}

/* A name that can be written as VAULT/NAME and VAULT/NAME@VERSION, and read back the same. */
static CK_RV check_name(const char *name)
{
    const char *at = strrchr(name, '@');
    size_t len = strlen(name);

    if (len == 0 || len > 255)
        return fail(CKR_ARGUMENTS_BAD, "a key's name has 1 to 255 bytes, this one %zu", len);
    if (at != NULL && at[1] != '\0' && at[1 + strspn(at + 1, "0123456789")] == '\0')
        return fail(CKR_ARGUMENTS_BAD,
                    "key name \"%.128s\" ends like a version: name it without @number", name);
    for (const char *c = name; *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return fail(CKR_ARGUMENTS_BAD, "a key's name may not hold control characters");
    return CKR_OK;
}

static CK_RV read_use(struct admin *a, struct key_plan *plan)
{
    const char *word;

    if (admin_list(a, "use", 0) == NULL)
        plan->use_is_default = true;
    for (size_t i = 0; (word = admin_list(a, "use", i)) != NULL; i++) {
        size_t u = 0;

        while (u < USES && strcmp(uses[u].word, word) != 0)
            u++;
        if (u == USES)
            return fail(CKR_ARGUMENTS_BAD,
                        "use \"%.64s\" is unknown: it is one of sign verify encrypt decrypt wrap "
                        "unwrap derive encapsulate decapsulate",
                        word);
        plan->use |= 1U << u;
    }
    return CKR_OK;
}

static CK_RV read_mechanisms(struct admin *a, struct key_plan *plan)
{
    const char *name;

    for (size_t i = 0; (name = admin_list(a, "mechanisms", i)) != NULL; i++) {
        const struct mech *mech = mech_find_name(name);

        if (mech == NULL)
            return fail(CKR_ARGUMENTS_BAD,
                        "mechanism \"%.64s\" is unknown: write the standard's name, like "
                        "CKM_ECDSA_SHA256",
                        name);
        if (plan->mechanism_count == MECHANISMS_MAX)
            return fail(CKR_ARGUMENTS_BAD, "at most %d mechanisms can be named", MECHANISMS_MAX);
        plan->mechanisms[plan->mechanism_count++] = mech->type;
    }
    return CKR_OK;
}

static CK_RV read_times(struct admin *a, struct key_plan *plan)
{
    int64_t now = clock_realtime(engine_clock(a->run.app->engine)) / 1000000000;
    const char *from = admin_text(a, "not-before");
    const char *until = admin_text(a, "expires");
    CK_RV rv = CKR_OK;

    if (from != NULL)
        rv = admin_parse_time(from, now, 1, &plan->not_before);
    if (rv == CKR_OK && until != NULL)
        rv = admin_parse_time(until, now, 1, &plan->expires);
    if (rv == CKR_OK && plan->expires != 0 && plan->expires <= now)
        rv =
            fail(CKR_ARGUMENTS_BAD, "the key would have expired already: choose a later --expires");
    if (rv == CKR_OK && plan->expires != 0 && plan->expires <= plan->not_before)
        rv =
            fail(CKR_ARGUMENTS_BAD, "the key would expire before it begins: move one of the dates");
    return rv;
}

static CK_RV read_protection(struct admin *a, struct key_plan *plan)
{
    enum protection protection;

    plan->protection = admin_text(a, "protection");
    if (plan->protection == NULL ||
        protection_parse(bytes_from_str(plan->protection), &protection) == CKR_OK)
        return CKR_OK;
    return fail(CKR_ARGUMENTS_BAD, "%s", fail_reason());
}

CK_RV key_plan_read(struct admin *a, struct key_plan *plan)
{
    CK_RV rv;

    plan->name = admin_text(a, "name");
    rv = check_name(plan->name);
    if (rv == CKR_OK && admin_text(a, "type") != NULL)
        rv = read_kind(admin_text(a, "type"), &plan->kind);
    if (rv == CKR_OK)
        rv = read_protection(a, plan);
    if (rv == CKR_OK)
        rv = read_use(a, plan);
    if (rv == CKR_OK)
        rv = read_mechanisms(a, plan);
    if (rv == CKR_OK)
        rv = read_times(a, plan);
    return rv == CKR_OK ? local_random(run_local(&a->run), plan->id, sizeof(plan->id)) : rv;
}

/* ---- templates ---- */

static CK_RV set_date(struct attrs *attrs, CK_ATTRIBUTE_TYPE type, int64_t seconds)
{
    time_t at = (time_t)seconds;
    struct tm tm;
    char text[32];

    if (seconds == 0)
        return CKR_OK;
    if (gmtime_r(&at, &tm) == NULL || strftime(text, sizeof(text), "%Y%m%d", &tm) != 8)
        return fail(CKR_ARGUMENTS_BAD, "a date is past the year 9999: choose an earlier one");
    return attrs_set(attrs, type, BYTES(text, 8));
}

/* What all halves share. */
static CK_RV set_common(const struct key_plan *plan, CK_OBJECT_CLASS cls, bool is_private,
                        struct attrs *attrs)
{
    CK_RV rv = attrs_set_ulong(attrs, CKA_CLASS, cls);

    if (rv == CKR_OK)
        rv = attrs_set_ulong(attrs, CKA_KEY_TYPE, plan->kind->type);
    if (rv == CKR_OK)
        rv = attrs_set_bool(attrs, CKA_TOKEN, true);
    if (rv == CKR_OK)
        rv = attrs_set_bool(attrs, CKA_PRIVATE, is_private);
    if (rv == CKR_OK)
        rv = attrs_set(attrs, CKA_LABEL, bytes_from_str(plan->name));
    if (rv == CKR_OK)
        rv = attrs_set(attrs, CKA_ID, BYTES(plan->id, sizeof(plan->id)));
    if (rv == CKR_OK)
        rv = set_date(attrs, CKA_START_DATE, plan->not_before);
    if (rv == CKR_OK)
        rv = set_date(attrs, CKA_END_DATE, plan->expires);
    if (rv == CKR_OK && plan->mechanism_count > 0)
        rv = attrs_set(attrs, CKA_ALLOWED_MECHANISMS,
                       BYTES(plan->mechanisms, plan->mechanism_count * sizeof(CK_MECHANISM_TYPE)));
    return rv;
}

/* Of a pair, each half has its own uses; a secret key has them all. */
static CK_RV set_use(const struct key_plan *plan, bool public_half, struct attrs *attrs)
{
    unsigned use = plan->use_is_default ? plan->kind->use : plan->use;
    CK_RV rv = CKR_OK;

    for (size_t u = 0; rv == CKR_OK && u < USES; u++) {
        bool asked = (use >> u & 1) != 0;

        if (plan->kind->pair ? uses[u].is_public == public_half : asked || !uses[u].of_pairs)
            rv = attrs_set_bool(attrs, uses[u].attribute, asked);
    }
    return rv;
}

CK_RV key_plan_public(const struct key_plan *plan, struct attrs *attrs)
{
    CK_RV rv = set_common(plan, CKO_PUBLIC_KEY, false, attrs);

    return rv == CKR_OK ? set_use(plan, true, attrs) : rv;
}

CK_RV key_plan_private(const struct key_plan *plan, struct attrs *attrs)
{
    CK_RV rv = set_common(plan, plan->kind->pair ? CKO_PRIVATE_KEY : CKO_SECRET_KEY, true, attrs);

    if (rv == CKR_OK)
        rv = set_use(plan, false, attrs);
    if (rv == CKR_OK)
        rv = attrs_set_bool(attrs, CKA_SENSITIVE, true);
    if (rv == CKR_OK)
        rv = attrs_set_bool(attrs, CKA_EXTRACTABLE, false);
    if (rv == CKR_OK && plan->protection != NULL)
        rv = attrs_set(attrs, CKA_KEYWARD_PROTECTION, bytes_from_str(plan->protection));
    return rv;
}

/* ---- the name and the dates ---- */

/* A second key of a name is a new version of it, which is rotation's to make; one that is deleted
 * still holds its name. */
CK_RV key_plan_ensure_name_free(struct admin *a)
{
    for (int deleted = 0; deleted <= 1; deleted++) {
        struct admin_objects objects = {.count = 0};
        CK_RV rv = admin_key_find(a, deleted == 1, &objects);

        admin_objects_release(&objects);
        if (rv == CKR_OK)
            return fail(CKR_ACTION_PROHIBITED,
                        "vault %s has a %skey %.128s already: choose another name%s",
                        a->run.vault.name, deleted == 1 ? "deleted " : "", admin_text(a, "name"),
                        deleted == 1 ? ", or recover or purge it" : "");
        if (rv != CKR_OBJECT_HANDLE_INVALID)
            return rv;
    }
    fail_clear();
    return CKR_OK;
}

/* CK_DATE knows days, the vault seconds: the exact instants are written once the key is there. */
CK_RV key_plan_set_instants(struct admin *a, const struct key_plan *plan, struct object *object)
{
    if (plan->not_before == object->not_before && plan->expires == object->expires)
        return CKR_OK;
    object->not_before = plan->not_before;
    object->expires = plan->expires;
    return object_update(run_store(&a->run), object);
}
