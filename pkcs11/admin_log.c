/* Verbs about the log: reading it with filters, a page at a time, and having it verified. Reading
 * the log is itself in the log. */
#include "pkcs11/admin_int.h"

#include "audit/proof.h"
#include "audit/verify.h"
#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PAGE_RECORDS 1000       /* records a page at most, and unless asked otherwise */
#define PAGE_BYTES   (4U << 20) /* and bytes of them */
#define WAIT_MAX_MS  600000     /* for a record to come */
#define WAIT_STEP_MS 100

/* ---- log.show ---- */

struct reading {
    struct admin *a;
    json_t *events;
    char since[CLOCK_TEXT_MAX]; /* "": from the start; times of one format compare as texts */
    bool denied;
    bool others; /* leave out what this application does to read the log */
    size_t limit, bytes;
    bool news;    /* something in the page is not a waiting reader's own doing */
    uint64_t end; /* behind the last record looked at */
    bool more;    /* the page was full before the log's end */
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
    if (r->others && member_is(event, "app", r->a->run.app->id) &&
        member_is(event, "function", r->a->verb->name))
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
        r->more = true;
        return false;
    }
    r->end = seq + 1;
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
    r->news = r->news || !member_is(event, "function", r->a->verb->name);
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

static CK_RV read_page(struct admin *a, struct reading *r)
{
    CK_RV rv = verify_read(engine_paths(a->run.app->engine)->log, r->end, read_one, r);

    return rv == CKR_OK ? r->rv : rv;
}

/* Until the log holds more than was read of it. false: the time is over. */
static bool wait_for_more(struct admin *a, const struct reading *r, int64_t *left_ms)
{
    const struct timespec step = {.tv_nsec = WAIT_STEP_MS * 1000000L};
    struct trail_status status = {.size = 0};

    while (*left_ms > 0) {
        *left_ms -= WAIT_STEP_MS;
        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &step, NULL);
        if (trail_status(engine_trail(a->run.app->engine), &status) != CKR_OK ||
            status.size > r->end)
            return true;
    }
    return false;
}

/* What tells one page from another: which log it is of, where it ends, how much there is. */
static CK_RV put_place(struct admin *a, const struct reading *r)
{
    struct trail_status status;
    CK_RV rv = trail_status(engine_trail(a->run.app->engine), &status);

    if (rv == CKR_OK)
        rv = admin_put(a->answer, "next", r->more ? json_integer((json_int_t)r->end) : json_null());
    if (rv == CKR_OK)
        rv = admin_put(a->answer, "end", json_integer((json_int_t)r->end));
    if (rv == CKR_OK)
        rv = admin_put(a->answer, "size", json_integer((json_int_t)status.size));
    if (rv == CKR_OK)
        rv = admin_put(a->answer, "log", json_string(engine_log_key_text(a->run.app->engine)));
    return rv;
}

/*
 * With "wait-ms" a page without records is not handed out before others' come, or that is over.
 * Records of reading the log go into a page, but do not end the wait: two who follow it would hand
 * each other their own for ever.
 */
static CK_RV log_show_verb(struct admin *a)
{
    struct reading r = {.a = a, .events = json_array()};
    int64_t wait_ms = admin_number(a, "wait-ms", 0);
    CK_RV rv = admin_put(a->answer, "events", r.events);

    r.others = wait_ms > 0;
    r.end = (uint64_t)admin_number(a, "from", 0);
    wait_ms = wait_ms > WAIT_MAX_MS ? WAIT_MAX_MS : wait_ms;
    if (rv == CKR_OK)
        rv = read_filters(a, &r);
    if (rv == CKR_OK)
        rv = read_page(a, &r);
    while (rv == CKR_OK && !r.news && !r.more && wait_for_more(a, &r, &wait_ms))
        rv = read_page(a, &r);
    if (rv == CKR_OK)
        rv = put_place(a, &r);
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
    struct verify_anchor anchor;
    char lost[FAIL_REASON_MAX];
    CK_RV rv = trail_anchor(engine_trail(engine), &anchor.size, anchor.root);

    if (rv == CKR_OK)
        rv = verify_log_anchored(engine_paths(engine)->log, engine_log_key_text(engine),
                                 bytes_from_str(admin_text(a, "against")), &anchor, &report);
    if (rv != CKR_OK)
        return rv;
    if (trail_lost(engine_trail(engine), lost)) {
        if (report.ok)
            (void)snprintf(report.problem, sizeof(report.problem), "%s", lost);
        report.ok = false;
        /* Nothing can be recorded, so the verb will be refused: the report goes with the refusal.
         */
        a->report = report_json(&report);
        return fail(CKR_DEVICE_ERROR, "%s", lost);
    }
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

static CK_RV log_accept_clock_verb(struct admin *a)
{
    return trail_accept_clock(engine_trail(a->run.app->engine));
}

static CK_RV log_accept_loss_verb(struct admin *a)
{
    return trail_accept_loss(engine_trail(a->run.app->engine));
}

/* A record that no checkpoint covers yet is given one first. */
static CK_RV log_prove_verb(struct admin *a)
{
    struct engine *engine = a->run.app->engine;
    struct trail *trail = engine_trail(engine);
    struct buf proof = BUF_INIT(PROOF_TEXT_MAX);
    struct buf record = BUF_INIT(EVENT_JSON_MAX);
    int64_t seq = admin_number(a, "seq", -1);
    struct trail_status status;
    CK_RV rv = trail_status(trail, &status);

    if (rv == CKR_OK && (seq < 0 || (uint64_t)seq >= status.size))
        rv = fail(CKR_ARGUMENTS_BAD, "the log has no record %lld: its last one is %llu",
                  (long long)seq, (unsigned long long)status.size - 1);
    if (rv == CKR_OK && (uint64_t)seq >= status.signed_size)
        rv = trail_checkpoint(trail);
    if (rv == CKR_OK)
        rv = proof_record(engine_paths(engine)->log, engine_log_key_text(engine), (uint64_t)seq,
                          &proof, &record);
    if (rv == CKR_OK)
        rv = admin_put(a->answer, "proof", admin_json_text(buf_bytes(&proof)));
    if (rv == CKR_OK)
        rv = admin_put(a->answer, "record", admin_json_text(buf_bytes(&record)));
    buf_release(&proof);
    buf_release(&record);
    return rv;
}

/* ---- the chapter ---- */

static const struct admin_member show_members[] = {
    {"vault", MEMBER_TEXT, false},     {"since", MEMBER_TEXT, false},
    {"object", MEMBER_TEXT, false},    {"denied", MEMBER_BOOL, false},
    {"limit", MEMBER_NUMBER, false},   {"from", MEMBER_NUMBER, false},
    {"wait-ms", MEMBER_NUMBER, false}, {0},
};
static const struct admin_member verify_members[] = {{"against", MEMBER_TEXT, false}, {0}};
static const struct admin_member prove_members[] = {{"seq", MEMBER_NUMBER, true}, {0}};
static const struct admin_member no_members[] = {{0}};

static const struct admin_verb verbs[] = {
    {"log.show", ACTION_READ_LOG, ADMIN_VAULT, show_members, log_show_verb},
    {"log.verify", ACTION_VERIFY_LOG, ADMIN_REPORTS, verify_members, log_verify_verb},
    {"log.prove", ACTION_READ_LOG, 0, prove_members, log_prove_verb},
    {"log.key", ACTION_VERIFY_LOG, 0, no_members, log_key_verb},
    {"metrics", ACTION_READ_STATUS, 0, no_members, admin_metrics},
    {"log.checkpoint", ACTION_VERIFY_LOG, 0, no_members, log_checkpoint_verb},
    {"log.accept-clock", ACTION_ACCEPT_CLOCK, ADMIN_CHANGES, no_members, log_accept_clock_verb},
    {"log.accept-loss", ACTION_ACCEPT_LOSS, ADMIN_CHANGES, no_members, log_accept_loss_verb},
};

const struct admin_chapter admin_log_chapter = {verbs, sizeof(verbs) / sizeof(*verbs)};
