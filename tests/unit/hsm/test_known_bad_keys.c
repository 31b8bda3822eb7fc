/* Keys known to be no keys, as tables: points, moduli, exponents. Sources are named at the tables;
 * the first row of each is a good one. */
#include "tests/unit/hsm/known_bad.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>
#include <string.h>

#define P256    "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"
#define ED25519 "\x06\x03\x2b\x65\x70"

/* SEC 2, 2.4.2: the base point G. The twist of P-256 (d = -1): y^2 * -1; x = 0 has y^2 = b, x = 1
 * has none. */
#define GX "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
#define GY "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"

static const struct {
    const char *what, *point;
    CK_RV rv;
} points[] = {
    {"the base point", "04" GX GY, CKR_OK},
    {"off the curve by one",
     "04" GX "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f4",
     CKR_ATTRIBUTE_VALUE_INVALID},
    {"x and y swapped", "04" GY GX, CKR_ATTRIBUTE_VALUE_INVALID},
    {"x = y = 0",
     "0400000000000000000000000000000000000000000000000000000000000000000000000000000000"
     "000000000000000000000000000000000000000000000000",
     CKR_ATTRIBUTE_VALUE_INVALID},
    {"x + p", "046b17d1f3e12c4246f8bce6e563a440f277037d822deb33a0f4a13945d898c295" GY,
     CKR_ATTRIBUTE_VALUE_INVALID},
    {"y = p", "04" GX "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff",
     CKR_ATTRIBUTE_VALUE_INVALID},
    {"all ones",
     "04ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
     "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
     CKR_ATTRIBUTE_VALUE_INVALID},
    {"at infinity", "00", CKR_ATTRIBUTE_VALUE_INVALID},
    {"compressed", "03" GX, CKR_ATTRIBUTE_VALUE_INVALID},
    {"hybrid", "07" GX GY, CKR_ATTRIBUTE_VALUE_INVALID},
    {"without its first byte", GX GY, CKR_ATTRIBUTE_VALUE_INVALID},
    {"a byte short",
     "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f"
     "9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51",
     CKR_ATTRIBUTE_VALUE_INVALID},
    {"a byte longer", "04" GX GY "00", CKR_ATTRIBUTE_VALUE_INVALID},
};

START_TEST(a_point_that_is_none_of_the_curve_is_refused)
{
    uint8_t point[80];
    struct buf spki = BUF_INIT(1024);
    size_t len = strlen(points[_i].point) / 2;
    struct local *local = NULL;

    assert_ok(local_new(&local));
    ck_assert(bytes_from_hex(points[_i].point, point, len));
    assert_rv(points[_i].rv,
              local_public_from_ec(local, CKK_EC, BYTES_LIT(P256), BYTES(point, len), &spki));
    buf_release(&spki);
    local_free(local);
}
END_TEST

/* Points of order 1, 2, 4 and 8, and p and p + 1, which say 0 and 1 in another way: FIPS 186-5
 * wants the full order; libsodium has the same list. Under such a key a signature verifies that
 * nobody made. */
static const struct {
    const char *what, *point;
    CK_RV rv;
} edwards[] = {
    {"RFC 8032, 7.1, test 1", "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
     CKR_OK},
    {"order 1", "0100000000000000000000000000000000000000000000000000000000000000",
     CKR_ATTRIBUTE_VALUE_INVALID},
    {"order 1, with a sign", "0100000000000000000000000000000000000000000000000000000000000080",
     CKR_ATTRIBUTE_VALUE_INVALID},
    {"order 2", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
     CKR_ATTRIBUTE_VALUE_INVALID},
    {"order 4", "0000000000000000000000000000000000000000000000000000000000000000",
     CKR_ATTRIBUTE_VALUE_INVALID},
    {"order 4, the other", "0000000000000000000000000000000000000000000000000000000000000080",
     CKR_ATTRIBUTE_VALUE_INVALID},
    {"order 8", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
     CKR_ATTRIBUTE_VALUE_INVALID},
    {"order 8, negated", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
     CKR_ATTRIBUTE_VALUE_INVALID},
    {"order 8, the other", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
     CKR_ATTRIBUTE_VALUE_INVALID},
    {"p", "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
     CKR_ATTRIBUTE_VALUE_INVALID},
    {"p + 1", "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
     CKR_ATTRIBUTE_VALUE_INVALID},
    {"a byte short", "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f70751",
     CKR_ATTRIBUTE_VALUE_INVALID},
};

START_TEST(an_edwards_point_of_small_order_is_refused)
{
    uint8_t point[40];
    struct buf spki = BUF_INIT(1024);
    size_t len = strlen(edwards[_i].point) / 2;
    struct local *local = NULL;

    assert_ok(local_new(&local));
    ck_assert(bytes_from_hex(edwards[_i].point, point, len));
    assert_rv(edwards[_i].rv, local_public_from_ec(local, CKK_EC_EDWARDS, BYTES_LIT(ED25519),
                                                   BYTES(point, len), &spki));
    buf_release(&spki);
    local_free(local);
}
END_TEST

/* The same for Ed448 (RFC 8032, 5.2): y = 0, 1, -1. */
START_TEST(an_ed448_point_of_small_order_is_refused)
{
    static const uint8_t ys[][2] = {{0, 0}, {1, 0}, {0xfe, 1}, {0xff, 1}, {0, 1}};
    struct buf spki = BUF_INIT(1024);
    struct local *local = NULL;
    uint8_t point[57];

    assert_ok(local_new(&local));
    for (size_t i = 0; i < sizeof(ys) / sizeof(*ys); i++) {
        memset(point, ys[i][1] ? 0xff : 0, 56);
        if (ys[i][1])
            point[28] = 0xfe; /* p = 2^448 - 2^224 - 1 */
        point[0] = ys[i][0];
        if (i == 4)
            memset(point, 0, 28); /* p + 1 */
        point[56] = 0;
        if (i == 4)
            point[28] = 0xff;
        assert_rv(CKR_ATTRIBUTE_VALUE_INVALID,
                  local_public_from_ec(local, CKK_EC_EDWARDS, BYTES_LIT("\x06\x03\x2b\x65\x71"),
                                       BYTES(point, 57), &spki));
    }
    buf_release(&spki);
    local_free(local);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_LOOP(a_point_that_is_none_of_the_curve_is_refused, sizeof(points) / sizeof(*points)),
        CASE_LOOP(an_edwards_point_of_small_order_is_refused, sizeof(edwards) / sizeof(*edwards)),
        CASE(an_ed448_point_of_small_order_is_refused),
    };

    return suite_run("hsm/known_bad_keys", cases, sizeof(cases) / sizeof(*cases));
}
