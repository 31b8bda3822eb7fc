/*
 * Never a secret: an application uses PINs, tokens, plaintexts and keys that nothing else looks
 * like, and then none of them is found in the home (journal, tiles, store), in what is exported
 * from it, in what is said with KEYWARD_DEBUG, nor in memory of the HSM's worker; none in memory of
 * the application after it logged out; and before that no PIN, token or plaintext in what a core
 * dump of it would hold.
 *
 * The application is a child. It makes each canary when it needs it and wipes it afterwards, so
 * that what is found of it later is ours. Positive controls: a canary that is left somewhere is
 * found there.
 */
#include "tests/support/lab.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CANARY_LEN 32

enum canary {
    PIN,
    NEW_PIN,
    WRONG_PIN,
    TOKEN,
    PLAIN_SOFTWARE, /* encrypted with a software key */
    PLAIN_HSM,      /* and with a key in the HSM */
    DIGESTED,
    KEY,   /* the value of a software key that comes in: while it is used, OpenSSL has it ready */
    VALUE, /* of a data object: while it is open, it is an attribute like others */
    LEFT,  /* control: left in plain memory */
    HELD,  /* control: in memory that is not dumped */
    CANARIES,
    DUMPED_IN_USE = KEY /* from here on a core dump may have it while somebody is logged in */
};

static const char *const names[CANARIES] = {"PIN",
                                            "new PIN",
                                            "wrong PIN",
                                            "token",
                                            "plaintext of a software key",
                                            "plaintext of a key in the HSM",
                                            "digested data",
                                            "key",
                                            "value of a data object",
                                            "control that is left",
                                            "control that is not dumped"};

static struct lab lab;

/* Capital letters, the same in every process, in no file. */
static void make(enum canary which, char out[static CANARY_LEN])
{
    uint64_t state = 0x9e3779b97f4a7c15U * ((uint64_t)which + 1);

    for (int i = 0; i < CANARY_LEN; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out[i] = (char)('A' + (state >> 20) % 26);
    }
}

/* ---- the application ---- */

static void login_as(CK_SESSION_HANDLE session, const char *prefix, enum canary which, CK_RV want)
{
    char pin[CANARY_LEN + 16];
    size_t n = strlen(prefix);

    memcpy(pin, prefix, n);
    make(which, pin + n);
    assert_rv(want, lab.f->C_Login(session, CKU_USER, (CK_UTF8CHAR_PTR)pin, n + CANARY_LEN));
    explicit_bzero(pin, sizeof(pin));
}

/* User "canary", with the PIN of that name. */
static void add_user(void)
{
    static const char request[] =
        "{\"verb\":\"user.add\",\"vault\":\"web\",\"user\":\"canary\",\"pin\":0,"
        "\"roles\":[\"cryptoOfficer\",\"secretsOfficer\"]}";
    char pin[CANARY_LEN];
    const struct keyward_secret secret = {.data = (const CK_BYTE *)pin, .len = sizeof(pin)};

    make(PIN, pin);
    assert_ok(lab.admin->call((const CK_UTF8CHAR *)request, sizeof(request) - 1, &secret, 1,
                              lab_receive, &lab));
    explicit_bzero(pin, sizeof(pin));
}

static void change_pin(CK_SESSION_HANDLE session)
{
    char old[CANARY_LEN], new[CANARY_LEN];

    make(PIN, old);
    make(NEW_PIN, new);
    assert_ok(lab.f->C_SetPIN(session, (CK_UTF8CHAR_PTR)old, sizeof(old), (CK_UTF8CHAR_PTR) new,
                              sizeof(new)));
    explicit_bzero(old, sizeof(old));
    explicit_bzero(new, sizeof(new));
}

static void encrypt(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, enum canary which)
{
    CK_BYTE iv[16] = {0};
    CK_BYTE in[CANARY_LEN], out[CANARY_LEN], back[CANARY_LEN];
    CK_ULONG len = sizeof(out);
    CK_MECHANISM cbc = {CKM_AES_CBC, iv, sizeof(iv)};

    make(which, (char *)in);
    assert_ok(lab.f->C_EncryptInit(session, &cbc, key));
    assert_ok(lab.f->C_Encrypt(session, in, sizeof(in), out, &len));
    assert_ok(lab.f->C_DecryptInit(session, &cbc, key));
    assert_ok(lab.f->C_Decrypt(session, out, len, back, &len));
    ck_assert_mem_eq(in, back, sizeof(in));
    /* And in parts. */
    assert_ok(lab.f->C_EncryptInit(session, &cbc, key));
    len = sizeof(out);
    assert_ok(lab.f->C_EncryptUpdate(session, in, sizeof(in), out, &len));
    len = sizeof(out);
    assert_ok(lab.f->C_EncryptFinal(session, out, &len));
    explicit_bzero(in, sizeof(in));
    explicit_bzero(back, sizeof(back));
}

/* A software AES key with this value; right: its length is one that AES has. */
static CK_RV import(CK_SESSION_HANDLE session, bool right, CK_OBJECT_HANDLE *ret)
{
    CK_OBJECT_CLASS cls = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_AES;
    CK_BBOOL yes = CK_TRUE;
    CK_BYTE value[CANARY_LEN];
    CK_ATTRIBUTE template[] = {
        {CKA_CLASS, &cls, sizeof(cls)},
        {CKA_KEY_TYPE, &type, sizeof(type)},
        {CKA_ENCRYPT, &yes, sizeof(yes)},
        {CKA_DECRYPT, &yes, sizeof(yes)},
        {CKA_TOKEN, &yes, sizeof(yes)},
        {CKA_KEYWARD_PROTECTION, (CK_UTF8CHAR[]){"software"}, 8},
        {CKA_VALUE, value, right ? sizeof(value) : sizeof(value) - 1},
    };
    CK_RV rv;

    make(KEY, (char *)value);
    rv = lab.f->C_CreateObject(session, template, 7, ret);
    explicit_bzero(value, sizeof(value));
    return rv;
}

static void store_value(CK_SESSION_HANDLE session)
{
    CK_OBJECT_CLASS cls = CKO_DATA;
    CK_BBOOL yes = CK_TRUE;
    CK_BYTE value[CANARY_LEN];
    CK_OBJECT_HANDLE object = 0;
    CK_ATTRIBUTE template[] = {
        {CKA_CLASS, &cls, sizeof(cls)},    {CKA_TOKEN, &yes, sizeof(yes)},
        {CKA_PRIVATE, &yes, sizeof(yes)},  {CKA_LABEL, (CK_UTF8CHAR[]){"note"}, 4},
        {CKA_VALUE, value, sizeof(value)},
    };

    make(VALUE, (char *)value);
    assert_ok(lab.f->C_CreateObject(session, template, 5, &object));
    explicit_bzero(value, sizeof(value));
    assert_ok(lab.f->C_GetAttributeValue(session, object, &template[4], 1));
    explicit_bzero(value, sizeof(value));
}

static void digest(CK_SESSION_HANDLE session)
{
    CK_MECHANISM sha = {.mechanism = CKM_SHA256};
    CK_BYTE in[CANARY_LEN], out[32], signature[64];
    CK_ULONG len = sizeof(out);

    make(DIGESTED, (char *)in);
    assert_ok(lab.f->C_DigestInit(session, &sha));
    assert_ok(lab.f->C_Digest(session, in, sizeof(in), out, &len));
    len = sizeof(signature);
    assert_ok(lab_sign(&lab, session, lab_find(&lab, session, CKO_PRIVATE_KEY, "tls"), in,
                       sizeof(in), signature, &len));
    explicit_bzero(in, sizeof(in));
}

static char *volatile controls[2]; /* volatile: nobody here reads what they hold */

/* What is to be found: the one in any dump, the other in memory only. */
static void leave_controls(void)
{
    char *left = malloc(CANARY_LEN);
    char *held = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    ck_assert_ptr_nonnull(left);
    ck_assert_ptr_ne(held, MAP_FAILED);
    ck_assert_int_eq(madvise(held, 4096, MADV_DONTDUMP), 0);
    make(LEFT, left);
    make(HELD, held);
    controls[0] = left;
    controls[1] = held;
}

static int to_parent[2], to_child[2];

/* Until the parent has looked; it is told who the HSM's worker is. */
static void let_look(pid_t worker)
{
    char c;

    ck_assert_int_eq(write(to_parent[1], &worker, sizeof(worker)), sizeof(worker));
    ck_assert_int_eq(read(to_child[0], &c, 1), 1);
}

static void application(struct lab *unused, int n)
{
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key = 0;
    int said = open(lab_path(&lab, "../said"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    (void)unused;
    (void)n;
    ck_assert_int_ge(dup2(said, STDERR_FILENO), 0);
    leave_controls();
    lab_up(&lab);
    session = lab_session(&lab, CKF_SERIAL_SESSION | CKF_RW_SESSION);
    add_user();
    login_as(session, "canary:", WRONG_PIN, CKR_PIN_INCORRECT);
    login_as(session, "jwt:", TOKEN, CKR_PIN_INCORRECT);
    login_as(session, "canary:", PIN, CKR_OK);
    change_pin(session);
    ck_assert_uint_ne(import(session, false, &key), CKR_OK);
    assert_ok(import(session, true, &key));
    encrypt(session, key, PLAIN_SOFTWARE);
    encrypt(session, lab_find(&lab, session, CKO_SECRET_KEY, "seal"), PLAIN_HSM);
    digest(session);
    store_value(session);
    let_look(lab_worker(&lab));
    assert_ok(lab.f->C_Logout(session));
    assert_ok(lab.f->C_CloseSession(session));
    let_look(lab_worker(&lab));
    assert_ok(lab.f->C_Finalize(NULL));
}

/* ---- looking ---- */

/* Counts finds of each canary, as it is and as hex. */
static void look_in(const uint8_t *data, size_t len, unsigned found[static CANARIES])
{
    for (int i = 0; i < CANARIES; i++) {
        char text[CANARY_LEN], hex[2 * CANARY_LEN + 1];

        make((enum canary)i, text);
        bytes_to_hex(BYTES(text, CANARY_LEN), hex);
        found[i] += memmem(data, len, text, CANARY_LEN) != NULL;
        found[i] += memmem(data, len, hex, sizeof(hex) - 1) != NULL;
    }
}

static void look_in_file(const char *path, unsigned found[static CANARIES])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    uint8_t *data;

    ck_assert_msg(fd >= 0 && fstat(fd, &st) == 0, "%s", path);
    data = calloc(1, (size_t)st.st_size + 1);
    ck_assert_ptr_nonnull(data);
    ck_assert_int_eq(read(fd, data, (size_t)st.st_size), st.st_size);
    look_in(data, (size_t)st.st_size, found);
    free(data);
    (void)close(fd);
}

/* Every file of a folder, and of those in it. Returns how many. */
static unsigned look_in_folder(const char *path, unsigned found[static CANARIES])
{
    DIR *folder = opendir(path);
    struct dirent *entry;
    unsigned files = 0;

    ck_assert_msg(folder != NULL, "%s", path);
    while ((entry = readdir(folder)) != NULL) {
        char inner[PATH_MAX];

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        (void)snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name);
        if (entry->d_type == DT_DIR)
            files += look_in_folder(inner, found);
        if (entry->d_type != DT_REG)
            continue;
        look_in_file(inner, found);
        files++;
    }
    (void)closedir(folder);
    return files;
}

/* One mapping of a process; in pieces that overlap by a canary's hex. */
static void look_in_mapping(int mem, unsigned long from, unsigned long to,
                            unsigned found[static CANARIES])
{
    static uint8_t piece[1 << 20];

    while (from < to) {
        size_t want = to - from < sizeof(piece) ? to - from : sizeof(piece);
        ssize_t n = pread(mem, piece, want, (off_t)from);

        if (n <= 0) /* a page that is there in name only */
            return;
        look_in(piece, (size_t)n, found);
        if ((size_t)n <= 2 * CANARY_LEN)
            return;
        from += (size_t)n == to - from ? (size_t)n : (size_t)n - 2 * CANARY_LEN;
    }
}

/* "start-stop rights ...": the first of a mapping's lines. */
static bool is_mapping(const char *line, unsigned long *start, unsigned long *stop,
                       const char **ret_rights)
{
    char *end;

    *start = strtoul(line, &end, 16);
    if (end == line || *end != '-')
        return false;
    *stop = strtoul(end + 1, &end, 16);
    *ret_rights = end + 1;
    return *end == ' ';
}

/* The memory of a process: what the kernel would put into a core dump, and what it would not.
 * proc(5), smaps: "dd" is "do not include area into core dump". */
static void look_in_memory(pid_t pid, unsigned dumped[static CANARIES],
                           unsigned kept[static CANARIES])
{
    char path[64], line[512];
    unsigned long from = 0, to = 0;
    bool readable = false;
    FILE *maps;
    int mem;

    (void)snprintf(path, sizeof(path), "/proc/%d/mem", pid);
    mem = open(path, O_RDONLY | O_CLOEXEC);
    (void)snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
    maps = fopen(path, "re");
    ck_assert_msg(mem >= 0 && maps != NULL, "%s", path);
    while (fgets(line, sizeof(line), maps) != NULL) {
        unsigned long start, stop;
        const char *rights;

        if (is_mapping(line, &start, &stop, &rights)) {
            from = start;
            to = stop;
            readable = rights[0] == 'r' && strstr(line, "[v") == NULL;
        } else if (strncmp(line, "VmFlags:", 8) == 0 && readable)
            look_in_mapping(mem, from, to, strstr(line, " dd") != NULL ? kept : dumped);
    }
    (void)fclose(maps);
    (void)close(mem);
}

static void assert_none(const unsigned found[static CANARIES], enum canary end, const char *where)
{
    for (int i = 0; i < (int)end; i++)
        ck_assert_msg(found[i] == 0, "%s: %s", where, names[i]);
}

/* ---- what is exported ---- */

static const char *const exports[][7] = {
    {KEYWARD_COMMAND, "log", "export", "--format", "json", NULL},
    {KEYWARD_COMMAND, "log", "export", "--format", "syslog", NULL},
    {KEYWARD_COMMAND, "log", "export", "--format", "cef", NULL},
    {KEYWARD_COMMAND, "log", "show", NULL},
    {KEYWARD_COMMAND, "metrics", NULL},
    {KEYWARD_COMMAND, "log", "report", "-o", "/dev/fd/1.html", NULL},
    {KEYWARD_COMMAND, "status", "--json", NULL},
    {KEYWARD_COMMAND, "policy", "show", "web", NULL},
};

/* Into a file of its own beside the home. */
static void export_all(void)
{
    char report[LAB_PATH_MAX];

    ck_assert_int_eq(mkdir(lab_path(&lab, "../exports"), 0700), 0);
    (void)snprintf(report, sizeof(report), "%s", lab_path(&lab, "../exports/report.html"));
    for (size_t i = 0; i < sizeof(exports) / sizeof(*exports); i++) {
        const char *argv[7];
        char name[32];
        pid_t pid;
        int status;

        memcpy(argv, exports[i], sizeof(argv));
        for (int a = 0; a < 7 && argv[a] != NULL; a++)
            if (strcmp(argv[a], "/dev/fd/1.html") == 0)
                argv[a] = report;
        (void)snprintf(name, sizeof(name), "../exports/%zu", i);
        pid = fork();
        if (pid == 0) {
            int fd = open(lab_path(&lab, name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

            if (dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
                _exit(126);
            (void)execv(KEYWARD_COMMAND, (char *const *)(uintptr_t)argv);
            _exit(127);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "export %zu: 0x%x", i,
                      (unsigned)status);
    }
}

/* ---- the tests ---- */

static pid_t child;

static pid_t worker;

static void wait_for_child(void)
{
    ck_assert_int_eq(read(to_parent[0], &worker, sizeof(worker)), sizeof(worker));
}

static void go_on(void)
{
    ck_assert_int_eq(write(to_child[1], "x", 1), 1);
}

static void begin(void)
{
    lab_make(&lab);
    ck_assert_int_eq(setenv("KEYWARD_DEBUG", "1", 1), 0);
    ck_assert_int_eq(pipe2(to_parent, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(to_child, O_CLOEXEC), 0);
    child = lab_child(application, &lab, 0);
    wait_for_child();
}

static void end(void)
{
    lab_join(child);
    ck_assert_int_eq(unsetenv("KEYWARD_DEBUG"), 0);
    lab_end(&lab);
}

START_TEST(no_file_and_no_export_has_a_secret)
{
    unsigned found[CANARIES] = {0};
    char text[CANARY_LEN];
    FILE *control;

    begin();
    ck_assert_uint_gt(look_in_folder(lab.home, found), 5);
    assert_none(found, CANARIES, "the home");
    export_all();
    ck_assert_uint_ge(look_in_folder(lab_path(&lab, "../exports"), found),
                      sizeof(exports) / sizeof(*exports));
    assert_none(found, CANARIES, "an export");
    /* Something was said, and nothing of that. */
    look_in_file(lab_path(&lab, "../said"), found);
    assert_none(found, CANARIES, "KEYWARD_DEBUG");
    control = fopen(lab_path(&lab, "../said"), "ae");
    ck_assert_ptr_nonnull(control);
    ck_assert_int_gt(ftell(control), 0);
    make(PIN, text);
    ck_assert_uint_eq(fwrite(text, 1, CANARY_LEN, control), CANARY_LEN);
    ck_assert_int_eq(fclose(control), 0);
    look_in_file(lab_path(&lab, "../said"), found);
    ck_assert_uint_eq(found[PIN], 1);
    go_on();
    wait_for_child();
    go_on();
    end();
}
END_TEST

/* None of the canaries before end is in a core dump of it; also_kept: nor in the rest of its
 * memory. */
static void assert_not_in(pid_t pid, enum canary end, bool also_kept, const char *where)
{
    unsigned dumped[CANARIES] = {0};
    unsigned kept[CANARIES] = {0};

    look_in_memory(pid, dumped, kept);
    assert_none(dumped, end, where);
    if (also_kept)
        assert_none(kept, end, where);
}

START_TEST(memory_is_looked_through_as_the_kernel_would_dump_it)
{
    unsigned dumped[CANARIES] = {0};
    unsigned kept[CANARIES] = {0};

    begin();
    look_in_memory(child, dumped, kept);
    ck_assert_uint_gt(dumped[LEFT], 0);
    ck_assert_uint_eq(dumped[HELD], 0);
    ck_assert_uint_gt(kept[HELD], 0);
    ck_assert_uint_gt(kept[KEY], 0); /* a key that is in use is somewhere */
    go_on();
    wait_for_child();
    go_on();
    end();
}
END_TEST

START_TEST(no_core_dump_of_one_who_is_logged_in_has_a_pin_or_a_plaintext)
{
    begin();
    assert_not_in(child, DUMPED_IN_USE, false, "a core dump while logged in");
    go_on();
    wait_for_child();
    go_on();
    end();
}
END_TEST

START_TEST(no_memory_of_one_who_has_logged_out_has_a_secret)
{
    begin();
    go_on();
    wait_for_child();
    assert_not_in(child, LEFT, true, "memory after the logout");
    go_on();
    end();
}
END_TEST

START_TEST(no_memory_of_the_hsms_worker_has_a_secret)
{
    begin();
    assert_not_in(worker, LEFT, true, "the worker");
    go_on();
    wait_for_child();
    go_on();
    end();
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_SLOW(no_file_and_no_export_has_a_secret, 120),
        CASE_SLOW(memory_is_looked_through_as_the_kernel_would_dump_it, 120),
        CASE_SLOW(no_core_dump_of_one_who_is_logged_in_has_a_pin_or_a_plaintext, 120),
        CASE_SLOW(no_memory_of_one_who_has_logged_out_has_a_secret, 120),
        CASE_SLOW(no_memory_of_the_hsms_worker_has_a_secret, 120),
    };

    /* A sanitizer keeps what was freed, and its own maps of memory are terabytes long. */
    return lab_suite_run("pkcs11/canary", cases,
                         LAB_SANITIZED ? 1 : sizeof(cases) / sizeof(*cases));
}
