/* Base 64 of RFC 4648, section 4, with padding and nothing else tolerated. */
#ifndef KEYWARD_AUDIT_BASE64_H
#define KEYWARD_AUDIT_BASE64_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BASE64_LEN(n) (((n) + 2) / 3 * 4)

void base64_put(struct buf *out, struct bytes data);
/* True when text is exactly the one encoding of n bytes, decoded into ret. */
bool base64_decode(struct bytes text, uint8_t *ret, size_t n);

#endif
