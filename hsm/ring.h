/*
 * The memory that the two ends of a lane share: one frame at a time, request and answer in turns.
 * What is taken is copied out and wiped, so neither end works on what the other can still change,
 * and nothing of a request stays here longer than its answer.
 *
 * An end that has nothing to read may lie down; whoever gives it a frame then owes it exactly one
 * ring of the bell (a byte over the lane's socket, hsm/channel.c). ring_get_up() says whether that
 * is so, hence bells and sleepers cannot lose count of each other.
 *
 * The memory cannot be cut short by the other end (it is sealed), is not dumped, is locked where
 * the limits allow it, and does not exist in a forked child.
 */
#ifndef KEYWARD_HSM_RING_H
#define KEYWARD_HSM_RING_H

#include "base/bytes.h"

enum ring_end { RING_HOST, RING_WORKER, RING_ENDS };

/* The largest frame it holds, and the length of one that comes over the socket instead. */
#define RING_ROOM      (32u << 10)
#define RING_ELSEWHERE UINT32_MAX

struct ring;

/* False: errno says why. ret_fd is for the other end; the caller closes it. */
bool ring_make(struct ring **ret, int *ret_fd);
/* False when fd is not what ring_make() makes. */
bool ring_adopt(int fd, struct ring **ret);
/* NULL is fine. */
void ring_free(struct ring *ring);
/* In a forked child, where the memory is not, and something else may lie at its address. */
void ring_forget(struct ring *ring);

/* frame: at most RING_ROOM bytes; or BYTES_NONE, which announces one that comes elsewhere. */
void ring_give(struct ring *ring, enum ring_end to, struct bytes frame);
/* True when `to` lay down: the caller rings. */
bool ring_owes_bell(struct ring *ring, enum ring_end to);
/* The length of the frame that waits for this end, RING_ELSEWHERE, or 0. */
uint32_t ring_waiting(struct ring *ring, enum ring_end end);
/* Looks until there is one (true) or the time (CLOCK_MONOTONIC, ns) is over. */
bool ring_look(struct ring *ring, enum ring_end end, int64_t until);
/* Copies the frame that waits, of len bytes as ring_waiting() said, and wipes it here; 0 bytes of
 * one that comes elsewhere. */
void ring_take(struct ring *ring, enum ring_end end, uint32_t len, uint8_t *out);
void ring_lie_down(struct ring *ring, enum ring_end end);
/* True when the bell was rung, or will be in this moment: its byte is to be taken. */
bool ring_get_up(struct ring *ring, enum ring_end end);

#endif
