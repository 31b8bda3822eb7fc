/* keyward policy diff and who-can, and what policy check says of rules that do nothing. */
#include "pkcs11/admin_json.h"
#include "policy/analysis.h"
#include "tools/client.h"
#include "tools/cmd.h"
#include "tools/file.h"
#include "tools/policy_warn.h"
#include "tools/print.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WASTED_MAX 100

/* ---- shown by check ---- */

static const char *const waste_texts[] = {
    [POLICY_NEVER] = "no request satisfies this policy",
    [POLICY_BEATEN] = "this permit never counts: wherever it holds, a forbid holds too",
    [POLICY_COVERED] = "this forbid never counts: wherever it holds, another forbid holds too",
};

static json_t *wasted_json(const struct policy *policy, const struct policy_wasted *w)
{
    json_t *json = json_pack("{s:s, s:s, s:i, s:i, s:s}", "source", w->source, "id",
                             policy_id(policy, w->rule), "line", (int)w->line, "column",
                             (int)w->column, "message", waste_texts[w->waste]);

    if (w->by != UINT32_MAX && w->by < policy_count(policy))
        (void)json_object_set_new(json, "by", json_string(policy_id(policy, w->by)));
    return json;
}

static json_t *doubt_json(const struct policy_doubt *doubt)
{
    return json_pack("{s:s, s:s, s:i, s:i, s:s}", "source",
                     doubt->source != NULL ? doubt->source : "", "id", "", "line", (int)doubt->line,
                     "column", (int)doubt->column, "message", doubt->text);
}

json_t *policy_warnings(const struct policy *policy)
{
    struct policy_wasted *found = calloc(WASTED_MAX, sizeof(*found));
    struct policy_doubt doubt = {.source = NULL};
    json_t *list = json_array();
    size_t count = 0;

    if (found != NULL &&
        policy_find_wasted(policy, POLICY_WORK_MAX, found, WASTED_MAX, &count, &doubt) == CKR_OK) {
        for (size_t i = 0; i < count && i < WASTED_MAX; i++)
            (void)json_array_append_new(list, wasted_json(policy, &found[i]));
        if (doubt.text[0] != '\0')
            (void)json_array_append_new(list, doubt_json(&doubt));
    }
    free(found);
    return list;
}

/* ---- diff ---- */

static int read_both(const struct invocation *inv, struct buf texts[static 2], struct policy **ret)
{
    struct policy_source sources[2] = {{.prefix = "old:"}, {.prefix = "new:"}};
    struct policy_error error = {.source = NULL};
    size_t faults;

    for (unsigned i = 0; i < 2; i++) {
        int rc = input_read(inv, inv->args[i], &texts[i]);

        if (rc != TOOL_DONE)
            return rc;
        sources[i].name = inv->args[i];
        sources[i].text = buf_bytes(&texts[i]);
    }
    if (policy_load(sources, 2, ret, &error) != CKR_OK)
        return tool_fail(TOOL_FAILED, inv->command->name, "%s", fail_reason());
    faults = policy_check(*ret, &error, 1);
    if (faults > 0)
        return tool_fail(TOOL_FAILED, inv->command->name, "%s:%u:%u: %s", error.source, error.line,
                         error.column, error.message);
    return TOOL_DONE;
}

static const char *const relation_names[] = {
    [POLICY_SAME] = "equal",          [POLICY_STRICTER] = "stricter",
    [POLICY_LOOSER] = "looser",       [POLICY_INCOMPARABLE] = "incomparable",
    [POLICY_UNDECIDED] = "undecided",
};

static const char *const relation_texts[] = {
    [POLICY_SAME] = "both answer every request alike",
    [POLICY_STRICTER] = "the second allows less, and nothing more",
    [POLICY_LOOSER] = "the second allows more, and nothing less",
    [POLICY_INCOMPARABLE] = "each allows what the other denies",
    [POLICY_UNDECIDED] = "no answer",
};

static void print_example(const char *title, const json_t *request)
{
    char *text;

    if (request == NULL)
        return;
    text = json_dumps(request, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    (void)printf("%s:\n%s\n", title, text != NULL ? text : "");
    free(text);
}

static int print_difference(const struct invocation *inv, const struct policy_difference *d)
{
    json_t *denied = d->has_denied ? admin_json_request(&d->denied) : NULL;
    json_t *allowed = d->has_allowed ? admin_json_request(&d->allowed) : NULL;
    json_t *json =
        json_pack("{s:s, s:s, s:O?, s:O?}", "verdict", relation_names[d->relation], "why",
                  d->doubt.text[0] != '\0' ? d->doubt.text : relation_texts[d->relation],
                  "now-denied", denied, "now-allowed", allowed);

    if (option(inv, "--json") != NULL) {
        print_json(json);
    } else {
        (void)printf("%s: %s\n", relation_names[d->relation],
                     json_string_value(json_object_get(json, "why")));
        print_example("allowed by the first, denied by the second", denied);
        print_example("denied by the first, allowed by the second", allowed);
    }
    json_decref(denied);
    json_decref(allowed);
    json_decref(json);
    return d->relation == POLICY_UNDECIDED ? TOOL_FAILED : TOOL_DONE;
}

int cmd_policy_diff(const struct invocation *inv)
{
    struct buf texts[2] = {BUF_INIT(POLICY_TEXT_MAX), BUF_INIT(POLICY_TEXT_MAX)};
    struct policy_difference difference = {.relation = POLICY_UNDECIDED};
    struct policy *both = NULL;
    int rc = read_both(inv, texts, &both);

    if (rc == TOOL_DONE && policy_compare(both, POLICY_WORK_MAX, &difference) != CKR_OK)
        rc = tool_fail(TOOL_FAILED, inv->command->name, "%s", fail_reason());
    else if (rc == TOOL_DONE)
        rc = print_difference(inv, &difference);
    policy_difference_release(&difference);
    policy_free(both);
    buf_release(&texts[0]);
    buf_release(&texts[1]);
    return rc;
}

/* ---- who-can ---- */

static void print_who(const struct invocation *inv, const json_t *answer)
{
    static const struct print_column columns[] = {
        {"PRINCIPAL", "principal"}, {"ANYBODY", "anybody"}, {"IN", "groups"},
        {"WHEN", "when"},           {"BY", "by"},           {NULL, NULL}};
    const char *undecided = json_string_value(json_object_get(answer, "undecided"));

    if (option(inv, "--json") != NULL) {
        print_json(answer);
        return;
    }
    print_table(json_object_get(answer, "who"), columns);
    if (undecided != NULL && undecided[0] != '\0')
        (void)printf("this list may not be whole: %s\n", undecided);
}

int cmd_policy_who_can(const struct invocation *inv)
{
    return client_do(inv, NULL,
                     json_pack("{s:s, s:s, s:s, s:s*}", "verb", "policy.who-can", "vault",
                               inv->args[0], "action", inv->args[1], "object",
                               inv->arg_count > 2 ? inv->args[2] : NULL),
                     print_who);
}
