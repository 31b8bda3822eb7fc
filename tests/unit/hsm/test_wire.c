/* The wire: what is written is read back; what is cut, stretched or made up is refused. */
#include "hsm/wire.h"
#include "tests/support/suite.h"

#include <string.h>

static CK_BYTE iv16[16] = {1, 2, 3};
static CK_BYTE text[] = "some text";
static CK_AES_CTR_PARAMS ctr = {.ulCounterBits = 64, .cb = {9}};
static CK_GCM_PARAMS gcm = {
    .pIv = iv16, .ulIvLen = 12, .pAAD = text, .ulAADLen = 4, .ulTagBits = 96};
static CK_RSA_PKCS_PSS_PARAMS pss = {CKM_SHA256, CKG_MGF1_SHA256, 32};
static CK_RSA_PKCS_OAEP_PARAMS oaep = {CKM_SHA256, CKG_MGF1_SHA1, CKZ_DATA_SPECIFIED, text, 9};

static const CK_MECHANISM mechanisms[] = {
    {CKM_ECDSA, NULL, 0},
    {CKM_AES_CBC, iv16, 16},
    {CKM_AES_CTR, &ctr, sizeof(ctr)},
    {CKM_AES_GCM, &gcm, sizeof(gcm)},
    {CKM_RSA_PKCS_PSS, &pss, sizeof(pss)},
    {CKM_RSA_PKCS_OAEP, &oaep, sizeof(oaep)},
};

#define MECHANISMS ((int)(sizeof(mechanisms) / sizeof(*mechanisms)))

static struct wire_request sample(int i)
{
    return (struct wire_request){
        .op = WIRE_RUN,
        .serial = 77,
        .use = HSM_DECRYPT,
        .spec.key = {.id = {4, 5, 6}, .kind = HSM_KEY_SECRET, .type = CKK_AES},
        .mechanism = mechanisms[i],
        .in = BYTES_LIT("input"),
        .signature = BYTES_LIT("signature"),
    };
}

START_TEST(request_round_trips_with_every_shape_of_parameters)
{
    struct wire_request q = sample(_i);
    struct wire_request back;
    struct buf first = BUF_INIT(4096);
    struct buf second = BUF_INIT(4096);

    ck_assert(wire_put_request(&first, &q));
    ck_assert(wire_get_request(buf_bytes(&first), &back));
    ck_assert(back.op == WIRE_RUN && back.serial == 77 && back.use == HSM_DECRYPT);
    ck_assert_uint_eq(back.mechanism.mechanism, mechanisms[_i].mechanism);
    ck_assert_uint_eq(back.mechanism.ulParameterLen, mechanisms[_i].ulParameterLen);
    ck_assert(bytes_equal(back.in, q.in) && bytes_equal(back.signature, q.signature));
    /* Parameters hold pointers: they are equal when they are written the same again. */
    ck_assert(wire_put_request(&second, &back));
    ck_assert(bytes_equal(buf_bytes(&first), buf_bytes(&second)));
    buf_release(&first);
    buf_release(&second);
}
END_TEST

START_TEST(request_cut_anywhere_or_with_a_byte_too_many_is_refused)
{
    struct wire_request q = sample(_i);
    struct wire_request back;
    struct buf frame = BUF_INIT(4096);

    ck_assert(wire_put_request(&frame, &q));
    for (size_t n = 0; n < frame.len; n++)
        ck_assert_msg(!wire_get_request(BYTES(frame.data, n), &back), "accepted %zu bytes", n);
    ck_assert(wire_get_request(buf_bytes(&frame), &back));
    buf_putc(&frame, 0);
    ck_assert(!wire_get_request(buf_bytes(&frame), &back));
    buf_release(&frame);
}
END_TEST

/* Every byte set to every extreme: must not be read past its end (the sanitizers watch), may be
 * accepted or not. */
START_TEST(request_with_any_byte_changed_is_read_safely)
{
    static const uint8_t extremes[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    struct wire_request q = sample(_i);
    struct wire_request back;
    struct buf frame = BUF_INIT(4096);

    ck_assert(wire_put_request(&frame, &q));
    for (size_t n = 0; n < frame.len; n++) {
        uint8_t was = frame.data[n];

        for (size_t e = 0; e < sizeof(extremes); e++) {
            frame.data[n] = extremes[e];
            if (wire_get_request(buf_bytes(&frame), &back))
                ck_assert(back.op > 0 && back.op < WIRE_OP_COUNT);
        }
        frame.data[n] = was;
    }
    buf_release(&frame);
}
END_TEST

START_TEST(every_operation_round_trips_and_unknown_ones_are_refused)
{
    struct wire_request back;
    struct buf frame = BUF_INIT(4096);

    for (int op = WIRE_OPEN; op < WIRE_OP_COUNT; op++) {
        struct wire_request q = sample(0);

        q.op = (enum wire_op)op;
        buf_clear(&frame);
        ck_assert(wire_put_request(&frame, &q));
        ck_assert(wire_get_request(buf_bytes(&frame), &back));
        ck_assert_int_eq((int)back.op, op);
    }
    frame.data[8] = WIRE_OP_COUNT;
    ck_assert(!wire_get_request(buf_bytes(&frame), &back));
    frame.data[8] = 0;
    ck_assert(!wire_get_request(buf_bytes(&frame), &back));
    buf_release(&frame);
}
END_TEST

START_TEST(configuration_with_a_nul_inside_is_refused)
{
    struct wire_request q = {.op = WIRE_OPEN, .deadline_ms = 5};
    struct wire_request back;
    struct buf frame = BUF_INIT(4096);

    q.texts[WIRE_MODULE] = BYTES_LIT("/a/b");
    ck_assert(wire_put_request(&frame, &q));
    ck_assert(wire_get_request(buf_bytes(&frame), &back));
    ck_assert(bytes_equal_str(back.texts[WIRE_MODULE], "/a/b") && back.deadline_ms == 5);
    q.texts[WIRE_MODULE] = BYTES_LIT("/a\0b");
    buf_clear(&frame);
    ck_assert(wire_put_request(&frame, &q));
    ck_assert(!wire_get_request(buf_bytes(&frame), &back));
    buf_release(&frame);
}
END_TEST

START_TEST(request_larger_than_a_frame_is_not_written)
{
    static const uint8_t large[WIRE_FRAME_MAX];
    struct wire_request q = sample(0);
    struct buf frame = BUF_INIT(WIRE_FRAME_MAX);

    q.in = BYTES(large, WIRE_DATA_MAX);
    ck_assert(wire_put_request(&frame, &q));
    buf_clear(&frame);
    q.in = BYTES(large, sizeof(large));
    ck_assert(!wire_put_request(&frame, &q));
    buf_release(&frame);
}
END_TEST

START_TEST(answer_round_trips_and_a_cut_one_is_refused)
{
    const struct wire_answer a = {.serial = 3,
                                  .rv = CKR_DATA_INVALID,
                                  .trouble = WIRE_TROUBLE_PIN,
                                  .relogins = 2,
                                  .more = 9,
                                  .reason = BYTES_LIT("why"),
                                  .out = BYTES_LIT("what")};
    struct wire_answer back;
    struct buf frame = BUF_INIT(4096);

    ck_assert(wire_put_answer(&frame, &a));
    for (size_t n = 0; n < frame.len; n++)
        ck_assert(!wire_get_answer(BYTES(frame.data, n), &back));
    ck_assert(wire_get_answer(buf_bytes(&frame), &back));
    ck_assert(back.serial == 3 && back.rv == CKR_DATA_INVALID && back.trouble == WIRE_TROUBLE_PIN);
    ck_assert(back.relogins == 2 && back.more == 9);
    ck_assert(bytes_equal(back.reason, a.reason) && bytes_equal(back.out, a.out));
    buf_release(&frame);
}
END_TEST

START_TEST(about_and_public_halves_round_trip_and_cut_ones_are_refused)
{
    static struct wire_about about = {.library = "L 1.0", .token = "t", .serial = "s", .count = 1};
    static struct wire_about back;
    const struct wire_public pub = {BYTES_LIT("n"), BYTES_LIT("e")};
    struct wire_public pub_back;
    struct buf frame = BUF_INIT(65536);

    about.offers[0].type = CKM_ECDSA;
    ck_assert(wire_put_about(&frame, &about));
    ck_assert(!wire_get_about(BYTES(frame.data, frame.len - 1), &back));
    ck_assert(wire_get_about(buf_bytes(&frame), &back));
    ck_assert(back.count == 1 && back.offers[0].type == CKM_ECDSA);
    ck_assert_str_eq(back.library, "L 1.0");
    buf_clear(&frame);
    ck_assert(wire_put_public(&frame, &pub));
    ck_assert(!wire_get_public(BYTES(frame.data, frame.len - 1), &pub_back));
    ck_assert(wire_get_public(buf_bytes(&frame), &pub_back));
    ck_assert(bytes_equal_str(pub_back.first, "n") && bytes_equal_str(pub_back.second, "e"));
    buf_release(&frame);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_LOOP(request_round_trips_with_every_shape_of_parameters, MECHANISMS),
        CASE_LOOP(request_cut_anywhere_or_with_a_byte_too_many_is_refused, MECHANISMS),
        CASE_LOOP(request_with_any_byte_changed_is_read_safely, MECHANISMS),
        CASE(every_operation_round_trips_and_unknown_ones_are_refused),
        CASE(configuration_with_a_nul_inside_is_refused),
        CASE(request_larger_than_a_frame_is_not_written),
        CASE(answer_round_trips_and_a_cut_one_is_refused),
        CASE(about_and_public_halves_round_trip_and_cut_ones_are_refused),
    };

    return suite_run("hsm/wire", cases, sizeof(cases) / sizeof(*cases));
}
