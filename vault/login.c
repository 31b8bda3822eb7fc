/*
 * One try at a PIN: user_verify() of vault.h.
 *
 *   lock the user's file (all processes)
 *     locked already?  CKR_PIN_LOCKED, the PIN is not looked at
 *     failures + 1, on disk                    killed here or later: the try has been counted
 *     scrypt                                   the store's lock is not held
 *     good: failures = 0, on disk              killed before: one try lost, never one won
 *   unlock
 *
 * The file's name is a keyed hash, so a folder listing shows no user. Only users that exist get
 * one.
 */
#include "vault/user_int.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOCK_WAIT_S 60 /* a queue of some hundred tries on one user */
#define LOCK_NAP_NS 5000000

static CK_RV lock_path(struct store *store, struct keys *keys, const char *name, struct buf *ret)
{
    uint8_t tag[TAG_LEN];
    char hex[2 * TAG_LEN + 1];
    CK_RV rv = keys_tag(store->local, keys, "login", bytes_from_str(name), tag);

    if (rv != CKR_OK)
        return rv;
    bytes_to_hex(BYTES(tag, TAG_LEN), hex);
    buf_printf(ret, "%s/%s", store->lock_dir, hex);
    return buf_str(ret) != NULL ? CKR_OK : fail_argument("the folder of login locks");
}

static int open_lock(const char *folder, const char *path)
{
    int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW;
    int fd = open(path, flags, 0600);

    if (fd < 0 && errno == ENOENT && (mkdir(folder, 0700) == 0 || errno == EEXIST))
        fd = open(path, flags, 0600);
    return fd;
}

/* Never waits for ever: a stopped process that holds the lock costs a login, not the caller. */
static CK_RV wait_for_lock(int fd, const char *path)
{
    const struct timespec nap = {.tv_nsec = LOCK_NAP_NS};
    int64_t end = clock_monotonic(&clock_system) + (int64_t)LOCK_WAIT_S * 1000000000;

    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return fail_errno("locking", path);
        if (clock_monotonic(&clock_system) > end)
            return fail(CKR_DEVICE_MEMORY,
                        "another login of this user has not ended in %d seconds: look for a stuck "
                        "keyward process",
                        LOCK_WAIT_S);
        (void)nanosleep(&nap, NULL);
    }
    return CKR_OK;
}

static CK_RV take_lock(struct store *store, const char *path, int *ret_fd)
{
    SCOPED_FD int fd = open_lock(store->lock_dir, path);
    CK_RV rv;

    if (fd < 0)
        return fail_errno("opening the login lock", path);
    rv = wait_for_lock(fd, path);
    if (rv == CKR_OK) {
        *ret_fd = fd;
        fd = -1; /* NOLINT(clang-analyzer-deadcode.DeadStores): the end of the scope reads it */
    }
    return rv;
}

static CK_RV fail_locked(void)
{
    return fail(CKR_PIN_LOCKED,
                "the user is locked after %d wrong PINs: ask the vault's administrator to unlock "
                "it or to set a new PIN",
                PIN_TRIES);
}

static CK_RV fail_incorrect(void)
{
    return fail(CKR_PIN_INCORRECT, "the PIN is wrong: try again; %d wrong ones lock the user",
                PIN_TRIES);
}

/* ---- the steps ---- */

/* Is there such a user with a PIN, and where is the lock? */
static CK_RV look(struct store *store, struct keys *keys, const char *name, struct buf *ret_path)
{
    struct user user;
    CK_RV rv = user_read(store, keys, name, &user);

    if (rv == CKR_OK && user.hash.len == 0)
        rv = fail(CKR_USER_PIN_NOT_INITIALIZED,
                  "the user has no PIN: ask the vault's administrator to set one");
    return rv == CKR_OK ? lock_path(store, keys, name, ret_path) : rv;
}

static CK_RV count_try(struct store *store, struct keys *keys, const char *name, struct user *ret)
{
    CK_RV rv = user_read(store, keys, name, ret);

    if (rv == CKR_OK && ret->failures >= PIN_TRIES)
        rv = fail_locked();
    if (rv != CKR_OK)
        return rv;
    ret->failures++;
    return user_write(store, keys, ret);
}

/* The PIN was good, for the hash it was compared with: was that still the user's? */
static CK_RV forget_tries(struct store *store, struct keys *keys, const struct user *tried)
{
    struct user user;
    CK_RV rv = user_read(store, keys, tried->name, &user);

    if (rv == CKR_OK && !local_equal(user.hash, tried->hash))
        rv = fail_incorrect();
    if (rv != CKR_OK)
        return rv;
    user.failures = 0;
    return user_write(store, keys, &user);
}

/* An unknown user costs what a known one does. */
static CK_RV spend_time(struct store *store, struct bytes pin, CK_RV rv)
{
    static const uint8_t salt[USER_SALT_LEN];
    uint8_t hash[USER_HASH_LEN];
    char reason[FAIL_REASON_MAX];
    CK_RV hashed;

    (void)memccpy(reason, fail_reason(), '\0', sizeof(reason));
    hashed = local_scrypt(store->local, pin, BYTES(salt, sizeof(salt)), hash);
    bytes_wipe(hash, sizeof(hash));
    return hashed != CKR_OK ? hashed : fail(rv, "%s", reason);
}

static CK_RV compare(struct store *store, const struct user *user, struct bytes pin)
{
    uint8_t hash[USER_HASH_LEN];
    CK_RV rv = local_scrypt(store->local, pin, user->salt, hash);

    if (rv == CKR_OK && !local_equal(BYTES(hash, sizeof(hash)), user->hash))
        rv = fail_incorrect();
    bytes_wipe(hash, sizeof(hash));
    return rv;
}

/* With the user's file locked. */
static CK_RV try_pin(struct store *store, const struct vault_info *vault, const char *name,
                     struct bytes pin)
{
    struct keys *keys = NULL;
    struct user user;
    CK_RV rv = store_enter(store, vault->id, STORE_WRITE, &keys);

    if (rv == CKR_OK)
        rv = store_leave(store, count_try(store, keys, name, &user));
    if (rv == CKR_OK)
        rv = compare(store, &user, pin);
    if (rv == CKR_OK)
        rv = store_enter(store, vault->id, STORE_WRITE, &keys);
    return rv == CKR_OK ? store_leave(store, forget_tries(store, keys, &user)) : rv;
}

CK_RV user_verify(struct store *store, const struct vault_info *vault, const char *name,
                  struct bytes pin)
{
    struct buf path = BUF_INIT(4096);
    struct keys *keys = NULL;
    SCOPED_FD int fd = -1;
    CK_RV rv = store_enter(store, vault->id, STORE_READ, &keys);

    /* Longer than a PIN can be: as wrong as an empty one, and not read at all. */
    if (pin.len > PIN_MAX)
        pin = BYTES_NONE;
    if (rv == CKR_OK)
        rv = store_leave(store, look(store, keys, name, &path));
    if (rv == CKR_USER_PIN_NOT_INITIALIZED)
        rv = spend_time(store, pin, rv);
    if (rv == CKR_OK)
        rv = take_lock(store, buf_str(&path), &fd);
    if (rv == CKR_OK)
        rv = try_pin(store, vault, name, pin);
    buf_release(&path);
    return rv;
}
