/* The thread's reason for its last failure: see fail.h. */
#include "base/fail.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char reason[FAIL_REASON_MAX];

CK_RV(fail)(CK_RV rv, const char *fmt, ...)
{
    char text[FAIL_REASON_MAX] = ""; /* fmt's arguments may point into reason */
    int saved = errno;
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    memcpy(reason, text, sizeof(reason));
    errno = saved;
    return rv;
}

CK_RV(fail_in)(CK_RV rv, const char *what)
{
    return fail(rv, "%s: %s", what, reason);
}

CK_RV(fail_memory)(void)
{
    return fail(CKR_HOST_MEMORY, "out of memory");
}

CK_RV(fail_argument)(const char *name)
{
    return fail(CKR_ARGUMENTS_BAD, "argument %s is missing or out of range", name);
}

CK_RV(fail_internal)(const char *assumption)
{
    return fail(CKR_GENERAL_ERROR, "internal error, please report: %s", assumption);
}

CK_RV(fail_errno)(const char *doing, const char *path)
{
    char text[128];

    return fail(CKR_DEVICE_ERROR, "cannot %s %s: %s", doing, path,
                strerror_r(errno, text, sizeof(text)));
}

const char *fail_reason(void)
{
    return reason;
}

void fail_clear(void)
{
    reason[0] = '\0';
}
