/* Making a SoftHSM token of our own: its configuration, its folder, the token, the two PINs. Never
 * over one that is there. */
#include "hsm/worker_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SLOTS_MAX 64

static CK_RV make_folder(const char *path)
{
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return fail_errno("make the folder", path);
    return CKR_OK;
}

/* An existing file is kept: it may hold what an administrator wrote. */
static CK_RV write_conf(const char *path, const char *tokens)
{
    SCOPED_FD int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int n;

    if (fd < 0)
        return errno == EEXIST ? CKR_OK : fail_errno("make", path);
    n = dprintf(fd,
                "directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n"
                "slots.removable = false\n",
                tokens);
    if (n < 0 || fsync(fd) != 0) {
        CK_RV rv = fail_errno("write", path);

        (void)unlink(path);
        return rv;
    }
    return CKR_OK;
}

static CK_RV find_blank(struct device *d, CK_SLOT_ID *ret)
{
    CK_SLOT_ID slots[SLOTS_MAX];
    CK_ULONG count = SLOTS_MAX;
    CK_RV rv = d->p11->C_GetSlotList(CK_TRUE, slots, &count);

    if (rv != CKR_OK)
        return device_fail("C_GetSlotList", rv);
    for (CK_ULONG i = 0; i < count; i++) {
        CK_TOKEN_INFO info;

        if (d->p11->C_GetTokenInfo(slots[i], &info) == CKR_OK &&
            (info.flags & CKF_TOKEN_INITIALIZED) == 0) {
            *ret = slots[i];
            return CKR_OK;
        }
    }
    return fail(CKR_DEVICE_ERROR, "SoftHSM shows no blank slot in %s",
                d->texts[WIRE_SOFTHSM_TOKENS]);
}

static CK_RV init_token(struct device *d, CK_SLOT_ID slot, const struct secret *so_pin)
{
    CK_UTF8CHAR label[32];
    size_t len = strlen(d->texts[WIRE_TOKEN]);
    CK_RV rv;

    if (len > sizeof(label))
        return fail(CKR_ARGUMENTS_BAD, "the token's label is longer than %zu bytes", sizeof(label));
    memset(label, ' ', sizeof(label));
    memcpy(label, d->texts[WIRE_TOKEN], len);
    rv = d->p11->C_InitToken(slot, so_pin->data, so_pin->len, label);
    return rv == CKR_OK ? rv : device_fail("C_InitToken", rv);
}

static CK_RV init_pin(struct device *d, const struct secret *so_pin, const struct secret *pin)
{
    CK_RV rv = device_session(d, &d->keeper);

    if (rv != CKR_OK)
        return rv;
    rv = d->p11->C_Login(d->keeper, CKU_SO, so_pin->data, so_pin->len);
    if (rv != CKR_OK)
        return device_fail("C_Login as security officer", rv);
    rv = d->p11->C_InitPIN(d->keeper, pin->data, pin->len);
    if (rv != CKR_OK)
        return device_fail("C_InitPIN", rv);
    rv = d->p11->C_Logout(d->keeper);
    return rv == CKR_OK ? rv : device_fail("C_Logout", rv);
}

/* The label must be free: a second token of that name would make the first one unreachable. */
static CK_RV check_free(struct device *d)
{
    if (device_find_token(d) == CKR_OK)
        return fail(CKR_ARGUMENTS_BAD,
                    "there is a SoftHSM token \"%s\" already: choose another label",
                    d->texts[WIRE_TOKEN]);
    return CKR_OK;
}

static CK_RV create_locked(struct device *d)
{
    SCOPED_SECRET so_pin = NULL;
    SCOPED_SECRET pin = NULL;
    CK_SLOT_ID slot = 0;
    CK_RV rv = pin_read(d->texts[WIRE_SO_PIN_FILE], &so_pin);

    if (rv == CKR_OK)
        rv = pin_read(d->texts[WIRE_PIN_SOURCE], &pin);
    if (rv == CKR_OK)
        rv = softhsm_mend(d);
    if (rv == CKR_OK)
        rv = device_load(d);
    if (rv == CKR_OK)
        rv = check_free(d);
    if (rv == CKR_OK)
        rv = find_blank(d, &slot);
    if (rv == CKR_OK)
        rv = init_token(d, slot, so_pin);
    if (rv == CKR_OK)
        rv = device_find_token(d);
    if (rv == CKR_OK)
        rv = init_pin(d, so_pin, pin);
    if (rv == CKR_OK)
        rv = login_now(d, d->keeper);
    return rv;
}

CK_RV softhsm_create(struct device *d)
{
    CK_RV rv;
    int lock;

    if (d->texts[WIRE_SOFTHSM_CONF] == NULL || d->texts[WIRE_SOFTHSM_TOKENS] == NULL)
        return fail_argument("softhsm_conf, softhsm_tokens");
    rv = make_folder(d->texts[WIRE_SOFTHSM_TOKENS]);
    if (rv == CKR_OK)
        rv = write_conf(d->texts[WIRE_SOFTHSM_CONF], d->texts[WIRE_SOFTHSM_TOKENS]);
    if (rv == CKR_OK)
        rv = login_lock(d, &lock);
    if (rv != CKR_OK)
        return rv;
    rv = create_locked(d);
    (void)close(lock);
    return rv;
}
