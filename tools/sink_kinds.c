/*
 * A record as syslog and as journald take it.
 *
 * syslog: the line of `log export --format syslog` (RFC 5424), one datagram each, or over TCP with
 * its length before it (RFC 6587, 3.4.1).
 *
 * journald: its native protocol. Every member is a field KEYWARD_<NAME>; what does not fit into a
 * datagram goes as a sealed file in memory, as sd_journal_sendv() does it.
 */
#include "tools/sink.h"

#include "base/scope.h"
#include "tools/log_format.h"
#include "tools/print.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- syslog ---- */

bool sink_syslog(struct sink *sink, json_t *event)
{
    char length[32] = "";
    struct bytes line;

    log_format_find("syslog")->put(&sink->record, event);
    if (!buf_ok(&sink->record)) {
        errno = ENOMEM;
        return false;
    }
    line = BYTES(sink->record.data, sink->record.len - 1); /* without its newline */
    if (sink->stream)
        (void)snprintf(length, sizeof(length), "%zu ", line.len);
    return (length[0] == '\0' || sink_write(sink, bytes_from_str(length), -1)) &&
           sink_write(sink, line, -1);
}

/* ---- journald ---- */

/* What `journalctl MESSAGE_ID=` finds our records by: a random number, never another. */
#define MESSAGE_ID "4f3c0c6e2f5b4d0fa9d7c1b8e6a2705d"

/* NAME=value, or where the value has a newline: NAME, newline, its length as 8 bytes little-endian,
 * value. */
static void put_field(struct buf *out, struct bytes value)
{
    uint8_t length[8];

    if (value.len == 0 || memchr(value.data, '\n', value.len) == NULL) {
        buf_putc(out, '=');
    } else {
        for (size_t i = 0; i < sizeof(length); i++)
            length[i] = (uint8_t)((uint64_t)value.len >> (8 * i));
        buf_putc(out, '\n');
        buf_put(out, length, sizeof(length));
    }
    buf_put_bytes(out, value);
    buf_putc(out, '\n');
}

static void put_member(struct buf *out, const char *name, const json_t *value)
{
    char number[32];

    buf_puts(out, "KEYWARD_");
    for (; *name != '\0'; name++)
        buf_putc(out, (char)toupper((unsigned char)*name));
    (void)snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(value));
    put_field(out, bytes_from_str(json_is_string(value) ? json_string_value(value) : number));
}

static void put_message(struct buf *out, json_t *event)
{
    struct buf line = BUF_INIT(SIZE_MAX);

    log_format_find("text")->put(&line, event);
    buf_puts(out, "MESSAGE");
    put_field(out, BYTES(line.data, line.len > 0 ? line.len - 1 : 0));
    if (!buf_ok(&line))
        out->failed = true;
    buf_release(&line);
}

static void put_record(struct buf *out, json_t *event)
{
    const char *name;
    json_t *value;

    put_message(out, event);
    buf_printf(out, "PRIORITY=%d\nSYSLOG_FACILITY=13\nSYSLOG_IDENTIFIER=keyward\n",
               log_severity(event));
    buf_puts(out, "MESSAGE_ID=" MESSAGE_ID "\n");
    json_object_foreach(event, name, value)
    {
        put_member(out, name, value);
    }
}

/* journald takes a file only when nobody can change it any more. */
static bool send_file(struct sink *sink)
{
    SCOPED_FD int fd = memfd_create("keyward-record", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    ssize_t n = fd >= 0 ? write(fd, sink->record.data, sink->record.len) : -1;

    return n >= 0 && (size_t)n == sink->record.len &&
           fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0 &&
           sink_write(sink, BYTES_NONE, fd);
}

bool sink_journald(struct sink *sink, json_t *event)
{
    put_record(&sink->record, event);
    if (!buf_ok(&sink->record)) {
        errno = ENOMEM;
        return false;
    }
    return sink_write(sink, buf_bytes(&sink->record), -1) || (errno == EMSGSIZE && send_file(sink));
}
