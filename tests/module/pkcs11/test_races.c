/*
 * Threads of one application: many at work, and those moments where two of them meet (login and
 * logout, close and login, finalize and everything, fork and initialize).
 */
#include "tests/support/lab.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 8

struct thread {
    struct lab *lab;
    int n;
    atomic_bool *stop;
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key, public_key;
    unsigned good, bad;
    char trouble[64]; /* of the last that was bad */
    pthread_t id;
};

static void start_all(struct thread *threads, size_t count, struct lab *lab, atomic_bool *stop,
                      void *(*run)(void *))
{
    for (size_t i = 0; i < count; i++) {
        threads[i].lab = lab;
        threads[i].n = (int)i;
        threads[i].stop = stop;
        ck_assert_int_eq(pthread_create(&threads[i].id, NULL, run, &threads[i]), 0);
    }
}

static void join_all(struct thread *threads, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ck_assert_int_eq(pthread_join(threads[i].id, NULL), 0);
}

/* ---- many at work ---- */

static bool is_what(struct thread *t, const char *call, CK_RV want, CK_RV got)
{
    if (got != want)
        (void)snprintf(t->trouble, sizeof(t->trouble), "%s answered 0x%lx", call, got);
    return got == want;
}

static bool sign_and_verify(struct thread *t, unsigned round)
{
    CK_BYTE signature[LAB_SIGNATURE_MAX];
    CK_ULONG len = 0;
    char data[64];
    size_t n = (size_t)snprintf(data, sizeof(data), "thread %d round %u", t->n, round);

    if (!is_what(t, "sign", CKR_OK,
                 lab_sign(t->lab, t->session, t->key, data, n, signature, &len)) ||
        !is_what(t, "verify", CKR_OK,
                 lab_verify(t->lab, t->session, t->public_key, data, n, signature, len)))
        return false;
    /* One bit changed: no signature of anybody else's data passes for ours. */
    data[0] ^= 1;
    return is_what(t, "verify", CKR_SIGNATURE_INVALID,
                   lab_verify(t->lab, t->session, t->public_key, data, n, signature, len));
}

static bool create_and_find(struct thread *t, unsigned round)
{
    CK_OBJECT_HANDLE public_key = 0;
    CK_OBJECT_HANDLE key = 0;
    char label[64];

    (void)snprintf(label, sizeof(label), "thread-%d-%u", t->n, round);
    return is_what(t, "generate", CKR_OK,
                   lab_generate(t->lab, t->session, label, &public_key, &key)) &&
           is_what(t, "find", key, lab_find(t->lab, t->session, CKO_PRIVATE_KEY, label)) &&
           is_what(t, "find", public_key, lab_find(t->lab, t->session, CKO_PUBLIC_KEY, label));
}

static void *work(void *ctx)
{
    struct thread *t = ctx;

    t->session = lab_session(t->lab, CKF_RW_SESSION);
    t->key = lab_find(t->lab, t->session, CKO_PRIVATE_KEY, "tls");
    t->public_key = lab_find(t->lab, t->session, CKO_PUBLIC_KEY, "tls");
    for (unsigned round = 0; !atomic_load(t->stop); round++) {
        bool good = round % 8 == 7 ? create_and_find(t, round) : sign_and_verify(t, round);

        t->good += good;
        t->bad += !good;
    }
    return NULL;
}

START_TEST(eight_threads_get_right_answers_only)
{
    struct thread threads[THREADS] = {{.n = 0}};
    atomic_bool stop = false;
    unsigned good = 0;
    struct lab lab;

    lab_start(&lab);
    (void)lab_alice(&lab);
    start_all(threads, THREADS, &lab, &stop, work);
    lab_sleep_ms(4000);
    atomic_store(&stop, true);
    join_all(threads, THREADS);
    for (size_t i = 0; i < THREADS; i++) {
        ck_assert_msg(threads[i].bad == 0, "%u of thread %zu's answers were wrong: %s",
                      threads[i].bad, i, threads[i].trouble);
        good += threads[i].good;
    }
    ck_assert_uint_gt(good, THREADS);
    assert_ok(lab.f->C_Finalize(NULL));
    ck_assert_uint_ge(lab_log_count(&lab, "C_Sign", "CKR_OK"), good / 2);
    (void)lab_log_whole(&lab);
    lab_end(&lab);
}
END_TEST

/* A caller's mistake, which must cost it an error code and nothing else. */
static void *share_a_session(void *ctx)
{
    struct thread *t = ctx;
    CK_BYTE signature[LAB_SIGNATURE_MAX];
    CK_ULONG len;

    while (!atomic_load(t->stop)) {
        CK_RV rv = lab_sign(t->lab, t->session, t->key, "x", 1, signature, &len);

        ck_assert_msg(rv == CKR_OK || rv == CKR_OPERATION_ACTIVE ||
                          rv == CKR_OPERATION_NOT_INITIALIZED,
                      "C_Sign answered 0x%lx", rv);
        t->good += rv == CKR_OK;
    }
    return NULL;
}

START_TEST(two_threads_in_one_session_break_nothing)
{
    struct thread threads[2] = {{.n = 0}};
    atomic_bool stop = false;
    CK_SESSION_HANDLE session;
    struct lab lab;

    lab_start(&lab);
    session = lab_alice(&lab);
    for (size_t i = 0; i < 2; i++) {
        threads[i].session = session;
        threads[i].key = lab_find(&lab, session, CKO_PRIVATE_KEY, "tls");
    }
    start_all(threads, 2, &lab, &stop, share_a_session);
    lab_sleep_ms(1500);
    atomic_store(&stop, true);
    join_all(threads, 2);
    ck_assert_uint_gt(threads[0].good + threads[1].good, 0);
    assert_ok(lab.f->C_CloseSession(session));
    lab_signs(&lab, lab_alice(&lab));
    lab_end(&lab);
}
END_TEST

/* ---- finalize ---- */

static void *sign_until_finalized(void *ctx)
{
    struct thread *t = ctx;
    CK_BYTE signature[LAB_SIGNATURE_MAX];
    CK_ULONG len;
    CK_RV rv;

    do {
        rv = lab_sign(t->lab, t->session, t->key, "x", 1, signature, &len);
        t->good += rv == CKR_OK;
    } while (rv == CKR_OK);
    ck_assert_msg(rv == CKR_CRYPTOKI_NOT_INITIALIZED, "C_Sign answered 0x%lx", rv);
    return NULL;
}

START_TEST(finalize_waits_for_calls_in_flight)
{
    struct thread threads[4] = {{.n = 0}};
    unsigned good = 0;
    struct lab lab;

    lab_start(&lab);
    (void)lab_alice(&lab);
    for (size_t i = 0; i < 4; i++) {
        threads[i].session = lab_session(&lab, 0);
        threads[i].key = lab_find(&lab, threads[i].session, CKO_PRIVATE_KEY, "tls");
    }
    start_all(threads, 4, &lab, NULL, sign_until_finalized);
    lab_sleep_ms(300);
    assert_ok(lab.f->C_Finalize(NULL));
    join_all(threads, 4);
    for (size_t i = 0; i < 4; i++)
        good += threads[i].good;
    ck_assert_uint_gt(good, 0);
    ck_assert_uint_ge(lab_log_count(&lab, "C_Sign", "CKR_OK"), good);
    (void)lab_log_whole(&lab);
    lab_end(&lab);
}
END_TEST

static void *draw_and_wait(void *ctx)
{
    struct thread *t = ctx;
    CK_BYTE random[16];

    assert_ok(t->lab->f->C_GenerateRandom(t->session, random, sizeof(random)));
    t->good = 1;
    while (!atomic_load(t->stop))
        lab_sleep_ms(1);
    return NULL;
}

/* What a thread has in thread-local storage must not lead into what C_Finalize freed. */
START_TEST(threads_may_end_after_finalize)
{
    struct thread threads[4] = {{.n = 0}};
    atomic_bool stop = false;
    struct lab lab;

    lab_start(&lab);
    for (size_t i = 0; i < 4; i++)
        threads[i].session = lab_session(&lab, 0);
    start_all(threads, 4, &lab, &stop, draw_and_wait);
    lab_sleep_ms(300);
    assert_ok(lab.f->C_Finalize(NULL));
    atomic_store(&stop, true);
    join_all(threads, 4);
    for (size_t i = 0; i < 4; i++)
        ck_assert_uint_eq(threads[i].good, 1);
    lab_end(&lab);
}
END_TEST

static void *initialize_and_finalize(void *ctx)
{
    struct thread *t = ctx;

    while (!atomic_load(t->stop)) {
        CK_INFO info;
        CK_RV rv = t->lab->f->C_Initialize(NULL);

        ck_assert_msg(rv == CKR_OK || rv == CKR_CRYPTOKI_ALREADY_INITIALIZED,
                      "C_Initialize answered 0x%lx", rv);
        rv = t->lab->f->C_GetInfo(&info);
        ck_assert_msg(rv == CKR_OK || rv == CKR_CRYPTOKI_NOT_INITIALIZED,
                      "C_GetInfo answered 0x%lx", rv);
        rv = t->lab->f->C_Finalize(NULL);
        ck_assert_msg(rv == CKR_OK || rv == CKR_CRYPTOKI_NOT_INITIALIZED,
                      "C_Finalize answered 0x%lx", rv);
        t->good++;
    }
    return NULL;
}

START_TEST(initialize_and_finalize_may_race_each_other)
{
    struct thread threads[4] = {{.n = 0}};
    atomic_bool stop = false;
    struct lab lab;

    lab_make(&lab);
    start_all(threads, 4, &lab, &stop, initialize_and_finalize);
    lab_sleep_ms(1000);
    atomic_store(&stop, true);
    join_all(threads, 4);
    (void)lab.f->C_Finalize(NULL);
    lab_up(&lab);
    lab_signs(&lab, lab_alice(&lab));
    lab_end(&lab);
}
END_TEST

/* ---- login ---- */

/* Every call that asks the policy looks whether the user is still there, and notes that it looked:
 * that note must not bring back a login that was ended meanwhile. */
static void *ask_all_the_time(void *ctx)
{
    struct thread *t = ctx;

    while (!atomic_load(t->stop)) {
        (void)lab_count(t->lab, t->session);
        t->good++;
    }
    return NULL;
}

static CK_STATE state_of(const struct lab *lab, CK_SESSION_HANDLE session)
{
    CK_SESSION_INFO info = {.state = 99};

    assert_ok(lab->f->C_GetSessionInfo(session, &info));
    return info.state;
}

START_TEST(a_logout_is_not_undone_by_calls_in_flight)
{
    struct thread threads[4] = {{.n = 0}};
    atomic_bool stop = false;
    CK_SESSION_HANDLE session;
    struct lab lab;

    lab_start(&lab);
    session = lab_session(&lab, CKF_RW_SESSION);
    for (size_t i = 0; i < 4; i++)
        threads[i].session = lab_session(&lab, 0);
    start_all(threads, 4, &lab, &stop, ask_all_the_time);
    for (int i = 0; i < 15; i++) {
        /* A login writes to the store, so each is looked after anew by all threads. */
        assert_ok(lab_login(&lab, session, CKU_USER, i % 2 == 0 ? LAB_PIN : "bob:" LAB_BOB_PIN));
        assert_ok(lab.f->C_Logout(session));
        for (int j = 0; j < 20; j++)
            ck_assert_uint_eq(state_of(&lab, session), CKS_RW_PUBLIC_SESSION);
    }
    atomic_store(&stop, true);
    join_all(threads, 4);
    lab_end(&lab);
}
END_TEST

static void *log_in_once(void *ctx)
{
    struct thread *t = ctx;
    CK_RV rv =
        lab_login(t->lab, t->session, CKU_USER, t->n % 2 == 0 ? LAB_PIN : "bob:" LAB_BOB_PIN);

    ck_assert_msg(rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN, "C_Login answered 0x%lx", rv);
    t->good = rv == CKR_OK;
    return NULL;
}

START_TEST(of_logins_at_once_exactly_one_is_done)
{
    struct thread threads[4] = {{.n = 0}};
    struct lab lab;

    lab_start(&lab);
    for (int round = 0; round < 5; round++) {
        unsigned good = 0;

        for (size_t i = 0; i < 4; i++)
            threads[i].session = lab_session(&lab, 0);
        start_all(threads, 4, &lab, NULL, log_in_once);
        join_all(threads, 4);
        for (size_t i = 0; i < 4; i++)
            good += threads[i].good;
        ck_assert_uint_eq(good, 1);
        assert_ok(lab.f->C_Logout(threads[0].session));
    }
    lab_end(&lab);
}
END_TEST

static void *log_in_or_not(void *ctx)
{
    struct thread *t = ctx;

    t->good = lab_login(t->lab, t->session, CKU_USER, LAB_PIN) == CKR_OK;
    return NULL;
}

/* The login takes some 100 ms, most of it before it is in force: the session goes meanwhile. */
START_TEST(no_login_outlives_the_last_session)
{
    struct lab lab;

    lab_start(&lab);
    for (unsigned i = 0; i < 8; i++) {
        struct thread thread = {.session = lab_session(&lab, 0)};

        start_all(&thread, 1, &lab, NULL, log_in_or_not);
        lab_sleep_ms(20 * i);
        assert_ok(lab.f->C_CloseSession(thread.session));
        join_all(&thread, 1);
        ck_assert_uint_eq(state_of(&lab, lab_session(&lab, 0)), CKS_RO_PUBLIC_SESSION);
        assert_ok(lab.f->C_CloseAllSessions(lab.slot));
    }
    lab_end(&lab);
}
END_TEST

/* ---- fork at bad moments ---- */

static void use_in_child(struct lab *lab, int n)
{
    CK_INFO info;

    (void)n;
    (void)alarm(20);
    assert_rv(CKR_CRYPTOKI_NOT_INITIALIZED, lab->f->C_GetInfo(&info));
    assert_ok(lab->f->C_Initialize(NULL));
    assert_ok(lab->f->C_GetInfo(&info));
    assert_ok(lab->f->C_Finalize(NULL));
}

/* Whatever the parent's threads were at, the child starts from the beginning and can end. */
START_TEST(a_fork_during_initialize_and_finalize_leaves_the_child_free)
{
    struct thread threads[2] = {{.n = 0}};
    atomic_bool stop = false;
    struct lab lab;

    /* A sanitizer's allocator stays locked in the child where a thread of the parent was in it. */
    if (LAB_SANITIZED)
        return;
    lab_make(&lab);
    start_all(threads, 2, &lab, &stop, initialize_and_finalize);
    for (int i = 0; i < 60; i++)
        lab_join(lab_child(use_in_child, &lab, i));
    atomic_store(&stop, true);
    join_all(threads, 2);
    lab_end(&lab);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_SLOW(eight_threads_get_right_answers_only, 120),
        CASE_SLOW(two_threads_in_one_session_break_nothing, 60),
        CASE_SLOW(finalize_waits_for_calls_in_flight, 60),
        CASE(threads_may_end_after_finalize),
        CASE_SLOW(initialize_and_finalize_may_race_each_other, 60),
        CASE_SLOW(a_logout_is_not_undone_by_calls_in_flight, 120),
        CASE_SLOW(of_logins_at_once_exactly_one_is_done, 60),
        CASE_SLOW(no_login_outlives_the_last_session, 60),
        CASE_SLOW(a_fork_during_initialize_and_finalize_leaves_the_child_free, 120),
    };

    return lab_suite_run("pkcs11/races", cases, sizeof(cases) / sizeof(*cases));
}
