/*
 * PIN, login and the care of SoftHSM's metadata: a PIN is read only from a private file, tried
 * once, never again after a refusal; logins are one at a time in a home; a token cut short is
 * mended, a whole one left alone.
 */
#include "hsm/channel.h"
#include "tests/support/hsm_world.h"
#include "tests/support/suite.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static CK_MECHANISM hmac = {CKM_SHA256_HMAC, NULL, 0};

static CK_RV open_fails(struct hsm_world *w)
{
    struct hsm *hsm = NULL;
    CK_RV rv = hsm_open(&w->config, w->local, &hsm);

    ck_assert_msg(rv != CKR_OK, "hsm_open should have failed");
    ck_assert(hsm == NULL);
    return rv;
}

static void replace(const char *path, const char *text, unsigned mode)
{
    (void)unlink(path);
    world_write(path, text, mode);
}

static CK_RV mac(struct hsm_world *w, const struct hsm_key *key)
{
    struct buf out = BUF_INIT(64);
    CK_RV rv = hsm_run(w->hsm, HSM_SIGN, key, &hmac, BYTES_LIT("abc"), BYTES_NONE, &out);

    buf_release(&out);
    return rv;
}

/* ---- the PIN file ---- */

START_TEST(pin_file_others_can_read_is_refused_and_a_private_one_is_not)
{
    struct hsm_world w;

    world_init(&w);
    replace(w.pin_file, WORLD_PIN "\n", 0640);
    assert_rv(CKR_DEVICE_ERROR, open_fails(&w));
    ck_assert(strstr(fail_reason(), "chmod 600") != NULL);
    ck_assert(chmod(w.pin_file, 0604) == 0);
    assert_rv(CKR_DEVICE_ERROR, open_fails(&w));
    ck_assert(chmod(w.pin_file, 0400) == 0);
    world_open(&w);
    world_release(&w);
}
END_TEST

START_TEST(pin_file_with_any_line_end_or_none_or_as_a_file_source_is_taken)
{
    static const char *const texts[] = {WORLD_PIN, WORLD_PIN "\n", WORLD_PIN "\r\n", WORLD_PIN};
    char source[WORLD_PATH_MAX + 8];
    struct hsm_world w;

    world_init(&w);
    replace(w.pin_file, texts[_i], 0600);
    (void)snprintf(source, sizeof(source), "file:%s", w.pin_file);
    if (_i == 3)
        w.config.pin_source = source;
    world_open(&w);
    world_release(&w);
}
END_TEST

START_TEST(pin_source_that_is_no_private_file_is_refused_before_any_login)
{
    static const char *const sources[] = {"/nonexistent/pin", "/dev/null", "/tmp", "builtin:pin",
                                          NULL};
    char empty[WORLD_PATH_MAX + 8];
    struct hsm_world w;

    world_init(&w);
    world_use_shim(&w);
    (void)snprintf(empty, sizeof(empty), "%s-empty", w.pin_file);
    world_write(empty, "\n", 0600);
    w.config.pin_source = sources[_i] != NULL ? sources[_i] : empty;
    assert_rv(CKR_DEVICE_ERROR, open_fails(&w));
    ck_assert_uint_eq(shim_calls(&w, "C_Login"), 0);
    world_release(&w);
}
END_TEST

START_TEST(state_folder_others_can_enter_is_refused)
{
    struct hsm_world w;

    world_init(&w);
    ck_assert(chmod(w.state_dir, 0750) == 0);
    assert_rv(CKR_DEVICE_ERROR, open_fails(&w));
    ck_assert(chmod(w.state_dir, 0700) == 0);
    world_open(&w);
    world_release(&w);
}
END_TEST

START_TEST(configuration_without_a_needed_part_is_refused)
{
    struct hsm_config whole;
    struct hsm_world w;

    world_init(&w);
    whole = w.config;
    w.config.token = NULL;
    assert_rv(CKR_ARGUMENTS_BAD, open_fails(&w));
    w.config = whole;
    w.config.pin_source = "";
    assert_rv(CKR_ARGUMENTS_BAD, open_fails(&w));
    w.config = whole;
    w.config.token = "no such token";
    assert_rv(CKR_DEVICE_ERROR, open_fails(&w));
    w.config = whole;
    w.config.module = "/nonexistent.so";
    assert_rv(CKR_DEVICE_ERROR, open_fails(&w));
    w.config = whole;
    world_open(&w);
    world_release(&w);
}
END_TEST

struct part {
    unsigned calls;
    CK_RV rv;
};

static CK_RV do_part(void *ctx)
{
    struct part *part = ctx;

    part->calls++;
    return part->rv == CKR_OK ? CKR_OK : (fail)(part->rv, "the caller's own part");
}

/* The library is logged in to all the same, or not touched: it is never left half-way. */
START_TEST(what_the_caller_does_while_the_hsm_starts_decides_too)
{
    struct part part = {.rv = CKR_FUNCTION_FAILED};
    struct hsm_world w;

    world_init(&w);
    w.config.meanwhile = do_part;
    w.config.meanwhile_ctx = &part;
    assert_rv(CKR_FUNCTION_FAILED, open_fails(&w));
    ck_assert_str_eq(fail_reason(), "the caller's own part");
    ck_assert_uint_eq(part.calls, 1);
    part.rv = CKR_OK;
    world_open(&w);
    ck_assert_uint_eq(part.calls, 2);
    world_release(&w);
}
END_TEST

START_TEST(program_that_is_no_worker_is_refused)
{
    struct hsm_world w;

    world_init(&w);
    w.config.worker = "/bin/true";
    assert_rv(CKR_DEVICE_ERROR, open_fails(&w));
    w.config.worker = "/nonexistent";
    assert_rv(CKR_DEVICE_ERROR, open_fails(&w));
    w.config.worker = KEYWARD_HSM_WORKER;
    world_open(&w);
    world_release(&w);
}
END_TEST

/* ---- the login ---- */

START_TEST(wrong_pin_is_tried_once)
{
    struct hsm_world w;

    world_init(&w);
    world_use_shim(&w);
    replace(w.pin_file, "11111111\n", 0600);
    assert_rv(CKR_PIN_INCORRECT, open_fails(&w));
    ck_assert(strstr(fail_reason(), "not tried again") != NULL);
    ck_assert(strstr(fail_reason(), "11111111") == NULL);
    ck_assert_uint_eq(shim_calls(&w, "C_Login"), 1);
    world_release(&w);
}
END_TEST

START_TEST(pin_refused_at_a_restart_is_not_tried_again_until_reopened)
{
    struct hsm_status status;
    struct hsm_world w;
    struct hsm_key key;

    world_init(&w);
    world_use_shim(&w);
    world_open(&w);
    world_key(&w, HSM_KEY_SECRET, CKK_GENERIC_SECRET, 256, BYTES_NONE, &key, NULL);
    shim_forget_rules(&w);
    replace(w.pin_file, "11111111\n", 0600);
    assert_ok(hsm_status(w.hsm, &status));
    ck_assert(kill(status.worker, SIGKILL) == 0);
    for (int i = 0; i < 3; i++) {
        assert_rv(CKR_DEVICE_ERROR, mac(&w, &key));
        ck_assert(strstr(fail_reason(), "PIN") != NULL);
        (void)usleep(600000);
    }
    ck_assert_uint_eq(shim_calls(&w, "C_Login"), 1);
    replace(w.pin_file, WORLD_PIN "\n", 0600);
    assert_rv(CKR_DEVICE_ERROR, mac(&w, &key));
    ck_assert_uint_eq(shim_calls(&w, "C_Login"), 1);
    world_close(&w);
    world_open(&w);
    assert_ok(mac(&w, &key));
    world_release(&w);
}
END_TEST

START_TEST(pin_refused_at_a_login_again_is_not_tried_a_second_time)
{
    struct hsm_world w;
    struct hsm_key key;

    world_init(&w);
    world_use_shim(&w);
    world_open(&w);
    world_key(&w, HSM_KEY_SECRET, CKK_GENERIC_SECRET, 256, BYTES_NONE, &key, NULL);
    shim_forget_rules(&w);
    shim_rule(&w, "C_SignInit 1 logout");
    shim_rule(&w, "C_Login 1- return 160"); /* CKR_PIN_INCORRECT */
    assert_rv(CKR_DEVICE_ERROR, mac(&w, &key));
    assert_rv(CKR_DEVICE_ERROR, mac(&w, &key));
    (void)usleep(1100000);
    assert_rv(CKR_DEVICE_ERROR, mac(&w, &key));
    ck_assert(strstr(fail_reason(), "PIN") != NULL);
    ck_assert_uint_eq(shim_calls(&w, "C_Login"), 1);
    world_release(&w);
}
END_TEST

START_TEST(last_attempt_at_the_pin_is_not_spent)
{
    /* CKF_USER_PIN_FINAL_TRY, CKF_USER_PIN_LOCKED; CKF_USER_PIN_COUNT_LOW is only a warning */
    static const char *const rules[] = {"C_GetTokenInfo 1- return 131072",
                                        "C_GetTokenInfo 1- return 262144",
                                        "C_GetTokenInfo 1- return 65536"};
    struct hsm_world w;

    world_init(&w);
    world_use_shim(&w);
    shim_rule(&w, rules[_i]);
    if (_i == 2) {
        world_open(&w);
    } else {
        assert_rv(CKR_PIN_INCORRECT, open_fails(&w));
        ck_assert_uint_eq(shim_calls(&w, "C_Login"), 0);
    }
    world_release(&w);
}
END_TEST

START_TEST(being_logged_in_already_is_success)
{
    struct hsm_world w;

    world_init(&w);
    world_use_shim(&w);
    shim_rule(&w, "C_Login 1 return 256");
    world_open(&w);
    world_release(&w);
}
END_TEST

static void *mac_often(void *arg)
{
    void **args = arg;

    for (int i = 0; i < 20; i++)
        assert_ok(mac(args[0], args[1]));
    return NULL;
}

START_TEST(lost_login_is_renewed_once_for_all_threads)
{
    struct hsm_status status;
    pthread_t threads[4];
    struct hsm_world w;
    struct hsm_key key;
    void *args[] = {&w, &key};

    world_init(&w);
    world_use_shim(&w);
    world_open(&w);
    world_key(&w, HSM_KEY_SECRET, CKK_GENERIC_SECRET, 256, BYTES_NONE, &key, NULL);
    shim_forget_rules(&w);
    shim_rule(&w, "C_SignInit 30 logout");
    for (int i = 0; i < 4; i++)
        ck_assert(pthread_create(&threads[i], NULL, mac_often, args) == 0);
    for (int i = 0; i < 4; i++)
        (void)pthread_join(threads[i], NULL);
    assert_ok(hsm_status(w.hsm, &status));
    ck_assert_uint_eq(status.relogins, 1);
    ck_assert_uint_eq(status.restarts, 0);
    ck_assert_uint_eq(shim_calls(&w, "C_Login"), 1);
    world_release(&w);
}
END_TEST

START_TEST(login_waits_for_the_lock_of_the_home_but_not_for_ever)
{
    char path[WORLD_PATH_MAX + 16];
    struct hsm_world w;
    int64_t before;
    int fd;

    world_init(&w);
    world_use_shim(&w);
    w.config.deadline_ms = 1000;
    (void)snprintf(path, sizeof(path), "%s/login.lock", w.state_dir);
    fd = open(path, O_RDWR | O_CLOEXEC);
    ck_assert(fd >= 0 && flock(fd, LOCK_EX) == 0);
    before = channel_now();
    assert_rv(CKR_DEVICE_ERROR, open_fails(&w));
    ck_assert_int_lt(channel_now() - before, INT64_C(1500000000));
    ck_assert(strstr(fail_reason(), "another process") != NULL);
    ck_assert_uint_eq(shim_calls(&w, "C_Initialize"), 0);
    (void)close(fd);
    world_open(&w);
    world_release(&w);
}
END_TEST

/* ---- SoftHSM's metadata ---- */

static void object_path(const struct hsm_world *w, char ret[static 512])
{
    DIR *d = opendir(w->tokens);
    struct dirent *e;

    ret[0] = '\0';
    ck_assert(d != NULL);
    while ((e = readdir(d)) != NULL) {
        if (e->d_name[0] != '.')
            (void)snprintf(ret, 512, "%.200s/%.200s/token.object", w->tokens, e->d_name);
    }
    (void)closedir(d);
    ck_assert(ret[0] != '\0');
}

START_TEST(token_cut_short_or_missing_is_mended)
{
    static const off_t lengths[] = {0, 8, 100, -1};
    char path[512];
    struct stat before;
    struct stat after;
    struct hsm_world w;
    struct hsm_key key;

    world_init(&w);
    world_open(&w);
    world_key(&w, HSM_KEY_SECRET, CKK_GENERIC_SECRET, 256, BYTES_NONE, &key, NULL);
    world_close(&w);
    object_path(&w, path);
    ck_assert(stat(path, &before) == 0);
    if (lengths[_i] >= 0)
        ck_assert(truncate(path, lengths[_i]) == 0);
    else
        ck_assert(unlink(path) == 0);
    world_open(&w);
    assert_ok(mac(&w, &key));
    ck_assert(stat(path, &after) == 0);
    ck_assert(before.st_size == after.st_size && before.st_uid == after.st_uid);
    ck_assert((after.st_mode & 0777) == (before.st_mode & 0777));
    world_release(&w);
}
END_TEST

START_TEST(whole_token_is_left_alone_and_a_damaged_copy_is_not_put_back)
{
    char path[512];
    char command[700];
    struct stat before;
    struct stat after;
    struct hsm_world w;

    world_init(&w);
    object_path(&w, path);
    ck_assert(stat(path, &before) == 0);
    world_open(&w);
    world_close(&w);
    ck_assert(stat(path, &after) == 0);
    ck_assert(before.st_ino == after.st_ino);
    (void)snprintf(command, sizeof(command), "for f in %s/softhsm-*; do printf x >> $f; done",
                   w.state_dir);
    ck_assert(system(command) == 0);
    ck_assert(truncate(path, 0) == 0);
    assert_rv(CKR_DEVICE_ERROR, open_fails(&w));
    ck_assert(stat(path, &after) == 0 && after.st_size == 0);
    world_release(&w);
}
END_TEST

#define OF_WORKER 2

int main(void)
{
    const struct suite_case cases[] = {
        CASE(pin_file_others_can_read_is_refused_and_a_private_one_is_not),
        CASE_LOOP(pin_file_with_any_line_end_or_none_or_as_a_file_source_is_taken, 4),
        CASE_LOOP(pin_source_that_is_no_private_file_is_refused_before_any_login, 5),
        CASE(state_folder_others_can_enter_is_refused),
        CASE(configuration_without_a_needed_part_is_refused),
        CASE(wrong_pin_is_tried_once),
        CASE(pin_refused_at_a_login_again_is_not_tried_a_second_time),
        CASE_LOOP(last_attempt_at_the_pin_is_not_spent, 3),
        CASE(being_logged_in_already_is_success),
        CASE(lost_login_is_renewed_once_for_all_threads),
        CASE(login_waits_for_the_lock_of_the_home_but_not_for_ever),
        CASE_LOOP(token_cut_short_or_missing_is_mended, 4),
        CASE(whole_token_is_left_alone_and_a_damaged_copy_is_not_put_back),
        CASE(what_the_caller_does_while_the_hsm_starts_decides_too),
        /* Of the worker alone: OF_WORKER of them. */
        CASE(program_that_is_no_worker_is_refused),
        CASE(pin_refused_at_a_restart_is_not_tried_again_until_reopened),
    };
    const char *device = getenv("KEYWARD_TEST_DEVICE");
    bool inside = device != NULL && strcmp(device, "inside") == 0;

    return suite_run("hsm/login", cases, sizeof(cases) / sizeof(*cases) - (inside ? OF_WORKER : 0));
}
