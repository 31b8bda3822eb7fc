/*
 * Appending: see trail.h. A record is made ready before its turn; what the turn itself takes is the
 * head (number and time) and one write().
 */
#include "audit/trail_int.h"

#include "audit/bundle.h"
#include "audit/event_int.h"

#include <string.h>

enum {
    HEAD_ROOM = BUNDLE_PREFIX + EVENT_HEAD_MAX,
    RECORD_ROOM = HEAD_ROOM + EVENT_JSON_MAX,
};

/* Puts length, sequence and time right before the body, which stands behind HEAD_ROOM bytes. */
static struct bytes finish_record(struct buf *record, uint64_t seq, int64_t time)
{
    char head[EVENT_HEAD_MAX];
    size_t head_len = event_head(seq, time, head);
    size_t json_len = head_len + record->len - HEAD_ROOM;
    uint8_t *at = record->data + HEAD_ROOM - head_len;

    memcpy(at, head, head_len);
    at -= BUNDLE_PREFIX;
    at[0] = (uint8_t)(json_len >> 8);
    at[1] = (uint8_t)json_len;
    return BYTES(at, BUNDLE_PREFIX + json_len);
}

/* Times never go back in the log, whatever the clock does: the last record's is the newest. */
static CK_RV put_in_turn(struct trail *t, struct buf *record, uint64_t seq)
{
    _Atomic int64_t *newest = turn_newest(&t->journal.turn);
    int64_t now = clock_realtime(t->clock);
    int64_t last = atomic_load(newest);
    CK_RV rv;

    if (now < last)
        now = last;
    rv = journal_put(&t->journal, finish_record(record, seq, now));
    if (rv == CKR_OK)
        atomic_store(newest, now);
    return rv;
}

static CK_RV put(struct trail *t, struct buf *record, uint64_t *ret_seq)
{
    uint64_t seq;
    CK_RV rv = journal_enter(&t->journal);

    if (rv != CKR_OK)
        return rv;
    seq = journal_size(&t->journal);
    rv = put_in_turn(t, record, seq);
    if (rv == CKR_OK)
        atomic_store(&t->size, seq + 1);
    journal_leave(&t->journal);
    *ret_seq = seq;
    return rv;
}

static void remember_refusal(struct trail *t)
{
    (void)pthread_mutex_lock(&t->telling);
    (void)strncpy(t->last_error, fail_reason(), sizeof(t->last_error) - 1);
    (void)pthread_mutex_unlock(&t->telling);
}

CK_RV trail_append(struct trail *t, const struct event *event, uint64_t *ret_seq)
{
    uint8_t room[RECORD_ROOM]; /* all that a record can need: nothing is allocated */
    struct buf record = {.data = room, .len = HEAD_ROOM, .cap = RECORD_ROOM, .max = RECORD_ROOM};
    uint64_t seq = 0;
    CK_RV rv;

    event_body(event, &record);
    if (!buf_ok(&record) || record.len > RECORD_ROOM - EVENT_HEAD_MAX)
        return fail_internal("an event is longer than EVENT_JSON_MAX");
    rv = event->accepts_loss ? CKR_OK : loss_check(t);
    if (rv == CKR_OK)
        rv = put(t, &record, &seq);
    if (rv == CKR_OK && event->durable)
        rv = durable_wait(&t->durable, seq, &t->size);
    if (rv != CKR_OK)
        remember_refusal(t);
    else if (ret_seq != NULL)
        *ret_seq = seq;
    return rv;
}

int64_t trail_newest(struct trail *t)
{
    return atomic_load_explicit(turn_newest(&t->journal.turn), memory_order_relaxed);
}

CK_RV trail_accept_clock(struct trail *t)
{
    CK_RV rv = journal_enter(&t->journal);

    if (rv != CKR_OK)
        return rv;
    atomic_store(turn_newest(&t->journal.turn), clock_realtime(t->clock));
    journal_leave(&t->journal);
    return CKR_OK;
}
