/*
 * Homes that are damaged, foreign or in the way: the standard's code and a reason that says what to
 * do, never a crash, nothing lost, and the service back once the cause is gone.
 */
#include "tests/support/lab.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- files of a home ---- */

struct content {
    uint8_t *data;
    size_t len;
};

static struct content take(const struct lab *lab, const char *name)
{
    int fd = open(lab_path(lab, name), O_RDONLY | O_CLOEXEC);
    struct content c;
    struct stat st;

    ck_assert_msg(fd >= 0 && fstat(fd, &st) == 0, "no file %s", name);
    c = (struct content){.data = malloc((size_t)st.st_size + 1), .len = (size_t)st.st_size};
    ck_assert_ptr_nonnull(c.data);
    ck_assert_int_eq(read(fd, c.data, c.len), (ssize_t)c.len);
    (void)close(fd);
    return c;
}

/* In place: mode and owner stay. */
static void put(const struct lab *lab, const char *name, const void *data, size_t len)
{
    int fd = open(lab_path(lab, name), O_WRONLY | O_TRUNC | O_CREAT | O_CLOEXEC, 0600);

    ck_assert_msg(fd >= 0, "no file %s", name);
    ck_assert_int_eq(write(fd, data, len), (ssize_t)len);
    (void)close(fd);
}

static void run(const char *program, const char *a, const char *b, const char *c)
{
    const char *const argv[] = {program, a, b, c, NULL};

    ck_assert_int_eq(lab_program(argv), 0);
}

/* ---- what the module says ---- */

static CK_RV wake(struct lab *lab)
{
    CK_ULONG count = 0;

    return lab->f->C_GetSlotList(CK_TRUE, NULL, &count);
}

/* Refused in every way one can come in, and the reason has this word in it. */
static void refused_with(struct lab *lab, const char *word)
{
    CK_SESSION_HANDLE session;
    CK_TOKEN_INFO info;

    assert_ok(lab->f->C_Initialize(NULL));
    assert_rv(CKR_DEVICE_ERROR, wake(lab));
    assert_rv(CKR_DEVICE_ERROR, lab->f->C_GetTokenInfo(1, &info));
    assert_rv(CKR_DEVICE_ERROR, lab->f->C_OpenSession(1, CKF_SERIAL_SESSION, NULL, NULL, &session));
    assert_rv(CKR_DEVICE_ERROR, lab_admin(lab, NULL, "{\"verb\":\"status\"}"));
    ck_assert_msg(strstr(lab->answer, word) != NULL, "\"%s\" is not in %s", word, lab->answer);
    assert_ok(lab->f->C_Finalize(NULL));
}

static void whole(struct lab *lab)
{
    lab_up(lab);
    lab_signs(lab, lab_alice(lab));
    ck_assert_msg(lab_admin(lab, NULL, "{\"verb\":\"status\",\"check\":true}") == CKR_OK, "%s",
                  lab->answer);
    assert_ok(lab->f->C_Finalize(NULL));
    (void)lab_log_whole(lab);
}

/* ---- the store ---- */

START_TEST(a_missing_store_is_refused_and_not_made_anew)
{
    char aside[LAB_PATH_MAX];
    struct lab lab;

    lab_make(&lab);
    (void)snprintf(aside, sizeof(aside), "%s", lab_path(&lab, "aside"));
    ck_assert_int_eq(rename(lab_path(&lab, "store.db"), aside), 0);
    refused_with(&lab, "store");
    ck_assert_int_ne(access(lab_path(&lab, "store.db"), F_OK), 0);
    ck_assert_int_eq(rename(aside, lab_path(&lab, "store.db")), 0);
    whole(&lab);
    lab_end(&lab);
}
END_TEST

/* ---- foreign parts ---- */

static void init_home(struct lab *lab, int n)
{
    (void)n;
    lab_load(lab);
    assert_ok(lab->f->C_Initialize(NULL));
    ck_assert_msg(lab_admin(lab, NULL, "{\"verb\":\"init\"}") == CKR_OK, "%s", lab->answer);
    lab_unload(lab);
}

/* Another home beside ours, made by init. */
static void make_other(const struct lab *lab, char home[LAB_PATH_MAX])
{
    struct lab other = {.slot = 0};

    (void)snprintf(home, LAB_PATH_MAX, "%s/other", lab->root);
    ck_assert_int_eq(setenv("KEYWARD_HOME", home, 1), 0);
    lab_join(lab_child(init_home, &other, 0));
    ck_assert_int_eq(setenv("KEYWARD_HOME", lab->home, 1), 0);
}

static const struct {
    const char *what, *word;
} parts[] = {
    {"hsm", "HSM"}, /* another token, with its own PIN: the KEK is not in it */
    {"store.db", "store"},
    {"log", "log"},
};

START_TEST(a_part_of_another_home_is_refused_and_ours_serves_again)
{
    char other[LAB_PATH_MAX];
    char theirs[LAB_PATH_MAX + 16];
    char ours[LAB_PATH_MAX];
    char aside[LAB_PATH_MAX];
    struct lab lab;

    lab_make(&lab);
    make_other(&lab, other);
    (void)snprintf(theirs, sizeof(theirs), "%s/%s", other, parts[_i].what);
    (void)snprintf(ours, sizeof(ours), "%s", lab_path(&lab, parts[_i].what));
    (void)snprintf(aside, sizeof(aside), "%s", lab_path(&lab, "aside"));
    ck_assert_int_eq(rename(ours, aside), 0);
    run("cp", "-a", theirs, ours);
    refused_with(&lab, parts[_i].word);
    run("rm", "-rf", ours, NULL);
    ck_assert_int_eq(rename(aside, ours), 0);
    whole(&lab);
    lab_end(&lab);
}
END_TEST

/* ---- the log ---- */

START_TEST(a_changed_record_is_refused_or_found_by_verification)
{
    struct verify_report report = {.ok = true};
    struct content journal;
    struct content key;
    struct lab lab;
    CK_RV rv;

    lab_make(&lab);
    journal = take(&lab, "log/journal/0");
    key = take(&lab, "../log-key");
    key.data[key.len] = '\0';
    journal.data[journal.len / 4 * (size_t)_i + 10] ^= 1;
    put(&lab, "log/journal/0", journal.data, journal.len);
    assert_ok(lab.f->C_Initialize(NULL));
    rv = wake(&lab);
    ck_assert_msg(rv == CKR_OK || rv == CKR_DEVICE_ERROR, "0x%lx", rv);
    assert_ok(lab.f->C_Finalize(NULL));
    assert_ok(verify_log(lab_path(&lab, "log"), (const char *)key.data, &report));
    ck_assert(!report.ok);
    ck_assert_str_ne(report.problem, "");
    journal.data[journal.len / 4 * (size_t)_i + 10] ^= 1;
    put(&lab, "log/journal/0", journal.data, journal.len);
    whole(&lab);
    free(journal.data);
    free(key.data);
    lab_end(&lab);
}
END_TEST

START_TEST(a_log_without_its_checkpoint_is_refused)
{
    struct content checkpoint;
    struct lab lab;

    lab_make(&lab);
    checkpoint = take(&lab, "log/checkpoint");
    ck_assert_int_eq(unlink(lab_path(&lab, "log/checkpoint")), 0);
    refused_with(&lab, "log");
    put(&lab, "log/checkpoint", checkpoint.data, checkpoint.len);
    whole(&lab);
    free(checkpoint.data);
    lab_end(&lab);
}
END_TEST

/* ---- the HSM and its PIN ---- */

START_TEST(a_home_without_its_pin_is_refused)
{
    struct content pin;
    struct lab lab;

    lab_make(&lab);
    pin = take(&lab, "hsm/pin");
    ck_assert_int_eq(unlink(lab_path(&lab, "hsm/pin")), 0);
    refused_with(&lab, "PIN");
    put(&lab, "hsm/pin", pin.data, pin.len);
    whole(&lab);
    free(pin.data);
    lab_end(&lab);
}
END_TEST

/* The one folder in hsm/tokens. */
static void token_folder(const struct lab *lab, char name[LAB_PATH_MAX])
{
    DIR *dir = opendir(lab_path(lab, "hsm/tokens"));
    const struct dirent *entry;

    ck_assert_ptr_nonnull(dir);
    do {
        entry = readdir(dir);
        ck_assert_ptr_nonnull(entry);
    } while (entry->d_name[0] == '.');
    (void)snprintf(name, LAB_PATH_MAX, "hsm/tokens/%.64s/token.object", entry->d_name);
    (void)closedir(dir);
}

/* What SoftHSM itself does to its token when it is killed in C_Login. */
START_TEST(a_token_whose_metadata_was_cut_short_is_repaired)
{
    char name[LAB_PATH_MAX];
    struct lab lab;

    lab_make(&lab);
    whole(&lab);
    token_folder(&lab, name);
    ck_assert_int_eq(truncate(lab_path(&lab, name), 8 * _i), 0);
    whole(&lab);
    lab_end(&lab);
}
END_TEST

START_TEST(a_missing_token_is_refused)
{
    char aside[LAB_PATH_MAX];
    struct lab lab;

    lab_make(&lab);
    (void)snprintf(aside, sizeof(aside), "%s", lab_path(&lab, "aside"));
    ck_assert_int_eq(rename(lab_path(&lab, "hsm/tokens"), aside), 0);
    ck_assert_int_eq(mkdir(lab_path(&lab, "hsm/tokens"), 0700), 0);
    refused_with(&lab, "token");
    run("rm", "-rf", lab_path(&lab, "hsm/tokens"), NULL);
    ck_assert_int_eq(rename(aside, lab_path(&lab, "hsm/tokens")), 0);
    whole(&lab);
    lab_end(&lab);
}
END_TEST

START_TEST(a_library_that_is_not_there_is_refused)
{
    static const char settings[] = "[hsm]\nmodule = /nonexistent/hsm.so\ntoken = keyward\n"
                                   "pin-source = hsm/pin\nown-token = yes\n";
    struct content conf;
    struct lab lab;

    lab_make(&lab);
    conf = take(&lab, "keyward.conf");
    put(&lab, "keyward.conf", settings, sizeof(settings) - 1);
    refused_with(&lab, "/nonexistent/hsm.so");
    put(&lab, "keyward.conf", conf.data, conf.len);
    whole(&lab);
    free(conf.data);
    lab_end(&lab);
}
END_TEST

/* ---- a home in the way (root only: both need mounts) ---- */

static bool mount_over(const struct lab *lab, const char *kind, const char *options)
{
    const char *const argv[] = {"mount", "-t", kind, "-o", options, "tmpfs", lab->home, NULL};

    return geteuid() == 0 && lab_program(argv) == 0;
}

static void unmount(const struct lab *lab)
{
    run("umount", "-l", lab->home, NULL);
}

/* The home copied onto a small disk of its own; false where that cannot be done. */
static bool move_to_small_disk(struct lab *lab)
{
    char aside[LAB_PATH_MAX];
    char from[LAB_PATH_MAX + 8];

    (void)snprintf(aside, sizeof(aside), "%s/aside", lab->root);
    (void)snprintf(from, sizeof(from), "%s/.", aside);
    run("cp", "-a", lab->home, aside);
    if (!mount_over(lab, "tmpfs", "size=8m,mode=0700"))
        return false;
    run("cp", "-a", from, lab->home);
    return true;
}

static void fill(const struct lab *lab)
{
    static const char piece[65536];
    FILE *file = fopen(lab_path(lab, "filler"), "we");

    ck_assert_ptr_nonnull(file);
    setbuf(file, NULL);
    for (size_t n = sizeof(piece); n > 0; n /= 2)
        while (fwrite(piece, n, 1, file) == 1)
            continue;
    (void)fclose(file);
}

static CK_RV try_all(struct lab *lab)
{
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE public_key = 0;
    CK_OBJECT_HANDLE key = 0;
    CK_RV rv = lab->f->C_OpenSession(1, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session);

    if (rv == CKR_OK)
        rv = lab_login(lab, session, CKU_USER, LAB_PIN);
    if (rv == CKR_OK)
        rv = lab_generate(lab, session, "new", &public_key, &key);
    ck_assert(rv == CKR_OK || (public_key == 0 && key == 0));
    return rv;
}

START_TEST(a_home_on_a_full_disk_refuses_and_serves_again_when_there_is_room)
{
    struct lab lab;
    CK_RV rv;

    lab_make(&lab);
    if (move_to_small_disk(&lab)) {
        fill(&lab);
        assert_ok(lab.f->C_Initialize(NULL));
        rv = try_all(&lab);
        ck_assert_msg(rv == CKR_DEVICE_ERROR || rv == CKR_DEVICE_MEMORY, "0x%lx", rv);
        assert_ok(lab.f->C_Finalize(NULL));
        ck_assert_int_eq(unlink(lab_path(&lab, "filler")), 0);
        whole(&lab);
        unmount(&lab);
    }
    lab_end(&lab);
}
END_TEST

START_TEST(a_disk_that_fills_up_in_use_refuses_and_serves_again_when_there_is_room)
{
    struct lab lab;
    CK_RV rv;

    lab_make(&lab);
    if (move_to_small_disk(&lab)) {
        lab_up(&lab);
        fill(&lab);
        rv = try_all(&lab);
        ck_assert_msg(rv == CKR_DEVICE_ERROR || rv == CKR_DEVICE_MEMORY, "0x%lx", rv);
        ck_assert_int_eq(unlink(lab_path(&lab, "filler")), 0);
        assert_ok(lab.f->C_CloseAllSessions(1));
        assert_ok(try_all(&lab));
        assert_ok(lab.f->C_Finalize(NULL));
        whole(&lab);
        unmount(&lab);
    }
    lab_end(&lab);
}
END_TEST

START_TEST(a_read_only_home_is_refused_and_serves_again_when_it_is_not)
{
    struct lab lab;
    CK_RV rv;

    lab_make(&lab);
    if (move_to_small_disk(&lab)) {
        run("mount", "-o", "remount,ro", lab.home);
        assert_ok(lab.f->C_Initialize(NULL));
        rv = try_all(&lab);
        ck_assert_msg(rv == CKR_DEVICE_ERROR, "0x%lx", rv);
        assert_ok(lab.f->C_Finalize(NULL));
        run("mount", "-o", "remount,rw", lab.home);
        whole(&lab);
        unmount(&lab);
    }
    lab_end(&lab);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(a_missing_store_is_refused_and_not_made_anew),
        CASE_LOOP(a_part_of_another_home_is_refused_and_ours_serves_again,
                  sizeof(parts) / sizeof(*parts)),
        CASE_LOOP(a_changed_record_is_refused_or_found_by_verification, 4),
        CASE(a_log_without_its_checkpoint_is_refused),
        CASE(a_home_without_its_pin_is_refused),
        CASE_LOOP(a_token_whose_metadata_was_cut_short_is_repaired, 2),
        CASE(a_missing_token_is_refused),
        CASE(a_library_that_is_not_there_is_refused),
        CASE(a_home_on_a_full_disk_refuses_and_serves_again_when_there_is_room),
        CASE(a_disk_that_fills_up_in_use_refuses_and_serves_again_when_there_is_room),
        CASE(a_read_only_home_is_refused_and_serves_again_when_it_is_not),
    };

    return lab_suite_run("pkcs11/damage", cases, sizeof(cases) / sizeof(*cases));
}
