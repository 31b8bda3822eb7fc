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

/* seq time principal function action vault/object mechanism -> rv (reason) */
static void print_text(json_t *event)
{
    const char *object = member_text(event, "object");

    (void)printf("%lld %s ", (long long)json_integer_value(json_object_get(event, "seq")),
                 member_text(event, "time"));
    print_safe(member_text(event, "principal")[0] != '\0' ? member_text(event, "principal") : "-");
    (void)printf(" %s %s ", member_text(event, "function"),
                 member_text(event, "action")[0] != '\0' ? member_text(event, "action") : "-");
    (void)printf("%s%s", member_text(event, "vault")[0] != '\0' ? member_text(event, "vault") : "-",
                 object[0] != '\0' ? "/" : "");
    print_safe(object);
    if (member_text(event, "mechanism")[0] != '\0')
        (void)printf(" %s", member_text(event, "mechanism"));
    if (is(event, "phase", "intent"))
        (void)printf(" -> intent");
    else
        (void)printf(" -> %s%s", is(event, "verdict", "deny") ? "denied " : "",
                     member_text(event, "rv"));
    if (member_text(event, "reason")[0] != '\0') {
        (void)printf(" (");
        print_safe(member_text(event, "reason"));
        (void)putchar(')');
    }
    (void)putchar('\n');
}

/* ---- JSON ---- */

static void print_json_line(json_t *event)
{
    (void)json_dumpf(event, stdout, JSON_COMPACT);
    (void)putchar('\n');
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
static void put_escaped(const char *value, const char *escaped, const char *control)
{
    for (; *value != '\0'; value++) {
        unsigned char c = (unsigned char)*value;

        if (c < 0x20 || c == 0x7f) {
            (void)fputs(control, stdout);
            continue;
        }
        if (strchr(escaped, c) != NULL)
            (void)putchar('\\');
        (void)putchar(c);
    }
}

static void put_value(const json_t *value, const char *escaped, const char *control)
{
    if (json_is_string(value))
        put_escaped(json_string_value(value), escaped, control);
    else
        (void)printf("%lld", (long long)json_integer_value(value));
}

/* ---- syslog: RFC 5424 ---- */

#define FACILITY_AUDIT  13              /* RFC 5424, 6.2.1: log audit */
#define SD_ID           "keyward@32473" /* 32473: the number of RFC 5612, for who has none */
#define BOM             "\xef\xbb\xbf"  /* RFC 5424, 6.4: the message is UTF-8 */
#define SYSLOG_NAME_MAX 255

/* RFC 5424, 6.2.1: a refusal is a warning, a failure an error, what succeeded is informational. */
static const int severities[] = {[SUCCEEDED] = 6, [DENIED] = 4, [FAILED] = 3};

/* "-" is the nil value; names take printable ASCII without spaces. */
static void put_syslog_name(const char *value)
{
    size_t n = 0;

    for (; value[n] != '\0' && n < SYSLOG_NAME_MAX; n++)
        (void)putchar(value[n] > ' ' && value[n] < 0x7f ? value[n] : '?');
    (void)printf("%s ", n == 0 ? "-" : "");
}

static void print_syslog(json_t *event)
{
    char host[SYSLOG_NAME_MAX + 1] = "";
    const char *name;
    json_t *value;

    (void)gethostname(host, sizeof(host) - 1);
    (void)printf("<%d>1 %s ", FACILITY_AUDIT * 8 + severities[outcome_of(event)],
                 member_text(event, "time"));
    put_syslog_name(host);
    (void)printf("keyward %lld ", (long long)json_integer_value(json_object_get(event, "pid")));
    put_syslog_name(member_text(event, "function"));
    (void)printf("[" SD_ID);
    json_object_foreach(event, name, value)
    {
        (void)printf(" %s=\"", name);
        put_value(value, "\"\\]", "?");
        (void)putchar('"');
    }
    (void)printf("] " BOM);
    print_text(event);
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

static void put_cef(const char *key, const json_t *value, const char *label)
{
    if (value == NULL)
        return;
    (void)printf(" %s=", key);
    put_value(value, "\\=", "\\n");
    if (label != NULL)
        (void)printf(" %sLabel=%s", key, label);
}

static void print_cef(json_t *event)
{
    enum outcome outcome = outcome_of(event);
    const char *what =
        member_text(event, member_text(event, "action")[0] != '\0' ? "action" : "function");

    (void)printf("CEF:0|keyward|keyward|" KEYWARD_VERSION "|");
    put_escaped(member_text(event, "function"), "\\|", "?");
    (void)putchar('|');
    put_escaped(what, "\\|", "?");
    (void)printf("|%d|rt=%lld outcome=%s", cef_severities[outcome],
                 epoch_ms(member_text(event, "time")),
                 is(event, "phase", "intent") ? "intent" : cef_outcomes[outcome]);
    for (size_t i = 0; i < sizeof(cef_keys) / sizeof(*cef_keys); i++)
        put_cef(cef_keys[i].key, json_object_get(event, cef_keys[i].member), cef_keys[i].label);
    (void)putchar('\n');
}

/* ---- the table ---- */

const struct log_format log_formats[] = {
    {"text", print_text}, {"json", print_json_line}, {"syslog", print_syslog}, {"cef", print_cef},
    {NULL, NULL},
};

const struct log_format *log_format_find(const char *name)
{
    const struct log_format *format = log_formats;

    while (format->name != NULL && strcmp(format->name, name) != 0)
        format++;
    return format->name != NULL ? format : NULL;
}
