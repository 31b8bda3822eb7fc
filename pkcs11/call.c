/* The call table, and entering and leaving by it: see call.h. */
#include "pkcs11/call.h"

#include "base/names.h"
#include "base/secret.h"
#include "pkcs11/module.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct call calls[CALL_COUNT] = {
    [CALL_GET_INFO] = {"C_GetInfo", CALL_NEEDS_APP},
    [CALL_GET_SLOT_LIST] = {"C_GetSlotList", CALL_NEEDS_APP},
    [CALL_GET_SLOT_INFO] = {"C_GetSlotInfo", CALL_NEEDS_SLOT},
    [CALL_GET_TOKEN_INFO] = {"C_GetTokenInfo", CALL_NEEDS_SLOT},
    [CALL_GET_MECHANISM_LIST] = {"C_GetMechanismList", CALL_NEEDS_SLOT},
    [CALL_GET_MECHANISM_INFO] = {"C_GetMechanismInfo", CALL_NEEDS_SLOT},
    [CALL_INIT_TOKEN] = {"C_InitToken", CALL_NEEDS_SLOT},
    [CALL_INIT_PIN] = {"C_InitPIN", CALL_NEEDS_SESSION},
    [CALL_SET_PIN] = {"C_SetPIN", CALL_NEEDS_SESSION},
    [CALL_OPEN_SESSION] = {"C_OpenSession", CALL_NEEDS_SLOT},
    [CALL_CLOSE_SESSION] = {"C_CloseSession", CALL_NEEDS_APP},
    [CALL_CLOSE_ALL_SESSIONS] = {"C_CloseAllSessions", CALL_NEEDS_SLOT},
    [CALL_GET_SESSION_INFO] = {"C_GetSessionInfo", CALL_NEEDS_SESSION},
    [CALL_GET_OPERATION_STATE] = {"C_GetOperationState", CALL_NEEDS_SESSION},
    [CALL_SET_OPERATION_STATE] = {"C_SetOperationState", CALL_NEEDS_SESSION},
    [CALL_LOGIN] = {"C_Login", CALL_NEEDS_SESSION},
    [CALL_LOGOUT] = {"C_Logout", CALL_NEEDS_SESSION},
    [CALL_CREATE_OBJECT] = {"C_CreateObject", CALL_NEEDS_SESSION},
    [CALL_COPY_OBJECT] = {"C_CopyObject", CALL_NEEDS_SESSION},
    [CALL_DESTROY_OBJECT] = {"C_DestroyObject", CALL_NEEDS_SESSION},
    [CALL_GET_OBJECT_SIZE] = {"C_GetObjectSize", CALL_NEEDS_SESSION},
    [CALL_GET_ATTRIBUTE_VALUE] = {"C_GetAttributeValue", CALL_NEEDS_SESSION},
    [CALL_SET_ATTRIBUTE_VALUE] = {"C_SetAttributeValue", CALL_NEEDS_SESSION},
    [CALL_FIND_OBJECTS_INIT] = {"C_FindObjectsInit", CALL_NEEDS_SESSION},
    [CALL_FIND_OBJECTS] = {"C_FindObjects", CALL_NEEDS_SESSION},
    [CALL_FIND_OBJECTS_FINAL] = {"C_FindObjectsFinal", CALL_NEEDS_SESSION},
    [CALL_ENCRYPT_INIT] = {"C_EncryptInit", CALL_NEEDS_SESSION},
    [CALL_ENCRYPT] = {"C_Encrypt", CALL_NEEDS_SESSION},
    [CALL_ENCRYPT_UPDATE] = {"C_EncryptUpdate", CALL_NEEDS_SESSION},
    [CALL_ENCRYPT_FINAL] = {"C_EncryptFinal", CALL_NEEDS_SESSION},
    [CALL_DECRYPT_INIT] = {"C_DecryptInit", CALL_NEEDS_SESSION},
    [CALL_DECRYPT] = {"C_Decrypt", CALL_NEEDS_SESSION},
    [CALL_DECRYPT_UPDATE] = {"C_DecryptUpdate", CALL_NEEDS_SESSION},
    [CALL_DECRYPT_FINAL] = {"C_DecryptFinal", CALL_NEEDS_SESSION},
    [CALL_DIGEST_INIT] = {"C_DigestInit", CALL_NEEDS_SESSION},
    [CALL_DIGEST] = {"C_Digest", CALL_NEEDS_SESSION},
    [CALL_DIGEST_UPDATE] = {"C_DigestUpdate", CALL_NEEDS_SESSION},
    [CALL_DIGEST_KEY] = {"C_DigestKey", CALL_NEEDS_SESSION},
    [CALL_DIGEST_FINAL] = {"C_DigestFinal", CALL_NEEDS_SESSION},
    [CALL_SIGN_INIT] = {"C_SignInit", CALL_NEEDS_SESSION},
    [CALL_SIGN] = {"C_Sign", CALL_NEEDS_SESSION},
    [CALL_SIGN_UPDATE] = {"C_SignUpdate", CALL_NEEDS_SESSION},
    [CALL_SIGN_FINAL] = {"C_SignFinal", CALL_NEEDS_SESSION},
    [CALL_VERIFY_INIT] = {"C_VerifyInit", CALL_NEEDS_SESSION},
    [CALL_VERIFY] = {"C_Verify", CALL_NEEDS_SESSION},
    [CALL_VERIFY_UPDATE] = {"C_VerifyUpdate", CALL_NEEDS_SESSION},
    [CALL_VERIFY_FINAL] = {"C_VerifyFinal", CALL_NEEDS_SESSION},
    [CALL_SIGN_RECOVER_INIT] = {"C_SignRecoverInit", CALL_NEEDS_SESSION},
    [CALL_SIGN_RECOVER] = {"C_SignRecover", CALL_NEEDS_SESSION},
    [CALL_VERIFY_RECOVER_INIT] = {"C_VerifyRecoverInit", CALL_NEEDS_SESSION},
    [CALL_VERIFY_RECOVER] = {"C_VerifyRecover", CALL_NEEDS_SESSION},
    [CALL_DIGEST_ENCRYPT_UPDATE] = {"C_DigestEncryptUpdate", CALL_NEEDS_SESSION},
    [CALL_DECRYPT_DIGEST_UPDATE] = {"C_DecryptDigestUpdate", CALL_NEEDS_SESSION},
    [CALL_SIGN_ENCRYPT_UPDATE] = {"C_SignEncryptUpdate", CALL_NEEDS_SESSION},
    [CALL_DECRYPT_VERIFY_UPDATE] = {"C_DecryptVerifyUpdate", CALL_NEEDS_SESSION},
    [CALL_GENERATE_KEY] = {"C_GenerateKey", CALL_NEEDS_SESSION},
    [CALL_GENERATE_KEY_PAIR] = {"C_GenerateKeyPair", CALL_NEEDS_SESSION},
    [CALL_SEED_RANDOM] = {"C_SeedRandom", CALL_NEEDS_SESSION},
    [CALL_GENERATE_RANDOM] = {"C_GenerateRandom", CALL_NEEDS_SESSION},
    [CALL_GET_FUNCTION_STATUS] = {"C_GetFunctionStatus", CALL_NEEDS_SESSION},
    [CALL_CANCEL_FUNCTION] = {"C_CancelFunction", CALL_NEEDS_SESSION},
    [CALL_WAIT_FOR_SLOT_EVENT] = {"C_WaitForSlotEvent", CALL_NEEDS_APP},
    [CALL_LOGIN_USER] = {"C_LoginUser", CALL_NEEDS_SESSION},
    [CALL_SESSION_CANCEL] = {"C_SessionCancel", CALL_NEEDS_SESSION},
    [CALL_MESSAGE_ENCRYPT_INIT] = {"C_MessageEncryptInit", CALL_NEEDS_SESSION},
    [CALL_ENCRYPT_MESSAGE] = {"C_EncryptMessage", CALL_NEEDS_SESSION},
    [CALL_ENCRYPT_MESSAGE_BEGIN] = {"C_EncryptMessageBegin", CALL_NEEDS_SESSION},
    [CALL_ENCRYPT_MESSAGE_NEXT] = {"C_EncryptMessageNext", CALL_NEEDS_SESSION},
    [CALL_MESSAGE_ENCRYPT_FINAL] = {"C_MessageEncryptFinal", CALL_NEEDS_SESSION},
    [CALL_MESSAGE_DECRYPT_INIT] = {"C_MessageDecryptInit", CALL_NEEDS_SESSION},
    [CALL_DECRYPT_MESSAGE] = {"C_DecryptMessage", CALL_NEEDS_SESSION},
    [CALL_DECRYPT_MESSAGE_BEGIN] = {"C_DecryptMessageBegin", CALL_NEEDS_SESSION},
    [CALL_DECRYPT_MESSAGE_NEXT] = {"C_DecryptMessageNext", CALL_NEEDS_SESSION},
    [CALL_MESSAGE_DECRYPT_FINAL] = {"C_MessageDecryptFinal", CALL_NEEDS_SESSION},
    [CALL_MESSAGE_SIGN_INIT] = {"C_MessageSignInit", CALL_NEEDS_SESSION},
    [CALL_SIGN_MESSAGE] = {"C_SignMessage", CALL_NEEDS_SESSION},
    [CALL_SIGN_MESSAGE_BEGIN] = {"C_SignMessageBegin", CALL_NEEDS_SESSION},
    [CALL_SIGN_MESSAGE_NEXT] = {"C_SignMessageNext", CALL_NEEDS_SESSION},
    [CALL_MESSAGE_SIGN_FINAL] = {"C_MessageSignFinal", CALL_NEEDS_SESSION},
    [CALL_MESSAGE_VERIFY_INIT] = {"C_MessageVerifyInit", CALL_NEEDS_SESSION},
    [CALL_VERIFY_MESSAGE] = {"C_VerifyMessage", CALL_NEEDS_SESSION},
    [CALL_VERIFY_MESSAGE_BEGIN] = {"C_VerifyMessageBegin", CALL_NEEDS_SESSION},
    [CALL_VERIFY_MESSAGE_NEXT] = {"C_VerifyMessageNext", CALL_NEEDS_SESSION},
    [CALL_MESSAGE_VERIFY_FINAL] = {"C_MessageVerifyFinal", CALL_NEEDS_SESSION},
    [CALL_VERIFY_SIGNATURE_INIT] = {"C_VerifySignatureInit", CALL_NEEDS_SESSION},
    [CALL_VERIFY_SIGNATURE] = {"C_VerifySignature", CALL_NEEDS_SESSION},
    [CALL_VERIFY_SIGNATURE_UPDATE] = {"C_VerifySignatureUpdate", CALL_NEEDS_SESSION},
    [CALL_VERIFY_SIGNATURE_FINAL] = {"C_VerifySignatureFinal", CALL_NEEDS_SESSION},
    [CALL_WRAP_KEY] = {"C_WrapKey", CALL_NEEDS_SESSION},
    [CALL_UNWRAP_KEY] = {"C_UnwrapKey", CALL_NEEDS_SESSION},
    [CALL_DERIVE_KEY] = {"C_DeriveKey", CALL_NEEDS_SESSION},
    [CALL_WRAP_KEY_AUTHENTICATED] = {"C_WrapKeyAuthenticated", CALL_NEEDS_SESSION},
    [CALL_UNWRAP_KEY_AUTHENTICATED] = {"C_UnwrapKeyAuthenticated", CALL_NEEDS_SESSION},
    [CALL_ENCAPSULATE_KEY] = {"C_EncapsulateKey", CALL_NEEDS_SESSION},
    [CALL_DECAPSULATE_KEY] = {"C_DecapsulateKey", CALL_NEEDS_SESSION},
    [CALL_GET_SESSION_VALIDATION_FLAGS] = {"C_GetSessionValidationFlags", CALL_NEEDS_SESSION},
    [CALL_ADMIN] = {"keyward", CALL_NEEDS_HOME},
};

static CK_RV enter_slot(struct run *run, CK_SLOT_ID slot)
{
    uint64_t generation = 0;
    CK_RV rv = run_generation(run, &generation);

    if (rv == CKR_OK)
        rv = vault_of_slot(run_store(run), slot, generation, &run->vault);
    run->has_vault = rv == CKR_OK;
    return rv;
}

/* The session remembers it, so that threads do not meet at a shared lock for it. */
static CK_RV enter_vault(struct run *run, struct session *session)
{
    uint64_t generation = 0;
    CK_RV rv = run_generation(run, &generation);

    if (rv == CKR_OK && session->vault_generation == generation) {
        run->vault = session->vault;
        run->has_vault = true;
        return CKR_OK;
    }
    rv = rv == CKR_OK ? enter_slot(run, session->slot) : rv;
    if (rv == CKR_OK) {
        session->vault = run->vault;
        session->vault_generation = generation;
    }
    return rv;
}

static CK_RV enter_session(struct run *run, CK_SESSION_HANDLE handle)
{
    CK_RV rv = app_session_enter(run->app, handle, &run->session);

    if (rv != CKR_OK)
        return rv;
    rv = enter_vault(run, run->session);
    if (rv == CKR_SLOT_ID_INVALID)
        return fail(CKR_DEVICE_REMOVED, "the vault of this session is gone");
    return rv;
}

static CK_RV enter_row(struct run *run, CK_ULONG argument)
{
    CK_RV rv;

    if (run->call->needs == CALL_NEEDS_APP)
        return CKR_OK;
    if (run->app->engine == NULL) {
        static const struct {
            CK_RV rv;
            const char *what;
        } homeless[] = {
            [CALL_NEEDS_HOME] = {CKR_GENERAL_ERROR,
                                 "no vault home here that you may open: run keyward init, or set "
                                 "KEYWARD_HOME"},
            [CALL_NEEDS_SLOT] = {CKR_SLOT_ID_INVALID, "no vault home here, so there are no slots"},
            [CALL_NEEDS_SESSION] = {CKR_SESSION_HANDLE_INVALID,
                                    "no vault home here, so there are no sessions"},
        };

        return fail(homeless[run->call->needs].rv, "%s", homeless[run->call->needs].what);
    }
    rv = engine_wake(run->app->engine);
    if (rv != CKR_OK)
        return rv;
    if (run->call->needs == CALL_NEEDS_SLOT)
        return enter_slot(run, argument);
    if (run->call->needs == CALL_NEEDS_SESSION)
        return enter_session(run, argument);
    return CKR_OK;
}

const struct call *call_at(enum call_id id)
{
    return &calls[id];
}

CK_RV call_enter(struct run *run, enum call_id id, CK_ULONG session_or_slot)
{
    CK_RV rv;

    *run = (struct run){.call = &calls[id], .permission = *permission_of_call(id)};
    fail_clear();
    rv = module_acquire(&run->app);
    if (rv != CKR_OK)
        return rv;
    if (run->app->engine != NULL)
        run->started = clock_monotonic(engine_clock(run->app->engine));
    return enter_row(run, session_or_slot);
}

static void release_outputs(struct run *run, bool give)
{
    for (size_t i = 0; i < run->output_count; i++) {
        struct run_output *output = &run->outputs[i];

        if (give) {
            if (output->dest != NULL && output->bytes.len > 0)
                memcpy(output->dest, output->bytes.data, output->bytes.len);
            if (output->dest_len != NULL)
                *output->dest_len = output->bytes.len;
        }
        buf_release_secure(&output->bytes);
    }
    run->output_count = 0;
}

/* For whoever debugs an application: the reason on stderr, when KEYWARD_DEBUG=1 asks for it.
 * Reasons never hold a secret. */
static void tell(const struct run *run, CK_RV rv, const char *reason)
{
    const char *asked = secure_getenv("KEYWARD_DEBUG");
    char name[NAME_BUF_MAX];

    if (asked != NULL && strcmp(asked, "1") == 0)
        (void)dprintf(STDERR_FILENO, "keyward: %s: %s: %s\n",
                      run->verb != NULL ? run->verb : run->call->name, name_of_rv(rv, name),
                      reason);
}

/* What is done for all calls now and then at the end of one. Its failure is not that call's, whose
 * code and reason stay. */
static void housekeeping(struct run *run, struct trail *trail, CK_RV rv)
{
    bool warn = secret_take_warning();
    bool checkpoint = trail_checkpoint_due(trail);
    char kept[FAIL_REASON_MAX];

    if (!warn && !checkpoint)
        return;
    (void)snprintf(kept, sizeof(kept), "%s", fail_reason());
    if (warn) {
        tell(run, CKR_OK, SECRET_WARNING);
        fail_unheeded(gate_warn(run, SECRET_WARNING));
    }
    /* One call a second pays for the checkpoint: the records are safe, and status shows its
     * failure. */
    if (checkpoint)
        fail_unheeded(trail_checkpoint(trail));
    (void)fail(rv, "%s", kept);
}

CK_RV call_leave(struct run *run, CK_RV rv)
{
    struct trail *trail;

    if (run->app == NULL) {
        tell(run, rv, fail_reason());
        return rv;
    }
    rv = gate_finish(run, rv);
    release_outputs(run, rv == CKR_OK);
    if (run->session != NULL)
        app_session_leave(run->session);
    trail = run->app->engine != NULL ? engine_trail(run->app->engine) : NULL;
    if (rv != CKR_OK && rv != CKR_BUFFER_TOO_SMALL)
        tell(run, rv, fail_reason());
    if (trail != NULL)
        housekeeping(run, trail, rv);
    if (run->app->engine != NULL)
        local_thread_leaves(run_local(run));
    module_release();
    return rv;
}

void run_output(struct run *run, CK_BYTE_PTR dest, CK_ULONG_PTR dest_len, struct buf *bytes)
{
    run->outputs[run->output_count++] =
        (struct run_output){.dest = dest, .dest_len = dest_len, .bytes = *bytes};
    *bytes = (struct buf){.max = bytes->max};
}

CK_RV run_output_handle(struct run *run, CK_OBJECT_HANDLE_PTR dest, CK_OBJECT_HANDLE handle)
{
    struct buf bytes = BUF_INIT(sizeof(handle));

    buf_put(&bytes, &handle, sizeof(handle));
    if (!buf_ok(&bytes))
        return fail_memory();
    run_output(run, (CK_BYTE_PTR)dest, NULL, &bytes);
    return CKR_OK;
}

CK_RV run_generation(struct run *run, uint64_t *ret)
{
    CK_RV rv = CKR_OK;

    if (run->generation == 0 || run->gate.intended || run->verb != NULL)
        rv = store_generation(run_store(run), &run->generation);
    if (rv == CKR_OK)
        *ret = run->generation;
    return rv;
}

CK_RV run_ensure_read_write(const struct run *run)
{
    if ((run->session->flags & CKF_RW_SESSION) != 0)
        return CKR_OK;
    return fail(CKR_SESSION_READ_ONLY, "the session is read-only: open it with CKF_RW_SESSION");
}

void run_pad(CK_UTF8CHAR *field, size_t size, const char *text)
{
    size_t n = strlen(text);

    memset(field, ' ', size);
    memcpy(field, text, n < size ? n : size);
}
