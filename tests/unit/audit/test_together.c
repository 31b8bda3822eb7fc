/* Threads whose records are appended together: each gets its own number, and what is refused left
 * no record. */
#include "tests/support/logbox.h"
#include "tests/support/suite.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

enum { THREADS = 32, EACH = 64 };

/* What one thread appended, and what it was told. */
struct writer {
    struct trail *trail;
    pthread_t thread;
    unsigned number;
    unsigned each;
    bool durable; /* every other record */
    unsigned refused;
    unsigned appended;
    uint64_t seqs[EACH];
};

static void *write_all(void *arg)
{
    struct writer *w = arg;
    char name[32];

    for (unsigned i = 0; i < w->each; i++) {
        struct event event = logbox_event(name);

        (void)snprintf(name, sizeof(name), "by-%u-%u", w->number, w->appended);
        event.durable = w->durable && i % 2 == 0;
        if (trail_append(w->trail, &event, &w->seqs[w->appended]) == CKR_OK)
            w->appended++;
        else
            w->refused++;
    }
    return NULL;
}

static void run(struct trail *trail, struct writer *writers, unsigned each, bool durable)
{
    for (unsigned i = 0; i < THREADS; i++) {
        writers[i] = (struct writer){.trail = trail, .number = i, .each = each, .durable = durable};
        ck_assert_int_eq(pthread_create(&writers[i].thread, NULL, write_all, &writers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        (void)pthread_join(writers[i].thread, NULL);
}

struct reading {
    const struct writer *writers;
    uint64_t count;
};

/* The record of this number is the one that its writer was told has it. */
static bool is_as_told(void *ctx, uint64_t seq, struct bytes json)
{
    struct reading *r = ctx;
    char text[1024];
    unsigned long writer;
    unsigned long i;
    char *at;

    ck_assert_uint_lt(json.len, sizeof(text));
    memcpy(text, json.data, json.len);
    text[json.len] = '\0';
    at = strstr(text, "\"object\":\"by-");
    ck_assert_ptr_nonnull(at);
    writer = strtoul(at + strlen("\"object\":\"by-"), &at, 10);
    ck_assert_int_eq(*at, '-');
    i = strtoul(at + 1, &at, 10);
    ck_assert_int_eq(*at, '"');
    ck_assert_uint_lt(writer, THREADS);
    ck_assert_uint_lt(i, r->writers[writer].appended);
    ck_assert_uint_eq(r->writers[writer].seqs[i], seq);
    r->count++;
    return true;
}

static uint64_t appended(const struct writer *writers)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < THREADS; i++)
        n += writers[i].appended;
    return n;
}

/* As many records as were promised, each the one that was promised, and the log verifies. */
static void holds(struct logbox *box, struct trail *trail, const struct writer *writers)
{
    struct reading r = {.writers = writers};
    struct verify_report report;

    assert_ok(trail_checkpoint(trail));
    report = logbox_verify(box);
    ck_assert_msg(report.ok, "%s", report.problem);
    ck_assert_uint_eq(report.size, appended(writers));
    assert_ok(verify_read(box->dir, 0, is_as_told, &r));
    ck_assert_uint_eq(r.count, report.size);
}

START_TEST(every_thread_is_told_the_number_of_its_own_record)
{
    static struct writer writers[THREADS];
    struct logbox box;
    struct trail *trail = logbox_start(&box);

    run(trail, writers, EACH, false);
    ck_assert_uint_eq(appended(writers), THREADS * EACH);
    holds(&box, trail, writers);
    trail_close(trail);
    logbox_release(&box);
}
END_TEST

/* One after the other, most would be refused after TRAIL_DEADLINE_MS. A disk may be slow now and
 * then. */
START_TEST(threads_that_wait_for_the_disk_wait_together)
{
    static struct writer writers[THREADS];
    struct logbox box;
    struct trail *trail = logbox_start(&box);

    run(trail, writers, 8, true);
    ck_assert_uint_gt(appended(writers), THREADS * 4);
    holds(&box, trail, writers);
    trail_close(trail);
    logbox_release(&box);
}
END_TEST

/* A file that may grow no further ends the service in the middle of what is written together. */
START_TEST(what_is_refused_together_left_no_record)
{
    static struct writer writers[THREADS];
    const struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};
    struct rlimit small = {20000, RLIM_INFINITY};
    struct logbox box;
    struct trail *trail = logbox_start(&box);

    (void)signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    run(trail, writers, 4, _i == 1);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
    ck_assert_uint_gt(appended(writers), 0);
    ck_assert_uint_lt(appended(writers), THREADS * 4);
    holds(&box, trail, writers);
    trail_close(trail);
    logbox_release(&box);
}
END_TEST

START_TEST(threads_whose_time_is_up_leave_the_queue)
{
    static struct writer writers[THREADS];
    static struct writer after[THREADS];
    struct logbox box;
    struct trail *trail = logbox_start(&box);
    int lock = open(logbox_path(&box, "lock"), O_RDWR | O_CLOEXEC);

    ck_assert_int_eq(flock(lock, LOCK_EX), 0);
    run(trail, writers, 1, false);
    ck_assert_uint_eq(appended(writers), 0);
    ck_assert_int_eq(flock(lock, LOCK_UN), 0);
    (void)close(lock);
    run(trail, after, 1, false);
    ck_assert_uint_eq(appended(after), THREADS);
    holds(&box, trail, after);
    trail_close(trail);
    logbox_release(&box);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(every_thread_is_told_the_number_of_its_own_record),
        CASE_SLOW(threads_that_wait_for_the_disk_wait_together, 60),
        CASE_LOOP(what_is_refused_together_left_no_record, 2),
        CASE(threads_whose_time_is_up_leave_the_queue),
    };

    return suite_run("audit/together", cases, sizeof(cases) / sizeof(*cases));
}
