/* Lanes between host and worker: frames through shared memory and through the socket, ends that
 * look and ends that sleep; and the control socket. */
#include "hsm/channel.h"
#include "hsm/control.h"
#include "hsm/wire.h"
#include "tests/support/suite.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define SHORTLY channel_deadline(20)
#define SOON    channel_deadline(5000)
#define LOOK    1000000

/* Both ends in this process. */
struct lane {
    struct channel host, worker;
    int memory;
    struct channel_wait wait; /* of the end that reads */
    struct buf message;
    struct bytes frame;
};

static void lane_make(struct lane *l, int64_t look)
{
    int other[2];

    *l = (struct lane){.message = BUF_INIT(2 * WIRE_FRAME_MAX), .wait = {.most = look}};
    ck_assert(channel_make(&l->host, other));
    ck_assert(channel_adopt(other, &l->worker));
    l->memory = other[1];
}

static void lane_release(struct lane *l)
{
    channel_close(&l->host);
    channel_close(&l->worker);
    (void)close(l->memory);
    buf_release(&l->message);
}

static enum channel_result give(struct channel *from, const char *text, size_t len)
{
    struct buf message = BUF_INIT(2 * WIRE_FRAME_MAX);
    enum channel_result sent;

    buf_put(&message, "\0\0\0", CHANNEL_LENGTH);
    buf_put(&message, text, len);
    sent = channel_send(from, &message, SOON);
    buf_release(&message);
    return sent;
}

static enum channel_result take(struct lane *l, struct channel *by, int64_t deadline)
{
    return channel_receive(by, &l->message, deadline, &l->wait, &l->frame);
}

/* With this text somewhere, the memory that both ends share. */
static bool memory_holds(const struct lane *l, const char *text)
{
    off_t size = lseek(l->memory, 0, SEEK_END);
    void *at = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, l->memory, 0);
    bool found;

    ck_assert(at != MAP_FAILED);
    found = memmem(at, (size_t)size, text, strlen(text)) != NULL;
    (void)munmap(at, (size_t)size);
    return found;
}

START_TEST(a_frame_waits_in_the_memory_and_is_wiped_when_it_is_taken)
{
    struct lane l;

    lane_make(&l, _i == 0 ? 0 : LOOK);
    ck_assert_int_eq(give(&l.host, "a secret", 8), CHANNEL_OK);
    ck_assert(memory_holds(&l, "a secret"));
    ck_assert_int_eq(take(&l, &l.worker, SOON), CHANNEL_OK);
    ck_assert(bytes_equal_str(l.frame, "a secret"));
    ck_assert(!memory_holds(&l, "a secret"));
    ck_assert_int_eq(take(&l, &l.worker, SHORTLY), CHANNEL_TIMEOUT);
    ck_assert_int_eq(give(&l.worker, "answer", 6), CHANNEL_OK);
    ck_assert_int_eq(take(&l, &l.host, SOON), CHANNEL_OK);
    ck_assert(bytes_equal_str(l.frame, "answer"));
    lane_release(&l);
}
END_TEST

struct large {
    struct lane *lane;
    char *text;
    size_t len;
};

static void *give_large(void *arg)
{
    struct large *large = arg;

    (void)give(&large->lane->host, large->text, large->len);
    return NULL;
}

/* One that just fits the memory, one that just does not, one of the largest there is. */
START_TEST(frames_of_every_size_come_whole)
{
    static const size_t sizes[] = {1, RING_ROOM, RING_ROOM + 1, WIRE_FRAME_MAX};
    struct large large = {.len = sizes[_i]};
    struct lane l;
    pthread_t thread;

    lane_make(&l, 0);
    large.lane = &l;
    large.text = malloc(large.len);
    ck_assert_ptr_nonnull(large.text);
    for (size_t i = 0; i < large.len; i++)
        large.text[i] = (char)(i * 7 + i / 251);
    ck_assert_int_eq(pthread_create(&thread, NULL, give_large, &large), 0);
    ck_assert_int_eq(take(&l, &l.worker, SOON), CHANNEL_OK);
    (void)pthread_join(thread, NULL);
    ck_assert(bytes_equal(l.frame, BYTES(large.text, large.len)));
    /* And the lane still speaks. */
    ck_assert_int_eq(give(&l.worker, "x", 1), CHANNEL_OK);
    ck_assert_int_eq(take(&l, &l.host, SOON), CHANNEL_OK);
    free(large.text);
    lane_release(&l);
}
END_TEST

static void *echo(void *arg)
{
    struct channel *c = arg;
    struct channel_wait wait = {.most = 0};
    struct buf message = BUF_INIT(WIRE_FRAME_MAX);
    struct bytes frame;

    while (channel_receive(c, &message, CHANNEL_FOREVER, &wait, &frame) == CHANNEL_OK) {
        struct buf back = BUF_INIT(WIRE_FRAME_MAX);

        buf_put(&back, "\0\0\0", CHANNEL_LENGTH);
        buf_put_bytes(&back, frame);
        (void)channel_send(c, &back, CHANNEL_FOREVER);
        buf_release(&back);
    }
    buf_release(&message);
    return NULL;
}

/* Bells and sleepers keep count of each other, whoever of them is quicker. */
START_TEST(ten_thousand_frames_go_to_and_fro)
{
    struct lane l;
    pthread_t thread;

    lane_make(&l, _i == 0 ? 0 : LOOK);
    ck_assert_int_eq(pthread_create(&thread, NULL, echo, &l.worker), 0);
    for (unsigned i = 0; i < 10000; i++) {
        ck_assert_int_eq(give(&l.host, (const char *)&i, sizeof(i)), CHANNEL_OK);
        ck_assert_int_eq(take(&l, &l.host, SOON), CHANNEL_OK);
        ck_assert(bytes_equal(l.frame, BYTES(&i, sizeof(i))));
    }
    channel_close(&l.host);
    (void)pthread_join(thread, NULL);
    lane_release(&l);
}
END_TEST

START_TEST(a_frame_given_before_the_other_end_went_is_read_and_then_it_is_gone)
{
    struct lane l;

    lane_make(&l, _i == 0 ? 0 : LOOK);
    ck_assert_int_eq(give(&l.host, "last words", 10), CHANNEL_OK);
    channel_close(&l.host);
    ck_assert_int_eq(take(&l, &l.worker, SOON), CHANNEL_OK);
    ck_assert(bytes_equal_str(l.frame, "last words"));
    ck_assert_int_eq(take(&l, &l.worker, SOON), CHANNEL_CLOSED);
    ck_assert_int_eq(take(&l, &l.worker, SOON), CHANNEL_CLOSED);
    lane_release(&l);
}
END_TEST

/* Through the memory and the socket, as the other end has them. */
static void say(struct lane *l, uint32_t waiting, const void *bytes, size_t len)
{
    off_t size = lseek(l->memory, 0, SEEK_END);
    uint32_t *at = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, l->memory, 0);

    ck_assert(at != MAP_FAILED);
    at[RING_WORKER * 16] = waiting;
    (void)munmap(at, (size_t)size);
    if (len > 0)
        ck_assert(send(l->host.fd, bytes, len, 0) == (ssize_t)len);
}

START_TEST(what_is_no_frame_closes_the_lane)
{
    static const uint32_t none = 0;
    static const uint32_t huge = WIRE_FRAME_MAX + 1;
    static const struct {
        uint32_t waiting;
        const void *bytes;
        size_t len;
    } lies[] = {
        {RING_ROOM + 1, NULL, 0},              /* more than the memory holds */
        {RING_ELSEWHERE, &none, sizeof(none)}, /* nothing, by the socket */
        {RING_ELSEWHERE, &huge, sizeof(huge)}, /* more than there are, by the socket */
        {0, "\1", 1},                          /* a bell that was not owed */
    };
    struct lane l;

    lane_make(&l, 0);
    say(&l, lies[_i].waiting, lies[_i].bytes, lies[_i].len);
    ck_assert_int_eq(take(&l, &l.worker, SOON), CHANNEL_CLOSED);
    lane_release(&l);
}
END_TEST

START_TEST(half_a_frame_is_waited_for_until_the_deadline)
{
    static const uint32_t three = 3;
    struct lane l;

    lane_make(&l, 0);
    say(&l, RING_ELSEWHERE, &three, sizeof(three));
    ck_assert_int_eq(take(&l, &l.worker, SHORTLY), CHANNEL_TIMEOUT);
    lane_release(&l);
}
END_TEST

START_TEST(nothing_is_not_sent)
{
    struct lane l;

    lane_make(&l, 0);
    ck_assert_int_eq(give(&l.host, "", 0), CHANNEL_CLOSED);
    ck_assert_int_eq(take(&l, &l.worker, SHORTLY), CHANNEL_TIMEOUT);
    lane_release(&l);
}
END_TEST

START_TEST(only_memory_that_nobody_can_cut_short_is_adopted)
{
    struct channel other = CHANNEL_NONE;
    struct lane l;
    int fds[2] = {0, memfd_create("small", MFD_ALLOW_SEALING | MFD_CLOEXEC)};
    int unsealed[2] = {0, memfd_create("unsealed", MFD_ALLOW_SEALING | MFD_CLOEXEC)};

    lane_make(&l, 0);
    ck_assert_int_ne(ftruncate(l.memory, 0), 0);
    ck_assert_int_eq(ftruncate(unsealed[1], lseek(l.memory, 0, SEEK_END)), 0);
    ck_assert(!channel_adopt(unsealed, &other));
    ck_assert_int_eq(fcntl(fds[1], F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
    ck_assert(!channel_adopt(fds, &other));
    ck_assert(!channel_adopt((int[]){0, -1}, &other));
    (void)close(fds[1]);
    (void)close(unsealed[1]);
    lane_release(&l);
}
END_TEST

static bool maps_name(const char *what)
{
    FILE *file = fopen("/proc/self/maps", "re");
    char line[512];
    bool found = false;

    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        found = found || strstr(line, what) != NULL;
    if (file != NULL)
        (void)fclose(file);
    return found;
}

START_TEST(the_memory_is_not_in_a_forked_child)
{
    struct lane l;
    int status = -1;
    pid_t child;

    lane_make(&l, 0);
    ck_assert(maps_name("keyward-lane"));
    child = fork();
    if (child == 0) {
        bool there = maps_name("keyward-lane");

        channel_forget(&l.host);
        channel_forget(&l.worker);
        _exit(there);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(give(&l.host, "still", 5), CHANNEL_OK);
    ck_assert_int_eq(take(&l, &l.worker, SOON), CHANNEL_OK);
    lane_release(&l);
}
END_TEST

START_TEST(an_end_that_looked_in_vain_sleeps_at_once_for_a_while_and_longer_each_time)
{
    struct lane l;

    lane_make(&l, LOOK);
    ck_assert_int_eq(give(&l.host, "a", 1), CHANNEL_OK);
    ck_assert_int_eq(take(&l, &l.worker, SOON), CHANNEL_OK);
    ck_assert_uint_eq(l.wait.rest, 0);
    ck_assert_int_eq(take(&l, &l.worker, SHORTLY), CHANNEL_TIMEOUT);
    ck_assert_uint_eq(l.wait.rest, 2);
    ck_assert_int_eq(take(&l, &l.worker, SHORTLY), CHANNEL_TIMEOUT);
    ck_assert_uint_eq(l.wait.rest, 1);
    ck_assert_int_eq(take(&l, &l.worker, SHORTLY), CHANNEL_TIMEOUT);
    ck_assert_int_eq(take(&l, &l.worker, SHORTLY), CHANNEL_TIMEOUT);
    ck_assert_uint_eq(l.wait.rest, 4);
    lane_release(&l);
}
END_TEST

/* What a slow HSM takes is not looked for: `most` is less than the quickest frame of late took. */
START_TEST(an_end_does_not_look_for_what_takes_long)
{
    struct lane l;

    lane_make(&l, LOOK);
    l.wait.usual = LOOK + 1;
    ck_assert_int_eq(take(&l, &l.worker, SHORTLY), CHANNEL_TIMEOUT);
    ck_assert_uint_eq(l.wait.rest, 0);
    l.wait.usual = LOOK / 4;
    ck_assert_int_eq(take(&l, &l.worker, SHORTLY), CHANNEL_TIMEOUT);
    ck_assert_uint_eq(l.wait.rest, 2);
    lane_release(&l);
}
END_TEST

/* ---- the control socket ---- */

START_TEST(control_passes_descriptors_with_their_packet)
{
    struct control_passed passed;
    struct buf frame = BUF_INIT(1u << 17);
    int pair[2];

    ck_assert(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    ck_assert_int_eq(
        control_send(pair[0], BYTES_LIT("one"), (struct control_passed){{pair[0], -1}}, SOON),
        CHANNEL_OK);
    ck_assert_int_eq(
        control_send(pair[0], BYTES_LIT("two"), (struct control_passed){{pair[0], pair[1]}}, SOON),
        CHANNEL_OK);
    ck_assert_int_eq(control_send(pair[0], BYTES_LIT("none"), CONTROL_PASSES_NONE, SOON),
                     CHANNEL_OK);
    ck_assert_int_eq(control_receive(pair[1], &frame, SOON, &passed), CHANNEL_OK);
    ck_assert(bytes_equal_str(buf_bytes(&frame), "one"));
    ck_assert(passed.fds[0] >= 0 && passed.fds[1] == -1);
    ck_assert((fcntl(passed.fds[0], F_GETFD) & FD_CLOEXEC) != 0);
    control_close_passed(&passed);
    ck_assert_int_eq(control_receive(pair[1], &frame, SOON, &passed), CHANNEL_OK);
    ck_assert(passed.fds[0] >= 0 && passed.fds[1] >= 0);
    control_close_passed(&passed);
    ck_assert_int_eq(control_receive(pair[1], &frame, SOON, &passed), CHANNEL_OK);
    ck_assert(bytes_equal_str(buf_bytes(&frame), "none"));
    ck_assert(passed.fds[0] == -1 && passed.fds[1] == -1);
    ck_assert_int_eq(control_receive(pair[1], &frame, SHORTLY, &passed), CHANNEL_TIMEOUT);
    (void)close(pair[0]);
    ck_assert_int_eq(control_receive(pair[1], &frame, SOON, &passed), CHANNEL_CLOSED);
    (void)close(pair[1]);
    buf_release(&frame);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_LOOP(a_frame_waits_in_the_memory_and_is_wiped_when_it_is_taken, 2),
        CASE_LOOP(frames_of_every_size_come_whole, 4),
        CASE_LOOP(ten_thousand_frames_go_to_and_fro, 2),
        CASE_LOOP(a_frame_given_before_the_other_end_went_is_read_and_then_it_is_gone, 2),
        CASE_LOOP(what_is_no_frame_closes_the_lane, 4),
        CASE(half_a_frame_is_waited_for_until_the_deadline),
        CASE(nothing_is_not_sent),
        CASE(only_memory_that_nobody_can_cut_short_is_adopted),
        CASE(the_memory_is_not_in_a_forked_child),
        CASE(an_end_that_looked_in_vain_sleeps_at_once_for_a_while_and_longer_each_time),
        CASE(an_end_does_not_look_for_what_takes_long),
        CASE(control_passes_descriptors_with_their_packet),
    };

    return suite_run("hsm/channel", cases, sizeof(cases) / sizeof(*cases));
}
