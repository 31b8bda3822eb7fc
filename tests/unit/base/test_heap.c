/* Strings and arrays. That their memory is ours is shown by the module test pkcs11/allocator. */
#include "base/heap.h"
#include "base/scope.h"
#include "tests/support/suite.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

START_TEST(copies_and_formats_are_whole_however_long)
{
    char longest[5000];
    SCOPED_FREE char *copy = NULL;
    SCOPED_FREE char *made = NULL;
    SCOPED_FREE char *empty = text_copy("");

    memset(longest, 'k', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    copy = text_copy(longest);
    ck_assert_str_eq(copy, longest);
    made = text_format("%s/%d", longest, 7);
    ck_assert_uint_eq(strlen(made), sizeof(longest) - 1 + 2);
    ck_assert_str_eq(made + sizeof(longest) - 1, "/7");
    ck_assert_str_eq(empty, "");
}
END_TEST

START_TEST(real_path_has_no_dots_and_no_links)
{
    char dir[] = "/tmp/keyward-text.XXXXXX";
    SCOPED_FREE char *link = NULL;
    SCOPED_FREE char *dotted = NULL;
    SCOPED_FREE char *found = NULL;

    ck_assert_ptr_nonnull(mkdtemp(dir));
    link = text_format("%s/link", dir);
    dotted = text_format("%s/./link/..", dir);
    ck_assert_int_eq(symlink("/usr/bin", link), 0);
    found = text_real_path(dotted);
    ck_assert_int_eq(unlink(link), 0);
    ck_assert_int_eq(rmdir(dir), 0);
    ck_assert_str_eq(found, "/usr");
}
END_TEST

START_TEST(a_path_that_is_not_there_is_null_with_errno)
{
    errno = 0;
    ck_assert_ptr_null(text_real_path("/no/such/folder"));
    ck_assert_int_eq(errno, ENOENT);
}
END_TEST

START_TEST(working_folder_is_where_the_process_is)
{
    SCOPED_FREE char *found = NULL;

    ck_assert_int_eq(chdir("/usr/bin"), 0);
    found = text_working_folder();
    ck_assert_str_eq(found, "/usr/bin");
}
END_TEST

START_TEST(array_grows_and_keeps_what_it_had)
{
    SCOPED_FREE uint32_t *list = array_resize(NULL, 1, sizeof(uint32_t));

    list[0] = 7;
    list = array_resize(list, 1000, sizeof(uint32_t));
    list[999] = 9;
    ck_assert_uint_eq(list[0], 7);
}
END_TEST

START_TEST(array_larger_than_any_number_is_refused)
{
    SCOPED_FREE uint32_t *list = array_resize(NULL, 1, sizeof(uint32_t));

    list[0] = 7;
    ck_assert_ptr_null(array_resize(list, SIZE_MAX / 2, sizeof(uint32_t)));
    ck_assert_uint_eq(list[0], 7);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(copies_and_formats_are_whole_however_long),
        CASE(real_path_has_no_dots_and_no_links),
        CASE(a_path_that_is_not_there_is_null_with_errno),
        CASE(working_folder_is_where_the_process_is),
        CASE(array_grows_and_keeps_what_it_had),
        CASE(array_larger_than_any_number_is_refused),
    };

    return suite_run("base/heap", cases, sizeof(cases) / sizeof(*cases));
}
