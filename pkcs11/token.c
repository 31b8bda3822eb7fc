/* Tokens of an issuer: see token.h. */
#include "pkcs11/token.h"

#include <jansson.h>
#include <jose/b64.h>
#include <jose/jws.h>
#include <math.h>
#include <string.h>

#define KEYS_MAX     100
#define RSA_BITS_MIN 2048

/* One row an algorithm: what its key must be. No row for "none", nor for MACs: whoever verifies
 * those can make them. */
static const struct algorithm {
    const char *name, *type, *curve;
} algorithms[] = {
    {"RS256", "RSA", NULL},   {"RS384", "RSA", NULL},   {"RS512", "RSA", NULL},
    {"PS256", "RSA", NULL},   {"PS384", "RSA", NULL},   {"PS512", "RSA", NULL},
    {"ES256", "EC", "P-256"}, {"ES384", "EC", "P-384"}, {"ES512", "EC", "P-521"},
};

#define COUNT(table) (sizeof(table) / sizeof(*(table)))

static const struct algorithm *algorithm_find(const char *name, size_t len)
{
    for (size_t i = 0; i < COUNT(algorithms); i++)
        if (strlen(algorithms[i].name) == len && memcmp(algorithms[i].name, name, len) == 0)
            return &algorithms[i];
    return NULL;
}

/* Is it one of a list "RS256,ES256"? */
static bool is_listed(const char *list, const char *name)
{
    size_t len = strlen(name);

    for (const char *at = list; (at = strstr(at, name)) != NULL; at += len)
        if ((at == list || at[-1] == ',') && (at[len] == ',' || at[len] == '\0'))
            return true;
    return false;
}

static CK_RV refuse(const char *why)
{
    return fail(CKR_PIN_INCORRECT, "the token is refused: %s", why);
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text != NULL ? text : "";
}

/* ---- the compact form ---- */

enum part { PART_HEADER, PART_PAYLOAD, PART_SIGNATURE, PARTS };

static bool is_base64url(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];

        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '_'))
            return false;
    }
    return text.len > 0 && text.len % 4 != 1;
}

/* Three parts with dots between them, none of them empty. */
static CK_RV split(struct bytes token, struct bytes parts[static PARTS])
{
    size_t start = 0;
    size_t count = 0;

    if (token.len > TOKEN_MAX)
        return refuse("it is longer than 65536 bytes");
    for (size_t i = 0; i <= token.len; i++) {
        if (i < token.len && token.data[i] != '.')
            continue;
        if (count == PARTS)
            return refuse("it has more than three parts");
        parts[count++] = BYTES(token.data + start, i - start);
        start = i + 1;
    }
    if (count != PARTS)
        return refuse("it has not three parts with dots between them");
    for (size_t i = 0; i < PARTS; i++)
        if (!is_base64url(parts[i]))
            return refuse("a part of it is empty or no base64url");
    return CKR_OK;
}

static CK_RV parse_part(struct bytes part, json_t **ret)
{
    struct buf text = BUF_INIT(TOKEN_MAX);
    uint8_t *room = buf_grow(&text, part.len);
    size_t len;
    CK_RV rv = CKR_OK;

    if (room == NULL)
        return fail_memory();
    len = jose_b64_dec_buf(part.data, part.len, room, part.len);
    if (len <= part.len)
        *ret = json_loadb((const char *)room, len, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(*ret))
        rv = refuse("header or payload is no JSON object, or has a member twice");
    buf_release_secure(&text);
    return rv;
}

/* ---- the header ---- */

/* Members by which a token would bring its own key, or demand what we do not know. */
static const char *const forbidden[] = {"crit", "jku", "jwk", "x5u", "x5c", "b64", "zip"};

static CK_RV check_header(const json_t *header, const struct issuer *issuer,
                          const struct algorithm **ret)
{
    const char *name = text_of(header, "alg");
    const json_t *type = json_object_get(header, "typ");

    for (size_t i = 0; i < COUNT(forbidden); i++)
        if (json_object_get(header, forbidden[i]) != NULL)
            return fail(CKR_PIN_INCORRECT, "the token is refused: its header has \"%s\"",
                        forbidden[i]);
    if (type != NULL && strcasecmp(text_of(header, "typ"), "JWT") != 0 &&
        strcasecmp(text_of(header, "typ"), "at+jwt") != 0)
        return refuse("its \"typ\" is neither JWT nor at+jwt");
    *ret = algorithm_find(name, strlen(name));
    if (*ret == NULL || !is_listed(issuer->algorithms, name))
        return refuse("its \"alg\" is none that the issuer was added with");
    return text_of(header, "kid")[0] != '\0' ? CKR_OK : refuse("its header names no key (\"kid\")");
}

/* ---- keys ---- */

static bool rsa_is_long_enough(const json_t *key)
{
    const char *n = text_of(key, "n");

    /* Of base64url, that is; a leading zero byte is in no modulus of a JSON Web Key. */
    return strlen(n) * 6 >= RSA_BITS_MIN;
}

static bool may_verify(const json_t *key)
{
    const json_t *operations = json_object_get(key, "key_ops");
    const json_t *use = json_object_get(key, "use");

    if (use != NULL && strcmp(text_of(key, "use"), "sig") != 0)
        return false;
    for (size_t i = 0; i < json_array_size(operations); i++) {
        const char *word = json_string_value(json_array_get(operations, i));

        if (word != NULL && strcmp(word, "verify") == 0)
            return true;
    }
    return operations == NULL;
}

static bool key_is_for(const json_t *key, const struct algorithm *algorithm)
{
    const json_t *alg = json_object_get(key, "alg");

    if (strcmp(text_of(key, "kty"), algorithm->type) != 0 || !may_verify(key))
        return false;
    if (alg != NULL && strcmp(text_of(key, "alg"), algorithm->name) != 0)
        return false;
    return algorithm->curve != NULL ? strcmp(text_of(key, "crv"), algorithm->curve) == 0
                                    : rsa_is_long_enough(key);
}

/* The one key of that name. */
static CK_RV find_key(const json_t *set, const char *name, const struct algorithm *algorithm,
                      const json_t **ret)
{
    const json_t *keys = json_object_get(set, "keys");
    size_t found = 0;

    for (size_t i = 0; i < json_array_size(keys); i++)
        if (strcmp(text_of(json_array_get(keys, i), "kid"), name) == 0) {
            *ret = json_array_get(keys, i);
            found++;
        }
    if (found != 1)
        return refuse("the issuer has no key, or more than one, of the name that it gives");
    return key_is_for(*ret, algorithm) ? CKR_OK
                                       : refuse("the key that it names is not for its \"alg\"");
}

static CK_RV load_keys(struct bytes keys, json_t **ret)
{
    *ret = json_loadb((const char *)keys.data, keys.len, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_array(json_object_get(*ret, "keys")))
        return fail(CKR_ARGUMENTS_BAD, "the key set is no JSON object with the list \"keys\", or "
                                       "has a member twice");
    return CKR_OK;
}

/* ---- the payload ---- */

/* A NumericDate; false where it is none. Cut to whole seconds, and far future to what we count. */
static bool date_of(const json_t *payload, const char *name, int64_t *ret)
{
    const json_t *value = json_object_get(payload, name);
    double seconds = json_number_value(value);

    if (!json_is_number(value) || !(seconds >= 0))
        return false;
    *ret = seconds < 4e17 ? (int64_t)floor(seconds) : (int64_t)4e17;
    return true;
}

static CK_RV check_times(const json_t *payload, int64_t now, int64_t *ret_expires)
{
    static const char *const from[] = {"nbf", "iat"};
    int64_t date = 0;

    if (!date_of(payload, "exp", ret_expires))
        return refuse("it has no \"exp\" that is a date");
    if (now >= *ret_expires)
        return refuse("it has expired");
    for (size_t i = 0; i < COUNT(from); i++) {
        if (json_object_get(payload, from[i]) == NULL)
            continue;
        if (!date_of(payload, from[i], &date) || date > now + TOKEN_LEEWAY_S)
            return refuse("its \"nbf\" or \"iat\" is no date, or in the future");
    }
    return CKR_OK;
}

static bool is_for(const json_t *audience, const char *us)
{
    const char *text = json_string_value(audience);

    if (text != NULL)
        return strcmp(text, us) == 0;
    for (size_t i = 0; i < json_array_size(audience); i++) {
        text = json_string_value(json_array_get(audience, i));
        if (text != NULL && strcmp(text, us) == 0)
            return true;
    }
    return false;
}

static CK_RV name_principal(const json_t *payload, const struct issuer *issuer, struct token *ret)
{
    struct buf name = BUF_INIT(4 * PRINCIPAL_MAX);
    CK_RV rv = CKR_OK;

    buf_printf(&name, "token:%s#%s", issuer->name, text_of(payload, "sub"));
    if (buf_str(&name) == NULL || !principal_is_valid(buf_str(&name)))
        rv = refuse("its \"sub\" is missing, too long, or holds what no name here may hold");
    else
        (void)memccpy(ret->principal, buf_str(&name) + strlen("token:"), '\0', PRINCIPAL_MAX);
    buf_release(&name);
    return rv;
}

static CK_RV check_payload(const json_t *payload, const struct issuer *issuer, int64_t now,
                           struct token *ret)
{
    CK_RV rv = CKR_OK;

    *ret = (struct token){.expires = 0};
    if (strcmp(text_of(payload, "iss"), issuer->name) != 0)
        return refuse("it is of another issuer");
    if (!is_for(json_object_get(payload, "aud"), issuer->audience))
        return refuse("it is for somebody else (\"aud\")");
    rv = check_times(payload, now, &ret->expires);
    return rv == CKR_OK ? name_principal(payload, issuer, ret) : rv;
}

/* ---- the whole ---- */

static json_t *part_text(struct bytes part)
{
    return json_stringn((const char *)part.data, part.len);
}

static CK_RV check_signature(struct local *local, const struct bytes parts[static PARTS],
                             const json_t *key)
{
    json_t *jws =
        json_pack("{s:o, s:o, s:o}", "protected", part_text(parts[PART_HEADER]), "payload",
                  part_text(parts[PART_PAYLOAD]), "signature", part_text(parts[PART_SIGNATURE]));
    void *before = local_default_begin(local);
    bool good = jws != NULL && jose_jws_ver(NULL, jws, NULL, key, false);

    local_default_end(before);
    json_decref(jws);
    return good ? CKR_OK : refuse("its signature is wrong");
}

struct opened {
    struct bytes parts[PARTS];
    json_t *header, *payload, *keys;
};

static void opened_release(struct opened *o)
{
    json_decref(o->header);
    json_decref(o->payload);
    json_decref(o->keys);
}

static CK_RV verify(struct local *local, struct opened *o, struct bytes token,
                    const struct issuer *issuer, struct bytes keys)
{
    const struct algorithm *algorithm = NULL;
    const json_t *key = NULL;
    CK_RV rv = split(token, o->parts);

    if (rv == CKR_OK)
        rv = parse_part(o->parts[PART_HEADER], &o->header);
    if (rv == CKR_OK)
        rv = parse_part(o->parts[PART_PAYLOAD], &o->payload);
    if (rv == CKR_OK)
        rv = check_header(o->header, issuer, &algorithm);
    if (rv == CKR_OK)
        rv = load_keys(keys, &o->keys);
    if (rv == CKR_OK)
        rv = find_key(o->keys, text_of(o->header, "kid"), algorithm, &key);
    return rv == CKR_OK ? check_signature(local, o->parts, key) : rv;
}

CK_RV token_verify(struct local *local, struct bytes token, const struct issuer *issuer,
                   struct bytes keys, int64_t now, struct token *ret)
{
    struct opened o = {.header = NULL};
    struct token made;
    CK_RV rv = verify(local, &o, token, issuer, keys);

    if (rv == CKR_OK)
        rv = check_payload(o.payload, issuer, now, &made);
    if (rv == CKR_OK)
        *ret = made;
    opened_release(&o);
    return rv;
}

CK_RV token_issuer(struct bytes token, char ret[static ISSUER_NAME_MAX + 1])
{
    struct opened o = {.header = NULL};
    const char *name = "";
    CK_RV rv = split(token, o.parts);

    if (rv == CKR_OK)
        rv = parse_part(o.parts[PART_PAYLOAD], &o.payload);
    if (rv == CKR_OK) {
        name = text_of(o.payload, "iss");
        if (!issuer_name_is_valid(name))
            rv = refuse("it names no issuer (\"iss\") that could be known");
    }
    if (rv == CKR_OK)
        memcpy(ret, name, strlen(name) + 1);
    opened_release(&o);
    return rv;
}

/* ---- what an issuer is added with ---- */

CK_RV token_check_algorithms(const char *list)
{
    const char *at = list;

    if (strlen(list) > ISSUER_ALGORITHMS_MAX)
        return fail(CKR_ARGUMENTS_BAD, "the list of algorithms is too long");
    for (;;) {
        size_t len = strcspn(at, ",");

        if (algorithm_find(at, len) == NULL)
            return fail(CKR_ARGUMENTS_BAD,
                        "\"%.*s\" is no algorithm for tokens: take some of RS256 RS384 RS512 PS256 "
                        "PS384 PS512 ES256 ES384 ES512, with commas between them",
                        (int)(len < 32 ? len : 32), at);
        if (at[len] == '\0')
            return CKR_OK;
        at += len + 1;
    }
}

/* Members of private and secret keys (RFC 7518, 6). */
static const char *const secret_members[] = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"};

static CK_RV check_key(const json_t *keys, size_t i)
{
    const json_t *key = json_array_get(keys, i);
    const char *name = text_of(key, "kid");

    if (name[0] == '\0')
        return fail(CKR_ARGUMENTS_BAD, "key %zu of the set has no name (\"kid\")", i + 1);
    for (size_t m = 0; m < COUNT(secret_members); m++)
        if (json_object_get(key, secret_members[m]) != NULL)
            return fail(CKR_ARGUMENTS_BAD,
                        "key %.64s of the set is private or secret: give the issuer's public keys",
                        name);
    for (size_t other = 0; other < i; other++)
        if (strcmp(text_of(json_array_get(keys, other), "kid"), name) == 0)
            return fail(CKR_ARGUMENTS_BAD, "two keys of the set have the name %.64s", name);
    return CKR_OK;
}

static bool is_for_any(const json_t *key, const char *list)
{
    for (size_t i = 0; i < COUNT(algorithms); i++)
        if (is_listed(list, algorithms[i].name) && key_is_for(key, &algorithms[i]))
            return true;
    return false;
}

static CK_RV check_set(const json_t *keys, const char *list)
{
    size_t count = json_array_size(keys);
    bool good = false;
    CK_RV rv = CKR_OK;

    if (count > KEYS_MAX)
        return fail(CKR_ARGUMENTS_BAD, "the key set has more than %d keys", KEYS_MAX);
    for (size_t i = 0; rv == CKR_OK && i < count; i++)
        rv = check_key(keys, i);
    for (size_t i = 0; i < count; i++)
        good = good || is_for_any(json_array_get(keys, i), list);
    if (rv == CKR_OK && !good)
        rv = fail(CKR_ARGUMENTS_BAD,
                  "the key set has no key that %s could be verified with (RSA: %d bits or more)",
                  list, RSA_BITS_MIN);
    return rv;
}

CK_RV token_check_keys(struct bytes keys, const char *list)
{
    json_t *set = NULL;
    CK_RV rv = load_keys(keys, &set);

    if (rv == CKR_OK)
        rv = check_set(json_object_get(set, "keys"), list);
    json_decref(set);
    return rv;
}
