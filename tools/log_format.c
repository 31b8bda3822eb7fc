/*
 * Records as lines: see log_format.h. The log is JSON; every other form is made from it here, at
 * the reader's, and none is ever verified: that is what the folder itself is for.
 */
#include "tools/log_format.h"

#include "tools/print.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static bool is(const json_t *event, const char *name, const char *value)
{
    return strcmp(member_text(event, name), value) == 0;
}

/* ---- for people ---- */

/* Nothing in a log drives the terminal. */
static void put_safe(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++)
        buf_putc(out, (unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text);
}

/* seq time principal function action vault/object mechanism -> rv (reason) */
static void put_text(struct buf *out, json_t *event)
{
    const char *object = member_text(event, "object");

    buf_printf(out, "%lld %s ", (long long)json_integer_value(json_object_get(event, "seq")),
               member_text(event, "time"));
    put_safe(out,
             member_text(event, "principal")[0] != '\0' ? member_text(event, "principal") : "-");
    buf_printf(out, " %s %s ", member_text(event, "function"),
               member_text(event, "action")[0] != '\0' ? member_text(event, "action") : "-");
    buf_printf(out, "%s%s",
               member_text(event, "vault")[0] != '\0' ? member_text(event, "vault") : "-",
               object[0] != '\0' ? "/" : "");
    put_safe(out, object);
    if (member_text(event, "mechanism")[0] != '\0')
        buf_printf(out, " %s", member_text(event, "mechanism"));
    if (is(event, "phase", "intent"))
        buf_printf(out, " -> intent");
    else
        buf_printf(out, " -> %s%s", is(event, "verdict", "deny") ? "denied " : "",
                   member_text(event, "rv"));
    if (member_text(event, "reason")[0] != '\0') {
        buf_printf(out, " (");
        put_safe(out, member_text(event, "reason"));
        buf_putc(out, ')');
    }
    buf_putc(out, '\n');
}

/* ---- JSON ---- */

static int put_piece(const char *text, size_t len, void *ctx)
{
    struct buf *out = ctx;

    buf_put(out, text, len);
    return 0;
}

static void put_json_line(struct buf *out, json_t *event)
{
    (void)json_dump_callback(event, put_piece, out, JSON_COMPACT);
    buf_putc(out, '\n');
}

/* ---- what syslog and CEF share ---- */

enum outcome { SUCCEEDED, DENIED, FAILED };

static enum outcome outcome_of(const json_t *event)
{
    if (is(event, "verdict", "deny"))
        return DENIED;
    return member_text(event, "rv")[0] == '\0' || is(event, "rv", "CKR_OK") ? SUCCEEDED : FAILED;
}

/* A member's value, every byte of `escaped` with a backslash before it, control characters as
 * `control`. */
static void put_escaped(struct buf *out, const char *value, const char *escaped,
                        const char *control)
{
    for (; *value != '\0'; value++) {
        unsigned char c = (unsigned char)*value;

        if (c < 0x20 || c == 0x7f) {
            buf_puts(out, control);
            continue;
        }
        if (strchr(escaped, c) != NULL)
            buf_putc(out, '\\');
        buf_putc(out, (char)c);
    }
}

static void put_value(struct buf *out, const json_t *value, const char *escaped,
                      const char *control)
{
    if (json_is_string(value))
        put_escaped(out, json_string_value(value), escaped, control);
    else
        buf_printf(out, "%lld", (long long)json_integer_value(value));
}

/* ---- syslog: RFC 5424 ---- */

#define FACILITY_AUDIT  13              /* RFC 5424, 6.2.1: log audit */
#define SD_ID           "keyward@32473" /* 32473: the number of RFC 5612, for who has none */
#define BOM             "\xef\xbb\xbf"  /* RFC 5424, 6.4: the message is UTF-8 */
#define SYSLOG_NAME_MAX 255

int log_severity(const json_t *event)
{
    static const int severities[] = {[SUCCEEDED] = 6, [DENIED] = 4, [FAILED] = 3};

    return severities[outcome_of(event)];
}

/* "-" is the nil value; names take printable ASCII without spaces. */
static void put_syslog_name(struct buf *out, const char *value)
{
    size_t n = 0;

    for (; value[n] != '\0' && n < SYSLOG_NAME_MAX; n++)
        buf_putc(out, value[n] > ' ' && value[n] < 0x7f ? value[n] : '?');
    buf_printf(out, "%s ", n == 0 ? "-" : "");
}

static void put_syslog(struct buf *out, json_t *event)
{
    char host[SYSLOG_NAME_MAX + 1] = "";
    const char *name;
    json_t *value;

    (void)gethostname(host, sizeof(host) - 1);
    buf_printf(out, "<%d>1 %s ", FACILITY_AUDIT * 8 + log_severity(event),
               member_text(event, "time"));
    put_syslog_name(out, host);
    buf_printf(out, "keyward %lld ", (long long)json_integer_value(json_object_get(event, "pid")));
    put_syslog_name(out, member_text(event, "function"));
    buf_printf(out, "[" SD_ID);
    json_object_foreach(event, name, value)
    {
        buf_printf(out, " %s=\"", name);
        put_value(out, value, "\"\\]", "?");
        buf_putc(out, '"');
    }
    buf_printf(out, "] " BOM);
    put_text(out, event);
}

/* ---- CEF ---- */

/* The dictionary's keys for what it has a word for; its custom texts, with their labels, for the
 * rest. */
static const struct {
    const char *key, *member, *label;
} cef_keys[] = {
    {"externalId", "seq", NULL}, {"suser", "principal", NULL}, {"suid", "uid", NULL},
    {"spid", "pid", NULL},       {"sproc", "exe", NULL},       {"act", "action", NULL},
    {"app", "via", NULL},        {"fname", "object", NULL},    {"fileId", "id", NULL},
    {"reason", "reason", NULL},  {"cs1", "vault", "vault"},    {"cs2", "mechanism", "mechanism"},
    {"cs3", "rules", "rules"},   {"cs4", "rv", "rv"},          {"cs5", "digest", "digest"},
    {"cs6", "policy", "policy"},
};
static const int cef_severities[] = {[SUCCEEDED] = 1, [DENIED] = 6, [FAILED] = 4};
static const char *const cef_outcomes[] = {
    [SUCCEEDED] = "success", [DENIED] = "denied", [FAILED] = "failure"};

/* Milliseconds since 1970; 0 where the time is no time. */
static long long epoch_ms(const char *time)
{
    struct tm tm = {0};
    const char *rest = strptime(time, "%Y-%m-%dT%H:%M:%S", &tm);
    long ms = rest != NULL && *rest == '.' ? strtol(rest + 1, NULL, 10) / 1000 : 0;

    return rest != NULL ? (long long)timegm(&tm) * 1000 + ms : 0;
}

static void put_cef_pair(struct buf *out, const char *key, const json_t *value, const char *label)
{
    if (value == NULL)
        return;
    buf_printf(out, " %s=", key);
    put_value(out, value, "\\=", "\\n");
    if (label != NULL)
        buf_printf(out, " %sLabel=%s", key, label);
}

static void put_cef(struct buf *out, json_t *event)
{
    enum outcome outcome = outcome_of(event);
    const char *what =
        member_text(event, member_text(event, "action")[0] != '\0' ? "action" : "function");

    buf_printf(out, "CEF:0|keyward|keyward|" KEYWARD_VERSION "|");
    put_escaped(out, member_text(event, "function"), "\\|", "?");
    buf_putc(out, '|');
    put_escaped(out, what, "\\|", "?");
    buf_printf(out, "|%d|rt=%lld outcome=%s", cef_severities[outcome],
               epoch_ms(member_text(event, "time")),
               is(event, "phase", "intent") ? "intent" : cef_outcomes[outcome]);
    for (size_t i = 0; i < sizeof(cef_keys) / sizeof(*cef_keys); i++)
        put_cef_pair(out, cef_keys[i].key, json_object_get(event, cef_keys[i].member),
                     cef_keys[i].label);
    buf_putc(out, '\n');
}

/* ---- the table ---- */

const struct log_format log_formats[] = {
    {"text", put_text}, {"json", put_json_line}, {"syslog", put_syslog}, {"cef", put_cef},
    {NULL, NULL},
};

const struct log_format *log_format_find(const char *name)
{
    const struct log_format *format = log_formats;

    while (format->name != NULL && strcmp(format->name, name) != 0)
        format++;
    return format->name != NULL ? format : NULL;
}
