/*
 * Approvals: each says that one use of a key by somebody else is right, and is gone with that use.
 * Sealed records like everything else. The signature is over approval_text(), by whoever holds the
 * home's signing key: the store neither makes nor checks it.
 */
#ifndef KEYWARD_VAULT_APPROVAL_H
#define KEYWARD_VAULT_APPROVAL_H

#include "vault/directory.h"
#include "vault/object.h"

#define APPROVAL_ID_LEN        16
#define APPROVAL_DIGEST_LEN    32
#define APPROVAL_SIGNATURE_LEN 64
#define APPROVAL_WORD_MAX      63 /* bytes of an action's or a mechanism's name */
#define APPROVAL_TEXT_MAX      4096

struct approval {
    uint8_t id[APPROVAL_ID_LEN]; /* random */
    uint8_t object[OBJECT_ID_LEN];
    uint64_t version;
    char action[APPROVAL_WORD_MAX + 1];
    char mechanism[APPROVAL_WORD_MAX + 1]; /* "": any */
    bool has_digest;
    uint8_t digest[APPROVAL_DIGEST_LEN]; /* SHA-256 of the data that the key is used on */
    char requester[PRINCIPAL_MAX + 1];   /* who may use it, as the directory has it; "": anybody */
    char approver[USER_NAME_MAX + 1];    /* a user of the vault, and which one of that name: */
    uint8_t identity[USER_IDENTITY_LEN];
    int64_t created, expires; /* seconds since 1970 */
    uint8_t signature[APPROVAL_SIGNATURE_LEN];
};

/* What is signed: every member but the signature, a line each, behind a first line that no other
 * text of keyward's begins with. */
void approval_text(const struct vault_info *vault, const struct approval *approval,
                   struct buf *out);

/* Those that have expired go with it. */
MUST_CHECK CK_RV approval_add(struct store *store, const struct vault_info *vault,
                              const struct approval *approval);
/* Of one object (NULL: of all), the oldest first, expired ones too. The caller frees *ret. */
MUST_CHECK CK_RV approval_list(struct store *store, const struct vault_info *vault,
                               const uint8_t *object, struct approval **ret, size_t *ret_count);
/* All of them, or none: CKR_FUNCTION_REJECTED when one is gone, used or withdrawn by another. */
MUST_CHECK CK_RV approval_take(struct store *store, const struct vault_info *vault,
                               const uint8_t (*ids)[APPROVAL_ID_LEN], size_t count);

#endif
