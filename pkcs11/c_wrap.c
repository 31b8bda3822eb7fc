/*
 * PKCS#11 2.40, 5.13: C_WrapKey and C_UnwrapKey; 3.2, 5.18: the same with associated data.
 *
 * The policy is asked for both keys, the one that wraps and the one that leaves, and a key that
 * leaves has two records of the same digest, one by either name. A key that comes in has three:
 * that it was unwrapped, and intent and outcome of its import.
 */
#include "hsm/local_wrap.h"
#include "pkcs11/incoming.h"
#include "pkcs11/key_use.h"
#include "pkcs11/message_int.h"
#include "pkcs11/nested.h"

#include <string.h>

/* ---- out ---- */

struct leaving {
    struct held *held;
    struct grant grant;
};

/* Whoever brought a wrapping key in may know it, or its private half. */
static CK_RV check_wraps(const struct object *wrapping, const struct object *key)
{
    if (attrs_true(&key->attrs, CKA_SENSITIVE) && !attrs_true(&wrapping->attrs, CKA_LOCAL) &&
        !attrs_true(&wrapping->attrs, CKA_TRUSTED))
        return fail(CKR_KEY_NOT_WRAPPABLE,
                    "the key is sensitive, and the wrapping key came from outside: wrap with a key "
                    "made here, or let the security officer make it trusted (CKA_TRUSTED)");
    return nested_check_wrapped(wrapping, key);
}

static CK_RV check_leaves(const struct object *wrapping, const struct object *key)
{
    if (key->cls != CKO_SECRET_KEY && key->cls != CKO_PRIVATE_KEY)
        return fail(CKR_KEY_NOT_WRAPPABLE, "only private and secret keys are wrapped");
    if (!attrs_true(&key->attrs, CKA_EXTRACTABLE))
        return fail(CKR_KEY_UNEXTRACTABLE, "the key's CKA_EXTRACTABLE is false: it never leaves");
    if (key->material == NULL)
        return fail(CKR_KEY_UNEXTRACTABLE, "the key lives in the HSM and never leaves it");
    if (key->state != OBJECT_ENABLED)
        return fail(CKR_KEY_NOT_WRAPPABLE, "the key is not enabled: enable it first");
    if (attrs_true(&key->attrs, CKA_WRAP_WITH_TRUSTED) &&
        !attrs_true(&wrapping->attrs, CKA_TRUSTED))
        return fail(CKR_KEY_NOT_WRAPPABLE,
                    "the key has CKA_WRAP_WITH_TRUSTED, and the wrapping key is not trusted: the "
                    "security officer makes it so (CKA_TRUSTED)");
    return check_wraps(wrapping, key);
}

/* The gate answers for a key that may not be seen; nothing of it is told before. */
static CK_RV leaving_begin(struct run *run, const struct operation *wraps, CK_OBJECT_HANDLE key,
                           struct leaving *ret)
{
    const struct object *wrapping = &wraps->held->object;
    struct ask ask = {.action = ACTION_WRAP_KEY,
                      .mechanism = &wraps->mechanism.mechanism,
                      .iv_made = wraps->iv_made,
                      .wrapping = wrapping};
    struct held *held = NULL;
    bool visible;
    CK_RV rv = operation_key_code(handles_get(run, key, &held));

    if (rv != CKR_OK)
        return rv;
    ask.object = &held->object;
    visible = gate_visible(run, &held->object);
    if (visible)
        rv = check_leaves(wrapping, &held->object);
    rv = rv == CKR_OK ? operation_key_code(gate_ask(run, &ask)) : gate_refuse(run, &ask, rv);
    if (rv == CKR_OK && !visible)
        rv = fail(CKR_KEY_HANDLE_INVALID, "%s", GATE_NO_OBJECT);
    if (rv != CKR_OK) {
        held_release(held);
        return rv;
    }
    ret->held = held;
    gate_keep(run, &ret->grant);
    return CKR_OK;
}

static CK_RV do_wrap(struct run *run, const struct key_use *use, const CK_MECHANISM *mechanism,
                     struct bytes material, struct buf *out)
{
    const struct object *wrapping = key_use_object(use);
    int64_t began = run_now(run);
    CK_RV rv;

    if (wrapping->cls == CKO_PUBLIC_KEY)
        return local_wrap(run_local(run), attrs_bytes(&wrapping->attrs, CKA_PUBLIC_KEY_INFO),
                          mechanism, material, out);
    rv = hsm_run(run_device(run, wrapping), HSM_WRAP, &use->key, mechanism, material, BYTES_NONE,
                 out);
    run_device_took(run, wrapping, began);
    return rv;
}

/* Where a wrapped key goes; aead: its tag and a generated IV go to places of their own. */
struct wrapped {
    CK_BYTE_PTR out;
    CK_ULONG_PTR len;
    const struct message_aead *aead;
};

/* Both records, then the results: what only asked for the length leaves none and gets none. */
static CK_RV give_wrapped(struct run *run, const struct key_use *use, const struct leaving *leaving,
                          const struct wrapped *to, struct buf *out)
{
    struct bytes material = secret_bytes(leaving->held->object.material);
    size_t tag_len = to->aead != NULL ? to->aead->tag_len : 0;
    struct buf tag = BUF_INIT(tag_len);
    CK_ULONG had = *to->len;
    CK_RV rv;

    if (out->len < tag_len)
        return fail_internal("what was wrapped ends with its tag");
    out->len -= tag_len;
    if (to->out == NULL || had < out->len) {
        *to->len = out->len;
        return to->out == NULL ? CKR_OK
                               : fail(CKR_BUFFER_TOO_SMALL,
                                      "the wrapped key needs %zu bytes where the buffer has %lu",
                                      out->len, had);
    }
    rv = key_use_record(run, &leaving->grant, material, CKR_OK);
    if (rv == CKR_OK)
        rv = key_use_record(run, &use->op->grant, material, CKR_OK);
    if (rv != CKR_OK)
        return rv;
    if (to->aead != NULL) {
        buf_put(&tag, out->data + out->len, tag_len);
        if (!buf_ok(&tag))
            return fail_memory();
        run_output(run, to->aead->tag, NULL, &tag);
        rv = message_output_iv(run, to->aead);
    }
    run_output(run, to->out, to->len, out);
    return rv;
}

/* Most bytes of a wrapped key: PKCS#8 of RSA, and what wrapping adds. */
#define WRAPPED_MAX (OBJECT_MATERIAL_MAX + 8192U)

static CK_RV wrap_with(struct run *run, const struct key_use *use, CK_OBJECT_HANDLE key,
                       const CK_MECHANISM *mechanism, const struct wrapped *to)
{
    SCOPED(buf_release_secure) struct buf out = BUF_INIT(WRAPPED_MAX);
    struct leaving leaving = {.held = NULL};
    CK_RV rv = leaving_begin(run, use->op, key, &leaving);

    if (rv != CKR_OK)
        return rv;
    rv = do_wrap(run, use, mechanism, secret_bytes(leaving.held->object.material), &out);
    if (rv == CKR_OK)
        rv = give_wrapped(run, use, &leaving, to, &out);
    else
        rv = key_use_record(run, &use->op->grant, BYTES_NONE, rv);
    held_release(leaving.held);
    return rv;
}

static CK_RV wrap(struct run *run, const CK_MECHANISM *mechanism, CK_OBJECT_HANDLE wrapping,
                  CK_OBJECT_HANDLE key, CK_BYTE_PTR out, CK_ULONG_PTR len)
{
    const struct wrapped to = {.out = out, .len = len};
    struct key_use use = {.op = NULL};
    CK_RV rv;

    if (len == NULL)
        return fail_argument("pulWrappedKeyLen");
    rv = key_use_begin(run, OPERATION_WRAP, mechanism, wrapping, &use);
    if (rv == CKR_OK)
        rv = wrap_with(run, &use, key, mechanism, &to);
    key_use_release(&use);
    return rv;
}

CK_RV C_WrapKey(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism,
                CK_OBJECT_HANDLE wrapping_key, CK_OBJECT_HANDLE key, CK_BYTE_PTR wrapped,
                CK_ULONG_PTR wrapped_len)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_WRAP_KEY, session);

    if (rv == CKR_OK)
        rv = wrap(&run, mechanism, wrapping_key, key, wrapped, wrapped_len);
    return call_leave(&run, rv);
}

/* ---- in ---- */

static const struct incoming_way unwraps = {.use = TEMPLATE_UNWRAP,
                                            .template = CKA_UNWRAP_TEMPLATE,
                                            .action = ACTION_IMPORT,
                                            .sensitive = true};

/* Whoever can unwrap with padding that is not authenticated can ask it for the plaintext of
 * anything, one byte after the other (Vaudenay). One answer for all that may be wrong does not help
 * much: a padding that is right shows by the answer being another. */
static CK_RV check_unwraps(struct run *run, const struct key_use *use)
{
    struct ask ask = operation_ask(use->op);

    if (use->op->mech->type != CKM_AES_CBC_PAD || run->vault.legacy)
        return CKR_OK;
    return gate_refuse(run, &ask,
                       fail(CKR_MECHANISM_INVALID,
                            "CKM_AES_CBC_PAD does not unwrap: its padding would be an oracle. Wrap "
                            "with CKM_AES_KEY_WRAP_KWP or CKM_AES_GCM"));
}

static CK_RV do_unwrap(struct run *run, const struct key_use *use, const CK_MECHANISM *mechanism,
                       struct bytes wrapped, struct secret **ret)
{
    SCOPED(buf_release_secure) struct buf out = BUF_INIT(OBJECT_MATERIAL_MAX);
    const struct object *unwrapping = key_use_object(use);
    struct secret *value = NULL;
    int64_t began = run_now(run);
    CK_RV rv = hsm_run(run_device(run, unwrapping), HSM_UNWRAP, &use->key, mechanism, wrapped,
                       BYTES_NONE, &out);

    run_device_took(run, unwrapping, began);
    rv = key_use_record(run, &use->op->grant, buf_bytes(&out), incoming_unwrap_code(rv));
    if (rv != CKR_OK)
        return rv;
    value = secret_copy(buf_bytes(&out));
    if (value == NULL)
        return fail_memory();
    *ret = value;
    return CKR_OK;
}

/* What a C_UnwrapKey brings beside the key it uses. */
struct unwrapping {
    const CK_MECHANISM *mechanism;
    struct bytes wrapped;
    const CK_ATTRIBUTE *template;
    CK_ULONG count;
    CK_OBJECT_HANDLE_PTR ret;
};

static CK_RV unwrap_with(struct run *run, const struct key_use *use, const struct unwrapping *u)
{
    struct incoming incoming;
    struct secret *value = NULL;
    CK_RV rv = incoming_begin(run, &unwraps, key_use_object(use), u->mechanism, u->template,
                              u->count, &incoming);

    if (rv != CKR_OK)
        return rv;
    rv = do_unwrap(run, use, u->mechanism, u->wrapped, &value);
    if (rv == CKR_OK)
        rv = incoming_unwrap_code(incoming_finish(run, &incoming, value, u->ret));
    incoming_release(&incoming);
    return rv;
}

static CK_RV unwrap(struct run *run, CK_OBJECT_HANDLE unwrapping, const struct unwrapping *u)
{
    struct key_use use = {.op = NULL};
    CK_RV rv;

    if (u->wrapped.data == NULL || u->ret == NULL)
        return fail_argument(u->ret == NULL ? "phKey" : "pWrappedKey");
    if (u->wrapped.len > WRAPPED_MAX)
        return fail(CKR_WRAPPED_KEY_LEN_RANGE, "no wrapped key has %zu bytes", u->wrapped.len);
    rv = key_use_begin(run, OPERATION_UNWRAP, u->mechanism, unwrapping, &use);
    if (rv == CKR_OK)
        rv = check_unwraps(run, &use);
    if (rv == CKR_OK)
        rv = unwrap_with(run, &use, u);
    key_use_release(&use);
    return rv;
}

CK_RV C_UnwrapKey(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism,
                  CK_OBJECT_HANDLE unwrapping_key, CK_BYTE_PTR wrapped, CK_ULONG wrapped_len,
                  CK_ATTRIBUTE_PTR template, CK_ULONG count, CK_OBJECT_HANDLE_PTR key)
{
    const struct unwrapping u = {.mechanism = mechanism,
                                 .wrapped = BYTES(wrapped, wrapped_len),
                                 .template = template,
                                 .count = count,
                                 .ret = key};
    struct run run;
    CK_RV rv = call_enter(&run, CALL_UNWRAP_KEY, session);

    if (rv == CKR_OK)
        rv = unwrap(&run, unwrapping_key, &u);
    return call_leave(&run, rv);
}

/* ---- authenticated (3.2): the parameters are those of a message ---- */

static CK_RV read_aead(struct run *run, const CK_MECHANISM *mechanism, struct bytes aad,
                       bool encrypts, struct message_aead *ret)
{
    const struct message_form *form;
    struct message_parameter parameter;
    uint64_t counter = 0;

    if (mechanism == NULL)
        return fail_argument("pMechanism");
    form = message_form_of(mechanism->mechanism);
    if (form == NULL)
        return fail(CKR_MECHANISM_INVALID,
                    "mechanism 0x%lx does not wrap with associated data: AES-GCM, AES-CCM and "
                    "ChaCha20-Poly1305 do",
                    mechanism->mechanism);
    parameter = (struct message_parameter){mechanism->pParameter, mechanism->ulParameterLen};
    return message_aead_read(run, form, &parameter, aad, encrypts, &counter, ret);
}

/* Each call is a beginning: a counter that starts anew would give the same IV again. */
static CK_RV check_generator(const struct message_aead *aead)
{
    if (aead->counted)
        return fail(CKR_MECHANISM_PARAM_INVALID,
                    "a single call has nothing to count: use CKG_GENERATE_RANDOM, or give the IV");
    return CKR_OK;
}

static CK_RV wrap_authenticated(struct run *run, const CK_MECHANISM *mechanism,
                                CK_OBJECT_HANDLE wrapping, CK_OBJECT_HANDLE key, struct bytes aad,
                                const struct wrapped *given)
{
    struct message_aead aead = {.iv_dest = NULL};
    const struct wrapped to = {.out = given->out, .len = given->len, .aead = &aead};
    struct key_use use = {.op = NULL};
    CK_RV rv;

    if (to.len == NULL)
        return fail_argument("pulWrappedKeyLen");
    rv = read_aead(run, mechanism, aad, true, &aead);
    if (rv == CKR_OK)
        rv = check_generator(&aead);
    if (rv == CKR_OK)
        rv = key_use_begin(run, OPERATION_WRAP, &aead.mechanism, wrapping, &use);
    if (rv == CKR_OK)
        rv = wrap_with(run, &use, key, &aead.mechanism, &to);
    key_use_release(&use);
    return rv;
}

CK_RV C_WrapKeyAuthenticated(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism,
                             CK_OBJECT_HANDLE wrapping_key, CK_OBJECT_HANDLE key, CK_BYTE_PTR aad,
                             CK_ULONG aad_len, CK_BYTE_PTR wrapped, CK_ULONG_PTR wrapped_len)
{
    const struct wrapped to = {.out = wrapped, .len = wrapped_len};
    struct run run;
    CK_RV rv = call_enter(&run, CALL_WRAP_KEY_AUTHENTICATED, session);

    if (rv == CKR_OK)
        rv = wrap_authenticated(&run, mechanism, wrapping_key, key, BYTES(aad, aad_len), &to);
    return call_leave(&run, rv);
}

static CK_RV unwrap_authenticated(struct run *run, CK_OBJECT_HANDLE unwrapping, struct bytes aad,
                                  const struct unwrapping *given)
{
    SCOPED(buf_release) struct buf joined = BUF_INIT(WRAPPED_MAX);
    struct message_aead aead = {.iv_dest = NULL};
    struct unwrapping u = *given;
    CK_RV rv;

    if (u.wrapped.data == NULL)
        return fail_argument("pWrappedKey");
    rv = read_aead(run, u.mechanism, aad, false, &aead);
    if (rv != CKR_OK)
        return rv;
    buf_put_bytes(&joined, u.wrapped);
    buf_put(&joined, aead.tag, aead.tag_len);
    if (!buf_ok(&joined))
        return fail(CKR_WRAPPED_KEY_LEN_RANGE, "no wrapped key has %zu bytes", u.wrapped.len);
    u.mechanism = &aead.mechanism;
    u.wrapped = buf_bytes(&joined);
    return unwrap(run, unwrapping, &u);
}

CK_RV C_UnwrapKeyAuthenticated(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism,
                               CK_OBJECT_HANDLE unwrapping_key, CK_BYTE_PTR wrapped,
                               CK_ULONG wrapped_len, CK_ATTRIBUTE_PTR template, CK_ULONG count,
                               CK_BYTE_PTR aad, CK_ULONG aad_len, CK_OBJECT_HANDLE_PTR key)
{
    const struct unwrapping u = {.mechanism = mechanism,
                                 .wrapped = BYTES(wrapped, wrapped_len),
                                 .template = template,
                                 .count = count,
                                 .ret = key};
    struct run run;
    CK_RV rv = call_enter(&run, CALL_UNWRAP_KEY_AUTHENTICATED, session);

    if (rv == CKR_OK)
        rv = unwrap_authenticated(&run, unwrapping_key, BYTES(aad, aad_len), &u);
    return call_leave(&run, rv);
}
