/* See fuzz_input.h. */
#include "tests/module/pkcs11/fuzz_input.h"

#include "base/mech.h"
#include "base/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof(*(table)))

#define TEMPLATE_MAX 12
#define FILL         0xA5
#define GUARD        16 /* bytes behind an output buffer, for builds without a sanitizer */

void require(const struct fuzz *z, bool holds, const char *what, CK_RV rv)
{
    if (holds)
        return;
    (void)fprintf(stderr, "fuzz_calls: %s: %s (0x%lx)\n", z->call, what, rv);
    __builtin_trap();
}

/* ---- arguments ---- */

unsigned take(struct fuzz *z)
{
    if (z->left == 0)
        return 0;
    z->left--;
    return *z->data++;
}

CK_ULONG take_ulong(struct fuzz *z)
{
    CK_ULONG value = 0;

    for (unsigned i = take(z) % (sizeof(value) + 1); i > 0; i--)
        value = value << 8 | take(z);
    return value;
}

void *block(struct fuzz *z, size_t len)
{
    void *p = malloc(len > 0 ? len : 1);

    if (p == NULL || z->block_count == FUZZ_BLOCKS_MAX) {
        (void)fprintf(stderr, "fuzz_calls: out of blocks\n");
        abort();
    }
    z->blocks[z->block_count++] = p;
    return p;
}

void release(struct fuzz *z)
{
    while (z->block_count > 0)
        free(z->blocks[--z->block_count]);
}

/* Bytes of the input in a block of their own; now and then NULL, with the length all the same. */
struct bytes take_bytes(struct fuzz *z)
{
    unsigned head = take(z);
    size_t len = head % 8 == 7 ? 16 * (size_t)take(z) : head >> 3;
    uint8_t *p;

    if (head == 0xF8)
        return BYTES(NULL, take_ulong(z));
    p = block(z, len);
    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)take(z);
    return BYTES(p, len);
}

CK_BYTE_PTR raw(struct bytes b)
{
    return (CK_BYTE_PTR)(uintptr_t)b.data;
}

CK_SESSION_HANDLE take_session(struct fuzz *z)
{
    unsigned n = take(z);

    return n < 0xF0 ? z->sessions[n % 2] : n < 0xF8 ? z->sessions[n % FUZZ_HANDLES] : take_ulong(z);
}

CK_OBJECT_HANDLE take_object(struct fuzz *z)
{
    unsigned n = take(z);

    return n < 0xF0 ? z->objects[n % FUZZ_HANDLES] : take_ulong(z);
}

CK_SLOT_ID take_slot(struct fuzz *z)
{
    unsigned n = take(z);

    return n < 0xF0 ? z->slot : take_ulong(z);
}

static const CK_ATTRIBUTE_TYPE types[] = {
    CKA_CLASS,
    CKA_TOKEN,
    CKA_PRIVATE,
    CKA_LABEL,
    CKA_ID,
    CKA_KEY_TYPE,
    CKA_VALUE,
    CKA_VALUE_LEN,
    CKA_MODULUS,
    CKA_MODULUS_BITS,
    CKA_EC_PARAMS,
    CKA_EC_POINT,
    CKA_SIGN,
    CKA_VERIFY,
    CKA_ENCRYPT,
    CKA_DECRYPT,
    CKA_SENSITIVE,
    CKA_EXTRACTABLE,
    CKA_START_DATE,
    CKA_PUBLIC_EXPONENT,
    CKA_WRAP_TEMPLATE,
    CKA_UNWRAP,
    CKA_MODIFIABLE,
    CKA_ALLOWED_MECHANISMS,
    CKA_SUBJECT,
    CKA_APPLICATION,
    CKA_CHECK_VALUE,
    CKA_PUBLIC_KEY_INFO,
    CKA_TRUSTED,
    CKA_SERIAL_NUMBER,
    CKA_UNIQUE_ID,
    CKA_KEYWARD_PROTECTION,
};

static const CK_ULONG small[] = {CKO_DATA,
                                 CKO_CERTIFICATE,
                                 CKO_PUBLIC_KEY,
                                 CKO_PRIVATE_KEY,
                                 CKO_SECRET_KEY,
                                 CKK_AES,
                                 CKK_RSA,
                                 CKK_EC,
                                 16,
                                 32,
                                 2048,
                                 CKC_X_509};

/* A value of the right shape often enough to get behind the first check. */
static void take_value(struct fuzz *z, CK_ATTRIBUTE *a)
{
    unsigned shape = take(z);
    struct bytes b;

    if (shape % 4 == 0) {
        CK_ULONG *value = block(z, sizeof(*value));

        *value = small[take(z) % COUNT(small)];
        a->pValue = value;
        a->ulValueLen = sizeof(*value);
    } else if (shape % 4 == 1) {
        CK_BBOOL *value = block(z, sizeof(*value));

        *value = (CK_BBOOL)(take(z) % 3);
        a->pValue = value;
        a->ulValueLen = sizeof(*value);
    } else {
        b = take_bytes(z);
        a->pValue = raw(b);
        a->ulValueLen = b.len;
    }
}

CK_ATTRIBUTE_PTR take_template(struct fuzz *z, CK_ULONG *ret_count)
{
    unsigned head = take(z);
    CK_ULONG count = head % (TEMPLATE_MAX + 1);
    CK_ATTRIBUTE *a;

    if (head == 0xFF) {
        *ret_count = take_ulong(z);
        return NULL;
    }
    a = block(z, count * sizeof(*a));
    for (CK_ULONG i = 0; i < count; i++) {
        unsigned n = take(z);

        a[i].type = n < 0xF0 ? types[n % COUNT(types)] : take_ulong(z);
        take_value(z, &a[i]);
    }
    *ret_count = count;
    return a;
}

/* ---- parameters ---- */

/* Numbers that members of parameters are: small ones, and constants that checks let pass. */
static CK_ULONG take_member(struct fuzz *z)
{
    static const CK_ULONG known[] = {CKM_SHA256,
                                     CKM_SHA_1,
                                     CKM_SHA256_HMAC,
                                     CKM_AES_CMAC,
                                     CKG_MGF1_SHA256,
                                     CKD_NULL,
                                     CKD_SHA256_KDF,
                                     CKF_HKDF_SALT_DATA,
                                     CKF_HKDF_SALT_KEY,
                                     CKP_PKCS5_PBKD2_HMAC_SHA256,
                                     8,
                                     12,
                                     16,
                                     96,
                                     128,
                                     256};
    unsigned n = take(z);

    return n < 0xE0 ? known[n % COUNT(known)] : take_ulong(z);
}

static void put_pointer(uint8_t *params, size_t at, const void *to)
{
    memcpy(params + at, &to, sizeof(to));
}

/* What pointers that are no spans point to, each with room for the most that is read or written. */
static void point_master(struct fuzz *z, uint8_t *params)
{
    put_pointer(params, offsetof(CK_TLS12_MASTER_KEY_DERIVE_PARAMS, pVersion), block(z, 2));
}

static void point_extended(struct fuzz *z, uint8_t *params)
{
    put_pointer(params, offsetof(CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS, pVersion),
                block(z, 2));
}

static void point_key_mat(struct fuzz *z, uint8_t *params)
{
    CK_SSL3_KEY_MAT_OUT *out = block(z, sizeof(*out));

    *out = (CK_SSL3_KEY_MAT_OUT){.pIVClient = block(z, 16), .pIVServer = block(z, 16)};
    put_pointer(params, offsetof(CK_TLS12_KEY_MAT_PARAMS, pReturnedKeyMaterial), out);
}

static void point_oaep(struct fuzz *z, uint8_t *params)
{
    CK_RSA_PKCS_OAEP_PARAMS *oaep = block(z, sizeof(*oaep));
    struct bytes label = take_bytes(z);

    *oaep = (CK_RSA_PKCS_OAEP_PARAMS){take_member(z), CKG_MGF1_SHA1, take(z) % 3, raw(label),
                                      label.len};
    put_pointer(params, offsetof(CK_RSA_AES_KEY_WRAP_PARAMS, pOAEPParams), oaep);
}

#define SP800_MOST 16

static void *make_parts(struct fuzz *z)
{
    CK_PRF_DATA_PARAM *parts = block(z, SP800_MOST * sizeof(*parts));

    for (size_t i = 0; i < SP800_MOST; i++) {
        CK_SP800_108_DKM_LENGTH_FORMAT *format = block(z, sizeof(*format));
        unsigned type = take(z) % 6;

        *format = (CK_SP800_108_DKM_LENGTH_FORMAT){take(z) % 3, 0, take_member(z)};
        parts[i] = (CK_PRF_DATA_PARAM){
            type, format, take(z) % 2 == 0 ? sizeof(CK_SP800_108_COUNTER_FORMAT) : sizeof(*format)};
    }
    return parts;
}

static void *make_more_keys(struct fuzz *z)
{
    CK_DERIVED_KEY *keys = block(z, SP800_MOST * sizeof(*keys));
    CK_OBJECT_HANDLE *handles = block(z, SP800_MOST * sizeof(*handles));

    for (size_t i = 0; i < SP800_MOST; i++)
        keys[i] = (CK_DERIVED_KEY){NULL, 0, &handles[i]};
    keys[0].pTemplate = take_template(z, &keys[0].ulAttributeCount);
    return keys;
}

/* The counts are set, not taken: an array is as long as it is. */
static void point_sp800(struct fuzz *z, uint8_t *params)
{
    CK_SP800_108_KDF_PARAMS p;

    memcpy(&p, params, sizeof(p));
    p.ulNumberOfDataParams = take(z) % (SP800_MOST + 1);
    p.pDataParams = make_parts(z);
    p.ulAdditionalDerivedKeys = take(z) % 3;
    p.pAdditionalDerivedKeys = p.ulAdditionalDerivedKeys > 0 ? make_more_keys(z) : NULL;
    memcpy(params, &p, sizeof(p));
}

static void point_feedback(struct fuzz *z, uint8_t *params)
{
    CK_SP800_108_FEEDBACK_KDF_PARAMS p;

    memcpy(&p, params, sizeof(p));
    p.ulNumberOfDataParams = take(z) % (SP800_MOST + 1);
    p.pDataParams = make_parts(z);
    p.ulAdditionalDerivedKeys = take(z) % 3;
    p.pAdditionalDerivedKeys = p.ulAdditionalDerivedKeys > 0 ? make_more_keys(z) : NULL;
    memcpy(params, &p, sizeof(p));
}

/* As many iterations as are done at once; more would be time, and nothing new. */
static void limit_pbkd2(struct fuzz *z, uint8_t *params)
{
    CK_PKCS5_PBKD2_PARAMS2 p;

    memcpy(&p, params, sizeof(p));
    p.iterations = take(z);
    memcpy(params, &p, sizeof(p));
}

static void (*const pointing[MECH_PARAMS_COUNT])(struct fuzz *z, uint8_t *params) = {
    [MECH_PARAMS_TLS12_MASTER] = point_master,   [MECH_PARAMS_TLS12_EXTENDED] = point_extended,
    [MECH_PARAMS_TLS12_KEY_MAT] = point_key_mat, [MECH_PARAMS_RSA_AES_WRAP] = point_oaep,
    [MECH_PARAMS_SP800_KDF] = point_sp800,       [MECH_PARAMS_SP800_FEEDBACK] = point_feedback,
    [MECH_PARAMS_PBKD2] = limit_pbkd2,
};

/* Parameters as the mechanism has them: numbers of the input, pointers to blocks of the length
 * beside them. */
static void fill_params(struct fuzz *z, const struct mech *mech, CK_MECHANISM *m)
{
    const struct mech_layout *layout = mech_layout_of(mech->params);
    uint8_t *params = layout->size > 0 ? block(z, layout->size) : NULL;

    m->pParameter = params;
    m->ulParameterLen = layout->size;
    for (size_t at = 0; at < layout->size; at += sizeof(CK_ULONG)) {
        CK_ULONG member = take_member(z);
        size_t left = layout->size - at;

        memcpy(params + at, &member, left < sizeof(member) ? left : sizeof(member));
    }
    for (size_t i = 0; i < layout->hole_count; i++)
        memset(params + layout->holes[i].at, 0, layout->holes[i].len);
    for (size_t i = 0; i < layout->span_count; i++) {
        struct bytes b = take_bytes(z);

        put_pointer(params, layout->spans[i].pointer, b.data);
        memcpy(params + layout->spans[i].length, &b.len, sizeof(b.len));
    }
    if (pointing[mech->params] != NULL && take(z) % 16 != 0)
        pointing[mech->params](z, params);
}

/* Bytes that are no structure; of a structure with pointers never as many as it has, since they
 * would point anywhere. */
static void fill_bytes(struct fuzz *z, CK_MECHANISM *m)
{
    const struct mech *mech = mech_find(m->mechanism);
    const struct mech_layout *layout = mech != NULL ? mech_layout_of(mech->params) : NULL;
    struct bytes b = take_bytes(z);

    m->pParameter = raw(b);
    m->ulParameterLen = b.len;
    if (layout != NULL && layout->span_count + layout->hole_count > 0 && b.len == layout->size)
        m->ulParameterLen--;
}

CK_MECHANISM_PTR take_mechanism(struct fuzz *z)
{
    unsigned head = take(z);
    const struct mech *mech = mech_at(take(z) % mech_count());
    CK_MECHANISM *m;

    if (head == 0xFF)
        return NULL;
    m = block(z, sizeof(*m));
    m->mechanism = head < 0xF0 ? mech->type : take_ulong(z);
    if (head % 4 != 0 && m->mechanism == mech->type)
        fill_params(z, mech, m);
    else
        fill_bytes(z, m);
    return m;
}

/* ---- results ---- */

struct result take_result(struct fuzz *z)
{
    unsigned head = take(z);
    struct result r = {.room = head % 4 == 0 ? take(z) % 32 : 512};

    r.len = r.room;
    if (head < 0xE0) {
        r.data = block(z, r.room + GUARD);
        memset(r.data, FILL, r.room + GUARD);
    }
    return r;
}

static bool is_filled(const CK_BYTE *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (data[i] != FILL)
            return false;
    return true;
}

void check_rv(const struct fuzz *z, CK_RV rv)
{
    char name[NAME_BUF_MAX];

    require(z, strncmp(name_of_rv(rv, name), "CKR_", 4) == 0, "a code without a name", rv);
}

void check_result(const struct fuzz *z, const struct result *r, CK_RV rv)
{
    check_rv(z, rv);
    if (r->data == NULL)
        return;
    require(z, is_filled(r->data + r->room, GUARD), "written behind the buffer", rv);
    if (rv != CKR_OK)
        require(z, is_filled(r->data, r->room), "a result although the call failed", rv);
    else
        require(z, r->len <= r->room, "more than there was room for", rv);
}

void keep_object(struct fuzz *z, CK_RV rv, CK_OBJECT_HANDLE object)
{
    check_rv(z, rv);
    if (rv == CKR_OK)
        z->objects[take(z) % FUZZ_HANDLES] = object;
}
