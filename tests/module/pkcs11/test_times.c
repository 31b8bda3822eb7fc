/* What a record says of where a call's time went: policy, HSM, software key, log. */
#include "tests/support/lab.h"

#include <string.h>

static struct lab lab;
static CK_SESSION_HANDLE session;

static const char *const times[] = {"policy_ns", "hsm_ns", "software_ns", "log_ns"};
enum { POLICY, HSM, SOFTWARE, LOG, TIMES };

/* Of the last record of a function: 0 for a time that is not told. */
struct told {
    const char *function, *phase;
    unsigned records;
    json_int_t times[TIMES], duration_us;
};

static void look(void *ctx, json_t *record)
{
    struct told *told = ctx;

    if (strcmp(lab_member(record, "function"), told->function) != 0 ||
        strcmp(lab_member(record, "phase"), told->phase) != 0)
        return;
    told->records++;
    told->duration_us = json_integer_value(json_object_get(record, "duration_us"));
    for (unsigned i = 0; i < TIMES; i++)
        told->times[i] = json_integer_value(json_object_get(record, times[i]));
}

static struct told last(const char *function, const char *phase)
{
    struct told told = {.function = function, .phase = phase};

    lab_log_each(&lab, 0, look, &told);
    ck_assert_uint_gt(told.records, 0);
    return told;
}

/* An AES key that encrypts, with this protection. */
static CK_OBJECT_HANDLE key_with(const char *protection)
{
    CK_BBOOL yes = CK_TRUE;
    CK_ULONG len = 32;
    CK_MECHANISM gen = {.mechanism = CKM_AES_KEY_GEN};
    CK_ATTRIBUTE template[] = {
        {CKA_ENCRYPT, &yes, sizeof(yes)},
        {CKA_VALUE_LEN, &len, sizeof(len)},
        {CKA_KEYWARD_PROTECTION, (void *)(uintptr_t)protection, strlen(protection)},
    };
    CK_OBJECT_HANDLE key = 0;

    assert_ok(lab.f->C_GenerateKey(session, &gen, template, 3, &key));
    return key;
}

static void encrypt_init(CK_OBJECT_HANDLE key)
{
    CK_BYTE iv[16] = {0};
    CK_MECHANISM cbc = {CKM_AES_CBC, iv, sizeof(iv)};

    assert_ok(lab.f->C_EncryptInit(session, &cbc, key));
}

static void encrypt(CK_OBJECT_HANDLE key)
{
    CK_BYTE data[64] = {0};
    CK_BYTE out[64];
    CK_ULONG len = sizeof(out);

    encrypt_init(key);
    assert_ok(lab.f->C_Encrypt(session, data, sizeof(data), out, &len));
}

/* All the work is in the update. */
static void encrypt_in_parts(CK_OBJECT_HANDLE key)
{
    static CK_BYTE data[4 << 20];
    CK_ULONG len = sizeof(data);

    encrypt_init(key);
    assert_ok(lab.f->C_EncryptUpdate(session, data, sizeof(data), data, &len));
    len = sizeof(data);
    assert_ok(lab.f->C_EncryptFinal(session, data, &len));
}

static void begin(void)
{
    lab_start(&lab);
    session = lab_alice(&lab);
}

static void end(void)
{
    assert_ok(lab.f->C_Finalize(NULL));
    lab_end(&lab);
}

START_TEST(a_key_in_the_hsm_and_a_software_key_are_told_apart)
{
    struct told told;

    begin();
    encrypt(key_with("hsm"));
    told = last("C_Encrypt", "done");
    ck_assert_int_gt(told.times[POLICY], 0);
    ck_assert_int_gt(told.times[HSM], 0);
    ck_assert_int_eq(told.times[SOFTWARE], 0);
    ck_assert_int_le(told.times[HSM] / 1000, told.duration_us);
    encrypt(key_with("software"));
    told = last("C_Encrypt", "done");
    ck_assert_int_gt(told.times[POLICY], 0);
    ck_assert_int_eq(told.times[HSM], 0);
    ck_assert_int_gt(told.times[SOFTWARE], 0);
    ck_assert_int_le(told.times[SOFTWARE] / 1000, told.duration_us);
    end();
}
END_TEST

START_TEST(making_a_key_is_told_once_in_its_outcome)
{
    struct told told;

    begin();
    (void)key_with("hsm");
    told = last("C_GenerateKey", "intent");
    ck_assert_int_gt(told.times[POLICY], 0);
    ck_assert_int_eq(told.times[HSM], 0);
    told = last("C_GenerateKey", "outcome");
    ck_assert_int_eq(told.times[POLICY], 0);
    ck_assert_int_gt(told.times[HSM], 0);
    end();
}
END_TEST

/* More than the call itself took that the record is of; a call may be held up by the machine, so
 * it need not show at once. */
START_TEST(an_operation_in_parts_is_told_at_its_end_with_all_its_parts)
{
    CK_OBJECT_HANDLE key;
    bool shows = false;

    begin();
    key = key_with("software");
    for (int i = 0; i < 20 && !shows; i++) {
        struct told told;

        encrypt_in_parts(key);
        told = last("C_EncryptFinal", "outcome");
        shows = told.times[SOFTWARE] / 1000 > told.duration_us;
    }
    ck_assert(shows);
    end();
}
END_TEST

START_TEST(what_no_device_works_for_tells_of_none)
{
    CK_MECHANISM sha = {.mechanism = CKM_SHA256};
    CK_BYTE data[] = "data";
    CK_BYTE digest[32];
    CK_ULONG len = sizeof(digest);
    struct told told;

    begin();
    assert_ok(lab.f->C_DigestInit(session, &sha));
    assert_ok(lab.f->C_Digest(session, data, sizeof(data), digest, &len));
    told = last("C_Digest", "done");
    ck_assert_int_gt(told.times[POLICY], 0);
    ck_assert_int_eq(told.times[HSM], 0);
    ck_assert_int_eq(told.times[SOFTWARE], 0);
    end();
}
END_TEST

START_TEST(a_record_tells_what_the_one_before_it_took_to_be_written)
{
    struct told told;

    begin(); /* C_Login is the session's first record */
    told = last("C_Login", "done");
    ck_assert_int_eq(told.times[LOG], 0);
    lab_signs(&lab, session);
    told = last("C_Sign", "done");
    ck_assert_int_gt(told.times[LOG], 0);
    end();
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_SLOW(a_key_in_the_hsm_and_a_software_key_are_told_apart, 120),
        CASE_SLOW(making_a_key_is_told_once_in_its_outcome, 120),
        CASE_SLOW(an_operation_in_parts_is_told_at_its_end_with_all_its_parts, 120),
        CASE_SLOW(what_no_device_works_for_tells_of_none, 120),
        CASE_SLOW(a_record_tells_what_the_one_before_it_took_to_be_written, 120),
    };

    return lab_suite_run("pkcs11/times", cases, sizeof(cases) / sizeof(*cases));
}
