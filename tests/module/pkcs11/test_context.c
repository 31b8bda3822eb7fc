/*
 * What a policy is told of a call: each member of the context out of a mechanism's parameters, of
 * the keys that wrap and unwrap, and of attributes. One call that a rule lets through, and its
 * neighbour that differs in this one fact and is refused.
 */
#include "tests/support/lab.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#define ALICE                                                                                      \
    "permit (principal == User::\"alice\", action in [Action::\"cryptoOfficer\", "                 \
    "Action::\"secretsOfficer\", Action::\"release\"], resource);\n"
/* Where the fact is known at all it must be this one. */
#define ONLY(actions, has, holds)                                                                  \
    ALICE "forbid (principal, action in [" actions "], resource) when { context has " has          \
          " && !(" holds ") };"

static struct lab lab;
static CK_FUNCTION_LIST_3_0 *f;
static CK_SESSION_HANDLE session;

static void start(const char *policy)
{
    CK_UTF8CHAR name[] = "PKCS 11";
    CK_VERSION version = {3, 0};
    CK_INTERFACE *interface = NULL;
    CK_C_GetInterface get;

    lab_start(&lab);
    lab_policy(&lab, policy);
    *(void **)&get = dlsym(lab.library, "C_GetInterface");
    assert_ok(get(name, &version, &interface, 0));
    f = interface->pFunctionList;
    session = lab_alice(&lab);
}

/* ---- parameters of signatures and ciphers ---- */

static CK_RV pss(CK_MECHANISM_TYPE hash, CK_RSA_PKCS_MGF_TYPE mgf, CK_ULONG salt)
{
    CK_RSA_PKCS_PSS_PARAMS params = {.hashAlg = hash, .mgf = mgf, .sLen = salt};
    CK_MECHANISM m = {CKM_RSA_PKCS_PSS, &params, sizeof(params)};
    CK_RV rv = f->C_SignInit(session, &m, lab_find(&lab, session, CKO_PRIVATE_KEY, "sign"));

    if (rv == CKR_OK)
        assert_ok(f->C_SessionCancel(session, CKF_SIGN));
    return rv;
}

static CK_RV pss_usual(void)
{
    return pss(CKM_SHA256, CKG_MGF1_SHA256, 32);
}
static CK_RV pss_other_hash(void)
{
    return pss(CKM_SHA384, CKG_MGF1_SHA256, 32);
}
static CK_RV pss_other_mgf(void)
{
    return pss(CKM_SHA256, CKG_MGF1_SHA384, 32);
}
static CK_RV pss_short_salt(void)
{
    return pss(CKM_SHA256, CKG_MGF1_SHA256, 20);
}

static CK_RV gcm(const char *aad, CK_ULONG tag_bits)
{
    CK_BYTE iv[12] = {1};
    CK_BYTE copy[16];
    CK_GCM_PARAMS params = {.pIv = iv, .ulIvLen = 12, .ulIvBits = 96, .ulTagBits = tag_bits};
    CK_MECHANISM m = {CKM_AES_GCM, &params, sizeof(params)};
    CK_RV rv;

    memcpy(copy, aad, strlen(aad));
    params.pAAD = copy;
    params.ulAADLen = strlen(aad);
    rv = f->C_EncryptInit(session, &m, lab_find(&lab, session, CKO_SECRET_KEY, "seal"));
    if (rv == CKR_OK)
        assert_ok(f->C_SessionCancel(session, CKF_ENCRYPT));
    return rv;
}

static CK_RV gcm_usual(void)
{
    return gcm("abc", 128);
}
static CK_RV gcm_other_aad(void)
{
    return gcm("abd", 128);
}
static CK_RV gcm_short_tag(void)
{
    return gcm("abc", 96);
}

/* One message, whose IV is made here or given. */
static CK_RV message(CK_GENERATOR_FUNCTION generator, const char *aad)
{
    CK_BYTE iv[12] = {7};
    CK_BYTE tag[16], cipher[4], copy[16];
    CK_BYTE data[4] = "data";
    CK_ULONG len = sizeof(cipher);
    CK_GCM_MESSAGE_PARAMS params = {
        .pIv = iv, .ulIvLen = 12, .ivGenerator = generator, .pTag = tag, .ulTagBits = 128};
    CK_MECHANISM m = {.mechanism = CKM_AES_GCM};
    CK_RV rv;

    memcpy(copy, aad, strlen(aad));
    assert_ok(
        f->C_MessageEncryptInit(session, &m, lab_find(&lab, session, CKO_SECRET_KEY, "seal")));
    rv = f->C_EncryptMessage(session, &params, sizeof(params), copy, strlen(aad), data, 4, cipher,
                             &len);
    assert_ok(f->C_MessageEncryptFinal(session));
    return rv;
}

static CK_RV message_made_iv(void)
{
    return message(CKG_GENERATE_RANDOM, "abc");
}
static CK_RV message_given_iv(void)
{
    return message(CKG_NO_GENERATE, "abc");
}
static CK_RV message_other_aad(void)
{
    return message(CKG_GENERATE_RANDOM, "abd");
}

/* SHA-256 of "abc" (FIPS 180-2, B.1). */
#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static const struct {
    const char *policy;
    CK_RV (*allowed)(void);
    CK_RV (*refused)(void);
} parameters[] = {
    {ONLY("Action::\"sign\"", "hash", "context.hash == \"CKM_SHA256\""), pss_usual, pss_other_hash},
    {ONLY("Action::\"sign\"", "mgf", "context.mgf == \"CKM_SHA256\""), pss_usual, pss_other_mgf},
    {ONLY("Action::\"sign\"", "saltLength", "context.saltLength >= 32"), pss_usual, pss_short_salt},
    {ONLY("Action::\"encrypt\"", "tagLength", "context.tagLength == 128"), gcm_usual,
     gcm_short_tag},
    {ONLY("Action::\"encrypt\"", "aad", "context.aad == \"" ABC "\""), gcm_usual, gcm_other_aad},
    {ONLY("Action::\"encrypt\"", "aad", "context.aad == \"" ABC "\""), message_made_iv,
     message_other_aad},
    {ONLY("Action::\"encrypt\"", "ivSource", "context.ivSource == \"keyward\""), message_made_iv,
     message_given_iv},
    {ONLY("Action::\"encrypt\"", "ivSource", "context.ivSource == \"caller\""), message_given_iv,
     message_made_iv},
    {ONLY("Action::\"encrypt\"", "ivSource", "context.ivSource == \"caller\""), gcm_usual,
     message_made_iv},
};

/* The refused one comes between two allowed ones: no answer is remembered for the other. Mechanisms
 * without that parameter stay allowed: the code says so. */
START_TEST(a_parameter_that_a_rule_names_decides)
{
    start(parameters[_i].policy);
    assert_ok(parameters[_i].allowed());
    assert_rv(CKR_MECHANISM_INVALID, parameters[_i].refused());
    assert_ok(parameters[_i].allowed());
    lab_end(&lab);
}
END_TEST

START_TEST(parameters_that_no_rule_names_make_no_difference)
{
    start(ALICE);
    for (size_t i = 0; i < sizeof(parameters) / sizeof(*parameters); i++) {
        assert_ok(parameters[i].allowed());
        assert_ok(parameters[i].refused());
    }
    lab_end(&lab);
}
END_TEST

/* ---- the key that wraps ---- */

static CK_OBJECT_HANDLE make_aes(const char *label, bool wraps)
{
    CK_MECHANISM m = {.mechanism = CKM_AES_KEY_GEN};
    CK_BBOOL yes = CK_TRUE, does = wraps ? CK_TRUE : CK_FALSE, leaves = wraps ? CK_FALSE : CK_TRUE;
    CK_ULONG len = 32;
    char text[16], protection[] = "software";
    CK_ATTRIBUTE template[] = {
        {CKA_VALUE_LEN, &len, sizeof(len)},
        {CKA_TOKEN, &yes, 1},
        {CKA_WRAP, &does, 1},
        {CKA_UNWRAP, &does, 1},
        {CKA_EXTRACTABLE, &leaves, 1},
        {CKA_LABEL, text, strlen(label)},
        {CKA_KEYWARD_PROTECTION, protection, 8},
    };
    CK_OBJECT_HANDLE key = 0;

    memcpy(text, label, strlen(label));
    assert_ok(f->C_GenerateKey(session, &m, template, 7, &key));
    return key;
}

static CK_MECHANISM kwp = {.mechanism = CKM_AES_KEY_WRAP_KWP};

static CK_RV unwrap(CK_OBJECT_HANDLE with, CK_BYTE *wrapped, CK_ULONG len)
{
    CK_OBJECT_CLASS cls = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_AES;
    char protection[] = "software";
    CK_ATTRIBUTE template[] = {{CKA_CLASS, &cls, sizeof(cls)},
                               {CKA_KEY_TYPE, &type, sizeof(type)},
                               {CKA_KEYWARD_PROTECTION, protection, 8}};
    CK_OBJECT_HANDLE key;

    return f->C_UnwrapKey(session, &kwp, with, wrapped, len, template, 3, &key);
}

START_TEST(a_key_leaves_and_comes_back_under_the_key_that_a_rule_names)
{
    CK_OBJECT_HANDLE kek1, kek2, key;
    CK_BYTE one[64], two[64];
    CK_ULONG len = sizeof(one), other = sizeof(two);

    start(ALICE "forbid (principal, action == Action::\"wrapKey\", resource) when { "
                "resource.name == \"leaves\" && context has wrappingKey && "
                "context.wrappingKey == \"web/kek2\" };"
                "forbid (principal, action == Action::\"import\", resource) unless { "
                "context has wrappingKey && context.wrappingKey == \"web/kek1\" };");
    kek1 = make_aes("kek1", true);
    kek2 = make_aes("kek2", true);
    key = make_aes("leaves", false);
    assert_ok(f->C_WrapKey(session, &kwp, kek1, key, one, &len));
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED, f->C_WrapKey(session, &kwp, kek2, key, two, &other));
    assert_ok(unwrap(kek1, one, len));
    key = make_aes("another", false);
    other = sizeof(two);
    assert_ok(f->C_WrapKey(session, &kwp, kek2, key, two, &other));
    assert_rv(CKR_ACTION_PROHIBITED, unwrap(kek2, two, other));
    lab_end(&lab);
}
END_TEST

/* ---- attributes ---- */

static CK_OBJECT_HANDLE make_data(void)
{
    CK_OBJECT_CLASS cls = CKO_DATA;
    CK_BBOOL yes = CK_TRUE;
    char label[] = "note", value[] = "secret", application[] = "tests";
    CK_ATTRIBUTE template[] = {{CKA_CLASS, &cls, sizeof(cls)},
                               {CKA_TOKEN, &yes, 1},
                               {CKA_LABEL, label, 4},
                               {CKA_APPLICATION, application, 5},
                               {CKA_VALUE, value, 6}};
    CK_OBJECT_HANDLE object = 0;

    assert_ok(f->C_CreateObject(session, template, 5, &object));
    return object;
}

static CK_RV read_text(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type)
{
    char text[32];
    CK_ATTRIBUTE attribute = {type, text, sizeof(text)};
    CK_RV rv = f->C_GetAttributeValue(session, object, &attribute, 1);

    if (rv != CKR_OK)
        ck_assert_uint_eq(attribute.ulValueLen, CK_UNAVAILABLE_INFORMATION);
    return rv;
}

static CK_ULONG found_by(CK_ATTRIBUTE_TYPE type, const char *value)
{
    char text[32];
    CK_ATTRIBUTE attribute = {type, text, strlen(value)};
    CK_OBJECT_HANDLE handles[8];
    CK_ULONG count = 0;

    memcpy(text, value, strlen(value));
    assert_ok(f->C_FindObjectsInit(session, &attribute, 1));
    assert_ok(f->C_FindObjects(session, handles, 8, &count));
    assert_ok(f->C_FindObjectsFinal(session));
    return count;
}

START_TEST(the_label_may_be_read_and_the_value_not)
{
    CK_OBJECT_HANDLE object;
    char label[16], value[16];
    CK_ATTRIBUTE both[] = {{CKA_LABEL, label, sizeof(label)}, {CKA_VALUE, value, sizeof(value)}};

    start(ALICE "forbid (principal, action == Action::\"getSecret\", resource) when { context has "
                "attribute && context.attribute == \"CKA_VALUE\" };");
    object = make_data();
    assert_ok(read_text(object, CKA_LABEL));
    assert_rv(CKR_ATTRIBUTE_SENSITIVE, read_text(object, CKA_VALUE));
    assert_rv(CKR_ATTRIBUTE_SENSITIVE, f->C_GetAttributeValue(session, object, both, 2));
    ck_assert_uint_eq(both[0].ulValueLen, 4);
    ck_assert_uint_eq(both[1].ulValueLen, CK_UNAVAILABLE_INFORMATION);
    lab_end(&lab);
}
END_TEST

START_TEST(an_attribute_that_may_not_be_read_is_not_found_by)
{
    CK_OBJECT_HANDLE object;

    start(ALICE "forbid (principal, action in [Action::\"list\", Action::\"get\"], resource is "
                "Secret) when { context has attribute && context.attribute == "
                "\"CKA_APPLICATION\" };");
    object = make_data();
    assert_ok(read_text(object, CKA_LABEL));
    assert_rv(CKR_ATTRIBUTE_SENSITIVE, read_text(object, CKA_APPLICATION));
    ck_assert_uint_eq(found_by(CKA_LABEL, "note"), 1);
    ck_assert_uint_eq(found_by(CKA_APPLICATION, "tests"), 0);
    lab_end(&lab);
}
END_TEST

/* The same reads and searches where no rule speaks of attributes. */
START_TEST(without_such_a_rule_every_attribute_is_read_and_found_by)
{
    CK_OBJECT_HANDLE object;

    start(ALICE);
    object = make_data();
    assert_ok(read_text(object, CKA_VALUE));
    assert_ok(read_text(object, CKA_APPLICATION));
    ck_assert_uint_eq(found_by(CKA_APPLICATION, "tests"), 1);
    lab_end(&lab);
}
END_TEST

static CK_RV set_text(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, CK_ATTRIBUTE_TYPE also)
{
    char text[] = "other";
    CK_ATTRIBUTE attributes[] = {{type, text, 5}, {also, text, 5}};

    return f->C_SetAttributeValue(session, object, attributes, type == also ? 1 : 2);
}

START_TEST(the_attribute_that_a_rule_names_may_be_changed_and_no_other)
{
    CK_OBJECT_HANDLE key;

    start("permit (principal == User::\"alice\", action in Action::\"cryptoUser\", resource);"
          "permit (principal == User::\"alice\", action == Action::\"update\", resource) when { "
          "context has attribute && context.attribute == \"CKA_ID\" };");
    key = lab_find(&lab, session, CKO_PUBLIC_KEY, "tls");
    assert_ok(set_text(key, CKA_ID, CKA_ID));
    assert_rv(CKR_ACTION_PROHIBITED, set_text(key, CKA_LABEL, CKA_LABEL));
    assert_rv(CKR_ACTION_PROHIBITED, set_text(key, CKA_ID, CKA_LABEL));
    assert_rv(CKR_ACTION_PROHIBITED, f->C_SetAttributeValue(session, key, NULL, 0));
    lab_end(&lab);
}
END_TEST

START_TEST(a_refused_attribute_is_on_record)
{
    CK_OBJECT_HANDLE object;

    start(ALICE "forbid (principal, action == Action::\"getSecret\", resource) when { context has "
                "attribute && context.attribute == \"CKA_VALUE\" };");
    object = make_data();
    assert_rv(CKR_ATTRIBUTE_SENSITIVE, read_text(object, CKA_VALUE));
    ck_assert_uint_ge(lab_log_count(&lab, "C_GetAttributeValue", "CKR_ATTRIBUTE_SENSITIVE"), 1);
    lab_end(&lab);
}
END_TEST

/* ---- names and versions ---- */

static CK_RV sign_with(CK_OBJECT_HANDLE key)
{
    CK_MECHANISM m = {.mechanism = CKM_ECDSA_SHA256};
    CK_RV rv = f->C_SignInit(session, &m, key);

    if (rv == CKR_OK)
        assert_ok(f->C_SessionCancel(session, CKF_SIGN));
    return rv;
}

START_TEST(a_version_that_a_rule_names_decides)
{
    CK_OBJECT_HANDLE public, first, second;

    start(ALICE "forbid (principal, action == Action::\"sign\", resource is Key) when { "
                "resource.version < 2 };");
    assert_ok(lab_generate(&lab, session, "twice", &public, &first));
    assert_ok(lab_generate(&lab, session, "twice", &public, &second));
    assert_ok(sign_with(second));
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED, sign_with(first));
    lab_end(&lab);
}
END_TEST

START_TEST(a_pattern_of_names_decides)
{
    CK_OBJECT_HANDLE public, inside, outside;

    start(ALICE "forbid (principal, action == Action::\"sign\", resource is Key) unless { "
                "resource.name like \"ci-*-signing\" };");
    assert_ok(lab_generate(&lab, session, "ci-7-signing", &public, &inside));
    assert_ok(lab_generate(&lab, session, "ci-7-signings", &public, &outside));
    assert_ok(sign_with(inside));
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED, sign_with(outside));
    lab_end(&lab);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        {.test = a_parameter_that_a_rule_names_decides,
         .loop_end = sizeof(parameters) / sizeof(*parameters),
         .timeout_s = 120},
        CASE_SLOW(parameters_that_no_rule_names_make_no_difference, 120),
        CASE_SLOW(a_key_leaves_and_comes_back_under_the_key_that_a_rule_names, 120),
        CASE_SLOW(the_label_may_be_read_and_the_value_not, 120),
        CASE_SLOW(an_attribute_that_may_not_be_read_is_not_found_by, 120),
        CASE_SLOW(without_such_a_rule_every_attribute_is_read_and_found_by, 120),
        CASE_SLOW(the_attribute_that_a_rule_names_may_be_changed_and_no_other, 120),
        CASE_SLOW(a_refused_attribute_is_on_record, 120),
        CASE_SLOW(a_version_that_a_rule_names_decides, 120),
        CASE_SLOW(a_pattern_of_names_decides, 120),
    };

    return lab_suite_run("pkcs11/context", cases, sizeof(cases) / sizeof(*cases));
}
