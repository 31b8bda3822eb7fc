/* Files an administrator names, read and written whole. */
#ifndef KEYWARD_TOOLS_FILE_H
#define KEYWARD_TOOLS_FILE_H

#include "tools/tool.h"

#include <sys/types.h>

/* The file's bytes ("-" is standard input) appended to out, at most out->max. TOOL_DONE, or a line
 * was printed. */
int input_read(const struct invocation *inv, const char *path, struct buf *out);
/* Puts a new file in the place of path. Whoever reads it finds the old one or the new one, never a
 * piece; until it is whole the new one stands beside it under a name with a suffix. */
int file_replace(const struct invocation *inv, const char *path, struct bytes data, mode_t mode);

#endif
