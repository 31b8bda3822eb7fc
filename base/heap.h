/*
 * Memory that the C library would allocate for us, allocated by ourselves; the caller frees it.
 *
 * strdup(), asprintf(), realpath(path, NULL), getcwd(NULL, 0) and reallocarray() call the malloc()
 * of the program. A host with an allocator of its own (jemalloc, tcmalloc) that loads us with
 * RTLD_DEEPBIND, as pkcs11-provider does, leaves us the C library's free() for it, and the two must
 * not meet. Here both calls are ours.
 */
#ifndef KEYWARD_BASE_HEAP_H
#define KEYWARD_BASE_HEAP_H

#include <stddef.h>

/* NULL without memory. */
char *text_copy(const char *s);
__attribute__((format(printf, 1, 2))) char *text_format(const char *format, ...);

/* Absolute and without links; the working folder. NULL with errno. */
char *text_real_path(const char *path);
char *text_working_folder(void);

/* Room for count members, of which the first ones are those of old. NULL without memory, old is
 * then as it was. */
void *array_resize(void *old, size_t count, size_t member_size);

#endif
