/*
 * Operators, from the loosest to the tightest: if, ||, &&, one relation, ! and -, member access.
 * Chains of && and || become one node with many operands, so their length costs no depth.
 *
 * Source: the Cedar grammar (docs.cedarpolicy.com, "Grammar specification for Cedar policy
 * syntax"). Arithmetic is left out of the subset.
 */
#include "policy/parse_int.h"

#define UNARY_MAX 4 /* Cedar's own limit on !!!! and ---- */

static bool parse_unary(struct parser *p, uint32_t *ret);

/* ---- member access ---- */

static bool parse_get(struct parser *p, const struct token *at, uint32_t object, uint32_t name,
                      uint32_t *ret)
{
    return parse_node(p, (struct node){.op = OP_GET, .a = object, .b = name}, at,
                      parse_depth(p, object), ret);
}

static bool parse_member(struct parser *p, uint32_t *ret)
{
    if (!parse_primary(p, ret))
        return false;
    for (;;) {
        struct token name;
        uint32_t string;

        if (parse_take(p, TOKEN_DOT)) {
            name = p->token;
            if (!parse_identifier(p, "an attribute's name", &string))
                return false;
            if (parse_take(p, TOKEN_OPEN_PAREN)) {
                if (!parse_method(p, &name, *ret, ret))
                    return false;
                continue;
            }
        } else if (parse_take(p, TOKEN_OPEN_SQUARE)) {
            name = p->token;
            if (!parse_string(p, -1, "an attribute's name as a string", &string) ||
                !parse_expect(p, TOKEN_CLOSE_SQUARE, "`]`"))
                return false;
        } else {
            return true;
        }
        if (!parse_get(p, &name, *ret, string, ret))
            return false;
    }
}

/* ---- ! and - ---- */

static bool parse_unary(struct parser *p, uint32_t *ret)
{
    struct token operators[UNARY_MAX];
    enum token_kind kind = p->token.kind;
    unsigned count = 0;
    unsigned wraps;

    if (kind != TOKEN_NOT && kind != TOKEN_MINUS)
        return parse_member(p, ret);
    while (p->token.kind == kind) {
        if (count == UNARY_MAX)
            return parse_refuse(p, &p->token, "too many `%s`: at most %d stand together",
                                kind == TOKEN_NOT ? "!" : "-", UNARY_MAX);
        operators[count++] = p->token;
        parse_advance(p);
    }
    wraps = count;
    if (kind == TOKEN_MINUS && p->token.kind == TOKEN_NUMBER) {
        if (!parse_number(p, true, ret))
            return false;
        if (p->token.kind == TOKEN_DOT || p->token.kind == TOKEN_OPEN_SQUARE)
            return parse_refuse(p, &p->token, "a number has no attributes");
        wraps--;
    } else if (!parse_member(p, ret)) {
        return false;
    }
    while (wraps-- > 0) {
        struct node node = {.op = kind == TOKEN_NOT ? OP_NOT : OP_NEGATE, .a = *ret};

        if (!parse_node(p, node, &operators[wraps], parse_depth(p, *ret), ret))
            return false;
    }
    return true;
}

/* ---- relations ---- */

static const struct relation {
    enum token_kind token;
    const char *word; /* when it is one */
    enum op op;
} relations[] = {
    {TOKEN_EQUAL, NULL, OP_EQUAL}, {TOKEN_UNEQUAL, NULL, OP_UNEQUAL},
    {TOKEN_LESS, NULL, OP_LESS},   {TOKEN_LESS_EQUAL, NULL, OP_LESS_EQUAL},
    {TOKEN_MORE, NULL, OP_MORE},   {TOKEN_MORE_EQUAL, NULL, OP_MORE_EQUAL},
    {TOKEN_NAME, "in", OP_IN},     {TOKEN_NAME, "has", OP_HAS},
    {TOKEN_NAME, "like", OP_LIKE}, {TOKEN_NAME, "is", OP_IS},
};

static const struct relation *relation_of(const struct token *token)
{
    for (size_t i = 0; i < sizeof(relations) / sizeof(*relations); i++) {
        if (token->kind == relations[i].token &&
            (relations[i].word == NULL || bytes_equal_str(token->text, relations[i].word)))
            return &relations[i];
    }
    return NULL;
}

/* Operators that other languages, or all of Cedar, have here. */
static bool refuse_operator(struct parser *p)
{
    switch (p->token.kind) {
    case TOKEN_PLUS:
    case TOKEN_MINUS:
    case TOKEN_STAR:
    case TOKEN_SLASH:
    case TOKEN_PERCENT:
        return parse_refuse(p, &p->token,
                            "arithmetic is not in keyward's subset of Cedar: compare with a "
                            "number instead");
    case TOKEN_ASSIGN:
        return parse_refuse(p, &p->token, "`=` is not an operator: compare with `==`");
    default:
        return true;
    }
}

/* has a, has a.b.c, has "any text". */
static bool parse_has(struct parser *p, const struct token *at, uint32_t object, uint32_t *ret)
{
    struct node node = {.op = OP_HAS, .c = object};
    size_t mark = p->stack_count;
    uint32_t string;

    if (p->token.kind == TOKEN_STRING) {
        if (!parse_string(p, -1, "a string", &string) || !parse_push(p, string))
            return false;
    } else {
        do {
            if (p->stack_count - mark >= POLICY_DEPTH_MAX)
                return parse_refuse(p, &p->token, "more than %u names behind `has`",
                                    POLICY_DEPTH_MAX);
            if (!parse_identifier(p, "an attribute's name", &string) || !parse_push(p, string))
                return false;
        } while (parse_take(p, TOKEN_DOT));
    }
    return parse_list(p, mark, &node.a, &node.b) &&
           parse_node(p, node, at, parse_depth(p, object), ret);
}

static bool parse_is(struct parser *p, const struct token *at, uint32_t object, uint32_t *ret)
{
    struct node node = {.op = OP_IS, .a = object};
    unsigned below = parse_depth(p, object);

    if (!parse_type(p, "an entity type", &node.b))
        return false;
    if (parse_is_word(&p->token, "in")) {
        parse_advance(p);
        node.op = OP_IS_IN;
        if (!parse_unary(p, &node.c))
            return false;
        if (parse_depth(p, node.c) > below)
            below = parse_depth(p, node.c);
    }
    return parse_node(p, node, at, below, ret);
}

static bool parse_like(struct parser *p, const struct token *at, uint32_t object, uint32_t *ret)
{
    struct node node = {.op = OP_LIKE, .a = object};

    return parse_string(p, PATTERN_ANY, "a pattern in quotes", &node.b) &&
           parse_node(p, node, at, parse_depth(p, object), ret);
}

static bool parse_binary(struct parser *p, const struct token *at, enum op op, uint32_t left,
                         uint32_t *ret)
{
    struct node node = {.op = (uint8_t)op, .a = left};
    unsigned below = parse_depth(p, left);

    if (!parse_unary(p, &node.b))
        return false;
    if (parse_depth(p, node.b) > below)
        below = parse_depth(p, node.b);
    return parse_node(p, node, at, below, ret);
}

static bool parse_relation(struct parser *p, uint32_t *ret)
{
    const struct relation *relation;
    struct token at;
    bool fine;

    if (!parse_unary(p, ret) || !refuse_operator(p))
        return false;
    at = p->token;
    relation = relation_of(&at);
    if (relation == NULL)
        return true;
    parse_advance(p);
    switch (relation->op) {
    case OP_HAS:
        fine = parse_has(p, &at, *ret, ret);
        break;
    case OP_LIKE:
        fine = parse_like(p, &at, *ret, ret);
        break;
    case OP_IS:
        fine = parse_is(p, &at, *ret, ret);
        break;
    default:
        fine = parse_binary(p, &at, relation->op, *ret, ret);
    }
    if (fine && relation_of(&p->token) != NULL)
        return parse_refuse(p, &p->token,
                            "comparisons do not chain: put parentheses around one of them");
    return fine && refuse_operator(p);
}

/* ---- &&, || and if ---- */

static bool parse_chain(struct parser *p, enum token_kind separator, enum op op,
                        bool (*operand)(struct parser *, uint32_t *), uint32_t *ret)
{
    struct token at = {.kind = TOKEN_END};
    struct node node = {.op = (uint8_t)op};
    size_t mark = p->stack_count;
    unsigned below = 0;

    for (;;) {
        if (!operand(p, ret) || !parse_push(p, *ret))
            return false;
        if (parse_depth(p, *ret) > below)
            below = parse_depth(p, *ret);
        if (p->token.kind != separator)
            break;
        at = p->token;
        parse_advance(p);
    }
    if (p->stack_count - mark == 1) {
        p->stack_count = mark;
        return true;
    }
    return parse_list(p, mark, &node.a, &node.b) && parse_node(p, node, &at, below, ret);
}

static bool parse_and(struct parser *p, uint32_t *ret)
{
    return parse_chain(p, TOKEN_AND, OP_AND, parse_relation, ret);
}

static bool parse_or(struct parser *p, uint32_t *ret)
{
    return parse_chain(p, TOKEN_OR, OP_OR, parse_and, ret);
}

static bool parse_word(struct parser *p, const char *word, const char *what)
{
    if (!parse_is_word(&p->token, word))
        return parse_unexpected(p, what);
    parse_advance(p);
    return true;
}

static bool parse_if(struct parser *p, uint32_t *ret)
{
    struct node node = {.op = OP_IF};
    struct token at = p->token;
    unsigned below;

    parse_advance(p);
    if (!parse_expression(p, &node.a) || !parse_word(p, "then", "`then`") ||
        !parse_expression(p, &node.b) || !parse_word(p, "else", "`else`") ||
        !parse_expression(p, &node.c))
        return false;
    below = parse_depth(p, node.a);
    if (parse_depth(p, node.b) > below)
        below = parse_depth(p, node.b);
    if (parse_depth(p, node.c) > below)
        below = parse_depth(p, node.c);
    return parse_node(p, node, &at, below, ret);
}

bool parse_expression(struct parser *p, uint32_t *ret)
{
    bool fine;

    if (p->depth >= POLICY_DEPTH_MAX)
        return parse_refuse(p, &p->token,
                            "this expression is nested more than %u deep: split it up",
                            POLICY_DEPTH_MAX);
    p->depth++;
    fine = parse_is_word(&p->token, "if") ? parse_if(p, ret) : parse_or(p, ret);
    p->depth--;
    return fine;
}
