/*
 * keyward doctor: a table of checks, each with a verdict and, where it is not "ok", what to do. The
 * first ones look at files only, so that they still speak when the vault does not start. The HSM's
 * PIN is never read here.
 */
#include "base/scope.h"
#include "pkcs11/engine.h"
#include "pkcs11/keyward.h"
#include "tools/client.h"
#include "tools/cmd.h"
#include "tools/print.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define DISK_WARN_MIB 64
#define CLOCK_FLOOR   1735689600 /* 2025-01-01: before this version was made */

enum finding { FINDING_OK, FINDING_WARN, FINDING_FAIL };

struct patient {
    const struct invocation *inv;
    struct home_paths paths;
    bool has_paths;
    struct client client;
    bool opened;
    json_t *status; /* the verb's answer, NULL when the vault did not start */
    char detail[768];
};

__attribute__((format(printf, 3, 4))) static enum finding say(struct patient *p, enum finding f,
                                                              const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(p->detail, sizeof(p->detail), fmt, ap);
    va_end(ap);
    return f;
}

/* ---- files ---- */

static enum finding check_server(struct patient *p)
{
    if (secure_getenv("KEYWARD_SERVER") != NULL)
        return say(p, FINDING_FAIL,
                   "KEYWARD_SERVER is set, but served mode is not in this version: unset it");
    return say(p, FINDING_OK, "in-process");
}

static enum finding check_home(struct patient *p)
{
    struct stat st;

    if (!p->has_paths)
        return say(p, FINDING_FAIL, "there is no place for a home: set KEYWARD_HOME");
    if (stat(p->paths.home, &st) != 0)
        return say(p, FINDING_FAIL, "%s: %s: run keyward init, or set KEYWARD_HOME", p->paths.home,
                   strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return say(p, FINDING_FAIL, "%s is no folder: set KEYWARD_HOME", p->paths.home);
    if ((st.st_mode & 077) != 0)
        return say(p, FINDING_FAIL, "%s is open to others: chmod 700 it", p->paths.home);
    return say(p, FINDING_OK, "%s", p->paths.home);
}

static enum finding check_config(struct patient *p)
{
    struct settings settings;

    if (!p->has_paths)
        return say(p, FINDING_FAIL, "there is no home to read settings from");
    if (settings_read(&p->paths, &settings) != CKR_OK)
        return say(p, FINDING_FAIL, "%s", fail_reason());
    settings_release(&settings);
    return say(p, FINDING_OK, "%s", p->paths.config);
}

static enum finding check_hsm_module(struct patient *p)
{
    struct settings settings;
    enum finding f;

    if (!p->has_paths || settings_read(&p->paths, &settings) != CKR_OK)
        return say(p, FINDING_FAIL, "no settings say where it is: mend keyward.conf");
    if (access(settings.hsm_module, R_OK) != 0)
        f = say(p, FINDING_FAIL, "%s: %s: install it, or correct [hsm] module", settings.hsm_module,
                strerror(errno));
    else
        f = say(p, FINDING_OK, "%s", settings.hsm_module);
    settings_release(&settings);
    return f;
}

static enum finding check_pin_file(struct patient *p)
{
    struct settings settings;
    struct stat st;
    enum finding f;

    if (!p->has_paths || settings_read(&p->paths, &settings) != CKR_OK)
        return say(p, FINDING_FAIL, "no settings say where it is: mend keyward.conf");
    if (settings.hsm_pin_source[0] != '/')
        f = say(p, FINDING_OK, "a PIN source: %s", settings.hsm_pin_source);
    else if (stat(settings.hsm_pin_source, &st) != 0)
        f = say(p, FINDING_FAIL, "%s: %s: put the HSM's PIN there, mode 600",
                settings.hsm_pin_source, strerror(errno));
    else if ((st.st_mode & 077) != 0)
        f = say(p, FINDING_FAIL, "%s can be read by others: chmod 600 it, and change the HSM's PIN",
                settings.hsm_pin_source);
    else
        f = say(p, FINDING_OK, "%s", settings.hsm_pin_source);
    settings_release(&settings);
    return f;
}

static enum finding check_disk(struct patient *p)
{
    struct statvfs fs;
    unsigned long long mib;

    if (!p->has_paths || statvfs(p->paths.home, &fs) != 0)
        return say(p, FINDING_FAIL, "cannot see how much is free: is the home there?");
    mib = (unsigned long long)fs.f_bavail * fs.f_frsize >> 20;
    if (mib < DISK_WARN_MIB)
        return say(p, mib == 0 ? FINDING_FAIL : FINDING_WARN,
                   "%llu MiB are free: make room, a log that cannot be written refuses service",
                   mib);
    return say(p, FINDING_OK, "%llu MiB are free", mib);
}

static enum finding check_clock(struct patient *p)
{
    if (time(NULL) < CLOCK_FLOOR)
        return say(p, FINDING_FAIL,
                   "the clock is before 2025: set it, dates of keys and records depend on it");
    return say(p, FINDING_OK, "set");
}

static enum finding check_memory_limit(struct patient *p)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0)
        return say(p, FINDING_WARN, "cannot read it: %s", strerror(errno));
    if (limit.rlim_cur < 65536)
        return say(
            p, FINDING_WARN,
            "only %llu bytes may be locked: raise RLIMIT_MEMLOCK, or PINs may be swapped out",
            (unsigned long long)limit.rlim_cur);
    return say(p, FINDING_OK, "enough");
}

static enum finding check_worker(struct patient *p)
{
    SCOPED_FREE char *module = client_module_path();
    SCOPED_FREE char *beside = NULL;
    const char *slash = module != NULL ? strrchr(module, '/') : NULL;

    if (slash == NULL ||
        asprintf(&beside, "%.*s/../hsm/keyward-hsm", (int)(slash - module), module) < 0)
        return say(p, FINDING_FAIL, "out of memory");
    if (access(beside, X_OK) == 0)
        return say(p, FINDING_OK, "%s", beside);
    if (access(KEYWARD_LIBEXECDIR "/keyward-hsm", X_OK) == 0)
        return say(p, FINDING_OK, "%s", KEYWARD_LIBEXECDIR "/keyward-hsm");
    return say(p, FINDING_FAIL, "keyward-hsm is not found: reinstall keyward");
}

static enum finding check_isolation(struct patient *p)
{
    struct settings settings;
    bool inside;
    bool softhsm;

    if (!p->has_paths || settings_read(&p->paths, &settings) != CKR_OK)
        return say(p, FINDING_FAIL, "no settings say what it is: mend keyward.conf");
    inside = settings.hsm_in_process != 0;
    softhsm = strstr(settings.hsm_module, "softhsm") != NULL;
    settings_release(&settings);
    if (!inside)
        return say(p, FINDING_OK, "the HSM's library has a process of its own");
    return say(p, FINDING_WARN,
               "none: every program that uses a vault crashes and hangs with the HSM's library%s",
               softhsm ? ", and SoftHSM deadlocks under OpenSSL's pkcs11 provider: set "
                         "isolation = worker"
                       : "");
}

/* ---- the vault, running ---- */

static enum finding check_start(struct patient *p)
{
    json_t *answer = NULL;
    int rc;

    if (!p->opened)
        return say(p, FINDING_FAIL, "the module does not start: %s",
                   p->client.admin != NULL ? p->client.admin->reason() : "it cannot be loaded");
    rc = client_try(&p->client, json_pack("{s:s, s:b}", "verb", "status", "check", 1), &answer);
    if (rc != TOOL_DONE) {
        (void)say(p, FINDING_FAIL, "%s", client_error(answer));
        json_decref(answer);
        return FINDING_FAIL;
    }
    p->status = answer;
    return say(p, FINDING_OK, "worker, self-test and %lld records of the store",
               (long long)json_integer_value(json_object_get(answer, "records-checked")));
}

static enum finding check_log(struct patient *p)
{
    json_t *answer = NULL;
    const json_t *report;
    enum finding f;

    if (p->status == NULL)
        return say(p, FINDING_FAIL, "not looked at: the vault does not start");
    if (client_try(&p->client, json_pack("{s:s}", "verb", "log.verify"), &answer) != TOOL_DONE)
        f = say(p, FINDING_FAIL, "%s", client_error(answer));
    else {
        report = json_object_get(answer, "report");
        if (json_is_true(json_object_get(report, "ok")))
            f = say(p, FINDING_OK, "%lld records signed",
                    (long long)json_integer_value(json_object_get(report, "size")));
        else
            f = say(p, FINDING_FAIL, "%s: keep the folder as it is, it is evidence",
                    json_string_value(json_object_get(report, "problem")));
    }
    json_decref(answer);
    return f;
}

static enum finding check_log_clock(struct patient *p)
{
    const char *problem = member_text(p->status, "clock-problem");

    if (p->status == NULL)
        return say(p, FINDING_FAIL, "not looked at: the vault does not start");
    if (problem[0] != '\0')
        return say(p, FINDING_FAIL, "%s", problem);
    return say(p, FINDING_OK, "the clock is not behind the log");
}

static enum finding check_locked(struct patient *p)
{
    if (p->status == NULL)
        return say(p, FINDING_FAIL, "not looked at: the vault does not start");
    if (!json_is_true(json_object_get(p->status, "memory-locked")))
        return say(p, FINDING_WARN,
                   "secrets could not be locked into memory: raise RLIMIT_MEMLOCK");
    return say(p, FINDING_OK, "secrets are locked");
}

static enum finding check_policies(struct patient *p)
{
    const json_t *vaults = json_object_get(p->status, "vaults");

    if (p->status == NULL)
        return say(p, FINDING_FAIL, "not looked at: the vault does not start");
    for (size_t i = 0; i < json_array_size(vaults); i++) {
        const json_t *v = json_array_get(vaults, i);
        const char *name = json_string_value(json_object_get(v, "name"));

        if (!json_is_true(json_object_get(v, "policy-ok")))
            return say(p, FINDING_FAIL, "vault %s: %s", name,
                       json_string_value(json_object_get(v, "policy-problem")));
        if (json_is_true(json_object_get(v, "policy-empty")))
            return say(p, FINDING_WARN,
                       "vault %s has no policy, so nobody may use it: keyward policy apply", name);
    }
    return say(p, FINDING_OK, "%zu vaults, all with policies that load", json_array_size(vaults));
}

static enum finding check_pins(struct patient *p)
{
    const json_t *vaults = json_object_get(p->status, "vaults");

    if (p->status == NULL)
        return say(p, FINDING_FAIL, "not looked at: the vault does not start");
    for (size_t i = 0; i < json_array_size(vaults); i++) {
        const json_t *v = json_array_get(vaults, i);
        const json_t *users = json_object_get(v, "users-without-pin");
        const char *name = json_string_value(json_object_get(v, "name"));

        if (json_array_size(users) > 0)
            return say(p, FINDING_WARN, "user %s/%s has no PIN: keyward user pin %s/%s", name,
                       json_string_value(json_array_get(users, 0)), name,
                       json_string_value(json_array_get(users, 0)));
    }
    return say(p, FINDING_OK, "every user has one");
}

static enum finding check_legacy(struct patient *p)
{
    const json_t *vaults = json_object_get(p->status, "vaults");

    if (p->status == NULL)
        return say(p, FINDING_FAIL, "not looked at: the vault does not start");
    for (size_t i = 0; i < json_array_size(vaults); i++) {
        const json_t *v = json_array_get(vaults, i);
        const char *name = json_string_value(json_object_get(v, "name"));

        if (json_is_true(json_object_get(v, "legacy")))
            return say(p, FINDING_WARN,
                       "vault %s offers DES, MD5 and short RSA keys; when its old data is moved: "
                       "keyward vault update %s --legacy off",
                       name, name);
    }
    return say(p, FINDING_OK, "no vault offers broken or weak mechanisms");
}

/* ---- the round ---- */

static const struct {
    const char *name;
    enum finding (*check)(struct patient *p);
} checks[] = {
    {"mode", check_server},           {"home", check_home},
    {"settings", check_config},       {"HSM library", check_hsm_module},
    {"HSM PIN file", check_pin_file}, {"HSM worker", check_worker},
    {"isolation", check_isolation},   {"disk", check_disk},
    {"clock", check_clock},           {"memory limit", check_memory_limit},
    {"start", check_start},           {"log", check_log},
    {"log clock", check_log_clock},   {"memory", check_locked},
    {"policies", check_policies},     {"PINs", check_pins},
    {"legacy", check_legacy},
};

static void prepare(struct patient *p)
{
    SCOPED_FREE char *home = home_find();
    SCOPED_FREE char *module = client_module_path();

    p->has_paths = home != NULL && home_paths_make(home, &p->paths) == CKR_OK;
    p->opened =
        client_load(p->inv, module, &p->client) == TOOL_DONE && client_start(&p->client) == CKR_OK;
}

int cmd_doctor(const struct invocation *inv)
{
    static const char *const words[] = {"ok", "warn", "FAIL"};
    static const struct print_column columns[] = {
        {"CHECK", "check"}, {"FINDING", "finding"}, {"DETAIL", "detail"}, {NULL, NULL}};
    struct patient p = {.inv = inv};
    json_t *rows = json_array();
    json_t *json = json_pack("{s:O}", "checks", rows);
    bool failed = false;

    prepare(&p);
    for (size_t i = 0; i < sizeof(checks) / sizeof(*checks); i++) {
        enum finding f = checks[i].check(&p);

        failed = failed || f == FINDING_FAIL;
        (void)json_array_append_new(rows, json_pack("{s:s, s:s, s:s}", "check", checks[i].name,
                                                    "finding", words[f], "detail", p.detail));
    }
    if (option(inv, "--json") != NULL)
        print_json(json);
    else
        print_table(rows, columns);
    json_decref(rows);
    json_decref(json);
    json_decref(p.status);
    if (p.has_paths)
        home_paths_release(&p.paths);
    client_close(&p.client);
    return failed
               ? tool_fail(TOOL_FAILED, "doctor", "something is wrong: see the lines marked FAIL")
               : TOOL_DONE;
}
