/*
 * A clock that is set back: more than five minutes behind the log, and everything is refused until
 * it is right again. The module's clock is the program's: clock_gettime() below is found before the
 * C library's (the program exports it), and says what the test wants.
 */
#include "tests/support/verbs.h"

#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MINUTE 60

static long set_back; /* seconds */

__attribute__((visibility("default"))) int clock_gettime(clockid_t id, struct timespec *ts)
{
    int rc = (int)syscall(SYS_clock_gettime, id, ts);

    if (id == CLOCK_REALTIME)
        ts->tv_sec -= set_back;
    return rc;
}

static CK_RV signs(const struct lab *lab, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key)
{
    CK_BYTE signature[LAB_SIGNATURE_MAX];
    CK_ULONG len;

    return lab_sign(lab, session, key, "data", 4, signature, &len);
}

static void says_why(struct lab *lab)
{
    ck_assert_msg(strstr(lab->admin->reason(), "before the newest record of the log") != NULL, "%s",
                  lab->admin->reason());
}

START_TEST(behind_the_log_nothing_is_allowed_and_service_is_back_with_the_clock)
{
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key;
    CK_BYTE random[8];
    struct lab lab;

    lab_start(&lab);
    session = lab_alice(&lab);
    key = lab_find(&lab, session, CKO_PRIVATE_KEY, "tls");
    assert_ok(signs(&lab, session, key));
    set_back = 4 * MINUTE;
    assert_ok(signs(&lab, session, key));
    set_back = 6 * MINUTE;
    assert_rv(CKR_FUNCTION_REJECTED, signs(&lab, session, key));
    says_why(&lab);
    assert_rv(CKR_FUNCTION_REJECTED, lab.f->C_GenerateRandom(session, random, sizeof(random)));
    ck_assert_uint_eq(lab_count(&lab, session), 0);
    verb_refused(&lab, CKR_FUNCTION_REJECTED, "before the newest record", NULL,
                 "{\"verb\":\"key.list\",\"vault\":\"web\"}");
    ck_assert_uint_eq(lab_log_count(&lab, "C_SignInit", "CKR_FUNCTION_REJECTED"), 1);
    set_back = 0;
    assert_ok(signs(&lab, session, key));
    lab_end(&lab);
}
END_TEST

START_TEST(an_operation_in_progress_ends_there)
{
    CK_BYTE signature[LAB_SIGNATURE_MAX];
    CK_ULONG len = sizeof(signature);
    CK_BYTE data[] = {1, 2, 3};
    CK_MECHANISM mechanism = {.mechanism = CKM_ECDSA_SHA256};
    CK_SESSION_HANDLE session;
    struct lab lab;

    lab_start(&lab);
    session = lab_alice(&lab);
    assert_ok(
        lab.f->C_SignInit(session, &mechanism, lab_find(&lab, session, CKO_PRIVATE_KEY, "tls")));
    set_back = 6 * MINUTE;
    assert_rv(CKR_FUNCTION_REJECTED, lab.f->C_Sign(session, data, sizeof(data), signature, &len));
    set_back = 0;
    lab_end(&lab);
}
END_TEST

static const char status[] = "{\"verb\":\"status\"}";

START_TEST(status_says_what_is_wrong)
{
    struct lab lab;

    lab_start(&lab);
    verb_ok(&lab, NULL, status);
    ck_assert_str_eq(verb_text(&lab, "clock-problem"), "");
    set_back = 6 * MINUTE;
    verb_ok(&lab, NULL, status);
    ck_assert_ptr_nonnull(strstr(verb_text(&lab, "clock-problem"), "set it right"));
    verb_ok(&lab, NULL, "{\"verb\":\"log.show\"}");
    verb_ok(&lab, NULL, "{\"verb\":\"log.verify\"}");
    set_back = 0;
    lab_end(&lab);
}
END_TEST

/* Denied again and again under the wrong clock, and started anew: the log knows the time still. */
START_TEST(a_new_start_does_not_make_it_right)
{
    CK_SESSION_HANDLE session;
    struct lab lab;

    lab_start(&lab);
    (void)lab_alice(&lab);
    for (int i = 0; i < 2; i++) {
        set_back = 0;
        assert_ok(lab.f->C_Finalize(NULL));
        set_back = 6 * MINUTE;
        lab_up(&lab);
        session = lab_session(&lab, CKF_SERIAL_SESSION);
        for (int n = 0; n < 3; n++)
            assert_rv(CKR_FUNCTION_REJECTED, lab_login(&lab, session, CKU_USER, LAB_PIN));
    }
    set_back = 0;
    assert_ok(lab_login(&lab, session, CKU_USER, LAB_PIN));
    lab_end(&lab);
}
END_TEST

#define RATE                                                                                       \
    "permit (principal, action in [Action::\"list\", Action::\"get\"], resource);"                 \
    "@rate(\"3/1h\") permit (principal, action == Action::\"sign\", resource);"

static void three_and_no_more(struct lab *lab, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key)
{
    for (int i = 0; i < 3; i++)
        assert_ok(signs(lab, session, key));
    assert_rv(CKR_DEVICE_MEMORY, signs(lab, session, key));
}

START_TEST(a_rate_is_refilled_by_time_and_not_by_a_clock_set_back)
{
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key;
    struct lab lab;

    lab_start(&lab);
    lab_policy(&lab, RATE);
    session = lab_alice(&lab);
    key = lab_find(&lab, session, CKO_PRIVATE_KEY, "tls");
    three_and_no_more(&lab, session, key);
    set_back = 4 * MINUTE;
    assert_rv(CKR_DEVICE_MEMORY, signs(&lab, session, key));
    set_back = -50 * MINUTE;
    assert_rv(CKR_DEVICE_MEMORY, signs(&lab, session, key));
    set_back = -61 * MINUTE;
    three_and_no_more(&lab, session, key);
    lab_end(&lab);
}
END_TEST

static const char accept[] = "{\"verb\":\"log.accept-clock\"}";

START_TEST(where_the_log_is_wrong_the_administrator_lets_it_go_on)
{
    struct lab lab;

    set_back = -60 * MINUTE; /* the clock was an hour ahead */
    lab_start(&lab);
    (void)lab_alice(&lab);
    set_back = 0;
    verb_refused(&lab, CKR_FUNCTION_REJECTED, "accept-clock", NULL, "{\"verb\":\"vault.list\"}");
    verb_ok(&lab, NULL, accept);
    verb_ok(&lab, NULL, "{\"verb\":\"vault.list\"}");
    assert_ok(lab.f->C_Finalize(NULL));
    lab_up(&lab);
    verb_ok(&lab, NULL, "{\"verb\":\"vault.list\"}");
    (void)lab_log_whole(&lab);
    lab_end(&lab);
}
END_TEST

static void nobody_accepts(struct lab *lab, int n)
{
    (void)n;
    verb_refused(lab, CKR_ACTION_PROHIBITED, "acceptClock", NULL, accept);
}

START_TEST(and_nobody_else)
{
    struct lab lab;

    lab_make(&lab);
    (void)verb_as_nobody(&lab, nobody_accepts, 0);
    lab_end(&lab);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_SLOW(behind_the_log_nothing_is_allowed_and_service_is_back_with_the_clock, 120),
        CASE_SLOW(an_operation_in_progress_ends_there, 120),
        CASE_SLOW(status_says_what_is_wrong, 120),
        CASE_SLOW(a_new_start_does_not_make_it_right, 120),
        CASE_SLOW(where_the_log_is_wrong_the_administrator_lets_it_go_on, 120),
        CASE_SLOW(a_rate_is_refilled_by_time_and_not_by_a_clock_set_back, 120),
        CASE_SLOW(and_nobody_else, 120),
    };

    return lab_suite_run("pkcs11/clock", cases, sizeof(cases) / sizeof(*cases));
}
