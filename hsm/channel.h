/*
 * Frames over sockets, with a deadline. Lanes are stream sockets: a length word, then the frame,
 * one request or one answer at a time, never a second before the first is answered. The control
 * socket is a sequenced-packet socket: one packet a frame, and a descriptor may travel with it.
 *
 * Never raises SIGPIPE, goes on after EINTR, and marks every descriptor it receives close-on-exec.
 */
#ifndef KEYWARD_HSM_CHANNEL_H
#define KEYWARD_HSM_CHANNEL_H

#include "base/bytes.h"

#include <stdint.h>

enum channel_result {
    CHANNEL_OK,
    CHANNEL_CLOSED,  /* the other end is gone, or does not speak our language */
    CHANNEL_TIMEOUT, /* the deadline is over */
};

#define CHANNEL_FOREVER INT64_MAX

/* deadline: nanoseconds of CLOCK_MONOTONIC. */
int64_t channel_now(void);
int64_t channel_deadline(uint64_t ms);

/* message: room for the length word (CHANNEL_LENGTH bytes), then the frame; the length word is
 * filled in here. */
#define CHANNEL_LENGTH 4
enum channel_result channel_send(int fd, struct buf *message, int64_t deadline);
/*
 * How one end waits: going to sleep and being woken takes longer than many an answer. So it looks
 * a few times first, giving the CPU away in between, and where that was in vain it goes to sleep at
 * once for a while. One for each end, zeroed at its beginning.
 */
struct channel_wait {
    unsigned rest; /* so many frames are not looked for */
};
/* ret_frame borrows from message, which is cleared first. wait NULL: goes to sleep at once. */
enum channel_result channel_receive(int fd, struct buf *message, int64_t deadline,
                                    struct channel_wait *wait, struct bytes *ret_frame);

/* pass: a descriptor to send along, or -1. */
enum channel_result control_send(int fd, struct bytes frame, int pass, int64_t deadline);
/* ret_passed: the descriptor that came along, the caller closes it, or -1. */
enum channel_result control_receive(int fd, struct buf *frame, int64_t deadline, int *ret_passed);

#endif
