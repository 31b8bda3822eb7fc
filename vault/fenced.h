/*
 * Rows that a bucket's fence covers, remembered while it was computed: opening such a record then
 * need not look its row up in the index again. What is not in here is not for that unfenced.
 */
#ifndef KEYWARD_VAULT_FENCED_H
#define KEYWARD_VAULT_FENCED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fenced_row;

/* Zeroed: empty. */
struct fenced {
    struct fenced_row *rows;
    size_t count, cap;
};

/* In the order of ids. Without memory, or with an id or numbers that no row has, it is left out. */
void fenced_add(struct fenced *f, const uint8_t *id, size_t id_len, int64_t kind,
                int64_t generation);
bool fenced_has(const struct fenced *f, const uint8_t *id, int64_t kind, int64_t generation);
void fenced_clear(struct fenced *f); /* storage freed */

#endif
