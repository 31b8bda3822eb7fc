/* Processes that fork after C_Initialize (PKCS#11 2.40, 6.7.1 and 5.4): the child is an application
 * of its own, and the parent does not notice. */
#include "tests/support/lab.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- what children do ---- */

static void be_uninitialized(struct lab *lab, int n)
{
    CK_SESSION_HANDLE session = (CK_SESSION_HANDLE)n;
    CK_BYTE signature[LAB_SIGNATURE_MAX];
    CK_ULONG count = 0;
    CK_ULONG len;
    CK_INFO info;

    assert_rv(CKR_CRYPTOKI_NOT_INITIALIZED, lab->f->C_GetInfo(&info));
    assert_rv(CKR_CRYPTOKI_NOT_INITIALIZED, lab->f->C_GetSlotList(CK_TRUE, NULL, &count));
    assert_rv(CKR_CRYPTOKI_NOT_INITIALIZED, lab_sign(lab, session, 1, "data", 4, signature, &len));
    assert_rv(CKR_CRYPTOKI_NOT_INITIALIZED, lab->f->C_CloseSession(session));
    assert_rv(CKR_CRYPTOKI_NOT_INITIALIZED, lab->f->C_CloseAllSessions(lab->slot));
    assert_rv(CKR_CRYPTOKI_NOT_INITIALIZED, lab_admin(lab, NULL, "{\"verb\":\"status\"}"));
    assert_rv(CKR_CRYPTOKI_NOT_INITIALIZED, lab->f->C_Finalize(NULL));
}

static void sign_anew(struct lab *lab, int n)
{
    CK_SESSION_HANDLE session;

    lab_up(lab);
    session = lab_alice(lab);
    for (int i = 0; i < n; i++)
        lab_signs(lab, session);
    assert_ok(lab->f->C_Finalize(NULL));
}

/* exit(), and not _exit(): the module's own ends and the parent's buffers are in it. */
static void leave(void)
{
    __fpurge(stdout);
    exit(0);
}

static void leave_at_once(struct lab *lab, int n)
{
    (void)lab;
    (void)n;
    leave();
}

static void leave_initialized(struct lab *lab, int n)
{
    (void)n;
    lab_up(lab);
    lab_signs(lab, lab_alice(lab));
    leave();
}

/* ---- the cases ---- */

/* A child leaves what its parent had open as it lies (app_abandon), which LeakSanitizer calls a
 * leak when the child exits. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

START_TEST(a_child_is_not_initialized_and_its_parent_still_is)
{
    CK_SESSION_HANDLE session;
    pid_t worker;
    struct lab lab;

    lab_start(&lab);
    worker = lab_worker(&lab);
    session = lab_alice(&lab);
    lab_join(lab_child(be_uninitialized, &lab, (int)session));
    lab_signs(&lab, session);
    ck_assert_uint_eq(lab_token(&lab, lab.slot).ulSessionCount, 1);
    ck_assert_int_eq(lab_worker(&lab), worker);
    lab_end(&lab);
}
END_TEST

/* Handlers of fork() do not run: what a child is told by must not hang on them. */
START_TEST(a_child_made_past_fork_is_not_initialized_either)
{
    CK_SESSION_HANDLE session;
    struct lab lab;
    pid_t child;

    lab_start(&lab);
    session = lab_alice(&lab);
    lab_signs(&lab, session);
    child = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        CK_INFO info;

        _exit(lab.f->C_GetInfo(&info) == CKR_CRYPTOKI_NOT_INITIALIZED ? 0 : 1);
    }
    lab_join(child);
    lab_signs(&lab, session);
    lab_end(&lab);
}
END_TEST

START_TEST(a_child_has_neither_the_parents_sessions_nor_its_login)
{
    CK_SESSION_HANDLE session;
    struct lab lab;
    pid_t child;

    lab_start(&lab);
    session = lab_alice(&lab);
    child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        CK_SESSION_INFO info;
        CK_SESSION_HANDLE own;

        lab_up(&lab);
        assert_rv(CKR_SESSION_HANDLE_INVALID, lab.f->C_GetSessionInfo(session, &info));
        own = lab_session(&lab, 0);
        assert_ok(lab.f->C_GetSessionInfo(own, &info));
        ck_assert_uint_eq(info.state, CKS_RO_PUBLIC_SESSION);
        ck_assert_uint_eq(lab_find(&lab, own, CKO_PRIVATE_KEY, "tls"), 0);
        _exit(0);
    }
    lab_join(child);
    lab_signs(&lab, session);
    lab_end(&lab);
}
END_TEST

START_TEST(a_child_with_its_own_initialize_signs_while_the_parent_signs)
{
    enum { CHILDREN = 3, SIGNATURES = 40 };

    CK_SESSION_HANDLE session;
    pid_t children[CHILDREN];
    struct lab lab;

    lab_start(&lab);
    session = lab_alice(&lab);
    lab_signs(&lab, session);
    for (int i = 0; i < CHILDREN; i++)
        children[i] = lab_child(sign_anew, &lab, SIGNATURES);
    for (int i = 0; i < SIGNATURES; i++)
        lab_signs(&lab, session);
    for (int i = 0; i < CHILDREN; i++)
        lab_join(children[i]);
    lab_signs(&lab, session);
    /* Nobody's record is missing. */
    ck_assert_uint_eq(lab_log_count(&lab, "C_Sign", "CKR_OK"),
                      CHILDREN * SIGNATURES + SIGNATURES + 2);
    (void)lab_log_whole(&lab);
    lab_end(&lab);
}
END_TEST

static void have_a_child(struct lab *lab, int n)
{
    CK_SESSION_HANDLE session;

    (void)n;
    /* An uninitialized child of ours is no different from one that is two forks away. */
    lab_join(lab_child(be_uninitialized, lab, 1));
    lab_join(lab_child(sign_anew, lab, 1));
    lab_up(lab);
    session = lab_alice(lab);
    lab_join(lab_child(be_uninitialized, lab, (int)session));
    lab_join(lab_child(sign_anew, lab, 3));
    lab_signs(lab, session);
    assert_ok(lab->f->C_Finalize(NULL));
}

START_TEST(a_grandchild_is_an_application_of_its_own_too)
{
    CK_SESSION_HANDLE session;
    struct lab lab;

    lab_start(&lab);
    session = lab_alice(&lab);
    lab_join(lab_child(have_a_child, &lab, 0));
    lab_signs(&lab, session);
    (void)lab_log_whole(&lab);
    lab_end(&lab);
}
END_TEST

/* ---- forks while threads are inside ---- */

struct busy {
    const struct lab *lab;
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key;
    atomic_bool *stop;
    unsigned rounds;
    CK_RV rv; /* of the last */
};

/* Without an assertion: Check takes a lock in each, and a child that was forked meanwhile would
 * wait for it for ever. */
static void *be_busy(void *ctx)
{
    struct busy *b = ctx;
    CK_BYTE signature[LAB_SIGNATURE_MAX];
    CK_ULONG len;

    while (!atomic_load(b->stop) && b->rv == CKR_OK) {
        b->rv = lab_sign(b->lab, b->session, b->key, "data", 4, signature, &len);
        b->rounds++;
    }
    return NULL;
}

static void sign_once_in_time(struct lab *lab, int n)
{
    (void)n;
    (void)alarm(60); /* a lock that was held at the fork would hang us */
    be_uninitialized(lab, 1);
    sign_anew(lab, 1);
}

START_TEST(thirty_forks_while_other_threads_are_in_calls)
{
    enum { THREADS = 3, FORKS = 30 };

    pthread_t threads[THREADS];
    struct busy busy[THREADS];
    atomic_bool stop = false;
    struct lab lab;

    /* A sanitizer's allocator does not let go of its own locks in a forked child (GCC 12): a child
     * forked while another thread allocates may wait there for ever, whatever the module does. */
    if (LAB_SANITIZED)
        return;
    lab_start(&lab);
    (void)lab_alice(&lab);
    for (int i = 0; i < THREADS; i++) {
        CK_SESSION_HANDLE session = lab_session(&lab, 0);

        busy[i] = (struct busy){.lab = &lab,
                                .session = session,
                                .key = lab_find(&lab, session, CKO_PRIVATE_KEY, "tls"),
                                .stop = &stop};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, be_busy, &busy[i]), 0);
    }
    for (int i = 0; i < FORKS; i++) {
        lab_sleep_ms((unsigned)i % 4);
        lab_join(lab_child(sign_once_in_time, &lab, i));
    }
    atomic_store(&stop, true);
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        assert_ok(busy[i].rv);
        ck_assert_uint_gt(busy[i].rounds, 0);
    }
    (void)lab_log_whole(&lab);
    lab_end(&lab);
}
END_TEST

/* ---- ends ---- */

START_TEST(a_child_that_exits_does_not_disturb_the_parent)
{
    CK_SESSION_HANDLE session;
    pid_t worker;
    struct lab lab;

    lab_start(&lab);
    worker = lab_worker(&lab);
    session = lab_alice(&lab);
    lab_join(lab_child(leave_at_once, &lab, 0));
    lab_join(lab_child(leave_initialized, &lab, 0));
    lab_signs(&lab, session);
    ck_assert_int_eq(lab_worker(&lab), worker);
    ck_assert_int_eq(kill(worker, 0), 0);
    (void)lab_log_whole(&lab);
    lab_end(&lab);
}
END_TEST

/* A child that is told over pipes when to go on. */
struct conversation {
    int to_child[2], to_parent[2];
};

static struct conversation talk;

static void say(int fd)
{
    ck_assert_int_eq(write(fd, "x", 1), 1);
}

static void hear(int fd)
{
    char c;

    ck_assert_int_eq(read(fd, &c, 1), 1);
}

static void sign_before_and_after(struct lab *lab, int n)
{
    CK_SESSION_HANDLE session;
    pid_t worker;

    (void)n;
    lab_up(lab);
    session = lab_alice(lab);
    lab_signs(lab, session);
    worker = lab_worker(lab);
    say(talk.to_parent[1]);
    hear(talk.to_child[0]);
    lab_signs(lab, session);
    ck_assert_int_eq(lab_worker(lab), worker);
    assert_ok(lab->f->C_Finalize(NULL));
}

START_TEST(a_parent_may_finalize_while_its_child_goes_on)
{
    struct lab lab;
    pid_t child;

    lab_start(&lab);
    lab_signs(&lab, lab_alice(&lab));
    ck_assert_int_eq(pipe(talk.to_child), 0);
    ck_assert_int_eq(pipe(talk.to_parent), 0);
    child = lab_child(sign_before_and_after, &lab, 0);
    hear(talk.to_parent[0]);
    assert_ok(lab.f->C_Finalize(NULL));
    say(talk.to_child[1]);
    lab_join(child);
    /* And begin again. */
    lab_up(&lab);
    lab_signs(&lab, lab_alice(&lab));
    (void)lab_log_whole(&lab);
    lab_end(&lab);
}
END_TEST

START_TEST(a_child_may_finalize_while_its_parent_goes_on)
{
    CK_SESSION_HANDLE session;
    pid_t worker;
    struct lab lab;

    lab_start(&lab);
    worker = lab_worker(&lab);
    session = lab_alice(&lab);
    for (int i = 0; i < 3; i++)
        lab_join(lab_child(sign_anew, &lab, 1));
    lab_signs(&lab, session);
    ck_assert_int_eq(lab_worker(&lab), worker);
    lab_end(&lab);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(a_child_is_not_initialized_and_its_parent_still_is),
        CASE(a_child_made_past_fork_is_not_initialized_either),
        CASE(a_child_has_neither_the_parents_sessions_nor_its_login),
        CASE_SLOW(a_child_with_its_own_initialize_signs_while_the_parent_signs, 120),
        CASE_SLOW(a_grandchild_is_an_application_of_its_own_too, 60),
        CASE_SLOW(thirty_forks_while_other_threads_are_in_calls, 560),
        CASE_SLOW(a_child_that_exits_does_not_disturb_the_parent, 60),
        CASE_SLOW(a_parent_may_finalize_while_its_child_goes_on, 60),
        CASE_SLOW(a_child_may_finalize_while_its_parent_goes_on, 60),
    };

    return lab_suite_run("pkcs11/fork", cases, sizeof(cases) / sizeof(*cases));
}
