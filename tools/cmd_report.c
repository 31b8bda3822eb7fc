/* keyward log report: the log, what ends and who may, on one page. */
#include "base/clock.h"
#include "tools/client.h"
#include "tools/cmd.h"
#include "tools/file.h"
#include "tools/log_read.h"
#include "tools/print.h"
#include "tools/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What an auditor asks first. */
static const char *const asked[] = {"sign",   "decrypt", "unwrapKey",  "getSecret",
                                    "create", "delete",  "applyPolicy"};

struct reporter {
    struct client client;
    struct report report;
    bool whole; /* nothing was lost for want of memory */
};

/* ---- asking ---- */

/* What may not be asked is missing on the page, which says so. NULL then. */
static json_t *ask(struct reporter *p, json_t *request, const char *what)
{
    json_t *answer = NULL;
    char sentence[512];

    if (client_try(&p->client, request, &answer) == TOOL_DONE)
        return answer;
    (void)snprintf(sentence, sizeof(sentence), "%s: %s", what, client_error(answer));
    if (json_array_append_new(p->report.missing, json_string(sentence)) != 0)
        p->whole = false;
    json_decref(answer);
    return NULL;
}

/* list gets row; takes row. */
static void append(struct reporter *p, json_t *list, json_t *row)
{
    if (row == NULL || json_array_append_new(list, row) != 0)
        p->whole = false;
}

/* The halves of a pair end together, and stand behind each other. */
static bool is_same_key(const json_t *a, const json_t *b)
{
    return strcmp(member_text(a, "name"), member_text(b, "name")) == 0 &&
           strcmp(member_text(a, "expires"), member_text(b, "expires")) == 0 &&
           json_equal(json_object_get(a, "version"), json_object_get(b, "version"));
}

/* Sorted by the time it ends. */
static void add_expiry(struct reporter *p, const char *vault, const json_t *key)
{
    json_t *list = p->report.expiries;
    size_t at = json_array_size(list);
    json_t *row =
        json_pack("{s:s, s:s, s:O, s:s, s:s}", "vault", vault, "name", member_text(key, "name"),
                  "version", json_object_get(key, "version"), "expires",
                  member_text(key, "expires"), "state", member_text(key, "state"));

    while (at > 0 && strcmp(member_text(json_array_get(list, at - 1), "expires"),
                            member_text(key, "expires")) > 0)
        at--;
    if (row == NULL || json_array_insert_new(list, at, row) != 0)
        p->whole = false;
}

static void add_expiries(struct reporter *p, const char *vault)
{
    json_t *answer =
        ask(p, json_pack("{s:s, s:s}", "verb", "key.list", "vault", vault), "what ends");
    const json_t *keys = json_object_get(answer, "keys");

    for (size_t i = 0; i < json_array_size(keys); i++)
        if (json_is_string(json_object_get(json_array_get(keys, i), "expires")) &&
            (i == 0 || !is_same_key(json_array_get(keys, i - 1), json_array_get(keys, i))))
            add_expiry(p, vault, json_array_get(keys, i));
    json_decref(answer);
}

static void add_may(struct reporter *p, const char *vault, const char *action)
{
    json_t *answer = ask(
        p, json_pack("{s:s, s:s, s:s}", "verb", "policy.who-can", "vault", vault, "action", action),
        "who may");
    const json_t *who = json_object_get(answer, "who");

    for (size_t i = 0; i < json_array_size(who); i++) {
        const json_t *one = json_array_get(who, i);
        bool anybody = json_is_true(json_object_get(one, "anybody"));

        append(p, p->report.may,
               json_pack("{s:s, s:s, s:s, s:s, s:s}", "vault", vault, "action", action, "principal",
                         anybody ? "anybody" : member_text(one, "principal"), "when",
                         member_text(one, "when"), "by", member_text(one, "by")));
    }
    json_decref(answer);
}

static void add_vaults(struct reporter *p)
{
    json_t *answer = ask(p, json_pack("{s:s}", "verb", "vault.list"), "the vaults");
    const json_t *vaults = json_object_get(answer, "vaults");

    for (size_t i = 0; i < json_array_size(vaults); i++) {
        const char *vault = member_text(json_array_get(vaults, i), "name");

        if (p->report.scope != NULL && strcmp(p->report.scope, vault) != 0)
            continue;
        add_expiries(p, vault);
        for (size_t a = 0; a < sizeof(asked) / sizeof(*asked); a++)
            add_may(p, vault, asked[a]);
    }
    json_decref(answer);
}

/* ---- the command ---- */

static bool add_event(void *ctx, json_t *event)
{
    struct reporter *p = ctx;

    p->whole = report_add(&p->report, event);
    return p->whole;
}

static int write_page(struct reporter *p, const char *file)
{
    struct buf page = BUF_INIT(SIZE_MAX);
    char now[CLOCK_TEXT_MAX];
    int rc;

    clock_format(clock_realtime(&clock_system), now);
    report_sort(&p->report);
    report_page(&p->report, now, &page);
    rc = p->whole && buf_ok(&page)
             ? file_replace(p->client.inv, file, buf_bytes(&page), 0600)
             : tool_fail(TOOL_FAILED, p->client.inv->command->name, "out of memory");
    buf_release(&page);
    return rc;
}

int cmd_log_report(const struct invocation *inv)
{
    const char *file = option(inv, "-o");
    struct reporter p = {.whole = true};
    int rc;

    if (file == NULL)
        return tool_fail(TOOL_USAGE, inv->command->name, "where to? -o FILE.html");
    rc = client_open(inv, &p.client);
    p.whole = report_init(&p.report, option(inv, "--vault"));
    if (rc == TOOL_DONE && p.whole)
        rc = log_each(&p.client, add_event, &p);
    if (rc == TOOL_DONE && p.whole)
        add_vaults(&p);
    if (rc == TOOL_DONE)
        rc = write_page(&p, file);
    report_release(&p.report);
    client_close(&p.client);
    return rc;
}
