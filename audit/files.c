/* Small file operations of the log: see files.h. */
#include "audit/files.h"

#include "audit/paths.h"
#include "base/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int file_open(int folder, const char *path, int flags)
{
    int fd;

    do
        fd = openat(folder, path, flags | O_CLOEXEC | O_NOFOLLOW, 0660);
    while (fd < 0 && errno == EINTR);
    return fd;
}

CK_RV file_open_folder(const char *path, int *ret_fd)
{
    int fd;

    do
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return fail_errno("open log folder", path);
    *ret_fd = fd;
    return CKR_OK;
}

bool file_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

ssize_t file_pread(int fd, void *to, size_t n, off_t offset)
{
    size_t done = 0;

    while (done < n) {
        ssize_t got = pread(fd, (char *)to + done, n - done, offset + (off_t)done);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

CK_RV file_read(int folder, const char *path, size_t max, struct buf *out, bool *ret_found)
{
    SCOPED_FD int fd = file_open(folder, path, O_RDONLY);
    struct stat st;
    uint8_t *to;
    ssize_t got;

    if (fd < 0 && errno == ENOENT) {
        *ret_found = false;
        return CKR_OK;
    }
    if (fd < 0 || fstat(fd, &st) != 0)
        return fail_errno("read", path);
    if (!S_ISREG(st.st_mode) || st.st_size < 0 || (uint64_t)st.st_size > max)
        return fail(CKR_DEVICE_ERROR, "%s is no file of at most %zu bytes: it is not the log's",
                    path, max);
    to = buf_grow(out, (size_t)st.st_size);
    if (to == NULL)
        return fail_memory();
    got = file_pread(fd, to, (size_t)st.st_size, 0);
    if (got < 0)
        return fail_errno("read", path);
    out->len -= (size_t)st.st_size - (size_t)got;
    *ret_found = true;
    return CKR_OK;
}

CK_RV file_make_parents(int folder, const char *path)
{
    char part[PATH_LOG_MAX];

    for (const char *at = strchr(path, '/'); at != NULL; at = strchr(at + 1, '/')) {
        (void)snprintf(part, sizeof(part), "%.*s", (int)(at - path), path);
        if (mkdirat(folder, part, 0770) != 0 && errno != EEXIST)
            return fail_errno("make folder", part);
    }
    return CKR_OK;
}

static bool write_all(int fd, struct bytes data)
{
    while (data.len > 0) {
        ssize_t n = write(fd, data.data, data.len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        data.data += n;
        data.len -= (size_t)n;
    }
    return true;
}

CK_RV file_sync(int folder, const char *path)
{
    SCOPED_FD int fd = file_open(folder, path, O_RDONLY);

    if (fd < 0 || fsync(fd) != 0)
        return fail_errno("sync", path);
    return CKR_OK;
}

static CK_RV sync_parent(int folder, const char *path)
{
    char parent[PATH_LOG_MAX];
    char *slash;

    (void)snprintf(parent, sizeof(parent), "%s", path);
    slash = strrchr(parent, '/');
    if (slash == NULL)
        return file_sync(folder, ".");
    *slash = '\0';
    return file_sync(folder, parent);
}

CK_RV file_write(int folder, const char *path, struct bytes data, bool durable)
{
    char temp[PATH_LOG_MAX + 8];
    CK_RV rv = file_make_parents(folder, path);
    int fd;

    if (rv != CKR_OK)
        return rv;
    (void)snprintf(temp, sizeof(temp), "%s.tmp", path);
    fd = file_open(folder, temp, O_WRONLY | O_CREAT | O_TRUNC);
    if (fd < 0)
        return fail_errno("write", temp);
    if (!write_all(fd, data) || (durable && fsync(fd) != 0) ||
        renameat(folder, temp, folder, path) != 0) {
        rv = fail_errno("write", path);
        (void)unlinkat(folder, temp, 0); /* a full disk needs the space back */
    }
    (void)close(fd);
    return rv == CKR_OK && durable ? sync_parent(folder, path) : rv;
}

static void sync_once(struct buf *list, const char *path)
{
    size_t len = strlen(path) + 1;

    for (size_t at = 0; at < list->len; at += strlen((const char *)list->data + at) + 1) {
        if (strcmp((const char *)list->data + at, path) == 0)
            return;
    }
    buf_put(list, path, len);
}

void file_sync_later(struct buf *list, const char *path)
{
    char part[PATH_LOG_MAX];

    (void)snprintf(part, sizeof(part), "%s", path);
    sync_once(list, part);
    for (char *at = strrchr(part, '/'); at != NULL; at = strrchr(part, '/')) {
        *at = '\0';
        sync_once(list, part);
    }
    sync_once(list, ".");
}

CK_RV file_sync_all(int folder, const struct buf *list)
{
    CK_RV rv = buf_ok(list) ? CKR_OK : fail_memory();

    for (size_t at = 0; rv == CKR_OK && at < list->len;) {
        const char *path = (const char *)list->data + at;

        rv = file_sync(folder, path);
        at += strlen(path) + 1;
    }
    return rv;
}
