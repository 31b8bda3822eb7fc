/* Hash tiles as files. */
#ifndef KEYWARD_AUDIT_TILES_H
#define KEYWARD_AUDIT_TILES_H

#include "audit/edge.h"

#include <stdbool.h>

/*
 * Reads the first width hashes of a tile: from the partial file of that width or, where that was
 * pruned, the full one. *ret_found is false when neither is there or the file has another length.
 */
MUST_CHECK CK_RV tile_read(int folder, unsigned level, uint64_t n, unsigned width,
                           uint8_t ret[TILE_WIDTH][HASH_LEN], bool *ret_found);

/* The right edge of a tree of that size. CKR_DEVICE_ERROR when a tile is missing. */
MUST_CHECK CK_RV tiles_load_edge(int folder, uint64_t size, struct edge *ret);

/* Removes the partial files of a tile or bundle that is now full. What cannot be removed stays,
 * harmlessly. */
void tiles_prune(int folder, const char *partials);

#endif
