/* The way to a worker: starting it, its lanes, requests and answers. See pool_int.h. */
#include "hsm/pool_int.h"

#include "base/heap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEADLINE_DEFAULT  10000
#define CONTROL_FRAME_MAX (64u << 10)
/* Making an RSA key is a search: it takes as long as it takes. */
#define GENERATE_FACTOR 6
/* For an answer that takes longer nobody's CPU is spent on looking. */
#define LOOK_MOST_NS 2000000

static bool copy_text(char **to, const char *from)
{
    *to = from != NULL ? text_copy(from) : NULL;
    return from == NULL || *to != NULL;
}

CK_RV pool_config_init(struct pool_config *c, const struct hsm_config *from,
                       const char *so_pin_file)
{
    const char *const texts[WIRE_TEXT_COUNT] = {
        [WIRE_MODULE] = from->module,
        [WIRE_TOKEN] = from->token,
        [WIRE_PIN_SOURCE] = from->pin_source,
        [WIRE_STATE_DIR] = from->state_dir,
        [WIRE_SOFTHSM_CONF] = from->softhsm_conf,
        [WIRE_SOFTHSM_TOKENS] = from->softhsm_tokens,
        [WIRE_SO_PIN_FILE] = so_pin_file,
    };
    bool ok = copy_text(&c->worker, from->worker);

    for (size_t i = 0; i < WIRE_TEXT_COUNT; i++)
        ok = copy_text(&c->texts[i], texts[i]) && ok;
    c->deadline_ms = from->deadline_ms > 0 ? from->deadline_ms : DEADLINE_DEFAULT;
    if (ok)
        return CKR_OK;
    pool_config_release(c);
    return fail_memory();
}

void pool_config_release(struct pool_config *c)
{
    free(c->worker);
    for (size_t i = 0; i < WIRE_TEXT_COUNT; i++)
        free(c->texts[i]);
    *c = (struct pool_config){0};
}

CK_RV pool_heard(const struct wire_answer *answer)
{
    if (answer->rv == CKR_OK && answer->trouble == WIRE_TROUBLE_NONE)
        return CKR_OK;
    return fail(answer->trouble == WIRE_TROUBLE_NONE ? answer->rv : CKR_DEVICE_ERROR, "%.*s",
                (int)answer->reason.len, (const char *)answer->reason.data);
}

static CK_RV fail_first(const struct pool_config *c)
{
    return fail(CKR_DEVICE_ERROR,
                "the HSM's library crashed or hung while it was loaded or logged in to (%s)",
                c->texts[WIRE_MODULE]);
}

/* The first request over the control socket. */
static CK_RV ask_first(const struct pool_config *c, const struct spawned *worker, enum wire_op op)
{
    struct buf frame = BUF_INIT(CONTROL_FRAME_MAX);
    struct wire_request q = {.op = op, .deadline_ms = c->deadline_ms};
    CK_RV rv = CKR_OK;

    for (size_t i = 0; i < WIRE_TEXT_COUNT; i++)
        q.texts[i] = bytes_from_str(c->texts[i]);
    if (!wire_put_request(&frame, &q))
        rv = fail_argument("config");
    else if (control_send(worker->control, buf_bytes(&frame), CONTROL_PASSES_NONE,
                          channel_deadline(c->deadline_ms)) != CHANNEL_OK)
        rv = fail_first(c);
    buf_release(&frame);
    return rv;
}

static CK_RV hear_first(const struct pool_config *c, const struct spawned *worker,
                        struct wire_about *about, enum wire_trouble *ret_trouble)
{
    struct buf frame = BUF_INIT(CONTROL_FRAME_MAX);
    struct wire_answer a = {0};
    struct control_passed passed = CONTROL_PASSES_NONE;
    CK_RV rv;

    if (control_receive(worker->control, &frame, channel_deadline(c->deadline_ms), &passed) !=
            CHANNEL_OK ||
        !wire_get_answer(buf_bytes(&frame), &a))
        rv = fail_first(c);
    else
        rv = pool_heard(&a);
    if (rv == CKR_OK && about != NULL && !wire_get_about(a.out, about))
        rv = fail(CKR_DEVICE_ERROR,
                  "the HSM's worker is not of this version: install them together");
    *ret_trouble = a.trouble;
    control_close_passed(&passed);
    buf_release(&frame);
    return rv;
}

/* Whatever the caller's own part comes to, the worker is heard out: SoftHSM is not to be killed in
 * its login. */
static CK_RV hear_meanwhile(struct pool *p, const struct spawned *worker, enum wire_trouble *ret)
{
    char why[FAIL_REASON_MAX];
    CK_RV own = pool_meanwhile(p);
    CK_RV rv;

    (void)snprintf(why, sizeof(why), "%s", fail_reason());
    rv = hear_first(&p->config, worker, p->about, ret);
    return own != CKR_OK ? fail(own, "%s", why) : rv;
}

static CK_RV start(struct pool *p, enum wire_trouble *ret)
{
    struct spawned worker = SPAWNED_NONE;
    CK_RV rv = spawn_worker(p->config.worker, p->config.texts[WIRE_SOFTHSM_CONF],
                            channel_deadline(p->config.deadline_ms), &worker);

    if (rv == CKR_OK)
        rv = ask_first(&p->config, &worker, WIRE_OPEN);
    if (rv == CKR_OK)
        rv = hear_meanwhile(p, &worker, ret);
    if (rv == CKR_OK)
        p->worker = worker;
    else
        spawn_kill(&worker);
    return rv;
}

/* Lanes on lease find out by themselves: the worker's ends of them close. */
static void stop(struct pool *p)
{
    spawn_kill(&p->worker);
}

static void end(struct pool *p, bool ours)
{
    (void)ours; /* closing our copies of its sockets is all, in a child too */
    spawn_let_go(&p->worker);
}

/* ---- lanes ---- */

/* Its other end goes to the worker over the control socket. */
static CK_RV open_lane(struct pool *p, struct pool_lane *lane)
{
    struct wire_request q = {.op = WIRE_LANE};
    struct buf frame = BUF_INIT(256);
    enum channel_result sent = CHANNEL_CLOSED;
    struct control_passed pass = CONTROL_PASSES_NONE;

    if (!channel_make(&lane->channel, pass.fds))
        return fail_errno("make a lane to", p->config.worker);
    if (wire_put_request(&frame, &q))
        sent = control_send(p->worker.control, buf_bytes(&frame), pass,
                            channel_deadline(p->config.deadline_ms));
    buf_release(&frame);
    control_close_passed(&pass);
    if (sent != CHANNEL_OK) {
        channel_close(&lane->channel);
        pool_lose(p, "the HSM's worker is gone");
        return fail(CKR_DEVICE_ERROR, "the HSM's worker is gone");
    }
    return CKR_OK;
}

static void close_lane(struct pool_lane *lane, bool ours)
{
    if (ours)
        channel_close(&lane->channel);
    else
        channel_forget(&lane->channel);
}

/* ---- requests ---- */

/* How long a request of this kind may take. */
static uint64_t patience_ms(const struct pool *p, enum wire_op op)
{
    return p->config.deadline_ms * (op == WIRE_GENERATE ? GENERATE_FACTOR : 1);
}

static const char *why_lost(enum channel_result result)
{
    return result == CHANNEL_TIMEOUT
               ? "the HSM did not answer within the deadline: its worker was ended"
               : "the HSM's library crashed, or its worker was ended";
}

/* Requests that take about the same time; two kinds may share a place. */
static struct channel_wait *wait_of(struct pool_lane *lane, const struct wire_request *q)
{
    size_t kind = q->op + 3 * q->use + 5 * q->spec.key.type + 7 * q->mechanism.mechanism;
    struct channel_wait *wait = &lane->waits[kind % POOL_WAITS];

    wait->most = lane->may_look ? LOOK_MOST_NS : 0;
    return wait;
}

static enum channel_result transact(struct pool *p, struct pool_lane *lane,
                                    const struct wire_request *q, struct wire_answer *ret)
{
    int64_t deadline = channel_deadline(patience_ms(p, q->op));
    struct bytes frame;
    enum channel_result result = channel_send(&lane->channel, &lane->message, deadline);

    bytes_wipe(lane->message.data, lane->message.len);
    if (result == CHANNEL_OK)
        result =
            channel_receive(&lane->channel, &lane->message, deadline, wait_of(lane, q), &frame);
    if (result == CHANNEL_OK && (!wire_get_answer(frame, ret) || ret->serial != q->serial))
        result = CHANNEL_CLOSED;
    return result;
}

static CK_RV one_exchange(struct pool *p, struct pool_lane *lane, struct wire_request *q,
                          struct buf *out, uint64_t *ret_more, bool *ret_lost)
{
    static const uint8_t length_word[CHANNEL_LENGTH] = {0};
    struct wire_answer a = {0};
    enum channel_result result;
    CK_RV rv;

    q->serial = ++lane->serial;
    buf_clear(&lane->message);
    buf_put(&lane->message, length_word, sizeof(length_word));
    if (!wire_put_request(&lane->message, q))
        return fail(CKR_DATA_LEN_RANGE, "more data or parameters than the HSM takes at once");
    result = transact(p, lane, q, &a);
    if (result != CHANNEL_OK) {
        *ret_lost = true;
        rv = pool_lose_lane(p, lane, why_lost(result));
    } else {
        rv = pool_mind(p, lane, pool_heard(&a), a.relogins, a.trouble, ret_lost);
    }
    *ret_more = a.more;
    if (rv == CKR_OK && out != NULL)
        buf_put_bytes(out, a.out);
    bytes_wipe(lane->message.data, lane->message.len);
    if (rv == CKR_OK && out != NULL && !buf_ok(out))
        rv = fail(CKR_HOST_MEMORY, "no room for the HSM's answer");
    return rv;
}

static CK_RV exchange(struct pool *p, struct pool_lane *lane, struct wire_request *q,
                      struct buf *out, bool *ret_lost)
{
    struct wire_request rest = {.op = WIRE_MORE};
    uint64_t more = 0;
    CK_RV rv = one_exchange(p, lane, q, out, &more, ret_lost);

    while (rv == CKR_OK && more > 0)
        rv = one_exchange(p, lane, &rest, out, &more, ret_lost);
    return rv;
}

const struct pool_way pool_way_worker = {
    .start = start,
    .stop = stop,
    .end = end,
    .open_lane = open_lane,
    .close_lane = close_lane,
    .exchange = exchange,
};

/* ---- a token of our own ---- */

CK_RV pool_create_softhsm(const struct hsm_config *config, const char *so_pin_file)
{
    struct pool_config c = {0};
    struct spawned worker = SPAWNED_NONE;
    enum wire_trouble trouble;
    CK_RV rv = pool_config_init(&c, config, so_pin_file);

    if (rv != CKR_OK)
        return rv;
    rv = spawn_worker(c.worker, c.texts[WIRE_SOFTHSM_CONF], channel_deadline(c.deadline_ms),
                      &worker);
    if (rv == CKR_OK)
        rv = ask_first(&c, &worker, WIRE_CREATE);
    if (rv == CKR_OK)
        rv = hear_first(&c, &worker, NULL, &trouble);
    if (rv == CKR_OK)
        spawn_let_go(&worker);
    else
        spawn_kill(&worker);
    pool_config_release(&c);
    return rv;
}
