/*
 * Appending: see trail.h. A record is made ready by its own thread and queued; whoever gets the
 * lock appends all that wait, in one write and, where one of them is durable, with one wait for the
 * disk. So threads share the cost of the locks and of the disk, and none needs a thread of ours.
 *
 * Invariants
 *   - A record is queued, then taken, then done; it is on its thread's stack all that time, and
 *     that thread waits until it is done, or takes it out of the queue itself when its time is up.
 *   - Queued becomes taken under `queueing`, taken becomes done under `appending`. So who holds
 *     `appending` and is not done is still queued, and becomes the one who appends.
 *   - Records that are appended together succeed or fail together: when writing or syncing fails,
 *     none of them is in the journal (journal_put).
 */
#include "audit/trail_int.h"

#include "audit/bundle.h"
#include "audit/event_int.h"

#include <string.h>
#include <sys/uio.h>

enum {
    HEAD_ROOM = BUNDLE_PREFIX + EVENT_HEAD_MAX,
    RECORD_ROOM = HEAD_ROOM + EVENT_JSON_MAX,
    TOGETHER_MAX = 64,
};

enum progress { QUEUED, TAKEN, DONE };

struct waiting {
    struct waiting *next;
    _Atomic enum progress progress;
    struct buf record; /* HEAD_ROOM bytes of room, then the event's body */
    bool durable;
    uint64_t seq;
    CK_RV rv;
    char reason[FAIL_REASON_MAX]; /* where rv is none of CKR_OK */
};

int64_t trail_deadline(void)
{
    return clock_monotonic(&clock_system) + (int64_t)TRAIL_DEADLINE_MS * 1000000;
}

struct timespec trail_timespec(int64_t ns)
{
    return (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
}

CK_RV trail_fail_busy(void)
{
    return fail(CKR_DEVICE_ERROR, "the log is held by other threads of this process for too long: "
                                  "is its disk slow?");
}

/* ---- the queue ---- */

static void enqueue(struct trail *t, struct waiting *w)
{
    (void)pthread_mutex_lock(&t->queueing);
    *t->last_waiting = w;
    t->last_waiting = &w->next;
    (void)pthread_mutex_unlock(&t->queueing);
}

/* False when somebody has taken it: then it is that one's to end. */
static bool withdraw(struct trail *t, struct waiting *w)
{
    struct waiting **link = &t->waiting;
    bool queued;

    (void)pthread_mutex_lock(&t->queueing);
    queued = w->progress == QUEUED;
    while (queued && *link != w)
        link = &(*link)->next;
    if (queued) {
        *link = w->next;
        if (t->last_waiting == &w->next)
            t->last_waiting = link;
    }
    (void)pthread_mutex_unlock(&t->queueing);
    return queued;
}

/* The oldest that wait, at most TOGETHER_MAX. */
static size_t take(struct trail *t, struct waiting *list[static TOGETHER_MAX])
{
    size_t n = 0;

    (void)pthread_mutex_lock(&t->queueing);
    while (t->waiting != NULL && n < TOGETHER_MAX) {
        list[n] = t->waiting;
        list[n++]->progress = TAKEN;
        t->waiting = t->waiting->next;
    }
    if (t->waiting == NULL)
        t->last_waiting = &t->waiting;
    (void)pthread_mutex_unlock(&t->queueing);
    return n;
}

/* ---- appending what was taken ---- */

static void settle(struct waiting *const *list, size_t count, CK_RV rv)
{
    for (size_t i = 0; i < count; i++) {
        list[i]->rv = rv;
        if (rv != CKR_OK)
            (void)memccpy(list[i]->reason, fail_reason(), '\0', sizeof(list[i]->reason));
        list[i]->progress = DONE;
    }
}

/* Puts length, sequence and time right before the body. */
static struct iovec finish_record(const struct trail *t, struct waiting *w, uint64_t seq)
{
    char head[EVENT_HEAD_MAX];
    size_t head_len = event_head(seq, clock_realtime(t->clock), head);
    size_t json_len = head_len + w->record.len - HEAD_ROOM;
    uint8_t *at = w->record.data + HEAD_ROOM - head_len;

    w->seq = seq;
    memcpy(at, head, head_len);
    at -= BUNDLE_PREFIX;
    at[0] = (uint8_t)(json_len >> 8);
    at[1] = (uint8_t)json_len;
    return (struct iovec){.iov_base = at, .iov_len = BUNDLE_PREFIX + json_len};
}

/* As many as the bundle has room for; with the journal locked and up to date. */
static CK_RV put_some(struct trail *t, struct waiting *const *list, size_t count, size_t *ret_put)
{
    struct iovec records[TOGETHER_MAX];
    uint64_t seq = journal_size(&t->journal);
    size_t room = BUNDLE_RECORDS - t->journal.count;
    size_t n = count < room ? count : room;
    bool durable = false;
    CK_RV rv;

    for (size_t i = 0; i < n; i++) {
        records[i] = finish_record(t, list[i], seq + i);
        durable = durable || list[i]->durable;
    }
    rv = journal_put(&t->journal, records, n, durable);
    if (rv == CKR_OK)
        atomic_store(&t->size, seq + n);
    settle(list, n, rv);
    *ret_put = n;
    return rv;
}

static void put_all(struct trail *t, struct waiting *const *list, size_t count, int64_t until)
{
    size_t done = 0;
    CK_RV rv = trail_lock_journal(t, until);
    bool locked = rv == CKR_OK;

    while (rv == CKR_OK && done < count) {
        size_t put = 0;

        rv = put_some(t, list + done, count - done, &put);
        done += put;
        if (rv == CKR_OK && done < count)
            rv = journal_refresh(&t->journal);
    }
    settle(list + done, count - done, rv);
    if (locked)
        journal_unlock(&t->journal);
}

/* Until this one is done, by us or by who held the lock before. */
static CK_RV see_through(struct trail *t, struct waiting *w, int64_t until)
{
    struct timespec ts = trail_timespec(until);

    if (pthread_mutex_clocklock(&t->appending, CLOCK_MONOTONIC, &ts) != 0) {
        if (withdraw(t, w))
            return trail_fail_busy();
        (void)pthread_mutex_lock(&t->appending);
    }
    while (w->progress != DONE) {
        struct waiting *list[TOGETHER_MAX];
        size_t count = take(t, list);

        put_all(t, list, count, until);
    }
    (void)pthread_mutex_unlock(&t->appending);
    return w->rv == CKR_OK ? CKR_OK : fail(w->rv, "%s", w->reason);
}

static void remember_refusal(struct trail *t)
{
    (void)pthread_mutex_lock(&t->telling);
    (void)strncpy(t->last_error, fail_reason(), sizeof(t->last_error) - 1);
    (void)pthread_mutex_unlock(&t->telling);
}

CK_RV trail_append(struct trail *t, const struct event *event, uint64_t *ret_seq)
{
    int64_t until = trail_deadline();
    uint8_t room[RECORD_ROOM]; /* all that a record can need: nothing is allocated */
    struct waiting w;
    CK_RV rv;

    w.next = NULL;
    atomic_init(&w.progress, QUEUED);
    w.durable = event->durable;
    w.record = (struct buf){.data = room, .len = HEAD_ROOM, .cap = RECORD_ROOM, .max = RECORD_ROOM};
    event_body(event, &w.record);
    if (!buf_ok(&w.record) || w.record.len > RECORD_ROOM - EVENT_HEAD_MAX)
        return fail_internal("an event is longer than EVENT_JSON_MAX");
    enqueue(t, &w);
    rv = see_through(t, &w, until);
    if (rv != CKR_OK)
        remember_refusal(t);
    else if (ret_seq != NULL)
        *ret_seq = w.seq;
    return rv;
}
