/*
 * The anchor in the HSM: a log that was put back to an older state, or whose newest records were
 * taken away, is not continued; every way back is. Whatever moment a change of the anchor is killed
 * in, the old one or the new one is in force.
 */
#include "tests/support/logbox.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct trail *start(struct logbox *box)
{
    logbox_init(box, 1);
    box->config.anchor_at_end = true;
    assert_ok(trail_create(&box->config));
    return logbox_open(box);
}

/* As a program that appends n records and ends. */
static void use(struct logbox *box, unsigned n)
{
    struct trail *trail = logbox_open(box);

    logbox_append(trail, n);
    assert_ok(trail_end(trail));
    trail_close(trail);
}

static void refused_with(struct trail *trail, const char *words)
{
    struct event event = logbox_event("x");
    char reason[FAIL_REASON_MAX];

    assert_rv(CKR_DEVICE_ERROR, trail_append(trail, &event, NULL));
    ck_assert_msg(strstr(fail_reason(), words) != NULL, "%s", fail_reason());
    ck_assert(trail_lost(trail, reason));
    ck_assert_msg(strstr(reason, words) != NULL, "%s", reason);
    assert_rv(CKR_DEVICE_ERROR, trail_checkpoint(trail));
    assert_rv(CKR_DEVICE_ERROR, trail_end(trail));
}

START_TEST(a_log_that_ended_well_goes_on_under_one_mark)
{
    struct logbox box;
    uint8_t root[32];
    uint64_t size;
    struct trail *trail;

    trail_close(start(&box));
    for (unsigned i = 1; i < 4; i++) {
        use(&box, 10);
        ck_assert_uint_eq(logbox_marks(&box), 1);
        trail = logbox_open(&box);
        assert_ok(trail_anchor(trail, &size, root));
        ck_assert_uint_eq(size, 10UL * i);
        trail_close(trail);
    }
    ck_assert(logbox_verify(&box).ok);
    logbox_release(&box);
}
END_TEST

START_TEST(yesterdays_folder_is_not_continued)
{
    struct logbox box;
    struct trail *trail;

    trail_close(start(&box));
    use(&box, 10);
    logbox_save(&box, "yesterday");
    use(&box, 1);
    logbox_restore(&box, "yesterday");
    ck_assert(logbox_verify(&box).ok); /* by itself it is whole: only the HSM knows */
    trail = logbox_open(&box);
    refused_with(trail, "put back to an older state");
    trail_close(trail);
    logbox_release(&box);
}
END_TEST

START_TEST(the_same_folder_put_back_is_continued)
{
    struct logbox box;

    trail_close(start(&box));
    use(&box, 10);
    logbox_save(&box, "now");
    logbox_restore(&box, "now");
    use(&box, 1);
    ck_assert_uint_eq(logbox_verify(&box).size, 11);
    logbox_release(&box);
}
END_TEST

static void copy_back(const struct logbox *box, const char *name, const char *file)
{
    char command[512];

    (void)snprintf(command, sizeof(command), "cp -a %s/%s/%s %s/%s", box->root, name, file,
                   box->dir, file);
    ck_assert_int_eq(system(command), 0); /* NOLINT(cert-env33-c): a test's own folder */
}

/* The log of yesterday, and with it the anchor of today: the HSM knows it. */
START_TEST(yesterdays_log_under_todays_anchor_is_missing_records)
{
    struct logbox box;
    struct verify_report report;
    struct verify_anchor anchor;
    struct trail *trail;

    trail_close(start(&box));
    use(&box, 10);
    logbox_save(&box, "yesterday");
    use(&box, 5);
    logbox_save(&box, "today");
    logbox_restore(&box, "yesterday");
    copy_back(&box, "today", "anchor");
    trail = logbox_open(&box);
    refused_with(trail, "records 10 to 14 are missing");
    assert_ok(trail_anchor(trail, &anchor.size, anchor.root));
    assert_ok(verify_log_anchored(box.dir, box.vkey, BYTES_NONE, &anchor, &report));
    ck_assert(!report.ok && report.has_bad_seq);
    ck_assert_uint_eq(report.bad_seq, 10);
    trail_close(trail);
    logbox_release(&box);
}
END_TEST

static const char *const spoilt[] = {"", "keyward log anchor\n", NULL};

START_TEST(without_its_anchor_nothing_is_appended)
{
    struct logbox box;
    struct trail *trail;

    trail_close(start(&box));
    use(&box, 10);
    if (spoilt[_i] != NULL)
        logbox_write(&box, "anchor", spoilt[_i], strlen(spoilt[_i]));
    else
        ck_assert_int_eq(unlink(logbox_path(&box, "anchor")), 0);
    trail = logbox_open(&box);
    refused_with(trail, "missing or damaged");
    trail_close(trail);
    logbox_release(&box);
}
END_TEST

/* One digit of what it says, and it is another anchor. */
START_TEST(a_changed_anchor_is_not_the_hsms)
{
    struct logbox box;
    struct trail *trail;
    size_t len;
    uint8_t *text;
    char *size;

    trail_close(start(&box));
    use(&box, 10);
    text = logbox_read(&box, "anchor", &len);
    size = strstr((char *)text, "\n10\n");
    ck_assert_ptr_nonnull(size);
    size[2] = '1'; /* NOLINT(clang-analyzer-core.NullDereference) */
    logbox_write(&box, "anchor", text, len);
    free(text);
    trail = logbox_open(&box);
    refused_with(trail, "does not know its anchor");
    trail_close(trail);
    logbox_release(&box);
}
END_TEST

START_TEST(service_is_back_with_the_newest_folder_in_a_program_that_runs)
{
    struct logbox box;
    struct event event = logbox_event("x");
    struct trail *trail;
    CK_RV rv = CKR_DEVICE_ERROR;

    trail_close(start(&box));
    use(&box, 10);
    logbox_save(&box, "yesterday");
    use(&box, 1);
    logbox_save(&box, "today");
    logbox_restore(&box, "yesterday");
    copy_back(&box, "today", "anchor");
    trail = logbox_open(&box);
    refused_with(trail, "missing");
    trail_close(trail);
    logbox_restore(&box, "today");
    ck_assert_int_eq(unlink(logbox_path(&box, "anchor")), 0);
    trail = logbox_open(&box);
    refused_with(trail, "missing or damaged");
    copy_back(&box, "today", "anchor");
    for (int i = 0; rv != CKR_OK && i < 100; i++) {
        (void)usleep(100000);
        rv = trail_append(trail, &event, NULL);
    }
    assert_ok(rv);
    trail_close(trail);
    logbox_release(&box);
}
END_TEST

START_TEST(an_accepted_loss_is_on_record_and_the_log_goes_on)
{
    struct logbox box;
    struct event event = logbox_event("accepted");
    char reason[FAIL_REASON_MAX];
    struct trail *trail;
    uint64_t seq;

    trail_close(start(&box));
    use(&box, 10);
    logbox_save(&box, "yesterday");
    use(&box, 5);
    logbox_restore(&box, "yesterday");
    trail = logbox_open(&box);
    refused_with(trail, "older state");
    event.accepts_loss = true;
    assert_ok(trail_append(trail, &event, &seq));
    ck_assert_uint_eq(seq, 10);
    event.accepts_loss = false; /* not yet accepted: that record alone */
    assert_rv(CKR_DEVICE_ERROR, trail_append(trail, &event, NULL));
    assert_ok(trail_accept_loss(trail));
    ck_assert(!trail_lost(trail, reason));
    assert_ok(trail_append(trail, &event, NULL));
    assert_ok(trail_end(trail));
    trail_close(trail);
    use(&box, 1);
    ck_assert_uint_eq(logbox_verify(&box).size, 13);
    logbox_release(&box);
}
END_TEST

/* ---- when it is set ---- */

struct hands {
    struct clock clock;
    int64_t now;
};

static int64_t hands_now(const struct clock *clock)
{
    return ((const struct hands *)clock)->now; /* its first member */
}

START_TEST(it_is_set_at_its_interval_and_no_sooner)
{
    struct hands hands = {.clock = {.realtime = hands_now, .monotonic = hands_now},
                          .now = INT64_C(1800000000) * 1000000000};
    struct logbox box;
    struct trail *trail;

    logbox_init(&box, 1);
    box.config.clock = &hands.clock;
    box.config.anchor_interval_s = 60;
    assert_ok(trail_create(&box.config));
    trail = logbox_open(&box);
    ck_assert_uint_eq(box.marks_put, 1);
    logbox_append(trail, 1);
    hands.now += INT64_C(59) * 1000000000;
    assert_ok(trail_checkpoint(trail));
    ck_assert_uint_eq(box.marks_put, 1);
    logbox_append(trail, 1);
    hands.now += INT64_C(1) * 1000000000;
    assert_ok(trail_checkpoint(trail));
    ck_assert_uint_eq(box.marks_put, 2);
    hands.now += INT64_C(600) * 1000000000; /* nothing new: the HSM is left alone */
    assert_ok(trail_checkpoint(trail));
    ck_assert_uint_eq(box.marks_put, 2);
    logbox_append(trail, 1);
    assert_ok(trail_end(trail)); /* the interval is over */
    ck_assert_uint_eq(box.marks_put, 3);
    logbox_append(trail, 1);
    assert_ok(trail_end(trail)); /* and not at the end, where it was not asked for */
    ck_assert_uint_eq(box.marks_put, 3);
    trail_close(trail);
    logbox_release(&box);
}
END_TEST

START_TEST(an_hsm_that_takes_no_mark_stops_no_service)
{
    struct logbox box;
    struct trail *trail = start(&box);

    logbox_append(trail, 3);
    box.mark_answer = CKR_DEVICE_MEMORY;
    assert_rv(CKR_DEVICE_MEMORY, trail_end(trail));
    logbox_append(trail, 3);
    box.mark_answer = CKR_OK;
    assert_ok(trail_end(trail));
    trail_close(trail);
    use(&box, 1);
    ck_assert_uint_eq(logbox_marks(&box), 1);
    logbox_release(&box);
}
END_TEST

/* ---- killed in it, and two at once ---- */

static int died_in_it(struct logbox *box, unsigned at)
{
    pid_t child = fork();
    int status = 0;

    if (child == 0) {
        struct trail *trail = logbox_open(box);

        logbox_append(trail, 1);
        box->die_at = at;
        _exit(trail_end(trail) == CKR_OK ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

START_TEST(killed_in_any_moment_leaves_the_old_one_or_the_new_one)
{
    struct logbox box;
    struct trail *trail;
    unsigned at = 1;

    trail_close(start(&box));
    use(&box, 2);
    logbox_save(&box, "before");
    while (died_in_it(&box, at) == LOGBOX_DIED) {
        use(&box, 1); /* goes on, whatever it finds */
        ck_assert_uint_eq(logbox_marks(&box), 1);
        at++;
    }
    ck_assert_uint_eq(at,
                      5); /* before and after the new mark, before and after the old one's end */
    logbox_restore(&box, "before");
    trail = logbox_open(&box);
    refused_with(trail, "older state");
    trail_close(trail);
    logbox_release(&box);
}
END_TEST

START_TEST(several_that_end_at_once_leave_one_mark)
{
    enum { PROCESSES = 4, TIMES = 10 };
    struct logbox box;
    int status;

    trail_close(start(&box));
    for (int i = 0; i < PROCESSES; i++)
        if (fork() == 0) {
            for (int n = 0; n < TIMES; n++)
                use(&box, 1);
            _exit(0);
        }
    for (int i = 0; i < PROCESSES; i++) {
        ck_assert_int_gt(wait(&status), 0);
        ck_assert_int_eq(status, 0);
    }
    use(&box, 1);
    ck_assert_uint_eq(logbox_marks(&box), 1);
    ck_assert_uint_eq(logbox_verify(&box).size, PROCESSES * TIMES + 1);
    logbox_release(&box);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(a_log_that_ended_well_goes_on_under_one_mark),
        CASE(yesterdays_folder_is_not_continued),
        CASE(the_same_folder_put_back_is_continued),
        CASE(yesterdays_log_under_todays_anchor_is_missing_records),
        CASE_LOOP(without_its_anchor_nothing_is_appended, sizeof(spoilt) / sizeof(*spoilt)),
        CASE(a_changed_anchor_is_not_the_hsms),
        CASE_SLOW(service_is_back_with_the_newest_folder_in_a_program_that_runs, 60),
        CASE(an_accepted_loss_is_on_record_and_the_log_goes_on),
        CASE(it_is_set_at_its_interval_and_no_sooner),
        CASE(an_hsm_that_takes_no_mark_stops_no_service),
        CASE(killed_in_any_moment_leaves_the_old_one_or_the_new_one),
        CASE_SLOW(several_that_end_at_once_leave_one_mark, 60),
    };

    return suite_run("audit/anchor", cases, sizeof(cases) / sizeof(*cases));
}
