/*
 * A verifier that shares nothing with us, golang.org/x/mod/sumdb, accepts our logs and refuses them
 * when one byte is changed. Usage: test_go VERIFY.GO. Skips where go or the package (Debian:
 * golang-golang-x-mod-dev) is missing.
 */
#include "audit/proof.h"
#include "tests/support/logbox.h"
#include "tests/support/suite.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define GOPATH  "/usr/share/gocode"
#define PACKAGE GOPATH "/src/golang.org/x/mod/sumdb/tlog/tile.go"

static char work[64] = "/tmp/keyward-go-XXXXXX"; /* the compiled verifier lives here */

/* Runs argv; its output goes to ours of errors, so that TAP stays readable. */
static int run(const char *const argv[])
{
    char *copy[8] = {NULL};
    int status = -1;
    pid_t child = fork();

    if (child == 0) {
        (void)dup2(STDERR_FILENO, STDOUT_FILENO);
        for (int i = 0; argv[i] != NULL && i < 7; i++)
            copy[i] = strdup(argv[i]);
        (void)execvp(copy[0], copy);
        _exit(127);
    }
    (void)waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int go_accepts(const struct logbox *box, const char *older)
{
    char program[80];
    const char *argv[] = {program, box->dir, box->vkey, older, NULL};

    (void)snprintf(program, sizeof(program), "%s/verify", work);
    return run(argv);
}

static int go_accepts_proof(const char *proof, const char *record, const char *vkey)
{
    char program[80];
    const char *argv[] = {program, "-proof", proof, record, vkey, NULL};

    (void)snprintf(program, sizeof(program), "%s/verify", work);
    return run(argv);
}

static void write_file(const char *path, const struct buf *data)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    ck_assert_int_eq(write(fd, data->data, data->len), (ssize_t)data->len);
    (void)close(fd);
}

static const unsigned sizes[] = {1, 255, 256, 257, 700, 65536, 66000};

START_TEST(go_verifies_a_log_of_any_size_and_that_it_continues_an_older_one)
{
    struct logbox box;
    struct trail *trail = logbox_start(&box);
    char older[80];
    size_t len;
    uint8_t *note;
    int fd;

    logbox_append(trail, sizes[_i] / 3 + 1);
    assert_ok(trail_checkpoint(trail));
    note = logbox_read(&box, "checkpoint", &len);
    (void)snprintf(older, sizeof(older), "%s/older", box.root);
    fd = open(older, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_eq(write(fd, note, len), (ssize_t)len);
    (void)close(fd);
    free(note);
    logbox_append(trail, sizes[_i] - (sizes[_i] / 3 + 1));
    assert_ok(trail_checkpoint(trail));
    trail_close(trail);
    ck_assert_int_eq(go_accepts(&box, older), 0);
    logbox_release(&box);
}
END_TEST

START_TEST(go_reads_labels_of_any_bytes)
{
    struct logbox box;
    struct trail *trail = logbox_start(&box);

    for (int byte = 1; byte < 256; byte++) {
        const char label[] = {'a', (char)byte, 'b', (char)byte, (char)byte, '\0'};
        struct event event = logbox_event(label);

        assert_ok(trail_append(trail, &event, NULL));
    }
    assert_ok(trail_checkpoint(trail));
    trail_close(trail);
    ck_assert_int_eq(go_accepts(&box, NULL), 0);
    logbox_release(&box);
}
END_TEST

static const char *const changed[] = {
    "checkpoint",     "tile/0/000",       "tile/0/001.p/44",
    "tile/1/000.p/1", "tile/entries/000", "tile/entries/001.p/44",
};

START_TEST(go_and_we_refuse_the_same_changed_file)
{
    struct logbox box;
    struct trail *trail = logbox_start(&box);
    uint8_t *data;
    size_t len;

    logbox_append(trail, 300);
    assert_ok(trail_checkpoint(trail));
    trail_close(trail);
    ck_assert_int_eq(go_accepts(&box, NULL), 0);
    data = logbox_read(&box, changed[_i], &len);
    data[len / 2] ^= 1;
    logbox_write(&box, changed[_i], data, len);
    free(data);
    ck_assert_int_eq(go_accepts(&box, NULL), 1);
    ck_assert(!logbox_verify(&box).ok);
    logbox_release(&box);
}
END_TEST

static const unsigned proven[] = {0, 1, 255, 256, 511, 512, 600, 699};

START_TEST(go_accepts_a_proof_of_a_record_without_the_log_and_of_no_other_record)
{
    struct logbox box;
    struct trail *trail = logbox_start(&box);
    struct buf proof = BUF_INIT(PROOF_TEXT_MAX);
    struct buf record = BUF_INIT(EVENT_JSON_MAX);
    char proof_path[80];
    char record_path[80];

    logbox_append(trail, 700);
    assert_ok(trail_checkpoint(trail));
    trail_close(trail);
    (void)snprintf(proof_path, sizeof(proof_path), "%s/proof", box.root);
    (void)snprintf(record_path, sizeof(record_path), "%s/record", box.root);
    assert_ok(proof_record(box.dir, box.vkey, proven[_i], &proof, &record));
    write_file(proof_path, &proof);
    write_file(record_path, &record);
    ck_assert_int_eq(go_accepts_proof(proof_path, record_path, box.vkey), 0);
    record.data[record.len / 2] ^= 1;
    write_file(record_path, &record);
    ck_assert_int_eq(go_accepts_proof(proof_path, record_path, box.vkey), 1);
    buf_release(&proof);
    buf_release(&record);
    logbox_release(&box);
}
END_TEST

/* NULL when the verifier was built, else why not. */
static const char *build(const char *source)
{
    char program[80];
    char cache[80];
    const char *argv[] = {"go", "build", "-o", program, source, NULL};

    if (access(PACKAGE, R_OK) != 0)
        return "golang-golang-x-mod-dev is not installed";
    if (mkdtemp(work) == NULL)
        return "no temporary folder";
    (void)snprintf(program, sizeof(program), "%s/verify", work);
    (void)snprintf(cache, sizeof(cache), "%s/cache", work);
    (void)setenv("GO111MODULE", "off", 1);
    (void)setenv("GOPATH", GOPATH, 1);
    (void)setenv("GOCACHE", cache, 1);
    (void)setenv("GOFLAGS", "", 1);
    return run(argv) == 127 ? "go is not installed" : NULL;
}

int main(int argc, char **argv)
{
    const struct suite_case cases[] = {
        {.test = go_verifies_a_log_of_any_size_and_that_it_continues_an_older_one,
         .loop_end = sizeof(sizes) / sizeof(*sizes),
         .timeout_s = 120},
        CASE(go_reads_labels_of_any_bytes),
        CASE_LOOP(go_accepts_a_proof_of_a_record_without_the_log_and_of_no_other_record,
                  sizeof(proven) / sizeof(*proven)),
        CASE_LOOP(go_and_we_refuse_the_same_changed_file, sizeof(changed) / sizeof(*changed)),
    };
    const char *const clean[] = {"rm", "-rf", work, NULL};
    const char *missing = argc == 2 ? build(argv[1]) : "no verifier given";
    int status = 0;

    if (missing != NULL)
        (void)printf("1..0 # SKIP %s\n", missing);
    else
        status = suite_run("audit/go", cases, sizeof(cases) / sizeof(*cases));
    (void)run(clean);
    return status;
}
