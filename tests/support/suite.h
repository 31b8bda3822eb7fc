/*
 * How a test program ends: one main for every Check suite, run in TAP.
 *
 *   int main(void)
 *   {
 *       const struct suite_case cases[] = {CASE(hex_round_trips), CASE_SLOW(survives_kill, 120)};
 *       return suite_run("base/bytes", cases, sizeof(cases) / sizeof(*cases));
 *   }
 *
 * A case is a Check test function (START_TEST) whose name is the sentence it proves.
 */
#ifndef KEYWARD_TESTS_SUPPORT_SUITE_H
#define KEYWARD_TESTS_SUPPORT_SUITE_H

#include "base/fail.h"

#include <check.h>
#include <stddef.h>

struct suite_case {
    const TTest *test;
    int loop_end;  /* loop test over _i = 0..loop_end-1; 0: once */
    int timeout_s; /* 0: 30 */
};

#define CASE(fn)                                                                                   \
    {                                                                                              \
        .test = (fn)                                                                               \
    }
#define CASE_LOOP(fn, n)                                                                           \
    {                                                                                              \
        .test = (fn), .loop_end = (n)                                                              \
    }
#define CASE_SLOW(fn, secs)                                                                        \
    {                                                                                              \
        .test = (fn), .timeout_s = (secs)                                                          \
    }

/* Returns main's status: 0 also when tests failed (TAP says so), 1 when the suite could not run. */
int suite_run(const char *name, const struct suite_case *cases, size_t count);

/* ck_assert for return codes: prints both names and the thread's reason. */
#define assert_rv(want, expression)                                                                \
    do {                                                                                           \
        CK_RV rv_got_ = (expression);                                                              \
        suite_assert_rv((want), rv_got_, #expression, __FILE__, __LINE__);                         \
    } while (0)
#define assert_ok(expression) assert_rv(CKR_OK, expression)

void suite_assert_rv(CK_RV want, CK_RV got, const char *expression, const char *file, int line);

#endif
