/*
 * Cedar's tokens, one at a time. The text is checked for UTF-8 by whoever starts the lexer; a token
 * borrows from the text.
 */
#ifndef KEYWARD_POLICY_LEXER_H
#define KEYWARD_POLICY_LEXER_H

#include "base/bytes.h"

#include <stdint.h>

enum token_kind {
    TOKEN_END,
    TOKEN_NAME,   /* identifiers and keywords alike */
    TOKEN_NUMBER, /* digits */
    TOKEN_STRING, /* text is what stands between the quotes, still escaped */
    TOKEN_SLOT,   /* ?principal */
    TOKEN_AT,
    TOKEN_OPEN_PAREN,
    TOKEN_CLOSE_PAREN,
    TOKEN_OPEN_SQUARE,
    TOKEN_CLOSE_SQUARE,
    TOKEN_OPEN_CURLY,
    TOKEN_CLOSE_CURLY,
    TOKEN_COMMA,
    TOKEN_SEMICOLON,
    TOKEN_COLON,
    TOKEN_PATH, /* :: */
    TOKEN_DOT,
    TOKEN_EQUAL,
    TOKEN_UNEQUAL,
    TOKEN_LESS,
    TOKEN_LESS_EQUAL,
    TOKEN_MORE,
    TOKEN_MORE_EQUAL,
    TOKEN_AND,
    TOKEN_OR,
    TOKEN_NOT,
    TOKEN_MINUS,
    TOKEN_ASSIGN, /* = alone, and the arithmetic: known in order to be refused by name */
    TOKEN_PLUS,
    TOKEN_STAR,
    TOKEN_SLASH,
    TOKEN_PERCENT,
    TOKEN_OPEN_STRING, /* a string that never ends */
    TOKEN_STRAY,       /* a character that starts no token */
    TOKEN_KINDS
};

struct token {
    enum token_kind kind;
    struct bytes text;
    uint32_t line, column; /* from 1, in bytes */
};

struct lexer {
    struct bytes text;
    size_t at;
    size_t line_start; /* offset of the current line */
    uint32_t line;
};

struct lexer lexer_start(struct bytes text);
struct token lexer_next(struct lexer *lexer);
/* Line and column of an offset at or behind the lexer's place; the lexer moves there. */
struct token lexer_locate(struct lexer *lexer, size_t offset);

#endif
