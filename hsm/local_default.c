/*
 * A library that uses OpenSSL's default context, made to use ours for a moment. The default one is
 * the host's: it may have a provider loaded that leads back to us, in the middle of our own call.
 * The default is the thread's, so other threads of the host do not see it; nor does the host see
 * the errors.
 */
#include "hsm/local_int.h"

#include <openssl/crypto.h>
#include <openssl/err.h>

void *local_default_begin(struct local *local)
{
    (void)ERR_set_mark();
    return OSSL_LIB_CTX_set0_default(local->ctx);
}

void local_default_end(void *before)
{
    (void)OSSL_LIB_CTX_set0_default(before);
    (void)ERR_pop_to_mark();
}
