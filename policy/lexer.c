/* Tokens: see lexer.h. */
#include "policy/lexer.h"

#include <string.h>

/* Longer spellings first where one is the start of another. */
static const struct {
    char text[3];
    uint8_t kind;
} symbols[] = {
    {"::", TOKEN_PATH},       {"==", TOKEN_EQUAL},       {"!=", TOKEN_UNEQUAL},
    {"<=", TOKEN_LESS_EQUAL}, {">=", TOKEN_MORE_EQUAL},  {"&&", TOKEN_AND},
    {"||", TOKEN_OR},         {"(", TOKEN_OPEN_PAREN},   {")", TOKEN_CLOSE_PAREN},
    {"[", TOKEN_OPEN_SQUARE}, {"]", TOKEN_CLOSE_SQUARE}, {"{", TOKEN_OPEN_CURLY},
    {"}", TOKEN_CLOSE_CURLY}, {",", TOKEN_COMMA},        {";", TOKEN_SEMICOLON},
    {":", TOKEN_COLON},       {".", TOKEN_DOT},          {"<", TOKEN_LESS},
    {">", TOKEN_MORE},        {"!", TOKEN_NOT},          {"-", TOKEN_MINUS},
    {"@", TOKEN_AT},          {"=", TOKEN_ASSIGN},       {"+", TOKEN_PLUS},
    {"*", TOKEN_STAR},        {"/", TOKEN_SLASH},        {"%", TOKEN_PERCENT},
};

struct lexer lexer_start(struct bytes text)
{
    return (struct lexer){.text = text, .at = 0, .line_start = 0, .line = 1};
}

static int peek(const struct lexer *lexer, size_t ahead)
{
    return lexer->at + ahead < lexer->text.len ? lexer->text.data[lexer->at + ahead] : -1;
}

static void newline(struct lexer *lexer, size_t offset)
{
    lexer->line++;
    lexer->line_start = offset + 1;
}

static bool ends_comment(int c)
{
    return c < 0 || c == '\n' || c == '\r';
}

/* White space (ASCII: the strict side of Cedar) and comments, which a carriage return ends too, as
 * in Cedar. */
static void skip_space(struct lexer *lexer)
{
    for (int c; (c = peek(lexer, 0)) >= 0; lexer->at++) {
        if (c == '\n') {
            newline(lexer, lexer->at);
        } else if (c == '/' && peek(lexer, 1) == '/') {
            while (!ends_comment(peek(lexer, 1)))
                lexer->at++;
        } else if (c != ' ' && (c < '\t' || c > '\r')) {
            return;
        }
    }
}

static struct token here(const struct lexer *lexer, enum token_kind kind, size_t len)
{
    return (struct token){
        .kind = kind,
        .text = BYTES(lexer->text.data + lexer->at, len),
        .line = lexer->line,
        .column = (uint32_t)(lexer->at - lexer->line_start + 1),
    };
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static bool is_name(int c)
{
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c);
}

static struct token run(struct lexer *lexer, enum token_kind kind, bool (*belongs)(int), size_t len)
{
    struct token token;

    while (belongs(peek(lexer, len)))
        len++;
    token = here(lexer, kind, len);
    lexer->at += len;
    return token;
}

/* A backslash takes the next character along, except a line's end (as Cedar's own lexer has it). */
static struct token string(struct lexer *lexer)
{
    struct token token = here(lexer, TOKEN_OPEN_STRING, 1);
    size_t start = ++lexer->at;

    for (int c; (c = peek(lexer, 0)) >= 0; lexer->at++) {
        if (c == '"') {
            token.kind = TOKEN_STRING;
            token.text = BYTES(lexer->text.data + start, lexer->at - start);
            lexer->at++;
            return token;
        }
        if (c == '\\' && peek(lexer, 1) >= 0 && peek(lexer, 1) != '\n')
            lexer->at++;
        else if (c == '\n')
            newline(lexer, lexer->at);
    }
    return token;
}

static struct token symbol(struct lexer *lexer)
{
    struct token token = here(lexer, TOKEN_STRAY, 1);

    for (size_t i = 0; i < sizeof(symbols) / sizeof(*symbols); i++) {
        size_t len = strlen(symbols[i].text);

        if (len <= lexer->text.len - lexer->at &&
            memcmp(lexer->text.data + lexer->at, symbols[i].text, len) == 0) {
            token = here(lexer, symbols[i].kind, len);
            break;
        }
    }
    lexer->at += token.text.len;
    return token;
}

struct token lexer_next(struct lexer *lexer)
{
    int c;

    skip_space(lexer);
    c = peek(lexer, 0);
    if (c < 0)
        return here(lexer, TOKEN_END, 0);
    if (is_digit(c))
        return run(lexer, TOKEN_NUMBER, is_digit, 1);
    if (is_name(c))
        return run(lexer, TOKEN_NAME, is_name, 1);
    if (c == '?')
        return run(lexer, TOKEN_SLOT, is_name, 1);
    if (c == '"')
        return string(lexer);
    return symbol(lexer);
}

struct token lexer_locate(struct lexer *lexer, size_t offset)
{
    for (; lexer->at < offset; lexer->at++) {
        if (lexer->text.data[lexer->at] == '\n')
            newline(lexer, lexer->at);
    }
    return here(lexer, TOKEN_STRAY, lexer->at < lexer->text.len ? 1 : 0);
}
