/* keyward's vocabulary as tables: see schema.h. Each fact stands in one row. */
#include "policy/schema_int.h"

#include <string.h>

#define SPAN(lit)                                                                                  \
    {                                                                                              \
        .data = (const uint8_t *)(lit), .len = sizeof(lit) - 1                                     \
    }
#define ACTION(lit)                                                                                \
    {                                                                                              \
        .type = SPAN("Action"), .id = SPAN(lit)                                                    \
    }

#define DATA     ACTION("dataPlane")
#define CONTROL  ACTION("controlPlane")
#define USE      ACTION("keyUse")
#define MANAGE   ACTION("keyManagement")
#define ADMIN    ACTION("administrator")
#define OFFICER  ACTION("cryptoOfficer")
#define CRYPTO   ACTION("cryptoUser")
#define SERVICE  ACTION("serviceEncryption")
#define READER   ACTION("reader")
#define APPROVER ACTION("approver")
#define AUDITOR  ACTION("auditor")
#define SECRETS  ACTION("secretsOfficer")
#define SECRET   ACTION("secretsUser")
#define CERTS    ACTION("certificatesOfficer")

#define VAULT   TYPE_VAULT
#define OBJECTS TYPE_OBJECTS

struct action_row {
    const char *name;
    uint32_t resources;
    struct policy_entity entity;
};

/* name, what it is asked about, the groups it is in */
#define ROW(lit, on, ...)                                                                          \
    {                                                                                              \
        .name = (lit), .resources = (on), .entity = {                                              \
            .uid = ACTION(lit),                                                                    \
            .ancestors = (const struct policy_uid[]){__VA_ARGS__},                                 \
            .ancestor_count =                                                                      \
                sizeof((const struct policy_uid[]){__VA_ARGS__}) / sizeof(struct policy_uid),      \
            .attributes = {.kind = POLICY_RECORD},                                                 \
        }                                                                                          \
    }

/* clang-format off */
static const struct action_row actions[ACTION_COUNT] = {
    [ACTION_SIGN] = ROW("sign", OBJECTS, DATA, USE, OFFICER, CRYPTO),
    [ACTION_VERIFY] = ROW("verify", OBJECTS, DATA, USE, OFFICER, CRYPTO),
    [ACTION_ENCRYPT] = ROW("encrypt", OBJECTS, DATA, USE, OFFICER, CRYPTO, SERVICE),
    [ACTION_DECRYPT] = ROW("decrypt", OBJECTS, DATA, USE, OFFICER, CRYPTO, SERVICE),
    [ACTION_WRAP_KEY] = ROW("wrapKey", OBJECTS, DATA, USE, OFFICER, CRYPTO, SERVICE),
    [ACTION_UNWRAP_KEY] = ROW("unwrapKey", OBJECTS, DATA, USE, OFFICER, CRYPTO, SERVICE),
    [ACTION_DERIVE] = ROW("derive", OBJECTS, DATA, USE, OFFICER, CRYPTO),
    [ACTION_ENCAPSULATE] = ROW("encapsulate", OBJECTS, DATA, USE, OFFICER, CRYPTO),
    [ACTION_DECAPSULATE] = ROW("decapsulate", OBJECTS, DATA, USE, OFFICER, CRYPTO),
    [ACTION_RELEASE] = ROW("release", OBJECTS, DATA),
    [ACTION_DIGEST] = ROW("digest", OBJECTS | VAULT, DATA, USE, OFFICER, CRYPTO),
    [ACTION_RANDOM] = ROW("random", VAULT, DATA, USE, OFFICER, CRYPTO),
    [ACTION_LIST] = ROW("list", OBJECTS | VAULT, DATA, MANAGE, ADMIN, OFFICER, CRYPTO, SERVICE, READER, APPROVER, SECRETS, SECRET, CERTS),
    [ACTION_GET] = ROW("get", OBJECTS, DATA, MANAGE, ADMIN, OFFICER, CRYPTO, SERVICE, READER, SECRETS, CERTS),
    [ACTION_GET_SECRET] = ROW("getSecret", OBJECTS, DATA, SECRETS, SECRET),
    [ACTION_SET_SECRET] = ROW("setSecret", OBJECTS, DATA, SECRETS),
    [ACTION_CREATE] = ROW("create", OBJECTS | VAULT, DATA, MANAGE, ADMIN, OFFICER, SECRETS, CERTS),
    [ACTION_IMPORT] = ROW("import", OBJECTS | VAULT, DATA, MANAGE, ADMIN, OFFICER, CERTS),
    [ACTION_UPDATE] = ROW("update", OBJECTS, DATA, MANAGE, ADMIN, OFFICER, SECRETS, CERTS),
    [ACTION_ROTATE] = ROW("rotate", OBJECTS, DATA, MANAGE, ADMIN, OFFICER),
    [ACTION_DELETE] = ROW("delete", OBJECTS, DATA, MANAGE, ADMIN, OFFICER, SECRETS, CERTS),
    [ACTION_RECOVER] = ROW("recover", OBJECTS, DATA, MANAGE, ADMIN, OFFICER, SECRETS, CERTS),
    [ACTION_PURGE] = ROW("purge", OBJECTS, DATA, ADMIN),
    [ACTION_BACKUP] = ROW("backup", OBJECTS | VAULT, DATA, MANAGE, ADMIN, OFFICER),
    [ACTION_RESTORE] = ROW("restore", OBJECTS | VAULT, DATA, MANAGE, ADMIN, OFFICER),
    [ACTION_APPROVE] = ROW("approve", OBJECTS, APPROVER),
    [ACTION_LOGIN] = ROW("login", VAULT, DATA, OFFICER, CRYPTO, SERVICE, READER, APPROVER, SECRETS, SECRET, CERTS),
    [ACTION_CHANGE_PIN] = ROW("changePin", VAULT, DATA, OFFICER, CRYPTO, SERVICE, READER, APPROVER, SECRETS, SECRET, CERTS),
    [ACTION_CREATE_VAULT] = ROW("createVault", VAULT, CONTROL, ADMIN),
    [ACTION_LIST_VAULT] = ROW("listVault", VAULT, CONTROL, ADMIN, AUDITOR),
    [ACTION_UPDATE_VAULT] = ROW("updateVault", VAULT, CONTROL, ADMIN),
    [ACTION_DELETE_VAULT] = ROW("deleteVault", VAULT, CONTROL, ADMIN),
    [ACTION_INIT_TOKEN] = ROW("initToken", VAULT, CONTROL, ADMIN),
    [ACTION_ADD_USER] = ROW("addUser", VAULT, CONTROL, ADMIN),
    [ACTION_LIST_USER] = ROW("listUser", VAULT, CONTROL, ADMIN, AUDITOR),
    [ACTION_SET_PIN] = ROW("setPin", VAULT, CONTROL, ADMIN),
    [ACTION_UNLOCK_USER] = ROW("unlockUser", VAULT, CONTROL, ADMIN),
    [ACTION_REMOVE_USER] = ROW("removeUser", VAULT, CONTROL, ADMIN),
    [ACTION_BIND_USER] = ROW("bindUser", VAULT, CONTROL, ADMIN),
    [ACTION_EDIT_GROUP] = ROW("editGroup", VAULT, CONTROL, ADMIN),
    [ACTION_EDIT_ISSUER] = ROW("editIssuer", VAULT, CONTROL, ADMIN),
    [ACTION_APPLY_POLICY] = ROW("applyPolicy", VAULT, CONTROL, ADMIN),
    [ACTION_READ_POLICY] = ROW("readPolicy", VAULT, CONTROL, ADMIN, AUDITOR),
    [ACTION_READ_LOG] = ROW("readLog", VAULT, CONTROL, ADMIN, AUDITOR),
    [ACTION_VERIFY_LOG] = ROW("verifyLog", VAULT, CONTROL, ADMIN, AUDITOR),
    [ACTION_READ_STATUS] = ROW("readStatus", VAULT, CONTROL, ADMIN, AUDITOR),
    [ACTION_ACCEPT_CLOCK] = ROW("acceptClock", VAULT, CONTROL, ADMIN),
    [ACTION_ACCEPT_LOSS] = ROW("acceptLoss", VAULT, CONTROL, ADMIN),
};
/* clang-format on */

/* Roles first: schema_roles() ends where the parts begin. */
static const char *const roles[] = {
    "administrator", "cryptoOfficer",  "cryptoUser",  "serviceEncryption",   "reader", "approver",
    "auditor",       "secretsOfficer", "secretsUser", "certificatesOfficer", NULL,
};

static const char *const parts[] = {"dataPlane", "controlPlane", "keyUse", "keyManagement"};

static const char *const types[TYPE_COUNT] = {
    "Unix",  "UnixGroup", "User",        "Group",  "Cert",   "Token",
    "Vault", "Key",       "Certificate", "Secret", "Action",
};

/* By bit number, as types. Actions are in the groups their rows name. */
static const uint32_t parents[TYPE_COUNT] = {
    TYPE_UNIX_GROUP | TYPE_GROUP, 0, TYPE_GROUP, 0, TYPE_GROUP, TYPE_GROUP, 0, VAULT, VAULT, VAULT,
};

static const struct schema_attribute attributes[] = {
    {"name", POLICY_STRING, TYPE_RESOURCES, false},
    {"protection", POLICY_STRING, TYPE_RESOURCES, false},
    {"type", POLICY_STRING, TYPE_OBJECTS, false},
    {"class", POLICY_STRING, TYPE_OBJECTS, false},
    {"size", POLICY_LONG, TYPE_OBJECTS, false},
    {"state", POLICY_STRING, TYPE_OBJECTS, false},
    {"version", POLICY_LONG, TYPE_OBJECTS, false},
    {"private", POLICY_BOOL, TYPE_OBJECTS, false},
    {"token", POLICY_BOOL, TYPE_OBJECTS, false},
    {"tags", POLICY_RECORD, TYPE_OBJECTS, false},
    {"via", POLICY_STRING, 0, false},
    {"function", POLICY_STRING, 0, false},
    {"now", POLICY_LONG, 0, false},
    {"time", POLICY_DATETIME, 0, false},
    {"loggedIn", POLICY_BOOL, 0, false},
    {"readWrite", POLICY_BOOL, 0, false},
    {"mechanism", POLICY_STRING, 0, true},
    {"hash", POLICY_STRING, 0, true},
    {"mgf", POLICY_STRING, 0, true},
    {"saltLength", POLICY_LONG, 0, true},
    {"tagLength", POLICY_LONG, 0, true},
    {"ivSource", POLICY_STRING, 0, true},
    {"aad", POLICY_STRING, 0, true},
    {"attribute", POLICY_STRING, 0, true},
    {"wrappingKey", POLICY_STRING, 0, true},
    {"vault", POLICY_STRING, 0, true},
    {"approvals", POLICY_LONG, 0, false},
    {"ip", POLICY_IP, 0, true},
};

const struct policy_entity *schema_action(enum action action)
{
    return (unsigned)action < ACTION_COUNT ? &actions[action].entity : NULL;
}

const char *schema_action_name(enum action action)
{
    return (unsigned)action < ACTION_COUNT ? actions[action].name : NULL;
}

bool schema_action_find(const char *name, enum action *ret)
{
    for (unsigned i = 0; i < ACTION_COUNT; i++) {
        if (strcmp(actions[i].name, name) == 0) {
            *ret = (enum action)i;
            return true;
        }
    }
    return false;
}

const char *const *schema_roles(void)
{
    return roles;
}

uint32_t schema_action_resources(enum action action)
{
    return actions[action].resources;
}

const char *schema_group_at(size_t i)
{
    const size_t role_count = sizeof(roles) / sizeof(*roles) - 1;
    const size_t part_count = sizeof(parts) / sizeof(*parts);

    if (i < role_count)
        return roles[i];
    return i - role_count < part_count ? parts[i - role_count] : NULL;
}

uint32_t schema_parents(unsigned bit_number)
{
    return bit_number < TYPE_COUNT ? parents[bit_number] : 0;
}

const char *schema_type_name(unsigned bit_number)
{
    return bit_number < TYPE_COUNT ? types[bit_number] : NULL;
}

uint32_t schema_type_bit(struct bytes name)
{
    for (unsigned i = 0; i < TYPE_COUNT; i++) {
        if (bytes_equal_str(name, types[i]))
            return 1U << i;
    }
    return 0;
}

const struct schema_attribute *schema_attribute_at(size_t i)
{
    return i < sizeof(attributes) / sizeof(*attributes) ? &attributes[i] : NULL;
}
