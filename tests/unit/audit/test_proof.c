/*
 * Proofs out of a log's tiles: of every record of trees of many sizes, and from every older tree;
 * checked by the standard's verification algorithms and against the roots that edge.c computes.
 */
#include "audit/edge.h"
#include "audit/files.h"
#include "audit/proof.h"
#include "audit/verify.h"
#include "tests/support/logbox.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RECORDS = 700 };

/* A log of RECORDS records, its leaves, and the root of each prefix. */
static struct logbox box;
static int folder = -1;
static struct hash *hash;
static uint8_t leaves[RECORDS][HASH_LEN];
static uint8_t roots[RECORDS + 1][HASH_LEN];

static CK_RV drop(void *ctx, unsigned level, uint64_t n, const uint8_t hashes[TILE_WIDTH][HASH_LEN])
{
    (void)ctx;
    (void)level;
    (void)n;
    (void)hashes;
    return CKR_OK;
}

static bool take_leaf(void *ctx, uint64_t seq, struct bytes json)
{
    static const struct edge_sink nowhere = {.full = drop};
    struct edge *edge = ctx;

    assert_ok(hash_leaf(hash, json, leaves[seq]));
    assert_ok(edge_push(edge, hash, leaves[seq], &nowhere));
    assert_ok(edge_root(edge, hash, roots[seq + 1]));
    return true;
}

static void start_of(unsigned records)
{
    struct edge *edge = calloc(1, sizeof(*edge));
    struct trail *trail = logbox_start(&box);

    logbox_append(trail, records);
    assert_ok(trail_checkpoint(trail));
    trail_close(trail);
    assert_ok(hash_new(&hash));
    assert_ok(file_open_folder(box.dir, &folder));
    assert_ok(verify_read(box.dir, 0, take_leaf, edge));
    free(edge);
}

static void start(void)
{
    start_of(RECORDS);
}

static void end(void)
{
    (void)close(folder);
    hash_free(hash);
    logbox_release(&box);
}

START_TEST(every_record_is_proven)
{
    start();
    for (uint64_t seq = 0; seq < RECORDS; seq++) {
        struct proof proof;
        uint8_t root[HASH_LEN];

        assert_ok(proof_inclusion(folder, hash, seq, RECORDS, &proof));
        assert_ok(proof_root(hash, leaves[seq], seq, RECORDS, &proof, root));
        ck_assert_mem_eq(root, roots[RECORDS], HASH_LEN);
        /* The neighbour: the same proof does not hold for another place or record. */
        assert_ok(proof_root(hash, leaves[(seq + 1) % RECORDS], seq, RECORDS, &proof, root));
        ck_assert_mem_ne(root, roots[RECORDS], HASH_LEN);
        proof.hashes[proof.count - 1][0] ^= 1;
        assert_ok(proof_root(hash, leaves[seq], seq, RECORDS, &proof, root));
        ck_assert_mem_ne(root, roots[RECORDS], HASH_LEN);
        proof.count--;
        assert_rv(CKR_DATA_INVALID, proof_root(hash, leaves[seq], seq, RECORDS, &proof, root));
    }
    end();
}
END_TEST

/* RFC 9162, section 2.1.4.2: the roots of both trees out of the proof. */
static bool is_consistent(uint64_t old, uint64_t size, const struct proof *proof)
{
    uint64_t n = old - 1;
    uint64_t last = size - 1;
    uint8_t first[HASH_LEN];
    uint8_t second[HASH_LEN];
    size_t i = 0;

    if (old == size)
        return proof->count == 0;
    for (; (n & 1) != 0; n >>= 1)
        last >>= 1;
    memcpy(first, (old & (old - 1)) == 0 ? roots[old] : proof->hashes[i++], HASH_LEN);
    memcpy(second, first, HASH_LEN);
    for (; i < proof->count; i++) {
        if (last == 0)
            return false;
        if ((n & 1) != 0 || n == last) {
            assert_ok(hash_node(hash, proof->hashes[i], first, first));
            assert_ok(hash_node(hash, proof->hashes[i], second, second));
            for (; (n & 1) == 0 && n != 0; n >>= 1)
                last >>= 1;
        } else {
            assert_ok(hash_node(hash, second, proof->hashes[i], second));
        }
        n >>= 1;
        last >>= 1;
    }
    return last == 0 && memcmp(first, roots[old], HASH_LEN) == 0 &&
           memcmp(second, roots[size], HASH_LEN) == 0;
}

START_TEST(every_older_tree_is_proven_to_be_continued)
{
    start();
    for (uint64_t old = 1; old <= RECORDS; old++) {
        struct proof proof;

        assert_ok(proof_consistency(folder, hash, old, RECORDS, &proof));
        ck_assert_msg(is_consistent(old, RECORDS, &proof), "from %llu", (unsigned long long)old);
        if (proof.count > 0) {
            proof.hashes[0][5] ^= 4;
            ck_assert(!is_consistent(old, RECORDS, &proof));
        }
    }
    end();
}
END_TEST

/* Right edges in a full tile, on its border and inside the next. */
static const unsigned sizes[] = {1, 2, 3, 7, 255, 256, 257, 300, 511, 512, 513};

START_TEST(records_of_smaller_logs_are_proven)
{
    unsigned size = sizes[_i];

    start_of(size);
    for (uint64_t seq = 0; seq < size; seq++) {
        struct proof proof;
        uint8_t root[HASH_LEN];

        assert_ok(proof_inclusion(folder, hash, seq, size, &proof));
        assert_ok(proof_root(hash, leaves[seq], seq, size, &proof, root));
        ck_assert_mem_eq(root, roots[size], HASH_LEN);
    }
    end();
}
END_TEST

START_TEST(what_is_not_in_the_tree_is_not_proven)
{
    struct proof proof;
    struct buf text = BUF_INIT(PROOF_TEXT_MAX);

    start();
    assert_rv(CKR_ARGUMENTS_BAD, proof_inclusion(folder, hash, RECORDS, RECORDS, &proof));
    assert_rv(CKR_ARGUMENTS_BAD, proof_consistency(folder, hash, RECORDS + 1, RECORDS, &proof));
    assert_rv(CKR_ARGUMENTS_BAD, proof_consistency(folder, hash, 0, RECORDS, &proof));
    assert_rv(CKR_ARGUMENTS_BAD, proof_record(box.dir, box.vkey, RECORDS, &text, NULL));
    assert_rv(CKR_ARGUMENTS_BAD, proof_record(box.dir, box.vkey, UINT64_MAX, &text, NULL));
    ck_assert_uint_eq(text.len, 0);
    end();
}
END_TEST

START_TEST(the_text_is_that_of_the_specification)
{
    struct buf text = BUF_INIT(PROOF_TEXT_MAX);
    struct buf record = BUF_INIT(EVENT_JSON_MAX);
    uint8_t leaf[HASH_LEN];
    size_t note_len;
    char *note;
    const char *at;
    struct proof proof;

    start();
    note = (char *)logbox_read(&box, "checkpoint", &note_len);
    assert_ok(proof_record(box.dir, box.vkey, 523, &text, &record));
    assert_ok(hash_leaf(hash, buf_bytes(&record), leaf));
    ck_assert_mem_eq(leaf, leaves[523], HASH_LEN);
    buf_putc(&text, '\0');
    at = (char *)text.data;
    ck_assert_int_eq(strncmp(at, "c2sp.org/tlog-proof@v1\nindex 523\n", 33), 0);
    assert_ok(proof_inclusion(folder, hash, 523, RECORDS, &proof));
    at += 33;
    for (size_t i = 0; i < proof.count; i++, at += 45)
        ck_assert_int_eq(at[44], '\n'); /* 32 bytes in base 64 */
    ck_assert_int_eq(*at++, '\n');
    ck_assert_str_eq(at, note);
    free(note);
    buf_release(&text);
    buf_release(&record);
    end();
}
END_TEST

static const struct {
    const char *path;
    const char *text; /* what of it is changed; NULL: the byte in its middle */
} harms[] = {
    {"tile/entries/001", "{\"seq\":383"}, /* the record itself */
    {"tile/0/001", NULL},                 /* a hash beside its way up */
    {"checkpoint", NULL},
};

START_TEST(nothing_is_proven_where_something_was_changed)
{
    struct buf text = BUF_INIT(PROOF_TEXT_MAX);
    size_t len;
    uint8_t *data;
    uint8_t *at;

    start();
    data = logbox_read(&box, harms[_i].path, &len);
    at = data + len / 2;
    if (harms[_i].text != NULL)
        at = memmem(data, len, harms[_i].text, strlen(harms[_i].text));
    ck_assert_ptr_nonnull(at);
    *at ^= 1;
    logbox_write(&box, harms[_i].path, data, len);
    free(data);
    assert_rv(CKR_DATA_INVALID, proof_record(box.dir, box.vkey, 383, &text, NULL));
    ck_assert_uint_eq(text.len, 0);
    end();
}
END_TEST

START_TEST(nothing_is_proven_where_a_tile_is_missing)
{
    struct buf text = BUF_INIT(PROOF_TEXT_MAX);

    start();
    ck_assert_int_eq(unlink(logbox_path(&box, "tile/0/001")), 0);
    assert_rv(CKR_DEVICE_ERROR, proof_record(box.dir, box.vkey, 300, &text, NULL));
    end();
}
END_TEST

START_TEST(nothing_is_proven_by_another_logs_key)
{
    struct buf text = BUF_INIT(PROOF_TEXT_MAX);
    struct logbox other;

    start();
    logbox_init(&other, 99);
    assert_rv(CKR_DATA_INVALID, proof_record(box.dir, other.vkey, 300, &text, NULL));
    logbox_release(&other);
    end();
}
END_TEST

/* ---- an older checkpoint is continued ---- */

START_TEST(an_older_checkpoint_is_continued_or_the_report_says_not)
{
    struct trail *trail;
    struct verify_report report;
    struct logbox other;
    struct trail *strange;
    size_t len;
    uint8_t *older;
    size_t strange_len;
    uint8_t *strange_note;

    start();
    trail = logbox_open(&box);
    older = logbox_read(&box, "checkpoint", &len);
    logbox_append(trail, 100);
    assert_ok(trail_checkpoint(trail));
    trail_close(trail);
    assert_ok(verify_log_against(box.dir, box.vkey, BYTES(older, len), &report));
    ck_assert_msg(report.ok, "%s", report.problem);

    /* A log of the same key that begins otherwise. */
    logbox_init(&other, 1);
    memcpy(other.seed, box.seed, sizeof(box.seed));
    other.config.signer = box.config.signer;
    assert_ok(trail_create(&other.config));
    strange = logbox_open(&other);
    logbox_append(strange, 30);
    assert_ok(trail_checkpoint(strange));
    trail_close(strange);
    strange_note = logbox_read(&other, "checkpoint", &strange_len);
    assert_ok(verify_log_against(box.dir, box.vkey, BYTES(strange_note, strange_len), &report));
    ck_assert(!report.ok);
    ck_assert_ptr_nonnull(strstr(report.problem, "not those of the checkpoint given"));

    /* The other one is behind: it does not continue this log's. */
    assert_ok(verify_log_against(other.dir, box.vkey, BYTES(older, len), &report));
    ck_assert(!report.ok);
    ck_assert_ptr_nonnull(strstr(report.problem, "put back to an older state"));

    older[len - 10] ^= 1;
    assert_rv(CKR_ARGUMENTS_BAD, verify_log_against(box.dir, box.vkey, BYTES(older, len), &report));
    free(older);
    free(strange_note);
    logbox_release(&other);
    end();
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(every_record_is_proven),
        CASE(every_older_tree_is_proven_to_be_continued),
        CASE_LOOP(records_of_smaller_logs_are_proven, sizeof(sizes) / sizeof(*sizes)),
        CASE(what_is_not_in_the_tree_is_not_proven),
        CASE(the_text_is_that_of_the_specification),
        CASE_LOOP(nothing_is_proven_where_something_was_changed, sizeof(harms) / sizeof(*harms)),
        CASE(nothing_is_proven_where_a_tile_is_missing),
        CASE(nothing_is_proven_by_another_logs_key),
        CASE(an_older_checkpoint_is_continued_or_the_report_says_not),
    };

    return suite_run("audit/proof", cases, sizeof(cases) / sizeof(*cases));
}
