/*
 * The control socket between host and worker: a sequenced-packet socket, one packet a frame, and
 * descriptors may travel with it. Never raises SIGPIPE, goes on after EINTR, and marks every
 * descriptor it receives close-on-exec.
 */
#ifndef KEYWARD_HSM_CONTROL_H
#define KEYWARD_HSM_CONTROL_H

#include "hsm/channel.h"

#define CONTROL_PASSED_MAX 2

/* Descriptors that travel along; -1: none. */
struct control_passed {
    int fds[CONTROL_PASSED_MAX];
};

#define CONTROL_PASSES_NONE ((struct control_passed){{-1, -1}})

enum channel_result control_send(int fd, struct bytes frame, struct control_passed pass,
                                 int64_t deadline);
/* ret_passed: the descriptors that came along, for control_close_passed() or to be kept. */
enum channel_result control_receive(int fd, struct buf *frame, int64_t deadline,
                                    struct control_passed *ret_passed);
void control_close_passed(struct control_passed *passed);

#endif
