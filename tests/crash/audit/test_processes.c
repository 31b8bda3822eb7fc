/* Eight processes on one log: one gapless sequence, every record of every process once, whoever
 * makes the checkpoints. */
#include "tests/support/logbox.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROCESSES = 8, RECORDS = 2000 };

/* A machine with more writers than processors may keep one waiting too long: it asks again. */
static bool failed(CK_RV rv)
{
    return rv != CKR_OK && strstr(fail_reason(), "held") == NULL;
}

static int writer(struct logbox *box, int number)
{
    struct trail *trail = NULL;
    char label[32];

    while (trail == NULL) {
        if (failed(trail_open(&box->config, &trail)))
            return 1;
    }
    for (int i = 0; i < RECORDS; i++) {
        struct event event = logbox_event(label);

        (void)snprintf(label, sizeof(label), "p%d-%d-", number, i);
        for (CK_RV rv = CKR_DEVICE_ERROR; rv != CKR_OK;) {
            rv = trail_append(trail, &event, NULL);
            if (failed(rv))
                return 2;
        }
        if (i % 300 == number * 30 && failed(trail_checkpoint(trail)))
            return 3;
    }
    trail_close(trail);
    return 0;
}

struct seen {
    uint64_t next;
    int last[PROCESSES];
};

static bool look_at(void *ctx, uint64_t seq, struct bytes json)
{
    struct seen *seen = ctx;
    const char *label = memmem(json.data, json.len, "\"object\":\"p", 11);
    int process;
    int record;

    ck_assert_uint_eq(seq, seen->next++);
    ck_assert_ptr_nonnull(label);
    ck_assert_int_eq(sscanf(label, "\"object\":\"p%d-%d-", &process, &record), 2);
    ck_assert_int_eq(record, ++seen->last[process]);
    return true;
}

START_TEST(eight_processes_write_one_gapless_sequence)
{
    struct logbox box;
    struct trail *trail = logbox_start(&box);
    struct verify_report report;
    struct seen seen = {.next = 0};
    pid_t children[PROCESSES];

    trail_close(trail);
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        if (children[i] == 0)
            _exit(writer(&box, i));
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status = 0;

        ck_assert_int_eq(waitpid(children[i], &status, 0), children[i]);
        ck_assert_msg(status == 0, "writer %d ended with %d", i, status >> 8);
    }
    trail = logbox_open(&box);
    assert_ok(trail_checkpoint(trail));
    trail_close(trail);
    report = logbox_verify(&box);
    ck_assert_msg(report.ok, "%s", report.problem);
    ck_assert_uint_eq(report.size, PROCESSES * RECORDS);
    memset(seen.last, 0xff, sizeof(seen.last)); /* -1: the record before the first */
    assert_ok(verify_read(box.dir, 0, look_at, &seen));
    ck_assert_uint_eq(seen.next, PROCESSES * RECORDS);
    logbox_release(&box);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_SLOW(eight_processes_write_one_gapless_sequence, 300),
    };

    return suite_run("audit/processes", cases, sizeof(cases) / sizeof(*cases));
}
