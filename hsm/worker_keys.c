/*
 * Keys of the HSM by our id: found, remembered, generated, destroyed.
 *
 * The cache is direct-mapped by the id's first bytes (ids are random); a wrong guess costs one
 * search, never a wrong key: the whole id and the class are compared.
 */
#include "hsm/worker_int.h"

#include <stdlib.h>
#include <string.h>

static CK_OBJECT_CLASS class_of(const struct hsm_key *key)
{
    return key->kind == HSM_KEY_SECRET ? CKO_SECRET_KEY : CKO_PRIVATE_KEY;
}

/* ---- the cache ---- */

static struct key_entry *entry_of(struct device *d, const uint8_t id[static HSM_ID_LEN])
{
    return &d->keys[((unsigned)id[0] << 8 | id[1]) % KEY_CACHE_SLOTS];
}

static CK_OBJECT_HANDLE remembered(struct device *d, const struct hsm_key *key)
{
    CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;
    const struct key_entry *e = entry_of(d, key->id);

    (void)pthread_mutex_lock(&d->keys_mutex);
    if (e->class == class_of(key) && memcmp(e->id, key->id, HSM_ID_LEN) == 0)
        handle = e->handle;
    (void)pthread_mutex_unlock(&d->keys_mutex);
    return handle;
}

static void remember(struct device *d, const struct hsm_key *key, CK_OBJECT_HANDLE handle)
{
    struct key_entry *e = entry_of(d, key->id);

    (void)pthread_mutex_lock(&d->keys_mutex);
    memcpy(e->id, key->id, HSM_ID_LEN);
    e->class = class_of(key);
    e->handle = handle;
    (void)pthread_mutex_unlock(&d->keys_mutex);
}

void resident_forget(struct device *d, const struct hsm_key *key)
{
    if (remembered(d, key) != CK_INVALID_HANDLE)
        remember(d, key, CK_INVALID_HANDLE);
}

void resident_forget_all(struct device *d)
{
    (void)pthread_mutex_lock(&d->keys_mutex);
    memset(d->keys, 0, sizeof(d->keys));
    (void)pthread_mutex_unlock(&d->keys_mutex);
}

/* ---- searching ---- */

#define MATCHES_MAX 16

/* Objects with this id and class, at most MATCHES_MAX. */
static CK_RV search(struct device *d, CK_SESSION_HANDLE session, const struct hsm_key *key,
                    CK_OBJECT_CLASS class, CK_OBJECT_HANDLE found[static MATCHES_MAX],
                    CK_ULONG *ret_count)
{
    CK_BYTE id[HSM_ID_LEN];
    CK_ATTRIBUTE template[] = {{CKA_CLASS, &class, sizeof(class)}, {CKA_ID, id, sizeof(id)}};
    CK_RV rv;

    memcpy(id, key->id, sizeof(id));
    rv = d->p11->C_FindObjectsInit(session, template, 2);
    if (rv != CKR_OK)
        return device_fail("C_FindObjectsInit", rv);
    rv = d->p11->C_FindObjects(session, found, MATCHES_MAX, ret_count);
    if (rv != CKR_OK) {
        (void)d->p11->C_FindObjectsFinal(session);
        return device_fail("C_FindObjects", rv);
    }
    rv = d->p11->C_FindObjectsFinal(session);
    return rv == CKR_OK ? rv : device_fail("C_FindObjectsFinal", rv);
}

/* Private objects are invisible after a logout: "not there" is only an answer while logged in. */
static CK_RV not_there(struct device *d, CK_SESSION_HANDLE session)
{
    CK_SESSION_INFO info;
    CK_RV rv = d->p11->C_GetSessionInfo(session, &info);

    if (rv != CKR_OK)
        return device_fail("C_GetSessionInfo", rv);
    if ((d->token.flags & CKF_LOGIN_REQUIRED) != 0 && info.state != CKS_RW_USER_FUNCTIONS)
        return fail(CKR_USER_NOT_LOGGED_IN, "the HSM has forgotten our login");
    return fail(CKR_KEY_HANDLE_INVALID, "the key is not in the HSM");
}

CK_RV resident_find(struct device *d, CK_SESSION_HANDLE session, const struct hsm_key *key,
                    CK_OBJECT_HANDLE *ret)
{
    CK_OBJECT_HANDLE found[MATCHES_MAX];
    CK_ULONG count = 0;
    CK_RV rv;

    *ret = remembered(d, key);
    if (*ret != CK_INVALID_HANDLE)
        return CKR_OK;
    rv = search(d, session, key, class_of(key), found, &count);
    if (rv != CKR_OK)
        return rv;
    /* Logged in now does not mean logged in when it was searched: another lane may have renewed the
     * login in between. */
    if (count == 0)
        rv = not_there(d, session);
    if (rv == CKR_KEY_HANDLE_INVALID)
        rv = search(d, session, key, class_of(key), found, &count);
    if (rv != CKR_OK)
        return rv;
    if (count == 0)
        return not_there(d, session);
    if (count > 1)
        return fail(CKR_KEY_TYPE_INCONSISTENT,
                    "the HSM holds %lu keys with one id: destroy those "
                    "that are not ours",
                    count);
    remember(d, key, found[0]);
    *ret = found[0];
    return CKR_OK;
}

/* ---- generating ---- */

#define TEMPLATE_MAX 16

struct template
{
    CK_ATTRIBUTE list[TEMPLATE_MAX];
    CK_ULONG count;
};

/* Not const, for PKCS#11 has none; never written. */
static CK_BBOOL yes = CK_TRUE;
static CK_BBOOL no = CK_FALSE;

static void set_bool(struct template *t, CK_ATTRIBUTE_TYPE type, bool value)
{
    t->list[t->count++] = (CK_ATTRIBUTE){type, value ? &yes : &no, sizeof(CK_BBOOL)};
}

static void set_bytes(struct template *t, CK_ATTRIBUTE_TYPE type, struct bytes value)
{
    union {
        const uint8_t *in;
        void *out;
    } cast = {.in = value.data};

    t->list[t->count++] = (CK_ATTRIBUTE){type, cast.out, value.len};
}

/* What every half and every secret key has. */
static void set_common(struct template *t, const struct hsm_key_spec *spec)
{
    t->count = 0;
    set_bool(t, CKA_TOKEN, !spec->session);
    set_bytes(t, CKA_ID, BYTES(spec->key.id, HSM_ID_LEN));
}

static void set_resident(struct template *t)
{
    set_bool(t, CKA_PRIVATE, true);
    set_bool(t, CKA_SENSITIVE, true);
    set_bool(t, CKA_EXTRACTABLE, false);
}

struct generator {
    CK_KEY_TYPE type;
    enum hsm_key_kind kind;
    CK_MECHANISM_TYPE mechanism;
    bool decrypts;                   /* CKA_DECRYPT and CKA_ENCRYPT are for this type */
    bool derives;                    /* CKA_DERIVE is */
    CK_ATTRIBUTE_TYPE first, second; /* the public half's attributes */
};

static const struct generator generators[] = {
    {CKK_RSA, HSM_KEY_PRIVATE, CKM_RSA_PKCS_KEY_PAIR_GEN, true, false, CKA_MODULUS,
     CKA_PUBLIC_EXPONENT},
    {CKK_EC, HSM_KEY_PRIVATE, CKM_EC_KEY_PAIR_GEN, false, true, CKA_EC_PARAMS, CKA_EC_POINT},
    {CKK_EC_EDWARDS, HSM_KEY_PRIVATE, CKM_EC_EDWARDS_KEY_PAIR_GEN, false, false, CKA_EC_PARAMS,
     CKA_EC_POINT},
    {CKK_AES, HSM_KEY_SECRET, CKM_AES_KEY_GEN, true, false, 0, 0},
    {CKK_GENERIC_SECRET, HSM_KEY_SECRET, CKM_GENERIC_SECRET_KEY_GEN, false, false, 0, 0},
};

static const struct generator *generator_of(const struct hsm_key *key)
{
    for (size_t i = 0; i < sizeof(generators) / sizeof(*generators); i++) {
        if (generators[i].type == key->type && generators[i].kind == key->kind)
            return &generators[i];
    }
    return NULL;
}

static CK_RV generate_secret(struct device *d, CK_SESSION_HANDLE session, const struct generator *g,
                             const struct hsm_key_spec *spec)
{
    CK_MECHANISM mechanism = {g->mechanism, NULL, 0};
    CK_ULONG bytes = spec->bits / 8;
    CK_OBJECT_HANDLE handle;
    struct template t;
    CK_RV rv;

    set_common(&t, spec);
    set_resident(&t);
    set_bytes(&t, CKA_VALUE_LEN, BYTES(&bytes, sizeof(bytes)));
    set_bool(&t, CKA_SIGN, spec->sign);
    set_bool(&t, CKA_VERIFY, spec->sign);
    if (g->decrypts) {
        set_bool(&t, CKA_ENCRYPT, spec->decrypt);
        set_bool(&t, CKA_DECRYPT, spec->decrypt);
    }
    rv = d->p11->C_GenerateKey(session, &mechanism, t.list, t.count, &handle);
    return rv == CKR_OK ? rv : device_fail("C_GenerateKey", rv);
}

static void set_kind_of_pair(struct template *t, const struct hsm_key_spec *spec)
{
    static const uint8_t f4[] = {1, 0, 1};

    if (spec->key.type == CKK_RSA) {
        set_bytes(t, CKA_MODULUS_BITS, BYTES(&spec->bits, sizeof(spec->bits)));
        set_bytes(t, CKA_PUBLIC_EXPONENT, spec->exponent.len > 0 ? spec->exponent : BYTES(f4, 3));
    } else {
        set_bytes(t, CKA_EC_PARAMS, spec->curve);
    }
}

static CK_RV generate_pair(struct device *d, CK_SESSION_HANDLE session, const struct generator *g,
                           const struct hsm_key_spec *spec)
{
    CK_MECHANISM mechanism = {g->mechanism, NULL, 0};
    CK_OBJECT_HANDLE handles[2];
    struct template pub;
    struct template priv;
    CK_RV rv;

    set_common(&pub, spec);
    set_kind_of_pair(&pub, spec);
    set_bool(&pub, CKA_PRIVATE, false);
    set_bool(&pub, CKA_VERIFY, spec->sign);
    set_common(&priv, spec);
    set_resident(&priv);
    set_bool(&priv, CKA_SIGN, spec->sign);
    if (g->decrypts) {
        set_bool(&pub, CKA_ENCRYPT, spec->decrypt);
        set_bool(&priv, CKA_DECRYPT, spec->decrypt);
    }
    if (g->derives)
        set_bool(&priv, CKA_DERIVE, spec->derive);
    rv = d->p11->C_GenerateKeyPair(session, &mechanism, pub.list, pub.count, priv.list, priv.count,
                                   &handles[0], &handles[1]);
    return rv == CKR_OK ? rv : device_fail("C_GenerateKeyPair", rv);
}

/* ---- the public half ---- */

#define PUBLIC_MAX 4096

static CK_RV read_public(struct device *d, CK_SESSION_HANDLE session, const struct hsm_key *key,
                         const struct generator *g, struct buf *out)
{
    CK_OBJECT_HANDLE found[MATCHES_MAX];
    CK_BYTE first[PUBLIC_MAX];
    CK_BYTE second[PUBLIC_MAX];
    CK_ATTRIBUTE wanted[] = {{g->first, first, sizeof(first)}, {g->second, second, sizeof(second)}};
    CK_ULONG count = 0;
    CK_RV rv = search(d, session, key, CKO_PUBLIC_KEY, found, &count);

    if (rv != CKR_OK)
        return rv;
    if (count != 1)
        return fail(CKR_KEY_HANDLE_INVALID, "the HSM has no public half of this key");
    rv = d->p11->C_GetAttributeValue(session, found[0], wanted, 2);
    if (rv != CKR_OK)
        return device_fail("C_GetAttributeValue", rv);
    if (!wire_put_public(out, &(struct wire_public){BYTES(first, wanted[0].ulValueLen),
                                                    BYTES(second, wanted[1].ulValueLen)}))
        return fail_memory();
    return CKR_OK;
}

/* Whole: the key, and for a pair its public half too. */
static CK_RV adopt(struct device *d, CK_SESSION_HANDLE session, const struct hsm_key_spec *spec,
                   struct buf *out)
{
    const struct generator *g = generator_of(&spec->key);
    CK_OBJECT_HANDLE handle;
    CK_RV rv = resident_find(d, session, &spec->key, &handle);

    if (rv == CKR_OK && spec->key.kind == HSM_KEY_PRIVATE)
        rv = read_public(d, session, &spec->key, g, out);
    return rv;
}

CK_RV resident_generate(struct device *d, CK_SESSION_HANDLE session,
                        const struct hsm_key_spec *spec, struct buf *out)
{
    const struct generator *g = generator_of(&spec->key);
    CK_RV rv;

    if (g == NULL)
        return fail(CKR_MECHANISM_INVALID, "keys of this type are not made in the HSM");
    resident_forget(d, &spec->key);
    if (g->kind == HSM_KEY_SECRET)
        rv = generate_secret(d, session, g, spec);
    else
        rv = generate_pair(d, session, g, spec);
    return rv == CKR_OK ? adopt(d, session, spec, out) : rv;
}

static CK_RV destroy_class(struct device *d, CK_SESSION_HANDLE session, const struct hsm_key *key,
                           CK_OBJECT_CLASS class)
{
    CK_OBJECT_HANDLE found[MATCHES_MAX];
    CK_ULONG count = 0;
    CK_RV rv = search(d, session, key, class, found, &count);

    for (CK_ULONG i = 0; rv == CKR_OK && i < count; i++) {
        rv = d->p11->C_DestroyObject(session, found[i]);
        /* Another process was quicker. */
        if (rv == CKR_OBJECT_HANDLE_INVALID)
            rv = CKR_OK;
        if (rv != CKR_OK)
            (void)device_fail("C_DestroyObject", rv);
    }
    return rv;
}

/* The private half first: what is interrupted leaves nothing usable. */
CK_RV resident_destroy(struct device *d, CK_SESSION_HANDLE session, const struct hsm_key *key)
{
    CK_RV rv = not_there(d, session);

    /* Invisible is not gone. */
    if (rv != CKR_KEY_HANDLE_INVALID)
        return rv;
    resident_forget(d, key);
    rv = destroy_class(d, session, key, class_of(key));
    if (rv == CKR_OK && key->kind == HSM_KEY_PRIVATE)
        rv = destroy_class(d, session, key, CKO_PUBLIC_KEY);
    return rv;
}

CK_RV resident_recover(struct device *d, CK_SESSION_HANDLE session, const struct hsm_key_spec *spec,
                       struct buf *out)
{
    CK_RV rv = adopt(d, session, spec, out);
    CK_RV gone;

    if (rv != CKR_KEY_HANDLE_INVALID)
        return rv;
    gone = resident_destroy(d, session, &spec->key);
    return gone == CKR_OK ? fail(CKR_KEY_HANDLE_INVALID, "the key was not made") : gone;
}
