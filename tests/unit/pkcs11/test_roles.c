/* Usages that exclude each other, and what becomes of a template that asks for both. */
#include "pkcs11/roles.h"
#include "tests/support/suite.h"

#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof(*(table)))

static CK_BBOOL yes = CK_TRUE;
static CK_ULONG len = 32;

#define YES(type) ((CK_ATTRIBUTE){(type), &yes, 1})

struct pair {
    enum object_kind kind;
    CK_ATTRIBUTE_TYPE first, second;
    CK_RV want;
};

static CK_RV ask(const struct pair *p, bool first, bool second, struct attrs *ret)
{
    CK_ATTRIBUTE template[3];
    CK_ULONG n = 0;

    if (first)
        template[n++] = YES(p->first);
    if (second)
        template[n++] = YES(p->second);
    if (((unsigned)p->kind & KINDS_SECRET) != 0)
        template[n++] = (CK_ATTRIBUTE){CKA_VALUE_LEN, &len, sizeof(len)};
    return template_complete(p->kind, TEMPLATE_GENERATE, template, n, ret);
}

/* The last rows do not exclude each other. */
static const struct pair pairs[] = {
    {KIND_AES, CKA_WRAP, CKA_DECRYPT, CKR_TEMPLATE_INCONSISTENT},
    {KIND_AES, CKA_UNWRAP, CKA_ENCRYPT, CKR_TEMPLATE_INCONSISTENT},
    {KIND_AES, CKA_DERIVE, CKA_ENCRYPT, CKR_TEMPLATE_INCONSISTENT},
    {KIND_AES, CKA_DERIVE, CKA_SIGN, CKR_TEMPLATE_INCONSISTENT},
    {KIND_CHACHA20, CKA_WRAP, CKA_DECRYPT, CKR_TEMPLATE_INCONSISTENT},
    {KIND_GENERIC, CKA_DERIVE, CKA_SIGN, CKR_TEMPLATE_INCONSISTENT},
    {KIND_HKDF, CKA_DERIVE, CKA_SIGN, CKR_TEMPLATE_INCONSISTENT},
    {KIND_MAC, CKA_DERIVE, CKA_SIGN, CKR_TEMPLATE_INCONSISTENT},
    {KIND_EC_PRIVATE, CKA_ALWAYS_AUTHENTICATE, CKA_DERIVE, CKR_TEMPLATE_INCONSISTENT},
    {KIND_RSA_PRIVATE, CKA_ALWAYS_AUTHENTICATE, CKA_UNWRAP, CKR_TEMPLATE_INCONSISTENT},
    {KIND_KEM_PRIVATE, CKA_ALWAYS_AUTHENTICATE, CKA_DECAPSULATE, CKR_TEMPLATE_INCONSISTENT},
    {KIND_RSA_PRIVATE, CKA_ALWAYS_AUTHENTICATE, CKA_DECRYPT, CKR_OK},
    {KIND_RSA_PRIVATE, CKA_EXTRACTABLE, CKA_DECAPSULATE, CKR_TEMPLATE_INCONSISTENT},
    {KIND_KEM_PRIVATE, CKA_EXTRACTABLE, CKA_DECAPSULATE, CKR_OK},
    {KIND_EC_PRIVATE, CKA_DERIVE, CKA_DECAPSULATE, CKR_OK},
    {KIND_AES, CKA_WRAP, CKA_UNWRAP, CKR_OK},
    {KIND_AES, CKA_ENCRYPT, CKA_DECRYPT, CKR_OK},
    {KIND_AES, CKA_WRAP, CKA_ENCRYPT, CKR_OK},
    {KIND_AES, CKA_UNWRAP, CKA_DECRYPT, CKR_OK},
    {KIND_GENERIC, CKA_SIGN, CKA_VERIFY, CKR_OK},
    {KIND_EC_PRIVATE, CKA_SIGN, CKA_DERIVE, CKR_OK},
};

START_TEST(secret_key_is_not_made_for_both)
{
    struct attrs attrs = ATTRS_INIT;

    assert_rv(pairs[_i].want, ask(&pairs[_i], true, true, &attrs));
    attrs_release(&attrs);
}
END_TEST

START_TEST(secret_key_is_made_for_either)
{
    struct attrs attrs = ATTRS_INIT;

    assert_ok(ask(&pairs[_i], true, false, &attrs));
    ck_assert(attrs_true(&attrs, pairs[_i].first));
    attrs_release(&attrs);
    assert_ok(ask(&pairs[_i], false, true, &attrs));
    ck_assert(attrs_true(&attrs, pairs[_i].second));
    attrs_release(&attrs);
}
END_TEST

/* What sets its label itself; the last rows have one mechanism too many, or nothing that holds. */
static const struct labels {
    CK_MECHANISM_TYPE list[3];
    size_t count;
    CK_RV want;
} labels[] = {
    {{CKM_TLS12_KEY_AND_MAC_DERIVE, CKM_TLS12_MAC, CKM_TLS_MAC}, 3, CKR_OK},
    {{CKM_TLS12_KEY_AND_MAC_DERIVE, CKM_TLS_MAC}, 2, CKR_OK},
    {{CKM_TLS12_KEY_AND_MAC_DERIVE, CKM_TLS_MAC, CKM_TLS_KDF}, 3, CKR_TEMPLATE_INCONSISTENT},
    {{CKM_TLS12_KEY_AND_MAC_DERIVE, CKM_TLS_MAC, CKM_SHA256_HMAC}, 3, CKR_TEMPLATE_INCONSISTENT},
    {{CKM_HKDF_DERIVE}, 1, CKR_TEMPLATE_INCONSISTENT},
    {{0}, 0, CKR_TEMPLATE_INCONSISTENT},
};

START_TEST(what_sets_its_own_label_may_sign_and_derive)
{
    CK_MECHANISM_TYPE list[3];
    CK_ATTRIBUTE template[] = {YES(CKA_SIGN),
                               YES(CKA_DERIVE),
                               {CKA_VALUE_LEN, &len, sizeof(len)},
                               {CKA_ALLOWED_MECHANISMS, list, labels[_i].count * sizeof(*list)}};
    struct attrs attrs = ATTRS_INIT;

    memcpy(list, labels[_i].list, sizeof(list));
    assert_rv(labels[_i].want,
              template_complete(KIND_GENERIC, TEMPLATE_GENERATE, template, 4, &attrs));
    attrs_release(&attrs);
    template[1] = YES(CKA_WRAP);
    template[0] = YES(CKA_DECRYPT);
    assert_rv(CKR_TEMPLATE_INCONSISTENT,
              template_complete(KIND_AES, TEMPLATE_GENERATE, template, 4, &attrs));
}
END_TEST

START_TEST(default_yields_to_what_is_named)
{
    const struct pair mac = {KIND_GENERIC, CKA_DERIVE, CKA_SIGN, CKR_OK};
    struct attrs attrs = ATTRS_INIT;

    assert_ok(ask(&mac, true, false, &attrs));
    ck_assert(attrs_true(&attrs, CKA_DERIVE));
    ck_assert(!attrs_true(&attrs, CKA_SIGN));
    attrs_release(&attrs);
    assert_ok(ask(&mac, false, false, &attrs));
    ck_assert(attrs_true(&attrs, CKA_SIGN));
    ck_assert(!attrs_true(&attrs, CKA_DERIVE));
    attrs_release(&attrs);
}
END_TEST

START_TEST(key_that_asks_for_a_login_each_time_does_not_agree_by_silence)
{
    const struct pair ec = {KIND_EC_PRIVATE, CKA_ALWAYS_AUTHENTICATE, CKA_DERIVE, CKR_OK};
    struct attrs attrs = ATTRS_INIT;

    assert_ok(ask(&ec, true, false, &attrs));
    ck_assert(attrs_true(&attrs, CKA_SIGN));
    ck_assert(!attrs_true(&attrs, CKA_DERIVE));
    attrs_release(&attrs);
    assert_ok(ask(&ec, false, false, &attrs));
    ck_assert(attrs_true(&attrs, CKA_DERIVE));
    attrs_release(&attrs);
}
END_TEST

START_TEST(half_of_a_pair_keeps_the_use_on_data)
{
    const struct pair private = {KIND_RSA_PRIVATE, CKA_DECRYPT, CKA_UNWRAP, CKR_OK};
    struct attrs attrs = ATTRS_INIT;

    assert_ok(ask(&private, true, true, &attrs));
    ck_assert(attrs_true(&attrs, CKA_DECRYPT));
    ck_assert(!attrs_true(&attrs, CKA_UNWRAP));
    attrs_release(&attrs);
    assert_ok(ask(&private, false, true, &attrs));
    ck_assert(!attrs_true(&attrs, CKA_DECRYPT));
    ck_assert(attrs_true(&attrs, CKA_UNWRAP));
    attrs_release(&attrs);
}
END_TEST

START_TEST(public_half_makes_no_keys_that_the_private_one_decrypts)
{
    struct attrs public = ATTRS_INIT;
    struct attrs private = ATTRS_INIT;

    assert_ok(attrs_set_bool(&public, CKA_WRAP, true));
    assert_ok(attrs_set_bool(&public, CKA_ENCAPSULATE, true));
    assert_ok(attrs_set_bool(&private, CKA_UNWRAP, true));
    assert_ok(role_settle_pair(&public, &private));
    ck_assert(attrs_true(&public, CKA_WRAP));
    ck_assert(attrs_true(&public, CKA_ENCAPSULATE));
    assert_ok(attrs_set_bool(&private, CKA_DECRYPT, true));
    assert_ok(role_settle_pair(&public, &private));
    ck_assert(!attrs_true(&public, CKA_WRAP));
    ck_assert(!attrs_true(&public, CKA_ENCAPSULATE));
    attrs_release(&public);
    attrs_release(&private);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_LOOP(secret_key_is_not_made_for_both, COUNT(pairs)),
        CASE_LOOP(secret_key_is_made_for_either, COUNT(pairs)),
        CASE_LOOP(what_sets_its_own_label_may_sign_and_derive, COUNT(labels)),
        CASE(default_yields_to_what_is_named),
        CASE(key_that_asks_for_a_login_each_time_does_not_agree_by_silence),
        CASE(half_of_a_pair_keeps_the_use_on_data),
        CASE(public_half_makes_no_keys_that_the_private_one_decrypts),
    };

    return suite_run("pkcs11/roles", cases, COUNT(cases));
}
