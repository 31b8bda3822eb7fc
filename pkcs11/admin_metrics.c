/*
 * The verb "metrics": what happened, how long it took and what is about to expire, as Prometheus
 * text (exposition format 0.0.4).
 *
 * All is counted from the log, so it is one count for all processes of the home, and true after a
 * restart. What was counted up to which record is kept in the home (METRICS_FILE), so that a scrape
 * reads only what is new; lost, it is counted again. It proves nothing: that is the log's to do.
 */
#include "pkcs11/admin_int.h"

#include "audit/files.h"
#include "audit/verify.h"
#include "base/clock.h"
#include "base/scope.h"
#include "pkcs11/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define METRICS_FILE     "metrics.json"
#define METRICS_FILE_MAX (16U << 20)
#define METRICS_TEXT_MAX (16U << 20)
#define LABELS_MAX       256U /* of one vault's name */

struct tally {
    struct admin *a;
    json_t *kept; /* "log", "upto", "mark", and the families */
    struct metrics metrics;
    int64_t now; /* seconds since 1970 */
    json_int_t upto;
    CK_RV rv;
};

/* ---- counting ---- */

static bool count_record(void *ctx, uint64_t seq, struct bytes json)
{
    struct tally *t = ctx;
    json_t *event = json_loadb((const char *)json.data, json.len, 0, NULL);

    if (event == NULL)
        t->rv = fail(CKR_DEVICE_ERROR, "record %llu of the log is no JSON: run keyward log verify",
                     (unsigned long long)seq);
    else if (!metrics_count(&t->metrics, event))
        t->rv = fail_memory();
    json_decref(event);
    t->upto = (json_int_t)seq + 1;
    return t->rv == CKR_OK;
}

/* ---- what is kept between scrapes ---- */

/* What is of another log, of a longer one, or counted another way, is dropped. */
static bool is_of_this_log(const struct tally *t, uint64_t size)
{
    const char *log = json_string_value(json_object_get(t->kept, "log"));
    json_int_t upto = json_integer_value(json_object_get(t->kept, "upto"));

    return json_integer_value(json_object_get(t->kept, "format")) == METRICS_FORMAT &&
           log != NULL && strcmp(log, engine_log_key_text(t->a->run.app->engine)) == 0 &&
           upto >= 0 && (uint64_t)upto <= size;
}

static CK_RV load(struct tally *t, int home, uint64_t size)
{
    struct buf data = BUF_INIT(METRICS_FILE_MAX);
    bool found = false;
    CK_RV rv = file_read(home, METRICS_FILE, METRICS_FILE_MAX, &data, &found);

    if (rv == CKR_OK && found)
        t->kept = json_loadb((const char *)data.data, data.len, 0, NULL);
    buf_release(&data);
    if (!json_is_object(t->kept) || !is_of_this_log(t, size)) {
        json_decref(t->kept);
        t->kept = json_pack("{s:s, s:i}", "log", engine_log_key_text(t->a->run.app->engine),
                            "format", METRICS_FORMAT);
    }
    t->upto = json_integer_value(json_object_get(t->kept, "upto"));
    if (!metrics_take(&t->metrics, t->kept))
        return rv == CKR_OK ? fail_memory() : rv;
    return rv;
}

/* Where it cannot be kept, the next scrape counts again. */
static void keep(struct tally *t, int home)
{
    struct buf data = BUF_INIT(SIZE_MAX);

    if (json_object_set_new(t->kept, "upto", json_integer(t->upto)) != 0)
        return;
    if (admin_json_print(t->kept, &data))
        fail_unheeded(file_write(home, METRICS_FILE, buf_bytes(&data), false));
    buf_release(&data);
}

/* ---- printing ---- */

static void print_gauge(struct buf *out, const char *name, const char *help, uint64_t value)
{
    metrics_head(out, name, "gauge", help);
    buf_printf(out, "%s %llu\n", name, (unsigned long long)value);
}

static CK_RV print_log(struct tally *t, int home, struct buf *out)
{
    struct metrics_log log = {.key = engine_log_key_text(t->a->run.app->engine)};
    struct trail_status status;
    CK_RV rv = trail_status(engine_trail(t->a->run.app->engine), &status);

    if (rv != CKR_OK)
        return rv;
    print_gauge(out, "keyward_log_records", "Records in the log.", status.size);
    print_gauge(out, "keyward_log_unsigned_records", "Records that no checkpoint covers yet.",
                status.size > status.signed_size ? status.size - status.signed_size : 0);
    log.size = status.size;
    return metrics_print_forwarders(&log, home, out);
}

/* Does the HSM do something when it is asked? */
static void print_hsm(struct tally *t, struct buf *out)
{
    CK_RV rv = hsm_self_test(run_hsm(&t->a->run));

    print_gauge(out, "keyward_hsm_up", "1 when the HSM passes its self-test, else 0.",
                rv == CKR_OK ? 1 : 0);
}

/* ---- what the vaults hold ---- */

enum { HELD_OBJECTS, HELD_EXPIRED, HELD_NEXT, HELD }; /* the numbers kept of a vault */

static const struct {
    const char *name, *help;
} held[HELD] = {
    {"keyward_vault_objects", "Objects in the vault that are not deleted."},
    {"keyward_vault_expired_objects", "Those of them whose end date is over."},
    {"keyward_vault_next_expiry_timestamp_seconds",
     "When the next one ends, seconds since 1970; absent where none will."},
};

struct look {
    int64_t now;
    int64_t found[HELD];
};

static bool look_at_object(void *ctx, const struct object *object)
{
    struct look *look = ctx;
    int64_t *next = &look->found[HELD_NEXT];

    look->found[HELD_OBJECTS]++;
    if (object->expires != 0 && object->expires <= look->now)
        look->found[HELD_EXPIRED]++;
    else if (object->expires != 0 && (*next == 0 || object->expires < *next))
        *next = object->expires;
    return true;
}

/* Takes list. */
static CK_RV put_vault(json_t *vaults, const char *name, json_t *list)
{
    struct buf labels = BUF_INIT(LABELS_MAX);
    CK_RV rv;

    metrics_label(&labels, "vault", name);
    buf_putc(&labels, '\0');
    rv = admin_put(vaults, buf_ok(&labels) ? (const char *)labels.data : "", list);
    buf_release(&labels);
    return rv;
}

static CK_RV look_at_vault(struct tally *t, json_t *vaults, const struct vault_info *vault)
{
    const struct object_query all = {.deleted = false};
    struct look look = {.now = t->now};
    json_t *list = json_array();
    CK_RV rv = object_find(run_store(&t->a->run), vault, &all, look_at_object, &look);

    for (size_t i = 0; rv == CKR_OK && i < HELD; i++)
        if (json_array_append_new(list, json_integer((json_int_t)look.found[i])) != 0)
            rv = fail_memory();
    if (rv != CKR_OK) {
        json_decref(list);
        return rv;
    }
    return put_vault(vaults, vault->name, list);
}

/* Marks have all bits, JSON's numbers here have a sign. */
static json_t *mark_json(uint64_t mark)
{
    return json_integer((json_int_t)mark);
}

/* As long as nobody writes and nothing ends, every object is where it was. */
static bool are_as_they_were(const struct tally *t, json_t *vaults, uint64_t mark)
{
    const json_t *kept = json_object_get(t->kept, "mark");
    const char *labels;
    json_t *list;

    if (!json_is_integer(kept) || (uint64_t)json_integer_value(kept) != mark)
        return false;
    json_object_foreach(vaults, labels, list)
    {
        json_int_t next = json_integer_value(json_array_get(list, HELD_NEXT));

        if (json_array_size(list) != HELD || (next != 0 && next <= t->now))
            return false;
    }
    return true;
}

static CK_RV look_at_all(struct tally *t, json_t *vaults)
{
    struct vault_info *list = NULL;
    size_t count = 0;
    CK_RV rv = vault_list(run_store(&t->a->run), &list, &count);

    (void)json_object_clear(vaults);
    for (size_t i = 0; rv == CKR_OK && i < count; i++)
        rv = look_at_vault(t, vaults, &list[i]);
    free(list);
    return rv;
}

static CK_RV look_at_vaults(struct tally *t)
{
    json_t *vaults = metrics_family(t->kept, "vaults");
    uint64_t before = 0;
    uint64_t after = 0;
    CK_RV rv = store_mark(run_store(&t->a->run), &before);

    if (rv == CKR_OK && vaults == NULL)
        rv = fail_memory();
    if (rv != CKR_OK || are_as_they_were(t, vaults, before))
        return rv;
    rv = look_at_all(t, vaults);
    if (rv == CKR_OK)
        rv = store_mark(run_store(&t->a->run), &after);
    (void)json_object_del(t->kept, "mark");
    return rv == CKR_OK && before == after ? admin_put(t->kept, "mark", mark_json(before)) : rv;
}

static void print_vaults(struct tally *t, struct buf *out)
{
    json_t *vaults = json_object_get(t->kept, "vaults");
    const char *labels;
    json_t *list;

    for (size_t i = 0; i < HELD; i++) {
        metrics_head(out, held[i].name, "gauge", held[i].help);
        json_object_foreach(vaults, labels, list)
        {
            json_int_t n = json_integer_value(json_array_get(list, i));

            if (i != HELD_NEXT || n != 0)
                buf_printf(out, "%s{%s} %lld\n", held[i].name, labels, (long long)n);
        }
    }
}

/* ---- the verb ---- */

static CK_RV print_all(struct tally *t, int home, struct buf *out)
{
    CK_RV rv;

    metrics_print(&t->metrics, out);
    print_vaults(t, out);
    print_hsm(t, out);
    rv = print_log(t, home, out);
    return rv == CKR_OK && !buf_ok(out) ? fail_memory() : rv;
}

CK_RV admin_metrics(struct admin *a)
{
    const struct home_paths *paths = engine_paths(a->run.app->engine);
    struct tally t = {.a = a, .now = clock_realtime(engine_clock(a->run.app->engine)) / 1000000000};
    struct buf out = BUF_INIT(METRICS_TEXT_MAX);
    SCOPED_FD int home = -1;
    struct trail_status status;
    CK_RV rv = trail_status(engine_trail(a->run.app->engine), &status);

    if (rv == CKR_OK)
        rv = file_open_folder(paths->home, &home);
    if (rv == CKR_OK)
        rv = load(&t, home, status.size);
    if (rv == CKR_OK)
        rv = verify_read(paths->log, (uint64_t)t.upto, count_record, &t);
    if (rv == CKR_OK)
        rv = t.rv;
    if (rv == CKR_OK)
        rv = look_at_vaults(&t);
    if (rv == CKR_OK)
        rv = print_all(&t, home, &out);
    if (rv == CKR_OK)
        keep(&t, home);
    if (rv == CKR_OK)
        rv = admin_put(a->answer, "text", admin_json_text(buf_bytes(&out)));
    json_decref(t.kept);
    buf_release(&out);
    return rv;
}
