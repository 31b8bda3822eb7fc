/* What PKCS#11 3.0 adds to sessions: C_LoginUser and C_SessionCancel. */
#include "tests/support/lab.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

static struct lab lab;
static CK_C_LoginUser login_user_fn;
static CK_C_SessionCancel session_cancel;

static void start(void)
{
    lab_start(&lab);
    *(void **)&login_user_fn = dlsym(lab.library, "C_LoginUser");
    *(void **)&session_cancel = dlsym(lab.library, "C_SessionCancel");
    ck_assert_ptr_nonnull(login_user_fn);
    ck_assert_ptr_nonnull(session_cancel);
}

/* ---- C_LoginUser ---- */

static CK_RV login_user(CK_SESSION_HANDLE session, CK_USER_TYPE type, const char *pin,
                        const char *user)
{
    CK_UTF8CHAR pin_copy[64];
    CK_UTF8CHAR user_copy[64];
    CK_ULONG user_len = user != NULL ? strlen(user) : 0;

    memcpy(pin_copy, pin, strlen(pin));
    if (user != NULL)
        memcpy(user_copy, user, user_len);
    return login_user_fn(session, type, pin_copy, strlen(pin), user != NULL ? user_copy : NULL,
                         user_len);
}

START_TEST(login_user_logs_in_the_user_it_names)
{
    CK_SESSION_HANDLE session;

    start();
    session = lab_session(&lab, CKF_RW_SESSION);
    assert_ok(login_user(session, CKU_USER, LAB_BOB_PIN, "bob"));
    assert_rv(CKR_USER_ALREADY_LOGGED_IN, login_user(session, CKU_USER, LAB_PIN, "alice"));
    assert_ok(lab.f->C_Logout(session));
    assert_ok(login_user(session, CKU_USER, LAB_PIN, NULL)); /* the default user */
    assert_ok(lab.f->C_Logout(session));
    assert_ok(login_user(session, CKU_SO, LAB_SO_PIN, "so"));
    ck_assert_uint_ge(lab_log_count(&lab, "C_LoginUser", "CKR_OK"), 3);
    lab_end(&lab);
}
END_TEST

/* A PIN with a colon is what it says when the name stands beside it. */
START_TEST(login_user_reads_no_name_in_the_pin)
{
    CK_SESSION_HANDLE session;

    start();
    session = lab_session(&lab, CKF_RW_SESSION);
    assert_rv(CKR_PIN_INCORRECT, login_user(session, CKU_USER, "bob:" LAB_BOB_PIN, "bob"));
    assert_ok(login_user(session, CKU_USER, "bob:" LAB_BOB_PIN, NULL));
    lab_end(&lab);
}
END_TEST

START_TEST(login_user_refuses_others_pins_and_names_alike)
{
    CK_SESSION_HANDLE session;
    CK_UTF8CHAR alice_pin[] = LAB_PIN;
    CK_SESSION_INFO info;

    start();
    session = lab_session(&lab, CKF_RW_SESSION);
    assert_rv(CKR_PIN_INCORRECT, login_user(session, CKU_USER, LAB_PIN, "bob"));
    assert_rv(CKR_PIN_INCORRECT, login_user(session, CKU_USER, LAB_PIN, "nobody"));
    assert_rv(CKR_PIN_INCORRECT, login_user(session, CKU_USER, LAB_SO_PIN, "so"));
    assert_rv(CKR_PIN_INCORRECT, login_user(session, CKU_SO, LAB_PIN, "alice"));
    assert_rv(CKR_ARGUMENTS_BAD, login_user_fn(session, CKU_USER, alice_pin, 11, NULL, 5));
    assert_ok(lab.f->C_GetSessionInfo(session, &info));
    ck_assert_uint_eq(info.state, CKS_RW_PUBLIC_SESSION);
    ck_assert_uint_eq(lab_log_count(&lab, "C_LoginUser", "CKR_PIN_INCORRECT"), 4);
    assert_ok(login_user(session, CKU_USER, LAB_PIN, "alice"));
    lab_end(&lab);
}
END_TEST

/* ---- C_SessionCancel ---- */

static void digest_init(CK_SESSION_HANDLE session)
{
    CK_MECHANISM m = {.mechanism = CKM_SHA256};

    assert_ok(lab.f->C_DigestInit(session, &m));
}

static void sign_init(CK_SESSION_HANDLE session)
{
    CK_MECHANISM m = {.mechanism = CKM_ECDSA_SHA256};

    assert_ok(lab.f->C_SignInit(session, &m, lab_find(&lab, session, CKO_PRIVATE_KEY, "tls")));
}

START_TEST(session_cancel_ends_what_it_names_and_nothing_else)
{
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE object;
    CK_ULONG n;

    start();
    session = lab_alice(&lab);
    sign_init(session);
    digest_init(session);
    assert_ok(lab.f->C_FindObjectsInit(session, NULL, 0));
    assert_ok(session_cancel(session, 0));
    assert_ok(session_cancel(session, CKF_SIGN | CKF_FIND_OBJECTS | CKF_ENCRYPT | CKF_VERIFY));
    assert_rv(CKR_OPERATION_NOT_INITIALIZED, lab.f->C_SignUpdate(session, (CK_BYTE[1]){0}, 1));
    assert_rv(CKR_OPERATION_NOT_INITIALIZED, lab.f->C_FindObjects(session, &object, 1, &n));
    assert_ok(lab.f->C_DigestUpdate(session, (CK_BYTE[1]){0}, 1));
    assert_ok(session_cancel(session, CKF_DIGEST));
    assert_rv(CKR_OPERATION_NOT_INITIALIZED, lab.f->C_DigestUpdate(session, (CK_BYTE[1]){0}, 1));
    assert_ok(lab.f->C_FindObjectsInit(session, NULL, 0));
    assert_rv(CKR_SESSION_HANDLE_INVALID, session_cancel(4711, CKF_SIGN));
    lab_end(&lab);
}
END_TEST

/* One thread works in the session, the other cancels: each call finds the session whole. */
static atomic_bool stop;
static CK_SESSION_HANDLE shared;

static void *cancel_often(void *ignored)
{
    (void)ignored;
    while (!atomic_load(&stop))
        assert_ok(session_cancel(shared, CKF_DIGEST | CKF_FIND_OBJECTS));
    return NULL;
}

START_TEST(session_cancel_from_another_thread_ends_operations_between_calls)
{
    pthread_t thread;
    CK_BYTE data[3] = {1, 2, 3};
    CK_BYTE out[32];
    unsigned done = 0;
    unsigned cancelled = 0;

    start();
    shared = lab_alice(&lab);
    ck_assert_int_eq(pthread_create(&thread, NULL, cancel_often, NULL), 0);
    for (int i = 0; i < 20000 && (done == 0 || cancelled == 0 || i < 300); i++) {
        CK_MECHANISM m = {.mechanism = CKM_SHA256};
        CK_ULONG len = sizeof(out);
        CK_RV rv;

        assert_ok(lab.f->C_DigestInit(shared, &m));
        rv = lab.f->C_Digest(shared, data, sizeof(data), out, &len);
        ck_assert(rv == CKR_OK || rv == CKR_OPERATION_NOT_INITIALIZED);
        done += rv == CKR_OK;
        cancelled += rv != CKR_OK;
    }
    atomic_store(&stop, true);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_uint_gt(done, 0);
    ck_assert_uint_gt(cancelled, 0);
    lab_end(&lab);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(login_user_logs_in_the_user_it_names),
        CASE(login_user_reads_no_name_in_the_pin),
        CASE(login_user_refuses_others_pins_and_names_alike),
        CASE(session_cancel_ends_what_it_names_and_nothing_else),
        CASE(session_cancel_from_another_thread_ends_operations_between_calls),
    };

    return lab_suite_run("pkcs11/sessions_3", cases, sizeof(cases) / sizeof(*cases));
}
