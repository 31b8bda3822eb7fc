/*
 * kill -9 of writers at random moments, in appends and in checkpoints: no gap, the log opens and
 * verifies after every round, and every record whose append was answered with CKR_OK is there under
 * the number it was given.
 */
#include "tests/support/logbox.h"
#include "tests/support/suite.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 100, WRITERS = 3, LONGEST_MS = 25 };

/* What a writer reports after an append was answered; smaller than PIPE_BUF, so it arrives whole.
 */
struct answer {
    uint64_t seq;
    uint64_t id;
};

/* A slow disk may make one writer wait too long for another: that is a refusal, not a failure. */
static bool failed(CK_RV rv)
{
    return rv != CKR_OK && strstr(fail_reason(), "held") == NULL;
}

static void write_until_killed(struct logbox *box, int pipe_fd, uint64_t id)
{
    struct trail *trail = NULL;
    char label[32];

    while (trail == NULL) {
        if (failed(trail_open(&box->config, &trail)))
            _exit(1);
    }
    for (;; id++) {
        struct event event = logbox_event(label);
        struct answer answer = {.id = id};

        (void)snprintf(label, sizeof(label), "id-%lx-", (unsigned long)id);
        event.durable = id % 64 == 5;
        if (trail_append(trail, &event, &answer.seq) == CKR_OK &&
            write(pipe_fd, &answer, sizeof(answer)) != sizeof(answer))
            _exit(2);
        if (id % 50 == 9 && failed(trail_checkpoint(trail)))
            _exit(3);
    }
}

/* Ids by sequence number, as answered. 0: not answered. */
struct answers {
    uint64_t *ids;
    uint64_t cap;
    uint64_t count;
};

static void note(struct answers *all, const struct answer *one)
{
    while (one->seq >= all->cap) {
        uint64_t cap = all->cap > 0 ? 2 * all->cap : 4096;

        all->ids = realloc(all->ids, cap * sizeof(*all->ids));
        ck_assert_ptr_nonnull(all->ids);
        memset(all->ids + all->cap, 0, (cap - all->cap) * sizeof(*all->ids));
        all->cap = cap;
    }
    ck_assert_uint_eq(all->ids[one->seq], 0);
    all->ids[one->seq] = one->id;
    all->count++;
}

static void run_round(struct logbox *box, struct answers *all, uint64_t round)
{
    struct timespec pause = {.tv_nsec = (rand() % LONGEST_MS) * 1000000L + rand() % 1000000};
    struct answer answer;
    pid_t children[WRITERS];
    int fds[2];

    ck_assert_int_eq(pipe(fds), 0);
    for (uint64_t i = 0; i < WRITERS; i++) {
        children[i] = fork();
        if (children[i] == 0)
            write_until_killed(box, fds[1], (round * WRITERS + i + 1) << 24);
    }
    (void)close(fds[1]);
    /* The pipe holds fewer answers than a round makes: it is emptied meanwhile, until everybody is
     * dead. */
    if (fork() == 0) {
        (void)nanosleep(&pause, NULL);
        for (int i = 0; i < WRITERS; i++)
            (void)kill(children[i], SIGKILL);
        _exit(0);
    }
    while (read(fds[0], &answer, sizeof(answer)) == sizeof(answer))
        note(all, &answer);
    (void)close(fds[0]);
    for (int i = 0; i <= WRITERS; i++) {
        int status;

        ck_assert_int_gt(wait(&status), 0);
        ck_assert_msg(!WIFEXITED(status) || WEXITSTATUS(status) == 0, "a writer ended with %d",
                      WEXITSTATUS(status));
    }
}

struct check {
    const struct answers *all;
    uint64_t next;
    uint64_t found;
};

static bool look_at(void *ctx, uint64_t seq, struct bytes json)
{
    struct check *check = ctx;
    char want[40];

    ck_assert_uint_eq(seq, check->next++);
    if (seq >= check->all->cap || check->all->ids[seq] == 0)
        return true; /* its writer died before it could tell */
    (void)snprintf(want, sizeof(want), "\"id-%lx-\"", (unsigned long)check->all->ids[seq]);
    ck_assert_msg(memmem(json.data, json.len, want, strlen(want)) != NULL,
                  "record %lu is not the one that was answered for", (unsigned long)seq);
    check->found++;
    return true;
}

START_TEST(kill_minus_nine_loses_nothing_and_leaves_no_gap)
{
    struct logbox box;
    struct trail *trail = logbox_start(&box);
    struct answers all = {.ids = NULL};
    struct check check = {.all = &all};
    struct verify_report report;

    trail_close(trail);
    srand(20260102);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        run_round(&box, &all, round);
        report = logbox_verify(&box);
        ck_assert_msg(report.ok, "round %lu: %s", (unsigned long)round, report.problem);
    }
    trail = logbox_open(&box);
    assert_ok(trail_checkpoint(trail));
    trail_close(trail);
    report = logbox_verify(&box);
    ck_assert_msg(report.ok, "%s", report.problem);
    assert_ok(verify_read(box.dir, 0, look_at, &check));
    ck_assert_uint_eq(check.next, report.size);
    ck_assert_uint_eq(check.found, all.count);
    ck_assert_uint_gt(all.count, ROUNDS);
    free(all.ids);
    logbox_release(&box);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_SLOW(kill_minus_nine_loses_nothing_and_leaves_no_gap, 500),
    };

    return suite_run("audit/kill", cases, sizeof(cases) / sizeof(*cases));
}
