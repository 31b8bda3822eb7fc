/*
 * Starting on a large vault, in a program of its own: C_Initialize, C_OpenSession, C_Login, less
 * what hashing the PIN takes; then what the program holds in memory.
 */
#include "tests/bench/world.h"

#include "hsm/local.h"

#include <fcntl.h>
#include <math.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static double scrypt_ms(void)
{
    struct local *local = NULL;
    uint8_t out[32];
    int64_t began;

    must(local_new(&local), "OpenSSL");
    began = now_ns();
    must(local_scrypt(local, BYTES_LIT(BENCH_PIN), BYTES_LIT("0123456789abcdef"), out), "scrypt");
    began = now_ns() - began;
    local_free(local);
    return (double)began / 1e6;
}

/* The field "VmRSS:  1234 kB". */
static double resident_mib(void)
{
    static const char field[] = "VmRSS:";
    FILE *file = fopen("/proc/self/status", "re");
    char line[256];
    double kib = NAN;

    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        if (strncmp(line, field, sizeof(field) - 1) == 0)
            kib = strtod(line + sizeof(field) - 1, NULL);
    if (file != NULL)
        (void)fclose(file);
    return kib / 1024;
}

int start_child(const char *vault)
{
    CK_FUNCTION_LIST *f = module_load(KEYWARD_MODULE, NULL);
    int64_t began = now_ns();
    double took;

    must(f->C_Initialize(NULL), "C_Initialize");
    session_login(f, session_open(f, vault_slot(f, vault)));
    took = (double)(now_ns() - began) / 1e6;
    (void)printf("%f %f\n", resident_mib(), took - scrypt_ms());
    must(f->C_Finalize(NULL), "C_Finalize");
    return 0;
}

/* What it prints, into out. */
static void run_child(char *out, size_t size)
{
    char self[] = "/proc/self/exe";
    char mode[] = "--start-child";
    char vault[] = "large";
    char *argv[] = {self, mode, vault, NULL};
    posix_spawn_file_actions_t actions;
    size_t len = 0;
    int ends[2];
    int status = -1;
    pid_t pid;
    ssize_t n;

    if (pipe2(ends, O_CLOEXEC) != 0 || posix_spawn_file_actions_init(&actions) != 0 ||
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO) != 0 ||
        posix_spawn(&pid, self, &actions, NULL, argv, environ) != 0)
        die("cannot start myself again");
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)close(ends[1]);
    while (len < size - 1 && (n = read(ends[0], out + len, size - 1 - len)) > 0)
        len += (size_t)n;
    (void)close(ends[0]);
    out[len] = '\0';
    if (waitpid(pid, &status, 0) != pid || status != 0)
        die("the program that starts on the large vault failed");
}

static void measure(double *ret_mib, double *ret_ms)
{
    char out[64];
    char *end = NULL;

    run_child(out, sizeof(out));
    *ret_mib = strtod(out, &end);
    *ret_ms = strtod(end, NULL);
}

double sample_start_ms(struct world *w, const struct row *row)
{
    double mib;
    double ms;

    (void)w;
    (void)row;
    measure(&mib, &ms);
    return ms;
}

double sample_start_mib(struct world *w, const struct row *row)
{
    double mib;
    double ms;

    (void)w;
    (void)row;
    measure(&mib, &ms);
    return mib;
}
