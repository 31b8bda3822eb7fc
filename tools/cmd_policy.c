/* keyward policy. check, roles and decide work on text alone, so they need no home. */
#include "policy/schema.h"
#include "tools/client.h"
#include "tools/cmd.h"
#include "tools/file.h"
#include "tools/policy_decide.h"
#include "tools/policy_warn.h"
#include "tools/print.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ERRORS_MAX 50

/* ---- errors, as compilers print them ---- */

static void print_error(const char *source, unsigned line, unsigned column, const char *message)
{
    (void)fprintf(stderr, "%s:%u:%u: %s\n", source, line, column, message);
}

static json_t *error_json(const struct policy_error *error)
{
    return json_pack("{s:s, s:i, s:i, s:s}", "source", error->source != NULL ? error->source : "",
                     "line", (int)error->line, "column", (int)error->column, "message",
                     error->message);
}

static void print_warning(const json_t *w)
{
    const char *by = json_string_value(json_object_get(w, "by"));

    (void)fprintf(stderr, "%s:%d:%d: warning: %s%s%s\n",
                  json_string_value(json_object_get(w, "source")),
                  (int)json_integer_value(json_object_get(w, "line")),
                  (int)json_integer_value(json_object_get(w, "column")),
                  json_string_value(json_object_get(w, "message")), by != NULL ? ": " : "",
                  by != NULL ? by : "");
}

/* warnings is taken. */
static int report(const struct invocation *inv, const struct policy_error *errors, size_t count,
                  size_t policies, json_t *warnings)
{
    json_t *list = json_array();
    json_t *json;

    for (size_t i = 0; i < count; i++) {
        (void)json_array_append_new(list, error_json(&errors[i]));
        if (option(inv, "--json") == NULL)
            print_error(errors[i].source != NULL ? errors[i].source : "", errors[i].line,
                        errors[i].column, errors[i].message);
    }
    json = json_pack("{s:b, s:I, s:o, s:o}", "ok", (int)(count == 0), "policies",
                     (json_int_t)policies, "errors", list, "warnings", warnings);
    for (size_t i = 0; option(inv, "--json") == NULL && i < json_array_size(warnings); i++)
        print_warning(json_array_get(warnings, i));
    if (option(inv, "--json") != NULL)
        print_json(json);
    else if (count == 0)
        (void)printf("%s: %zu policies, all sound\n", inv->args[0], policies);
    json_decref(json);
    return count == 0 ? TOOL_DONE : TOOL_FAILED;
}

/* ---- check ---- */

static int check_text(const struct invocation *inv, struct bytes text)
{
    const struct policy_source source = {.name = inv->args[0], .text = text, .prefix = ""};
    struct policy_error *errors = calloc(ERRORS_MAX, sizeof(*errors));
    struct policy *policy = NULL;
    size_t count = 0, policies = 0;
    CK_RV rv = errors != NULL ? policy_load(&source, 1, &policy, &errors[0]) : CKR_HOST_MEMORY;
    int rc;

    if (rv == CKR_OK) {
        policies = policy_count(policy);
        count = policy_check(policy, errors, ERRORS_MAX);
        if (count > ERRORS_MAX)
            count = ERRORS_MAX;
    } else if (rv == CKR_ARGUMENTS_BAD) {
        count = 1;
    } else {
        free(errors);
        return tool_fail(TOOL_FAILED, inv->command->name, "out of memory");
    }
    rc = report(inv, errors, count, policies,
                rv == CKR_OK && count == 0 ? policy_warnings(policy) : json_array());
    policy_free(policy);
    free(errors);
    return rc;
}

int cmd_policy_check(const struct invocation *inv)
{
    struct buf text = BUF_INIT(POLICY_TEXT_MAX);
    int rc = input_read(inv, inv->args[0], &text);

    if (rc == TOOL_DONE)
        rc = check_text(inv, buf_bytes(&text));
    buf_release(&text);
    return rc;
}

/* ---- apply, show ---- */

/* Where the text was refused, each error has its place; else there is one sentence. */
static void print_refusal(const struct invocation *inv, const json_t *answer)
{
    const json_t *errors = json_object_get(answer, "errors");

    for (size_t i = 0; i < json_array_size(errors); i++) {
        const json_t *e = json_array_get(errors, i);

        print_error(json_string_value(json_object_get(e, "source")),
                    (unsigned)json_integer_value(json_object_get(e, "line")),
                    (unsigned)json_integer_value(json_object_get(e, "column")),
                    json_string_value(json_object_get(e, "message")));
    }
    if (json_array_size(errors) == 0)
        (void)tool_fail(TOOL_FAILED, inv->command->name, "%s", client_error(answer));
}

static int apply(const struct invocation *inv, json_t *request)
{
    struct client client;
    json_t *answer = NULL;
    int rc = client_open(inv, &client);

    if (rc == TOOL_DONE)
        rc = client_login(&client, inv->args[0]);
    if (rc != TOOL_DONE) {
        json_decref(request);
    } else {
        rc = client_try(&client, request, &answer);
        if (rc != TOOL_DONE)
            print_refusal(inv, answer);
        else
            (void)printf("vault %s: %lld policies in force\n", inv->args[0],
                         (long long)json_integer_value(json_object_get(answer, "policies")));
    }
    json_decref(answer);
    client_close(&client);
    return rc;
}

int cmd_policy_apply(const struct invocation *inv)
{
    struct buf text = BUF_INIT(POLICY_TEXT_MAX);
    json_t *request = NULL;
    int rc = input_read(inv, inv->args[1], &text);

    if (rc == TOOL_DONE) {
        request = json_pack("{s:s, s:s, s:s, s:s%}", "verb", "policy.apply", "vault", inv->args[0],
                            "name", inv->args[1], "text", text.len > 0 ? (char *)text.data : "",
                            text.len);
        if (request == NULL)
            rc = tool_fail(TOOL_FAILED, inv->command->name, "%s is no UTF-8 text", inv->args[1]);
    }
    buf_release(&text);
    return rc == TOOL_DONE ? apply(inv, request) : rc;
}

static void print_text(const struct invocation *inv, const json_t *answer)
{
    if (option(inv, "--json") != NULL)
        print_json(answer);
    else
        (void)fputs(json_string_value(json_object_get(answer, "text")), stdout);
}

int cmd_policy_show(const struct invocation *inv)
{
    if ((inv->arg_count == 1) == (option(inv, "--home") != NULL))
        return tool_fail(TOOL_USAGE, inv->command->name, "name a vault, or give --home");
    return client_do(inv, NULL,
                     json_pack("{s:s, s:s*}", "verb", "policy.show", "vault", inv->args[0]),
                     print_text);
}

/* ---- explain ---- */

static void print_rules(const json_t *rules)
{
    for (size_t i = 0; i < json_array_size(rules); i++) {
        const json_t *rule = json_array_get(rules, i);

        (void)printf("  %s %s\n", json_string_value(json_object_get(rule, "effect")),
                     json_string_value(json_object_get(rule, "id")));
    }
}

/* A made-up value stands for all that no rule names. */
static void print_member(const json_t *step)
{
    const char *name = json_string_value(json_object_get(step, "context"));
    const json_t *value = json_object_get(step, "value");
    bool made_up = json_is_true(json_object_get(step, "made-up"));
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);

    if (json_is_null(value))
        (void)printf("no context.%s", name);
    else
        (void)printf("%scontext.%s%s%s", made_up ? "another " : "", name, made_up ? ", as " : " ",
                     text != NULL ? text : "");
    free(text);
}

static void print_step(const json_t *step)
{
    const char *login = json_string_value(json_object_get(step, "login"));
    const char *group = json_string_value(json_object_get(step, "group"));

    if (login == NULL && group == NULL)
        print_member(step);
    else
        (void)printf("%s %s", login != NULL ? "a login as" : "membership in",
                     login != NULL ? login : group);
}

/* Each line is enough by itself. */
static void print_needed(const json_t *needed)
{
    for (size_t i = 0; i < json_array_size(needed); i++) {
        const json_t *steps = json_array_get(needed, i);

        (void)printf("  would be allowed with ");
        for (size_t k = 0; k < json_array_size(steps); k++) {
            (void)printf("%s", k > 0 ? " and " : "");
            print_step(json_array_get(steps, k));
        }
        (void)printf("\n");
    }
}

static void print_nearest(const json_t *nearest)
{
    for (size_t i = 0; i < json_array_size(nearest); i++) {
        const json_t *rule = json_array_get(nearest, i);

        (void)printf("  nearest: permit %s, whose %s does not hold (%s:%d:%d)\n",
                     json_string_value(json_object_get(rule, "id")),
                     json_string_value(json_object_get(rule, "fails")),
                     json_string_value(json_object_get(rule, "source")),
                     (int)json_integer_value(json_object_get(rule, "line")),
                     (int)json_integer_value(json_object_get(rule, "column")));
    }
}

static void print_explained(const struct invocation *inv, const json_t *answer)
{
    const char *error = json_string_value(json_object_get(answer, "error-text"));

    if (option(inv, "--json") != NULL) {
        print_json(answer);
        return;
    }
    (void)printf("%s: %s\n", json_string_value(json_object_get(answer, "decision")),
                 json_string_value(json_object_get(answer, "why")));
    print_rules(json_object_get(answer, "rules"));
    if (error != NULL && error[0] != '\0')
        (void)printf("  error: %s\n", error);
    print_needed(json_object_get(answer, "needed"));
    print_nearest(json_object_get(answer, "nearest"));
}

int cmd_policy_explain(const struct invocation *inv)
{
    struct buf text = BUF_INIT(1U << 20);
    json_error_t error;
    json_t *request = NULL;
    int rc = input_read(inv, inv->args[1], &text);

    if (rc == TOOL_DONE) {
        request = json_loadb(text.len > 0 ? (const char *)text.data : "", text.len, 0, &error);
        if (request == NULL)
            rc = tool_fail(TOOL_FAILED, inv->command->name, "%s:%d:%d: %s", inv->args[1],
                           error.line, error.column, error.text);
    }
    buf_release(&text);
    if (rc != TOOL_DONE)
        return rc;
    return client_do(inv, NULL,
                     json_pack("{s:s, s:s, s:o}", "verb", "policy.explain", "vault", inv->args[0],
                               "request", request),
                     print_explained);
}

/* ---- roles, decide ---- */

static bool is_in(const struct policy_entity *action, const char *group)
{
    for (size_t i = 0; i < action->ancestor_count; i++)
        if (bytes_equal_str(action->ancestors[i].id, group))
            return true;
    return false;
}

int cmd_policy_roles(const struct invocation *inv)
{
    static const struct print_column columns[] = {
        {"ROLE", "role"}, {"ACTIONS", "actions"}, {NULL, NULL}};
    json_t *list = json_array();
    json_t *json = json_pack("{s:O}", "roles", list);

    for (const char *const *role = schema_roles(); *role != NULL; role++) {
        json_t *actions = json_array();

        for (enum action action = 0; action < ACTION_COUNT; action++)
            if (is_in(schema_action(action), *role))
                (void)json_array_append_new(actions, json_string(schema_action_name(action)));
        (void)json_array_append_new(list,
                                    json_pack("{s:s, s:o}", "role", *role, "actions", actions));
    }
    if (option(inv, "--json") != NULL)
        print_json(json);
    else
        print_table(list, columns);
    json_decref(list);
    json_decref(json);
    return TOOL_DONE;
}

int cmd_policy_schema(const struct invocation *inv)
{
    struct buf text = BUF_INIT(1U << 20);
    int rc = TOOL_DONE;

    schema_write_cedar(&text);
    if (!buf_ok(&text))
        rc = tool_fail(TOOL_FAILED, inv->command->name, "out of memory");
    else
        (void)fwrite(text.data, 1, text.len, stdout);
    buf_release(&text);
    return rc;
}

int cmd_policy_decide(const struct invocation *inv)
{
    const char *policies = option(inv, "--policies");
    const char *entities = option(inv, "--entities");
    const char *requests = option(inv, "--requests");

    if (policies == NULL || entities == NULL || requests == NULL)
        return tool_fail(TOOL_USAGE, inv->command->name,
                         "--policies, --entities and --requests are needed");
    return policy_decide_main(policies, entities, requests);
}
