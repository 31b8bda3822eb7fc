/* Users and PINs: what counts as a try, when a user is locked, and that no way round the counting
 * exists. */
#include "tests/support/vault_world.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>

#define PIN BYTES_LIT("correct horse")

struct scene {
    struct vault_world w;
    struct vault_info v;
};

static void scene_init(struct scene *s)
{
    vault_world_init(&s->w);
    s->v = vault_world_vault(&s->w, "v");
    assert_ok(user_add(s->w.store, &s->v, "alice", PIN));
}

static unsigned failures(struct scene *s, const char *name)
{
    struct user_info info;

    assert_ok(user_get(s->w.store, &s->v, name, &info));
    return info.failures;
}

START_TEST(the_right_pin_verifies_and_one_byte_less_does_not)
{
    struct scene s;

    scene_init(&s);
    assert_ok(user_verify(s.w.store, &s.v, "alice", PIN));
    assert_rv(CKR_PIN_INCORRECT, user_verify(s.w.store, &s.v, "alice", BYTES_LIT("correct hors")));
    assert_rv(CKR_PIN_INCORRECT, user_verify(s.w.store, &s.v, "alice", BYTES_NONE));
    ck_assert_uint_eq(failures(&s, "alice"), 2);
    assert_ok(user_verify(s.w.store, &s.v, "alice", PIN));
    ck_assert_uint_eq(failures(&s, "alice"), 0);
    vault_world_release(&s.w);
}
END_TEST

START_TEST(a_pin_of_one_vault_is_none_of_another)
{
    struct scene s;
    struct vault_info other;

    scene_init(&s);
    other = vault_world_vault(&s.w, "other");
    assert_rv(CKR_USER_PIN_NOT_INITIALIZED, user_verify(s.w.store, &other, "alice", PIN));
    assert_ok(user_add(s.w.store, &other, "alice", BYTES_LIT("another")));
    assert_rv(CKR_PIN_INCORRECT, user_verify(s.w.store, &other, "alice", PIN));
    assert_ok(user_verify(s.w.store, &s.v, "alice", PIN));
    vault_world_release(&s.w);
}
END_TEST

START_TEST(ten_wrong_pins_lock_and_the_right_one_no_longer_opens)
{
    struct scene s;
    struct user_info info;

    scene_init(&s);
    for (int i = 0; i < PIN_TRIES - 1; i++)
        assert_rv(CKR_PIN_INCORRECT, user_verify(s.w.store, &s.v, "alice", BYTES_LIT("wrong")));
    assert_ok(user_get(s.w.store, &s.v, "alice", &info));
    ck_assert(!info.locked);
    assert_rv(CKR_PIN_INCORRECT, user_verify(s.w.store, &s.v, "alice", BYTES_LIT("wrong")));
    assert_rv(CKR_PIN_LOCKED, user_verify(s.w.store, &s.v, "alice", PIN));
    vault_world_reopen(&s.w);
    assert_rv(CKR_PIN_LOCKED, user_verify(s.w.store, &s.v, "alice", PIN));
    assert_ok(user_get(s.w.store, &s.v, "alice", &info));
    ck_assert(info.locked);
    assert_ok(user_unlock(s.w.store, &s.v, "alice"));
    assert_ok(user_verify(s.w.store, &s.v, "alice", PIN));
    vault_world_release(&s.w);
}
END_TEST

START_TEST(the_tenth_try_may_still_be_the_right_one)
{
    struct scene s;

    scene_init(&s);
    for (int i = 0; i < PIN_TRIES - 1; i++)
        assert_rv(CKR_PIN_INCORRECT, user_verify(s.w.store, &s.v, "alice", BYTES_LIT("wrong")));
    assert_ok(user_verify(s.w.store, &s.v, "alice", PIN));
    ck_assert_uint_eq(failures(&s, "alice"), 0);
    vault_world_release(&s.w);
}
END_TEST

START_TEST(a_new_pin_replaces_the_old_and_unlocks)
{
    struct scene s;

    scene_init(&s);
    for (int i = 0; i < PIN_TRIES; i++)
        assert_rv(CKR_PIN_INCORRECT, user_verify(s.w.store, &s.v, "alice", BYTES_LIT("wrong")));
    assert_ok(user_set_pin(s.w.store, &s.v, "alice", BYTES_LIT("battery")));
    assert_ok(user_verify(s.w.store, &s.v, "alice", BYTES_LIT("battery")));
    assert_rv(CKR_PIN_INCORRECT, user_verify(s.w.store, &s.v, "alice", PIN));
    assert_rv(CKR_USER_PIN_NOT_INITIALIZED, user_set_pin(s.w.store, &s.v, "bob", PIN));
    vault_world_release(&s.w);
}
END_TEST

START_TEST(pins_of_bad_length_or_content_are_refused)
{
    struct scene s;
    uint8_t longest[PIN_MAX + 1];

    scene_init(&s);
    memset(longest, 'x', sizeof(longest));
    assert_rv(CKR_PIN_LEN_RANGE, user_add(s.w.store, &s.v, "bob", BYTES_LIT("123")));
    assert_rv(CKR_PIN_LEN_RANGE, user_add(s.w.store, &s.v, "bob", BYTES_LIT("")));
    assert_rv(CKR_PIN_LEN_RANGE, user_add(s.w.store, &s.v, "bob", BYTES(longest, PIN_MAX + 1)));
    assert_rv(CKR_PIN_INVALID, user_add(s.w.store, &s.v, "bob",
                                        BYTES_LIT("12\0"
                                                  "34")));
    assert_rv(CKR_PIN_LEN_RANGE, user_set_pin(s.w.store, &s.v, "alice", BYTES_NONE));
    assert_ok(user_add(s.w.store, &s.v, "bob", BYTES(longest, PIN_MAX)));
    assert_ok(user_add(s.w.store, &s.v, "carol", BYTES_LIT("1234")));
    assert_ok(user_verify(s.w.store, &s.v, "bob", BYTES(longest, PIN_MAX)));
    vault_world_release(&s.w);
}
END_TEST

START_TEST(names_are_taken_once_and_so_is_a_name)
{
    struct scene s;

    scene_init(&s);
    assert_rv(CKR_ACTION_PROHIBITED, user_add(s.w.store, &s.v, "alice", PIN));
    assert_rv(CKR_ARGUMENTS_BAD, user_add(s.w.store, &s.v, "a:b", PIN));
    assert_rv(CKR_ARGUMENTS_BAD, user_add(s.w.store, &s.v, "", PIN));
    assert_ok(user_add(s.w.store, &s.v, "so", BYTES_LIT("so-pin")));
    assert_ok(user_verify(s.w.store, &s.v, "so", BYTES_LIT("so-pin")));
    vault_world_release(&s.w);
}
END_TEST

static void assert_policy(struct scene *s, const char *text)
{
    struct buf now = BUF_INIT(1024);

    assert_ok(vault_get_policy(s->w.store, &s->v, &now));
    ck_assert(bytes_equal_str(buf_bytes(&now), text));
    buf_release(&now);
}

START_TEST(a_user_comes_with_the_policy_or_neither_comes)
{
    const struct bytes one = BYTES_LIT("one"), two = BYTES_LIT("two");
    struct user_info info;
    struct scene s;

    scene_init(&s);
    assert_ok(user_add_with_policy(s.w.store, &s.v, "bob", PIN, BYTES_NONE, one));
    assert_policy(&s, "one");
    /* The name is taken: the policy stays. */
    assert_rv(CKR_ACTION_PROHIBITED, user_add_with_policy(s.w.store, &s.v, "bob", PIN, one, two));
    assert_policy(&s, "one");
    /* The policy is another by now: there is no such user. */
    assert_rv(CKR_FUNCTION_REJECTED, user_add_with_policy(s.w.store, &s.v, "carol", PIN, two, one));
    assert_policy(&s, "one");
    assert_rv(CKR_USER_PIN_NOT_INITIALIZED, user_get(s.w.store, &s.v, "carol", &info));
    assert_ok(user_add_with_policy(s.w.store, &s.v, "carol", PIN, one, two));
    assert_policy(&s, "two");
    assert_ok(user_verify(s.w.store, &s.v, "carol", PIN));
    vault_world_release(&s.w);
}
END_TEST

START_TEST(a_user_without_pin_is_there_and_cannot_log_in)
{
    struct scene s;
    struct user_info info;

    scene_init(&s);
    assert_ok(user_add(s.w.store, &s.v, "web", BYTES_NONE));
    assert_ok(user_get(s.w.store, &s.v, "web", &info));
    ck_assert(!info.has_pin);
    assert_rv(CKR_USER_PIN_NOT_INITIALIZED, user_verify(s.w.store, &s.v, "web", BYTES_NONE));
    assert_rv(CKR_USER_PIN_NOT_INITIALIZED, user_verify(s.w.store, &s.v, "web", BYTES_LIT("")));
    assert_ok(user_set_pin(s.w.store, &s.v, "web", PIN));
    assert_ok(user_verify(s.w.store, &s.v, "web", PIN));
    vault_world_release(&s.w);
}
END_TEST

START_TEST(users_are_listed_by_name_and_removed_for_good)
{
    struct scene s;
    struct user_info *list = NULL;
    struct user_info info;
    size_t count = 0;

    scene_init(&s);
    assert_ok(user_add(s.w.store, &s.v, "zoe", BYTES_NONE));
    assert_ok(user_add(s.w.store, &s.v, "bob", BYTES_NONE));
    assert_ok(user_list(s.w.store, &s.v, &list, &count));
    ck_assert_uint_eq(count, 3);
    ck_assert_str_eq(list[0].name, "alice");
    ck_assert(list[0].has_pin);
    ck_assert_str_eq(list[1].name, "bob");
    ck_assert_str_eq(list[2].name, "zoe");
    ck_assert_int_eq(list[2].created, s.w.now);
    free(list);
    assert_ok(user_remove(s.w.store, &s.v, "alice"));
    assert_rv(CKR_USER_PIN_NOT_INITIALIZED, user_get(s.w.store, &s.v, "alice", &info));
    assert_rv(CKR_USER_PIN_NOT_INITIALIZED, user_verify(s.w.store, &s.v, "alice", PIN));
    assert_rv(CKR_USER_PIN_NOT_INITIALIZED, user_remove(s.w.store, &s.v, "alice"));
    assert_rv(CKR_USER_PIN_NOT_INITIALIZED, user_unlock(s.w.store, &s.v, "alice"));
    vault_world_release(&s.w);
}
END_TEST

static int64_t cpu_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

START_TEST(an_unknown_user_costs_the_same_time)
{
    struct scene s;
    int64_t start, known, unknown;

    scene_init(&s);
    start = cpu_ns();
    assert_rv(CKR_PIN_INCORRECT, user_verify(s.w.store, &s.v, "alice", BYTES_LIT("wrong")));
    known = cpu_ns() - start;
    start = cpu_ns();
    assert_rv(CKR_USER_PIN_NOT_INITIALIZED,
              user_verify(s.w.store, &s.v, "mallory", BYTES_LIT("wrong")));
    unknown = cpu_ns() - start;
    start = cpu_ns();
    assert_rv(CKR_USER_PIN_NOT_INITIALIZED,
              user_verify(s.w.store, &s.v, "no such name!", BYTES_LIT("wrong")));
    ck_assert_int_gt(cpu_ns() - start, known / 2);
    ck_assert_int_gt(unknown, known / 2);
    ck_assert_int_lt(unknown, known * 2);
    vault_world_release(&s.w);
}
END_TEST

/* Tries in a child that is killed after so many microseconds. */
static void try_and_kill(struct scene *s, unsigned after_us)
{
    pid_t child = fork();

    if (child == 0) {
        CK_RV rv;

        store_abandon(s->w.store);
        rv = store_open(&s->w.config, &s->w.store);
        if (rv == CKR_OK)
            rv = user_verify(s->w.store, &s->v, "alice", BYTES_LIT("wrong"));
        _exit(rv == CKR_PIN_INCORRECT ? 0 : 1);
    }
    (void)usleep(after_us);
    (void)kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
}

START_TEST(a_kill_in_the_middle_buys_no_free_try)
{
    struct scene s;
    unsigned before;

    scene_init(&s);
    assert_ok(user_unlock(s.w.store, &s.v, "alice"));
    before = failures(&s, "alice");
    ck_assert_uint_eq(before, 0);
    /* scrypt takes some 70 ms: the kill falls into it, and the try is on disk. */
    try_and_kill(&s, 50000);
    ck_assert_uint_le(failures(&s, "alice"), 1);
    for (int i = 0; i < 200 && failures(&s, "alice") == 0; i++)
        try_and_kill(&s, 50000);
    ck_assert_uint_eq(failures(&s, "alice"), 1);
    vault_world_release(&s.w);
}
END_TEST

START_TEST(many_good_logins_at_once_lock_nobody_out)
{
    struct scene s;
    pid_t children[16];
    int bad = 0;

    scene_init(&s);
    for (int i = 0; i < 16; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            CK_RV rv;

            store_abandon(s.w.store);
            rv = store_open(&s.w.config, &s.w.store);
            for (int k = 0; k < 2 && rv == CKR_OK; k++)
                rv = user_verify(s.w.store, &s.v, "alice", PIN);
            _exit(rv == CKR_OK ? 0 : 1);
        }
    }
    for (int i = 0; i < 16; i++) {
        int status = 1;

        (void)waitpid(children[i], &status, 0);
        bad += status != 0;
    }
    ck_assert_int_eq(bad, 0);
    ck_assert_uint_eq(failures(&s, "alice"), 0);
    vault_world_release(&s.w);
}
END_TEST

START_TEST(wrong_pins_at_once_are_each_counted)
{
    struct scene s;
    pid_t children[6];

    scene_init(&s);
    for (int i = 0; i < 6; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            store_abandon(s.w.store);
            if (store_open(&s.w.config, &s.w.store) != CKR_OK)
                _exit(1);
            _exit(user_verify(s.w.store, &s.v, "alice", BYTES_LIT("wrong")) == CKR_PIN_INCORRECT
                      ? 0
                      : 1);
        }
    }
    for (int i = 0; i < 6; i++) {
        int status = 1;

        (void)waitpid(children[i], &status, 0);
        ck_assert_int_eq(status, 0);
    }
    ck_assert_uint_eq(failures(&s, "alice"), 6);
    vault_world_release(&s.w);
}
END_TEST

START_TEST(a_lock_folder_that_is_gone_is_made_and_one_that_cannot_be_is_no_login)
{
    struct scene s;
    char cmd[256];
    int fd;

    scene_init(&s);
    (void)snprintf(cmd, sizeof(cmd), "rm -rf '%s'", s.w.lock_dir);
    ck_assert_int_eq(system(cmd), 0);
    assert_ok(user_verify(s.w.store, &s.v, "alice", PIN));
    ck_assert_int_eq(system(cmd), 0);
    fd = open(s.w.lock_dir, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    (void)close(fd);
    assert_rv(CKR_DEVICE_ERROR, user_verify(s.w.store, &s.v, "alice", PIN));
    vault_world_release(&s.w);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(the_right_pin_verifies_and_one_byte_less_does_not),
        CASE(a_pin_of_one_vault_is_none_of_another),
        CASE_SLOW(ten_wrong_pins_lock_and_the_right_one_no_longer_opens, 60),
        CASE_SLOW(the_tenth_try_may_still_be_the_right_one, 60),
        CASE_SLOW(a_new_pin_replaces_the_old_and_unlocks, 60),
        CASE(pins_of_bad_length_or_content_are_refused),
        CASE(names_are_taken_once_and_so_is_a_name),
        CASE(a_user_comes_with_the_policy_or_neither_comes),
        CASE(a_user_without_pin_is_there_and_cannot_log_in),
        CASE(users_are_listed_by_name_and_removed_for_good),
        CASE(an_unknown_user_costs_the_same_time),
        CASE_SLOW(a_kill_in_the_middle_buys_no_free_try, 120),
        CASE_SLOW(many_good_logins_at_once_lock_nobody_out, 120),
        CASE_SLOW(wrong_pins_at_once_are_each_counted, 60),
        CASE(a_lock_folder_that_is_gone_is_made_and_one_that_cannot_be_is_no_login),
    };

    return suite_run("vault/user", cases, sizeof(cases) / sizeof(*cases));
}
