/* Reading a file whole: see file.h. */
#include "tools/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
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
