/*
 * PIN, lock and login: see worker_int.h.
 *
 * Every process of a home takes the same lock around C_Initialize and C_Login, because SoftHSM
 * rewrites its token's metadata in each login, and two at once lose it. A PIN the HSM has refused
 * is never tried again by this worker.
 */
#include "hsm/channel.h"
#include "hsm/worker_int.h"

#include <errno.h>
#include <fcntl.h>
#include <p11-kit/pin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#define PIN_MAX         256
#define LOCK_POLL_NS    5000000
#define LOCK_NAME       "login.lock"
#define FILE_SOURCE     "file:"
#define FILE_SOURCE_LEN 5

/* ---- the PIN ---- */

static CK_RV check_pin_file(const char *path, const struct stat *st)
{
    if (!S_ISREG(st->st_mode))
        return fail(CKR_DEVICE_ERROR, "the PIN file %s is not a regular file", path);
    if (st->st_uid != geteuid() && st->st_uid != 0)
        return fail(CKR_DEVICE_ERROR, "the PIN file %s belongs to another user (uid %u): chown it",
                    path, (unsigned)st->st_uid);
    if ((st->st_mode & 077) != 0)
        return fail(CKR_DEVICE_ERROR,
                    "the PIN file %s can be read by others (mode %04o): chmod 600", path,
                    (unsigned)st->st_mode & 07777);
    if (st->st_size > PIN_MAX)
        return fail(CKR_DEVICE_ERROR, "the PIN file %s holds more than %d bytes: not a PIN", path,
                    PIN_MAX);
    return CKR_OK;
}

static ssize_t read_all(int fd, uint8_t *into, size_t size)
{
    size_t done = 0;

    while (done < size) {
        ssize_t n = read(fd, into + done, size - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

static void cut_newline(struct secret *pin)
{
    if (pin->len > 0 && pin->data[pin->len - 1] == '\n')
        secret_shorten(pin, pin->len - 1);
    if (pin->len > 0 && pin->data[pin->len - 1] == '\r')
        secret_shorten(pin, pin->len - 1);
}

/* The checks are made on what was opened, so that the file cannot be exchanged in between. */
static CK_RV pin_from_file(const char *path, struct secret **ret)
{
    SCOPED_SECRET pin = NULL;
    SCOPED_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    ssize_t n;
    CK_RV rv;

    if (fd < 0 || fstat(fd, &st) != 0)
        return fail_errno("open the PIN file", path);
    rv = check_pin_file(path, &st);
    if (rv != CKR_OK)
        return rv;
    pin = secret_new(PIN_MAX);
    if (pin == NULL)
        return fail_memory();
    n = read_all(fd, pin->data, PIN_MAX);
    if (n < 0)
        return fail_errno("read the PIN file", path);
    secret_shorten(pin, (size_t)n);
    cut_newline(pin);
    if (pin->len == 0)
        return fail(CKR_DEVICE_ERROR, "the PIN file %s is empty", path);
    *ret = TAKE(pin);
    return CKR_OK;
}

static CK_RV pin_from_p11_kit(const char *source, struct secret **ret)
{
    P11KitPin *given =
        p11_kit_pin_request(source, NULL, "the HSM's PIN", P11_KIT_PIN_FLAGS_USER_LOGIN);
    size_t len = 0;
    const unsigned char *value;
    CK_RV rv = CKR_OK;

    if (given == NULL)
        return fail(CKR_DEVICE_ERROR,
                    "the PIN source \"%s\" gave no PIN: name a file, as a path or file:path",
                    source);
    value = p11_kit_pin_get_value(given, &len);
    *ret = secret_copy(BYTES(value, len));
    if (*ret == NULL)
        rv = fail_memory();
    p11_kit_pin_unref(given);
    return rv;
}

CK_RV pin_read(const char *source, struct secret **ret)
{
    if (source == NULL)
        return fail(CKR_DEVICE_ERROR, "no source of the HSM's PIN is configured");
    if (strncmp(source, FILE_SOURCE, FILE_SOURCE_LEN) == 0)
        return pin_from_file(source + FILE_SOURCE_LEN, ret);
    if (source[0] == '/' || strchr(source, ':') == NULL)
        return pin_from_file(source, ret);
    return pin_from_p11_kit(source, ret);
}

/* ---- the lock ---- */

static CK_RV check_state_dir(const char *dir)
{
    struct stat st;

    if (dir == NULL)
        return fail_argument("state_dir");
    if (stat(dir, &st) != 0)
        return fail_errno("look at the state folder", dir);
    if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077) != 0)
        return fail(CKR_DEVICE_ERROR, "the state folder %s must be ours alone: chown, chmod 700",
                    dir);
    return CKR_OK;
}

/* Bounded well within the host's patience, so that it hears a reason instead of losing it. */
static CK_RV wait_for_lock(const struct device *d, int fd)
{
    const struct timespec pause = {.tv_nsec = LOCK_POLL_NS};
    int64_t deadline = channel_deadline(d->deadline_ms * 3 / 4);

    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return fail_errno("lock", d->texts[WIRE_STATE_DIR]);
        if (channel_now() > deadline)
            return fail(CKR_DEVICE_ERROR,
                        "another process of %s has been logging in to the HSM "
                        "for too long: is the HSM reachable?",
                        d->texts[WIRE_STATE_DIR]);
        (void)nanosleep(&pause, NULL);
    }
    return CKR_OK;
}

CK_RV login_lock(const struct device *d, int *ret_lock)
{
    SCOPED_FREE char *path = NULL;
    CK_RV rv = check_state_dir(d->texts[WIRE_STATE_DIR]);
    int fd;

    if (rv != CKR_OK)
        return rv;
    if (asprintf(&path, "%s/%s", d->texts[WIRE_STATE_DIR], LOCK_NAME) < 0) {
        path = NULL;
        return fail_memory();
    }
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return fail_errno("open the login lock", path);
    rv = wait_for_lock(d, fd);
    if (rv == CKR_OK)
        *ret_lock = fd;
    else
        (void)close(fd);
    return rv;
}

/* ---- the login ---- */

static CK_RV refuse_pin(struct device *d, CK_RV rv)
{
    (void)device_fail("C_Login", rv);
    atomic_store(&d->pin_refused, true);
    return fail(CKR_PIN_INCORRECT, "%s: it is not tried again; correct the PIN in %s, then restart",
                fail_reason(), d->texts[WIRE_PIN_SOURCE]);
}

/* One try left, or none: somebody should look before the HSM erases itself. */
static CK_RV check_tries(struct device *d)
{
    if ((d->token.flags & CKF_USER_PIN_LOCKED) != 0)
        return refuse_pin(d, CKR_PIN_LOCKED);
    if ((d->token.flags & CKF_USER_PIN_FINAL_TRY) != 0) {
        atomic_store(&d->pin_refused, true);
        return fail(CKR_PIN_INCORRECT, "the HSM has one PIN attempt left and we do not spend it: "
                                       "log in once with the maker's tool");
    }
    return CKR_OK;
}

CK_RV login_now(struct device *d, CK_SESSION_HANDLE session)
{
    SCOPED_SECRET pin = NULL;
    CK_RV rv;

    if ((d->token.flags & CKF_LOGIN_REQUIRED) == 0)
        return CKR_OK;
    if (atomic_load(&d->pin_refused))
        return fail(CKR_PIN_INCORRECT, "the HSM refused our PIN before: it is not tried again; "
                                       "correct the PIN, then restart");
    rv = check_tries(d);
    if (rv == CKR_OK)
        rv = pin_read(d->texts[WIRE_PIN_SOURCE], &pin);
    if (rv != CKR_OK)
        return rv;
    rv = d->p11->C_Login(session, CKU_USER, pin->data, pin->len);
    if (rv == CKR_USER_ALREADY_LOGGED_IN)
        rv = CKR_OK;
    if (hsm_class_of(rv) == HSM_CLASS_PIN)
        return refuse_pin(d, rv);
    if (rv != CKR_OK)
        return device_fail("C_Login", rv);
    return softhsm_keep(d);
}

static bool logged_in(struct device *d)
{
    CK_SESSION_INFO info;

    return d->p11->C_GetSessionInfo(d->keeper, &info) == CKR_OK &&
           info.state == CKS_RW_USER_FUNCTIONS;
}

static CK_RV login_locked(struct device *d)
{
    CK_SESSION_INFO info;
    CK_RV rv = softhsm_mend(d);

    if (rv == CKR_OK && d->p11->C_GetSessionInfo(d->keeper, &info) != CKR_OK)
        rv = device_session(d, &d->keeper);
    if (rv == CKR_OK)
        rv = login_now(d, d->keeper);
    if (rv == CKR_OK) {
        atomic_fetch_add(&d->relogins, 1);
        /* A logout takes the handles of private objects away. */
        resident_forget_all(d);
    }
    return rv;
}

CK_RV login_again(struct device *d)
{
    CK_RV rv = CKR_OK;
    int lock;

    (void)pthread_mutex_lock(&d->mutex);
    if (!logged_in(d)) {
        rv = login_lock(d, &lock);
        if (rv == CKR_OK) {
            rv = login_locked(d);
            (void)close(lock);
        }
    }
    (void)pthread_mutex_unlock(&d->mutex);
    return rv;
}
