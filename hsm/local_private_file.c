/* Private keys out of files: see local_private.h. What they hold is checked when it is imported. */
#include "hsm/local_int.h"
#include "hsm/local_private.h"

#include <openssl/decoder.h>

SCOPE_DEFINE(OSSL_DECODER_CTX, OSSL_DECODER_CTX_free)

#define FILE_MAX ((size_t)256 << 10)

/* Without it OpenSSL would ask on the terminal. */
static int no_passphrase(char *pass, size_t size, size_t *len, const OSSL_PARAM params[], void *arg)
{
    (void)pass;
    (void)size;
    (void)params;
    (void)arg;
    *len = 0;
    return 0;
}

CK_RV local_private_decode(struct local *local, struct bytes file, CK_KEY_TYPE *ret_type,
                           struct secret **ret_material)
{
    LOCAL_QUIET;
    EVP_PKEY *decoded = NULL;
    SCOPED(EVP_PKEY_free_p) EVP_PKEY *key = NULL;
    const unsigned char *at = file.data;
    size_t left = file.len;
    SCOPED(OSSL_DECODER_CTX_free_p) OSSL_DECODER_CTX *ctx = NULL;
    CK_RV rv;

    if (file.len == 0 || file.len > FILE_MAX)
        return fail(CKR_ARGUMENTS_BAD, "a file of %zu bytes is no private key", file.len);
    ctx = OSSL_DECODER_CTX_new_for_pkey(&decoded, NULL, NULL, NULL, EVP_PKEY_KEYPAIR, local->ctx,
                                        NULL);
    if (ctx == NULL || OSSL_DECODER_CTX_set_passphrase_cb(ctx, no_passphrase, NULL) != 1)
        return local_fail("start to decode a private key");
    if (OSSL_DECODER_from_data(ctx, &at, &left) != 1)
        return fail(CKR_ARGUMENTS_BAD,
                    "the file is no private key in PEM or DER (PKCS#8, SEC 1, PKCS#1), or it is "
                    "encrypted: decrypt it with openssl pkey; for a secret key give its type");
    key = decoded;
    rv = local_private_encode(key, ret_material);
    if (rv == CKR_OK)
        *ret_type = local_key_type(key);
    return rv;
}
