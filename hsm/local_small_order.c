/*
 * Edwards points that are no public keys: those of order 1, 2, 4 and 8, and other ways to write
 * them (p and p + 1 for 0 and 1). A signature that nobody made verifies under them, for any message
 * in the worst case. OpenSSL takes them; FIPS 186-5 wants a public key of full order. The table is
 * libsodium's for Ed25519, and the points with y in 0, 1, -1 for Ed448 (RFC 8032, 5.2).
 */
#include "hsm/local_int.h"

#include <string.h>

#define Y_LEN_MAX 57

/* y, little-endian, without the bit of x's sign. */
struct small_point {
    unsigned len; /* of the encoding */
    uint8_t y[Y_LEN_MAX];
};

#define ALL_ONES_6  0xff, 0xff, 0xff, 0xff, 0xff, 0xff
#define ALL_ONES_27 ALL_ONES_6, ALL_ONES_6, ALL_ONES_6, ALL_ONES_6, 0xff, 0xff, 0xff
#define ALL_ONES_30 ALL_ONES_27, 0xff, 0xff, 0xff

static const struct small_point small[] = {
    {32, {0}},
    {32, {1}},
    {32, {0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4,
          0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6,
          0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05}},
    {32, {0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b,
          0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39,
          0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a}},
    {32, {0xec, ALL_ONES_30, 0x7f}},
    {32, {0xed, ALL_ONES_30, 0x7f}},
    {32, {0xee, ALL_ONES_30, 0x7f}},
    {57, {0}},
    {57, {1}},
    {57, {0xfe, ALL_ONES_27, 0xfe, ALL_ONES_27, 0}},
    {57, {0xff, ALL_ONES_27, 0xfe, ALL_ONES_27, 0}},
    {57, {[28] = 0xff, ALL_ONES_27, 0}},
};

bool local_point_is_small(struct bytes point)
{
    for (size_t i = 0; i < sizeof(small) / sizeof(*small); i++) {
        size_t last = small[i].len - 1;

        if (point.len == small[i].len && memcmp(point.data, small[i].y, last) == 0 &&
            (point.data[last] & 0x7f) == small[i].y[last])
            return true;
    }
    return false;
}
