/* One record of the log as a line: for people, and for the programs that collect logs. */
#ifndef KEYWARD_TOOLS_LOG_FORMAT_H
#define KEYWARD_TOOLS_LOG_FORMAT_H

#include "base/bytes.h"

#include <jansson.h>

struct log_format {
    const char *name;                            /* NULL ends the list */
    void (*put)(struct buf *out, json_t *event); /* with a newline behind it */
};

/* What --format takes: "text", "json" (a line each), "syslog" (RFC 5424), "cef" (ArcSight Common
 * Event Format, version 0). */
extern const struct log_format log_formats[];
/* NULL when there is none of that name. */
const struct log_format *log_format_find(const char *name);
/* RFC 5424, 6.2.1: a refusal is a warning (4), a failure an error (3), what succeeded is
 * informational (6). */
int log_severity(const json_t *event);

#endif
