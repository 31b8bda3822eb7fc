/* Events as JSON: members and order, escaping of anything, limits that always hold. */
#include "audit/event.h"
#include "audit/json.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct event full = {
    .phase = EVENT_OUTCOME,
    .intent = 41,
    .app = "0123456789abcdef",
    .principal = "User::\"alice\"",
    .proof = "pin",
    .pid = 7,
    .uid = 0,
    .exe = "/usr/bin/x",
    .via = "pkcs11",
    .vault = "main",
    .object = "k",
    .id = "aa",
    .version = 2,
    .function = "C_Sign",
    .action = "sign",
    .mechanism = "CKM_ECDSA",
    .parameters = "bb",
    .digest = "cc",
    .has_length = true,
    .length = 0,
    .has_count = true,
    .count = 5,
    .verdict = EVENT_DENY,
    .rules = "a,b",
    .policy = "dd",
    .new_policy = "ee",
    .policy_change = "looser",
    .rv = CKR_PIN_INCORRECT,
    .reason = "no",
    .duration_ns = 2500,
    .policy_ns = 400,
    .hsm_ns = 1200,
    .software_ns = 300,
    .log_ns = 900,
};

static const char *written(const struct event *event, struct buf *out)
{
    event_write(event, 42, 1767323045678901234, out);
    ck_assert_ptr_nonnull(buf_str(out));
    return (const char *)out->data;
}

START_TEST(every_member_is_written_in_the_documented_order)
{
    struct buf out = BUF_INIT(EVENT_JSON_MAX + 1);

    ck_assert_str_eq(
        written(&full, &out),
        "{\"seq\":42,\"time\":\"2026-01-02T03:04:05.678901Z\",\"app\":\"0123456789abcdef\","
        "\"phase\":\"outcome\",\"intent\":41,\"principal\":\"User::\\\"alice\\\"\",\"proof\":"
        "\"pin\","
        "\"pid\":7,\"uid\":0,\"exe\":\"/usr/bin/x\",\"via\":\"pkcs11\",\"vault\":\"main\","
        "\"object\":\"k\",\"id\":\"aa\",\"version\":2,\"function\":\"C_Sign\",\"action\":\"sign\","
        "\"mechanism\":\"CKM_ECDSA\",\"parameters\":\"bb\",\"digest\":\"cc\",\"length\":0,"
        "\"count\":5,\"verdict\":\"deny\",\"rules\":\"a,b\",\"policy\":\"dd\",\"new_policy\":"
        "\"ee\",\"policy_change\":\"looser\","
        "\"rv\":\"CKR_PIN_INCORRECT\",\"reason\":\"no\",\"duration_us\":2,\"policy_ns\":400,"
        "\"hsm_ns\":1200,\"software_ns\":300,\"log_ns\":900}");
    buf_release(&out);
}
END_TEST

START_TEST(null_and_empty_members_are_left_out)
{
    struct buf out = BUF_INIT(EVENT_JSON_MAX + 1);
    const struct event event = {.function = "C_Login", .object = "", .pid = -1};

    ck_assert_str_eq(written(&event, &out),
                     "{\"seq\":42,\"time\":\"2026-01-02T03:04:05.678901Z\",\"phase\":\"done\","
                     "\"pid\":-1,\"uid\":0,\"function\":\"C_Login\",\"rv\":\"CKR_OK\"}");
    buf_release(&out);
}
END_TEST

START_TEST(an_intent_has_no_return_value)
{
    struct buf out = BUF_INIT(EVENT_JSON_MAX + 1);
    struct event event = full;

    event.phase = EVENT_INTENT;
    ck_assert_ptr_nonnull(strstr(written(&event, &out), "\"phase\":\"intent\",\"principal\""));
    ck_assert_ptr_null(strstr((const char *)out.data, "\"rv\""));
    buf_release(&out);
}
END_TEST

static const struct {
    const char *text;
    const char *json;
} escapes[] = {
    {"plain", "\"plain\""},
    {"\"\\/", "\"\\\"\\\\/\""},
    {"\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\""},
    {"\x01\x1f\x7f", "\"\\u0001\\u001f\\u007f\""},
    {"\xc2\x80\xc2\x9f", "\"\\u0080\\u009f\""}, /* C1: terminals obey them */
    {"\xc2\xa0\xc3\xa4", "\"\xc2\xa0\xc3\xa4\""},
    {"\xe2\x82\xac", "\"\xe2\x82\xac\""},
    {"\xf0\x9f\x94\x91", "\"\xf0\x9f\x94\x91\""},
    {"\x80", "\"\xef\xbf\xbd\""},                                 /* continuation alone */
    {"a\xc3", "\"a\xef\xbf\xbd\""},                               /* cut sequence */
    {"\xc3(", "\"\xef\xbf\xbd(\""},                               /* wrong continuation */
    {"\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\""},                 /* overlong */
    {"\xe0\x80\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""}, /* overlong */
    {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""}, /* surrogate */
    {"\xf4\x90\x80\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""}, /* > U+10FFFF */
    {"\xff\xfe", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
};

START_TEST(text_is_escaped_into_valid_utf8)
{
    struct buf out = BUF_INIT(256);

    event_put_string(&out, escapes[_i].text, 128);
    ck_assert_str_eq(buf_str(&out), escapes[_i].json);
    buf_release(&out);
}
END_TEST

/* Text is looked at in eights: a character is written alike wherever it stands in them. */
static void check_in_every_place(char c)
{
    char alone[2] = {c};
    struct buf unit = BUF_INIT(64);

    event_put_string(&unit, alone, 64);
    for (size_t at = 0; at < 20; at++) {
        char text[21] = "abcdefghijklmnopqrst";
        char want[64];
        struct buf out = BUF_INIT(64);

        (void)snprintf(want, sizeof(want), "\"%.*s%.*s%s\"", (int)at, text, (int)unit.len - 2,
                       (const char *)unit.data + 1, text + at + 1);
        text[at] = c;
        event_put_string(&out, text, 64);
        ck_assert_str_eq(buf_str(&out), want);
        buf_release(&out);
    }
    buf_release(&unit);
}

START_TEST(a_character_is_escaped_alike_in_every_place)
{
    for (int c = 1; c < 256; c++)
        check_in_every_place((char)c);
}
END_TEST

static const struct {
    const char *text;
    const char *json; /* with a limit of 16 */
} cuts[] = {
    {"0123456789abcdef", "\"0123456789abcdef\""},
    {"0123456789abcdefg", "\"0123456789abc...\""},
    {"0123456789abcd\xc3\xa4", "\"0123456789abcd\xc3\xa4\""},
    {"0123456789abcde\xc3\xa4", "\"0123456789abc...\""},
    {"0123456789ab\xc3\xa4xxx", "\"0123456789ab...\""},
    {"0123456789a\xc3\xa4xxxx", "\"0123456789a\xc3\xa4...\""},
    {"\x01\x02\x03", "\"\\u0001\\u0002...\""},
    {"\x01\x02"
     "abcd",
     "\"\\u0001\\u0002abcd\""},
    {"\xf0\x9f\x94\x91\xf0\x9f\x94\x91\xf0\x9f\x94\x91\xf0\x9f\x94\x91\xf0\x9f\x94\x91",
     "\"\xf0\x9f\x94\x91\xf0\x9f\x94\x91\xf0\x9f\x94\x91...\""},
};

START_TEST(overlong_text_is_cut_between_characters)
{
    struct buf out = BUF_INIT(256);

    event_put_string(&out, cuts[_i].text, 16);
    ck_assert_str_eq(buf_str(&out), cuts[_i].json);
    buf_release(&out);
}
END_TEST

START_TEST(the_longest_event_fits_its_maximum)
{
    static const char fillers[] = {'x', '\x01', '"', '\xff'};
    struct buf out = BUF_INIT(EVENT_JSON_MAX + 1);
    char *text = calloc(1, 70000);
    struct event event = {.phase = EVENT_OUTCOME,
                          .intent = UINT64_MAX,
                          .pid = INT64_MIN,
                          .uid = INT64_MIN,
                          .version = UINT64_MAX,
                          .has_length = true,
                          .length = UINT64_MAX,
                          .has_count = true,
                          .count = UINT64_MAX,
                          .verdict = EVENT_ALLOW,
                          .rv = (CK_RV)-1,
                          .duration_ns = INT64_MAX};
    const char **texts[] = {&event.app,      &event.principal, &event.proof,     &event.exe,
                            &event.via,      &event.vault,     &event.object,    &event.id,
                            &event.function, &event.action,    &event.mechanism, &event.parameters,
                            &event.digest,   &event.rules,     &event.policy,    &event.reason};

    memset(text, fillers[_i], 69999);
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        *texts[i] = text;
    event_write(&event, UINT64_MAX, 1767323045678901234, &out);
    ck_assert(buf_ok(&out));
    ck_assert_uint_le(out.len, EVENT_JSON_MAX);
    buf_release(&out);
    free(text);
}
END_TEST

START_TEST(numbers_are_written_whole)
{
    struct buf out = BUF_INIT(256);

    event_put_unsigned(&out, UINT64_MAX);
    buf_putc(&out, ' ');
    event_put_signed(&out, INT64_MIN);
    buf_putc(&out, ' ');
    event_put_signed(&out, 0);
    ck_assert_str_eq(buf_str(&out), "18446744073709551615 -9223372036854775808 0");
    buf_release(&out);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(every_member_is_written_in_the_documented_order),
        CASE(null_and_empty_members_are_left_out),
        CASE(an_intent_has_no_return_value),
        CASE_LOOP(text_is_escaped_into_valid_utf8, sizeof(escapes) / sizeof(*escapes)),
        CASE(a_character_is_escaped_alike_in_every_place),
        CASE_LOOP(overlong_text_is_cut_between_characters, sizeof(cuts) / sizeof(*cuts)),
        CASE_LOOP(the_longest_event_fits_its_maximum, 4),
        CASE(numbers_are_written_whole),
    };

    return suite_run("audit/event", cases, sizeof(cases) / sizeof(*cases));
}
