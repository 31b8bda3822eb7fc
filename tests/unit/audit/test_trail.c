/* Writing the log: one gapless sequence whoever appends, checkpoints that third parties can verify.
 */
#include "tests/support/logbox.h"
#include "tests/support/suite.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static bool exists(const struct logbox *box, const char *path)
{
    struct stat st;

    return stat(logbox_path(box, path), &st) == 0;
}

static bool count_one(void *ctx, uint64_t seq, struct bytes json)
{
    char want[64];
    int len = snprintf(want, sizeof(want), "{\"seq\":%lu,", (unsigned long)seq);

    ck_assert_int_eq(memcmp(json.data, want, (size_t)len), 0);
    ++*(uint64_t *)ctx;
    return true;
}

START_TEST(an_appended_event_is_read_back)
{
    struct logbox box;
    struct trail *trail = logbox_start(&box);
    struct event event = logbox_event("label \"1\"");
    uint64_t seq = 99;
    size_t len;
    uint8_t *file;

    assert_ok(trail_append(trail, &event, &seq));
    ck_assert_uint_eq(seq, 0);
    file = logbox_read(&box, "journal/0", &len);
    ck_assert_uint_eq((size_t)(file[0] << 8 | file[1]), len - 2);
    ck_assert_ptr_nonnull(strstr((char *)file + 2, "\"object\":\"label \\\"1\\\"\""));
    ck_assert_int_eq(file[len - 1], '}');
    free(file);
    trail_close(trail);
    logbox_release(&box);
}
END_TEST

START_TEST(two_writers_share_one_sequence)
{
    struct logbox box;
    struct trail *a = logbox_start(&box);
    struct trail *b = logbox_open(&box);
    struct event event = logbox_event("x");
    uint64_t count = 0;

    for (uint64_t i = 0; i < 700; i++) {
        uint64_t seq;

        assert_ok(trail_append(i % 7 < 3 ? a : b, &event, &seq));
        ck_assert_uint_eq(seq, i);
    }
    assert_ok(verify_read(box.dir, 0, count_one, &count));
    ck_assert_uint_eq(count, 700);
    trail_close(a);
    trail_close(b);
    logbox_release(&box);
}
END_TEST

START_TEST(a_writer_left_behind_by_moved_bundles_catches_up)
{
    struct logbox box;
    struct trail *slow = logbox_start(&box);
    struct trail *fast = logbox_open(&box);
    struct event event = logbox_event("x");
    uint64_t seq;

    logbox_append(slow, 10);
    logbox_append(fast, 790);
    assert_ok(trail_checkpoint(fast));
    ck_assert(!exists(&box, "journal/0"));
    ck_assert(exists(&box, "tile/entries/002"));
    assert_ok(trail_append(slow, &event, &seq));
    ck_assert_uint_eq(seq, 800);
    assert_ok(trail_checkpoint(slow));
    ck_assert_uint_eq(logbox_verify(&box).size, 801);
    trail_close(slow);
    trail_close(fast);
    logbox_release(&box);
}
END_TEST

static const unsigned steps[] = {1, 254, 1, 1, 255, 256, 1, 511, 256, 0, 700};

START_TEST(a_checkpoint_at_any_size_verifies)
{
    struct logbox box;
    struct trail *trail = logbox_start(&box);
    uint64_t size = 0;

    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
        struct verify_report report;

        logbox_append(trail, steps[i]);
        size += steps[i];
        assert_ok(trail_checkpoint(trail));
        report = logbox_verify(&box);
        ck_assert_msg(report.ok, "%s", report.problem);
        ck_assert_uint_eq(report.size, size);
        ck_assert_uint_eq(report.unsigned_tail, 0);
        if (_i == 1) { /* the edge read back from the tiles each time */
            trail_close(trail);
            trail = logbox_open(&box);
        }
    }
    trail_close(trail);
    logbox_release(&box);
}
END_TEST

START_TEST(partial_files_go_when_the_full_ones_are_there)
{
    struct logbox box;
    struct trail *trail = logbox_start(&box);

    logbox_append(trail, 3);
    assert_ok(trail_checkpoint(trail));
    logbox_append(trail, 3);
    assert_ok(trail_checkpoint(trail));
    ck_assert(exists(&box, "tile/0/000.p/3"));
    ck_assert(exists(&box, "tile/entries/000.p/6"));
    logbox_append(trail, 251);
    assert_ok(trail_checkpoint(trail));
    ck_assert(!exists(&box, "tile/0/000.p"));
    ck_assert(!exists(&box, "tile/entries/000.p"));
    ck_assert(exists(&box, "tile/0/000"));
    ck_assert(exists(&box, "tile/0/001.p/1"));
    ck_assert(exists(&box, "tile/1/000.p/1"));
    ck_assert(exists(&box, "tile/entries/000"));
    trail_close(trail);
    logbox_release(&box);
}
END_TEST

START_TEST(a_third_level_of_tiles_verifies)
{
    struct logbox box;
    struct trail *trail = logbox_start(&box);
    struct verify_report report;

    logbox_append(trail, 65536 + 300);
    assert_ok(trail_checkpoint(trail));
    ck_assert(exists(&box, "tile/1/000"));
    ck_assert(exists(&box, "tile/2/000.p/1"));
    logbox_append(trail, 10);
    trail_close(trail);
    trail = logbox_open(&box);
    assert_ok(trail_checkpoint(trail));
    report = logbox_verify(&box);
    ck_assert_msg(report.ok, "%s", report.problem);
    ck_assert_uint_eq(report.size, 65536 + 310);
    trail_close(trail);
    logbox_release(&box);
}
END_TEST

START_TEST(nothing_new_signs_nothing)
{
    struct logbox box;
    struct trail *trail = logbox_start(&box);

    logbox_append(trail, 1);
    assert_ok(trail_checkpoint(trail));
    ck_assert_uint_eq(box.signatures, 2);
    assert_ok(trail_checkpoint(trail));
    ck_assert_uint_eq(box.signatures, 2);
    trail_close(trail);
    logbox_release(&box);
}
END_TEST

START_TEST(a_checkpoint_covers_what_other_writers_appended)
{
    struct logbox box;
    struct trail *a = logbox_start(&box);
    struct trail *b = logbox_open(&box);

    logbox_append(a, 5);
    assert_ok(trail_checkpoint(b));
    ck_assert_uint_eq(logbox_verify(&box).size, 5);
    logbox_append(b, 300);
    assert_ok(trail_checkpoint(a));
    ck_assert_uint_eq(logbox_verify(&box).size, 305);
    trail_close(a);
    trail_close(b);
    logbox_release(&box);
}
END_TEST

/* A clock that stands still until told. */
static int64_t now_ns = 1767323045000000000;

static int64_t stopped(const struct clock *clock)
{
    (void)clock;
    return now_ns;
}

static const struct clock stopped_clock = {.realtime = stopped, .monotonic = stopped};

START_TEST(a_checkpoint_is_due_after_its_interval_and_only_with_new_records)
{
    struct logbox box;
    struct trail *trail;

    logbox_init(&box, 1);
    box.config.clock = &stopped_clock;
    box.config.interval_ms = 50;
    assert_ok(trail_create(&box.config));
    trail = logbox_open(&box);
    now_ns += 50000000;
    ck_assert(!trail_checkpoint_due(trail));
    logbox_append(trail, 1);
    ck_assert(trail_checkpoint_due(trail));
    assert_ok(trail_checkpoint(trail));
    logbox_append(trail, 1);
    now_ns += 49999999;
    ck_assert(!trail_checkpoint_due(trail));
    now_ns += 1;
    ck_assert(trail_checkpoint_due(trail));
    box.sign_answer = CKR_DEVICE_REMOVED;
    assert_rv(CKR_DEVICE_REMOVED, trail_checkpoint(trail));
    ck_assert(!trail_checkpoint_due(trail)); /* a failing device is not asked at every call */
    now_ns += 50000000;
    ck_assert(trail_checkpoint_due(trail));
    trail_close(trail);
    logbox_release(&box);
}
END_TEST

START_TEST(status_tells_sizes_and_the_last_refusal)
{
    struct logbox box;
    struct trail *trail = logbox_start(&box);
    struct trail_status status;

    logbox_append(trail, 4);
    assert_ok(trail_checkpoint(trail));
    logbox_append(trail, 3);
    assert_ok(trail_status(trail, &status));
    ck_assert_uint_eq(status.size, 7);
    ck_assert_uint_eq(status.signed_size, 4);
    ck_assert_str_eq(status.last_error, "");
    trail_close(trail);
    logbox_release(&box);
}
END_TEST

START_TEST(a_durable_event_is_appended_like_any_other)
{
    struct logbox box;
    struct trail *trail = logbox_start(&box);
    struct event event = logbox_event("x");
    uint64_t seq = 0;

    event.durable = true;
    for (uint64_t i = 0; i < 3; i++) {
        logbox_append(trail, 255 + (i == 1)); /* before, at and behind the end of a bundle */
        assert_ok(trail_append(trail, &event, &seq));
    }
    ck_assert_uint_eq(seq, 768);
    assert_ok(trail_checkpoint(trail));
    ck_assert(logbox_verify(&box).ok);
    trail_close(trail);
    logbox_release(&box);
}
END_TEST

static void *append_500(void *trail)
{
    logbox_append(trail, 500);
    return NULL;
}

START_TEST(threads_share_one_trail)
{
    struct logbox box;
    struct trail *trail = logbox_start(&box);
    pthread_t threads[4];
    struct verify_report report;

    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, append_500, trail), 0);
    for (int i = 0; i < 20; i++)
        assert_ok(trail_checkpoint(trail));
    for (int i = 0; i < 4; i++)
        (void)pthread_join(threads[i], NULL);
    assert_ok(trail_checkpoint(trail));
    report = logbox_verify(&box);
    ck_assert_msg(report.ok, "%s", report.problem);
    ck_assert_uint_eq(report.size, 2000);
    trail_close(trail);
    logbox_release(&box);
}
END_TEST

START_TEST(a_forked_child_that_abandons_leaves_the_parent_alone)
{
    struct logbox box;
    struct trail *trail = logbox_start(&box);
    int status;
    pid_t child;

    logbox_append(trail, 1);
    child = fork();
    if (child == 0) {
        trail_abandon(trail);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    logbox_append(trail, 1);
    assert_ok(trail_checkpoint(trail));
    ck_assert_uint_eq(logbox_verify(&box).size, 2);
    trail_close(trail);
    logbox_release(&box);
}
END_TEST

START_TEST(a_trail_follows_its_folder_when_the_host_changes_directory)
{
    struct logbox box;
    struct trail *trail = NULL;

    logbox_init(&box, 1);
    ck_assert_int_eq(chdir(box.root), 0);
    box.config.dir = "log";
    assert_ok(trail_create(&box.config));
    assert_ok(trail_open(&box.config, &trail));
    ck_assert_int_eq(chdir("/"), 0);
    logbox_append(trail, 300);
    assert_ok(trail_checkpoint(trail));
    ck_assert_uint_eq(logbox_verify(&box).size, 300);
    trail_close(trail);
    logbox_release(&box);
}
END_TEST

START_TEST(reading_starts_and_stops_where_asked)
{
    struct logbox box;
    struct trail *trail = logbox_start(&box);
    uint64_t count = 0;

    logbox_append(trail, 600);
    assert_ok(trail_checkpoint(trail));
    logbox_append(trail, 20);
    assert_ok(verify_read(box.dir, 250, count_one, &count));
    ck_assert_uint_eq(count, 370);
    count = 0;
    assert_ok(verify_read(box.dir, 620, count_one, &count));
    assert_ok(verify_read(box.dir, 100000, count_one, &count));
    ck_assert_uint_eq(count, 0);
    trail_close(trail);
    logbox_release(&box);
}
END_TEST

static bool stop_at_once(void *ctx, uint64_t seq, struct bytes json)
{
    (void)seq;
    (void)json;
    ++*(uint64_t *)ctx;
    return false;
}

START_TEST(reading_stops_when_told)
{
    struct logbox box;
    struct trail *trail = logbox_start(&box);
    uint64_t count = 0;

    logbox_append(trail, 300);
    assert_ok(verify_read(box.dir, 0, stop_at_once, &count));
    ck_assert_uint_eq(count, 1);
    trail_close(trail);
    logbox_release(&box);
}
END_TEST

static int64_t told = 1767323045678901000; /* by the clock below */

static int64_t tell(const struct clock *clock)
{
    (void)clock;
    return told;
}

/* Also where the newest record is the last of a bundle that is full. */
START_TEST(the_newest_time_is_known_after_opening)
{
    static const unsigned sizes[] = {1, 255, 256, 257, 512};
    const struct clock still = {.realtime = tell, .monotonic = clock_system.monotonic};
    struct logbox box;
    struct trail *trail;

    logbox_init(&box, 1);
    box.config.clock = &still;
    assert_ok(trail_create(&box.config));
    assert_ok(trail_open(&box.config, &trail));
    ck_assert_int_eq(trail_newest(trail), 0);
    logbox_append(trail, sizes[_i]);
    trail_close(trail);
    assert_ok(trail_open(&box.config, &trail));
    ck_assert_int_eq(trail_newest(trail), told);
    trail_close(trail);
    logbox_release(&box);
}
END_TEST

static bool time_is(void *ctx, uint64_t seq, struct bytes json)
{
    char want[64];

    clock_format(*(int64_t *)ctx, want);
    ck_assert_ptr_nonnull(memmem(json.data, json.len, want, strlen(want)));
    return seq < 1;
}

START_TEST(times_do_not_go_back_unless_the_clock_is_accepted)
{
    const struct clock still = {.realtime = tell, .monotonic = clock_system.monotonic};
    int64_t before = told;
    struct logbox box;
    struct trail *trail;

    logbox_init(&box, 1);
    box.config.clock = &still;
    assert_ok(trail_create(&box.config));
    assert_ok(trail_open(&box.config, &trail));
    logbox_append(trail, 1);
    told -= 3600000000000;
    logbox_append(trail, 1);
    assert_ok(verify_read(box.dir, 0, time_is, &before));
    assert_ok(trail_accept_clock(trail));
    ck_assert_int_eq(trail_newest(trail), told);
    logbox_append(trail, 1);
    assert_ok(verify_read(box.dir, 2, time_is, &told));
    trail_close(trail);
    logbox_release(&box);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(an_appended_event_is_read_back),
        CASE(two_writers_share_one_sequence),
        CASE(a_writer_left_behind_by_moved_bundles_catches_up),
        {.test = a_checkpoint_at_any_size_verifies, .loop_end = 2, .timeout_s = 120},
        CASE(partial_files_go_when_the_full_ones_are_there),
        CASE_SLOW(a_third_level_of_tiles_verifies, 120),
        CASE(nothing_new_signs_nothing),
        CASE(a_checkpoint_covers_what_other_writers_appended),
        CASE(a_checkpoint_is_due_after_its_interval_and_only_with_new_records),
        CASE(status_tells_sizes_and_the_last_refusal),
        CASE(a_durable_event_is_appended_like_any_other),
        CASE_SLOW(threads_share_one_trail, 120),
        CASE(a_forked_child_that_abandons_leaves_the_parent_alone),
        CASE(a_trail_follows_its_folder_when_the_host_changes_directory),
        CASE(reading_starts_and_stops_where_asked),
        CASE(reading_stops_when_told),
        {.test = the_newest_time_is_known_after_opening, .loop_end = 5, .timeout_s = 120},
        CASE(times_do_not_go_back_unless_the_clock_is_accepted),
    };

    return suite_run("audit/trail", cases, sizeof(cases) / sizeof(*cases));
}
