/* Sessions (PKCS#11 2.40, 5.6): opening, states, closing, also while another thread is inside. */
#include "tests/support/lab.h"

#include <pthread.h>
#include <stdatomic.h>

static CK_SESSION_INFO info_of(const struct lab *lab, CK_SESSION_HANDLE session)
{
    CK_SESSION_INFO info = {.state = 99};

    assert_ok(lab->f->C_GetSessionInfo(session, &info));
    return info;
}

static CK_STATE state_of(const struct lab *lab, CK_SESSION_HANDLE session)
{
    return info_of(lab, session).state;
}

START_TEST(open_session_takes_good_arguments_only)
{
    CK_SESSION_HANDLE session = 0;
    struct lab lab;

    lab_start(&lab);
    assert_rv(CKR_ARGUMENTS_BAD,
              lab.f->C_OpenSession(lab.slot, CKF_SERIAL_SESSION, NULL, NULL, NULL));
    assert_rv(CKR_SESSION_PARALLEL_NOT_SUPPORTED,
              lab.f->C_OpenSession(lab.slot, 0, NULL, NULL, &session));
    assert_rv(CKR_SESSION_PARALLEL_NOT_SUPPORTED,
              lab.f->C_OpenSession(lab.slot, CKF_RW_SESSION, NULL, NULL, &session));
    assert_rv(CKR_SLOT_ID_INVALID,
              lab.f->C_OpenSession(4711, CKF_SERIAL_SESSION, NULL, NULL, &session));
    ck_assert_uint_eq(session, 0);
    assert_ok(lab.f->C_OpenSession(lab.slot, CKF_SERIAL_SESSION, NULL, NULL, &session));
    ck_assert_uint_ne(session, 0);
    lab_end(&lab);
}
END_TEST

START_TEST(session_info_tells_slot_flags_and_state)
{
    CK_SESSION_HANDLE ro;
    CK_SESSION_HANDLE rw;
    CK_SESSION_INFO info;
    struct lab lab;

    lab_start(&lab);
    ro = lab_session(&lab, 0);
    rw = lab_session(&lab, CKF_RW_SESSION);
    assert_rv(CKR_ARGUMENTS_BAD, lab.f->C_GetSessionInfo(ro, NULL));
    info = info_of(&lab, ro);
    ck_assert_uint_eq(info.slotID, lab.slot);
    ck_assert_uint_eq(info.flags, CKF_SERIAL_SESSION);
    ck_assert_uint_eq(info.state, CKS_RO_PUBLIC_SESSION);
    ck_assert_uint_eq(info.ulDeviceError, 0);
    info = info_of(&lab, rw);
    ck_assert_uint_eq(info.flags, CKF_SERIAL_SESSION | CKF_RW_SESSION);
    ck_assert_uint_eq(info.state, CKS_RW_PUBLIC_SESSION);
    lab_end(&lab);
}
END_TEST

START_TEST(a_login_is_shared_by_all_sessions_with_the_token)
{
    CK_SESSION_HANDLE ro;
    CK_SESSION_HANDLE rw;
    CK_SESSION_HANDLE other;
    struct lab lab;

    lab_start(&lab);
    ro = lab_session(&lab, 0);
    rw = lab_session(&lab, CKF_RW_SESSION);
    assert_ok(lab.f->C_OpenSession(lab_slot(&lab, "mail"), CKF_SERIAL_SESSION, NULL, NULL, &other));
    assert_ok(lab_login(&lab, ro, CKU_USER, LAB_PIN));
    ck_assert_uint_eq(state_of(&lab, ro), CKS_RO_USER_FUNCTIONS);
    ck_assert_uint_eq(state_of(&lab, rw), CKS_RW_USER_FUNCTIONS);
    ck_assert_uint_eq(state_of(&lab, lab_session(&lab, 0)), CKS_RO_USER_FUNCTIONS);
    ck_assert_uint_eq(state_of(&lab, other), CKS_RO_PUBLIC_SESSION);
    assert_rv(CKR_USER_ALREADY_LOGGED_IN, lab_login(&lab, rw, CKU_USER, LAB_PIN));
    assert_rv(CKR_USER_ANOTHER_ALREADY_LOGGED_IN, lab_login(&lab, rw, CKU_SO, LAB_SO_PIN));
    assert_ok(lab.f->C_Logout(rw));
    ck_assert_uint_eq(state_of(&lab, ro), CKS_RO_PUBLIC_SESSION);
    assert_rv(CKR_USER_NOT_LOGGED_IN, lab.f->C_Logout(ro));
    lab_end(&lab);
}
END_TEST

START_TEST(the_last_session_takes_the_login_with_it)
{
    CK_SESSION_HANDLE first;
    CK_SESSION_HANDLE second;
    struct lab lab;

    lab_start(&lab);
    first = lab_alice(&lab);
    second = lab_session(&lab, 0);
    assert_ok(lab.f->C_CloseSession(first));
    ck_assert_uint_eq(state_of(&lab, second), CKS_RO_USER_FUNCTIONS);
    assert_ok(lab.f->C_CloseSession(second));
    ck_assert_uint_eq(state_of(&lab, lab_session(&lab, 0)), CKS_RO_PUBLIC_SESSION);
    lab_end(&lab);
}
END_TEST

START_TEST(closing_is_once_and_only_of_sessions)
{
    CK_SESSION_HANDLE session;
    struct lab lab;

    lab_start(&lab);
    session = lab_session(&lab, 0);
    assert_ok(lab.f->C_CloseSession(session));
    assert_rv(CKR_SESSION_HANDLE_INVALID, lab.f->C_CloseSession(session));
    assert_rv(CKR_SESSION_HANDLE_INVALID, lab.f->C_CloseSession(0));
    assert_rv(CKR_SESSION_HANDLE_INVALID, lab.f->C_CloseSession((CK_ULONG)-1));
    /* A closed session's number is never another session's. */
    ck_assert_uint_ne(lab_session(&lab, 0), session);
    lab_end(&lab);
}
END_TEST

START_TEST(close_all_closes_those_of_its_slot_only)
{
    CK_SESSION_HANDLE here;
    CK_SESSION_HANDLE there;
    CK_SESSION_INFO info;
    struct lab lab;

    lab_start(&lab);
    here = lab_alice(&lab);
    assert_ok(lab.f->C_OpenSession(lab_slot(&lab, "mail"), CKF_SERIAL_SESSION, NULL, NULL, &there));
    assert_rv(CKR_SLOT_ID_INVALID, lab.f->C_CloseAllSessions(4711));
    assert_ok(lab.f->C_CloseAllSessions(lab.slot));
    assert_rv(CKR_SESSION_HANDLE_INVALID, lab.f->C_GetSessionInfo(here, &info));
    assert_ok(lab.f->C_GetSessionInfo(there, &info));
    ck_assert_uint_eq(state_of(&lab, lab_session(&lab, 0)), CKS_RO_PUBLIC_SESSION);
    assert_ok(lab.f->C_CloseAllSessions(lab.slot));
    assert_ok(lab.f->C_CloseAllSessions(lab.slot));
    lab_end(&lab);
}
END_TEST

/* 2.40, 5.6: the security officer has no read-only sessions. */
START_TEST(the_security_officer_and_read_only_sessions_exclude_each_other)
{
    CK_SESSION_HANDLE ro;
    CK_SESSION_HANDLE rw;
    CK_SESSION_HANDLE more = 0;
    struct lab lab;

    lab_start(&lab);
    ro = lab_session(&lab, 0);
    rw = lab_session(&lab, CKF_RW_SESSION);
    assert_rv(CKR_SESSION_READ_ONLY_EXISTS, lab_login(&lab, rw, CKU_SO, LAB_SO_PIN));
    assert_ok(lab.f->C_CloseSession(ro));
    assert_ok(lab_login(&lab, rw, CKU_SO, LAB_SO_PIN));
    ck_assert_uint_eq(state_of(&lab, rw), CKS_RW_SO_FUNCTIONS);
    assert_rv(CKR_SESSION_READ_WRITE_SO_EXISTS,
              lab.f->C_OpenSession(lab.slot, CKF_SERIAL_SESSION, NULL, NULL, &more));
    assert_ok(
        lab.f->C_OpenSession(lab.slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &more));
    ck_assert_uint_eq(state_of(&lab, more), CKS_RW_SO_FUNCTIONS);
    assert_ok(lab.f->C_Logout(rw));
    assert_ok(lab.f->C_OpenSession(lab.slot, CKF_SERIAL_SESSION, NULL, NULL, &more));
    lab_end(&lab);
}
END_TEST

START_TEST(a_read_only_session_makes_no_token_objects)
{
    CK_OBJECT_HANDLE public_key;
    CK_OBJECT_HANDLE key;
    CK_SESSION_HANDLE ro;
    struct lab lab;

    lab_start(&lab);
    ro = lab_session(&lab, 0);
    assert_ok(lab_login(&lab, ro, CKU_USER, LAB_PIN));
    assert_rv(CKR_SESSION_READ_ONLY, lab_generate(&lab, ro, "new", &public_key, &key));
    ck_assert_uint_eq(lab_find(&lab, ro, CKO_PRIVATE_KEY, "new"), 0);
    assert_rv(CKR_SESSION_READ_ONLY,
              lab.f->C_DestroyObject(ro, lab_find(&lab, ro, CKO_PRIVATE_KEY, "tls")));
    assert_ok(lab_generate(&lab, lab_session(&lab, CKF_RW_SESSION), "new", &public_key, &key));
    ck_assert_uint_ne(lab_find(&lab, ro, CKO_PRIVATE_KEY, "new"), 0);
    lab_end(&lab);
}
END_TEST

START_TEST(a_refusal_leaves_its_rule_in_device_error)
{
    CK_BYTE signature[LAB_SIGNATURE_MAX];
    CK_ULONG len;
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key;
    struct lab lab;

    lab_start(&lab);
    lab_policy(&lab,
               "permit (principal == User::\"alice\", action in Action::\"cryptoUser\","
               " resource);"
               "forbid (principal == User::\"alice\", action == Action::\"sign\", resource);");
    session = lab_alice(&lab);
    key = lab_find(&lab, session, CKO_PRIVATE_KEY, "tls");
    ck_assert_uint_eq(info_of(&lab, session).ulDeviceError, 0);
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED,
              lab_sign(&lab, session, key, "x", 1, signature, &len));
    ck_assert_uint_ne(info_of(&lab, session).ulDeviceError, 0);
    lab_end(&lab);
}
END_TEST

START_TEST(ten_thousand_sessions_open_and_close)
{
    CK_SESSION_HANDLE last = 0;
    struct lab lab;

    lab_start(&lab);
    for (int i = 0; i < 10000; i++)
        last = lab_session(&lab, 0);
    ck_assert_uint_eq(lab_token(&lab, lab.slot).ulSessionCount, 10000);
    assert_ok(lab_login(&lab, last, CKU_USER, LAB_PIN));
    lab_signs(&lab, last);
    assert_ok(lab.f->C_CloseAllSessions(lab.slot));
    ck_assert_uint_eq(lab_token(&lab, lab.slot).ulSessionCount, 0);
    lab_end(&lab);
}
END_TEST

/* ---- closing under a call ---- */

struct signer {
    const struct lab *lab;
    _Atomic CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key;
    atomic_bool stop;
    unsigned signatures, closed;
};

static void *sign_in_vain(void *ctx)
{
    struct signer *s = ctx;
    CK_BYTE signature[LAB_SIGNATURE_MAX];
    CK_ULONG len;

    while (!atomic_load(&s->stop)) {
        CK_RV rv = lab_sign(s->lab, atomic_load(&s->session), s->key, "data", 4, signature, &len);

        /* Between Init and Sign the session may have become another. */
        ck_assert_msg(rv == CKR_OK || rv == CKR_SESSION_HANDLE_INVALID ||
                          rv == CKR_OPERATION_NOT_INITIALIZED,
                      "C_Sign answered 0x%lx", rv);
        s->signatures += rv == CKR_OK;
        s->closed += rv == CKR_SESSION_HANDLE_INVALID;
    }
    return NULL;
}

START_TEST(a_session_may_be_closed_while_another_thread_signs_in_it)
{
    struct lab lab;
    struct signer signer = {.lab = &lab};
    CK_SESSION_HANDLE keeper;
    pthread_t thread;

    lab_start(&lab);
    keeper = lab_alice(&lab);
    signer.key = lab_find(&lab, keeper, CKO_PRIVATE_KEY, "tls");
    atomic_store(&signer.session, lab_session(&lab, 0));
    ck_assert_int_eq(pthread_create(&thread, NULL, sign_in_vain, &signer), 0);
    for (unsigned i = 0; i < 200; i++) {
        lab_sleep_ms(i % 5);
        assert_ok(lab.f->C_CloseSession(atomic_load(&signer.session)));
        atomic_store(&signer.session, lab_session(&lab, 0));
    }
    atomic_store(&signer.stop, true);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_uint_gt(signer.signatures, 0);
    lab_signs(&lab, keeper);
    ck_assert_uint_eq(lab_token(&lab, lab.slot).ulSessionCount, 2);
    lab_end(&lab);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(open_session_takes_good_arguments_only),
        CASE(session_info_tells_slot_flags_and_state),
        CASE(a_login_is_shared_by_all_sessions_with_the_token),
        CASE(the_last_session_takes_the_login_with_it),
        CASE(closing_is_once_and_only_of_sessions),
        CASE(close_all_closes_those_of_its_slot_only),
        CASE(the_security_officer_and_read_only_sessions_exclude_each_other),
        CASE(a_read_only_session_makes_no_token_objects),
        CASE(a_refusal_leaves_its_rule_in_device_error),
        CASE_SLOW(ten_thousand_sessions_open_and_close, 120),
        CASE_SLOW(a_session_may_be_closed_while_another_thread_signs_in_it, 60),
    };

    return lab_suite_run("pkcs11/sessions", cases, sizeof(cases) / sizeof(*cases));
}
