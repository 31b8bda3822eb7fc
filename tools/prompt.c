/* PINs: see prompt.h. They are read straight into locked memory, and standard input is read by the
 * byte so that nothing of it is left in a buffer of stdio's. */
#include "tools/prompt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define PIN_LINE_MAX 256 /* one more than the longest PIN, so that a longer one is seen as such */
#define CTRL_C       '\x03'

/* Reads up to a newline or the end. -1 with errno. */
static ssize_t read_line(int fd, uint8_t *out, size_t size)
{
    size_t at = 0;

    while (at < size) {
        ssize_t n = read(fd, out + at, 1);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0 || out[at] == '\n')
            break;
        at++;
    }
    return (ssize_t)at;
}

static int take_line(const struct invocation *inv, int fd, const char *where, struct secret **ret)
{
    struct secret *line = secret_new(PIN_LINE_MAX);
    ssize_t n;

    if (line == NULL)
        return tool_fail(TOOL_FAILED, inv->command->name, "out of memory");
    n = read_line(fd, line->data, line->len);
    if (n <= 0 || n == PIN_LINE_MAX) {
        const char *why = n < 0 ? strerror(errno) : n == 0 ? "it is empty" : "it is too long";

        secret_free(line);
        return tool_fail(TOOL_FAILED, inv->command->name, "cannot read a PIN from %s: %s", where,
                         why);
    }
    secret_shorten(line, (size_t)n);
    *ret = line;
    return TOOL_DONE;
}

static int from_file(const struct invocation *inv, const char *file, struct secret **ret)
{
    int fd;
    int rc;

    if (strcmp(file, "-") == 0)
        return take_line(inv, STDIN_FILENO, "standard input", ret);
    fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return tool_fail(TOOL_FAILED, inv->command->name, "cannot open the PIN file %s: %s", file,
                         strerror(errno));
    rc = take_line(inv, fd, file, ret);
    (void)close(fd);
    return rc;
}

/* Echo is off only while the line is read, and the terminal's signals with it, so that no Ctrl-C
 * leaves a terminal without echo: it arrives as a byte instead. */
static int ask_once(const struct invocation *inv, int tty, const char *question,
                    struct secret **ret)
{
    struct termios before, quiet;
    int rc;

    if (tcgetattr(tty, &before) != 0)
        return tool_fail(TOOL_FAILED, inv->command->name, "cannot turn off the terminal's echo: %s",
                         strerror(errno));
    quiet = before;
    quiet.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
    (void)dprintf(tty, "%s: ", question);
    if (tcsetattr(tty, TCSAFLUSH, &quiet) != 0)
        return tool_fail(TOOL_FAILED, inv->command->name, "cannot turn off the terminal's echo: %s",
                         strerror(errno));
    rc = take_line(inv, tty, "the terminal", ret);
    (void)tcsetattr(tty, TCSAFLUSH, &before);
    (void)dprintf(tty, "\n");
    if (rc == TOOL_DONE && *ret != NULL && memchr((*ret)->data, CTRL_C, (*ret)->len) != NULL) {
        secret_free(*ret);
        *ret = NULL;
        return tool_fail(TOOL_FAILED, inv->command->name, "stopped at the terminal");
    }
    return rc;
}

static int ask(const struct invocation *inv, int tty, const char *question, bool fresh,
               struct secret **ret)
{
    SCOPED_SECRET first = NULL;
    SCOPED_SECRET again = NULL;
    int rc = ask_once(inv, tty, question, &first);

    if (rc == TOOL_DONE && fresh)
        rc = ask_once(inv, tty, "The same again", &again);
    if (rc == TOOL_DONE && fresh && !bytes_equal(secret_bytes(first), secret_bytes(again)))
        rc = tool_fail(TOOL_FAILED, inv->command->name, "the two PINs differ: nothing was changed");
    if (rc == TOOL_DONE)
        *ret = TAKE(first);
    return rc;
}

int prompt_pin(const struct invocation *inv, const char *file, const char *question, bool fresh,
               struct secret **ret)
{
    int tty;
    int rc;

    if (file != NULL)
        return from_file(inv, file, ret);
    tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (tty < 0)
        return tool_fail(TOOL_FAILED, inv->command->name,
                         "there is no terminal to ask for a PIN: give --pin-file FILE, or - for "
                         "standard input");
    rc = ask(inv, tty, question, fresh, ret);
    (void)close(tty);
    return rc;
}
