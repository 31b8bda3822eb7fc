/*
 * General purpose functions (PKCS#11 2.40, 5.4; interfaces: 3.0, 5.4): what the module is before,
 * between and after C_Initialize and C_Finalize, and what kind of guest it is in its process.
 */
#include "tests/support/lab.h"

#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The module with a KEYWARD_HOME that is not there. */
static void load_homeless(struct lab *lab)
{
    *lab = (struct lab){.slot = 0};
    ck_assert_int_eq(setenv("KEYWARD_HOME", "/nonexistent/keyward", 1), 0);
    lab_load(lab);
}

/* ---- C_Initialize, C_Finalize ---- */

static CK_RV no_create(void **mutex)
{
    (void)mutex;
    return CKR_GENERAL_ERROR;
}

static CK_RV no_mutex(void *mutex)
{
    (void)mutex;
    return CKR_GENERAL_ERROR;
}

static CK_BYTE reserved_byte;

static const struct {
    CK_C_INITIALIZE_ARGS args;
    CK_RV rv;
} arguments[] = {
    {{.flags = 0}, CKR_OK},
    {{.flags = CKF_OS_LOCKING_OK}, CKR_OK},
    {{.flags = CKF_OS_LOCKING_OK | CKF_LIBRARY_CANT_CREATE_OS_THREADS}, CKR_OK},
    {{no_create, no_mutex, no_mutex, no_mutex, CKF_OS_LOCKING_OK, NULL}, CKR_OK},
    {{no_create, no_mutex, no_mutex, no_mutex, 0, NULL}, CKR_CANT_LOCK},
    {{no_create, no_mutex, no_mutex, NULL, CKF_OS_LOCKING_OK, NULL}, CKR_ARGUMENTS_BAD},
    {{no_create, NULL, NULL, NULL, CKF_OS_LOCKING_OK, NULL}, CKR_ARGUMENTS_BAD},
    {{.flags = CKF_OS_LOCKING_OK, .pReserved = &reserved_byte}, CKR_ARGUMENTS_BAD},
};

START_TEST(initialize_takes_the_arguments_the_standard_allows)
{
    CK_C_INITIALIZE_ARGS args = arguments[_i].args;
    struct lab lab;

    load_homeless(&lab);
    assert_rv(arguments[_i].rv, lab.f->C_Initialize(&args));
    assert_rv(arguments[_i].rv == CKR_OK ? CKR_OK : CKR_CRYPTOKI_NOT_INITIALIZED,
              lab.f->C_Finalize(NULL));
    lab_unload(&lab);
}
END_TEST

START_TEST(a_second_initialize_is_refused_and_changes_nothing)
{
    CK_SESSION_INFO info;
    CK_SESSION_HANDLE session;
    struct lab lab;

    lab_start(&lab);
    session = lab_alice(&lab);
    assert_rv(CKR_CRYPTOKI_ALREADY_INITIALIZED, lab.f->C_Initialize(NULL));
    assert_ok(lab.f->C_GetSessionInfo(session, &info));
    ck_assert_uint_eq(info.state, CKS_RW_USER_FUNCTIONS);
    lab_end(&lab);
}
END_TEST

START_TEST(finalize_refuses_a_reserved_argument_and_changes_nothing)
{
    CK_INFO info;
    struct lab lab;

    load_homeless(&lab);
    assert_ok(lab.f->C_Initialize(NULL));
    assert_rv(CKR_ARGUMENTS_BAD, lab.f->C_Finalize(&reserved_byte));
    assert_ok(lab.f->C_GetInfo(&info));
    assert_ok(lab.f->C_Finalize(NULL));
    assert_rv(CKR_CRYPTOKI_NOT_INITIALIZED, lab.f->C_Finalize(NULL));
    lab_unload(&lab);
}
END_TEST

START_TEST(initialize_after_finalize_starts_anew)
{
    CK_SESSION_INFO info;
    CK_SESSION_HANDLE session;
    struct lab lab;

    lab_start(&lab);
    session = lab_alice(&lab);
    assert_ok(lab.f->C_Finalize(NULL));
    lab_up(&lab);
    assert_rv(CKR_SESSION_HANDLE_INVALID, lab.f->C_GetSessionInfo(session, &info));
    lab_signs(&lab, lab_alice(&lab));
    lab_end(&lab);
}
END_TEST

/* ---- every function, without C_Initialize ---- */

/* The members of the function list, as an array of functions that take only zeros: pointers,
 * handles and lengths alike pass through the same registers. */
typedef CK_RV (*any_function)(CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG,
                              CK_ULONG);

#define FUNCTIONS ((sizeof(CK_FUNCTION_LIST) - sizeof(void *)) / sizeof(any_function))

static any_function function_at(const struct lab *lab, size_t i)
{
    any_function f;

    memcpy(&f, (const char *)lab->f + sizeof(void *) + i * sizeof(f), sizeof(f));
    return f;
}

/* Places in the list, where one function needs another treatment. */
enum place {
    AT_INITIALIZE = 0,
    AT_FINALIZE = 1,
    AT_GET_FUNCTION_LIST = 3,
    AT_OPEN_SESSION = 12, /* from here on the first argument is a session, mostly */
    AT_CLOSE_SESSION = 13,
    AT_CLOSE_ALL_SESSIONS = 14,
    AT_LOGOUT = 19,
    AT_WAIT_FOR_SLOT_EVENT = 67,
};

START_TEST(the_function_list_has_every_function)
{
    struct lab lab;

    load_homeless(&lab);
    ck_assert_uint_eq(lab.f->version.major, 2);
    ck_assert_uint_eq(lab.f->version.minor, 40);
    ck_assert_uint_eq(FUNCTIONS, 68);
    for (size_t i = 0; i < FUNCTIONS; i++)
        ck_assert_msg(function_at(&lab, i) != NULL, "function %zu is missing", i);
    lab_unload(&lab);
}
END_TEST

static void all_answer_not_initialized(const struct lab *lab)
{
    for (size_t i = 0; i < FUNCTIONS; i++) {
        CK_RV rv;

        if (i == AT_INITIALIZE || i == AT_GET_FUNCTION_LIST)
            continue;
        rv = function_at(lab, i)(0, 0, 0, 0, 0, 0, 0, 0);
        ck_assert_msg(rv == CKR_CRYPTOKI_NOT_INITIALIZED, "function %zu answered 0x%lx", i, rv);
    }
}

START_TEST(before_initialize_and_after_finalize_every_function_says_so)
{
    struct lab lab;

    load_homeless(&lab);
    all_answer_not_initialized(&lab);
    assert_ok(lab.f->C_Initialize(NULL));
    assert_ok(lab.f->C_Finalize(NULL));
    all_answer_not_initialized(&lab);
    lab_unload(&lab);
}
END_TEST

/* ---- zeros and stale handles, initialized ---- */

START_TEST(zeros_for_all_arguments_are_refused_by_every_function)
{
    struct lab lab;

    lab_start(&lab);
    for (size_t i = 0; i < FUNCTIONS; i++) {
        CK_RV rv;

        if (i == AT_INITIALIZE || i == AT_FINALIZE) /* NULL is what they take */
            continue;
        rv = function_at(&lab, i)(0, 0, 0, 0, 0, 0, 0, 0);
        ck_assert_msg(rv != CKR_OK && rv != CKR_CRYPTOKI_NOT_INITIALIZED,
                      "function %zu answered 0x%lx", i, rv);
    }
    lab_signs(&lab, lab_alice(&lab));
    lab_end(&lab);
}
END_TEST

START_TEST(a_good_session_and_otherwise_zeros_break_nothing)
{
    struct lab lab;
    CK_SESSION_HANDLE session;

    lab_start(&lab);
    session = lab_alice(&lab);
    for (size_t i = AT_OPEN_SESSION; i < FUNCTIONS; i++) {
        CK_RV rv;

        /* Those that end what the test stands on. */
        if (i == AT_CLOSE_SESSION || i == AT_CLOSE_ALL_SESSIONS || i == AT_LOGOUT)
            continue;
        rv = function_at(&lab, i)(session, 0, 0, 0, 0, 0, 0, 0);
        ck_assert_msg(rv != CKR_GENERAL_ERROR && rv != CKR_CRYPTOKI_NOT_INITIALIZED,
                      "function %zu answered 0x%lx", i, rv);
    }
    /* C_FindObjectsInit takes an empty template; the search is still open. */
    (void)lab.f->C_FindObjectsFinal(session);
    lab_signs(&lab, session);
    lab_end(&lab);
}
END_TEST

START_TEST(a_closed_session_is_no_session_for_any_function)
{
    struct lab lab;
    CK_SESSION_HANDLE session;

    lab_start(&lab);
    session = lab_session(&lab, CKF_RW_SESSION);
    assert_ok(lab.f->C_CloseSession(session));
    for (size_t i = AT_OPEN_SESSION; i < AT_WAIT_FOR_SLOT_EVENT; i++) {
        CK_RV rv;

        if (i == AT_CLOSE_ALL_SESSIONS)
            continue;
        rv = function_at(&lab, i)(session, 0, 0, 0, 0, 0, 0, 0);
        ck_assert_msg(rv == CKR_SESSION_HANDLE_INVALID || rv == CKR_FUNCTION_NOT_SUPPORTED ||
                          rv == CKR_ARGUMENTS_BAD || rv == CKR_SLOT_ID_INVALID,
                      "function %zu answered 0x%lx", i, rv);
    }
    lab_end(&lab);
}
END_TEST

/* ---- information and interfaces ---- */

START_TEST(get_info_tells_who_we_are)
{
    CK_INFO info;
    struct lab lab;

    load_homeless(&lab);
    assert_ok(lab.f->C_Initialize(NULL));
    assert_ok(lab.f->C_GetInfo(&info));
    ck_assert_uint_eq(info.cryptokiVersion.major, 2);
    ck_assert_uint_eq(info.cryptokiVersion.minor, 40);
    ck_assert_uint_eq(info.flags, 0);
    ck_assert_int_eq(memcmp(info.manufacturerID, "keyward                         ", 32), 0);
    ck_assert_int_eq(memcmp(info.libraryDescription, "keyward ", 8), 0);
    assert_rv(CKR_ARGUMENTS_BAD, lab.f->C_GetInfo(NULL));
    lab_unload(&lab);
}
END_TEST

typedef CK_RV (*get_interface_list)(CK_INTERFACE_PTR, CK_ULONG_PTR);
typedef CK_RV (*get_interface)(CK_UTF8CHAR_PTR, CK_VERSION_PTR, CK_INTERFACE_PTR_PTR, CK_FLAGS);

static void *symbol(const struct lab *lab, const char *name)
{
    void *found = dlsym(lab->library, name);

    ck_assert_ptr_nonnull(found);
    return found;
}

/* Every interface there is, the default first. */
static const struct {
    const char *name;
    CK_VERSION version;
} interfaces[] = {
    {"PKCS 11", {3, 0}},
    {"PKCS 11", {3, 2}},
    {"PKCS 11", {2, 40}},
    {KEYWARD_INTERFACE, {1, 0}},
};
#define INTERFACES (sizeof(interfaces) / sizeof(*interfaces))

static void assert_interface(const CK_INTERFACE *interface, size_t i)
{
    const CK_VERSION *has = interface->pFunctionList;

    ck_assert_str_eq((const char *)interface->pInterfaceName, interfaces[i].name);
    ck_assert_uint_eq(has->major, interfaces[i].version.major);
    ck_assert_uint_eq(has->minor, interfaces[i].version.minor);
}

START_TEST(interface_list_follows_the_length_protocol)
{
    CK_INTERFACE list[INTERFACES + 1];
    CK_ULONG count = 0;
    get_interface_list get;
    struct lab lab;

    load_homeless(&lab);
    *(void **)&get = symbol(&lab, "C_GetInterfaceList");
    assert_rv(CKR_ARGUMENTS_BAD, get(NULL, NULL));
    assert_ok(get(NULL, &count));
    ck_assert_uint_eq(count, INTERFACES);
    count--;
    assert_rv(CKR_BUFFER_TOO_SMALL, get(list, &count));
    ck_assert_uint_eq(count, INTERFACES);
    assert_ok(get(list, &count));
    for (size_t i = 0; i < INTERFACES; i++)
        assert_interface(&list[i], i);
    lab_unload(&lab);
}
END_TEST

START_TEST(get_interface_gives_what_is_asked_for_and_nothing_else)
{
    CK_UTF8CHAR standard[] = "PKCS 11";
    CK_UTF8CHAR other[] = "PKCS 12";
    CK_VERSION v240 = {2, 40};
    CK_VERSION v310 = {3, 1};
    CK_INTERFACE *interface = NULL;
    get_interface get;
    struct lab lab;

    load_homeless(&lab);
    *(void **)&get = symbol(&lab, "C_GetInterface");
    assert_rv(CKR_ARGUMENTS_BAD, get(NULL, NULL, NULL, 0));
    assert_ok(get(NULL, NULL, &interface, 0));
    assert_interface(interface, 0);
    for (size_t i = 0; i < INTERFACES; i++) {
        CK_UTF8CHAR name[16] = {0};
        CK_VERSION version = interfaces[i].version;

        memcpy(name, interfaces[i].name, strlen(interfaces[i].name));
        assert_ok(get(name, &version, &interface, 0));
        assert_interface(interface, i);
    }
    assert_ok(get(standard, &v240, &interface, 0));
    ck_assert_ptr_eq(interface->pFunctionList, lab.f);
    assert_rv(CKR_FUNCTION_FAILED, get(standard, &v310, &interface, 0));
    assert_rv(CKR_FUNCTION_FAILED, get(other, NULL, &interface, 0));
    assert_rv(CKR_FUNCTION_FAILED, get(standard, NULL, &interface, CKF_INTERFACE_FORK_SAFE));
    lab_unload(&lab);
}
END_TEST

/* The functions of a list that 2.40 does not have: all there, all answering. */
START_TEST(a_newer_list_has_every_function_and_its_own_version)
{
    CK_UTF8CHAR standard[] = "PKCS 11";
    CK_VERSION version = {3, _i == 0 ? 0 : 2};
    size_t functions = _i == 0 ? 68 + 24 : 68 + 24 + 12;
    CK_INTERFACE *interface = NULL;
    CK_FUNCTION_LIST_3_0 *list;
    get_interface get;
    CK_INFO info;
    struct lab lab;

    load_homeless(&lab);
    *(void **)&get = symbol(&lab, "C_GetInterface");
    assert_ok(get(standard, &version, &interface, 0));
    list = interface->pFunctionList;
    for (size_t i = FUNCTIONS + 2; i < functions; i++) {
        any_function f;

        memcpy(&f, (const char *)list + sizeof(void *) + i * sizeof(f), sizeof(f));
        ck_assert_msg(f != NULL, "function %zu is missing", i);
        assert_rv(CKR_CRYPTOKI_NOT_INITIALIZED, f(0, 0, 0, 0, 0, 0, 0, 0));
    }
    assert_ok(list->C_Initialize(NULL));
    assert_ok(list->C_GetInfo(&info));
    ck_assert_uint_eq(info.cryptokiVersion.major, 3);
    ck_assert_uint_eq(info.cryptokiVersion.minor, version.minor);
    lab_unload(&lab);
}
END_TEST

/* Dynamic symbols that are defined here, one a line: "... T C_Sign". */
START_TEST(the_module_exports_cryptoki_names_only)
{
    FILE *nm = popen("nm -D --defined-only " KEYWARD_MODULE, "r");
    char address[64];
    char kind[8];
    char name[256];
    unsigned n = 0;

    ck_assert_ptr_nonnull(nm);
    while (fscanf(nm, "%63s %7s %255s", address, kind, name) == 3) {
        ck_assert_msg(strncmp(name, "C_", 2) == 0 || strncmp(name, "__asan", 6) == 0 ||
                          strncmp(name, "__odr_asan", 10) == 0,
                      "%s is exported", name);
        n += name[0] == 'C';
    }
    ck_assert_int_eq(pclose(nm), 0);
    ck_assert_uint_eq(n, 68 + 24 + 12); /* of 2.40, 3.0 and 3.2 */
}
END_TEST

/* ---- as a guest ---- */

START_TEST(without_a_home_there_are_no_slots_no_threads_no_files_and_no_delay)
{
    CK_ULONG count = 7;
    CK_SESSION_HANDLE session;
    struct lab lab;
    unsigned fds;
    int64_t start;

    load_homeless(&lab);
    fds = lab_fds();
    start = lab_ms();
    assert_ok(lab.f->C_Initialize(NULL));
    ck_assert_int_le(lab_ms() - start, 200);
    assert_ok(lab.f->C_GetSlotList(CK_FALSE, NULL, &count));
    ck_assert_uint_eq(count, 0);
    assert_rv(CKR_SLOT_ID_INVALID,
              lab.f->C_OpenSession(1, CKF_SERIAL_SESSION, NULL, NULL, &session));
    ck_assert_uint_eq(lab_fds(), fds);
    ck_assert_uint_eq(lab_threads(), 1);
    assert_ok(lab.f->C_Finalize(NULL));
    lab_unload(&lab);
}
END_TEST

START_TEST(initialize_alone_starts_no_worker)
{
    struct lab lab;
    unsigned fds;

    lab_make(&lab);
    fds = lab_fds();
    assert_ok(lab.f->C_Initialize(NULL));
    ck_assert_uint_eq(lab_fds(), fds);
    ck_assert_uint_eq(lab_threads(), 1);
    lab_end(&lab);
}
END_TEST

START_TEST(finalize_leaves_no_threads_and_no_files)
{
    struct lab lab;
    unsigned fds;

    lab_make(&lab);
    fds = lab_fds();
    lab_up(&lab);
    lab_signs(&lab, lab_alice(&lab));
    assert_ok(lab.f->C_Finalize(NULL));
    ck_assert_uint_eq(lab_fds(), fds);
    ck_assert_uint_eq(lab_threads(), 1);
    lab_end(&lab);
}
END_TEST

START_TEST(a_worker_ends_with_finalize)
{
    struct lab lab;
    pid_t worker;

    lab_start(&lab);
    worker = lab_worker(&lab);
    ck_assert_int_gt(worker, 1);
    ck_assert_int_eq(kill(worker, 0), 0);
    assert_ok(lab.f->C_Finalize(NULL));
    for (int i = 0; i < 300 && kill(worker, 0) == 0; i++)
        lab_sleep_ms(10);
    ck_assert_int_ne(kill(worker, 0), 0);
    lab_end(&lab);
}
END_TEST

static const char *const bad_settings[] = {
    "[hsm]\nmodule = /x.so\ntoken = keyward\npin-source = hsm/pin\nmodul = y\n",
    "[hsm]\nmodule = /x.so\ntoken = keyward\n",
    "[hsm]\nmodule = /x.so\ntoken = keyward\npin-source = hsm/pin\nlanes = 0\n",
    "[hsm]\nmodule = /x.so\ntoken = keyward\npin-source = hsm/pin\nlanes = many\n",
    "[hsm]\nmodule = /x.so\ntoken = keyward\npin-source = hsm/pin\nisolation = nothing\n",
    "[log]\ninterval-ms = 1000\n",
    "module = /x.so\n",
    "\x01\x02\x03",
    "",
};

START_TEST(bad_settings_are_a_general_error)
{
    FILE *file;
    struct lab lab;

    lab_make(&lab);
    file = fopen(lab_path(&lab, "keyward.conf"), "we");
    ck_assert_ptr_nonnull(file);
    (void)fputs(bad_settings[_i], file);
    (void)fclose(file);
    assert_rv(CKR_GENERAL_ERROR, lab.f->C_Initialize(NULL));
    assert_rv(CKR_CRYPTOKI_NOT_INITIALIZED, lab.f->C_Finalize(NULL));
    lab_end(&lab);
}
END_TEST

START_TEST(a_named_server_is_refused_and_not_ignored)
{
    struct lab lab;

    lab_make(&lab);
    ck_assert_int_eq(setenv("KEYWARD_SERVER", "unix:/run/keyward", 1), 0);
    assert_rv(CKR_GENERAL_ERROR, lab.f->C_Initialize(NULL));
    ck_assert_int_eq(unsetenv("KEYWARD_SERVER"), 0);
    assert_ok(lab.f->C_Initialize(NULL));
    lab_end(&lab);
}
END_TEST

static void load_and_unload(bool initialize)
{
    struct lab lab = {.slot = 0};
    CK_ULONG count;

    lab_load(&lab);
    if (initialize) {
        assert_ok(lab.f->C_Initialize(NULL));
        assert_ok(lab.f->C_GetSlotList(CK_FALSE, NULL, &count));
        assert_ok(lab.f->C_Finalize(NULL));
    }
    ck_assert_int_eq(dlclose(lab.library), 0);
}

START_TEST(loading_200_times_grows_nothing)
{
    unsigned fds;
    long rss;

    ck_assert_int_eq(setenv("KEYWARD_HOME", "/nonexistent/keyward", 1), 0);
    for (int i = 0; i < 20; i++)
        load_and_unload(i % 2 == 0);
    fds = lab_fds();
    rss = lab_rss_kib();
    for (int i = 0; i < 200; i++)
        load_and_unload(i % 2 == 0);
    ck_assert_uint_eq(lab_fds(), fds);
    if (!LAB_SANITIZED) /* a sanitizer keeps freed memory, and what it knows of each load */
        ck_assert_int_le(lab_rss_kib() - rss, 2048);
}
END_TEST

START_TEST(waking_20_times_grows_nothing)
{
    struct lab lab;
    unsigned fds;
    long rss = 0;

    lab_make(&lab);
    fds = lab_fds();
    for (int i = 0; i < 25; i++) {
        lab_up(&lab);
        (void)lab_session(&lab, 0);
        assert_ok(lab.f->C_Finalize(NULL));
        if (i == 4)
            rss = lab_rss_kib();
    }
    ck_assert_uint_eq(lab_fds(), fds);
    if (!LAB_SANITIZED)
        ck_assert_int_le(lab_rss_kib() - rss, 2048);
    lab_end(&lab);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_LOOP(initialize_takes_the_arguments_the_standard_allows,
                  sizeof(arguments) / sizeof(*arguments)),
        CASE(a_second_initialize_is_refused_and_changes_nothing),
        CASE(finalize_refuses_a_reserved_argument_and_changes_nothing),
        CASE(initialize_after_finalize_starts_anew),
        CASE(the_function_list_has_every_function),
        CASE(before_initialize_and_after_finalize_every_function_says_so),
        CASE(zeros_for_all_arguments_are_refused_by_every_function),
        CASE(a_good_session_and_otherwise_zeros_break_nothing),
        CASE(a_closed_session_is_no_session_for_any_function),
        CASE(get_info_tells_who_we_are),
        CASE(interface_list_follows_the_length_protocol),
        CASE(get_interface_gives_what_is_asked_for_and_nothing_else),
        CASE_LOOP(a_newer_list_has_every_function_and_its_own_version, 2),
        CASE(the_module_exports_cryptoki_names_only),
        CASE(without_a_home_there_are_no_slots_no_threads_no_files_and_no_delay),
        CASE(initialize_alone_starts_no_worker),
        CASE(finalize_leaves_no_threads_and_no_files),
        CASE(a_worker_ends_with_finalize),
        CASE_LOOP(bad_settings_are_a_general_error, sizeof(bad_settings) / sizeof(*bad_settings)),
        CASE(a_named_server_is_refused_and_not_ignored),
        CASE_SLOW(loading_200_times_grows_nothing, 120),
        CASE_SLOW(waking_20_times_grows_nothing, 120),
    };

    return lab_suite_run("pkcs11/general", cases, sizeof(cases) / sizeof(*cases));
}
