/*
 * C_WrapKey, C_UnwrapKey and their authenticated forms: a key goes out and comes back the same key;
 * what may not leave stays, what may not come in is refused; every refusal changes one fact of what
 * is allowed beside it.
 */
#include "tests/module/pkcs11/token.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SOFTWARE TEXT(CKA_KEYWARD_PROTECTION, "software")
#define WRAPPED  4096

static CK_SESSION_HANDLE session;
static uint8_t iv[12] = "a given iv!";
static uint8_t aad[4] = "aad";

static CK_GCM_PARAMS gcm_params = {
    .pIv = iv, .ulIvLen = 12, .ulIvBits = 96, .pAAD = aad, .ulAADLen = 4, .ulTagBits = 128};
static CK_MECHANISM gcm = {CKM_AES_GCM, &gcm_params, sizeof(gcm_params)};
static CK_MECHANISM kw = {CKM_AES_KEY_WRAP, NULL, 0};
static CK_MECHANISM kwp = {CKM_AES_KEY_WRAP_KWP, NULL, 0};

static void start(void)
{
    session = token_alice();
}

/* An AES key to wrap with. */
static CK_OBJECT_HANDLE make_kek(CK_ATTRIBUTE one, CK_ATTRIBUTE two)
{
    CK_MECHANISM m = {CKM_AES_KEY_GEN, NULL, 0};
    CK_OBJECT_HANDLE key = 0;

    assert_ok(p11->C_GenerateKey(
        session, &m,
        LIST(ULONG(CKA_VALUE_LEN, 32), SOFTWARE, YES(CKA_WRAP), YES(CKA_UNWRAP), one, two), &key));
    return key;
}

static CK_OBJECT_HANDLE kek(void)
{
    return make_kek(TEXT(CKA_LABEL, "kek"), NO(CKA_TOKEN));
}

/* An AES key that leaves, but for what one says. */
static CK_OBJECT_HANDLE make_leaving(CK_ATTRIBUTE extractable, CK_ATTRIBUTE one)
{
    CK_MECHANISM m = {CKM_AES_KEY_GEN, NULL, 0};
    CK_OBJECT_HANDLE key = 0;

    assert_ok(p11->C_GenerateKey(session, &m,
                                 LIST(ULONG(CKA_VALUE_LEN, 32), SOFTWARE, extractable, one), &key));
    return key;
}

static CK_OBJECT_HANDLE leaving(void)
{
    return make_leaving(YES(CKA_EXTRACTABLE), TEXT(CKA_LABEL, "leaves"));
}

static CK_RV unwrap(CK_MECHANISM *m, CK_OBJECT_HANDLE with, uint8_t *wrapped, CK_ULONG len,
                    CK_ATTRIBUTE one, CK_OBJECT_HANDLE *ret)
{
    return p11->C_UnwrapKey(
        session, m, with, wrapped, len,
        LIST(ULONG(CKA_CLASS, CKO_SECRET_KEY), ULONG(CKA_KEY_TYPE, CKK_AES), SOFTWARE, one), ret);
}

/* Two AES keys are the same when one undoes what the other did. */
static void assert_same_key(CK_OBJECT_HANDLE one, CK_OBJECT_HANDLE other)
{
    CK_MECHANISM ecb = {CKM_AES_ECB, NULL, 0};
    uint8_t block[16] = "sixteen bytes ..";
    uint8_t cipher[16];
    uint8_t back[16];
    CK_ULONG len = 16;

    assert_ok(p11->C_EncryptInit(session, &ecb, one));
    assert_ok(p11->C_Encrypt(session, block, 16, cipher, &len));
    assert_ok(p11->C_DecryptInit(session, &ecb, other));
    assert_ok(p11->C_Decrypt(session, cipher, 16, back, &len));
    ck_assert_mem_eq(block, back, 16);
}

/* ---- out and in ---- */

static CK_MECHANISM *const round_trips[] = {&gcm, &kw, &kwp};

START_TEST(a_wrapped_key_comes_back_the_same_key)
{
    CK_MECHANISM *m = round_trips[_i];
    CK_OBJECT_HANDLE with, key, back;
    uint8_t wrapped[WRAPPED];
    CK_ULONG asked = 0;
    CK_ULONG len = sizeof(wrapped);

    start();
    with = kek();
    key = leaving();
    assert_ok(p11->C_WrapKey(session, m, with, key, NULL, &asked));
    assert_ok(p11->C_WrapKey(session, m, with, key, wrapped, &len));
    ck_assert_uint_eq(asked, len);
    assert_ok(unwrap(m, with, wrapped, len, TEXT(CKA_LABEL, "back"), &back));
    assert_same_key(key, back);
    len--;
    assert_rv(CKR_BUFFER_TOO_SMALL, p11->C_WrapKey(session, m, with, key, wrapped, &len));
    ck_assert_uint_eq(len, asked);
}
END_TEST

START_TEST(an_unwrapped_key_is_sensitive_and_not_local_unless_told)
{
    CK_OBJECT_HANDLE with, key, back;
    uint8_t wrapped[WRAPPED];
    CK_ULONG len = sizeof(wrapped);

    start();
    with = kek();
    key = leaving();
    assert_ok(p11->C_WrapKey(session, &gcm, with, key, wrapped, &len));
    assert_ok(unwrap(&gcm, with, wrapped, len, NO(CKA_TOKEN), &back));
    ck_assert(!token_bool(session, back, CKA_LOCAL));
    ck_assert(token_bool(session, back, CKA_SENSITIVE));
    ck_assert(!token_bool(session, back, CKA_EXTRACTABLE));
    ck_assert(!token_bool(session, back, CKA_ALWAYS_SENSITIVE));
    ck_assert(!token_bool(session, back, CKA_NEVER_EXTRACTABLE));
    ck_assert(!token_bool(session, back, CKA_TRUSTED));
    ck_assert_uint_eq(token_ulong(session, back, CKA_VALUE_LEN), 32);
    ck_assert_uint_eq(token_ulong(session, back, CKA_KEY_GEN_MECHANISM),
                      CK_UNAVAILABLE_INFORMATION);
}
END_TEST

/* A private key out under KWP, and in again: its signatures verify with the public half. */
START_TEST(a_private_key_goes_out_and_comes_back)
{
    uint8_t p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
    CK_MECHANISM gen = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
    CK_MECHANISM ecdsa = {CKM_ECDSA_SHA256, NULL, 0};
    CK_OBJECT_HANDLE with, public, private, back;
    uint8_t wrapped[WRAPPED];
    uint8_t sig[64];
    CK_ULONG len = sizeof(wrapped);
    CK_ULONG sig_len = sizeof(sig);

    start();
    with = kek();
    assert_ok(p11->C_GenerateKeyPair(
        session, &gen, LIST(ATTR(CKA_EC_PARAMS, p256, sizeof(p256)), NO(CKA_TOKEN)),
        LIST(SOFTWARE, NO(CKA_TOKEN), YES(CKA_EXTRACTABLE)), &public, &private));
    assert_ok(p11->C_WrapKey(session, &kwp, with, private, wrapped, &len));
    assert_rv(CKR_KEY_NOT_WRAPPABLE,
              p11->C_WrapKey(session, &kwp, with, public, wrapped, &(CK_ULONG){WRAPPED}));
    assert_ok(p11->C_UnwrapKey(
        session, &kwp, with, wrapped, len,
        LIST(ULONG(CKA_CLASS, CKO_PRIVATE_KEY), ULONG(CKA_KEY_TYPE, CKK_EC), SOFTWARE), &back));
    assert_ok(p11->C_SignInit(session, &ecdsa, back));
    assert_ok(p11->C_Sign(session, iv, sizeof(iv), sig, &sig_len));
    assert_ok(p11->C_VerifyInit(session, &ecdsa, public));
    assert_ok(p11->C_Verify(session, iv, sizeof(iv), sig, sig_len));
    /* The same bytes are no RSA key, and no AES key. */
    assert_rv(CKR_WRAPPED_KEY_INVALID,
              p11->C_UnwrapKey(
                  session, &kwp, with, wrapped, len,
                  LIST(ULONG(CKA_CLASS, CKO_PRIVATE_KEY), ULONG(CKA_KEY_TYPE, CKK_RSA), SOFTWARE),
                  &back));
    assert_rv(CKR_WRAPPED_KEY_INVALID, unwrap(&kwp, with, wrapped, len, NO(CKA_TOKEN), &back));
}
END_TEST

/* A public key wraps, its private half unwraps. */
static CK_RSA_PKCS_OAEP_PARAMS oaep_params = {
    .hashAlg = CKM_SHA256, .mgf = CKG_MGF1_SHA256, .source = CKZ_DATA_SPECIFIED};
static CK_RSA_AES_KEY_WRAP_PARAMS rsa_aes_params = {.ulAESKeyBits = 256,
                                                    .pOAEPParams = &oaep_params};
static CK_MECHANISM to_public[] = {
    {CKM_RSA_PKCS_OAEP, &oaep_params, sizeof(oaep_params)},
    {CKM_RSA_AES_KEY_WRAP, &rsa_aes_params, sizeof(rsa_aes_params)},
};

START_TEST(a_key_goes_out_to_a_public_key_and_comes_in_by_its_private_half)
{
    CK_MECHANISM gen = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
    CK_OBJECT_HANDLE public, private, key, back;
    uint8_t wrapped[WRAPPED];
    CK_ULONG len = sizeof(wrapped);

    start();
    assert_ok(p11->C_GenerateKeyPair(
        session, &gen, LIST(ULONG(CKA_MODULUS_BITS, 2048), NO(CKA_TOKEN), YES(CKA_WRAP)),
        LIST(SOFTWARE, NO(CKA_TOKEN), YES(CKA_UNWRAP)), &public, &private));
    key = leaving();
    assert_ok(p11->C_WrapKey(session, &to_public[_i], public, key, wrapped, &len));
    assert_ok(unwrap(&to_public[_i], private, wrapped, len, NO(CKA_TOKEN), &back));
    assert_same_key(key, back);
    wrapped[9] ^= 1;
    assert_rv(CKR_WRAPPED_KEY_INVALID,
              unwrap(&to_public[_i], private, wrapped, len, NO(CKA_TOKEN), &back));
    assert_rv(CKR_KEY_TYPE_INCONSISTENT,
              p11->C_WrapKey(session, &to_public[_i], private, key, wrapped, &len));
}
END_TEST

/* ---- what does not leave ---- */

static CK_RV try_wrap(CK_OBJECT_HANDLE with, CK_OBJECT_HANDLE key)
{
    uint8_t wrapped[WRAPPED];
    CK_ULONG len = sizeof(wrapped);

    return p11->C_WrapKey(session, &gcm, with, key, wrapped, &len);
}

START_TEST(a_key_that_is_not_extractable_does_not_leave)
{
    CK_OBJECT_HANDLE with;

    start();
    with = kek();
    assert_ok(try_wrap(with, leaving()));
    assert_rv(CKR_KEY_UNEXTRACTABLE,
              try_wrap(with, make_leaving(NO(CKA_EXTRACTABLE), NO(CKA_TOKEN))));
    assert_rv(CKR_KEY_HANDLE_INVALID, try_wrap(with, 4711));
}
END_TEST

START_TEST(only_a_key_made_to_wrap_wraps)
{
    CK_OBJECT_HANDLE key;

    start();
    key = leaving();
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED, try_wrap(key, key));
    assert_rv(CKR_KEY_HANDLE_INVALID, try_wrap(4711, key));
    assert_rv(CKR_ARGUMENTS_BAD, p11->C_WrapKey(session, &gcm, kek(), key, NULL, NULL));
    assert_rv(CKR_ARGUMENTS_BAD, p11->C_WrapKey(session, NULL, kek(), key, NULL, &(CK_ULONG){0}));
    assert_rv(CKR_MECHANISM_INVALID, p11->C_WrapKey(session, &(CK_MECHANISM){CKM_AES_ECB, NULL, 0},
                                                    kek(), key, NULL, &(CK_ULONG){0}));
}
END_TEST

START_TEST(a_key_for_trusted_keys_leaves_under_no_other)
{
    CK_OBJECT_HANDLE with;

    start();
    with = kek();
    assert_ok(try_wrap(with, make_leaving(YES(CKA_EXTRACTABLE), NO(CKA_WRAP_WITH_TRUSTED))));
    assert_rv(CKR_KEY_NOT_WRAPPABLE,
              try_wrap(with, make_leaving(YES(CKA_EXTRACTABLE), YES(CKA_WRAP_WITH_TRUSTED))));
}
END_TEST

START_TEST(a_wrap_template_chooses_what_it_wraps)
{
    CK_ATTRIBUTE wanted[] = {TEXT(CKA_LABEL, "leaves")};
    CK_OBJECT_HANDLE with;

    start();
    with = make_kek(ATTR(CKA_WRAP_TEMPLATE, wanted, sizeof(wanted)), NO(CKA_TOKEN));
    assert_ok(try_wrap(with, leaving()));
    assert_rv(CKR_KEY_HANDLE_INVALID,
              try_wrap(with, make_leaving(YES(CKA_EXTRACTABLE), TEXT(CKA_LABEL, "other"))));
}
END_TEST

/* ---- what does not come in ---- */

START_TEST(what_was_changed_or_is_not_a_key_is_refused_with_one_code)
{
    CK_OBJECT_HANDLE with, back;
    uint8_t wrapped[WRAPPED];
    CK_ULONG len = sizeof(wrapped);

    start();
    with = kek();
    assert_ok(p11->C_WrapKey(session, round_trips[_i], with, leaving(), wrapped, &len));
    assert_ok(unwrap(round_trips[_i], with, wrapped, len, NO(CKA_TOKEN), &back));
    for (CK_ULONG at = 0; at < len; at += 7) {
        wrapped[at] ^= 1;
        assert_rv(CKR_WRAPPED_KEY_INVALID,
                  unwrap(round_trips[_i], with, wrapped, len, NO(CKA_TOKEN), &back));
        wrapped[at] ^= 1;
    }
    assert_rv(CKR_WRAPPED_KEY_INVALID,
              unwrap(round_trips[_i], with, wrapped, len - 1, NO(CKA_TOKEN), &back));
    assert_rv(CKR_WRAPPED_KEY_INVALID,
              unwrap(round_trips[_i], kek(), wrapped, len, NO(CKA_TOKEN), &back));
    assert_rv(CKR_WRAPPED_KEY_INVALID,
              unwrap(round_trips[_i], with, wrapped, len, ULONG(CKA_VALUE_LEN, 16), &back));
    assert_ok(unwrap(round_trips[_i], with, wrapped, len, ULONG(CKA_VALUE_LEN, 32), &back));
}
END_TEST

START_TEST(cbc_padding_wraps_and_does_not_unwrap)
{
    CK_MECHANISM cbc = {CKM_AES_CBC_PAD, (CK_BYTE[16]){0}, 16};
    CK_OBJECT_HANDLE with, back;
    uint8_t wrapped[WRAPPED];
    CK_ULONG len = sizeof(wrapped);

    start();
    with = kek();
    assert_ok(p11->C_WrapKey(session, &cbc, with, leaving(), wrapped, &len));
    assert_rv(CKR_MECHANISM_INVALID, unwrap(&cbc, with, wrapped, len, NO(CKA_TOKEN), &back));
}
END_TEST

START_TEST(templates_of_unwrapping_are_checked_before_anything_is_unwrapped)
{
    CK_OBJECT_HANDLE with, back;
    uint8_t wrapped[48] = {0};

    start();
    with = kek();
    assert_rv(CKR_TEMPLATE_INCOMPLETE,
              p11->C_UnwrapKey(session, &gcm, with, wrapped, sizeof(wrapped),
                               LIST(ULONG(CKA_CLASS, CKO_SECRET_KEY)), &back));
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID,
              p11->C_UnwrapKey(session, &gcm, with, wrapped, sizeof(wrapped),
                               LIST(ULONG(CKA_CLASS, CKO_DATA), ULONG(CKA_KEY_TYPE, CKK_AES)),
                               &back));
    assert_rv(CKR_ATTRIBUTE_READ_ONLY,
              unwrap(&gcm, with, wrapped, sizeof(wrapped), ATTR(CKA_VALUE, wrapped, 32), &back));
    assert_rv(CKR_TEMPLATE_INCONSISTENT,
              p11->C_UnwrapKey(session, &gcm, with, wrapped, sizeof(wrapped),
                               LIST(ULONG(CKA_CLASS, CKO_SECRET_KEY), ULONG(CKA_KEY_TYPE, CKK_AES),
                                    YES(CKA_WRAP), YES(CKA_DECRYPT)),
                               &back));
    assert_rv(CKR_ARGUMENTS_BAD, unwrap(&gcm, with, NULL, 48, NO(CKA_TOKEN), &back));
    assert_rv(CKR_ARGUMENTS_BAD, unwrap(&gcm, with, wrapped, sizeof(wrapped), NO(CKA_TOKEN), NULL));
    assert_rv(CKR_WRAPPED_KEY_LEN_RANGE,
              unwrap(&gcm, with, wrapped, 1UL << 30, NO(CKA_TOKEN), &back));
}
END_TEST

START_TEST(an_unwrap_template_decides_what_comes_in)
{
    CK_ATTRIBUTE asks[] = {NO(CKA_EXTRACTABLE)};
    CK_OBJECT_HANDLE with, back;
    uint8_t wrapped[WRAPPED];
    CK_ULONG len = sizeof(wrapped);

    start();
    with = make_kek(ATTR(CKA_UNWRAP_TEMPLATE, asks, sizeof(asks)), NO(CKA_TOKEN));
    assert_ok(p11->C_WrapKey(session, &gcm, with, leaving(), wrapped, &len));
    assert_rv(CKR_TEMPLATE_INCONSISTENT,
              unwrap(&gcm, with, wrapped, len, YES(CKA_EXTRACTABLE), &back));
    assert_ok(unwrap(&gcm, with, wrapped, len, NO(CKA_EXTRACTABLE), &back));
}
END_TEST

/* ---- policies ---- */

START_TEST(a_policy_stops_a_key_from_leaving_by_its_own_name)
{
    session = token_alice_under(
        "{\"verb\":\"policy.apply\",\"vault\":\"web\",\"text\":\"permit (principal, action, "
        "resource); forbid (principal, action == Action::\\\"wrapKey\\\", resource) when { "
        "resource.name == \\\"stays\\\" };\"}");
    assert_ok(try_wrap(kek(), leaving()));
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED,
              try_wrap(kek(), make_leaving(YES(CKA_EXTRACTABLE), TEXT(CKA_LABEL, "stays"))));
}
END_TEST

/* ---- authenticated (3.2) ---- */

static CK_C_WrapKeyAuthenticated wrap_authenticated;
static CK_C_UnwrapKeyAuthenticated unwrap_authenticated;

static void find_authenticated(void)
{
    void *module = dlopen(getenv("KEYWARD_MODULE"), RTLD_NOW | RTLD_NOLOAD);

    ck_assert_ptr_nonnull(module);
    *(void **)&wrap_authenticated = dlsym(module, "C_WrapKeyAuthenticated");
    *(void **)&unwrap_authenticated = dlsym(module, "C_UnwrapKeyAuthenticated");
    ck_assert(wrap_authenticated != NULL && unwrap_authenticated != NULL);
}

START_TEST(associated_data_tag_and_iv_belong_to_an_authenticated_wrapping)
{
    uint8_t tag[16] = {0};
    uint8_t nonce[12] = {0};
    CK_GCM_MESSAGE_PARAMS p = {.pIv = nonce,
                               .ulIvLen = 12,
                               .ivGenerator = CKG_GENERATE_RANDOM,
                               .pTag = tag,
                               .ulTagBits = 128};
    CK_MECHANISM m = {CKM_AES_GCM, &p, sizeof(p)};
    CK_ATTRIBUTE template[] = {ULONG(CKA_CLASS, CKO_SECRET_KEY), ULONG(CKA_KEY_TYPE, CKK_AES),
                               SOFTWARE};
    CK_OBJECT_HANDLE with, key, back;
    uint8_t wrapped[64];
    CK_ULONG len = sizeof(wrapped);

    start();
    find_authenticated();
    with = kek();
    key = leaving();
    assert_ok(wrap_authenticated(session, &m, with, key, aad, 4, wrapped, &len));
    ck_assert_uint_eq(len, 32);
    ck_assert_mem_ne(nonce, ((uint8_t[12]){0}), 12);
    assert_ok(unwrap_authenticated(session, &m, with, wrapped, len, template, 3, aad, 4, &back));
    assert_same_key(key, back);
    assert_rv(CKR_WRAPPED_KEY_INVALID,
              unwrap_authenticated(session, &m, with, wrapped, len, template, 3, aad, 3, &back));
    tag[3] ^= 1;
    assert_rv(CKR_WRAPPED_KEY_INVALID,
              unwrap_authenticated(session, &m, with, wrapped, len, template, 3, aad, 4, &back));
    p.ivGenerator = CKG_GENERATE_COUNTER;
    len = sizeof(wrapped);
    assert_rv(CKR_MECHANISM_PARAM_INVALID,
              wrap_authenticated(session, &m, with, key, aad, 4, wrapped, &len));
    assert_rv(CKR_MECHANISM_INVALID,
              wrap_authenticated(session, &kw, with, key, aad, 4, wrapped, &len));
}
END_TEST

/* ---- what goes out does not come back as something else ---- */

/* An AES key of the caller's own, that wraps. */
static CK_OBJECT_HANDLE imported_kek(void)
{
    uint8_t value[32] = {7};
    CK_OBJECT_HANDLE key = 0;

    assert_ok(
        p11->C_CreateObject(session,
                            LIST(ULONG(CKA_CLASS, CKO_SECRET_KEY), ULONG(CKA_KEY_TYPE, CKK_AES),
                                 SOFTWARE, ATTR(CKA_VALUE, value, sizeof(value)), YES(CKA_WRAP)),
                            &key));
    return key;
}

START_TEST(a_sensitive_key_is_not_wrapped_by_one_that_came_from_outside)
{
    start();
    assert_rv(CKR_KEY_NOT_WRAPPABLE, try_wrap(imported_kek(), leaving()));
    assert_ok(try_wrap(kek(), leaving()));
    assert_ok(try_wrap(imported_kek(), make_leaving(YES(CKA_EXTRACTABLE), NO(CKA_SENSITIVE))));
}
END_TEST

START_TEST(an_unwrapped_key_is_sensitive_and_neither_wraps_nor_unwraps)
{
    CK_OBJECT_HANDLE with, back;
    uint8_t wrapped[WRAPPED];
    CK_ULONG len = sizeof(wrapped);

    start();
    with = kek();
    assert_ok(p11->C_WrapKey(session, &gcm, with, leaving(), wrapped, &len));
    assert_rv(CKR_TEMPLATE_INCONSISTENT,
              unwrap(&gcm, with, wrapped, len, NO(CKA_SENSITIVE), &back));
    assert_rv(CKR_TEMPLATE_INCONSISTENT, unwrap(&gcm, with, wrapped, len, YES(CKA_WRAP), &back));
    assert_rv(CKR_TEMPLATE_INCONSISTENT, unwrap(&gcm, with, wrapped, len, YES(CKA_UNWRAP), &back));
    assert_ok(unwrap(&gcm, with, wrapped, len, YES(CKA_SENSITIVE), &back));
}
END_TEST

START_TEST(a_key_that_wraps_or_unwraps_never_leaves)
{
    CK_MECHANISM m = {CKM_AES_KEY_GEN, NULL, 0};
    CK_ATTRIBUTE usages[] = {YES(CKA_WRAP), YES(CKA_UNWRAP)};
    CK_OBJECT_HANDLE key;

    start();
    for (size_t i = 0; i < COUNT(usages); i++) {
        assert_rv(CKR_TEMPLATE_INCONSISTENT,
                  p11->C_GenerateKey(
                      session, &m,
                      LIST(ULONG(CKA_VALUE_LEN, 32), SOFTWARE, usages[i], YES(CKA_EXTRACTABLE)),
                      &key));
        assert_ok(p11->C_GenerateKey(
            session, &m, LIST(ULONG(CKA_VALUE_LEN, 32), SOFTWARE, usages[i], NO(CKA_EXTRACTABLE)),
            &key));
    }
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(a_sensitive_key_is_not_wrapped_by_one_that_came_from_outside),
        CASE(an_unwrapped_key_is_sensitive_and_neither_wraps_nor_unwraps),
        CASE(a_key_that_wraps_or_unwraps_never_leaves),
        CASE_LOOP(a_wrapped_key_comes_back_the_same_key, 3),
        CASE(an_unwrapped_key_is_sensitive_and_not_local_unless_told),
        CASE(a_private_key_goes_out_and_comes_back),
        CASE_LOOP(a_key_goes_out_to_a_public_key_and_comes_in_by_its_private_half, 2),
        CASE(a_key_that_is_not_extractable_does_not_leave),
        CASE(only_a_key_made_to_wrap_wraps),
        CASE(a_key_for_trusted_keys_leaves_under_no_other),
        CASE(a_wrap_template_chooses_what_it_wraps),
        CASE_LOOP(what_was_changed_or_is_not_a_key_is_refused_with_one_code, 3),
        CASE(cbc_padding_wraps_and_does_not_unwrap),
        CASE(templates_of_unwrapping_are_checked_before_anything_is_unwrapped),
        CASE(an_unwrap_template_decides_what_comes_in),
        CASE(a_policy_stops_a_key_from_leaving_by_its_own_name),
        CASE(associated_data_tag_and_iv_belong_to_an_authenticated_wrapping),
    };

    return token_suite("pkcs11/wrap", cases, sizeof(cases) / sizeof(*cases));
}
