/*
 * keyward's vocabulary: the entity types, actions, action groups and attributes that vault policies
 * may speak of. One table (schema.c); the checker, the gate, docs/PERMISSIONS.md and the Cedar
 * schema in docs/ derive from it.
 */
#ifndef KEYWARD_POLICY_SCHEMA_H
#define KEYWARD_POLICY_SCHEMA_H

#include "policy/policy.h"

/* Every action there is. The Cedar id is the name in lower camel case: ACTION_GET_SECRET is
 * Action::"getSecret". */
enum action {
    /* data plane: using keys */
    ACTION_SIGN,
    ACTION_VERIFY,
    ACTION_ENCRYPT,
    ACTION_DECRYPT,
    ACTION_WRAP_KEY,
    ACTION_UNWRAP_KEY,
    ACTION_DERIVE,
    ACTION_ENCAPSULATE,
    ACTION_DECAPSULATE,
    ACTION_RELEASE,
    ACTION_DIGEST, /* of data, or of a secret key's value */
    ACTION_RANDOM,
    /* data plane: reading and keeping objects */
    ACTION_LIST, /* it is found, its public attributes may be read */
    ACTION_GET,  /* its value: public key, certificate, data */
    ACTION_GET_SECRET,
    ACTION_SET_SECRET,
    ACTION_CREATE,
    ACTION_IMPORT,
    ACTION_UPDATE,
    ACTION_ROTATE,
    ACTION_DELETE,
    ACTION_RECOVER,
    ACTION_PURGE,
    ACTION_BACKUP,
    ACTION_RESTORE,
    ACTION_APPROVE, /* that somebody else uses a key */
    /* sessions */
    ACTION_LOGIN,
    ACTION_CHANGE_PIN, /* one's own */
    /* control plane */
    ACTION_CREATE_VAULT,
    ACTION_LIST_VAULT,
    ACTION_UPDATE_VAULT,
    ACTION_DELETE_VAULT,
    ACTION_INIT_TOKEN,
    ACTION_ADD_USER,
    ACTION_LIST_USER,
    ACTION_SET_PIN, /* another's, or the first one */
    ACTION_UNLOCK_USER,
    ACTION_REMOVE_USER,
    ACTION_BIND_USER,   /* who acts as which user */
    ACTION_EDIT_GROUP,  /* groups, and who is in them */
    ACTION_EDIT_ISSUER, /* whose tokens are believed */
    ACTION_APPLY_POLICY,
    ACTION_READ_POLICY, /* show and explain */
    ACTION_READ_LOG,
    ACTION_VERIFY_LOG,
    ACTION_READ_STATUS,
    ACTION_ACCEPT_CLOCK, /* though it is behind the log */
    ACTION_ACCEPT_LOSS,  /* of records of the log */
    ACTION_COUNT
};

/*
 * Action groups (the usual vault roles and their parts), as Action::"<name>" in policies:
 *   dataPlane            everything under "data plane" and "sessions" but approve
 *   controlPlane         everything under "control plane"
 *   keyUse               sign verify encrypt decrypt wrapKey unwrapKey derive encapsulate
 *                        decapsulate digest random
 *   keyManagement        list get create import update rotate delete recover backup restore
 *   administrator        controlPlane + keyManagement + purge
 *   cryptoOfficer        keyManagement + keyUse + login changePin
 *   cryptoUser           list get keyUse login changePin
 *   serviceEncryption    list get wrapKey unwrapKey encrypt decrypt login changePin
 *   reader               list get login changePin
 *   approver             list approve login changePin
 *   auditor              listVault listUser readPolicy readLog verifyLog readStatus
 *   secretsOfficer       list get getSecret setSecret create update delete recover login changePin
 *   secretsUser          list getSecret login changePin
 *   certificatesOfficer  list get create import update delete recover login changePin
 */

/* The action's entity: uid Action::"sign", ancestors = its groups. Static. */
const struct policy_entity *schema_action(enum action action);
const char *schema_action_name(enum action action);          /* "sign" */
bool schema_action_find(const char *name, enum action *ret); /* false when there is none */

/* Roles that `--role` takes: the group names above that are roles, NULL-terminated. */
const char *const *schema_roles(void);

/*
 * Entity types and attributes: the rows of schema.c, told in docs/POLICY.md, and as a Cedar schema
 * in docs/keyward.cedarschema. The entity uid of an object is Key::"VAULT/NAME" (NAME is its label;
 * an object without a label uses its unique id); of a vault Vault::"NAME"; of the control plane
 * outside any vault Vault::"".
 */

/* The vocabulary as a Cedar schema (docs.cedarpolicy.com, "Schema syntax"). */
void schema_write_cedar(struct buf *out);

#endif
