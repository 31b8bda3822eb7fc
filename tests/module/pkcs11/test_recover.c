/*
 * Signatures with recovery: the data comes out of the signature, of keys made for it and of no
 * others; and the raw RSA operation is no way around what a key is for.
 */
#include "pkcs11/keyward.h"
#include "tests/module/pkcs11/token.h"

#include <string.h>

static char software[] = "software", hsm[] = "hsm";
#define SOFTWARE ATTR(CKA_KEYWARD_PROTECTION, software, 8)
#define HSM      ATTR(CKA_KEYWARD_PROTECTION, hsm, 3)
#define LEN      256

static CK_SESSION_HANDLE session;
static CK_MECHANISM pkcs = {CKM_RSA_PKCS, NULL, 0}, raw = {CKM_RSA_X_509, NULL, 0};
static CK_BYTE text[] = "thirty-six bytes, a digest of sorts!";
#define TEXT_LEN (sizeof(text) - 1)

static void make(CK_ATTRIBUTE protection, CK_ATTRIBUTE public_use, CK_ATTRIBUTE private_use,
                 CK_OBJECT_HANDLE *public, CK_OBJECT_HANDLE *private)
{
    CK_MECHANISM gen = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};

    assert_ok(p11->C_GenerateKeyPair(session, &gen, LIST(ULONG(CKA_MODULUS_BITS, 2048), public_use),
                                     LIST(protection, private_use), public, private));
}

static CK_RV sign(CK_MECHANISM *m, CK_OBJECT_HANDLE key, CK_BYTE *data, CK_ULONG len,
                  CK_BYTE out[static LEN])
{
    CK_ULONG n = LEN;
    CK_RV rv = p11->C_SignRecoverInit(session, m, key);

    return rv == CKR_OK ? p11->C_SignRecover(session, data, len, out, &n) : rv;
}

static CK_RV recover(CK_MECHANISM *m, CK_OBJECT_HANDLE key, CK_BYTE *signature, CK_ULONG len,
                     CK_BYTE out[static LEN], CK_ULONG *n)
{
    CK_RV rv = p11->C_VerifyRecoverInit(session, m, key);

    *n = LEN;
    return rv == CKR_OK ? p11->C_VerifyRecover(session, signature, len, out, n) : rv;
}

START_TEST(what_was_signed_comes_out_of_the_signature_in_both_protections)
{
    CK_OBJECT_HANDLE public = 0, private = 0, other = 0, unused = 0;
    CK_BYTE signature[LEN], out[LEN];
    CK_ULONG n = 0;

    session = token_alice();
    make(_i == 0 ? SOFTWARE : HSM, YES(CKA_VERIFY_RECOVER), YES(CKA_SIGN_RECOVER), &public,
         &private);
    make(SOFTWARE, YES(CKA_VERIFY_RECOVER), YES(CKA_SIGN_RECOVER), &other, &unused);
    assert_ok(sign(&pkcs, private, text, TEXT_LEN, signature));
    assert_ok(recover(&pkcs, public, signature, LEN, out, &n));
    ck_assert_uint_eq(n, TEXT_LEN);
    ck_assert_mem_eq(out, text, n);
    assert_rv(CKR_SIGNATURE_INVALID, recover(&pkcs, other, signature, LEN, out, &n));
    assert_rv(CKR_SIGNATURE_LEN_RANGE, recover(&pkcs, public, signature, LEN - 1, out, &n));
    signature[LEN - 1] ^= 1;
    assert_rv(CKR_SIGNATURE_INVALID, recover(&pkcs, public, signature, LEN, out, &n));
    assert_rv(CKR_DATA_LEN_RANGE, sign(&pkcs, private, out, LEN - 10, signature));
}
END_TEST

START_TEST(the_number_comes_out_of_a_raw_signature)
{
    CK_OBJECT_HANDLE public = 0, private = 0;
    CK_BYTE signature[LEN], out[LEN], big[LEN];
    CK_ULONG n = 0;

    session = token_alice();
    make(SOFTWARE, YES(CKA_VERIFY_RECOVER), YES(CKA_SIGN_RECOVER), &public, &private);
    assert_ok(sign(&raw, private, text, TEXT_LEN, signature));
    assert_ok(recover(&raw, public, signature, LEN, out, &n));
    ck_assert_uint_eq(n, LEN);
    ck_assert_mem_eq(out + LEN - TEXT_LEN, text, TEXT_LEN);
    for (CK_ULONG i = 0; i < LEN - TEXT_LEN; i++)
        ck_assert_uint_eq(out[i], 0);
    memset(big, 0xff, sizeof(big));
    assert_rv(CKR_DATA_INVALID, sign(&raw, private, big, LEN, signature));
    assert_rv(CKR_SIGNATURE_INVALID, recover(&raw, public, big, LEN, out, &n));
}
END_TEST

START_TEST(raw_signatures_are_verified)
{
    CK_OBJECT_HANDLE public = 0, private = 0;
    CK_BYTE signature[LEN];
    CK_ULONG n = LEN;

    session = token_alice();
    make(SOFTWARE, YES(CKA_VERIFY), YES(CKA_SIGN), &public, &private);
    assert_ok(p11->C_SignInit(session, &raw, private));
    assert_ok(p11->C_Sign(session, text, TEXT_LEN, signature, &n));
    assert_ok(p11->C_VerifyInit(session, &raw, public));
    assert_ok(p11->C_Verify(session, text, TEXT_LEN, signature, n));
    assert_ok(p11->C_VerifyInit(session, &raw, public));
    assert_rv(CKR_SIGNATURE_INVALID, p11->C_Verify(session, text, TEXT_LEN - 1, signature, n));
    assert_ok(p11->C_VerifyInit(session, &raw, public));
    assert_rv(CKR_SIGNATURE_INVALID, p11->C_Verify(session, text + 1, TEXT_LEN - 1, signature, n));
    assert_ok(p11->C_VerifyInit(session, &raw, public));
    assert_rv(CKR_SIGNATURE_INVALID, p11->C_Verify(session, text, 0, signature, n));
}
END_TEST

START_TEST(keys_that_were_not_made_for_it_recover_nothing)
{
    CK_MECHANISM sha256 = {CKM_SHA256_RSA_PKCS, NULL, 0};
    CK_OBJECT_HANDLE public = 0, private = 0;
    CK_BYTE signature[LEN], out[LEN];
    CK_ULONG n = 0;

    session = token_alice();
    make(SOFTWARE, YES(CKA_VERIFY), YES(CKA_SIGN), &public, &private);
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED, sign(&pkcs, private, text, TEXT_LEN, signature));
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED, recover(&pkcs, public, signature, LEN, out, &n));
    make(SOFTWARE, YES(CKA_VERIFY_RECOVER), YES(CKA_SIGN_RECOVER), &public, &private);
    assert_ok(sign(&pkcs, private, text, TEXT_LEN, signature));
    assert_rv(CKR_MECHANISM_INVALID, sign(&sha256, private, text, TEXT_LEN, signature));
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED, p11->C_SignInit(session, &pkcs, private));
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED, p11->C_VerifyInit(session, &pkcs, public));
    assert_rv(CKR_KEY_TYPE_INCONSISTENT, sign(&pkcs, public, text, TEXT_LEN, signature));
    assert_rv(CKR_OPERATION_NOT_INITIALIZED,
              p11->C_SignRecover(session, text, TEXT_LEN, signature, &n));
}
END_TEST

START_TEST(a_buffer_that_is_too_small_is_told_and_the_operation_goes_on)
{
    CK_OBJECT_HANDLE public = 0, private = 0;
    CK_BYTE signature[LEN], out[LEN];
    CK_ULONG n = 0;

    session = token_alice();
    make(SOFTWARE, YES(CKA_VERIFY_RECOVER), YES(CKA_SIGN_RECOVER), &public, &private);
    assert_ok(p11->C_SignRecoverInit(session, &pkcs, private));
    assert_ok(p11->C_SignRecover(session, text, TEXT_LEN, NULL, &n));
    ck_assert_uint_eq(n, LEN);
    n = LEN - 1;
    assert_rv(CKR_BUFFER_TOO_SMALL, p11->C_SignRecover(session, text, TEXT_LEN, signature, &n));
    n = LEN;
    assert_ok(p11->C_SignRecover(session, text, TEXT_LEN, signature, &n));
    assert_ok(p11->C_VerifyRecoverInit(session, &pkcs, public));
    n = TEXT_LEN - 1;
    assert_rv(CKR_BUFFER_TOO_SMALL, p11->C_VerifyRecover(session, signature, LEN, out, &n));
    ck_assert_uint_eq(n, TEXT_LEN);
    assert_ok(p11->C_VerifyRecover(session, signature, LEN, out, &n));
    ck_assert_mem_eq(out, text, TEXT_LEN);
}
END_TEST

START_TEST(the_policy_is_asked_sign_and_verify)
{
    CK_OBJECT_HANDLE public = 0, private = 0;
    CK_BYTE signature[LEN], out[LEN];
    CK_ULONG n = 0;

    session = token_alice_under(
        "{\"verb\":\"policy.apply\",\"vault\":\"web\",\"text\":"
        "\"permit (principal, action, resource);"
        "forbid (principal, action == Action::\\\"sign\\\", resource) when {resource.name == "
        "\\\"a\\\"};"
        "forbid (principal, action == Action::\\\"verify\\\", resource) when {resource.name == "
        "\\\"b\\\"};\"}");
    make(SOFTWARE, YES(CKA_VERIFY_RECOVER), YES(CKA_SIGN_RECOVER), &public, &private);
    assert_ok(sign(&pkcs, private, text, TEXT_LEN, signature));
    assert_ok(recover(&pkcs, public, signature, LEN, out, &n));
    assert_ok(p11->C_SetAttributeValue(session, private, LIST(TEXT(CKA_LABEL, "a"))));
    assert_ok(p11->C_SetAttributeValue(session, public, LIST(TEXT(CKA_LABEL, "b"))));
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED, sign(&pkcs, private, text, TEXT_LEN, signature));
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED, recover(&pkcs, public, signature, LEN, out, &n));
}
END_TEST

/* ---- the raw operation ---- */

START_TEST(a_key_that_unwraps_signs_nothing_raw)
{
    CK_MECHANISM gen = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
    CK_OBJECT_HANDLE public = 0, private = 0;
    CK_BYTE signature[LEN];
    CK_ULONG n = LEN;

    session = token_alice();
    for (size_t i = 0; i < 2; i++) {
        CK_ATTRIBUTE unwraps = i == 0 ? NO(CKA_UNWRAP) : YES(CKA_UNWRAP);
        CK_RV wanted = i == 0 ? CKR_OK : CKR_KEY_FUNCTION_NOT_PERMITTED;

        assert_ok(p11->C_GenerateKeyPair(
            session, &gen, LIST(ULONG(CKA_MODULUS_BITS, 2048)),
            LIST(SOFTWARE, YES(CKA_SIGN), YES(CKA_SIGN_RECOVER), NO(CKA_DECRYPT), unwraps), &public,
            &private));
        assert_rv(wanted, sign(&raw, private, text, TEXT_LEN, signature));
        assert_rv(wanted, p11->C_SignInit(session, &raw, private));
        if (wanted == CKR_OK)
            assert_ok(p11->C_Sign(session, text, TEXT_LEN, signature, &n));
        assert_ok(p11->C_SignInit(session, &pkcs, private));
        assert_ok(p11->C_Sign(session, text, TEXT_LEN, signature, &n));
    }
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_LOOP(what_was_signed_comes_out_of_the_signature_in_both_protections, 2),
        CASE(the_number_comes_out_of_a_raw_signature),
        CASE(raw_signatures_are_verified),
        CASE(keys_that_were_not_made_for_it_recover_nothing),
        CASE(a_buffer_that_is_too_small_is_told_and_the_operation_goes_on),
        CASE(a_key_that_unwraps_signs_nothing_raw),
        CASE(the_policy_is_asked_sign_and_verify),
    };

    return token_suite("pkcs11/recover", cases, COUNT(cases));
}
