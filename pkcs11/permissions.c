/* The table of questions: see permissions.h. One row a call. */
#include "pkcs11/permissions.h"

#include "pkcs11/call.h"

#include <string.h>

#define A(action) (UINT64_C(1) << ACTION_##action)

#define MECHANISM TOLD_MECHANISM
#define WRAPPING  TOLD_WRAPPING
#define ATTRIBUTE TOLD_ATTRIBUTE

/* No question, and why. */
#define NONE(why)                                                                                  \
    {                                                                                              \
        .note = (why)                                                                              \
    }
#define OPEN    NONE("tells of the library or the token, not of what is in it")
#define SESSION NONE("only the caller's own session")

/* One operation, in one call or in parts: asked at Init, and again for every part after something
 * has changed. */
#define USE(action)                                                                                \
    {                                                                                              \
        A(action), MECHANISM, NULL                                                                 \
    }
#define BOTH(one, other)                                                                           \
    {                                                                                              \
        A(one) | A(other), MECHANISM, "each for its own key"                                       \
    }

#define READS                                                                                      \
    {                                                                                              \
        A(LIST) | A(GET) | A(GET_SECRET) | A(RELEASE), ATTRIBUTE,                                  \
            "`list` or `get`; for the value of a data object `getSecret` too, of a key `release`"  \
    }
#define FINDS                                                                                      \
    {                                                                                              \
        A(LIST) | A(GET) | A(GET_SECRET) | A(RELEASE), ATTRIBUTE,                                  \
            "`list` of each object: what may not be listed is not found; the others of each "      \
            "attribute searched by, where a policy looks at attributes"                            \
    }

/* clang-format off */
static const struct permission of_calls[CALL_COUNT] = {
    [CALL_GET_INFO] = OPEN,
    [CALL_GET_SLOT_LIST] = OPEN,
    [CALL_GET_SLOT_INFO] = OPEN,
    [CALL_GET_TOKEN_INFO] = OPEN,
    [CALL_GET_MECHANISM_LIST] = OPEN,
    [CALL_GET_MECHANISM_INFO] = OPEN,
    [CALL_WAIT_FOR_SLOT_EVENT] = OPEN,
    [CALL_GET_SESSION_VALIDATION_FLAGS] = OPEN,
    [CALL_OPEN_SESSION] = SESSION,
    [CALL_CLOSE_SESSION] = SESSION,
    [CALL_CLOSE_ALL_SESSIONS] = SESSION,
    [CALL_GET_SESSION_INFO] = SESSION,
    [CALL_SESSION_CANCEL] = SESSION,
    [CALL_GET_FUNCTION_STATUS] = SESSION,
    [CALL_CANCEL_FUNCTION] = SESSION,
    [CALL_FIND_OBJECTS_FINAL] = SESSION,
    [CALL_GET_OPERATION_STATE] = NONE("a digest in progress, as the caller's own session has it"),
    [CALL_SET_OPERATION_STATE] = NONE("a digest that was allowed; what goes on with it is asked for again"),
    [CALL_LOGOUT] = NONE("nobody is kept logged in; the record is written all the same"),
    [CALL_SEED_RANDOM] = NONE("takes no seed"),
    [CALL_MESSAGE_ENCRYPT_FINAL] = SESSION,
    [CALL_MESSAGE_DECRYPT_FINAL] = SESSION,
    [CALL_MESSAGE_SIGN_FINAL] = SESSION,
    [CALL_MESSAGE_VERIFY_FINAL] = SESSION,

    [CALL_INIT_TOKEN] = {A(INIT_TOKEN), 0, "beside the security officer's PIN"},
    [CALL_INIT_PIN] = {A(SET_PIN), 0, "beside the security officer's login"},
    [CALL_SET_PIN] = {A(CHANGE_PIN), 0, "beside the old PIN"},
    [CALL_LOGIN] = {A(LOGIN), 0, "beside the PIN or the token"},
    [CALL_LOGIN_USER] = {A(LOGIN), 0, "beside the PIN or the token"},
    [CALL_GENERATE_RANDOM] = {A(RANDOM), 0, NULL},

    [CALL_CREATE_OBJECT] = {A(IMPORT) | A(SET_SECRET), 0, "`setSecret` for data objects"},
    [CALL_COPY_OBJECT] = {A(UPDATE) | A(GET_SECRET) | A(CREATE) | A(IMPORT) | A(SET_SECRET), 0,
                          "`update` of the original (`getSecret` too of a data object); then of the copy `create` (private and secret "
                          "keys), `import` (public keys, certificates) or `setSecret`"},
    [CALL_DESTROY_OBJECT] = {A(DELETE), 0, NULL},
    [CALL_GET_OBJECT_SIZE] = READS,
    [CALL_GET_ATTRIBUTE_VALUE] = READS,
    [CALL_SET_ATTRIBUTE_VALUE] = {A(UPDATE), ATTRIBUTE, "of the object as it is, and as it will be"},
    [CALL_FIND_OBJECTS_INIT] = NONE("the search is asked about object by object, as it finds them"),
    [CALL_FIND_OBJECTS] = FINDS,

    [CALL_ENCRYPT_INIT] = USE(ENCRYPT),
    [CALL_ENCRYPT] = USE(ENCRYPT),
    [CALL_ENCRYPT_UPDATE] = USE(ENCRYPT),
    [CALL_ENCRYPT_FINAL] = USE(ENCRYPT),
    [CALL_DECRYPT_INIT] = USE(DECRYPT),
    [CALL_DECRYPT] = USE(DECRYPT),
    [CALL_DECRYPT_UPDATE] = USE(DECRYPT),
    [CALL_DECRYPT_FINAL] = USE(DECRYPT),
    [CALL_DIGEST_INIT] = USE(DIGEST),
    [CALL_DIGEST] = USE(DIGEST),
    [CALL_DIGEST_UPDATE] = USE(DIGEST),
    [CALL_DIGEST_KEY] = {A(DIGEST), MECHANISM, "of the key"},
    [CALL_DIGEST_FINAL] = USE(DIGEST),
    [CALL_SIGN_INIT] = USE(SIGN),
    [CALL_SIGN] = USE(SIGN),
    [CALL_SIGN_UPDATE] = USE(SIGN),
    [CALL_SIGN_FINAL] = USE(SIGN),
    [CALL_VERIFY_INIT] = USE(VERIFY),
    [CALL_VERIFY] = USE(VERIFY),
    [CALL_VERIFY_UPDATE] = USE(VERIFY),
    [CALL_VERIFY_FINAL] = USE(VERIFY),
    [CALL_SIGN_RECOVER_INIT] = USE(SIGN),
    [CALL_SIGN_RECOVER] = USE(SIGN),
    [CALL_VERIFY_RECOVER_INIT] = USE(VERIFY),
    [CALL_VERIFY_RECOVER] = USE(VERIFY),
    [CALL_DIGEST_ENCRYPT_UPDATE] = BOTH(DIGEST, ENCRYPT),
    [CALL_DECRYPT_DIGEST_UPDATE] = BOTH(DECRYPT, DIGEST),
    [CALL_SIGN_ENCRYPT_UPDATE] = BOTH(SIGN, ENCRYPT),
    [CALL_DECRYPT_VERIFY_UPDATE] = BOTH(DECRYPT, VERIFY),
    [CALL_VERIFY_SIGNATURE_INIT] = USE(VERIFY),
    [CALL_VERIFY_SIGNATURE] = USE(VERIFY),
    [CALL_VERIFY_SIGNATURE_UPDATE] = USE(VERIFY),
    [CALL_VERIFY_SIGNATURE_FINAL] = USE(VERIFY),

    [CALL_MESSAGE_ENCRYPT_INIT] = USE(ENCRYPT),
    [CALL_ENCRYPT_MESSAGE] = USE(ENCRYPT),
    [CALL_ENCRYPT_MESSAGE_BEGIN] = USE(ENCRYPT),
    [CALL_ENCRYPT_MESSAGE_NEXT] = USE(ENCRYPT),
    [CALL_MESSAGE_DECRYPT_INIT] = USE(DECRYPT),
    [CALL_DECRYPT_MESSAGE] = USE(DECRYPT),
    [CALL_DECRYPT_MESSAGE_BEGIN] = USE(DECRYPT),
    [CALL_DECRYPT_MESSAGE_NEXT] = USE(DECRYPT),
    [CALL_MESSAGE_SIGN_INIT] = USE(SIGN),
    [CALL_SIGN_MESSAGE] = USE(SIGN),
    [CALL_SIGN_MESSAGE_BEGIN] = USE(SIGN),
    [CALL_SIGN_MESSAGE_NEXT] = USE(SIGN),
    [CALL_MESSAGE_VERIFY_INIT] = USE(VERIFY),
    [CALL_VERIFY_MESSAGE] = USE(VERIFY),
    [CALL_VERIFY_MESSAGE_BEGIN] = USE(VERIFY),
    [CALL_VERIFY_MESSAGE_NEXT] = USE(VERIFY),

    [CALL_GENERATE_KEY] = {A(CREATE) | A(IMPORT), MECHANISM, "`import` for a key made of a password"},
    [CALL_GENERATE_KEY_PAIR] = {A(CREATE), MECHANISM, "of either half"},
    [CALL_WRAP_KEY] = {A(WRAP_KEY), MECHANISM | WRAPPING, "of the key that wraps, then of the one that leaves"},
    [CALL_WRAP_KEY_AUTHENTICATED] = {A(WRAP_KEY), MECHANISM | WRAPPING, "of the key that wraps, then of the one that leaves"},
    [CALL_UNWRAP_KEY] = {A(UNWRAP_KEY) | A(IMPORT), MECHANISM | WRAPPING, "`import` of the key that comes in"},
    [CALL_UNWRAP_KEY_AUTHENTICATED] = {A(UNWRAP_KEY) | A(IMPORT), MECHANISM | WRAPPING, "`import` of the key that comes in"},
    [CALL_DERIVE_KEY] = {A(DERIVE) | A(CREATE) | A(SET_SECRET), MECHANISM,
                         "`derive` of each key that goes in, `create` of each that comes out (`setSecret` of a data object)"},
    [CALL_ENCAPSULATE_KEY] = {A(ENCAPSULATE) | A(CREATE), MECHANISM, "`create` of the new key"},
    [CALL_DECAPSULATE_KEY] = {A(DECAPSULATE) | A(CREATE) | A(IMPORT), MECHANISM,
                              "of the new key `create`, or `import` where whoever sent it chose its value"},
    [CALL_ADMIN] = NONE("asks by its verb, below"),
};
/* clang-format on */

/* Verbs that ask for more than the action of their row. */
static const struct {
    const char *verb;
    struct permission more;
} of_verbs[] = {
    {"user.add", {A(APPLY_POLICY), 0, "`applyPolicy` first where `roles` are given"}},
    {"policy.confirm", {0, 0, "then what the confirmed change asks, as its own verb does"}},
    {"key.create", {0, MECHANISM, "of either half of a pair"}},
    {"key.list",
     {0, 0, "of the vault as a whole, else of each key: what may not be listed is left out"}},
};

static const struct permission_outside outside[] = {
    {"C_Initialize", "before there is anybody to ask"},
    {"C_Finalize", "the caller's own application instance"},
    {"C_GetFunctionList", "tells of the library"},
    {"C_GetInterfaceList", "tells of the library"},
    {"C_GetInterface", "tells of the library"},
    {"C_AsyncComplete", "not supported"},
    {"C_AsyncGetID", "not supported"},
    {"C_AsyncJoin", "not supported"},
};

#define COUNT(table) (sizeof(table) / sizeof(*(table)))

const struct permission *permission_of_call(unsigned call)
{
    return &of_calls[call];
}

struct permission permission_of_verb(const char *verb, enum action action)
{
    struct permission permission = {.actions = UINT64_C(1) << action};

    for (size_t i = 0; i < COUNT(of_verbs); i++)
        if (strcmp(of_verbs[i].verb, verb) == 0) {
            permission.actions |= of_verbs[i].more.actions;
            permission.told = of_verbs[i].more.told;
            permission.note = of_verbs[i].more.note;
        }
    return permission;
}

const struct permission_outside *permission_outside_at(size_t i)
{
    return i < COUNT(outside) ? &outside[i] : NULL;
}
