/* The characters of Cedar: UTF-8, and the escapes of string literals. */
#ifndef KEYWARD_POLICY_TEXT_H
#define KEYWARD_POLICY_TEXT_H

#include "base/bytes.h"

/* The length of the longest prefix that is UTF-8 (no surrogates, no overlong forms) without NUL:
 * all of it when text is fine. */
size_t text_valid(struct bytes text);

/*
 * Undoes the escapes of what stands between the quotes: \n \r \t \\ \0 \' \" \x00..\x7f \u{1 to 6
 * hex digits}. out needs room for raw.len bytes. wildcard < 0: an asterisk is an asterisk; else
 * it becomes the byte `wildcard` however it was written (\x2a too, as in Cedar), and only \* is an
 * asterisk. False where an escape (or a bare carriage return) is not Cedar's: *ret_len is then the
 * offset of the fault in raw.
 */
bool text_unescape(struct bytes raw, int wildcard, uint8_t *out, size_t *ret_len);

#endif
