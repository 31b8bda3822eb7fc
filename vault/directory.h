/*
 * The directory of a vault: its groups, who is in them, and who acts as which of its users. Sealed
 * records like everything else; read whole, once a generation, into a table that answers without
 * the store.
 *
 * A principal is written as administrators write it: "user:alice" (of this vault), "unix:www-data",
 * "token:<issuer>#<subject>". What is said of a user goes when the user goes.
 */
#ifndef KEYWARD_VAULT_DIRECTORY_H
#define KEYWARD_VAULT_DIRECTORY_H

#include "vault/vault.h"

#define PRINCIPAL_MAX 255 /* bytes of a principal's text, its kind included */

enum link_kind {
    LINK_GROUP,   /* from: the group's name */
    LINK_MEMBER,  /* from: a principal, to: a group it is in */
    LINK_BINDING, /* from: a principal, to: the user it acts as */
};

struct link {
    enum link_kind kind;
    char from[PRINCIPAL_MAX + 1];
    char to[USER_NAME_MAX + 1];
    int64_t created; /* seconds since 1970 */
};

bool group_name_is_valid(const char *name); /* as a user's */
/* Is it a principal that can be meant? Users by their form only. */
bool principal_is_valid(const char *text);

/* CKR_ACTION_PROHIBITED when there is such a group, or none to remove; members go with it. */
MUST_CHECK CK_RV group_add(struct store *store, const struct vault_info *vault, const char *name);
MUST_CHECK CK_RV group_remove(struct store *store, const struct vault_info *vault,
                              const char *name);
/* CKR_ACTION_PROHIBITED when there is no such group, or no such user where the principal is one;
 * joining twice and leaving where one is not are refused alike. */
MUST_CHECK CK_RV group_join(struct store *store, const struct vault_info *vault, const char *group,
                            const char *principal);
MUST_CHECK CK_RV group_leave(struct store *store, const struct vault_info *vault, const char *group,
                             const char *principal);
/* The principal (no user: those have PINs) acts as the user from now on. CKR_ACTION_PROHIBITED when
 * it acts as one already, or no longer did; CKR_USER_PIN_NOT_INITIALIZED without such a user. */
MUST_CHECK CK_RV user_bind(struct store *store, const struct vault_info *vault, const char *user,
                           const char *principal);
MUST_CHECK CK_RV user_unbind(struct store *store, const struct vault_info *vault, const char *user,
                             const char *principal);

struct directory;

/* All there is, as the store holds it now. */
MUST_CHECK CK_RV directory_load(struct store *store, const struct vault_info *vault,
                                struct directory **ret);
void directory_free(struct directory *directory); /* NULL is fine, and an empty one everywhere */
bool directory_same(const struct directory *a, const struct directory *b);
/* Those of a kind, and of one from where it is not NULL; by name. Borrowed. */
const struct link *directory_links(const struct directory *directory, enum link_kind kind,
                                   const char *from, size_t *ret_count);
/* The user a principal acts as; NULL: none. */
const char *directory_user(const struct directory *directory, const char *principal);

#include "base/scope.h"
SCOPE_DEFINE(struct directory, directory_free)

#endif
