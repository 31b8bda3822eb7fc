/*
 * Edwards keys brought in: the signatures others have published, whole and in parts, and the forms
 * that are not done. For vaults of software keys.
 */
#include "tests/contract/pkcs11/known.h"
#include "tests/module/pkcs11/token.h"

#include <string.h>

#undef fail

static const struct edwards {
    const char *source, *params, *secret, *point, *data, *signature;
} edwards[] = {
    {"RFC 8032, 7.1, test 2", "06032b6570",
     "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "04203d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f1"
     "1d8c387b2eaeb4302aeeb00d291612bb0c00"},
    {"RFC 8032, 7.4, 1 octet", "06032b6571",
     "c4eab05d357007c632f3dbb48489924d552b08fe0c353a0d4a1f00acda2c463afbea67c5e8d2877c5e3bc397a659"
     "949ef8021e954e0a12274e",
     "043943ba28f430cdff456ae531545f7ecd0ac834a55d9358c0372bfa0c6c6798c0866aea01eb00742802b8438ea4"
     "cb82169c235160627b4c3a9480",
     "03",
     "26b8f91727bd62897af15e41eb43c377efb9c610d48f2335cb0bd0087810f4352541b143c4b981b7e18f62de8ccd"
     "f633fc1bf037ab7cd779805e0dbcc0aae1cbcee1afb2e027df36bc04dcecbf154336c19f0af7e0a6472905e799f1"
     "953d2a0ff3348ab21aa4adafd1d234441cf807c03a00"},
};

static CK_OBJECT_HANDLE edwards_half(CK_SESSION_HANDLE session, const struct edwards *e,
                                     bool private)
{
    struct known_text params = known_unhex(e->params);
    struct known_text value = known_unhex(private ? e->secret : e->point);
    CK_OBJECT_HANDLE handle = 0;

    assert_ok(p11->C_CreateObject(
        session,
        LIST(ULONG(CKA_CLASS, private ? CKO_PRIVATE_KEY : CKO_PUBLIC_KEY),
             ULONG(CKA_KEY_TYPE, CKK_EC_EDWARDS), ATTR(CKA_EC_PARAMS, params.data, params.len),
             ATTR(private ? CKA_VALUE : CKA_EC_POINT, value.data, value.len),
             YES(private ? CKA_SIGN : CKA_VERIFY)),
        &handle));
    return handle;
}

START_TEST(edwards_signatures_are_the_published_ones_and_others_are_refused)
{
    const struct edwards *e = &edwards[_i];
    CK_MECHANISM m = {CKM_EDDSA, NULL, 0};
    struct known_text data = known_unhex(e->data);
    struct known_text want = known_unhex(e->signature);
    struct known_text got;
    CK_SESSION_HANDLE s = token_alice();
    CK_OBJECT_HANDLE private = edwards_half(s, e, true);
    CK_OBJECT_HANDLE public = edwards_half(s, e, false);

    assert_ok(p11->C_SignInit(s, &m, private));
    assert_ok(p11->C_Sign(s, data.data, data.len, NULL, &got.len));
    ck_assert_uint_eq(got.len, want.len);
    assert_ok(p11->C_Sign(s, data.data, data.len, got.data, &got.len));
    ck_assert_msg(got.len == want.len && memcmp(got.data, want.data, got.len) == 0, "%s",
                  e->source);
    /* In parts: gathered, and the same. */
    assert_ok(p11->C_SignInit(s, &m, private));
    assert_ok(p11->C_SignUpdate(s, data.data, 0));
    assert_ok(p11->C_SignUpdate(s, data.data, data.len));
    got.len = KNOWN_MAX;
    assert_ok(p11->C_SignFinal(s, got.data, &got.len));
    ck_assert_mem_eq(got.data, want.data, want.len);
    assert_ok(p11->C_VerifyInit(s, &m, public));
    assert_ok(p11->C_Verify(s, data.data, data.len, want.data, want.len));
    data.data[0] ^= 1;
    assert_ok(p11->C_VerifyInit(s, &m, public));
    assert_rv(CKR_SIGNATURE_INVALID, p11->C_Verify(s, data.data, data.len, want.data, want.len));
    assert_ok(p11->C_VerifyInit(s, &m, public));
    assert_rv(CKR_SIGNATURE_LEN_RANGE,
              p11->C_Verify(s, data.data, data.len, want.data, want.len - 1));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

/* Longer than what mechanisms of one block gather. */
START_TEST(an_edwards_key_signs_long_data_in_parts)
{
    static CK_BYTE data[5000];
    CK_MECHANISM m = {CKM_EDDSA, NULL, 0};
    struct known_text whole = {.len = KNOWN_MAX};
    struct known_text parts = {.len = KNOWN_MAX};
    CK_SESSION_HANDLE s = token_alice();
    CK_OBJECT_HANDLE private = edwards_half(s, &edwards[0], true);

    assert_ok(p11->C_SignInit(s, &m, private));
    assert_ok(p11->C_Sign(s, data, sizeof(data), whole.data, &whole.len));
    assert_ok(p11->C_SignInit(s, &m, private));
    assert_ok(p11->C_SignUpdate(s, data, 2500));
    assert_ok(p11->C_SignUpdate(s, data + 2500, 2500));
    assert_ok(p11->C_SignFinal(s, parts.data, &parts.len));
    ck_assert_uint_eq(parts.len, 64);
    ck_assert_mem_eq(parts.data, whole.data, 64);
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

/* RFC 8032: an Ed448 key has a context in every form, an Ed25519 key in two that are not done. */
START_TEST(an_edwards_key_signs_in_its_pure_form_only)
{
    CK_BYTE context[] = "context";
    const struct {
        int key;
        CK_RV want;
        CK_EDDSA_PARAMS params;
    } rows[] = {
        {1, CKR_OK, {.phFlag = CK_FALSE}},
        {0, CKR_MECHANISM_PARAM_INVALID, {.phFlag = CK_FALSE}},
        {1, CKR_MECHANISM_PARAM_INVALID, {.phFlag = CK_TRUE}},
        {1, CKR_MECHANISM_PARAM_INVALID, {.pContextData = context, .ulContextDataLen = 7}},
    };
    CK_SESSION_HANDLE s = token_alice();

    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct edwards *e = &edwards[rows[i].key];
        CK_EDDSA_PARAMS params = rows[i].params;
        CK_MECHANISM m = {CKM_EDDSA, &params, sizeof(params)};
        struct known_text data = known_unhex(e->data);
        struct known_text got = {.len = KNOWN_MAX};

        assert_ok(p11->C_SignInit(s, &m, edwards_half(s, e, true)));
        assert_rv(rows[i].want, p11->C_Sign(s, data.data, data.len, got.data, &got.len));
        if (rows[i].want == CKR_OK)
            ck_assert_mem_eq(got.data, known_unhex(e->signature).data, got.len);
    }
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_LOOP(edwards_signatures_are_the_published_ones_and_others_are_refused, COUNT(edwards)),
        CASE(an_edwards_key_signs_long_data_in_parts),
        CASE(an_edwards_key_signs_in_its_pure_form_only),
    };

    return token_suite("pkcs11/known_edwards", cases, COUNT(cases));
}
