/* Spans and buffers: limits are kept, failure sticks, hex round-trips. */
#include "base/bytes.h"
#include "tests/support/suite.h"

#include <stdlib.h>
#include <string.h>

START_TEST(buffer_fails_past_its_maximum_and_keeps_what_it_had)
{
    struct buf b = BUF_INIT(4);

    buf_puts(&b, "abcd");
    ck_assert(buf_ok(&b));
    buf_putc(&b, 'e');
    ck_assert(!buf_ok(&b));
    ck_assert_uint_eq(b.len, 4);
    buf_clear(&b);
    buf_puts(&b, "xy");
    ck_assert(buf_ok(&b));
    ck_assert(bytes_equal_str(buf_bytes(&b), "xy"));
    buf_release(&b);
}
END_TEST

START_TEST(printf_longer_than_its_stack_buffer_is_whole)
{
    struct buf b = BUF_INIT(4096);

    buf_printf(&b, "%0*d", 1000, 7);
    ck_assert(buf_ok(&b));
    ck_assert_uint_eq(b.len, 1000);
    ck_assert_int_eq(b.data[999], '7');
    buf_release_secure(&b);
}
END_TEST

START_TEST(hex_round_trips_and_refuses_other_lengths)
{
    uint8_t raw[4];
    char hex[9];

    ck_assert(bytes_from_hex("00fF10ab", raw, 4));
    bytes_to_hex(BYTES(raw, 4), hex);
    ck_assert_str_eq(hex, "00ff10ab");
    ck_assert(!bytes_from_hex("00ff10", raw, 4));
    ck_assert(!bytes_from_hex("00ff10ag", raw, 4));
}
END_TEST

START_TEST(compare_orders_a_prefix_first)
{
    ck_assert_int_eq(bytes_compare(BYTES_LIT("ab"), BYTES_LIT("abc")), -1);
    ck_assert_int_eq(bytes_compare(BYTES_LIT("b"), BYTES_LIT("abc")), 1);
    ck_assert_int_eq(bytes_compare(BYTES_NONE, BYTES_LIT("")), 0);
}
END_TEST

START_TEST(a_failed_buffer_takes_nothing_more_even_where_it_would_fit)
{
    struct buf b = BUF_INIT(4);

    buf_puts(&b, "abc");
    buf_puts(&b, "de");
    buf_putc(&b, 'd');
    ck_assert(!buf_ok(&b));
    ck_assert_ptr_null(buf_str(&b));
    ck_assert(bytes_equal_str(buf_bytes(&b), "abc"));
    buf_release(&b);
    buf_release(&b);
}
END_TEST

START_TEST(a_length_that_would_wrap_around_is_refused)
{
    struct buf b = BUF_INIT(100);

    buf_puts(&b, "ab");
    ck_assert_ptr_null(buf_grow(&b, SIZE_MAX));
    ck_assert(!buf_ok(&b));
    ck_assert_uint_eq(b.len, 2);
    buf_release(&b);
}
END_TEST

START_TEST(growing_keeps_what_was_there)
{
    struct buf b = BUF_INIT(65536);

    for (int i = 0; i < 5000; i++)
        buf_putc(&b, (char)('a' + i % 26));
    for (int i = 0; i < 5000; i++)
        ck_assert_int_eq(b.data[i], 'a' + i % 26);
    memset(buf_grow(&b, 3), 'x', 3);
    buf_put_bytes(&b, BYTES_LIT("end"));
    ck_assert_uint_eq(strlen(buf_str(&b)), 5006);
    ck_assert_str_eq(buf_str(&b) + 5000, "xxxend");
    buf_release_secure(&b);
}
END_TEST

START_TEST(spans_and_strings_turn_into_each_other)
{
    char *s = bytes_to_str(BYTES("key!", 3));
    char *none = bytes_to_str(BYTES_NONE);

    ck_assert_str_eq(s, "key");
    ck_assert_str_eq(none, "");
    ck_assert(bytes_equal_str(bytes_from_str(NULL), NULL));
    ck_assert(!bytes_equal_str(BYTES_LIT("ab"), "abc"));
    free(s);
    free(none);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(buffer_fails_past_its_maximum_and_keeps_what_it_had),
        CASE(printf_longer_than_its_stack_buffer_is_whole),
        CASE(hex_round_trips_and_refuses_other_lengths),
        CASE(compare_orders_a_prefix_first),
        CASE(a_failed_buffer_takes_nothing_more_even_where_it_would_fit),
        CASE(a_length_that_would_wrap_around_is_refused),
        CASE(growing_keeps_what_was_there),
        CASE(spans_and_strings_turn_into_each_other),
    };

    return suite_run("base/bytes", cases, sizeof(cases) / sizeof(*cases));
}
