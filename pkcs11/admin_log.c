/* Verbs about the log: reading it with filters, a page at a time, and having it verified. Reading
 * the log is itself in the log. */
#include "pkcs11/admin_int.h"

#include "audit/verify.h"
#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_RECORDS 1000       /* records a page at most, and unless asked otherwise */
#define PAGE_BYTES   (4U << 20) /* and bytes of them */

/* ---- log.show ---- */

struct reading {
    struct admin *a;
    json_t *events;
    char since[CLOCK_TEXT_MAX]; /* "": from the start; times of one format compare as texts */
    bool denied;
    size_t limit, bytes;
    int64_t next; /* where the next page begins; -1: the log's end was reached */
    CK_RV rv;
};

static bool member_is(const json_t *event, const char *name, const char *wanted)
{
    const char *value = json_string_value(json_object_get(event, name));

    return wanted == NULL || (value != NULL && strcmp(value, wanted) == 0);
}

static bool is_wanted(const struct reading *r, const json_t *event)
{
    const char *time = json_string_value(json_object_get(event, "time"));

    if (r->since[0] != '\0' && (time == NULL || strcmp(time, r->since) < 0))
        return false;
    return member_is(event, "vault", admin_text(r->a, "vault")) &&
           member_is(event, "object", admin_text(r->a, "object")) &&
           (!r->denied || member_is(event, "verdict", "deny"));
}

static bool read_one(void *ctx, uint64_t seq, struct bytes json)
{
    struct reading *r = ctx;
    json_error_t error;
    json_t *event;

    if (json_array_size(r->events) >= r->limit || r->bytes >= PAGE_BYTES) {
        r->next = (int64_t)seq;
        return false;
    }
    event = json_loadb((const char *)json.data, json.len, 0, &error);
    if (event == NULL) {
        r->rv = fail(CKR_DEVICE_ERROR,
                     "record %llu of the log is no JSON: run keyward log verify, it says what is "
                     "damaged",
                     (unsigned long long)seq);
        return false;
    }
    if (!is_wanted(r, event)) {
        json_decref(event);
        return true;
    }
    r->bytes += json.len;
    r->rv = admin_append(r->events, event);
    return r->rv == CKR_OK;
}

static CK_RV read_filters(struct admin *a, struct reading *r)
{
    int64_t now = clock_realtime(engine_clock(a->run.app->engine)) / 1000000000;
    int64_t limit = admin_number(a, "limit", PAGE_RECORDS);
    const char *since = admin_text(a, "since");
    int64_t from;
    CK_RV rv;

    r->denied = admin_bool(a, "denied", false);
    r->limit = limit < 1 || limit > PAGE_RECORDS ? PAGE_RECORDS : (size_t)limit;
    if (since == NULL)
        return CKR_OK;
    rv = admin_parse_time(since, now, -1, &from);
    if (rv == CKR_OK)
        clock_format(from * 1000000000, r->since);
    return rv;
}

static CK_RV log_show_verb(struct admin *a)
{
    struct reading r = {.a = a, .events = json_array(), .next = -1};
    CK_RV rv = admin_put(a->answer, "events", r.events);

    if (rv == CKR_OK)
        rv = read_filters(a, &r);
    if (rv == CKR_OK)
        rv = verify_read(engine_paths(a->run.app->engine)->log,
                         (uint64_t)admin_number(a, "from", 0), read_one, &r);
    if (rv == CKR_OK)
        rv = r.rv;
    if (rv == CKR_OK)
        rv = admin_put(a->answer, "next", r.next < 0 ? json_null() : json_integer(r.next));
    gate_count(&a->run, json_array_size(r.events));
    return rv;
}

/* ---- log.verify, log.key, log.checkpoint ---- */

/* NULL without memory. */
static json_t *report_json(const struct verify_report *report)
{
    char root[65];
    json_t *json;

    bytes_to_hex(BYTES(report->root, sizeof(report->root)), root);
    json = json_pack("{s:b, s:I, s:I, s:s, s:o}", "ok", (int)report->ok, "size",
                     (json_int_t)report->size, "unsigned-tail", (json_int_t)report->unsigned_tail,
                     "root", root, "problem", admin_json_text(bytes_from_str(report->problem)));
    if (json == NULL || !report->has_bad_seq ||
        json_object_set_new(json, "bad-seq", json_integer((json_int_t)report->bad_seq)) == 0)
        return json;
    json_decref(json);
    return NULL;
}

static CK_RV log_verify_verb(struct admin *a)
{
    struct engine *engine = a->run.app->engine;
    struct verify_report report = {.size = 0};
    CK_RV rv = verify_log(engine_paths(engine)->log, engine_log_key_text(engine), &report);

    if (rv != CKR_OK)
        return rv;
    gate_count(&a->run, report.size);
    return admin_put(a->answer, "report", report_json(&report));
}

/*
 * A damaged log keeps the engine from waking, and then nobody can be asked who may verify it, and
 * no record made. What is told is only what is wrong with the log, out of files that the caller,
 * in whose process this runs, can read without us. The verb stays refused; a log that would verify
 * is not reported at all.
 */
void admin_log_report(struct admin *a)
{
    struct engine *engine = a->run.app != NULL ? a->run.app->engine : NULL;
    struct verify_report report = {.size = 0};
    char key[VERIFY_KEY_MAX];
    char reason[FAIL_REASON_MAX];

    if (engine == NULL || !engine_log_refused(engine, key))
        return;
    (void)snprintf(reason, sizeof(reason), "%s", fail_reason());
    if (verify_log(engine_paths(engine)->log, key, &report) == CKR_OK && !report.ok)
        a->report = report_json(&report);
    (void)fail(CKR_DEVICE_ERROR, "%s", reason);
}

static CK_RV log_key_verb(struct admin *a)
{
    return admin_put(a->answer, "key", json_string(engine_log_key_text(a->run.app->engine)));
}

static CK_RV log_checkpoint_verb(struct admin *a)
{
    struct trail *trail = engine_trail(a->run.app->engine);
    struct trail_status status;
    CK_RV rv = trail_checkpoint(trail);

    if (rv == CKR_OK)
        rv = trail_status(trail, &status);
    return rv == CKR_OK
               ? admin_put(a->answer, "signed-size", json_integer((json_int_t)status.signed_size))
               : rv;
}

/* ---- the chapter ---- */

static const struct admin_member show_members[] = {
    {"vault", MEMBER_TEXT, false},
    {"since", MEMBER_TEXT, false},
    {"object", MEMBER_TEXT, false},
    {"denied", MEMBER_BOOL, false},
    {"limit", MEMBER_NUMBER, false},
    {"from", MEMBER_NUMBER, false},
    {0},
};
static const struct admin_member no_members[] = {{0}};

static const struct admin_verb verbs[] = {
    {"log.show", ACTION_READ_LOG, ADMIN_VAULT, show_members, log_show_verb},
    {"log.verify", ACTION_VERIFY_LOG, ADMIN_REPORTS, no_members, log_verify_verb},
    {"log.key", ACTION_VERIFY_LOG, 0, no_members, log_key_verb},
    {"log.checkpoint", ACTION_VERIFY_LOG, 0, no_members, log_checkpoint_verb},
};

const struct admin_chapter admin_log_chapter = {verbs, sizeof(verbs) / sizeof(*verbs)};
