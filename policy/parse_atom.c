/*
 * The leaves of the grammar: names, literals, entity uids, sets and records. A set or record of
 * constants is made here, once; the evaluator then only points at it.
 */
#include "policy/parse_int.h"
#include "policy/text.h"
#include "policy/value.h"

#include <stdlib.h>
#include <string.h>

/* ---- names ---- */

static const char *const reserved[] = {
    "true", "false", "if", "then", "else", "in", "is", "like", "has", "__cedar",
};

static bool is_reserved(const struct token *token)
{
    for (size_t i = 0; i < sizeof(reserved) / sizeof(*reserved); i++) {
        if (bytes_equal_str(token->text, reserved[i]))
            return true;
    }
    return false;
}

static bool check_identifier(struct parser *p, const char *what)
{
    if (p->token.kind != TOKEN_NAME)
        return parse_unexpected(p, what);
    if (is_reserved(&p->token))
        return parse_refuse(p, &p->token, "expected %s, found the reserved word `%.*s`", what,
                            (int)p->token.text.len, (const char *)p->token.text.data);
    return true;
}

bool parse_identifier(struct parser *p, const char *what, uint32_t *ret_string)
{
    if (!check_identifier(p, what) || !parse_string_number(p, p->token.text, ret_string))
        return false;
    parse_advance(p);
    return true;
}

bool parse_string(struct parser *p, int wildcard, const char *what, uint32_t *ret_string)
{
    struct bytes raw = p->token.text;
    uint8_t *out;
    size_t len;

    if (p->token.kind != TOKEN_STRING)
        return parse_unexpected(p, what);
    buf_clear(&p->text);
    out = buf_grow(&p->text, raw.len);
    if (out == NULL)
        return parse_no_memory(p);
    if (!text_unescape(raw, wildcard, out, &len)) {
        struct token at = p->token;
        struct lexer back = {.text = raw, .at = 0, .line_start = 0, .line = at.line};

        at.column++; /* behind the quote */
        if (memchr(raw.data, '\n', len) != NULL)
            at = lexer_locate(&back, len);
        else
            at.column += (uint32_t)len;
        return parse_refuse(p, &at,
                            raw.data[len] == '\r'
                                ? "a bare carriage return in a string: write \\r"
                                : "no such escape: there are \\n \\r \\t \\\\ \\0 \\' \\\" \\x41 "
                                  "\\u{41}, and \\* in patterns");
    }
    if (!parse_string_number(p, BYTES(out, len), ret_string))
        return false;
    parse_advance(p);
    return true;
}

/* Names joined by `::` into p->text, up to a name without `::` behind it, or to `::` and a string.
 */
static bool join_path(struct parser *p, const char *what, bool *ret_string_follows)
{
    buf_clear(&p->text);
    *ret_string_follows = false;
    for (;;) {
        if (!check_identifier(p, what))
            return false;
        buf_put_bytes(&p->text, p->token.text);
        parse_advance(p);
        if (!parse_take(p, TOKEN_PATH))
            break;
        if (p->token.kind == TOKEN_STRING) {
            *ret_string_follows = true;
            break;
        }
        buf_puts(&p->text, "::");
    }
    return buf_ok(&p->text) || parse_no_memory(p);
}

bool parse_type(struct parser *p, const char *what, uint32_t *ret_string)
{
    struct token at = p->token;
    bool string_follows;

    if (!join_path(p, what, &string_follows))
        return false;
    if (string_follows)
        return parse_refuse(p, &at, "expected %s, found an entity: leave out the ::\"...\"", what);
    return parse_string_number(p, buf_bytes(&p->text), ret_string);
}

/* The id behind a path that stands in p->text. */
static bool finish_uid(struct parser *p, uint32_t *ret_uid)
{
    uint32_t type = 0;
    uint32_t id = 0;

    if (!parse_string_number(p, buf_bytes(&p->text), &type) ||
        !parse_string(p, -1, "an id in quotes", &id))
        return false;
    *ret_uid = intern_add(&p->policy->uids, &p->policy->arena,
                          (struct policy_uid){.type = policy_string(p->policy, type),
                                              .id = policy_string(p->policy, id)});
    return *ret_uid != INTERN_NONE || parse_no_memory(p);
}

bool parse_uid(struct parser *p, const char *what, uint32_t *ret_uid)
{
    bool string_follows;

    if (!join_path(p, what, &string_follows))
        return false;
    if (!string_follows)
        return parse_unexpected(p, "`::` and an id in quotes: an entity is written Type::\"id\"");
    return finish_uid(p, ret_uid);
}

/* ---- single values ---- */

bool parse_number(struct parser *p, bool negative, uint32_t *ret)
{
    struct token at = p->token;
    uint64_t limit = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
    uint64_t value = 0;
    struct node node = {.op = OP_LONG};

    for (size_t i = 0; i < at.text.len; i++) {
        uint64_t digit = (uint64_t)(at.text.data[i] - '0');

        if (value > (limit - digit) / 10)
            return parse_refuse(p, &at, "this number is out of range: a long has 64 bits");
        value = value * 10 + digit;
    }
    if (negative)
        value = 0 - value;
    node.a = (uint32_t)value;
    node.b = (uint32_t)(value >> 32);
    parse_advance(p);
    return parse_node(p, node, &at, 0, ret);
}

static bool parse_text(struct parser *p, uint32_t *ret)
{
    struct token at = p->token;
    struct node node = {.op = OP_STRING};

    return parse_string(p, -1, "a string", &node.a) && parse_node(p, node, &at, 0, ret);
}

/* A variable, true, false, or an entity. */
static bool parse_name(struct parser *p, uint32_t *ret)
{
    static const struct {
        const char *word;
        struct node node;
    } words[] = {
        {"true", {.op = OP_BOOL, .a = 1}},
        {"false", {.op = OP_BOOL, .a = 0}},
        {"principal", {.op = OP_VARIABLE, .a = VARIABLE_PRINCIPAL}},
        {"action", {.op = OP_VARIABLE, .a = VARIABLE_ACTION}},
        {"resource", {.op = OP_VARIABLE, .a = VARIABLE_RESOURCE}},
        {"context", {.op = OP_VARIABLE, .a = VARIABLE_CONTEXT}},
    };
    struct token at = p->token;
    struct lexer ahead = p->lexer;
    struct node node = {.op = OP_UID};

    if (lexer_next(&ahead).kind == TOKEN_PATH)
        return parse_uid(p, "an entity", &node.a) && parse_node(p, node, &at, 0, ret);
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        if (!parse_is_word(&at, words[i].word))
            continue;
        parse_advance(p);
        return parse_node(p, words[i].node, &at, 0, ret);
    }
    if (!check_identifier(p, "an expression"))
        return false;
    parse_advance(p);
    if (p->token.kind == TOKEN_OPEN_PAREN)
        return parse_function(p, &at, ret);
    return parse_refuse(p, &at,
                        "`%.*s` is not a variable: there are principal, action, resource and "
                        "context; text stands in quotes",
                        at.text.len < 60 ? (int)at.text.len : 60, (const char *)at.text.data);
}

/* ---- sets and records ---- */

/* What was there when a literal began; constants after it are folded away. */
struct literal {
    struct token at;
    size_t mark; /* of p->stack */
    size_t nodes, values;
    size_t width; /* stack entries an item takes */
    unsigned below;
    bool constant;
};

static struct literal literal_start(const struct parser *p, size_t width)
{
    return (struct literal){
        .at = p->token,
        .mark = p->stack_count,
        .nodes = p->policy->node_count,
        .values = p->policy->value_count,
        .width = width,
        .constant = true,
    };
}

static bool literal_item(struct parser *p, struct literal *literal, uint32_t *ret)
{
    const struct node *node;

    if (p->stack_count - literal->mark >= literal->width * LITERAL_ITEMS_MAX)
        return parse_refuse(p, &p->token, "more than %u items in one literal: use a group instead",
                            LITERAL_ITEMS_MAX);
    if (!parse_expression(p, ret))
        return false;
    node = &p->policy->nodes[*ret];
    if (node->depth > literal->below)
        literal->below = node->depth;
    if (node->op > OP_CONST)
        literal->constant = false;
    return true;
}

/* Room in the evaluator's scratch, which every non-constant literal of a policy shares. */
static bool take_scratch(struct parser *p, const struct literal *literal, size_t count, size_t item,
                         uint32_t *ret_first)
{
    size_t words = count * item / sizeof(uint64_t);

    if (words > SCRATCH_WORDS - p->scratch)
        return parse_refuse(p, &literal->at,
                            "this policy's sets and records of computed values are too large: "
                            "split the policy");
    *ret_first = p->scratch;
    p->scratch += (uint32_t)words;
    return true;
}

/* Replaces the literal's nodes and values by one constant. */
static bool fold(struct parser *p, const struct literal *literal, struct policy_value value,
                 bool sorted, uint32_t *ret)
{
    struct policy *policy = p->policy;
    struct node node = {.op = OP_CONST, .a = (uint32_t)literal->values, .b = sorted ? 1 : 0};

    policy->node_count = literal->nodes;
    policy->value_count = literal->values;
    p->stack_count = literal->mark;
    if (!array_reserve((void **)&policy->values, &policy->value_cap, policy->value_count + 1,
                       sizeof(*policy->values)))
        return parse_no_memory(p);
    policy->values[policy->value_count++] = value;
    return parse_node(p, node, &literal->at, 0, ret);
}

static bool fold_set(struct parser *p, const struct literal *literal, uint32_t *ret)
{
    size_t count = p->stack_count - literal->mark;
    struct policy_value *items = arena_take(&p->policy->arena, count * sizeof(*items));
    struct policy_value set = {.kind = POLICY_SET, .u.set = {.items = items, .count = count}};
    bool sorted = true;

    if (items == NULL)
        return parse_no_memory(p);
    for (size_t i = 0; i < count; i++) {
        items[i] = value_of(p->policy, &p->policy->nodes[p->stack[literal->mark + i]]);
        sorted = sorted && value_is_scalar(&items[i]);
    }
    if (sorted)
        qsort(items, count, sizeof(*items), value_order);
    return fold(p, literal, set, sorted, ret);
}

static bool parse_set(struct parser *p, uint32_t *ret)
{
    struct literal literal = literal_start(p, 1);
    struct node node = {.op = OP_SET};

    parse_advance(p);
    while (p->token.kind != TOKEN_CLOSE_SQUARE) {
        if (!literal_item(p, &literal, ret) || !parse_push(p, *ret))
            return false;
        if (!parse_take(p, TOKEN_COMMA))
            break;
    }
    if (!parse_expect(p, TOKEN_CLOSE_SQUARE, "`,` or `]`"))
        return false;
    if (literal.constant)
        return fold_set(p, &literal, ret);
    return take_scratch(p, &literal, p->stack_count - literal.mark, sizeof(struct policy_value),
                        &node.c) &&
           parse_list(p, literal.mark, &node.a, &node.b) &&
           parse_node(p, node, &literal.at, literal.below, ret);
}

/* One field on the stack: four entries. */
struct pair {
    uint32_t name, node, line, column;
};

static int pair_order(const void *a, const void *b, void *context)
{
    const struct pair *x = a;
    const struct pair *y = b;
    int c = bytes_compare(policy_string(context, x->name), policy_string(context, y->name));

    if (c == 0) /* the later of two goes behind, to be the one complained about */
        c = x->line != y->line ? (x->line < y->line ? -1 : 1) : (x->column < y->column ? -1 : 1);
    return c;
}

static bool sort_pairs(struct parser *p, struct pair *pairs, size_t count)
{
    if (count > 1) /* with none, there may be no stack yet */
        qsort_r(pairs, count, sizeof(*pairs), pair_order, p->policy);
    for (size_t i = 1; i < count; i++) {
        struct token at = {.line = pairs[i].line, .column = pairs[i].column};

        if (pairs[i].name == pairs[i - 1].name)
            return parse_refuse(p, &at, "this name stands twice in the record");
    }
    return true;
}

static bool fold_record(struct parser *p, const struct literal *literal, const struct pair *pairs,
                        size_t count, uint32_t *ret)
{
    struct policy_field *fields = arena_take(&p->policy->arena, count * sizeof(*fields));
    struct policy_value record = {.kind = POLICY_RECORD,
                                  .u.record = {.fields = fields, .count = count}};

    if (fields == NULL)
        return parse_no_memory(p);
    for (size_t i = 0; i < count; i++) {
        fields[i].name = policy_string(p->policy, pairs[i].name);
        fields[i].value = value_of(p->policy, &p->policy->nodes[pairs[i].node]);
    }
    return fold(p, literal, record, false, ret);
}

static bool finish_record(struct parser *p, const struct literal *literal, uint32_t *ret)
{
    struct pair *pairs = (struct pair *)(void *)(p->stack + literal->mark);
    size_t count = (p->stack_count - literal->mark) / 4;
    struct node node = {.op = OP_RECORD};

    if (!sort_pairs(p, pairs, count))
        return false;
    if (literal->constant)
        return fold_record(p, literal, pairs, count, ret);
    /* Each target lies before the pair it comes from. */
    for (size_t i = 0; i < count; i++) {
        struct pair pair = pairs[i];

        p->stack[literal->mark + 2 * i] = pair.name;
        p->stack[literal->mark + 2 * i + 1] = pair.node;
    }
    p->stack_count = literal->mark + 2 * count;
    if (!take_scratch(p, literal, count, sizeof(struct policy_field), &node.c) ||
        !parse_list(p, literal->mark, &node.a, &node.b))
        return false;
    node.b = (uint32_t)count;
    return parse_node(p, node, &literal->at, literal->below, ret);
}

static bool parse_field(struct parser *p, struct literal *literal)
{
    struct token at = p->token;
    uint32_t name = 0;
    uint32_t node = 0;

    if (at.kind == TOKEN_STRING ? !parse_string(p, -1, "a string", &name)
                                : !parse_identifier(p, "a field's name", &name))
        return false;
    return parse_expect(p, TOKEN_COLON, "`:`") && literal_item(p, literal, &node) &&
           parse_push(p, name) && parse_push(p, node) && parse_push(p, at.line) &&
           parse_push(p, at.column);
}

static bool parse_record(struct parser *p, uint32_t *ret)
{
    struct literal literal = literal_start(p, 4);

    parse_advance(p);
    while (p->token.kind != TOKEN_CLOSE_CURLY) {
        if (!parse_field(p, &literal))
            return false;
        if (!parse_take(p, TOKEN_COMMA))
            break;
    }
    return parse_expect(p, TOKEN_CLOSE_CURLY, "`,` or `}`") && finish_record(p, &literal, ret);
}

static bool parse_group(struct parser *p, uint32_t *ret)
{
    parse_advance(p);
    return parse_expression(p, ret) && parse_expect(p, TOKEN_CLOSE_PAREN, "`)`");
}

bool parse_primary(struct parser *p, uint32_t *ret)
{
    switch (p->token.kind) {
    case TOKEN_NAME:
        return parse_name(p, ret);
    case TOKEN_NUMBER:
        return parse_number(p, false, ret);
    case TOKEN_STRING:
        return parse_text(p, ret);
    case TOKEN_OPEN_PAREN:
        return parse_group(p, ret);
    case TOKEN_OPEN_SQUARE:
        return parse_set(p, ret);
    case TOKEN_OPEN_CURLY:
        return parse_record(p, ret);
    default:
        return parse_unexpected(p, "an expression");
    }
}
