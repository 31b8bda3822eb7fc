/* RSA private keys whose numbers do not agree, as a table: each row changes one number of a good
 * key. A key that signs wrongly once gives its primes away (Boneh, DeMillo, Lipton 1997), so all
 * are compared before the first use. */
#include "hsm/local_private.h"
#include "tests/unit/hsm/known_bad.h"

#include <openssl/bn.h>
#include <openssl/rsa.h>
#include <string.h>

static const struct {
    CK_ATTRIBUTE_TYPE type;
    const char *name;
} numbers[] = {
    {CKA_MODULUS, "n"},
    {CKA_PUBLIC_EXPONENT, "e"},
    {CKA_PRIVATE_EXPONENT, "d"},
    {CKA_PRIME_1, "rsa-factor1"},
    {CKA_PRIME_2, "rsa-factor2"},
    {CKA_EXPONENT_1, "rsa-exponent1"},
    {CKA_EXPONENT_2, "rsa-exponent2"},
    {CKA_COEFFICIENT, "rsa-coefficient1"},
};

/* The number becomes that of another attribute (0: its own), and add is added; set: add alone. */
static const struct {
    const char *what;
    CK_ATTRIBUTE_TYPE type, from;
    CK_ULONG add;
    bool set;
    CK_RV rv;
} rows[] = {
    {"as it is", CKA_MODULUS, 0, 0, false, CKR_OK},
    {"n even", CKA_MODULUS, 0, 1, false, CKR_ATTRIBUTE_VALUE_INVALID},
    {"another n", CKA_MODULUS, 0, 2, false, CKR_ATTRIBUTE_VALUE_INVALID},
    {"n = 0", CKA_MODULUS, 0, 0, true, CKR_ATTRIBUTE_VALUE_INVALID},
    {"n is p", CKA_MODULUS, CKA_PRIME_1, 0, false, CKR_ATTRIBUTE_VALUE_INVALID},
    {"e = 1", CKA_PUBLIC_EXPONENT, 0, 1, true, CKR_ATTRIBUTE_VALUE_INVALID},
    {"e even", CKA_PUBLIC_EXPONENT, 0, 1, false, CKR_ATTRIBUTE_VALUE_INVALID},
    {"another e", CKA_PUBLIC_EXPONENT, 0, 2, false, CKR_ATTRIBUTE_VALUE_INVALID},
    {"e = 0", CKA_PUBLIC_EXPONENT, 0, 0, true, CKR_ATTRIBUTE_VALUE_INVALID},
    {"e = n", CKA_PUBLIC_EXPONENT, CKA_MODULUS, 0, false, CKR_ATTRIBUTE_VALUE_INVALID},
    {"another d", CKA_PRIVATE_EXPONENT, 0, 2, false, CKR_ATTRIBUTE_VALUE_INVALID},
    {"d = 1", CKA_PRIVATE_EXPONENT, 0, 1, true, CKR_ATTRIBUTE_VALUE_INVALID},
    {"p = q", CKA_PRIME_1, CKA_PRIME_2, 0, false, CKR_ATTRIBUTE_VALUE_INVALID},
    {"p = 1", CKA_PRIME_1, 0, 1, true, CKR_ATTRIBUTE_VALUE_INVALID},
    {"p = n", CKA_PRIME_1, CKA_MODULUS, 0, false, CKR_ATTRIBUTE_VALUE_INVALID},
    {"another q", CKA_PRIME_2, 0, 2, false, CKR_ATTRIBUTE_VALUE_INVALID},
    {"another dP", CKA_EXPONENT_1, 0, 1, false, CKR_ATTRIBUTE_VALUE_INVALID},
    {"another dQ", CKA_EXPONENT_2, 0, 1, false, CKR_ATTRIBUTE_VALUE_INVALID},
    {"dP for dQ", CKA_EXPONENT_2, CKA_EXPONENT_1, 0, false, CKR_ATTRIBUTE_VALUE_INVALID},
    {"another qInv", CKA_COEFFICIENT, 0, 1, false, CKR_ATTRIBUTE_VALUE_INVALID},
};

static void set_number(const EVP_PKEY *key, const char *name, CK_ATTRIBUTE_TYPE type, CK_ULONG add,
                       bool alone, struct attrs *attrs)
{
    uint8_t out[300];
    BIGNUM *n = NULL;
    int len;

    ck_assert_int_eq(EVP_PKEY_get_bn_param(key, name, &n), 1);
    if (alone)
        BN_zero(n);
    ck_assert_int_eq(BN_add_word(n, add), 1);
    len = BN_bn2binpad(n, out, BN_is_zero(n) ? 1 : BN_num_bytes(n));
    ck_assert_int_gt(len, 0);
    assert_ok(attrs_set(attrs, type, BYTES(out, (size_t)len)));
    BN_clear_free(n);
}

static const char *name_of(CK_ATTRIBUTE_TYPE type)
{
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
        if (numbers[i].type == type)
            return numbers[i].name;
    return NULL;
}

/* As an import does it: attributes to material, and the material looked through. */
static CK_RV import(struct local *local, const struct attrs *attrs)
{
    SCOPED_SECRET material = NULL;
    SCOPED_SECRET again = NULL;
    struct buf spki = BUF_INIT(4096);
    CK_RV rv = local_private_from_attrs(local, CKK_RSA, attrs, &material);

    if (rv == CKR_OK)
        rv = local_private_import(local, CKK_RSA, secret_bytes(material), &spki, &again);
    buf_release(&spki);
    return rv;
}

START_TEST(an_rsa_key_whose_numbers_do_not_agree_is_refused)
{
    struct world w;

    world_init(&w, EVP_RSA_gen(2048));
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct attrs attrs = ATTRS_INIT;
        CK_RV rv;

        for (size_t n = 0; n < sizeof(numbers) / sizeof(*numbers); n++)
            set_number(w.key, numbers[n].name, numbers[n].type, 0, false, &attrs);
        set_number(w.key, name_of(rows[i].from != 0 ? rows[i].from : rows[i].type), rows[i].type,
                   rows[i].add, rows[i].set, &attrs);
        rv = import(w.local, &attrs);
        ck_assert_msg(rv == rows[i].rv, "%s: wanted 0x%lx, got 0x%lx (%s)", rows[i].what,
                      rows[i].rv, rv, fail_reason());
        attrs_release(&attrs);
    }
    world_release(&w);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(an_rsa_key_whose_numbers_do_not_agree_is_refused),
    };

    return suite_run("hsm/known_bad_private", cases, sizeof(cases) / sizeof(*cases));
}
