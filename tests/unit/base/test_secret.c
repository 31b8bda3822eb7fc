/* Secrets: wiped, locked, left out of dumps and empty in a forked child. */
#include "base/secret.h"
#include "tests/support/suite.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* The flags the kernel shows for the mapping that starts at addr, "" where it shows none. */
static void mapping_flags(const void *addr, char flags[static 256])
{
    FILE *maps = fopen("/proc/self/smaps", "re");
    char line[256];
    bool ours = false;

    flags[0] = '\0';
    ck_assert_ptr_nonnull(maps);
    while (fgets(line, sizeof(line), maps) != NULL) {
        unsigned long from;
        unsigned long to;

        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            ours = (unsigned long)addr >= from && (unsigned long)addr < to;
        else if (ours && strncmp(line, "VmFlags:", 8) == 0)
            memcpy(flags, line + 8, strlen(line + 8) + 1);
    }
    (void)fclose(maps);
}

START_TEST(a_new_secret_is_zero_and_ends_in_nul)
{
    SCOPED_SECRET s = secret_new(5000);

    ck_assert_ptr_nonnull(s);
    ck_assert_uint_eq(s->len, 5000);
    for (size_t i = 0; i <= s->len; i++)
        ck_assert_uint_eq(s->data[i], 0);
}
END_TEST

START_TEST(a_secret_may_fill_its_pages_and_still_end_in_nul)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    SCOPED_SECRET s = secret_new(page);

    ck_assert_ptr_nonnull(s);
    memset(s->data, 'x', s->len);
    ck_assert_uint_eq(s->data[s->len], 0);
    ck_assert_uint_ge(s->mapped, page + 1);
}
END_TEST

START_TEST(a_copy_holds_the_span_and_may_be_empty)
{
    SCOPED_SECRET pin = secret_copy(BYTES_LIT("1234"));
    SCOPED_SECRET none = secret_copy(BYTES_NONE);

    ck_assert_str_eq((const char *)pin->data, "1234");
    ck_assert(bytes_equal(secret_bytes(pin), BYTES_LIT("1234")));
    ck_assert_uint_eq(none->len, 0);
    ck_assert_str_eq((const char *)none->data, "");
}
END_TEST

START_TEST(what_is_cut_off_is_wiped)
{
    SCOPED_SECRET s = secret_copy(BYTES_LIT("12345678"));

    secret_shorten(s, 3);
    ck_assert_uint_eq(s->len, 3);
    ck_assert_int_eq(memcmp(s->data, "123\0\0\0\0\0", 8), 0);
    secret_shorten(s, 5);
    ck_assert_uint_eq(s->len, 3);
}
END_TEST

START_TEST(no_secret_is_an_empty_span_and_may_be_freed)
{
    ck_assert_uint_eq(secret_bytes(NULL).len, 0);
    secret_free(NULL);
}
END_TEST

START_TEST(a_freed_secret_is_no_longer_mapped)
{
    struct secret *s = secret_new(32);
    void *data = s->data;
    size_t mapped = s->mapped;

    ck_assert_int_eq(msync(data, mapped, MS_ASYNC), 0);
    secret_free(s);
    ck_assert_int_eq(msync(data, mapped, MS_ASYNC), -1);
    ck_assert_int_eq(errno, ENOMEM);
}
END_TEST

START_TEST(a_length_no_memory_has_is_refused)
{
    ck_assert_ptr_null(secret_new(SIZE_MAX));
    ck_assert_ptr_null(secret_new(SIZE_MAX / 2));
}
END_TEST

START_TEST(a_forked_child_sees_zeros)
{
    SCOPED_SECRET s = secret_copy(BYTES_LIT("key"));
    int status = -1;
    pid_t child = fork();

    if (child == 0)
        _exit(memcmp(s->data, "\0\0\0", 3) == 0 ? 0 : 1);
    ck_assert_int_gt(child, 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert(bytes_equal(secret_bytes(s), BYTES_LIT("key")));
}
END_TEST

START_TEST(the_kernel_keeps_it_out_of_dumps_and_children)
{
    SCOPED_SECRET s = secret_new(32);
    char flags[256];

    mapping_flags(s->data, flags);
    if (flags[0] == '\0')
        return; /* a kernel that does not show its flags */
    ck_assert_msg(strstr(flags, " dd") != NULL, "not dd (left out of dumps):%s", flags);
    ck_assert_msg(strstr(flags, " wf") != NULL, "not wf (wiped on fork):%s", flags);
}
END_TEST

/* AddressSanitizer turns mlock into nothing, so there is nothing to see under it. */
#ifndef __SANITIZE_ADDRESS__
START_TEST(the_kernel_locks_it_while_locking_works)
{
    SCOPED_SECRET s = secret_new(32);
    char flags[256];

    mapping_flags(s->data, flags);
    if (flags[0] == '\0')
        return;
    ck_assert_int_eq(strstr(flags, " lo") != NULL, secret_locking_works());
}
END_TEST

START_TEST(locking_that_fails_is_told_and_the_secret_still_made)
{
    int status = -1;
    pid_t child = fork();

    if (child == 0) {
        const struct rlimit none = {.rlim_cur = 0, .rlim_max = 0};
        struct secret *s;

        /* The limit does not bind root. */
        if (setrlimit(RLIMIT_MEMLOCK, &none) != 0 || (getuid() == 0 && setuid(65534) != 0))
            _exit(2);
        s = secret_new(32);
        _exit(s != NULL && !secret_locking_works() ? 0 : 1);
    }
    ck_assert_int_gt(child, 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}
END_TEST
#endif

int main(void)
{
    const struct suite_case cases[] = {
        CASE(a_new_secret_is_zero_and_ends_in_nul),
        CASE(a_secret_may_fill_its_pages_and_still_end_in_nul),
        CASE(a_copy_holds_the_span_and_may_be_empty),
        CASE(what_is_cut_off_is_wiped),
        CASE(no_secret_is_an_empty_span_and_may_be_freed),
        CASE(a_freed_secret_is_no_longer_mapped),
        CASE(a_length_no_memory_has_is_refused),
        CASE(a_forked_child_sees_zeros),
        CASE(the_kernel_keeps_it_out_of_dumps_and_children),
#ifndef __SANITIZE_ADDRESS__
        CASE(the_kernel_locks_it_while_locking_works),
        CASE(locking_that_fails_is_told_and_the_secret_still_made),
#endif
    };

    return suite_run("base/secret", cases, sizeof(cases) / sizeof(*cases));
}
