/*
 * Where a vault home is, what lies in it, and its settings. Nothing here creates or changes
 * anything.
 */
#include "base/config.h"
#include "base/heap.h"
#include "pkcs11/engine.h"

#include <errno.h>
#include <pwd.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The environment is ignored in privileged programs: secure_getenv answers NULL there. */
static const char *environment(const char *name)
{
    const char *value = secure_getenv(name);

    return value != NULL && value[0] != '\0' ? value : NULL;
}

static char *join(const char *dir, const char *name)
{
    return text_format("%s/%s", dir, name);
}

static char *home_of_user(void)
{
    const char *data = environment("XDG_DATA_HOME");
    const char *home = environment("HOME");

    if (data != NULL && data[0] == '/')
        return join(data, "keyward");
    if (home == NULL) {
        char buf[4096];
        struct passwd pw;
        struct passwd *found = NULL;

        if (getpwuid_r(geteuid(), &pw, buf, sizeof(buf), &found) != 0 || found == NULL)
            return NULL;
        return text_format("%s/.local/share/keyward", pw.pw_dir);
    }
    return text_format("%s/.local/share/keyward", home);
}

char *home_find(void)
{
    const char *named = environment("KEYWARD_HOME");

    if (named != NULL)
        return text_copy(named);
    if (geteuid() == 0)
        return text_copy("/var/lib/keyward");
    return home_of_user();
}

/* What lies where in a home. */
static const struct {
    size_t offset;
    const char *name;
} layout[] = {
    {offsetof(struct home_paths, config), "keyward.conf"},
    {offsetof(struct home_paths, store), "store.db"},
    {offsetof(struct home_paths, log), "log"},
    {offsetof(struct home_paths, hsm), "hsm"},
    {offsetof(struct home_paths, locks), "locks"},
    {offsetof(struct home_paths, softhsm_conf), "hsm/softhsm2.conf"},
    {offsetof(struct home_paths, softhsm_tokens), "hsm/tokens"},
    {offsetof(struct home_paths, pin), "hsm/pin"},
    {offsetof(struct home_paths, so_pin), "hsm/so-pin"},
};

static char **layout_slot(struct home_paths *paths, size_t i)
{
    return (char **)(void *)((char *)paths + layout[i].offset);
}

CK_RV home_paths_make(const char *home, struct home_paths *ret)
{
    struct home_paths paths = {0};
    bool whole = true;

    /* Absolute from the start: the host may change its working directory. */
    paths.home = home[0] == '/' ? text_copy(home) : NULL;
    if (home[0] != '/') {
        SCOPED_FREE char *cwd = text_working_folder();

        if (cwd == NULL)
            return fail_errno("find the working directory for", home);
        paths.home = join(cwd, home);
    }
    whole = paths.home != NULL;
    for (size_t i = 0; whole && i < sizeof(layout) / sizeof(*layout); i++) {
        *layout_slot(&paths, i) = join(paths.home, layout[i].name);
        whole = *layout_slot(&paths, i) != NULL;
    }
    if (!whole) {
        home_paths_release(&paths);
        return fail_memory();
    }
    *ret = paths;
    return CKR_OK;
}

void home_paths_release(struct home_paths *paths)
{
    for (size_t i = 0; i < sizeof(layout) / sizeof(*layout); i++)
        free(*layout_slot(paths, i));
    free(paths->home);
    *paths = (struct home_paths){0};
}

/* ---- settings ---- */

static const char *const yes_no[] = {"no", "yes", NULL};
static const char *const isolations[] = {"worker", "none", NULL};

static const struct config_key settings_keys[] = {
    {.section = "hsm",
     .name = "module",
     .kind = CONFIG_TEXT,
     .offset = offsetof(struct settings, hsm_module)},
    {.section = "hsm",
     .name = "token",
     .kind = CONFIG_TEXT,
     .offset = offsetof(struct settings, hsm_token)},
    {.section = "hsm",
     .name = "pin-source",
     .kind = CONFIG_TEXT,
     .offset = offsetof(struct settings, hsm_pin_source)},
    {.section = "hsm",
     .name = "own-token",
     .kind = CONFIG_CHOICE,
     .offset = offsetof(struct settings, hsm_own_token),
     .choices = yes_no},
    {.section = "hsm",
     .name = "isolation",
     .kind = CONFIG_CHOICE,
     .offset = offsetof(struct settings, hsm_in_process),
     .choices = isolations},
    {.section = "hsm",
     .name = "deadline-ms",
     .kind = CONFIG_NUMBER,
     .offset = offsetof(struct settings, hsm_deadline_ms),
     .min = 100,
     .max = 600000},
    {.section = "hsm",
     .name = "lanes",
     .kind = CONFIG_NUMBER,
     .offset = offsetof(struct settings, hsm_lanes),
     .min = 1,
     .max = 256},
    {.section = "log",
     .name = "interval-ms",
     .kind = CONFIG_NUMBER,
     .offset = offsetof(struct settings, log_interval_ms),
     .min = 10,
     .max = 3600000},
    {.section = "log",
     .name = "anchor-interval-s",
     .kind = CONFIG_NUMBER,
     .offset = offsetof(struct settings, log_anchor_s),
     .min = 1,
     .max = 604800},
    {.section = "log",
     .name = "anchor-at-end",
     .kind = CONFIG_CHOICE,
     .offset = offsetof(struct settings, log_anchor_at_end),
     .choices = yes_no},
};

#define SETTINGS_KEYS (sizeof(settings_keys) / sizeof(*settings_keys))

/* A relative path in the file is relative to the home; a p11-kit PIN source ("scheme:rest") is left
 * as it is. */
static CK_RV make_absolute(char **path, const char *home)
{
    char *whole;

    if (*path == NULL || (*path)[0] == '/' || strchr(*path, ':') != NULL)
        return CKR_OK;
    whole = join(home, *path);
    if (whole == NULL)
        return fail_memory();
    free(*path);
    *path = whole;
    return CKR_OK;
}

static CK_RV check_required(const struct settings *settings, const char *path)
{
    const struct {
        const char *name, *value;
    } required[] = {{"module", settings->hsm_module},
                    {"token", settings->hsm_token},
                    {"pin-source", settings->hsm_pin_source}};

    for (size_t i = 0; i < sizeof(required) / sizeof(*required); i++)
        if (required[i].value == NULL || required[i].value[0] == '\0')
            return fail(CKR_ARGUMENTS_BAD, "%s: [hsm] %s is missing: add it, or run keyward init",
                        path, required[i].name);
    return CKR_OK;
}

CK_RV settings_read(const struct home_paths *paths, struct settings *ret)
{
    struct settings settings = {.hsm_deadline_ms = 10000,
                                .hsm_lanes = 8,
                                .log_interval_ms = 1000,
                                .log_anchor_s = 300,
                                .log_anchor_at_end = 1};
    CK_RV rv = config_read(paths->config, settings_keys, SETTINGS_KEYS, &settings);

    if (rv == CKR_OK)
        rv = check_required(&settings, paths->config);
    if (rv == CKR_OK)
        rv = make_absolute(&settings.hsm_module, paths->home);
    if (rv == CKR_OK)
        rv = make_absolute(&settings.hsm_pin_source, paths->home);
    if (rv != CKR_OK) {
        settings_release(&settings);
        return rv;
    }
    *ret = settings;
    return CKR_OK;
}

void settings_release(struct settings *settings)
{
    free(settings->hsm_module);
    free(settings->hsm_token);
    free(settings->hsm_pin_source);
    *settings = (struct settings){0};
}

void settings_hsm_config(const struct settings *settings, const struct home_paths *paths,
                         const char *worker, struct hsm_config *ret)
{
    *ret = (struct hsm_config){
        .worker = worker,
        .module = settings->hsm_module,
        .token = settings->hsm_token,
        .pin_source = settings->hsm_pin_source,
        .state_dir = paths->hsm,
        .softhsm_conf = settings->hsm_own_token ? paths->softhsm_conf : NULL,
        .softhsm_tokens = settings->hsm_own_token ? paths->softhsm_tokens : NULL,
        .in_process = settings->hsm_in_process != 0,
        .deadline_ms = settings->hsm_deadline_ms,
        .lanes = settings->hsm_lanes,
    };
}
