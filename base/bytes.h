/*
 * Byte spans and a growing buffer with a hard maximum. A span borrows; a buffer owns. Neither is a
 * home for PINs or keys (base/secret.h is), but a buffer that held plaintext is ended with
 * buf_release_secure().
 */
#ifndef KEYWARD_BASE_BYTES_H
#define KEYWARD_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A borrowed span. data may be NULL only where len is 0. */
struct bytes {
    const uint8_t *data;
    size_t len;
};

#define BYTES(ptr, n)  ((struct bytes){.data = (const uint8_t *)(ptr), .len = (n)})
#define BYTES_LIT(lit) BYTES(lit, sizeof(lit) - 1)
#define BYTES_NONE     ((struct bytes){.data = NULL, .len = 0})

struct bytes bytes_from_str(const char *s); /* NULL gives the empty span */
bool bytes_equal(struct bytes a, struct bytes b);
bool bytes_equal_str(struct bytes a, const char *s);
/* -1, 0 or 1: lexicographic over unsigned bytes, a prefix sorts first. */
int bytes_compare(struct bytes a, struct bytes b);
/* A NUL-terminated copy, or NULL without memory. The caller frees it. */
char *bytes_to_str(struct bytes b);
/* Writes 2 * b.len lower-case digits and a NUL into out, which must hold 2 * b.len + 1. */
void bytes_to_hex(struct bytes b, char *out);
/* True when hex is exactly 2 * n hex digits, decoded into out. */
bool bytes_from_hex(const char *hex, uint8_t *out, size_t n);

/*
 * A growing buffer. max is a hard limit in bytes: growing past it fails. A failed buffer stays
 * failed and keeps what it had: callers may check once, at the end, with buf_ok().
 */
struct buf {
    uint8_t *data;
    size_t len;
    size_t cap;
    size_t max;
    bool failed;
};

#define BUF_INIT(limit)                                                                            \
    ((struct buf){.data = NULL, .len = 0, .cap = 0, .max = (limit), .failed = false})

void buf_put(struct buf *b, const void *data, size_t len);
void buf_put_bytes(struct buf *b, struct bytes s);
void buf_puts(struct buf *b, const char *s);
void buf_putc(struct buf *b, char c);
__attribute__((format(printf, 2, 3))) void buf_printf(struct buf *b, const char *fmt, ...);
/* Appends n bytes of unspecified content and returns them, or NULL (and failed). */
uint8_t *buf_grow(struct buf *b, size_t n);
bool buf_ok(const struct buf *b);
struct bytes buf_bytes(const struct buf *b);
/* The content with a NUL behind it (not counted in len), or NULL when failed. Still owned by b. */
const char *buf_str(struct buf *b);
void buf_clear(struct buf *b);          /* empty, storage kept, failed forgotten */
void buf_release(struct buf *b);        /* storage freed; safe on a zeroed or released buffer */
void buf_release_secure(struct buf *b); /* the same, wiped first */

/* Wipes memory in a way the compiler may not drop. */
void bytes_wipe(void *data, size_t len);

#endif
