/*
 * Logging in with a token of an issuer that the vault believes. What the token says is checked by
 * token.c; here it becomes a login, which ends when the token expires and when the issuer is
 * removed. The log has a keyed digest of the token, never the token.
 */
#include "pkcs11/gate_int.h"
#include "pkcs11/login.h"
#include "pkcs11/token.h"

#include <stdio.h>
#include <string.h>

#define PREFIX_LEN (sizeof(TOKEN_PREFIX) - 1)

bool login_is_token(struct bytes pin)
{
    return pin.data != NULL && pin.len >= PREFIX_LEN &&
           memcmp(pin.data, TOKEN_PREFIX, PREFIX_LEN) == 0;
}

static int64_t now_seconds(const struct run *run)
{
    return clock_realtime(engine_clock(run->app->engine)) / 1000000000;
}

static CK_RV verify(struct run *run, struct bytes token, struct login *ret)
{
    char name[ISSUER_NAME_MAX + 1];
    struct buf keys = BUF_INIT(ISSUER_KEYS_MAX);
    struct issuer issuer;
    struct token verified;
    CK_RV rv = token_issuer(token, name);

    if (rv == CKR_OK)
        rv = issuer_get(run_store(run), &run->vault, name, &issuer, &keys);
    if (rv == CKR_OK)
        rv = token_verify(run_local(run), token, &issuer, buf_bytes(&keys), now_seconds(run),
                          &verified);
    /* A key set was checked when its issuer was added; one that no longer reads is no caller's
     * mistake, and nobody's login. */
    if (rv == CKR_ARGUMENTS_BAD)
        rv = fail_in(CKR_PIN_INCORRECT, "the issuer's keys cannot be read");
    if (rv == CKR_OK) {
        *ret = (struct login){
            .slot = run->vault.slot, .kind = LOGIN_TOKEN, .expires = verified.expires};
        memcpy(ret->name, verified.principal, sizeof(ret->name));
        memcpy(ret->identity, issuer.identity, sizeof(ret->identity));
    }
    buf_release(&keys);
    return rv;
}

/* C_LoginUser names whom the holder must be. */
static CK_RV check_user(struct run *run, const struct login *login, struct bytes user)
{
    struct login bound = *login;
    struct rules *rules = NULL;
    uint64_t generation = 0;
    bool same;
    CK_RV rv;

    if (user.len == 0)
        return CKR_OK;
    rv = run_generation(run, &generation);
    if (rv == CKR_OK)
        rv = engine_rules(run->app->engine, &run->vault, generation, &rules);
    if (rv != CKR_OK)
        return rv;
    who_bind(run, rules, &bound);
    engine_rules_release(run->app->engine, rules);
    same = bound.kind == LOGIN_BOUND_TOKEN && bytes_equal_str(user, bound.name);
    return same ? CKR_OK
                : fail(CKR_PIN_INCORRECT, "the token's holder is not bound to that user: see "
                                          "keyward user bind");
}

/* The token's digest goes into the record of the login, good or bad. A token longer than any is
 * not read. */
CK_RV login_token(struct run *run, struct bytes user, struct bytes pin, struct login *ret)
{
    struct bytes token = BYTES(pin.data + PREFIX_LEN, pin.len - PREFIX_LEN);
    CK_RV noted;
    CK_RV rv = token.len <= TOKEN_MAX
                   ? gate_digest(run, token)
                   : fail(CKR_PIN_INCORRECT, "the token is refused: it is longer than %d bytes",
                          TOKEN_MAX);

    if (rv == CKR_OK)
        rv = verify(run, token, ret);
    if (rv == CKR_OK)
        rv = check_user(run, ret, user);
    if (rv == CKR_OK)
        return CKR_OK;
    noted = gate_note(run, ACTION_LOGIN, NULL, rv);
    return noted == CKR_OK ? rv : noted;
}

CK_RV login_same_token(struct run *run, const struct login *login, struct bytes pin)
{
    struct login again;
    CK_RV rv = login_is_token(pin)
                   ? login_token(run, BYTES_NONE, pin, &again)
                   : fail(CKR_PIN_INCORRECT, "who logged in with a token shows a token again");

    if (rv == CKR_OK && strcmp(again.name, login->name) != 0)
        rv = fail(CKR_PIN_INCORRECT, "the token is another's than the one that is logged in");
    return rv;
}
