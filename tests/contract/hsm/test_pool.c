/* The host's side as a guest in its process: lanes are shared by threads, nothing leaks, forks and
 * signals do no harm. */
#include "tests/support/hsm_world.h"
#include "tests/support/suite.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static CK_MECHANISM hmac = {CKM_SHA256_HMAC, NULL, 0};

struct pooled {
    struct hsm_world w;
    struct hsm_key key;
};

static void pooled_init(struct pooled *p, unsigned lanes, unsigned deadline_ms)
{
    world_init(&p->w);
    p->w.config.lanes = lanes;
    p->w.config.deadline_ms = deadline_ms;
    world_open(&p->w);
    world_key(&p->w, HSM_KEY_SECRET, CKK_GENERIC_SECRET, 256, BYTES_NONE, &p->key, NULL);
}

static CK_RV mac(struct pooled *p, struct bytes data, struct buf *out)
{
    return hsm_run(p->w.hsm, HSM_SIGN, &p->key, &hmac, data, BYTES_NONE, out);
}

static pid_t worker_of(struct pooled *p)
{
    struct hsm_status s;

    assert_ok(hsm_status(p->w.hsm, &s));
    return s.worker;
}

static unsigned count_fds(const char *of)
{
    DIR *d = opendir(of);
    unsigned n = 0;

    ck_assert(d != NULL);
    while (readdir(d) != NULL)
        n++;
    (void)closedir(d);
    return n;
}

static bool gone_soon(pid_t pid)
{
    for (int i = 0; i < 500; i++) {
        if (kill(pid, 0) != 0 && errno == ESRCH)
            return true;
        (void)usleep(10000);
    }
    return false;
}

/* ---- threads ---- */

static void *mac_and_compare(void *arg)
{
    struct pooled *p = arg;
    struct buf first = BUF_INIT(64);
    struct buf again = BUF_INIT(64);
    pthread_t self = pthread_self();

    assert_ok(mac(p, BYTES(&self, sizeof(self)), &first));
    for (int i = 0; i < 50; i++) {
        assert_ok(mac(p, BYTES(&self, sizeof(self)), &again));
        ck_assert(bytes_equal(buf_bytes(&first), buf_bytes(&again)));
    }
    buf_release(&first);
    buf_release(&again);
    return NULL;
}

START_TEST(more_threads_than_lanes_get_their_own_answers)
{
    pthread_t threads[8];
    struct hsm_status s;
    struct pooled p;

    pooled_init(&p, 3, 0);
    for (int i = 0; i < 8; i++)
        ck_assert(pthread_create(&threads[i], NULL, mac_and_compare, &p) == 0);
    for (int i = 0; i < 8; i++)
        (void)pthread_join(threads[i], NULL);
    assert_ok(hsm_status(p.w.hsm, &s));
    ck_assert(s.lanes_open >= 1 && s.lanes_open <= 3);
    world_release(&p.w);
}
END_TEST

START_TEST(call_without_a_free_lane_fails_after_the_deadline_and_works_after_one_is_free)
{
    struct buf out = BUF_INIT(64);
    struct hsm_op *ops[2] = {NULL, NULL};
    struct pooled p;

    pooled_init(&p, 2, 500);
    for (int i = 0; i < 2; i++) {
        assert_ok(hsm_begin(p.w.hsm, HSM_SIGN, &p.key, &hmac, &ops[i]));
        assert_ok(hsm_update(ops[i], BYTES_LIT("ab"), NULL));
    }
    assert_rv(CKR_DEVICE_MEMORY, mac(&p, BYTES_LIT("abc"), &out));
    hsm_op_free(ops[0]);
    assert_ok(mac(&p, BYTES_LIT("abc"), &out));
    assert_ok(hsm_update(ops[1], BYTES_LIT("c"), NULL));
    assert_ok(hsm_final(ops[1], BYTES_NONE, &out));
    hsm_op_free(ops[1]);
    buf_release(&out);
    world_release(&p.w);
}
END_TEST

/* ---- processes ---- */

START_TEST(worker_is_nobodys_child_and_ends_with_the_device)
{
    struct pooled p;
    pid_t worker;

    pooled_init(&p, 0, 0);
    worker = worker_of(&p);
    ck_assert(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
    world_close(&p.w);
    ck_assert(gone_soon(worker));
    world_release(&p.w);
}
END_TEST

START_TEST(worker_has_no_secret_on_its_command_line_nor_the_hosts_environment)
{
    char path[64];
    char text[4096];
    struct pooled p;
    ssize_t n;
    int fd;

    ck_assert(setenv("KEYWARD_TEST_MARK", "do-not-pass-me-on", 1) == 0);
    pooled_init(&p, 0, 0);
    (void)snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)worker_of(&p));
    fd = open(path, O_RDONLY | O_CLOEXEC);
    n = read(fd, text, sizeof(text) - 1);
    ck_assert(n > 0);
    ck_assert_uint_eq((size_t)n, strlen(KEYWARD_HSM_WORKER) + 1);
    (void)close(fd);
    (void)snprintf(path, sizeof(path), "/proc/%d/environ", (int)worker_of(&p));
    fd = open(path, O_RDONLY | O_CLOEXEC);
    n = read(fd, text, sizeof(text) - 1);
    if (n > 0)
        ck_assert(memmem(text, (size_t)n, "do-not-pass-me-on", 17) == NULL);
    if (fd >= 0)
        (void)close(fd);
    world_release(&p.w);
}
END_TEST

START_TEST(host_that_ignores_or_closes_everything_can_open)
{
    struct pooled p;
    int keep = dup(1);

    ck_assert(signal(SIGCHLD, SIG_IGN) != SIG_ERR);
    (void)close(0);
    (void)close(1);
    pooled_init(&p, 0, 0);
    (void)dup2(keep, 1);
    (void)close(keep);
    world_release(&p.w);
}
END_TEST

static void in_child(struct pooled *p)
{
    struct buf out = BUF_INIT(64);

    if (mac(p, BYTES_LIT("abc"), &out) != CKR_DEVICE_ERROR)
        _exit(1);
    hsm_abandon(p->w.hsm);
    p->w.hsm = NULL;
    if (hsm_open(&p->w.config, p->w.local, &p->w.hsm) != CKR_OK ||
        mac(p, BYTES_LIT("abc"), &out) != CKR_OK)
        _exit(2);
    hsm_close(p->w.hsm);
    _exit(0);
}

START_TEST(child_after_fork_is_refused_abandons_opens_its_own_and_leaves_the_parent_alone)
{
    struct buf out = BUF_INIT(64);
    struct hsm_op *op = NULL;
    struct pooled p;
    pid_t worker;
    pid_t child;
    int status;

    pooled_init(&p, 0, 0);
    worker = worker_of(&p);
    assert_ok(hsm_begin(p.w.hsm, HSM_SIGN, &p.key, &hmac, &op));
    assert_ok(hsm_update(op, BYTES_LIT("ab"), NULL));
    child = fork();
    if (child == 0)
        in_child(&p);
    ck_assert(waitpid(child, &status, 0) == child);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
    assert_ok(hsm_update(op, BYTES_LIT("c"), NULL));
    assert_ok(hsm_final(op, BYTES_NONE, &out));
    hsm_op_free(op);
    assert_ok(mac(&p, BYTES_LIT("abc"), &out));
    ck_assert_int_eq(worker_of(&p), worker);
    buf_release(&out);
    world_release(&p.w);
}
END_TEST

/* Exit 0: both were refused, or silent. The parent sees whether anything went over its lane. */
static void touch_operation_in_child(struct hsm_op *op)
{
    CK_RV rv = hsm_update(op, BYTES_LIT("x"), NULL);

    hsm_op_free(op);
    _exit(rv == CKR_DEVICE_ERROR ? 0 : 1);
}

START_TEST(operation_inherited_by_a_child_never_reaches_the_parents_lane)
{
    struct buf whole = BUF_INIT(64);
    struct buf parts = BUF_INIT(64);
    struct hsm_op *op = NULL;
    struct pooled p;
    pid_t child;
    int status;

    pooled_init(&p, 0, 0);
    assert_ok(mac(&p, BYTES_LIT("abc"), &whole));
    assert_ok(hsm_begin(p.w.hsm, HSM_SIGN, &p.key, &hmac, &op));
    assert_ok(hsm_update(op, BYTES_LIT("ab"), NULL));
    child = fork();
    if (child == 0)
        touch_operation_in_child(op);
    ck_assert(waitpid(child, &status, 0) == child);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
    assert_ok(hsm_update(op, BYTES_LIT("c"), NULL));
    assert_ok(hsm_final(op, BYTES_NONE, &parts));
    ck_assert(bytes_equal(buf_bytes(&whole), buf_bytes(&parts)));
    hsm_op_free(op);
    buf_release(&whole);
    buf_release(&parts);
    world_release(&p.w);
}
END_TEST

/* ---- leaks ---- */

START_TEST(no_descriptor_leaks_over_losses_and_reopenings_and_all_are_close_on_exec)
{
    struct buf out = BUF_INIT(64);
    struct pooled p;
    unsigned before;

    pooled_init(&p, 0, 0);
    world_close(&p.w);
    before = count_fds("/proc/self/fd");
    for (int i = 0; i < 3; i++) {
        world_open(&p.w);
        assert_ok(mac(&p, BYTES_LIT("abc"), &out));
        ck_assert(kill(worker_of(&p), SIGKILL) == 0);
        assert_ok(mac(&p, BYTES_LIT("abc"), &out));
        for (int fd = 3; fd < 100; fd++) {
            int flags = fcntl(fd, F_GETFD);

            ck_assert_msg(flags < 0 || (flags & FD_CLOEXEC) != 0 || fd < (int)before, "fd %d", fd);
        }
        world_close(&p.w);
        ck_assert_uint_eq(count_fds("/proc/self/fd"), before);
    }
    buf_release(&out);
    world_release(&p.w);
}
END_TEST

START_TEST(worker_grows_neither_in_descriptors_nor_in_memory)
{
    static uint8_t data[100000];
    struct buf out = BUF_INIT(64);
    struct pooled p;
    char path[64];
    char command[128];
    unsigned fds = 0;

    pooled_init(&p, 0, 0);
    (void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)worker_of(&p));
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 50; i++) {
            struct hsm_op *op = NULL;

            assert_ok(mac(&p, BYTES(data, sizeof(data)), &out));
            assert_ok(hsm_begin(p.w.hsm, HSM_SIGN, &p.key, &hmac, &op));
            assert_ok(hsm_update(op, BYTES_LIT("c"), NULL));
            hsm_op_free(op);
        }
        if (round == 0)
            fds = count_fds(path);
    }
    ck_assert_uint_eq(count_fds(path), fds);
    (void)snprintf(command, sizeof(command), "awk '/VmRSS/ {exit $2 > 65536 * %d}' /proc/%d/status",
                   KEYWARD_SANITIZED ? 8 : 1, (int)worker_of(&p));
    ck_assert_int_eq(system(command), 0);
    buf_release(&out);
    world_release(&p.w);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(more_threads_than_lanes_get_their_own_answers),
        CASE(call_without_a_free_lane_fails_after_the_deadline_and_works_after_one_is_free),
        CASE(worker_is_nobodys_child_and_ends_with_the_device),
        CASE(worker_has_no_secret_on_its_command_line_nor_the_hosts_environment),
        CASE(host_that_ignores_or_closes_everything_can_open),
        CASE(child_after_fork_is_refused_abandons_opens_its_own_and_leaves_the_parent_alone),
        CASE(operation_inherited_by_a_child_never_reaches_the_parents_lane),
        CASE(no_descriptor_leaks_over_losses_and_reopenings_and_all_are_close_on_exec),
        CASE(worker_grows_neither_in_descriptors_nor_in_memory),
    };

    return suite_run("hsm/pool", cases, sizeof(cases) / sizeof(*cases));
}
