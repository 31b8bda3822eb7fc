/*
 * kill -9 at random moments. Unmended, SoftHSM loses its whole token within a few of them; ours is
 * always there. And a host that is killed takes its worker along.
 */
#include "tests/support/hsm_world.h"
#include "tests/support/suite.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define KILLS   200
#define OPENERS 3

static CK_MECHANISM hmac = {CKM_SHA256_HMAC, NULL, 0};

/* The worker under a name of this world's own, so that its processes can be told from all others.
 */
static void name_worker(struct hsm_world *w, char name[static WORLD_PATH_MAX])
{
    (void)snprintf(name, WORLD_PATH_MAX, "%.200s/worker", w->dir);
    ck_assert(symlink(KEYWARD_HSM_WORKER, name) == 0);
    w->config.worker = name;
}

static bool runs_as(const char *pid, const char *name)
{
    char path[300];
    char line[WORLD_PATH_MAX] = "";
    int fd;

    (void)snprintf(path, sizeof(path), "/proc/%.200s/cmdline", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    if (read(fd, line, sizeof(line) - 1) < 0)
        line[0] = '\0';
    (void)close(fd);
    return strcmp(line, name) == 0;
}

/* Kills every worker of this world once; how many there were. */
static unsigned kill_workers(const char *name)
{
    DIR *d = opendir("/proc");
    struct dirent *e;
    unsigned n = 0;

    ck_assert(d != NULL);
    while ((e = readdir(d)) != NULL) {
        if (!isdigit((unsigned char)e->d_name[0]) || !runs_as(e->d_name, name))
            continue;
        (void)usleep((unsigned)random() % 4000);
        n += kill((pid_t)atoi(e->d_name), SIGKILL) == 0;
    }
    (void)closedir(d);
    return n;
}

static void open_for_ever(const struct hsm_config *config)
{
    for (;;) {
        struct local *local = NULL;
        struct hsm *hsm = NULL;

        if (local_new(&local) == CKR_OK && hsm_open(config, local, &hsm) == CKR_OK)
            (void)usleep((unsigned)random() % 5000);
        hsm_close(hsm);
        local_free(local);
    }
}

START_TEST(token_and_key_survive_workers_killed_in_their_logins)
{
    char name[WORLD_PATH_MAX];
    struct buf before = BUF_INIT(64);
    struct buf after = BUF_INIT(64);
    pid_t openers[OPENERS];
    struct hsm_world w;
    struct hsm_key key;
    unsigned kills = 0;

    world_init(&w);
    name_worker(&w, name);
    world_open(&w);
    world_key(&w, HSM_KEY_SECRET, CKK_GENERIC_SECRET, 256, BYTES_NONE, &key, NULL);
    assert_ok(hsm_run(w.hsm, HSM_SIGN, &key, &hmac, BYTES_LIT("a"), BYTES_NONE, &before));
    world_close(&w);
    for (int i = 0; i < OPENERS; i++) {
        openers[i] = fork();
        if (openers[i] == 0) {
            srandom((unsigned)i + 1);
            open_for_ever(&w.config);
        }
    }
    while (kills < KILLS) {
        (void)usleep((unsigned)random() % 30000);
        kills += kill_workers(name);
    }
    for (int i = 0; i < OPENERS; i++) {
        (void)kill(openers[i], SIGKILL);
        (void)waitpid(openers[i], NULL, 0);
    }
    world_open(&w);
    assert_ok(hsm_run(w.hsm, HSM_SIGN, &key, &hmac, BYTES_LIT("a"), BYTES_NONE, &after));
    ck_assert(bytes_equal(buf_bytes(&before), buf_bytes(&after)));
    buf_release(&before);
    buf_release(&after);
    world_release(&w);
}
END_TEST

static bool gone_soon(pid_t pid)
{
    for (int i = 0; i < 1000; i++) {
        if (kill(pid, 0) != 0 && errno == ESRCH)
            return true;
        (void)usleep(10000);
    }
    return false;
}

/* Opens, tells the worker's pid and waits to be killed; with_child: a forked child keeps copies of
 * the sockets. */
static void be_host(struct hsm_world *w, int tell, bool with_child)
{
    struct hsm_status s;

    w->hsm = NULL;
    if (hsm_open(&w->config, w->local, &w->hsm) != CKR_OK || hsm_status(w->hsm, &s) != CKR_OK)
        _exit(1);
    if (with_child && fork() == 0) {
        (void)close(tell);
        (void)sleep(20);
        _exit(0);
    }
    (void)!write(tell, &s.worker, sizeof(s.worker));
    for (;;)
        (void)pause();
}

START_TEST(worker_ends_when_its_host_is_killed_even_if_a_child_keeps_its_sockets)
{
    struct hsm_world w;
    pid_t worker = 0;
    pid_t host;
    int tell[2];

    world_init(&w);
    ck_assert(pipe2(tell, O_CLOEXEC) == 0);
    host = fork();
    if (host == 0)
        be_host(&w, tell[1], _i == 1);
    ck_assert(read(tell[0], &worker, sizeof(worker)) == sizeof(worker));
    ck_assert(kill(worker, 0) == 0);
    ck_assert(kill(host, SIGKILL) == 0);
    (void)waitpid(host, NULL, 0);
    ck_assert(gone_soon(worker));
    world_open(&w);
    world_release(&w);
}
END_TEST

START_TEST(call_in_progress_survives_its_workers_death)
{
    char name[WORLD_PATH_MAX];
    struct buf out = BUF_INIT(64);
    struct hsm_world w;
    struct hsm_key key;
    pid_t killer;
    unsigned good = 0;

    world_init(&w);
    name_worker(&w, name);
    world_open(&w);
    world_key(&w, HSM_KEY_SECRET, CKK_GENERIC_SECRET, 256, BYTES_NONE, &key, NULL);
    killer = fork();
    if (killer == 0) {
        for (int i = 0; i < 5; i++) {
            (void)usleep(700000);
            (void)kill_workers(name);
        }
        _exit(0);
    }
    while (waitpid(killer, NULL, WNOHANG) == 0) {
        assert_ok(hsm_run(w.hsm, HSM_SIGN, &key, &hmac, BYTES_LIT("a"), BYTES_NONE, &out));
        good++;
    }
    ck_assert_uint_gt(good, 100);
    buf_release(&out);
    world_release(&w);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_SLOW(token_and_key_survive_workers_killed_in_their_logins, 300),
        CASE_LOOP(worker_ends_when_its_host_is_killed_even_if_a_child_keeps_its_sockets, 2),
        CASE(call_in_progress_survives_its_workers_death),
    };

    return suite_run("hsm/kill", cases, sizeof(cases) / sizeof(*cases));
}
