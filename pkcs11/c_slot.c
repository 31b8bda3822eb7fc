/* PKCS#11 2.40, 5.5: slots and tokens. A vault is a slot with its token in it; its slot id is for
 * life. */
#include "base/mech.h"
#include "pkcs11/call.h"
#include "pkcs11/legacy.h"
#include "pkcs11/message.h"

#include <stdio.h>
#include <string.h>

/* The length-then-content protocol of lists (5.2): count in and out, CKR_BUFFER_TOO_SMALL with the
 * right count. */
static CK_RV give_list(CK_ULONG_PTR dest, CK_ULONG_PTR count, const CK_ULONG *list, CK_ULONG n)
{
    bool fits = *count >= n;

    *count = n;
    if (dest == NULL)
        return CKR_OK;
    if (!fits)
        return fail(CKR_BUFFER_TOO_SMALL, "the list has %lu entries", n);
    if (n > 0)
        memcpy(dest, list, n * sizeof(*list));
    return CKR_OK;
}

static CK_RV get_slot_list(struct run *run, CK_SLOT_ID_PTR list, CK_ULONG_PTR count)
{
    SCOPED_FREE struct vault_info *vaults = NULL;
    SCOPED_FREE CK_SLOT_ID *slots = NULL;
    size_t n = 0;
    CK_RV rv = CKR_OK;

    if (count == NULL)
        return fail_argument("pulCount");
    if (run->app->engine != NULL)
        rv = engine_wake(run->app->engine);
    if (rv == CKR_OK && run->app->engine != NULL)
        rv = vault_list(run_store(run), &vaults, &n);
    if (rv != CKR_OK)
        return rv;
    slots = calloc(n + 1, sizeof(*slots));
    if (slots == NULL)
        return fail_memory();
    for (size_t i = 0; i < n; i++)
        slots[i] = vaults[i].slot;
    return give_list(list, count, slots, n);
}

CK_RV C_GetSlotList(CK_BBOOL token_present, CK_SLOT_ID_PTR list, CK_ULONG_PTR count)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_GET_SLOT_LIST, 0);

    (void)token_present; /* every slot has its token */
    if (rv == CKR_OK)
        rv = get_slot_list(&run, list, count);
    return call_leave(&run, rv);
}

static CK_RV get_slot_info(struct run *run, CK_SLOT_INFO_PTR info)
{
    char text[65];

    if (info == NULL)
        return fail_argument("pInfo");
    *info = (CK_SLOT_INFO){
        .flags = CKF_TOKEN_PRESENT, .hardwareVersion = {0, 1}, .firmwareVersion = {0, 1}};
    (void)snprintf(text, sizeof(text), "keyward vault %s", run->vault.name);
    run_pad(info->slotDescription, sizeof(info->slotDescription), text);
    run_pad(info->manufacturerID, sizeof(info->manufacturerID), "keyward");
    return CKR_OK;
}

CK_RV C_GetSlotInfo(CK_SLOT_ID slot, CK_SLOT_INFO_PTR info)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_GET_SLOT_INFO, slot);

    if (rv == CKR_OK)
        rv = get_slot_info(&run, info);
    return call_leave(&run, rv);
}

/* ---- token info ---- */

/* The flags that tell how many tries are left (2.40, table 6), true to the count. */
struct pin_flags {
    CK_FLAGS low, final_try, locked;
};

static const struct pin_flags user_flags = {CKF_USER_PIN_COUNT_LOW, CKF_USER_PIN_FINAL_TRY,
                                            CKF_USER_PIN_LOCKED};
static const struct pin_flags so_flags = {CKF_SO_PIN_COUNT_LOW, CKF_SO_PIN_FINAL_TRY,
                                          CKF_SO_PIN_LOCKED};

static CK_FLAGS pin_state(const struct user_info *user, const struct pin_flags *flags)
{
    if (user->locked)
        return flags->locked;
    if (user->failures + 1 == PIN_TRIES)
        return flags->low | flags->final_try;
    return user->failures > 0 ? flags->low : 0;
}

/* Is the Unix caller one of the vault's users, or does the policy know it, without a login? Then no
 * PIN is needed (DESIGN 3). */
static bool connection_is_login(struct run *run)
{
    static const enum action uses[] = {ACTION_SIGN, ACTION_DECRYPT, ACTION_ENCRYPT, ACTION_VERIFY};
    bool known = gate_is_bound(run);

    for (size_t i = 0; i < sizeof(uses) / sizeof(*uses) && !known; i++)
        known = gate_knows_caller(run, uses[i]);
    return known;
}

static CK_RV token_flags(struct run *run, CK_FLAGS *ret)
{
    CK_FLAGS flags =
        CKF_RNG | CKF_TOKEN_INITIALIZED | CKF_DUAL_CRYPTO_OPERATIONS | CKF_RESTORE_KEY_NOT_NEEDED;
    struct user_info user;
    CK_RV rv;

    if (run->vault.default_user[0] != '\0') {
        rv = user_get(run_store(run), &run->vault, run->vault.default_user, &user);
        if (rv == CKR_OK)
            flags |= CKF_USER_PIN_INITIALIZED | pin_state(&user, &user_flags);
        else if (rv != CKR_USER_PIN_NOT_INITIALIZED)
            return rv;
    }
    rv = user_get(run_store(run), &run->vault, "so", &user);
    if (rv == CKR_OK)
        flags |= pin_state(&user, &so_flags);
    else if (rv != CKR_USER_PIN_NOT_INITIALIZED)
        return rv;
    if (!connection_is_login(run))
        flags |= CKF_LOGIN_REQUIRED;
    *ret = flags;
    return CKR_OK;
}

/* The clock is the host's, but a token that says CKF_CLOCK_ON_TOKEN would have to give it: we do
 * not, and the field is blank. */
static CK_RV get_token_info(struct run *run, CK_TOKEN_INFO_PTR info)
{
    char serial[17];
    CK_FLAGS flags = 0;
    CK_RV rv;

    if (info == NULL)
        return fail_argument("pInfo");
    rv = token_flags(run, &flags);
    if (rv != CKR_OK)
        return rv;
    *info = (CK_TOKEN_INFO){
        .flags = flags,
        .ulMaxSessionCount = APP_SESSIONS_MAX,
        .ulSessionCount = app_session_count(run->app, run->vault.slot, false),
        .ulMaxRwSessionCount = APP_SESSIONS_MAX,
        .ulRwSessionCount = app_session_count(run->app, run->vault.slot, true),
        .ulMaxPinLen = PIN_MAX,
        .ulMinPinLen = PIN_MIN,
        .ulTotalPublicMemory = CK_UNAVAILABLE_INFORMATION,
        .ulFreePublicMemory = CK_UNAVAILABLE_INFORMATION,
        .ulTotalPrivateMemory = CK_UNAVAILABLE_INFORMATION,
        .ulFreePrivateMemory = CK_UNAVAILABLE_INFORMATION,
        .hardwareVersion = {0, 1},
        .firmwareVersion = {0, 1},
    };
    bytes_to_hex(BYTES(run->vault.id, 8), serial);
    run_pad(info->label, sizeof(info->label), run->vault.name);
    run_pad(info->manufacturerID, sizeof(info->manufacturerID), "keyward");
    run_pad(info->model, sizeof(info->model), "embedded");
    run_pad(info->serialNumber, sizeof(info->serialNumber), serial);
    run_pad(info->utcTime, sizeof(info->utcTime), "");
    return CKR_OK;
}

CK_RV C_GetTokenInfo(CK_SLOT_ID slot, CK_TOKEN_INFO_PTR info)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_GET_TOKEN_INFO, slot);

    if (rv == CKR_OK)
        rv = get_token_info(&run, info);
    return call_leave(&run, rv);
}

/* ---- mechanisms ---- */

/* A key may be on either device, and on which is chosen for each key. */
static bool any_device_offers(const struct run *run, CK_MECHANISM_TYPE type, CK_FLAGS use)
{
    return hsm_offers(run_hsm(run), type, use) ||
           hsm_offers(engine_software(run->app->engine), type, use);
}

/* Of the uses that go together, those that public keys have are done here or not at all. */
static CK_FLAGS without_missing_halves(const struct mech *mech, CK_FLAGS uses)
{
    static const CK_FLAGS halves[] = {CKF_VERIFY, CKF_VERIFY_RECOVER, CKF_ENCRYPT, CKF_WRAP,
                                      CKF_ENCAPSULATE};

    for (size_t i = 0; i < sizeof(halves) / sizeof(*halves); i++)
        if (!mech_key_is_secret(mech->key) && !local_offers(mech->type, halves[i]))
            uses &= ~halves[i];
    return uses;
}

/*
 * What of a row's uses is offered: digests and public halves are done locally, everything else only
 * where a device can. A use of public keys is offered with that of the private ones.
 */
static CK_FLAGS offered(struct run *run, const struct mech *mech)
{
    static const struct {
        CK_FLAGS asked, given;
    } uses[] = {
        {.asked = CKF_SIGN, .given = CKF_SIGN | CKF_VERIFY | CKF_SIGN_RECOVER | CKF_VERIFY_RECOVER},
        {.asked = CKF_DECRYPT, .given = CKF_ENCRYPT | CKF_DECRYPT},
        {.asked = CKF_GENERATE, .given = CKF_GENERATE},
        {.asked = CKF_GENERATE_KEY_PAIR, .given = CKF_GENERATE_KEY_PAIR},
        {.asked = CKF_UNWRAP, .given = CKF_WRAP | CKF_UNWRAP},
        {.asked = CKF_DERIVE, .given = CKF_DERIVE},
        {.asked = CKF_DECAPSULATE, .given = CKF_ENCAPSULATE | CKF_DECAPSULATE},
    };
    CK_FLAGS all = 0;

    if (!legacy_allows(run, mech))
        return 0;
    if ((mech->flags & CKF_DIGEST) != 0)
        return local_offers(mech->type, CKF_DIGEST) ? CKF_DIGEST : 0;
    if (local_offers(mech->type, CKF_GENERATE))
        return CKF_GENERATE;
    for (size_t i = 0; i < sizeof(uses) / sizeof(*uses); i++)
        if ((mech->flags & uses[i].asked) != 0 && any_device_offers(run, mech->type, uses[i].asked))
            all |= mech->flags & uses[i].given;
    return without_missing_halves(mech, all);
}

static CK_RV get_mechanism_list(struct run *run, CK_MECHANISM_TYPE_PTR list, CK_ULONG_PTR count)
{
    SCOPED_FREE CK_MECHANISM_TYPE *types = calloc(mech_count(), sizeof(*types));
    CK_ULONG n = 0;

    if (count == NULL)
        return fail_argument("pulCount");
    if (types == NULL)
        return fail_memory();
    for (size_t i = 0; i < mech_count(); i++)
        if (offered(run, mech_at(i)) != 0)
            types[n++] = mech_at(i)->type;
    return give_list(list, count, types, n);
}

CK_RV C_GetMechanismList(CK_SLOT_ID slot, CK_MECHANISM_TYPE_PTR list, CK_ULONG_PTR count)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_GET_MECHANISM_LIST, slot);

    if (rv == CKR_OK)
        rv = get_mechanism_list(&run, list, count);
    return call_leave(&run, rv);
}

static CK_RV get_mechanism_info(struct run *run, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO_PTR info)
{
    const CK_FLAGS curve = CKF_EC_F_P | CKF_EC_NAMEDCURVE | CKF_EC_OID | CKF_EC_UNCOMPRESS;
    const struct mech *mech = mech_find(type);
    CK_FLAGS uses;

    if (info == NULL)
        return fail_argument("pInfo");
    uses = mech != NULL ? offered(run, mech) : 0;
    if (uses == 0)
        return fail(CKR_MECHANISM_INVALID, "mechanism 0x%lx is not offered", type);
    *info = (CK_MECHANISM_INFO){.ulMinKeySize = legacy_min(run, mech),
                                .ulMaxKeySize = mech->max,
                                .flags = uses | message_flags(type, uses) | (mech->flags & curve)};
    return CKR_OK;
}

CK_RV C_GetMechanismInfo(CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO_PTR info)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_GET_MECHANISM_INFO, slot);

    if (rv == CKR_OK)
        rv = get_mechanism_info(&run, type, info);
    return call_leave(&run, rv);
}

/* ---- C_WaitForSlotEvent: vaults do not come and go as cards do ---- */

CK_RV C_WaitForSlotEvent(CK_FLAGS flags, CK_SLOT_ID_PTR slot, CK_VOID_PTR reserved)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_WAIT_FOR_SLOT_EVENT, 0);

    if (rv == CKR_OK && (slot == NULL || reserved != NULL))
        rv = fail_argument(slot == NULL ? "pSlot" : "pReserved");
    if (rv == CKR_OK)
        rv = (flags & CKF_DONT_BLOCK) != 0
                 ? fail(CKR_NO_EVENT, "no slot event is pending")
                 : fail(CKR_FUNCTION_NOT_SUPPORTED,
                        "slots have no events to wait for: poll with CKF_DONT_BLOCK");
    return call_leave(&run, rv);
}
