/* Digests, MACs, derivation and sealing give the published answers, refuse what does not fit, and
 * leave OpenSSL as found. */
#include "hsm/local_int.h"
#include "tests/support/suite.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static struct local *open_local(void)
{
    struct local *local = NULL;

    assert_ok(local_new(&local));
    return local;
}

static void assert_hex(const uint8_t *got, size_t len, const char *want)
{
    char hex[257];

    ck_assert_uint_eq(2 * len, strlen(want));
    bytes_to_hex(BYTES(got, len), hex);
    ck_assert_str_eq(hex, want);
}

static const struct {
    CK_MECHANISM_TYPE type;
    const char *abc; /* FIPS 180-4, the examples of each algorithm */
} digests[] = {
    {CKM_SHA_1, "a9993e364706816aba3e25717850c26c9cd0d89d"},
    {CKM_SHA224, "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7"},
    {CKM_SHA256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {CKM_SHA384, "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
                 "8086072ba1e7cc2358baeca134c825a7"},
    {CKM_SHA512, "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                 "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"},
};

START_TEST(digest_in_parts_gives_the_published_answer)
{
    struct local *local = open_local();
    struct local_digest *d = NULL;
    uint8_t out[LOCAL_DIGEST_MAX];
    size_t len = 0;

    assert_ok(local_digest_new(local, digests[_i].type, &d));
    assert_ok(local_digest_update(d, BYTES_LIT("a")));
    assert_ok(local_digest_update(d, BYTES_NONE));
    assert_ok(local_digest_update(d, BYTES_LIT("bc")));
    assert_ok(local_digest_final(d, out, &len));
    assert_hex(out, len, digests[_i].abc);
    assert_rv(CKR_GENERAL_ERROR, local_digest_update(d, BYTES_LIT("d")));
    assert_rv(CKR_GENERAL_ERROR, local_digest_final(d, out, &len));
    local_digest_free(d);
    local_free(local);
}
END_TEST

/* Left in the middle, and used to its end. */
START_TEST(a_digest_or_mac_begun_again_forgets_what_was_before)
{
    struct local *local = open_local();
    struct local_digest *d = NULL;
    struct local_mac *m = NULL;
    uint8_t out[LOCAL_DIGEST_MAX];
    uint8_t first[32];
    uint8_t mac[32];
    size_t len = 0;

    assert_ok(local_digest_new(local, CKM_SHA256, &d));
    assert_ok(local_mac_new(local, BYTES_LIT("key"), &m));
    assert_ok(local_hmac_sha256(local, BYTES_LIT("key"), BYTES_LIT("abc"), first));
    for (int i = 0; i < 3; i++) {
        assert_ok(local_digest_update(d, BYTES_LIT("x")));
        assert_ok(local_digest_again(d));
        assert_ok(local_digest_update(d, BYTES_LIT("abc")));
        assert_ok(local_digest_final(d, out, &len));
        assert_hex(out, len, digests[2].abc);
        assert_ok(local_mac_update(m, BYTES_LIT("x")));
        assert_ok(local_mac_again(m));
        assert_ok(local_mac_update(m, BYTES_LIT("abc")));
        assert_ok(local_mac_final(m, mac));
        ck_assert_mem_eq(mac, first, sizeof(mac));
        assert_ok(local_digest_again(d));
        assert_ok(local_mac_again(m));
    }
    local_digest_free(d);
    local_mac_free(m);
    local_free(local);
}
END_TEST

START_TEST(digest_refuses_a_mechanism_that_is_none)
{
    struct local *local = open_local();
    struct local_digest *d = NULL;

    assert_rv(CKR_MECHANISM_INVALID, local_digest_new(local, CKM_RSA_PKCS, &d));
    assert_rv(CKR_MECHANISM_INVALID, local_digest_new(local, CKM_MD2, &d));
    ck_assert_ptr_null(d);
    local_free(local);
}
END_TEST

/* RFC 4231, test cases 1 to 4. */
static const struct {
    const char *key_hex, *data_hex, *mac;
} macs[] = {
    {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
     "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
    {"4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
     "ddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
     "ddd"
     "dddd",
     "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
    {"0102030405060708090a0b0c0d0e0f10111213141516171819",
     "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdc"
     "dcd"
     "cdcd",
     "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
};

START_TEST(hmac_gives_the_published_answer)
{
    struct local *local = open_local();
    struct local_mac *m = NULL;
    uint8_t key[64], data[64], out[32];
    size_t key_len = strlen(macs[_i].key_hex) / 2;
    size_t data_len = strlen(macs[_i].data_hex) / 2;

    ck_assert(bytes_from_hex(macs[_i].key_hex, key, key_len));
    ck_assert(bytes_from_hex(macs[_i].data_hex, data, data_len));
    assert_ok(local_hmac_sha256(local, BYTES(key, key_len), BYTES(data, data_len), out));
    assert_hex(out, 32, macs[_i].mac);
    assert_ok(local_mac_new(local, BYTES(key, key_len), &m));
    assert_ok(local_mac_update(m, BYTES(data, 3)));
    assert_ok(local_mac_update(m, BYTES(data + 3, data_len - 3)));
    memset(out, 0, sizeof(out));
    assert_ok(local_mac_final(m, out));
    assert_hex(out, 32, macs[_i].mac);
    assert_rv(CKR_GENERAL_ERROR, local_mac_final(m, out));
    assert_rv(CKR_GENERAL_ERROR, local_mac_update(m, BYTES_LIT("x")));
    local_mac_free(m);
    local_free(local);
}
END_TEST

START_TEST(hmac_refuses_an_empty_key)
{
    struct local *local = open_local();
    uint8_t out[32];

    assert_rv(CKR_GENERAL_ERROR, local_hmac_sha256(local, BYTES_NONE, BYTES_LIT("x"), out));
    local_free(local);
}
END_TEST

START_TEST(hkdf_gives_the_published_answer)
{
    struct local *local = open_local();
    uint8_t key[22];
    uint8_t out[42];

    /* RFC 5869, test case 3: SHA-256, no salt, no info. */
    memset(key, 0x0b, sizeof(key));
    assert_ok(local_hkdf_sha256(local, BYTES(key, sizeof(key)), BYTES_NONE, out, sizeof(out)));
    assert_hex(out, sizeof(out),
               "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
               "9d201395faa4b61a96c8");
    local_free(local);
}
END_TEST

START_TEST(hkdf_separates_by_info_and_refuses_no_key_and_too_much)
{
    struct local *local = open_local();
    uint8_t a[32], b[32];
    static uint8_t much[255 * 32 + 1];

    assert_ok(local_hkdf_sha256(local, BYTES_LIT("key"), BYTES_LIT("seal"), a, 32));
    assert_ok(local_hkdf_sha256(local, BYTES_LIT("key"), BYTES_LIT("look"), b, 32));
    ck_assert_int_ne(memcmp(a, b, 32), 0);
    assert_ok(local_hkdf_sha256(local, BYTES_LIT("key"), BYTES_NONE, much, sizeof(much) - 1));
    assert_rv(CKR_GENERAL_ERROR,
              local_hkdf_sha256(local, BYTES_LIT("key"), BYTES_NONE, much, sizeof(much)));
    assert_rv(CKR_GENERAL_ERROR, local_hkdf_sha256(local, BYTES_NONE, BYTES_NONE, a, 32));
    local_free(local);
}
END_TEST

START_TEST(scrypt_gives_the_published_answer)
{
    struct local *local = open_local();
    const struct local_scrypt_cost first = {.n = 1024, .r = 8, .p = 16};
    const struct local_scrypt_cost second = {.n = 16384, .r = 8, .p = 1};
    uint8_t out[64];

    /* RFC 7914, section 12, second and third vector. */
    assert_ok(local_scrypt_with(local, &first, BYTES_LIT("password"), BYTES_LIT("NaCl"), out, 64));
    assert_hex(out, 64,
               "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
               "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640");
    assert_ok(local_scrypt_with(local, &second, BYTES_LIT("pleaseletmein"),
                                BYTES_LIT("SodiumChloride"), out, 64));
    assert_hex(out, 64,
               "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
               "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887");
    local_free(local);
}
END_TEST

START_TEST(scrypt_of_a_pin_depends_on_pin_and_salt)
{
    struct local *local = open_local();
    uint8_t a[32], b[32], c[32], again[32];

    assert_ok(local_scrypt(local, BYTES_LIT("1234"), BYTES_LIT("salt"), a));
    assert_ok(local_scrypt(local, BYTES_LIT("1235"), BYTES_LIT("salt"), b));
    assert_ok(local_scrypt(local, BYTES_LIT("1234"), BYTES_LIT("slat"), c));
    assert_ok(local_scrypt(local, BYTES_LIT("1234"), BYTES_LIT("salt"), again));
    ck_assert(local_equal(BYTES(a, 32), BYTES(again, 32)));
    ck_assert(!local_equal(BYTES(a, 32), BYTES(b, 32)));
    ck_assert(!local_equal(BYTES(a, 32), BYTES(c, 32)));
    ck_assert(!local_equal(BYTES(a, 32), BYTES(a, 31)));
    local_free(local);
}
END_TEST

START_TEST(seal_gives_the_published_answer)
{
    struct local *local = open_local();
    struct buf sealed = BUF_INIT(256);
    uint8_t key[32], nonce[12], aad[20], plain[60];

    /* McGrew and Viega, The Galois/Counter Mode of Operation, test case 16. */
    ck_assert(bytes_from_hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
                             key, 32));
    ck_assert(bytes_from_hex("cafebabefacedbaddecaf888", nonce, 12));
    ck_assert(bytes_from_hex("feedfacedeadbeeffeedfacedeadbeefabaddad2", aad, 20));
    ck_assert(bytes_from_hex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
                             "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
                             plain, 60));
    assert_ok(
        local_seal_with(local, BYTES(key, 32), nonce, BYTES(aad, 20), BYTES(plain, 60), &sealed));
    ck_assert_uint_eq(sealed.len, 60 + LOCAL_SEAL_OVERHEAD);
    assert_hex(sealed.data + 12, 76,
               "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
               "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
               "76fc6ece0f4e1768cddf8853bb2d551b");
    buf_release(&sealed);
    local_free(local);
}
END_TEST

START_TEST(unseal_refuses_every_changed_byte_key_and_aad)
{
    struct local *local = open_local();
    struct buf sealed = BUF_INIT(256);
    struct buf plain = BUF_INIT(256);
    uint8_t key[32] = {1};
    struct bytes k = BYTES(key, 32);

    assert_ok(local_seal(local, k, BYTES_LIT("row 1"), BYTES_LIT("content"), &sealed));
    assert_ok(local_unseal(local, k, BYTES_LIT("row 1"), buf_bytes(&sealed), &plain));
    ck_assert(bytes_equal_str(buf_bytes(&plain), "content"));
    for (size_t i = 0; i < sealed.len; i++) {
        sealed.data[i] ^= 0x40;
        assert_rv(CKR_ENCRYPTED_DATA_INVALID,
                  local_unseal(local, k, BYTES_LIT("row 1"), buf_bytes(&sealed), &plain));
        ck_assert_uint_eq(plain.len, 0);
        sealed.data[i] ^= 0x40;
    }
    for (size_t len = 0; len < sealed.len; len++)
        assert_rv(CKR_ENCRYPTED_DATA_INVALID,
                  local_unseal(local, k, BYTES_LIT("row 1"), BYTES(sealed.data, len), &plain));
    assert_rv(CKR_ENCRYPTED_DATA_INVALID,
              local_unseal(local, k, BYTES_LIT("row 2"), buf_bytes(&sealed), &plain));
    key[0] = 2;
    assert_rv(CKR_ENCRYPTED_DATA_INVALID,
              local_unseal(local, k, BYTES_LIT("row 1"), buf_bytes(&sealed), &plain));
    assert_rv(CKR_GENERAL_ERROR,
              local_unseal(local, BYTES(key, 31), BYTES_LIT("row 1"), buf_bytes(&sealed), &plain));
    assert_rv(CKR_GENERAL_ERROR,
              local_seal(local, BYTES(key, 16), BYTES_NONE, BYTES_LIT("x"), &sealed));
    buf_release(&sealed);
    buf_release_secure(&plain);
    local_free(local);
}
END_TEST

START_TEST(seal_of_nothing_opens_to_nothing)
{
    struct local *local = open_local();
    struct buf sealed = BUF_INIT(64);
    struct buf plain = BUF_INIT(64);
    uint8_t key[32] = {7};

    assert_ok(local_seal(local, BYTES(key, 32), BYTES_NONE, BYTES_NONE, &sealed));
    ck_assert_uint_eq(sealed.len, LOCAL_SEAL_OVERHEAD);
    assert_ok(local_unseal(local, BYTES(key, 32), BYTES_NONE, buf_bytes(&sealed), &plain));
    ck_assert_uint_eq(plain.len, 0);
    buf_release(&sealed);
    buf_release(&plain);
    local_free(local);
}
END_TEST

START_TEST(seal_past_the_buffers_limit_fails)
{
    struct local *local = open_local();
    struct buf sealed = BUF_INIT(30);
    uint8_t key[32] = {7};

    assert_ok(local_seal(local, BYTES(key, 32), BYTES_NONE, BYTES_LIT("ab"), &sealed));
    assert_rv(CKR_HOST_MEMORY,
              local_seal(local, BYTES(key, 32), BYTES_NONE, BYTES_LIT("abc"), &sealed));
    buf_release(&sealed);
    local_free(local);
}
END_TEST

START_TEST(nonces_of_two_seals_differ)
{
    struct local *local = open_local();
    struct buf a = BUF_INIT(64), b = BUF_INIT(64);
    uint8_t key[32] = {7};

    assert_ok(local_seal(local, BYTES(key, 32), BYTES_NONE, BYTES_LIT("x"), &a));
    assert_ok(local_seal(local, BYTES(key, 32), BYTES_NONE, BYTES_LIT("x"), &b));
    ck_assert_int_ne(memcmp(a.data, b.data, 12), 0);
    buf_release(&a);
    buf_release(&b);
    local_free(local);
}
END_TEST

START_TEST(self_test_passes)
{
    struct local *local = open_local();

    assert_ok(local_self_test(local));
    local_free(local);
}
END_TEST

START_TEST(the_hosts_error_queue_is_left_as_found)
{
    struct local *local = open_local();
    struct buf spki = BUF_INIT(1024);
    struct local_public p;
    unsigned long mine;

    ERR_clear_error();
    ERR_raise(ERR_LIB_USER, 77);
    mine = ERR_peek_last_error();
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID, local_public_parse(local, BYTES_LIT("0garbage"), &p));
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID,
              local_public_from_rsa(local, BYTES_LIT("\x02"), BYTES_LIT("\x02"), &spki));
    ck_assert_uint_eq(ERR_peek_last_error(), mine);
    ck_assert_uint_eq(ERR_get_error(), mine);
    ck_assert_uint_eq(ERR_get_error(), 0);
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID, local_public_parse(local, BYTES_LIT("0garbage"), &p));
    ck_assert_uint_eq(ERR_get_error(), 0);
    buf_release(&spki);
    local_free(local);
}
END_TEST

START_TEST(a_configuration_of_the_host_does_not_reach_us)
{
    char path[] = "/tmp/keyward-test-XXXXXX";
    int fd = mkstemp(path);
    static const char conf[] = "openssl_conf = init\n[init]\nproviders = p\nalg_section = a\n"
                               "[p]\nnull = n\n[n]\nactivate = 1\n"
                               "[a]\ndefault_properties = provider=nobody\n";
    struct local *local;

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, conf, sizeof(conf) - 1), (ssize_t)sizeof(conf) - 1);
    (void)close(fd);
    ck_assert_int_eq(setenv("OPENSSL_CONF", path, 1), 0);
    local = open_local();
    assert_ok(local_self_test(local));
    local_free(local);
    (void)unlink(path);
}
END_TEST

START_TEST(random_differs_in_parent_and_child)
{
    struct local *local = open_local();
    uint8_t mine[32], childs[32];
    int ends[2];
    pid_t child;

    assert_ok(local_random(local, mine, 32));
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    child = fork();
    if (child == 0) {
        CK_RV rv = local_random(local, childs, 32);

        _exit(rv == CKR_OK && write(ends[1], childs, 32) == 32 ? 0 : 1);
    }
    assert_ok(local_random(local, mine, 32));
    ck_assert_int_eq(read(ends[0], childs, 32), 32);
    ck_assert_int_ne(memcmp(mine, childs, 32), 0);
    (void)close(ends[0]);
    (void)close(ends[1]);
    local_free(local);
}
END_TEST

static bool usable_at_exit = true;

static void look(void)
{
    usable_at_exit = local_usable();
}

/* A pkcs11 provider of the host finalizes its module from there. */
START_TEST(usable_until_the_host_takes_openssl_down)
{
    struct local *local = open_local();

    ck_assert(local_usable());
    local_free(local);
    ck_assert(local_usable());
    ck_assert_int_eq(OPENSSL_atexit(look), 1);
    OPENSSL_cleanup();
    ck_assert(!usable_at_exit);
    ck_assert(!local_usable());
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_LOOP(digest_in_parts_gives_the_published_answer, 5),
        CASE(a_digest_or_mac_begun_again_forgets_what_was_before),
        CASE(digest_refuses_a_mechanism_that_is_none),
        CASE_LOOP(hmac_gives_the_published_answer, 4),
        CASE(hmac_refuses_an_empty_key),
        CASE(hkdf_gives_the_published_answer),
        CASE(hkdf_separates_by_info_and_refuses_no_key_and_too_much),
        CASE(scrypt_gives_the_published_answer),
        CASE(scrypt_of_a_pin_depends_on_pin_and_salt),
        CASE(seal_gives_the_published_answer),
        CASE(unseal_refuses_every_changed_byte_key_and_aad),
        CASE(seal_of_nothing_opens_to_nothing),
        CASE(seal_past_the_buffers_limit_fails),
        CASE(nonces_of_two_seals_differ),
        CASE(self_test_passes),
        CASE(the_hosts_error_queue_is_left_as_found),
        CASE(a_configuration_of_the_host_does_not_reach_us),
        CASE(random_differs_in_parent_and_child),
        CASE(usable_until_the_host_takes_openssl_down),
    };

    return suite_run("hsm/local", cases, sizeof(cases) / sizeof(*cases));
}
