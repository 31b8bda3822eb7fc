/*
 * Starting an operation: everything that can be said about mechanism and key is said here, then the
 * gate is asked, then the operation stands. A key that the caller may not see is answered as one
 * that does not exist: none of the checks that tell something about it come before the gate's.
 */
#include "pkcs11/legacy.h"
#include "pkcs11/operation_int.h"

#include <string.h>

#define NS_PER_S 1000000000LL

static CK_RV find_mechanism(const struct operation_kind_row *row, const CK_MECHANISM *mechanism,
                            const struct mech **ret)
{
    const struct mech *mech = mech_find(mechanism->mechanism);

    if (mech == NULL || (mech->flags & row->flag) == 0)
        return fail(CKR_MECHANISM_INVALID,
                    "mechanism 0x%lx cannot %s here: C_GetMechanismList and C_GetMechanismInfo "
                    "tell what can",
                    mechanism->mechanism, row->name);
    *ret = mech;
    return CKR_OK;
}

/* How long an operation needs its mechanism. */
enum keep {
    KEEP_COPY,   /* longer than the call it came in */
    KEEP_LATER,  /* its parameters come with each message, and there are none yet */
    KEEP_BORROW, /* within the call */
};

/* ulNonceLen of ChaCha20-Poly1305 counts bits in the standard and bytes in what most programs pass;
 * 96 of the one are 12 of the other, and neither is anything else. */
#define NONCE_BITS  96
#define NONCE_BYTES 12

struct in_bytes {
    CK_MECHANISM mechanism;
    CK_SALSA20_CHACHA20_POLY1305_PARAMS params;
};

static const CK_MECHANISM *count_in_bytes(const CK_MECHANISM *given, struct in_bytes *own)
{
    if (given->mechanism != CKM_CHACHA20_POLY1305 || given->pParameter == NULL ||
        given->ulParameterLen != sizeof(own->params))
        return given;
    memcpy(&own->params, given->pParameter, sizeof(own->params));
    if (own->params.ulNonceLen == NONCE_BITS)
        own->params.ulNonceLen = NONCE_BYTES;
    own->mechanism = (CK_MECHANISM){given->mechanism, &own->params, sizeof(own->params)};
    return &own->mechanism;
}

static CK_RV take_mechanism(struct operation *op, const CK_MECHANISM *mechanism, enum keep keep)
{
    struct in_bytes own;
    CK_RV rv = find_mechanism(operation_kind_row(op->kind), mechanism, &op->mech);

    mechanism = keep == KEEP_COPY ? count_in_bytes(mechanism, &own) : mechanism;
    if (rv == CKR_OK && keep == KEEP_LATER) {
        op->mechanism.mechanism.mechanism = op->mech->type;
        return CKR_OK;
    }
    if (rv == CKR_OK)
        rv = mech_check_params(op->mech, mechanism);
    if (rv != CKR_OK || keep == KEEP_COPY)
        return rv == CKR_OK ? mechanism_copy_make(&op->mechanism, op->mech, mechanism) : rv;
    op->mechanism.mechanism = *mechanism;
    return CKR_OK;
}

/* ---- the key ---- */

static bool is_key(const struct object *object)
{
    return object->cls == CKO_PUBLIC_KEY || object->cls == CKO_PRIVATE_KEY ||
           object->cls == CKO_SECRET_KEY;
}

static CK_RV check_type(const struct operation_kind_row *row, const struct mech *mech,
                        const struct object *key)
{
    CK_OBJECT_CLASS cls = mech_key_is_secret(mech->key) ? CKO_SECRET_KEY : row->cls;
    CK_KEY_TYPE type = attrs_ulong(&key->attrs, CKA_KEY_TYPE, KW_NO_MECHANISM);

    if (!is_key(key))
        return fail(CKR_KEY_HANDLE_INVALID, "the handle is of an object that is no key");
    if (key->cls != cls || !mech_takes_key(mech, type))
        return fail(CKR_KEY_TYPE_INCONSISTENT,
                    "%s cannot %s with a key of this class and type: use a mechanism of the "
                    "key's type, and the private key to sign or decrypt",
                    mech->name, row->name);
    return CKR_OK;
}

static CK_RV check_size(const struct run *run, const struct mech *mech, const struct object *key)
{
    CK_ULONG min = legacy_min(run, mech);
    size_t bits = operation_modulus_len(key) * 8;

    if (mech->key == CKK_RSA && (bits < min || bits > mech->max))
        return fail(CKR_KEY_SIZE_RANGE, "%s takes keys of %lu to %lu bits, this one has %zu",
                    mech->name, min, mech->max, bits);
    return CKR_OK;
}

CK_RV operation_check_legacy(const struct run *run, const struct operation *op)
{
    CK_RV rv = legacy_check(run, op->mech);

    return rv == CKR_OK && op->held != NULL ? check_size(run, op->mech, &op->held->object) : rv;
}

static CK_RV check_right(const struct operation_kind_row *row, const struct object *key)
{
    if (!attrs_true(&key->attrs, row->right))
        return fail(CKR_KEY_FUNCTION_NOT_PERMITTED, "the key's %s is false: it was not made to %s",
                    row->right_name, row->name);
    return CKR_OK;
}

/* The private operation with no padding is signing, decrypting and unwrapping alike: what the key
 * unwraps it would hand out as a signature. */
static CK_RV check_raw(const struct mech *mech, const struct object *key)
{
    if (mech->type == CKM_RSA_X_509 && key->cls == CKO_PRIVATE_KEY &&
        (attrs_true(&key->attrs, CKA_UNWRAP) || attrs_true(&key->attrs, CKA_DECAPSULATE)))
        return fail(CKR_KEY_FUNCTION_NOT_PERMITTED,
                    "the key unwraps keys, and CKM_RSA_X_509 would undo their wrapping: use a "
                    "mechanism with a padding, or a key without CKA_UNWRAP and CKA_DECAPSULATE");
    return CKR_OK;
}

static CK_RV check_life(const struct run *run, const struct operation_kind_row *row,
                        const struct object *key)
{
    int64_t now = clock_realtime(engine_clock(run->app->engine)) / NS_PER_S;

    if (key->state != OBJECT_ENABLED)
        return fail(CKR_KEY_FUNCTION_NOT_PERMITTED,
                    "the key is not enabled: enable it with `keyward key enable`");
    if (key->not_before != 0 && now < key->not_before)
        return fail(CKR_KEY_FUNCTION_NOT_PERMITTED,
                    "the key is not valid yet: change its not-before with `keyward key update`");
    if (key->expires != 0 && now >= key->expires && !row->after_expiry)
        return fail(CKR_KEY_FUNCTION_NOT_PERMITTED,
                    "the key has expired and cannot %s any more: make a new version of it",
                    row->name);
    return CKR_OK;
}

/* Absent or empty: the key sets no limit (2.40, table 25: an array of any length). */
static CK_RV check_allowed(const struct mech *mech, const struct object *key)
{
    struct bytes list = attrs_bytes(&key->attrs, CKA_ALLOWED_MECHANISMS);

    if (list.len == 0)
        return CKR_OK;
    for (size_t at = 0; at + sizeof(CK_MECHANISM_TYPE) <= list.len;
         at += sizeof(CK_MECHANISM_TYPE)) {
        CK_MECHANISM_TYPE allowed;

        memcpy(&allowed, list.data + at, sizeof(allowed));
        if (allowed == mech->type)
            return CKR_OK;
    }
    return fail(CKR_MECHANISM_INVALID, "the key's CKA_ALLOWED_MECHANISMS does not name %s",
                mech->name);
}

CK_RV operation_check_limits(const struct run *run, enum operation_kind kind,
                             const struct mech *mech, const struct object *key)
{
    CK_RV rv = check_life(run, operation_kind_row(kind), key);

    return rv == CKR_OK ? check_allowed(mech, key) : rv;
}

/* Is there something to do it with: the public key itself, or a key in an HSM that can. */
static CK_RV check_means(const struct run *run, const struct operation *op)
{
    const struct operation_kind_row *row = operation_kind_row(op->kind);
    const struct mech *mech = op->mech;
    const struct object *key = &op->held->object;

    if (key->cls == CKO_PUBLIC_KEY) {
        if (attrs_bytes(&key->attrs, CKA_PUBLIC_KEY_INFO).len == 0)
            return fail_internal("a public key object holds its CKA_PUBLIC_KEY_INFO");
        if (!local_offers(mech->type, row->flag))
            return fail(CKR_MECHANISM_INVALID, "%s does not %s with public keys here", mech->name,
                        row->name);
        return CKR_OK;
    }
    if (!key->has_hsm_key)
        return fail_internal("a private or secret key has a key on its device");
    if (!hsm_offers(run_device(run, key), mech->type, row->device != 0 ? row->device : row->flag))
        return fail(CKR_MECHANISM_INVALID, "the key's device does not offer %s to %s", mech->name,
                    row->name);
    return CKR_OK;
}

static CK_RV check_key(const struct run *run, const struct operation *op)
{
    const struct operation_kind_row *row = operation_kind_row(op->kind);
    const struct object *key = &op->held->object;
    CK_RV rv = check_type(row, op->mech, key);

    if (rv == CKR_OK)
        rv = check_size(run, op->mech, key);
    if (rv == CKR_OK)
        rv = check_right(row, key);
    if (rv == CKR_OK)
        rv = check_raw(op->mech, key);
    return rv == CKR_OK ? operation_check_limits(run, op->kind, op->mech, key) : rv;
}

/* ---- Init ---- */

/* What was asked before in this session and has not changed, so that there are means too; the key's
 * own limits are looked at each time, since time passes for it. */
static CK_RV use_again(struct run *run, const struct operation *op, const struct ask *ask,
                       const struct grant *grant)
{
    CK_RV rv = check_key(run, op);

    return rv == CKR_OK ? gate_reuse(run, ask, grant) : gate_refuse(run, ask, rv);
}

static CK_RV check_first(const struct run *run, const struct operation *op)
{
    CK_RV rv = check_key(run, op);

    return rv == CKR_OK ? check_means(run, op) : rv;
}

/* The gate answers for a key that may not be seen; it never answers yes. */
static CK_RV use_first(struct run *run, const struct operation *op, const struct ask *ask)
{
    bool visible = op->held == NULL || gate_visible(run, &op->held->object);
    CK_RV rv = op->held != NULL && visible ? check_first(run, op) : CKR_OK;

    if (rv != CKR_OK)
        return gate_refuse(run, ask, rv);
    rv = gate_ask(run, ask);
    if (rv == CKR_OK && !visible)
        rv = fail(CKR_KEY_HANDLE_INVALID, "%s", GATE_NO_OBJECT);
    if (rv == CKR_OK)
        gate_remember(run, ask);
    return rv;
}

CK_RV operation_ask_gate(struct run *run, const struct operation *op)
{
    struct ask ask = operation_ask(op);
    const struct grant *grant = gate_recall(run, &ask);
    CK_RV rv = legacy_check(run, op->mech);

    if (rv != CKR_OK)
        return gate_refuse(run, &ask, rv);
    return operation_key_code(grant != NULL ? use_again(run, op, &ask, grant)
                                            : use_first(run, op, &ask));
}

static CK_RV set_up(struct run *run, struct operation *op, const CK_MECHANISM *mechanism,
                    CK_OBJECT_HANDLE key, enum keep keep)
{
    CK_RV rv = take_mechanism(op, mechanism, keep);

    op->key = key;
    op->iv_made = run->iv_made;
    if (rv == CKR_OK && op->does != OPERATION_DIGEST)
        rv = operation_key_code(handles_get(run, key, &op->held));
    if (rv == CKR_OK)
        rv = operation_ask_gate(run, op);
    if (rv != CKR_OK)
        return rv;
    op->way = operation_way_of(op);
    gate_keep(run, &op->grant);
    return CKR_OK;
}

static CK_RV record_cancel(struct run *run, const struct operation *op)
{
    CK_RV rv;

    run->gate =
        (struct gate){.granted = true, .intended = true, .intent = op->intent, .grant = op->grant};
    gate_length(run, op->total);
    rv = gate_finish(run, fail(CKR_FUNCTION_CANCELED, "the application gave the operation up"));
    run->gate = (struct gate){.granted = false};
    return rv == CKR_FUNCTION_CANCELED ? CKR_OK : rv;
}

CK_RV operation_cancel(struct run *run, enum operation_kind kind)
{
    struct operation *op = run->session->operations[kind];
    CK_RV rv = op != NULL && op->intended ? record_cancel(run, op) : CKR_OK;

    operation_free(op);
    run->session->operations[kind] = NULL;
    return rv;
}

/* mechanism NULL: 3.0 cancels what is active, 2.40 knows a bad argument only. */
static CK_RV cancel(struct run *run, enum operation_kind kind)
{
    if (run->session->operations[kind] == NULL)
        return fail_argument("the mechanism");
    return operation_cancel(run, kind);
}

/* An operation of this kind, set up and allowed. */
static CK_RV operation_new(struct run *run, enum operation_kind kind, const CK_MECHANISM *mechanism,
                           CK_OBJECT_HANDLE key, enum keep keep, struct operation **ret)
{
    struct operation *op = calloc(1, sizeof(*op));
    CK_RV rv;

    if (op == NULL)
        return fail_memory();
    op->kind = kind;
    op->does = operation_kind_row(kind)->does;
    rv = set_up(run, op, mechanism, key, keep);
    if (rv != CKR_OK) {
        operation_free(op);
        return rv;
    }
    *ret = op;
    return CKR_OK;
}

CK_RV operation_try(struct run *run, enum operation_kind kind, const CK_MECHANISM *mechanism,
                    CK_OBJECT_HANDLE key, bool later)
{
    struct operation *op = NULL;
    CK_RV rv = operation_new(run, kind, mechanism, key, later ? KEEP_LATER : KEEP_COPY, &op);

    operation_free(op);
    return rv;
}

CK_RV operation_once(struct run *run, enum operation_kind kind, const CK_MECHANISM *mechanism,
                     CK_OBJECT_HANDLE key, struct operation **ret)
{
    return operation_new(run, kind, mechanism, key, KEEP_BORROW, ret);
}

CK_RV operation_init(struct run *run, enum operation_kind kind, const CK_MECHANISM *mechanism,
                     CK_OBJECT_HANDLE key)
{
    CK_RV rv;

    if (mechanism == NULL)
        return cancel(run, kind);
    if (run->session->operations[kind] != NULL)
        return fail(CKR_OPERATION_ACTIVE,
                    "an operation to %s is in progress in this session: end it first, or use "
                    "another session",
                    operation_kind_row(kind)->name);
    rv = operation_new(run, kind, mechanism, key, KEEP_COPY, &run->session->operations[kind]);
    if (rv == CKR_OK)
        spent_move(&run->session->operations[kind]->spent, &run->spent);
    return rv;
}
