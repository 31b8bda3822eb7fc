/* Settings files: what is good is stored, what is not is refused with its line, and then nothing is
 * stored. */
#include "base/config.h"
#include "tests/support/suite.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct settings {
    char *module;
    char *token;
    unsigned lanes;
    int isolation;
    unsigned interval;
};

static const char *const isolations[] = {"process", "none", NULL};

static const struct config_key keys[] = {
    {.section = "hsm",
     .name = "module",
     .kind = CONFIG_TEXT,
     .offset = offsetof(struct settings, module)},
    {.section = "hsm",
     .name = "token",
     .kind = CONFIG_TEXT,
     .offset = offsetof(struct settings, token)},
    {.section = "hsm",
     .name = "lanes",
     .kind = CONFIG_NUMBER,
     .offset = offsetof(struct settings, lanes),
     .min = 1,
     .max = 64},
    {.section = "hsm",
     .name = "isolation",
     .kind = CONFIG_CHOICE,
     .offset = offsetof(struct settings, isolation),
     .choices = isolations},
    {.section = "log",
     .name = "interval",
     .kind = CONFIG_NUMBER,
     .offset = offsetof(struct settings, interval),
     .min = 0,
     .max = 4294967295},
};
#define KEYS keys, sizeof(keys) / sizeof(*keys)

static char path[] = "/tmp/keyward-config-XXXXXX";
static struct settings s;

static void make_file(void)
{
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    (void)close(fd);
    s = (struct settings){.lanes = 8, .isolation = 1, .interval = 5};
}

static void remove_file(void)
{
    config_release(KEYS, &s);
    (void)unlink(path);
    memcpy(path + sizeof(path) - 7, "XXXXXX", 6);
}

static CK_RV read_bytes(const void *content, size_t len)
{
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, content, len), (ssize_t)len);
    (void)close(fd);
    return config_read(path, KEYS, &s);
}

static CK_RV read_text(const char *text)
{
    return read_bytes(text, strlen(text));
}

/* Refused at that line, with that text in the reason, and the settings as they were. */
static void assert_refused(const char *text, int line, const char *says)
{
    char where[sizeof(path) + 16];

    ck_assert_uint_eq(read_text(text), CKR_ARGUMENTS_BAD);
    (void)snprintf(where, sizeof(where), "%s:%d: ", path, line);
    ck_assert_msg(strncmp(fail_reason(), where, strlen(where)) == 0, "wanted line %d: %s", line,
                  fail_reason());
    ck_assert_msg(strstr(fail_reason(), says) != NULL, "wanted '%s': %s", says, fail_reason());
    ck_assert_ptr_null(s.module);
    ck_assert_ptr_null(s.token);
    ck_assert_uint_eq(s.lanes, 8);
    ck_assert_int_eq(s.isolation, 1);
    ck_assert_uint_eq(s.interval, 5);
}

START_TEST(every_kind_of_setting_is_stored)
{
    make_file();
    assert_ok(read_text("# where the keys are\n"
                        "[hsm]\n"
                        "module = /usr/lib/softhsm/libsofthsm2.so\n"
                        "token= my token ; the first one\n"
                        "lanes=64\n"
                        "isolation = process\n"
                        "\n"
                        "; how often\n"
                        "[log]\n"
                        "interval = 4294967295\n"));
    ck_assert_str_eq(s.module, "/usr/lib/softhsm/libsofthsm2.so");
    ck_assert_str_eq(s.token, "my token");
    ck_assert_uint_eq(s.lanes, 64);
    ck_assert_int_eq(s.isolation, 0);
    ck_assert_uint_eq(s.interval, 4294967295);
    remove_file();
}
END_TEST

START_TEST(what_is_not_said_keeps_its_default)
{
    make_file();
    assert_ok(read_text(""));
    assert_ok(read_text("\n# nothing\n[hsm]\n"));
    ck_assert_ptr_null(s.module);
    ck_assert_uint_eq(s.lanes, 8);
    ck_assert_int_eq(s.isolation, 1);
    remove_file();
}
END_TEST

START_TEST(a_second_reading_replaces_the_first)
{
    make_file();
    assert_ok(read_text("[hsm]\nmodule = first\n"));
    assert_ok(read_text("[hsm]\nmodule = second\n"));
    ck_assert_str_eq(s.module, "second");
    remove_file();
}
END_TEST

START_TEST(indented_lines_windows_line_ends_and_a_missing_last_newline_are_fine)
{
    make_file();
    assert_ok(read_text("\xef\xbb\xbf[hsm]\r\n  module = a\r\n\ttoken = b\r\n  lanes = 3"));
    ck_assert_str_eq(s.module, "a");
    ck_assert_str_eq(s.token, "b");
    ck_assert_uint_eq(s.lanes, 3);
    remove_file();
}
END_TEST

START_TEST(a_section_may_stand_twice)
{
    make_file();
    assert_ok(read_text("[hsm]\nlanes = 3\n[log]\ninterval = 1\n[hsm]\nmodule = m\n"));
    ck_assert_uint_eq(s.lanes, 3);
    ck_assert_str_eq(s.module, "m");
    remove_file();
}
END_TEST

START_TEST(values_may_hold_equals_signs_semicolons_and_colons)
{
    make_file();
    assert_ok(read_text("[hsm]\ntoken = pkcs11:token=a;object=b:c\n"));
    ck_assert_str_eq(s.token, "pkcs11:token=a;object=b:c");
    remove_file();
}
END_TEST

START_TEST(an_unknown_key_names_the_nearest_one_of_its_section)
{
    make_file();
    assert_refused("[hsm]\nmodul = x\n", 2, "'module'");
    assert_refused("[hsm]\ntokn = x\n", 2, "'token'");
    assert_refused("[hsm]\nisolated = x\n", 2, "'isolation'");
    assert_refused("[log]\nintervall = 1\n", 2, "'interval'");
    remove_file();
}
END_TEST

START_TEST(a_key_of_another_section_hears_where_it_belongs)
{
    make_file();
    assert_refused("[hsm]\ninterval = 1\n", 2, "[log]");
    assert_refused("interval = 1\n", 1, "[log]");
    remove_file();
}
END_TEST

START_TEST(an_unknown_section_names_the_nearest_one)
{
    make_file();
    assert_refused("# x\n\n[hms]\nmodule = x\n", 4, "[hsm]");
    assert_refused("[logs]\ninterval = 1\n", 2, "[log]");
    assert_refused("[HSM]\nmodule = x\n", 2, "[HSM]");
    remove_file();
}
END_TEST

START_TEST(a_key_set_twice_is_refused_with_both_lines)
{
    make_file();
    assert_refused("[hsm]\nmodule = a\nlanes = 1\nmodule = a\n", 4, "line 2");
    assert_refused("[hsm]\nmodule = a\n[log]\n[hsm]\nmodule = b\n", 5, "line 2");
    remove_file();
}
END_TEST

START_TEST(a_number_out_of_range_or_not_a_number_is_refused)
{
    static const char *const bad[] = {"0",
                                      "65",
                                      "-1",
                                      "+1",
                                      "1 2",
                                      "0x10",
                                      "1.5",
                                      "8k",
                                      "many",
                                      "18446744073709551617",
                                      "99999999999999999999999"};

    make_file();
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        char text[64];

        (void)snprintf(text, sizeof(text), "[hsm]\nlanes = %s\n", bad[i]);
        assert_refused(text, 2, "from 1 to 64");
    }
    assert_refused("[log]\ninterval = 4294967296\n", 2, "to 4294967295");
    assert_ok(read_text("[hsm]\nlanes = 1\n"));
    remove_file();
}
END_TEST

START_TEST(a_choice_that_is_none_is_refused_with_all_of_them)
{
    make_file();
    assert_refused("[hsm]\nisolation = proces\n", 2, "process, none");
    assert_refused("[hsm]\nisolation = None\n", 2, "process, none");
    assert_ok(read_text("[hsm]\nisolation = none\n"));
    remove_file();
}
END_TEST

START_TEST(an_empty_value_is_refused)
{
    make_file();
    assert_refused("[hsm]\nmodule =\n", 2, "'module'");
    assert_refused("[hsm]\nlanes = ; many\n", 2, "'lanes'");
    remove_file();
}
END_TEST

START_TEST(a_line_that_is_no_setting_is_refused)
{
    make_file();
    assert_refused("[hsm]\nlanes = 2\n\nmodule\n", 4, "not a setting");
    assert_refused("[hsm\nlanes = 2\n", 1, "not a setting");
    assert_refused("[hsm]\nwhat\nlanes = 99\n", 2, "not a setting");
    assert_refused("[hsm]\nlanes = 99\nwhat\n", 2, "from 1 to 64");
    remove_file();
}
END_TEST

START_TEST(a_bad_value_is_not_repeated_in_the_reason)
{
    make_file();
    assert_refused("[hsm]\nlanes = hunter2\n", 2, "'lanes'");
    ck_assert_ptr_null(strstr(fail_reason(), "hunter2"));
    assert_refused("[hsm]\npin = hunter2\n", 2, "'pin'");
    ck_assert_ptr_null(strstr(fail_reason(), "hunter2"));
    assert_refused("[hsm]\nhunter2\n", 2, "not a setting");
    ck_assert_ptr_null(strstr(fail_reason(), "hunter2"));
    remove_file();
}
END_TEST

START_TEST(a_line_too_long_is_refused_and_the_longest_is_whole)
{
    char text[512] = "[hsm]\nmodule = ";
    size_t start = strlen(text);
    size_t room = 198 - strlen("module = ");

    make_file();
    memset(text + start, 'x', room);
    text[start + room] = '\n';
    assert_ok(read_text(text));
    ck_assert_uint_eq(strlen(s.module), room);
    config_release(KEYS, &s);
    text[start + room] = 'x';
    text[start + room + 1] = '\n';
    assert_refused(text, 2, "longer than 198 bytes");
    remove_file();
}
END_TEST

START_TEST(a_file_over_64_kib_is_refused_and_one_of_64_kib_is_not)
{
    char *text = malloc(65537);

    make_file();
    ck_assert_ptr_nonnull(text);
    memset(text, '\n', 65537);
    assert_ok(read_bytes(text, 65536));
    assert_rv(CKR_ARGUMENTS_BAD, read_bytes(text, 65537));
    ck_assert_ptr_nonnull(strstr(fail_reason(), "larger than 65536"));
    free(text);
    remove_file();
}
END_TEST

START_TEST(a_nul_byte_is_refused)
{
    make_file();
    assert_rv(CKR_ARGUMENTS_BAD, read_bytes("[hsm]\nmodule = a\0b\n", 19));
    ck_assert_ptr_null(s.module);
    remove_file();
}
END_TEST

START_TEST(a_file_that_is_not_there_or_not_a_file_is_refused)
{
    make_file();
    assert_rv(CKR_DEVICE_ERROR, config_read("/nonexistent/keyward.conf", KEYS, &s));
    ck_assert_ptr_nonnull(strstr(fail_reason(), "/nonexistent/keyward.conf"));
    assert_rv(CKR_ARGUMENTS_BAD, config_read("/tmp", KEYS, &s));
    (void)unlink(path);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    assert_rv(CKR_ARGUMENTS_BAD, config_read(path, KEYS, &s));
    remove_file();
}
END_TEST

START_TEST(missing_arguments_are_refused)
{
    make_file();
    assert_rv(CKR_ARGUMENTS_BAD, config_read(NULL, KEYS, &s));
    assert_rv(CKR_ARGUMENTS_BAD, config_read(path, NULL, 0, &s));
    assert_rv(CKR_ARGUMENTS_BAD, config_read(path, KEYS, NULL));
    remove_file();
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(every_kind_of_setting_is_stored),
        CASE(what_is_not_said_keeps_its_default),
        CASE(a_second_reading_replaces_the_first),
        CASE(indented_lines_windows_line_ends_and_a_missing_last_newline_are_fine),
        CASE(a_section_may_stand_twice),
        CASE(values_may_hold_equals_signs_semicolons_and_colons),
        CASE(an_unknown_key_names_the_nearest_one_of_its_section),
        CASE(a_key_of_another_section_hears_where_it_belongs),
        CASE(an_unknown_section_names_the_nearest_one),
        CASE(a_key_set_twice_is_refused_with_both_lines),
        CASE(a_number_out_of_range_or_not_a_number_is_refused),
        CASE(a_choice_that_is_none_is_refused_with_all_of_them),
        CASE(an_empty_value_is_refused),
        CASE(a_line_that_is_no_setting_is_refused),
        CASE(a_bad_value_is_not_repeated_in_the_reason),
        CASE(a_line_too_long_is_refused_and_the_longest_is_whole),
        CASE(a_file_over_64_kib_is_refused_and_one_of_64_kib_is_not),
        CASE(a_nul_byte_is_refused),
        CASE(a_file_that_is_not_there_or_not_a_file_is_refused),
        CASE(missing_arguments_are_refused),
    };

    return suite_run("base/config", cases, sizeof(cases) / sizeof(*cases));
}
