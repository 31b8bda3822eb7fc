/*
 * The parser's state and what its files share: parse.c (policies, annotations, scopes),
 * parse_expr.c (operators), parse_call.c (methods, functions), parse_atom.c (names, literals, sets,
 * records) and build.c (nodes,
 * lists, refusals).
 *
 * Every function that answers bool answers false only after parse_refuse() or parse_no_memory():
 * p->rv says which.
 */
#ifndef KEYWARD_POLICY_PARSE_INT_H
#define KEYWARD_POLICY_PARSE_INT_H

#include "policy/lexer.h"
#include "policy/policy_int.h"

struct parser {
    struct lexer lexer;
    struct token token; /* the next one, not used yet */
    struct policy *policy;
    struct policy_error *error;
    const struct policy_source *source;
    uint32_t source_number;
    uint32_t rules_before; /* rules of the sources before this one */
    struct intern *ids;    /* of all rules so far */
    CK_RV rv;
    unsigned depth;   /* of expressions being parsed */
    uint32_t scratch; /* words the present rule's sets and records take */
    /* Operands of unfinished lists: each list remembers where it began and takes its own off. */
    uint32_t *stack;
    size_t stack_count, stack_cap;
    struct buf text; /* for joining and unescaping */
};

/* All policies of p->source. */
bool parse_source(struct parser *p);
void parse_end(struct parser *p);

/* ---- refusals ---- */
__attribute__((format(printf, 3, 4), cold)) bool
parse_refuse(struct parser *p, const struct token *at, const char *fmt, ...);
__attribute__((cold)) bool parse_no_memory(struct parser *p);
/* "expected WHAT, found TOKEN". */
__attribute__((cold)) bool parse_unexpected(struct parser *p, const char *what);

/* ---- tokens ---- */
void parse_advance(struct parser *p);
bool parse_is_word(const struct token *token, const char *word);
/* Uses the token when it is of that kind. */
bool parse_take(struct parser *p, enum token_kind kind);
bool parse_expect(struct parser *p, enum token_kind kind, const char *what);

/* ---- building ---- */
/* Adds a node whose depth is one more than its deepest operand's (`below`). */
bool parse_node(struct parser *p, struct node node, const struct token *at, unsigned below,
                uint32_t *ret);
unsigned parse_depth(const struct parser *p, uint32_t node);
bool parse_push(struct parser *p, uint32_t item);
/* Moves the stack from mark on to policy->lists. */
bool parse_list(struct parser *p, size_t mark, uint32_t *ret_first, uint32_t *ret_count);
bool parse_string_number(struct parser *p, struct bytes text, uint32_t *ret);

/* ---- the grammar ---- */
bool parse_expression(struct parser *p, uint32_t *ret);
bool parse_primary(struct parser *p, uint32_t *ret);
/* A method's call on object, or a function's: the name is used already, of the method the opening
 * parenthesis too. */
bool parse_method(struct parser *p, const struct token *name, uint32_t object, uint32_t *ret);
bool parse_function(struct parser *p, const struct token *name, uint32_t *ret);
/* Digits, with a minus before them or not. */
bool parse_number(struct parser *p, bool negative, uint32_t *ret);
/* An identifier that is not reserved. */
bool parse_identifier(struct parser *p, const char *what, uint32_t *ret_string);
/* The string token, unescaped; wildcard as in text_unescape(). */
bool parse_string(struct parser *p, int wildcard, const char *what, uint32_t *ret_string);
/* Type or Namespace::Type. */
bool parse_type(struct parser *p, const char *what, uint32_t *ret_string);
/* Type::"id". */
bool parse_uid(struct parser *p, const char *what, uint32_t *ret_uid);

#endif
