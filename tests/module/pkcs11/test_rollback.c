/*
 * A home that was put back to an older state, its HSM apart: the module appends nothing to a log
 * that is behind the anchor in the HSM, says so, and goes on when the newest state is back or an
 * administrator accepts the loss.
 */
#include "tests/support/verbs.h"

#include <stdio.h>
#include <string.h>

static void run(const char *program, const char *a, const char *b, const char *c)
{
    const char *const argv[] = {program, a, b, c, NULL};

    ck_assert_int_eq(lab_program(argv), 0);
}

/* The log alone, or the log and the store: what a backup of the disk has. */
static const char *const with_store[] = {NULL, "store.db"};

static void copy(const struct lab *lab, const char *from_prefix, const char *to_prefix,
                 const char *name)
{
    char from[2 * LAB_PATH_MAX];
    char to[2 * LAB_PATH_MAX];

    (void)snprintf(from, sizeof(from), "%s/%s%s", lab->home, from_prefix, name);
    (void)snprintf(to, sizeof(to), "%s/%s%s", lab->home, to_prefix, name);
    run("rm", "-rf", to, NULL);
    run("cp", "-a", from, to);
}

static void save(const struct lab *lab, const char *prefix, int i)
{
    copy(lab, "", prefix, "log");
    if (with_store[i] != NULL)
        copy(lab, "", prefix, with_store[i]);
}

static void restore(const struct lab *lab, const char *prefix, int i)
{
    copy(lab, prefix, "", "log");
    if (with_store[i] != NULL)
        copy(lab, prefix, "", with_store[i]);
}

static void use(struct lab *lab)
{
    lab_up(lab);
    lab_signs(lab, lab_alice(lab));
    assert_ok(lab->f->C_Finalize(NULL));
}

static const char status[] = "{\"verb\":\"status\"}";
static const char accept[] = "{\"verb\":\"log.accept-loss\"}";

/* No use of a key, no login, no administration; whoever asks hears why. */
static void refuses_everything(struct lab *lab)
{
    CK_SESSION_HANDLE session;
    CK_BYTE random[8];

    lab_up(lab);
    session = lab_session(lab, CKF_SERIAL_SESSION | CKF_RW_SESSION);
    assert_rv(CKR_DEVICE_ERROR, lab_login(lab, session, CKU_USER, LAB_PIN));
    assert_rv(CKR_DEVICE_ERROR, lab->f->C_GenerateRandom(session, random, sizeof(random)));
    verb_refused(lab, CKR_DEVICE_ERROR, "put back to an older state", NULL, status);
    verb_refused(lab, CKR_DEVICE_ERROR, "accept-loss", NULL, "{\"verb\":\"vault.list\"}");
    verb_refused(lab, CKR_DEVICE_ERROR, "older state", NULL, "{\"verb\":\"log.verify\"}");
    ck_assert_ptr_nonnull(strstr(verb_text(lab, "report.problem"), "older state"));
    verb_refused(lab, CKR_DEVICE_ERROR, "older state", NULL, "{\"verb\":\"log.checkpoint\"}");
    assert_ok(lab->f->C_Finalize(NULL));
}

START_TEST(an_older_copy_is_refused_and_the_newest_serves_again)
{
    struct lab lab;

    lab_make(&lab);
    use(&lab);
    save(&lab, "old-", _i);
    use(&lab);
    save(&lab, "new-", _i);
    restore(&lab, "old-", _i);
    refuses_everything(&lab);
    restore(&lab, "new-", _i);
    use(&lab);
    (void)lab_log_whole(&lab);
    lab_end(&lab);
}
END_TEST

START_TEST(a_copy_of_now_is_no_older_copy)
{
    struct lab lab;

    lab_make(&lab);
    use(&lab);
    save(&lab, "now-", _i);
    restore(&lab, "now-", _i);
    use(&lab);
    (void)lab_log_whole(&lab);
    lab_end(&lab);
}
END_TEST

START_TEST(the_administrator_accepts_the_loss_on_record)
{
    struct lab lab;

    lab_make(&lab);
    save(&lab, "old-", 1);
    use(&lab);
    restore(&lab, "old-", 1);
    lab_up(&lab);
    verb_refused(&lab, CKR_DEVICE_ERROR, "older state", NULL, status);
    verb_ok(&lab, NULL, accept);
    verb_ok(&lab, NULL, status);
    verb_ok(&lab, NULL, "{\"verb\":\"log.verify\"}");
    assert_ok(lab.f->C_Finalize(NULL));
    use(&lab);
    ck_assert_uint_eq(lab_log_count(&lab, "log.accept-loss", NULL), 2); /* intent and outcome */
    (void)lab_log_whole(&lab);
    lab_end(&lab);
}
END_TEST

static void nobody_accepts(struct lab *lab, int n)
{
    (void)n;
    verb_refused(lab, CKR_DEVICE_ERROR, "older state", NULL, accept);
    verb_refused(lab, CKR_DEVICE_ERROR, "older state", NULL, status);
}

START_TEST(and_nobody_else)
{
    struct lab lab;

    lab_make(&lab);
    save(&lab, "old-", 1);
    use(&lab);
    restore(&lab, "old-", 1);
    (void)verb_as_nobody(&lab, nobody_accepts, 0);
    lab_end(&lab);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_LOOP(an_older_copy_is_refused_and_the_newest_serves_again, 2),
        CASE_LOOP(a_copy_of_now_is_no_older_copy, 2),
        CASE(the_administrator_accepts_the_loss_on_record),
        CASE(and_nobody_else),
    };

    return lab_suite_run("pkcs11/rollback", cases, sizeof(cases) / sizeof(*cases));
}
