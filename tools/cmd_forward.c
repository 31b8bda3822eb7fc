/*
 * keyward log forward: the log's records, to syslog or journald.
 *
 * The log itself is the queue: a forwarder reads it a page at a time, and remembers in the home
 * (POSITION) how far everything has arrived. So nothing waits for it, nothing is dropped when the
 * receiver is slow or away, and what it holds in memory is a page. A page that broke off is sent
 * again: a record arrives at least once, and has its number.
 */
#include "audit/files.h"
#include "base/scope.h"
#include "pkcs11/engine.h"
#include "tools/client.h"
#include "tools/cmd.h"
#include "tools/log_read.h"
#include "tools/print.h"
#include "tools/sink.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define POSITION     "forward/%s.json"
#define POSITION_MAX 4096
#define NAME_MAX_LEN 32
#define AGAIN_MS     200 /* after the first failure; doubled until */
#define AGAIN_MAX_MS 5000

struct forwarder {
    const struct invocation *inv;
    struct client client;
    struct sink sink;
    int home; /* folder */
    char file[64];
    char *log; /* verifier key: which log the position is in */
    json_int_t next;
    bool once, troubled;
};

/* ---- how far it came ---- */

static int save_position(const struct forwarder *f)
{
    json_t *position =
        json_pack("{s:s, s:s, s:I}", "log", f->log, "to", f->sink.address, "next", f->next);
    SCOPED_FREE char *text = position != NULL ? json_dumps(position, JSON_COMPACT) : NULL;
    CK_RV rv =
        text != NULL ? file_write(f->home, f->file, bytes_from_str(text), true) : fail_memory();

    json_decref(position);
    return rv == CKR_OK
               ? TOOL_DONE
               : tool_fail(TOOL_FAILED, f->inv->command->name,
                           "it is not remembered how far the log was forwarded: %s", fail_reason());
}

static int load_position(struct forwarder *f)
{
    struct buf text = BUF_INIT(POSITION_MAX);
    bool found = false;
    json_t *position;
    const json_t *next;
    CK_RV rv = file_read(f->home, f->file, POSITION_MAX, &text, &found);
    int rc = TOOL_DONE;

    if (rv != CKR_OK || !found) {
        buf_release(&text);
        return rv == CKR_OK ? TOOL_DONE
                            : tool_fail(TOOL_FAILED, f->inv->command->name, "%s", fail_reason());
    }
    position = json_loadb((const char *)text.data, text.len, 0, NULL);
    next = json_object_get(position, "next");
    if (!json_is_integer(next) || json_integer_value(next) < 0)
        rc = tool_fail(TOOL_FAILED, f->inv->command->name,
                       "%s in the home is damaged: say with --from where to go on", f->file);
    else if (strcmp(member_text(position, "log"), f->log) != 0)
        rc = tool_fail(TOOL_FAILED, f->inv->command->name,
                       "%s is about another log: say with --from where to begin in this one",
                       f->file);
    else
        f->next = json_integer_value(next);
    json_decref(position);
    buf_release(&text);
    return rc;
}

/* What was sent cannot be taken back, so a log that is shorter now was cut or put back. */
static int check_position(const struct forwarder *f, json_int_t size)
{
    if (f->next <= size)
        return TOOL_DONE;
    return tool_fail(
        TOOL_FAILED, f->inv->command->name,
        "the log has %lld records, and %lld were forwarded already: it was cut, or put "
        "back to an older state. Keep it as it is; run keyward log verify",
        (long long)size, (long long)f->next);
}

static int find_position(struct forwarder *f, const char *from)
{
    json_t *answer = NULL;
    int rc = log_page(&f->client, 0, 0, &answer);
    json_int_t size = json_integer_value(json_object_get(answer, "size"));

    if (rc == TOOL_DONE) {
        f->log = strdup(member_text(answer, "log"));
        if (f->log == NULL)
            rc = tool_fail(TOOL_FAILED, f->inv->command->name, "out of memory");
    }
    json_decref(answer);
    if (rc != TOOL_DONE)
        return rc;
    if (from != NULL)
        f->next = strtoll(from, NULL, 10);
    else
        rc = load_position(f);
    return rc == TOOL_DONE ? check_position(f, size) : rc;
}

/* ---- sending ---- */

static bool send_page(struct forwarder *f, const json_t *events)
{
    if (f->sink.fd < 0 && !sink_open(&f->sink))
        return false;
    for (size_t i = 0; i < json_array_size(events); i++)
        if (!sink_send(&f->sink, json_array_get(events, i)))
            return false;
    return sink_settle(&f->sink);
}

/* One line when it goes wrong, one when it goes on. */
static void tell(struct forwarder *f, bool troubled)
{
    if (troubled != f->troubled)
        (void)tool_fail(TOOL_FAILED, f->inv->command->name, "%s",
                        troubled ? f->sink.trouble : "goes on");
    f->troubled = troubled;
}

/* Until the page has arrived, however long that takes; with --once it is tried once. */
static int deliver(struct forwarder *f, const json_t *events)
{
    long wait_ms = AGAIN_MS;

    while (json_array_size(events) > 0 && !send_page(f, events)) {
        struct timespec wait = {.tv_sec = wait_ms / 1000, .tv_nsec = wait_ms % 1000 * 1000000L};

        tell(f, true);
        if (f->once)
            return TOOL_FAILED;
        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &wait, NULL);
        wait_ms = 2 * wait_ms < AGAIN_MAX_MS ? 2 * wait_ms : AGAIN_MAX_MS;
    }
    if (!f->once)
        tell(f, false);
    return TOOL_DONE;
}

/* One page; *ret_more: there may be another. */
static int forward_page(struct forwarder *f, bool *ret_more)
{
    json_t *answer = NULL;
    int rc = log_page(&f->client, f->next, f->once ? 0 : LOG_FOLLOW_MS, &answer);

    if (rc == TOOL_DONE)
        rc = deliver(f, json_object_get(answer, "events"));
    if (rc == TOOL_DONE) {
        f->next = json_integer_value(json_object_get(answer, "end"));
        rc = save_position(f);
    }
    *ret_more = !f->once || json_is_integer(json_object_get(answer, "next"));
    json_decref(answer);
    return rc;
}

static int forward(struct forwarder *f)
{
    bool more = true;
    int rc = TOOL_DONE;

    while (rc == TOOL_DONE && more)
        rc = forward_page(f, &more);
    return rc;
}

/* ---- the command ---- */

static bool is_number(const char *text)
{
    size_t len = strlen(text);

    return len > 0 && len <= 15 && strspn(text, "0123456789") == len;
}

static bool is_plain_name(const char *name)
{
    size_t len = strlen(name);

    return len > 0 && len <= NAME_MAX_LEN &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

static int check_options(struct forwarder *f)
{
    const struct invocation *inv = f->inv;
    const char *to = option(inv, "--to");
    const char *from = option(inv, "--from");
    const char *name = option(inv, "--name") != NULL ? option(inv, "--name") : to;
    const struct sink_kind *kind = to != NULL ? sink_find(to) : NULL;

    if (kind == NULL)
        return tool_fail(TOOL_USAGE, inv->command->name, "where to? --to syslog or --to journald");
    if (from != NULL && !is_number(from))
        return tool_fail(TOOL_USAGE, inv->command->name,
                         "--from %s is no record's number: see keyward log show", from);
    if (!is_plain_name(name))
        return tool_fail(TOOL_USAGE, inv->command->name,
                         "--name %s: at most %d small letters, digits and hyphens", name,
                         NAME_MAX_LEN);
    (void)snprintf(f->file, sizeof(f->file), POSITION, name);
    if (!sink_init(&f->sink, kind, option(inv, "--socket")))
        return tool_fail(TOOL_USAGE, inv->command->name, "--socket %s", f->sink.trouble);
    f->once = option(inv, "--once") != NULL;
    return TOOL_DONE;
}

static int open_home(struct forwarder *f)
{
    SCOPED_FREE char *home = home_find();

    if (home == NULL || file_open_folder(home, &f->home) != CKR_OK)
        return tool_fail(TOOL_FAILED, f->inv->command->name, "%s",
                         home != NULL ? fail_reason()
                                      : "there is no place for a home: set KEYWARD_HOME");
    return TOOL_DONE;
}

int cmd_log_forward(const struct invocation *inv)
{
    struct forwarder f = {.inv = inv, .home = -1, .sink = {.fd = -1}};
    int rc = check_options(&f);

    if (rc == TOOL_DONE) {
        rc = client_open(inv, &f.client);
        if (rc == TOOL_DONE)
            rc = open_home(&f);
        if (rc == TOOL_DONE)
            rc = find_position(&f, option(inv, "--from"));
        if (rc == TOOL_DONE)
            rc = forward(&f);
        client_close(&f.client);
    }
    sink_release(&f.sink);
    scope_close(&f.home);
    free(f.log);
    return rc;
}
