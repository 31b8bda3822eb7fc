/*
 * What only the software device does: keys come out as material and come in from outside, PKCS#1
 * v1.5 never says what was wrong, one ready key serves many threads.
 */
#include "base/attrs.h"
#include "hsm/local_private.h"
#include "tests/support/hsm_world.h"
#include "tests/support/suite.h"

#include <openssl/err.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static void put_hex(struct buf *b, const char *hex)
{
    size_t n = strlen(hex) / 2;

    if (n > 0)
        ck_assert(bytes_from_hex(hex, buf_grow(b, n), n));
}

static void world_start(struct hsm_world *w)
{
    world_init(w);
    world_open(w);
}

static CK_RV try_import(struct hsm_world *w, enum hsm_key_kind kind, CK_KEY_TYPE type,
                        struct bytes material)
{
    struct hsm_key_spec spec = {.key = {.kind = kind, .type = type}};
    struct buf spki = BUF_INIT(8192);
    SCOPED_SECRET normal = NULL;
    CK_RV rv = hsm_import(w->hsm, &spec, material, &spki, &normal);

    ck_assert((rv == CKR_OK) == (normal != NULL));
    buf_release(&spki);
    return rv;
}

/* ---- PKCS#1 v1.5: blocks made by hand, answers of OpenSSL 4.0's implicit rejection ---- */

/* PKCS#8 of an RSA key of 1024 bits, made for this test. */
static const char rsa_1024[] =
    "30820276020100300d06092a864886f70d0101010500048202603082025c02010002818100ce22db5c00"
    "7dfb4f89f1ebfa86c8da6edeba6f23edbab41c87dae98ba961e9bd99b684dc9ae0e6b6e296db7e5a0b7a"
    "54045bccd5440c3e6d8a216021989c664891f8987d5142a06dda4342ea9069f0aa5121ed422557fa9b64"
    "5afc6270a24606bfc196fb9963e6e094b36b9a4f04a95085e588a876cf47279ed67491c62acf6b020301"
    "000102818070b9d119a3cf412242fe801c959ebb0d0c5209bb2d22ffa1e68d49502dc5b4ac11a6254bfa"
    "8a68c0b472e8ff54c09819dff44fb484ace96abfb1f6bf0894e6bd6698937c7349786b5458c77a553a8e"
    "2b9e8bcb220ce200d607d17712069fdbf9385116602bfe4de7192e7e490cd9ba9bed32a57554ed616fba"
    "4acd852f8bf279024100fab3a51c4ea52ee8f9dde016cabda8b0a528873996e2de8ced649fcb14a46854"
    "975ed9cbb619b67768f42c4a80c857f5c79dba2f6afb4fcdc6daf3a96ba7f917024100d27e1a09776ee1"
    "44364e078d6def84118d93daec6b7c137a3a315d3761598af8bc792d73df7184fefb4a9e8a019a587ffe"
    "e64e67b6e28396fd7ca14234a168cd024009f41bf815bf452f86cc225b854d26676d0740e72e706f7994"
    "eb4bd4da4af4c1770913089d8043d855d86bf1c14f32fed520140651ef0c6a151d18537facb99d024045"
    "722138fa5474b1c290dfe10362405a623163cb18732921ec4d190a0a6e3671760d2cb7cc0271f48607ca"
    "6291c0d06dfa3515ad16238972a9531308fac03e09024100974499cedd22f0ddbe5e0e3a48519056a191"
    "ce7e2da95056619720bdf4239672a5a207f9c5213bd782fcbc2d432d9dbd1a7157261053ea40b1bcba53"
    "279c44ec";

static const struct {
    const char *what, *cipher, *message;
} blocks[] = {
    {"a message",
     "9c4f09952bc92e8ed2249d8c285e3d2ae99a5450c34c278cc7db4e61a0f7edb6c7051256f50a1faf0c61"
     "53ea7c585933aec81df0117f24fd3578c912e948802e4ca836b400a6d86d7a5811638b018b65a7152b79"
     "8381eaf6731a7a6acf180c250f4dc614f984467486fb8c228712ae86499c543609129576e3505f8e87d2"
     "7b7d",
     "6d65737361676521"},
    {"an empty message",
     "7c34b897a5b93278c2bf777871c6b5fe7031f5c6287320e40bd3a814785fe0fa55cee0fbead33f47c837"
     "a97c4e9af5e0cc9af7a38b1a40b7eda8dec893feeb489f04c1d2eedecbc58fb92754fbc6e79155fc44cf"
     "b8163eeccd585e8eff9c89a831433bff949f413262e2426c8bee0a82e15213cfc2190b2dae7ed7928651"
     "8c62",
     ""},
    {"the longest message",
     "274fd69aa1e4f6dba4ce76a40114b8ca1c7e1c5c4c878f27a0f808733f48f6e63d8995878c9ee7dc56af"
     "0990e4798c5ead43db249adf5f35bfe1a5cb094bcb951cd637a8af190aa49a6112bdd9a0af5228ed4319"
     "b0ae44cbddd9d845ee2a59883ac84765e7fcb02ac0444b8cca78eb9ee170ade72edfe13f2aec81be6e30"
     "582f",
     "787878787878787878787878787878787878787878787878787878787878787878787878787878787878"
     "787878787878787878787878787878787878787878787878787878787878787878787878787878787878"
     "787878787878787878787878787878787878787878787878787878787878787878"},
    {"no zero byte",
     "a45bec66e81721ea3ecabed0c32181bbe9ae6a2b709783122d40a465b6600f16cc9fd7dc36ac9d32bd49"
     "d922b689c8bf1981ce3fdbddaa8023cf591ecbd8f84b3e3158932683af4718a79f58ed1f4ce1a150219a"
     "38430fae957130b50356abd193dbade53a430dd53ffbcc7599a387cab2130b490456d7aeece3f3129f8a"
     "9da1",
     "078b9dcd9bafc9dd9e00579ae173afef81b4e836d0"},
    {"block type 1",
     "abe7c36707e37d05e2880ba73beeb859c1808a27d0db884fb082e05943f852cb3e33432a43c6feb85100"
     "c918800562de5fa4d24cdff32c0c7851fed79bb5c75783b206601644bc043b8898ae85a15acfb9993b11"
     "053a95d5b577d679eb796a4cc02385bcd3f60d7a2d1b18e4947a923885500afb8598a1950cbdd73f7dc8"
     "35d9",
     "e77765838fef55cc560db4bd64de37284d73"},
    {"a first byte that is not 0",
     "3b7cfacdff97f468e8003796af552941c45a3b1614836c82c8c69320d7bb43b9cded0b977da363c47eef"
     "e86da79201875f4c408d27b7a43110fee2fd82b97f70a0281925bca1c3b23daac4e09eb85f8de6a73893"
     "168197fd07674f2fbee0e07d21987de2512c7a13e95840675ebb96ad9bb6c6627ac55413b868d9d05d29"
     "723c",
     "b8"},
    {"a zero among the first eight",
     "8350ce7d6eb7da87d7d8d51e6a16696f93604959fb13b6e68151f09ae2432153b27a4924e866981346e9"
     "1a9c5b3e8faef5dd02d90f6933a538deda310a4c20d83a14021911d53ac885142ea9a345d57f7570493f"
     "b4cdd36cadfece0939a1261b2afbae1f8368fca4cd3e9d9c229896260b6b63b5feeee1dd2400f730d7e3"
     "5578",
     "b86db60118a0a3681e193c2e19a807365213aea656"},
};

#define BLOCKS ((int)(sizeof(blocks) / sizeof(*blocks)))

START_TEST(pkcs1_decryption_gives_a_message_whatever_the_padding)
{
    CK_MECHANISM m = {CKM_RSA_PKCS, NULL, 0};
    struct buf material = BUF_INIT(4096);
    struct buf cipher = BUF_INIT(256);
    struct buf wanted = BUF_INIT(256);
    struct buf plain = BUF_INIT(256);
    struct buf spki = BUF_INIT(4096);
    struct hsm_world w;
    struct hsm_key key;

    put_hex(&material, rsa_1024);
    put_hex(&cipher, blocks[_i].cipher);
    put_hex(&wanted, blocks[_i].message);
    world_start(&w);
    world_import(&w, HSM_KEY_PRIVATE, CKK_RSA, buf_bytes(&material), &key, &spki);
    for (int i = 0; i < 2; i++) {
        assert_ok(hsm_run(w.hsm, HSM_DECRYPT, &key, &m, buf_bytes(&cipher), BYTES_NONE, &plain));
        ck_assert_msg(bytes_equal(buf_bytes(&plain), buf_bytes(&wanted)), "%s", blocks[_i].what);
    }
    /* Another ciphertext is another made-up message; one of another length is refused. */
    cipher.data[127] ^= 1;
    assert_ok(hsm_run(w.hsm, HSM_DECRYPT, &key, &m, buf_bytes(&cipher), BYTES_NONE, &plain));
    ck_assert(!bytes_equal(buf_bytes(&plain), buf_bytes(&wanted)) || wanted.len < 2);
    assert_rv(CKR_ENCRYPTED_DATA_LEN_RANGE,
              hsm_run(w.hsm, HSM_DECRYPT, &key, &m, BYTES(cipher.data, 127), BYTES_NONE, &plain));
    /* Not below the modulus: no ciphertext of this key at all. */
    memset(cipher.data, 0xff, 128);
    assert_rv(CKR_ENCRYPTED_DATA_INVALID,
              hsm_run(w.hsm, HSM_DECRYPT, &key, &m, buf_bytes(&cipher), BYTES_NONE, &plain));
    buf_release(&material);
    buf_release(&cipher);
    buf_release(&wanted);
    buf_release(&plain);
    buf_release(&spki);
    world_release(&w);
}
END_TEST

/* ---- material ---- */

static const struct kind {
    CK_KEY_TYPE type;
    CK_ULONG bits;
    const struct bytes *curve;
} kinds[] = {
    {CKK_RSA, 2048, NULL},
    {CKK_EC, 0, &world_p256},
    {CKK_EC, 0, &world_p384},
    {CKK_EC, 0, &world_p521},
    {CKK_EC_EDWARDS, 0, &world_ed25519},
};

#define KINDS ((int)(sizeof(kinds) / sizeof(*kinds)))

static struct secret *generate(struct hsm_world *w, const struct kind *k, struct buf *spki)
{
    struct hsm_key_spec spec = {.key = {.kind = HSM_KEY_PRIVATE, .type = k->type}, .bits = k->bits};
    struct secret *material = NULL;

    if (k->curve != NULL)
        spec.curve = *k->curve;
    assert_ok(hsm_generate(w->hsm, &spec, spki, &material));
    return material;
}

START_TEST(material_comes_back_the_same_from_outside_and_from_its_attributes)
{
    struct buf spki = BUF_INIT(8192);
    struct buf again = BUF_INIT(8192);
    struct attrs attrs = ATTRS_INIT;
    struct hsm_world w;
    struct hsm_key key;

    world_start(&w);
    SCOPED_SECRET material = generate(&w, &kinds[_i], &spki);
    SCOPED_SECRET built = NULL;

    world_import(&w, HSM_KEY_PRIVATE, kinds[_i].type, secret_bytes(material), &key, &again);
    ck_assert(bytes_equal(buf_bytes(&spki), buf_bytes(&again)));
    assert_ok(local_private_to_attrs(w.local, kinds[_i].type, secret_bytes(material), &attrs));
    assert_ok(local_private_from_attrs(w.local, kinds[_i].type, &attrs, &built));
    ck_assert(bytes_equal(secret_bytes(built), secret_bytes(material)));
    attrs_release(&attrs);
    buf_release(&spki);
    buf_release(&again);
    world_release(&w);
}
END_TEST

START_TEST(material_that_is_changed_cut_longer_or_of_another_type_is_refused)
{
    struct buf spki = BUF_INIT(8192);
    struct buf bad = BUF_INIT(8192);
    struct hsm_world w;

    world_start(&w);
    SCOPED_SECRET material = generate(&w, &kinds[_i], &spki);
    CK_KEY_TYPE type = kinds[_i].type;

    buf_put_bytes(&bad, secret_bytes(material));
    buf_putc(&bad, 0);
    assert_ok(try_import(&w, HSM_KEY_PRIVATE, type, BYTES(bad.data, bad.len - 1)));
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID, try_import(&w, HSM_KEY_PRIVATE, type, buf_bytes(&bad)));
    for (size_t len = 0; len < bad.len - 1; len += len < 16 ? 1 : 37)
        assert_rv(CKR_ATTRIBUTE_VALUE_INVALID,
                  try_import(&w, HSM_KEY_PRIVATE, type, BYTES(bad.data, len)));
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID,
              try_import(&w, HSM_KEY_PRIVATE, type == CKK_EC ? CKK_RSA : CKK_EC,
                         BYTES(bad.data, bad.len - 1)));
    /* The last byte is the point's, or RSA's coefficient; an Edwards key has no public half here.
     */
    bad.data[bad.len - 2] ^= 1;
    if (type != CKK_EC_EDWARDS)
        assert_rv(CKR_ATTRIBUTE_VALUE_INVALID,
                  try_import(&w, HSM_KEY_PRIVATE, type, BYTES(bad.data, bad.len - 1)));
    buf_release(&spki);
    buf_release(&bad);
    world_release(&w);
}
END_TEST

static void remove_primes(struct attrs *attrs)
{
    attrs_remove(attrs, CKA_PRIME_1);
    attrs_remove(attrs, CKA_PRIME_2);
    attrs_remove(attrs, CKA_EXPONENT_1);
    attrs_remove(attrs, CKA_EXPONENT_2);
    attrs_remove(attrs, CKA_COEFFICIENT);
}

START_TEST(rsa_key_of_three_numbers_is_completed_and_one_of_two_is_not)
{
    struct buf der = BUF_INIT(4096);
    struct attrs attrs = ATTRS_INIT;
    struct attrs found = ATTRS_INIT;
    struct hsm_world w;

    put_hex(&der, rsa_1024);
    world_start(&w);
    SCOPED_SECRET material = NULL;
    SCOPED_SECRET other = NULL;
    struct bytes d;

    assert_ok(local_private_to_attrs(w.local, CKK_RSA, buf_bytes(&der), &attrs));
    d = attrs_bytes(&attrs, CKA_PRIVATE_EXPONENT);
    ck_assert_uint_eq(attrs.count, 8);
    remove_primes(&attrs);
    assert_ok(local_private_from_attrs(w.local, CKK_RSA, &attrs, &material));
    assert_ok(try_import(&w, HSM_KEY_PRIVATE, CKK_RSA, secret_bytes(material)));
    assert_ok(local_private_to_attrs(w.local, CKK_RSA, secret_bytes(material), &found));
    ck_assert(bytes_equal(attrs_bytes(&found, CKA_PRIVATE_EXPONENT), d));
    ck_assert_uint_eq(found.count, 8);
    /* One prime, a coefficient that is another's, an exponent that is another's. */
    assert_ok(attrs_set(&attrs, CKA_PRIME_1, attrs_bytes(&found, CKA_PRIME_1)));
    assert_rv(CKR_TEMPLATE_INCONSISTENT,
              local_private_from_attrs(w.local, CKK_RSA, &attrs, &other));
    assert_ok(attrs_set(&attrs, CKA_PRIME_2, attrs_bytes(&found, CKA_PRIME_2)));
    assert_ok(attrs_set(&attrs, CKA_COEFFICIENT, BYTES_LIT("\x03")));
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID,
              local_private_from_attrs(w.local, CKK_RSA, &attrs, &other));
    remove_primes(&attrs);
    assert_ok(attrs_set(&attrs, CKA_PRIVATE_EXPONENT, BYTES_LIT("\x03")));
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID,
              local_private_from_attrs(w.local, CKK_RSA, &attrs, &other));
    attrs_remove(&attrs, CKA_PRIVATE_EXPONENT);
    assert_rv(CKR_TEMPLATE_INCOMPLETE, local_private_from_attrs(w.local, CKK_RSA, &attrs, &other));
    attrs_release(&attrs);
    attrs_release(&found);
    buf_release(&der);
    world_release(&w);
}
END_TEST

START_TEST(private_value_of_a_curve_is_below_its_order_and_not_zero)
{
    /* SEC 2: the order n of P-256; n - 1 is the largest private value. */
    uint8_t value[33];
    struct attrs attrs = ATTRS_INIT;
    struct hsm_world w;

    ck_assert(bytes_from_hex("00ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
                             value, 33));
    world_start(&w);
    assert_ok(attrs_set(&attrs, CKA_EC_PARAMS, world_p256));
    for (int i = 0; i < 4; i++) {
        static const struct {
            uint8_t last;
            size_t skip, len;
            CK_RV rv;
        } rows[] = {{0x50, 0, 33, CKR_OK},
                    {0x50, 1, 32, CKR_OK},
                    {0x51, 1, 32, CKR_ATTRIBUTE_VALUE_INVALID},
                    {0x50, 0, 0, CKR_ATTRIBUTE_VALUE_INVALID}};
        SCOPED_SECRET material = NULL;
        CK_RV rv;

        value[32] = rows[i].last;
        assert_ok(attrs_set(&attrs, CKA_VALUE, BYTES(value + rows[i].skip, rows[i].len)));
        rv = local_private_from_attrs(w.local, CKK_EC, &attrs, &material);
        if (rv == CKR_OK)
            rv = try_import(&w, HSM_KEY_PRIVATE, CKK_EC, secret_bytes(material));
        assert_rv(rows[i].rv, rv);
    }
    memset(value, 0, sizeof(value));
    assert_ok(attrs_set(&attrs, CKA_VALUE, BYTES(value, 32)));
    SCOPED_SECRET zero = NULL;
    CK_RV rv = local_private_from_attrs(w.local, CKK_EC, &attrs, &zero);

    if (rv == CKR_OK)
        rv = try_import(&w, HSM_KEY_PRIVATE, CKK_EC, secret_bytes(zero));
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID, rv);
    attrs_release(&attrs);
    world_release(&w);
}
END_TEST

START_TEST(secret_key_has_a_length_of_its_type)
{
    static const uint8_t value[64] = {1};
    struct hsm_world w;

    world_start(&w);
    assert_ok(try_import(&w, HSM_KEY_SECRET, CKK_AES, BYTES(value, 24)));
    assert_rv(CKR_KEY_SIZE_RANGE, try_import(&w, HSM_KEY_SECRET, CKK_AES, BYTES(value, 25)));
    assert_ok(try_import(&w, HSM_KEY_SECRET, CKK_GENERIC_SECRET, BYTES(value, 1)));
    assert_rv(CKR_KEY_SIZE_RANGE, try_import(&w, HSM_KEY_SECRET, CKK_GENERIC_SECRET, BYTES_NONE));
    assert_rv(CKR_TEMPLATE_INCONSISTENT, try_import(&w, HSM_KEY_SECRET, CKK_RSA, BYTES(value, 16)));
    world_release(&w);
}
END_TEST

START_TEST(rsa_key_below_1024_bits_is_refused)
{
    /* SEQUENCE, version 0, rsaEncryption; a key of 512 bits made for this test. */
    static const char rsa_512[] =
        "30820156020100300d06092a864886f70d0101010500048201403082013c020100024100a9a615f7ccbf"
        "b5e03bc3f615af94cabf3f84c9d4e12e571dd8c1e0c3a7a8177478d7404ff29e89231679c2bdcf487f50"
        "b6cb00894aa5819e2f8d9fb698ecada102030100010240508e9d3fdde9eae35f7dde0cce234963273656"
        "e0cf4cc1f15a4c35feb24e0f5468c9aeef0ba7d266e9a80c44a7479d5b60f666993098a009ee49934385"
        "ce2e41022100e1373558786950083ec17fd116825629c4ccabd9b4c530e66374c30f56cdb037022100c0"
        "d678454f1ca04e133868fd688450163e5173c05fa25139316a525857f4b4e702210088ab120a3ff7d883"
        "4861f008981a3be358f3c30d77ef79ff353773ef6903a4fd022100a47847ac15857cd41a608a6b57b141"
        "fd36b991d809b90f3d907ff62b93190b110221008cd68b6197827ebd24c1928535e0869757525eb22cba"
        "421b53a547bc13650d00";
    struct buf der = BUF_INIT(4096);
    struct hsm_world w;

    put_hex(&der, rsa_512);
    world_start(&w);
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID,
              try_import(&w, HSM_KEY_PRIVATE, CKK_RSA, buf_bytes(&der)));
    buf_release(&der);
    world_release(&w);
}
END_TEST

/* ---- use ---- */

START_TEST(key_that_is_not_ready_is_not_used)
{
    CK_MECHANISM m = {CKM_AES_ECB, NULL, 0};
    struct buf out = BUF_INIT(64);
    struct hsm_op *op = NULL;
    struct hsm_world w;
    struct hsm_key key;

    world_start(&w);
    world_key(&w, HSM_KEY_SECRET, CKK_AES, 128, BYTES_NONE, &key, NULL);
    assert_ok(hsm_run(w.hsm, HSM_ENCRYPT, &key, &m, BYTES_NONE, BYTES_NONE, &out));
    key.ready = NULL;
    assert_rv(CKR_GENERAL_ERROR,
              hsm_run(w.hsm, HSM_ENCRYPT, &key, &m, BYTES_NONE, BYTES_NONE, &out));
    assert_rv(CKR_GENERAL_ERROR, hsm_begin(w.hsm, HSM_ENCRYPT, &key, &m, &op));
    buf_release(&out);
    world_release(&w);
}
END_TEST

START_TEST(counter_that_would_repeat_is_refused)
{
    CK_AES_CTR_PARAMS ctr = {.ulCounterBits = 8};
    CK_MECHANISM m = {CKM_AES_CTR, &ctr, sizeof(ctr)};
    static const uint8_t data[257 * 16];
    struct buf out = BUF_INIT(8192);
    struct hsm_world w;
    struct hsm_key key;

    world_start(&w);
    world_key(&w, HSM_KEY_SECRET, CKK_AES, 128, BYTES_NONE, &key, NULL);
    assert_ok(hsm_run(w.hsm, HSM_ENCRYPT, &key, &m, BYTES(data, 4096), BYTES_NONE, &out));
    assert_rv(CKR_DATA_LEN_RANGE,
              hsm_run(w.hsm, HSM_ENCRYPT, &key, &m, BYTES(data, 4097), BYTES_NONE, &out));
    ctr.cb[15] = 1;
    assert_rv(CKR_DATA_LEN_RANGE,
              hsm_run(w.hsm, HSM_ENCRYPT, &key, &m, BYTES(data, 4096), BYTES_NONE, &out));
    ctr.ulCounterBits = 9;
    assert_ok(hsm_run(w.hsm, HSM_ENCRYPT, &key, &m, BYTES(data, 4096), BYTES_NONE, &out));
    buf_release(&out);
    world_release(&w);
}
END_TEST

#define THREADS 6
#define ROUNDS  60

struct crowd {
    struct hsm_world *w;
    const struct hsm_key *rsa, *aes;
    struct bytes spki;
};

static void *work(void *arg)
{
    const struct crowd *c = arg;
    CK_BYTE iv[12] = {1};
    CK_GCM_PARAMS gcm = {.pIv = iv, .ulIvLen = 12, .ulTagBits = 128};
    CK_MECHANISM sign = {CKM_SHA256_RSA_PKCS, NULL, 0};
    CK_MECHANISM seal = {CKM_AES_GCM, &gcm, sizeof(gcm)};
    struct buf out = BUF_INIT(4096);
    struct buf plain = BUF_INIT(4096);
    uintptr_t bad = 0;

    for (int i = 0; i < ROUNDS; i++) {
        uint8_t data[64];

        memset(data, i, sizeof(data));
        bad +=
            hsm_run(c->w->hsm, HSM_SIGN, c->rsa, &sign, BYTES(data, 64), BYTES_NONE, &out) !=
                CKR_OK ||
            local_verify(c->w->local, c->spki, &sign, BYTES(data, 64), buf_bytes(&out)) != CKR_OK;
        iv[1] = (CK_BYTE)i;
        gcm.ulIvLen = (CK_ULONG)(8 + i % 5);
        bad += hsm_run(c->w->hsm, HSM_ENCRYPT, c->aes, &seal, BYTES(data, 64), BYTES_NONE, &out) !=
                   CKR_OK ||
               hsm_run(c->w->hsm, HSM_DECRYPT, c->aes, &seal, buf_bytes(&out), BYTES_NONE,
                       &plain) != CKR_OK ||
               !bytes_equal(buf_bytes(&plain), BYTES(data, 64));
    }
    buf_release(&out);
    buf_release(&plain);
    local_thread_leaves(c->w->local);
    return (void *)bad;
}

START_TEST(one_ready_key_serves_many_threads)
{
    struct buf spki = BUF_INIT(4096);
    pthread_t threads[THREADS];
    struct hsm_world w;
    struct hsm_key rsa;
    struct hsm_key aes;

    world_start(&w);
    world_key(&w, HSM_KEY_PRIVATE, CKK_RSA, 2048, BYTES_NONE, &rsa, &spki);
    world_key(&w, HSM_KEY_SECRET, CKK_AES, 256, BYTES_NONE, &aes, NULL);

    struct crowd crowd = {&w, &rsa, &aes, buf_bytes(&spki)};

    for (int i = 0; i < THREADS; i++)
        ck_assert(pthread_create(&threads[i], NULL, work, &crowd) == 0);
    for (int i = 0; i < THREADS; i++) {
        void *bad = NULL;

        ck_assert(pthread_join(threads[i], &bad) == 0);
        ck_assert_ptr_null(bad);
    }
    buf_release(&spki);
    world_release(&w);
}
END_TEST

START_TEST(error_queue_of_openssl_is_left_as_found)
{
    static const uint8_t zeros[256];
    CK_MECHANISM m = {CKM_AES_CBC_PAD, (void *)(uintptr_t)zeros, 16};
    struct buf out = BUF_INIT(512);
    struct hsm_world w;
    struct hsm_key key;

    world_start(&w);
    world_key(&w, HSM_KEY_SECRET, CKK_AES, 128, BYTES_NONE, &key, NULL);
    ERR_raise(ERR_LIB_USER, 42);
    ck_assert(hsm_run(w.hsm, HSM_DECRYPT, &key, &m, BYTES(zeros, 31), BYTES_NONE, &out) != CKR_OK);
    ck_assert(try_import(&w, HSM_KEY_PRIVATE, CKK_EC, BYTES(zeros, 50)) != CKR_OK);
    ck_assert_int_eq(ERR_GET_REASON(ERR_get_error()), 42);
    ck_assert_uint_eq(ERR_get_error(), 0);
    buf_release(&out);
    world_release(&w);
}
END_TEST

START_TEST(device_finds_no_key_and_says_what_it_is)
{
    struct hsm_status status;
    struct hsm_key key = {.kind = HSM_KEY_SECRET, .type = CKK_AES};
    struct hsm_world w;
    bool found = true;

    world_start(&w);
    assert_ok(hsm_self_test(w.hsm));
    assert_ok(hsm_find(w.hsm, &key, &found));
    ck_assert(!found);
    assert_ok(hsm_destroy(w.hsm, &key));
    assert_ok(hsm_status(w.hsm, &status));
    ck_assert_msg(strncmp(status.library, "OpenSSL ", 8) == 0, "%s", status.library);
    ck_assert(hsm_offers(w.hsm, CKM_ECDSA_SHA256, CKF_SIGN));
    ck_assert(hsm_offers(w.hsm, CKM_AES_KEY_GEN, CKF_GENERATE));
    ck_assert(!hsm_offers(w.hsm, CKM_AES_KEY_GEN, CKF_GENERATE_KEY_PAIR));
    ck_assert(!hsm_offers(w.hsm, CKM_AES_GCM, CKF_SIGN));
    ck_assert(!hsm_offers(w.hsm, CKM_VENDOR_DEFINED, CKF_SIGN));
    world_release(&w);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_LOOP(pkcs1_decryption_gives_a_message_whatever_the_padding, BLOCKS),
        CASE_LOOP(material_comes_back_the_same_from_outside_and_from_its_attributes, KINDS),
        CASE_LOOP(material_that_is_changed_cut_longer_or_of_another_type_is_refused, KINDS),
        CASE(rsa_key_of_three_numbers_is_completed_and_one_of_two_is_not),
        CASE(private_value_of_a_curve_is_below_its_order_and_not_zero),
        CASE(secret_key_has_a_length_of_its_type),
        CASE(rsa_key_below_1024_bits_is_refused),
        CASE(key_that_is_not_ready_is_not_used),
        CASE(counter_that_would_repeat_is_refused),
        CASE(one_ready_key_serves_many_threads),
        CASE(error_queue_of_openssl_is_left_as_found),
        CASE(device_finds_no_key_and_says_what_it_is),
    };

    return setenv("KEYWARD_TEST_DEVICE", "software", 1) != 0
               ? 1
               : suite_run("hsm/software", cases, sizeof(cases) / sizeof(*cases));
}
