/* UTF-8 and escapes: see text.h. An escape is never shorter than what it stands for, so unescaping
 * fits in place. */
#include "policy/text.h"

static size_t sequence_length(uint8_t lead)
{
    if (lead < 0x80)
        return 1;
    if (lead >= 0xC2 && lead < 0xE0)
        return 2;
    if (lead >= 0xE0 && lead < 0xF0)
        return 3;
    return lead >= 0xF0 && lead < 0xF5 ? 4 : 0;
}

/* The second byte's range is where overlong forms, surrogates and numbers past U+10FFFF show. */
static bool second_byte_fits(uint8_t lead, uint8_t second)
{
    uint8_t low = lead == 0xE0 ? 0xA0 : (lead == 0xF0 ? 0x90 : 0x80);
    uint8_t high = lead == 0xED ? 0x9F : (lead == 0xF4 ? 0x8F : 0xBF);

    return second >= low && second <= high;
}

size_t text_valid(struct bytes text)
{
    size_t at = 0;

    while (at < text.len) {
        uint8_t lead = text.data[at];
        size_t n = sequence_length(lead);

        if (lead == 0 || n == 0 || n > text.len - at)
            return at;
        if (n > 1 && !second_byte_fits(lead, text.data[at + 1]))
            return at;
        for (size_t i = 2; i < n; i++) {
            if ((text.data[at + i] & 0xC0) != 0x80)
                return at;
        }
        at += n;
    }
    return at;
}

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static size_t put_utf8(uint8_t *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (uint8_t)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (uint8_t)(0xC0 | c >> 6);
        out[1] = (uint8_t)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (uint8_t)(0xE0 | c >> 12);
        out[1] = (uint8_t)(0x80 | (c >> 6 & 0x3F));
        out[2] = (uint8_t)(0x80 | (c & 0x3F));
        return 3;
    }
    out[0] = (uint8_t)(0xF0 | c >> 18);
    out[1] = (uint8_t)(0x80 | (c >> 12 & 0x3F));
    out[2] = (uint8_t)(0x80 | (c >> 6 & 0x3F));
    out[3] = (uint8_t)(0x80 | (c & 0x3F));
    return 4;
}

/* \x00 to \x7f; rest starts behind the x. Bytes of rest used, 0 when malformed. */
static size_t hex_escape(struct bytes rest, uint32_t *ret)
{
    int high = rest.len >= 2 ? hex_value(rest.data[0]) : -1;
    int low = rest.len >= 2 ? hex_value(rest.data[1]) : -1;

    if (high < 0 || high > 7 || low < 0)
        return 0;
    *ret = (uint32_t)(high * 16 + low);
    return 2;
}

/* \u{...}; rest starts behind the u. Underscores may stand between digits. */
static size_t unicode_escape(struct bytes rest, uint32_t *ret)
{
    uint32_t c = 0;
    unsigned digits = 0;
    size_t i = 1;

    if (rest.len < 3 || rest.data[0] != '{' || rest.data[1] == '_')
        return 0;
    for (; i < rest.len && rest.data[i] != '}'; i++) {
        int digit = hex_value(rest.data[i]);

        if (rest.data[i] == '_')
            continue;
        if (digit < 0 || ++digits > 6)
            return 0;
        c = c << 4 | (uint32_t)digit;
    }
    if (i == rest.len || digits == 0 || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000))
        return 0;
    *ret = c;
    return i + 1;
}

/* What follows a backslash: bytes of rest used, 0 when it is no escape. */
static size_t escape(struct bytes rest, bool pattern, uint32_t *ret)
{
    static const char letters[] = "nrt\\0'\"*";
    static const char meanings[] = "\n\r\t\\\0'\"*";
    size_t known = sizeof(letters) - (pattern ? 1 : 2);
    size_t used;

    if (rest.len == 0)
        return 0;
    for (size_t i = 0; i < known; i++) {
        if (rest.data[0] == (uint8_t)letters[i]) {
            *ret = (uint8_t)meanings[i];
            return 1;
        }
    }
    if (rest.data[0] != 'x' && rest.data[0] != 'u')
        return 0;
    used = rest.data[0] == 'x' ? hex_escape(BYTES(rest.data + 1, rest.len - 1), ret)
                               : unicode_escape(BYTES(rest.data + 1, rest.len - 1), ret);
    return used > 0 ? used + 1 : 0;
}

bool text_unescape(struct bytes raw, int wildcard, uint8_t *out, size_t *ret_len)
{
    size_t len = 0;

    for (size_t at = 0; at < raw.len;) {
        uint32_t c = raw.data[at];
        size_t used = 0;

        if (c == '\\')
            used = escape(BYTES(raw.data + at + 1, raw.len - at - 1), wildcard >= 0, &c);
        if ((raw.data[at] == '\\' && used == 0) || raw.data[at] == '\r') {
            *ret_len = at;
            return false;
        }
        if (c == '*' && wildcard >= 0 && !(used == 1 && raw.data[at + 1] == '*'))
            out[len++] = (uint8_t)wildcard;
        else if (used > 0)
            len += put_utf8(out + len, c);
        else
            out[len++] = (uint8_t)c;
        at += used + 1;
    }
    *ret_len = len;
    return true;
}
