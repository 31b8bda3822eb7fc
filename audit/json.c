/*
 * JSON strings (RFC 8259, section 7) and numbers: see json.h.
 *
 * Whatever bytes come in, valid UTF-8 goes out: labels are any bytes an application chose, and a
 * log that a parser refuses is a log somebody can hide in. C1 controls and DEL are escaped too,
 * because logs are read on terminals.
 */
#include "audit/json.h"

#include <string.h>

#define DOTS "..."

/* A text being written: where it began, and the last place it may be cut so that the dots still
 * fit. */
struct cut {
    struct buf *out;
    size_t start;
    size_t limit;
    size_t safe;
};

static size_t used(const struct cut *c)
{
    return c->out->len - c->start;
}

static void mark_safe(struct cut *c)
{
    size_t n = used(c);
    size_t last = c->limit - (sizeof(DOTS) - 1);

    if (n <= last)
        c->safe = n;
}

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* The highest bit of a byte in the answer is set where one of v is less than 1 to 128, or of a
 * higher byte than one that is. */
static uint64_t less_than(uint64_t v, unsigned char limit)
{
    return (v - EACH(limit)) & ~v;
}

/* is_plain() of eight characters at once. */
static bool are_plain(const unsigned char *s)
{
    uint64_t v;

    memcpy(&v, s, sizeof(v));
    return ((less_than(v, 0x20) | less_than(v ^ EACH('"'), 1) | less_than(v ^ EACH('\\'), 1) | v |
             (v + EACH(1))) &
            EACH(0x80)) == 0;
}

/* Bytes from s on that stand for themselves. */
static size_t plain_run(const unsigned char *s, const unsigned char *end)
{
    const unsigned char *at = s;

    while (end - at >= 8 && are_plain(at))
        at += 8;
    while (at < end && is_plain(*at))
        at++;
    return (size_t)(at - s);
}

static bool continues(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

/* Length of the well-formed sequence at s (Unicode, table 3-7), 0 when there is none. The final NUL
 * continues nothing. */
static size_t sequence(const unsigned char *s)
{
    if (s[0] >= 0xc2 && s[0] <= 0xdf)
        return continues(s[1]) ? 2 : 0;
    if (s[0] >= 0xe0 && s[0] <= 0xef) {
        if (!continues(s[1]) || (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f))
            return 0;
        return continues(s[2]) ? 3 : 0;
    }
    if (s[0] >= 0xf0 && s[0] <= 0xf4) {
        if (!continues(s[1]) || (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
            return 0;
        return continues(s[2]) && continues(s[3]) ? 4 : 0;
    }
    return 0;
}

/* Writes \u00XX and returns its length. */
static size_t unicode_escape(unsigned char c, char out[static 8])
{
    static const char digits[] = "0123456789abcdef";

    memcpy(out, "\\u00", 4);
    out[4] = digits[c >> 4];
    out[5] = digits[c & 15];
    return 6;
}

/* What the ASCII character c, which does not stand for itself, is written as. */
static size_t escape(unsigned char c, char out[static 8])
{
    static const char from[] = "\"\\\b\f\n\r\t";
    static const char to[] = "\"\\bfnrt";
    const char *at = strchr(from, c);

    if (at == NULL)
        return unicode_escape(c, out);
    out[0] = '\\';
    out[1] = to[at - from];
    return 2;
}

/* One character at *s that is not plain: its written form into out, *s moved behind it. */
static size_t special(const unsigned char **s, char out[static 8])
{
    const unsigned char *at = *s;
    size_t n;

    if (at[0] < 0x80) {
        *s += 1;
        return escape(at[0], out);
    }
    n = sequence(at);
    if (n == 0) {
        *s += 1;
        memcpy(out, "\xef\xbf\xbd", 3);
        return 3;
    }
    *s += n;
    if (n == 2 && at[0] == 0xc2 && at[1] < 0xa0)
        return unicode_escape(at[1], out);
    memcpy(out, at, n);
    return n;
}

/* False when the text does not fit: then it has to be cut. */
static bool put_unit(struct cut *c, const unsigned char **s, const unsigned char *end)
{
    size_t room = c->limit - used(c);
    size_t run = plain_run(*s, end);
    char unit[8];
    size_t n;

    if (run > 0) {
        n = run < room ? run : room;
        buf_put(c->out, *s, n);
        /* Plain characters may be parted anywhere. */
        if (used(c) > c->limit - 3 && used(c) - n <= c->limit - 3)
            c->safe = c->limit - 3;
        *s += n;
    } else {
        n = special(s, unit);
        if (n > room)
            return false;
        buf_put(c->out, unit, n);
    }
    mark_safe(c);
    return run <= room;
}

/* Nearly every text of an event: nothing to escape, and it fits. */
static void put_plain(struct buf *out, struct bytes member, struct bytes text)
{
    uint8_t *at = buf_grow(out, member.len + text.len + 2);

    if (at == NULL)
        return;
    memcpy(at, member.data, member.len);
    at += member.len;
    *at++ = '"';
    memcpy(at, text.data, text.len);
    at[text.len] = '"';
}

static void put_escaped(struct buf *out, struct bytes text, size_t limit)
{
    const unsigned char *s = text.data;
    const unsigned char *end = s + text.len;
    struct cut c = {.out = out, .limit = limit};
    bool fits = true;

    buf_putc(out, '"');
    c.start = out->len;
    while (s < end && fits && buf_ok(out))
        fits = put_unit(&c, &s, end);
    if (!fits && buf_ok(out)) {
        out->len = c.start + c.safe;
        buf_puts(out, DOTS);
    }
    buf_putc(out, '"');
}

void event_put_member(struct buf *out, struct bytes member, const char *text, size_t limit)
{
    struct bytes s = bytes_from_str(text);

    if (s.len <= limit && plain_run(s.data, s.data + s.len) == s.len) {
        put_plain(out, member, s);
        return;
    }
    buf_put_bytes(out, member);
    put_escaped(out, s, limit);
}

void event_put_string(struct buf *out, const char *text, size_t limit)
{
    event_put_member(out, BYTES_LIT(""), text, limit);
}

size_t event_put_digits(uint64_t n, char out[static JSON_DIGITS_MAX])
{
    char reversed[JSON_DIGITS_MAX];
    size_t len = 0;

    do {
        reversed[len++] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    for (size_t i = 0; i < len; i++)
        out[i] = reversed[len - 1 - i];
    return len;
}

void event_put_unsigned(struct buf *out, uint64_t n)
{
    char digits[JSON_DIGITS_MAX];

    buf_put(out, digits, event_put_digits(n, digits));
}

void event_put_signed(struct buf *out, int64_t n)
{
    if (n < 0)
        buf_putc(out, '-');
    event_put_unsigned(out, n < 0 ? 0 - (uint64_t)n : (uint64_t)n);
}
