/* What a writer that died left behind: torn records are cut at any length, whole ones kept, an
 * unfinished checkpoint made again. */
#include "tests/support/logbox.h"
#include "tests/support/suite.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static size_t size_of(const struct logbox *box, const char *path)
{
    struct stat st;

    ck_assert_int_eq(stat(logbox_path(box, path), &st), 0);
    return (size_t)st.st_size;
}

/* A log of `whole` records and, behind them, the bytes of one more. */
struct torn {
    struct logbox box;
    uint64_t whole;
    uint8_t *file;
    size_t before; /* bytes of the whole records */
    size_t after;  /* and of one more */
};

static void torn_init(struct torn *t, unsigned whole, const char *journal)
{
    struct trail *trail = logbox_start(&t->box);

    t->whole = whole;
    logbox_append(trail, whole);
    assert_ok(trail_checkpoint(trail));
    t->before = size_of(&t->box, journal);
    logbox_append(trail, 1);
    t->file = logbox_read(&t->box, journal, &t->after);
    trail_close(trail);
}

static void torn_release(struct torn *t)
{
    free(t->file);
    logbox_release(&t->box);
}

static void continues(struct torn *t, struct trail *trail, uint64_t want)
{
    struct event event = logbox_event("next");
    struct verify_report report;
    uint64_t seq = 0;

    assert_ok(trail_append(trail, &event, &seq));
    ck_assert_uint_eq(seq, want);
    report = logbox_verify(&t->box);
    ck_assert_msg(report.ok, "%s", report.problem);
    ck_assert_uint_eq(report.size + report.unsigned_tail, want + 1);
}

START_TEST(a_record_torn_at_any_byte_is_cut_when_the_log_is_opened)
{
    struct torn t;

    torn_init(&t, 3, "journal/0");
    for (size_t len = t.before; len < t.after; len++) {
        struct verify_report report;
        struct trail *trail;

        logbox_write(&t.box, "journal/0", t.file, len);
        report = logbox_verify(&t.box);
        ck_assert_msg(report.ok, "%s", report.problem);
        ck_assert_uint_eq(report.unsigned_tail, 0);
        trail = logbox_open(&t.box);
        ck_assert_uint_eq(size_of(&t.box, "journal/0"), t.before);
        continues(&t, trail, t.whole);
        trail_close(trail);
    }
    torn_release(&t);
}
END_TEST

START_TEST(a_record_torn_at_any_byte_is_cut_by_the_next_append)
{
    struct torn t;
    struct trail *trail;
    uint64_t next;

    torn_init(&t, 3, "journal/0");
    trail = logbox_open(&t.box);
    next = t.whole + 1;
    for (size_t len = 1; len < t.after - t.before; len++) {
        /* What another writer leaves that dies over record `next`: the last one again, renumbered.
         */
        const char *journal = next < 256 ? "journal/0" : "journal/1";
        int fd = open(logbox_path(&t.box, journal), O_WRONLY | O_APPEND | O_CLOEXEC);
        uint8_t *torn = t.file + t.before;

        if (len < sizeof("LL{\"seq\":"))
            ck_assert_int_eq(write(fd, torn, len), (ssize_t)len);
        else
            ck_assert_int_gt(dprintf(fd, "\x3f\x80{\"seq\":%lu,%.*s", (unsigned long)next, (int)len,
                                     (char *)torn + sizeof("LL{\"seq\":3")),
                             0);
        (void)close(fd);
        logbox_settle();
        continues(&t, trail, next++);
    }
    trail_close(trail);
    torn_release(&t);
}
END_TEST

START_TEST(a_whole_record_of_a_killed_writer_is_taken_over)
{
    struct torn t;
    struct trail *trail;

    torn_init(&t, 3, "journal/0");
    trail = logbox_open(&t.box);
    continues(&t, trail, t.whole + 1);
    trail_close(trail);
    torn_release(&t);
}
END_TEST

START_TEST(the_last_record_of_a_bundle_torn_at_any_byte_is_cut)
{
    struct torn t;

    torn_init(&t, 255, "journal/0");
    for (size_t len = t.before; len < t.after; len += 7) {
        struct trail *trail;

        if (access(logbox_path(&t.box, "journal/0"), F_OK) != 0)
            ck_abort_msg("the bundle was moved");
        logbox_write(&t.box, "journal/0", t.file, len);
        trail = logbox_open(&t.box);
        continues(&t, trail, t.whole);
        trail_close(trail);
    }
    torn_release(&t);
}
END_TEST

START_TEST(the_first_record_of_a_bundle_torn_is_cut)
{
    struct torn t;

    torn_init(&t, 256, "journal/1");
    ck_assert_uint_eq(t.before, 0);
    for (size_t len = 0; len < t.after; len += 7) {
        struct trail *trail;

        logbox_write(&t.box, "journal/1", t.file, len);
        trail = logbox_open(&t.box);
        continues(&t, trail, t.whole);
        trail_close(trail);
    }
    torn_release(&t);
}
END_TEST

START_TEST(zeros_that_a_power_cut_left_are_cut)
{
    struct torn t;
    struct trail *trail;
    struct verify_report report;

    torn_init(&t, 3, "journal/0");
    memset(t.file + t.before, 0, t.after - t.before);
    logbox_write(&t.box, "journal/0", t.file, t.after);
    report = logbox_verify(&t.box);
    ck_assert_msg(report.ok, "%s", report.problem);
    ck_assert_uint_eq(report.unsigned_tail, 0);
    trail = logbox_open(&t.box);
    continues(&t, trail, t.whole);
    trail_close(trail);
    torn_release(&t);
}
END_TEST

START_TEST(an_empty_next_bundle_of_a_killed_writer_is_used)
{
    struct logbox box;
    struct trail *trail = logbox_start(&box);
    int fd;

    logbox_append(trail, 255);
    fd = open(logbox_path(&box, "journal/1"), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    (void)close(fd);
    trail_close(trail);
    trail = logbox_open(&box);
    logbox_append(trail, 10);
    assert_ok(trail_checkpoint(trail));
    ck_assert_uint_eq(logbox_verify(&box).size, 265);
    trail_close(trail);
    logbox_release(&box);
}
END_TEST

/* The signer's refusal stops a checkpoint where a crash is worst: tiles are written and bundles
 * moved, nothing is signed. */
START_TEST(an_unfinished_checkpoint_is_made_again)
{
    static const unsigned more[] = {0, 1, 255, 256, 300};
    struct logbox box;
    struct trail *trail = logbox_start(&box);
    struct verify_report report;

    logbox_append(trail, 200);
    assert_ok(trail_checkpoint(trail));
    logbox_append(trail, 400);
    box.sign_answer = CKR_DEVICE_ERROR;
    assert_rv(CKR_DEVICE_ERROR, trail_checkpoint(trail));
    trail_close(trail);
    box.sign_answer = CKR_OK;
    report = logbox_verify(&box);
    ck_assert_msg(report.ok, "%s", report.problem);
    ck_assert_uint_eq(report.size, 200);
    ck_assert_uint_eq(report.unsigned_tail, 400);
    trail = logbox_open(&box);
    logbox_append(trail, more[_i]);
    assert_ok(trail_checkpoint(trail));
    report = logbox_verify(&box);
    ck_assert_msg(report.ok, "%s", report.problem);
    ck_assert_uint_eq(report.size, 600 + more[_i]);
    trail_close(trail);
    logbox_release(&box);
}
END_TEST

START_TEST(tiles_of_records_that_a_power_cut_took_are_made_anew)
{
    struct logbox box;
    struct trail *trail = logbox_start(&box);
    struct event event = logbox_event("another");
    size_t kept;

    logbox_append(trail, 100);
    assert_ok(trail_checkpoint(trail));
    kept = size_of(&box, "journal/0");
    logbox_append(trail, 50);
    box.sign_answer = CKR_DEVICE_ERROR;
    assert_rv(CKR_DEVICE_ERROR, trail_checkpoint(trail));
    box.sign_answer = CKR_OK;
    trail_close(trail);
    ck_assert_int_eq(truncate(logbox_path(&box, "journal/0"), (off_t)kept), 0);
    trail = logbox_open(&box);
    for (int i = 0; i < 50; i++)
        assert_ok(trail_append(trail, &event, NULL));
    assert_ok(trail_checkpoint(trail));
    ck_assert(logbox_verify(&box).ok);
    trail_close(trail);
    logbox_release(&box);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_SLOW(a_record_torn_at_any_byte_is_cut_when_the_log_is_opened, 120),
        CASE(a_record_torn_at_any_byte_is_cut_by_the_next_append),
        CASE(a_whole_record_of_a_killed_writer_is_taken_over),
        CASE_SLOW(the_last_record_of_a_bundle_torn_at_any_byte_is_cut, 120),
        CASE_SLOW(the_first_record_of_a_bundle_torn_is_cut, 120),
        CASE(zeros_that_a_power_cut_left_are_cut),
        CASE(an_empty_next_bundle_of_a_killed_writer_is_used),
        CASE_LOOP(an_unfinished_checkpoint_is_made_again, 5),
        CASE(tiles_of_records_that_a_power_cut_took_are_made_anew),
    };

    return suite_run("audit/recovery", cases, sizeof(cases) / sizeof(*cases));
}
