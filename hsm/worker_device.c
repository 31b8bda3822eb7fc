/* The HSM's library, its token and sessions, as the worker has them: see worker_int.h. */
#include "base/names.h"
#include "hsm/worker_int.h"

#include <p11-kit/p11-kit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_MAX 4096

CK_RV device_fail(const char *function, CK_RV rv)
{
    char name[NAME_BUF_MAX];

    return fail(rv, "the HSM answered %s to %s", name_of_rv(rv, name), function);
}

CK_RV device_init(struct device *d, const struct wire_request *config, struct local *local)
{
    d->local = local;
    if (pthread_mutex_init(&d->mutex, NULL) != 0 || pthread_mutex_init(&d->keys_mutex, NULL) != 0)
        return fail_memory();
    d->deadline_ms = config->deadline_ms;
    for (size_t i = 0; i < WIRE_TEXT_COUNT; i++) {
        if (config->texts[i].len == 0)
            continue;
        d->texts[i] = bytes_to_str(config->texts[i]);
        if (d->texts[i] == NULL)
            return fail_memory();
    }
    return CKR_OK;
}

void device_release(struct device *d)
{
    if (d->initialized)
        (void)d->p11->C_Finalize(NULL);
    else if (d->keeper != CK_INVALID_HANDLE)
        (void)d->p11->C_CloseSession(d->keeper);
    device_release_memory(d);
}

void device_release_memory(struct device *d)
{
    for (size_t i = 0; i < WIRE_TEXT_COUNT; i++)
        free(d->texts[i]);
    free(d->environment);
    free(d->softhsm_variable);
    (void)pthread_mutex_destroy(&d->mutex);
    (void)pthread_mutex_destroy(&d->keys_mutex);
}

CK_RV device_load(struct device *d)
{
    CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK};
    CK_FUNCTION_LIST *p11 = p11_kit_module_load(d->texts[WIRE_MODULE],
                                                P11_KIT_MODULE_UNMANAGED | P11_KIT_MODULE_CRITICAL);
    CK_RV rv;

    if (p11 == NULL)
        return fail(CKR_DEVICE_ERROR, "cannot load the HSM's library %s: %s", d->texts[WIRE_MODULE],
                    p11_kit_message());
    d->p11 = p11;
    rv = softhsm_initialize(d, &args);
    d->initialized = rv == CKR_OK;
    /* The host has it in use, too: then it is not ours to finalize. */
    if (rv == CKR_CRYPTOKI_ALREADY_INITIALIZED)
        rv = CKR_OK;
    return rv == CKR_OK ? rv : device_fail("C_Initialize", rv);
}

/* PKCS#11's texts are padded with blanks and have no NUL. */
static void copy_padded(char *ret, size_t size, const CK_UTF8CHAR *from, size_t len)
{
    while (len > 0 && (from[len - 1] == ' ' || from[len - 1] == '\0'))
        len--;
    if (len >= size)
        len = size - 1;
    memcpy(ret, from, len);
    ret[len] = '\0';
}

static bool is_ours(struct device *d, CK_SLOT_ID slot)
{
    CK_TOKEN_INFO info;
    char label[33];

    if (d->p11->C_GetTokenInfo(slot, &info) != CKR_OK || (info.flags & CKF_TOKEN_INITIALIZED) == 0)
        return false;
    copy_padded(label, sizeof(label), info.label, sizeof(info.label));
    if (strcmp(label, d->texts[WIRE_TOKEN]) != 0)
        return false;
    d->slot = slot;
    d->token = info;
    return true;
}

CK_RV device_find_token(struct device *d)
{
    SCOPED_FREE CK_SLOT_ID *slots = calloc(SLOTS_MAX, sizeof(*slots));
    CK_ULONG count = SLOTS_MAX;
    unsigned found = 0;
    CK_RV rv;

    if (slots == NULL)
        return fail_memory();
    rv = d->p11->C_GetSlotList(CK_TRUE, slots, &count);
    if (rv != CKR_OK)
        return device_fail("C_GetSlotList", rv);
    for (CK_ULONG i = 0; i < count; i++)
        found += is_ours(d, slots[i]);
    if (found == 0)
        return fail(CKR_DEVICE_ERROR,
                    "the HSM has no token with the label \"%s\": check the label, or whether the "
                    "device is connected",
                    d->texts[WIRE_TOKEN]);
    if (found > 1)
        return fail(CKR_DEVICE_ERROR,
                    "the HSM has %u tokens with the label \"%s\": give ours a label of its own",
                    found, d->texts[WIRE_TOKEN]);
    return CKR_OK;
}

CK_RV device_session(struct device *d, CK_SESSION_HANDLE *ret)
{
    CK_RV rv = d->p11->C_OpenSession(d->slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, ret);

    return rv == CKR_OK ? rv : device_fail("C_OpenSession", rv);
}

static CK_RV open_locked(struct device *d)
{
    CK_RV rv = softhsm_mend(d);

    if (rv == CKR_OK)
        rv = device_load(d);
    if (rv == CKR_OK)
        rv = device_find_token(d);
    if (rv == CKR_OK)
        rv = device_session(d, &d->keeper);
    if (rv == CKR_OK)
        rv = login_now(d, d->keeper);
    return rv;
}

static void describe(struct device *d, struct wire_about *ret)
{
    CK_INFO info;
    char maker[33];

    copy_padded(ret->token, sizeof(ret->token), d->token.label, sizeof(d->token.label));
    copy_padded(ret->serial, sizeof(ret->serial), d->token.serialNumber,
                sizeof(d->token.serialNumber));
    if (d->p11->C_GetInfo(&info) != CKR_OK)
        return;
    copy_padded(maker, sizeof(maker), info.manufacturerID, sizeof(info.manufacturerID));
    (void)snprintf(ret->library, sizeof(ret->library), "%s %u.%u", maker, info.libraryVersion.major,
                   info.libraryVersion.minor);
}

static CK_RV list_mechanisms(struct device *d, struct wire_about *ret)
{
    CK_MECHANISM_TYPE types[WIRE_MECHANISMS_MAX];
    CK_ULONG count = WIRE_MECHANISMS_MAX;
    CK_RV rv = d->p11->C_GetMechanismList(d->slot, types, &count);

    if (rv != CKR_OK)
        return device_fail("C_GetMechanismList", rv);
    for (CK_ULONG i = 0; i < count; i++) {
        CK_MECHANISM_INFO info;

        if (d->p11->C_GetMechanismInfo(d->slot, types[i], &info) != CKR_OK)
            continue;
        ret->offers[ret->count].type = types[i];
        ret->offers[ret->count].flags = info.flags;
        ret->count++;
    }
    return CKR_OK;
}

CK_RV device_open(struct device *d, struct wire_about *ret)
{
    int lock;
    CK_RV rv = login_lock(d, &lock);

    if (rv != CKR_OK)
        return rv;
    rv = open_locked(d);
    (void)close(lock);
    if (rv == CKR_OK)
        rv = list_mechanisms(d, ret);
    if (rv == CKR_OK)
        describe(d, ret);
    return rv;
}

/*
 * The token is asked too, but not SoftHSM's: its C_GetTokenInfo reads the very file that another
 * process of this home may be rewriting in C_Login.
 */
CK_RV device_probe(struct device *d, CK_SESSION_HANDLE session)
{
    CK_SESSION_INFO info;
    CK_TOKEN_INFO token;
    CK_RV rv = d->p11->C_GetSessionInfo(session, &info);

    if (rv != CKR_OK || d->texts[WIRE_SOFTHSM_TOKENS] != NULL)
        return rv;
    return d->p11->C_GetTokenInfo(d->slot, &token);
}

CK_RV device_random(struct device *d, CK_SESSION_HANDLE session, size_t len, struct buf *out)
{
    uint8_t *at;
    CK_RV rv;

    if (len == 0)
        return CKR_OK;
    at = buf_grow(out, len);
    if (at == NULL)
        return fail_memory();
    rv = d->p11->C_GenerateRandom(session, at, len);
    return rv == CKR_OK ? rv : device_fail("C_GenerateRandom", rv);
}

/* FIPS 180-4's one-block example. */
static CK_RV test_digest(struct device *d, CK_SESSION_HANDLE session)
{
    static const uint8_t want[32] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea,
                                     0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
                                     0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c,
                                     0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
    CK_MECHANISM sha256 = {CKM_SHA256, NULL, 0};
    CK_BYTE abc[] = {'a', 'b', 'c'};
    CK_BYTE got[32];
    CK_ULONG len = sizeof(got);
    CK_RV rv = d->p11->C_DigestInit(session, &sha256);

    if (rv == CKR_OK)
        rv = d->p11->C_Digest(session, abc, sizeof(abc), got, &len);
    if (rv != CKR_OK)
        return device_fail("C_Digest in its self-test", rv);
    if (len != sizeof(want) || memcmp(got, want, sizeof(want)) != 0)
        return fail(CKR_DEVICE_ERROR, "the HSM computed a wrong SHA-256 in its self-test: do not "
                                      "use it, ask its maker");
    return CKR_OK;
}

CK_RV device_self_test(struct device *d, CK_SESSION_HANDLE session)
{
    static const uint8_t zeros[32] = {0};
    struct buf drawn = BUF_INIT(64);
    CK_RV rv = device_probe(d, session);

    if (rv != CKR_OK)
        return device_fail("C_GetSessionInfo in its self-test", rv);
    rv = device_random(d, session, 64, &drawn);
    if (rv == CKR_OK &&
        (memcmp(drawn.data, drawn.data + 32, 32) == 0 || memcmp(drawn.data, zeros, 32) == 0))
        rv = fail(CKR_DEVICE_ERROR, "the HSM's random source repeats itself: do not use it, ask "
                                    "its maker");
    buf_release_secure(&drawn);
    return rv == CKR_OK ? test_digest(d, session) : rv;
}
