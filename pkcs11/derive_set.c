/*
 * Derivations that make several keys: TLS 1.2's key block (PKCS#11 3.2, 6.40.8) and SP 800-108 with
 * additional keys (6.42.6). All of them or none: what each is to be is settled and asked for before
 * the base key is used, and where one cannot be kept those before it go again. For that they are
 * keys of the session; C_CopyObject makes a token object of one.
 *
 * A key block has IVs at its end, which are no secret and leave. Whoever may derive from a master
 * secret can therefore read its connection's keys, by asking for shorter ones: the standard says so
 * too. Nothing else comes of the label that the key block alone has.
 */
#include "pkcs11/derive_int.h"

#include <assert.h>
#include <string.h>

#define SET_MAX 8

struct part {
    struct attrs template;
    size_t len;
    CK_OBJECT_HANDLE *fault; /* told with CK_INVALID_HANDLE when it is this one; NULL: nobody */
    struct incoming incoming;
    bool begun;
    CK_OBJECT_HANDLE handle;
};

struct set {
    struct part parts[SET_MAX];
    size_t count;
};

static void set_release(struct set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        attrs_release(&set->parts[i].template);
        if (set->parts[i].begun)
            incoming_release(&set->parts[i].incoming);
    }
}

static CK_RV add_template(struct set *set, const CK_ATTRIBUTE *template, CK_ULONG count)
{
    struct part *part = &set->parts[set->count];

    if (set->count == SET_MAX)
        return fail_internal("a set has room for what a parameter can ask for");
    *part = (struct part){.template = ATTRS_INIT};
    set->count++;
    return derive_template(template, count, &part->template);
}

/* ---- before the base key is used ---- */

static CK_RV begin_part(struct run *run, const struct object *base, const CK_MECHANISM *mechanism,
                        struct part *part)
{
    CK_RV rv = incoming_begin(run, &derive_way, base, mechanism, part->template.list,
                              part->template.count, &part->incoming);

    if (rv != CKR_OK)
        return rv;
    part->begun = true;
    if (attrs_true(&part->incoming.object.attrs, CKA_TOKEN))
        return fail(CKR_TEMPLATE_INCONSISTENT,
                    "keys that are derived several at once are session objects: leave CKA_TOKEN "
                    "out, and copy the one that is to stay");
    return derive_inherit(base, mechanism->mechanism, &part->incoming.object);
}

static CK_RV begin_parts(struct run *run, const struct object *base, const CK_MECHANISM *mechanism,
                         struct set *set)
{
    CK_RV rv = CKR_OK;

    for (size_t i = 0; i < set->count && rv == CKR_OK; i++) {
        rv = begin_part(run, base, mechanism, &set->parts[i]);
        if (rv != CKR_OK && set->parts[i].fault != NULL)
            *set->parts[i].fault = CK_INVALID_HANDLE;
    }
    return rv;
}

/* ---- after ---- */

static CK_RV keep_part(struct run *run, struct part *part, struct bytes value)
{
    struct secret *copy = secret_copy(value);
    CK_RV rv =
        copy != NULL ? incoming_keep(run, &part->incoming, copy, &part->handle) : fail_memory();

    rv = gate_finish(run, rv);
    run->gate = (struct gate){.granted = false};
    return rv;
}

static CK_RV keep_parts(struct run *run, struct set *set, struct bytes values)
{
    size_t at = 0;
    size_t kept = 0;
    CK_RV rv = CKR_OK;

    while (kept < set->count && rv == CKR_OK) {
        struct part *part = &set->parts[kept++];

        rv = keep_part(run, part, BYTES(values.data + at, part->len));
        at += part->len;
    }
    for (size_t i = 0; rv != CKR_OK && i < kept; i++)
        if (set->parts[i].handle != CK_INVALID_HANDLE)
            handles_session_remove(run->app, set->parts[i].handle);
    return rv;
}

/* second: NULL where the mechanism takes no other key. */
static CK_RV use_base(struct run *run, const struct key_use *use, const CK_MECHANISM *mechanism,
                      const struct held *second, const size_t *lens, size_t count,
                      struct secret **ret)
{
    struct bytes other = second != NULL ? secret_bytes(second->object.material) : BYTES_NONE;
    const struct object *base = key_use_object(use);
    SCOPED_SECRET values = NULL;
    int64_t began = run_now(run);
    CK_RV rv =
        hsm_derive_keys(run_device(run, base), &use->key, mechanism, other, lens, count, &values);

    run_device_took(run, base, began);
    rv = key_use_record(run, &use->op->grant, rv == CKR_OK ? secret_bytes(values) : BYTES_NONE, rv);
    if (rv == CKR_OK)
        *ret = TAKE(values);
    return rv;
}

/* ---- SP 800-108 ---- */

struct additional {
    const CK_DERIVED_KEY *keys;
    CK_ULONG count;
};

static struct additional additional_of(const CK_MECHANISM *mechanism)
{
    const CK_SP800_108_KDF_PARAMS *p = mechanism->pParameter;
    const CK_SP800_108_FEEDBACK_KDF_PARAMS *f = mechanism->pParameter;

    if (mechanism->mechanism == CKM_SP800_108_FEEDBACK_KDF)
        return (struct additional){f->pAdditionalDerivedKeys, f->ulAdditionalDerivedKeys};
    return (struct additional){p->pAdditionalDerivedKeys, p->ulAdditionalDerivedKeys};
}

static CK_RV add_keys(const struct deriving *d, const struct additional *more, struct set *set)
{
    CK_RV rv = add_template(set, d->template, d->count);

    for (CK_ULONG i = 0; rv == CKR_OK && i < more->count; i++) {
        if (more->keys[i].phKey == NULL)
            return fail_argument("phKey of an additional key");
        rv = add_template(set, more->keys[i].pTemplate, more->keys[i].ulAttributeCount);
        set->parts[set->count - 1].fault = more->keys[i].phKey;
    }
    return rv;
}

static CK_RV sp800_values(struct run *run, const struct key_use *use, const CK_MECHANISM *mechanism,
                          struct set *set, struct secret **ret)
{
    SCOPED(held_release_p) struct held *second = NULL;
    size_t lens[SET_MAX];
    CK_RV rv = derive_second(run, mechanism, &second);

    for (size_t i = 0; i < set->count && rv == CKR_OK; i++) {
        struct part *part = &set->parts[i];

        if (second != NULL)
            rv = derive_inherit_second(&second->object, mechanism->mechanism,
                                       &part->incoming.object);
        part->len = attrs_ulong(&part->incoming.object.attrs, CKA_VALUE_LEN, 0);
        lens[i] = part->len;
    }
    return rv == CKR_OK ? use_base(run, use, mechanism, second, lens, set->count, ret) : rv;
}

static CK_RV sp800(struct run *run, const struct key_use *use, const struct deriving *d,
                   struct set *set)
{
    const struct additional more = additional_of(d->mechanism);
    SCOPED_SECRET values = NULL;
    CK_RV rv = add_keys(d, &more, set);

    if (rv == CKR_OK)
        rv = begin_parts(run, key_use_object(use), d->mechanism, set);
    if (rv == CKR_OK)
        rv = sp800_values(run, use, d->mechanism, set, &values);
    if (rv == CKR_OK)
        rv = keep_parts(run, set, secret_bytes(values));
    for (size_t i = 0; rv == CKR_OK && i < set->count; i++)
        rv = run_output_handle(run, i == 0 ? d->ret : more.keys[i - 1].phKey, set->parts[i].handle);
    return rv;
}

/* ---- TLS 1.2 ---- */

/* All four are as sensitive and as extractable as the master secret, and where it is. */
static CK_RV inherit_limits(const struct object *base, struct attrs *template)
{
    static const CK_ATTRIBUTE_TYPE limits[] = {CKA_SENSITIVE, CKA_EXTRACTABLE};
    CK_RV rv = CKR_OK;

    for (size_t i = 0; rv == CKR_OK && i < sizeof(limits) / sizeof(*limits); i++) {
        bool is = attrs_true(&base->attrs, limits[i]);

        if (attrs_get(template, limits[i]) != NULL && attrs_true(template, limits[i]) != is)
            return fail(CKR_TEMPLATE_INCONSISTENT,
                        "keys of a key block are as sensitive and as extractable as the master "
                        "secret: leave CKA_SENSITIVE and CKA_EXTRACTABLE out");
        rv = attrs_set_bool(template, limits[i], is);
    }
    if (rv == CKR_OK && attrs_get(template, CKA_KEYWARD_PROTECTION) == NULL)
        rv = attrs_set(template, CKA_KEYWARD_PROTECTION,
                       bytes_from_str(protection_name(base->protection)));
    return rv;
}

static CK_RV add_block_key(const struct object *base, const CK_ATTRIBUTE *template, CK_ULONG count,
                           CK_ULONG bits, struct set *set)
{
    CK_RV rv = add_template(set, template, count);

    if (rv != CKR_OK)
        return rv;
    set->parts[set->count - 1].len = bits / 8;
    return inherit_limits(base, &set->parts[set->count - 1].template);
}

/* Two MAC keys where there are MACs, two cipher keys where there is a cipher. */
static CK_RV add_block(const struct object *base, const struct deriving *d,
                       const CK_TLS12_KEY_MAT_PARAMS *p, struct set *set)
{
    static CK_OBJECT_CLASS secret = CKO_SECRET_KEY;
    static CK_KEY_TYPE generic = CKK_GENERIC_SECRET;
    static CK_BBOOL yes = CK_TRUE;
    const CK_ATTRIBUTE mac[] = {{CKA_CLASS, &secret, sizeof(secret)},
                                {CKA_KEY_TYPE, &generic, sizeof(generic)},
                                {CKA_SIGN, &yes, sizeof(yes)},
                                {CKA_VERIFY, &yes, sizeof(yes)}};
    CK_RV rv = CKR_OK;

    for (int i = 0; i < 2 && rv == CKR_OK && p->ulMacSizeInBits > 0; i++)
        rv = add_block_key(base, mac, sizeof(mac) / sizeof(*mac), p->ulMacSizeInBits, set);
    for (int i = 0; i < 2 && rv == CKR_OK && p->ulKeySizeInBits > 0; i++)
        rv = add_block_key(base, d->template, d->count, p->ulKeySizeInBits, set);
    return rv;
}

static CK_RV give_iv(struct run *run, CK_BYTE_PTR dest, struct bytes iv)
{
    struct buf out = BUF_INIT(iv.len);

    if (iv.len == 0)
        return CKR_OK;
    buf_put_bytes(&out, iv);
    if (!buf_ok(&out))
        return fail_memory();
    run_output(run, dest, NULL, &out);
    return CKR_OK;
}

/* The four handles stand side by side; one that was not asked for is CK_INVALID_HANDLE. */
static CK_RV give_block(struct run *run, const CK_TLS12_KEY_MAT_PARAMS *p, const struct set *set,
                        struct bytes ivs)
{
    CK_SSL3_KEY_MAT_OUT *to = p->pReturnedKeyMaterial;
    CK_OBJECT_HANDLE handles[4] = {CK_INVALID_HANDLE};
    struct buf out = BUF_INIT(sizeof(handles));
    size_t from = p->ulMacSizeInBits > 0 ? 0 : 2;
    CK_RV rv;

    static_assert(offsetof(CK_SSL3_KEY_MAT_OUT, pIVClient) == sizeof(handles), "side by side");
    for (size_t i = 0; i < set->count; i++)
        handles[from + i] = set->parts[i].handle;
    buf_put(&out, handles, sizeof(handles));
    if (!buf_ok(&out))
        return fail_memory();
    run_output(run, (CK_BYTE_PTR)&to->hClientMacSecret, NULL, &out);
    rv = give_iv(run, to->pIVClient, BYTES(ivs.data, ivs.len / 2));
    return rv == CKR_OK ? give_iv(run, to->pIVServer, BYTES(ivs.data + ivs.len / 2, ivs.len / 2))
                        : rv;
}

static CK_RV key_block(struct run *run, const struct key_use *use, const struct deriving *d,
                       struct set *set)
{
    const CK_TLS12_KEY_MAT_PARAMS *p = d->mechanism->pParameter;
    size_t ivs = 2 * (p->ulIVSizeInBits / 8);
    size_t whole = 2 * ((p->ulMacSizeInBits + p->ulKeySizeInBits) / 8) + ivs;
    SCOPED_SECRET block = NULL;
    CK_RV rv = add_block(key_use_object(use), d, p, set);

    if (rv == CKR_OK && set->count == 0)
        rv = fail(CKR_MECHANISM_PARAM_INVALID, "the key block has no key: ask for one");
    if (rv == CKR_OK)
        rv = begin_parts(run, key_use_object(use), d->mechanism, set);
    if (rv == CKR_OK)
        rv = use_base(run, use, d->mechanism, NULL, &whole, 1, &block);
    if (rv == CKR_OK)
        rv = keep_parts(run, set, BYTES(block->data, whole - ivs));
    return rv == CKR_OK ? give_block(run, p, set, BYTES(block->data + whole - ivs, ivs)) : rv;
}

/* ---- which ---- */

bool derive_set_is(const CK_MECHANISM *mechanism)
{
    switch (mechanism->mechanism) {
    case CKM_TLS12_KEY_AND_MAC_DERIVE:
        return true;
    case CKM_SP800_108_COUNTER_KDF:
    case CKM_SP800_108_FEEDBACK_KDF:
    case CKM_SP800_108_DOUBLE_PIPELINE_KDF:
        return additional_of(mechanism).count > 0;
    default:
        return false;
    }
}

CK_RV derive_set(struct run *run, const struct key_use *use, const struct deriving *d)
{
    struct set set = {.count = 0};
    CK_RV rv = d->mechanism->mechanism == CKM_TLS12_KEY_AND_MAC_DERIVE
                   ? key_block(run, use, d, &set)
                   : sp800(run, use, d, &set);

    set_release(&set);
    return rv;
}
