/* Files an administrator names, read whole. */
#ifndef KEYWARD_TOOLS_FILE_H
#define KEYWARD_TOOLS_FILE_H

#include "tools/tool.h"

/* The file's bytes ("-" is standard input) appended to out, at most out->max. TOOL_DONE, or a line
 * was printed. */
int input_read(const struct invocation *inv, const char *path, struct buf *out);

#endif
