/* See known_bad.h. */
#include "tests/unit/hsm/known_bad.h"

#include <openssl/x509.h>

void world_init(struct world *w, EVP_PKEY *key)
{
    unsigned char *der = NULL;
    int len;

    ck_assert_ptr_nonnull(key);
    *w = (struct world){.key = key, .spki = BUF_INIT(8192)};
    assert_ok(local_new(&w->local));
    assert_ok(local_sha256(w->local, BYTES_LIT(TEXT), w->digest));
    len = i2d_PUBKEY(key, &der);
    ck_assert_int_gt(len, 0);
    buf_put(&w->spki, der, (size_t)len);
    OPENSSL_free(der);
}

void world_release(struct world *w)
{
    buf_release(&w->spki);
    EVP_PKEY_free(w->key);
    local_free(w->local);
}

void assert_verdict(struct world *w, CK_MECHANISM *m, const char *what, CK_RV want,
                    struct bytes signature)
{
    CK_RV rv = local_verify(w->local, buf_bytes(&w->spki), m, BYTES_LIT(TEXT), signature);

    ck_assert_msg(rv == want, "%s: wanted 0x%lx, got 0x%lx (%s)", what, want, rv, fail_reason());
}
