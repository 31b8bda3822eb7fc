/*
 * Without memory: the n-th allocation fails, for every n until the work succeeds. Each failure says
 * CKR_HOST_MEMORY, leaves what was there as it was, and leaks nothing (which the sanitizers see).
 */
#include "base/attrs.h"
#include "base/config.h"
#include "base/secret.h"
#include "tests/support/suite.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Allocations left before one fails; below 0: none fails. */
static int left = -1;

static bool fails_now(void)
{
    if (left < 0)
        return false;
    return left-- == 0;
}

/* The linker hands the library's calls to these (-Wl,--wrap). */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

void *__wrap_malloc(size_t size)
{
    return fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails_now() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails_now() ? NULL : __real_realloc(old, size);
}

static CK_RV fill(struct attrs *a)
{
    for (CK_ULONG type = 40; type > 0; type--) {
        CK_RV rv = attrs_set_ulong(a, type, type);

        if (rv != CKR_OK)
            return rv;
    }
    return CKR_OK;
}

START_TEST(attributes_set_before_the_failure_are_still_there)
{
    CK_RV rv = CKR_HOST_MEMORY;
    int n;

    for (n = 0; rv != CKR_OK; n++) {
        struct attrs a = ATTRS_INIT;

        left = n;
        rv = fill(&a);
        left = -1;
        ck_assert(rv == CKR_OK || rv == CKR_HOST_MEMORY);
        for (size_t i = 0; i < a.count; i++)
            ck_assert_uint_eq(attrs_ulong(&a, a.list[i].type, 0), 40 - a.count + i + 1);
        attrs_release(&a);
    }
    ck_assert_int_gt(n, 40);
}
END_TEST

START_TEST(a_value_that_could_not_be_replaced_is_kept)
{
    struct attrs a = ATTRS_INIT;

    assert_ok(attrs_set(&a, CKA_LABEL, BYTES_LIT("old")));
    left = 0;
    assert_rv(CKR_HOST_MEMORY, attrs_set(&a, CKA_LABEL, BYTES_LIT("new")));
    ck_assert(bytes_equal_str(attrs_bytes(&a, CKA_LABEL), "old"));
    attrs_release(&a);
}
END_TEST

START_TEST(a_copy_that_failed_leaves_its_target_alone)
{
    struct attrs from = ATTRS_INIT;
    CK_RV rv = CKR_HOST_MEMORY;

    assert_ok(fill(&from));
    for (int n = 0; rv != CKR_OK; n++) {
        struct attrs to = ATTRS_INIT;

        left = n;
        rv = attrs_copy(&to, &from);
        left = -1;
        ck_assert(rv == CKR_OK || rv == CKR_HOST_MEMORY);
        ck_assert_uint_eq(to.count, rv == CKR_OK ? from.count : 0);
        attrs_release(&to);
    }
    attrs_release(&from);
}
END_TEST

START_TEST(a_buffer_that_could_not_grow_keeps_what_it_had)
{
    struct buf b = BUF_INIT(4096);

    buf_puts(&b, "kept");
    left = 0;
    ck_assert_ptr_null(buf_grow(&b, 1000));
    ck_assert(!buf_ok(&b));
    ck_assert(bytes_equal_str(buf_bytes(&b), "kept"));
    buf_release(&b);
}
END_TEST

START_TEST(a_string_or_secret_without_memory_is_null)
{
    left = 0;
    ck_assert_ptr_null(bytes_to_str(BYTES_LIT("x")));
    left = 0;
    ck_assert_ptr_null(secret_new(32));
    left = 0;
    ck_assert_ptr_null(secret_copy(BYTES_LIT("1234")));
}
END_TEST

struct settings {
    char *first;
    char *second;
};

static const struct config_key keys[] = {
    {.section = "a",
     .name = "first",
     .kind = CONFIG_TEXT,
     .offset = offsetof(struct settings, first)},
    {.section = "a",
     .name = "second",
     .kind = CONFIG_TEXT,
     .offset = offsetof(struct settings, second)},
};

START_TEST(settings_that_could_not_all_be_read_are_not_touched)
{
    static const char text[] = "[a]\nfirst = 1\nsecond = 2\n";
    char path[] = "/tmp/keyward-memory-XXXXXX";
    int fd = mkstemp(path);
    CK_RV rv = CKR_HOST_MEMORY;
    struct settings s = {0};
    int n;

    ck_assert_int_eq(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
    (void)close(fd);
    for (n = 0; rv != CKR_OK; n++) {
        left = n;
        rv = config_read(path, keys, 2, &s);
        left = -1;
        ck_assert(rv == CKR_OK || rv == CKR_HOST_MEMORY);
        ck_assert((s.first != NULL) == (rv == CKR_OK));
        ck_assert((s.second != NULL) == (rv == CKR_OK));
    }
    ck_assert_int_ge(n, 4);
    config_release(keys, 2, &s);
    (void)unlink(path);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(attributes_set_before_the_failure_are_still_there),
        CASE(a_value_that_could_not_be_replaced_is_kept),
        CASE(a_copy_that_failed_leaves_its_target_alone),
        CASE(a_buffer_that_could_not_grow_keeps_what_it_had),
        CASE(a_string_or_secret_without_memory_is_null),
        CASE(settings_that_could_not_all_be_read_are_not_touched),
    };

    return suite_run("base/memory", cases, sizeof(cases) / sizeof(*cases));
}
