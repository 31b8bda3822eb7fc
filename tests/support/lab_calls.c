/* A vault home to experiment on: see lab.h. Here: the calls tests make most. */
#include "tests/support/lab.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_MAX 64

/* ---- verbs ---- */

void lab_receive(void *ctx, const CK_UTF8CHAR *json, CK_ULONG len)
{
    struct lab *lab = ctx;

    free(lab->answer);
    lab->answer = strndup((const char *)json, len);
}

CK_RV lab_admin(struct lab *lab, const char *secret, const char *format, ...)
{
    struct keyward_secret secrets[1] = {{.data = (const CK_BYTE *)secret}};
    char *request = NULL;
    va_list args;
    CK_RV rv;
    int n;

    va_start(args, format);
    n = vasprintf(&request, format, args);
    va_end(args);
    ck_assert_int_gt(n, 0);
    secrets[0].len = secret != NULL ? strlen(secret) : 0;
    rv = lab->admin->call((const CK_UTF8CHAR *)request, (CK_ULONG)n, secrets, secret != NULL,
                          lab_receive, lab);
    free(request);
    return rv;
}

json_int_t lab_answer_number(const struct lab *lab, const char *path)
{
    json_error_t error;
    json_t *answer = json_loads(lab->answer, 0, &error);
    const json_t *at = answer;
    json_int_t number;
    char name[64];

    while (*path != '\0') {
        size_t n = strcspn(path, ".");

        (void)snprintf(name, sizeof(name), "%.*s", (int)n, path);
        at = json_object_get(at, name);
        path += path[n] == '.' ? n + 1 : n;
    }
    number = json_is_integer(at) ? json_integer_value(at) : -1;
    json_decref(answer);
    return number;
}

void lab_policy(struct lab *lab, const char *text)
{
    json_t *request =
        json_pack("{s:s, s:s, s:s}", "verb", "policy.apply", "vault", "web", "text", text);
    char *json = json_dumps(request, JSON_COMPACT);

    ck_assert_ptr_nonnull(json);
    ck_assert_msg(lab_admin(lab, NULL, "%s", json) == CKR_OK, "%s", lab->answer);
    free(json);
    json_decref(request);
}

pid_t lab_worker(struct lab *lab)
{
    ck_assert_msg(lab_admin(lab, NULL, "{\"verb\":\"status\"}") == CKR_OK, "%s", lab->answer);
    return (pid_t)lab_answer_number(lab, "hsm.worker");
}

/* ---- slots and sessions ---- */

CK_TOKEN_INFO lab_token(const struct lab *lab, CK_SLOT_ID slot)
{
    CK_TOKEN_INFO info = {.flags = 0};

    assert_ok(lab->f->C_GetTokenInfo(slot, &info));
    return info;
}

static bool label_is(const CK_UTF8CHAR label[32], const char *vault)
{
    char padded[33];

    (void)snprintf(padded, sizeof(padded), "%-32s", vault);
    return memcmp(padded, label, 32) == 0;
}

CK_SLOT_ID lab_slot(const struct lab *lab, const char *vault)
{
    CK_SLOT_ID slots[SLOTS_MAX];
    CK_ULONG count = SLOTS_MAX;

    assert_ok(lab->f->C_GetSlotList(CK_TRUE, slots, &count));
    for (CK_ULONG i = 0; i < count; i++) {
        CK_TOKEN_INFO info = lab_token(lab, slots[i]);

        if (label_is(info.label, vault))
            return slots[i];
    }
    ck_abort_msg("there is no token %s", vault);
}

CK_SESSION_HANDLE lab_session(const struct lab *lab, CK_FLAGS flags)
{
    CK_SESSION_HANDLE session = CK_INVALID_HANDLE;

    assert_ok(lab->f->C_OpenSession(lab->slot, CKF_SERIAL_SESSION | flags, NULL, NULL, &session));
    ck_assert_uint_ne(session, CK_INVALID_HANDLE);
    return session;
}

CK_RV lab_login(const struct lab *lab, CK_SESSION_HANDLE session, CK_USER_TYPE type,
                const char *pin)
{
    CK_UTF8CHAR copy[256];
    size_t n = strlen(pin);

    memcpy(copy, pin, n);
    return lab->f->C_Login(session, type, copy, n);
}

CK_SESSION_HANDLE lab_alice(const struct lab *lab)
{
    CK_SESSION_HANDLE session = lab_session(lab, CKF_RW_SESSION);

    assert_ok(lab_login(lab, session, CKU_USER, LAB_PIN));
    return session;
}

/* ---- objects ---- */

static CK_ULONG find_all(const struct lab *lab, CK_SESSION_HANDLE session, CK_ATTRIBUTE *template,
                         CK_ULONG count, CK_OBJECT_HANDLE *first)
{
    CK_OBJECT_HANDLE found[16];
    CK_ULONG n = 0;
    CK_ULONG all = 0;

    assert_ok(lab->f->C_FindObjectsInit(session, template, count));
    do {
        assert_ok(lab->f->C_FindObjects(session, found, 16, &n));
        if (all == 0 && n > 0)
            *first = found[0];
        all += n;
    } while (n > 0);
    assert_ok(lab->f->C_FindObjectsFinal(session));
    return all;
}

CK_OBJECT_HANDLE lab_find(const struct lab *lab, CK_SESSION_HANDLE session, CK_OBJECT_CLASS cls,
                          const char *label)
{
    char copy[256];
    CK_ATTRIBUTE template[] = {{CKA_CLASS, &cls, sizeof(cls)}, {CKA_LABEL, copy, strlen(label)}};
    CK_OBJECT_HANDLE first = CK_INVALID_HANDLE;

    (void)snprintf(copy, sizeof(copy), "%s", label);
    (void)find_all(lab, session, template, 2, &first);
    return first;
}

CK_ULONG lab_count(const struct lab *lab, CK_SESSION_HANDLE session)
{
    CK_OBJECT_CLASS profile = CKO_PROFILE;
    CK_ATTRIBUTE template = {CKA_CLASS, &profile, sizeof(profile)};
    CK_OBJECT_HANDLE first;

    return find_all(lab, session, NULL, 0, &first) - find_all(lab, session, &template, 1, &first);
}

CK_RV lab_generate(const struct lab *lab, CK_SESSION_HANDLE session, const char *label,
                   CK_OBJECT_HANDLE *ret_public, CK_OBJECT_HANDLE *ret_private)
{
    CK_BYTE p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
    CK_MECHANISM mechanism = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
    CK_BBOOL yes = CK_TRUE;
    char copy[256];
    CK_ATTRIBUTE public[] = {{CKA_TOKEN, &yes, sizeof(yes)},
                             {CKA_VERIFY, &yes, sizeof(yes)},
                             {CKA_EC_PARAMS, p256, sizeof(p256)},
                             {CKA_LABEL, copy, strlen(label)}};
    CK_ATTRIBUTE private[] = {{CKA_TOKEN, &yes, sizeof(yes)},
                              {CKA_PRIVATE, &yes, sizeof(yes)},
                              {CKA_SIGN, &yes, sizeof(yes)},
                              {CKA_LABEL, copy, strlen(label)}};

    (void)snprintf(copy, sizeof(copy), "%s", label);
    return lab->f->C_GenerateKeyPair(session, &mechanism, public, 4, private, 4, ret_public,
                                     ret_private);
}

/* ---- signing ---- */

/* The functions take their input without const; they do not write to it. */
static CK_BYTE_PTR unconst(const void *data)
{
    union {
        const void *in;
        CK_BYTE_PTR out;
    } u = {.in = data};

    return u.out;
}

CK_RV lab_sign(const struct lab *lab, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key,
               const void *data, CK_ULONG len, CK_BYTE signature[static LAB_SIGNATURE_MAX],
               CK_ULONG *signature_len)
{
    CK_MECHANISM mechanism = {CKM_ECDSA_SHA256, NULL, 0};
    CK_RV rv = lab->f->C_SignInit(session, &mechanism, key);

    *signature_len = LAB_SIGNATURE_MAX;
    return rv == CKR_OK ? lab->f->C_Sign(session, unconst(data), len, signature, signature_len)
                        : rv;
}

CK_RV lab_verify(const struct lab *lab, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE public_key,
                 const void *data, CK_ULONG len, const CK_BYTE *signature, CK_ULONG signature_len)
{
    CK_MECHANISM mechanism = {CKM_ECDSA_SHA256, NULL, 0};
    CK_RV rv = lab->f->C_VerifyInit(session, &mechanism, public_key);

    return rv == CKR_OK
               ? lab->f->C_Verify(session, unconst(data), len, unconst(signature), signature_len)
               : rv;
}

void lab_signs(const struct lab *lab, CK_SESSION_HANDLE session)
{
    static const char data[] = "a document";
    CK_BYTE signature[LAB_SIGNATURE_MAX];
    CK_ULONG len = 0;
    CK_OBJECT_HANDLE key = lab_find(lab, session, CKO_PRIVATE_KEY, "tls");
    CK_OBJECT_HANDLE public_key = lab_find(lab, session, CKO_PUBLIC_KEY, "tls");

    ck_assert_uint_ne(key, CK_INVALID_HANDLE);
    ck_assert_uint_ne(public_key, CK_INVALID_HANDLE);
    assert_ok(lab_sign(lab, session, key, data, sizeof(data), signature, &len));
    ck_assert_uint_eq(len, LAB_SIGNATURE_MAX);
    assert_ok(lab_verify(lab, session, public_key, data, sizeof(data), signature, len));
}
