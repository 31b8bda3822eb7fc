/*
 * What the API gives away: every sequence of up to six commands over a small set of keys, looking
 * for the value of a sensitive one (tests/support/explorer.h). keyward gives away none. The same
 * search finds one on bare SoftHSM: it does see what there is to see.
 */
#include "tests/support/explorer.h"
#include "tests/support/lab.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define STEPS 6U

static void tell(const struct explorer_report *report)
{
    (void)fprintf(stderr, "# %u rounds: %u commands, %u done, %u objects, %u ciphertexts\n%s",
                  report->rounds, report->commands, report->done, report->objects, report->blobs,
                  report->how);
}

/* ---- keyward ---- */

static void explore_keyward(const char *protection)
{
    struct explorer_report report;
    struct explorer_setup setup = {.steps = STEPS,
                                   .protection = protection,
                                   .never_extractable = strcmp(protection, "hsm") == 0};
    struct lab lab;

    lab_start(&lab);
    setup.f = lab.f;
    setup.session = lab_alice(&lab);
    explorer_run(&setup, &report);
    tell(&report);
    ck_assert_msg(!report.found, "a sensitive key came out");
    /* Else nothing was possible, and nothing was shown. */
    ck_assert_uint_eq(report.rounds, STEPS);
    ck_assert_uint_gt(report.done, 50);
    lab_end(&lab);
}

START_TEST(no_six_commands_bring_out_a_sensitive_software_key)
{
    explore_keyward("software");
}
END_TEST

START_TEST(no_six_commands_bring_out_a_key_of_the_hsm)
{
    explore_keyward("hsm");
}
END_TEST

/* ---- SoftHSM ---- */

#define CONTROL_PIN "1234"

static CK_FUNCTION_LIST *softhsm_load(const char *dir)
{
    CK_RV (*get_list)(CK_FUNCTION_LIST **);
    CK_FUNCTION_LIST *f = NULL;
    char path[LAB_PATH_MAX];
    void *library;
    FILE *conf;

    (void)snprintf(path, sizeof(path), "%s/tokens", dir);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof(path), "%s/softhsm2.conf", dir);
    conf = fopen(path, "we");
    ck_assert_ptr_nonnull(conf);
    (void)fprintf(conf, "directories.tokendir = %s/tokens\nobjectstore.backend = file\n", dir);
    ck_assert_int_eq(fclose(conf), 0);
    ck_assert_int_eq(setenv("SOFTHSM2_CONF", path, 1), 0);
    library = dlopen(SOFTHSM_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    ck_assert_msg(library != NULL, "%s", dlerror());
    *(void **)&get_list = dlsym(library, "C_GetFunctionList");
    assert_ok(get_list(&f));
    return f;
}

static CK_SESSION_HANDLE softhsm_session(CK_FUNCTION_LIST *f)
{
    CK_UTF8CHAR pin[] = CONTROL_PIN;
    CK_UTF8CHAR label[32];
    CK_SESSION_HANDLE session;
    CK_SLOT_ID slots[8];
    CK_ULONG count = 8;

    memset(label, ' ', sizeof(label));
    assert_ok(f->C_Initialize(NULL));
    assert_ok(f->C_GetSlotList(CK_FALSE, slots, &count));
    assert_ok(f->C_InitToken(slots[0], pin, sizeof(pin) - 1, label));
    count = 8;
    assert_ok(f->C_GetSlotList(CK_TRUE, slots, &count));
    assert_ok(
        f->C_OpenSession(slots[0], CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session));
    assert_ok(f->C_Login(session, CKU_SO, pin, sizeof(pin) - 1));
    assert_ok(f->C_InitPIN(session, pin, sizeof(pin) - 1));
    assert_ok(f->C_Logout(session));
    assert_ok(f->C_Login(session, CKU_USER, pin, sizeof(pin) - 1));
    return session;
}

START_TEST(the_same_search_finds_a_key_on_bare_softhsm)
{
    struct explorer_setup setup = {.steps = STEPS};
    struct explorer_report report;
    struct lab lab;

    lab_make(&lab); /* for its folder, which goes with it */
    setup.f = softhsm_load(lab.root);
    setup.session = softhsm_session(setup.f);
    explorer_run(&setup, &report);
    tell(&report);
    ck_assert_msg(report.found, "nothing found where there is something");
    assert_ok(setup.f->C_Finalize(NULL));
    lab_end(&lab);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_SLOW(no_six_commands_bring_out_a_sensitive_software_key, 300),
        CASE_SLOW(no_six_commands_bring_out_a_key_of_the_hsm, 300),
        CASE_SLOW(the_same_search_finds_a_key_on_bare_softhsm, 120),
    };

    return lab_suite_run("pkcs11/safety", cases, sizeof(cases) / sizeof(*cases));
}
