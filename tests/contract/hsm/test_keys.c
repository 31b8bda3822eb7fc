/* Keys of the device: made, found, destroyed; session keys end with the device; the token is made
 * by us, once. */
#include "tests/support/hsm_world.h"
#include "tests/support/suite.h"

#include <string.h>
#include <sys/stat.h>

static bool found(struct hsm_world *w, const struct hsm_key *key)
{
    bool yes = false;

    assert_ok(hsm_find(w->hsm, key, &yes));
    return yes;
}

START_TEST(key_is_found_after_reopening_and_gone_after_destroying)
{
    struct hsm_world w;
    struct hsm_key aes;
    struct hsm_key ec;
    struct hsm_key other;
    struct buf spki = BUF_INIT(4096);

    world_init(&w);
    world_open(&w);
    world_key(&w, HSM_KEY_SECRET, CKK_AES, 256, BYTES_NONE, &aes, NULL);
    world_key(&w, HSM_KEY_PRIVATE, CKK_EC, 0, world_p384, &ec, &spki);
    world_close(&w);
    world_open(&w);
    ck_assert(found(&w, &aes));
    ck_assert(found(&w, &ec));
    other = ec;
    other.id[0] ^= 1;
    ck_assert(!found(&w, &other));
    assert_ok(hsm_destroy(w.hsm, &ec));
    ck_assert(!found(&w, &ec));
    ck_assert(found(&w, &aes));
    assert_ok(hsm_destroy(w.hsm, &ec));
    buf_release(&spki);
    world_release(&w);
}
END_TEST

START_TEST(session_key_works_and_is_gone_after_reopening)
{
    CK_MECHANISM m = {CKM_EDDSA, NULL, 0};
    struct hsm_key_spec spec = {
        .key = {.id = {1, 2}, .kind = HSM_KEY_PRIVATE, .type = CKK_EC_EDWARDS},
        .curve = world_ed25519,
        .session = true,
        .sign = true};
    struct buf spki = BUF_INIT(4096);
    struct buf sig = BUF_INIT(4096);
    struct hsm_world w;

    world_init(&w);
    world_open(&w);
    assert_ok(hsm_generate(w.hsm, &spec, &spki, NULL));
    assert_ok(hsm_run(w.hsm, HSM_SIGN, &spec.key, &m, BYTES_LIT("abc"), BYTES_NONE, &sig));
    assert_ok(local_verify(w.local, buf_bytes(&spki), &m, BYTES_LIT("abc"), buf_bytes(&sig)));
    world_close(&w);
    world_open(&w);
    ck_assert(!found(&w, &spec.key));
    assert_rv(CKR_KEY_HANDLE_INVALID,
              hsm_run(w.hsm, HSM_SIGN, &spec.key, &m, BYTES_LIT("abc"), BYTES_NONE, &sig));
    buf_release(&spki);
    buf_release(&sig);
    world_release(&w);
}
END_TEST

START_TEST(key_destroyed_by_another_process_is_key_handle_invalid_in_ours)
{
    CK_MECHANISM m = {CKM_ECDSA_SHA256, NULL, 0};
    struct buf spki = BUF_INIT(4096);
    struct buf sig = BUF_INIT(4096);
    struct hsm *second = NULL;
    struct hsm_world w;
    struct hsm_key key;

    world_init(&w);
    world_open(&w);
    world_key(&w, HSM_KEY_PRIVATE, CKK_EC, 0, world_p256, &key, &spki);
    assert_ok(hsm_run(w.hsm, HSM_SIGN, &key, &m, BYTES_LIT("abc"), BYTES_NONE, &sig));
    assert_ok(hsm_open(&w.config, w.local, &second));
    assert_ok(hsm_run(second, HSM_SIGN, &key, &m, BYTES_LIT("abc"), BYTES_NONE, &sig));
    assert_ok(hsm_destroy(second, &key));
    assert_rv(CKR_KEY_HANDLE_INVALID,
              hsm_run(w.hsm, HSM_SIGN, &key, &m, BYTES_LIT("abc"), BYTES_NONE, &sig));
    ck_assert(!found(&w, &key));
    hsm_close(second);
    buf_release(&spki);
    buf_release(&sig);
    world_release(&w);
}
END_TEST

START_TEST(generation_refuses_what_is_no_key)
{
    struct hsm_key_spec spec = {.key = {.kind = HSM_KEY_PRIVATE, .type = CKK_RSA}, .bits = 512};
    struct buf spki = BUF_INIT(4096);
    struct hsm_world w;

    world_init(&w);
    world_open(&w);
    assert_rv(CKR_KEY_SIZE_RANGE, hsm_generate(w.hsm, &spec, &spki, NULL));
    spec.bits = 2048;
    assert_rv(CKR_ARGUMENTS_BAD, hsm_generate(w.hsm, &spec, NULL, NULL));
    spec.key.type = CKK_EC;
    assert_rv(CKR_TEMPLATE_INCOMPLETE, hsm_generate(w.hsm, &spec, &spki, NULL));
    spec.key.type = CKK_AES;
    assert_rv(CKR_TEMPLATE_INCONSISTENT, hsm_generate(w.hsm, &spec, &spki, NULL));
    spec.key.kind = HSM_KEY_SECRET;
    spec.bits = 100;
    assert_rv(CKR_KEY_SIZE_RANGE, hsm_generate(w.hsm, &spec, NULL, NULL));
    spec.bits = 2048;
    ck_assert(hsm_generate(w.hsm, &spec, NULL, NULL) != CKR_OK);
    ck_assert(!found(&w, &spec.key));
    spec.bits = 192;
    assert_ok(hsm_generate(w.hsm, &spec, NULL, NULL));
    buf_release(&spki);
    world_release(&w);
}
END_TEST

START_TEST(random_of_any_length_differs)
{
    static uint8_t large[600000];
    uint8_t a[32];
    uint8_t b[32];
    struct hsm_world w;

    world_init(&w);
    world_open(&w);
    assert_ok(hsm_random(w.hsm, a, sizeof(a)));
    assert_ok(hsm_random(w.hsm, b, sizeof(b)));
    ck_assert(memcmp(a, b, sizeof(a)) != 0);
    assert_ok(hsm_random(w.hsm, large, sizeof(large)));
    ck_assert(memcmp(large + 599968, a, 32) != 0 &&
              large[599999] + large[599998] + large[599997] > 0);
    assert_ok(hsm_random(w.hsm, NULL, 0));
    assert_rv(CKR_ARGUMENTS_BAD, hsm_random(w.hsm, NULL, 1));
    world_release(&w);
}
END_TEST

START_TEST(status_and_offers_tell_what_is_there)
{
    struct hsm_status status;
    struct hsm_world w;

    world_init(&w);
    world_open(&w);
    assert_ok(hsm_self_test(w.hsm));
    assert_ok(hsm_status(w.hsm, &status));
    ck_assert_str_eq(status.token, "keyward test");
    ck_assert_msg(strncmp(status.library, "SoftHSM", 7) == 0, "library is %s", status.library);
    ck_assert_uint_eq(strlen(status.serial), 16);
    ck_assert(w.config.in_process ? status.worker == 0 : status.worker > 1);
    ck_assert(status.restarts == 0 && status.relogins == 0);
    ck_assert_uint_eq(status.lanes_open, 1);
    ck_assert(hsm_offers(w.hsm, CKM_ECDSA_SHA256, CKF_SIGN));
    ck_assert(hsm_offers(w.hsm, CKM_RSA_PKCS_OAEP, CKF_DECRYPT));
    ck_assert(hsm_offers(w.hsm, CKM_AES_GCM, CKF_ENCRYPT | CKF_DECRYPT));
    ck_assert(!hsm_offers(w.hsm, CKM_AES_GCM, CKF_SIGN));
    ck_assert(!hsm_offers(w.hsm, CKM_AES_CCM, CKF_ENCRYPT));
    ck_assert(!hsm_offers(w.hsm, CKM_ECDSA_SHA256, 0));
    world_release(&w);
}
END_TEST

START_TEST(token_is_made_once_with_private_files)
{
    struct stat st;
    struct hsm_world w;

    world_init(&w);
    assert_rv(CKR_ARGUMENTS_BAD, hsm_softhsm_create(&w.config, w.so_pin_file));
    ck_assert(strstr(fail_reason(), "already") != NULL);
    ck_assert(stat(w.tokens, &st) == 0 && (st.st_mode & 077) == 0);
    ck_assert(stat(w.conf, &st) == 0 && (st.st_mode & 077) == 0);
    w.config.token = "another";
    assert_ok(hsm_softhsm_create(&w.config, w.so_pin_file));
    world_open(&w);
    world_release(&w);
}
END_TEST

START_TEST(hmac_key_shorter_than_the_hash_is_refused_by_softhsm_as_key_size)
{
    CK_MECHANISM m = {CKM_SHA256_HMAC, NULL, 0};
    struct buf out = BUF_INIT(4096);
    struct hsm_world w;
    struct hsm_key key;

    world_init(&w);
    world_open(&w);
    world_key(&w, HSM_KEY_SECRET, CKK_GENERIC_SECRET, 128, BYTES_NONE, &key, NULL);
    assert_rv(CKR_KEY_SIZE_RANGE,
              hsm_run(w.hsm, HSM_SIGN, &key, &m, BYTES_LIT("abc"), BYTES_NONE, &out));
    buf_release(&out);
    world_release(&w);
}
END_TEST

START_TEST(a_key_that_may_not_sign_does_not)
{
    CK_MECHANISM m = {CKM_ECDSA_SHA256, NULL, 0};
    struct hsm_key_spec spec = {.key = {.id = {5}, .kind = HSM_KEY_PRIVATE, .type = CKK_EC},
                                .curve = world_p256};
    struct buf spki = BUF_INIT(4096);
    struct buf out = BUF_INIT(4096);
    struct hsm_world w;

    world_init(&w);
    world_open(&w);
    assert_ok(hsm_generate(w.hsm, &spec, &spki, NULL));
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED,
              hsm_run(w.hsm, HSM_SIGN, &spec.key, &m, BYTES_LIT("abc"), BYTES_NONE, &out));
    buf_release(&spki);
    buf_release(&out);
    world_release(&w);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(key_is_found_after_reopening_and_gone_after_destroying),
        CASE(session_key_works_and_is_gone_after_reopening),
        CASE(key_destroyed_by_another_process_is_key_handle_invalid_in_ours),
        CASE(generation_refuses_what_is_no_key),
        CASE(random_of_any_length_differs),
        CASE(status_and_offers_tell_what_is_there),
        CASE(token_is_made_once_with_private_files),
        CASE(hmac_key_shorter_than_the_hash_is_refused_by_softhsm_as_key_size),
        CASE(a_key_that_may_not_sign_does_not),
    };

    return suite_run("hsm/keys", cases, sizeof(cases) / sizeof(*cases));
}
