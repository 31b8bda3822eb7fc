/*
 * The two halves of an event's JSON, for the writer only: the body can be made before the log's
 * lock is held, the head (sequence number and time) not.
 */
#ifndef KEYWARD_AUDIT_EVENT_INT_H
#define KEYWARD_AUDIT_EVENT_INT_H

#include "audit/event.h"

#include <stddef.h>

#define EVENT_HEAD_MAX 80

/* {"seq":1,"time":"2026-01-02T03:04:05.678901Z" into out, not terminated; returns its length. */
size_t event_head(uint64_t seq, int64_t realtime_ns, char out[static EVENT_HEAD_MAX]);
/* Everything behind it, from the comma to the closing brace. */
void event_body(const struct event *event, struct buf *out);

#endif
