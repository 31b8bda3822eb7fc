/*
 * The care of a SoftHSM token of our own.
 *
 * Every C_Login of SoftHSM rewrites <token>/token.object in place: truncated first, written after.
 * A process killed in between leaves a file cut short, and the whole token with all its keys is
 * unreachable. So a copy with a checksum is kept in our state folder, renewed after each good
 * login, and put back where the original is missing or of another length. A login changes flags in
 * that file, never its length; what has the right length is left alone.
 *
 * Everything here runs under the home's login lock, and before the library reads the folder or
 * between its logins.
 */
#include "hsm/worker_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OBJECT_NAME   "token.object"
#define COPY_PREFIX   "softhsm-"
#define OBJECT_MAX    (64u << 10)
#define DIGEST_LEN    32
#define SERIAL_DIGITS 16

/* ---- files, whole ---- */

static char *join(const char *folder, const char *prefix, const char *name)
{
    char *path = NULL;

    return asprintf(&path, "%s/%s%s", folder, prefix, name) < 0 ? NULL : path;
}

/* ret_st: what it is, for its mode and owner. A missing file is CKR_OK and empty, with ret_found
 * false. */
static CK_RV read_file(const char *path, struct buf *ret, struct stat *ret_st, bool *ret_found)
{
    SCOPED_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    *ret_found = fd >= 0;
    if (fd < 0)
        return errno == ENOENT ? CKR_OK : fail_errno("open", path);
    if (fstat(fd, ret_st) != 0)
        return fail_errno("look at", path);
    for (;;) {
        uint8_t block[4096];
        ssize_t n = read(fd, block, sizeof(block));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_errno("read", path);
        if (n == 0)
            break;
        buf_put(ret, block, (size_t)n);
    }
    return buf_ok(ret)
               ? CKR_OK
               : fail(CKR_DEVICE_ERROR, "%s is larger than a SoftHSM token's metadata", path);
}

static bool write_all(int fd, struct bytes what)
{
    while (what.len > 0) {
        ssize_t n = write(fd, what.data, what.len);

        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0)
            what = BYTES(what.data + n, what.len - (size_t)n);
    }
    return true;
}

static void sync_folder(const char *folder)
{
    SCOPED_FD int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0)
        (void)fsync(fd);
}

/* Whole or not at all: a temporary file beside it, flushed, then renamed. st: mode and owner to
 * keep, or NULL. */
static CK_RV replace_file(const char *folder, const char *path, struct bytes what,
                          const struct stat *st)
{
    SCOPED_FREE char *temporary = NULL;
    SCOPED_FD int fd = -1;
    bool ok;

    if (asprintf(&temporary, "%s.new", path) < 0) {
        temporary = NULL;
        return fail_memory();
    }
    fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return fail_errno("make", temporary);
    ok = write_all(fd, what);
    if (ok && st != NULL) {
        /* Another owner can only be kept by root; the mode always. */
        (void)!fchown(fd, st->st_uid, st->st_gid);
        ok = fchmod(fd, st->st_mode & 0777) == 0;
    }
    if (!ok || fsync(fd) != 0 || rename(temporary, path) != 0) {
        CK_RV rv = fail_errno("replace", path);

        (void)unlink(temporary);
        return rv;
    }
    sync_folder(folder);
    return CKR_OK;
}

/* ---- copies: SHA-256 of the content, then the content ---- */

static CK_RV read_copy(const struct device *d, const char *path, struct buf *ret,
                       struct bytes *ret_body, struct stat *ret_st)
{
    uint8_t digest[DIGEST_LEN];
    bool found;
    CK_RV rv = read_file(path, ret, ret_st, &found);

    *ret_body = BYTES_NONE;
    if (rv != CKR_OK || !found || ret->len <= DIGEST_LEN)
        return rv;
    *ret_body = BYTES(ret->data + DIGEST_LEN, ret->len - DIGEST_LEN);
    rv = local_sha256(d->local, *ret_body, digest);
    if (rv == CKR_OK && memcmp(digest, ret->data, DIGEST_LEN) != 0)
        *ret_body = BYTES_NONE; /* a damaged copy is no copy */
    return rv;
}

static CK_RV write_copy(const struct device *d, const char *path, struct bytes body)
{
    struct buf copy = BUF_INIT(OBJECT_MAX + DIGEST_LEN);
    uint8_t digest[DIGEST_LEN];
    CK_RV rv = local_sha256(d->local, body, digest);

    buf_put(&copy, digest, sizeof(digest));
    buf_put_bytes(&copy, body);
    if (rv == CKR_OK && !buf_ok(&copy))
        rv = fail_memory();
    if (rv == CKR_OK)
        rv = replace_file(d->texts[WIRE_STATE_DIR], path, buf_bytes(&copy), NULL);
    buf_release_secure(&copy);
    return rv;
}

static CK_RV compare_and_mend(const struct device *d, const char *folder, const char *original,
                              const char *copy)
{
    struct buf kept = BUF_INIT(OBJECT_MAX + DIGEST_LEN);
    struct buf now = BUF_INIT(OBJECT_MAX);
    struct stat kept_st = {0};
    struct stat now_st = {0};
    struct bytes body;
    bool found = false;
    CK_RV rv = read_copy(d, copy, &kept, &body, &kept_st);

    if (rv == CKR_OK && body.len > 0) {
        rv = read_file(original, &now, &now_st, &found);
        if (rv == CKR_OK && now.len != body.len)
            rv = replace_file(folder, original, body, found ? &now_st : &kept_st);
    }
    buf_release_secure(&kept);
    buf_release_secure(&now);
    return rv;
}

static CK_RV renew(const struct device *d, const char *folder, const char *original,
                   const char *copy)
{
    struct buf now = BUF_INIT(OBJECT_MAX);
    struct buf kept = BUF_INIT(OBJECT_MAX + DIGEST_LEN);
    struct stat st;
    struct bytes body;
    bool found;
    CK_RV rv = read_file(original, &now, &st, &found);

    (void)folder; /* a copy lives elsewhere */
    if (rv == CKR_OK && (!found || now.len == 0))
        rv = fail(CKR_DEVICE_ERROR, "SoftHSM lost %s in a login", original);
    if (rv == CKR_OK)
        rv = read_copy(d, copy, &kept, &body, &st);
    /* Logins are many, changes few: an equal copy is left alone. */
    if (rv == CKR_OK && !bytes_equal(body, buf_bytes(&now)))
        rv = write_copy(d, copy, buf_bytes(&now));
    buf_release_secure(&now);
    buf_release_secure(&kept);
    return rv;
}

/* ---- the folder of tokens ---- */

typedef CK_RV token_act(const struct device *d, const char *folder, const char *original,
                        const char *copy);

static CK_RV act_on(const struct device *d, const char *name, token_act *act)
{
    SCOPED_FREE char *folder = join(d->texts[WIRE_SOFTHSM_TOKENS], "", name);
    SCOPED_FREE char *original = folder != NULL ? join(folder, "", OBJECT_NAME) : NULL;
    SCOPED_FREE char *copy = join(d->texts[WIRE_STATE_DIR], COPY_PREFIX, name);
    struct stat st;

    if (original == NULL || copy == NULL)
        return fail_memory();
    if (stat(folder, &st) != 0 || !S_ISDIR(st.st_mode))
        return CKR_OK;
    return act(d, folder, original, copy);
}

/* SoftHSM names a token's folder by a UUID of which the serial number is the last 16 digits. */
static bool is_token(const char *name, const CK_CHAR serial[static SERIAL_DIGITS])
{
    size_t left = SERIAL_DIGITS;

    for (size_t i = strlen(name); i > 0 && left > 0; i--) {
        if (name[i - 1] == '-')
            continue;
        if (name[i - 1] != (char)serial[left - 1])
            return false;
        left--;
    }
    return left == 0;
}

static CK_RV each_token(const struct device *d, const CK_CHAR *serial, token_act *act)
{
    DIR *folder = opendir(d->texts[WIRE_SOFTHSM_TOKENS]);
    struct dirent *entry;
    CK_RV rv = CKR_OK;

    if (folder == NULL)
        return fail_errno("read the folder of SoftHSM's tokens", d->texts[WIRE_SOFTHSM_TOKENS]);
    while (rv == CKR_OK && (entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] == '.' || (serial != NULL && !is_token(entry->d_name, serial)))
            continue;
        rv = act_on(d, entry->d_name, act);
    }
    (void)closedir(folder);
    return rv;
}

/* ---- its configuration ---- */

#define VARIABLE "SOFTHSM2_CONF"

/* A copy of the environment with SoftHSM's variable in front. */
static bool copy_environment(struct device *d)
{
    size_t count = 0;

    while (environ != NULL && environ[count] != NULL)
        count++;
    free(d->environment);
    free(d->softhsm_variable);
    d->environment = calloc(count + 2, sizeof(*d->environment));
    if (asprintf(&d->softhsm_variable, VARIABLE "=%s", d->texts[WIRE_SOFTHSM_CONF]) < 0)
        d->softhsm_variable = NULL;
    if (d->environment == NULL || d->softhsm_variable == NULL)
        return false;
    d->environment[0] = d->softhsm_variable;
    if (count > 0)
        memcpy(d->environment + 1, environ, count * sizeof(*environ));
    return true;
}

/*
 * SoftHSM is told where its configuration is by the environment alone. The worker is started with
 * it. A host's environment is not ours to change: setenv() would move it under the feet of the
 * host's other threads. So it is exchanged for a copy during the call, and the copy outlives the
 * device, since somebody may still be reading it. A change that another thread of the host makes to
 * the environment in these milliseconds may be lost.
 */
CK_RV softhsm_initialize(struct device *d, CK_C_INITIALIZE_ARGS *args)
{
    const char *conf = d->texts[WIRE_SOFTHSM_CONF];
    const char *told = getenv(VARIABLE);
    char **before = environ;
    CK_RV rv;

    if (conf == NULL || (told != NULL && strcmp(told, conf) == 0))
        return d->p11->C_Initialize(args);
    if (!copy_environment(d))
        return CKR_HOST_MEMORY;
    environ = d->environment;
    rv = d->p11->C_Initialize(args);
    if (environ == d->environment)
        environ = before;
    else
        d->softhsm_variable = NULL; /* in an environment that is not ours any more */
    return rv;
}

CK_RV softhsm_mend(const struct device *d)
{
    if (d->texts[WIRE_SOFTHSM_TOKENS] == NULL)
        return CKR_OK;
    return each_token(d, NULL, compare_and_mend);
}

CK_RV softhsm_keep(const struct device *d)
{
    if (d->texts[WIRE_SOFTHSM_TOKENS] == NULL)
        return CKR_OK;
    return each_token(d, d->token.serialNumber, renew);
}
