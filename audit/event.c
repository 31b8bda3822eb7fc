/*
 * One event as one line of JSON: see event.h for the members and their order.
 *
 * Every text has a limit of its own (bytes between the quotes, escapes counted); together with the
 * names and numbers they stay below EVENT_JSON_MAX, so no input, however long or hostile, can keep
 * a record out of the log.
 */
#include "audit/event_int.h"

#include "audit/json.h"
#include "base/clock.h"
#include "base/names.h"

#include <string.h>

enum {
    LIMIT_WORD = 128,   /* names from tables, states, short ids */
    LIMIT_DIGEST = 256, /* hex */
    LIMIT_NAME = 1024,  /* principals, paths, vaults */
    LIMIT_LABEL = 2048, /* labels and sentences */
    LIMIT_RULES = 4096, /* lists of policy ids */
};

#define MEMBER(name) BYTES_LIT(",\"" name "\":")

static void put_text(struct buf *out, struct bytes member, const char *text, size_t limit)
{
    if (text == NULL || text[0] == '\0')
        return;
    event_put_member(out, member, text, limit);
}

static void put_unsigned(struct buf *out, struct bytes member, uint64_t n)
{
    buf_put_bytes(out, member);
    event_put_unsigned(out, n);
}

static void put_signed(struct buf *out, struct bytes member, int64_t n)
{
    buf_put_bytes(out, member);
    event_put_signed(out, n);
}

static void put_phase(struct buf *out, const struct event *e)
{
    static const char *const names[] = {
        [EVENT_DONE] = "done",
        [EVENT_INTENT] = "intent",
        [EVENT_OUTCOME] = "outcome",
    };

    put_text(out, MEMBER("phase"), names[e->phase], LIMIT_WORD);
    if (e->phase == EVENT_OUTCOME)
        put_unsigned(out, MEMBER("intent"), e->intent);
}

static void put_who(struct buf *out, const struct event *e)
{
    put_text(out, MEMBER("principal"), e->principal, LIMIT_NAME);
    put_text(out, MEMBER("proof"), e->proof, LIMIT_WORD);
    put_signed(out, MEMBER("pid"), e->pid);
    put_signed(out, MEMBER("uid"), e->uid);
    put_text(out, MEMBER("exe"), e->exe, LIMIT_NAME);
    put_text(out, MEMBER("via"), e->via, LIMIT_WORD);
}

static void put_object(struct buf *out, const struct event *e)
{
    put_text(out, MEMBER("vault"), e->vault, LIMIT_NAME);
    put_text(out, MEMBER("object"), e->object, LIMIT_LABEL);
    put_text(out, MEMBER("id"), e->id, LIMIT_DIGEST);
    if (e->version != 0)
        put_unsigned(out, MEMBER("version"), e->version);
}

static void put_act(struct buf *out, const struct event *e)
{
    put_text(out, MEMBER("function"), e->function, LIMIT_WORD);
    put_text(out, MEMBER("action"), e->action, LIMIT_WORD);
    put_text(out, MEMBER("mechanism"), e->mechanism, LIMIT_WORD);
    put_text(out, MEMBER("parameters"), e->parameters, LIMIT_DIGEST);
    put_text(out, MEMBER("digest"), e->digest, LIMIT_DIGEST);
    if (e->has_length)
        put_unsigned(out, MEMBER("length"), e->length);
    if (e->has_count)
        put_unsigned(out, MEMBER("count"), e->count);
}

static void put_answer(struct buf *out, const struct event *e)
{
    static const char *const verdicts[] = {
        [EVENT_NO_VERDICT] = NULL,
        [EVENT_ALLOW] = "allow",
        [EVENT_DENY] = "deny",
    };
    char name[NAME_BUF_MAX];

    put_text(out, MEMBER("verdict"), verdicts[e->verdict], LIMIT_WORD);
    put_text(out, MEMBER("rules"), e->rules, LIMIT_RULES);
    put_text(out, MEMBER("policy"), e->policy, LIMIT_DIGEST);
    put_text(out, MEMBER("new_policy"), e->new_policy, LIMIT_DIGEST);
    put_text(out, MEMBER("policy_change"), e->policy_change, LIMIT_WORD);
    if (e->phase != EVENT_INTENT)
        put_text(out, MEMBER("rv"), name_of_rv(e->rv, name), LIMIT_WORD);
    put_text(out, MEMBER("reason"), e->reason, LIMIT_LABEL);
}

static void put_time(struct buf *out, struct bytes member, int64_t n)
{
    if (n != 0)
        put_signed(out, member, n);
}

static void put_times(struct buf *out, const struct event *e)
{
    if (e->duration_ns != 0)
        put_signed(out, MEMBER("duration_us"), e->duration_ns / 1000);
    put_time(out, MEMBER("policy_ns"), e->policy_ns);
    put_time(out, MEMBER("hsm_ns"), e->hsm_ns);
    put_time(out, MEMBER("software_ns"), e->software_ns);
    put_time(out, MEMBER("log_ns"), e->log_ns);
}

size_t event_head(uint64_t seq, int64_t realtime_ns, char out[static EVENT_HEAD_MAX])
{
    static const char before[] = "{\"seq\":";
    static const char between[] = ",\"time\":\"";
    char time[CLOCK_TEXT_MAX];
    size_t len = sizeof(before) - 1;
    size_t n;

    memcpy(out, before, len);
    len += event_put_digits(seq, out + len);
    memcpy(out + len, between, sizeof(between) - 1);
    len += sizeof(between) - 1;
    clock_format(realtime_ns, time);
    n = strlen(time);
    memcpy(out + len, time, n);
    len += n;
    out[len++] = '"';
    return len;
}

void event_body(const struct event *event, struct buf *out)
{
    put_text(out, MEMBER("app"), event->app, LIMIT_WORD);
    put_phase(out, event);
    put_who(out, event);
    put_object(out, event);
    put_act(out, event);
    put_answer(out, event);
    put_times(out, event);
    buf_putc(out, '}');
}

void event_write(const struct event *event, uint64_t seq, int64_t realtime_ns, struct buf *out)
{
    char head[EVENT_HEAD_MAX];

    buf_put(out, head, event_head(seq, realtime_ns, head));
    event_body(event, out);
}
