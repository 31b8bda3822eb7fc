/* What 3.0 and 3.2 added, with arguments made of an input: see fuzz_input.h. */
#include "tests/module/pkcs11/fuzz_input.h"

#include <string.h>

/* ---- messages ---- */

/* One of the three, or bytes that are none of them. */
static struct bytes take_parameter(struct fuzz *z)
{
    union {
        CK_GCM_MESSAGE_PARAMS gcm;
        CK_CCM_MESSAGE_PARAMS ccm;
        CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS chacha;
    } p;
    CK_ULONG iv_len = take(z) % 20;
    CK_BYTE_PTR iv = take(z) % 16 != 0 ? block(z, iv_len) : NULL;
    CK_BYTE_PTR tag = take(z) % 16 != 0 ? block(z, 16) : NULL;
    size_t len = 0;
    void *copy;

    memset(&p, 0, sizeof(p));
    if (iv != NULL)
        memset(iv, (int)take(z), iv_len);
    if (tag != NULL)
        memset(tag, (int)take(z), 16);
    switch (take(z) % 4) {
    case 0:
        p.gcm = (CK_GCM_MESSAGE_PARAMS){iv, iv_len, take(z), take(z) % 6, tag, take(z)};
        len = sizeof(p.gcm);
        break;
    case 1:
        p.ccm = (CK_CCM_MESSAGE_PARAMS){take(z), iv, iv_len, take(z), take(z) % 6, tag, take(z)};
        len = sizeof(p.ccm);
        break;
    case 2:
        p.chacha = (CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS){iv, iv_len, tag};
        len = sizeof(p.chacha);
        break;
    default:
        return BYTES(block(z, 5), take(z) % 6);
    }
    copy = block(z, len);
    memcpy(copy, &p, len);
    return BYTES(copy, len);
}

typedef CK_RV aead_fn(CK_SESSION_HANDLE, CK_VOID_PTR, CK_ULONG, CK_BYTE_PTR, CK_ULONG, CK_BYTE_PTR,
                      CK_ULONG, CK_BYTE_PTR, CK_ULONG_PTR);
typedef CK_RV aead_begin_fn(CK_SESSION_HANDLE, CK_VOID_PTR, CK_ULONG, CK_BYTE_PTR, CK_ULONG);
typedef CK_RV aead_next_fn(CK_SESSION_HANDLE, CK_VOID_PTR, CK_ULONG, CK_BYTE_PTR, CK_ULONG,
                           CK_BYTE_PTR, CK_ULONG_PTR, CK_FLAGS);

/* A decryption that fails may have touched nothing; an encryption's result is as long as it says.
 */
static void do_aead(struct fuzz *z, aead_fn *fn)
{
    CK_SESSION_HANDLE session = take_session(z);
    struct bytes parameter = take_parameter(z);
    struct bytes aad = take_bytes(z);
    struct bytes in = take_bytes(z);
    struct result r = take_result(z);

    check_result(z, &r,
                 fn(session, raw(parameter), parameter.len, raw(aad), aad.len, raw(in), in.len,
                    r.data, &r.len));
}

static void do_aead_begin(struct fuzz *z, aead_begin_fn *fn)
{
    CK_SESSION_HANDLE session = take_session(z);
    struct bytes parameter = take_parameter(z);
    struct bytes aad = take_bytes(z);

    check_rv(z, fn(session, raw(parameter), parameter.len, raw(aad), aad.len));
}

static void do_aead_next(struct fuzz *z, aead_next_fn *fn)
{
    CK_SESSION_HANDLE session = take_session(z);
    struct bytes parameter = take_parameter(z);
    struct bytes in = take_bytes(z);
    struct result r = take_result(z);

    check_result(
        z, &r,
        fn(session, raw(parameter), parameter.len, raw(in), in.len, r.data, &r.len, take(z) % 3));
}

static void encrypt_message(struct fuzz *z)
{
    do_aead(z, z->f->C_EncryptMessage);
}

static void decrypt_message(struct fuzz *z)
{
    do_aead(z, z->f->C_DecryptMessage);
}

static void encrypt_message_begin(struct fuzz *z)
{
    do_aead_begin(z, z->f->C_EncryptMessageBegin);
}

static void decrypt_message_begin(struct fuzz *z)
{
    do_aead_begin(z, z->f->C_DecryptMessageBegin);
}

static void encrypt_message_next(struct fuzz *z)
{
    do_aead_next(z, z->f->C_EncryptMessageNext);
}

static void decrypt_message_next(struct fuzz *z)
{
    do_aead_next(z, z->f->C_DecryptMessageNext);
}

/* The parameter of a message that is signed is that of the mechanism: none, or bytes. */
static void do_sign(struct fuzz *z, bool next)
{
    CK_SESSION_HANDLE session = take_session(z);
    CK_ULONG len = take(z) % 8 == 0 ? take(z) : 0;
    void *parameter = len > 0 ? block(z, len) : NULL;
    struct bytes data = take_bytes(z);
    struct result r = take_result(z);

    if (len > 0)
        memset(parameter, 0, len);
    check_result(z, &r,
                 (next ? z->f->C_SignMessageNext
                       : z->f->C_SignMessage)(session, parameter, len, raw(data), data.len, r.data,
                                              take(z) % 4 == 0 ? NULL : &r.len));
}

static void sign_message(struct fuzz *z)
{
    do_sign(z, false);
}

static void sign_message_next(struct fuzz *z)
{
    do_sign(z, true);
}

static void do_verify(struct fuzz *z, bool next)
{
    CK_SESSION_HANDLE session = take_session(z);
    struct bytes data = take_bytes(z);
    struct bytes signature = take_bytes(z);

    check_rv(z, (next ? z->f->C_VerifyMessageNext : z->f->C_VerifyMessage)(
                    session, NULL, 0, raw(data), data.len, raw(signature), signature.len));
}

static void verify_message(struct fuzz *z)
{
    do_verify(z, false);
}

static void verify_message_next(struct fuzz *z)
{
    do_verify(z, true);
}

static void sign_message_begin(struct fuzz *z)
{
    check_rv(z, z->f->C_SignMessageBegin(take_session(z), NULL, take(z) % 2));
}

static void verify_message_begin(struct fuzz *z)
{
    check_rv(z, z->f->C_VerifyMessageBegin(take_session(z), NULL, take(z) % 2));
}

/* ---- sessions, interfaces ---- */

/* Under no user's name, and not by one's own: alice must not be locked out of the rest. */
static void login_user(struct fuzz *z)
{
    static const CK_USER_TYPE types[] = {CKU_SO, CKU_USER, 17};
    CK_SESSION_HANDLE session = take_session(z);
    struct bytes pin = take_bytes(z);
    struct bytes user = take_bytes(z);
    CK_UTF8CHAR name[64] = "?";
    size_t n = user.len < sizeof(name) - 1 ? user.len : sizeof(name) - 1;

    if (n > 0)
        memcpy(name + 1, user.data, n);
    if (take(z) % 16 == 0) /* it hashes a PIN */
        check_rv(z, z->f->C_LoginUser(session, types[take(z) % 3], raw(pin), pin.len, name, n + 1));
}

static void session_cancel(struct fuzz *z)
{
    CK_SESSION_HANDLE session = take_session(z);

    check_rv(z, z->f->C_SessionCancel(session, take_ulong(z)));
}

static void validation_flags(struct fuzz *z)
{
    CK_SESSION_HANDLE session = take_session(z);
    CK_FLAGS flags = 0;

    check_rv(z, z->f->C_GetSessionValidationFlags(session, take_ulong(z),
                                                  take(z) % 4 == 0 ? NULL : &flags));
}

static void interfaces(struct fuzz *z)
{
    CK_ULONG count = take(z) % 6;
    CK_INTERFACE *list = take(z) % 2 == 0 ? block(z, count * sizeof(*list)) : NULL;

    check_rv(z, z->f->C_GetInterfaceList(list, &count));
}

static void interface(struct fuzz *z)
{
    CK_VERSION version = {(CK_BYTE)(take(z) % 5), (CK_BYTE)(take(z) % 50)};
    struct bytes bytes = take_bytes(z);
    CK_UTF8CHAR *name = block(z, bytes.len % 64 + 1);
    CK_INTERFACE *found = NULL;

    memset(name, 0, bytes.len % 64 + 1);
    if (bytes.data != NULL)
        memcpy(name, bytes.data, bytes.len % 64);
    check_rv(z, z->f->C_GetInterface(take(z) % 2 == 0 ? NULL : name, &version,
                                     take(z) % 4 == 0 ? NULL : &found, take_ulong(z)));
}

static void async(struct fuzz *z)
{
    CK_UTF8CHAR name[] = "C_Sign";
    CK_SESSION_HANDLE session = take_session(z);
    CK_ASYNC_DATA data = {.ulVersion = 1};
    CK_ULONG id = 0;

    check_rv(z, z->f->C_AsyncComplete(session, name, &data));
    check_rv(z, z->f->C_AsyncGetID(session, name, &id));
    check_rv(z, z->f->C_AsyncJoin(session, name, take_ulong(z), NULL, 0));
}

/* ---- keys ---- */

static void verify_signature_init(struct fuzz *z)
{
    CK_SESSION_HANDLE session = take_session(z);
    CK_MECHANISM_PTR mechanism = take_mechanism(z);
    CK_OBJECT_HANDLE key = take_object(z);
    struct bytes signature = take_bytes(z);

    check_rv(z,
             z->f->C_VerifySignatureInit(session, mechanism, key, raw(signature), signature.len));
}

static void encapsulate(struct fuzz *z)
{
    CK_SESSION_HANDLE session = take_session(z);
    CK_MECHANISM_PTR mechanism = take_mechanism(z);
    CK_OBJECT_HANDLE key = take_object(z);
    CK_OBJECT_HANDLE object = 0;
    CK_ULONG count;
    CK_ATTRIBUTE_PTR template = take_template(z, &count);
    struct result r = take_result(z);
    CK_RV rv =
        z->f->C_EncapsulateKey(session, mechanism, key, template, count, r.data, &r.len, &object);

    check_result(z, &r, rv);
    if (r.data != NULL)
        keep_object(z, rv, object);
}

static void decapsulate(struct fuzz *z)
{
    CK_SESSION_HANDLE session = take_session(z);
    CK_MECHANISM_PTR mechanism = take_mechanism(z);
    CK_OBJECT_HANDLE key = take_object(z);
    CK_OBJECT_HANDLE object = 0;
    CK_ULONG count;
    CK_ATTRIBUTE_PTR template = take_template(z, &count);
    struct bytes in = take_bytes(z);

    keep_object(
        z,
        z->f->C_DecapsulateKey(session, mechanism, key, template, count, raw(in), in.len, &object),
        object);
}

/* The mechanism's parameter is that of a message. */
static CK_MECHANISM_PTR take_authenticated(struct fuzz *z)
{
    static const CK_MECHANISM_TYPE types[] = {CKM_AES_GCM, CKM_AES_CCM, CKM_CHACHA20_POLY1305,
                                              CKM_AES_KEY_WRAP};
    struct bytes parameter = take_parameter(z);
    CK_MECHANISM *m = block(z, sizeof(*m));

    *m = (CK_MECHANISM){types[take(z) % 4], raw(parameter), parameter.len};
    return m;
}

static void wrap_authenticated(struct fuzz *z)
{
    CK_SESSION_HANDLE session = take_session(z);
    CK_MECHANISM_PTR mechanism = take_authenticated(z);
    CK_OBJECT_HANDLE with = take_object(z);
    CK_OBJECT_HANDLE key = take_object(z);
    struct bytes aad = take_bytes(z);
    struct result r = take_result(z);

    check_result(z, &r,
                 z->f->C_WrapKeyAuthenticated(session, mechanism, with, key, raw(aad), aad.len,
                                              r.data, &r.len));
}

static void unwrap_authenticated(struct fuzz *z)
{
    CK_SESSION_HANDLE session = take_session(z);
    CK_MECHANISM_PTR mechanism = take_authenticated(z);
    CK_OBJECT_HANDLE with = take_object(z);
    struct bytes in = take_bytes(z);
    CK_OBJECT_HANDLE object = 0;
    CK_ULONG count;
    CK_ATTRIBUTE_PTR template = take_template(z, &count);
    struct bytes aad = take_bytes(z);

    keep_object(z,
                z->f->C_UnwrapKeyAuthenticated(session, mechanism, with, raw(in), in.len, template,
                                               count, raw(aad), aad.len, &object),
                object);
}

const struct fuzz_row fuzz_rows_3[] = {
    {"C_EncryptMessage", encrypt_message},
    {"C_EncryptMessageBegin", encrypt_message_begin},
    {"C_EncryptMessageNext", encrypt_message_next},
    {"C_DecryptMessage", decrypt_message},
    {"C_DecryptMessageBegin", decrypt_message_begin},
    {"C_DecryptMessageNext", decrypt_message_next},
    {"C_SignMessage", sign_message},
    {"C_SignMessageBegin", sign_message_begin},
    {"C_SignMessageNext", sign_message_next},
    {"C_VerifyMessage", verify_message},
    {"C_VerifyMessageBegin", verify_message_begin},
    {"C_VerifyMessageNext", verify_message_next},
    {"C_LoginUser", login_user},
    {"C_SessionCancel", session_cancel},
    {"C_GetSessionValidationFlags", validation_flags},
    {"C_GetInterfaceList", interfaces},
    {"C_GetInterface", interface},
    {"C_AsyncComplete", async},
    {"C_AsyncGetID", async},
    {"C_AsyncJoin", async},
    {"C_VerifySignatureInit", verify_signature_init},
    {"C_EncapsulateKey", encapsulate},
    {"C_DecapsulateKey", decapsulate},
    {"C_WrapKeyAuthenticated", wrap_authenticated},
    {"C_UnwrapKeyAuthenticated", unwrap_authenticated},
};
const size_t fuzz_row_count_3 = sizeof(fuzz_rows_3) / sizeof(*fuzz_rows_3);
