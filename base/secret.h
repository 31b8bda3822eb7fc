/*
 * The only home of PINs and plain keys: memory that is locked, left out of core dumps, empty in a
 * forked child and wiped when freed. policy/ and audit/ may not include this header.
 */
#ifndef KEYWARD_BASE_SECRET_H
#define KEYWARD_BASE_SECRET_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* data has room for len bytes plus a NUL that is always there. Owned by whoever made it. */
struct secret {
    uint8_t *data;
    size_t len;
    size_t mapped; /* bytes mapped, private to secret.c */
};

/* A zeroed secret of len bytes (len may be 0), or NULL without memory. */
struct secret *secret_new(size_t len);
/* A copy of the span. */
struct secret *secret_copy(struct bytes from);
/* Shortens to len, wiping what is cut off. */
void secret_shorten(struct secret *s, size_t len);
struct bytes secret_bytes(const struct secret *s);
/* Wiped, unlocked, unmapped. NULL is fine. */
void secret_free(struct secret *s);
/* False once a secret could not be locked into memory (RLIMIT_MEMLOCK): for keyward status and
 * doctor. */
bool secret_locking_works(void);
/* True for one caller in the life of the process, once a secret could not be locked: whoever gets
 * it says so. */
bool secret_take_warning(void);
#define SECRET_WARNING                                                                             \
    "secrets cannot be locked into memory and may reach the swap: raise RLIMIT_MEMLOCK "           \
    "(LimitMEMLOCK= in a systemd unit, memlock in limits.conf)"

#include "base/scope.h"
SCOPE_DEFINE(struct secret, secret_free)
#define SCOPED_SECRET SCOPED(secret_free_p) struct secret *

#endif
