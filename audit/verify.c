/*
 * Verification of a log folder from its files alone: see verify.h. Shares formats and arithmetic
 * with the writer (note.c, edge.c, bundle.c), not its ways of finding things.
 *
 * One pass: every record is hashed onto a tree of our own, every tile of which is held against the
 * file of that tile. Only the signature decides who is right when they differ: where the records
 * give the signed root, the tile is wrong; where they do not, the first difference names the
 * record.
 *
 * A log may be written to meanwhile: partial files may give way to full ones, bundles may move to
 * tile/entries/.
 */
#include "audit/verify.h"

#include "audit/bundle.h"
#include "audit/edge.h"
#include "audit/files.h"
#include "audit/note.h"
#include "audit/paths.h"
#include "audit/tiles.h"
#include "base/scope.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A tile that is not what the records make of it. */
struct difference {
    bool found;
    unsigned level;
    uint64_t tile;
    unsigned index; /* the first hash that differs */
};

/* An older checkpoint that the log must continue. */
struct known {
    bool given, continues;
    const char *whose;
    struct checkpoint c;
};

enum { KNOWN_GIVEN, KNOWN_ANCHOR, KNOWN_COUNT };

struct verifier {
    int folder;
    struct hash *hash;
    struct note_key key;
    struct checkpoint signed_c;
    struct known known[KNOWN_COUNT];
    struct edge *edge;
    struct difference differs; /* the first tile with other hashes */
    struct difference missing; /* the first tile that is not there */
    struct buf bundle;
    struct buf partial; /* signed records of the last, unfinished bundle */
    struct verify_report report;
};

/* Notes the first problem only: what follows from it would hide it. */
__attribute__((format(printf, 2, 3))) static void problem(struct verifier *v, const char *fmt, ...)
{
    va_list ap;

    if (!v->report.ok)
        return;
    v->report.ok = false;
    va_start(ap, fmt);
    (void)vsnprintf(v->report.problem, sizeof(v->report.problem), fmt, ap);
    va_end(ap);
}

static void bad_record(struct verifier *v, uint64_t seq, const char *what)
{
    if (!v->report.ok)
        return;
    problem(v, "record %" PRIu64 " %s", seq, what);
    v->report.has_bad_seq = true;
    v->report.bad_seq = seq;
}

static CK_RV read_checkpoint(struct verifier *v)
{
    struct buf note = BUF_INIT(NOTE_MAX);
    bool found = false;
    CK_RV rv = file_read(v->folder, PATH_CHECKPOINT, NOTE_MAX, &note, &found);

    if (rv == CKR_OK && !found) {
        problem(v, "the checkpoint is missing: it was deleted, nothing in this folder is proven");
    } else if (rv == CKR_OK) {
        rv = checkpoint_open(v->hash, &v->key, buf_bytes(&note), &v->signed_c);
        if (rv == CKR_DATA_INVALID) {
            problem(v, "%s", fail_reason());
            rv = CKR_OK;
        }
    }
    buf_release(&note);
    if (v->report.ok) {
        v->report.size = v->signed_c.size;
        memcpy(v->report.root, v->signed_c.root, HASH_LEN);
    }
    return rv;
}

/* Reads the signed bundle n of width records: the partial file, or the full one that took its
 * place. */
static CK_RV read_signed(struct verifier *v, uint64_t n, unsigned width, bool *ret_exact,
                         bool *ret_found)
{
    char path[PATH_LOG_MAX];
    CK_RV rv;

    *ret_exact = true;
    buf_clear(&v->bundle);
    path_entries(n, width, path);
    rv = file_read(v->folder, path, BUNDLE_FILE_MAX, &v->bundle, ret_found);
    if (rv != CKR_OK || *ret_found || width == BUNDLE_RECORDS)
        return rv;
    *ret_exact = false;
    path_entries(n, BUNDLE_RECORDS, path);
    return file_read(v->folder, path, BUNDLE_FILE_MAX, &v->bundle, ret_found);
}

static CK_RV compare_tile(struct verifier *v, unsigned level, uint64_t n, unsigned width,
                          const uint8_t hashes[TILE_WIDTH][HASH_LEN])
{
    uint8_t file[TILE_WIDTH][HASH_LEN];
    unsigned i = 0;
    bool found = false;
    CK_RV rv = tile_read(v->folder, level, n, width, file, &found);
    struct difference *to = found ? &v->differs : &v->missing;

    if (rv != CKR_OK || to->found)
        return rv;
    while (found && i < width && memcmp(file[i], hashes[i], HASH_LEN) == 0)
        i++;
    if (i < width)
        *to = (struct difference){.found = true, .level = level, .tile = n, .index = i};
    return CKR_OK;
}

static CK_RV full_tile(void *ctx, unsigned level, uint64_t n,
                       const uint8_t hashes[TILE_WIDTH][HASH_LEN])
{
    return compare_tile(ctx, level, n, TILE_WIDTH, hashes);
}

/* The next record of data, if it is whole and numbered seq; else a problem. */
static bool take(struct verifier *v, struct bytes data, size_t *at, uint64_t seq,
                 struct bytes *ret_json)
{
    uint64_t written;

    switch (bundle_next(data, at, ret_json)) {
    case BUNDLE_END:
        bad_record(v, seq, "is missing: its entry bundle ends before it");
        return false;
    case BUNDLE_TORN:
        bad_record(v, seq, "is cut: its entry bundle ends inside it");
        return false;
    case BUNDLE_RECORD:
        break;
    }
    if (!bundle_seq(*ret_json, &written)) {
        bad_record(v, seq, "does not begin with its sequence number: it was changed");
        return false;
    }
    if (written != seq) {
        problem(v,
                "record %" PRIu64 " stands where record %" PRIu64
                " belongs: records were removed, inserted or moved",
                written, seq);
        v->report.has_bad_seq = true;
        v->report.bad_seq = seq;
    }
    return written == seq;
}

/* Once as many records are in the tree as an older checkpoint has, it must be the same tree. */
static CK_RV compare_known(struct verifier *v)
{
    CK_RV rv = CKR_OK;

    for (struct known *k = v->known; rv == CKR_OK && k < v->known + KNOWN_COUNT; k++) {
        uint8_t root[HASH_LEN];

        if (!k->given || v->edge->size != k->c.size)
            continue;
        rv = edge_root(v->edge, v->hash, root);
        if (rv == CKR_OK)
            k->continues = memcmp(root, k->c.root, HASH_LEN) == 0;
    }
    return rv;
}

/* Told last: a record that is not the signed one says more. */
static void check_known(struct verifier *v)
{
    for (const struct known *k = v->known; k < v->known + KNOWN_COUNT; k++)
        if (k->given && k->c.size > v->signed_c.size) {
            problem(v,
                    "the log has %" PRIu64 " records, %s has %" PRIu64
                    ": the log was put back to an older state, or cut",
                    v->signed_c.size, k->whose, k->c.size);
            v->report.has_bad_seq = true;
            v->report.bad_seq = v->signed_c.size;
        } else if (k->given && !k->continues) {
            problem(v, "the first %" PRIu64 " records are not those of %s: the log was rewritten",
                    k->c.size, k->whose);
        }
}

/* Hashes the records of the signed bundle n. */
static CK_RV add_bundle(struct verifier *v, uint64_t n)
{
    const struct edge_sink sink = {.full = full_tile, .ctx = v};
    uint64_t first = n * BUNDLE_RECORDS;
    uint64_t left = v->signed_c.size - first;
    unsigned width = left < BUNDLE_RECORDS ? (unsigned)left : BUNDLE_RECORDS;
    bool exact;
    bool found = false;
    size_t at = 0;
    CK_RV rv = read_signed(v, n, width, &exact, &found);

    if (rv == CKR_OK && !found) {
        problem(v, "the entry bundle of records %" PRIu64 " to %" PRIu64 " is missing", first,
                first + width - 1);
        v->report.has_bad_seq = true;
        v->report.bad_seq = first;
    }
    for (unsigned i = 0; rv == CKR_OK && v->report.ok && i < width; i++) {
        uint8_t leaf[HASH_LEN];
        struct bytes json;

        if (!take(v, buf_bytes(&v->bundle), &at, first + i, &json))
            return CKR_OK;
        rv = hash_leaf(v->hash, json, leaf);
        if (rv == CKR_OK)
            rv = edge_push(v->edge, v->hash, leaf, &sink);
        if (rv == CKR_OK)
            rv = compare_known(v);
    }
    if (rv == CKR_OK && v->report.ok && exact && at != v->bundle.len)
        bad_record(v, first + width,
                   "stands in an entry bundle that ends before it: it was "
                   "inserted");
    if (rv == CKR_OK && v->report.ok && width < BUNDLE_RECORDS)
        buf_put(&v->partial, v->bundle.data, at);
    return rv;
}

static CK_RV add_records(struct verifier *v)
{
    CK_RV rv;

    v->edge->size = 0;
    rv = compare_known(v);
    for (uint64_t n = 0; rv == CKR_OK && v->report.ok && n * BUNDLE_RECORDS < v->signed_c.size; n++)
        rv = add_bundle(v, n);
    for (unsigned level = 0; rv == CKR_OK && v->report.ok && level < EDGE_LEVELS; level++) {
        unsigned width = edge_width(v->signed_c.size, level);

        if (width > 0)
            rv = compare_tile(v, level, edge_tile_index(v->signed_c.size, level), width,
                              v->edge->tile[level]);
    }
    return rv;
}

static void blame_tile(struct verifier *v, const struct difference *d, unsigned width,
                       const char *what)
{
    char path[PATH_LOG_MAX];

    path_tile(d->level, d->tile, width, path);
    problem(v, "%s %s; the records themselves are proven by the signed root", path, what);
}

static unsigned width_of(const struct verifier *v, const struct difference *d)
{
    if (d->tile < edge_tile_index(v->signed_c.size, d->level))
        return TILE_WIDTH;
    return edge_width(v->signed_c.size, d->level);
}

/* The records do not give the signed root: says which ones differ from what the tiles remember. */
static void blame_records(struct verifier *v)
{
    const struct difference *d = &v->differs;
    uint64_t span;
    uint64_t first;

    if (!d->found) {
        problem(v, "the records do not give the signed root, and the tiles were made to fit them: "
                   "the log was rewritten, or the checkpoint is of another log");
        return;
    }
    span = (uint64_t)1 << 8 * d->level;
    first = (d->tile * TILE_WIDTH + d->index) * span;
    if (d->level == 0)
        bad_record(v, first, "is not the one that was signed: it was changed");
    else
        problem(v, "records %" PRIu64 " to %" PRIu64 " are not those that were signed", first,
                first + span - 1);
}

static CK_RV check_root(struct verifier *v)
{
    uint8_t root[HASH_LEN];
    CK_RV rv = edge_root(v->edge, v->hash, root);

    if (rv != CKR_OK)
        return rv;
    if (memcmp(root, v->signed_c.root, HASH_LEN) != 0)
        blame_records(v);
    else if (v->differs.found)
        blame_tile(v, &v->differs, width_of(v, &v->differs), "was replaced or damaged");
    else if (v->missing.found)
        blame_tile(v, &v->missing, width_of(v, &v->missing), "is missing or cut");
    return CKR_OK;
}

static bool journal_has_records(const struct verifier *v, uint64_t n)
{
    char path[PATH_LOG_MAX];
    struct stat st;

    path_journal(n, path);
    return fstatat(v->folder, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size > 0;
}

/* Goes through the records of one bundle behind `at`. *ret_full: it is full, another bundle must
 * follow. */
static void check_tail_bundle(struct verifier *v, uint64_t n, size_t at, bool followed,
                              bool *ret_full)
{
    uint64_t seq = v->signed_c.size + v->report.unsigned_tail;
    struct bytes data = buf_bytes(&v->bundle);

    *ret_full = false;
    for (; seq / BUNDLE_RECORDS == n && v->report.ok && at < data.len; seq++) {
        struct bytes json;

        if (!followed && bundle_is_remains(BYTES(data.data + at, data.len - at), seq)) {
            size_t whole = at;

            /* What a writer has not finished, or never will: it was never answered for. */
            if (bundle_next(data, &whole, &json) != BUNDLE_RECORD || json.len == 0)
                return;
        }
        if (take(v, data, &at, seq, &json))
            v->report.unsigned_tail++;
    }
    if (!v->report.ok)
        return;
    *ret_full = seq / BUNDLE_RECORDS != n;
    if (*ret_full && at < data.len)
        bad_record(v, seq, "stands in a bundle of the journal that ends before it");
    if (!*ret_full && followed)
        bad_record(v, seq, "is missing: later ones are still in the journal");
}

/* The journal's copy of the signed records of its first bundle must be the signed one. *ret_at:
 * where they end. */
static void check_signed_again(struct verifier *v, uint64_t n, size_t *ret_at)
{
    struct bytes want = buf_bytes(&v->partial);
    struct bytes have = buf_bytes(&v->bundle);
    size_t at = 0;
    uint64_t seq = n * BUNDLE_RECORDS;

    *ret_at = want.len;
    for (; at < want.len; seq++) {
        size_t from = at;
        struct bytes json;

        if (bundle_next(want, &at, &json) != BUNDLE_RECORD)
            return; /* read and numbered before: it cannot be */
        if (have.len < at || memcmp(have.data + from, want.data + from, at - from) != 0) {
            bad_record(v, seq, "differs in the journal from the one that was signed");
            return;
        }
    }
}

/* The records behind the checkpoint, and the signed ones that share a bundle with them. */
static CK_RV check_tail(struct verifier *v)
{
    bool full = true;

    for (uint64_t n = v->signed_c.size / BUNDLE_RECORDS; full && v->report.ok; n++) {
        /* Looked at first: records behind a bundle mean that it was full before. */
        bool followed = journal_has_records(v, n + 1);
        size_t at = 0;
        bool found = false;
        CK_RV rv;

        buf_clear(&v->bundle);
        rv = bundle_read(v->folder, n, &v->bundle, &found);
        if (rv != CKR_OK)
            return rv;
        if (!found) {
            problem(v,
                    "journal/%" PRIu64 " is missing: records from %" PRIu64
                    " on may have been deleted",
                    n, v->signed_c.size + v->report.unsigned_tail);
            return CKR_OK;
        }
        if (n == v->signed_c.size / BUNDLE_RECORDS)
            check_signed_again(v, n, &at);
        check_tail_bundle(v, n, at, followed, &full);
    }
    return CKR_OK;
}

static CK_RV verify(struct verifier *v)
{
    CK_RV rv = read_checkpoint(v);

    if (rv == CKR_OK && v->report.ok)
        rv = add_records(v);
    if (rv == CKR_OK && v->report.ok)
        rv = check_root(v);
    if (rv == CKR_OK && v->report.ok)
        rv = check_tail(v);
    if (rv == CKR_OK)
        check_known(v);
    return rv == CKR_OK && (!buf_ok(&v->partial) || !buf_ok(&v->bundle)) ? fail_memory() : rv;
}

CK_RV verify_log(const char *dir, const char *verifier_key, struct verify_report *ret)
{
    return verify_log_against(dir, verifier_key, BYTES_NONE, ret);
}

static CK_RV open_against(struct verifier *v, struct bytes note)
{
    CK_RV rv;

    if (note.len == 0)
        return CKR_OK;
    v->known[KNOWN_GIVEN] = (struct known){.given = true, .whose = "the checkpoint given"};
    rv = checkpoint_open(v->hash, &v->key, note, &v->known[KNOWN_GIVEN].c);
    return rv == CKR_DATA_INVALID
               ? fail_in(CKR_ARGUMENTS_BAD, "the checkpoint to be continued is none of this log")
               : rv;
}

static void know_anchor(struct verifier *v, const struct verify_anchor *anchor)
{
    struct known *k = &v->known[KNOWN_ANCHOR];

    *k = (struct known){.given = anchor->size > 0, .whose = "its anchor", .c.size = anchor->size};
    memcpy(k->c.root, anchor->root, HASH_LEN);
}

CK_RV verify_log_against(const char *dir, const char *verifier_key, struct bytes against,
                         struct verify_report *ret)
{
    const struct verify_anchor none = {.size = 0};

    return verify_log_anchored(dir, verifier_key, against, &none, ret);
}

CK_RV verify_log_anchored(const char *dir, const char *verifier_key, struct bytes against,
                          const struct verify_anchor *anchor, struct verify_report *ret)
{
    struct verifier v = {.folder = -1,
                         .bundle = BUF_INIT(BUNDLE_FILE_MAX),
                         .partial = BUF_INIT(BUNDLE_FILE_MAX),
                         .report = {.ok = true}};
    CK_RV rv = hash_new(&v.hash);

    if (rv == CKR_OK)
        rv = note_key_parse(v.hash, verifier_key, &v.key);
    if (rv == CKR_OK)
        rv = open_against(&v, against);
    know_anchor(&v, anchor);
    if (rv == CKR_OK)
        rv = file_open_folder(dir, &v.folder);
    if (rv == CKR_OK) {
        v.edge = malloc(sizeof(*v.edge));
        rv = v.edge != NULL ? verify(&v) : fail_memory();
    }
    if (rv == CKR_OK)
        *ret = v.report;
    free(v.edge);
    scope_close(&v.folder);
    buf_release(&v.bundle);
    buf_release(&v.partial);
    hash_free(v.hash);
    return rv;
}

CK_RV verify_key_text(const char *origin, const uint8_t public_key[static 32],
                      char ret[static VERIFY_KEY_MAX])
{
    SCOPED(hash_free_p) struct hash *h = NULL;
    struct note_key key;
    CK_RV rv = hash_new(&h);

    if (rv == CKR_OK)
        rv = note_key_make(h, origin, public_key, &key);
    if (rv == CKR_OK)
        note_key_print(&key, ret);
    return rv;
}
