/*
 * A change holds from the moment its verb returns: 64 threads in 4 processes use a key as fast as
 * they can while it is taken from them and given back, by each way there is. What begins after the
 * verb has returned is refused, and so is the end of an operation that began before.
 */
#include "tests/support/verbs.h"

#include <pthread.h>
#include <pwd.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PROCESSES 4
#ifdef __SANITIZE_THREAD__
/* There turns at the log are not taken in order (tests/support/tsan.c), and of many who wait one is
 * refused. */
#define THREADS 3
#else
#define THREADS 16 /* a process */
#endif
#define WORKERS (PROCESSES * THREADS)
#define ROUNDS  3

/* Between all processes. */
struct board {
    atomic_uint epoch; /* odd: a verb that takes the key away has returned, the one that gives it
                          back has not begun */
    atomic_bool stop;
    atomic_uint broken;                          /* uses that began while closed, and succeeded */
    atomic_uint good[WORKERS], refused[WORKERS]; /* refused: in one */
};

struct worker {
    struct lab *lab;
    struct board *board;
    unsigned n;
    pthread_t id;
};

static CK_MECHANISM ecdsa = {CKM_ECDSA_SHA256, NULL, 0};

/* One signature. In every other round the key is taken, perhaps, between Update and Final: then
 * what counts is when the end began. */
static CK_RV use_key(const struct worker *w, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key,
                     bool parts, unsigned *ret_epoch)
{
    CK_BYTE data[] = "data";
    CK_BYTE signature[LAB_SIGNATURE_MAX];
    CK_ULONG len = sizeof(signature);
    CK_RV rv;

    *ret_epoch = atomic_load(&w->board->epoch);
    rv = w->lab->f->C_SignInit(session, &ecdsa, key);
    if (rv != CKR_OK)
        return rv;
    if (!parts)
        return w->lab->f->C_Sign(session, data, sizeof(data), signature, &len);
    rv = w->lab->f->C_SignUpdate(session, data, sizeof(data));
    (void)sched_yield();
    *ret_epoch = atomic_load(&w->board->epoch);
    return rv == CKR_OK ? w->lab->f->C_SignFinal(session, signature, &len) : rv;
}

static void *work(void *argument)
{
    struct worker *w = argument;
    CK_SESSION_HANDLE session = lab_session(w->lab, 0);
    CK_OBJECT_HANDLE key = lab_find(w->lab, session, CKO_PRIVATE_KEY, "tls");
    unsigned epoch = 0;

    for (unsigned round = 0; !atomic_load(&w->board->stop); round++) {
        CK_RV rv = use_key(w, session, key, round % 2 == 1, &epoch);
        bool closed = epoch % 2 == 1 && epoch == atomic_load(&w->board->epoch);

        if (rv == CKR_OK)
            atomic_fetch_add(closed ? &w->board->broken : &w->board->good[w->n], 1);
        else if (closed)
            atomic_fetch_add(&w->board->refused[w->n], 1);
    }
    return NULL;
}

static struct board *board;

static void work_in_process(struct lab *lab, int n)
{
    struct worker workers[THREADS];

    assert_ok(lab->f->C_Initialize(NULL));
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.lab = lab, .board = board, .n = (unsigned)n * THREADS + i};
        ck_assert_int_eq(pthread_create(&workers[i].id, NULL, work, &workers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_join(workers[i].id, NULL), 0);
    assert_ok(lab->f->C_Finalize(NULL));
}

/* Until every thread has done more of these. */
static void wait_for_more(const atomic_uint *counts)
{
    unsigned before[WORKERS];

    for (size_t i = 0; i < WORKERS; i++)
        before[i] = atomic_load(&counts[i]);
    for (size_t i = 0; i < WORKERS; i++)
        while (atomic_load(&counts[i]) < before[i] + 2)
            lab_sleep_ms(5);
}

#define PERMIT "permit (principal == User::\\\"alice\\\", action, resource);"
#define FORBID PERMIT "forbid (principal, action == Action::\\\"sign\\\", resource);"
#define APPLY(text)                                                                                \
    "{\"verb\":\"policy.apply\",\"vault\":\"web\",\"text\":\"" text "\",\"name\":\"\"}"
#define KEY(verb) "{\"verb\":\"" verb "\",\"vault\":\"web\",\"name\":\"tls\"}"

/* %s: the Unix user that runs the test. */
static const struct {
    const char *closes, *opens;
} ways[] = {
    {APPLY(FORBID), APPLY(PERMIT)},
    {KEY("key.disable"), KEY("key.enable")},
    {"{\"verb\":\"user.unbind\",\"vault\":\"web\",\"user\":\"alice\",\"principal\":\"unix:%s\"}",
     "{\"verb\":\"user.bind\",\"vault\":\"web\",\"user\":\"alice\",\"principal\":\"unix:%s\"}"},
};

static void change(struct lab *lab, const char *request)
{
    const struct passwd *me = getpwuid(getuid());
    char text[512];

    ck_assert_ptr_nonnull(me);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void)snprintf(text, sizeof(text), request, me->pw_name);
#pragma GCC diagnostic pop
    verb_ok(lab, NULL, text);
}

START_TEST(what_begins_after_the_verb_returned_is_refused)
{
    pid_t children[PROCESSES];
    struct lab lab;

    board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(board, MAP_FAILED);
    lab_start(&lab);
    change(&lab, ways[2].opens);
    change(&lab, APPLY(PERMIT));
    for (int i = 0; i < PROCESSES; i++)
        children[i] = lab_child(work_in_process, &lab, i);
    for (int round = 0; round < ROUNDS; round++) {
        wait_for_more(board->good);
        change(&lab, ways[_i].closes);
        atomic_fetch_add(&board->epoch, 1);
        wait_for_more(board->refused);
        atomic_fetch_add(&board->epoch, 1);
        change(&lab, ways[_i].opens);
    }
    atomic_store(&board->stop, true);
    for (int i = 0; i < PROCESSES; i++)
        lab_join(children[i]);
    ck_assert_uint_eq(atomic_load(&board->broken), 0);
    lab_end(&lab);
}
END_TEST

/* ---- the kill switch alone ---- */

static CK_RV sign_init(const struct lab *lab, CK_SESSION_HANDLE session)
{
    return lab->f->C_SignInit(session, &ecdsa, lab_find(lab, session, CKO_PRIVATE_KEY, "tls"));
}

START_TEST(a_disabled_key_is_seen_and_not_used_until_it_is_enabled)
{
    CK_SESSION_HANDLE session;
    struct lab lab;

    lab_start(&lab);
    verb_ok(&lab, NULL, KEY("key.disable"));
    ck_assert_int_eq(lab_answer_number(&lab, "count"), 2);
    session = lab_alice(&lab);
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED, sign_init(&lab, session));
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED,
              lab.f->C_VerifyInit(session, &ecdsa, lab_find(&lab, session, CKO_PUBLIC_KEY, "tls")));
    assert_ok(lab.f->C_Logout(session));
    verb_ok(&lab, NULL, KEY("key.show"));
    ck_assert_str_eq(verb_text(&lab, "keys.0.state"), "disabled");
    /* Again is no mistake. */
    verb_ok(&lab, NULL, KEY("key.disable"));
    verb_ok(&lab, NULL, KEY("key.enable"));
    assert_ok(lab_login(&lab, session, CKU_USER, LAB_PIN));
    lab_signs(&lab, session);
    lab_end(&lab);
}
END_TEST

START_TEST(a_disabled_key_is_disabled_after_it_was_deleted_and_recovered)
{
    struct lab lab;

    lab_start(&lab);
    verb_ok(&lab, NULL, KEY("key.disable"));
    verb_ok(&lab, NULL, KEY("key.delete"));
    verb_ok(&lab, NULL, KEY("key.recover"));
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED, sign_init(&lab, lab_alice(&lab)));
    lab_end(&lab);
}
END_TEST

START_TEST(who_may_not_update_a_key_does_not_switch_it)
{
    CK_SESSION_HANDLE session;
    struct lab lab;

    lab_start(&lab);
    session = lab_session(&lab, 0);
    assert_ok(lab_login(&lab, session, CKU_USER, "bob:" LAB_BOB_PIN));
    assert_rv(CKR_ACTION_PROHIBITED, lab_admin(&lab, NULL, "%s", KEY("key.disable")));
    assert_rv(CKR_ACTION_PROHIBITED, lab_admin(&lab, NULL, "%s", KEY("key.enable")));
    lab_signs(&lab, session);
    lab_end(&lab);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        {.test = what_begins_after_the_verb_returned_is_refused,
         .loop_end = sizeof(ways) / sizeof(*ways),
         .timeout_s = 300},
        CASE(a_disabled_key_is_seen_and_not_used_until_it_is_enabled),
        CASE(a_disabled_key_is_disabled_after_it_was_deleted_and_recovered),
        CASE(who_may_not_update_a_key_does_not_switch_it),
    };

    return lab_suite_run("pkcs11/linear", cases, sizeof(cases) / sizeof(*cases));
}
