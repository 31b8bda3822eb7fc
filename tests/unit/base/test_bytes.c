/* Spans and buffers: limits are kept, failure sticks, hex round-trips. */
#include "base/bytes.h"
#include "tests/support/suite.h"

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

int main(void)
{
    const struct suite_case cases[] = {
        CASE(buffer_fails_past_its_maximum_and_keeps_what_it_had),
        CASE(printf_longer_than_its_stack_buffer_is_whole),
        CASE(hex_round_trips_and_refuses_other_lengths),
        CASE(compare_orders_a_prefix_first),
    };

    return suite_run("base/bytes", cases, sizeof(cases) / sizeof(*cases));
}
