/*
 * Issuers of tokens that a vault believes: a name, whom the tokens must be for, the algorithms they
 * may be signed with, and the issuer's public keys (a JSON Web Key Set). Sealed records. What is in
 * the key set is checked by who reads it (pkcs11/token.h).
 */
#ifndef KEYWARD_VAULT_ISSUER_H
#define KEYWARD_VAULT_ISSUER_H

#include "vault/directory.h"

#define ISSUER_NAME_MAX       200
#define ISSUER_AUDIENCE_MAX   255
#define ISSUER_ALGORITHMS_MAX 127
#define ISSUER_KEYS_MAX       65536 /* bytes of the key set's text */
#define ISSUER_IDENTITY_LEN   USER_IDENTITY_LEN

struct issuer {
    char name[ISSUER_NAME_MAX + 1]; /* as in the tokens' "iss"; no '#' */
    char audience[ISSUER_AUDIENCE_MAX + 1];
    char algorithms[ISSUER_ALGORITHMS_MAX + 1]; /* "RS256,ES256" */
    uint8_t identity[ISSUER_IDENTITY_LEN]; /* drawn by issuer_add(): one added again is another */
    int64_t created;                       /* seconds since 1970 */
};

/* Can a principal "token:NAME#subject" be of it? */
bool issuer_name_is_valid(const char *name);
/* CKR_ACTION_PROHIBITED when there is one of that name; identity and created are set here. */
MUST_CHECK CK_RV issuer_add(struct store *store, const struct vault_info *vault,
                            const struct issuer *issuer, struct bytes keys);
/* CKR_ACTION_PROHIBITED when there is none. */
MUST_CHECK CK_RV issuer_remove(struct store *store, const struct vault_info *vault,
                               const char *name);
/* CKR_OK, or CKR_PIN_INCORRECT when there is none. ret_keys may be NULL. */
MUST_CHECK CK_RV issuer_get(struct store *store, const struct vault_info *vault, const char *name,
                            struct issuer *ret, struct buf *ret_keys);
/* Sorted by name. The caller frees *ret. */
MUST_CHECK CK_RV issuer_list(struct store *store, const struct vault_info *vault,
                             struct issuer **ret, size_t *ret_count);

#endif
