/*
 * The right edge of the Merkle tree (RFC 6962, in tiles of 256 hashes): for every level the hashes
 * of its unfinished tile. Enough to append leaves, to write tiles and to know the root; its size
 * does not grow with the log.
 */
#ifndef KEYWARD_AUDIT_EDGE_H
#define KEYWARD_AUDIT_EDGE_H

#include "audit/hash.h"

#include <stdint.h>

#define EDGE_LEVELS 8 /* 256^8 leaves are 2^64 */
#define TILE_WIDTH  256U

struct edge {
    uint64_t size;
    uint8_t tile[EDGE_LEVELS][TILE_WIDTH][HASH_LEN];
};

/* Told of a tile that has become full, before it leaves the edge. */
struct edge_sink {
    CK_RV(*full)
    (void *ctx, unsigned level, uint64_t n, const uint8_t hashes[TILE_WIDTH][HASH_LEN]);
    void *ctx;
};

/* Hashes in the unfinished tile of a level, and its index, for a tree of that size. */
unsigned edge_width(uint64_t size, unsigned level);
uint64_t edge_tile_index(uint64_t size, unsigned level);

/* Appends one leaf hash. After a failure the edge is of no more use. */
MUST_CHECK CK_RV edge_push(struct edge *e, struct hash *h, const uint8_t leaf[static HASH_LEN],
                           const struct edge_sink *sink);
/* MTH(D[size]); of the empty tree SHA-256 of nothing. */
MUST_CHECK CK_RV edge_root(const struct edge *e, struct hash *h, uint8_t ret[static HASH_LEN]);

#endif
