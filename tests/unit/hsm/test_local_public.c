/* Public keys come in only when they are sound, and attributes and SubjectPublicKeyInfo are two
 * forms of one key. */
#include "hsm/local_int.h"
#include "tests/support/suite.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

struct world {
    struct local *local;
    EVP_PKEY *key;
    struct buf spki, out;
    struct local_public parsed;
};

static void encode(EVP_PKEY *key, struct buf *ret)
{
    unsigned char *der = NULL;
    int len = i2d_PUBKEY(key, &der);

    ck_assert_int_gt(len, 0);
    buf_clear(ret);
    buf_put(ret, der, (size_t)len);
    OPENSSL_free(der);
}

static void world_init(struct world *w, EVP_PKEY *key)
{
    *w = (struct world){.key = key, .spki = BUF_INIT(8192), .out = BUF_INIT(8192)};
    assert_ok(local_new(&w->local));
    ck_assert_ptr_nonnull(key);
    encode(key, &w->spki);
}

static void world_release(struct world *w)
{
    local_public_release(&w->parsed);
    buf_release(&w->spki);
    buf_release(&w->out);
    EVP_PKEY_free(w->key);
    local_free(w->local);
}

static const struct {
    const char *curve;
    CK_ULONG bits;
} curves[] = {
    {"P-256", 256},           {"P-384", 384},           {"P-521", 521},
    {"P-224", 224},           {"secp256k1", 256},       {"brainpoolP256r1", 256},
    {"brainpoolP384r1", 384}, {"brainpoolP512r1", 512},
};

START_TEST(ec_key_round_trips_by_wrapped_and_raw_point)
{
    struct world w;
    struct bytes point;
    size_t head;

    world_init(&w, EVP_EC_gen(curves[_i].curve));
    assert_ok(local_public_parse(w.local, buf_bytes(&w.spki), &w.parsed));
    ck_assert_uint_eq(w.parsed.type, CKK_EC);
    ck_assert_uint_eq(w.parsed.bits, curves[_i].bits);
    point = buf_bytes(&w.parsed.point);
    assert_ok(local_public_from_ec(w.local, CKK_EC, buf_bytes(&w.parsed.params), point, &w.out));
    ck_assert(bytes_equal(buf_bytes(&w.out), buf_bytes(&w.spki)));
    head = point.data[1] == 0x81 ? 3 : 2;
    assert_ok(local_public_from_ec(w.local, CKK_EC, buf_bytes(&w.parsed.params),
                                   BYTES(point.data + head, point.len - head), &w.out));
    ck_assert(bytes_equal(buf_bytes(&w.out), buf_bytes(&w.spki)));
    world_release(&w);
}
END_TEST

START_TEST(rsa_key_round_trips_also_with_leading_zeros)
{
    struct world w;
    uint8_t padded[257] = {0};

    world_init(&w, EVP_RSA_gen(2048));
    assert_ok(local_public_parse(w.local, buf_bytes(&w.spki), &w.parsed));
    ck_assert_uint_eq(w.parsed.type, CKK_RSA);
    ck_assert_uint_eq(w.parsed.bits, 2048);
    ck_assert(bytes_equal(buf_bytes(&w.parsed.exponent), BYTES_LIT("\x01\x00\x01")));
    ck_assert_uint_eq(w.parsed.modulus.len, 256);
    memcpy(padded + 1, w.parsed.modulus.data, 256);
    assert_ok(
        local_public_from_rsa(w.local, BYTES(padded, 257), buf_bytes(&w.parsed.exponent), &w.out));
    ck_assert(bytes_equal(buf_bytes(&w.out), buf_bytes(&w.spki)));
    world_release(&w);
}
END_TEST

static const char *const edwards[] = {"ED25519", "ED448"};

START_TEST(edwards_key_round_trips_by_oid_and_by_name)
{
    static const char *const names[] = {"\x13\x0c"
                                        "edwards25519",
                                        "\x13\x0a"
                                        "edwards448"};
    struct world w;

    world_init(&w, EVP_PKEY_Q_keygen(NULL, NULL, edwards[_i]));
    assert_ok(local_public_parse(w.local, buf_bytes(&w.spki), &w.parsed));
    ck_assert_uint_eq(w.parsed.type, CKK_EC_EDWARDS);
    assert_ok(local_public_from_ec(w.local, CKK_EC_EDWARDS, buf_bytes(&w.parsed.params),
                                   buf_bytes(&w.parsed.point), &w.out));
    ck_assert(bytes_equal(buf_bytes(&w.out), buf_bytes(&w.spki)));
    assert_ok(local_public_from_ec(w.local, CKK_EC_EDWARDS, bytes_from_str(names[_i]),
                                   buf_bytes(&w.parsed.point), &w.out));
    ck_assert(bytes_equal(buf_bytes(&w.out), buf_bytes(&w.spki)));
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID,
              local_public_from_ec(w.local, CKK_EC, buf_bytes(&w.parsed.params),
                                   buf_bytes(&w.parsed.point), &w.out));
    world_release(&w);
}
END_TEST

START_TEST(a_point_off_the_curve_is_refused)
{
    struct world w;
    struct bytes raw;

    world_init(&w, EVP_EC_gen("P-256"));
    assert_ok(local_public_parse(w.local, buf_bytes(&w.spki), &w.parsed));
    raw = BYTES(w.parsed.point.data + 2, 65);
    assert_ok(local_public_from_ec(w.local, CKK_EC, buf_bytes(&w.parsed.params), raw, &w.out));
    w.parsed.point.data[66] ^= 1;
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID,
              local_public_from_ec(w.local, CKK_EC, buf_bytes(&w.parsed.params), raw, &w.out));
    w.spki.data[w.spki.len - 1] ^= 1;
    local_public_release(&w.parsed);
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID,
              local_public_parse(w.local, buf_bytes(&w.spki), &w.parsed));
    world_release(&w);
}
END_TEST

START_TEST(a_point_compressed_infinite_or_cut_is_refused)
{
    struct world w;
    struct bytes raw, params;

    world_init(&w, EVP_EC_gen("P-256"));
    assert_ok(local_public_parse(w.local, buf_bytes(&w.spki), &w.parsed));
    raw = BYTES(w.parsed.point.data + 2, 65);
    params = buf_bytes(&w.parsed.params);
    w.parsed.point.data[2] = (uint8_t)(2 + (w.parsed.point.data[66] & 1));
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID,
              local_public_from_ec(w.local, CKK_EC, params, BYTES(raw.data, 33), &w.out));
    w.parsed.point.data[2] = 4;
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID,
              local_public_from_ec(w.local, CKK_EC, params, BYTES(raw.data, 64), &w.out));
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID,
              local_public_from_ec(w.local, CKK_EC, params, BYTES_LIT("\0"), &w.out));
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID,
              local_public_from_ec(w.local, CKK_EC, params, BYTES_NONE, &w.out));
    world_release(&w);
}
END_TEST

START_TEST(a_compressed_point_or_explicit_curve_in_spki_is_refused)
{
    struct world w;

    world_init(&w, EVP_EC_gen("P-256"));
    EVP_PKEY_set_utf8_string_param(w.key, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, "compressed");
    encode(w.key, &w.spki);
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID,
              local_public_parse(w.local, buf_bytes(&w.spki), &w.parsed));
    EVP_PKEY_set_utf8_string_param(w.key, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
                                   "uncompressed");
    EVP_PKEY_set_utf8_string_param(w.key, OSSL_PKEY_PARAM_EC_ENCODING, "explicit");
    encode(w.key, &w.spki);
    ck_assert_uint_gt(w.spki.len, 91);
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID,
              local_public_parse(w.local, buf_bytes(&w.spki), &w.parsed));
    world_release(&w);
}
END_TEST

START_TEST(a_curve_not_in_the_table_is_refused)
{
    struct world w;

    world_init(&w, EVP_EC_gen("secp160r1"));
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID,
              local_public_parse(w.local, buf_bytes(&w.spki), &w.parsed));
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID,
              local_public_from_ec(w.local, CKK_EC, BYTES_LIT("\x06\x05\x2b\x81\x04\x00\x08"),
                                   BYTES_LIT("\x04"), &w.out));
    world_release(&w);
}
END_TEST

START_TEST(an_rsa_key_with_bad_numbers_is_refused)
{
    static const struct bytes bad_exponents[] = {
        {(const uint8_t *)"\x02", 1},         {(const uint8_t *)"\x01", 1},
        {(const uint8_t *)"\x00", 1},         {(const uint8_t *)"", 0},
        {(const uint8_t *)"\x01\x00\x00", 3},
    };
    struct world w;
    struct bytes n;

    world_init(&w, EVP_RSA_gen(2048));
    assert_ok(local_public_parse(w.local, buf_bytes(&w.spki), &w.parsed));
    n = buf_bytes(&w.parsed.modulus);
    assert_ok(local_public_from_rsa(w.local, n, BYTES_LIT("\x03"), &w.out));
    for (size_t i = 0; i < sizeof(bad_exponents) / sizeof(*bad_exponents); i++)
        assert_rv(CKR_ATTRIBUTE_VALUE_INVALID,
                  local_public_from_rsa(w.local, n, bad_exponents[i], &w.out));
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID, local_public_from_rsa(w.local, n, n, &w.out));
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID,
              local_public_from_rsa(w.local, BYTES_NONE, BYTES_LIT("\x03"), &w.out));
    w.parsed.modulus.data[255] &= 0xfe;
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID,
              local_public_from_rsa(w.local, n, BYTES_LIT("\x03"), &w.out));
    world_release(&w);
}
END_TEST

START_TEST(rsa_moduli_outside_1024_to_16384_bits_are_refused)
{
    static uint8_t n[2050];
    struct local *local = NULL;
    struct buf out = BUF_INIT(8192);

    memset(n, 0xff, sizeof(n));
    assert_ok(local_new(&local));
    assert_ok(local_public_from_rsa(local, BYTES(n, 128), BYTES_LIT("\x03"), &out));
    assert_ok(local_public_from_rsa(local, BYTES(n, 2048), BYTES_LIT("\x03"), &out));
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID,
              local_public_from_rsa(local, BYTES(n, 2049), BYTES_LIT("\x03"), &out));
    n[0] = 0x7f;
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID,
              local_public_from_rsa(local, BYTES(n, 128), BYTES_LIT("\x03"), &out));
    buf_release(&out);
    local_free(local);
}
END_TEST

START_TEST(spki_with_bytes_behind_it_or_cut_is_refused)
{
    struct world w;

    world_init(&w, EVP_EC_gen("P-256"));
    assert_ok(local_public_parse(w.local, buf_bytes(&w.spki), &w.parsed));
    local_public_release(&w.parsed);
    for (size_t len = 0; len < w.spki.len; len++)
        assert_rv(CKR_ATTRIBUTE_VALUE_INVALID,
                  local_public_parse(w.local, BYTES(w.spki.data, len), &w.parsed));
    buf_putc(&w.spki, '\0');
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID,
              local_public_parse(w.local, buf_bytes(&w.spki), &w.parsed));
    world_release(&w);
}
END_TEST

static EVP_PKEY *rsa_pss_key(void)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA-PSS", NULL);
    EVP_PKEY *key = NULL;

    ck_assert_int_eq(EVP_PKEY_keygen_init(ctx), 1);
    ck_assert_int_eq(EVP_PKEY_generate(ctx, &key), 1);
    EVP_PKEY_CTX_free(ctx);
    return key;
}

START_TEST(a_key_of_another_type_is_refused)
{
    struct world w;

    world_init(&w, rsa_pss_key());
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID,
              local_public_parse(w.local, buf_bytes(&w.spki), &w.parsed));
    world_release(&w);
}
END_TEST

START_TEST(pem_is_what_openssl_writes)
{
    struct world w;
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    long len;

    world_init(&w, EVP_RSA_gen(2048));
    ck_assert_int_eq(PEM_write_bio_PUBKEY(bio, w.key), 1);
    len = BIO_get_mem_data(bio, &text);
    assert_ok(local_public_to_pem(w.local, buf_bytes(&w.spki), &w.out));
    ck_assert(bytes_equal(buf_bytes(&w.out), BYTES(text, (size_t)len)));
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID,
              local_public_to_pem(w.local, BYTES(w.spki.data, 20), &w.out));
    BIO_free(bio);
    world_release(&w);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_LOOP(ec_key_round_trips_by_wrapped_and_raw_point, 8),
        CASE(rsa_key_round_trips_also_with_leading_zeros),
        CASE_LOOP(edwards_key_round_trips_by_oid_and_by_name, 2),
        CASE(a_point_off_the_curve_is_refused),
        CASE(a_point_compressed_infinite_or_cut_is_refused),
        CASE(a_compressed_point_or_explicit_curve_in_spki_is_refused),
        CASE(a_curve_not_in_the_table_is_refused),
        CASE(an_rsa_key_with_bad_numbers_is_refused),
        CASE(rsa_moduli_outside_1024_to_16384_bits_are_refused),
        CASE(spki_with_bytes_behind_it_or_cut_is_refused),
        CASE(a_key_of_another_type_is_refused),
        CASE(pem_is_what_openssl_writes),
    };

    return suite_run("hsm/local_public", cases, sizeof(cases) / sizeof(*cases));
}
