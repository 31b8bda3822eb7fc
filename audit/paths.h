/*
 * Names of the log's files, relative to its folder (C2SP tlog-tiles, and keyward's journal):
 *
 *   checkpoint                    the signed note
 *   tile/<L>/<N>[.p/<W>]          256 (or W) hashes of level L
 *   tile/entries/<N>[.p/<W>]      256 (or W) records, each a big-endian uint16 length and the JSON
 *   journal/<n>                   the bundle being filled, and full ones not yet moved to
 * tile/entries/ lock, checkpoint.lock         flock()ed by whoever appends, or makes a checkpoint
 *   anchor[.next]                 anchor.h
 *
 * <N> is the index in groups of three digits, all but the last with an x: 1234067 is x001/x234/067.
 */
#ifndef KEYWARD_AUDIT_PATHS_H
#define KEYWARD_AUDIT_PATHS_H

#include <stdint.h>

#define PATH_LOG_MAX     96
#define PATH_CHECKPOINT  "checkpoint"
#define PATH_JOURNAL     "journal"
#define PATH_LOCK        "lock"
#define PATH_BUILD_LOCK  "checkpoint.lock"
#define PATH_ANCHOR      "anchor"
#define PATH_ANCHOR_NEXT "anchor.next"

/* width 256 names the full tile, 1 to 255 a partial one, 0 the folder of the partial ones. */
void path_tile(unsigned level, uint64_t n, unsigned width, char out[static PATH_LOG_MAX]);
void path_entries(uint64_t n, unsigned width, char out[static PATH_LOG_MAX]);
void path_journal(uint64_t n, char out[static PATH_LOG_MAX]);

#endif
