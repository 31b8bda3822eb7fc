/*
 * An HSM that fails: each class of return code gets its one repair and no second, a hang ends
 * within the deadline, a crash costs a restart, and an operation in parts dies with its session.
 * The shim counts what was really called.
 */
#include "hsm/channel.h"
#include "tests/support/hsm_world.h"
#include "tests/support/suite.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static CK_MECHANISM ecdsa = {CKM_ECDSA_SHA256, NULL, 0};
static CK_MECHANISM hmac = {CKM_SHA256_HMAC, NULL, 0};

struct faulty {
    struct hsm_world w;
    struct hsm_key key;
    struct buf spki, sig;
};

static void faulty_init(struct faulty *f)
{
    world_init(&f->w);
    world_use_shim(&f->w);
    f->w.config.deadline_ms = 1000;
    world_open(&f->w);
    f->spki = BUF_INIT(4096);
    f->sig = BUF_INIT(4096);
    world_key(&f->w, HSM_KEY_PRIVATE, CKK_EC, 0, world_p256, &f->key, &f->spki);
    shim_forget_rules(&f->w);
}

static void faulty_release(struct faulty *f)
{
    buf_release(&f->spki);
    buf_release(&f->sig);
    world_release(&f->w);
}

static CK_RV sign(struct faulty *f)
{
    return hsm_run(f->w.hsm, HSM_SIGN, &f->key, &ecdsa, BYTES_LIT("abc"), BYTES_NONE, &f->sig);
}

static struct hsm_status status_of(struct faulty *f)
{
    struct hsm_status s;

    assert_ok(hsm_status(f->w.hsm, &s));
    return s;
}

/* ---- the table, one row a class ---- */

static const struct fault {
    const char *rule;     /* once */
    const char *for_ever; /* or NULL: has no such form */
    CK_RV for_ever_rv;
    const char *counted; /* function, and how often it is called when the fault is repaired */
    unsigned once_calls;
    unsigned restarts, relogins; /* when repaired */
} faults[] = {
    /* 179: CKR_SESSION_HANDLE_INVALID */
    {"C_SignInit 1 return 179", "C_SignInit 1- return 179", CKR_DEVICE_ERROR, "C_SignInit", 2, 0,
     0},
    {"C_SignInit 1 close-session", NULL, 0, "C_SignInit", 2, 0, 0},
    /* 96: CKR_KEY_HANDLE_INVALID */
    {"C_SignInit 1 return 96", "C_SignInit 1- return 96", CKR_KEY_HANDLE_INVALID, "C_SignInit", 2,
     0, 0},
    {"C_SignInit 1 logout", NULL, 0, "C_Login", 1, 0, 1},
    {"C_Sign 1 logout", NULL, 0, "C_Sign", 1, 0, 0},
    /* 6: CKR_FUNCTION_FAILED, of a device that lives */
    {"C_Sign 1 return 6", "C_Sign 1- return 6", CKR_DEVICE_ERROR, "C_Sign", 2, 0, 0},
    /* 49: CKR_DEVICE_MEMORY; a vendor's */
    {"C_Sign 1 return 49", "C_Sign 1- return 49", CKR_DEVICE_MEMORY, "C_Sign", 2, 0, 0},
    {"C_Sign 1 return 2147483700", "C_Sign 1- return 2147483700", CKR_DEVICE_ERROR, "C_Sign", 2, 0,
     0},
    /* 48: CKR_DEVICE_ERROR; 50: CKR_DEVICE_REMOVED; 400: CKR_CRYPTOKI_NOT_INITIALIZED */
    {"C_Sign 1 return 48", "C_Sign 1- return 48", CKR_DEVICE_ERROR, "C_Sign", 2, 1, 0},
    {"C_Sign 1 return 50", "C_Sign 1- return 50", CKR_DEVICE_ERROR, "C_Sign", 2, 1, 0},
    {"C_Sign 1 return 400", "C_Sign 1- return 400", CKR_DEVICE_ERROR, "C_Sign", 2, 1, 0},
    {"C_Sign 1 crash", "C_Sign 1- crash", CKR_DEVICE_ERROR, "C_Sign", 2, 1, 0},
    {"C_Sign 1 hang", "C_Sign 1- hang", CKR_DEVICE_ERROR, "C_Sign", 2, 1, 0},
};

#define FAULTS ((int)(sizeof(faults) / sizeof(*faults)))

START_TEST(fault_that_happens_once_is_repaired)
{
    const struct fault *t = &faults[_i];
    struct faulty f;
    struct hsm_status s;

    faulty_init(&f);
    shim_rule(&f.w, t->rule);
    assert_ok(sign(&f));
    assert_ok(
        local_verify(f.w.local, buf_bytes(&f.spki), &ecdsa, BYTES_LIT("abc"), buf_bytes(&f.sig)));
    s = status_of(&f);
    ck_assert_uint_eq(shim_calls(&f.w, t->counted), t->once_calls);
    ck_assert_uint_eq(s.restarts, t->restarts);
    ck_assert_uint_eq(s.relogins, t->relogins);
    assert_ok(sign(&f));
    faulty_release(&f);
}
END_TEST

START_TEST(fault_that_stays_is_repaired_once_and_then_reported)
{
    const struct fault *t = &faults[_i];
    struct faulty f;

    if (t->for_ever == NULL)
        return;
    faulty_init(&f);
    shim_rule(&f.w, t->for_ever);
    assert_rv(t->for_ever_rv, sign(&f));
    ck_assert_uint_eq(f.sig.len, 0);
    ck_assert(fail_reason()[0] != '\0');
    ck_assert_uint_eq(shim_calls(&f.w, t->counted), 2);
    ck_assert_uint_eq(status_of(&f).restarts, t->restarts);
    faulty_release(&f);
}
END_TEST

/* A session too many: one pinned operation makes the next call open another lane. */
START_TEST(session_the_device_has_no_room_for_is_tried_twice)
{
    struct hsm_op *op = NULL;
    struct hsm_key mac;
    struct faulty f;

    faulty_init(&f);
    world_key(&f.w, HSM_KEY_SECRET, CKK_GENERIC_SECRET, 256, BYTES_NONE, &mac, NULL);
    assert_ok(hsm_begin(f.w.hsm, HSM_SIGN, &mac, &hmac, &op));
    shim_forget_rules(&f.w);
    shim_rule(&f.w, "C_OpenSession 1-3 return 177"); /* CKR_SESSION_COUNT */
    assert_rv(CKR_DEVICE_MEMORY, sign(&f));
    ck_assert_uint_eq(shim_calls(&f.w, "C_OpenSession"), 2);
    assert_ok(sign(&f));
    ck_assert_uint_eq(shim_calls(&f.w, "C_OpenSession"), 4);
    hsm_op_free(op);
    faulty_release(&f);
}
END_TEST

/* ---- time ---- */

START_TEST(hang_is_ended_within_the_deadline_and_the_worker_is_dead)
{
    struct faulty f;
    int64_t before;
    pid_t worker;

    faulty_init(&f);
    worker = status_of(&f).worker;
    shim_rule(&f.w, "C_Sign 1- hang");
    before = channel_now();
    assert_rv(CKR_DEVICE_ERROR, sign(&f));
    /* Twice the deadline of a second, and a restart. */
    ck_assert_int_lt(channel_now() - before, INT64_C(3000000000));
    ck_assert_int_ge(channel_now() - before, INT64_C(1900000000));
    for (int i = 0; i < 100 && kill(worker, 0) == 0; i++)
        (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    ck_assert(kill(worker, 0) != 0 && errno == ESRCH);
    faulty_release(&f);
}
END_TEST

START_TEST(worker_that_crashes_again_and_again_is_not_restarted_without_pause)
{
    struct faulty f;
    CK_RV rv = CKR_OK;

    faulty_init(&f);
    shim_rule(&f.w, "C_Sign 1- crash");
    for (int i = 0; i < 20; i++) {
        rv = sign(&f);
        ck_assert_uint_eq(rv, CKR_DEVICE_ERROR);
    }
    ck_assert_uint_le(status_of(&f).restarts, 4);
    ck_assert(strstr(fail_reason(), "again and again") != NULL);
    shim_forget_rules(&f.w);
    (void)nanosleep(&(struct timespec){.tv_sec = 1, .tv_nsec = 100000000}, NULL);
    assert_ok(sign(&f));
    faulty_release(&f);
}
END_TEST

START_TEST(idle_worker_that_is_killed_costs_nothing)
{
    struct faulty f;

    faulty_init(&f);
    assert_ok(sign(&f));
    ck_assert(kill(status_of(&f).worker, SIGKILL) == 0);
    assert_ok(sign(&f));
    ck_assert_uint_eq(status_of(&f).restarts, 1);
    faulty_release(&f);
}
END_TEST

/* ---- operations in parts ---- */

START_TEST(operation_in_parts_dies_with_its_worker_or_session_and_the_next_works)
{
    static const char *const rules[] = {"C_SignUpdate 2 crash", "C_SignUpdate 2 return 48",
                                        "C_SignUpdate 2 hang", "C_SignUpdate 2 close-session",
                                        "C_SignUpdate 2 return 6"};
    struct hsm_op *op = NULL;
    struct hsm_key mac;
    struct faulty f;

    faulty_init(&f);
    world_key(&f.w, HSM_KEY_SECRET, CKK_GENERIC_SECRET, 256, BYTES_NONE, &mac, NULL);
    shim_rule(&f.w, rules[_i]);
    assert_ok(hsm_begin(f.w.hsm, HSM_SIGN, &mac, &hmac, &op));
    assert_ok(hsm_update(op, BYTES_LIT("ab"), NULL));
    assert_rv(CKR_DEVICE_ERROR, hsm_update(op, BYTES_LIT("c"), NULL));
    ck_assert_uint_eq(shim_calls(&f.w, "C_SignUpdate"), 2);
    assert_rv(CKR_OPERATION_NOT_INITIALIZED, hsm_final(op, BYTES_NONE, &f.sig));
    hsm_op_free(op);
    assert_ok(hsm_run(f.w.hsm, HSM_SIGN, &mac, &hmac, BYTES_LIT("abc"), BYTES_NONE, &f.sig));
    ck_assert_uint_eq(f.sig.len, 32);
    faulty_release(&f);
}
END_TEST

/* ---- generation ---- */

static struct hsm_key_spec p256_spec(void)
{
    return (struct hsm_key_spec){.key = {.id = {42}, .kind = HSM_KEY_PRIVATE, .type = CKK_EC},
                                 .curve = world_p256,
                                 .sign = true};
}

START_TEST(key_made_just_before_a_crash_is_adopted)
{
    struct hsm_key_spec spec = p256_spec();
    struct faulty f;

    faulty_init(&f);
    shim_rule(&f.w, "C_GenerateKeyPair 1 crash-after");
    buf_clear(&f.spki);
    assert_ok(hsm_generate(f.w.hsm, &spec, &f.spki, NULL));
    ck_assert_uint_eq(shim_calls(&f.w, "C_GenerateKeyPair"), 1);
    f.key = spec.key;
    assert_ok(sign(&f));
    assert_ok(
        local_verify(f.w.local, buf_bytes(&f.spki), &ecdsa, BYTES_LIT("abc"), buf_bytes(&f.sig)));
    faulty_release(&f);
}
END_TEST

START_TEST(key_not_made_before_a_crash_is_not_made_again_behind_the_callers_back)
{
    struct hsm_key_spec spec = p256_spec();
    struct faulty f;
    bool found = true;

    faulty_init(&f);
    shim_rule(&f.w, "C_GenerateKeyPair 1 crash");
    assert_rv(CKR_DEVICE_ERROR, hsm_generate(f.w.hsm, &spec, &f.spki, NULL));
    ck_assert_uint_eq(shim_calls(&f.w, "C_GenerateKeyPair"), 1);
    assert_ok(hsm_find(f.w.hsm, &spec.key, &found));
    ck_assert(!found);
    buf_clear(&f.spki);
    assert_ok(hsm_generate(f.w.hsm, &spec, &f.spki, NULL));
    faulty_release(&f);
}
END_TEST

START_TEST(generation_after_a_passing_trouble_makes_one_key)
{
    static const char *const rules[] = {
        "C_GenerateKeyPair 1 logout", "C_GenerateKeyPair 1 return 179",
        "C_GenerateKeyPair 1 return 6", "C_GenerateKeyPair 1 return 209"};
    struct hsm_key_spec spec = p256_spec();
    struct faulty f;

    faulty_init(&f);
    shim_rule(&f.w, rules[_i]);
    buf_clear(&f.spki);
    assert_ok(hsm_generate(f.w.hsm, &spec, &f.spki, NULL));
    ck_assert_uint_eq(shim_calls(&f.w, "C_GenerateKeyPair"), 2);
    f.key = spec.key;
    assert_ok(sign(&f));
    faulty_release(&f);
}
END_TEST

START_TEST(generation_that_fails_for_good_leaves_nothing)
{
    struct hsm_key_spec spec = p256_spec();
    struct faulty f;
    bool found = true;

    faulty_init(&f);
    shim_rule(&f.w, "C_GenerateKeyPair 1- return 6");
    assert_rv(CKR_DEVICE_ERROR, hsm_generate(f.w.hsm, &spec, &f.spki, NULL));
    assert_ok(hsm_find(f.w.hsm, &spec.key, &found));
    ck_assert(!found);
    faulty_release(&f);
}
END_TEST

START_TEST(self_test_fails_on_a_device_whose_random_fails)
{
    struct faulty f;

    faulty_init(&f);
    shim_rule(&f.w, "C_GenerateRandom 1- return 289"); /* CKR_RANDOM_NO_RNG */
    assert_rv(CKR_RANDOM_NO_RNG, hsm_self_test(f.w.hsm));
    shim_forget_rules(&f.w);
    assert_ok(hsm_self_test(f.w.hsm));
    faulty_release(&f);
}
END_TEST

/* What is composed is offered where the HSM has what it is composed of. */
static const struct lacking {
    const char *rule; /* one mechanism the HSM does not have */
    CK_MECHANISM_TYPE gone;
    CK_FLAGS gone_use;
    CK_MECHANISM_TYPE stays;
    CK_FLAGS stays_use;
} lacking[] = {
    {"C_GetMechanismInfo 1- return 3", CKM_SHA3_256_RSA_PKCS_PSS, CKF_SIGN, CKM_SHA256_RSA_PKCS_PSS,
     CKF_SIGN},
    {"C_GetMechanismInfo 1- return 3", CKM_RSA_X_509, CKF_DECRYPT, CKM_RSA_PKCS_OAEP, CKF_DECRYPT},
    {"C_GetMechanismInfo 1- return 13", CKM_SHA3_256_RSA_PKCS_PSS, CKF_SIGN, CKM_RSA_X_509,
     CKF_SIGN},
    {"C_GetMechanismInfo 1- return 4176", CKM_ECDH1_DERIVE, CKF_DERIVE, CKM_ECDSA, CKF_SIGN},
    {"C_GetMechanismInfo 1- return 4176", CKM_ECDH1_COFACTOR_DERIVE, CKF_DECAPSULATE, CKM_ECDSA,
     CKF_SIGN},
    {"C_GetMechanismInfo 1- return 4225", CKM_AES_KEY_WRAP, CKF_WRAP, CKM_AES_GCM, CKF_WRAP},
};

START_TEST(what_is_composed_is_offered_where_its_parts_are)
{
    const struct lacking *l = &lacking[_i];
    struct hsm_world w;

    world_init(&w);
    world_use_shim(&w);
    world_open(&w);
    ck_assert(hsm_offers(w.hsm, l->gone, l->gone_use));
    ck_assert(hsm_offers(w.hsm, l->stays, l->stays_use));
    world_close(&w);
    shim_rule(&w, l->rule);
    world_open(&w);
    ck_assert(!hsm_offers(w.hsm, l->gone, l->gone_use));
    ck_assert(hsm_offers(w.hsm, l->stays, l->stays_use));
    ck_assert(!hsm_offers(w.hsm, CKM_RSA_X_509, CKF_UNWRAP)); /* never */
    world_release(&w);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_LOOP(fault_that_happens_once_is_repaired, FAULTS),
        CASE_LOOP(fault_that_stays_is_repaired_once_and_then_reported, FAULTS),
        CASE(session_the_device_has_no_room_for_is_tried_twice),
        CASE(hang_is_ended_within_the_deadline_and_the_worker_is_dead),
        CASE(worker_that_crashes_again_and_again_is_not_restarted_without_pause),
        CASE(idle_worker_that_is_killed_costs_nothing),
        CASE_LOOP(operation_in_parts_dies_with_its_worker_or_session_and_the_next_works, 5),
        CASE(key_made_just_before_a_crash_is_adopted),
        CASE(key_not_made_before_a_crash_is_not_made_again_behind_the_callers_back),
        CASE_LOOP(generation_after_a_passing_trouble_makes_one_key, 4),
        CASE(generation_that_fails_for_good_leaves_nothing),
        CASE(self_test_fails_on_a_device_whose_random_fails),
        CASE_LOOP(what_is_composed_is_offered_where_its_parts_are,
                  (int)(sizeof(lacking) / sizeof(*lacking))),
    };

    return suite_run("hsm/faults", cases, sizeof(cases) / sizeof(*cases));
}
