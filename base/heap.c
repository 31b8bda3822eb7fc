/* Memory that is ours to free: see heap.h. */
#include "base/heap.h"

#include "base/bytes.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

char *text_copy(const char *s)
{
    return bytes_to_str(bytes_from_str(s));
}

char *text_format(const char *format, ...)
{
    va_list args;
    va_list again;
    char *text = NULL;
    int len;

    va_start(args, format);
    va_copy(again, args);
    len = vsnprintf(NULL, 0, format, args);
    if (len >= 0 && (text = malloc((size_t)len + 1)) != NULL)
        (void)vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    va_end(args);
    return text;
}

char *text_real_path(const char *path)
{
    char found[PATH_MAX];

    return realpath(path, found) != NULL ? text_copy(found) : NULL;
}

char *text_working_folder(void)
{
    char found[PATH_MAX];

    return getcwd(found, sizeof(found)) != NULL ? text_copy(found) : NULL;
}

void *array_resize(void *old, size_t count, size_t member_size)
{
    size_t size = 0;

    if (__builtin_mul_overflow(count, member_size, &size))
        return NULL;
    return realloc(old, size);
}
