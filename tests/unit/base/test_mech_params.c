/*
 * Parameters of mechanisms: the good one passes, and each neighbour that differs in one fact is
 * refused. Parameters are handed over in blocks of exactly their length, so that a sanitizer sees a
 * read past the end.
 */
#include "base/mech.h"
#include "tests/support/suite.h"

#include <stdlib.h>
#include <string.h>

static CK_RV check(CK_MECHANISM_TYPE type, const void *params, size_t len)
{
    void *exact = malloc(len > 0 ? len : 1);
    CK_MECHANISM given = {.mechanism = type, .pParameter = exact, .ulParameterLen = len};
    CK_RV rv;

    ck_assert_ptr_nonnull(exact);
    if (len > 0)
        memcpy(exact, params, len);
    rv = mech_check_params(mech_find(type), &given);
    if (rv != CKR_OK)
        ck_assert_ptr_nonnull(strstr(fail_reason(), mech_find(type)->name));
    free(exact);
    return rv;
}

/* The same without a block: NULL and whatever length the caller claims. */
static CK_RV check_null(CK_MECHANISM_TYPE type, size_t len)
{
    CK_MECHANISM given = {.mechanism = type, .pParameter = NULL, .ulParameterLen = len};

    return mech_check_params(mech_find(type), &given);
}

#define assert_taken(type, params) assert_ok(check((type), &(params), sizeof(params)))
#define assert_refused(type, params)                                                               \
    assert_rv(CKR_MECHANISM_PARAM_INVALID, check((type), &(params), sizeof(params)))

START_TEST(mechanisms_without_parameter_take_null_or_nothing_and_refuse_bytes)
{
    for (size_t i = 0; i < mech_count(); i++) {
        const struct mech *row = mech_at(i);

        if (row->params != MECH_PARAMS_NONE)
            continue;
        assert_ok(check_null(row->type, 0));
        assert_ok(check(row->type, "", 0));
        assert_rv(CKR_MECHANISM_PARAM_INVALID, check(row->type, "x", 1));
    }
}
END_TEST

START_TEST(mechanisms_with_parameter_refuse_null_whatever_its_length_says)
{
    for (size_t i = 0; i < mech_count(); i++) {
        const struct mech *row = mech_at(i);

        if (row->params == MECH_PARAMS_NONE)
            continue;
        for (size_t len = 1; len < 128; len++)
            assert_rv(CKR_MECHANISM_PARAM_INVALID, check_null(row->type, len));
        assert_rv(mech_layout_of(row->params)->optional ? CKR_OK : CKR_MECHANISM_PARAM_INVALID,
                  check_null(row->type, 0));
    }
}
END_TEST

START_TEST(mechanisms_with_parameter_refuse_every_other_length)
{
    static const uint8_t zeros[128];

    for (size_t i = 0; i < mech_count(); i++) {
        const struct mech *row = mech_at(i);

        if (row->params == MECH_PARAMS_NONE)
            continue;
        for (size_t len = 0; len < sizeof(zeros); len++)
            if (len != mech_layout_of(row->params)->size &&
                (len > 0 || !mech_layout_of(row->params)->optional))
                assert_rv(CKR_MECHANISM_PARAM_INVALID, check(row->type, zeros, len));
    }
}
END_TEST

START_TEST(cbc_takes_an_iv_of_sixteen_bytes)
{
    static const uint8_t iv[16];

    assert_taken(CKM_AES_CBC, iv);
    assert_taken(CKM_AES_CBC_PAD, iv);
}
END_TEST

START_TEST(ctr_takes_1_to_128_counter_bits)
{
    CK_AES_CTR_PARAMS ctr = {.ulCounterBits = 1};

    assert_taken(CKM_AES_CTR, ctr);
    ctr.ulCounterBits = 128;
    assert_taken(CKM_AES_CTR, ctr);
    ctr.ulCounterBits = 0;
    assert_refused(CKM_AES_CTR, ctr);
    ctr.ulCounterBits = 129;
    assert_refused(CKM_AES_CTR, ctr);
}
END_TEST

static CK_GCM_PARAMS good_gcm(void)
{
    static CK_BYTE iv[256];

    return (CK_GCM_PARAMS){.pIv = iv, .ulIvLen = 12, .ulIvBits = 96, .ulTagBits = 128};
}

START_TEST(gcm_takes_an_iv_of_1_to_256_bytes)
{
    CK_GCM_PARAMS gcm = good_gcm();

    assert_taken(CKM_AES_GCM, gcm);
    gcm.ulIvLen = 1;
    assert_taken(CKM_AES_GCM, gcm);
    gcm.ulIvLen = 256;
    assert_taken(CKM_AES_GCM, gcm);
    gcm.ulIvLen = 0;
    assert_refused(CKM_AES_GCM, gcm);
    gcm.ulIvLen = 257;
    assert_refused(CKM_AES_GCM, gcm);
    gcm = good_gcm();
    gcm.pIv = NULL;
    assert_refused(CKM_AES_GCM, gcm);
}
END_TEST

START_TEST(gcm_takes_whatever_stands_in_iv_bits)
{
    CK_GCM_PARAMS gcm = good_gcm();

    gcm.ulIvBits = 0;
    assert_taken(CKM_AES_GCM, gcm);
}
END_TEST

START_TEST(gcm_takes_tags_of_32_to_128_bits_in_whole_bytes)
{
    CK_GCM_PARAMS gcm = good_gcm();

    for (CK_ULONG bits = 0; bits < 200; bits++) {
        gcm.ulTagBits = bits;
        assert_rv(bits >= 32 && bits <= 128 && bits % 8 == 0 ? CKR_OK : CKR_MECHANISM_PARAM_INVALID,
                  check(CKM_AES_GCM, &gcm, sizeof(gcm)));
    }
}
END_TEST

START_TEST(gcm_refuses_additional_data_that_is_null_with_a_length)
{
    CK_GCM_PARAMS gcm = good_gcm();
    CK_BYTE aad[1] = {0};

    gcm.pAAD = aad;
    gcm.ulAADLen = 1;
    assert_taken(CKM_AES_GCM, gcm);
    gcm.pAAD = NULL;
    assert_refused(CKM_AES_GCM, gcm);
}
END_TEST

static CK_RSA_PKCS_PSS_PARAMS good_pss(void)
{
    return (CK_RSA_PKCS_PSS_PARAMS){.hashAlg = CKM_SHA256, .mgf = CKG_MGF1_SHA256, .sLen = 32};
}

START_TEST(pss_takes_hashes_and_masks_of_the_table_and_refuses_others)
{
    CK_RSA_PKCS_PSS_PARAMS pss = good_pss();

    assert_taken(CKM_RSA_PKCS_PSS, pss);
    pss.mgf = CKG_MGF1_SHA1;
    assert_taken(CKM_RSA_PKCS_PSS, pss);
    pss.mgf = 0;
    assert_refused(CKM_RSA_PKCS_PSS, pss);
    pss = good_pss();
    pss.hashAlg = CKM_SHA512;
    assert_taken(CKM_RSA_PKCS_PSS, pss);
    pss.hashAlg = CKM_MD5;
    assert_refused(CKM_RSA_PKCS_PSS, pss);
    pss.hashAlg = CKM_SHA256_RSA_PKCS;
    assert_refused(CKM_RSA_PKCS_PSS, pss);
}
END_TEST

START_TEST(hashed_pss_refuses_another_digest_than_its_own)
{
    for (size_t i = 0; i < mech_count(); i++) {
        const struct mech *row = mech_at(i);
        CK_RSA_PKCS_PSS_PARAMS pss = good_pss();

        if (row->raw != CKM_RSA_PKCS_PSS)
            continue;
        pss.hashAlg = row->hash;
        assert_taken(row->type, pss);
        pss.hashAlg = row->hash == CKM_SHA256 ? CKM_SHA384 : CKM_SHA256;
        assert_refused(row->type, pss);
    }
}
END_TEST

START_TEST(pss_refuses_a_salt_no_key_has_room_for)
{
    CK_RSA_PKCS_PSS_PARAMS pss = good_pss();

    pss.sLen = 0;
    assert_taken(CKM_RSA_PKCS_PSS, pss);
    pss.sLen = 512 - 32 - 2;
    assert_taken(CKM_RSA_PKCS_PSS, pss);
    pss.sLen = 512 - 32 - 1;
    assert_refused(CKM_RSA_PKCS_PSS, pss);
    pss.sLen = (CK_ULONG)-1;
    assert_refused(CKM_RSA_PKCS_PSS, pss);
}
END_TEST

static CK_RSA_PKCS_OAEP_PARAMS good_oaep(void)
{
    return (CK_RSA_PKCS_OAEP_PARAMS){
        .hashAlg = CKM_SHA256, .mgf = CKG_MGF1_SHA256, .source = CKZ_DATA_SPECIFIED};
}

START_TEST(oaep_takes_hashes_and_masks_of_the_table_and_refuses_others)
{
    CK_RSA_PKCS_OAEP_PARAMS oaep = good_oaep();

    assert_taken(CKM_RSA_PKCS_OAEP, oaep);
    oaep.hashAlg = CKM_MD5;
    assert_refused(CKM_RSA_PKCS_OAEP, oaep);
    oaep = good_oaep();
    oaep.mgf = CKG_MGF1_SHA3_256;
    assert_taken(CKM_RSA_PKCS_OAEP, oaep);
    oaep.mgf = 10;
    assert_refused(CKM_RSA_PKCS_OAEP, oaep);
}
END_TEST

START_TEST(oaep_takes_a_label_only_where_source_says_so)
{
    CK_RSA_PKCS_OAEP_PARAMS oaep = good_oaep();
    CK_BYTE label[3] = {1, 2, 3};

    oaep.pSourceData = label;
    oaep.ulSourceDataLen = sizeof(label);
    assert_taken(CKM_RSA_PKCS_OAEP, oaep);
    oaep.source = 0;
    assert_refused(CKM_RSA_PKCS_OAEP, oaep);
    oaep.ulSourceDataLen = 0;
    assert_taken(CKM_RSA_PKCS_OAEP, oaep);
    oaep.source = 2;
    assert_refused(CKM_RSA_PKCS_OAEP, oaep);
}
END_TEST

START_TEST(oaep_refuses_a_label_that_is_null_with_a_length)
{
    CK_RSA_PKCS_OAEP_PARAMS oaep = good_oaep();

    oaep.ulSourceDataLen = 1;
    assert_refused(CKM_RSA_PKCS_OAEP, oaep);
}
END_TEST

START_TEST(missing_mechanism_or_another_ones_row_is_refused)
{
    CK_MECHANISM given = {.mechanism = CKM_ECDSA};

    assert_rv(CKR_ARGUMENTS_BAD, mech_check_params(NULL, &given));
    assert_rv(CKR_ARGUMENTS_BAD, mech_check_params(mech_find(CKM_ECDSA), NULL));
    assert_rv(CKR_GENERAL_ERROR, mech_check_params(mech_find(CKM_AES_ECB), &given));
    assert_ok(mech_check_params(mech_find(CKM_ECDSA), &given));
}
END_TEST

/* ---- what every layout promises ---- */

START_TEST(layouts_are_no_longer_than_their_struct_and_their_spans_lie_inside)
{
    for (int kind = MECH_PARAMS_NONE; kind < MECH_PARAMS_COUNT; kind++) {
        const struct mech_layout *layout = mech_layout_of((enum mech_params)kind);

        ck_assert_ptr_nonnull(layout->type);
        ck_assert((layout->size == 0) == (kind == MECH_PARAMS_NONE));
        ck_assert_uint_le(layout->span_count, MECH_SPANS_MAX);
        for (size_t i = 0; i < layout->span_count; i++) {
            ck_assert_uint_le(layout->spans[i].pointer + sizeof(void *), layout->size);
            ck_assert_uint_le(layout->spans[i].length + sizeof(CK_ULONG), layout->size);
        }
    }
}
END_TEST

/* A good parameter of each kind that comes after those above, and the facts that spoil it. */
static CK_BYTE text[256];
static CK_VERSION version;

START_TEST(ccm_takes_nonces_tags_and_lengths_of_sp_800_38c)
{
    const CK_CCM_PARAMS good = {
        .ulDataLen = 65535, .pNonce = text, .ulNonceLen = 13, .ulMACLen = 16};
    CK_CCM_PARAMS p = good;

    assert_taken(CKM_AES_CCM, p);
    p.ulDataLen = 65536;
    assert_refused(CKM_AES_CCM, p);
    p.ulNonceLen = 12;
    assert_taken(CKM_AES_CCM, p);
    p.ulNonceLen = 6;
    assert_refused(CKM_AES_CCM, p);
    p.ulNonceLen = 14;
    assert_refused(CKM_AES_CCM, p);
    p = good;
    p.ulMACLen = 5;
    assert_refused(CKM_AES_CCM, p);
    p.ulMACLen = 18;
    assert_refused(CKM_AES_CCM, p);
    p = good;
    p.ulAADLen = 1;
    assert_refused(CKM_AES_CCM, p);
}
END_TEST

START_TEST(gmac_has_no_additional_data_but_its_data)
{
    CK_GCM_PARAMS gcm = good_gcm();

    assert_taken(CKM_AES_GMAC, gcm);
    gcm.pAAD = text;
    gcm.ulAADLen = 1;
    assert_refused(CKM_AES_GMAC, gcm);
}
END_TEST

START_TEST(poly1305_takes_a_nonce_of_twelve_bytes)
{
    CK_SALSA20_CHACHA20_POLY1305_PARAMS p = {.pNonce = text, .ulNonceLen = 12};

    assert_taken(CKM_CHACHA20_POLY1305, p);
    p.ulNonceLen = 8;
    assert_refused(CKM_CHACHA20_POLY1305, p);
    p = (CK_SALSA20_CHACHA20_POLY1305_PARAMS){.ulNonceLen = 12};
    assert_refused(CKM_CHACHA20_POLY1305, p);
}
END_TEST

START_TEST(a_cut_mac_has_four_bytes_to_its_full_length)
{
    for (CK_MAC_GENERAL_PARAMS len = 0; len < 70; len++) {
        assert_rv(len >= 4 && len <= 32 ? CKR_OK : CKR_MECHANISM_PARAM_INVALID,
                  check(CKM_SHA256_HMAC_GENERAL, &len, sizeof(len)));
        assert_rv(len >= 4 && len <= 16 ? CKR_OK : CKR_MECHANISM_PARAM_INVALID,
                  check(CKM_AES_CMAC_GENERAL, &len, sizeof(len)));
    }
}
END_TEST

START_TEST(signature_contexts_have_at_most_255_bytes)
{
    CK_EDDSA_PARAMS ed = {.pContextData = text, .ulContextDataLen = 255};
    CK_SIGN_ADDITIONAL_CONTEXT ml = {.pContext = text, .ulContextLen = 255};

    assert_taken(CKM_EDDSA, ed);
    assert_taken(CKM_ML_DSA, ml);
    assert_taken(CKM_SLH_DSA, ml);
    ed.ulContextDataLen = ml.ulContextLen = 256;
    assert_refused(CKM_EDDSA, ed);
    assert_refused(CKM_ML_DSA, ml);
    ed = (CK_EDDSA_PARAMS){.phFlag = 2};
    assert_refused(CKM_EDDSA, ed);
    ml = (CK_SIGN_ADDITIONAL_CONTEXT){.hedgeVariant = 3};
    assert_refused(CKM_ML_DSA, ml);
}
END_TEST

START_TEST(a_digest_is_signed_with_its_name_and_never_sha_1)
{
    CK_HASH_SIGN_ADDITIONAL_CONTEXT p = {
        .pContext = text, .ulContextLen = 255, .hash = CKM_SHA3_256};

    assert_taken(CKM_HASH_ML_DSA, p);
    assert_taken(CKM_HASH_SLH_DSA, p);
    p.hash = CKM_SHA_1;
    assert_refused(CKM_HASH_ML_DSA, p);
    p.hash = CKM_MD5;
    assert_refused(CKM_HASH_ML_DSA, p);
    p.hash = KW_SHAKE_128;
    assert_refused(CKM_HASH_SLH_DSA, p);
    p.hash = CKM_SHA256;
    p.hedgeVariant = 3;
    assert_refused(CKM_HASH_ML_DSA, p);
    p.hedgeVariant = CKH_DETERMINISTIC_REQUIRED;
    assert_taken(CKM_HASH_ML_DSA, p);
    p.ulContextLen = 256;
    assert_refused(CKM_HASH_ML_DSA, p);
    assert_rv(CKR_MECHANISM_PARAM_INVALID, check(CKM_HASH_ML_DSA, NULL, 0));
}
END_TEST

START_TEST(rsa_aes_wrap_takes_an_aes_size_and_a_good_oaep_inside)
{
    CK_RSA_PKCS_OAEP_PARAMS oaep = good_oaep();
    CK_RSA_AES_KEY_WRAP_PARAMS p = {.ulAESKeyBits = 256, .pOAEPParams = &oaep};

    assert_ok(mech_check_params(mech_find(CKM_RSA_AES_KEY_WRAP),
                                &(CK_MECHANISM){CKM_RSA_AES_KEY_WRAP, &p, sizeof(p)}));
    p.ulAESKeyBits = 255;
    assert_refused(CKM_RSA_AES_KEY_WRAP, p);
    p.ulAESKeyBits = 256;
    oaep.hashAlg = CKM_MD5;
    assert_rv(CKR_MECHANISM_PARAM_INVALID,
              mech_check_params(mech_find(CKM_RSA_AES_KEY_WRAP),
                                &(CK_MECHANISM){CKM_RSA_AES_KEY_WRAP, &p, sizeof(p)}));
    p.pOAEPParams = NULL;
    assert_rv(CKR_MECHANISM_PARAM_INVALID,
              mech_check_params(mech_find(CKM_RSA_AES_KEY_WRAP),
                                &(CK_MECHANISM){CKM_RSA_AES_KEY_WRAP, &p, sizeof(p)}));
}
END_TEST

/* No point is the form of C_EncapsulateKey; derivation wants one. */
START_TEST(ecdh_takes_a_point_or_none_and_a_kdf_it_knows)
{
    const CK_ECDH1_DERIVE_PARAMS good = {
        .kdf = CKD_NULL, .pPublicData = text, .ulPublicDataLen = 65};
    CK_ECDH1_DERIVE_PARAMS p = good;

    assert_taken(CKM_ECDH1_DERIVE, p);
    p.pSharedData = text;
    p.ulSharedDataLen = 1;
    assert_refused(CKM_ECDH1_DERIVE, p);
    p.kdf = CKD_SHA256_KDF;
    assert_taken(CKM_ECDH1_DERIVE, p);
    p.kdf = CKD_CPDIVERSIFY_KDF;
    assert_refused(CKM_ECDH1_DERIVE, p);
    p = good;
    p.pPublicData = NULL;
    assert_refused(CKM_ECDH1_DERIVE, p);
    p.ulPublicDataLen = 0;
    assert_taken(CKM_ECDH1_DERIVE, p);
    p.pPublicData = text;
    p.ulPublicDataLen = 1025;
    assert_refused(CKM_ECDH1_DERIVE, p);
}
END_TEST

START_TEST(hkdf_extracts_or_expands_with_the_salt_it_names)
{
    const CK_HKDF_PARAMS good = {.bExtract = CK_TRUE,
                                 .bExpand = CK_TRUE,
                                 .prfHashMechanism = CKM_SHA256,
                                 .ulSaltType = CKF_HKDF_SALT_DATA,
                                 .pSalt = text,
                                 .ulSaltLen = 16};
    CK_HKDF_PARAMS p = good;

    assert_taken(CKM_HKDF_DERIVE, p);
    p.ulSaltType = CKF_HKDF_SALT_NULL;
    assert_refused(CKM_HKDF_DERIVE, p);
    p.ulSaltLen = 0;
    assert_taken(CKM_HKDF_DERIVE, p);
    p.ulSaltType = 3;
    assert_refused(CKM_HKDF_DERIVE, p);
    p = good;
    p.bExtract = p.bExpand = CK_FALSE;
    assert_refused(CKM_HKDF_DERIVE, p);
    p = good;
    p.prfHashMechanism = CKM_MD5;
    assert_refused(CKM_HKDF_DERIVE, p);
}
END_TEST

START_TEST(sp800_108_takes_parts_of_known_types_and_their_lengths)
{
    CK_SP800_108_COUNTER_FORMAT counter = {.ulWidthInBits = 32};
    CK_PRF_DATA_PARAM parts[2] = {
        {CK_SP800_108_ITERATION_VARIABLE, &counter, sizeof(counter)},
        {CK_SP800_108_BYTE_ARRAY, text, 8},
    };
    const CK_SP800_108_KDF_PARAMS good = {
        .prfType = CKM_SHA256_HMAC, .ulNumberOfDataParams = 2, .pDataParams = parts};
    CK_SP800_108_KDF_PARAMS p = good;

    assert_taken(CKM_SP800_108_COUNTER_KDF, p);
    p.prfType = CKM_AES_CMAC;
    assert_taken(CKM_SP800_108_COUNTER_KDF, p);
    p.prfType = CKM_MD5_HMAC;
    assert_refused(CKM_SP800_108_COUNTER_KDF, p);
    p.prfType = CKM_ECDSA;
    assert_refused(CKM_SP800_108_COUNTER_KDF, p);
    p = good;
    p.ulNumberOfDataParams = 0;
    assert_refused(CKM_SP800_108_COUNTER_KDF, p);
    p = good;
    p.ulAdditionalDerivedKeys = 1;
    assert_refused(CKM_SP800_108_COUNTER_KDF, p);
    p = good;
    parts[1].type = 9;
    assert_refused(CKM_SP800_108_COUNTER_KDF, p);
    parts[1].type = CK_SP800_108_KEY_HANDLE;
    assert_taken(CKM_SP800_108_COUNTER_KDF, p);
    parts[1].ulValueLen = 7;
    assert_refused(CKM_SP800_108_COUNTER_KDF, p);
    parts[1] = (CK_PRF_DATA_PARAM){CK_SP800_108_BYTE_ARRAY, NULL, 8};
    assert_refused(CKM_SP800_108_COUNTER_KDF, p);
}
END_TEST

START_TEST(sp800_108_has_no_counter_form_outside_counter_mode)
{
    CK_SP800_108_COUNTER_FORMAT counter = {.ulWidthInBits = 32};
    CK_PRF_DATA_PARAM part = {CK_SP800_108_ITERATION_VARIABLE, NULL, 0};
    CK_SP800_108_FEEDBACK_KDF_PARAMS p = {
        .prfType = CKM_SHA256_HMAC, .ulNumberOfDataParams = 1, .pDataParams = &part};

    assert_taken(CKM_SP800_108_FEEDBACK_KDF, p);
    part.pValue = &counter;
    part.ulValueLen = sizeof(counter);
    assert_refused(CKM_SP800_108_FEEDBACK_KDF, p);
}
END_TEST

START_TEST(pbkdf2_takes_salt_iterations_and_a_prf_it_knows)
{
    const CK_PKCS5_PBKD2_PARAMS2 good = {.saltSource = CKZ_SALT_SPECIFIED,
                                         .pSaltSourceData = text,
                                         .ulSaltSourceDataLen = 8,
                                         .iterations = 1000,
                                         .prf = CKP_PKCS5_PBKD2_HMAC_SHA256,
                                         .pPassword = text,
                                         .ulPasswordLen = 8};
    CK_PKCS5_PBKD2_PARAMS2 p = good;

    assert_taken(CKM_PKCS5_PBKD2, p);
    p.iterations = 0;
    assert_refused(CKM_PKCS5_PBKD2, p);
    p = good;
    p.prf = CKP_PKCS5_PBKD2_HMAC_GOSTR3411;
    assert_refused(CKM_PKCS5_PBKD2, p);
    p = good;
    p.saltSource = 0;
    assert_refused(CKM_PKCS5_PBKD2, p);
    p = good;
    p.pPrfData = text;
    p.ulPrfDataLen = 1;
    assert_refused(CKM_PKCS5_PBKD2, p);
}
END_TEST

START_TEST(data_of_derivations_is_there_and_bits_are_within_a_key)
{
    CK_KEY_DERIVATION_STRING_DATA data = {.pData = text, .ulLen = 8};
    CK_EXTRACT_PARAMS bit = 4095;

    assert_taken(CKM_XOR_BASE_AND_DATA, data);
    data.ulLen = 0;
    assert_refused(CKM_XOR_BASE_AND_DATA, data);
    assert_taken(CKM_EXTRACT_KEY_FROM_KEY, bit);
    bit = 4096;
    assert_refused(CKM_EXTRACT_KEY_FROM_KEY, bit);
}
END_TEST

START_TEST(tls_master_secrets_take_randoms_and_a_place_for_the_version)
{
    CK_TLS12_MASTER_KEY_DERIVE_PARAMS p = {
        .RandomInfo = {text, 32, text, 32}, .pVersion = &version, .prfHashMechanism = CKM_SHA256};
    CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS x = {.prfHashMechanism = CKM_SHA256,
                                                    .pSessionHash = text,
                                                    .ulSessionHashLen = 32,
                                                    .pVersion = &version};

    assert_taken(CKM_TLS12_MASTER_KEY_DERIVE, p);
    assert_refused(CKM_TLS12_MASTER_KEY_DERIVE_DH, p);
    p.pVersion = NULL;
    assert_refused(CKM_TLS12_MASTER_KEY_DERIVE, p);
    assert_taken(CKM_TLS12_MASTER_KEY_DERIVE_DH, p);
    p.RandomInfo.pServerRandom = NULL;
    assert_refused(CKM_TLS12_MASTER_KEY_DERIVE_DH, p);
    assert_taken(CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE, x);
    assert_refused(CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE_DH, x);
    x.ulSessionHashLen = 0;
    assert_refused(CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE, x);
}
END_TEST

START_TEST(tls_key_material_has_places_for_what_it_asks)
{
    CK_SSL3_KEY_MAT_OUT out = {.pIVClient = text, .pIVServer = text};
    const CK_TLS12_KEY_MAT_PARAMS good = {.ulKeySizeInBits = 128,
                                          .ulIVSizeInBits = 32,
                                          .RandomInfo = {text, 32, text, 32},
                                          .pReturnedKeyMaterial = &out,
                                          .prfHashMechanism = CKM_SHA256};
    CK_TLS12_KEY_MAT_PARAMS p = good;

    assert_taken(CKM_TLS12_KEY_AND_MAC_DERIVE, p);
    p.bIsExport = CK_TRUE;
    assert_refused(CKM_TLS12_KEY_AND_MAC_DERIVE, p);
    p = good;
    p.ulKeySizeInBits = 129;
    assert_refused(CKM_TLS12_KEY_AND_MAC_DERIVE, p);
    p = good;
    p.pReturnedKeyMaterial = NULL;
    assert_refused(CKM_TLS12_KEY_AND_MAC_DERIVE, p);
    p = good;
    out.pIVServer = NULL;
    assert_refused(CKM_TLS12_KEY_AND_MAC_DERIVE, p);
}
END_TEST

START_TEST(tls_macs_and_exporters_take_a_digest_and_their_label)
{
    CK_TLS_MAC_PARAMS mac = {
        .prfHashMechanism = CKM_SHA256, .ulMacLength = 12, .ulServerOrClient = 1};
    CK_TLS_KDF_PARAMS kdf = {.prfMechanism = CKM_SHA256, .pLabel = text, .ulLabelLength = 8};

    assert_taken(CKM_TLS_MAC, mac);
    mac.ulServerOrClient = 3;
    assert_refused(CKM_TLS_MAC, mac);
    mac.ulServerOrClient = 2;
    mac.ulMacLength = 33;
    assert_refused(CKM_TLS_MAC, mac);
    assert_taken(CKM_TLS_KDF, kdf);
    kdf.ulContextDataLength = 1;
    assert_refused(CKM_TLS_KDF, kdf);
    kdf.ulContextDataLength = 0;
    kdf.ulLabelLength = 0;
    assert_refused(CKM_TLS_KDF, kdf);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(mechanisms_without_parameter_take_null_or_nothing_and_refuse_bytes),
        CASE(mechanisms_with_parameter_refuse_null_whatever_its_length_says),
        CASE(mechanisms_with_parameter_refuse_every_other_length),
        CASE(cbc_takes_an_iv_of_sixteen_bytes),
        CASE(ctr_takes_1_to_128_counter_bits),
        CASE(gcm_takes_an_iv_of_1_to_256_bytes),
        CASE(gcm_takes_whatever_stands_in_iv_bits),
        CASE(gcm_takes_tags_of_32_to_128_bits_in_whole_bytes),
        CASE(gcm_refuses_additional_data_that_is_null_with_a_length),
        CASE(pss_takes_hashes_and_masks_of_the_table_and_refuses_others),
        CASE(hashed_pss_refuses_another_digest_than_its_own),
        CASE(pss_refuses_a_salt_no_key_has_room_for),
        CASE(oaep_takes_hashes_and_masks_of_the_table_and_refuses_others),
        CASE(oaep_takes_a_label_only_where_source_says_so),
        CASE(oaep_refuses_a_label_that_is_null_with_a_length),
        CASE(missing_mechanism_or_another_ones_row_is_refused),
        CASE(layouts_are_no_longer_than_their_struct_and_their_spans_lie_inside),
        CASE(ccm_takes_nonces_tags_and_lengths_of_sp_800_38c),
        CASE(gmac_has_no_additional_data_but_its_data),
        CASE(poly1305_takes_a_nonce_of_twelve_bytes),
        CASE(a_cut_mac_has_four_bytes_to_its_full_length),
        CASE(signature_contexts_have_at_most_255_bytes),
        CASE(a_digest_is_signed_with_its_name_and_never_sha_1),
        CASE(rsa_aes_wrap_takes_an_aes_size_and_a_good_oaep_inside),
        CASE(ecdh_takes_a_point_or_none_and_a_kdf_it_knows),
        CASE(hkdf_extracts_or_expands_with_the_salt_it_names),
        CASE(sp800_108_takes_parts_of_known_types_and_their_lengths),
        CASE(sp800_108_has_no_counter_form_outside_counter_mode),
        CASE(pbkdf2_takes_salt_iterations_and_a_prf_it_knows),
        CASE(data_of_derivations_is_there_and_bits_are_within_a_key),
        CASE(tls_master_secrets_take_randoms_and_a_place_for_the_version),
        CASE(tls_key_material_has_places_for_what_it_asks),
        CASE(tls_macs_and_exporters_take_a_digest_and_their_label),
    };

    return suite_run("base/mech_params", cases, sizeof(cases) / sizeof(*cases));
}
