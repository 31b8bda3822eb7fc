/* A vault home to experiment on: see lab.h. Here: the home, the module, what a process holds. */
#include "tests/support/lab.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TEMPLATE "KEYWARD_LAB_TEMPLATE"

/* ---- processes ---- */

int lab_program(const char *const argv[])
{
    pid_t pid;
    int status = -1;
    union {
        const char *const *in;
        char *const *out;
    } arguments = {.in = argv};

    if (posix_spawnp(&pid, argv[0], NULL, NULL, arguments.out, environ) != 0)
        return -1;
    /* No assertion: this also runs outside of tests. */
    if (waitpid(pid, &status, 0) != pid)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

pid_t lab_child(void (*fn)(struct lab *lab, int n), struct lab *lab, int n)
{
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        fn(lab, n);
        _exit(0);
    }
    return pid;
}

void lab_join(pid_t child)
{
    int status = -1;

    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "child ended with status 0x%x",
                  (unsigned)status);
}

static unsigned count_entries(const char *path)
{
    DIR *dir = opendir(path);
    unsigned n = 0;

    ck_assert_ptr_nonnull(dir);
    while (readdir(dir) != NULL)
        n++;
    (void)closedir(dir);
    return n;
}

unsigned lab_fds(void)
{
    return count_entries("/proc/self/fd");
}

unsigned lab_threads(void)
{
    return count_entries("/proc/self/task") - 2;
}

long lab_rss_kib(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    long size = 0;
    long resident = 0;

    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fscanf(file, "%ld %ld", &size, &resident), 2);
    (void)fclose(file);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

int64_t lab_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void lab_sleep_ms(unsigned ms)
{
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

    while (nanosleep(&left, &left) != 0)
        continue;
}

/* ---- the module ---- */

void lab_load_as(struct lab *lab, int dlopen_flags)
{
    CK_C_GetFunctionList get_list;
    CK_RV (*get_interface)(CK_UTF8CHAR_PTR, CK_VERSION_PTR, CK_INTERFACE_PTR_PTR, CK_FLAGS);
    CK_INTERFACE *interface = NULL;
    CK_UTF8CHAR name[] = KEYWARD_INTERFACE;

    lab->library = dlopen(KEYWARD_MODULE, dlopen_flags);
    ck_assert_msg(lab->library != NULL, "%s", dlerror());
    get_list = (CK_C_GetFunctionList)dlsym(lab->library, "C_GetFunctionList");
    ck_assert_ptr_nonnull(get_list);
    assert_ok(get_list(&lab->f));
    *(void **)&get_interface = dlsym(lab->library, "C_GetInterface");
    ck_assert_ptr_nonnull(get_interface);
    assert_ok(get_interface(name, NULL, &interface, 0));
    lab->admin = interface->pFunctionList;
}

void lab_load(struct lab *lab)
{
    lab_load_as(lab, RTLD_NOW | RTLD_LOCAL);
}

void lab_unload(struct lab *lab)
{
    (void)lab->f->C_Finalize(NULL);
    (void)dlclose(lab->library);
    lab->library = NULL;
    free(lab->answer);
    lab->answer = NULL;
}

/* ---- the home ---- */

static void use_root(struct lab *lab)
{
    (void)snprintf(lab->home, sizeof(lab->home), "%s/home", lab->root);
    ck_assert_int_eq(setenv("KEYWARD_HOME", lab->home, 1), 0);
}

static void new_root(struct lab *lab)
{
    *lab = (struct lab){.slot = 0};
    (void)snprintf(lab->root, sizeof(lab->root), "/tmp/keyward-lab-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(lab->root));
    use_root(lab);
}

static void remove_root(const char *root)
{
    const char *const argv[] = {"rm", "-rf", root, NULL};

    (void)lab_program(argv);
}

static void must(struct lab *lab, CK_RV rv)
{
    ck_assert_msg(rv == CKR_OK, "%s", lab->answer != NULL ? lab->answer : "no answer");
}

static void write_key(const struct lab *lab)
{
    char path[LAB_PATH_MAX];
    json_error_t error;
    json_t *answer = json_loads(lab->answer, 0, &error);
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/log-key", lab->root);
    file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(json_string_value(json_object_get(answer, "key")), file), 0);
    (void)fclose(file);
    json_decref(answer);
}

/* In a child, so that the test's own process loads the module only once. */
static void furnish(struct lab *lab, int n)
{
    static const struct {
        const char *secret, *request;
    } steps[] = {
        {LAB_PIN, "{\"verb\":\"vault.create\",\"vault\":\"web\",\"user\":\"alice\",\"pin\":0}"},
        {LAB_SO_PIN, "{\"verb\":\"user.add\",\"vault\":\"web\",\"user\":\"so\",\"pin\":0}"},
        {LAB_BOB_PIN, "{\"verb\":\"user.add\",\"vault\":\"web\",\"user\":\"bob\",\"pin\":0,"
                      "\"roles\":[\"cryptoUser\"]}"},
        {LAB_PIN, "{\"verb\":\"vault.create\",\"vault\":\"mail\",\"user\":\"carol\",\"pin\":0}"},
        {NULL,
         "{\"verb\":\"key.create\",\"vault\":\"web\",\"name\":\"tls\",\"type\":\"ec:P-256\"}"},
        {NULL,
         "{\"verb\":\"key.create\",\"vault\":\"web\",\"name\":\"seal\",\"type\":\"aes:256\"}"},
        {NULL,
         "{\"verb\":\"key.create\",\"vault\":\"web\",\"name\":\"sign\",\"type\":\"rsa:2048\"}"},
        {NULL,
         "{\"verb\":\"key.create\",\"vault\":\"mail\",\"name\":\"dkim\",\"type\":\"ec:P-256\"}"},
        {NULL, "{\"verb\":\"log.key\"}"},
    };

    (void)n;
    lab_load(lab);
    assert_ok(lab->f->C_Initialize(NULL));
    must(lab, lab_admin(lab, NULL, "{\"verb\":\"init\"}"));
    assert_ok(lab->f->C_Finalize(NULL));
    assert_ok(lab->f->C_Initialize(NULL));
    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++)
        must(lab, lab_admin(lab, steps[i].secret, "%s", steps[i].request));
    write_key(lab);
    lab_unload(lab);
}

int lab_suite_run(const char *name, const struct suite_case *cases, size_t count)
{
    char root[] = "/tmp/keyward-lab-XXXXXX";
    int status;

    if (mkdtemp(root) == NULL || setenv(TEMPLATE, root, 1) != 0)
        return 1;
    status = suite_run(name, cases, count);
    remove_root(root);
    return status;
}

/* The first test that wants the suite's home makes it; the key is written last. */
static void ensure_template(const char *root)
{
    struct lab lab = {.slot = 0};
    char key[LAB_PATH_MAX];

    (void)snprintf(key, sizeof(key), "%s/log-key", root);
    if (access(key, R_OK) == 0)
        return;
    (void)snprintf(lab.root, sizeof(lab.root), "%s", root);
    use_root(&lab);
    lab_join(lab_child(furnish, &lab, 0));
}

static char *read_text(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    char *text;

    ck_assert_msg(fd >= 0 && fstat(fd, &st) == 0, "no file %s", path);
    text = calloc(1, (size_t)st.st_size + 1);
    ck_assert_ptr_nonnull(text);
    ck_assert_int_eq(read(fd, text, (size_t)st.st_size), st.st_size);
    (void)close(fd);
    return text;
}

/* SoftHSM's configuration names the token folder by its absolute path. */
static void move_tokens(const struct lab *lab)
{
    const char *path = lab_path(lab, "hsm/softhsm2.conf");
    FILE *file = fopen(path, "we");

    ck_assert_ptr_nonnull(file);
    (void)fprintf(file, "directories.tokendir = %s/hsm/tokens\nobjectstore.backend = file\n",
                  lab->home);
    (void)fclose(file);
}

void lab_make(struct lab *lab)
{
    const char *template = getenv(TEMPLATE);
    char from[LAB_PATH_MAX];
    const char *const argv[] = {"cp", "-a", from, lab->root, NULL};

    ck_assert_ptr_nonnull(template);
    ensure_template(template);
    new_root(lab);
    (void)snprintf(from, sizeof(from), "%s/.", template);
    ck_assert_int_eq(lab_program(argv), 0);
    move_tokens(lab);
    lab_load(lab);
}

void lab_up(struct lab *lab)
{
    CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK};

    assert_ok(lab->f->C_Initialize(&args));
    lab->slot = lab_slot(lab, "web");
}

void lab_start(struct lab *lab)
{
    lab_make(lab);
    lab_up(lab);
}

void lab_end(struct lab *lab)
{
    lab_unload(lab);
    remove_root(lab->root);
}

const char *lab_path(const struct lab *lab, const char *name)
{
    static char path[LAB_PATH_MAX];

    (void)snprintf(path, sizeof(path), "%s/%s", lab->home, name);
    return path;
}

/* ---- the log ---- */

uint64_t lab_log_whole(const struct lab *lab)
{
    struct verify_report report = {.ok = false};
    char path[LAB_PATH_MAX];
    char *key;

    (void)snprintf(path, sizeof(path), "%s/log-key", lab->root);
    key = read_text(path);
    assert_ok(verify_log(lab_path(lab, "log"), key, &report));
    free(key);
    ck_assert_msg(report.ok, "the log is not whole: %s", report.problem);
    return report.size + report.unsigned_tail;
}

struct reading {
    void (*each)(void *ctx, json_t *record);
    void *ctx;
    uint64_t next;
};

static bool read_one(void *ctx, uint64_t seq, struct bytes json)
{
    struct reading *r = ctx;
    json_error_t error;
    json_t *record = json_loadb((const char *)json.data, json.len, 0, &error);

    ck_assert_msg(record != NULL, "record %llu is no JSON", (unsigned long long)seq);
    ck_assert_uint_eq(seq, r->next);
    ck_assert_uint_eq((uint64_t)json_integer_value(json_object_get(record, "seq")), seq);
    r->next++;
    r->each(r->ctx, record);
    json_decref(record);
    return true;
}

void lab_log_each(const struct lab *lab, uint64_t from, void (*each)(void *ctx, json_t *record),
                  void *ctx)
{
    struct reading reading = {.each = each, .ctx = ctx, .next = from};

    assert_ok(verify_read(lab_path(lab, "log"), from, read_one, &reading));
}

const char *lab_member(json_t *record, const char *name)
{
    const char *text = json_string_value(json_object_get(record, name));

    return text != NULL ? text : "";
}

struct counting {
    const char *function, *rv;
    unsigned n;
};

static void count_one(void *ctx, json_t *record)
{
    struct counting *c = ctx;

    c->n += (c->function == NULL || strcmp(lab_member(record, "function"), c->function) == 0) &&
            (c->rv == NULL || strcmp(lab_member(record, "rv"), c->rv) == 0);
}

unsigned lab_log_count(const struct lab *lab, const char *function, const char *rv)
{
    struct counting counting = {.function = function, .rv = rv};

    lab_log_each(lab, 0, count_one, &counting);
    return counting.n;
}
