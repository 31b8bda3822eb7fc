/*
 * Storage that ends with its scope: SCOPED(type_free) struct type *x = NULL; and the free function
 * takes a pointer to the variable. Ownership leaves by TAKE().
 */
#ifndef KEYWARD_BASE_SCOPE_H
#define KEYWARD_BASE_SCOPE_H

#include <stdlib.h>
#include <unistd.h>

#define SCOPED(fn) __attribute__((cleanup(fn)))

/* Moves a pointer out of a scoped variable: the variable becomes NULL, the caller owns the value.
 */
#define TAKE(p)                                                                                    \
    __extension__({                                                                                \
        __typeof__(p) take_value_ = (p);                                                           \
        (p) = NULL;                                                                                \
        take_value_;                                                                               \
    })

/* Defines static void destroy_p(type **p), for SCOPED, from a destructor that accepts NULL. */
/* NOLINTBEGIN(bugprone-macro-parentheses): type is a type */
#define SCOPE_DEFINE(type, destroy)                                                                \
    __attribute__((unused)) static inline void destroy##_p(type **p)                               \
    {                                                                                              \
        destroy(*p);                                                                               \
        *p = NULL;                                                                                 \
    }
/* NOLINTEND(bugprone-macro-parentheses) */

static inline void scope_free(void *p)
{
    free(*(void **)p);
}

static inline void scope_close(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
}

#define SCOPED_FREE SCOPED(scope_free)
#define SCOPED_FD   SCOPED(scope_close)

#endif
