/*
 * Tokens (RFC 7519, signed as RFC 7515 says, compact form) instead of a PIN: is this one of an
 * issuer that the vault believes, for us, and valid now? Pure but for the verification of the
 * signature, which libjose does; it enters through token.c alone.
 *
 * Nothing in a token chooses how it is verified but the key's name: the algorithm must be one that
 * the issuer was added with, and the key must be of the algorithm's kind. A token is not kept and
 * not written anywhere.
 */
#ifndef KEYWARD_PKCS11_TOKEN_H
#define KEYWARD_PKCS11_TOKEN_H

#include "hsm/local.h"
#include "vault/issuer.h"

#define TOKEN_MAX    65536 /* bytes */
#define TOKEN_PREFIX "jwt:"
/* How far the issuer's clock may be ahead of ours, where a token says that it is not valid yet. */
#define TOKEN_LEEWAY_S 30

struct token {
    char principal[PRINCIPAL_MAX + 1]; /* issuer#subject */
    int64_t expires;                   /* seconds since 1970 */
};

/* Whose a token says it is, which proves nothing. Every refusal in this file is CKR_PIN_INCORRECT
 * with the reason, unless said. */
MUST_CHECK CK_RV token_issuer(struct bytes token, char ret[static ISSUER_NAME_MAX + 1]);
MUST_CHECK CK_RV token_verify(struct local *local, struct bytes token, const struct issuer *issuer,
                              struct bytes keys, int64_t now, struct token *ret);

/* What an issuer may be added with: CKR_ARGUMENTS_BAD otherwise. The algorithms are those of
 * asymmetric signatures; a key set has public keys only, each with a name of its own, and one at
 * least that one of the algorithms can use. */
MUST_CHECK CK_RV token_check_algorithms(const char *algorithms);
MUST_CHECK CK_RV token_check_keys(struct bytes keys, const char *algorithms);

#endif
