/*
 * Policies: annotations, effect, scope, conditions.
 *
 * Source: the Cedar language reference, "Policy syntax". Stricter than Cedar: no parentheses around
 * a scope's entity, no NUL in an annotation, at most NOTES_MAX annotations.
 */
#include "policy/parse_int.h"
#include "policy/text.h"

#include <string.h>

#define NOTES_MAX 64U

/* ---- annotations ---- */

static bool note_is_new(struct parser *p, const struct rule *rule, const struct token *at)
{
    if (rule->note_count == NOTES_MAX)
        return parse_refuse(p, at, "more than %u annotations on one policy", NOTES_MAX);
    for (uint32_t i = 0; i < rule->note_count; i++) {
        if (bytes_equal_str(at->text, p->policy->notes[rule->notes + i].name))
            return parse_refuse(p, at, "a second @%s on this policy: keep one",
                                p->policy->notes[rule->notes + i].name);
    }
    return true;
}

/* The value in parentheses, "" when there is none. */
static bool parse_note_value(struct parser *p, struct bytes *ret)
{
    struct token at;
    uint32_t string;

    *ret = BYTES_LIT("");
    if (!parse_take(p, TOKEN_OPEN_PAREN))
        return true;
    at = p->token;
    if (!parse_string(p, -1, "a string", &string))
        return false;
    *ret = policy_string(p->policy, string);
    if (memchr(ret->data, '\0', ret->len) != NULL)
        return parse_refuse(p, &at, "an annotation's value holds a NUL: leave it out");
    return parse_expect(p, TOKEN_CLOSE_PAREN, "`)`");
}

static bool parse_note(struct parser *p, struct rule *rule)
{
    struct policy *policy = p->policy;
    struct token at = p->token;
    struct bytes value;
    uint32_t name;

    if (at.kind != TOKEN_NAME)
        return parse_unexpected(p, "an annotation's name");
    if (!note_is_new(p, rule, &at) || !parse_string_number(p, at.text, &name))
        return false;
    parse_advance(p);
    if (!parse_note_value(p, &value))
        return false;
    if (!array_reserve((void **)&policy->notes, &policy->note_cap, policy->note_count + 1,
                       sizeof(*policy->notes)))
        return parse_no_memory(p);
    policy->notes[policy->note_count++] = (struct note){
        .name = (const char *)policy_string(policy, name).data,
        .value = (const char *)value.data,
    };
    rule->note_count++;
    return true;
}

/* ---- ids ---- */

static bool name_rule(struct parser *p, struct rule *rule)
{
    struct token at = {.line = rule->line, .column = rule->column};
    struct policy *policy = p->policy;
    size_t known = p->ids->count;
    uint32_t number;

    buf_clear(&p->text);
    buf_puts(&p->text, p->source->prefix != NULL ? p->source->prefix : "");
    for (uint32_t i = 0; i < rule->note_count; i++) {
        if (strcmp(policy->notes[rule->notes + i].name, "id") == 0) {
            buf_puts(&p->text, policy->notes[rule->notes + i].value);
            rule->id = "";
        }
    }
    if (rule->id == NULL)
        buf_printf(&p->text, "policy%zu", policy->rule_count - p->rules_before);
    if (!buf_ok(&p->text))
        return parse_no_memory(p);
    number = intern_add_string(p->ids, &policy->arena, buf_bytes(&p->text));
    if (number == INTERN_NONE)
        return parse_no_memory(p);
    rule->id = (const char *)p->ids->items[number].id.data;
    if (p->ids->count == known)
        return parse_refuse(p, &at, "a second policy of the id \"%.100s\": give it another @id",
                            rule->id);
    return true;
}

/* ---- scope ---- */

static const char *const scope_words[] = {"principal", "action", "resource"};

/* Types the entities of an action's scope must have: Action, in any namespace. */
static bool action_is_action(struct parser *p, enum variable which, uint32_t uid,
                             const struct token *at)
{
    struct bytes type = p->policy->uids.items[uid].type;
    static const char tail[] = "::Action";
    size_t n = sizeof(tail) - 1;

    if (which != VARIABLE_ACTION || bytes_equal_str(type, "Action") ||
        (type.len > n && memcmp(type.data + type.len - n, tail, n) == 0))
        return true;
    return parse_refuse(p, at, "an action is written Action::\"name\"");
}

static bool parse_scope_uid(struct parser *p, enum variable which, uint32_t *ret)
{
    struct token at = p->token;

    if (at.kind == TOKEN_OPEN_SQUARE)
        return parse_refuse(
            p, &at,
            which == VARIABLE_ACTION
                ? "a list of actions stands behind `in`, not `==`"
                : "only `action in [..]` takes a list: use a group, or a condition");
    return parse_uid(p, "an entity", ret) && action_is_action(p, which, *ret, &at);
}

static bool parse_scope_list(struct parser *p, struct scope *scope)
{
    size_t mark = p->stack_count;
    uint32_t uid;

    parse_advance(p);
    scope->kind = SCOPE_LIST;
    while (p->token.kind != TOKEN_CLOSE_SQUARE) {
        if (!parse_scope_uid(p, VARIABLE_ACTION, &uid) || !parse_push(p, uid))
            return false;
        if (!parse_take(p, TOKEN_COMMA))
            break;
    }
    return parse_expect(p, TOKEN_CLOSE_SQUARE, "`,` or `]`") &&
           parse_list(p, mark, &scope->uid, &scope->count);
}

static bool parse_scope_is(struct parser *p, enum variable which, struct scope *scope)
{
    if (which == VARIABLE_ACTION)
        return parse_refuse(p, &p->token, "`is` does not go with action: use `==` or `in`");
    parse_advance(p);
    scope->kind = SCOPE_IS;
    if (!parse_type(p, "an entity type", &scope->type))
        return false;
    if (p->token.kind == TOKEN_EQUAL)
        return parse_refuse(p, &p->token, "`is` and `==` do not go together: use `==` alone");
    if (!parse_is_word(&p->token, "in"))
        return true;
    parse_advance(p);
    scope->kind = SCOPE_IS_IN;
    return parse_scope_uid(p, which, &scope->uid);
}

static bool parse_scope(struct parser *p, enum variable which, struct scope *scope)
{
    char what[16] = "";

    (void)memccpy(what, scope_words[which], '\0', sizeof(what));
    if (!parse_is_word(&p->token, what))
        return parse_unexpected(p, what);
    scope->line = p->token.line;
    scope->column = p->token.column;
    parse_advance(p);
    if (parse_take(p, TOKEN_EQUAL)) {
        scope->kind = SCOPE_EQUAL;
        return parse_scope_uid(p, which, &scope->uid);
    }
    if (parse_is_word(&p->token, "is"))
        return parse_scope_is(p, which, scope);
    if (!parse_is_word(&p->token, "in"))
        return true;
    parse_advance(p);
    if (which == VARIABLE_ACTION && p->token.kind == TOKEN_OPEN_SQUARE)
        return parse_scope_list(p, scope);
    scope->kind = SCOPE_IN;
    return parse_scope_uid(p, which, &scope->uid);
}

static bool parse_scopes(struct parser *p, struct rule *rule)
{
    if (!parse_expect(p, TOKEN_OPEN_PAREN, "`(`"))
        return false;
    for (unsigned i = 0; i < 3; i++) {
        if (!parse_scope(p, (enum variable)i, &rule->scopes[i]))
            return false;
        if (i < 2 && !parse_expect(p, TOKEN_COMMA, "`==`, `in`, `is` or `,`"))
            return false;
    }
    (void)parse_take(p, TOKEN_COMMA);
    return parse_expect(p, TOKEN_CLOSE_PAREN, "`==`, `in`, `is` or `)`");
}

/* ---- conditions ---- */

static bool parse_condition(struct parser *p, bool unless)
{
    struct token at = p->token;
    uint32_t node;

    parse_advance(p);
    if (!parse_expect(p, TOKEN_OPEN_CURLY, "`{`"))
        return false;
    if (p->token.kind == TOKEN_CLOSE_CURLY)
        return parse_refuse(p, &p->token, "this condition is empty: write one, or leave it out");
    if (!parse_expression(p, &node) || !parse_expect(p, TOKEN_CLOSE_CURLY, "an operator or `}`"))
        return false;
    if (unless &&
        !parse_node(p, (struct node){.op = OP_NOT, .a = node}, &at, parse_depth(p, node), &node))
        return false;
    return parse_push(p, node);
}

static bool parse_conditions(struct parser *p, struct rule *rule)
{
    size_t mark = p->stack_count;

    p->scratch = 0;
    for (;;) {
        bool unless = parse_is_word(&p->token, "unless");

        if (!unless && !parse_is_word(&p->token, "when"))
            break;
        if (!parse_condition(p, unless))
            return false;
    }
    return parse_list(p, mark, &rule->conditions, &rule->condition_count);
}

/* ---- a whole policy ---- */

static bool parse_effect(struct parser *p, struct rule *rule)
{
    rule->line = p->token.line;
    rule->column = p->token.column;
    rule->forbid = parse_is_word(&p->token, "forbid");
    if (!rule->forbid && !parse_is_word(&p->token, "permit"))
        return parse_unexpected(p, "`permit`, `forbid` or an annotation");
    parse_advance(p);
    return true;
}

static bool parse_rule(struct parser *p)
{
    struct policy *policy = p->policy;
    struct rule rule = {.id = NULL, .source = p->source_number};

    rule.notes = (uint32_t)policy->note_count;
    while (parse_take(p, TOKEN_AT)) {
        if (!parse_note(p, &rule))
            return false;
    }
    if (!parse_effect(p, &rule) || !parse_scopes(p, &rule) || !parse_conditions(p, &rule) ||
        !parse_expect(p, TOKEN_SEMICOLON, "`when`, `unless` or `;`") || !name_rule(p, &rule))
        return false;
    if (!array_reserve((void **)&policy->rules, &policy->rule_cap, policy->rule_count + 1,
                       sizeof(*policy->rules)))
        return parse_no_memory(p);
    policy->rules[policy->rule_count++] = rule;
    return true;
}

bool parse_source(struct parser *p)
{
    size_t valid = text_valid(p->source->text);

    p->lexer = lexer_start(p->source->text);
    if (valid < p->source->text.len) {
        struct token at = lexer_locate(&p->lexer, valid);

        return parse_refuse(p, &at,
                            at.text.data[0] == 0 ? "a NUL byte: this is not a policy text"
                                                 : "this is not UTF-8 (byte 0x%02x)",
                            at.text.data[0]);
    }
    parse_advance(p);
    while (p->token.kind != TOKEN_END) {
        if (p->policy->rule_count == POLICY_COUNT_MAX)
            return parse_refuse(p, &p->token, "more than %u policies", POLICY_COUNT_MAX);
        if (!parse_rule(p))
            return false;
    }
    return true;
}
