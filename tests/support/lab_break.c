/* Ways to break a lab's home: see lab_break.h. */
#include "tests/support/lab_break.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void write_file(const char *path, const char *mode, const char *text)
{
    FILE *file = fopen(path, mode);

    ck_assert_msg(file != NULL, "cannot write %s", path);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(chmod(path, 0600), 0);
}

void lab_write(const struct lab *lab, const char *name, const char *text)
{
    write_file(lab_path(lab, name), "we", text);
}

void lab_setting(const struct lab *lab, const char *name, const char *value)
{
    char text[8192] = "";
    char line[512];
    size_t n = strlen(name);
    size_t len = 0;
    unsigned set = 0;
    FILE *file = fopen(lab_path(lab, "keyward.conf"), "re");

    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, name, n) == 0 && strspn(line + n, " =") > 0) {
            (void)snprintf(line, sizeof(line), "%s = %s\n", name, value);
            set++;
        }
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", line);
        ck_assert_uint_lt(len, sizeof(text));
    }
    (void)fclose(file);
    ck_assert_msg(set == 1, "keyward.conf has %u lines %s", set, name);
    lab_write(lab, "keyward.conf", text);
}

static void copy(const char *from, const char *to)
{
    const char *const remove[] = {"rm", "-rf", to, NULL};
    const char *const argv[] = {"cp", "-a", from, to, NULL};

    ck_assert_int_eq(lab_program(remove), 0);
    ck_assert_int_eq(lab_program(argv), 0);
}

static void aside(const struct lab *lab, const char *name, char ret[static LAB_PATH_MAX])
{
    (void)snprintf(ret, LAB_PATH_MAX, "%s/kept-%s", lab->root, name);
    for (char *c = ret + strlen(lab->root) + 1; *c != '\0'; c++)
        if (*c == '/')
            *c = '-';
}

void lab_keep(const struct lab *lab, const char *name)
{
    char kept[LAB_PATH_MAX];

    aside(lab, name, kept);
    copy(lab_path(lab, name), kept);
}

void lab_restore(const struct lab *lab, const char *name)
{
    char kept[LAB_PATH_MAX];

    aside(lab, name, kept);
    copy(kept, lab_path(lab, name));
}

/* ---- the shim ---- */

static void beside_shim(const struct lab *lab, const char *suffix, char ret[static LAB_PATH_MAX])
{
    (void)snprintf(ret, LAB_PATH_MAX, "%s/shim.so%s", lab->root, suffix);
}

void lab_use_shim(const struct lab *lab, const char *deadline_ms)
{
    char path[LAB_PATH_MAX];

    beside_shim(lab, "", path);
    ck_assert_int_eq(symlink(SHIM_LIBRARY, path), 0);
    lab_setting(lab, "module", path);
    lab_setting(lab, "deadline-ms", deadline_ms);
}

void lab_shim_rule(const struct lab *lab, const char *rule)
{
    char path[LAB_PATH_MAX];
    char line[128];

    beside_shim(lab, ".rules", path);
    (void)snprintf(line, sizeof(line), "%s\n", rule);
    write_file(path, "ae", line);
}

void lab_shim_forget(const struct lab *lab)
{
    char path[LAB_PATH_MAX];

    beside_shim(lab, ".rules", path);
    (void)unlink(path);
    beside_shim(lab, ".calls", path);
    (void)unlink(path);
}

unsigned lab_shim_calls(const struct lab *lab, const char *function)
{
    char path[LAB_PATH_MAX];
    char line[64];
    unsigned n = 0;
    FILE *file;

    beside_shim(lab, ".calls", path);
    file = fopen(path, "re");
    if (file == NULL)
        return 0;
    while (fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        n += strcmp(line, function) == 0;
    }
    (void)fclose(file);
    return n;
}
