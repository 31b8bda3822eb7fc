/*
 * PKCS#11 2.40, 5.5 and 5.6: who the caller is. C_Login, C_Logout, and the three functions that set
 * PINs.
 *
 * A PIN is looked at where it lies in the caller's memory and is never copied here. Forms of
 * C_Login's PIN (docs/IDENTITY.md): "secret" is the default user's, "name:secret" another user's,
 * "jwt:token" is a token (login_token.c).
 */
#include "pkcs11/call.h"
#include "pkcs11/handles.h"
#include "pkcs11/login.h"
#include "pkcs11/operation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Which user a PIN speaks for, and the secret part of it. */
struct credential {
    char name[PRINCIPAL_MAX + 1];
    struct bytes secret;
};

static void credential_set(struct credential *c, const char *name, struct bytes secret)
{
    (void)snprintf(c->name, sizeof(c->name), "%s", name);
    c->secret = secret;
}

/* Longest that can be right: what is longer is wrong without being read, since an absurd length is
 * also one that no memory stands behind. */
#define CREDENTIAL_MAX (USER_NAME_MAX + 1 + PIN_MAX)

static const uint8_t *find_colon(struct bytes pin)
{
    return pin.len > 0 && pin.len <= CREDENTIAL_MAX ? memchr(pin.data, ':', pin.len) : NULL;
}

/* Is there a user of the vault named by what stands before the colon? The security officer has a
 * way of its own (CKU_SO). */
static bool names_user(struct run *run, struct bytes prefix, char name[USER_NAME_MAX + 1])
{
    struct user_info user;

    if (prefix.len == 0 || prefix.len > USER_NAME_MAX)
        return false;
    memcpy(name, prefix.data, prefix.len);
    name[prefix.len] = '\0';
    return user_name_is_valid(name) && strcmp(name, "so") != 0 &&
           user_get(run_store(run), &run->vault, name, &user) == CKR_OK;
}

static CK_RV credential_parse(struct run *run, CK_USER_TYPE type, struct bytes pin,
                              struct credential *ret)
{
    char name[USER_NAME_MAX + 1];
    const uint8_t *colon = find_colon(pin);

    if (type == CKU_SO) {
        credential_set(ret, "so", pin);
        return CKR_OK;
    }
    if (colon != NULL) {
        size_t n = (size_t)(colon - pin.data);

        if (names_user(run, BYTES(pin.data, n), name)) {
            credential_set(ret, name, BYTES(colon + 1, pin.len - n - 1));
            return CKR_OK;
        }
    }
    if (run->vault.default_user[0] == '\0')
        return fail(CKR_USER_PIN_NOT_INITIALIZED,
                    "vault %s has no user: keyward user add %s/NAME --pin-file FILE",
                    run->vault.name, run->vault.name);
    credential_set(ret, run->vault.default_user, pin);
    return CKR_OK;
}

/* ---- C_Login ---- */

static CK_RV check_login_state(struct run *run, CK_USER_TYPE type)
{
    struct login login;
    CK_RV rv;

    if (type != CKU_USER && type != CKU_SO)
        return fail(CKR_USER_TYPE_INVALID, "there is no user type %lu", type);
    rv = gate_login(run, &login);
    if (rv != CKR_OK)
        return rv;
    if (login.kind == LOGIN_NONE) {
        if (type == CKU_SO && app_session_count(run->app, run->vault.slot, false) !=
                                  app_session_count(run->app, run->vault.slot, true))
            return fail(CKR_SESSION_READ_ONLY_EXISTS,
                        "the security officer logs in only while no read-only session is open");
        return CKR_OK;
    }
    if ((login.kind == LOGIN_SO) == (type == CKU_SO))
        return fail(CKR_USER_ALREADY_LOGGED_IN, "%s is already logged in", login.name);
    return fail(CKR_USER_ANOTHER_ALREADY_LOGGED_IN, "%s is logged in: log out first", login.name);
}

/* A try with a PIN; what comes of it is in the log, whatever it is. */
static CK_RV verify_pin(struct run *run, const struct credential *c, enum action action)
{
    CK_RV rv = user_verify(run_store(run), &run->vault, c->name, c->secret);
    CK_RV noted;

    if (rv == CKR_OK)
        return CKR_OK;
    noted = gate_note(run, action, c->name, rv);
    return noted == CKR_OK ? rv : noted;
}

/* The login that a good PIN will be. Taken before the PIN is tried: a user that is replaced
 * meanwhile is another, and the login ends when it is looked at. Without such a user the try says
 * so. */
static CK_RV login_of(struct run *run, enum login_kind kind, const char *name, struct login *ret)
{
    struct user_info user;
    CK_RV rv = user_get(run_store(run), &run->vault, name, &user);

    *ret = (struct login){.slot = run->vault.slot, .kind = kind};
    (void)snprintf(ret->name, sizeof(ret->name), "%s", name);
    if (rv == CKR_OK)
        memcpy(ret->identity, user.identity, sizeof(ret->identity));
    return rv == CKR_USER_PIN_NOT_INITIALIZED ? CKR_OK : rv;
}

/* The user that stands beside the PIN (C_LoginUser), or the one that the PIN itself speaks for. */
static CK_RV find_credential(struct run *run, CK_USER_TYPE type, struct bytes user,
                             struct bytes pin, struct credential *ret)
{
    char name[USER_NAME_MAX + 1];
    CK_RV noted;

    if (user.len == 0 || (type == CKU_SO && bytes_equal_str(user, "so")))
        return credential_parse(run, type, pin, ret);
    if (type != CKU_SO && names_user(run, user, name)) {
        credential_set(ret, name, pin);
        return CKR_OK;
    }
    (void)fail(CKR_PIN_INCORRECT, "no user of this vault has that name and PIN: check both");
    noted = gate_note(run, ACTION_LOGIN, NULL, CKR_PIN_INCORRECT);
    return noted == CKR_OK ? CKR_PIN_INCORRECT : noted;
}

/* Who is logged in shows the PIN once more: nobody else's counts. */
static CK_RV find_same_user(struct run *run, struct bytes user, struct bytes pin,
                            struct credential *ret)
{
    struct login login;
    CK_RV rv = gate_login(run, &login);

    if (rv == CKR_OK && login.kind != LOGIN_USER)
        rv = fail(CKR_USER_NOT_LOGGED_IN,
                  "an operation is logged in to by the user of the session: C_Login with CKU_USER "
                  "comes first");
    if (rv == CKR_OK)
        rv = find_credential(run, CKU_USER, user, pin, ret);
    if ((rv == CKR_OK && strcmp(ret->name, login.name) != 0) ||
        rv == CKR_USER_PIN_NOT_INITIALIZED) {
        credential_set(ret, login.name, pin);
        return CKR_OK;
    }
    return rv;
}

static CK_RV prove_same_pin(struct run *run, struct bytes user, struct bytes pin)
{
    struct credential credential = {.secret = BYTES_NONE};
    CK_RV rv = find_same_user(run, user, pin, &credential);

    return rv == CKR_OK ? verify_pin(run, &credential, ACTION_LOGIN) : rv;
}

/* CKU_CONTEXT_SPECIFIC: for the operation that waits, and for nothing else. */
static CK_RV login_to_operation(struct run *run, struct bytes user, struct bytes pin)
{
    struct ask ask = {.action = ACTION_LOGIN};
    struct login login = {.kind = LOGIN_NONE};
    CK_RV rv = operation_ensure_waiting(run->session);

    if (rv == CKR_OK && pin.data == NULL)
        rv = fail_argument("pPin");
    if (rv == CKR_OK)
        rv = gate_login(run, &login);
    if (rv == CKR_OK)
        rv = login.kind == LOGIN_TOKEN ? login_same_token(run, &login, pin)
                                       : prove_same_pin(run, user, pin);
    if (rv == CKR_OK)
        rv = gate_ask(run, &ask);
    if (rv == CKR_OK)
        rv = gate_finish(run, rv);
    if (rv == CKR_OK)
        operation_logged_in(run->session);
    return rv;
}

static CK_RV prove_pin(struct run *run, CK_USER_TYPE type, struct bytes user, struct bytes pin,
                       struct login *ret)
{
    struct credential credential = {.secret = BYTES_NONE};
    CK_RV rv = find_credential(run, type, user, pin, &credential);

    if (rv == CKR_OK)
        rv = login_of(run, type == CKU_SO ? LOGIN_SO : LOGIN_USER, credential.name, ret);
    return rv == CKR_OK ? verify_pin(run, &credential, ACTION_LOGIN) : rv;
}

static CK_RV login_to_session(struct run *run, CK_USER_TYPE type, struct bytes user,
                              struct bytes pin)
{
    struct ask ask = {.action = ACTION_LOGIN};
    struct login login;
    CK_RV rv = check_login_state(run, type);

    if (rv == CKR_OK && pin.data == NULL)
        rv = fail_argument(
            "pPin"); /* no CKF_PROTECTED_AUTHENTICATION_PATH: there is no other way in */
    if (rv == CKR_OK)
        rv = type == CKU_USER && login_is_token(pin) ? login_token(run, user, pin, &login)
                                                     : prove_pin(run, type, user, pin, &login);
    if (rv != CKR_OK)
        return rv;
    rv = app_login_begin(run->app, run->session, &login);
    if (rv != CKR_OK)
        return rv;
    rv = gate_ask(run, &ask);
    /* The record must be in the log before anybody is logged in: another thread could act on it. */
    if (rv == CKR_OK)
        rv = gate_finish(run, rv);
    if (rv != CKR_OK)
        app_login_end(run->app, &login);
    return rv;
}

CK_RV login_begin(struct run *run, CK_USER_TYPE type, struct bytes user, struct bytes pin)
{
    return type == CKU_CONTEXT_SPECIFIC ? login_to_operation(run, user, pin)
                                        : login_to_session(run, type, user, pin);
}

CK_RV C_Login(CK_SESSION_HANDLE session, CK_USER_TYPE type, CK_UTF8CHAR_PTR pin, CK_ULONG pin_len)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_LOGIN, session);

    if (rv == CKR_OK)
        rv = login_begin(&run, type, BYTES_NONE, BYTES(pin, pin_len));
    return call_leave(&run, rv);
}

/* ---- C_Logout ---- */

static CK_RV logout(struct run *run)
{
    struct login login;
    CK_RV rv;

    rv = gate_login(run, &login);
    if (rv != CKR_OK)
        return rv;
    if (login.kind == LOGIN_NONE)
        return fail(CKR_USER_NOT_LOGGED_IN, "nobody is logged in");
    rv = gate_note(run, ACTION_LOGIN, NULL, CKR_OK);
    /* Logged out all the same when the log cannot be written: staying in would be the open door. */
    app_login_clear(run->app, run->vault.slot);
    handles_logged_out(run->app, run->vault.slot);
    return rv;
}

CK_RV C_Logout(CK_SESSION_HANDLE session)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_LOGOUT, session);

    if (rv == CKR_OK)
        rv = logout(&run);
    return call_leave(&run, rv);
}

/* ---- PINs ---- */

static CK_RV check_new_pin(struct bytes pin)
{
    if (pin.data == NULL)
        return fail_argument("pPin");
    if (pin.len < PIN_MIN || pin.len > PIN_MAX)
        return fail(CKR_PIN_LEN_RANGE, "a PIN has %d to %d bytes", PIN_MIN, PIN_MAX);
    return CKR_OK;
}

/* The user that C_InitPIN makes on a vault that has none, with the data plane `keyward vault create
 * --user` would give it. */
#define FIRST_USER "user"

/* The vault's policy with the permit behind it, which must hold together with what is there. */
static CK_RV first_user_policy(struct run *run, struct buf *text)
{
    SCOPED_FREE struct policy_findings *findings = malloc(sizeof(*findings));
    size_t was;
    CK_RV rv =
        findings != NULL ? vault_get_policy(run_store(run), &run->vault, text) : fail_memory();

    if (rv != CKR_OK)
        return rv;
    was = text->len;
    engine_user_policy(text, FIRST_USER);
    if (!buf_ok(text))
        return fail_memory();
    rv = engine_check_policy(run->app->engine, run->vault.name, buf_bytes(text), findings);
    if (rv == CKR_OK)
        return gate_policy_change(run, BYTES(text->data, was), buf_bytes(text));
    if (rv != CKR_ARGUMENTS_BAD)
        return rv;
    return fail(CKR_FUNCTION_FAILED,
                "the vault's policy cannot take the permit of its first user (%s): mend it with "
                "keyward policy apply, or add users with keyward user add",
                fail_reason());
}

static CK_RV add_first_user(struct run *run, struct bytes pin)
{
    SCOPED(buf_release) struct buf text = BUF_INIT(POLICY_TEXT_MAX);
    struct vault_info vault;
    CK_RV rv = first_user_policy(run, &text);

    if (rv == CKR_OK)
        rv = user_add(run_store(run), &run->vault, FIRST_USER, pin);
    if (rv == CKR_OK)
        rv = vault_set_policy(run_store(run), &run->vault, buf_bytes(&text));
    if (rv == CKR_OK)
        rv = vault_get_slot(run_store(run), run->vault.slot, &vault);
    if (rv != CKR_OK)
        return rv;
    (void)snprintf(vault.default_user, sizeof(vault.default_user), "%s", FIRST_USER);
    return vault_update(run_store(run), &vault, NULL);
}

static CK_RV init_pin(struct run *run, struct bytes pin)
{
    struct ask ask = {.action = ACTION_SET_PIN};
    struct login login;
    CK_RV rv = gate_login(run, &login);

    if (rv == CKR_OK && login.kind != LOGIN_SO)
        rv = fail(CKR_USER_NOT_LOGGED_IN, "the security officer must be logged in (CKU_SO)");
    if (rv == CKR_OK)
        rv = check_new_pin(pin);
    if (rv == CKR_OK)
        rv = gate_ask(run, &ask);
    if (rv == CKR_OK)
        rv = gate_intent(run);
    if (rv != CKR_OK)
        return rv;
    if (run->vault.default_user[0] == '\0')
        return add_first_user(run, pin);
    return user_set_pin(run_store(run), &run->vault, run->vault.default_user, pin);
}

CK_RV C_InitPIN(CK_SESSION_HANDLE session, CK_UTF8CHAR_PTR pin, CK_ULONG pin_len)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_INIT_PIN, session);

    if (rv == CKR_OK)
        rv = init_pin(&run, BYTES(pin, pin_len));
    return call_leave(&run, rv);
}

/* "name:" before the new PIN is cut off when the old one came with it: an application gives both in
 * the form it logs in with. */
static struct bytes without_name(const struct credential *old, struct bytes old_pin,
                                 struct bytes pin)
{
    size_t n = old_pin.len - old->secret.len;

    if (n > 0 && pin.len > n && memcmp(pin.data, old_pin.data, n) == 0)
        return BYTES(pin.data + n, pin.len - n);
    return pin;
}

/* Whose PIN is changed: that of whoever is logged in and no other's; otherwise that of the user the
 * old PIN speaks for. */
static CK_RV pin_owner(struct run *run, struct bytes old_pin, struct credential *ret)
{
    struct login login;
    CK_RV rv = gate_login(run, &login);

    if (rv == CKR_OK && login.kind == LOGIN_TOKEN)
        rv = fail(CKR_FUNCTION_REJECTED, "who logged in with a token has no PIN here to change");
    if (rv != CKR_OK)
        return rv;
    rv = credential_parse(run, login.kind == LOGIN_SO ? CKU_SO : CKU_USER, old_pin, ret);
    if (login.kind == LOGIN_USER && (rv == CKR_USER_PIN_NOT_INITIALIZED ||
                                     (rv == CKR_OK && strcmp(ret->name, login.name) != 0))) {
        credential_set(ret, login.name, old_pin);
        return CKR_OK;
    }
    return rv;
}

static CK_RV set_pin(struct run *run, struct bytes old_pin, struct bytes new_pin)
{
    struct credential credential = {.secret = BYTES_NONE};
    struct ask ask = {.action = ACTION_CHANGE_PIN};
    CK_RV rv = run_ensure_read_write(run);

    if (rv == CKR_OK && old_pin.data == NULL)
        rv = fail_argument("pOldPin");
    if (rv == CKR_OK)
        rv = pin_owner(run, old_pin, &credential);
    if (rv == CKR_OK) {
        new_pin = new_pin.data != NULL ? without_name(&credential, old_pin, new_pin) : new_pin;
        rv = check_new_pin(new_pin);
    }
    if (rv == CKR_OK)
        rv = verify_pin(run, &credential, ACTION_CHANGE_PIN);
    if (rv == CKR_OK)
        rv = gate_ask(run, &ask);
    if (rv == CKR_OK)
        rv = gate_intent(run);
    return rv == CKR_OK ? user_set_pin(run_store(run), &run->vault, credential.name, new_pin) : rv;
}

CK_RV C_SetPIN(CK_SESSION_HANDLE session, CK_UTF8CHAR_PTR old_pin, CK_ULONG old_len,
               CK_UTF8CHAR_PTR new_pin, CK_ULONG new_len)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_SET_PIN, session);

    if (rv == CKR_OK)
        rv = set_pin(&run, BYTES(old_pin, old_len), BYTES(new_pin, new_len));
    return call_leave(&run, rv);
}

/* ---- C_InitToken ---- */

/* The label's 32 bytes without the blanks behind: the vault's new name. */
static CK_RV label_name(const CK_UTF8CHAR *label, char name[VAULT_NAME_MAX + 1])
{
    size_t n = VAULT_NAME_MAX;

    while (n > 0 && label[n - 1] == ' ')
        n--;
    memcpy(name, label, n);
    name[n] = '\0';
    if (!vault_name_is_valid(name))
        return fail(CKR_ARGUMENTS_BAD,
                    "a vault's name has 1 to %d letters, digits, dots, dashes "
                    "or underscores: the label has others",
                    VAULT_NAME_MAX);
    return CKR_OK;
}

static CK_RV reset(struct run *run, const char *name)
{
    struct ask ask = {.action = ACTION_INIT_TOKEN};
    CK_RV rv = gate_ask(run, &ask);

    if (rv == CKR_OK)
        rv = gate_intent(run);
    return rv == CKR_OK ? vault_reset(run_store(run), &run->vault, name) : rv;
}

/*
 * The vault as new: every object deleted (and recoverable until its retention is over, as after any
 * deletion), every user but the security officer removed, the policy emptied, the label taken as
 * its name. Needs the security officer's PIN.
 */
static CK_RV init_token(struct run *run, struct bytes pin, const CK_UTF8CHAR *label)
{
    struct credential so = {.name = "so", .secret = pin};
    struct login login;
    char name[VAULT_NAME_MAX + 1];
    CK_RV rv;

    if (label == NULL || pin.data == NULL)
        return fail_argument(label == NULL ? "pLabel" : "pPin");
    rv = label_name(label, name);
    if (rv == CKR_OK && app_session_count(run->app, run->vault.slot, false) > 0)
        rv = fail(CKR_SESSION_EXISTS, "sessions are open with this token: close them first");
    if (rv == CKR_OK)
        rv = login_of(run, LOGIN_SO, so.name, &login);
    if (rv == CKR_OK)
        rv = verify_pin(run, &so, ACTION_INIT_TOKEN);
    if (rv == CKR_USER_PIN_NOT_INITIALIZED)
        rv = fail(CKR_PIN_INCORRECT,
                  "vault %s has no security officer: keyward user add %s/so --pin-file FILE",
                  run->vault.name, run->vault.name);
    if (rv == CKR_OK)
        rv = app_login_begin(run->app, NULL, &login);
    if (rv != CKR_OK)
        return rv;
    rv = reset(run, name);
    rv = gate_finish(run, rv);
    app_login_end(run->app, &login);
    return rv;
}

CK_RV C_InitToken(CK_SLOT_ID slot, CK_UTF8CHAR_PTR pin, CK_ULONG pin_len, CK_UTF8CHAR_PTR label)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_INIT_TOKEN, slot);

    if (rv == CKR_OK)
        rv = init_token(&run, BYTES(pin, pin_len), label);
    return call_leave(&run, rv);
}
