/* What is done here and what in the HSM: every hashed signature has its raw half, and each class of
 * code its meaning. */
#include "hsm/classes.h"
#include "hsm/hsm_int.h"
#include "tests/support/suite.h"

#include <string.h>

START_TEST(every_hashed_signature_has_a_message_for_its_raw_mechanism)
{
    static const uint8_t digest[LOCAL_DIGEST_MAX] = {1, 2, 3};
    unsigned seen = 0;

    for (size_t i = 0; i < mech_count(); i++) {
        const struct mech *row = mech_at(i);
        struct plan plan = {.row = row, .hash = row->hash, .mechanism = row->raw};
        uint8_t out[PLAN_MESSAGE_MAX];
        size_t n = mech_hash_len(row->hash);
        size_t len = 0;

        if (row->raw == KW_NO_MECHANISM)
            continue;
        seen++;
        assert_ok(plan_message(&plan, BYTES(digest, n), out, &len));
        ck_assert(len >= n && memcmp(out + len - n, digest, n) == 0);
        /* A DigestInfo is a SEQUENCE of just this length. */
        if (row->raw == CKM_RSA_PKCS)
            ck_assert(out[0] == 0x30 && out[1] == len - 2);
        else
            ck_assert_uint_eq(len, n);
    }
    ck_assert_uint_ge(seen, 15);
}
END_TEST

START_TEST(plan_refuses_by_one_changed_fact)
{
    struct hsm_key rsa = {.kind = HSM_KEY_PRIVATE, .type = CKK_RSA};
    struct hsm_key ec = {.kind = HSM_KEY_PRIVATE, .type = CKK_EC};
    CK_MECHANISM m = {CKM_SHA256_RSA_PKCS, NULL, 0};
    struct plan plan;

    assert_ok(plan_make(HSM_SIGN, &rsa, &m, &plan));
    ck_assert(plan.hash == CKM_SHA256 && plan.mechanism == CKM_RSA_PKCS);
    assert_rv(CKR_KEY_TYPE_INCONSISTENT, plan_make(HSM_SIGN, &ec, &m, &plan));
    assert_rv(CKR_MECHANISM_INVALID, plan_make(HSM_DECRYPT, &rsa, &m, &plan));
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED, plan_make(HSM_VERIFY, &rsa, &m, &plan));
    m.mechanism = CKM_VENDOR_DEFINED;
    assert_rv(CKR_MECHANISM_INVALID, plan_make(HSM_SIGN, &rsa, &m, &plan));
}
END_TEST

START_TEST(codes_have_the_class_their_repair_needs)
{
    static const struct {
        CK_RV rv;
        enum hsm_class class;
    } wanted[] = {
        {CKR_OK, HSM_CLASS_OK},
        {CKR_DEVICE_REMOVED, HSM_CLASS_LOST},
        {CKR_SESSION_HANDLE_INVALID, HSM_CLASS_SESSION},
        {CKR_OBJECT_HANDLE_INVALID, HSM_CLASS_KEY},
        {CKR_USER_NOT_LOGGED_IN, HSM_CLASS_LOGIN},
        {CKR_SESSION_COUNT, HSM_CLASS_BUSY},
        {CKR_PIN_INCORRECT, HSM_CLASS_PIN},
        {CKR_PIN_LOCKED, HSM_CLASS_PIN},
        {CKR_GENERAL_ERROR, HSM_CLASS_AMBIGUOUS},
        {CKR_VENDOR_DEFINED | 5, HSM_CLASS_AMBIGUOUS},
        {CKR_BUFFER_TOO_SMALL, HSM_CLASS_AMBIGUOUS},
        {CKR_SIGNATURE_INVALID, HSM_CLASS_CALLER},
    };

    for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
        ck_assert_int_eq(hsm_class_of(wanted[i].rv), wanted[i].class);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(every_hashed_signature_has_a_message_for_its_raw_mechanism),
        CASE(plan_refuses_by_one_changed_fact),
        CASE(codes_have_the_class_their_repair_needs),
    };

    return suite_run("hsm/compose", cases, sizeof(cases) / sizeof(*cases));
}
