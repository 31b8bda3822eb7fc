/* Logging in with tokens of an issuer that the vault believes: what such a login is, when it ends,
 * and what is written of it. What makes a token good: tests/unit/pkcs11/test_token.c. */
#include "tests/support/verbs.h"

#include <dlfcn.h>
#include <jose/b64.h>
#include <jose/jwk.h>
#include <jose/jws.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ISSUER "https://id.example"
#define ROBOT  "token:" ISSUER "#robot-7"

#define POLICY                                                                                     \
    "permit (principal == Token::\"" ISSUER "#robot-7\", action in Action::\"cryptoUser\", "       \
    "resource);\n"                                                                                 \
    "permit (principal == User::\"alice\", action, resource);"

static CK_MECHANISM ecdsa = {CKM_ECDSA_SHA256, NULL, 0};

/* The issuer's key. */
static json_t *make_key(void)
{
    json_t *key = json_pack("{s:s, s:s}", "alg", "ES256", "kid", "one");

    ck_assert(jose_jwk_gen(NULL, key));
    return key;
}

static void believe(struct lab *lab, const json_t *key)
{
    json_t *copy = json_deep_copy(key);
    json_t *set, *request;
    char *text, *json;

    ck_assert(jose_jwk_pub(NULL, copy));
    set = json_pack("{s:[o]}", "keys", copy);
    text = json_dumps(set, 0);
    request = json_pack("{s:s, s:s, s:s, s:s, s:s}", "verb", "issuer.add", "vault", "web", "issuer",
                        ISSUER, "audience", "keyward", "jwks", text);
    json = json_dumps(request, 0);
    assert_ok(lab_admin(lab, NULL, "%s", json));
    free(json);
    free(text);
    json_decref(request);
    json_decref(set);
}

static json_t *encode(json_t *value)
{
    json_t *text = jose_b64_enc_dump(value);

    json_decref(value);
    return text;
}

/* "jwt:..." in a static buffer. */
static const char *make_token(const json_t *key, const char *subject, int64_t expires)
{
    static char token[4096];
    json_t *header =
        encode(json_pack("{s:s, s:s, s:s}", "alg", "ES256", "kid", "one", "typ", "JWT"));
    json_t *payload = encode(json_pack("{s:s, s:s, s:s, s:I}", "iss", ISSUER, "aud", "keyward",
                                       "sub", subject, "exp", (json_int_t)expires));
    json_t *jws = json_pack("{s:O}", "payload", payload);
    json_t *sig = json_pack("{s:O}", "protected", header);

    ck_assert(jose_jws_sig(NULL, jws, sig, key));
    (void)snprintf(token, sizeof(token), "jwt:%s.%s.%s", json_string_value(header),
                   json_string_value(payload),
                   json_string_value(json_object_get(jws, "signature")));
    json_decref(header);
    json_decref(payload);
    json_decref(jws);
    json_decref(sig);
    return token;
}

static int64_t later(void)
{
    return (int64_t)time(NULL) + 3600;
}

struct scene {
    struct lab lab;
    json_t *key;
    CK_SESSION_HANDLE session;
};

static void scene_start(struct scene *s)
{
    lab_start(&s->lab);
    s->key = make_key();
    lab_policy(&s->lab, POLICY);
    believe(&s->lab, s->key);
    s->session = lab_session(&s->lab, CKF_RW_SESSION);
}

static void scene_end(struct scene *s)
{
    json_decref(s->key);
    lab_end(&s->lab);
}

static CK_RV login(const struct scene *s, const char *subject, int64_t expires)
{
    return lab_login(&s->lab, s->session, CKU_USER, make_token(s->key, subject, expires));
}

static CK_STATE state(const struct scene *s)
{
    CK_SESSION_INFO info = {.state = 99};

    assert_ok(s->lab.f->C_GetSessionInfo(s->session, &info));
    return info.state;
}

START_TEST(a_token_logs_its_holder_in)
{
    struct scene s;

    scene_start(&s);
    ck_assert_uint_eq(lab_find(&s.lab, s.session, CKO_PRIVATE_KEY, "tls"), 0);
    assert_ok(login(&s, "robot-7", later()));
    ck_assert_uint_eq(state(&s), CKS_RW_USER_FUNCTIONS);
    lab_signs(&s.lab, s.session);
    assert_rv(CKR_USER_ALREADY_LOGGED_IN, login(&s, "robot-7", later()));
    assert_ok(s.lab.f->C_Logout(s.session));
    ck_assert_uint_eq(lab_find(&s.lab, s.session, CKO_PRIVATE_KEY, "tls"), 0);
    /* Another subject is known, and has no rights. */
    assert_ok(login(&s, "robot-8", later()));
    ck_assert_uint_eq(lab_find(&s.lab, s.session, CKO_PRIVATE_KEY, "tls"), 0);
    scene_end(&s);
}
END_TEST

START_TEST(a_bad_token_counts_against_nobody)
{
    struct scene s;
    json_t *stranger = make_key();

    scene_start(&s);
    for (int i = 0; i < 12; i++) {
        assert_rv(CKR_PIN_INCORRECT,
                  lab_login(&s.lab, s.session, CKU_USER, make_token(stranger, "robot-7", later())));
        assert_rv(CKR_PIN_INCORRECT, login(&s, "robot-7", (int64_t)time(NULL) - 1));
        assert_rv(CKR_PIN_INCORRECT, lab_login(&s.lab, s.session, CKU_USER, "jwt:"));
    }
    ck_assert_uint_eq(lab_token(&s.lab, s.lab.slot).flags & CKF_USER_PIN_COUNT_LOW, 0);
    ck_assert_uint_eq(state(&s), CKS_RW_PUBLIC_SESSION);
    assert_ok(login(&s, "robot-7", later()));
    json_decref(stranger);
    scene_end(&s);
}
END_TEST

START_TEST(a_vault_believes_its_own_issuers_only)
{
    CK_SESSION_HANDLE mail = 0;
    struct scene s;
    union {
        const char *in;
        CK_UTF8CHAR_PTR out;
    } token;

    scene_start(&s);
    assert_ok(
        s.lab.f->C_OpenSession(lab_slot(&s.lab, "mail"), CKF_SERIAL_SESSION, NULL, NULL, &mail));
    token.in = make_token(s.key, "robot-7", later());
    assert_rv(CKR_PIN_INCORRECT, s.lab.f->C_Login(mail, CKU_USER, token.out, strlen(token.in)));
    assert_rv(CKR_PIN_INCORRECT, s.lab.f->C_Login(s.session, CKU_SO, token.out, strlen(token.in)));
    assert_ok(s.lab.f->C_Login(s.session, CKU_USER, token.out, strlen(token.in)));
    scene_end(&s);
}
END_TEST

START_TEST(the_login_ends_when_the_token_does)
{
    CK_OBJECT_HANDLE key;
    struct scene s;

    scene_start(&s);
    assert_ok(login(&s, "robot-7", (int64_t)time(NULL) + 3));
    key = lab_find(&s.lab, s.session, CKO_PRIVATE_KEY, "tls");
    ck_assert_uint_ne(key, 0);
    assert_ok(s.lab.f->C_SignInit(s.session, &ecdsa, key));
    while (lab_find(&s.lab, s.session, CKO_PRIVATE_KEY, "tls") != 0)
        lab_sleep_ms(100);
    ck_assert_uint_eq(state(&s), CKS_RW_PUBLIC_SESSION);
    {
        CK_BYTE data[] = "data", signature[LAB_SIGNATURE_MAX];
        CK_ULONG len = sizeof(signature);

        ck_assert_uint_ne(s.lab.f->C_Sign(s.session, data, sizeof(data), signature, &len), CKR_OK);
    }
    assert_ok(login(&s, "robot-7", later()));
    lab_signs(&s.lab, s.session);
    scene_end(&s);
}
END_TEST

static void remove_issuer(struct lab *lab, int n)
{
    (void)n;
    assert_ok(lab->f->C_Initialize(NULL));
    verb_ok(lab, NULL, "{\"verb\":\"issuer.remove\",\"vault\":\"web\",\"issuer\":\"" ISSUER "\"}");
}

START_TEST(an_issuer_removed_by_another_process_ends_its_logins)
{
    struct scene s;

    scene_start(&s);
    assert_ok(login(&s, "robot-7", later()));
    lab_signs(&s.lab, s.session);
    lab_join(lab_child(remove_issuer, &s.lab, 0));
    ck_assert_uint_eq(lab_find(&s.lab, s.session, CKO_PRIVATE_KEY, "tls"), 0);
    ck_assert_uint_eq(state(&s), CKS_RW_PUBLIC_SESSION);
    assert_rv(CKR_PIN_INCORRECT, login(&s, "robot-7", later()));
    believe(&s.lab, s.key);
    assert_ok(login(&s, "robot-7", later()));
    scene_end(&s);
}
END_TEST

START_TEST(a_bound_token_acts_as_the_user_that_login_user_names)
{
    CK_UTF8CHAR alice[] = "alice";
    CK_UTF8CHAR bob[] = "bob";
    CK_FUNCTION_LIST_3_0 *f3;
    CK_INTERFACE *interface = NULL;
    CK_VERSION version = {3, 0};
    CK_RV (*get_interface)(CK_UTF8CHAR_PTR, CK_VERSION_PTR, CK_INTERFACE_PTR_PTR, CK_FLAGS);
    CK_UTF8CHAR name[] = "PKCS 11";
    struct scene s;
    union {
        const char *in;
        CK_UTF8CHAR_PTR out;
    } token;

    scene_start(&s);
    *(void **)&get_interface = dlsym(s.lab.library, "C_GetInterface");
    assert_ok(get_interface(name, &version, &interface, 0));
    f3 = interface->pFunctionList;
    token.in = make_token(s.key, "robot-7", later());
    assert_rv(CKR_PIN_INCORRECT, f3->C_LoginUser(s.session, CKU_USER, token.out, strlen(token.in),
                                                 alice, sizeof(alice) - 1));
    verb_ok(&s.lab, NULL,
            "{\"verb\":\"user.bind\",\"vault\":\"web\",\"user\":\"alice\","
            "\"principal\":\"" ROBOT "\"}");
    assert_rv(CKR_PIN_INCORRECT, f3->C_LoginUser(s.session, CKU_USER, token.out, strlen(token.in),
                                                 bob, sizeof(bob) - 1));
    assert_ok(f3->C_LoginUser(s.session, CKU_USER, token.out, strlen(token.in), alice,
                              sizeof(alice) - 1));
    {
        CK_OBJECT_HANDLE public_key, key; /* the robot itself makes none */

        assert_ok(lab_generate(&s.lab, s.session, "new", &public_key, &key));
    }
    scene_end(&s);
}
END_TEST

struct seen {
    const char *token;
    unsigned logins;
};

static void look(void *ctx, json_t *record)
{
    struct seen *seen = ctx;
    char *text = json_dumps(record, 0);

    ck_assert_ptr_null(strstr(text, seen->token));
    free(text);
    if (strcmp(lab_member(record, "function"), "C_Login") != 0)
        return;
    ck_assert_uint_eq(strlen(lab_member(record, "digest")), 64);
    if (strcmp(lab_member(record, "rv"), "CKR_OK") == 0) {
        ck_assert_str_eq(lab_member(record, "principal"), "Token::\"" ISSUER "#robot-7\"");
        ck_assert_str_eq(lab_member(record, "proof"), "token");
    }
    seen->logins++;
}

START_TEST(the_log_has_a_digest_of_the_token_and_no_part_of_it)
{
    struct scene s;
    struct seen seen = {.logins = 0};
    const char *token;
    uint64_t from;

    scene_start(&s);
    from = lab_log_whole(&s.lab);
    assert_rv(CKR_PIN_INCORRECT, login(&s, "robot-7", 1));
    token = make_token(s.key, "robot-7", later());
    assert_ok(lab_login(&s.lab, s.session, CKU_USER, token));
    seen.token = strrchr(token, '.') + 1;
    lab_log_each(&s.lab, from, look, &seen);
    ck_assert_uint_eq(seen.logins, 2);
    scene_end(&s);
}
END_TEST

START_TEST(the_holder_of_a_token_has_no_pin)
{
    struct scene s;
    CK_UTF8CHAR old[] = LAB_PIN, new[] = "another-pin";

    scene_start(&s);
    assert_ok(login(&s, "robot-7", later()));
    assert_rv(CKR_FUNCTION_REJECTED,
              s.lab.f->C_SetPIN(s.session, old, sizeof(old) - 1, new, sizeof(new) - 1));
    scene_end(&s);
}
END_TEST

static const char *const bad_issuers[] = {
    "{\"verb\":\"issuer.add\",\"vault\":\"web\",\"issuer\":\"a#b\",\"audience\":\"k\",\"jwks\":%s}",
    "{\"verb\":\"issuer.add\",\"vault\":\"web\",\"issuer\":\"\",\"audience\":\"k\",\"jwks\":%s}",
    "{\"verb\":\"issuer.add\",\"vault\":\"web\",\"issuer\":\"a b\",\"audience\":\"k\",\"jwks\":%s}",
    "{\"verb\":\"issuer.add\",\"vault\":\"web\",\"issuer\":\"a\",\"audience\":\"\",\"jwks\":%s}",
    "{\"verb\":\"issuer.add\",\"vault\":\"web\",\"issuer\":\"a\",\"audience\":\"k\",\"algorithms\":"
    "\"HS256\",\"jwks\":%s}",
    "{\"verb\":\"issuer.add\",\"vault\":\"web\",\"issuer\":\"a\",\"audience\":\"k\",\"jwks\":\"{}"
    "\"}",
};

START_TEST(an_issuer_that_could_not_be_verified_is_not_added)
{
    static const char keys[] =
        "\"{\\\"keys\\\":[{\\\"kty\\\":\\\"EC\\\",\\\"crv\\\":\\\"P-256\\\",\\\"kid\\\":\\\"k\\\","
        "\\\"x\\\":\\\"AA\\\",\\\"y\\\":\\\"AA\\\"}]}\"";
    struct lab lab;

    lab_start(&lab);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
    assert_rv(CKR_ARGUMENTS_BAD, lab_admin(&lab, NULL, bad_issuers[_i], keys));
#pragma GCC diagnostic pop
    assert_ok(lab_admin(&lab, NULL,
                        "{\"verb\":\"issuer.add\",\"vault\":\"web\",\"issuer\":\"a\","
                        "\"audience\":\"k\",\"jwks\":%s}",
                        keys));
    assert_rv(CKR_ACTION_PROHIBITED, lab_admin(&lab, NULL,
                                               "{\"verb\":\"issuer.add\",\"vault\":\"web\","
                                               "\"issuer\":\"a\",\"audience\":\"k\",\"jwks\":%s}",
                                               keys));
    lab_end(&lab);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(a_token_logs_its_holder_in),
        CASE(a_bad_token_counts_against_nobody),
        CASE(a_vault_believes_its_own_issuers_only),
        CASE_SLOW(the_login_ends_when_the_token_does, 120),
        CASE(an_issuer_removed_by_another_process_ends_its_logins),
        CASE(a_bound_token_acts_as_the_user_that_login_user_names),
        CASE(the_log_has_a_digest_of_the_token_and_no_part_of_it),
        CASE(the_holder_of_a_token_has_no_pin),
        CASE_LOOP(an_issuer_that_could_not_be_verified_is_not_added,
                  sizeof(bad_issuers) / sizeof(*bad_issuers)),
    };

    return lab_suite_run("pkcs11/tokens", cases, sizeof(cases) / sizeof(*cases));
}
