/* The anchor's file and its mark in the HSM: see anchor.h. */
#include "audit/anchor.h"

#include "audit/files.h"
#include "audit/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define TITLE      "keyward log anchor"
#define ANCHOR_MAX 1024

/* ---- as text ---- */

static void print(const struct anchor_place *p, const struct anchor *a, struct buf *out)
{
    char root[2 * HASH_LEN + 1], nonce[2 * ANCHOR_NONCE_LEN + 1];
    char line[256];

    bytes_to_hex(BYTES(a->root, HASH_LEN), root);
    bytes_to_hex(BYTES(a->nonce, ANCHOR_NONCE_LEN), nonce);
    buf_put(out, TITLE "\n", sizeof(TITLE));
    buf_put(out, p->origin, strlen(p->origin));
    (void)snprintf(line, sizeof(line), "\n%" PRIu64 "\n%" PRIu64 "\n%s\n%" PRId64 "\n%s\n",
                   a->number, a->size, root, a->time, nonce);
    buf_put(out, line, strlen(line));
}

/* Cuts the next line off *text; "" at the end. */
static char *next_line(char **text)
{
    char *line = *text;
    char *end = strchr(line, '\n');

    if (end == NULL) {
        *text = line + strlen(line);
        return *text;
    }
    *end = '\0';
    *text = end + 1;
    return line;
}

static void parse(char *text, struct anchor *ret)
{
    (void)next_line(&text); /* title and origin: compared when it is printed again */
    (void)next_line(&text);
    ret->number = strtoull(next_line(&text), NULL, 10);
    ret->size = strtoull(next_line(&text), NULL, 10);
    (void)bytes_from_hex(next_line(&text), ret->root, HASH_LEN);
    ret->time = strtoll(next_line(&text), NULL, 10);
    (void)bytes_from_hex(next_line(&text), ret->nonce, ANCHOR_NONCE_LEN);
}

/* What is not printed again exactly as it was is none of ours: there is one text for an anchor. */
static CK_RV read_from(const struct anchor_place *p, const char *path, struct anchor *ret,
                       bool *ret_found)
{
    struct buf file = BUF_INIT(ANCHOR_MAX);
    struct buf again = BUF_INIT(ANCHOR_MAX);
    struct anchor a = {.number = 0};
    char text[ANCHOR_MAX + 1] = "";
    bool found = false;
    CK_RV rv = file_read(p->folder, path, ANCHOR_MAX, &file, &found);

    if (rv == CKR_OK && found) {
        memcpy(text, file.data, file.len);
        parse(text, &a);
        print(p, &a, &again);
        found =
            buf_ok(&again) && again.len == file.len && memcmp(again.data, file.data, file.len) == 0;
    }
    buf_release(&file);
    buf_release(&again);
    if (rv != CKR_OK)
        return rv;
    if (found)
        *ret = a;
    *ret_found = found;
    return CKR_OK;
}

static CK_RV id_of(const struct anchor_place *p, const struct anchor *a,
                   uint8_t ret[static TRAIL_MARK_LEN])
{
    struct buf text = BUF_INIT(ANCHOR_MAX);
    uint8_t digest[HASH_LEN];
    CK_RV rv;

    print(p, a, &text);
    rv = buf_ok(&text) ? hash_sha256(p->hash, buf_bytes(&text), digest) : fail_memory();
    if (rv == CKR_OK)
        memcpy(ret, digest, TRAIL_MARK_LEN);
    buf_release(&text);
    return rv;
}

/* ---- reading ---- */

CK_RV anchor_read(const struct anchor_place *p, struct anchor *ret, bool *ret_found)
{
    return read_from(p, PATH_ANCHOR, ret, ret_found);
}

CK_RV anchor_marked(const struct anchor_place *p, const struct anchor *a, bool *ret_marked)
{
    uint8_t id[TRAIL_MARK_LEN];
    CK_RV rv = id_of(p, a, id);

    return rv == CKR_OK ? p->marks->find(p->marks->ctx, id, ret_marked) : rv;
}

bool anchor_interrupted(const struct anchor_place *p)
{
    struct stat st;

    return fstatat(p->folder, PATH_ANCHOR_NEXT, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* ---- changing ---- */

static CK_RV take_out(const struct anchor_place *p, const struct anchor *a)
{
    uint8_t id[TRAIL_MARK_LEN];
    CK_RV rv = id_of(p, a, id);

    return rv == CKR_OK ? p->marks->drop(p->marks->ctx, id) : rv;
}

/* Steps 3 and 4. */
static CK_RV put_in_force(const struct anchor_place *p, const struct anchor *old)
{
    CK_RV rv = old != NULL ? take_out(p, old) : CKR_OK;

    if (rv != CKR_OK)
        return rv;
    if (renameat(p->folder, PATH_ANCHOR_NEXT, p->folder, PATH_ANCHOR) != 0 || fsync(p->folder) != 0)
        return fail_errno("replace the log's", PATH_ANCHOR);
    return CKR_OK;
}

CK_RV anchor_finish(const struct anchor_place *p)
{
    struct anchor old;
    struct anchor next;
    bool has_old = false;
    bool has_next = false;
    CK_RV rv;

    if (!anchor_interrupted(p))
        return CKR_OK;
    rv = read_from(p, PATH_ANCHOR_NEXT, &next, &has_next);
    if (rv == CKR_OK && has_next)
        rv = anchor_marked(p, &next, &has_next);
    if (rv == CKR_OK && has_next)
        rv = anchor_read(p, &old, &has_old);
    if (rv == CKR_OK && has_next)
        return put_in_force(p, has_old ? &old : NULL);
    if (rv == CKR_OK && unlinkat(p->folder, PATH_ANCHOR_NEXT, 0) != 0 && errno != ENOENT)
        rv = fail_errno("remove the log's", PATH_ANCHOR_NEXT);
    return rv;
}

CK_RV anchor_set(const struct anchor_place *p, const struct anchor *old, const struct checkpoint *c,
                 int64_t now_s)
{
    struct anchor a = {.number = old != NULL ? old->number + 1 : 0, .size = c->size, .time = now_s};
    struct buf text = BUF_INIT(ANCHOR_MAX);
    uint8_t id[TRAIL_MARK_LEN];
    CK_RV rv;

    memcpy(a.root, c->root, HASH_LEN);
    if (getrandom(a.nonce, ANCHOR_NONCE_LEN, 0) != ANCHOR_NONCE_LEN)
        return fail(CKR_GENERAL_ERROR, "the system gives no random numbers");
    print(p, &a, &text);
    rv = buf_ok(&text) ? file_write(p->folder, PATH_ANCHOR_NEXT, buf_bytes(&text), true)
                       : fail_memory();
    if (rv == CKR_OK)
        rv = id_of(p, &a, id);
    if (rv == CKR_OK)
        rv = p->marks->put(p->marks->ctx, id);
    if (rv == CKR_OK)
        rv = put_in_force(p, old);
    buf_release(&text);
    return rv == CKR_OK ? CKR_OK : fail_in(rv, "the log's anchor");
}
