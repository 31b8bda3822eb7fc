/* What the parser's files share: refusals, tokens, nodes and lists (see parse_int.h). */
#include "policy/parse_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool parse_refuse(struct parser *p, const struct token *at, const char *fmt, ...)
{
    va_list ap;

    *p->error = (struct policy_error){
        .source = p->source->name,
        .line = at->line,
        .column = at->column,
    };
    va_start(ap, fmt);
    (void)vsnprintf(p->error->message, sizeof(p->error->message), fmt, ap);
    va_end(ap);
    p->rv = CKR_ARGUMENTS_BAD;
    return false;
}

bool parse_no_memory(struct parser *p)
{
    p->rv = fail_memory();
    return false;
}

bool parse_unexpected(struct parser *p, const char *what)
{
    const struct token *found = &p->token;
    int shown = found->text.len < 40 ? (int)found->text.len : 40;

    switch (found->kind) {
    case TOKEN_END:
        return parse_refuse(p, found, "expected %s, found the end of the text", what);
    case TOKEN_STRING:
        return parse_refuse(p, found, "expected %s, found a string", what);
    case TOKEN_OPEN_STRING:
        return parse_refuse(p, found, "this string has no end: close it with \"");
    case TOKEN_SLOT:
        return parse_refuse(p, found,
                            "templates (?principal, ?resource) are not supported: write the "
                            "policy out for each principal and resource");
    case TOKEN_STRAY:
        return parse_refuse(p, found, "unexpected character (byte 0x%02x)", found->text.data[0]);
    default:
        return parse_refuse(p, found, "expected %s, found `%.*s`", what, shown,
                            (const char *)found->text.data);
    }
}

void parse_advance(struct parser *p)
{
    p->token = lexer_next(&p->lexer);
}

bool parse_is_word(const struct token *token, const char *word)
{
    return token->kind == TOKEN_NAME && bytes_equal_str(token->text, word);
}

bool parse_take(struct parser *p, enum token_kind kind)
{
    if (p->token.kind != kind)
        return false;
    parse_advance(p);
    return true;
}

bool parse_expect(struct parser *p, enum token_kind kind, const char *what)
{
    return parse_take(p, kind) || parse_unexpected(p, what);
}

bool parse_node(struct parser *p, struct node node, const struct token *at, unsigned below,
                uint32_t *ret)
{
    struct policy *policy = p->policy;

    if (below >= POLICY_DEPTH_MAX)
        return parse_refuse(p, at, "this expression is nested more than %u deep: split it up",
                            POLICY_DEPTH_MAX);
    if (!array_reserve((void **)&policy->nodes, &policy->node_cap, policy->node_count + 1,
                       sizeof(*policy->nodes)))
        return parse_no_memory(p);
    node.depth = (uint8_t)(below + 1);
    node.line = at->line;
    node.column = at->column;
    *ret = (uint32_t)policy->node_count;
    policy->nodes[policy->node_count++] = node;
    return true;
}

unsigned parse_depth(const struct parser *p, uint32_t node)
{
    return p->policy->nodes[node].depth;
}

bool parse_push(struct parser *p, uint32_t item)
{
    if (!array_reserve((void **)&p->stack, &p->stack_cap, p->stack_count + 1, sizeof(*p->stack)))
        return parse_no_memory(p);
    p->stack[p->stack_count++] = item;
    return true;
}

bool parse_list(struct parser *p, size_t mark, uint32_t *ret_first, uint32_t *ret_count)
{
    struct policy *policy = p->policy;
    size_t count = p->stack_count - mark;

    if (!array_reserve((void **)&policy->lists, &policy->list_cap, policy->list_count + count + 1,
                       sizeof(*policy->lists)))
        return parse_no_memory(p);
    if (count > 0)
        memcpy(policy->lists + policy->list_count, p->stack + mark, count * sizeof(*p->stack));
    *ret_first = (uint32_t)policy->list_count;
    *ret_count = (uint32_t)count;
    policy->list_count += count;
    p->stack_count = mark;
    return true;
}

bool parse_string_number(struct parser *p, struct bytes text, uint32_t *ret)
{
    uint32_t number = intern_add_string(&p->policy->strings, &p->policy->arena, text);

    if (number == INTERN_NONE)
        return parse_no_memory(p);
    *ret = number;
    return true;
}

void parse_end(struct parser *p)
{
    free(p->stack);
    p->stack = NULL;
    buf_release(&p->text);
}
