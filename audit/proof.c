/*
 * Merkle proofs: see proof.h. The tree's hashes come out of the tiles, 256 to a file; the hash of a
 * subtree that is no power of two, at the right edge only, is joined out of those below it.
 */
#include "audit/proof.h"

#include "audit/base64.h"
#include "audit/bundle.h"
#include "audit/files.h"
#include "audit/note.h"
#include "audit/paths.h"
#include "audit/tiles.h"
#include "base/scope.h"

#include <inttypes.h>
#include <string.h>

#define PROOF_HEADER "c2sp.org/tlog-proof@v1\n"

/* Leaves first..first+count-1 of a tree. */
struct span {
    uint64_t first, count;
};

struct tree {
    int folder;
    struct hash *hash;
    uint64_t size;
};

/* The largest power of two less than n, n > 1: where RFC 6962 splits. */
static uint64_t split_of(uint64_t n)
{
    return UINT64_C(1) << (63 - __builtin_clzll(n - 1));
}

/* Its hash stands in one tile, or is joined from up to 128 neighbours in one. */
static CK_RV perfect_hash(const struct tree *t, struct span span, uint8_t ret[static HASH_LEN])
{
    unsigned height = (unsigned)__builtin_ctzll(span.count);
    unsigned level = height / 8;
    unsigned n = 1U << height % 8;
    uint64_t at = span.first >> 8 * level; /* of the first of n hashes of that level */
    uint64_t tile = at / TILE_WIDTH;
    uint64_t left = (t->size >> 8 * level) - tile * TILE_WIDTH;
    unsigned width = left < TILE_WIDTH ? (unsigned)left : TILE_WIDTH;
    uint8_t hashes[TILE_WIDTH][HASH_LEN];
    uint8_t(*row)[HASH_LEN] = hashes + at % TILE_WIDTH;
    bool found = false;
    CK_RV rv = tile_read(t->folder, level, tile, width, hashes, &found);

    if (rv == CKR_OK && !found)
        rv = fail(CKR_DEVICE_ERROR,
                  "tile %" PRIu64 " of level %u is missing or cut: run 'keyward log verify'", tile,
                  level);
    for (; rv == CKR_OK && n > 1; n /= 2) {
        for (unsigned i = 0; rv == CKR_OK && i < n / 2; i++)
            rv = hash_node(t->hash, row[2 * i], row[2 * i + 1], row[i]);
    }
    if (rv == CKR_OK)
        memcpy(ret, row[0], HASH_LEN);
    return rv;
}

/* The hash over any span that is a subtree: perfect ones from the left, joined from the right. */
static CK_RV span_hash(const struct tree *t, struct span span, uint8_t ret[static HASH_LEN])
{
    uint8_t parts[64][HASH_LEN];
    unsigned count = 0;
    CK_RV rv;

    do {
        uint64_t part = (span.count & (span.count - 1)) == 0 ? span.count : split_of(span.count);

        rv = perfect_hash(t, (struct span){span.first, part}, parts[count++]);
        span = (struct span){span.first + part, span.count - part};
    } while (rv == CKR_OK && span.count > 0);
    if (rv == CKR_OK)
        memcpy(ret, parts[--count], HASH_LEN);
    while (rv == CKR_OK && count > 0)
        rv = hash_node(t->hash, parts[--count], ret, ret);
    return rv;
}

/* The spans that were passed by on the way down are the proof, the lowest first. */
static CK_RV hash_spans(const struct tree *t, const struct span *spans, size_t count,
                        struct proof *ret)
{
    CK_RV rv = CKR_OK;

    ret->count = 0;
    while (rv == CKR_OK && count > 0)
        rv = span_hash(t, spans[--count], ret->hashes[ret->count++]);
    return rv;
}

CK_RV proof_inclusion(int folder, struct hash *h, uint64_t index, uint64_t size, struct proof *ret)
{
    const struct tree tree = {.folder = folder, .hash = h, .size = size};
    struct span at = {0, size};
    struct span passed[64];
    size_t count = 0;

    if (index >= size)
        return fail(CKR_ARGUMENTS_BAD, "record %" PRIu64 " is not in a tree of %" PRIu64 " records",
                    index, size);
    while (at.count > 1) {
        uint64_t k = split_of(at.count);
        bool left = index < at.first + k;
        struct span halves[2] = {{at.first, k}, {at.first + k, at.count - k}};

        passed[count++] = halves[left ? 1 : 0];
        at = halves[left ? 0 : 1];
    }
    return hash_spans(&tree, passed, count, ret);
}

CK_RV proof_consistency(int folder, struct hash *h, uint64_t old, uint64_t size, struct proof *ret)
{
    const struct tree tree = {.folder = folder, .hash = h, .size = size};
    struct span at = {0, size};
    struct span passed[65];
    size_t count = 0;

    if (old == 0 || old > size)
        return fail(CKR_ARGUMENTS_BAD,
                    "a tree of %" PRIu64 " records does not continue one of %" PRIu64, size, old);
    /* Down to the subtree that ends where the old tree ended. */
    while (at.first + at.count != old) {
        uint64_t k = split_of(at.count);
        bool left = old <= at.first + k;
        struct span halves[2] = {{at.first, k}, {at.first + k, at.count - k}};

        passed[count++] = halves[left ? 1 : 0];
        at = halves[left ? 0 : 1];
    }
    /* Where it is the whole old tree, the other side knows its hash. */
    if (at.first != 0)
        passed[count++] = at;
    return hash_spans(&tree, passed, count, ret);
}

CK_RV proof_root(struct hash *h, const uint8_t leaf[static HASH_LEN], uint64_t index, uint64_t size,
                 const struct proof *proof, uint8_t ret[static HASH_LEN])
{
    uint64_t n = index;
    uint64_t last = size - 1;
    size_t i = 0;
    CK_RV rv = CKR_OK;

    if (index >= size)
        return fail(CKR_DATA_INVALID, "the proof is of a record that its tree does not have");
    memcpy(ret, leaf, HASH_LEN);
    for (; rv == CKR_OK && last > 0 && i < proof->count; i++) {
        if ((n & 1) != 0 || n == last) {
            rv = hash_node(h, proof->hashes[i], ret, ret);
            while ((n & 1) == 0 && n != 0) { /* levels at which the right edge is alone */
                n >>= 1;
                last >>= 1;
            }
        } else {
            rv = hash_node(h, ret, proof->hashes[i], ret);
        }
        n >>= 1;
        last >>= 1;
    }
    if (rv == CKR_OK && (last != 0 || i != proof->count))
        rv = fail(CKR_DATA_INVALID, "the proof has too few or too many hashes for its tree");
    return rv;
}

/* ---- the proof of one record, as text ---- */

struct proving {
    int folder;
    struct hash *hash;
    struct checkpoint checkpoint;
    struct buf note, bundle;
};

static CK_RV load_checkpoint(struct proving *p, const char *dir, const char *verifier_key)
{
    struct note_key key;
    bool found = false;
    CK_RV rv = hash_new(&p->hash);

    if (rv == CKR_OK)
        rv = note_key_parse(p->hash, verifier_key, &key);
    if (rv == CKR_OK)
        rv = file_read(p->folder, PATH_CHECKPOINT, NOTE_MAX, &p->note, &found);
    if (rv == CKR_OK && !found)
        rv = fail(CKR_DATA_INVALID, "the checkpoint is missing: nothing in %s is proven", dir);
    if (rv == CKR_OK)
        rv = checkpoint_open(p->hash, &key, buf_bytes(&p->note), &p->checkpoint);
    return rv;
}

static CK_RV find_record(struct proving *p, uint64_t seq, struct bytes *ret)
{
    bool found = false;
    size_t at = 0;
    CK_RV rv = bundle_read(p->folder, seq / BUNDLE_RECORDS, &p->bundle, &found);

    for (uint64_t i = 0; rv == CKR_OK && i <= seq % BUNDLE_RECORDS; i++)
        found = found && bundle_next(buf_bytes(&p->bundle), &at, ret) == BUNDLE_RECORD;
    if (rv == CKR_OK && !found)
        rv = fail(CKR_DATA_INVALID, "record %" PRIu64 " is missing: run 'keyward log verify'", seq);
    return rv;
}

/* Nobody is handed a proof that does not prove. */
static CK_RV check(struct proving *p, struct bytes json, uint64_t seq, const struct proof *proof)
{
    uint8_t leaf[HASH_LEN];
    uint8_t root[HASH_LEN];
    CK_RV rv = hash_leaf(p->hash, json, leaf);

    if (rv == CKR_OK)
        rv = proof_root(p->hash, leaf, seq, p->checkpoint.size, proof, root);
    if (rv == CKR_OK && memcmp(root, p->checkpoint.root, HASH_LEN) != 0)
        rv = fail(CKR_DATA_INVALID,
                  "record %" PRIu64 " or the tiles are not those that were signed: run 'keyward "
                  "log verify'",
                  seq);
    return rv;
}

static void print_proof(const struct proving *p, uint64_t seq, const struct proof *proof,
                        struct buf *out)
{
    buf_printf(out, PROOF_HEADER "index %" PRIu64 "\n", seq);
    for (size_t i = 0; i < proof->count; i++) {
        base64_put(out, BYTES(proof->hashes[i], HASH_LEN));
        buf_putc(out, '\n');
    }
    buf_putc(out, '\n');
    buf_put(out, p->note.data, p->note.len);
}

CK_RV proof_record(const char *dir, const char *verifier_key, uint64_t seq, struct buf *out,
                   struct buf *record)
{
    struct proving p = {
        .folder = -1, .note = BUF_INIT(NOTE_MAX), .bundle = BUF_INIT(BUNDLE_FILE_MAX)};
    SCOPED_FD int folder = -1;
    struct proof proof;
    struct bytes json;
    CK_RV rv = file_open_folder(dir, &folder);

    p.folder = folder;
    if (rv == CKR_OK)
        rv = load_checkpoint(&p, dir, verifier_key);

    if (rv == CKR_OK && seq >= p.checkpoint.size)
        rv = fail(CKR_ARGUMENTS_BAD,
                  "the checkpoint covers %" PRIu64 " records, not yet record %" PRIu64
                  ": run 'keyward log checkpoint' where the log has it",
                  p.checkpoint.size, seq);
    if (rv == CKR_OK)
        rv = proof_inclusion(p.folder, p.hash, seq, p.checkpoint.size, &proof);
    if (rv == CKR_OK)
        rv = find_record(&p, seq, &json);
    if (rv == CKR_OK)
        rv = check(&p, json, seq, &proof);
    if (rv == CKR_OK) {
        print_proof(&p, seq, &proof, out);
        if (record != NULL)
            buf_put(record, json.data, json.len);
        if (!buf_ok(out) || (record != NULL && !buf_ok(record)))
            rv = fail_memory();
    }
    buf_release(&p.note);
    buf_release(&p.bundle);
    hash_free(p.hash);
    return rv;
}
