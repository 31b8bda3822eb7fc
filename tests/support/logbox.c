/* A log for tests: see logbox.h. */
#include "tests/support/logbox.h"

#include "tests/support/suite.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static EVP_PKEY *key_of(const struct logbox *box)
{
    EVP_PKEY *key =
        EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, box->seed, sizeof(box->seed));

    ck_assert_ptr_nonnull(key);
    return key;
}

/* (fail): Check has a macro of that name. */
static CK_RV sign(void *ctx, struct bytes message, uint8_t ret_signature[static 64])
{
    struct logbox *box = ctx;
    EVP_PKEY *key = key_of(box);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    size_t len = 64;
    int good;

    box->signatures++;
    good = EVP_DigestSignInit(md, NULL, NULL, NULL, key) == 1 &&
           EVP_DigestSign(md, ret_signature, &len, message.data, message.len) == 1;
    EVP_MD_CTX_free(md);
    EVP_PKEY_free(key);
    if (box->sign_answer != CKR_OK)
        return (fail)(box->sign_answer, "the signer was told to fail");
    return good ? CKR_OK : (fail)(CKR_FUNCTION_FAILED, "no signature");
}

/* A mark is an empty file in root/marks: it is there for every process, and no part of the log. */
static const char *mark_path(const struct logbox *box, const uint8_t id[static TRAIL_MARK_LEN],
                             char ret[static 128])
{
    char hex[2 * TRAIL_MARK_LEN + 1];

    bytes_to_hex(BYTES(id, TRAIL_MARK_LEN), hex);
    (void)snprintf(ret, 128, "%s/marks/%s", box->root, hex);
    return ret;
}

/* What the device was told to do before this change to it: nothing, to refuse, or to die. */
static CK_RV before_a_change(struct logbox *box)
{
    if (box->die_at != 0 && --box->die_at == 0)
        _exit(LOGBOX_DIED);
    return box->mark_answer == CKR_OK ? CKR_OK
                                      : (fail)(box->mark_answer, "the device was told to fail");
}

static CK_RV put_mark(void *ctx, const uint8_t id[static TRAIL_MARK_LEN])
{
    struct logbox *box = ctx;
    char path[128];
    CK_RV rv = before_a_change(box);
    int fd;

    if (rv != CKR_OK)
        return rv;
    box->marks_put++;
    (void)snprintf(path, sizeof(path), "%s/marks", box->root);
    (void)mkdir(path, 0700); /* a test may have mounted something over it */
    fd = open(mark_path(box, id, path), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0)
        return (fail)(CKR_DEVICE_ERROR, "the device is gone");
    (void)close(fd);
    return before_a_change(box);
}

static CK_RV find_mark(void *ctx, const uint8_t id[static TRAIL_MARK_LEN], bool *ret_found)
{
    char path[128];

    *ret_found = access(mark_path(ctx, id, path), F_OK) == 0;
    return CKR_OK;
}

static CK_RV drop_mark(void *ctx, const uint8_t id[static TRAIL_MARK_LEN])
{
    char path[128];
    CK_RV rv = before_a_change(ctx);

    if (rv != CKR_OK)
        return rv;
    (void)unlink(mark_path(ctx, id, path));
    return before_a_change(ctx);
}

unsigned logbox_marks(const struct logbox *box)
{
    char path[128];
    DIR *dir;
    unsigned n = 0;

    (void)snprintf(path, sizeof(path), "%s/marks", box->root);
    dir = opendir(path);
    ck_assert_ptr_nonnull(dir);
    for (const struct dirent *e = readdir(dir); e != NULL; e = readdir(dir))
        n += e->d_name[0] != '.';
    (void)closedir(dir);
    return n;
}

static void run(const char *program, const char *a, const char *b, const char *c)
{
    pid_t child = fork();
    int status = -1;

    if (child == 0) {
        (void)execlp(program, program, a, b, c, NULL);
        _exit(127);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}

void logbox_save(const struct logbox *box, const char *name)
{
    char to[128];

    (void)snprintf(to, sizeof(to), "%s/%s", box->root, name);
    run("cp", "-a", box->dir, to);
}

void logbox_restore(const struct logbox *box, const char *name)
{
    char from[128];

    (void)snprintf(from, sizeof(from), "%s/%s", box->root, name);
    run("rm", "-rf", box->dir, NULL);
    run("cp", "-a", from, box->dir);
}

void logbox_init(struct logbox *box, uint8_t seed_byte)
{
    size_t len = 32;
    char marks[128];
    EVP_PKEY *key;

    memset(box, 0, sizeof(*box));
    (void)snprintf(box->root, sizeof(box->root), "/tmp/keyward-log-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(box->root));
    (void)snprintf(box->dir, sizeof(box->dir), "%s/log", box->root);
    memset(box->seed, seed_byte, sizeof(box->seed));
    box->config = (struct trail_config){
        .dir = box->dir,
        .origin = LOGBOX_ORIGIN,
        .signer = {.sign = sign, .ctx = box},
        .marks = {.put = put_mark, .find = find_mark, .drop = drop_mark, .ctx = box},
        .clock = &clock_system,
    };
    (void)snprintf(marks, sizeof(marks), "%s/marks", box->root);
    ck_assert_int_eq(mkdir(marks, 0700), 0);
    key = key_of(box);
    ck_assert_int_eq(EVP_PKEY_get_raw_public_key(key, box->config.signer.public_key, &len), 1);
    EVP_PKEY_free(key);
    assert_ok(verify_key_text(LOGBOX_ORIGIN, box->config.signer.public_key, box->vkey));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void logbox_release(struct logbox *box)
{
    (void)nftw(box->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

struct trail *logbox_start(struct logbox *box)
{
    logbox_init(box, 1);
    assert_ok(trail_create(&box->config));
    return logbox_open(box);
}

struct trail *logbox_open(struct logbox *box)
{
    struct trail *trail = NULL;

    assert_ok(trail_open(&box->config, &trail));
    return trail;
}

struct event logbox_event(const char *object)
{
    return (struct event){
        .app = "0123456789abcdef",
        .principal = "User::\"alice\"",
        .proof = "pin",
        .pid = 1234,
        .uid = 1000,
        .exe = "/usr/sbin/nginx",
        .via = "pkcs11",
        .vault = "main",
        .object = object,
        .id = "00112233445566778899aabbccddeeff",
        .version = 3,
        .function = "C_Sign",
        .action = "sign",
        .mechanism = "CKM_ECDSA_SHA256",
        .verdict = EVENT_ALLOW,
        .rules = "web-server",
        .rv = CKR_OK,
        .duration_ns = 12345678,
    };
}

void logbox_append(struct trail *trail, unsigned n)
{
    struct event event = logbox_event("www.example.com");

    for (unsigned i = 0; i < n; i++)
        assert_ok(trail_append(trail, &event, NULL));
}

void logbox_settle(void)
{
    const struct timespec pause = {.tv_nsec = 2L * TRAIL_CHECK_US * 1000};

    (void)nanosleep(&pause, NULL);
}

struct verify_report logbox_verify(const struct logbox *box)
{
    struct verify_report report = {.ok = false};

    assert_ok(verify_log(box->dir, box->vkey, &report));
    return report;
}

const char *logbox_path(const struct logbox *box, const char *path)
{
    static char full[256];

    (void)snprintf(full, sizeof(full), "%s/%s", box->dir, path);
    return full;
}

uint8_t *logbox_read(const struct logbox *box, const char *path, size_t *ret_len)
{
    int fd = open(logbox_path(box, path), O_RDONLY | O_CLOEXEC);
    struct stat st;
    uint8_t *data;

    ck_assert_msg(fd >= 0 && fstat(fd, &st) == 0, "no file %s", path);
    data = calloc(1, (size_t)st.st_size + 1);
    ck_assert_ptr_nonnull(data);
    ck_assert_int_eq(read(fd, data, (size_t)st.st_size), st.st_size);
    (void)close(fd);
    *ret_len = (size_t)st.st_size;
    return data;
}

void logbox_write(const struct logbox *box, const char *path, const void *data, size_t len)
{
    int fd = open(logbox_path(box, path), O_WRONLY | O_TRUNC | O_CLOEXEC);

    ck_assert_msg(fd >= 0, "no file %s", path);
    ck_assert_int_eq(write(fd, data, len), (ssize_t)len);
    (void)close(fd);
}
