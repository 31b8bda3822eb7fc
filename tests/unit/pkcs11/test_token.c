/* Tokens: what makes a good one, and that each of these facts alone makes it a bad one. */
#include "pkcs11/token.h"
#include "tests/support/suite.h"

#include <jansson.h>
#include <jose/b64.h>
#include <jose/jwk.h>
#include <jose/jws.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#undef fail

#define NOW      INT64_C(1700000000)
#define ISSUER   "https://id.example"
#define AUDIENCE "keyward"

static struct local *local;
static json_t *rsa, *ec, *other, *mac, *sealing; /* private keys of the issuer, and a stranger's */
static char *keys;                               /* the issuer's key set */

static const struct issuer issuer = {
    .name = ISSUER, .audience = AUDIENCE, .algorithms = "RS256,ES256"};

static json_t *make_key(const char *alg, const char *kid)
{
    json_t *key = json_pack("{s:s, s:s}", "alg", alg, "kid", kid);

    if (jose_jwk_gen(NULL, key))
        return key;
    json_decref(key);
    return NULL;
}

static json_t *public_of(const json_t *key)
{
    json_t *copy = json_deep_copy(key);

    if (jose_jwk_pub(NULL, copy))
        return copy;
    json_decref(copy);
    return NULL;
}

/* Before the suite, once: what fails here is seen as keys that are not there. */
static bool setup(void)
{
    json_t *set;

    rsa = make_key("RS256", "rsa");
    ec = make_key("ES256", "ec");
    other = make_key("RS256", "rsa");
    mac = make_key("HS256", "mac");
    sealing = make_key("RS256", "sealing");
    set = json_pack("{s:[o,o,o]}", "keys", public_of(rsa), public_of(ec), public_of(sealing));
    json_object_set_new(json_array_get(json_object_get(set, "keys"), 2), "use", json_string("enc"));
    json_object_del(json_array_get(json_object_get(set, "keys"), 2), "key_ops");
    keys = json_dumps(set, 0);
    json_decref(set);
    return keys != NULL && mac != NULL && local_new(&local) == CKR_OK;
}

static void teardown(void)
{
    json_decref(rsa);
    json_decref(ec);
    json_decref(other);
    json_decref(mac);
    json_decref(sealing);
    free(keys);
    local_free(local);
}

static char *encode(const char *text)
{
    json_t *encoded = jose_b64_enc(text, strlen(text));
    char *copy = strdup(json_string_value(encoded));

    json_decref(encoded);
    return copy;
}

/* header and payload as they are written; signed with key as libjose signs that header. */
static char *make_token(const char *header, const char *payload, const json_t *key)
{
    char *h = encode(header), *p = encode(payload);
    json_t *jws = json_pack("{s:s}", "payload", p);
    json_t *sig = json_pack("{s:s}", "protected", h);
    json_t *bare = json_deep_copy(key);
    char *token = NULL;

    json_object_del(bare, "alg"); /* the header's rules */
    json_object_del(bare, "key_ops");
    json_object_del(bare, "use");
    if (jose_jws_sig(NULL, jws, sig, bare))
        ck_assert_int_gt(asprintf(&token, "%s.%s.%s", h, p,
                                  json_string_value(json_object_get(jws, "signature"))),
                         0);
    json_decref(jws);
    json_decref(sig);
    json_decref(bare);
    free(h);
    free(p);
    return token;
}

static CK_RV check(const char *token, struct token *ret)
{
    return token_verify(local, bytes_from_str(token), &issuer, bytes_from_str(keys), NOW, ret);
}

#define HEADER  "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"typ\":\"JWT\"}"
#define CLAIMS  "\"iss\":\"" ISSUER "\",\"aud\":\"" AUDIENCE "\",\"sub\":\"robot-7\""
#define PAYLOAD "{" CLAIMS ",\"exp\":1700000060}"

START_TEST(a_good_token_names_its_holder_and_its_end)
{
    char *token = make_token(HEADER, PAYLOAD, rsa);
    char name[ISSUER_NAME_MAX + 1];
    struct token t = {.expires = 0};

    assert_ok(check(token, &t));
    ck_assert_str_eq(t.principal, ISSUER "#robot-7");
    ck_assert_int_eq(t.expires, NOW + 60);
    assert_ok(token_issuer(bytes_from_str(token), name));
    ck_assert_str_eq(name, ISSUER);
    free(token);
}
END_TEST

static const struct {
    const char *header, *payload;
} good[] = {
    {"{\"alg\":\"ES256\",\"kid\":\"ec\"}", PAYLOAD},
    {"{\"alg\":\"RS256\",\"kid\":\"rsa\",\"typ\":\"at+jwt\"}", PAYLOAD},
    {HEADER,
     "{\"iss\":\"" ISSUER "\",\"aud\":[\"x\",\"" AUDIENCE "\"],\"sub\":\"s\",\"exp\":1700000001}"},
    {HEADER, "{" CLAIMS ",\"exp\":1700000001.5,\"nbf\":1700000000,\"iat\":1699999999}"},
    {HEADER, "{" CLAIMS ",\"exp\":1700000001,\"nbf\":1700000030,\"iat\":1700000030}"},
};

START_TEST(other_forms_of_a_good_one_are_good)
{
    char *token = make_token(good[_i].header, good[_i].payload, _i == 0 ? ec : rsa);
    struct token t;

    ck_assert_ptr_nonnull(token);
    assert_ok(check(token, &t));
    free(token);
}
END_TEST

/* Each is a good token but for one fact; all of them are signed by the issuer. */
static const struct {
    const char *header, *payload, *words;
} bad[] = {
    {HEADER, "{" CLAIMS "}", "no \"exp\""},
    {HEADER, "{" CLAIMS ",\"exp\":\"1700000060\"}", "no \"exp\""},
    {HEADER, "{" CLAIMS ",\"exp\":-1}", "no \"exp\""},
    {HEADER, "{" CLAIMS ",\"exp\":1700000000}", "expired"},
    {HEADER, "{" CLAIMS ",\"exp\":1699999999.9}", "expired"},
    {HEADER, "{" CLAIMS ",\"exp\":1700000060,\"nbf\":1700000031}", "future"},
    {HEADER, "{" CLAIMS ",\"exp\":1700000060,\"nbf\":\"then\"}", "no date"},
    {HEADER, "{" CLAIMS ",\"exp\":1700000060,\"iat\":1700000031}", "future"},
    {HEADER, "{\"iss\":\"" ISSUER "/\",\"aud\":\"keyward\",\"sub\":\"s\",\"exp\":1700000060}",
     "another issuer"},
    {HEADER, "{\"aud\":\"keyward\",\"sub\":\"s\",\"exp\":1700000060}", "another issuer"},
    {HEADER, "{\"iss\":\"" ISSUER "\",\"aud\":\"keywards\",\"sub\":\"s\",\"exp\":1700000060}",
     "somebody else"},
    {HEADER, "{\"iss\":\"" ISSUER "\",\"aud\":[\"a\",1],\"sub\":\"s\",\"exp\":1700000060}",
     "somebody else"},
    {HEADER, "{\"iss\":\"" ISSUER "\",\"sub\":\"s\",\"exp\":1700000060}", "somebody else"},
    {HEADER, "{\"iss\":\"" ISSUER "\",\"aud\":\"keyward\",\"exp\":1700000060}", "\"sub\""},
    {HEADER, "{\"iss\":\"" ISSUER "\",\"aud\":\"keyward\",\"sub\":\"\",\"exp\":1700000060}",
     "\"sub\""},
    {HEADER, "{\"iss\":\"" ISSUER "\",\"aud\":\"keyward\",\"sub\":\"a\\\"b\",\"exp\":1700000060}",
     "\"sub\""},
    {HEADER, "{" CLAIMS ",\"exp\":1700000060,\"exp\":1800000000}", "twice"},
    {HEADER, "[1]", "no JSON object"},
    {HEADER, "{" CLAIMS ",\"exp\":1700000060", "no JSON object"},
    {"{\"alg\":\"RS256\"}", PAYLOAD, "names no key"},
    {"{\"alg\":\"RS256\",\"kid\":7}", PAYLOAD, "names no key"},
    {"{\"alg\":\"RS256\",\"kid\":\"rsa2\"}", PAYLOAD, "no key, or more than one"},
    {"{\"alg\":\"RS256\",\"kid\":\"rsa\",\"typ\":\"JOSE\"}", PAYLOAD, "\"typ\""},
    {"{\"alg\":\"RS256\",\"kid\":\"rsa\",\"typ\":1}", PAYLOAD, "\"typ\""},
    {"{\"alg\":\"RS256\",\"kid\":\"rsa\",\"crit\":[\"exp\"]}", PAYLOAD, "\"crit\""},
    {"{\"alg\":\"RS256\",\"kid\":\"rsa\",\"jwk\":{}}", PAYLOAD, "\"jwk\""},
    {"{\"alg\":\"RS256\",\"kid\":\"rsa\",\"jku\":\"https://x\"}", PAYLOAD, "\"jku\""},
    {"{\"alg\":\"RS256\",\"kid\":\"rsa\",\"x5u\":\"https://x\"}", PAYLOAD, "\"x5u\""},
    {"{\"alg\":\"RS256\",\"kid\":\"rsa\",\"b64\":false}", PAYLOAD, "\"b64\""},
    {"{\"alg\":\"RS384\",\"kid\":\"rsa\"}", PAYLOAD, "\"alg\""},
    {"{\"alg\":\"PS256\",\"kid\":\"rsa\"}", PAYLOAD, "\"alg\""},
    {"{\"alg\":\"RS256\",\"kid\":\"ec\"}", PAYLOAD, "not for its \"alg\""},
    {"{\"alg\":\"ES256\",\"kid\":\"rsa\"}", PAYLOAD, "not for its \"alg\""},
    {"{\"alg\":\"RS256\",\"kid\":\"sealing\"}", PAYLOAD, "not for its \"alg\""},
    {"{\"alg\":\"RS256\",\"kid\":\"rsa\",\"kid\":\"ec\"}", PAYLOAD, "twice"},
};

static void assert_refused(const char *token, const char *words)
{
    struct token t;

    assert_rv(CKR_PIN_INCORRECT, check(token, &t));
    ck_assert_msg(strstr(fail_reason(), words) != NULL, "\"%s\" has no \"%s\"", fail_reason(),
                  words);
}

/* libjose signs what the header says with the key that can; where none could, the issuer's RSA key
 * under another header stands in, and the header is refused before the signature matters. */
static char *sign_anyhow(const char *header, const char *payload)
{
    char *token = make_token(header, payload, rsa);
    char *h = encode(header), *p = encode(payload);

    if (token == NULL)
        ck_assert_int_gt(asprintf(&token, "%s.%s.AAAA", h, p), 0);
    free(h);
    free(p);
    return token;
}

START_TEST(one_bad_fact_makes_a_bad_token)
{
    char *token = sign_anyhow(bad[_i].header, bad[_i].payload);

    assert_refused(token, bad[_i].words);
    free(token);
}
END_TEST

START_TEST(a_signature_of_another_key_is_wrong)
{
    char *token = make_token(HEADER, PAYLOAD, other);

    assert_refused(token, "signature is wrong");
    free(token);
}
END_TEST

START_TEST(every_changed_character_makes_it_bad)
{
    char *token = make_token(HEADER, PAYLOAD, ec);
    struct token t;

    free(token);
    token = make_token("{\"alg\":\"ES256\",\"kid\":\"ec\"}", PAYLOAD, ec);
    assert_ok(check(token, &t));
    /* The last character holds bits that no byte has. */
    for (size_t i = 0; i + 1 < strlen(token); i++) {
        char was = token[i];

        token[i] = was == 'A' ? 'B' : 'A';
        assert_rv(CKR_PIN_INCORRECT, check(token, &t));
        token[i] = was;
    }
    free(token);
}
END_TEST

START_TEST(neither_none_nor_a_mac_is_a_signature)
{
    char *public_text;
    json_t *confused = public_of(rsa);
    char *none = encode("{\"alg\":\"none\",\"kid\":\"rsa\"}");
    char *p = encode(PAYLOAD);
    char *token = NULL;

    ck_assert_int_gt(asprintf(&token, "%s.%s.", none, p), 0);
    assert_refused(token, "empty");
    free(token);
    ck_assert_int_gt(asprintf(&token, "%s.%s.AAAA", none, p), 0);
    assert_refused(token, "\"alg\"");
    free(token);
    /* The public key as if it were the MAC's. */
    public_text = json_dumps(confused, JSON_COMPACT);
    json_object_set_new(mac, "k", jose_b64_enc(public_text, strlen(public_text)));
    token = make_token("{\"alg\":\"HS256\",\"kid\":\"rsa\"}", PAYLOAD, mac);
    ck_assert_ptr_nonnull(token);
    assert_refused(token, "\"alg\"");
    free(token);
    free(public_text);
    free(none);
    free(p);
    json_decref(confused);
}
END_TEST

START_TEST(only_the_compact_form_is_taken)
{
    char *good_one = make_token(HEADER, PAYLOAD, rsa);
    char *more = NULL;
    char *huge = calloc(1, TOKEN_MAX + 2);

    assert_refused("", "three parts");
    assert_refused("a.b", "three parts");
    assert_refused("..", "empty");
    assert_refused("{\"payload\":\"e30\",\"signatures\":[]}", "three parts");
    ck_assert_int_gt(asprintf(&more, "%s.%s", good_one, strrchr(good_one, '.') + 1), 0);
    assert_refused(more, "more than three");
    free(more);
    ck_assert_int_gt(asprintf(&more, "%s=", good_one), 0);
    assert_refused(more, "no base64url");
    free(more);
    ck_assert_int_gt(asprintf(&more, " %s", good_one), 0);
    assert_refused(more, "no base64url");
    free(more);
    memset(huge, 'A', TOKEN_MAX + 1);
    assert_refused(huge, "longer");
    free(huge);
    free(good_one);
}
END_TEST

START_TEST(nesting_without_end_is_refused)
{
    char deep[20001] = "{\"a\":";
    char *token;

    memset(deep + 5, '[', sizeof(deep) - 6);
    token = make_token(HEADER, deep, rsa);
    assert_refused(token, "no JSON object");
    free(token);
}
END_TEST

START_TEST(a_key_that_two_have_the_name_of_is_nobodys)
{
    json_t *set = json_pack("{s:[o,o]}", "keys", public_of(rsa), public_of(other));
    char *text = json_dumps(set, 0);
    char *token = make_token(HEADER, PAYLOAD, rsa);
    struct token t;

    assert_rv(CKR_PIN_INCORRECT,
              token_verify(local, bytes_from_str(token), &issuer, bytes_from_str(text), NOW, &t));
    assert_rv(CKR_ARGUMENTS_BAD, token_check_keys(bytes_from_str(text), "RS256"));
    free(text);
    free(token);
    json_decref(set);
}
END_TEST

/* ---- what an issuer is added with ---- */

static const struct {
    const char *list;
    CK_RV rv;
} lists[] = {
    {"RS256", CKR_OK},
    {"RS256,ES256,PS512", CKR_OK},
    {"", CKR_ARGUMENTS_BAD},
    {"RS256,", CKR_ARGUMENTS_BAD},
    {"HS256", CKR_ARGUMENTS_BAD},
    {"none", CKR_ARGUMENTS_BAD},
    {"RS256,HS256", CKR_ARGUMENTS_BAD},
    {"RS25", CKR_ARGUMENTS_BAD},
    {"RS256 ES256", CKR_ARGUMENTS_BAD},
};

START_TEST(algorithms_are_those_of_signatures)
{
    assert_rv(lists[_i].rv, token_check_algorithms(lists[_i].list));
}
END_TEST

START_TEST(a_key_set_has_named_public_keys_that_can_be_used)
{
    json_t *private_set = json_pack("{s:[O]}", "keys", rsa);
    char *text = json_dumps(private_set, 0);
    char modulus[172] = ""; /* of 1024 bits */

    assert_ok(token_check_keys(bytes_from_str(keys), "RS256"));
    assert_rv(CKR_ARGUMENTS_BAD, token_check_keys(bytes_from_str(keys), "ES384"));
    assert_rv(CKR_ARGUMENTS_BAD, token_check_keys(bytes_from_str(text), "RS256"));
    assert_rv(CKR_ARGUMENTS_BAD, token_check_keys(BYTES_LIT("{\"keys\":[]}"), "RS256"));
    assert_rv(CKR_ARGUMENTS_BAD,
              token_check_keys(BYTES_LIT("{\"keys\":[{\"kty\":\"RSA\"}]}"), "RS256"));
    assert_rv(CKR_ARGUMENTS_BAD, token_check_keys(BYTES_LIT("[]"), "RS256"));
    assert_rv(CKR_ARGUMENTS_BAD, token_check_keys(BYTES_NONE, "RS256"));
    free(text);
    json_decref(private_set);
    memset(modulus, 'x', sizeof(modulus) - 1);
    private_set = json_pack("{s:[{s:s, s:s, s:s, s:s}]}", "keys", "kty", "RSA", "kid", "short", "e",
                            "AQAB", "n", modulus);
    text = json_dumps(private_set, 0);
    assert_rv(CKR_ARGUMENTS_BAD, token_check_keys(bytes_from_str(text), "RS256"));
    free(text);
    json_decref(private_set);
}
END_TEST

#define LOOP(fn, table) CASE_LOOP(fn, sizeof(table) / sizeof(*(table)))

int main(void)
{
    const struct suite_case cases[] = {
        CASE(a_good_token_names_its_holder_and_its_end),
        LOOP(other_forms_of_a_good_one_are_good, good),
        LOOP(one_bad_fact_makes_a_bad_token, bad),
        CASE(a_signature_of_another_key_is_wrong),
        CASE(every_changed_character_makes_it_bad),
        CASE(neither_none_nor_a_mac_is_a_signature),
        CASE(only_the_compact_form_is_taken),
        CASE(nesting_without_end_is_refused),
        CASE(a_key_that_two_have_the_name_of_is_nobodys),
        LOOP(algorithms_are_those_of_signatures, lists),
        CASE(a_key_set_has_named_public_keys_that_can_be_used),
    };
    int status = 1;

    if (setup())
        status = suite_run("pkcs11/token", cases, sizeof(cases) / sizeof(*cases));
    teardown();
    return status;
}
