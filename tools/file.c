/* Reading a file whole, and writing one: see file.h. */
#include "tools/file.h"

#include "base/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_all(const struct invocation *inv, int fd, const char *path, struct buf *out)
{
    char chunk[65536];
    ssize_t n;

    do {
        n = read(fd, chunk, sizeof(chunk));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return tool_fail(TOOL_FAILED, inv->command->name, "cannot read %s: %s", path,
                             strerror(errno));
        buf_put(out, chunk, (size_t)n);
    } while (n != 0 && buf_ok(out));
    if (!buf_ok(out))
        return tool_fail(TOOL_FAILED, inv->command->name, "%s is longer than %zu bytes", path,
                         out->max);
    return TOOL_DONE;
}

int input_read(const struct invocation *inv, const char *path, struct buf *out)
{
    int fd;
    int rc;

    if (strcmp(path, "-") == 0)
        return read_all(inv, STDIN_FILENO, "standard input", out);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return tool_fail(TOOL_FAILED, inv->command->name, "cannot open %s: %s", path,
                         strerror(errno));
    rc = read_all(inv, fd, path, out);
    (void)close(fd);
    return rc;
}

/* ---- writing ---- */

static int not_written(const struct invocation *inv, const char *path)
{
    return tool_fail(TOOL_FAILED, inv->command->name, "cannot write %s: %s", path, strerror(errno));
}

static bool write_all(int fd, struct bytes data)
{
    while (data.len > 0) {
        ssize_t n = write(fd, data.data, data.len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        data = BYTES(data.data + n, data.len - (size_t)n);
    }
    return true;
}

int file_replace(const struct invocation *inv, const char *path, struct bytes data, mode_t mode)
{
    SCOPED_FREE char *beside = NULL;
    int fd, kept;
    bool whole;

    if (asprintf(&beside, "%s.XXXXXX", path) < 0)
        return tool_fail(TOOL_FAILED, inv->command->name, "out of memory");
    fd = mkostemp(beside, O_CLOEXEC);
    if (fd < 0)
        return not_written(inv, path);
    whole = write_all(fd, data) && fchmod(fd, mode) == 0 && fsync(fd) == 0;
    kept = errno;
    if (close(fd) != 0 && whole) {
        kept = errno;
        whole = false;
    }
    if (whole && rename(beside, path) == 0)
        return TOOL_DONE;
    if (!whole)
        errno = kept;
    kept = not_written(inv, path);
    (void)unlink(beside);
    return kept;
}
