/* Tables and lists out of JSON: see print.h. */
#include "tools/print.h"

#include "base/scope.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX 12

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

const char *member_text(const json_t *object, const char *name)
{
    const char *value = json_string_value(json_object_get(object, name));

    return value != NULL ? value : "";
}

void print_safe(const char *text)
{
    for (const char *c = text; *c != '\0'; c++)
        (void)putchar(is_control(*c) ? '?' : *c);
}

static char *join(const json_t *list)
{
    struct buf out = BUF_INIT(1U << 20);
    char *text = NULL;

    for (size_t i = 0; i < json_array_size(list); i++) {
        SCOPED_FREE char *item = print_value(json_array_get(list, i));

        buf_puts(&out, i > 0 ? "," : "");
        buf_puts(&out, item != NULL ? item : "");
    }
    if (buf_str(&out) != NULL)
        text = strdup(out.len > 0 ? buf_str(&out) : "-");
    buf_release(&out);
    return text;
}

char *print_value(const json_t *value)
{
    char *text = NULL;

    if (json_is_string(value))
        return strdup(json_string_value(value));
    if (json_is_boolean(value))
        return strdup(json_is_true(value) ? "yes" : "no");
    if (json_is_array(value))
        return join(value);
    if (json_is_integer(value))
        return asprintf(&text, "%lld", (long long)json_integer_value(value)) >= 0 ? text : NULL;
    return strdup("-");
}

/* Columns on a terminal: UTF-8's continuation bytes take none. */
static size_t width_of(const char *text)
{
    size_t width = 0;

    for (const char *c = text; *c != '\0'; c++)
        width += ((unsigned char)*c & 0xc0) != 0x80;
    return width;
}

static void print_cell(const char *text, size_t width, bool last)
{
    print_safe(text);
    for (size_t w = width_of(text); !last && w < width + 2; w++)
        (void)putchar(' ');
}

static void measure(const json_t *rows, const struct print_column *columns, size_t *widths)
{
    for (size_t c = 0; columns[c].header != NULL; c++) {
        widths[c] = width_of(columns[c].header);
        for (size_t r = 0; r < json_array_size(rows); r++) {
            SCOPED_FREE char *cell =
                print_value(json_object_get(json_array_get(rows, r), columns[c].member));

            if (cell != NULL && width_of(cell) > widths[c])
                widths[c] = width_of(cell);
        }
    }
}

void print_table(const json_t *rows, const struct print_column *columns)
{
    size_t widths[COLUMNS_MAX] = {0};

    if (json_array_size(rows) == 0) {
        (void)puts("(none)");
        return;
    }
    measure(rows, columns, widths);
    for (size_t c = 0; columns[c].header != NULL; c++)
        print_cell(columns[c].header, widths[c], columns[c + 1].header == NULL);
    (void)putchar('\n');
    for (size_t r = 0; r < json_array_size(rows); r++) {
        for (size_t c = 0; columns[c].header != NULL; c++) {
            SCOPED_FREE char *cell =
                print_value(json_object_get(json_array_get(rows, r), columns[c].member));

            print_cell(cell != NULL ? cell : "", widths[c], columns[c + 1].header == NULL);
        }
        (void)putchar('\n');
    }
}

static void print_members(const json_t *object, const char *indent)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)object, name, value)
    {
        SCOPED_FREE char *text = json_is_object(value) ? NULL : print_value(value);

        if (json_is_object(value)) {
            (void)printf("%s%s:\n", indent, name);
            print_members(value, "  ");
            continue;
        }
        (void)printf("%s%s: ", indent, name);
        print_safe(text != NULL ? text : "");
        (void)putchar('\n');
    }
}

void print_object(const json_t *object)
{
    print_members(object, "");
}

void print_json(const json_t *json)
{
    (void)json_dumpf(json, stdout, JSON_INDENT(2));
    (void)putchar('\n');
}
