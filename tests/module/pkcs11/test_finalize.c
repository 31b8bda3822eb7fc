/*
 * C_Finalize while other threads are in calls (PKCS#11 2.40, 5.4 leaves what happens then to the
 * library). Ours waits for the calls that are in, and lets no further one in: each call either ends
 * as it would have, with its record, or is answered CKR_CRYPTOKI_NOT_INITIALIZED and leaves none.
 * Threads of every kind of call go on until they are told so.
 */
#include "tests/support/lab.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define COUNT(table) (sizeof(table) / sizeof(*(table)))

struct worker;

/* One step: the calls of one thread's turn, up to the one that is counted. */
struct kind {
    const char *function; /* as the log has it */
    const char *vault;
    CK_RV (*step)(struct worker *w);
};

struct worker {
    const struct kind *kind;
    struct lab *lab;
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key;
    atomic_uint good;
    unsigned own; /* calls of the same function that were the test's, before the threads began */
    CK_RV last;
    pthread_t id;
};

/* ---- steps ---- */

static CK_RV sign(struct worker *w)
{
    CK_BYTE signature[LAB_SIGNATURE_MAX];
    CK_ULONG len;

    return lab_sign(w->lab, w->session, w->key, "data", 4, signature, &len);
}

static CK_RV sign_in_parts(struct worker *w)
{
    CK_FUNCTION_LIST *f = w->lab->f;
    CK_MECHANISM mechanism = {CKM_ECDSA_SHA256, NULL, 0};
    CK_BYTE data[] = "a part", signature[LAB_SIGNATURE_MAX];
    CK_ULONG len = sizeof(signature);
    CK_RV rv = f->C_SignInit(w->session, &mechanism, w->key);

    for (int i = 0; i < 4 && rv == CKR_OK; i++)
        rv = f->C_SignUpdate(w->session, data, sizeof(data));
    return rv == CKR_OK ? f->C_SignFinal(w->session, signature, &len) : rv;
}

/* The page is what is counted, and comes last. */
static CK_RV find(struct worker *w)
{
    CK_FUNCTION_LIST *f = w->lab->f;
    CK_OBJECT_HANDLE found[4];
    CK_ULONG n = 0;
    CK_RV rv = f->C_FindObjectsFinal(w->session);

    if (rv == CKR_OK || rv == CKR_OPERATION_NOT_INITIALIZED)
        rv = f->C_FindObjectsInit(w->session, NULL, 0);
    return rv == CKR_OK ? f->C_FindObjects(w->session, found, COUNT(found), &n) : rv;
}

static CK_RV generate(struct worker *w)
{
    CK_OBJECT_HANDLE public_key, private_key;

    return lab_generate(w->lab, w->session, "made", &public_key, &private_key);
}

/* In another vault: a logout takes the handles of keys from every session of its vault. */
static CK_RV log_in_and_out(struct worker *w)
{
    CK_RV rv = lab_login(w->lab, w->session, CKU_USER, LAB_PIN);

    /* The counted call comes last, so that a logout that is not done any more does not undo the
     * count. */
    if (rv == CKR_USER_ALREADY_LOGGED_IN) {
        rv = w->lab->f->C_Logout(w->session);
        if (rv == CKR_OK)
            rv = lab_login(w->lab, w->session, CKU_USER, LAB_PIN);
    }
    return rv;
}

static CK_RV encrypt(struct worker *w)
{
    CK_BYTE iv[16] = {1}, out[64], in[32] = {0};
    CK_ULONG len = sizeof(out);
    CK_MECHANISM mechanism = {CKM_AES_CBC, iv, sizeof(iv)};
    CK_RV rv = w->lab->f->C_EncryptInit(w->session, &mechanism, w->key);

    return rv == CKR_OK ? w->lab->f->C_Encrypt(w->session, in, sizeof(in), out, &len) : rv;
}

static const struct kind kinds[] = {
    {"C_Sign", "web", sign},        {"C_SignFinal", "web", sign_in_parts},
    {"C_FindObjects", "web", find}, {"C_GenerateKeyPair", "web", generate},
    {"C_Encrypt", "web", encrypt},  {"C_Login", "mail", log_in_and_out},
};

#define WORKERS COUNT(kinds)

/* ---- threads ---- */

static void *work_until_finalized(void *ctx)
{
    struct worker *w = ctx;

    while ((w->last = w->kind->step(w)) == CKR_OK)
        atomic_fetch_add(&w->good, 1);
    return NULL;
}

static void note_own(struct worker *workers, const char *function)
{
    for (size_t i = 0; i < WORKERS; i++)
        workers[i].own += strcmp(kinds[i].function, function) == 0;
}

static void prepare(struct lab *lab, struct worker *workers, CK_SESSION_HANDLE alice, size_t i)
{
    struct worker *w = &workers[i];
    bool encrypts = kinds[i].step == encrypt;

    w->kind = &kinds[i];
    w->lab = lab;
    assert_ok(lab->f->C_OpenSession(lab_slot(lab, kinds[i].vault),
                                    CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &w->session));
    w->key = lab_find(lab, alice, encrypts ? CKO_SECRET_KEY : CKO_PRIVATE_KEY,
                      encrypts ? "seal" : "tls");
    note_own(workers, "C_FindObjects");
}

static void start_workers(struct lab *lab, struct worker *workers)
{
    CK_SESSION_HANDLE alice;

    lab_up(lab);
    alice = lab_alice(lab);
    note_own(workers, "C_Login");
    for (size_t i = 0; i < WORKERS; i++)
        prepare(lab, workers, alice, i);
    for (size_t i = 0; i < WORKERS; i++)
        ck_assert_int_eq(pthread_create(&workers[i].id, NULL, work_until_finalized, &workers[i]),
                         0);
}

/* Every thread has been through its step so often. */
static void wait_for(struct worker *workers, const unsigned *before, unsigned steps)
{
    for (size_t i = 0; i < WORKERS; i++)
        while (atomic_load(&workers[i].good) < before[i] + steps)
            lab_sleep_ms(1);
}

static void end_workers(struct worker *workers)
{
    for (size_t i = 0; i < WORKERS; i++) {
        ck_assert_int_eq(pthread_join(workers[i].id, NULL), 0);
        ck_assert_msg(workers[i].last == CKR_CRYPTOKI_NOT_INITIALIZED, "%s ended with 0x%lx",
                      workers[i].kind->function, workers[i].last);
    }
}

/* Of each kind of call as many records as were answered: none is missing, none says more. */
static void assert_recorded(const struct lab *lab, const struct worker *workers)
{
    for (size_t i = 0; i < WORKERS; i++) {
        unsigned records = lab_log_count(lab, kinds[i].function, "CKR_OK");
        unsigned calls = atomic_load(&workers[i].good) + workers[i].own;

        ck_assert_msg(records == calls, "%s: %u records of %u calls", kinds[i].function, records,
                      calls);
    }
}

START_TEST(calls_in_flight_end_with_their_record_or_were_never_begun)
{
    struct worker workers[WORKERS] = {{.own = 0}};
    unsigned before[WORKERS], threads = 0, fds = 0;
    struct lab lab;

    lab_make(&lab);
    for (unsigned round = 0; round < (LAB_SANITIZED ? 2 : 4); round++) {
        for (size_t i = 0; i < WORKERS; i++)
            before[i] = atomic_load(&workers[i].good);
        start_workers(&lab, workers);
        wait_for(workers, before, 1 + round % 2);
        assert_ok(lab.f->C_Finalize(NULL));
        end_workers(workers);
        if (round == 0) {
            threads = lab_threads();
            fds = lab_fds();
        }
        /* A thread that was joined is still there for a moment. */
        while (lab_threads() > threads)
            lab_sleep_ms(1);
        ck_assert_uint_eq(lab_fds(), fds);
    }
    assert_recorded(&lab, workers);
    (void)lab_log_whole(&lab);
    lab_end(&lab);
}
END_TEST

/* ---- and begin again ---- */

struct passer {
    struct lab *lab;
    atomic_bool *stop;
    atomic_uint good, missed;
    pthread_t id;
};

/* What a call may be told when all was finalized and initialized between two calls of its thread.
 */
static bool is_passing(CK_RV rv)
{
    static const CK_RV codes[] = {CKR_CRYPTOKI_NOT_INITIALIZED, CKR_SESSION_HANDLE_INVALID,
                                  CKR_OPERATION_NOT_INITIALIZED, CKR_OPERATION_ACTIVE};

    for (size_t i = 0; i < COUNT(codes); i++)
        if (codes[i] == rv)
            return true;
    return false;
}

static CK_RV draw_and_digest(struct passer *p)
{
    CK_FUNCTION_LIST *f = p->lab->f;
    CK_MECHANISM mechanism = {CKM_SHA256, NULL, 0};
    CK_SESSION_HANDLE session = 0;
    CK_BYTE data[32], digest[32];
    CK_ULONG len = sizeof(digest);
    CK_RV rv = f->C_OpenSession(p->lab->slot, CKF_SERIAL_SESSION, NULL, NULL, &session);

    if (rv == CKR_OK)
        rv = f->C_GenerateRandom(session, data, sizeof(data));
    if (rv == CKR_OK)
        rv = f->C_DigestInit(session, &mechanism);
    if (rv == CKR_OK)
        rv = f->C_Digest(session, data, sizeof(data), digest, &len);
    return rv == CKR_OK ? f->C_CloseSession(session) : rv;
}

static void *pass_through(void *ctx)
{
    struct passer *p = ctx;

    while (!atomic_load(p->stop)) {
        CK_RV rv = draw_and_digest(p);

        ck_assert_msg(rv == CKR_OK || is_passing(rv), "a call answered 0x%lx", rv);
        atomic_fetch_add(rv == CKR_OK ? &p->good : &p->missed, 1);
        if (rv != CKR_OK)
            lab_sleep_ms(1);
    }
    return NULL;
}

START_TEST(threads_live_through_finalize_and_initialize)
{
    struct passer passers[3] = {{.lab = NULL}};
    atomic_bool stop = false;
    struct lab lab;

    lab_start(&lab);
    for (size_t i = 0; i < COUNT(passers); i++) {
        passers[i].lab = &lab;
        passers[i].stop = &stop;
        ck_assert_int_eq(pthread_create(&passers[i].id, NULL, pass_through, &passers[i]), 0);
    }
    for (unsigned round = 0; round < 8; round++) {
        unsigned good[COUNT(passers)];

        for (size_t i = 0; i < COUNT(passers); i++)
            good[i] = atomic_load(&passers[i].good);
        for (size_t i = 0; i < COUNT(passers); i++)
            while (atomic_load(&passers[i].good) == good[i])
                lab_sleep_ms(1);
        assert_ok(lab.f->C_Finalize(NULL));
        assert_ok(lab.f->C_Initialize(NULL));
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i < COUNT(passers); i++)
        ck_assert_int_eq(pthread_join(passers[i].id, NULL), 0);
    lab_signs(&lab, lab_alice(&lab));
    assert_ok(lab.f->C_Finalize(NULL));
    (void)lab_log_whole(&lab);
    lab_end(&lab);
}
END_TEST

/* ---- two who end it ---- */

static void *finalize(void *ctx)
{
    struct worker *w = ctx;

    w->last = w->lab->f->C_Finalize(NULL);
    return NULL;
}

START_TEST(of_two_who_finalize_one_is_told_that_it_is_done)
{
    struct worker two[2];
    struct lab lab;

    lab_make(&lab);
    for (int round = 0; round < 10; round++) {
        lab_up(&lab);
        (void)lab_session(&lab, 0);
        for (size_t i = 0; i < 2; i++) {
            two[i].lab = &lab;
            ck_assert_int_eq(pthread_create(&two[i].id, NULL, finalize, &two[i]), 0);
        }
        for (size_t i = 0; i < 2; i++)
            ck_assert_int_eq(pthread_join(two[i].id, NULL), 0);
        ck_assert_uint_eq(two[0].last + two[1].last, CKR_CRYPTOKI_NOT_INITIALIZED);
        ck_assert(two[0].last == CKR_OK || two[1].last == CKR_OK);
    }
    lab_end(&lab);
}
END_TEST

/* What an operation holds (a lane of the HSM, a prepared key, plaintext) goes with its session. */
START_TEST(operations_between_their_calls_end_with_all_else)
{
    CK_MECHANISM mechanism = {CKM_ECDSA_SHA256, NULL, 0};
    CK_BYTE data[] = "half of it", signature[LAB_SIGNATURE_MAX];
    CK_ULONG len = sizeof(signature);
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key;
    struct lab lab;

    lab_start(&lab);
    session = lab_alice(&lab);
    key = lab_find(&lab, session, CKO_PRIVATE_KEY, "tls");
    assert_ok(lab.f->C_FindObjectsInit(session, NULL, 0));
    assert_ok(lab.f->C_SignInit(session, &mechanism, key));
    assert_ok(lab.f->C_SignUpdate(session, data, sizeof(data)));
    assert_ok(lab.f->C_Finalize(NULL));
    assert_rv(CKR_CRYPTOKI_NOT_INITIALIZED, lab.f->C_SignFinal(session, signature, &len));
    lab_up(&lab);
    /* The session of before is none of this instance's, even where its number is given again. */
    ck_assert_uint_ne(lab.f->C_SignFinal(session, signature, &len), CKR_OK);
    session = lab_alice(&lab);
    assert_rv(CKR_OPERATION_NOT_INITIALIZED, lab.f->C_SignFinal(session, signature, &len));
    lab_signs(&lab, session);
    assert_ok(lab.f->C_Finalize(NULL));
    (void)lab_log_whole(&lab);
    lab_end(&lab);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_SLOW(calls_in_flight_end_with_their_record_or_were_never_begun, 240),
        CASE_SLOW(threads_live_through_finalize_and_initialize, 120),
        CASE_SLOW(of_two_who_finalize_one_is_told_that_it_is_done, 60),
        CASE(operations_between_their_calls_end_with_all_else),
    };

    return lab_suite_run("pkcs11/finalize", cases, COUNT(cases));
}
