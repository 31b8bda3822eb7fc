/* Threads whose records are appended together: each gets its own number, and what is refused left
 * no record. */
#include "tests/support/logbox.h"
#include "tests/support/suite.h"

#include "audit/durable.h"
#include "audit/turn.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
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

START_TEST(threads_whose_time_is_up_left_no_record)
{
    static struct writer writers[THREADS];
    static struct writer after[THREADS];
    struct logbox box;
    struct trail *trail = logbox_start(&box);
    int folder = open(box.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct turn turn;

    assert_ok(turn_open(&turn, folder));
    assert_ok(turn_take(&turn));
    run(trail, writers, 1, false);
    ck_assert_uint_eq(appended(writers), 0);
    turn_give(&turn);
    turn_close(&turn);
    (void)close(folder);
    run(trail, after, 1, false);
    ck_assert_uint_eq(appended(after), THREADS);
    holds(&box, trail, after);
    trail_close(trail);
    logbox_release(&box);
}
END_TEST

static int turns_folder;

/* A turn of most of the time that anybody waits for nobody's. */
static void *have_long_turn(void *had)
{
    struct turn turn;

    if (turn_open(&turn, turns_folder) != CKR_OK)
        return NULL;
    if (turn_take(&turn) == CKR_OK) {
        (void)usleep(TRAIL_DEADLINE_MS * 600);
        *(bool *)had = true;
        turn_give(&turn);
    }
    turn_close(&turn);
    return NULL;
}

START_TEST(who_waits_for_many_turns_gets_one)
{
    struct logbox box;
    struct trail *trail = logbox_start(&box);
    pthread_t ids[6];
    bool had[6] = {false};

    turns_folder = open(box.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < 6; i++)
        ck_assert_int_eq(pthread_create(&ids[i], NULL, have_long_turn, &had[i]), 0);
    for (size_t i = 0; i < 6; i++) {
        ck_assert_int_eq(pthread_join(ids[i], NULL), 0);
        ck_assert_msg(had[i], "the %zu. was refused while others had their turns", i + 1);
    }
    (void)close(turns_folder);
    trail_close(trail);
    logbox_release(&box);
}
END_TEST

/* Alone with System V memory of our own: none, or other than that of who came first. False without
 * the rights to make such a place. */
static bool leave_ipc_namespace(bool no_memory)
{
    FILE *limit;
    bool good;

    if (unshare(CLONE_NEWIPC) != 0)
        return false;
    if (!no_memory)
        return true;
    limit = fopen("/proc/sys/kernel/shmmni", "we");
    good = limit != NULL && fputs("0", limit) >= 0;
    return limit != NULL && fclose(limit) == 0 && good;
}

START_TEST(without_memory_to_share_turns_are_taken_by_the_lock_file)
{
    static struct writer writers[THREADS];
    struct logbox box;
    struct trail *trail;
    pid_t child;
    int status = 0;

    if (!leave_ipc_namespace(true))
        return;
    trail = logbox_start(&box);
    child = fork();
    if (child == 0) {
        struct trail *other = logbox_open(&box);
        struct event event = logbox_event("by-0-0");

        _exit(trail_append(other, &event, NULL) == CKR_OK ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    run(trail, writers, 4, false);
    ck_assert_uint_eq(appended(writers), THREADS * 4);
    assert_ok(trail_checkpoint(trail));
    ck_assert(logbox_verify(&box).ok);
    ck_assert_uint_eq(logbox_verify(&box).size, THREADS * 4 + 1);
    trail_close(trail);
    logbox_release(&box);
}
END_TEST

START_TEST(who_sees_other_memory_is_refused_beside_those_who_write)
{
    struct logbox box;
    struct trail *trail = logbox_start(&box);
    pid_t child = fork();
    int status = 0;

    if (child == 0) {
        struct trail *other = NULL;

        if (!leave_ipc_namespace(_i == 1))
            _exit(0);
        if (trail_open(&box.config, &other) == CKR_OK) {
            struct event event = logbox_event("x");

            _exit(trail_append(other, &event, NULL) == CKR_OK ? 1 : 0);
        }
        _exit(strstr(fail_reason(), "IPC namespace") != NULL ? 0 : 2);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    logbox_append(trail, 1);
    trail_close(trail);
    logbox_release(&box);
}
END_TEST

/* A bundle that cannot be synced, since it is not there, stands for a disk that refuses. */
START_TEST(what_the_disk_refused_is_never_called_durable_later)
{
    struct logbox box;
    struct trail *trail = logbox_start(&box);
    _Atomic uint64_t size = 2;
    int folder = open(box.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct durable d = {.folder = folder};
    char away[128];

    logbox_append(trail, 3);
    durable_init(&d);
    durable_start(&d, folder, 0);
    (void)snprintf(away, sizeof(away), "%s", logbox_path(&box, "away"));
    ck_assert_int_eq(rename(logbox_path(&box, "journal/0"), away), 0);
    assert_rv(CKR_DEVICE_ERROR, durable_wait(&d, 1, &size));
    ck_assert_int_eq(rename(away, logbox_path(&box, "journal/0")), 0);
    size = 3;
    assert_ok(durable_wait(&d, 2, &size));
    assert_rv(CKR_DEVICE_ERROR, durable_wait(&d, 0, &size));
    assert_rv(CKR_DEVICE_ERROR, durable_wait(&d, 1, &size));
    durable_release(&d);
    (void)close(folder);
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
        CASE(threads_whose_time_is_up_left_no_record),
        CASE(who_waits_for_many_turns_gets_one),
        CASE(without_memory_to_share_turns_are_taken_by_the_lock_file),
        CASE_LOOP(who_sees_other_memory_is_refused_beside_those_who_write, 2),
        CASE(what_the_disk_refused_is_never_called_durable_later),
    };

    return suite_run("audit/together", cases, sizeof(cases) / sizeof(*cases));
}
