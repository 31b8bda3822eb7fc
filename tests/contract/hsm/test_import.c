/* Keys from outside: imported, they do what the original does; what is no sound key is refused. */
#include "hsm/local_private.h"
#include "tests/support/hsm_world.h"
#include "tests/support/suite.h"

#include <string.h>

/* Where the keys of these tests come from: another device, as it were. */
struct source {
    struct hsm_world w;
    struct hsm *software;
};

static void source_init(struct source *s)
{
    world_init(&s->w);
    world_open(&s->w);
    assert_ok(hsm_open_software(s->w.local, &s->software));
}

static void source_release(struct source *s)
{
    hsm_close(s->software);
    world_release(&s->w);
}

static const struct {
    CK_KEY_TYPE type;
    CK_ULONG bits;
    const struct bytes *curve;
    CK_MECHANISM_TYPE sign;
} kinds[] = {
    {CKK_RSA, 2048, NULL, CKM_SHA256_RSA_PKCS},
    {CKK_EC, 0, &world_p256, CKM_ECDSA_SHA256},
    {CKK_EC, 0, &world_p521, CKM_ECDSA_SHA512},
};

#define KINDS ((int)(sizeof(kinds) / sizeof(*kinds)))

static struct secret *make(struct source *s, int i, struct buf *spki)
{
    struct hsm_key_spec spec = {.key = {.kind = HSM_KEY_PRIVATE, .type = kinds[i].type},
                                .bits = kinds[i].bits};
    struct secret *material = NULL;

    if (kinds[i].curve != NULL)
        spec.curve = *kinds[i].curve;
    assert_ok(hsm_generate(s->software, &spec, spki, &material));
    return material;
}

START_TEST(imported_private_key_signs_as_the_original)
{
    CK_MECHANISM m = {kinds[_i].sign, NULL, 0};
    struct buf spki = BUF_INIT(8192);
    struct buf again = BUF_INIT(8192);
    struct buf sig = BUF_INIT(8192);
    struct source s;
    struct hsm_key key;

    source_init(&s);
    SCOPED_SECRET material = make(&s, _i, &spki);

    world_import(&s.w, HSM_KEY_PRIVATE, kinds[_i].type, secret_bytes(material), &key, &again);
    ck_assert(bytes_equal(buf_bytes(&spki), buf_bytes(&again)));
    assert_ok(hsm_run(s.w.hsm, HSM_SIGN, &key, &m, BYTES_LIT("abc"), BYTES_NONE, &sig));
    assert_ok(local_verify(s.w.local, buf_bytes(&spki), &m, BYTES_LIT("abc"), buf_bytes(&sig)));
    buf_release(&spki);
    buf_release(&again);
    buf_release(&sig);
    source_release(&s);
}
END_TEST

START_TEST(imported_rsa_key_decrypts_what_was_encrypted_to_the_original)
{
    CK_RSA_PKCS_OAEP_PARAMS p = {CKM_SHA_1, CKG_MGF1_SHA1, CKZ_DATA_SPECIFIED, NULL, 0};
    CK_MECHANISM m = {CKM_RSA_PKCS_OAEP, &p, sizeof(p)};
    struct buf spki = BUF_INIT(8192);
    struct buf out = BUF_INIT(8192);
    struct buf cipher = BUF_INIT(8192);
    struct source s;
    struct hsm_key key;

    source_init(&s);
    SCOPED_SECRET material = make(&s, 0, &spki);

    assert_ok(local_encrypt(s.w.local, buf_bytes(&spki), &m, BYTES_LIT("abc"), &cipher));
    world_import(&s.w, HSM_KEY_PRIVATE, CKK_RSA, secret_bytes(material), &key, &spki);
    assert_ok(hsm_run(s.w.hsm, HSM_DECRYPT, &key, &m, buf_bytes(&cipher), BYTES_NONE, &out));
    ck_assert(bytes_equal_str(buf_bytes(&out), "abc"));
    buf_release(&spki);
    buf_release(&out);
    buf_release(&cipher);
    source_release(&s);
}
END_TEST

START_TEST(imported_secret_keys_give_the_known_answers)
{
    /* FIPS 197, appendix C.3; RFC 4231, test case 6 (a key longer than the block). */
    uint8_t aes[32];
    uint8_t plain[16];
    uint8_t cipher[16];
    uint8_t mac[32];
    uint8_t mac_key[131];
    CK_MECHANISM ecb = {CKM_AES_ECB, NULL, 0};
    CK_MECHANISM hmac = {CKM_SHA256_HMAC, NULL, 0};
    struct buf out = BUF_INIT(256);
    struct source s;
    struct hsm_key key;

    memset(mac_key, 0xaa, sizeof(mac_key));
    ck_assert(bytes_from_hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
                             aes, 32));
    ck_assert(bytes_from_hex("00112233445566778899aabbccddeeff", plain, 16));
    ck_assert(bytes_from_hex("8ea2b7ca516745bfeafc49904b496089", cipher, 16));
    ck_assert(bytes_from_hex("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
                             mac, 32));
    source_init(&s);
    world_import(&s.w, HSM_KEY_SECRET, CKK_AES, BYTES(aes, 32), &key, NULL);
    assert_ok(hsm_run(s.w.hsm, HSM_ENCRYPT, &key, &ecb, BYTES(plain, 16), BYTES_NONE, &out));
    ck_assert(bytes_equal(buf_bytes(&out), BYTES(cipher, 16)));
    world_import(&s.w, HSM_KEY_SECRET, CKK_GENERIC_SECRET, BYTES(mac_key, 131), &key, NULL);
    assert_ok(hsm_run(s.w.hsm, HSM_SIGN, &key, &hmac,
                      BYTES_LIT("Test Using Larger Than Block-Size Key - Hash Key First"),
                      BYTES_NONE, &out));
    ck_assert(bytes_equal(buf_bytes(&out), BYTES(mac, 32)));
    buf_release(&out);
    source_release(&s);
}
END_TEST

static CK_RV try_import(struct source *s, const struct hsm_key_spec *spec, struct bytes material)
{
    struct buf spki = BUF_INIT(8192);
    SCOPED_SECRET normal = NULL;
    CK_RV rv = hsm_import(s->w.hsm, spec, material, &spki, &normal);

    buf_release(&spki);
    return rv;
}

START_TEST(broken_keys_are_refused_and_leave_nothing)
{
    struct hsm_key_spec spec = {.key = {.id = {7}, .kind = HSM_KEY_PRIVATE, .type = kinds[_i].type},
                                .sign = true};
    struct buf spki = BUF_INIT(8192);
    struct buf bad = BUF_INIT(8192);
    bool found = true;
    struct source s;

    source_init(&s);
    SCOPED_SECRET material = make(&s, _i, &spki);

    buf_put_bytes(&bad, secret_bytes(material));
    bad.data[bad.len - 1] ^= 1;
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID, try_import(&s, &spec, buf_bytes(&bad)));
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID, try_import(&s, &spec, BYTES(bad.data, bad.len - 1)));
    spec.key.type = spec.key.type == CKK_RSA ? CKK_EC : CKK_RSA;
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID, try_import(&s, &spec, secret_bytes(material)));
    assert_ok(hsm_find(s.w.hsm, &spec.key, &found));
    ck_assert(!found);
    spec.key.kind = HSM_KEY_SECRET;
    spec.key.type = CKK_AES;
    assert_rv(CKR_KEY_SIZE_RANGE, try_import(&s, &spec, BYTES(bad.data, 33)));
    assert_rv(CKR_KEY_SIZE_RANGE, try_import(&s, &spec, BYTES_NONE));
    assert_ok(hsm_find(s.w.hsm, &spec.key, &found));
    ck_assert(!found);
    buf_release(&spki);
    buf_release(&bad);
    source_release(&s);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_LOOP(imported_private_key_signs_as_the_original, KINDS),
        CASE(imported_rsa_key_decrypts_what_was_encrypted_to_the_original),
        CASE(imported_secret_keys_give_the_known_answers),
        CASE_LOOP(broken_keys_are_refused_and_leave_nothing, KINDS),
    };

    return suite_run("hsm/import", cases, sizeof(cases) / sizeof(*cases));
}
