/*
 * Eight processes at once on one home, each a writer and a reader: no object and no record is lost,
 * and the log is one gapless sequence that verifies.
 */
#include "tests/support/lab.h"

#include <stdio.h>

#define PROCESSES 8
#define ROUNDS    6

static void label_of(int process, int round, char ret[static 32])
{
    (void)snprintf(ret, 32, "p%d-r%d", process, round);
}

static void make_and_use(const struct lab *lab, CK_SESSION_HANDLE session, const char *label)
{
    CK_OBJECT_HANDLE public_key = 0;
    CK_OBJECT_HANDLE private_key = 0;
    CK_BYTE signature[LAB_SIGNATURE_MAX];
    CK_ULONG len = 0;

    assert_ok(lab_generate(lab, session, label, &public_key, &private_key));
    assert_ok(lab_sign(lab, session, private_key, "a", 1, signature, &len));
    assert_ok(lab_verify(lab, session, public_key, "a", 1, signature, len));
    ck_assert_uint_ne(lab_find(lab, session, CKO_PRIVATE_KEY, label), 0);
}

static void work(struct lab *lab, int n)
{
    CK_SESSION_HANDLE session;

    lab_up(lab);
    session = lab_alice(lab);
    for (int round = 0; round < ROUNDS; round++) {
        char label[32];

        label_of(n, round, label);
        make_and_use(lab, session, label);
        assert_ok(lab->f->C_Logout(session));
        assert_ok(lab_login(lab, session, CKU_USER, LAB_PIN));
    }
    lab_unload(lab);
}

/* What every process did stands in the log once a time, and what it made is there and works. */
static void assert_nothing_lost(const struct lab *lab, CK_ULONG objects_before)
{
    CK_SESSION_HANDLE session = lab_alice(lab);

    ck_assert_uint_eq(lab_count(lab, session), objects_before + 2u * PROCESSES * ROUNDS);
    for (int n = 0; n < PROCESSES; n++)
        for (int round = 0; round < ROUNDS; round++) {
            CK_BYTE signature[LAB_SIGNATURE_MAX];
            CK_ULONG len = 0;
            CK_OBJECT_HANDLE key;
            char label[32];

            label_of(n, round, label);
            key = lab_find(lab, session, CKO_PRIVATE_KEY, label);
            ck_assert_msg(key != 0, "key %s is lost", label);
            assert_ok(lab_sign(lab, session, key, "b", 1, signature, &len));
        }
}

static void count_objects(struct lab *lab, CK_ULONG *ret)
{
    lab_up(lab);
    *ret = lab_count(lab, lab_alice(lab));
    assert_ok(lab->f->C_Finalize(NULL));
}

START_TEST(eight_processes_lose_no_object_and_no_record)
{
    pid_t children[PROCESSES];
    struct lab lab;
    CK_ULONG before = 0;
    unsigned signatures;
    unsigned logins;

    lab_make(&lab);
    count_objects(&lab, &before);
    signatures = lab_log_count(&lab, "C_Sign", "CKR_OK");
    logins = lab_log_count(&lab, "C_Login", "CKR_OK");
    for (int i = 0; i < PROCESSES; i++)
        children[i] = lab_child(work, &lab, i);
    for (int i = 0; i < PROCESSES; i++)
        lab_join(children[i]);
    ck_assert_uint_eq(lab_log_count(&lab, "C_Sign", "CKR_OK"), signatures + PROCESSES * ROUNDS);
    ck_assert_uint_eq(lab_log_count(&lab, "C_Login", "CKR_OK"), logins + PROCESSES * (ROUNDS + 1));
    lab_up(&lab);
    assert_nothing_lost(&lab, before);
    (void)lab_log_whole(&lab);
    lab_end(&lab);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_SLOW(eight_processes_lose_no_object_and_no_record, 240),
    };

    return lab_suite_run("pkcs11/processes", cases, sizeof(cases) / sizeof(*cases));
}
