/* Tampering with the files of a log, each kind named by verify_log(); the untouched log beside them
 * is accepted. */
#include "tests/support/logbox.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* 700 signed records (two full bundles, a partial of 188) and 100 behind them (the journal's
 * bundles 2 and 3). */
enum { SIGNED = 700, TAIL = 100 };

static void harmed_log(struct logbox *box)
{
    struct trail *trail = logbox_start(box);

    logbox_append(trail, SIGNED);
    assert_ok(trail_checkpoint(trail));
    logbox_append(trail, TAIL);
    trail_close(trail);
}

/* Offset of record i of a bundle. */
static size_t offset_of(const uint8_t *data, unsigned i)
{
    size_t at = 0;

    while (i-- > 0)
        at += 2U + (size_t)(data[at] << 8 | data[at + 1]);
    return at;
}

/* What is done to the bundle in `path` at record i. Same offsets everywhere, so it can be done to
 * copies too. */
enum how { EDIT, DELETE, INSERT, SWAP, CUT_INSIDE, CUT_BEFORE, APPEND, RENUMBER };

static void harm_bundle(const struct logbox *box, const char *path, unsigned i, enum how how)
{
    size_t len;
    uint8_t *data = logbox_read(box, path, &len);
    size_t at = offset_of(data, i);
    size_t rest = len - at;
    size_t one = at < len ? 2U + (size_t)(data[at] << 8 | data[at + 1]) : 0;
    uint8_t *out = calloc(1, 2 * len + 16);
    size_t n = len;

    memcpy(out, data, len);
    switch (how) {
    case EDIT:
        memcpy((uint8_t *)memmem(out + at, rest, "alice", 5), "mally", 5);
        break;
    case DELETE:
        memcpy(out + at, data + at + one, rest - one);
        n = len - one;
        break;
    case INSERT:
        memcpy(out + at + one, data + at, rest);
        n = len + one;
        break;
    case SWAP: /* all records of a test log with three-digit numbers are of one length */
        memcpy(out + at, data + at + one, one);
        memcpy(out + at + one, data + at, one);
        break;
    case CUT_INSIDE:
        n = at + one / 2;
        break;
    case CUT_BEFORE:
        n = at;
        break;
    case APPEND:
        memcpy(out + len, data + at, one);
        n = len + one;
        break;
    case RENUMBER:
        out[at + 2 + sizeof("{\"seq\":") - 1] ^= 1;
        break;
    }
    logbox_write(box, path, out, n);
    free(out);
    free(data);
}

static const struct {
    const char *path;
    unsigned record; /* in the bundle */
    enum how how;
    int64_t bad_seq; /* -1: none can be named */
    const char *word;
} harms[] = {
    {"tile/entries/000", 200, EDIT, 200, "record 200 is not the one that was signed"},
    {"tile/entries/001", 0, EDIT, 256, "changed"},
    {"tile/entries/001", 255, EDIT, 511, "changed"},
    {"tile/entries/002.p/188", 187, EDIT, 699, "changed"},
    {"tile/entries/000", 200, DELETE, 200, "removed, inserted or moved"},
    {"tile/entries/000", 0, DELETE, 0, "removed, inserted or moved"},
    {"tile/entries/000", 255, DELETE, 255, "missing"},
    {"tile/entries/002.p/188", 187, DELETE, 699, "missing"},
    {"tile/entries/000", 200, INSERT, 201, "removed, inserted or moved"},
    {"tile/entries/000", 200, APPEND, 256, "inserted"},
    {"tile/entries/002.p/188", 100, APPEND, 700, "inserted"},
    {"tile/entries/001", 20, SWAP, 276, "removed, inserted or moved"},
    {"tile/entries/001", 20, CUT_INSIDE, 276, "is cut"},
    {"tile/entries/001", 20, CUT_BEFORE, 276, "missing"},
    {"tile/entries/001", 20, RENUMBER, 276, "removed, inserted or moved"},
    {"journal/2", 10, EDIT, 522, "record 522 differs in the journal"},
    {"journal/2", 10, CUT_INSIDE, 522, "differs in the journal"},
    {"journal/2", 200, DELETE, 712, "removed, inserted or moved"},
    {"journal/2", 200, INSERT, 713, "removed, inserted or moved"},
    {"journal/2", 200, SWAP, 712, "removed, inserted or moved"},
    {"journal/2", 200, CUT_INSIDE, 712, "is cut"},
    {"journal/2", 200, CUT_BEFORE, 712, "missing"},
    {"journal/2", 200, RENUMBER, 712, "removed, inserted or moved"},
    {"journal/2", 200, APPEND, 768, "ends before it"},
    {"journal/3", 10, DELETE, 778, "removed, inserted or moved"},
    {"journal/3", 10, APPEND, 800, "removed, inserted or moved"},
};

static void named(const struct logbox *box, int64_t bad_seq, const char *word)
{
    struct verify_report report = logbox_verify(box);

    ck_assert(!report.ok);
    ck_assert_msg(strstr(report.problem, word) != NULL, "'%s' lacks '%s'", report.problem, word);
    ck_assert_int_eq(report.has_bad_seq, bad_seq >= 0);
    if (bad_seq >= 0)
        ck_assert_uint_eq(report.bad_seq, (uint64_t)bad_seq);
}

START_TEST(the_untouched_log_is_accepted)
{
    struct logbox box;
    struct verify_report report;

    harmed_log(&box);
    report = logbox_verify(&box);
    ck_assert_msg(report.ok, "%s", report.problem);
    ck_assert_str_eq(report.problem, "");
    ck_assert_uint_eq(report.size, SIGNED);
    ck_assert_uint_eq(report.unsigned_tail, TAIL);
    logbox_release(&box);
}
END_TEST

START_TEST(a_harmed_record_is_named)
{
    struct logbox box;

    harmed_log(&box);
    harm_bundle(&box, harms[_i].path, harms[_i].record, harms[_i].how);
    named(&box, harms[_i].bad_seq, harms[_i].word);
    logbox_release(&box);
}
END_TEST

static const struct {
    const char *path;
    const char *word;
} tiles[] = {
    {"tile/0/000", "tile/0/000 was replaced"},
    {"tile/0/001", "tile/0/001 was replaced"},
    {"tile/0/002.p/188", "tile/0/002.p/188 was replaced"},
    {"tile/1/000.p/2", "tile/1/000.p/2 was replaced"},
};

START_TEST(a_replaced_tile_is_named_and_the_records_are_not_blamed)
{
    struct logbox box;
    size_t len;
    uint8_t *data;

    harmed_log(&box);
    data = logbox_read(&box, tiles[_i].path, &len);
    data[len / 2] ^= 0x80;
    logbox_write(&box, tiles[_i].path, data, len);
    named(&box, -1, tiles[_i].word);
    logbox_write(&box, tiles[_i].path, data, len - 1);
    named(&box, -1, "missing or cut");
    ck_assert_int_eq(unlink(logbox_path(&box, tiles[_i].path)), 0);
    named(&box, -1, "missing or cut");
    free(data);
    logbox_release(&box);
}
END_TEST

static const struct {
    const char *path;
    int64_t bad_seq;
    const char *word;
} missing[] = {
    {"checkpoint", -1, "checkpoint is missing"},
    {"tile/entries/000", 0, "records 0 to 255 is missing"},
    {"tile/entries/001", 256, "records 256 to 511 is missing"},
    {"tile/entries/002.p/188", 512, "records 512 to 699 is missing"},
    {"journal/2", -1, "journal/2 is missing"},
    {"journal/3", -1, "journal/3 is missing"},
};

START_TEST(a_missing_file_is_named)
{
    struct logbox box;

    harmed_log(&box);
    ck_assert_int_eq(unlink(logbox_path(&box, missing[_i].path)), 0);
    named(&box, missing[_i].bad_seq, missing[_i].word);
    logbox_release(&box);
}
END_TEST

START_TEST(a_log_rewritten_with_its_tiles_is_found_out_by_the_signature)
{
    struct logbox box;
    struct logbox forged;
    struct trail *trail;
    size_t len;
    uint8_t *checkpoint;

    harmed_log(&box);
    trail = logbox_start(&forged); /* another log altogether, under the first one's checkpoint */
    logbox_append(trail, SIGNED);
    assert_ok(trail_checkpoint(trail));
    trail_close(trail);
    ck_assert(logbox_verify(&forged).ok);
    checkpoint = logbox_read(&box, "checkpoint", &len);
    logbox_write(&forged, "checkpoint", checkpoint, len);
    named(&forged, -1, "do not give the signed root");
    free(checkpoint);
    logbox_release(&box);
    logbox_release(&forged);
}
END_TEST

START_TEST(an_edited_record_with_its_tile_adapted_is_narrowed_to_the_tile)
{
    struct logbox box;
    struct logbox other;
    struct trail *trail;
    size_t len;
    uint8_t *data;

    harmed_log(&box);
    trail = logbox_start(&other);
    logbox_append(trail, SIGNED);
    assert_ok(trail_checkpoint(trail));
    trail_close(trail);
    data = logbox_read(&other, "tile/entries/001", &len);
    logbox_write(&box, "tile/entries/001", data, len);
    free(data);
    data = logbox_read(&other, "tile/0/001", &len);
    logbox_write(&box, "tile/0/001", data, len);
    free(data);
    named(&box, -1, "records 256 to 511 are not those that were signed");
    logbox_release(&box);
    logbox_release(&other);
}
END_TEST

START_TEST(an_edited_checkpoint_is_named)
{
    struct logbox box;
    size_t len;
    uint8_t *data;

    harmed_log(&box);
    data = logbox_read(&box, "checkpoint", &len);
    *(uint8_t *)memchr(data, '7', len) = '6'; /* 700 -> 600 */
    logbox_write(&box, "checkpoint", data, len);
    named(&box, -1, "signature is wrong");
    logbox_write(&box, "checkpoint", data, len / 2);
    named(&box, -1, "checkpoint");
    logbox_write(&box, "checkpoint", "", 0);
    named(&box, -1, "no signed note");
    free(data);
    logbox_release(&box);
}
END_TEST

START_TEST(a_checkpoint_of_another_key_is_named)
{
    struct logbox box;
    struct logbox other;

    harmed_log(&box);
    logbox_init(&other, 2);
    memcpy(box.vkey, other.vkey, sizeof(box.vkey));
    named(&box, -1, "not signed by the key");
    logbox_release(&other);
    logbox_release(&box);
}
END_TEST

START_TEST(a_verifier_key_or_folder_that_is_none_is_an_error)
{
    struct logbox box;
    struct verify_report report = {.size = 77};

    harmed_log(&box);
    assert_rv(CKR_ARGUMENTS_BAD, verify_log(box.dir, "nonsense", &report));
    assert_rv(CKR_DEVICE_ERROR, verify_log("/nonexistent", box.vkey, &report));
    assert_rv(CKR_DEVICE_ERROR, verify_read("/nonexistent", 0, NULL, NULL));
    ck_assert_uint_eq(report.size, 77);
    logbox_release(&box);
}
END_TEST

static bool ignore(void *ctx, uint64_t seq, struct bytes json)
{
    (void)ctx;
    (void)seq;
    (void)json;
    return true;
}

START_TEST(reading_over_a_missing_bundle_is_an_error)
{
    struct logbox box;

    harmed_log(&box);
    assert_ok(verify_read(box.dir, 0, ignore, NULL));
    ck_assert_int_eq(unlink(logbox_path(&box, "tile/entries/001")), 0);
    assert_rv(CKR_DEVICE_ERROR, verify_read(box.dir, 0, ignore, NULL));
    ck_assert_ptr_nonnull(strstr(fail_reason(), "256"));
    logbox_release(&box);
}
END_TEST

START_TEST(a_log_is_verified_while_it_is_written)
{
    struct logbox box;
    struct trail *trail = logbox_start(&box);
    struct verify_report report;

    for (int i = 0; i < 60; i++) {
        logbox_append(trail, 37);
        if (i % 3 == 0)
            assert_ok(trail_checkpoint(trail));
        report = logbox_verify(&box);
        ck_assert_msg(report.ok, "%s", report.problem);
        ck_assert_uint_eq(report.size + report.unsigned_tail, 37U * (unsigned)(i + 1));
    }
    trail_close(trail);
    logbox_release(&box);
}
END_TEST

#define COUNT(table) (sizeof(table) / sizeof(*(table)))

int main(void)
{
    const struct suite_case cases[] = {
        CASE(the_untouched_log_is_accepted),
        CASE_LOOP(a_harmed_record_is_named, COUNT(harms)),
        CASE_LOOP(a_replaced_tile_is_named_and_the_records_are_not_blamed, COUNT(tiles)),
        CASE_LOOP(a_missing_file_is_named, COUNT(missing)),
        CASE(a_log_rewritten_with_its_tiles_is_found_out_by_the_signature),
        CASE(an_edited_record_with_its_tile_adapted_is_narrowed_to_the_tile),
        CASE(an_edited_checkpoint_is_named),
        CASE(a_checkpoint_of_another_key_is_named),
        CASE(a_verifier_key_or_folder_that_is_none_is_an_error),
        CASE(reading_over_a_missing_bundle_is_an_error),
        CASE_SLOW(a_log_is_verified_while_it_is_written, 60),
    };

    return suite_run("audit/verify", cases, COUNT(cases));
}
