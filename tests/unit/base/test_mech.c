/* The table of mechanisms: sorted, closed under its own references, and with no more in it than we
 * promise. */
#include "base/mech.h"
#include "tests/support/suite.h"

#include <stdbool.h>
#include <string.h>

#define MAKES (CKF_GENERATE | CKF_GENERATE_KEY_PAIR)

START_TEST(rows_are_sorted_by_type)
{
    for (size_t i = 1; i < mech_count(); i++)
        ck_assert_msg(mech_at(i - 1)->type < mech_at(i)->type, "%s is out of order",
                      mech_at(i)->name);
}
END_TEST

START_TEST(every_row_is_found_by_type_and_by_name)
{
    for (size_t i = 0; i < mech_count(); i++) {
        ck_assert_ptr_eq(mech_find(mech_at(i)->type), mech_at(i));
        ck_assert_ptr_eq(mech_find_name(mech_at(i)->name), mech_at(i));
        ck_assert_int_eq(strncmp(mech_at(i)->name, "CKM_", 4), 0);
    }
}
END_TEST

START_TEST(what_has_no_row_is_not_found)
{
    ck_assert_ptr_null(mech_at(mech_count()));
    ck_assert_ptr_null(mech_find(CKM_XMSS));
    ck_assert_ptr_null(mech_find(CKM_RSA_9796));
    ck_assert_ptr_null(mech_find(CKM_DES2_KEY_GEN));
    ck_assert_ptr_null(mech_find(CKM_MD2));
    ck_assert_ptr_null(mech_find(KW_NO_MECHANISM));
    ck_assert_ptr_null(mech_find_name("CKM_ECDSA_SHA25"));
    ck_assert_ptr_null(mech_find_name("ECDSA_SHA256"));
    ck_assert_ptr_null(mech_find_name(NULL));
}
END_TEST

START_TEST(every_hash_has_a_digest_row)
{
    for (size_t i = 0; i < mech_count(); i++) {
        const struct mech *row = mech_at(i);
        const struct mech *hash = mech_find(row->hash);

        if (row->hash == KW_NO_MECHANISM)
            continue;
        ck_assert_uint_gt(mech_hash_len(row->hash), 0);
        /* SHAKE, as a digest, is no mechanism of the standard. */
        if (row->hash == KW_SHAKE_128 || row->hash == KW_SHAKE_256)
            continue;
        ck_assert_msg(hash != NULL, "%s hashes with a mechanism that has no row", row->name);
        ck_assert_msg(hash->flags == CKF_DIGEST, "%s is no digest", hash->name);
    }
}
END_TEST

START_TEST(every_raw_has_a_row_that_does_the_same_without_the_digest)
{
    for (size_t i = 0; i < mech_count(); i++) {
        const struct mech *row = mech_at(i);
        const struct mech *raw = mech_find(row->raw);

        if (row->raw == KW_NO_MECHANISM)
            continue;
        ck_assert_msg(raw != NULL, "%s rests on a mechanism that has no row", row->name);
        ck_assert_msg(row->hash != KW_NO_MECHANISM, "%s has a raw but no hash", row->name);
        ck_assert_uint_eq(raw->hash, KW_NO_MECHANISM);
        ck_assert_uint_eq(raw->key, row->key);
        if (raw->params == MECH_PARAMS_HASH_CONTEXT)
            ck_assert_uint_eq(row->params, MECH_PARAMS_SIGN_CONTEXT); /* mech_hash_context() */
        else
            ck_assert_uint_eq(raw->params, row->params);
        ck_assert_uint_eq(raw->min, row->min);
        ck_assert_uint_eq(raw->max, row->max);
        ck_assert_msg((row->flags & ~raw->flags) == 0, "%s can more than its raw", row->name);
    }
}
END_TEST

/* "SHA384" of CKM_SHA384; the standard writes SHA-1 in two ways, and SHA512 is in SHA512_256 too.
 */
static bool names_digest(const char *name, const struct mech *hash)
{
    if (hash->type == CKM_SHA512 &&
        (strstr(name, "SHA512_224") != NULL || strstr(name, "SHA512_256") != NULL))
        return false;
    return strstr(name, hash->name + strlen("CKM_")) != NULL ||
           (hash->type == CKM_SHA_1 && strstr(name, "SHA1") != NULL);
}

START_TEST(every_row_names_its_digest_and_its_raw)
{
    for (size_t i = 0; i < mech_count(); i++) {
        const struct mech *row = mech_at(i);

        for (size_t k = 0; k < mech_count(); k++)
            if (mech_at(k)->flags == CKF_DIGEST && row->flags != CKF_DIGEST)
                ck_assert_msg(names_digest(row->name, mech_at(k)) ==
                                  (row->hash == mech_at(k)->type),
                              "%s and %s", row->name, mech_at(k)->name);
        if (row->raw != KW_NO_MECHANISM)
            ck_assert_msg(strstr(row->name, mech_find(row->raw)->name + strlen("CKM_")) != NULL,
                          "%s", row->name);
        ck_assert_msg((strstr(row->name, "PSS") != NULL) == (row->params == MECH_PARAMS_PSS), "%s",
                      row->name);
    }
}
END_TEST

START_TEST(every_digest_row_has_a_length_and_every_other_row_has_none)
{
    for (size_t i = 0; i < mech_count(); i++) {
        const struct mech *row = mech_at(i);
        bool digest = (row->flags & CKF_DIGEST) != 0;

        ck_assert_msg((mech_hash_len(row->type) > 0) == digest, "%s", row->name);
        ck_assert_msg((row->key == CK_UNAVAILABLE_INFORMATION) == digest, "%s", row->name);
        ck_assert_msg((row->max == 0) == digest, "%s", row->name);
    }
}
END_TEST

START_TEST(every_row_can_do_something_with_sizes_in_order)
{
    for (size_t i = 0; i < mech_count(); i++) {
        const struct mech *row = mech_at(i);

        ck_assert_msg((row->flags & (MAKES | CKF_DIGEST | CKF_SIGN | CKF_ENCRYPT | CKF_WRAP |
                                     CKF_DERIVE | CKF_ENCAPSULATE)) != 0,
                      "%s", row->name);
        ck_assert_msg(row->min <= row->max, "%s", row->name);
        ck_assert_msg(!(row->flags & CKF_SIGN) == !(row->flags & CKF_VERIFY), "%s", row->name);
        ck_assert_msg(!(row->flags & CKF_ENCRYPT) == !(row->flags & CKF_DECRYPT), "%s", row->name);
        ck_assert_msg(!(row->flags & CKF_WRAP) == !(row->flags & CKF_UNWRAP), "%s", row->name);
        ck_assert_msg(!(row->flags & CKF_ENCAPSULATE) == !(row->flags & CKF_DECAPSULATE), "%s",
                      row->name);
        /* PBKDF2 makes a key of a password, which is its parameter. */
        ck_assert_msg((row->flags & MAKES) == 0 || row->params == MECH_PARAMS_NONE ||
                          row->type == CKM_PKCS5_PBKD2,
                      "%s", row->name);
    }
}
END_TEST

START_TEST(sizes_are_those_of_the_key_type_in_the_unit_of_the_standard)
{
    static const struct {
        CK_KEY_TYPE key;
        CK_ULONG min, max;
    } want[] = {
        {.key = CKK_RSA, .min = 2048, .max = 4096},
        {.key = CKK_EC, .min = 256, .max = 521},
        {.key = CKK_AES, .min = 16, .max = 32},
        {.key = CKK_GENERIC_SECRET, .min = 8, .max = 4096},
    };

    for (size_t i = 0; i < mech_count(); i++)
        for (size_t k = 0; k < sizeof(want) / sizeof(*want); k++)
            if (mech_at(i)->key == want[k].key && strstr(mech_at(i)->name, "TLS") == NULL) {
                ck_assert_uint_eq(mech_at(i)->min, want[k].min);
                ck_assert_uint_eq(mech_at(i)->max, want[k].max);
            }
}
END_TEST

START_TEST(what_takes_data_says_how_it_comes_and_nothing_else_does)
{
    const CK_FLAGS takes = CKF_DIGEST | CKF_SIGN | CKF_ENCRYPT;

    for (size_t i = 0; i < mech_count(); i++) {
        const struct mech *row = mech_at(i);
        bool cipher = (row->flags & CKF_ENCRYPT) != 0;

        ck_assert_msg(((row->flags & takes) != 0) == (row->data != MECH_DATA_NONE), "%s",
                      row->name);
        ck_assert_msg(!cipher || (row->block == 0) == (row->data == MECH_DATA_BLOCK), "%s",
                      row->name);
        ck_assert_msg(cipher || !row->padded, "%s", row->name);
        /* A digest before the raw mechanism takes whatever comes. */
        ck_assert_msg(row->raw == KW_NO_MECHANISM || row->data == MECH_DATA_PARTS, "%s", row->name);
        /* A MAC is as long as its tag or its hash; TLS's as its parameter says. */
        if ((row->flags & CKF_SIGN) != 0 && mech_key_is_secret(row->key))
            ck_assert_msg((mech_mac_full(row) > 0) != (row->params == MECH_PARAMS_TLS_MAC), "%s",
                          row->name);
    }
}
END_TEST

START_TEST(macs_and_tags_have_the_length_of_the_standard_or_of_the_parameter)
{
    CK_MAC_GENERAL_PARAMS general = 10;
    CK_GCM_PARAMS gcm = {.ulTagBits = 96};
    CK_CCM_PARAMS ccm = {.ulMACLen = 8};
    CK_TLS_MAC_PARAMS tls = {.ulMacLength = 12};
    const struct {
        CK_MECHANISM given;
        size_t full, len;
    } rows[] = {
        {{CKM_SHA_1_HMAC, NULL, 0}, 20, 20},
        {{CKM_SHA3_512_HMAC, NULL, 0}, 64, 64},
        {{CKM_SHA384_HMAC_GENERAL, &general, sizeof(general)}, 48, 10},
        {{CKM_AES_CMAC, NULL, 0}, 16, 16},
        {{CKM_AES_CMAC_GENERAL, &general, sizeof(general)}, 16, 10},
        {{CKM_AES_GMAC, &gcm, sizeof(gcm)}, 16, 12},
        {{CKM_AES_GCM, &gcm, sizeof(gcm)}, 16, 12},
        {{CKM_AES_GCM, NULL, 0}, 16, 16},
        {{CKM_AES_CCM, &ccm, sizeof(ccm)}, 16, 8},
        {{CKM_CHACHA20_POLY1305, NULL, 0}, 16, 16},
        {{CKM_TLS12_MAC, &tls, sizeof(tls)}, 0, 12},
        {{CKM_AES_CBC_PAD, NULL, 0}, 0, 0},
        {{CKM_SHA256_RSA_PKCS, NULL, 0}, 0, 0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const struct mech *row = mech_find(rows[i].given.mechanism);

        ck_assert_msg(mech_mac_full(row) == rows[i].full, "%s", row->name);
        ck_assert_msg(mech_mac_len(row, &rows[i].given) == rows[i].len, "%s", row->name);
    }
}
END_TEST

START_TEST(every_key_type_that_is_used_can_be_made)
{
    for (size_t i = 0; i < mech_count(); i++) {
        const struct mech *row = mech_at(i);
        bool made = (row->flags & CKF_DIGEST) != 0 || row->key == MECH_ANY_SECRET;

        for (size_t k = 0; k < mech_count(); k++)
            made = made || (mech_at(k)->key == row->key && (mech_at(k)->flags & MAKES) != 0);
        ck_assert_msg(made, "no row makes a key for %s", row->name);
    }
}
END_TEST

START_TEST(curve_flags_stand_on_curve_mechanisms_only)
{
    const CK_FLAGS curve = CKF_EC_F_P | CKF_EC_NAMEDCURVE | CKF_EC_UNCOMPRESS;

    for (size_t i = 0; i < mech_count(); i++) {
        CK_KEY_TYPE key = mech_at(i)->key;
        bool named = key == CKK_EC_EDWARDS || key == CKK_EC_MONTGOMERY;

        ck_assert_uint_eq(mech_at(i)->flags & (curve | CKF_EC_COMPRESS),
                          key == CKK_EC ? curve : (named ? CKF_EC_OID : 0));
    }
}
END_TEST

START_TEST(digest_lengths_are_those_of_fips_180_and_202)
{
    ck_assert_uint_eq(mech_hash_len(CKM_SHA_1), 20);
    ck_assert_uint_eq(mech_hash_len(CKM_SHA224), 28);
    ck_assert_uint_eq(mech_hash_len(CKM_SHA256), 32);
    ck_assert_uint_eq(mech_hash_len(CKM_SHA384), 48);
    ck_assert_uint_eq(mech_hash_len(CKM_SHA512), 64);
    ck_assert_uint_eq(mech_hash_len(CKM_SHA512_224), 28);
    ck_assert_uint_eq(mech_hash_len(CKM_SHA512_256), 32);
    ck_assert_uint_eq(mech_hash_len(CKM_SHA3_224), 28);
    ck_assert_uint_eq(mech_hash_len(CKM_SHA3_512), 64);
    ck_assert_uint_eq(mech_hash_len(CKM_MD5), 16);
    ck_assert_uint_eq(mech_hash_len(CKM_MD2), 0);
    ck_assert_uint_eq(mech_hash_len(CKM_SHA256_HMAC), 0);
}
END_TEST

START_TEST(mask_functions_name_their_digest)
{
    ck_assert_uint_eq(mech_mgf_hash(CKG_MGF1_SHA1), CKM_SHA_1);
    ck_assert_uint_eq(mech_mgf_hash(CKG_MGF1_SHA224), CKM_SHA224);
    ck_assert_uint_eq(mech_mgf_hash(CKG_MGF1_SHA256), CKM_SHA256);
    ck_assert_uint_eq(mech_mgf_hash(CKG_MGF1_SHA384), CKM_SHA384);
    ck_assert_uint_eq(mech_mgf_hash(CKG_MGF1_SHA512), CKM_SHA512);
    ck_assert_uint_eq(mech_mgf_hash(0), KW_NO_MECHANISM);
    ck_assert_uint_eq(mech_mgf_hash(CKG_MGF1_SHA3_224), CKM_SHA3_224);
    ck_assert_uint_eq(mech_mgf_hash(CKG_MGF1_SHA3_512), CKM_SHA3_512);
    ck_assert_uint_eq(mech_mgf_hash(10), KW_NO_MECHANISM);
    ck_assert_uint_eq(mech_mgf_hash(CK_UNAVAILABLE_INFORMATION), KW_NO_MECHANISM);
}
END_TEST

START_TEST(a_mechanism_takes_its_key_types_and_no_others)
{
    const struct mech *hmac = mech_find(CKM_SHA256_HMAC);
    const struct mech *hkdf = mech_find(CKM_HKDF_DERIVE);
    const struct mech *ecdh = mech_find(CKM_ECDH1_DERIVE);

    ck_assert(mech_takes_key(hmac, CKK_GENERIC_SECRET));
    ck_assert(mech_takes_key(hmac, CKK_SHA256_HMAC));
    ck_assert(!mech_takes_key(hmac, CKK_SHA384_HMAC));
    ck_assert(!mech_takes_key(hmac, CKK_AES));
    ck_assert(mech_takes_key(hkdf, CKK_GENERIC_SECRET));
    ck_assert(mech_takes_key(hkdf, CKK_HKDF));
    ck_assert(!mech_takes_key(hkdf, CKK_EC));
    ck_assert(!mech_takes_key(hkdf, CK_UNAVAILABLE_INFORMATION));
    ck_assert(mech_takes_key(ecdh, CKK_EC_MONTGOMERY));
    ck_assert(!mech_takes_key(ecdh, CKK_EC_EDWARDS));
    ck_assert(!mech_takes_key(mech_find(CKM_SHA256), CK_UNAVAILABLE_INFORMATION));
}
END_TEST

START_TEST(legacy_is_md5_and_des_only)
{
    for (size_t i = 0; i < mech_count(); i++) {
        const char *name = mech_at(i)->name;

        ck_assert_msg(mech_at(i)->legacy ==
                          (strstr(name, "MD5") != NULL || strstr(name, "CKM_DES") != NULL),
                      "%s", name);
    }
}
END_TEST

START_TEST(keys_of_legacy_mechanisms_only_are_legacy)
{
    static const CK_KEY_TYPE legacy[] = {CKK_DES, CKK_DES3, CKK_MD5_HMAC};
    static const CK_KEY_TYPE others[] = {
        CKK_RSA, CKK_AES, CKK_GENERIC_SECRET, CKK_SHA_1_HMAC, CK_UNAVAILABLE_INFORMATION, CKK_CAST};

    for (size_t i = 0; i < sizeof(legacy) / sizeof(*legacy); i++)
        ck_assert_msg(mech_key_is_legacy(legacy[i]), "0x%lx", legacy[i]);
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        ck_assert_msg(!mech_key_is_legacy(others[i]), "0x%lx", others[i]);
}
END_TEST

START_TEST(rsa_is_shorter_where_legacy_is_said_and_nothing_else_is)
{
    for (size_t i = 0; i < mech_count(); i++) {
        const struct mech *m = mech_at(i);

        ck_assert_uint_eq(mech_min(m, false), m->min);
        ck_assert_uint_eq(mech_min(m, true), m->key == CKK_RSA ? 1024 : m->min);
    }
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(rows_are_sorted_by_type),
        CASE(every_row_is_found_by_type_and_by_name),
        CASE(what_has_no_row_is_not_found),
        CASE(every_hash_has_a_digest_row),
        CASE(every_raw_has_a_row_that_does_the_same_without_the_digest),
        CASE(every_row_names_its_digest_and_its_raw),
        CASE(every_digest_row_has_a_length_and_every_other_row_has_none),
        CASE(every_row_can_do_something_with_sizes_in_order),
        CASE(sizes_are_those_of_the_key_type_in_the_unit_of_the_standard),
        CASE(what_takes_data_says_how_it_comes_and_nothing_else_does),
        CASE(macs_and_tags_have_the_length_of_the_standard_or_of_the_parameter),
        CASE(every_key_type_that_is_used_can_be_made),
        CASE(curve_flags_stand_on_curve_mechanisms_only),
        CASE(digest_lengths_are_those_of_fips_180_and_202),
        CASE(mask_functions_name_their_digest),
        CASE(a_mechanism_takes_its_key_types_and_no_others),
        CASE(legacy_is_md5_and_des_only),
        CASE(keys_of_legacy_mechanisms_only_are_legacy),
        CASE(rsa_is_shorter_where_legacy_is_said_and_nothing_else_is),
    };

    return suite_run("base/mech", cases, sizeof(cases) / sizeof(*cases));
}
