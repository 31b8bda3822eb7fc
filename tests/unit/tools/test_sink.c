/* Records on their way out: what journald gets when a record is too long for a datagram, and
 * addresses that are none. */
#include "base/scope.h"
#include "tests/support/suite.h"
#include "tools/sink.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

static char folder[] = "/tmp/keyward-sink-XXXXXX";
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static int receiver;
static struct sink sink;

static void begin(void)
{
    char where[sizeof(address.sun_path) + 5];

    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/journal", folder);
    receiver = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(receiver, (const struct sockaddr *)&address, sizeof(address)), 0);
    (void)snprintf(where, sizeof(where), "unix:%s", address.sun_path);
    ck_assert(sink_init(&sink, sink_find("journald"), where));
    ck_assert_msg(sink_open(&sink), "%s", sink.trouble);
}

static void end(void)
{
    sink_release(&sink);
    (void)close(receiver);
    (void)unlink(address.sun_path);
    (void)rmdir(folder);
}

/* A datagram's bytes, and the file that came with it: -1 for none. */
static size_t receive(char *data, size_t size, int *ret_fd)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {.iov_base = data, .iov_len = size};
    struct msghdr header = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = &control,
                            .msg_controllen = sizeof(control.room)};
    ssize_t n = recvmsg(receiver, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    ck_assert_int_ge(n, 0);
    *ret_fd = -1;
    if (CMSG_FIRSTHDR(&header) != NULL)
        memcpy(ret_fd, CMSG_DATA(CMSG_FIRSTHDR(&header)), sizeof(int));
    return (size_t)n;
}

static void send_record(const char *reason)
{
    json_t *event = json_pack("{s:i, s:s}", "seq", 7, "reason", reason);

    ck_assert_msg(sink_send(&sink, event), "%s", sink.trouble);
    json_decref(event);
}

START_TEST(a_record_is_one_datagram_of_fields)
{
    char data[4096];
    size_t n;
    int fd;

    begin();
    send_record("short");
    n = receive(data, sizeof(data), &fd);
    ck_assert_int_eq(fd, -1);
    ck_assert_ptr_nonnull(memmem(data, n, "\nKEYWARD_SEQ=7\n", 15));
    ck_assert_ptr_nonnull(memmem(data, n, "\nKEYWARD_REASON=short\n", 22));
    end();
}
END_TEST

START_TEST(a_value_with_a_newline_makes_no_field_of_its_own)
{
    static const char field[] = "\nKEYWARD_REASON\n\x09\0\0\0\0\0\0\0a\nUNIT=b\n";
    char data[4096];
    size_t n;
    int fd;

    begin();
    send_record("a\nUNIT=b");
    n = receive(data, sizeof(data), &fd);
    ck_assert_ptr_null(memmem(data, n, field, sizeof(field) - 1)); /* 8 bytes it has, not 9 */
    ck_assert_ptr_nonnull(memmem(data, n, "\nKEYWARD_REASON\n\x08\0\0\0\0\0\0\0a\nUNIT=b\n", 33));
    end();
}
END_TEST

START_TEST(a_record_too_long_for_a_datagram_is_a_sealed_file)
{
    char reason[16000];
    char data[sizeof(reason) + 4096];
    int small = 2048;
    SCOPED_FD int fd = -1;
    ssize_t n;

    begin();
    memset(reason, 'x', sizeof(reason) - 1);
    reason[sizeof(reason) - 1] = '\0';
    ck_assert_int_eq(setsockopt(sink.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
    send_record(reason);
    ck_assert_uint_eq(receive(data, sizeof(data), &fd), 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fcntl(fd, F_GET_SEALS),
                     F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
    n = pread(fd, data, sizeof(data), 0);
    ck_assert_int_gt(n, (int)sizeof(reason));
    ck_assert_ptr_nonnull(memmem(data, (size_t)n, reason, sizeof(reason) - 1));
    end();
}
END_TEST

START_TEST(a_receiver_that_went_away_is_a_failure_that_says_so)
{
    json_t *event = json_pack("{s:i}", "seq", 7);

    begin();
    (void)close(receiver);
    ck_assert(!sink_send(&sink, event));
    ck_assert_ptr_nonnull(strstr(sink.trouble, "Connection refused"));
    ck_assert_int_lt(sink.fd, 0);
    json_decref(event);
    end();
}
END_TEST

static const struct {
    const char *kind, *address;
    bool good;
} addresses[] = {
    {"syslog", NULL, true},           {"syslog", "unix:/dev/log", true},
    {"syslog", "udp:host:514", true}, {"syslog", "tcp:[::1]:514", true},
    {"syslog", "/dev/log", false},    {"syslog", "unix:relative", false},
    {"syslog", "tcp:host", false},    {"syslog", "tcp::514", false},
    {"syslog", "tcp:host:", false},   {"syslog", "tls:host:6514", false},
    {"journald", NULL, true},         {"journald", "udp:host:514", false},
};

START_TEST(an_address_is_one_that_the_receiver_has)
{
    ck_assert_int_eq(sink_init(&sink, sink_find(addresses[_i].kind), addresses[_i].address),
                     addresses[_i].good);
    sink_release(&sink);
}
END_TEST

START_TEST(a_path_longer_than_a_socket_has_is_refused)
{
    char where[200] = "unix:/";

    memset(where + 6, 'x', sizeof(where) - 7);
    where[sizeof(where) - 1] = '\0';
    ck_assert(!sink_init(&sink, sink_find("syslog"), where));
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(a_record_is_one_datagram_of_fields),
        CASE(a_value_with_a_newline_makes_no_field_of_its_own),
        CASE(a_record_too_long_for_a_datagram_is_a_sealed_file),
        CASE(a_receiver_that_went_away_is_a_failure_that_says_so),
        CASE_LOOP(an_address_is_one_that_the_receiver_has, sizeof(addresses) / sizeof(*addresses)),
        CASE(a_path_longer_than_a_socket_has_is_refused),
    };

    return suite_run("tools/sink", cases, sizeof(cases) / sizeof(*cases));
}
