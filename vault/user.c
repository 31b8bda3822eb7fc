/* Users of a vault: names, PIN hashes and counted failures, each a record under the vault's key.
 * See vault.h; logging in is in login.c. */
#include "base/heap.h"
#include "vault/directory_int.h"
#include "vault/reset_int.h"
#include "vault/user_int.h"
#include "vault/vault_int.h"

#include <stdlib.h>
#include <string.h>

static const char name_chars[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._@-";

bool user_name_is_valid(const char *name)
{
    size_t len = name != NULL ? strlen(name) : 0;

    return len >= 1 && len <= USER_NAME_MAX && strspn(name, name_chars) == len;
}

/* ---- the record ---- */

#define MEMBER(n, k, field, most)                                                                  \
    {                                                                                              \
        .name = (n), .kind = (k), .offset = offsetof(struct user, field), .max = (most)            \
    }

static const struct der_member user_members[] = {
    MEMBER("name", DER_TEXT, name, USER_NAME_MAX),
    MEMBER("created", DER_NUMBER, created, INT64_MAX),
    MEMBER("failures", DER_NUMBER, failures, PIN_TRIES),
    MEMBER("salt", DER_OCTETS, salt, USER_SALT_LEN),
    MEMBER("hash", DER_OCTETS, hash, USER_HASH_LEN),
    MEMBER("identity", DER_OCTETS_OPTIONAL, identity, USER_IDENTITY_LEN),
};

static const struct der_type user_type = {
    .name = "KEYWARD.User",
    .members = user_members,
    .count = sizeof(user_members) / sizeof(*user_members),
};

/* The spans come out pointing into content; here they get a place of their own. */
static CK_RV decode(struct store *store, struct bytes content, struct user *ret)
{
    struct user user;
    CK_RV rv = der_decode(store->der, &user_type, content, &user);

    if (rv != CKR_OK)
        return rv;
    if (user.hash.len != 0 && (user.hash.len != USER_HASH_LEN || user.salt.len != USER_SALT_LEN))
        return fail_internal("a PIN's hash and salt have their lengths");
    if (user.identity.len != 0 && user.identity.len != USER_IDENTITY_LEN)
        return fail_internal("a user's identity has its length");
    *ret = user;
    user_set_hash(ret, user.salt, user.hash);
    user_set_identity(ret, user.identity);
    return CKR_OK;
}

void user_set_hash(struct user *user, struct bytes salt, struct bytes hash)
{
    if (salt.len > 0)
        memcpy(user->salt_data, salt.data, salt.len);
    if (hash.len > 0)
        memcpy(user->hash_data, hash.data, hash.len);
    user->salt = BYTES(user->salt_data, salt.len);
    user->hash = BYTES(user->hash_data, hash.len);
}

void user_set_identity(struct user *user, struct bytes identity)
{
    if (identity.len > 0)
        memcpy(user->identity_data, identity.data, identity.len);
    user->identity = BYTES(user->identity_data, identity.len);
}

static CK_RV user_id(struct store *store, struct keys *keys, const char *name,
                     uint8_t ret[static STORE_ID_LEN])
{
    return keys_tag(store->local, keys, "user", bytes_from_str(name), ret);
}

static CK_RV fail_no_user(void)
{
    return fail(CKR_USER_PIN_NOT_INITIALIZED,
                "the vault has no such user with a PIN: ask its administrator to add one");
}

CK_RV user_read(struct store *store, struct keys *keys, const char *name, struct user *ret)
{
    struct buf content = BUF_INIT(RECORD_MAX);
    uint8_t id[STORE_ID_LEN];
    struct record record;
    bool found = false;
    CK_RV rv = user_name_is_valid(name) ? user_id(store, keys, name, id) : fail_no_user();

    if (rv == CKR_OK)
        rv = record_get(store, keys, RECORD_USER, id, &record, &content, &found);
    if (rv == CKR_OK && !found)
        rv = fail_no_user();
    if (rv == CKR_OK)
        rv = decode(store, buf_bytes(&content), ret);
    if (rv == CKR_OK && strcmp(ret->name, name) != 0)
        rv = fail_internal("a user's record is found by the user's name");
    buf_release_secure(&content);
    return rv;
}

CK_RV user_write(struct store *store, struct keys *keys, const struct user *user)
{
    struct buf content = BUF_INIT(RECORD_MAX);
    uint8_t id[STORE_ID_LEN];
    CK_RV rv = user_id(store, keys, user->name, id);

    if (rv == CKR_OK)
        rv = der_encode(store->der, &user_type, user, &content);
    if (rv == CKR_OK)
        rv = record_put(store, keys, RECORD_USER, id, buf_bytes(&content));
    buf_release_secure(&content);
    return rv;
}

/* ---- PINs ---- */

static CK_RV check_pin(struct bytes pin)
{
    if (pin.data == NULL || pin.len < PIN_MIN || pin.len > PIN_MAX)
        return fail(CKR_PIN_LEN_RANGE, "a PIN has %d to %d bytes: choose another", PIN_MIN,
                    PIN_MAX);
    if (memchr(pin.data, 0, pin.len) != NULL)
        return fail(CKR_PIN_INVALID, "a PIN has no NUL byte: choose another");
    return CKR_OK;
}

/* A new salt, and the hash under it. Slow on purpose: done outside the store's lock. */
static CK_RV hash_pin(struct store *store, struct bytes pin, struct user *user)
{
    uint8_t salt[USER_SALT_LEN];
    uint8_t hash[USER_HASH_LEN];
    CK_RV rv = local_random(store->local, salt, sizeof(salt));

    if (rv == CKR_OK)
        rv = local_scrypt(store->local, pin, BYTES(salt, sizeof(salt)), hash);
    if (rv == CKR_OK)
        user_set_hash(user, BYTES(salt, sizeof(salt)), BYTES(hash, sizeof(hash)));
    bytes_wipe(hash, sizeof(hash));
    return rv;
}

/* ---- administration ---- */

CK_RV user_write_new(struct store *store, struct keys *keys, const struct user *user)
{
    struct user there;

    switch (user_read(store, keys, user->name, &there)) {
    case CKR_OK:
        return fail(CKR_ACTION_PROHIBITED, "there is a user %s already: choose another name",
                    user->name);
    case CKR_USER_PIN_NOT_INITIALIZED:
        return user_write(store, keys, user);
    default:
        return fail_in(CKR_DEVICE_ERROR, "looking for a user of that name");
    }
}

static CK_RV draw_identity(struct store *store, struct user *user)
{
    uint8_t identity[USER_IDENTITY_LEN];
    CK_RV rv = local_random(store->local, identity, sizeof(identity));

    if (rv == CKR_OK)
        user_set_identity(user, BYTES(identity, sizeof(identity)));
    return rv;
}

CK_RV user_make(struct store *store, const char *name, struct bytes pin, struct user *ret)
{
    bool has_pin = pin.data != NULL || pin.len > 0;
    CK_RV rv = has_pin ? check_pin(pin) : CKR_OK;

    if (!user_name_is_valid(name))
        return fail(CKR_ARGUMENTS_BAD,
                    "a user's name has 1 to %d of the characters A-Z a-z 0-9 . _ @ -: choose "
                    "another name",
                    USER_NAME_MAX);
    *ret = (struct user){.created = store_now(store)};
    (void)memccpy(ret->name, name, '\0', sizeof(ret->name));
    user_set_hash(ret, BYTES_NONE, BYTES_NONE);
    if (rv == CKR_OK && has_pin)
        rv = hash_pin(store, pin, ret);
    return rv == CKR_OK ? draw_identity(store, ret) : rv;
}

CK_RV user_add(struct store *store, const struct vault_info *vault, const char *name,
               struct bytes pin)
{
    struct user user;
    struct keys *keys = NULL;
    CK_RV rv = user_make(store, name, pin, &user);

    if (rv == CKR_OK)
        rv = store_enter(store, vault->id, STORE_WRITE, &keys);
    return rv == CKR_OK ? store_leave(store, user_write_new(store, keys, &user)) : rv;
}

static CK_RV write_both(struct store *store, struct keys *keys, const struct user *user,
                        struct bytes was, struct bytes becomes)
{
    CK_RV rv = vault_swap_policy(store, keys, was, becomes);

    return rv == CKR_OK ? user_write_new(store, keys, user) : rv;
}

CK_RV user_add_with_policy(struct store *store, const struct vault_info *vault, const char *name,
                           struct bytes pin, struct bytes was, struct bytes becomes)
{
    struct user user;
    struct keys *keys = NULL;
    CK_RV rv = user_make(store, name, pin, &user);

    if (rv == CKR_OK)
        rv = store_enter(store, vault->id, STORE_WRITE, &keys);
    return rv == CKR_OK ? store_leave(store, write_both(store, keys, &user, was, becomes)) : rv;
}

static struct user_info info_of(const struct user *user)
{
    struct user_info info = {
        .failures = (unsigned)user->failures,
        .locked = user->failures >= PIN_TRIES,
        .has_pin = user->hash.len == USER_HASH_LEN,
        .created = user->created,
    };

    memcpy(info.name, user->name, sizeof(info.name));
    if (user->identity.len > 0)
        memcpy(info.identity, user->identity.data, sizeof(info.identity));
    return info;
}

CK_RV user_get(struct store *store, const struct vault_info *vault, const char *name,
               struct user_info *ret)
{
    struct keys *keys = NULL;
    struct user user = {.created = 0};
    CK_RV rv = store_enter(store, vault->id, STORE_READ, &keys);

    if (rv == CKR_OK)
        rv = store_leave(store, user_read(store, keys, name, &user));
    if (rv == CKR_OK)
        *ret = info_of(&user);
    return rv;
}

struct list {
    struct store *store;
    struct user_info *infos;
    size_t count;
};

static CK_RV list_user(void *ctx, const struct record *record, struct bytes content, bool *ret_more)
{
    struct list *list = ctx;
    struct user user;
    struct user_info *infos = array_resize(list->infos, list->count + 1, sizeof(struct user_info));
    CK_RV rv;

    (void)record;
    if (infos == NULL)
        return fail_memory();
    list->infos = infos;
    rv = decode(list->store, content, &user);
    if (rv == CKR_OK)
        infos[list->count++] = info_of(&user);
    *ret_more = true;
    return rv;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct user_info *)a)->name, ((const struct user_info *)b)->name);
}

CK_RV user_list(struct store *store, const struct vault_info *vault, struct user_info **ret,
                size_t *ret_count)
{
    const struct record_query query = {.kind = RECORD_USER};
    struct list list = {.store = store};
    struct keys *keys = NULL;
    CK_RV rv = store_enter(store, vault->id, STORE_READ, &keys);

    if (rv == CKR_OK)
        rv = store_leave(store, record_walk(store, keys, &query, list_user, &list));
    if (rv != CKR_OK) {
        free(list.infos);
        return rv;
    }
    if (list.count > 0)
        qsort(list.infos, list.count, sizeof(*list.infos), by_name);
    *ret = list.infos;
    *ret_count = list.count;
    return CKR_OK;
}

/* Reads, lets the change happen, writes. */
static CK_RV change_user(struct store *store, const struct vault_info *vault, const char *name,
                         void (*change)(struct user *user, const struct user *from),
                         const struct user *from)
{
    struct keys *keys = NULL;
    struct user user;
    CK_RV rv = store_enter(store, vault->id, STORE_WRITE, &keys);

    if (rv != CKR_OK)
        return rv;
    rv = user_read(store, keys, name, &user);
    if (rv == CKR_OK) {
        change(&user, from);
        rv = user_write(store, keys, &user);
    }
    return store_leave(store, rv);
}

static void take_pin(struct user *user, const struct user *from)
{
    user_set_hash(user, from->salt, from->hash);
    user->failures = 0;
}

static void forget_failures(struct user *user, const struct user *from)
{
    (void)from;
    user->failures = 0;
}

CK_RV user_set_pin(struct store *store, const struct vault_info *vault, const char *name,
                   struct bytes pin)
{
    struct user made = {.created = 0};
    CK_RV rv = check_pin(pin);

    if (rv == CKR_OK)
        rv = hash_pin(store, pin, &made);
    return rv == CKR_OK ? change_user(store, vault, name, take_pin, &made) : rv;
}

CK_RV user_unlock(struct store *store, const struct vault_info *vault, const char *name)
{
    return change_user(store, vault, name, forget_failures, NULL);
}

static CK_RV remove_user(struct store *store, struct keys *keys, const char *name)
{
    uint8_t id[STORE_ID_LEN];
    struct user user;
    CK_RV rv = user_read(store, keys, name, &user);

    if (rv == CKR_OK)
        rv = user_id(store, keys, name, id);
    if (rv == CKR_OK)
        rv = directory_forget_user(store, keys, name);
    return rv == CKR_OK ? record_remove(store, keys, RECORD_USER, id) : rv;
}

/* Reads the list first: a walk does not go with removing. */
CK_RV user_remove_all(struct store *store, struct keys *keys, const char *but)
{
    const struct record_query query = {.kind = RECORD_USER};
    struct list list = {.store = store};
    CK_RV rv = record_walk(store, keys, &query, list_user, &list);

    for (size_t i = 0; rv == CKR_OK && i < list.count; i++)
        if (strcmp(list.infos[i].name, but) != 0)
            rv = remove_user(store, keys, list.infos[i].name);
    free(list.infos);
    return rv;
}

CK_RV user_remove(struct store *store, const struct vault_info *vault, const char *name)
{
    struct keys *keys = NULL;
    CK_RV rv = store_enter(store, vault->id, STORE_WRITE, &keys);

    return rv == CKR_OK ? store_leave(store, remove_user(store, keys, name)) : rv;
}
