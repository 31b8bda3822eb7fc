/* See known.h. */
#include "tests/contract/pkcs11/known.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* ---- keys and texts that several of them share ---- */

#define SP800_38_KEY  "2b7e151628aed2a6abf7158809cf4f3c"
#define SP800_38_TEXT "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
#define RFC4231_KEY   "0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c"
#define RFC4231_TEXT  "546573742057697468205472756e636174696f6e"

/* ---- parameters ---- */

static CK_MAC_GENERAL_PARAMS four = 4, sixteen = 16;
static CK_BYTE cbc_iv[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
static CK_AES_CTR_PARAMS ctr = {128,
                                {0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa,
                                 0xfb, 0xfc, 0xfd, 0xfe, 0xff}};
static CK_BYTE xts_tweak[16] = {0x33, 0x33, 0x33, 0x33, 0x33};

static CK_BYTE gcm_iv[] = {0xca, 0xfe, 0xba, 0xbe, 0xfa, 0xce, 0xdb, 0xad, 0xde, 0xca, 0xf8, 0x88};
static CK_BYTE gcm_aad[] = {0xfe, 0xed, 0xfa, 0xce, 0xde, 0xad, 0xbe, 0xef, 0xfe, 0xed,
                            0xfa, 0xce, 0xde, 0xad, 0xbe, 0xef, 0xab, 0xad, 0xda, 0xd2};
static CK_GCM_PARAMS gcm = {.pIv = gcm_iv,
                            .ulIvLen = sizeof(gcm_iv),
                            .ulIvBits = 96,
                            .pAAD = gcm_aad,
                            .ulAADLen = sizeof(gcm_aad),
                            .ulTagBits = 128};
static CK_GCM_PARAMS gcm_short = {.pIv = gcm_iv,
                                  .ulIvLen = sizeof(gcm_iv),
                                  .ulIvBits = 96,
                                  .pAAD = gcm_aad,
                                  .ulAADLen = sizeof(gcm_aad),
                                  .ulTagBits = 96};
static CK_BYTE gmac_iv[] = {0x12, 0x15, 0x35, 0x24, 0xc0, 0x89, 0x5e, 0x81, 0xb2, 0xc2, 0x84, 0x65};
static CK_GCM_PARAMS gmac = {
    .pIv = gmac_iv, .ulIvLen = sizeof(gmac_iv), .ulIvBits = 96, .ulTagBits = 128};
static CK_BYTE ccm_nonce[] = {0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16};
static CK_BYTE ccm_aad[] = {0, 1, 2, 3, 4, 5, 6, 7};
static CK_CCM_PARAMS ccm = {.ulDataLen = 4,
                            .pNonce = ccm_nonce,
                            .ulNonceLen = sizeof(ccm_nonce),
                            .pAAD = ccm_aad,
                            .ulAADLen = sizeof(ccm_aad),
                            .ulMACLen = 4};
static CK_BYTE chacha_nonce[] = {7, 0, 0, 0, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47};
static CK_BYTE chacha_aad[] = {0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1,
                               0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7};
static CK_SALSA20_CHACHA20_POLY1305_PARAMS chacha = {.pNonce = chacha_nonce,
                                                     .ulNonceLen = sizeof(chacha_nonce),
                                                     .pAAD = chacha_aad,
                                                     .ulAADLen = sizeof(chacha_aad)};

#define WITH(type, params)                                                                         \
    {                                                                                              \
        (type), &(params), sizeof(params)                                                          \
    }
#define PLAIN(type)                                                                                \
    {                                                                                              \
        (type), NULL, 0                                                                            \
    }

const struct known known_macs[] = {
    {"RFC 4231, 4.2", PLAIN(CKM_SHA256_HMAC), CKK_GENERIC_SECRET,
     "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
     "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7", false},
    {"RFC 4231, 4.2, with a key of the MAC's own type", PLAIN(CKM_SHA256_HMAC), CKK_SHA256_HMAC,
     "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
     "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7", false},
    {"RFC 4231, 4.6", WITH(CKM_SHA256_HMAC_GENERAL, sixteen), CKK_GENERIC_SECRET, RFC4231_KEY,
     RFC4231_TEXT, "a3b6167473100ee06e0c796c2955552b", false},
    {"RFC 4231, 4.6", WITH(CKM_SHA512_HMAC_GENERAL, sixteen), CKK_GENERIC_SECRET, RFC4231_KEY,
     RFC4231_TEXT, "415fad6271580a531d4179bc891d87a6", false},
    {"NIST, HMAC with SHA3-256, sample 1", PLAIN(CKM_SHA3_256_HMAC), CKK_GENERIC_SECRET,
     "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
     "53616d706c65206d65737361676520666f72206b65796c656e3c626c6f636b6c656e",
     "4fe8e202c4f058e8dddc23d8c34e467343e23555e24fc2f025d598f558f67205", false},
    {"RFC 4493, example 1", PLAIN(CKM_AES_CMAC), CKK_AES, SP800_38_KEY, "",
     "bb1d6929e95937287fa37d129b756746", false},
    {"RFC 4493, example 3", PLAIN(CKM_AES_CMAC), CKK_AES, SP800_38_KEY,
     "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411",
     "dfa66747de9ae63030ca32611497c827", false},
    {"RFC 4493, example 2, cut", WITH(CKM_AES_CMAC_GENERAL, four), CKK_AES, SP800_38_KEY,
     "6bc1bee22e409f96e93d7e117393172a", "070a16b4", false},
    {"IEEE 802.1AE, 54-byte packet, integrity, GCM-AES-128", WITH(CKM_AES_GMAC, gmac), CKK_AES,
     "ad7a2bd03eac835a6f620fdcb506b345",
     "d609b1f056637a0d46df998d88e5222ab2c2846512153524c0895e8108000f101112131415161718191a1b1c1d"
     "1e1f202122232425262728292a2b2c2d2e2f30313233340001",
     "f09478a9b09007d06f46e9b6a1da25dd", false},
};
const size_t known_mac_count = sizeof(known_macs) / sizeof(*known_macs);

const struct known known_ciphers[] = {
    {"NIST SP 800-38A, F.1.1", PLAIN(CKM_AES_ECB), CKK_AES, SP800_38_KEY, SP800_38_TEXT,
     "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf", true},
    {"NIST SP 800-38A, F.2.1", WITH(CKM_AES_CBC, cbc_iv), CKK_AES, SP800_38_KEY, SP800_38_TEXT,
     "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2", true},
    {"NIST SP 800-38A, F.5.1", WITH(CKM_AES_CTR, ctr), CKK_AES, SP800_38_KEY, SP800_38_TEXT,
     "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff", true},
    {"McGrew and Viega, GCM, test case 4", WITH(CKM_AES_GCM, gcm), CKK_AES,
     "feffe9928665731c6d6a8f9467308308",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6"
     "b525b16aedf5aa0de657ba637b39",
     "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84"
     "aa051ba30b396a0aac973d58e0915bc94fbc3221a5db94fae95ae7121a47",
     true},
    {"McGrew and Viega, GCM, test case 4, its tag cut", WITH(CKM_AES_GCM, gcm_short), CKK_AES,
     "feffe9928665731c6d6a8f9467308308",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6"
     "b525b16aedf5aa0de657ba637b39",
     "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84"
     "aa051ba30b396a0aac973d58e0915bc94fbc3221a5db94fae95a",
     true},
    {"NIST SP 800-38C, example 1", WITH(CKM_AES_CCM, ccm), CKK_AES,
     "404142434445464748494a4b4c4d4e4f", "20212223", "7162015b4dac255d", false},
    {"IEEE 1619, B, vector 2", WITH(CKM_AES_XTS, xts_tweak), CKK_AES_XTS,
     "1111111111111111111111111111111122222222222222222222222222222222",
     "4444444444444444444444444444444444444444444444444444444444444444",
     "c454185e6a16936e39334038acef838bfb186fff7480adc4289382ecd6d394f0", false},
    {"RFC 8439, 2.8.2", WITH(CKM_CHACHA20_POLY1305, chacha), CKK_CHACHA20,
     "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
     "4c616469657320616e642047656e746c656d656e206f662074686520636c617373206f66202739393a20496620"
     "4920636f756c64206f6666657220796f75206f6e6c79206f6e652074697020666f7220746865206675747572"
     "652c2073756e73637265656e20776f756c642062652069742e",
     "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da"
     "92728b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585"
     "808b4831d7bc3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691",
     false},
};
const size_t known_cipher_count = sizeof(known_ciphers) / sizeof(*known_ciphers);

struct known_text known_unhex(const char *hex)
{
    struct known_text t = {.len = strlen(hex) / 2};

    ck_assert_uint_le(t.len, KNOWN_MAX);
    for (size_t i = 0; i < t.len; i++) {
        char two[3] = {hex[2 * i], hex[2 * i + 1], '\0'};

        t.data[i] = (CK_BYTE)strtoul(two, NULL, 16);
    }
    return t;
}
