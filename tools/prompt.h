/* PINs, from a file or the terminal: never from the command line or the environment. */
#ifndef KEYWARD_TOOLS_PROMPT_H
#define KEYWARD_TOOLS_PROMPT_H

#include "base/secret.h"
#include "tools/tool.h"

/*
 * The PIN: the first line of file ("-" is standard input), or, where file is NULL, asked for on the
 * terminal without echo ("New PIN of alice: "), twice when fresh. TOOL_DONE and *ret, the caller's;
 * else a line was printed.
 */
int prompt_pin(const struct invocation *inv, const char *file, const char *question, bool fresh,
               struct secret **ret);

#endif
