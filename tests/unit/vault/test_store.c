/* The store's file: made whole or not at all, opened only when it is ours and the HSM is its own.
 */
#include "tests/support/vault_world.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static size_t entries(const char *dir)
{
    DIR *d = opendir(dir);
    size_t n = 0;

    ck_assert_ptr_nonnull(d);
    while (readdir(d) != NULL)
        n++;
    (void)closedir(d);
    return n;
}

START_TEST(a_made_store_is_private_and_opens)
{
    struct vault_world w;
    struct stat st;

    vault_world_init(&w);
    ck_assert_int_eq(stat(w.path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    vault_world_reopen(&w);
    vault_world_release(&w);
}
END_TEST

START_TEST(a_store_is_never_made_over_another_file)
{
    struct vault_world w;
    size_t before;

    vault_world_init(&w);
    before = entries(w.dir);
    assert_rv(CKR_ACTION_PROHIBITED, store_create(&w.config, &w.store));
    ck_assert_uint_eq(entries(w.dir), before);
    vault_world_reopen(&w);
    vault_world_release(&w);
}
END_TEST

START_TEST(a_store_that_cannot_be_made_leaves_nothing)
{
    struct vault_world w;
    char no_hsm[128];
    size_t before;

    vault_world_init_in(&w, "/tmp");
    (void)snprintf(no_hsm, sizeof(no_hsm), "%s/fake-hsm", w.dir);
    ck_assert_int_eq(mkdir(no_hsm, 0700), 0);
    before = entries(w.dir);
    assert_rv(CKR_DEVICE_ERROR, store_create(&w.config, &w.store));
    ck_assert_uint_eq(entries(w.dir), before);
    w.config.path = "/nonexistent/folder/store.db";
    assert_rv(CKR_DEVICE_ERROR, store_create(&w.config, &w.store));
    vault_world_release(&w);
}
END_TEST

START_TEST(a_missing_or_empty_or_foreign_file_does_not_open)
{
    struct vault_world w;
    int fd;

    vault_world_init_in(&w, "/tmp");
    assert_rv(CKR_DEVICE_ERROR, store_open(&w.config, &w.store));
    fd = open(w.path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    assert_rv(CKR_DEVICE_ERROR, store_open(&w.config, &w.store));
    ck_assert_int_eq(
        write(fd, "this is a text file, and a rather long one at that, over a page", 60), 60);
    (void)close(fd);
    assert_rv(CKR_DEVICE_ERROR, store_open(&w.config, &w.store));
    (void)unlink(w.path);
    vault_world_sql(&w, "CREATE TABLE other (x)");
    assert_rv(CKR_DEVICE_ERROR, store_open(&w.config, &w.store));
    ck_assert_ptr_nonnull(strstr(fail_reason(), "another program"));
    ck_assert_ptr_null(w.store);
    vault_world_release(&w);
}
END_TEST

START_TEST(a_newer_format_does_not_open)
{
    struct vault_world w;

    vault_world_init(&w);
    store_close(w.store);
    w.store = NULL;
    vault_world_sql(&w, "PRAGMA user_version = 2");
    assert_rv(CKR_DEVICE_ERROR, store_open(&w.config, &w.store));
    ck_assert_ptr_nonnull(strstr(fail_reason(), "format 2"));
    vault_world_sql(&w, "PRAGMA user_version = 1");
    assert_ok(store_open(&w.config, &w.store));
    vault_world_release(&w);
}
END_TEST

START_TEST(another_hsm_does_not_open_the_store)
{
    struct vault_world w;
    char keys[128];

    vault_world_init(&w);
    store_close(w.store);
    w.store = NULL;
    (void)snprintf(keys, sizeof(keys), "%s/fake-hsm", w.dir);
    ck_assert_int_eq(unlink(keys), 0);
    assert_rv(CKR_DEVICE_ERROR, store_open(&w.config, &w.store));
    ck_assert_ptr_nonnull(strstr(fail_reason(), "the HSM has no key"));
    vault_world_release(&w);
}
END_TEST

START_TEST(a_key_of_the_same_id_that_is_another_does_not_open_the_store)
{
    struct vault_world w;
    char keys[128];
    int fd;

    vault_world_init(&w);
    store_close(w.store);
    w.store = NULL;
    (void)snprintf(keys, sizeof(keys), "%s/fake-hsm", w.dir);
    fd = open(keys, O_RDWR | O_CLOEXEC);
    ck_assert_int_eq(pwrite(fd, "xxxx", 4, HSM_ID_LEN), 4);
    (void)close(fd);
    assert_rv(CKR_DEVICE_ERROR, store_open(&w.config, &w.store));
    ck_assert_ptr_nonnull(strstr(fail_reason(), "does not open this store's data key"));
    vault_world_release(&w);
}
END_TEST

START_TEST(home_values_are_kept_and_replaced)
{
    struct vault_world w;
    struct buf value = BUF_INIT(1024);

    vault_world_init(&w);
    assert_ok(store_get_home(w.store, "policy", &value));
    ck_assert_uint_eq(value.len, 0);
    assert_ok(store_set_home(w.store, "policy", BYTES_LIT("permit(...)")));
    assert_ok(store_set_home(w.store, "log-key", BYTES_LIT("other")));
    vault_world_reopen(&w);
    assert_ok(store_get_home(w.store, "policy", &value));
    ck_assert(bytes_equal_str(buf_bytes(&value), "permit(...)"));
    assert_ok(store_set_home(w.store, "policy", BYTES_NONE));
    assert_ok(store_get_home(w.store, "policy", &value));
    ck_assert_uint_eq(value.len, 0);
    assert_ok(store_get_home(w.store, "log-key", &value));
    ck_assert(bytes_equal_str(buf_bytes(&value), "other"));
    buf_release(&value);
    vault_world_release(&w);
}
END_TEST

START_TEST(generation_changes_with_own_and_others_commits_only)
{
    struct vault_world w;
    struct store *other = NULL;
    struct buf value = BUF_INIT(64);
    uint64_t a = 0, b = 0, c = 0, d = 0;

    vault_world_init(&w);
    assert_ok(store_open(&w.config, &other));
    assert_ok(store_generation(w.store, &a));
    ck_assert_uint_ne(a, 0);
    assert_ok(store_get_home(w.store, "policy", &value));
    assert_ok(store_generation(w.store, &b));
    ck_assert_uint_eq(a, b);
    assert_ok(store_set_home(w.store, "policy", BYTES_LIT("1")));
    assert_ok(store_generation(w.store, &c));
    ck_assert_uint_ne(b, c);
    assert_ok(store_set_home(other, "policy", BYTES_LIT("2")));
    assert_ok(store_generation(w.store, &d));
    ck_assert_uint_ne(c, d);
    assert_ok(store_get_home(w.store, "policy", &value));
    ck_assert(bytes_equal_str(buf_bytes(&value), "2"));
    store_close(other);
    buf_release(&value);
    vault_world_release(&w);
}
END_TEST

START_TEST(generation_changes_with_a_commit_of_another_program)
{
    struct vault_world w;
    uint64_t before = 0;
    uint64_t after = 0;

    vault_world_init(&w);
    assert_ok(store_generation(w.store, &before));
    vault_world_sql(&w, "CREATE TABLE other (x)");
    assert_ok(store_generation(w.store, &after));
    ck_assert_uint_gt(after, before);
    vault_world_release(&w);
}
END_TEST

/* The file change counter, as a commit that is under way writes it. */
static void add_to_mark(const struct vault_world *w, int by)
{
    int fd = open(w->path, O_RDWR | O_CLOEXEC);
    uint8_t low;

    ck_assert_int_eq(pread(fd, &low, 1, 27), 1);
    low = (uint8_t)(low + by);
    ck_assert_int_eq(pwrite(fd, &low, 1, 27), 1);
    (void)close(fd);
}

START_TEST(a_mark_that_was_rolled_back_is_another_generation_when_it_comes_again)
{
    struct vault_world w;
    struct buf value = BUF_INIT(64);
    uint64_t under_way = 0;
    uint64_t again = 0;

    vault_world_init(&w);
    add_to_mark(&w, 1);
    assert_ok(store_generation(w.store, &under_way));
    add_to_mark(&w, -1);
    assert_ok(
        store_get_home(w.store, "policy", &value)); /* what it kept would be of the old state */
    add_to_mark(&w, 1);
    assert_ok(store_generation(w.store, &again));
    ck_assert_uint_gt(again, under_way);
    add_to_mark(&w, -1);
    buf_release(&value);
    vault_world_release(&w);
}
END_TEST

START_TEST(a_store_cut_to_nothing_has_no_generation)
{
    struct vault_world w;
    uint64_t generation = 0;

    vault_world_init(&w);
    ck_assert_int_eq(truncate(w.path, 0), 0);
    assert_rv(CKR_DEVICE_ERROR, store_generation(w.store, &generation));
    vault_world_release(&w);
}
END_TEST

START_TEST(a_child_of_fork_opens_anew_and_leaves_the_parent_whole)
{
    struct vault_world w;
    struct buf value = BUF_INIT(64);
    pid_t child;
    int status = 0;

    vault_world_init(&w);
    assert_ok(store_set_home(w.store, "policy", BYTES_LIT("parent")));
    child = fork();
    if (child == 0) {
        CK_RV rv;

        store_abandon(w.store);
        rv = store_open(&w.config, &w.store);
        if (rv == CKR_OK)
            rv = store_set_home(w.store, "policy", BYTES_LIT("child"));
        store_close(w.store);
        _exit(rv == CKR_OK ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    assert_ok(store_get_home(w.store, "policy", &value));
    ck_assert(bytes_equal_str(buf_bytes(&value), "child"));
    assert_ok(store_set_home(w.store, "policy", BYTES_LIT("parent again")));
    buf_release(&value);
    vault_world_release(&w);
}
END_TEST

START_TEST(a_store_another_process_holds_too_long_is_busy)
{
    struct vault_world w;
    struct buf value = BUF_INIT(64);
    char *end;
    uint64_t records = 0;

    vault_world_init(&w);
    end = vault_world_ask(&w, "SELECT 1");
    free(end);
    {
        int ends[2], status = 0;
        char byte;
        pid_t child;

        ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
        child = fork();
        if (child == 0) {
            /* Holds the write lock until killed. */
            struct flock lock = {
                .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0x40000000 + 1, .l_len = 1};
            int fd = open(w.path, O_RDWR | O_CLOEXEC);

            if (fcntl(fd, F_SETLK, &lock) != 0 || write(ends[1], "x", 1) != 1)
                _exit(1);
            for (;;)
                (void)pause();
        }
        ck_assert_int_eq(read(ends[0], &byte, 1), 1);
        assert_rv(CKR_DEVICE_MEMORY, store_set_home(w.store, "policy", BYTES_LIT("x")));
        ck_assert_ptr_nonnull(strstr(fail_reason(), "busy"));
        assert_ok(store_get_home(w.store, "policy", &value));
        (void)kill(child, SIGKILL);
        (void)waitpid(child, &status, 0);
        (void)close(ends[0]);
        (void)close(ends[1]);
    }
    assert_ok(store_set_home(w.store, "policy", BYTES_LIT("x")));
    assert_ok(store_check(w.store, &records));
    ck_assert_uint_eq(records, 1);
    buf_release(&value);
    vault_world_release(&w);
}
END_TEST

START_TEST(a_truncated_or_overwritten_file_is_refused_with_a_reason)
{
    struct vault_world w;
    struct vault_info vault;
    uint8_t id[OBJECT_ID_LEN];
    uint64_t records = 0;
    struct stat st;
    CK_RV rv;

    vault_world_init(&w);
    vault = vault_world_vault(&w, "v");
    for (int i = 0; i < 100; i++)
        vault_world_put(&w, &vault, "label", id);
    store_close(w.store);
    w.store = NULL;
    ck_assert_int_eq(stat(w.path, &st), 0);
    for (int percent = 90; percent >= 0; percent -= 10) {
        ck_assert_int_eq(truncate(w.path, st.st_size * percent / 100), 0);
        rv = store_open(&w.config, &w.store);
        if (rv == CKR_OK)
            rv = store_check(w.store, &records);
        assert_rv(CKR_DEVICE_ERROR, rv);
        ck_assert_ptr_nonnull(strstr(fail_reason(), w.path));
        store_close(w.store);
        w.store = NULL;
    }
    vault_world_release(&w);
}
END_TEST

START_TEST(bytes_overwritten_anywhere_are_found_by_the_check)
{
    struct vault_world w;
    struct vault_info vault;
    uint8_t id[OBJECT_ID_LEN], page[64], junk[64];
    uint64_t records = 0;
    struct stat st;
    int pages = 0;
    int found = 0;
    int fd;

    vault_world_init(&w);
    vault = vault_world_vault(&w, "v");
    for (int i = 0; i < 60; i++)
        vault_world_put(&w, &vault, "label", id);
    assert_ok(store_check(w.store, &records));
    ck_assert_uint_eq(records, 61);
    store_close(w.store);
    w.store = NULL;
    memset(junk, 0xa5, sizeof(junk));
    fd = open(w.path, O_RDWR | O_CLOEXEC);
    ck_assert_int_eq(fstat(fd, &st), 0);
    /* Near the end of each page, where cells are; free space may hold anything. */
    for (off_t at = 4096 - 200; at < st.st_size; at += 4096) {
        CK_RV rv;

        ck_assert_int_eq(pread(fd, page, 64, at), 64);
        ck_assert_int_eq(pwrite(fd, junk, 64, at), 64);
        rv = store_open(&w.config, &w.store);
        if (rv == CKR_OK)
            rv = store_check(w.store, &records);
        if (rv == CKR_OK)
            ck_assert_uint_eq(records, 61); /* free space: every record was unsealed and is right */
        else
            assert_rv(CKR_DEVICE_ERROR, rv);
        found += rv != CKR_OK;
        pages++;
        store_close(w.store);
        w.store = NULL;
        ck_assert_int_eq(pwrite(fd, page, 64, at), 64);
    }
    (void)close(fd);
    ck_assert_int_gt(2 * found, pages);
    assert_ok(store_open(&w.config, &w.store));
    assert_ok(store_check(w.store, &records));
    vault_world_release(&w);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(a_made_store_is_private_and_opens),
        CASE(a_store_is_never_made_over_another_file),
        CASE(a_store_that_cannot_be_made_leaves_nothing),
        CASE(a_missing_or_empty_or_foreign_file_does_not_open),
        CASE(a_newer_format_does_not_open),
        CASE(another_hsm_does_not_open_the_store),
        CASE(a_key_of_the_same_id_that_is_another_does_not_open_the_store),
        CASE(home_values_are_kept_and_replaced),
        CASE(generation_changes_with_own_and_others_commits_only),
        CASE(generation_changes_with_a_commit_of_another_program),
        CASE(a_mark_that_was_rolled_back_is_another_generation_when_it_comes_again),
        CASE(a_store_cut_to_nothing_has_no_generation),
        CASE(a_child_of_fork_opens_anew_and_leaves_the_parent_whole),
        CASE(a_store_another_process_holds_too_long_is_busy),
        CASE(a_truncated_or_overwritten_file_is_refused_with_a_reason),
        CASE(bytes_overwritten_anywhere_are_found_by_the_check),
    };

    return suite_run("vault/store", cases, sizeof(cases) / sizeof(*cases));
}
