/* A page of the log, for the commands that read it. */
#ifndef KEYWARD_TOOLS_LOG_READ_H
#define KEYWARD_TOOLS_LOG_READ_H

#include "tools/client.h"

/* Where one request of a follower ends; it leaves a record each. */
#define LOG_FOLLOW_MS 60000

/*
 * The records from number `from` on that --vault, --object, --since and --denied choose, a page at
 * most: "events", "next" (null: the log ends here) and "end". With wait_ms it waits so long for one
 * to come, and leaves out those of its own reading. *ret_answer is the caller's.
 */
int log_page(struct client *client, json_int_t from, json_int_t wait_ms, json_t **ret_answer);
/* Every record that they choose, in order, until each says no or the log ends. */
int log_each(struct client *client, bool (*each)(void *ctx, json_t *event), void *ctx);

#endif
