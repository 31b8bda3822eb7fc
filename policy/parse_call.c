/*
 * Calls: methods behind a value, and the constructors ip(), datetime() and duration(). What all of
 * Cedar has and this subset has not is refused by name.
 */
#include "policy/extension.h"
#include "policy/parse_int.h"

/* ---- methods ---- */

static const struct method {
    const char *name;
    enum op op;
    unsigned arguments;
} methods[] = {
    {"contains", OP_CONTAINS, 1},
    {"containsAll", OP_CONTAINS_ALL, 1},
    {"containsAny", OP_CONTAINS_ANY, 1},
    {"isEmpty", OP_IS_EMPTY, 0},
    {"isIpv4", OP_IS_IPV4, 0},
    {"isIpv6", OP_IS_IPV6, 0},
    {"isLoopback", OP_IS_LOOPBACK, 0},
    {"isMulticast", OP_IS_MULTICAST, 0},
    {"isInRange", OP_IN_RANGE, 1},
    {"offset", OP_OFFSET, 1},
    {"durationSince", OP_DURATION_SINCE, 1},
    {"toDate", OP_TO_DATE, 0},
    {"toTime", OP_TO_TIME, 0},
    {"toMilliseconds", OP_TO_MILLISECONDS, 0},
    {"toSeconds", OP_TO_SECONDS, 0},
    {"toMinutes", OP_TO_MINUTES, 0},
    {"toHours", OP_TO_HOURS, 0},
    {"toDays", OP_TO_DAYS, 0},
};

static const struct absence {
    const char *name, *instead;
} absent_methods[] = {
    {"hasTag", "tags are attributes here: write `resource.tags has owner`"},
    {"getTag", "tags are attributes here: write `resource.tags.owner`"},
    {"lessThan", "compare whole numbers with `<`"},
    {"lessThanOrEqual", "compare whole numbers with `<=`"},
    {"greaterThan", "compare whole numbers with `>`"},
    {"greaterThanOrEqual", "compare whole numbers with `>=`"},
};

static bool refuse_method(struct parser *p, const struct token *name)
{
    int len = name->text.len < 60 ? (int)name->text.len : 60;

    for (size_t i = 0; i < sizeof(absent_methods) / sizeof(*absent_methods); i++) {
        if (bytes_equal_str(name->text, absent_methods[i].name))
            return parse_refuse(p, name, ".%s() is not in keyward's subset of Cedar: %s",
                                absent_methods[i].name, absent_methods[i].instead);
    }
    if (extension_find(name->text) != NULL)
        return parse_refuse(p, name, "%.*s() is a function, not a method: write %.*s(..)", len,
                            (const char *)name->text.data, len, (const char *)name->text.data);
    return parse_refuse(p, name,
                        "`%.*s` is not a method: sets have contains, containsAll, containsAny and "
                        "isEmpty",
                        len, (const char *)name->text.data);
}

static const struct method *find_method(struct bytes name)
{
    for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
        if (bytes_equal_str(name, methods[i].name))
            return &methods[i];
    }
    return NULL;
}

bool parse_method(struct parser *p, const struct token *name, uint32_t object, uint32_t *ret)
{
    const struct method *method = find_method(name->text);
    unsigned below = parse_depth(p, object);
    uint32_t argument = 0;

    if (method == NULL)
        return refuse_method(p, name);
    if (method->arguments > 0) {
        if (p->token.kind == TOKEN_CLOSE_PAREN)
            return parse_refuse(p, &p->token, ".%s() takes one argument", method->name);
        if (!parse_expression(p, &argument))
            return false;
        if (parse_depth(p, argument) > below)
            below = parse_depth(p, argument);
        (void)parse_take(p, TOKEN_COMMA);
    }
    if (p->token.kind != TOKEN_CLOSE_PAREN)
        return parse_refuse(p, &p->token, "expected `)`: .%s() takes %s argument", method->name,
                            method->arguments > 0 ? "one" : "no");
    parse_advance(p);
    return parse_node(p, (struct node){.op = (uint8_t)method->op, .a = object, .b = argument}, name,
                      below, ret);
}

/* ---- constructors ---- */

static bool refuse_function(struct parser *p, const struct token *name)
{
    int len = name->text.len < 60 ? (int)name->text.len : 60;

    if (bytes_equal_str(name->text, "decimal"))
        return parse_refuse(p, name, "decimal() is not in keyward's subset of Cedar: use a long");
    if (find_method(name->text) != NULL)
        return parse_refuse(p, name, "%.*s() is a method: write it behind a value and a dot", len,
                            (const char *)name->text.data);
    return parse_refuse(p, name, "`%.*s` is not a function: there are ip, datetime and duration",
                        len, (const char *)name->text.data);
}

/* The text of a literal is read now, once; it takes the place of its node. */
static bool fold_literal(struct parser *p, const struct extension *extension,
                         const struct token *name, const struct token *at, uint32_t argument,
                         uint32_t *ret)
{
    struct policy *policy = p->policy;
    struct bytes text = policy_string(policy, policy->nodes[argument].a);
    struct node node = {.op = OP_CONST, .a = (uint32_t)policy->value_count};

    if (!array_reserve((void **)&policy->values, &policy->value_cap, policy->value_count + 1,
                       sizeof(*policy->values)))
        return parse_no_memory(p);
    if (!extension_read(extension->kind, text, &policy->values[policy->value_count]))
        return parse_refuse(p, at, "%s() cannot read this text: it is like %s", extension->name,
                            extension->example);
    policy->value_count++;
    policy->node_count = argument;
    return parse_node(p, node, name, 0, ret);
}

bool parse_function(struct parser *p, const struct token *name, uint32_t *ret)
{
    static const uint8_t ops[] = {
        [POLICY_IP] = OP_IP, [POLICY_DATETIME] = OP_DATETIME, [POLICY_DURATION] = OP_DURATION};
    const struct extension *extension = extension_find(name->text);
    struct token at;
    uint32_t argument;

    if (extension == NULL)
        return refuse_function(p, name);
    parse_advance(p);
    at = p->token;
    if (at.kind == TOKEN_CLOSE_PAREN)
        return parse_refuse(p, &at, "%s() takes one text: like %s", extension->name,
                            extension->example);
    if (!parse_expression(p, &argument))
        return false;
    (void)parse_take(p, TOKEN_COMMA);
    if (p->token.kind != TOKEN_CLOSE_PAREN)
        return parse_refuse(p, &p->token, "expected `)`: %s() takes one text", extension->name);
    parse_advance(p);
    if (p->policy->nodes[argument].op == OP_STRING)
        return fold_literal(p, extension, name, &at, argument, ret);
    return parse_node(p, (struct node){.op = ops[extension->kind], .a = argument}, name,
                      parse_depth(p, argument), ret);
}
