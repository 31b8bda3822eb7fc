/*
 * The host's side of a worker: it is started when first needed and again when it was lost, and its
 * lanes are lent to calling threads. No thread of our own runs here; whoever calls does the work.
 *
 * Restarts: at most three within a second, and none for a second after a start that failed; in
 * between calls fail at once with the reason. After trouble with the PIN none at all.
 */
#ifndef KEYWARD_HSM_POOL_H
#define KEYWARD_HSM_POOL_H

#include "hsm/wire.h"

struct pool;
struct pool_lane;

/* local is borrowed. */
MUST_CHECK CK_RV pool_new(const struct hsm_config *config, struct local *local, struct pool **ret);
/* Ends the worker. NULL is fine. */
void pool_free(struct pool *pool);
/* In a forked child: closes our copies of the sockets and frees; takes no lock, for its holder may
 * not exist here. */
void pool_abandon(struct pool *pool);
/* Starts the worker if none runs. */
MUST_CHECK CK_RV pool_start(struct pool *pool);
/* One WIRE_CREATE in a worker of its own. */
MUST_CHECK CK_RV pool_create_softhsm(const struct hsm_config *config, const char *so_pin_file);

/* A lane of the running worker; waits for one, but not past the deadline. */
MUST_CHECK CK_RV pool_lease(struct pool *pool, struct pool_lane **ret);
/* NULL is fine. */
void pool_return(struct pool *pool, struct pool_lane *lane);

/*
 * One request and its answer. out (NULL: none is expected) is appended to. ret_lost: the worker was
 * lost, hung or useless; it has been killed, and what became of the request is not known.
 */
MUST_CHECK CK_RV pool_exchange(struct pool *pool, struct pool_lane *lane,
                               struct wire_request *request, struct buf *out, bool *ret_lost);
/* Lease, exchange, return. With repeat, a second time when the worker was lost in the first. */
MUST_CHECK CK_RV pool_call(struct pool *pool, struct wire_request *request, bool repeat,
                           struct buf *out, bool *ret_lost);

void pool_status(struct pool *pool, struct hsm_status *ret);
/* The HSM's flags for this mechanism, 0 when it has none. */
CK_FLAGS pool_flags(struct pool *pool, CK_MECHANISM_TYPE mechanism);

#endif
