/*
 * Edwards keys brought in: the signatures others have published, whole and in parts, pure and with
 * context or prehash. For vaults of software keys.
 */
#include "tests/contract/pkcs11/known.h"
#include "tests/module/pkcs11/token.h"

#include <openssl/crypto.h>
#include <string.h>

#undef fail

#define ED25519   "06032b6570"
#define ED448     "06032b6571"
#define CTX_KEY   "0305334e381af78f141cb666f6199f57bc3495335a256a95bd2a55bf546663f6"
#define CTX_POINT "0420dfc9425e4f968f7f0c29f0259cf5f9aed6851c2bb4ad8bfb860cfee0ab248292"
#define CTX_DATA  "f726936d19c800494e3fdaff20b276a8"
#define PH448_KEY                                                                                  \
    "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42ef7822e0d5104127dc05d6dbefde" \
    "69e3ab2cec7c867c6e2c49"
#define PH448_POINT                                                                                \
    "0439259b71c19f83ef77a7abd26524cbdb3161b590a48f7d17de3ee0ba9c52beb743c09428a131d6b1b57303d90d" \
    "8132c276d5ed3d5d01c0f53880"

static const struct edwards {
    const char *source, *params, *secret, *point, *data, *signature;
} edwards[] = {
    {"RFC 8032, 7.1, test 2", "06032b6570",
     "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "04203d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f1"
     "1d8c387b2eaeb4302aeeb00d291612bb0c00"},
    {"RFC 8032, 7.4, 1 octet", "06032b6571",
     "c4eab05d357007c632f3dbb48489924d552b08fe0c353a0d4a1f00acda2c463afbea67c5e8d2877c5e3bc397a659"
     "949ef8021e954e0a12274e",
     "043943ba28f430cdff456ae531545f7ecd0ac834a55d9358c0372bfa0c6c6798c0866aea01eb00742802b8438ea4"
     "cb82169c235160627b4c3a9480",
     "03",
     "26b8f91727bd62897af15e41eb43c377efb9c610d48f2335cb0bd0087810f4352541b143c4b981b7e18f62de8ccd"
     "f633fc1bf037ab7cd779805e0dbcc0aae1cbcee1afb2e027df36bc04dcecbf154336c19f0af7e0a6472905e799f1"
     "953d2a0ff3348ab21aa4adafd1d234441cf807c03a00"},
};

static CK_OBJECT_HANDLE edwards_half(CK_SESSION_HANDLE session, const struct edwards *e,
                                     bool private)
{
    struct known_text params = known_unhex(e->params);
    struct known_text value = known_unhex(private ? e->secret : e->point);
    CK_OBJECT_HANDLE handle = 0;

    assert_ok(p11->C_CreateObject(
        session,
        LIST(ULONG(CKA_CLASS, private ? CKO_PRIVATE_KEY : CKO_PUBLIC_KEY),
             ULONG(CKA_KEY_TYPE, CKK_EC_EDWARDS), ATTR(CKA_EC_PARAMS, params.data, params.len),
             ATTR(private ? CKA_VALUE : CKA_EC_POINT, value.data, value.len),
             YES(private ? CKA_SIGN : CKA_VERIFY)),
        &handle));
    return handle;
}

START_TEST(edwards_signatures_are_the_published_ones_and_others_are_refused)
{
    const struct edwards *e = &edwards[_i];
    CK_MECHANISM m = {CKM_EDDSA, NULL, 0};
    struct known_text data = known_unhex(e->data);
    struct known_text want = known_unhex(e->signature);
    struct known_text got;
    CK_SESSION_HANDLE s = token_alice();
    CK_OBJECT_HANDLE private = edwards_half(s, e, true);
    CK_OBJECT_HANDLE public = edwards_half(s, e, false);

    assert_ok(p11->C_SignInit(s, &m, private));
    assert_ok(p11->C_Sign(s, data.data, data.len, NULL, &got.len));
    ck_assert_uint_eq(got.len, want.len);
    assert_ok(p11->C_Sign(s, data.data, data.len, got.data, &got.len));
    ck_assert_msg(got.len == want.len && memcmp(got.data, want.data, got.len) == 0, "%s",
                  e->source);
    /* In parts: gathered, and the same. */
    assert_ok(p11->C_SignInit(s, &m, private));
    assert_ok(p11->C_SignUpdate(s, data.data, 0));
    assert_ok(p11->C_SignUpdate(s, data.data, data.len));
    got.len = KNOWN_MAX;
    assert_ok(p11->C_SignFinal(s, got.data, &got.len));
    ck_assert_mem_eq(got.data, want.data, want.len);
    assert_ok(p11->C_VerifyInit(s, &m, public));
    assert_ok(p11->C_Verify(s, data.data, data.len, want.data, want.len));
    data.data[0] ^= 1;
    assert_ok(p11->C_VerifyInit(s, &m, public));
    assert_rv(CKR_SIGNATURE_INVALID, p11->C_Verify(s, data.data, data.len, want.data, want.len));
    assert_ok(p11->C_VerifyInit(s, &m, public));
    assert_rv(CKR_SIGNATURE_LEN_RANGE,
              p11->C_Verify(s, data.data, data.len, want.data, want.len - 1));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

/* Longer than what mechanisms of one block gather. */
START_TEST(an_edwards_key_signs_long_data_in_parts)
{
    static CK_BYTE data[5000];
    CK_MECHANISM m = {CKM_EDDSA, NULL, 0};
    struct known_text whole = {.len = KNOWN_MAX};
    struct known_text parts = {.len = KNOWN_MAX};
    CK_SESSION_HANDLE s = token_alice();
    CK_OBJECT_HANDLE private = edwards_half(s, &edwards[0], true);

    assert_ok(p11->C_SignInit(s, &m, private));
    assert_ok(p11->C_Sign(s, data, sizeof(data), whole.data, &whole.len));
    assert_ok(p11->C_SignInit(s, &m, private));
    assert_ok(p11->C_SignUpdate(s, data, 2500));
    assert_ok(p11->C_SignUpdate(s, data + 2500, 2500));
    assert_ok(p11->C_SignFinal(s, parts.data, &parts.len));
    ck_assert_uint_eq(parts.len, 64);
    ck_assert_mem_eq(parts.data, whole.data, 64);
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

/* ---- the forms that a parameter asks for ---- */

/* OpenSSL has them from 3.2 on; before it they are refused, not signed as something else. */
static bool has_forms(void)
{
    return OpenSSL_version_num() >= 0x30200000UL;
}

static const struct form {
    const char *source;
    const char *params, *secret, *point, *data;
    CK_BBOOL prehash;
    const char *context, *signature;
} forms[] = {
    {"RFC 8032, 7.2, foo", ED25519, CTX_KEY, CTX_POINT, CTX_DATA, CK_FALSE, "666f6f",
     "55a4cc2f70a54e04288c5f4cd1e45a7bb520b36292911876cada7323198dd87a8b36950b95130022907a7fb7c4e9"
     "b2d5f6cca685a587b4b21f4b888e4e7edb0d"},
    {"RFC 8032, 7.2, bar", ED25519, CTX_KEY, CTX_POINT, CTX_DATA, CK_FALSE, "626172",
     "fc60d5872fc46b3aa69f8b5b4351d5808f92bcc044606db097abab6dbcb1aee3216c48e8b3b66431b5b186d1d28f"
     "8ee15a5ca2df6668346291c2043d4eb3e90d"},
    {"RFC 8032, 7.3, abc", ED25519,
     "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
     "0420ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf", "616263", CK_TRUE, "",
     "98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae4131f85042463c2a355a2003d062ad"
     "f5aaa10b8c61e636062aaad11c2a26083406"},
    {"RFC 8032, 7.4, 1 octet with context", ED448,
     "c4eab05d357007c632f3dbb48489924d552b08fe0c353a0d4a1f00acda2c463afbea67c5e8d2877c5e3bc397a659"
     "949ef8021e954e0a12274e",
     "043943ba28f430cdff456ae531545f7ecd0ac834a55d9358c0372bfa0c6c6798c0866aea01eb00742802b8438ea4"
     "cb82169c235160627b4c3a9480",
     "03", CK_FALSE, "666f6f",
     "d4f8f6131770dd46f40867d6fd5d5055de43541f8c5e35abbcd001b32a89f7d2151f7647f11d8ca2ae279fb842d6"
     "07217fce6e042f6815ea000c85741de5c8da1144a6a1aba7f96de42505d7a7298524fda538fccbbb754f578c1cad"
     "10d54d0d5428407e85dcbc98a49155c13764e66c3c00"},
    {"RFC 8032, 7.5, abc", ED448, PH448_KEY, PH448_POINT, "616263", CK_TRUE, "",
     "822f6901f7480f3d5f562c592994d9693602875614483256505600bbc281ae381f54d6bce2ea911574932f52a4e6"
     "cadd78769375ec3ffd1b801a0d9b3f4030cd433964b6457ea39476511214f97469b57dd32dbc560a9a94d00bff07"
     "620464a3ad203df7dc7ce360c3cd3696d9d9fab90f00"},
    {"RFC 8032, 7.5, abc with context", ED448, PH448_KEY, PH448_POINT, "616263", CK_TRUE, "666f6f",
     "c32299d46ec8ff02b54540982814dce9a05812f81962b649d528095916a2aa481065b1580423ef927ecf0af5888f"
     "90da0f6a9a85ad5dc3f280d91224ba9911a3653d00e484e2ce232521481c8658df304bb7745a73514cdb9bf3e157"
     "84ab71284f8d0704a608c54a6b62d97beb511d132100"},
};

struct signing {
    struct known_text data, context, want;
    CK_EDDSA_PARAMS params;
    CK_MECHANISM mechanism;
    CK_OBJECT_HANDLE private, public;
};

static void set_up(CK_SESSION_HANDLE s, const struct form *f, struct signing *ret)
{
    const struct edwards key = {.params = f->params, .secret = f->secret, .point = f->point};

    ret->data = known_unhex(f->data);
    ret->context = known_unhex(f->context);
    ret->want = known_unhex(f->signature);
    ret->params = (CK_EDDSA_PARAMS){.phFlag = f->prehash,
                                    .ulContextDataLen = ret->context.len,
                                    .pContextData = ret->context.data};
    ret->mechanism = (CK_MECHANISM){CKM_EDDSA, &ret->params, sizeof(ret->params)};
    ret->private = edwards_half(s, &key, true);
    ret->public = edwards_half(s, &key, false);
}

static CK_RV verify_form(CK_SESSION_HANDLE s, struct signing *sg)
{
    assert_ok(p11->C_VerifyInit(s, &sg->mechanism, sg->public));
    return p11->C_Verify(s, sg->data.data, sg->data.len, sg->want.data, sg->want.len);
}

START_TEST(a_form_with_context_or_prehash_signs_as_published_or_is_refused)
{
    CK_SESSION_HANDLE s = token_alice();
    CK_RV want = has_forms() ? CKR_OK : CKR_MECHANISM_PARAM_INVALID;
    struct known_text got = {.len = KNOWN_MAX};
    struct signing sg;

    set_up(s, &forms[_i], &sg);
    assert_ok(p11->C_SignInit(s, &sg.mechanism, sg.private));
    assert_rv(want, p11->C_Sign(s, sg.data.data, sg.data.len, got.data, &got.len));
    assert_rv(want, verify_form(s, &sg));
    if (has_forms()) {
        ck_assert_msg(got.len == sg.want.len && memcmp(got.data, sg.want.data, got.len) == 0, "%s",
                      forms[_i].source);
        /* Another context, and the other form. */
        sg.params.ulContextDataLen += sg.context.len == 0 ? 1 : (CK_ULONG)-1;
        assert_rv(CKR_SIGNATURE_INVALID, verify_form(s, &sg));
        sg.params.ulContextDataLen = sg.context.len;
        sg.params.phFlag = !forms[_i].prehash;
        if (sg.context.len > 0)
            assert_rv(CKR_SIGNATURE_INVALID, verify_form(s, &sg));
        sg.mechanism = (CK_MECHANISM){CKM_EDDSA, NULL, 0};
        assert_rv(CKR_SIGNATURE_INVALID, verify_form(s, &sg));
    }
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(a_context_has_at_most_255_bytes)
{
    CK_SESSION_HANDLE s = token_alice();
    CK_BYTE context[256] = {1};
    struct signing sg;

    set_up(s, &forms[0], &sg);
    sg.params.pContextData = context;
    sg.params.ulContextDataLen = 255;
    assert_ok(p11->C_SignInit(s, &sg.mechanism, sg.private));
    sg.want.len = KNOWN_MAX;
    assert_rv(has_forms() ? CKR_OK : CKR_MECHANISM_PARAM_INVALID,
              p11->C_Sign(s, sg.data.data, sg.data.len, sg.want.data, &sg.want.len));
    if (has_forms())
        assert_ok(verify_form(s, &sg));
    sg.params.ulContextDataLen = 256;
    assert_rv(CKR_MECHANISM_PARAM_INVALID, p11->C_SignInit(s, &sg.mechanism, sg.private));
    assert_rv(CKR_MECHANISM_PARAM_INVALID, p11->C_VerifyInit(s, &sg.mechanism, sg.public));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

/* RFC 8032: of Ed448 it is the pure form; of Ed25519 the one with a context, which it lacks. */
START_TEST(a_parameter_without_context_or_prehash_is_the_pure_form_of_ed448_only)
{
    CK_EDDSA_PARAMS params = {.phFlag = CK_FALSE};
    CK_MECHANISM m = {CKM_EDDSA, &params, sizeof(params)};
    struct known_text data = known_unhex(edwards[1].data);
    struct known_text got = {.len = KNOWN_MAX};
    CK_SESSION_HANDLE s = token_alice();

    assert_ok(p11->C_SignInit(s, &m, edwards_half(s, &edwards[1], true)));
    assert_ok(p11->C_Sign(s, data.data, data.len, got.data, &got.len));
    ck_assert_mem_eq(got.data, known_unhex(edwards[1].signature).data, got.len);
    assert_ok(p11->C_SignInit(s, &m, edwards_half(s, &edwards[0], true)));
    assert_rv(CKR_MECHANISM_PARAM_INVALID, p11->C_Sign(s, data.data, data.len, got.data, &got.len));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_LOOP(edwards_signatures_are_the_published_ones_and_others_are_refused, COUNT(edwards)),
        CASE(an_edwards_key_signs_long_data_in_parts),
        CASE_LOOP(a_form_with_context_or_prehash_signs_as_published_or_is_refused, COUNT(forms)),
        CASE(a_context_has_at_most_255_bytes),
        CASE(a_parameter_without_context_or_prehash_is_the_pure_form_of_ed448_only),
    };

    return token_suite("pkcs11/known_edwards", cases, COUNT(cases));
}
