/*
 * In which circumstances a question is put: the members of `context`, one row each. A member that
 * has nothing to say in a question is left out of it; the schema (policy/schema.c) calls such ones
 * optional. Mechanisms have passed mech_check_params() before anybody asks about them.
 */
#include "pkcs11/gate_int.h"
#include "pkcs11/handles.h"

#include <string.h>

/* What the rows look at. */
struct facts {
    struct question *q;
    const CK_MECHANISM *mechanism; /* NULL: none */
    const struct mech *row;        /* NULL: none, or one without a row */
    bool logged_in;
    int64_t now; /* milliseconds since 1970 */
};

static bool give_text(struct policy_value *ret, const char *text)
{
    *ret = (struct policy_value){.kind = POLICY_STRING, .u.string = bytes_from_str(text)};
    return true;
}

static bool give_long(struct policy_value *ret, int64_t number)
{
    *ret = (struct policy_value){.kind = POLICY_LONG, .u.number = number};
    return true;
}

static bool give_bool(struct policy_value *ret, bool value)
{
    *ret = (struct policy_value){.kind = POLICY_BOOL, .u.boolean = value};
    return true;
}

/* ---- the mechanism and its parameters ---- */

/* The parameter as the struct of its kind, copied: callers' memory has any alignment. */
static bool read_params(const struct facts *f, enum mech_params kind, void *out, size_t size)
{
    if (f->row == NULL || f->row->params != kind || f->mechanism->pParameter == NULL ||
        f->mechanism->ulParameterLen != size)
        return false;
    memcpy(out, f->mechanism->pParameter, size);
    return true;
}

static bool give_mechanism(const struct facts *f, struct policy_value *ret)
{
    return f->mechanism != NULL &&
           give_text(ret, name_of_mechanism(f->mechanism->mechanism, f->q->mechanism));
}

/* Where a kind of parameter names a hash itself. */
static const struct {
    enum mech_params kind;
    size_t size, at;
} hash_members[] = {
#define HASH_IN(kind, type, member)                                                                \
    {                                                                                              \
        MECH_PARAMS_##kind, sizeof(type), offsetof(type, member)                                   \
    }
    HASH_IN(PSS, CK_RSA_PKCS_PSS_PARAMS, hashAlg),
    HASH_IN(OAEP, CK_RSA_PKCS_OAEP_PARAMS, hashAlg),
    HASH_IN(HASH_CONTEXT, CK_HASH_SIGN_ADDITIONAL_CONTEXT, hash),
    HASH_IN(HKDF, CK_HKDF_PARAMS, prfHashMechanism),
    HASH_IN(TLS12_MASTER, CK_TLS12_MASTER_KEY_DERIVE_PARAMS, prfHashMechanism),
    HASH_IN(TLS12_EXTENDED, CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS, prfHashMechanism),
    HASH_IN(TLS12_KEY_MAT, CK_TLS12_KEY_MAT_PARAMS, prfHashMechanism),
    HASH_IN(TLS_MAC, CK_TLS_MAC_PARAMS, prfHashMechanism),
    HASH_IN(TLS_KDF, CK_TLS_KDF_PARAMS, prfMechanism),
#undef HASH_IN
};

/* The one that the parameters name, or the mechanism's own. */
static bool give_hash(const struct facts *f, struct policy_value *ret)
{
    CK_MECHANISM_TYPE hash = f->row != NULL ? f->row->hash : KW_NO_MECHANISM;
    uint8_t params[MECH_PARAMS_SIZE_MAX];

    for (size_t i = 0; i < sizeof(hash_members) / sizeof(*hash_members); i++)
        if (read_params(f, hash_members[i].kind, params, hash_members[i].size))
            memcpy(&hash, params + hash_members[i].at, sizeof(hash));
    return hash != KW_NO_MECHANISM && give_text(ret, name_of_mechanism(hash, f->q->hash));
}

static bool give_mgf(const struct facts *f, struct policy_value *ret)
{
    CK_RSA_PKCS_PSS_PARAMS pss;
    CK_RSA_PKCS_OAEP_PARAMS oaep;
    CK_MECHANISM_TYPE hash = KW_NO_MECHANISM;

    if (read_params(f, MECH_PARAMS_PSS, &pss, sizeof(pss)))
        hash = mech_mgf_hash(pss.mgf);
    else if (read_params(f, MECH_PARAMS_OAEP, &oaep, sizeof(oaep)))
        hash = mech_mgf_hash(oaep.mgf);
    return hash != KW_NO_MECHANISM && give_text(ret, name_of_mechanism(hash, f->q->mgf));
}

static bool give_salt_length(const struct facts *f, struct policy_value *ret)
{
    CK_RSA_PKCS_PSS_PARAMS pss;

    return read_params(f, MECH_PARAMS_PSS, &pss, sizeof(pss)) && give_long(ret, (int64_t)pss.sLen);
}

/* In bits, as the standard counts GCM's. What comes with the parameters is not known without. */
static bool give_tag_length(const struct facts *f, struct policy_value *ret)
{
    const struct mech_layout *layout;
    size_t len;

    if (f->row == NULL)
        return false;
    layout = mech_layout_of(f->row->params);
    if (layout->size > 0 && !layout->optional && f->mechanism->pParameter == NULL)
        return false;
    len = mech_mac_len(f->row, f->mechanism);
    return len > 0 && give_long(ret, (int64_t)len * 8);
}

static bool has_iv(const struct facts *f)
{
    static const enum mech_params kinds[] = {MECH_PARAMS_IV,  MECH_PARAMS_CTR,
                                             MECH_PARAMS_GCM, MECH_PARAMS_IV8,
                                             MECH_PARAMS_CCM, MECH_PARAMS_POLY1305};

    if (f->row == NULL || f->mechanism->pParameter == NULL)
        return false;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
        if (f->row->params == kinds[i])
            return true;
    return false;
}

static bool give_iv_source(const struct facts *f, struct policy_value *ret)
{
    return has_iv(f) && give_text(ret, f->q->ask->iv_made ? "keyward" : "caller");
}

static bool aad_of(const struct facts *f, struct bytes *ret)
{
    CK_GCM_PARAMS gcm;
    CK_CCM_PARAMS ccm;
    CK_SALSA20_CHACHA20_POLY1305_PARAMS poly1305;

    if (read_params(f, MECH_PARAMS_GCM, &gcm, sizeof(gcm)))
        *ret = BYTES(gcm.pAAD, gcm.ulAADLen);
    else if (read_params(f, MECH_PARAMS_CCM, &ccm, sizeof(ccm)))
        *ret = BYTES(ccm.pAAD, ccm.ulAADLen);
    else if (read_params(f, MECH_PARAMS_POLY1305, &poly1305, sizeof(poly1305)))
        *ret = BYTES(poly1305.pAAD, poly1305.ulAADLen);
    else
        return false;
    return true;
}

/* SHA-256, hex; made only where a policy looks at it. Where it cannot be made it is a text that no
 * digest is, so that no rule about one holds. */
static bool give_aad(const struct facts *f, struct policy_value *ret)
{
    struct bytes aad;
    uint8_t digest[32];

    if (!aad_of(f, &aad) || f->q->rules->policy == NULL ||
        !policy_speaks_of(f->q->rules->policy, "aad"))
        return false;
    if (local_sha256(run_local(f->q->run), aad, digest) != CKR_OK)
        return give_text(ret, "unknown");
    bytes_to_hex(BYTES(digest, sizeof(digest)), f->q->aad);
    return give_text(ret, f->q->aad);
}

/* ---- the object ---- */

static bool give_attribute(const struct facts *f, struct policy_value *ret)
{
    return f->q->ask->has_attribute &&
           give_text(ret, name_of_attribute(f->q->ask->attribute, f->q->attribute));
}

static bool give_wrapping_key(const struct facts *f, struct policy_value *ret)
{
    if (f->q->ask->wrapping == NULL)
        return false;
    *ret = (struct policy_value){
        .kind = POLICY_STRING,
        .u.string = question_object_id(f->q->run, f->q->ask->wrapping, f->q->wrapping_uid)};
    return true;
}

/* ---- the call ---- */

static bool give_approvals(const struct facts *f, struct policy_value *ret)
{
    return give_long(ret, (int64_t)f->q->approvals);
}

static bool give_function(const struct facts *f, struct policy_value *ret)
{
    const struct run *run = f->q->run;

    return give_text(ret, run->verb != NULL ? run->verb : run->call->name);
}

static bool give_logged_in(const struct facts *f, struct policy_value *ret)
{
    return give_bool(ret, f->logged_in);
}

static bool give_now(const struct facts *f, struct policy_value *ret)
{
    return give_long(ret, f->now / 1000);
}

static bool give_time(const struct facts *f, struct policy_value *ret)
{
    *ret = (struct policy_value){.kind = POLICY_DATETIME, .u.number = f->now};
    return true;
}

static bool give_read_write(const struct facts *f, struct policy_value *ret)
{
    const struct session *session = f->q->run->session;

    return give_bool(ret, session == NULL || (session->flags & CKF_RW_SESSION) != 0);
}

static bool give_vault(const struct facts *f, struct policy_value *ret)
{
    return f->q->run->has_vault && give_text(ret, f->q->run->vault.name);
}

static bool give_via(const struct facts *f, struct policy_value *ret)
{
    return give_text(ret, f->q->run->verb != NULL ? "admin" : "pkcs11");
}

/* ---- the table ---- */

/* A record is sorted by name, and so are the rows. */
static const struct {
    const char *name;
    bool (*give)(const struct facts *f, struct policy_value *ret);
    bool of_parameters; /* out of the mechanism's parameters */
} members[] = {
    {"aad", give_aad, true},
    {"approvals", give_approvals, false},
    {"attribute", give_attribute, false},
    {"function", give_function, false},
    {"hash", give_hash, true},
    {"ivSource", give_iv_source, true},
    {"loggedIn", give_logged_in, false},
    {"mechanism", give_mechanism, false},
    {"mgf", give_mgf, true},
    {"now", give_now, false},
    {"readWrite", give_read_write, false},
    {"saltLength", give_salt_length, true},
    {"tagLength", give_tag_length, true},
    {"time", give_time, false},
    {"vault", give_vault, false},
    {"via", give_via, false},
    {"wrappingKey", give_wrapping_key, false},
};

#define MEMBERS (sizeof(members) / sizeof(*members))

_Static_assert(MEMBERS == QUESTION_CONTEXT_MAX, "each member has its place in a question");

void question_context(struct question *q, const CK_MECHANISM *mechanism, bool logged_in)
{
    const struct facts facts = {
        .q = q,
        .mechanism = mechanism,
        .row = mechanism != NULL ? mech_find(mechanism->mechanism) : NULL,
        .logged_in = logged_in,
        .now = clock_realtime(engine_clock(q->run->app->engine)) / 1000000,
    };
    struct policy_field *f = q->context;

    for (size_t i = 0; i < MEMBERS; i++) {
        if (!members[i].give(&facts, &f->value))
            continue;
        f->name = bytes_from_str(members[i].name);
        f++;
    }
    q->request.context = (struct policy_value){
        .kind = POLICY_RECORD,
        .u.record = {.fields = q->context, .count = (size_t)(f - q->context)}};
}

bool question_hears_parameters(const struct rules *rules)
{
    for (size_t i = 0; i < MEMBERS; i++)
        if (members[i].of_parameters &&
            (rules->policy == NULL || policy_speaks_of(rules->policy, members[i].name)))
            return true;
    return false;
}
