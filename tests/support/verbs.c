/* Verbs under test: see verbs.h. */
#include "tests/support/verbs.h"

#include <ctype.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void verb_ok(struct lab *lab, const char *secret, const char *request)
{
    CK_RV rv = lab_admin(lab, secret, "%s", request);

    ck_assert_msg(rv == CKR_OK, "%s: %s", request, lab->answer);
    ck_assert_ptr_null(strstr(lab->answer, "\"error\":"));
}

void verb_refused(struct lab *lab, CK_RV rv, const char *words, const char *secret,
                  const char *request)
{
    CK_RV got = lab_admin(lab, secret, "%s", request);
    const char *error;

    suite_assert_rv(rv, got, request, __FILE__, __LINE__);
    error = verb_text(lab, "error");
    ck_assert_msg(strstr(error, words) != NULL, "%s: no \"%s\" in: %s", request, words,
                  lab->answer);
    ck_assert_str_eq(strncmp(verb_text(lab, "rv"), "CKR_", 4) == 0 ? "CKR_" : "", "CKR_");
}

json_t *verb_answer(const struct lab *lab)
{
    json_error_t error;
    json_t *answer;

    ck_assert_ptr_nonnull(lab->answer);
    answer = json_loads(lab->answer, 0, &error);
    ck_assert_msg(json_is_object(answer), "no JSON object: %s", lab->answer);
    return answer;
}

static const json_t *step(const json_t *at, const char *name)
{
    if (isdigit((unsigned char)name[0]))
        return json_array_get(at, (size_t)strtoul(name, NULL, 10));
    return json_object_get(at, name);
}

const char *verb_text(const struct lab *lab, const char *path)
{
    static char text[8192];
    char name[64];
    json_t *answer = verb_answer(lab);
    const json_t *at = answer;

    while (*path != '\0') {
        size_t n = strcspn(path, ".");

        (void)snprintf(name, sizeof(name), "%.*s", (int)n, path);
        at = step(at, name);
        path += n + (path[n] == '.');
    }
    (void)snprintf(text, sizeof(text), "%s", json_is_string(at) ? json_string_value(at) : "");
    json_decref(answer);
    return text;
}

size_t verb_count(const struct lab *lab, const char *name)
{
    json_t *answer = verb_answer(lab);
    size_t count = json_array_size(json_object_get(answer, name));

    json_decref(answer);
    return count;
}

bool verb_has_user(struct lab *lab, const char *vault, const char *user)
{
    char request[256];
    char path[32];
    bool found = false;

    (void)snprintf(request, sizeof(request), "{\"verb\":\"user.list\",\"vault\":\"%s\"}", vault);
    verb_ok(lab, NULL, request);
    for (size_t i = 0; i < verb_count(lab, "users"); i++) {
        (void)snprintf(path, sizeof(path), "users.%zu.name", i);
        found = found || strcmp(verb_text(lab, path), user) == 0;
    }
    return found;
}

/* ---- a full disk ---- */

static void drop(void *ctx, const CK_UTF8CHAR *json, CK_ULONG len)
{
    (void)ctx;
    (void)json;
    (void)len;
}

/* Nothing is asserted here: Check writes its messages to a file, which may not grow either. */
static CK_RV call_limited(struct lab *lab, rlim_t limit, const char *request)
{
    struct rlimit small;
    const struct keyward_secret secret = {.data = (const CK_BYTE *)"a-pin-1", .len = 7};

    if (signal(SIGXFSZ, SIG_IGN) == SIG_ERR || getrlimit(RLIMIT_FSIZE, &small) != 0)
        return CKR_HOST_MEMORY;
    small.rlim_cur = limit;
    if (setrlimit(RLIMIT_FSIZE, &small) != 0)
        return CKR_HOST_MEMORY;
    return lab->admin->call((const CK_UTF8CHAR *)request, strlen(request), &secret, 1, drop, NULL);
}

CK_RV verb_on_full_disk(struct lab *lab, bool initialize, rlim_t limit, const char *request)
{
    int ends[2];
    CK_RV rv = CKR_GENERAL_ERROR;
    pid_t pid;

    ck_assert_int_eq(pipe(ends), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        rv = initialize ? lab->f->C_Initialize(NULL) : CKR_OK;
        if (rv == CKR_OK)
            rv = call_limited(lab, limit, request);
        _exit(write(ends[1], &rv, sizeof(rv)) == sizeof(rv) ? 0 : 1);
    }
    ck_assert_int_eq(read(ends[0], &rv, sizeof(rv)), sizeof(rv));
    (void)close(ends[0]);
    (void)close(ends[1]);
    lab_join(pid);
    return rv;
}

/* ---- somebody else ---- */

bool verb_as_nobody(struct lab *lab, void (*fn)(struct lab *lab, int n), int n)
{
    const char *const argv[] = {"chown", "-R", "65534:65534", lab->root, NULL};
    pid_t pid;

    if (geteuid() != 0)
        return false;
    ck_assert_int_eq(lab_program(argv), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid > 0) {
        lab_join(pid);
        return true;
    }
    ck_assert_int_eq(setgroups(0, NULL), 0);
    ck_assert_int_eq(setgid(NOBODY_UID), 0);
    ck_assert_int_eq(setuid(NOBODY_UID), 0);
    lab_load(lab);
    assert_ok(lab->f->C_Initialize(NULL));
    fn(lab, n);
    assert_ok(lab->f->C_Finalize(NULL));
    _exit(0);
}
