/* The published formats: tile paths, base 64, signed notes, entry bundles. */
#include "audit/base64.h"
#include "audit/bundle.h"
#include "audit/note.h"
#include "audit/paths.h"
#include "tests/support/logbox.h"
#include "tests/support/suite.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    unsigned level;
    uint64_t n;
    unsigned width;
    const char *path;
} tile_paths[] = {
    {0, 0, 256, "tile/0/000"},
    {0, 123, 256, "tile/0/123"},
    {1, 1000, 256, "tile/1/x001/000"},
    {2, 1234067, 256, "tile/2/x001/x234/067"}, /* the example of C2SP tlog-tiles */
    {0, 1234067, 8, "tile/0/x001/x234/067.p/8"},
    {0, 273, 112, "tile/0/273.p/112"}, /* its tree of 70,000 */
    {7, 0, 255, "tile/7/000.p/255"},
    {0, 5, 0, "tile/0/005.p"},
    {0, UINT64_MAX, 1, "tile/0/x018/x446/x744/x073/x709/x551/615.p/1"},
};

START_TEST(tile_paths_are_those_of_tlog_tiles)
{
    char path[PATH_LOG_MAX];

    path_tile(tile_paths[_i].level, tile_paths[_i].n, tile_paths[_i].width, path);
    ck_assert_str_eq(path, tile_paths[_i].path);
}
END_TEST

START_TEST(entry_and_journal_paths)
{
    char path[PATH_LOG_MAX];

    path_entries(1234067, 256, path);
    ck_assert_str_eq(path, "tile/entries/x001/x234/067");
    path_entries(2, 17, path);
    ck_assert_str_eq(path, "tile/entries/002.p/17");
    path_journal(1234067, path);
    ck_assert_str_eq(path, "journal/1234067");
}
END_TEST

/* RFC 4648, section 10. */
static const char *const base64_vectors[][2] = {
    {"f", "Zg=="},        {"fo", "Zm8="},        {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"},
};

START_TEST(base64_is_that_of_rfc_4648)
{
    const char *plain = base64_vectors[_i][0];
    const char *text = base64_vectors[_i][1];
    uint8_t raw[8];
    struct buf out = BUF_INIT(16);

    base64_put(&out, bytes_from_str(plain));
    ck_assert_str_eq(buf_str(&out), text);
    ck_assert(base64_decode(bytes_from_str(text), raw, strlen(plain)));
    ck_assert(bytes_equal_str(BYTES(raw, strlen(plain)), plain));
    buf_release(&out);
}
END_TEST

START_TEST(base64_refuses_all_but_the_one_encoding)
{
    uint8_t raw[8];

    ck_assert(base64_decode(BYTES_LIT("Zg=="), raw, 1));
    ck_assert(!base64_decode(BYTES_LIT("Zh=="), raw, 1)); /* stray bits */
    ck_assert(!base64_decode(BYTES_LIT("Zg="), raw, 1));
    ck_assert(!base64_decode(BYTES_LIT("Zg=a"), raw, 1));
    ck_assert(!base64_decode(BYTES_LIT("Z-=="), raw, 1));
    ck_assert(!base64_decode(BYTES_LIT("Zm9v"), raw, 2));
    ck_assert(!base64_decode(BYTES_LIT("Zg==\n"), raw, 1));
}
END_TEST

START_TEST(verifier_key_text_round_trips)
{
    struct logbox box;
    struct hash *h = NULL;
    struct note_key key;
    char again[NOTE_KEY_MAX];

    logbox_init(&box, 1);
    assert_ok(hash_new(&h));
    assert_ok(note_key_parse(h, box.vkey, &key));
    ck_assert_str_eq(key.name, LOGBOX_ORIGIN);
    ck_assert_mem_eq(key.key, box.config.signer.public_key, 32);
    note_key_print(&key, again);
    ck_assert_str_eq(again, box.vkey);
    hash_free(h);
    logbox_release(&box);
}
END_TEST

START_TEST(altered_verifier_key_texts_are_refused)
{
    struct logbox box;
    struct hash *h = NULL;
    struct note_key key;
    char text[NOTE_KEY_MAX];

    logbox_init(&box, 1);
    assert_ok(hash_new(&h));
    for (size_t i = 0; i < strlen(box.vkey); i++) {
        memcpy(text, box.vkey, sizeof(text));
        text[i] = text[i] == 'x' ? 'y' : 'x';
        assert_rv(CKR_ARGUMENTS_BAD, note_key_parse(h, text, &key));
    }
    assert_rv(CKR_ARGUMENTS_BAD, note_key_parse(h, "", &key));
    assert_rv(CKR_ARGUMENTS_BAD, note_key_parse(h, "a+b", &key));
    hash_free(h);
    logbox_release(&box);
}
END_TEST

static const char *const bad_names[] = {"", "with space", "a+b", "tab\t", "new\nline", "\xc3\xa4"};

START_TEST(origins_that_notes_cannot_carry_are_refused)
{
    const uint8_t key[32] = {0};
    char text[VERIFY_KEY_MAX];

    assert_ok(verify_key_text("good.example/log", key, text));
    assert_rv(CKR_ARGUMENTS_BAD, verify_key_text(bad_names[_i], key, text));
}
END_TEST

START_TEST(an_origin_of_the_greatest_length_fits)
{
    const uint8_t key[32] = {0};
    char text[VERIFY_KEY_MAX];
    char name[NOTE_NAME_MAX + 1];
    struct hash *h = NULL;
    struct note_key parsed;

    memset(name, 'a', sizeof(name));
    name[NOTE_NAME_MAX] = '\0';
    assert_rv(CKR_ARGUMENTS_BAD, verify_key_text(name, key, text));
    name[NOTE_NAME_MAX - 1] = '\0';
    assert_ok(verify_key_text(name, key, text));
    assert_ok(hash_new(&h));
    assert_ok(note_key_parse(h, text, &parsed));
    hash_free(h);
}
END_TEST

/* Makes the checkpoint of an empty log by the box's signer, and a key to open it with. */
struct signed_note {
    struct logbox box;
    struct hash *h;
    struct note_key key;
    char *text;
    size_t len;
};

static void signed_note_init(struct signed_note *n)
{
    struct trail *trail = logbox_start(&n->box);

    trail_close(trail);
    assert_ok(hash_new(&n->h));
    assert_ok(note_key_parse(n->h, n->box.vkey, &n->key));
    n->text = (char *)logbox_read(&n->box, "checkpoint", &n->len);
}

static void signed_note_release(struct signed_note *n)
{
    free(n->text);
    hash_free(n->h);
    logbox_release(&n->box);
}

START_TEST(a_checkpoint_opens_with_its_key)
{
    struct signed_note n;
    struct checkpoint c = {.size = 99};
    char hex[65];

    signed_note_init(&n);
    assert_ok(checkpoint_open(n.h, &n.key, BYTES(n.text, n.len), &c));
    ck_assert_uint_eq(c.size, 0);
    bytes_to_hex(BYTES(c.root, 32), hex); /* RFC 6962: the empty tree is SHA-256 of nothing */
    ck_assert_str_eq(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    signed_note_release(&n);
}
END_TEST

START_TEST(a_checkpoint_with_any_byte_changed_is_refused)
{
    struct signed_note n;
    struct checkpoint c;

    signed_note_init(&n);
    for (size_t i = 0; i < n.len; i++) {
        n.text[i] ^= 1;
        assert_rv(CKR_DATA_INVALID, checkpoint_open(n.h, &n.key, BYTES(n.text, n.len), &c));
        n.text[i] ^= 1;
    }
    for (size_t len = 0; len < n.len; len++)
        assert_rv(CKR_DATA_INVALID, checkpoint_open(n.h, &n.key, BYTES(n.text, len), &c));
    signed_note_release(&n);
}
END_TEST

START_TEST(signatures_of_other_keys_are_ignored_and_do_not_suffice)
{
    static const char other[] = "\xe2\x80\x94 witness.example/w AAAAAAAA\n";
    struct signed_note n;
    struct checkpoint c;
    char text[1024];
    const char *end;
    int len;

    signed_note_init(&n);
    len = snprintf(text, sizeof(text), "%s%s", n.text, other);
    assert_ok(checkpoint_open(n.h, &n.key, BYTES(text, (size_t)len), &c));
    end = strstr(n.text, "\n\n");
    len = snprintf(text, sizeof(text), "%.*s\n\n%s", (int)(end - n.text), n.text, other);
    assert_rv(CKR_DATA_INVALID, checkpoint_open(n.h, &n.key, BYTES(text, (size_t)len), &c));
    signed_note_release(&n);
}
END_TEST

static const struct {
    const char *json;
    bool good;
    uint64_t seq;
} seqs[] = {
    {"{\"seq\":0,\"time\"", true, 0},
    {"{\"seq\":18446744073709551615,", true, UINT64_MAX},
    {"{\"seq\":18446744073709551616,", false, 0},
    {"{\"seq\":12", false, 0},
    {"{\"seq\":,", false, 0},
    {"{\"seq\":-1,", false, 0},
    {"{\"sex\":1,", false, 0},
    {"", false, 0},
};

START_TEST(the_sequence_number_is_read_from_the_first_member)
{
    uint64_t seq = 77;

    ck_assert_int_eq(bundle_seq(bytes_from_str(seqs[_i].json), &seq), seqs[_i].good);
    if (seqs[_i].good)
        ck_assert_uint_eq(seq, seqs[_i].seq);
    else
        ck_assert_uint_eq(seq, 77);
}
END_TEST

START_TEST(only_the_start_of_the_next_record_passes_for_remains)
{
    static const char record[] = "\x00\x60{\"seq\":9,\"time\":\"2026";
    static const char two[] = "\x00\x60{\"seq\":9,\"a\":1}\x00\x10{\"seq\":10,";

    for (size_t n = 1; n < sizeof(record) - 1; n++)
        ck_assert(bundle_is_remains(BYTES(record, n), 9));
    ck_assert(bundle_is_remains(BYTES_LIT("\x00\x00\x00\x00"), 9));
    ck_assert(!bundle_is_remains(BYTES(record, sizeof(record) - 1), 8));
    ck_assert(!bundle_is_remains(BYTES_LIT("\x00\x60garbage"), 9));
    ck_assert(!bundle_is_remains(BYTES_LIT("\xff\x60{\"seq\":9,"), 9));
    ck_assert(!bundle_is_remains(BYTES(two, sizeof(two) - 1), 9));
}
END_TEST

#define COUNT(table) (sizeof(table) / sizeof(*(table)))

int main(void)
{
    const struct suite_case cases[] = {
        CASE_LOOP(tile_paths_are_those_of_tlog_tiles, COUNT(tile_paths)),
        CASE(entry_and_journal_paths),
        CASE_LOOP(base64_is_that_of_rfc_4648, COUNT(base64_vectors)),
        CASE(base64_refuses_all_but_the_one_encoding),
        CASE(verifier_key_text_round_trips),
        CASE(altered_verifier_key_texts_are_refused),
        CASE_LOOP(origins_that_notes_cannot_carry_are_refused, COUNT(bad_names)),
        CASE(an_origin_of_the_greatest_length_fits),
        CASE(a_checkpoint_opens_with_its_key),
        CASE(a_checkpoint_with_any_byte_changed_is_refused),
        CASE(signatures_of_other_keys_are_ignored_and_do_not_suffice),
        CASE_LOOP(the_sequence_number_is_read_from_the_first_member, COUNT(seqs)),
        CASE(only_the_start_of_the_next_record_passes_for_remains),
    };

    return suite_run("audit/format", cases, COUNT(cases));
}
