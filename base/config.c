/*
 * Settings files: see config.h. inih splits lines, this file decides what they may say.
 *
 * Nothing is written into the caller's settings before the whole file has been found good, so a
 * failure leaves them as they were. Values are never repeated in a failure's reason: a mistyped key
 * may stand beside a PIN.
 */
#include "base/config.h"

#include "base/bytes.h"
#include "base/heap.h"
#include "base/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_MAX     65536 /* bytes; settings are written by hand, anything larger is not one */
#define NAME_MAX_LEN 64

/* What the file says about keys[i]; line 0: nothing. */
struct found {
    unsigned line;
    char *text;
    unsigned number; /* or the choice's index */
};

/* One reading of one file. line is the last one handed to inih, and so the one its handler is
 * about. */
struct reading {
    const char *path;
    const struct config_key *keys;
    size_t count;
    struct found *found;
    struct bytes rest;
    unsigned line;
    CK_RV rv; /* of the first failure; nothing is read after it */
};

static size_t min_of(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Levenshtein: how many letters to add, drop or change. Names too long to be ours are far from
 * everything. */
static size_t distance(const char *a, const char *b)
{
    size_t row[NAME_MAX_LEN + 1];
    size_t blen = strlen(b);

    if (blen > NAME_MAX_LEN)
        return SIZE_MAX;
    for (size_t j = 0; j <= blen; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= blen; j++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]);

            diagonal = row[j];
            row[j] = min_of(change, 1 + min_of(row[j], row[j - 1]));
        }
    }
    return row[blen];
}

static const char *nearest_section(const struct reading *r, const char *section)
{
    const char *best = "";
    size_t best_distance = SIZE_MAX;

    for (size_t i = 0; i < r->count; i++) {
        size_t d = distance(section, r->keys[i].section);

        if (d < best_distance) {
            best_distance = d;
            best = r->keys[i].section;
        }
    }
    return best;
}

static const char *nearest_name(const struct reading *r, const char *section, const char *name)
{
    const char *best = "";
    size_t best_distance = SIZE_MAX;

    for (size_t i = 0; i < r->count; i++) {
        size_t d = distance(name, r->keys[i].name);

        if (strcmp(r->keys[i].section, section) == 0 && d < best_distance) {
            best_distance = d;
            best = r->keys[i].name;
        }
    }
    return best;
}

static bool section_is_known(const struct reading *r, const char *section)
{
    for (size_t i = 0; i < r->count; i++)
        if (strcmp(r->keys[i].section, section) == 0)
            return true;
    return false;
}

/* A key that is right but stands elsewhere deserves to hear where it belongs. */
static const char *section_of(const struct reading *r, const char *name)
{
    for (size_t i = 0; i < r->count; i++)
        if (strcmp(r->keys[i].name, name) == 0)
            return r->keys[i].section;
    return NULL;
}

static CK_RV fail_unknown(const struct reading *r, const char *section, const char *name)
{
    const char *home = section_of(r, name);

    if (section[0] == '\0')
        return fail(CKR_ARGUMENTS_BAD,
                    "%s:%u: key '%s' stands before any [section]: put it below [%s]", r->path,
                    r->line, name, home != NULL ? home : nearest_section(r, name));
    if (!section_is_known(r, section))
        return fail(CKR_ARGUMENTS_BAD, "%s:%u: unknown section [%s]: did you mean [%s]?", r->path,
                    r->line, section, nearest_section(r, section));
    if (home != NULL)
        return fail(CKR_ARGUMENTS_BAD, "%s:%u: key '%s' is not of section [%s]: put it below [%s]",
                    r->path, r->line, name, section, home);
    return fail(CKR_ARGUMENTS_BAD, "%s:%u: unknown key '%s' in section [%s]: did you mean '%s'?",
                r->path, r->line, name, section, nearest_name(r, section, name));
}

static CK_RV read_text(struct found *found, const char *value)
{
    found->text = text_copy(value);
    return found->text != NULL ? CKR_OK : fail_memory();
}

/* Decimal digits only: strtoul alone would take signs, blanks and hexadecimal as well. */
static CK_RV read_number(const struct reading *r, const struct config_key *key, struct found *found,
                         const char *value)
{
    size_t digits = strspn(value, "0123456789");
    unsigned long n;

    errno = 0;
    n = strtoul(value, NULL, 10);
    if (value[digits] != '\0' || errno != 0 || n < key->min || n > key->max)
        return fail(CKR_ARGUMENTS_BAD, "%s:%u: '%s' must be a whole number from %u to %u", r->path,
                    r->line, key->name, key->min, key->max);
    found->number = (unsigned)n;
    return CKR_OK;
}

static CK_RV read_choice(const struct reading *r, const struct config_key *key, struct found *found,
                         const char *value)
{
    struct buf list = BUF_INIT(256);
    CK_RV rv;

    for (unsigned i = 0; key->choices[i] != NULL; i++) {
        if (strcmp(key->choices[i], value) == 0) {
            buf_release(&list);
            found->number = i;
            return CKR_OK;
        }
        buf_printf(&list, "%s%s", i > 0 ? ", " : "", key->choices[i]);
    }
    rv = fail(CKR_ARGUMENTS_BAD, "%s:%u: '%s' must be one of: %.*s", r->path, r->line, key->name,
              (int)list.len, (const char *)list.data);
    buf_release(&list);
    return rv;
}

static CK_RV read_value(const struct reading *r, size_t i, const char *value)
{
    const struct config_key *key = &r->keys[i];
    struct found *found = &r->found[i];

    if (found->line != 0)
        return fail(CKR_ARGUMENTS_BAD,
                    "%s:%u: '%s' of section [%s] is already set on line %u: remove one of them",
                    r->path, r->line, key->name, key->section, found->line);
    if (value[0] == '\0')
        return fail(CKR_ARGUMENTS_BAD, "%s:%u: '%s' has no value: give one or remove the line",
                    r->path, r->line, key->name);
    found->line = r->line;
    if (key->kind == CONFIG_TEXT)
        return read_text(found, value);
    if (key->kind == CONFIG_NUMBER)
        return read_number(r, key, found, value);
    return read_choice(r, key, found, value);
}

/* inih calls this once a "name = value"; 0 tells it that the line is bad. */
static int on_key(void *user, const char *section, const char *name, const char *value)
{
    struct reading *r = user;

    for (size_t i = 0; i < r->count; i++) {
        if (strcmp(r->keys[i].section, section) == 0 && strcmp(r->keys[i].name, name) == 0) {
            r->rv = read_value(r, i, value);
            return r->rv == CKR_OK;
        }
    }
    r->rv = fail_unknown(r, section, name);
    return 0;
}

/*
 * fgets for inih, over memory, with two differences. Leading blanks are dropped, because inih would
 * take an indented line for the continuation of the value above. A line that does not fit fails the
 * reading, because inih would take its tail for the next line.
 */
static char *next_line(char *line, int size, void *stream)
{
    struct reading *r = stream;
    const uint8_t *newline;
    size_t len;

    if (r->rv != CKR_OK || r->rest.len == 0)
        return NULL;
    r->line++;
    newline = memchr(r->rest.data, '\n', r->rest.len);
    len = newline != NULL ? (size_t)(newline - r->rest.data) + 1 : r->rest.len;
    if (len >= (size_t)size) {
        r->rv = fail(CKR_ARGUMENTS_BAD, "%s:%u: line is longer than %d bytes: shorten it", r->path,
                     r->line, size - 2);
        return NULL;
    }
    memcpy(line, r->rest.data, len);
    line[len] = '\0';
    r->rest = BYTES(r->rest.data + len, r->rest.len - len);
    memmove(line, line + strspn(line, " \t"), strlen(line + strspn(line, " \t")) + 1);
    return line;
}

static CK_RV parse(struct reading *r)
{
    int bad = ini_parse_stream(next_line, r, on_key, r);

    if (bad < 0)
        return fail_memory();
    /* inih's first bad line is ours too, unless it stumbled over one without calling us. */
    if (bad > 0 && (r->rv == CKR_OK || (unsigned)bad < r->line))
        return fail(CKR_ARGUMENTS_BAD,
                    "%s:%d: not a setting: write [section], name = value, or a comment after #",
                    r->path, bad);
    return r->rv;
}

static CK_RV read_all(int fd, const char *path, struct buf *content)
{
    for (;;) {
        uint8_t chunk[4096];
        ssize_t n = read(fd, chunk, sizeof(chunk));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_errno("read", path);
        if (n == 0)
            return CKR_OK;
        buf_put(content, chunk, (size_t)n);
        bytes_wipe(chunk, (size_t)n);
        if (content->len > FILE_MAX)
            return fail(CKR_ARGUMENTS_BAD, "%s is larger than %d bytes: not a settings file", path,
                        FILE_MAX);
        if (!buf_ok(content))
            return fail_memory();
    }
}

/* O_NONBLOCK, so that a FIFO put in the file's place is refused rather than waited for. */
static CK_RV read_file(const char *path, struct buf *content)
{
    SCOPED_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;
    CK_RV rv;

    if (fd < 0 || fstat(fd, &st) != 0)
        return fail_errno("read settings from", path);
    if (!S_ISREG(st.st_mode))
        return fail(CKR_ARGUMENTS_BAD, "%s is not a regular file: cannot read settings from it",
                    path);
    rv = read_all(fd, path, content);
    if (rv == CKR_OK && content->len > 0 && memchr(content->data, '\0', content->len) != NULL)
        return fail(CKR_ARGUMENTS_BAD, "%s holds a NUL byte: not a settings file", path);
    return rv;
}

static void *place(void *settings, const struct config_key *key)
{
    return (char *)settings + key->offset;
}

static void store(const struct config_key *key, struct found *found, void *settings)
{
    char *old;
    int choice = (int)found->number;

    switch (key->kind) {
    case CONFIG_TEXT:
        memcpy(&old, place(settings, key), sizeof(old));
        free(old);
        memcpy(place(settings, key), &found->text, sizeof(found->text));
        found->text = NULL;
        break;
    case CONFIG_NUMBER:
        memcpy(place(settings, key), &found->number, sizeof(found->number));
        break;
    case CONFIG_CHOICE:
        memcpy(place(settings, key), &choice, sizeof(choice));
        break;
    }
}

static CK_RV read_into(struct reading *r, void *settings)
{
    CK_RV rv = parse(r);

    for (size_t i = 0; i < r->count; i++) {
        if (rv == CKR_OK && r->found[i].line != 0)
            store(&r->keys[i], &r->found[i], settings);
        free(r->found[i].text);
    }
    return rv;
}

CK_RV config_read(const char *path, const struct config_key *keys, size_t count, void *settings)
{
    struct buf content = BUF_INIT(FILE_MAX + 4096);
    struct reading r = {.path = path, .keys = keys, .count = count, .rv = CKR_OK};
    CK_RV rv;

    if (path == NULL || keys == NULL || settings == NULL)
        return fail_argument(path == NULL ? "path" : (keys == NULL ? "keys" : "settings"));
    rv = read_file(path, &content);
    if (rv == CKR_OK) {
        r.found = calloc(count > 0 ? count : 1, sizeof(*r.found));
        r.rest = buf_bytes(&content);
        rv = r.found != NULL ? read_into(&r, settings) : fail_memory();
        free(r.found);
    }
    buf_release_secure(&content);
    return rv;
}

void config_release(const struct config_key *keys, size_t count, void *settings)
{
    for (size_t i = 0; i < count; i++) {
        char *text;

        if (keys[i].kind != CONFIG_TEXT)
            continue;
        memcpy(&text, place(settings, &keys[i]), sizeof(text));
        free(text);
        text = NULL;
        memcpy(place(settings, &keys[i]), &text, sizeof(text));
    }
}
