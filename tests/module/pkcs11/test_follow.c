/*
 * Following the log while it is written: past the ends of bundles, while checkpoints turn pieces of
 * it into tiles, and while those who write are killed. Every record comes once, in order.
 */
#include "tests/support/verbs.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS      4
#define ROUND       300 /* records a writer leaves at least before it is killed: more than a bundle */
#define RECORDS_MAX (1U << 20)

static struct lab lab;
static unsigned char came[RECORDS_MAX]; /* how often each record did */
static json_int_t next;
static unsigned others;

static void writer(struct lab *unused, int n)
{
    CK_SESSION_HANDLE session;
    CK_BYTE out[8];

    (void)unused;
    (void)n;
    lab_up(&lab);
    session = lab_session(&lab, CKF_SERIAL_SESSION);
    for (;;)
        assert_ok(lab.f->C_GenerateRandom(session, out, sizeof(out)));
}

/* One page, as keyward log follow asks for it. Returns how many records were in it. */
static size_t take_page(unsigned wait_ms)
{
    json_t *answer, *events;
    size_t count;

    assert_ok(lab_admin(&lab, NULL, "{\"verb\":\"log.show\",\"from\":%lld,\"wait-ms\":%u}",
                        (long long)next, wait_ms));
    answer = verb_answer(&lab);
    events = json_object_get(answer, "events");
    count = json_array_size(events);
    for (size_t i = 0; i < count; i++) {
        json_t *record = json_array_get(events, i);
        json_int_t seq = json_integer_value(json_object_get(record, "seq"));

        ck_assert_int_ge(seq, next);
        ck_assert_int_lt(seq, RECORDS_MAX);
        next = seq + 1;
        came[seq]++;
        others += strcmp(lab_member(record, "function"), "C_GenerateRandom") == 0;
    }
    next = json_integer_value(json_object_get(answer, "end"));
    json_decref(answer);
    return count;
}

struct whole {
    uint64_t seq;
    unsigned own;
};

/* Each record came once, but for those of this process's own reading, which did not. */
static void check_record(void *ctx, json_t *record)
{
    struct whole *w = ctx;
    bool own = strcmp(lab_member(record, "function"), "log.show") == 0;

    ck_assert_int_eq(json_integer_value(json_object_get(record, "seq")), (json_int_t)w->seq);
    if ((json_int_t)w->seq < next)
        ck_assert_msg(came[w->seq] == (own ? 0 : 1), "record %llu (%s) came %u times",
                      (unsigned long long)w->seq, lab_member(record, "function"), came[w->seq]);
    w->own += own;
    w->seq++;
}

START_TEST(every_record_comes_once_while_writers_are_killed)
{
    struct whole w = {.seq = 0};

    lab_start(&lab);
    for (int i = 0; i < ROUNDS; i++) {
        unsigned enough = others + ROUND;
        pid_t child = lab_child(writer, &lab, 0);
        int status;

        while (others < enough)
            (void)take_page(1000);
        ck_assert_int_eq(kill(child, SIGKILL), 0);
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert(WIFSIGNALED(status));
    }
    while (take_page(100) > 0)
        ;
    lab_log_each(&lab, 0, check_record, &w);
    ck_assert_uint_gt(w.seq, ROUNDS * ROUND);
    ck_assert_uint_ge(w.own, ROUNDS);
    (void)lab_log_whole(&lab);
    lab_end(&lab);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_SLOW(every_record_comes_once_while_writers_are_killed, 120),
    };

    return lab_suite_run("pkcs11/follow", cases, sizeof(cases) / sizeof(*cases));
}
