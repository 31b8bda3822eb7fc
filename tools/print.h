/* Answers for people: tables and lists out of JSON. What --json prints is the JSON itself. */
#ifndef KEYWARD_TOOLS_PRINT_H
#define KEYWARD_TOOLS_PRINT_H

#include "tools/tool.h"

#include <jansson.h>

struct print_column {
    const char *header; /* NULL ends the list */
    const char *member;
};

/* A row an element, columns as wide as their widest cell; "(none)" for an empty list. */
void print_table(const json_t *rows, const struct print_column *columns);
/* "name: value" a line; members of inner objects indented. */
void print_object(const json_t *object);
/* The value in one line; the caller frees it. */
char *print_value(const json_t *value);
/* Indented JSON and a newline. */
void print_json(const json_t *json);

/* A text member; "" where there is none. */
const char *member_text(const json_t *object, const char *name);

/* Text that came from elsewhere (labels, reasons): control characters shown as '?', so that nothing
 * in a log or a name drives the terminal. */
void print_safe(const char *text);

#endif
