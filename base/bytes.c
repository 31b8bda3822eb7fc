/* Byte spans and buffers: see bytes.h. Growth doubles, and never passes the buffer's maximum. */
#include "base/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bytes bytes_from_str(const char *s)
{
    return BYTES(s, s != NULL ? strlen(s) : 0);
}

bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool bytes_equal_str(struct bytes a, const char *s)
{
    return bytes_equal(a, bytes_from_str(s));
}

int bytes_compare(struct bytes a, struct bytes b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n > 0 ? memcmp(a.data, b.data, n) : 0;

    if (c != 0)
        return c < 0 ? -1 : 1;
    return a.len == b.len ? 0 : (a.len < b.len ? -1 : 1);
}

char *bytes_to_str(struct bytes b)
{
    char *s = malloc(b.len + 1);

    if (s == NULL)
        return NULL;
    if (b.len > 0)
        memcpy(s, b.data, b.len);
    s[b.len] = '\0';
    return s;
}

void bytes_to_hex(struct bytes b, char *out)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < b.len; i++) {
        out[2 * i] = digits[b.data[i] >> 4];
        out[2 * i + 1] = digits[b.data[i] & 15];
    }
    out[2 * b.len] = '\0';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool bytes_from_hex(const char *hex, uint8_t *out, size_t n)
{
    if (strlen(hex) != 2 * n)
        return false;
    for (size_t i = 0; i < n; i++) {
        int hi = hex_digit(hex[2 * i]);
        int lo = hex_digit(hex[2 * i + 1]);

        if (hi < 0 || lo < 0)
            return false;
        out[i] = (uint8_t)(hi << 4 | lo);
    }
    return true;
}

/* What is asked for at once is often all there will be, and everything is wiped in the end: the
 * first storage is no larger. */
static size_t capacity_for(const struct buf *b, size_t n)
{
    size_t cap = b->cap > 64 ? b->cap : 64;

    if (b->cap == 0 && n > cap)
        return n;
    while (cap < b->len + n)
        cap *= 2;
    return cap;
}

static bool grow(struct buf *b, size_t n)
{
    size_t cap = capacity_for(b, n);
    uint8_t *data;

    /* Not realloc: a buffer may hold plaintext, and realloc leaves the old block unwiped. */
    data = malloc(cap);
    if (data == NULL) {
        b->failed = true;
        return false;
    }
    if (b->len > 0) {
        memcpy(data, b->data, b->len);
        bytes_wipe(b->data, b->len);
    }
    free(b->data);
    b->data = data;
    b->cap = cap;
    return true;
}

/* Room for n more bytes, or failed. */
static inline bool reserve(struct buf *b, size_t n)
{
    if (b->failed || n > b->max || b->len > b->max - n) {
        b->failed = true;
        return false;
    }
    return b->len + n <= b->cap || grow(b, n);
}

void buf_put(struct buf *b, const void *data, size_t len)
{
    if (!reserve(b, len) || len == 0)
        return;
    memcpy(b->data + b->len, data, len);
    b->len += len;
}

void buf_put_bytes(struct buf *b, struct bytes s)
{
    buf_put(b, s.data, s.len);
}

void buf_puts(struct buf *b, const char *s)
{
    buf_put(b, s, strlen(s));
}

void buf_putc(struct buf *b, char c)
{
    buf_put(b, &c, 1);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    char small[256];
    va_list ap;
    va_list again;
    int n;

    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(small, sizeof(small), fmt, ap);
    if (n < 0) {
        b->failed = true;
    } else if ((size_t)n < sizeof(small)) {
        buf_put(b, small, (size_t)n);
    } else if (reserve(b, (size_t)n + 1)) {
        (void)vsnprintf((char *)b->data + b->len, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
    va_end(ap);
}

uint8_t *buf_grow(struct buf *b, size_t n)
{
    uint8_t *at;

    if (!reserve(b, n > 0 ? n : 1))
        return NULL;
    at = b->data + b->len;
    b->len += n;
    return at;
}

bool buf_ok(const struct buf *b)
{
    return !b->failed;
}

struct bytes buf_bytes(const struct buf *b)
{
    return BYTES(b->data, b->len);
}

const char *buf_str(struct buf *b)
{
    if (!reserve(b, 1))
        return NULL;
    b->data[b->len] = '\0';
    return (const char *)b->data;
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->failed = false;
}

void buf_release(struct buf *b)
{
    free(b->data);
    b->data = NULL;
    b->len = 0;
    b->cap = 0;
}

void buf_release_secure(struct buf *b)
{
    if (b->data != NULL)
        bytes_wipe(b->data, b->cap);
    buf_release(b);
}

void bytes_wipe(void *data, size_t len)
{
    if (len > 0)
        explicit_bzero(data, len);
}
