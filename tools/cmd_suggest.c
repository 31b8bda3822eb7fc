/*
 * keyward policy suggest: the least policy that would have allowed what the log shows was allowed.
 * A permit for each principal, action and object, with the mechanisms that were used. What is
 * printed has been read back, checked, and asked for every use it was made of; behind it, as
 * comments, stands what it no longer allows of the policy in force.
 */
#include "policy/analysis.h"
#include "tools/client.h"
#include "tools/cmd.h"
#include "tools/log_read.h"

#include <stdio.h>
#include <string.h>

struct uses {
    const char *vault;
    json_t *by_key; /* {"principal", "action", "object", "bare", "mechanisms": {name: true}} */
    bool no_memory;
};

static const char *text_of(const json_t *json, const char *name)
{
    const char *text = json_string_value(json_object_get(json, name));

    return text != NULL ? text : "";
}

/* ---- what was used ---- */

/* The home's policy is in force beside any vault's: what it permits needs no permit here. */
static bool is_by_home(const json_t *event)
{
    const char *rules = text_of(event, "rules");

    return strncmp(rules, "home:", 5) == 0 || strstr(rules, ",home:") != NULL;
}

static bool counts(const struct uses *uses, const json_t *event)
{
    return strcmp(text_of(event, "verdict"), "allow") == 0 &&
           strcmp(text_of(event, "via"), "pkcs11") == 0 &&
           strcmp(text_of(event, "vault"), uses->vault) == 0 && !is_by_home(event);
}

static json_t *use_of(struct uses *uses, const char *principal, const char *action,
                      const json_t *object)
{
    struct buf key = BUF_INIT(1U << 16);
    json_t *use = NULL;

    buf_printf(&key, "%s\n%s\n%s", principal, action,
               object != NULL ? json_string_value(object) : "");
    if (buf_str(&key) != NULL) {
        use = json_object_get(uses->by_key, buf_str(&key));
        if (use == NULL) {
            use = json_pack("{s:s, s:s, s:O*, s:{}}", "principal", principal, "action", action,
                            "object", object, "mechanisms");
            if (use == NULL || json_object_set_new(uses->by_key, buf_str(&key), use) != 0)
                use = NULL;
        }
    }
    buf_release(&key);
    uses->no_memory = uses->no_memory || use == NULL;
    return use;
}

static void add_mechanism(struct uses *uses, json_t *use, const char *mechanism)
{
    int rc = mechanism[0] != '\0'
                 ? json_object_set_new(json_object_get(use, "mechanisms"), mechanism, json_true())
                 : json_object_set_new(use, "bare", json_true());

    uses->no_memory = uses->no_memory || rc != 0;
}

/* What is used must be seen, which leaves no record of its own. */
static bool add_event(void *ctx, json_t *event)
{
    struct uses *uses = ctx;
    const json_t *object = json_object_get(event, "object");
    const char *principal = text_of(event, "principal");
    json_t *use;

    if (!counts(uses, event))
        return true;
    use = use_of(uses, principal, text_of(event, "action"), object);
    if (use != NULL)
        add_mechanism(uses, use, text_of(event, "mechanism"));
    use = object != NULL ? use_of(uses, principal, "list", object) : NULL;
    if (use != NULL)
        add_mechanism(uses, use, "");
    return !uses->no_memory;
}

/* ---- as text ---- */

static void put_string(struct buf *out, const char *text)
{
    buf_putc(out, '"');
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\')
            buf_printf(out, "\\%c", *c);
        else if ((unsigned char)*c < 0x20)
            buf_printf(out, "\\u{%x}", (unsigned)*c);
        else
            buf_putc(out, *c);
    }
    buf_putc(out, '"');
}

static void put_mechanisms(struct buf *out, json_t *mechanisms)
{
    const char *before = "[";
    const char *name;
    json_t *value;

    json_object_foreach(mechanisms, name, value)
    {
        buf_puts(out, before);
        put_string(out, name);
        before = ", ";
    }
    buf_puts(out, "]");
}

static void put_use(struct buf *out, const char *vault, const json_t *use, size_t number)
{
    const json_t *object = json_object_get(use, "object");
    bool limited = json_object_get(use, "bare") == NULL;

    buf_printf(out, "@id(\"suggested-%zu\")\npermit (principal == %s, action == Action::\"%s\", ",
               number, text_of(use, "principal"), text_of(use, "action"));
    buf_printf(out, "resource %s Vault::", object != NULL ? "in" : "==");
    put_string(out, vault);
    buf_puts(out, ")");
    if (object != NULL || limited)
        buf_puts(out, "\nwhen { ");
    if (object != NULL) {
        buf_puts(out, "resource.name == ");
        put_string(out, json_string_value(object));
    }
    if (limited) {
        buf_printf(out, "%scontext has mechanism && ", object != NULL ? " && " : "");
        put_mechanisms(out, json_object_get(use, "mechanisms"));
        buf_puts(out, ".contains(context.mechanism)");
    }
    buf_puts(out, object != NULL || limited ? " };\n" : ";\n");
}

static void put_policy(struct buf *out, const struct uses *uses)
{
    size_t number = 0;
    const char *key;
    json_t *use;

    json_object_foreach(uses->by_key, key, use)
    {
        buf_puts(out, number > 0 ? "\n" : "");
        put_use(out, uses->vault, use, number++);
    }
}

/* ---- asked again ---- */

/* Type::"id", as the log writes it: id in place. */
static bool read_principal(char *text, struct policy_uid *ret)
{
    char *quote = strstr(text, "::\"");
    char *to;

    if (quote == NULL)
        return false;
    ret->type = BYTES(text, (size_t)(quote - text));
    to = quote + 3;
    for (char *from = to; *from != '\0' && *from != '"'; from++) {
        if (*from == '\\')
            from++;
        *to++ = *from;
    }
    ret->id = BYTES(quote + 3, (size_t)(to - (quote + 3)));
    return true;
}

static struct policy_value string_value(struct bytes s)
{
    return (struct policy_value){.kind = POLICY_STRING, .u.string = s};
}

/* The facts that a suggestion looks at, and no others. mechanism NULL: none. */
static bool allows(const struct policy *policy, const char *vault, const json_t *use,
                   const char *mechanism)
{
    const char *object = json_string_value(json_object_get(use, "object"));
    SCOPED_FREE char *principal = bytes_to_str(bytes_from_str(text_of(use, "principal")));
    const struct policy_uid in_vault = {.type = BYTES_LIT("Vault"), .id = bytes_from_str(vault)};
    const struct policy_field name = {
        .name = BYTES_LIT("name"),
        .value = string_value(bytes_from_str(object != NULL ? object : vault))};
    struct policy_field fact = {.name = BYTES_LIT("mechanism")};
    struct policy_entity entity = {
        .uid = in_vault,
        .attributes = {.kind = POLICY_RECORD, .u.record = {.fields = &name, .count = 1}}};
    struct policy_request request = {
        .action = {.type = BYTES_LIT("Action"), .id = bytes_from_str(text_of(use, "action"))},
        .resource = in_vault,
        .context = {.kind = POLICY_RECORD},
        .entities = &entity,
        .entity_count = 1};
    struct policy_verdict verdict = {.max = 0};

    if (principal == NULL || !read_principal(principal, &request.principal))
        return false;
    if (object != NULL) {
        request.resource =
            (struct policy_uid){.type = BYTES_LIT("Key"), .id = bytes_from_str(object)};
        entity.uid = request.resource;
        entity.ancestors = &in_vault;
        entity.ancestor_count = 1;
    }
    if (mechanism != NULL) {
        fact.value = string_value(bytes_from_str(mechanism));
        request.context.u.record.fields = &fact;
        request.context.u.record.count = 1;
    }
    policy_decide(policy, &request, &verdict);
    return verdict.allow;
}

static bool allows_use(const struct policy *policy, const char *vault, json_t *use)
{
    const char *mechanism;
    json_t *value;

    if (json_object_get(use, "bare") != NULL && !allows(policy, vault, use, NULL))
        return false;
    json_object_foreach(json_object_get(use, "mechanisms"), mechanism,
                        value) if (!allows(policy, vault, use, mechanism)) return false;
    return true;
}

/* Reads the text back: sound, and every use is allowed by it. */
static int replay(const struct invocation *inv, const struct uses *uses, struct bytes text)
{
    const struct policy_source source = {.name = "suggestion", .text = text, .prefix = ""};
    SCOPED(policy_free_p) struct policy *policy = NULL;
    struct policy_error error = {.message = ""};
    const char *key;
    json_t *use;

    if (policy_load(&source, 1, &policy, &error) != CKR_OK || policy_check(policy, &error, 1) > 0)
        return tool_fail(TOOL_FAILED, inv->command->name, "the suggestion is not sound: %u:%u: %s",
                         error.line, error.column, error.message);
    json_object_foreach(
        uses->by_key, key,
        use) if (!allows_use(policy, uses->vault,
                             use)) return tool_fail(TOOL_FAILED, inv->command->name,
                                                    "the suggestion does not allow %s to %s",
                                                    text_of(use, "principal"),
                                                    text_of(use, "action"));
    return TOOL_DONE;
}

/* ---- beside the policy in force ---- */

static void print_lost(const struct policy_request *request)
{
    struct buf text = BUF_INIT(1U << 16);

    policy_write_uid(&text, &request->principal);
    buf_puts(&text, " ");
    buf_put_bytes(&text, request->action.id);
    buf_puts(&text, " ");
    policy_write_uid(&text, &request->resource);
    if (buf_str(&text) != NULL)
        (void)printf("// no longer allowed, as an example: %s\n", buf_str(&text));
    buf_release(&text);
}

static void compare(const char *in_force, struct bytes text)
{
    const struct policy_source sources[] = {
        {.name = "in force", .text = bytes_from_str(in_force), .prefix = "old:"},
        {.name = "suggestion", .text = text, .prefix = "new:"}};
    static const char *const texts[] = {
        [POLICY_SAME] = "allows the same as",
        [POLICY_STRICTER] = "allows less, and nothing more, than",
        [POLICY_LOOSER] = "allows more, and nothing less, than",
        [POLICY_INCOMPARABLE] = "allows some more and some less than",
        [POLICY_UNDECIDED] = "could not be compared with",
    };
    struct policy_difference difference = {.relation = POLICY_UNDECIDED};
    SCOPED(policy_free_p) struct policy *both = NULL;
    struct policy_error error;
    bool compared = policy_load(sources, 2, &both, &error) == CKR_OK &&
                    policy_check(both, &error, 1) == 0 &&
                    policy_compare(both, POLICY_WORK_MAX, &difference) == CKR_OK;

    (void)printf("\n// This %s the policy in force.\n", texts[difference.relation]);
    if (compared && difference.has_denied)
        print_lost(&difference.denied);
    policy_difference_release(&difference);
}

/* ---- the command ---- */

static int suggest(struct client *client, const struct uses *uses)
{
    struct buf text = BUF_INIT(POLICY_TEXT_MAX);
    json_t *answer = NULL;
    int rc = TOOL_DONE;

    put_policy(&text, uses);
    if (!buf_ok(&text) || uses->no_memory)
        rc = tool_fail(TOOL_FAILED, client->inv->command->name, "the suggestion is too long");
    if (rc == TOOL_DONE)
        rc = replay(client->inv, uses, buf_bytes(&text));
    if (rc == TOOL_DONE)
        rc = client_call(
            client, json_pack("{s:s, s:s}", "verb", "policy.show", "vault", uses->vault), &answer);
    if (rc == TOOL_DONE) {
        (void)fwrite(text.data, 1, text.len, stdout);
        compare(text_of(answer, "text"), buf_bytes(&text));
    }
    json_decref(answer);
    buf_release(&text);
    return rc;
}

int cmd_policy_suggest(const struct invocation *inv)
{
    struct uses uses = {.vault = inv->args[0], .by_key = json_object()};
    struct client client;
    int rc = client_open(inv, &client);

    if (rc == TOOL_DONE)
        rc = log_each(&client, add_event, &uses);
    if (rc == TOOL_DONE && json_object_size(uses.by_key) == 0)
        rc = tool_fail(TOOL_FAILED, inv->command->name,
                       "the log shows nothing that was allowed in vault %s: see keyward log show",
                       uses.vault);
    if (rc == TOOL_DONE)
        rc = suggest(&client, &uses);
    json_decref(uses.by_key);
    client_close(&client);
    return rc;
}
