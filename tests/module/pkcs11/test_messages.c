/*
 * Messages (PKCS#11 3.0): what one Init and many messages give is what ordinary operations give,
 * every message has its own record, and a tag or an IV that is wrong is refused.
 */
#include "tests/support/lab.h"

#include <dlfcn.h>
#include <string.h>

static struct lab lab;
static CK_FUNCTION_LIST_3_0 *f;
static CK_SESSION_HANDLE session;

static uint8_t plain[40] = "messages are short, and there are many.";
static uint8_t aad[8] = "header 1";

static CK_OBJECT_HANDLE seal;

static void start(void)
{
    CK_UTF8CHAR name[] = "PKCS 11";
    CK_VERSION version = {3, 0};
    CK_INTERFACE *interface = NULL;
    CK_C_GetInterface get;

    lab_start(&lab);
    *(void **)&get = dlsym(lab.library, "C_GetInterface");
    assert_ok(get(name, &version, &interface, 0));
    f = interface->pFunctionList;
    session = lab_alice(&lab);
    seal = lab_find(&lab, session, CKO_SECRET_KEY, "seal");
}

struct message {
    uint8_t iv[12], tag[16];
    CK_GCM_MESSAGE_PARAMS p;
    uint8_t cipher[sizeof(plain)];
};

static void make(struct message *m, CK_GENERATOR_FUNCTION generator, CK_ULONG fixed_bits)
{
    memset(m, 0, sizeof(*m));
    memset(m->iv, 0xa5, sizeof(m->iv));
    m->p = (CK_GCM_MESSAGE_PARAMS){.pIv = m->iv,
                                   .ulIvLen = sizeof(m->iv),
                                   .ulIvFixedBits = fixed_bits,
                                   .ivGenerator = generator,
                                   .pTag = m->tag,
                                   .ulTagBits = 128};
}

static void init(bool encrypt)
{
    CK_MECHANISM gcm = {.mechanism = CKM_AES_GCM};

    if (encrypt)
        assert_ok(f->C_MessageEncryptInit(session, &gcm, seal));
    else
        assert_ok(f->C_MessageDecryptInit(session, &gcm, seal));
}

static CK_RV encrypt_message(struct message *m)
{
    CK_ULONG len = sizeof(m->cipher);
    CK_RV rv = f->C_EncryptMessage(session, &m->p, sizeof(m->p), aad, sizeof(aad), plain,
                                   sizeof(plain), m->cipher, &len);

    if (rv == CKR_OK)
        ck_assert_uint_eq(len, sizeof(plain));
    return rv;
}

static CK_RV decrypt_message(struct message *m, uint8_t out[static sizeof(plain)])
{
    CK_ULONG len = sizeof(plain);

    return f->C_DecryptMessage(session, &m->p, sizeof(m->p), aad, sizeof(aad), m->cipher,
                               sizeof(m->cipher), out, &len);
}

/* By C_Decrypt, which knows nothing of messages. */
static CK_RV decrypt_plainly(const struct message *m, uint8_t out[static sizeof(plain)])
{
    CK_GCM_PARAMS p = {.pIv = (CK_BYTE_PTR)(uintptr_t)m->iv,
                       .ulIvLen = sizeof(m->iv),
                       .ulIvBits = 96,
                       .pAAD = aad,
                       .ulAADLen = sizeof(aad),
                       .ulTagBits = 128};
    CK_MECHANISM gcm = {CKM_AES_GCM, &p, sizeof(p)};
    uint8_t joined[sizeof(plain) + 16];
    CK_ULONG len = sizeof(plain);

    memcpy(joined, m->cipher, sizeof(m->cipher));
    memcpy(joined + sizeof(m->cipher), m->tag, 16);
    assert_ok(f->C_DecryptInit(session, &gcm, seal));
    return f->C_Decrypt(session, joined, sizeof(joined), out, &len);
}

START_TEST(messages_are_what_ordinary_encryption_makes)
{
    struct message m[3];
    uint8_t out[sizeof(plain)];

    start();
    init(true);
    for (size_t i = 0; i < 3; i++) {
        make(&m[i], CKG_NO_GENERATE, 0);
        m[i].iv[0] = (uint8_t)i;
        assert_ok(encrypt_message(&m[i]));
        memset(out, 0, sizeof(out));
        assert_ok(decrypt_plainly(&m[i], out));
        ck_assert_mem_eq(out, plain, sizeof(plain));
    }
    assert_ok(f->C_MessageEncryptFinal(session));
    init(false);
    for (size_t i = 0; i < 3; i++) {
        memset(out, 0, sizeof(out));
        assert_ok(decrypt_message(&m[i], out));
        ck_assert_mem_eq(out, plain, sizeof(plain));
    }
    assert_ok(f->C_MessageDecryptFinal(session));
    lab_end(&lab);
}
END_TEST

START_TEST(every_message_has_a_record_and_a_question_has_none)
{
    struct message m;
    CK_ULONG len = 0;
    unsigned before;

    start();
    init(true);
    before = lab_log_count(&lab, "C_EncryptMessage", NULL);
    make(&m, CKG_GENERATE_COUNTER, 64);
    assert_ok(f->C_EncryptMessage(session, &m.p, sizeof(m.p), aad, sizeof(aad), plain,
                                  sizeof(plain), NULL, &len));
    ck_assert_uint_eq(len, sizeof(plain));
    len--;
    assert_rv(CKR_BUFFER_TOO_SMALL,
              f->C_EncryptMessage(session, &m.p, sizeof(m.p), aad, sizeof(aad), plain,
                                  sizeof(plain), m.cipher, &len));
    ck_assert_uint_eq(m.iv[11], 0xa5); /* no IV was made for them */
    ck_assert_uint_eq(lab_log_count(&lab, "C_EncryptMessage", NULL), before);
    for (int i = 0; i < 3; i++)
        assert_ok(encrypt_message(&m));
    ck_assert_uint_eq(lab_log_count(&lab, "C_EncryptMessage", "CKR_OK"), before + 3);
    lab_end(&lab);
}
END_TEST

START_TEST(a_message_that_was_changed_is_refused_and_the_next_is_taken)
{
    struct message m;
    struct message changed;
    static const uint8_t nothing[sizeof(plain)];
    uint8_t out[sizeof(plain)] = {0};

    start();
    init(true);
    init(false);
    make(&m, CKG_NO_GENERATE, 0);
    assert_ok(encrypt_message(&m));
    for (int i = 0; i < 3; i++) {
        changed = m;
        changed.p.pIv = changed.iv;
        changed.p.pTag = changed.tag;
        (i == 0 ? changed.iv : i == 1 ? changed.tag : changed.cipher)[3] ^= 1;
        assert_rv(CKR_AEAD_DECRYPT_FAILED, decrypt_message(&changed, out));
        ck_assert_mem_eq(out, nothing, sizeof(out));
    }
    aad[0] ^= 1;
    assert_rv(CKR_AEAD_DECRYPT_FAILED, decrypt_message(&m, out));
    aad[0] ^= 1;
    assert_ok(decrypt_message(&m, out));
    ck_assert_mem_eq(out, plain, sizeof(plain));
    ck_assert_uint_eq(lab_log_count(&lab, "C_DecryptMessage", "CKR_AEAD_DECRYPT_FAILED"), 4);
    lab_end(&lab);
}
END_TEST

/* ---- IVs ---- */

START_TEST(generated_ivs_keep_the_fixed_bits_and_never_come_twice)
{
    static const CK_GENERATOR_FUNCTION generators[] = {
        CKG_GENERATE, CKG_GENERATE_RANDOM, CKG_GENERATE_COUNTER, CKG_GENERATE_COUNTER_XOR};
    struct message m[4];
    uint8_t out[sizeof(plain)];

    start();
    init(true);
    for (size_t i = 0; i < 4; i++) {
        make(&m[i], generators[_i], 28);
        assert_ok(encrypt_message(&m[i]));
        ck_assert_mem_eq(m[i].iv, "\xa5\xa5\xa5", 3);
        ck_assert_uint_eq(m[i].iv[3] & 0xf0, 0xa0);
        for (size_t j = 0; j < i; j++)
            ck_assert_mem_ne(m[i].iv, m[j].iv, sizeof(m->iv));
        assert_ok(decrypt_plainly(&m[i], out));
        ck_assert_mem_eq(out, plain, sizeof(plain));
    }
    if (generators[_i] == CKG_GENERATE_COUNTER)
        ck_assert_mem_eq(m[3].iv + 4, "\0\0\0\0\0\0\0\3", 8);
    if (generators[_i] == CKG_GENERATE_COUNTER_XOR)
        ck_assert_mem_eq(m[3].iv + 4, "\xa5\xa5\xa5\xa5\xa5\xa5\xa5\xa6", 8);
    lab_end(&lab);
}
END_TEST

START_TEST(a_counter_that_has_been_through_is_the_end)
{
    struct message m;

    start();
    init(true);
    for (int i = 0; i < 4; i++) {
        make(&m, CKG_GENERATE_COUNTER, 94);
        assert_ok(encrypt_message(&m));
    }
    make(&m, CKG_GENERATE_COUNTER, 94);
    assert_rv(CKR_KEY_EXHAUSTED, encrypt_message(&m));
    make(&m, CKG_GENERATE_COUNTER, 93);
    assert_ok(encrypt_message(&m));
    lab_end(&lab);
}
END_TEST

static const struct {
    CK_GENERATOR_FUNCTION generator;
    CK_ULONG fixed_bits, iv_len, tag_bits;
    CK_RV rv;
} bad_parameters[] = {
    {CKG_GENERATE_RANDOM, 32, 12, 128, CKR_OK},
    {CKG_GENERATE_RANDOM, 33, 12, 128, CKR_MECHANISM_PARAM_INVALID},
    {CKG_GENERATE_COUNTER, 95, 12, 128, CKR_OK},
    {CKG_GENERATE_COUNTER, 96, 12, 128, CKR_MECHANISM_PARAM_INVALID},
    {CKG_GENERATE_COUNTER_XOR + 1, 32, 12, 128, CKR_MECHANISM_PARAM_INVALID},
    {CKG_NO_GENERATE, 0, 0, 128, CKR_MECHANISM_PARAM_INVALID},
    {CKG_NO_GENERATE, 0, 4096, 128, CKR_MECHANISM_PARAM_INVALID},
    {CKG_NO_GENERATE, 0, 12, 120, CKR_OK},
    {CKG_NO_GENERATE, 0, 12, 121, CKR_MECHANISM_PARAM_INVALID},
    {CKG_NO_GENERATE, 0, 12, 0, CKR_MECHANISM_PARAM_INVALID},
    {CKG_NO_GENERATE, 0, 12, 136, CKR_MECHANISM_PARAM_INVALID},
};

START_TEST(parameters_of_a_message_are_checked)
{
    struct message m;

    start();
    init(true);
    make(&m, bad_parameters[_i].generator, bad_parameters[_i].fixed_bits);
    m.p.ulIvLen = bad_parameters[_i].iv_len;
    m.p.ulTagBits = bad_parameters[_i].tag_bits;
    assert_rv(bad_parameters[_i].rv, encrypt_message(&m));
    make(&m, CKG_NO_GENERATE, 0);
    assert_rv(CKR_MECHANISM_PARAM_INVALID,
              f->C_EncryptMessageBegin(session, &m.p, sizeof(m.p) - 1, aad, sizeof(aad)));
    assert_rv(CKR_MECHANISM_PARAM_INVALID,
              f->C_EncryptMessageBegin(session, NULL, sizeof(m.p), aad, sizeof(aad)));
    m.p.pTag = NULL;
    assert_rv(CKR_MECHANISM_PARAM_INVALID, encrypt_message(&m));
    m.p.pTag = m.tag;
    assert_rv(CKR_ARGUMENTS_BAD,
              f->C_EncryptMessageBegin(session, &m.p, sizeof(m.p), NULL, sizeof(aad)));
    assert_ok(encrypt_message(&m));
    lab_end(&lab);
}
END_TEST

/* ---- in parts ---- */

#define PART 16

static CK_RV next(bool encrypt, struct message *m, uint8_t *in, CK_ULONG len, uint8_t *out,
                  CK_ULONG *out_len, CK_FLAGS flags)
{
    return encrypt
               ? f->C_EncryptMessageNext(session, &m->p, sizeof(m->p), in, len, out, out_len, flags)
               : f->C_DecryptMessageNext(session, &m->p, sizeof(m->p), in, len, out, out_len,
                                         flags);
}

/* The message in three parts; what comes out, behind one another. */
static CK_RV in_parts(bool encrypt, struct message *m, uint8_t *in, uint8_t *out)
{
    CK_ULONG done = 0;
    CK_ULONG at = 0;

    if (encrypt)
        assert_ok(f->C_EncryptMessageBegin(session, &m->p, sizeof(m->p), aad, sizeof(aad)));
    else
        assert_ok(f->C_DecryptMessageBegin(session, &m->p, sizeof(m->p), aad, sizeof(aad)));
    for (; at + PART < sizeof(plain); at += PART) {
        CK_ULONG len = sizeof(plain) - done;

        assert_ok(next(encrypt, m, in + at, PART, out + done, &len, 0));
        done += len;
    }
    {
        CK_ULONG len = sizeof(plain) - done;
        CK_RV rv =
            next(encrypt, m, in + at, sizeof(plain) - at, out + done, &len, CKF_END_OF_MESSAGE);

        if (rv == CKR_OK)
            ck_assert_uint_eq(done + len, sizeof(plain));
        return rv;
    }
}

START_TEST(a_message_in_parts_is_the_same_as_whole)
{
    struct message whole;
    struct message parts;
    uint8_t out[sizeof(plain)] = {0};

    start();
    init(true);
    init(false);
    make(&whole, CKG_NO_GENERATE, 0);
    assert_ok(encrypt_message(&whole));
    for (int i = 0; i < 2; i++) { /* and the next begins like the first */
        make(&parts, CKG_NO_GENERATE, 0);
        assert_ok(in_parts(true, &parts, plain, parts.cipher));
        ck_assert_mem_eq(parts.cipher, whole.cipher, sizeof(plain));
        ck_assert_mem_eq(parts.tag, whole.tag, sizeof(parts.tag));
        assert_ok(in_parts(false, &parts, parts.cipher, out));
        ck_assert_mem_eq(out, plain, sizeof(plain));
    }
    parts.tag[0] ^= 1;
    assert_rv(CKR_AEAD_DECRYPT_FAILED, in_parts(false, &parts, parts.cipher, out));
    lab_end(&lab);
}
END_TEST

START_TEST(calls_out_of_their_order_are_refused)
{
    struct message m;
    CK_MECHANISM gcm = {.mechanism = CKM_AES_GCM};
    CK_ULONG len = sizeof(m.cipher);

    start();
    make(&m, CKG_NO_GENERATE, 0);
    assert_rv(CKR_OPERATION_NOT_INITIALIZED, encrypt_message(&m));
    assert_rv(CKR_OPERATION_NOT_INITIALIZED, f->C_MessageEncryptFinal(session));
    init(true);
    assert_rv(CKR_OPERATION_ACTIVE, f->C_MessageEncryptInit(session, &gcm, seal));
    assert_rv(CKR_OPERATION_NOT_INITIALIZED, next(true, &m, plain, PART, m.cipher, &len, 0));
    assert_ok(f->C_EncryptMessageBegin(session, &m.p, sizeof(m.p), aad, sizeof(aad)));
    assert_rv(CKR_OPERATION_ACTIVE, encrypt_message(&m));
    assert_rv(CKR_OPERATION_ACTIVE,
              f->C_EncryptMessageBegin(session, &m.p, sizeof(m.p), aad, sizeof(aad)));
    assert_ok(next(true, &m, plain, sizeof(plain), m.cipher, &len, CKF_END_OF_MESSAGE));
    assert_ok(encrypt_message(&m));
    assert_ok(f->C_SessionCancel(session, CKF_MESSAGE_ENCRYPT));
    assert_rv(CKR_OPERATION_NOT_INITIALIZED, encrypt_message(&m));
    init(true);
    assert_ok(f->C_MessageEncryptInit(session, NULL, 0));
    assert_rv(CKR_OPERATION_NOT_INITIALIZED, encrypt_message(&m));
    lab_end(&lab);
}
END_TEST

START_TEST(only_aead_mechanisms_without_early_parameters_have_messages)
{
    CK_BYTE iv[16] = {0};
    CK_MECHANISM cbc = {CKM_AES_CBC, iv, sizeof(iv)};
    CK_MECHANISM early = {CKM_AES_GCM, iv, sizeof(iv)};
    CK_MECHANISM_INFO info;

    start();
    assert_rv(CKR_MECHANISM_INVALID, f->C_MessageEncryptInit(session, &cbc, seal));
    assert_rv(CKR_MECHANISM_PARAM_INVALID, f->C_MessageEncryptInit(session, &early, seal));
    assert_rv(CKR_KEY_TYPE_INCONSISTENT,
              f->C_MessageEncryptInit(session, &(CK_MECHANISM){.mechanism = CKM_AES_GCM},
                                      lab_find(&lab, session, CKO_PRIVATE_KEY, "tls")));
    assert_ok(f->C_GetMechanismInfo(lab.slot, CKM_AES_GCM, &info));
    ck_assert_uint_eq(info.flags & (CKF_MESSAGE_ENCRYPT | CKF_MESSAGE_DECRYPT | CKF_MESSAGE_SIGN),
                      CKF_MESSAGE_ENCRYPT | CKF_MESSAGE_DECRYPT);
    assert_ok(f->C_GetMechanismInfo(lab.slot, CKM_AES_CBC, &info));
    ck_assert_uint_eq(info.flags & (CKF_MESSAGE_ENCRYPT | CKF_MESSAGE_DECRYPT), 0);
    lab_end(&lab);
}
END_TEST

/* ---- a policy between two messages ---- */

static const char *policy;

static void apply_here(struct lab *here, int n)
{
    (void)n;
    assert_ok(here->f->C_Initialize(NULL));
    lab_policy(here, policy);
    lab_unload(here);
}

/* In another process, where nobody is logged in and the Unix user is the administrator. */
static void apply(const char *text)
{
    policy = text;
    lab_join(lab_child(apply_here, &lab, 0));
}

START_TEST(a_policy_that_forbids_stops_the_next_message)
{
    struct message m;

    start();
    init(true);
    make(&m, CKG_NO_GENERATE, 0);
    assert_ok(encrypt_message(&m));
    apply("permit (principal, action, resource); "
          "forbid (principal, action == Action::\"encrypt\", resource);");
    m.iv[0] ^= 1;
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED, encrypt_message(&m));
    apply("permit (principal, action, resource);");
    assert_ok(encrypt_message(&m));
    lab_end(&lab);
}
END_TEST

/* ---- signatures ---- */

START_TEST(messages_are_signed_and_verified_whole_and_in_parts)
{
    CK_MECHANISM ecdsa = {.mechanism = CKM_ECDSA_SHA256};
    CK_BYTE sig[64];
    CK_ULONG len = 0;
    CK_BYTE parameter = 0;

    start();
    assert_ok(
        f->C_MessageSignInit(session, &ecdsa, lab_find(&lab, session, CKO_PRIVATE_KEY, "tls")));
    assert_ok(
        f->C_MessageVerifyInit(session, &ecdsa, lab_find(&lab, session, CKO_PUBLIC_KEY, "tls")));
    for (int i = 0; i < 2; i++) {
        len = sizeof(sig);
        assert_ok(f->C_SignMessage(session, NULL, 0, plain, sizeof(plain), sig, &len));
        ck_assert_uint_eq(len, sizeof(sig));
        assert_ok(f->C_VerifyMessage(session, NULL, 0, plain, sizeof(plain), sig, len));
        assert_rv(CKR_SIGNATURE_INVALID,
                  f->C_VerifyMessage(session, NULL, 0, plain, sizeof(plain) - 1, sig, len));
    }
    assert_rv(CKR_MECHANISM_PARAM_INVALID,
              f->C_SignMessage(session, &parameter, 1, plain, sizeof(plain), sig, &len));
    assert_ok(f->C_SignMessageBegin(session, NULL, 0));
    assert_ok(f->C_SignMessageNext(session, NULL, 0, plain, PART, NULL, NULL));
    len = 0;
    assert_ok(f->C_SignMessageNext(session, NULL, 0, plain + PART, sizeof(plain) - PART, NULL,
                                   &len)); /* a question */
    ck_assert_uint_eq(len, sizeof(sig));
    assert_ok(
        f->C_SignMessageNext(session, NULL, 0, plain + PART, sizeof(plain) - PART, sig, &len));
    assert_ok(f->C_VerifyMessageBegin(session, NULL, 0));
    assert_ok(f->C_VerifyMessageNext(session, NULL, 0, plain, PART, NULL, 0));
    assert_ok(
        f->C_VerifyMessageNext(session, NULL, 0, plain + PART, sizeof(plain) - PART, sig, len));
    assert_ok(f->C_MessageSignFinal(session));
    assert_ok(f->C_MessageVerifyFinal(session));
    lab_end(&lab);
}
END_TEST

/* ---- the signature first (3.2) ---- */

START_TEST(a_signature_given_first_is_verified_whole_and_in_parts)
{
    CK_MECHANISM ecdsa = {.mechanism = CKM_ECDSA_SHA256};
    CK_OBJECT_HANDLE public_key;
    CK_C_VerifySignatureInit verify_init;
    CK_C_VerifySignature verify;
    CK_C_VerifySignatureUpdate update;
    CK_C_VerifySignatureFinal final;
    CK_BYTE sig[64];
    CK_ULONG len = sizeof(sig);

    start();
    *(void **)&verify_init = dlsym(lab.library, "C_VerifySignatureInit");
    *(void **)&verify = dlsym(lab.library, "C_VerifySignature");
    *(void **)&update = dlsym(lab.library, "C_VerifySignatureUpdate");
    *(void **)&final = dlsym(lab.library, "C_VerifySignatureFinal");
    public_key = lab_find(&lab, session, CKO_PUBLIC_KEY, "tls");
    assert_ok(lab_sign(&lab, session, lab_find(&lab, session, CKO_PRIVATE_KEY, "tls"), plain,
                       sizeof(plain), sig, &len));
    assert_rv(CKR_OPERATION_NOT_INITIALIZED, verify(session, plain, sizeof(plain)));
    assert_rv(CKR_ARGUMENTS_BAD, verify_init(session, &ecdsa, public_key, NULL, len));
    assert_rv(CKR_SIGNATURE_LEN_RANGE, verify_init(session, &ecdsa, public_key, sig, 1UL << 30));
    assert_ok(verify_init(session, &ecdsa, public_key, sig, len));
    assert_rv(CKR_OPERATION_ACTIVE, verify_init(session, &ecdsa, public_key, sig, len));
    assert_ok(verify(session, plain, sizeof(plain)));
    assert_ok(verify_init(session, &ecdsa, public_key, sig, len));
    assert_ok(update(session, plain, PART));
    assert_ok(update(session, plain + PART, sizeof(plain) - PART));
    assert_ok(final(session));
    sig[5] ^= 1;
    assert_ok(verify_init(session, &ecdsa, public_key, sig, len));
    assert_rv(CKR_SIGNATURE_INVALID, verify(session, plain, sizeof(plain)));
    assert_rv(CKR_OPERATION_NOT_INITIALIZED, final(session));
    lab_end(&lab);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(messages_are_what_ordinary_encryption_makes),
        CASE(every_message_has_a_record_and_a_question_has_none),
        CASE(a_message_that_was_changed_is_refused_and_the_next_is_taken),
        CASE_LOOP(generated_ivs_keep_the_fixed_bits_and_never_come_twice, 4),
        CASE(a_counter_that_has_been_through_is_the_end),
        CASE_LOOP(parameters_of_a_message_are_checked,
                  sizeof(bad_parameters) / sizeof(*bad_parameters)),
        CASE(a_message_in_parts_is_the_same_as_whole),
        CASE(calls_out_of_their_order_are_refused),
        CASE(only_aead_mechanisms_without_early_parameters_have_messages),
        CASE(a_policy_that_forbids_stops_the_next_message),
        CASE(messages_are_signed_and_verified_whole_and_in_parts),
        CASE(a_signature_given_first_is_verified_whole_and_in_parts),
    };

    return lab_suite_run("pkcs11/messages", cases, sizeof(cases) / sizeof(*cases));
}
