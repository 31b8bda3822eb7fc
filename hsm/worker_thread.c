/*
 * A lane's thread in keyward-hsm: reads a request, has it done (worker_lane.c), answers, and ends
 * when the lane closes.
 */
#include "hsm/worker_thread.h"
#include "hsm/channel.h"

#include <stdlib.h>

#define LOOK_MOST_NS 200000 /* for the next request: then this end sleeps */

struct lane_thread {
    struct lane lane;
    struct channel channel;
    struct channel_wait wait;
    struct buf message, answer;
    struct lane_count *count;
};

static bool answer(struct lane_thread *t, uint32_t serial, CK_RV rv, enum wire_trouble trouble)
{
    static const uint8_t length_word[CHANNEL_LENGTH] = {0};
    struct lane *l = &t->lane;
    size_t left = l->out.len - l->given;
    size_t now = left > WIRE_DATA_MAX ? WIRE_DATA_MAX : left;
    struct wire_answer a = {.serial = serial, .rv = rv, .trouble = trouble};

    a.relogins = atomic_load(&l->device->relogins);
    if (rv == CKR_OK) {
        a.out = BYTES(l->out.data + l->given, now);
        a.more = left - now;
        l->given += now;
    } else {
        a.reason = bytes_from_str(fail_reason());
    }
    buf_clear(&t->answer);
    buf_put(&t->answer, length_word, sizeof(length_word));
    return wire_put_answer(&t->answer, &a) &&
           channel_send(&t->channel, &t->answer, CHANNEL_FOREVER) == CHANNEL_OK;
}

/* Nothing of this request stays in memory longer than its answer. */
static bool one_request(struct lane_thread *t)
{
    enum wire_trouble trouble = WIRE_TROUBLE_NONE;
    struct wire_request q;
    struct bytes frame;
    bool ok;
    CK_RV rv;

    if (channel_receive(&t->channel, &t->message, CHANNEL_FOREVER, &t->wait, &frame) !=
            CHANNEL_OK ||
        !wire_get_request(frame, &q))
        return false;
    fail_clear();
    rv = lane_serve(&t->lane, &q, &trouble);
    ok = answer(t, q.serial, rv, trouble);
    lane_forget(&t->message);
    lane_forget(&t->answer);
    if (rv != CKR_OK || t->lane.given == t->lane.out.len) {
        lane_forget(&t->lane.out);
        t->lane.given = 0;
    }
    return ok;
}

static void thread_free(struct lane_thread *t)
{
    lane_release(&t->lane);
    channel_close(&t->channel);
    buf_release_secure(&t->message);
    buf_release_secure(&t->answer);
    free(t);
}

static void count_change(struct lane_count *count, int by)
{
    (void)pthread_mutex_lock(&count->mutex);
    count->running += (unsigned)by;
    (void)pthread_cond_broadcast(&count->changed);
    (void)pthread_mutex_unlock(&count->mutex);
}

static void *thread_main(void *arg)
{
    struct lane_thread *t = arg;
    struct lane_count *count = t->count;

    while (one_request(t))
        continue;
    thread_free(t);
    count_change(count, -1);
    return NULL;
}

CK_RV lane_start(struct device *d, struct lane_count *count, struct channel *channel)
{
    struct lane_thread *t = calloc(1, sizeof(*t));
    pthread_t thread;

    if (t == NULL) {
        channel_close(channel);
        return fail_memory();
    }
    lane_init(&t->lane, d);
    t->channel = *channel;
    t->wait.most = LOOK_MOST_NS;
    t->message = BUF_INIT(WIRE_FRAME_MAX + CHANNEL_LENGTH);
    t->answer = BUF_INIT(WIRE_FRAME_MAX + CHANNEL_LENGTH);
    t->count = count;
    count_change(count, 1);
    if (pthread_create(&thread, NULL, thread_main, t) != 0) {
        thread_free(t);
        count_change(count, -1);
        return fail(CKR_DEVICE_MEMORY, "no thread for another lane to the HSM");
    }
    (void)pthread_detach(thread);
    return CKR_OK;
}
