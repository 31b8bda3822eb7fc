/* keyward log verify, prove, key, checkpoint: what the log is worth. Reading it is in
 * cmd_log_read.c. */
#include "tools/client.h"
#include "tools/cmd.h"
#include "tools/file.h"
#include "tools/print.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECKPOINT_MAX 65536 /* bytes of a checkpoint with the signatures of many witnesses */

static int tell_report(const struct invocation *inv, const json_t *answer)
{
    const json_t *report = json_object_get(answer, "report");
    bool ok = json_is_true(json_object_get(report, "ok"));

    if (option(inv, "--json") != NULL)
        print_json(report);
    else if (ok)
        (void)printf("log verified: %lld records signed, %lld behind the checkpoint, root %s\n",
                     (long long)json_integer_value(json_object_get(report, "size")),
                     (long long)json_integer_value(json_object_get(report, "unsigned-tail")),
                     member_text(report, "root"));
    if (!ok)
        return tool_fail(TOOL_FAILED, inv->command->name,
                         "the log is not whole: %s: keep the "
                         "folder as it is, it is evidence",
                         member_text(report, "problem"));
    return TOOL_DONE;
}

/* --against FILE: the checkpoint in it, which the log must continue. NULL after a line. */
static json_t *verify_request(const struct invocation *inv)
{
    json_t *request = json_pack("{s:s}", "verb", "log.verify");
    const char *path = option(inv, "--against");
    struct buf note = BUF_INIT(CHECKPOINT_MAX);
    json_t *against = NULL;

    if (path != NULL && input_read(inv, path, &note) == TOOL_DONE) {
        against = json_stringn((const char *)note.data, note.len);
        if (note.len == 0 || against == NULL)
            (void)tool_fail(TOOL_FAILED, inv->command->name, "%s is no checkpoint", path);
    }
    if (path != NULL && (note.len == 0 || json_object_set_new(request, "against", against) != 0)) {
        json_decref(request);
        request = NULL;
    }
    buf_release(&note);
    return request;
}

/* A log that keeps the vault from opening is refused, with the report on it. */
int cmd_log_verify(const struct invocation *inv)
{
    struct client client;
    json_t *answer = NULL;
    json_t *request = verify_request(inv);
    int rc = request != NULL ? client_open(inv, &client) : TOOL_FAILED;

    if (request == NULL)
        return rc;
    if (rc != TOOL_DONE) {
        json_decref(request);
    } else {
        rc = client_try(&client, request, &answer);
        if (rc == TOOL_DONE || json_object_get(answer, "report") != NULL)
            rc = tell_report(inv, answer);
        else
            rc = tool_fail(rc, inv->command->name, "%s", client_error(answer));
    }
    json_decref(answer);
    client_close(&client);
    return rc;
}

/* ---- prove ---- */

/* The proof; or the record it is about, exactly as its hash has it. */
static void print_proof(const struct invocation *inv, const json_t *answer)
{
    if (option(inv, "--record") != NULL)
        (void)fputs(member_text(answer, "record"), stdout);
    else if (option(inv, "--json") != NULL)
        print_json(answer);
    else
        (void)fputs(member_text(answer, "proof"), stdout);
}

int cmd_log_prove(const struct invocation *inv)
{
    char *end;
    long long seq;

    errno = 0;
    seq = strtoll(inv->args[0], &end, 10);
    if (errno != 0 || end == inv->args[0] || *end != '\0' || seq < 0)
        return tool_fail(TOOL_USAGE, inv->command->name,
                         "%s is no record's number: see the first column of keyward log show",
                         inv->args[0]);
    return client_do(inv, NULL,
                     json_pack("{s:s, s:I}", "verb", "log.prove", "seq", (json_int_t)seq),
                     print_proof);
}

/* ---- key, checkpoint ---- */

static void print_key(const struct invocation *inv, const json_t *answer)
{
    (void)inv;
    (void)puts(member_text(answer, "key"));
}

int cmd_log_key(const struct invocation *inv)
{
    return client_do(inv, NULL, json_pack("{s:s}", "verb", "log.key"), print_key);
}

static void print_checkpoint(const struct invocation *inv, const json_t *answer)
{
    (void)inv;
    (void)printf("checkpoint over %lld records\n",
                 (long long)json_integer_value(json_object_get(answer, "signed-size")));
}

int cmd_log_checkpoint(const struct invocation *inv)
{
    return client_do(inv, NULL, json_pack("{s:s}", "verb", "log.checkpoint"), print_checkpoint);
}

static void print_accepted(const struct invocation *inv, const json_t *answer)
{
    (void)inv;
    (void)answer;
    (void)puts("the log goes on with the clock's time");
}

int cmd_log_accept_clock(const struct invocation *inv)
{
    return client_do(inv, NULL, json_pack("{s:s}", "verb", "log.accept-clock"), print_accepted);
}

static void print_accepted_loss(const struct invocation *inv, const json_t *answer)
{
    (void)inv;
    (void)answer;
    (void)puts("the log goes on from its last record; what was behind it is lost");
}

int cmd_log_accept_loss(const struct invocation *inv)
{
    return client_do(inv, NULL, json_pack("{s:s}", "verb", "log.accept-loss"), print_accepted_loss);
}
