/* Check's runner with our defaults: see suite.h. */
#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>

int suite_run(const char *name, const struct suite_case *cases, size_t count)
{
    Suite *suite = suite_create(name);
    SRunner *runner;

    for (size_t i = 0; i < count; i++) {
        TCase *tc = tcase_create(cases[i].test->name);

        tcase_set_timeout(tc, cases[i].timeout_s > 0 ? cases[i].timeout_s : 30);
        if (cases[i].loop_end > 0)
            tcase_add_loop_test(tc, cases[i].test, 0, cases[i].loop_end);
        else
            tcase_add_test(tc, cases[i].test);
        suite_add_tcase(suite, tc);
    }
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    /* Meson reads failures from TAP; a status of 1 would be reported as a broken program. */
    srunner_free(runner);
    return 0;
}

void suite_assert_rv(CK_RV want, CK_RV got, const char *expression, const char *file, int line)
{
    if (want == got)
        return;
    ck_abort_msg("%s:%d: %s: wanted 0x%lx, got 0x%lx (%s)", file, line, expression, want, got,
                 fail_reason());
}
