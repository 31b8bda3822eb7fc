/*
 * Trouble of the HSM, seen through the module: what is lost once is repaired and repeated once,
 * what stays lost is CKR_DEVICE_ERROR with nothing given out, and the module goes on afterwards.
 */
#include "tests/support/lab_break.h"

#include <string.h>

#define DEADLINE    "2000"
#define DEADLINE_MS 2000

struct bed {
    struct lab lab;
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key;
    CK_BYTE signature[LAB_SIGNATURE_MAX];
    CK_ULONG len;
};

/* The log's checkpoints are signatures of the HSM too: none comes in between. */
static void start(struct bed *bed)
{
    lab_make(&bed->lab);
    lab_use_shim(&bed->lab, DEADLINE);
    lab_setting(&bed->lab, "interval-ms", "3600000");
    lab_up(&bed->lab);
    bed->session = lab_alice(&bed->lab);
    bed->key = lab_find(&bed->lab, bed->session, CKO_PRIVATE_KEY, "tls");
    lab_signs(&bed->lab, bed->session);
    lab_shim_forget(&bed->lab);
    memset(bed->signature, 0xa5, sizeof(bed->signature));
}

static CK_RV sign(struct bed *bed)
{
    return lab_sign(&bed->lab, bed->session, bed->key, "a", 1, bed->signature, &bed->len);
}

/* The HSM works again: so does the module, in the same session, and the log is whole. */
static void stop(struct bed *bed)
{
    lab_shim_forget(&bed->lab);
    lab_sleep_ms(1100); /* the next start of a worker that failed to start */
    lab_signs(&bed->lab, bed->session);
    (void)lab_log_whole(&bed->lab);
    lab_end(&bed->lab);
}

static void assert_untouched(const struct bed *bed)
{
    for (size_t i = 0; i < sizeof(bed->signature); i++)
        ck_assert_uint_eq(bed->signature[i], 0xa5);
}

START_TEST(a_worker_that_crashes_in_a_signature_costs_one_repetition)
{
    struct bed bed;
    unsigned before;

    start(&bed);
    before = lab_log_count(&bed.lab, "C_Sign", "CKR_OK");
    lab_shim_rule(&bed.lab, _i == 0 ? "C_Sign 1 crash" : "C_Sign 1 crash-after");
    assert_ok(sign(&bed));
    ck_assert_uint_eq(lab_shim_calls(&bed.lab, "C_Sign"), 2);
    ck_assert_uint_eq(lab_log_count(&bed.lab, "C_Sign", "CKR_OK"), before + 1);
    stop(&bed);
}
END_TEST

START_TEST(a_worker_that_crashes_in_the_repetition_too_is_an_error_that_gives_out_nothing)
{
    struct bed bed;

    start(&bed);
    lab_shim_rule(&bed.lab, "C_Sign 1-2 crash");
    assert_rv(CKR_DEVICE_ERROR, sign(&bed));
    ck_assert_uint_eq(lab_shim_calls(&bed.lab, "C_Sign"), 2);
    assert_untouched(&bed);
    ck_assert_uint_eq(lab_log_count(&bed.lab, "C_Sign", "CKR_DEVICE_ERROR"), 1);
    stop(&bed);
}
END_TEST

START_TEST(a_hang_is_cut_by_the_deadline)
{
    struct bed bed;
    int64_t since;

    start(&bed);
    lab_shim_rule(&bed.lab, "C_Sign 1- hang");
    since = lab_ms();
    assert_rv(CKR_DEVICE_ERROR, sign(&bed));
    ck_assert_int_ge(lab_ms() - since, DEADLINE_MS);
    /* Twice, and the start of a worker in between. */
    ck_assert_int_lt(lab_ms() - since, 4 * DEADLINE_MS);
    ck_assert_ptr_nonnull(strstr(bed.lab.admin->reason(), "deadline"));
    assert_untouched(&bed);
    stop(&bed);
}
END_TEST

START_TEST(a_lost_login_or_session_is_repaired)
{
    static const char *const rules[] = {
        "C_SignInit 1 logout", "C_SignInit 1 close-session",
        "C_SignInit 1 return 257", /* CKR_USER_NOT_LOGGED_IN */
        "C_SignInit 1 return 179", /* CKR_SESSION_HANDLE_INVALID */
    };
    struct bed bed;

    start(&bed);
    lab_shim_rule(&bed.lab, rules[_i]);
    assert_ok(sign(&bed));
    ck_assert_uint_eq(lab_shim_calls(&bed.lab, "C_Sign"), 1);
    stop(&bed);
}
END_TEST

START_TEST(an_hsm_that_always_fails_is_an_error_that_gives_out_nothing)
{
    struct bed bed;

    start(&bed);
    lab_shim_rule(&bed.lab, "C_Sign 1- return 48"); /* CKR_DEVICE_ERROR */
    assert_rv(CKR_DEVICE_ERROR, sign(&bed));
    assert_untouched(&bed);
    stop(&bed);
}
END_TEST

/* No deadline, no worker; the rest is the same. */
START_TEST(a_library_in_this_process_signs_and_a_device_lost_in_it_is_loaded_again)
{
    struct bed bed;

    lab_make(&bed.lab);
    lab_use_shim(&bed.lab, "2000\nisolation = none");
    lab_setting(&bed.lab, "interval-ms", "3600000");
    lab_up(&bed.lab);
    bed.session = lab_alice(&bed.lab);
    bed.key = lab_find(&bed.lab, bed.session, CKO_PRIVATE_KEY, "tls");
    lab_signs(&bed.lab, bed.session);
    lab_shim_forget(&bed.lab);
    lab_shim_rule(&bed.lab, "C_Sign 1 return 48");
    assert_ok(sign(&bed));
    ck_assert_uint_eq(lab_shim_calls(&bed.lab, "C_Sign"), 2);
    lab_shim_rule(&bed.lab, "C_Sign 3-4 return 48");
    memset(bed.signature, 0xa5, sizeof(bed.signature));
    assert_rv(CKR_DEVICE_ERROR, sign(&bed));
    assert_untouched(&bed);
    stop(&bed);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_LOOP(a_worker_that_crashes_in_a_signature_costs_one_repetition, 2),
        CASE(a_worker_that_crashes_in_the_repetition_too_is_an_error_that_gives_out_nothing),
        CASE_SLOW(a_hang_is_cut_by_the_deadline, 60),
        CASE_LOOP(a_lost_login_or_session_is_repaired, 4),
        CASE(an_hsm_that_always_fails_is_an_error_that_gives_out_nothing),
        CASE(a_library_in_this_process_signs_and_a_device_lost_in_it_is_loaded_again),
    };

    return lab_suite_run("pkcs11/device", cases, sizeof(cases) / sizeof(*cases));
}
