/*
 * Failures: a CK_RV travels as the return value, its sentence waits in the thread. The sentence
 * says what happened, why, and what to do; it never holds a PIN, a plaintext or a key.
 *
 * Use: return fail(CKR_DEVICE_ERROR, "log folder %s is full: free space, service resumes by
 * itself", dir);
 */
#ifndef KEYWARD_BASE_FAIL_H
#define KEYWARD_BASE_FAIL_H

#include "base/pkcs11.h"

#define FAIL_REASON_MAX 512 /* bytes, NUL included; longer sentences are cut */

#define MUST_CHECK __attribute__((warn_unused_result))

/* Sets the thread's reason (replacing an older one) and returns rv. errno is left alone. */
__attribute__((format(printf, 2, 3), cold)) CK_RV fail(CK_RV rv, const char *fmt, ...);
/* Puts "what: " before the present reason and returns rv: for callers that know more. */
__attribute__((cold)) CK_RV fail_in(CK_RV rv, const char *what);

/* Named constructors for what many places say. */
CK_RV fail_memory(void);                     /* CKR_HOST_MEMORY */
CK_RV fail_argument(const char *name);       /* CKR_ARGUMENTS_BAD: name was NULL or out of range */
CK_RV fail_internal(const char *assumption); /* CKR_GENERAL_ERROR: a broken assumption of ours */
/* CKR_DEVICE_ERROR: a system call on path failed, with errno's text. */
CK_RV fail_errno(const char *doing, const char *path);

#ifdef __clang_analyzer__
/* The analyzer reads one file at a time and would think that a failure may return CKR_OK. */
#define fail(rv, ...)             ((void)(fail)((rv), __VA_ARGS__), (rv))
#define fail_in(rv, what)         ((void)(fail_in)((rv), (what)), (rv))
#define fail_memory()             ((void)(fail_memory)(), CKR_HOST_MEMORY)
#define fail_argument(name)       ((void)(fail_argument)(name), CKR_ARGUMENTS_BAD)
#define fail_internal(assumption) ((void)(fail_internal)(assumption), CKR_GENERAL_ERROR)
#define fail_errno(doing, path)   ((void)(fail_errno)((doing), (path)), CKR_DEVICE_ERROR)
#endif

/* The last reason of this thread, "" when there is none. Valid until the next failure in this
 * thread. */
const char *fail_reason(void);
void fail_clear(void);

/* For the rare call whose failure changes nothing any more, as in undoing; beside it stands why. */
static inline void fail_unheeded(CK_RV rv)
{
    (void)rv;
}

#endif
