/* Base 64: see base64.h. */
#include "audit/base64.h"

#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void encode(struct bytes data, size_t at, char out[static 4])
{
    size_t left = data.len - at;
    unsigned a = data.data[at];
    unsigned b = left > 1 ? data.data[at + 1] : 0;
    unsigned c = left > 2 ? data.data[at + 2] : 0;

    out[0] = digits[a >> 2];
    out[1] = digits[(a & 3) << 4 | b >> 4];
    out[2] = left > 1 ? digits[(b & 15) << 2 | c >> 6] : '=';
    out[3] = left > 2 ? digits[c & 63] : '=';
}

void base64_put(struct buf *out, struct bytes data)
{
    char four[4];

    for (size_t at = 0; at < data.len; at += 3) {
        encode(data, at, four);
        buf_put(out, four, 4);
    }
}

static bool digit_value(uint8_t c, unsigned *ret)
{
    const char *at = c != 0 ? strchr(digits, c) : NULL;

    if (at == NULL)
        return false;
    *ret = (unsigned)(at - digits);
    return true;
}

bool base64_decode(struct bytes text, uint8_t *ret, size_t n)
{
    char again[4];

    if (text.len != BASE64_LEN(n))
        return false;
    for (size_t at = 0; at < n; at += 3) {
        const uint8_t *four = text.data + at / 3 * 4;
        size_t left = n - at < 3 ? n - at : 3;
        unsigned v[4] = {0};

        for (size_t i = 0; i <= left; i++) {
            if (!digit_value(four[i], &v[i]))
                return false;
        }
        ret[at] = (uint8_t)(v[0] << 2 | v[1] >> 4);
        if (left > 1)
            ret[at + 1] = (uint8_t)(v[1] << 4 | v[2] >> 2);
        if (left > 2)
            ret[at + 2] = (uint8_t)(v[2] << 6 | v[3]);
        /* Only one text for the same bytes: stray bits or padding elsewhere are refused. */
        encode(BYTES(ret, n), at, again);
        if (memcmp(again, four, 4) != 0)
            return false;
    }
    return true;
}
