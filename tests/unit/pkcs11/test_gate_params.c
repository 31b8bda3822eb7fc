/*
 * The digest of parameters: of values and not of addresses, of every value, and of no password.
 * Every struct of the mechanism table is tried, each filled from its layout.
 */
#include "base/mech.h"
#include "pkcs11/gate_params.h"
#include "tests/support/suite.h"

#include <stdlib.h>
#include <string.h>

#undef fail

#define SPAN_LEN 11

static struct local *local;

/* One parameter of a kind, twice the same at two places. */
struct filled {
    const struct mech *mech;
    const struct mech_layout *layout;
    _Alignas(16) uint8_t params[MECH_PARAMS_SIZE_MAX];
    uint8_t bytes[MECH_SPANS_MAX][SPAN_LEN];
};

/* junk: what stands where no value is. */
static void fill(struct filled *f, const struct mech *mech, uint8_t junk)
{
    const CK_ULONG len = SPAN_LEN;

    f->mech = mech;
    f->layout = mech_layout_of(mech->params);
    for (size_t i = 0; i < sizeof(f->params); i++)
        f->params[i] = (uint8_t)(i * 5 + 1);
    for (size_t i = 0; i < f->layout->hole_count; i++)
        memset(f->params + f->layout->holes[i].at, junk, f->layout->holes[i].len);
    for (size_t i = 0; i < f->layout->span_count; i++) {
        const uint8_t *at = f->bytes[i];

        memset(f->bytes[i], (int)i + 1, SPAN_LEN);
        memcpy(f->params + f->layout->spans[i].pointer, &at, sizeof(at));
        memcpy(f->params + f->layout->spans[i].length, &len, sizeof(len));
    }
}

static CK_RV digest_of(const CK_MECHANISM *mechanism, uint8_t out[static 32])
{
    SCOPED(local_digest_free_p) struct local_digest *d = NULL;
    uint8_t whole[LOCAL_DIGEST_MAX];
    size_t len = 0;
    CK_RV rv = local_digest_new(local, CKM_SHA256, &d);

    if (rv == CKR_OK)
        rv = gate_parameters(d, mechanism);
    if (rv == CKR_OK)
        rv = local_digest_final(d, whole, &len);
    memcpy(out, whole, 32);
    return rv;
}

static void digest(const struct filled *f, uint8_t out[32])
{
    CK_MECHANISM m = {f->mech->type, (void *)(uintptr_t)f->params, f->layout->size};

    assert_ok(digest_of(&m, out));
}

static bool differ(const struct filled *a, const struct filled *b)
{
    uint8_t one[32], other[32];

    digest(a, one);
    digest(b, other);
    return memcmp(one, other, sizeof(one)) != 0;
}

/* The kinds that there are, but those that point to structs: they have tests of their own below. */
static bool is_flat(const struct mech *mech)
{
    return mech != NULL && mech->params != MECH_PARAMS_RSA_AES_WRAP &&
           mech->params != MECH_PARAMS_SP800_KDF && mech->params != MECH_PARAMS_SP800_FEEDBACK &&
           mech_layout_of(mech->params)->size > 0;
}

static bool is_value(const struct mech_layout *layout, size_t at)
{
    for (size_t i = 0; i < layout->hole_count; i++)
        if (at >= layout->holes[i].at && at < layout->holes[i].at + layout->holes[i].len)
            return false;
    for (size_t i = 0; i < layout->span_count; i++)
        if ((at >= layout->spans[i].pointer && at < layout->spans[i].pointer + sizeof(void *)) ||
            (at >= layout->spans[i].length && at < layout->spans[i].length + sizeof(CK_ULONG)))
            return false;
    return true;
}

START_TEST(the_same_values_at_another_address_have_the_same_digest)
{
    struct filled a, b;

    for (size_t i = 0; i < mech_count(); i++) {
        const struct mech *mech = mech_at(i);

        if (!is_flat(mech))
            continue;
        fill(&a, mech, 0x00);
        fill(&b, mech, 0xee);
        ck_assert_msg(!differ(&a, &b), "%s", mech->name);
    }
}
END_TEST

START_TEST(every_value_of_a_struct_is_in_its_digest)
{
    struct filled a, b;

    for (size_t i = 0; i < mech_count(); i++) {
        const struct mech *mech = mech_at(i);

        if (!is_flat(mech))
            continue;
        fill(&a, mech, 0);
        for (size_t at = 0; at < a.layout->size; at++) {
            fill(&b, mech, 0);
            b.params[at] ^= 1;
            if (is_value(a.layout, at))
                ck_assert_msg(differ(&a, &b), "%s, byte %zu", mech->name, at);
        }
    }
}
END_TEST

START_TEST(what_a_struct_points_to_is_in_its_digest_unless_it_is_secret)
{
    struct filled a, b;
    size_t secrets = 0;

    for (size_t i = 0; i < mech_count(); i++) {
        const struct mech *mech = mech_at(i);

        for (size_t span = 0; is_flat(mech) && span < mech_layout_of(mech->params)->span_count;
             span++) {
            fill(&a, mech, 0);
            fill(&b, mech, 0);
            b.bytes[span][SPAN_LEN - 1] ^= 1;
            ck_assert_msg(differ(&a, &b) != a.layout->spans[span].secret, "%s, span %zu",
                          mech->name, span);
            secrets += a.layout->spans[span].secret;
        }
    }
    ck_assert_uint_eq(secrets, 1); /* the password of PBKDF2 */
}
END_TEST

START_TEST(bytes_that_move_from_one_member_to_the_next_change_the_digest)
{
    uint8_t text[] = "abcdef";
    CK_GCM_PARAMS a = {
        .pIv = text, .ulIvLen = 4, .pAAD = text + 4, .ulAADLen = 2, .ulTagBits = 128};
    CK_GCM_PARAMS b = {
        .pIv = text, .ulIvLen = 3, .pAAD = text + 3, .ulAADLen = 3, .ulTagBits = 128};
    CK_MECHANISM ma = {CKM_AES_GCM, &a, sizeof(a)};
    CK_MECHANISM mb = {CKM_AES_GCM, &b, sizeof(b)};
    uint8_t one[32], other[32];

    assert_ok(digest_of(&ma, one));
    assert_ok(digest_of(&mb, other));
    ck_assert_mem_ne(one, other, 32);
}
END_TEST

static void digest_wrap(uint8_t *label, CK_ULONG len, CK_MECHANISM_TYPE hash, uint8_t out[32])
{
    CK_RSA_PKCS_OAEP_PARAMS oaep = {.hashAlg = hash,
                                    .mgf = CKG_MGF1_SHA256,
                                    .source = CKZ_DATA_SPECIFIED,
                                    .pSourceData = label,
                                    .ulSourceDataLen = len};
    CK_RSA_AES_KEY_WRAP_PARAMS *wrap = malloc(sizeof(*wrap));
    CK_MECHANISM m = {CKM_RSA_AES_KEY_WRAP, wrap, sizeof(*wrap)};

    ck_assert_ptr_nonnull(wrap);
    *wrap = (CK_RSA_AES_KEY_WRAP_PARAMS){.ulAESKeyBits = 256, .pOAEPParams = &oaep};
    assert_ok(digest_of(&m, out));
    free(wrap);
}

START_TEST(the_oaep_inside_a_wrapping_is_in_its_digest)
{
    uint8_t label[] = "label", same[] = "label", other[] = "lobel";
    uint8_t a[32], b[32];

    digest_wrap(label, 5, CKM_SHA256, a);
    digest_wrap(same, 5, CKM_SHA256, b);
    ck_assert_mem_eq(a, b, 32);
    digest_wrap(other, 5, CKM_SHA256, b);
    ck_assert_mem_ne(a, b, 32);
    digest_wrap(label, 5, CKM_SHA384, b);
    ck_assert_mem_ne(a, b, 32);
}
END_TEST

struct kdf_values {
    uint8_t junk;
    CK_ULONG width;
    CK_ULONG method;
    const char *label;
};

static void digest_kdf(const struct kdf_values *v, bool feedback, uint8_t out[32])
{
    CK_SP800_108_COUNTER_FORMAT counter;
    CK_SP800_108_DKM_LENGTH_FORMAT length;
    CK_PRF_DATA_PARAM parts[] = {
        {CK_SP800_108_ITERATION_VARIABLE, feedback ? NULL : &counter,
         feedback ? 0 : sizeof(counter)},
        {CK_SP800_108_BYTE_ARRAY, (void *)(uintptr_t)v->label, strlen(v->label)},
        {CK_SP800_108_DKM_LENGTH, &length, sizeof(length)},
    };
    CK_SP800_108_KDF_PARAMS kdf = {
        .prfType = CKM_SHA256_HMAC, .ulNumberOfDataParams = 3, .pDataParams = parts};
    CK_SP800_108_FEEDBACK_KDF_PARAMS back = {
        .prfType = CKM_SHA256_HMAC, .ulNumberOfDataParams = 3, .pDataParams = parts};
    CK_MECHANISM m = {feedback ? CKM_SP800_108_FEEDBACK_KDF : CKM_SP800_108_COUNTER_KDF,
                      feedback ? (void *)&back : &kdf, feedback ? sizeof(back) : sizeof(kdf)};

    memset(&counter, v->junk, sizeof(counter));
    memset(&length, v->junk, sizeof(length));
    counter.bLittleEndian = CK_FALSE;
    counter.ulWidthInBits = v->width;
    length.dkmLengthMethod = v->method;
    length.bLittleEndian = CK_FALSE;
    length.ulWidthInBits = 16;
    assert_ok(digest_of(&m, out));
}

START_TEST(the_parts_of_a_key_derivation_are_in_its_digest)
{
    const struct kdf_values v = {0x00, 32, 1, "label"};
    const struct kdf_values same = {0xee, 32, 1, "label"};
    const struct kdf_values others[] = {
        {0x00, 16, 1, "label"}, {0x00, 32, 2, "label"}, {0x00, 32, 1, "lobel"}};
    uint8_t a[32], b[32];

    for (int feedback = 0; feedback < 2; feedback++) {
        digest_kdf(&v, feedback != 0, a);
        digest_kdf(&same, feedback != 0, b);
        ck_assert_mem_eq(a, b, 32);
        for (size_t i = (size_t)feedback; i < 3; i++) {
            digest_kdf(&others[i], feedback != 0, b);
            ck_assert_mem_ne(a, b, 32);
        }
    }
}
END_TEST

START_TEST(a_parameter_that_is_not_of_its_length_is_not_followed)
{
    CK_GCM_PARAMS gcm = {.pIv = (CK_BYTE_PTR)8, .ulIvLen = 12};
    CK_MECHANISM m = {CKM_AES_GCM, &gcm, sizeof(gcm) - 1};
    uint8_t out[32];

    assert_ok(digest_of(&m, out));
    m.mechanism = CKM_VENDOR_DEFINED;
    assert_ok(digest_of(&m, out));
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(the_same_values_at_another_address_have_the_same_digest),
        CASE(every_value_of_a_struct_is_in_its_digest),
        CASE(what_a_struct_points_to_is_in_its_digest_unless_it_is_secret),
        CASE(bytes_that_move_from_one_member_to_the_next_change_the_digest),
        CASE(the_oaep_inside_a_wrapping_is_in_its_digest),
        CASE(the_parts_of_a_key_derivation_are_in_its_digest),
        CASE(a_parameter_that_is_not_of_its_length_is_not_followed),
    };

    int status = 1;

    if (local_new(&local) == CKR_OK)
        status = suite_run("pkcs11/gate_params", cases, sizeof(cases) / sizeof(*cases));
    local_free(local);
    return status;
}
