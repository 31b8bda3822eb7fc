/* Key agreement and raw RSA: the same answers from every device, and the same refusals. */
#include "hsm/local_encapsulate.h"
#include "tests/support/hsm_world.h"
#include "tests/support/suite.h"

#include <string.h>

static const struct curve_row {
    const struct bytes *curve;
    size_t field;
} curves[] = {{&world_p256, 32}, {&world_p384, 48}, {&world_p521, 66}};

#define CURVES ((int)(sizeof(curves) / sizeof(*curves)))

struct party {
    struct hsm_key key;
    struct buf spki;
    struct local_public pub;
};

struct pair {
    struct hsm_world w;
    struct party a, b;
};

static void meet(struct hsm_world *w, struct bytes curve, struct party *p)
{
    p->spki = BUF_INIT(4096);
    p->pub = (struct local_public){0};
    world_key(w, HSM_KEY_PRIVATE, CKK_EC, 0, curve, &p->key, &p->spki);
    assert_ok(local_public_parse(w->local, buf_bytes(&p->spki), &p->pub));
}

static void begin(struct pair *t, struct bytes curve)
{
    world_init(&t->w);
    world_open(&t->w);
    meet(&t->w, curve, &t->a);
    meet(&t->w, curve, &t->b);
}

static void end(struct pair *t)
{
    local_public_release(&t->a.pub);
    local_public_release(&t->b.pub);
    buf_release(&t->a.spki);
    buf_release(&t->b.spki);
    world_release(&t->w);
}

static CK_RV derive(struct pair *t, const struct party *own, struct bytes point, CK_EC_KDF_TYPE kdf,
                    size_t len, struct secret **ret)
{
    static CK_BYTE info[] = "both know this";
    CK_BYTE copy[256];
    CK_ECDH1_DERIVE_PARAMS params = {.kdf = kdf, .ulPublicDataLen = point.len, .pPublicData = copy};
    CK_MECHANISM ecdh = {CKM_ECDH1_DERIVE, &params, sizeof(params)};

    memcpy(copy, point.data, point.len);
    if (kdf != CKD_NULL) {
        params.pSharedData = info;
        params.ulSharedDataLen = sizeof(info);
    }
    return hsm_derive(t->w.hsm, &own->key, &ecdh, BYTES_NONE, len, ret);
}

/* Without its OCTET STRING. */
static struct bytes raw_of(const struct party *p, size_t field)
{
    return BYTES(p->pub.point.data + p->pub.point.len - (1 + 2 * field), 1 + 2 * field);
}

static void assert_same(const struct secret *a, const struct secret *b, size_t len)
{
    ck_assert_uint_eq(a->len, len);
    ck_assert_uint_eq(b->len, len);
    ck_assert(memcmp(a->data, b->data, len) == 0);
}

START_TEST(two_who_have_each_others_points_have_one_secret)
{
    const struct curve_row *c = &curves[_i];
    struct secret *here = NULL, *there = NULL;
    struct pair t;

    begin(&t, *c->curve);
    ck_assert(hsm_offers(t.w.hsm, CKM_ECDH1_DERIVE, CKF_DERIVE));
    assert_ok(derive(&t, &t.a, raw_of(&t.b, c->field), CKD_NULL, 0, &here));
    assert_ok(derive(&t, &t.b, buf_bytes(&t.a.pub.point), CKD_NULL, 0, &there));
    assert_same(here, there, c->field);
    secret_free(here);
    secret_free(there);
    assert_ok(derive(&t, &t.a, raw_of(&t.b, c->field), CKD_SHA256_KDF, 100, &here));
    assert_ok(derive(&t, &t.b, raw_of(&t.a, c->field), CKD_SHA256_KDF, 100, &there));
    assert_same(here, there, 100);
    secret_free(here);
    secret_free(there);
    end(&t);
}
END_TEST

/* The value itself, of which a shorter key has the trailing bytes. */
START_TEST(no_more_is_agreed_on_than_the_curve_gives)
{
    struct secret *whole = NULL, *part = NULL;
    struct pair t;

    begin(&t, world_p256);
    assert_ok(derive(&t, &t.a, raw_of(&t.b, 32), CKD_NULL, 32, &whole));
    assert_ok(derive(&t, &t.a, raw_of(&t.b, 32), CKD_NULL, 16, &part));
    ck_assert(memcmp(whole->data + 16, part->data, 16) == 0);
    secret_free(part);
    assert_rv(CKR_KEY_SIZE_RANGE, derive(&t, &t.a, raw_of(&t.b, 32), CKD_NULL, 33, &part));
    secret_free(whole);
    end(&t);
}
END_TEST

START_TEST(a_point_of_no_curve_or_of_another_agrees_on_nothing)
{
    struct secret *none = NULL;
    struct party other;
    uint8_t off[65];
    struct pair t;

    begin(&t, world_p256);
    memcpy(off, raw_of(&t.b, 32).data, sizeof(off));
    off[64] ^= 1;
    assert_rv(CKR_MECHANISM_PARAM_INVALID,
              derive(&t, &t.a, BYTES(off, sizeof(off)), CKD_NULL, 0, &none));
    off[64] ^= 1;
    assert_ok(derive(&t, &t.a, BYTES(off, sizeof(off)), CKD_NULL, 0, &none));
    secret_free(TAKE(none));
    assert_rv(CKR_MECHANISM_PARAM_INVALID,
              derive(&t, &t.a, BYTES(off, sizeof(off) - 1), CKD_NULL, 0, &none));
    meet(&t.w, world_p384, &other);
    assert_rv(CKR_MECHANISM_PARAM_INVALID,
              derive(&t, &t.a, raw_of(&other, 48), CKD_NULL, 0, &none));
    assert_rv(CKR_MECHANISM_PARAM_INVALID, derive(&t, &t.a, raw_of(&t.b, 32), 0x7777, 0, &none));
    ck_assert_ptr_null(none);
    local_public_release(&other.pub);
    buf_release(&other.spki);
    end(&t);
}
END_TEST

START_TEST(what_was_encapsulated_for_a_key_it_decapsulates)
{
    CK_ECDH1_DERIVE_PARAMS params = {.kdf = CKD_SHA384_KDF};
    CK_MECHANISM ecdh = {CKM_ECDH1_DERIVE, &params, sizeof(params)};
    struct buf ciphertext = BUF_INIT(256);
    struct secret *sent = NULL, *got = NULL;
    struct pair t;

    begin(&t, world_p256);
    ck_assert(hsm_offers(t.w.hsm, CKM_ECDH1_DERIVE, CKF_DECAPSULATE));
    assert_ok(local_encapsulate(t.w.local, buf_bytes(&t.a.spki), &ecdh, 48, &ciphertext, &sent));
    assert_ok(hsm_decapsulate(t.w.hsm, &t.a.key, &ecdh, buf_bytes(&ciphertext), 48, &got));
    assert_same(sent, got, 48);
    secret_free(TAKE(got));
    ciphertext.data[ciphertext.len - 1] ^= 1;
    assert_rv(CKR_WRAPPED_KEY_INVALID,
              hsm_decapsulate(t.w.hsm, &t.a.key, &ecdh, buf_bytes(&ciphertext), 48, &got));
    params.pPublicData = ciphertext.data;
    params.ulPublicDataLen = ciphertext.len;
    assert_rv(CKR_MECHANISM_PARAM_INVALID,
              hsm_decapsulate(t.w.hsm, &t.a.key, &ecdh, buf_bytes(&ciphertext), 48, &got));
    secret_free(sent);
    buf_release(&ciphertext);
    end(&t);
}
END_TEST

/* ---- raw RSA ---- */

START_TEST(raw_rsa_is_what_the_public_key_undoes)
{
    CK_MECHANISM raw = {CKM_RSA_X_509, NULL, 0};
    struct buf spki = BUF_INIT(4096), out = BUF_INIT(4096), back = BUF_INIT(4096);
    uint8_t number[256] = {[200] = 7}; /* 200 zeros in front, none of which may be lost */
    const uint8_t longer[257] = {1};
    const uint8_t one[256] = {[255] = 1};
    struct hsm_key key;
    struct hsm_world w;

    world_init(&w);
    world_open(&w);
    world_key(&w, HSM_KEY_PRIVATE, CKK_RSA, 2048, BYTES_NONE, &key, &spki);
    assert_ok(hsm_run(w.hsm, HSM_DECRYPT, &key, &raw, BYTES(number, 256), BYTES_NONE, &out));
    assert_ok(local_verify_recover(w.local, buf_bytes(&spki), &raw, buf_bytes(&out), &back));
    ck_assert(bytes_equal(buf_bytes(&back), BYTES(number, 256)));
    assert_ok(hsm_run(w.hsm, HSM_SIGN, &key, &raw, BYTES(number + 200, 56), BYTES_NONE, &back));
    ck_assert(bytes_equal(buf_bytes(&back), buf_bytes(&out)));
    /* One stays one, and keeps its zeros. */
    assert_ok(hsm_run(w.hsm, HSM_DECRYPT, &key, &raw, BYTES(one, 256), BYTES_NONE, &back));
    ck_assert(bytes_equal(buf_bytes(&back), BYTES(one, 256)));
    assert_rv(CKR_ENCRYPTED_DATA_LEN_RANGE,
              hsm_run(w.hsm, HSM_DECRYPT, &key, &raw, BYTES(out.data, 255), BYTES_NONE, &back));
    memset(number, 0xff, sizeof(number));
    assert_rv(CKR_ENCRYPTED_DATA_INVALID,
              hsm_run(w.hsm, HSM_DECRYPT, &key, &raw, BYTES(number, 256), BYTES_NONE, &back));
    assert_rv(CKR_DATA_INVALID,
              hsm_run(w.hsm, HSM_SIGN, &key, &raw, BYTES(number, 256), BYTES_NONE, &back));
    assert_rv(CKR_DATA_LEN_RANGE,
              hsm_run(w.hsm, HSM_SIGN, &key, &raw, BYTES(longer, 257), BYTES_NONE, &back));
    assert_ok(hsm_run(w.hsm, HSM_SIGN, &key, &raw, BYTES(longer, 255), BYTES_NONE, &back));
    ck_assert_uint_eq(back.len, 256);
    buf_release(&spki);
    buf_release(&out);
    buf_release(&back);
    world_release(&w);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_LOOP(two_who_have_each_others_points_have_one_secret, CURVES),
        CASE(no_more_is_agreed_on_than_the_curve_gives),
        CASE(a_point_of_no_curve_or_of_another_agrees_on_nothing),
        CASE(what_was_encapsulated_for_a_key_it_decapsulates),
        CASE(raw_rsa_is_what_the_public_key_undoes),
    };

    return suite_run("hsm/agree", cases, sizeof(cases) / sizeof(*cases));
}
