/* Signed notes: see note.h. */
#include "audit/note.h"

#include "audit/base64.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ED25519   0x01
#define LINE_MARK "\xe2\x80\x94 " /* em dash, space */

enum { ID_LEN = 4, SIGNATURE_LEN = 64 };

static bool name_is_good(struct bytes name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (name.data[i] <= 0x20 || name.data[i] >= 0x7f || name.data[i] == '+')
            return false;
    }
    return name.len > 0 && name.len < NOTE_NAME_MAX;
}

static CK_RV make(struct hash *h, struct bytes name, const uint8_t key[static 32],
                  struct note_key *ret)
{
    struct note_key made = {.name = ""};
    uint8_t text[NOTE_NAME_MAX + 2 + 32];
    uint8_t digest[HASH_LEN];
    CK_RV rv;

    if (!name_is_good(name))
        return fail(CKR_ARGUMENTS_BAD,
                    "a log's origin has 1 to %d printable ASCII characters, no spaces and no "
                    "plus: choose another",
                    NOTE_NAME_MAX - 1);
    memcpy(made.name, name.data, name.len);
    memcpy(made.key, key, sizeof(made.key));
    memcpy(text, name.data, name.len);
    text[name.len] = '\n';
    text[name.len + 1] = ED25519;
    memcpy(text + name.len + 2, key, 32);
    rv = hash_sha256(h, BYTES(text, name.len + 2 + 32), digest);
    if (rv != CKR_OK)
        return rv;
    memcpy(made.id, digest, ID_LEN);
    *ret = made;
    return CKR_OK;
}

CK_RV note_key_make(struct hash *h, const char *name, const uint8_t key[static 32],
                    struct note_key *ret)
{
    return make(h, bytes_from_str(name), key, ret);
}

CK_RV note_key_parse(struct hash *h, const char *text, struct note_key *ret)
{
    /* A base64 text may hold a plus, a name may not: the first two are the separators. */
    const char *id = strchr(text, '+');
    const char *key = id != NULL ? strchr(id + 1, '+') : NULL;
    struct note_key made;
    char hex[2 * ID_LEN + 1];
    uint8_t raw[33];
    CK_RV rv;

    if (key == NULL || key - id != 2 * ID_LEN + 1 ||
        !base64_decode(bytes_from_str(key + 1), raw, sizeof(raw)) || raw[0] != ED25519)
        return fail(CKR_ARGUMENTS_BAD, "this is no verifier key of the form "
                                       "<origin>+<8 hex digits>+<base64 of an Ed25519 key>");
    rv = make(h, BYTES(text, (size_t)(id - text)), raw + 1, &made);
    if (rv != CKR_OK)
        return rv;
    bytes_to_hex(BYTES(made.id, ID_LEN), hex);
    if (memcmp(hex, id + 1, sizeof(hex) - 1) != 0)
        return fail(CKR_ARGUMENTS_BAD,
                    "the verifier key's id %.8s does not fit its key (%s): it "
                    "was mistyped or altered",
                    id + 1, hex);
    *ret = made;
    return CKR_OK;
}

void note_key_print(const struct note_key *key, char ret[static NOTE_KEY_MAX])
{
    struct buf text = BUF_INIT(NOTE_KEY_MAX);
    uint8_t raw[33] = {ED25519};
    char hex[2 * ID_LEN + 1];

    memcpy(raw + 1, key->key, sizeof(key->key));
    bytes_to_hex(BYTES(key->id, ID_LEN), hex);
    base64_put(&text, BYTES(raw, sizeof(raw)));
    (void)snprintf(ret, NOTE_KEY_MAX, "%s+%s+%.*s", key->name, hex, (int)text.len,
                   (const char *)text.data);
    buf_release(&text);
}

void checkpoint_print(const struct checkpoint *c, const char *origin, struct buf *out)
{
    buf_printf(out, "%s\n%" PRIu64 "\n", origin, c->size);
    base64_put(out, BYTES(c->root, HASH_LEN));
    buf_putc(out, '\n');
}

void note_add_signature(const struct note_key *key, const uint8_t signature[static 64],
                        struct buf *out)
{
    uint8_t raw[ID_LEN + SIGNATURE_LEN];

    memcpy(raw, key->id, ID_LEN);
    memcpy(raw + ID_LEN, signature, SIGNATURE_LEN);
    buf_printf(out, "\n" LINE_MARK "%s ", key->name);
    base64_put(out, BYTES(raw, sizeof(raw)));
    buf_putc(out, '\n');
}

/* The next line without its newline; false at the end or when no newline ends it. */
static bool next_line(struct bytes *text, struct bytes *ret)
{
    const uint8_t *end = text->len > 0 ? memchr(text->data, '\n', text->len) : NULL;

    if (end == NULL)
        return false;
    *ret = BYTES(text->data, (size_t)(end - text->data));
    text->len -= ret->len + 1;
    text->data = end + 1;
    return true;
}

/* Parts a note at its last empty line. */
static bool split(struct bytes note, struct bytes *text, struct bytes *signatures)
{
    for (size_t i = note.len; i >= 2; i--) {
        if (note.data[i - 1] == '\n' && note.data[i - 2] == '\n') {
            *text = BYTES(note.data, i - 1);
            *signatures = BYTES(note.data + i, note.len - i);
            return true;
        }
    }
    return false;
}

/* True when line is a signature by this key, decoded. */
static bool by_key(const struct note_key *key, struct bytes line, uint8_t ret[static 68])
{
    size_t mark = sizeof(LINE_MARK) - 1;
    size_t name = strlen(key->name);

    if (line.len < mark + name + 1 || memcmp(line.data, LINE_MARK, mark) != 0 ||
        memcmp(line.data + mark, key->name, name) != 0 || line.data[mark + name] != ' ')
        return false;
    line.data += mark + name + 1;
    line.len -= mark + name + 1;
    return base64_decode(line, ret, ID_LEN + SIGNATURE_LEN) && memcmp(ret, key->id, ID_LEN) == 0;
}

static CK_RV check_signatures(struct hash *h, const struct note_key *key, struct bytes text,
                              struct bytes lines)
{
    uint8_t raw[ID_LEN + SIGNATURE_LEN];
    struct bytes line;
    bool signed_by_key = false;

    while (next_line(&lines, &line)) {
        bool good = false;
        CK_RV rv;

        if (!by_key(key, line, raw))
            continue;
        rv = hash_verify_ed25519(h, key->key, text, raw + ID_LEN, &good);
        if (rv != CKR_OK)
            return rv;
        if (!good)
            return fail(CKR_DATA_INVALID, "the checkpoint's signature is wrong: it was edited or "
                                          "is of another key");
        signed_by_key = true;
    }
    if (!signed_by_key)
        return fail(CKR_DATA_INVALID,
                    "the checkpoint is not signed by the key of %s: it was "
                    "replaced or the verifier key is another log's",
                    key->name);
    return CKR_OK;
}

static bool parse_size(struct bytes text, uint64_t *ret)
{
    uint64_t n = 0;

    if (text.len == 0 || text.len > 19 || (text.len > 1 && text.data[0] == '0'))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        n = n * 10 + (text.data[i] - '0');
    }
    *ret = n;
    return true;
}

CK_RV checkpoint_open(struct hash *h, const struct note_key *key, struct bytes note,
                      struct checkpoint *ret)
{
    struct checkpoint c = {.size = 0};
    struct bytes text;
    struct bytes lines;
    struct bytes origin;
    struct bytes size;
    struct bytes root;
    CK_RV rv;

    if (!split(note, &text, &lines))
        return fail(CKR_DATA_INVALID, "the checkpoint is no signed note: it was cut or replaced");
    rv = check_signatures(h, key, text, lines);
    if (rv != CKR_OK)
        return rv;
    if (!next_line(&text, &origin) || !next_line(&text, &size) || !next_line(&text, &root) ||
        !parse_size(size, &c.size) || !base64_decode(root, c.root, HASH_LEN))
        return fail(CKR_DATA_INVALID, "the checkpoint's text is not origin, size and root");
    if (!bytes_equal_str(origin, key->name))
        return fail(CKR_DATA_INVALID, "the checkpoint is of another log than %s", key->name);
    *ret = c;
    return CKR_OK;
}
