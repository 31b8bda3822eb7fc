/*
 * Checkpoints: tiles and a signature over everything appended so far.
 *
 * Order, so that a crash at any point leaves a log that opens:
 *   1. new records are read and hashed onto the right edge; tiles and partial bundles are written
 * add_records()
 *   2. records, tiles and folders are brought to disk file_sync_all()
 *   3. full bundles move from journal/ to tile/entries/ move_bundles()
 *   4. the new root is signed, and the checkpoint replaced checkpoint_store()
 *   5. partial files that have become full are removed prune() Up to 4 the old checkpoint stands
 * and everything it needs is untouched; what 1 to 3 left is made again over it.
 *
 * What is signed always continues what was signed: the edge comes from tiles that gave the old
 * root, and records that are signed already are hashed again as long as their bundle is unfinished.
 */
#include "audit/trail_int.h"

#include "audit/bundle.h"
#include "audit/files.h"
#include "audit/paths.h"
#include "audit/tiles.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

/* One run over records from..to. */
struct build {
    struct trail *t;
    uint64_t from, to;
    struct buf sync; /* paths that have to be on disk before the signature */
};

/* Within our own log a note that does not verify is damage, not bad input. */
static CK_RV as_damage(CK_RV rv)
{
    return rv == CKR_DATA_INVALID ? fail(CKR_DEVICE_ERROR, "%s", fail_reason()) : rv;
}

static CK_RV check_continues(const struct trail *t, const struct checkpoint *c)
{
    if (c->size < t->last.size || (c->size == t->last.size && t->last.size > 0 &&
                                   memcmp(c->root, t->last.root, HASH_LEN) != 0))
        return fail(CKR_DEVICE_ERROR,
                    "the log's checkpoint (of %" PRIu64 " records) is not the one that was there "
                    "(%" PRIu64 " records): an old copy was put back, restore the newest one",
                    c->size, t->last.size);
    return CKR_OK;
}

CK_RV checkpoint_load(struct trail *t, struct checkpoint *ret)
{
    struct buf note = BUF_INIT(NOTE_MAX);
    struct checkpoint c;
    bool found = false;
    CK_RV rv = file_read(t->folder, PATH_CHECKPOINT, NOTE_MAX, &note, &found);

    if (rv == CKR_OK && !found)
        rv = fail(CKR_DEVICE_ERROR,
                  "there is no checkpoint in %s: the log was deleted, or never "
                  "created",
                  t->dir);
    if (rv == CKR_OK)
        rv = as_damage(checkpoint_open(t->hash, &t->key, buf_bytes(&note), &c));
    if (rv == CKR_OK)
        rv = check_continues(t, &c);
    buf_release(&note);
    if (rv != CKR_OK)
        return rv;
    t->last = c;
    *ret = c;
    return CKR_OK;
}

CK_RV checkpoint_store(struct trail *t, const struct checkpoint *c)
{
    struct buf note = BUF_INIT(TRAIL_NOTE_MAX);
    uint8_t signature[64] = {0};
    bool good = false;
    CK_RV rv;

    checkpoint_print(c, t->key.name, &note);
    rv = t->signer.sign(t->signer.ctx, buf_bytes(&note), signature);
    if (rv != CKR_OK)
        rv = fail_in(rv, "cannot sign the log's checkpoint");
    else
        rv = hash_verify_ed25519(t->hash, t->key.key, buf_bytes(&note), signature, &good);
    if (rv == CKR_OK && !good)
        rv = fail(CKR_DEVICE_ERROR, "the log's signing key is another one than the public key it "
                                    "is verified with: the checkpoint is not written");
    note_add_signature(&t->key, signature, &note);
    if (rv == CKR_OK && !buf_ok(&note))
        rv = fail_memory();
    if (rv == CKR_OK)
        rv = file_write(t->folder, PATH_CHECKPOINT, buf_bytes(&note), true);
    buf_release(&note);
    return rv;
}

CK_RV checkpoint_load_edge(struct trail *t, const struct checkpoint *c)
{
    uint8_t root[HASH_LEN];
    CK_RV rv = tiles_load_edge(t->folder, c->size, t->edge);

    t->edge_good = false;
    if (rv == CKR_OK)
        rv = edge_root(t->edge, t->hash, root);
    if (rv == CKR_OK && memcmp(root, c->root, HASH_LEN) != 0)
        rv = fail(CKR_DEVICE_ERROR, "the log's newest tiles do not give the signed root: a tile "
                                    "was replaced, 'keyward log verify' says which");
    if (rv == CKR_OK)
        t->edge_good = true;
    return rv;
}

/* Called for the records of one bundle that lie below end. */
typedef CK_RV (*record_fn)(struct build *b, uint64_t seq, const uint8_t leaf[static HASH_LEN]);

/* Reads bundle n, hashes its records below end and hands them on. *ret_used: bytes they take. */
static CK_RV each_leaf(struct build *b, uint64_t n, uint64_t end, record_fn each, size_t *ret_used)
{
    struct trail *t = b->t;
    uint64_t seq = n * BUNDLE_RECORDS;
    bool found = false;
    CK_RV rv;

    buf_clear(&t->bundle);
    rv = bundle_read(t->folder, n, &t->bundle, &found);
    if (rv == CKR_OK && !found)
        rv = fail(CKR_DEVICE_ERROR, "journal/%" PRIu64 " of the log was deleted", n);
    *ret_used = 0;
    for (; rv == CKR_OK && seq < end && seq / BUNDLE_RECORDS == n; seq++) {
        uint8_t leaf[HASH_LEN];
        struct bytes json;
        uint64_t written;

        if (bundle_next(buf_bytes(&t->bundle), ret_used, &json) != BUNDLE_RECORD ||
            !bundle_seq(json, &written) || written != seq)
            return fail(CKR_DEVICE_ERROR,
                        "record %" PRIu64 " of the log is damaged or missing: "
                        "restore the log from a copy",
                        seq);
        rv = hash_leaf(t->hash, json, leaf);
        if (rv == CKR_OK)
            rv = each(b, seq, leaf);
    }
    return rv;
}

static CK_RV compare_leaf(struct build *b, uint64_t seq, const uint8_t leaf[static HASH_LEN])
{
    if (memcmp(b->t->edge->tile[0][seq % TILE_WIDTH], leaf, HASH_LEN) == 0)
        return CKR_OK;
    return fail(CKR_DEVICE_ERROR,
                "record %" PRIu64 " of the log was changed after it was signed: "
                "restore the log from a copy",
                seq);
}

CK_RV checkpoint_check_bundle(struct trail *t, const struct checkpoint *c)
{
    struct build b = {.t = t};
    size_t used;

    if (c->size % BUNDLE_RECORDS == 0)
        return CKR_OK;
    return each_leaf(&b, c->size / BUNDLE_RECORDS, c->size, compare_leaf, &used);
}

static CK_RV write_tile(struct build *b, unsigned level, uint64_t n, unsigned width,
                        const uint8_t hashes[TILE_WIDTH][HASH_LEN])
{
    char path[PATH_LOG_MAX];

    path_tile(level, n, width, path);
    file_sync_later(&b->sync, path);
    return file_write(b->t->folder, path, BYTES(hashes, width * HASH_LEN), false);
}

static CK_RV full_tile(void *ctx, unsigned level, uint64_t n,
                       const uint8_t hashes[TILE_WIDTH][HASH_LEN])
{
    return write_tile(ctx, level, n, TILE_WIDTH, hashes);
}

static CK_RV push_leaf(struct build *b, uint64_t seq, const uint8_t leaf[static HASH_LEN])
{
    const struct edge_sink sink = {.full = full_tile, .ctx = b};

    if (seq < b->from)
        return compare_leaf(b, seq, leaf);
    return edge_push(b->t->edge, b->t->hash, leaf, &sink);
}

/* Everything of one bundle: leaves, tiles they fill, the partial copy; its own file goes on the
 * list for the disk. */
static CK_RV add_bundle(struct build *b, uint64_t n)
{
    uint64_t end = (n + 1) * BUNDLE_RECORDS < b->to ? (n + 1) * BUNDLE_RECORDS : b->to;
    char path[PATH_LOG_MAX];
    struct stat st;
    size_t used;
    CK_RV rv = each_leaf(b, n, end, push_leaf, &used);

    if (rv != CKR_OK)
        return rv;
    /* A run that was interrupted may have moved the bundle: then it was synced before. */
    path_journal(n, path);
    if (fstatat(b->t->folder, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
        file_sync_later(&b->sync, path);
    if (end % BUNDLE_RECORDS == 0)
        return CKR_OK;
    path_entries(n, (unsigned)(end % BUNDLE_RECORDS), path);
    file_sync_later(&b->sync, path);
    return file_write(b->t->folder, path, BYTES(b->t->bundle.data, used), false);
}

static CK_RV add_records(struct build *b)
{
    CK_RV rv = CKR_OK;

    for (uint64_t n = b->from / BUNDLE_RECORDS; rv == CKR_OK && n * BUNDLE_RECORDS < b->to; n++)
        rv = add_bundle(b, n);
    for (unsigned level = 0; rv == CKR_OK && level < EDGE_LEVELS; level++) {
        unsigned width = edge_width(b->to, level);

        if (width > 0)
            rv =
                write_tile(b, level, edge_tile_index(b->to, level), width, b->t->edge->tile[level]);
    }
    return rv;
}

static CK_RV move_bundle(struct build *b, uint64_t n)
{
    char from[PATH_LOG_MAX];
    char to[PATH_LOG_MAX];
    struct stat st;
    CK_RV rv;

    path_journal(n, from);
    path_entries(n, BUNDLE_RECORDS, to);
    file_sync_later(&b->sync, to);
    rv = file_make_parents(b->t->folder, to);
    if (rv != CKR_OK)
        return rv;
    if (renameat2(b->t->folder, from, b->t->folder, to, RENAME_NOREPLACE) == 0)
        return CKR_OK;
    if (errno == ENOENT && fstatat(b->t->folder, to, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return CKR_OK; /* by a run that was interrupted */
    return fail_errno("move a full bundle to", to);
}

static CK_RV move_bundles(struct build *b)
{
    CK_RV rv = CKR_OK;

    buf_clear(&b->sync);
    for (uint64_t n = b->from / BUNDLE_RECORDS; rv == CKR_OK && n < b->to / BUNDLE_RECORDS; n++)
        rv = move_bundle(b, n);
    if (rv == CKR_OK && b->sync.len > 0) {
        file_sync_later(&b->sync, PATH_JOURNAL);
        rv = file_sync_all(b->t->folder, &b->sync);
    }
    return rv;
}

static void prune(const struct build *b)
{
    char path[PATH_LOG_MAX];

    for (unsigned level = 0; level < EDGE_LEVELS; level++) {
        uint64_t n = edge_tile_index(b->from, level);

        if (edge_width(b->from, level) == 0 || edge_tile_index(b->to, level) == n)
            continue;
        path_tile(level, n, 0, path);
        tiles_prune(b->t->folder, path);
        if (level > 0)
            continue;
        path_entries(n, 0, path);
        tiles_prune(b->t->folder, path);
    }
}

static CK_RV build(struct trail *t, uint64_t from, uint64_t to)
{
    struct build b = {.t = t, .from = from, .to = to, .sync = BUF_INIT(FILE_SYNC_LIST_MAX)};
    struct checkpoint c = {.size = to};
    CK_RV rv;

    t->edge_good = false; /* until all of it is on disk and signed */
    rv = add_records(&b);
    if (rv == CKR_OK)
        rv = file_sync_all(t->folder, &b.sync);
    if (rv == CKR_OK)
        rv = move_bundles(&b);
    if (rv == CKR_OK)
        rv = edge_root(t->edge, t->hash, c.root);
    if (rv == CKR_OK)
        rv = checkpoint_store(t, &c);
    if (rv == CKR_OK) {
        t->last = c;
        t->edge_good = true;
        atomic_store(&t->signed_size, to);
        prune(&b);
    }
    buf_release(&b.sync);
    return rv;
}

/* The folder and its lock must still be those that were opened: else another process builds beside
 * us. */
static CK_RV check_folder(const struct trail *t)
{
    struct stat dir;
    struct stat lock;

    if (stat(t->dir, &dir) != 0 || fstat(t->build_lock, &lock) != 0)
        return fail_errno("find log folder", t->dir);
    if (!file_same(&dir, &t->folder_id) || lock.st_nlink == 0)
        return fail(CKR_DEVICE_ERROR,
                    "log folder %s, or its file '" PATH_BUILD_LOCK "', was "
                    "replaced while in use: restart the programs that use it",
                    t->dir);
    return CKR_OK;
}

static CK_RV build_what_is_new(struct trail *t)
{
    struct checkpoint c;
    uint64_t size = 0;
    bool cached;
    CK_RV rv = check_folder(t);

    if (rv == CKR_OK)
        rv = loss_refuse(t);
    if (rv != CKR_OK)
        return rv;
    cached = t->edge_good;
    rv = checkpoint_load(t, &c);
    if (rv == CKR_OK && !(cached && t->edge->size == c.size))
        rv = checkpoint_load_edge(t, &c);
    if (rv == CKR_OK)
        rv = journal_enter(&t->journal);
    if (rv != CKR_OK)
        return rv;
    size = journal_size(&t->journal);
    journal_leave(&t->journal);
    if (size < c.size)
        return fail(CKR_DEVICE_ERROR,
                    "the log holds %" PRIu64 " records but %" PRIu64 " were "
                    "signed: records were cut off, restore the log from a copy",
                    size, c.size);
    atomic_store(&t->signed_size, c.size);
    return size > c.size ? build(t, c.size, size) : CKR_OK;
}

static CK_RV run(struct trail *t, bool at_end)
{
    CK_RV rv = CKR_OK;

    atomic_store(&t->attempted, clock_monotonic(t->clock));
    if (pthread_mutex_trylock(&t->building) != 0)
        return CKR_OK;
    if (flock(t->build_lock, LOCK_EX | LOCK_NB) == 0) {
        rv = build_what_is_new(t);
        if (rv == CKR_OK)
            rv = loss_anchor(t, at_end);
        (void)flock(t->build_lock, LOCK_UN);
    } else if (errno != EWOULDBLOCK && errno != EINTR) {
        rv = fail_errno("lock", PATH_BUILD_LOCK);
    }
    (void)pthread_mutex_unlock(&t->building);
    return rv;
}

CK_RV trail_checkpoint(struct trail *t)
{
    return run(t, false);
}

CK_RV trail_end(struct trail *t)
{
    return run(t, t->anchor_at_end);
}
