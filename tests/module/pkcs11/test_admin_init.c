/* init: a home is made whole, or nothing is left; what is there is never touched. */
#include "tests/support/verbs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A folder of the test's own, KEYWARD_HOME somewhere in it, the module initialized without a home.
 */
static void begin(struct lab *lab, const char *home)
{
    *lab = (struct lab){.slot = 0};
    (void)snprintf(lab->root, sizeof(lab->root), "/tmp/keyward-init-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(lab->root));
    (void)snprintf(lab->home, sizeof(lab->home), "%s/%s", lab->root, home);
    ck_assert_int_eq(setenv("KEYWARD_HOME", lab->home, 1), 0);
    lab_load(lab);
    assert_ok(lab->f->C_Initialize(NULL));
}

static void end(struct lab *lab)
{
    const char *const argv[] = {"rm", "-rf", lab->root, NULL};

    lab_unload(lab);
    (void)lab_program(argv);
}

static void write_file(const struct lab *lab, const char *name, const char *text, mode_t mode)
{
    char path[LAB_PATH_MAX];
    int fd;

    (void)snprintf(path, sizeof(path), "%s/%s", lab->root, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    ck_assert_int_eq(fchmod(fd, mode), 0);
    (void)close(fd);
}

static mode_t mode_of(const struct lab *lab, const char *name)
{
    struct stat st;

    ck_assert_msg(stat(lab_path(lab, name), &st) == 0, "no %s: %s", name, strerror(errno));
    return st.st_mode & 07777;
}

static bool is_there(const struct lab *lab, const char *name)
{
    char path[LAB_PATH_MAX];
    struct stat st;

    (void)snprintf(path, sizeof(path), "%s/%s", lab->root, name);
    return lstat(path, &st) == 0;
}

/* ---- making ---- */

START_TEST(a_new_home_is_private_whole_and_in_use_after_finalize)
{
    struct lab lab;

    begin(&lab, "deep/er/home");
    verb_ok(&lab, NULL, "{\"verb\":\"init\"}");
    ck_assert_str_eq(verb_text(&lab, "home"), lab.home);
    ck_assert_str_ne(verb_text(&lab, "administrator"), "");
    ck_assert_uint_eq(mode_of(&lab, ""), 0700);
    ck_assert_uint_eq(mode_of(&lab, "hsm"), 0700);
    ck_assert_uint_eq(mode_of(&lab, "hsm/pin"), 0600);
    ck_assert_uint_eq(mode_of(&lab, "hsm/so-pin"), 0600);
    ck_assert_uint_eq(mode_of(&lab, "store.db"), 0600);
    assert_ok(lab.f->C_Finalize(NULL));
    assert_ok(lab.f->C_Initialize(NULL));
    verb_ok(&lab, NULL, "{\"verb\":\"status\",\"check\":true}");
    verb_ok(&lab, NULL, "{\"verb\":\"log.verify\"}");
    ck_assert_ptr_nonnull(strstr(lab.answer, "\"ok\":true"));
    ck_assert_uint_eq(lab_log_count(&lab, "init", "CKR_OK"), 1);
    end(&lab);
}
END_TEST

START_TEST(an_empty_folder_becomes_the_home)
{
    struct lab lab;

    begin(&lab, "home");
    ck_assert_int_eq(mkdir(lab.home, 0755), 0);
    verb_ok(&lab, NULL, "{\"verb\":\"init\"}");
    ck_assert_uint_eq(mode_of(&lab, ""), 0700);
    end(&lab);
}
END_TEST

START_TEST(the_pins_of_two_homes_differ)
{
    struct lab one, two;
    const char *argv[] = {"cmp", "-s", NULL, NULL, NULL};
    char pins[2][LAB_PATH_MAX];

    begin(&one, "home");
    verb_ok(&one, NULL, "{\"verb\":\"init\"}");
    (void)snprintf(pins[0], LAB_PATH_MAX, "%s", lab_path(&one, "hsm/pin"));
    lab_unload(&one);
    begin(&two, "home");
    verb_ok(&two, NULL, "{\"verb\":\"init\"}");
    (void)snprintf(pins[1], LAB_PATH_MAX, "%s", lab_path(&two, "hsm/pin"));
    argv[2] = pins[0];
    argv[3] = pins[1];
    ck_assert_int_eq(lab_program(argv), 1);
    (void)snprintf(pins[1], LAB_PATH_MAX, "%s", lab_path(&one, "hsm/so-pin"));
    ck_assert_int_eq(lab_program(argv), 1);
    end(&two);
    lab_load(&one);
    end(&one);
}
END_TEST

/* ---- refusing ---- */

START_TEST(a_second_init_is_refused_and_the_home_untouched)
{
    struct lab lab;
    char copy[LAB_PATH_MAX];
    char store[LAB_PATH_MAX];
    const char *const copying[] = {"cp", store, copy, NULL};
    const char *const comparing[] = {"cmp", store, copy, NULL};

    begin(&lab, "home");
    verb_ok(&lab, NULL, "{\"verb\":\"init\"}");
    (void)snprintf(store, sizeof(store), "%s/store.db", lab.home);
    (void)snprintf(copy, sizeof(copy), "%s/copy", lab.root);
    ck_assert_int_eq(lab_program(copying), 0);
    verb_refused(&lab, CKR_ACTION_PROHIBITED, "is not empty", NULL, "{\"verb\":\"init\"}");
    ck_assert_int_eq(lab_program(comparing), 0);
    end(&lab);
}
END_TEST

START_TEST(a_folder_with_anything_in_it_is_refused_untouched)
{
    struct lab lab;

    begin(&lab, "home");
    ck_assert_int_eq(mkdir(lab.home, 0755), 0);
    write_file(&lab, "home/.hidden", "mine", 0644);
    verb_refused(&lab, CKR_ACTION_PROHIBITED, "is not empty", NULL, "{\"verb\":\"init\"}");
    ck_assert(is_there(&lab, "home/.hidden"));
    ck_assert_uint_eq(mode_of(&lab, ""), 0755);
    ck_assert(!is_there(&lab, "home/keyward.conf"));
    end(&lab);
}
END_TEST

START_TEST(a_home_that_is_a_file_is_refused)
{
    struct lab lab;

    begin(&lab, "home");
    write_file(&lab, "home", "a file", 0600);
    verb_refused(&lab, CKR_DEVICE_ERROR, "home", NULL, "{\"verb\":\"init\"}");
    ck_assert(is_there(&lab, "home"));
    end(&lab);
}
END_TEST

/* %s is the test's folder. */
static const struct {
    const char *members, *words;
    CK_RV rv;
} bad_inits[] = {
    {"\"hsm\":\"%s/no.so\"", "go together", CKR_ARGUMENTS_BAD},
    {"\"hsm-token\":\"t\",\"hsm-pin-file\":\"%s/pin\"", "go together", CKR_ARGUMENTS_BAD},
    {"\"hsm\":\"%s/no.so\",\"hsm-token\":\"t\",\"hsm-pin-file\":\"%s/pin\"", "no.so",
     CKR_DEVICE_ERROR},
    {"\"hsm\":\"%s/text.so\",\"hsm-token\":\"t\",\"hsm-pin-file\":\"%s/no-pin\"", "no-pin",
     CKR_DEVICE_ERROR},
    {"\"hsm\":\"%s/text.so\",\"hsm-token\":\"t\",\"hsm-pin-file\":\"%s/open-pin\"", "chmod 600",
     CKR_ARGUMENTS_BAD},
    {"\"hsm\":\"%s/text.so\",\"hsm-token\":\"t\\nx\",\"hsm-pin-file\":\"%s/pin\"", "line break",
     CKR_ARGUMENTS_BAD},
    {"\"hsm\":\"%s/text.so\",\"hsm-token\":\"t\",\"hsm-pin-file\":\"%s/pin\"", "",
     CKR_DEVICE_ERROR},
};

/* The row with the folder in the place of every %s. */
static void fill(const char *row, const char *folder, char *out, size_t size)
{
    size_t n = 0;

    while (*row != '\0') {
        size_t plain = strcspn(row, "%");

        n += (size_t)snprintf(out + n, size - n, "%.*s", (int)plain, row);
        row += plain;
        if (*row == '\0')
            break;
        n += (size_t)snprintf(out + n, size - n, "%s", folder);
        row += 2;
    }
}

START_TEST(a_bad_hsm_leaves_nothing_behind)
{
    struct lab lab;
    char members[512];
    char request[600];

    begin(&lab, "deep/home");
    write_file(&lab, "pin", "123456", 0600);
    write_file(&lab, "open-pin", "123456", 0644);
    write_file(&lab, "text.so", "no library", 0600);
    fill(bad_inits[_i].members, lab.root, members, sizeof(members));
    (void)snprintf(request, sizeof(request), "{\"verb\":\"init\",%s}", members);
    verb_refused(&lab, bad_inits[_i].rv, bad_inits[_i].words, NULL, request);
    ck_assert(!is_there(&lab, "deep"));
    end(&lab);
}
END_TEST

/* No file may grow past the limit, as on a disk that is full; every limit stops at another step. */
static const rlim_t limits[] = {0, 16, 100, 400, 4000, 20000};

START_TEST(a_full_disk_leaves_nothing_behind)
{
    struct lab lab;

    begin(&lab, "deep/home");
    assert_ok(lab.f->C_Finalize(NULL));
    ck_assert_uint_ne(verb_on_full_disk(&lab, true, limits[_i], "{\"verb\":\"init\"}"), CKR_OK);
    assert_ok(lab.f->C_Initialize(NULL));
    ck_assert(!is_there(&lab, "deep"));
    verb_ok(&lab, NULL, "{\"verb\":\"init\"}");
    end(&lab);
}
END_TEST

START_TEST(an_empty_folder_stays_empty_when_init_fails)
{
    struct lab lab;

    begin(&lab, "home");
    ck_assert_int_eq(mkdir(lab.home, 0700), 0);
    write_file(&lab, "pin", "123456", 0600);
    write_file(&lab, "text.so", "no library", 0600);
    ck_assert_uint_ne(lab_admin(&lab, NULL,
                                "{\"verb\":\"init\",\"hsm\":\"%s/text.so\",\"hsm-token\":\"t\","
                                "\"hsm-pin-file\":\"%s/pin\"}",
                                lab.root, lab.root),
                      CKR_OK);
    ck_assert(is_there(&lab, "home"));
    ck_assert_int_eq(rmdir(lab.home), 0);
    end(&lab);
}
END_TEST

/* ---- an HSM that is somebody else's ---- */

/* A SoftHSM token beside the home, as an administrator makes one, and the library that leads to it.
 */
static bool make_token(struct lab *lab)
{
    char conf[512];
    char path[LAB_PATH_MAX];
    char library[LAB_PATH_MAX];
    const char *const copying[] = {"cp", OTHER_HSM, library, NULL};
    const char *const making[] = {"sh", "-c",
                                  "softhsm2-util --init-token --free --label elsewhere "
                                  "--so-pin 12345678 --pin 876543 >/dev/null 2>&1",
                                  NULL};

    (void)snprintf(path, sizeof(path), "%s/tokens", lab->root);
    (void)snprintf(library, sizeof(library), "%s/other.so", lab->root);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    (void)snprintf(conf, sizeof(conf), "directories.tokendir = %s\nobjectstore.backend = file\n",
                   path);
    write_file(lab, "softhsm2.conf", conf, 0600);
    (void)snprintf(path, sizeof(path), "%s/softhsm2.conf", lab->root);
    ck_assert_int_eq(setenv("SOFTHSM2_CONF", path, 1), 0);
    write_file(lab, "hsm-pin", "876543", 0600);
    write_file(lab, "wrong-pin", "111111", 0600);
    return lab_program(copying) == 0 && lab_program(making) == 0;
}

static CK_RV init_elsewhere(struct lab *lab, const char *token, const char *pin)
{
    return lab_admin(lab, NULL,
                     "{\"verb\":\"init\",\"hsm\":\"%s/other.so\",\"hsm-token\":\"%s\","
                     "\"hsm-pin-file\":\"%s/%s\"}",
                     lab->root, token, lab->root, pin);
}

START_TEST(a_named_hsm_is_used_and_its_pin_stays_where_it_is)
{
    struct lab lab;

    begin(&lab, "home");
    if (make_token(&lab)) {
        const char *const argv[] = {"grep", "-rqa", "876543", lab.home, NULL};

        ck_assert_msg(init_elsewhere(&lab, "elsewhere", "hsm-pin") == CKR_OK, "%s", lab.answer);
        ck_assert(!is_there(&lab, "home/hsm/pin"));
        ck_assert_int_eq(lab_program(argv), 1);
        assert_ok(lab.f->C_Finalize(NULL));
        assert_ok(lab.f->C_Initialize(NULL));
        verb_ok(&lab, NULL, "{\"verb\":\"status\"}");
        ck_assert_str_eq(verb_text(&lab, "hsm.token"), "elsewhere");
    }
    end(&lab);
}
END_TEST

START_TEST(a_wrong_pin_or_token_of_a_named_hsm_leaves_nothing_behind)
{
    struct lab lab;

    begin(&lab, "home");
    if (make_token(&lab)) {
        ck_assert_uint_ne(init_elsewhere(&lab, "elsewhere", "wrong-pin"), CKR_OK);
        ck_assert_str_ne(verb_text(&lab, "error"), "");
        ck_assert(!is_there(&lab, "home"));
        ck_assert_uint_ne(init_elsewhere(&lab, "nowhere", "hsm-pin"), CKR_OK);
        ck_assert(!is_there(&lab, "home"));
        ck_assert_msg(init_elsewhere(&lab, "elsewhere", "hsm-pin") == CKR_OK, "%s", lab.answer);
    }
    end(&lab);
}
END_TEST

#define LENGTH(a) ((int)(sizeof(a) / sizeof(*(a))))

int main(void)
{
    const struct suite_case cases[] = {
        CASE(a_new_home_is_private_whole_and_in_use_after_finalize),
        CASE(an_empty_folder_becomes_the_home),
        CASE(the_pins_of_two_homes_differ),
        CASE(a_second_init_is_refused_and_the_home_untouched),
        CASE(a_folder_with_anything_in_it_is_refused_untouched),
        CASE(a_home_that_is_a_file_is_refused),
        CASE_LOOP(a_bad_hsm_leaves_nothing_behind, LENGTH(bad_inits)),
        CASE_LOOP(a_full_disk_leaves_nothing_behind, LENGTH(limits)),
        CASE(an_empty_folder_stays_empty_when_init_fails),
        CASE(a_named_hsm_is_used_and_its_pin_stays_where_it_is),
        CASE(a_wrong_pin_or_token_of_a_named_hsm_leaves_nothing_behind),
    };

    return suite_run("pkcs11/admin_init", cases, sizeof(cases) / sizeof(*cases));
}
