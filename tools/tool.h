/*
 * The keyward command: what its files share. A command is a row of a table (commands.c); its
 * function gets an invocation, whose options and arguments have been checked against the row, and
 * answers with the exit code.
 */
#ifndef KEYWARD_TOOLS_TOOL_H
#define KEYWARD_TOOLS_TOOL_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>

/* Exit codes: docs and scripts rely on them. */
#define TOOL_DONE   0
#define TOOL_FAILED 1 /* refused or failed: one line on standard error says why */
#define TOOL_USAGE  2

#define TOOL_ARGS_MAX    4
#define TOOL_OPTIONS_MAX 32

struct invocation;

struct command {
    const char *name;      /* "vault create" */
    const char *arguments; /* "NAME", for the synopsis */
    size_t args_min, args_max;
    /* Names it takes, separated by spaces: "--user --pin-file"; one that elsewhere is a flag may
     * have a value here: "--legacy=on|off". */
    const char *options;
    int (*run)(const struct invocation *inv);
    const char *summary;
};

/* commands.c */
extern const struct command commands[];
size_t command_count(void);
/* Commands that a later version will have: NULL past the end. */
const char *command_later(size_t i);

/* options.c: what was asked for. Everything borrows from argv. */
struct invocation {
    const struct command *command;
    const char *args[TOOL_ARGS_MAX];
    size_t arg_count;
    struct {
        const char *name, *value;
    } options[TOOL_OPTIONS_MAX];
    size_t option_count;
};

/* Fills inv from the words behind the command's name; TOOL_USAGE after a line on standard error. */
int invocation_parse(const struct command *command, int argc, char **argv, struct invocation *inv);
/* The option's value ("" for a flag), or NULL when it was not given. */
const char *option(const struct invocation *inv, const char *name);
/* The i-th of an option that may be given again; NULL past the end. */
const char *option_at(const struct invocation *inv, const char *name, size_t i);
/* Placeholder of the option's value, by a word of a command's list; NULL for a flag or an unknown
 * option. */
const char *option_value_name(const char *word);

/* "keyward: vault create: sentence" on standard error. Returns code. */
__attribute__((format(printf, 3, 4))) int tool_fail(int code, const char *what, const char *fmt,
                                                    ...);

/* VAULT/NAME[@VERSION], taken apart into static-size texts. */
struct object_name {
    char vault[64];
    char name[512];
    bool has_version;
    long long version;
};
/* TOOL_DONE, or TOOL_USAGE after a line on standard error. */
int object_name_parse(const struct invocation *inv, const char *text, struct object_name *ret);
/* VAULT/NAME without a version (users). */
int user_name_parse(const struct invocation *inv, const char *text, struct object_name *ret);

/* help.c */
int help_print(const char *topic); /* NULL: all commands */
int version_print(void);

#endif
