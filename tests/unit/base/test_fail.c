/* Failures: the code comes back, the sentence waits in its own thread, errno stays. */
#include "base/fail.h"
#include "tests/support/suite.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <wchar.h>

/* Check has a macro of that name; here the function is meant. */
#undef fail

START_TEST(fail_returns_the_code_and_keeps_the_sentence)
{
    ck_assert_uint_eq(fail(CKR_PIN_INCORRECT, "user %s: %d left", "alice", 2), CKR_PIN_INCORRECT);
    ck_assert_str_eq(fail_reason(), "user alice: 2 left");
    ck_assert_uint_eq(fail(CKR_PIN_LOCKED, "locked"), CKR_PIN_LOCKED);
    ck_assert_str_eq(fail_reason(), "locked");
}
END_TEST

START_TEST(fail_in_puts_its_word_before_the_reason)
{
    (void)fail(CKR_DEVICE_ERROR, "disk full");
    ck_assert_uint_eq(fail_in(CKR_FUNCTION_FAILED, "vault prod"), CKR_FUNCTION_FAILED);
    ck_assert_str_eq(fail_reason(), "vault prod: disk full");
}
END_TEST

START_TEST(a_reason_may_be_made_from_the_reason_before)
{
    (void)fail(CKR_DEVICE_ERROR, "inner");
    (void)fail(CKR_DEVICE_ERROR, "outer (%s)", fail_reason());
    ck_assert_str_eq(fail_reason(), "outer (inner)");
}
END_TEST

START_TEST(long_sentences_are_cut_not_overrun)
{
    char word[2 * FAIL_REASON_MAX];

    memset(word, 'x', sizeof(word) - 1);
    word[sizeof(word) - 1] = '\0';
    (void)fail(CKR_GENERAL_ERROR, "%s", word);
    ck_assert_uint_eq(strlen(fail_reason()), FAIL_REASON_MAX - 1);
    (void)fail_in(CKR_GENERAL_ERROR, "in");
    ck_assert_uint_eq(strlen(fail_reason()), FAIL_REASON_MAX - 1);
    ck_assert_int_eq(strncmp(fail_reason(), "in: xxx", 7), 0);
}
END_TEST

START_TEST(errno_is_left_alone_and_its_text_is_told)
{
    errno = ENOENT;
    ck_assert_uint_eq(fail_errno("open", "a/path"), CKR_DEVICE_ERROR);
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_str_eq(fail_reason(), "cannot open a/path: No such file or directory");
}
END_TEST

START_TEST(errno_is_left_alone_even_by_a_text_that_cannot_be_written)
{
    const wchar_t half_a_pair[] = {0xd800, 0};

    errno = ENOENT;
    ck_assert_uint_eq(fail(CKR_CANCEL, "%ls", half_a_pair), CKR_CANCEL);
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_uint_lt(strlen(fail_reason()), FAIL_REASON_MAX);
}
END_TEST

START_TEST(named_failures_have_their_codes)
{
    ck_assert_uint_eq(fail_memory(), CKR_HOST_MEMORY);
    ck_assert_uint_eq(fail_argument("pSlotList"), CKR_ARGUMENTS_BAD);
    ck_assert_ptr_nonnull(strstr(fail_reason(), "pSlotList"));
    ck_assert_uint_eq(fail_internal("lanes never run dry"), CKR_GENERAL_ERROR);
    ck_assert_ptr_nonnull(strstr(fail_reason(), "lanes never run dry"));
}
END_TEST

START_TEST(clear_leaves_the_empty_text)
{
    (void)fail_memory();
    fail_clear();
    ck_assert_str_eq(fail_reason(), "");
}
END_TEST

static void *fail_elsewhere(void *empty_at_start)
{
    *(bool *)empty_at_start = fail_reason()[0] == '\0';
    (void)fail(CKR_CANCEL, "the other thread's");
    return NULL;
}

START_TEST(each_thread_has_its_own_reason)
{
    bool empty_at_start = false;
    pthread_t other;

    (void)fail(CKR_CANCEL, "mine");
    ck_assert_int_eq(pthread_create(&other, NULL, fail_elsewhere, &empty_at_start), 0);
    ck_assert_int_eq(pthread_join(other, NULL), 0);
    ck_assert(empty_at_start);
    ck_assert_str_eq(fail_reason(), "mine");
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(fail_returns_the_code_and_keeps_the_sentence),
        CASE(fail_in_puts_its_word_before_the_reason),
        CASE(a_reason_may_be_made_from_the_reason_before),
        CASE(long_sentences_are_cut_not_overrun),
        CASE(errno_is_left_alone_and_its_text_is_told),
        CASE(errno_is_left_alone_even_by_a_text_that_cannot_be_written),
        CASE(named_failures_have_their_codes),
        CASE(clear_leaves_the_empty_text),
        CASE(each_thread_has_its_own_reason),
    };

    return suite_run("base/fail", cases, sizeof(cases) / sizeof(*cases));
}
