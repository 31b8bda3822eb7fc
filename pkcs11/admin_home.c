/*
 * keyward init: makes a home. Either all of it is there at the end, or nothing: whatever was made
 * is removed again when a later step fails, and a folder that holds anything is refused untouched.
 *
 * Order: folders and settings; a SoftHSM token of its own, unless an HSM was named; the HSM opened;
 * the log's key in it; the store; the home's policy; the log, with the first event.
 */
#include "pkcs11/admin_int.h"

#include "audit/verify.h"
#include "base/heap.h"
#include "base/names.h"
#include "pkcs11/log_device.h"
#include "pkcs11/module.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOKEN_LABEL "keyward"
#define PIN_DIGITS  32

/* Where Debian and its like keep SoftHSM. */
static const char *const softhsm_paths[] = {
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
};

struct making {
    struct home_paths paths;
    char *first_made; /* topmost folder that was not there; NULL: the home was there, empty */
    bool touched;     /* something of ours may lie in the home */
    char *worker;
    char *module;
    const char *token;
    char *pin_file;
    bool own;
    struct settings settings;
    char admin[256]; /* Unix user that administers */
    struct local *local;
    struct hsm *hsm;
    struct log_device log_device;
    bool has_log_key;
    uint8_t log_public[32];
    struct store *store;
    struct trail *trail;
};

/* ---- folders ---- */

/* Nothing in it but . and .. */
static CK_RV ensure_empty(const char *home)
{
    DIR *dir = opendir(home);
    const struct dirent *entry;
    bool empty = true;

    if (dir == NULL && errno == ENOENT)
        return CKR_OK;
    if (dir == NULL)
        return fail_errno("use as the vault home", home);
    while (empty && (entry = readdir(dir)) != NULL)
        empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    (void)closedir(dir);
    if (!empty)
        return fail(CKR_ACTION_PROHIBITED,
                    "%s is not empty: a home is made once, choose another KEYWARD_HOME or use what "
                    "is there",
                    home);
    return CKR_OK;
}

/* mkdir -p, remembering where it began. */
static CK_RV make_home_folder(struct making *m)
{
    SCOPED_FREE char *path = text_copy(m->paths.home);

    if (path == NULL)
        return fail_memory();
    for (char *c = path + 1;; c++) {
        char kept = *c;

        if (kept != '/' && kept != '\0')
            continue;
        *c = '\0';
        if (mkdir(path, 0700) == 0) {
            if (m->first_made == NULL && (m->first_made = text_copy(path)) == NULL)
                return fail_memory();
        } else if (errno != EEXIST) {
            return fail_errno("make the folder", path);
        }
        *c = kept;
        if (kept == '\0')
            break;
    }
    m->touched = true;
    return chmod(m->paths.home, 0700) == 0 ? CKR_OK : fail_errno("protect", m->paths.home);
}

static CK_RV make_folder(const char *path)
{
    return mkdir(path, 0700) == 0 ? CKR_OK : fail_errno("make the folder", path);
}

/* Removes what lies in a folder. The home is ours alone (0700) and was empty: no name in it is
 * anybody else's. */
static void remove_contents(int parent, const char *name)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry;

    if (dir == NULL) {
        if (fd >= 0)
            (void)close(fd);
        return;
    }
    while ((entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (unlinkat(dirfd(dir), entry->d_name, 0) != 0) {
            remove_contents(dirfd(dir), entry->d_name);
            (void)unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
        }
    }
    (void)closedir(dir);
}

/* From the home up to the topmost folder that init made. */
static void remove_folders(struct making *m)
{
    SCOPED_FREE char *path = text_copy(m->paths.home);

    if (path == NULL || m->first_made == NULL)
        return;
    while (strlen(path) >= strlen(m->first_made)) {
        char *slash = strrchr(path, '/');

        if (rmdir(path) != 0 || slash == NULL || slash == path)
            return;
        *slash = '\0';
    }
}

/* ---- files ---- */

static CK_RV write_all(int fd, struct bytes text, const char *path)
{
    size_t at = 0;

    while (at < text.len) {
        ssize_t n = write(fd, text.data + at, text.len - at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_errno("write", path);
        at += (size_t)n;
    }
    return fsync(fd) == 0 ? CKR_OK : fail_errno("write", path);
}

/* A new file, 0600, on disk before it returns. */
static CK_RV write_file(const char *path, struct bytes text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    CK_RV rv;

    if (fd < 0)
        return fail_errno("make", path);
    rv = write_all(fd, text, path);
    if (close(fd) != 0 && rv == CKR_OK)
        rv = fail_errno("write", path);
    return rv;
}

static CK_RV write_pin(struct making *m, const char *path)
{
    uint8_t raw[PIN_DIGITS / 2];
    char digits[PIN_DIGITS + 1];
    CK_RV rv = local_random(m->local, raw, sizeof(raw));

    if (rv == CKR_OK) {
        bytes_to_hex(BYTES(raw, sizeof(raw)), digits);
        rv = write_file(path, BYTES(digits, PIN_DIGITS));
    }
    bytes_wipe(raw, sizeof(raw));
    bytes_wipe(digits, sizeof(digits));
    return rv;
}

static CK_RV write_settings(const struct making *m)
{
    struct buf text = BUF_INIT(65536);
    CK_RV rv;

    buf_printf(
        &text,
        "# keyward.conf: the settings of this vault home. Lines that begin with # are "
        "comments.\n"
        "\n"
        "[hsm]\n"
        "# The HSM's PKCS#11 library, and the label of the token in it.\n"
        "module = %s\n"
        "token = %s\n"
        "# Where the HSM's PIN is: a file of mode 0600, relative to this folder or absolute.\n"
        "pin-source = %s\n"
        "# yes: the token is a SoftHSM token of this home's own, under hsm/.\n"
        "own-token = %s\n"
        "# How long a call to the HSM may take before its worker is restarted, and how many "
        "run at once.\n"
        "deadline-ms = 10000\n"
        "lanes = 8\n"
        "\n"
        "[log]\n"
        "# How often a signed checkpoint is made of what the log holds.\n"
        "interval-ms = 1000\n"
        "# How often it is anchored in the HSM (which has to write for it), and whether each "
        "program "
        "does that when it ends.\n"
        "anchor-interval-s = 300\n"
        "anchor-at-end = yes\n",
        m->module, m->token, m->own ? "hsm/pin" : m->pin_file, m->own ? "yes" : "no");
    rv = buf_ok(&text) ? write_file(m->paths.config, buf_bytes(&text)) : fail_memory();
    buf_release(&text);
    return rv;
}

/* ---- what was asked for ---- */

static CK_RV absolute(const char *path, char **ret)
{
    *ret = text_real_path(path);
    return *ret != NULL ? CKR_OK : fail_errno("find", path);
}

static bool is_one_line(const char *text)
{
    return text[0] != '\0' && strpbrk(text, "\n\r;#") == NULL;
}

static CK_RV find_softhsm(char **ret)
{
    for (size_t i = 0; i < sizeof(softhsm_paths) / sizeof(*softhsm_paths); i++)
        if (access(softhsm_paths[i], R_OK) == 0) {
            *ret = text_copy(softhsm_paths[i]);
            return *ret != NULL ? CKR_OK : fail_memory();
        }
    return fail(CKR_GENERAL_ERROR,
                "SoftHSM is not installed: install softhsm2, or name an HSM with --hsm");
}

static CK_RV read_hsm(struct admin *a, struct making *m)
{
    const char *module = admin_text(a, "hsm");
    const char *token = admin_text(a, "hsm-token");
    const char *pin = admin_text(a, "hsm-pin-file");
    CK_RV rv;

    if ((module != NULL) != (token != NULL) || (module != NULL) != (pin != NULL))
        return fail(CKR_ARGUMENTS_BAD, "--hsm, --hsm-token and --hsm-pin-file go together");
    m->own = module == NULL;
    m->token = m->own ? TOKEN_LABEL : token;
    if (m->own)
        return find_softhsm(&m->module);
    rv = absolute(module, &m->module);
    if (rv == CKR_OK)
        rv = absolute(pin, &m->pin_file);
    if (rv == CKR_OK &&
        (!is_one_line(m->module) || !is_one_line(m->pin_file) || !is_one_line(token)))
        rv =
            fail(CKR_ARGUMENTS_BAD,
                 "the HSM's path, token label or PIN file holds a line break, ; or #: keyward.conf "
                 "cannot say that");
    return rv;
}

/* A PIN file that others may read is no secret: refused before anything is made. */
static CK_RV check_pin_file(const struct making *m)
{
    struct stat st;

    if (m->own)
        return CKR_OK;
    if (stat(m->pin_file, &st) != 0)
        return fail_errno("read", m->pin_file);
    if (!S_ISREG(st.st_mode) || (st.st_mode & 077) != 0)
        return fail(CKR_ARGUMENTS_BAD, "%s can be read by others: chmod 600 it", m->pin_file);
    return CKR_OK;
}

static CK_RV read_admin(struct making *m)
{
    char buf[4096];
    struct passwd pw;
    struct passwd *found = NULL;
    int n;

    if (getpwuid_r(geteuid(), &pw, buf, sizeof(buf), &found) == 0 && found != NULL)
        n = snprintf(m->admin, sizeof(m->admin), "%s", pw.pw_name);
    else
        n = snprintf(m->admin, sizeof(m->admin), "%lu", (unsigned long)geteuid());
    return n > 0 && (size_t)n < sizeof(m->admin) ? CKR_OK : fail_internal("a user name fits");
}

static CK_RV prepare(struct admin *a, struct making *m)
{
    SCOPED_FREE char *home = home_find();
    CK_RV rv;

    if (home == NULL)
        return fail(CKR_GENERAL_ERROR, "there is no place for a home: set KEYWARD_HOME");
    rv = home_paths_make(home, &m->paths);
    if (rv == CKR_OK)
        rv = ensure_empty(m->paths.home);
    if (rv == CKR_OK)
        rv = read_hsm(a, m);
    if (rv == CKR_OK)
        rv = check_pin_file(m);
    if (rv == CKR_OK)
        rv = read_admin(m);
    if (rv != CKR_OK)
        return rv;
    m->worker = module_worker_path();
    return m->worker != NULL
               ? local_new(&m->local)
               : fail(CKR_GENERAL_ERROR, "the HSM worker keyward-hsm is neither beside the module "
                                         "nor in libexec: reinstall keyward");
}

/* ---- the steps ---- */

static CK_RV make_folders(struct making *m)
{
    CK_RV rv = make_home_folder(m);

    if (rv == CKR_OK)
        rv = make_folder(m->paths.hsm);
    if (rv == CKR_OK)
        rv = make_folder(m->paths.locks);
    if (rv == CKR_OK && m->own)
        rv = make_folder(m->paths.softhsm_tokens);
    return rv;
}

static CK_RV make_hsm(struct making *m)
{
    struct hsm_config config;
    CK_RV rv = CKR_OK;

    if (m->own)
        rv = write_pin(m, m->paths.pin);
    if (rv == CKR_OK && m->own)
        rv = write_pin(m, m->paths.so_pin);
    if (rv == CKR_OK)
        rv = settings_read(&m->paths, &m->settings);
    if (rv != CKR_OK)
        return rv;
    settings_hsm_config(&m->settings, &m->paths, m->worker, &config);
    if (m->own)
        rv = hsm_softhsm_create(&config, m->paths.so_pin);
    return rv == CKR_OK ? hsm_open(&config, m->local, &m->hsm) : rv;
}

static CK_RV make_log_key(struct making *m)
{
    /* PrintableString "edwards25519": PKCS#11 3.0, 6.3.5; what every HSM with CKM_EDDSA takes. */
    struct hsm_key_spec spec = {.key = {.kind = HSM_KEY_PRIVATE, .type = CKK_EC_EDWARDS},
                                .curve = BYTES_LIT("\x13\x0c"
                                                   "edwards25519"),
                                .sign = true};
    struct buf spki = BUF_INIT(4096);
    CK_RV rv = local_random(m->local, spec.key.id, sizeof(spec.key.id));

    if (rv == CKR_OK)
        rv = hsm_generate(m->hsm, &spec, &spki, NULL);
    if (rv == CKR_OK) {
        m->log_device.key = spec.key;
        m->has_log_key = true;
    }
    /* RFC 8410, section 4: the key is the last 32 bytes of its SubjectPublicKeyInfo. */
    if (rv == CKR_OK && spki.len != 44)
        rv = fail(CKR_DEVICE_ERROR, "the HSM gave an Ed25519 key of an unknown form (%zu bytes)",
                  spki.len);
    if (rv == CKR_OK)
        memcpy(m->log_public, spki.data + spki.len - 32, 32);
    buf_release(&spki);
    return rv == CKR_OK ? CKR_OK : fail_in(rv, "log key (the HSM must offer Ed25519)");
}

static CK_RV set_home_values(struct making *m)
{
    uint8_t key[HSM_ID_LEN + 32];
    struct buf policy = BUF_INIT(POLICY_TEXT_MAX);
    CK_RV rv;

    memcpy(key, m->log_device.key.id, HSM_ID_LEN);
    memcpy(key + HSM_ID_LEN, m->log_public, 32);
    rv = store_set_home(m->store, "log-key", BYTES(key, sizeof(key)));
    if (rv == CKR_OK)
        rv = engine_home_policy(m->admin, &policy);
    if (rv == CKR_OK)
        rv = store_set_home(m->store, "policy", buf_bytes(&policy));
    buf_release(&policy);
    return rv;
}

static CK_RV make_store(struct making *m)
{
    struct store_config config = {.path = m->paths.store,
                                  .lock_dir = m->paths.locks,
                                  .hsm = m->hsm,
                                  .local = m->local,
                                  .clock = &clock_system};
    CK_RV rv = store_create(&config, &m->store);

    return rv == CKR_OK ? set_home_values(m) : rv;
}

static CK_RV first_event(struct making *m)
{
    char principal[300];
    char app[APP_ID_LEN + 1];
    uint8_t random[APP_ID_LEN / 2];
    struct event event = {.phase = EVENT_DONE,
                          .app = app,
                          .principal = principal,
                          .proof = "uid",
                          .pid = getpid(),
                          .uid = geteuid(),
                          .via = "admin",
                          .function = "init",
                          .rv = CKR_OK};
    CK_RV rv = local_random(m->local, random, sizeof(random));

    if (rv != CKR_OK)
        return rv;
    bytes_to_hex(BYTES(random, sizeof(random)), app);
    (void)snprintf(principal, sizeof(principal), "Unix::\"%s\"", m->admin);
    rv = trail_append(m->trail, &event, NULL);
    return rv == CKR_OK ? trail_end(m->trail) : rv;
}

static CK_RV make_log(struct making *m, struct admin *a)
{
    char origin[ENGINE_ORIGIN_MAX];
    char key[VERIFY_KEY_MAX];
    struct trail_config config = {
        .dir = m->paths.log, .origin = origin, .clock = &clock_system, .anchor_at_end = true};
    CK_RV rv;

    m->log_device.hsm = m->hsm;
    log_device_fill(&m->log_device, &config);

    engine_log_origin(m->log_device.key.id, origin);
    memcpy(config.signer.public_key, m->log_public, 32);
    rv = trail_create(&config);
    if (rv == CKR_OK)
        rv = trail_open(&config, &m->trail);
    if (rv == CKR_OK)
        rv = first_event(m);
    if (rv == CKR_OK)
        rv = verify_key_text(origin, m->log_public, key);
    return rv == CKR_OK ? admin_put(a->answer, "log-key", json_string(key)) : rv;
}

static CK_RV make_all(struct making *m, struct admin *a)
{
    CK_RV rv = make_folders(m);

    if (rv == CKR_OK)
        rv = write_settings(m);
    if (rv == CKR_OK)
        rv = make_hsm(m);
    if (rv == CKR_OK)
        rv = make_log_key(m);
    if (rv == CKR_OK)
        rv = make_store(m);
    if (rv == CKR_OK)
        rv = make_log(m, a);
    return rv;
}

/* ---- the end, either way ---- */

static void undo(struct making *m)
{
    char reason[FAIL_REASON_MAX];

    (void)snprintf(reason, sizeof(reason), "%s", fail_reason());
    /* In a token of our own it goes with the folder; in another it must be told of. */
    if (m->hsm != NULL && m->has_log_key && !m->own &&
        hsm_destroy(m->hsm, &m->log_device.key) != CKR_OK)
        (void)strncat(reason, " (a key labelled by no object stays in the HSM)",
                      sizeof(reason) - strlen(reason) - 1);
    store_unmake(TAKE(m->store));
    hsm_close(TAKE(m->hsm));
    if (m->touched)
        remove_contents(AT_FDCWD, m->paths.home);
    remove_folders(m);
    (void)fail(CKR_OK, "%s", reason);
}

static void release(struct making *m)
{
    trail_close(m->trail);
    store_close(m->store);
    hsm_close(m->hsm);
    local_free(m->local);
    settings_release(&m->settings);
    home_paths_release(&m->paths);
    free(m->first_made);
    free(m->worker);
    free(m->module);
    free(m->pin_file);
}

static CK_RV init_verb(struct admin *a)
{
    struct making m = {.token = NULL};
    CK_RV rv = prepare(a, &m);

    if (rv == CKR_OK) {
        rv = make_all(&m, a);
        if (rv == CKR_OK)
            rv = admin_put(a->answer, "home", json_string(m.paths.home));
        if (rv == CKR_OK)
            rv = admin_put(a->answer, "administrator", json_string(m.admin));
        if (rv == CKR_OK)
            rv = admin_put(a->answer, "hsm", json_string(m.own ? "softhsm" : m.module));
        trail_close(TAKE(m.trail));
        if (rv != CKR_OK)
            undo(&m);
    }
    release(&m);
    return rv;
}

static const struct admin_member init_members[] = {
    {"hsm", MEMBER_TEXT, false},
    {"hsm-token", MEMBER_TEXT, false},
    {"hsm-pin-file", MEMBER_TEXT, false},
    {0},
};

static const struct admin_verb verbs[] = {
    {"init", ACTION_CREATE_VAULT, ADMIN_HOMELESS, init_members, init_verb},
};

const struct admin_chapter admin_home_chapter = {verbs, sizeof(verbs) / sizeof(*verbs)};
