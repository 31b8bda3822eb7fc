/*
 * Frames between host and worker, with a deadline: one request or one answer at a time, never a
 * second before the first is answered. A lane has two ways: memory that both ends share
 * (hsm/ring.h), and a stream socket. The socket wakes an end that sleeps, tells that the other end
 * is gone, and carries the frames that do not fit the memory: a length word, then the frame.
 *
 * Never raises SIGPIPE and goes on after EINTR.
 */
#ifndef KEYWARD_HSM_CHANNEL_H
#define KEYWARD_HSM_CHANNEL_H

#include "base/bytes.h"
#include "hsm/ring.h"

#include <poll.h>
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

/* One end of a lane. */
struct channel {
    int fd; /* -1: not open */
    struct ring *ring;
    enum ring_end end;
};

#define CHANNEL_NONE ((struct channel){.fd = -1})

/* The host's end, and what the worker makes its own of: socket and memory, closed by the caller.
 * False: errno says why. */
bool channel_make(struct channel *ret, int ret_other[static 2]);
/* The worker's end. Takes the socket; the memory's descriptor stays the caller's to close. */
bool channel_adopt(const int other[static 2], struct channel *ret);
/* One that is not open is fine. */
void channel_close(struct channel *c);
/* In a forked child: closes its copy of the socket, and leaves the parent's lane as it is. */
void channel_forget(struct channel *c);

/*
 * How one end waits: going to sleep and being woken takes longer than many an answer. So it sleeps
 * through half of what such a frame takes at its quickest, then looks until it is there; where that
 * is in vain it goes to sleep at once for a while, and for longer each time. One for each kind of
 * frame and end, zeroed at its beginning but for `most`.
 */
struct channel_wait {
    int64_t most;    /* ns it may look for at the most; 0: it never looks */
    int64_t usual;   /* ns: the quickest of late */
    unsigned rest;   /* so many frames are not looked for */
    unsigned vainly; /* looks in vain, one after the other */
};

/* message: room for the length word (CHANNEL_LENGTH bytes), then the frame; the length word is
 * filled in here. */
#define CHANNEL_LENGTH 4
enum channel_result channel_send(struct channel *c, struct buf *message, int64_t deadline);
/* ret_frame borrows from message, which is cleared first. */
enum channel_result channel_receive(struct channel *c, struct buf *message, int64_t deadline,
                                    struct channel_wait *wait, struct bytes *ret_frame);

/* Until the socket has something to read (POLLIN), or room (POLLOUT). */
enum channel_result channel_poll(int fd, short events, int64_t deadline);
/* Of errno, after a call on a socket that does not wait. */
bool channel_would_block(void);

#endif
