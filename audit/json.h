/* The little JSON that an event needs: strings that are always valid UTF-8 and of bounded length,
 * and decimal numbers. */
#ifndef KEYWARD_AUDIT_JSON_H
#define KEYWARD_AUDIT_JSON_H

#include "base/bytes.h"

#include <stddef.h>
#include <stdint.h>

/*
 * The quoted string. At most limit bytes stand between the quotes, escapes counted; a longer text
 * is cut between characters and ends in "...". Control characters (C0, DEL, C1) are escaped; a byte
 * that is not UTF-8 becomes U+FFFD. limit is at least 16.
 */
void event_put_string(struct buf *out, const char *text, size_t limit);
/* The same behind a member's name, with its comma and colon. */
void event_put_member(struct buf *out, struct bytes member, const char *text, size_t limit);
void event_put_unsigned(struct buf *out, uint64_t n);
void event_put_signed(struct buf *out, int64_t n);

/* Digits of n into out, not terminated; returns how many. */
#define JSON_DIGITS_MAX 20
size_t event_put_digits(uint64_t n, char out[static JSON_DIGITS_MAX]);

#endif
