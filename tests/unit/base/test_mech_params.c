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
        for (size_t len = 0; len < 128; len++)
            assert_rv(CKR_MECHANISM_PARAM_INVALID, check_null(row->type, len));
    }
}
END_TEST

START_TEST(mechanisms_with_parameter_refuse_every_other_length)
{
    static const size_t want[] = {
        [MECH_PARAMS_IV] = 16,
        [MECH_PARAMS_CTR] = sizeof(CK_AES_CTR_PARAMS),
        [MECH_PARAMS_GCM] = sizeof(CK_GCM_PARAMS),
        [MECH_PARAMS_PSS] = sizeof(CK_RSA_PKCS_PSS_PARAMS),
        [MECH_PARAMS_OAEP] = sizeof(CK_RSA_PKCS_OAEP_PARAMS),
    };
    static const uint8_t zeros[128];

    for (size_t i = 0; i < mech_count(); i++) {
        const struct mech *row = mech_at(i);

        if (row->params == MECH_PARAMS_NONE)
            continue;
        for (size_t len = 0; len < sizeof(zeros); len++)
            if (len != want[row->params])
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
    oaep.mgf = 6;
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
    };

    return suite_run("base/mech_params", cases, sizeof(cases) / sizeof(*cases));
}
