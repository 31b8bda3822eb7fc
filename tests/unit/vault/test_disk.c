/* What is on the disk: nothing readable, and nothing half-written when it is full. */
#include "tests/support/vault_world.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* Words that must not be found anywhere: names, texts, values, a PIN. */
static const char *const canaries[] = {"canary-vault", "canary-user", "canary-policy",
                                       "canary-label", "canary-id",   "canary-value",
                                       "canary-pin",   "canary-home", "canary-material"};

/* True when a file of the folder holds one of the words, in its content or its name. */
static bool holds_canary(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    bool found = false;

    ck_assert_ptr_nonnull(d);
    while ((e = readdir(d)) != NULL) {
        char path[512];
        struct stat st;
        static char content[4 << 20];
        int fd;
        ssize_t n;

        (void)snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
        if (e->d_name[0] == '.' || stat(path, &st) != 0)
            continue;
        if (S_ISDIR(st.st_mode)) {
            found |= holds_canary(path);
            continue;
        }
        fd = open(path, O_RDONLY | O_CLOEXEC);
        n = read(fd, content, sizeof(content));
        (void)close(fd);
        ck_assert_int_ge(n, 0);
        for (size_t i = 0; i < sizeof(canaries) / sizeof(*canaries); i++)
            found |= strstr(e->d_name, canaries[i]) != NULL ||
                     memmem(content, (size_t)n, canaries[i], strlen(canaries[i])) != NULL;
    }
    (void)closedir(d);
    return found;
}

static void fill(struct vault_world *w, struct vault_info *ret_vault)
{
    struct object o, key;
    struct object *const list[] = {&o, &key};

    *ret_vault = vault_world_vault(w, "canary-vault");
    assert_ok(user_add(w->store, ret_vault, "canary-user", BYTES_LIT("canary-pin")));
    assert_ok(user_verify(w->store, ret_vault, "canary-user", BYTES_LIT("canary-pin")));
    assert_ok(vault_set_policy(w->store, ret_vault, BYTES_LIT("canary-policy")));
    assert_ok(store_set_home(w->store, "canary-home", BYTES_LIT("canary-value")));
    o = vault_world_object(w, ret_vault, "canary-label", "canary-id", "canary-value");
    key = vault_world_software_key(w, ret_vault, "canary-label", "canary-material");
    assert_ok(object_insert(w->store, list, 2));
    object_release(&o);
    object_release(&key);
}

START_TEST(the_search_finds_what_is_there)
{
    struct vault_world w;
    char path[128];
    int fd;

    vault_world_init(&w);
    (void)snprintf(path, sizeof(path), "%s/note", w.lock_dir);
    fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    ck_assert_int_eq(write(fd, "xx canary-label", 15), 15);
    (void)close(fd);
    ck_assert(holds_canary(w.dir));
    vault_world_release(&w);
}
END_TEST

START_TEST(nothing_readable_is_on_the_disk)
{
    struct vault_world w;
    struct vault_info vault;

    vault_world_init(&w);
    fill(&w, &vault);
    ck_assert(!holds_canary(w.dir));
    assert_ok(user_remove(w.store, &vault, "canary-user"));
    store_close(w.store);
    w.store = NULL;
    ck_assert(!holds_canary(w.dir));
    vault_world_release(&w);
}
END_TEST

/* Stops the writer at a random place and looks, the journal of a transaction in progress among the
 * files. */
START_TEST(nothing_readable_is_on_the_disk_in_the_middle_of_a_write)
{
    struct vault_world w;
    struct vault_info vault;
    bool journal_seen = false;
    pid_t child;

    vault_world_init(&w);
    fill(&w, &vault);
    child = fork();
    if (child == 0) {
        struct object o;
        struct object *const list[] = {&o};
        CK_RV rv;

        store_abandon(w.store);
        rv = store_open(&w.config, &w.store);
        o = vault_world_software_key(&w, &vault, "canary-label", "canary-material");
        for (;;) {
            if (rv == CKR_OK)
                rv = local_random(w.local, o.id, OBJECT_ID_LEN);
            if (rv == CKR_OK)
                rv = object_insert(w.store, list, 1);
        }
    }
    for (int i = 0; i < 2000 && !journal_seen; i++) {
        char journal[128];
        struct stat st;

        (void)usleep(1000 + (useconds_t)(i * 37 % 900));
        (void)kill(child, SIGSTOP);
        (void)waitpid(child, NULL, WUNTRACED);
        (void)snprintf(journal, sizeof(journal), "%s-journal", w.path);
        journal_seen = stat(journal, &st) == 0 && st.st_size > 1000;
        if (journal_seen)
            ck_assert_uint_eq(st.st_mode & 0777, 0600);
        ck_assert(!holds_canary(w.dir));
        (void)kill(child, SIGCONT);
    }
    (void)kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
    ck_assert(journal_seen);
    vault_world_release(&w);
}
END_TEST

static bool mount_small_disk(const char *dir)
{
    return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("keyward-test", dir, "tmpfs", 0, "size=512k") == 0;
}

START_TEST(a_full_disk_is_a_failure_and_nothing_is_half_written)
{
    struct vault_world w;
    struct vault_info vault;
    char dir[] = "/tmp/keyward-disk-XXXXXX";
    char filler[64];
    uint64_t records = 0, count = 0, inserted = 0;
    uint8_t block[4096] = {0};
    CK_RV rv = CKR_OK;
    int fd;

    ck_assert_ptr_nonnull(mkdtemp(dir));
    /* Only root may mount; elsewhere there is no small disk to fill. */
    if (!mount_small_disk(dir)) {
        (void)rmdir(dir);
        return;
    }
    vault_world_init_in(&w, dir);
    assert_ok(store_create(&w.config, &w.store));
    vault = vault_world_vault(&w, "v");
    while (rv == CKR_OK && inserted < 10000) {
        struct object o = vault_world_object(&w, &vault, "label", "id", "value");
        struct object *const list[] = {&o};

        rv = object_insert(w.store, list, 1);
        inserted += rv == CKR_OK;
        object_release(&o);
    }
    assert_rv(CKR_DEVICE_MEMORY, rv);
    ck_assert_ptr_nonnull(strstr(fail_reason(), "full"));
    assert_ok(object_count(w.store, &vault, &count));
    ck_assert_uint_eq(count, inserted);
    vault_world_reopen(&w);
    assert_ok(store_check(w.store, &records));
    ck_assert_uint_eq(records, inserted + 1);
    /* Not even a PIN is tried when the try cannot be written. */
    (void)snprintf(filler, sizeof(filler), "%s/filler", dir);
    fd = open(filler, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    while (write(fd, block, sizeof(block)) == (ssize_t)sizeof(block))
        continue;
    assert_rv(CKR_DEVICE_MEMORY, user_add(w.store, &vault, "alice", BYTES_LIT("1234")));
    (void)close(fd);
    (void)unlink(filler);
    vault_world_release(&w);
    (void)umount(dir);
    (void)rmdir(dir);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(the_search_finds_what_is_there),
        CASE(nothing_readable_is_on_the_disk),
        CASE_SLOW(nothing_readable_is_on_the_disk_in_the_middle_of_a_write, 120),
        CASE_SLOW(a_full_disk_is_a_failure_and_nothing_is_half_written, 120),
    };

    return suite_run("vault/disk", cases, sizeof(cases) / sizeof(*cases));
}
