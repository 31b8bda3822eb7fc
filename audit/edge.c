/*
 * Merkle tree arithmetic on the right edge: see edge.h.
 *
 * The digits of the size in base 256 are the widths of the unfinished tiles; the bits of a width
 * are the perfect subtrees in it, the largest leftmost. The root joins all of them from the right,
 * as RFC 6962 section 2.1 splits at the largest power of two.
 */
#include "audit/edge.h"

#include <string.h>

unsigned edge_width(uint64_t size, unsigned level)
{
    return (unsigned)(size >> 8 * level) & (TILE_WIDTH - 1);
}

uint64_t edge_tile_index(uint64_t size, unsigned level)
{
    return level + 1 < EDGE_LEVELS ? size >> 8 * (level + 1) : 0;
}

/* The hash over a power of two of hashes. */
static CK_RV perfect(struct hash *h, const uint8_t (*hashes)[HASH_LEN], unsigned n,
                     uint8_t ret[static HASH_LEN])
{
    uint8_t row[TILE_WIDTH / 2][HASH_LEN];
    const uint8_t(*from)[HASH_LEN] = hashes;
    CK_RV rv = CKR_OK;

    for (; rv == CKR_OK && n > 1; n /= 2) {
        for (unsigned i = 0; rv == CKR_OK && i < n / 2; i++)
            rv = hash_node(h, from[2 * i], from[2 * i + 1], row[i]);
        from = row;
    }
    if (rv == CKR_OK)
        memcpy(ret, from[0], HASH_LEN);
    return rv;
}

CK_RV edge_push(struct edge *e, struct hash *h, const uint8_t leaf[static HASH_LEN],
                const struct edge_sink *sink)
{
    uint8_t hash[HASH_LEN];
    CK_RV rv = CKR_OK;

    memcpy(hash, leaf, HASH_LEN);
    for (unsigned level = 0; level < EDGE_LEVELS; level++) {
        unsigned width = edge_width(e->size, level);

        memcpy(e->tile[level][width], hash, HASH_LEN);
        if (width + 1 < TILE_WIDTH)
            break;
        rv = sink->full(sink->ctx, level, edge_tile_index(e->size, level), e->tile[level]);
        if (rv == CKR_OK)
            rv = perfect(h, e->tile[level], TILE_WIDTH, hash);
        if (rv != CKR_OK)
            return rv;
    }
    e->size++;
    return CKR_OK;
}

/* Joins the perfect subtrees of one tile, from the right, to what stands right of it. */
static CK_RV join_tile(const struct edge *e, struct hash *h, unsigned level, bool *have,
                       uint8_t root[static HASH_LEN])
{
    unsigned end = edge_width(e->size, level);

    while (end > 0) {
        unsigned n = end & (0U - end);
        uint8_t left[HASH_LEN];
        CK_RV rv = perfect(h, &e->tile[level][end - n], n, left);

        if (rv == CKR_OK && *have)
            rv = hash_node(h, left, root, root);
        else if (rv == CKR_OK)
            memcpy(root, left, HASH_LEN);
        if (rv != CKR_OK)
            return rv;
        *have = true;
        end -= n;
    }
    return CKR_OK;
}

CK_RV edge_root(const struct edge *e, struct hash *h, uint8_t ret[static HASH_LEN])
{
    bool have = false;
    CK_RV rv = CKR_OK;

    if (e->size == 0)
        return hash_sha256(h, BYTES_NONE, ret);
    for (unsigned level = 0; rv == CKR_OK && level < EDGE_LEVELS; level++)
        rv = join_tile(e, h, level, &have, ret);
    return rv;
}
