/* What is done here and what in the HSM: every hashed signature has its raw half, and each class of
 * code its meaning. */
#include "hsm/channel.h"
#include "hsm/classes.h"
#include "hsm/hsm_int.h"
#include "tests/support/suite.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

START_TEST(every_hashed_signature_has_a_message_for_its_raw_mechanism)
{
    static const uint8_t digest[LOCAL_DIGEST_MAX] = {1, 2, 3};
    unsigned seen = 0;

    for (size_t i = 0; i < mech_count(); i++) {
        const struct mech *row = mech_at(i);
        struct plan plan = {.row = row, .hash = row->hash, .mechanism = row->raw};
        uint8_t out[PLAN_MESSAGE_MAX];
        size_t n = mech_hash_len(row->hash);
        size_t len = 0;

        if (row->raw == KW_NO_MECHANISM)
            continue;
        seen++;
        assert_ok(plan_message(&plan, BYTES(digest, n), out, &len));
        ck_assert(len >= n && memcmp(out + len - n, digest, n) == 0);
        /* A DigestInfo is a SEQUENCE of just this length. */
        if (row->raw == CKM_RSA_PKCS)
            ck_assert(out[0] == 0x30 && out[1] == len - 2);
        else
            ck_assert_uint_eq(len, n);
    }
    ck_assert_uint_ge(seen, 15);
}
END_TEST

START_TEST(plan_refuses_by_one_changed_fact)
{
    struct hsm_key rsa = {.kind = HSM_KEY_PRIVATE, .type = CKK_RSA};
    struct hsm_key ec = {.kind = HSM_KEY_PRIVATE, .type = CKK_EC};
    CK_MECHANISM m = {CKM_SHA256_RSA_PKCS, NULL, 0};
    struct plan plan;

    assert_ok(plan_make(HSM_SIGN, &rsa, &m, &plan));
    ck_assert(plan.hash == CKM_SHA256 && plan.mechanism == CKM_RSA_PKCS);
    assert_rv(CKR_KEY_TYPE_INCONSISTENT, plan_make(HSM_SIGN, &ec, &m, &plan));
    assert_rv(CKR_MECHANISM_INVALID, plan_make(HSM_DECRYPT, &rsa, &m, &plan));
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED, plan_make(HSM_VERIFY, &rsa, &m, &plan));
    m.mechanism = CKM_VENDOR_DEFINED;
    assert_rv(CKR_MECHANISM_INVALID, plan_make(HSM_SIGN, &rsa, &m, &plan));
}
END_TEST

START_TEST(codes_have_the_class_their_repair_needs)
{
    static const struct {
        CK_RV rv;
        enum hsm_class class;
    } wanted[] = {
        {CKR_OK, HSM_CLASS_OK},
        {CKR_DEVICE_REMOVED, HSM_CLASS_LOST},
        {CKR_SESSION_HANDLE_INVALID, HSM_CLASS_SESSION},
        {CKR_OBJECT_HANDLE_INVALID, HSM_CLASS_KEY},
        {CKR_USER_NOT_LOGGED_IN, HSM_CLASS_LOGIN},
        {CKR_SESSION_COUNT, HSM_CLASS_BUSY},
        {CKR_PIN_INCORRECT, HSM_CLASS_PIN},
        {CKR_PIN_LOCKED, HSM_CLASS_PIN},
        {CKR_GENERAL_ERROR, HSM_CLASS_AMBIGUOUS},
        {CKR_VENDOR_DEFINED | 5, HSM_CLASS_AMBIGUOUS},
        {CKR_BUFFER_TOO_SMALL, HSM_CLASS_AMBIGUOUS},
        {CKR_SIGNATURE_INVALID, HSM_CLASS_CALLER},
    };

    for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
        ck_assert_int_eq(hsm_class_of(wanted[i].rv), wanted[i].class);
}
END_TEST

/* ---- channels ---- */

static void send_raw(int fd, uint32_t length, const char *body, size_t n)
{
    ck_assert(send(fd, &length, sizeof(length), 0) == sizeof(length));
    if (n > 0)
        ck_assert(send(fd, body, n, 0) == (ssize_t)n);
}

/* Whether it sleeps at once or looks first. */
START_TEST(channel_gives_frames_and_refuses_what_is_none)
{
    struct buf message = BUF_INIT(1u << 21);
    struct channel_wait looks = {.rest = 0};
    struct channel_wait *wait = _i == 0 ? NULL : &looks;
    struct bytes frame;
    int pair[2];

    ck_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    send_raw(pair[0], 3, "abc", 3);
    ck_assert_int_eq(channel_receive(pair[1], &message, channel_deadline(1000), wait, &frame),
                     CHANNEL_OK);
    ck_assert(bytes_equal_str(frame, "abc"));
    send_raw(pair[0], 3, "ab", 2);
    ck_assert_int_eq(channel_receive(pair[1], &message, channel_deadline(20), wait, &frame),
                     CHANNEL_TIMEOUT);
    send_raw(pair[0], 0xffffffff, "", 0);
    ck_assert_int_eq(channel_receive(pair[1], &message, channel_deadline(1000), wait, &frame),
                     CHANNEL_CLOSED);
    send_raw(pair[0], 1, "ab", 2);
    ck_assert_int_eq(channel_receive(pair[1], &message, channel_deadline(1000), wait, &frame),
                     CHANNEL_CLOSED);
    (void)close(pair[0]);
    ck_assert_int_eq(channel_receive(pair[1], &message, channel_deadline(1000), wait, &frame),
                     CHANNEL_CLOSED);
    ck_assert_int_eq(channel_send(pair[1], &message, channel_deadline(20)), CHANNEL_CLOSED);
    buf_puts(&message, "....to nobody");
    ck_assert_int_eq(channel_send(pair[1], &message, channel_deadline(20)), CHANNEL_CLOSED);
    (void)close(pair[1]);
    buf_release(&message);
}
END_TEST

START_TEST(an_end_that_looked_in_vain_sleeps_at_once_for_a_while)
{
    struct buf message = BUF_INIT(1u << 16);
    struct channel_wait wait = {.rest = 0};
    struct bytes frame;
    unsigned rest;
    int pair[2];

    ck_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    send_raw(pair[0], 1, "a", 1);
    ck_assert_int_eq(channel_receive(pair[1], &message, channel_deadline(1000), &wait, &frame),
                     CHANNEL_OK);
    ck_assert_uint_eq(wait.rest, 0);
    ck_assert_int_eq(channel_receive(pair[1], &message, channel_deadline(5), &wait, &frame),
                     CHANNEL_TIMEOUT);
    rest = wait.rest;
    ck_assert_uint_gt(rest, 0);
    ck_assert_int_eq(channel_receive(pair[1], &message, channel_deadline(5), &wait, &frame),
                     CHANNEL_TIMEOUT);
    ck_assert_uint_eq(wait.rest, rest - 1);
    (void)close(pair[0]);
    (void)close(pair[1]);
    buf_release(&message);
}
END_TEST

START_TEST(control_passes_one_descriptor_with_its_packet)
{
    struct buf frame = BUF_INIT(1u << 17);
    int pair[2];
    int fd = -1;

    ck_assert(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    ck_assert_int_eq(control_send(pair[0], BYTES_LIT("hi"), pair[0], channel_deadline(100)),
                     CHANNEL_OK);
    ck_assert_int_eq(control_send(pair[0], BYTES_LIT("ho"), -1, channel_deadline(100)), CHANNEL_OK);
    ck_assert_int_eq(control_receive(pair[1], &frame, channel_deadline(100), &fd), CHANNEL_OK);
    ck_assert(bytes_equal_str(buf_bytes(&frame), "hi") && fd >= 0);
    (void)close(fd);
    ck_assert_int_eq(control_receive(pair[1], &frame, channel_deadline(100), &fd), CHANNEL_OK);
    ck_assert(bytes_equal_str(buf_bytes(&frame), "ho"));
    ck_assert_int_eq(fd, -1);
    ck_assert_int_eq(control_receive(pair[1], &frame, channel_deadline(10), &fd), CHANNEL_TIMEOUT);
    (void)close(pair[0]);
    ck_assert_int_eq(control_receive(pair[1], &frame, channel_deadline(10), &fd), CHANNEL_CLOSED);
    (void)close(pair[1]);
    buf_release(&frame);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(every_hashed_signature_has_a_message_for_its_raw_mechanism),
        CASE(plan_refuses_by_one_changed_fact),
        CASE(codes_have_the_class_their_repair_needs),
        CASE_LOOP(channel_gives_frames_and_refuses_what_is_none, 2),
        CASE(an_end_that_looked_in_vain_sleeps_at_once_for_a_while),
        CASE(control_passes_one_descriptor_with_its_packet),
    };

    return suite_run("hsm/compose", cases, sizeof(cases) / sizeof(*cases));
}
