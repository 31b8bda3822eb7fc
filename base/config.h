/*
 * A settings file: INI sections and keys against a table of what may stand there. Unknown key, bad
 * value, unreadable file: a failure with file, line and the nearest known name.
 */
#ifndef KEYWARD_BASE_CONFIG_H
#define KEYWARD_BASE_CONFIG_H

#include "base/fail.h"

#include <stddef.h>

enum config_kind {
    CONFIG_TEXT,   /* char *, owned by the settings struct; free with config_release */
    CONFIG_NUMBER, /* unsigned, between min and max */
    CONFIG_CHOICE, /* int, an index into choices */
};

/* One row of what may be set; offset points into the caller's settings struct. */
struct config_key {
    const char *section; /* "hsm" */
    const char *name;    /* "module" */
    enum config_kind kind;
    size_t offset;
    unsigned min, max;          /* CONFIG_NUMBER */
    const char *const *choices; /* CONFIG_CHOICE: NULL-terminated */
};

/*
 * Reads path into settings. What the file does not say keeps its value: the default. A CONFIG_TEXT
 * default is NULL or allocated, since a value from the file replaces and frees it.
 *
 * CKR_ARGUMENTS_BAD with "path:line: ..." on bad content: unknown names, a key set twice, an empty
 * value, a line over 198 bytes, a file over 64 KiB. Then, and on any other failure, settings are as
 * they were. The reason never has a value in it.
 */
MUST_CHECK CK_RV config_read(const char *path, const struct config_key *keys, size_t count,
                             void *settings);
/* Frees the CONFIG_TEXT values and sets them to NULL. */
void config_release(const struct config_key *keys, size_t count, void *settings);

#endif
