/*
 * Homes that are damaged, foreign, unreadable or without room: the standard's CKR, a sentence that
 * says what to do, no crash, and service again once the home is repaired.
 */
#include "tests/support/lab_break.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static CK_RV ask(const struct lab *lab)
{
    CK_ULONG count = 0;

    return lab->f->C_GetSlotList(CK_TRUE, NULL, &count);
}

/* The module loads, and the first call that needs the home says why it cannot. */
static void assert_refused(const struct lab *lab, const char *word)
{
    assert_ok(lab->f->C_Initialize(NULL));
    assert_rv(CKR_DEVICE_ERROR, ask(lab));
    ck_assert_msg(strstr(lab->admin->reason(), word) != NULL, "the reason does not say %s: %s",
                  word, lab->admin->reason());
    assert_ok(lab->f->C_Finalize(NULL));
}

static void assert_works(struct lab *lab)
{
    lab_up(lab);
    lab_signs(lab, lab_alice(lab));
    assert_ok(lab->f->C_Finalize(NULL));
    (void)lab_log_whole(lab);
}

/* ---- the HSM's PIN ---- */

START_TEST(wrong_pin_of_the_hsm_is_tried_once_until_the_module_is_initialized_anew)
{
    struct lab lab;

    lab_make(&lab);
    lab_use_shim(&lab, "10000");
    lab_keep(&lab, "hsm/pin");
    lab_write(&lab, "hsm/pin", "11111111\n");
    assert_ok(lab.f->C_Initialize(NULL));
    assert_rv(CKR_DEVICE_ERROR, ask(&lab));
    ck_assert_uint_eq(lab_shim_calls(&lab, "C_Login"), 1);
    /* Longer than other refusals are remembered. */
    lab_sleep_ms(2300);
    assert_rv(CKR_DEVICE_ERROR, ask(&lab));
    ck_assert_ptr_nonnull(strstr(lab.admin->reason(), "not tried again"));
    ck_assert_uint_eq(lab_shim_calls(&lab, "C_Login"), 1);
    lab_restore(&lab, "hsm/pin");
    assert_rv(CKR_DEVICE_ERROR, ask(&lab));
    ck_assert_uint_eq(lab_shim_calls(&lab, "C_Login"), 1);
    assert_ok(lab.f->C_Finalize(NULL));
    assert_works(&lab);
    lab_end(&lab);
}
END_TEST

START_TEST(pin_file_others_can_read_is_refused_without_a_try_and_taken_when_it_is_private)
{
    struct lab lab;

    lab_make(&lab);
    lab_use_shim(&lab, "10000");
    ck_assert_int_eq(chmod(lab_path(&lab, "hsm/pin"), 0644), 0);
    assert_refused(&lab, "chmod 600");
    ck_assert_uint_eq(lab_shim_calls(&lab, "C_Login"), 0);
    ck_assert_int_eq(chmod(lab_path(&lab, "hsm/pin"), 0600), 0);
    assert_works(&lab);
    lab_end(&lab);
}
END_TEST

START_TEST(a_refusal_that_is_not_the_pins_is_tried_again_in_the_same_application)
{
    struct lab lab;

    lab_make(&lab);
    ck_assert_int_eq(chmod(lab_path(&lab, "hsm/pin"), 0644), 0);
    assert_ok(lab.f->C_Initialize(NULL));
    assert_rv(CKR_DEVICE_ERROR, ask(&lab));
    ck_assert_int_eq(chmod(lab_path(&lab, "hsm/pin"), 0600), 0);
    lab_sleep_ms(2300);
    assert_ok(ask(&lab));
    lab_end(&lab);
}
END_TEST

/* ---- the store ---- */

static void cut_half(const char *path)
{
    struct stat st;

    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(truncate(path, st.st_size / 2), 0);
}

static void cut_all(const char *path)
{
    ck_assert_int_eq(truncate(path, 0), 0);
}

static void flip(const char *path, off_t offset)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    uint8_t byte = 0;

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pread(fd, &byte, 1, offset), 1);
    byte ^= 0x5a;
    ck_assert_int_eq(pwrite(fd, &byte, 1, offset), 1);
    (void)close(fd);
}

static void flip_header(const char *path)
{
    flip(path, 3);
}

static void replace_by_text(const char *path)
{
    FILE *file = fopen(path, "we");

    ck_assert_ptr_nonnull(file);
    for (int i = 0; i < 1000; i++)
        (void)fputs("this is not a database\n", file);
    (void)fclose(file);
}

static void replace_by_folder(const char *path)
{
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(mkdir(path, 0700), 0);
}

static void take_away(const char *path)
{
    ck_assert_int_eq(unlink(path), 0);
}

static void (*const store_damages[])(const char *path) = {
    cut_half, cut_all, flip_header, replace_by_text, replace_by_folder, take_away,
};

START_TEST(a_damaged_store_is_refused_with_its_name_and_serves_again_after_repair)
{
    struct lab lab;

    lab_make(&lab);
    lab_keep(&lab, "store.db");
    store_damages[_i](lab_path(&lab, "store.db"));
    assert_refused(&lab, "store.db");
    lab_restore(&lab, "store.db");
    assert_works(&lab);
    lab_end(&lab);
}
END_TEST

/* Whatever the byte, each call is answered, and a signature that is given is right. */
static void use_if_possible(struct lab *lab)
{
    CK_SLOT_ID slots[8];
    CK_ULONG count = 8;
    CK_SESSION_HANDLE session = 0;

    assert_ok(lab->f->C_Initialize(NULL));
    if (lab->f->C_GetSlotList(CK_TRUE, slots, &count) == CKR_OK && count > 0 &&
        lab->f->C_OpenSession(slots[0], CKF_SERIAL_SESSION, NULL, NULL, &session) == CKR_OK) {
        CK_OBJECT_HANDLE found[16];
        CK_ULONG n = 0;

        (void)lab_login(lab, session, CKU_USER, LAB_PIN);
        if (lab->f->C_FindObjectsInit(session, NULL, 0) == CKR_OK)
            (void)lab->f->C_FindObjects(session, found, 16, &n);
        for (CK_ULONG i = 0; i < n; i++) {
            CK_BYTE signature[LAB_SIGNATURE_MAX];
            CK_ULONG len = 0;

            (void)lab_sign(lab, session, found[i], "a", 1, signature, &len);
        }
    }
    assert_ok(lab->f->C_Finalize(NULL));
}

START_TEST(flipped_bytes_anywhere_in_the_store_crash_nothing)
{
    struct lab lab;
    struct stat st;

    lab_make(&lab);
    lab_keep(&lab, "store.db");
    ck_assert_int_eq(stat(lab_path(&lab, "store.db"), &st), 0);
    for (int i = 0; i < 12; i++) {
        flip(lab_path(&lab, "store.db"), st.st_size * i / 12 + 17);
        use_if_possible(&lab);
        lab_restore(&lab, "store.db");
    }
    assert_works(&lab);
    lab_end(&lab);
}
END_TEST

/* ---- the HSM's token ---- */

/* A token with the same label, whose PIN we know, but with none of our keys. */
static void replace_token(const struct lab *lab)
{
    static const char script[] = "rm -rf \"$0/hsm/tokens\" && mkdir -m 700 \"$0/hsm/tokens\" && "
                                 "SOFTHSM2_CONF=\"$0/hsm/softhsm2.conf\" softhsm2-util "
                                 "--init-token --free --label \"$1\" --so-pin 12345678 "
                                 "--pin 87654321 > /dev/null";
    const char *const argv[] = {"sh", "-c", script, lab->home, "keyward", NULL};

    ck_assert_int_eq(lab_program(argv), 0);
    lab_write(lab, "hsm/pin", "87654321\n");
}

START_TEST(a_token_that_is_another_is_refused_and_the_right_one_serves_again)
{
    struct lab lab;

    lab_make(&lab);
    lab_keep(&lab, "hsm");
    replace_token(&lab);
    assert_refused(&lab, "attach the HSM and token the store was made with");
    lab_restore(&lab, "hsm");
    assert_works(&lab);
    lab_end(&lab);
}
END_TEST

/* ---- settings ---- */

START_TEST(a_bad_line_of_the_settings_is_named)
{
    static const struct {
        const char *name, *value, *word;
    } lines[] = {
        {"deadline-ms", "soon", "deadline-ms"},
        {"deadline-ms", "99", "deadline-ms"},
        {"interval-ms", "-1", "interval-ms"},
        {"pin-source", "", "pin-source"},
    };
    struct lab lab;

    lab_make(&lab);
    lab_keep(&lab, "keyward.conf");
    lab_setting(&lab, lines[_i].name, lines[_i].value);
    assert_rv(CKR_GENERAL_ERROR, lab.f->C_Initialize(NULL));
    ck_assert_msg(strstr(lab.admin->reason(), lines[_i].word) != NULL, "%s", lab.admin->reason());
    lab_restore(&lab, "keyward.conf");
    assert_works(&lab);
    lab_end(&lab);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(wrong_pin_of_the_hsm_is_tried_once_until_the_module_is_initialized_anew),
        CASE(pin_file_others_can_read_is_refused_without_a_try_and_taken_when_it_is_private),
        CASE(a_refusal_that_is_not_the_pins_is_tried_again_in_the_same_application),
        CASE_LOOP(a_damaged_store_is_refused_with_its_name_and_serves_again_after_repair,
                  sizeof(store_damages) / sizeof(*store_damages)),
        CASE_SLOW(flipped_bytes_anywhere_in_the_store_crash_nothing, 120),
        CASE(a_token_that_is_another_is_refused_and_the_right_one_serves_again),
        CASE_LOOP(a_bad_line_of_the_settings_is_named, 4),
    };

    return lab_suite_run("pkcs11/bad_home", cases, sizeof(cases) / sizeof(*cases));
}
