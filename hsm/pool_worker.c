/* Starting a worker, and losing it: see pool.h. */
#include "hsm/pool_int.h"

#include "base/heap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_NS         INT64_C(1000000000)
#define DEADLINE_DEFAULT  10000
#define CONTROL_FRAME_MAX (64u << 10)

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

/* The first request over the control socket and its answer. */
static CK_RV tell(const struct pool_config *c, struct spawned *worker, enum wire_op op,
                  struct wire_about *about, enum wire_trouble *ret_trouble)
{
    struct buf frame = BUF_INIT(CONTROL_FRAME_MAX);
    struct wire_request q = {.op = op, .deadline_ms = c->deadline_ms};
    struct wire_answer a = {0};
    int64_t deadline = channel_deadline(c->deadline_ms);
    struct control_passed passed = CONTROL_PASSES_NONE;
    CK_RV rv;

    for (size_t i = 0; i < WIRE_TEXT_COUNT; i++)
        q.texts[i] = bytes_from_str(c->texts[i]);
    if (!wire_put_request(&frame, &q))
        rv = fail_argument("config");
    else if (control_send(worker->control, buf_bytes(&frame), CONTROL_PASSES_NONE, deadline) !=
                 CHANNEL_OK ||
             control_receive(worker->control, &frame, deadline, &passed) != CHANNEL_OK ||
             !wire_get_answer(buf_bytes(&frame), &a))
        rv = fail(CKR_DEVICE_ERROR,
                  "the HSM's library crashed or hung while it was loaded or logged in to (%s)",
                  c->texts[WIRE_MODULE]);
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

/* Refuses in between attempts, with what is known about the last one. */
static CK_RV check_pace(struct pool *p, int64_t now)
{
    if (p->pin_refused)
        return fail(CKR_DEVICE_ERROR, "%s", p->why_down);
    if (now < p->pause_until)
        return fail(CKR_DEVICE_ERROR, "%.400s (the next start of its worker is tried in %d ms)",
                    p->why_down, (int)((p->pause_until - now) / 1000000 + 1));
    if (p->starts[0] != 0 && now - p->starts[0] < SECOND_NS)
        return fail(CKR_DEVICE_ERROR, "%.400s (its worker is lost again and again)", p->why_down);
    return CKR_OK;
}

static void note_start(struct pool *p, int64_t now)
{
    memmove(p->starts, p->starts + 1, sizeof(p->starts) - sizeof(*p->starts));
    p->starts[POOL_STARTS_KEPT - 1] = now;
}

static CK_RV start_failed(struct pool *p, CK_RV rv, enum wire_trouble trouble)
{
    (void)snprintf(p->why_down, sizeof(p->why_down), "%s", fail_reason());
    p->pause_until = channel_now() + SECOND_NS;
    p->pin_refused = trouble == WIRE_TROUBLE_PIN;
    return rv;
}

CK_RV pool_ensure_up(struct pool *p)
{
    struct spawned worker = SPAWNED_NONE;
    enum wire_trouble trouble = WIRE_TROUBLE_NONE;
    int64_t now = channel_now();
    CK_RV rv;

    if (p->up)
        return CKR_OK;
    rv = check_pace(p, now);
    if (rv != CKR_OK)
        return rv;
    note_start(p, now);
    rv = spawn_worker(p->config.worker, p->config.texts[WIRE_SOFTHSM_CONF],
                      channel_deadline(p->config.deadline_ms), &worker);
    if (rv == CKR_OK)
        rv = tell(&p->config, &worker, WIRE_OPEN, p->about, &trouble);
    if (rv != CKR_OK) {
        spawn_kill(&worker);
        return start_failed(p, rv, trouble);
    }
    p->worker = worker;
    p->up = true;
    p->generation++;
    p->relogins_before += p->relogins;
    p->relogins = 0;
    return CKR_OK;
}

void pool_close_idle(struct pool *p)
{
    for (size_t i = 0; i < p->limit; i++) {
        struct pool_lane *lane = &p->lanes[i];

        if (!lane->leased)
            channel_close(&lane->channel);
    }
}

/* Lanes on lease find out by themselves: the worker's ends of them close. */
void pool_lose(struct pool *p, const char *why)
{
    (void)snprintf(p->why_down, sizeof(p->why_down), "%s", why);
    spawn_kill(&p->worker);
    p->up = false;
    pool_close_idle(p);
}

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
        rv = tell(&c, &worker, WIRE_CREATE, NULL, &trouble);
    if (rv == CKR_OK)
        spawn_let_go(&worker);
    else
        spawn_kill(&worker);
    pool_config_release(&c);
    return rv;
}
