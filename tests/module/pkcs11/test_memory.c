/* What is said when secrets cannot be locked into memory: once in a process, in the log and, where
 * it is asked for, on stderr. */
#include "base/secret.h"
#include "tests/support/lab.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Root may lock whatever the limit says, unless it has given the capability away. */
static void forbid_locking(void)
{
    const struct rlimit none = {.rlim_cur = 0, .rlim_max = 0};
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct caps[2];

    ck_assert_int_eq(setrlimit(RLIMIT_MEMLOCK, &none), 0);
    ck_assert_int_eq(syscall(SYS_capget, &header, caps), 0);
    caps[0].effective &= ~(1U << CAP_IPC_LOCK);
    caps[0].permitted &= ~(1U << CAP_IPC_LOCK);
    ck_assert_int_eq(syscall(SYS_capset, &header, caps), 0);
}

static void sign_twice(struct lab *lab)
{
    CK_SESSION_HANDLE session;

    lab_up(lab);
    session = lab_alice(lab);
    lab_signs(lab, session);
    assert_ok(lab->f->C_Finalize(NULL));
    lab_up(lab);
    session = lab_alice(lab);
    lab_signs(lab, session);
    assert_ok(lab->f->C_Finalize(NULL));
}

static void use_it(struct lab *lab, int locked)
{
    int err = open(lab_path(lab, "stderr"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    ck_assert_int_ge(err, 0);
    ck_assert_int_eq(dup2(err, STDERR_FILENO), STDERR_FILENO);
    ck_assert_int_eq(setenv("KEYWARD_DEBUG", "1", 1), 0);
    if (!locked)
        forbid_locking();
    sign_twice(lab);
}

static void count_warning(void *ctx, json_t *record)
{
    unsigned *n = ctx;

    if (strcmp(lab_member(record, "reason"), SECRET_WARNING) != 0)
        return;
    ck_assert_str_eq(lab_member(record, "rv"), "CKR_OK");
    (*n)++;
}

static unsigned count_lines(const struct lab *lab)
{
    FILE *file = fopen(lab_path(lab, "stderr"), "re");
    char line[1024];
    unsigned n = 0;

    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof(line), file) != NULL)
        n += strstr(line, SECRET_WARNING) != NULL;
    (void)fclose(file);
    return n;
}

static void warns(bool locked, unsigned times)
{
    unsigned records = 0;
    struct lab lab;

    lab_make(&lab);
    lab_join(lab_child(use_it, &lab, locked));
    lab_log_each(&lab, 0, count_warning, &records);
    ck_assert_uint_eq(records, times);
    ck_assert_uint_eq(count_lines(&lab), times);
    (void)lab_log_whole(&lab);
    lab_end(&lab);
}

START_TEST(memory_that_cannot_be_locked_is_told_once_a_process)
{
    if (!LAB_SANITIZED) /* which turns mlock into nothing: it never fails */
        warns(false, 1);
}
END_TEST

START_TEST(memory_that_is_locked_is_not_told_of)
{
    warns(true, 0);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(memory_that_cannot_be_locked_is_told_once_a_process),
        CASE(memory_that_is_locked_is_not_told_of),
    };

    return lab_suite_run("pkcs11/memory", cases, sizeof(cases) / sizeof(*cases));
}
