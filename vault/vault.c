/* Vaults: a slot on the key ring and a record of the home each, and a policy under the vault's own
 * key. See vault.h; making one is in create.c. */
#include "vault/vault.h"

#include "base/heap.h"
#include "vault/directory_int.h"
#include "vault/record.h"
#include "vault/reset_int.h"
#include "vault/vault_int.h"

#include <stdlib.h>
#include <string.h>

static const char name_chars[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

bool vault_name_is_valid(const char *name)
{
    size_t len = name != NULL ? strlen(name) : 0;

    return len >= 1 && len <= VAULT_NAME_MAX && name[0] != '-' && name[0] != '.' &&
           strspn(name, name_chars) == len;
}

/* ---- the record ---- */

struct vault_der {
    char name[VAULT_NAME_MAX + 1];
    int64_t slot, protection, created, retention, purge_protection;
    char default_user[USER_NAME_MAX + 1];
    int64_t legacy, confirmations;
};

#define MEMBER(n, k, field, most)                                                                  \
    {                                                                                              \
        .name = (n), .kind = (k), .offset = offsetof(struct vault_der, field), .max = (most)       \
    }

static const struct der_member vault_members[] = {
    MEMBER("name", DER_TEXT, name, VAULT_NAME_MAX),
    MEMBER("slot", DER_NUMBER, slot, INT64_MAX),
    MEMBER("protection", DER_NUMBER, protection, PROTECTION_SOFTWARE),
    MEMBER("created", DER_NUMBER, created, INT64_MAX),
    MEMBER("retention", DER_NUMBER, retention, INT64_MAX),
    MEMBER("purgeProtection", DER_NUMBER, purge_protection, 1),
    MEMBER("defaultUser", DER_TEXT, default_user, USER_NAME_MAX),
    MEMBER("legacy", DER_NUMBER_OPTIONAL, legacy, 1),
    MEMBER("confirmations", DER_NUMBER_OPTIONAL, confirmations, VAULT_CONFIRMATIONS_MAX),
};

static const struct der_type vault_type = {
    .name = "KEYWARD.Vault",
    .members = vault_members,
    .count = sizeof(vault_members) / sizeof(*vault_members),
};

static CK_RV encode(struct store *store, const struct vault_info *info, struct buf *out)
{
    struct vault_der d = {
        .slot = (int64_t)info->slot,
        .protection = info->protection,
        .created = info->created,
        .retention = info->retention,
        .purge_protection = info->purge_protection ? 1 : 0,
        .legacy = info->legacy ? 1 : 0,
        .confirmations = info->confirmations,
    };

    memcpy(d.name, info->name, sizeof(d.name));
    memcpy(d.default_user, info->default_user, sizeof(d.default_user));
    return der_encode(store->der, &vault_type, &d, out);
}

/* The log's key comes from the home's, so a vault whose KEK is gone can still be listed and its log
 * verified. */
static CK_RV decode(struct store *store, const struct record *record, struct bytes content,
                    struct vault_info *ret)
{
    struct vault_der d;
    CK_RV rv = der_decode(store->der, &vault_type, content, &d);

    if (rv != CKR_OK)
        return rv;
    *ret = (struct vault_info){
        .slot = (CK_SLOT_ID)d.slot,
        .protection = (enum protection)d.protection,
        .created = d.created,
        .retention = d.retention,
        .purge_protection = d.purge_protection != 0,
        .legacy = d.legacy != 0,
        .confirmations = (unsigned)d.confirmations,
        .generation = record->generation,
    };
    memcpy(ret->id, record->id, VAULT_ID_LEN);
    memcpy(ret->name, d.name, sizeof(ret->name));
    memcpy(ret->default_user, d.default_user, sizeof(ret->default_user));
    return local_hmac_sha256(store->local, keys_use(store->keys[0], KEY_LOG),
                             BYTES(ret->id, VAULT_ID_LEN), ret->log_key);
}

/* ---- finding ---- */

struct search {
    struct store *store;
    const char *name;
    struct vault_info info;
    bool found;
};

static CK_RV match_name(void *ctx, const struct record *record, struct bytes content,
                        bool *ret_more)
{
    struct search *s = ctx;
    CK_RV rv = decode(s->store, record, content, &s->info);

    s->found = rv == CKR_OK && strcmp(s->info.name, s->name) == 0;
    *ret_more = !s->found;
    return rv;
}

static CK_RV name_tag(struct store *store, const char *name, uint8_t ret[static TAG_LEN])
{
    return keys_tag(store->local, store->keys[0], "vault", bytes_from_str(name), ret);
}

static CK_RV find_name(struct store *store, const char *name, struct search *ret)
{
    uint8_t tag[TAG_LEN];
    const struct record_query query = {.kind = RECORD_VAULT, .label_tag = tag};
    CK_RV rv = name_tag(store, name, tag);

    *ret = (struct search){.store = store, .name = name};
    return rv == CKR_OK ? record_walk(store, store->keys[0], &query, match_name, ret) : rv;
}

static CK_RV fail_no_vault(const char *name)
{
    return fail(CKR_SLOT_ID_INVALID, "there is no vault %s: list them with `keyward vault list`",
                name);
}

CK_RV vault_get(struct store *store, const char *name, struct vault_info *ret)
{
    struct keys *home = NULL;
    struct search s;
    CK_RV rv;

    if (!vault_name_is_valid(name))
        return fail_no_vault("of that name");
    rv = store_enter(store, NULL, STORE_READ, &home);
    if (rv == CKR_OK)
        rv = store_leave(store, find_name(store, name, &s));
    if (rv == CKR_OK && !s.found)
        rv = fail_no_vault(name);
    if (rv == CKR_OK)
        *ret = s.info;
    return rv;
}

struct slot_id {
    bool found;
    uint8_t id[STORE_ID_LEN];
};

static bool read_slot_id(void *ctx, const struct db_value *row, size_t columns)
{
    struct slot_id *s = ctx;

    s->found = columns == 5 && row[1].is_blob && row[1].blob.len == STORE_ID_LEN;
    if (s->found)
        memcpy(s->id, row[1].blob.data, STORE_ID_LEN);
    return false;
}

static CK_RV read_vault(struct store *store, const uint8_t id[static STORE_ID_LEN],
                        struct record *record, struct vault_info *ret)
{
    struct buf content = BUF_INIT(RECORD_MAX);
    bool found = false;
    CK_RV rv = record_get(store, store->keys[0], RECORD_VAULT, id, record, &content, &found);

    if (rv == CKR_OK && !found)
        rv = fail_no_vault("of that id");
    if (rv == CKR_OK)
        rv = decode(store, record, buf_bytes(&content), ret);
    buf_release_secure(&content);
    return rv;
}

static CK_RV find_slot(struct store *store, CK_SLOT_ID slot, struct vault_info *ret)
{
    const struct db_value number = DB_NUMBER(slot);
    struct slot_id s = {.found = false};
    struct record record;
    CK_RV rv = db_run(store->db, SQL_KEYRING_BY_SLOT, &number, 1, read_slot_id, &s);

    if (rv == CKR_OK && !s.found)
        rv = fail_no_vault("in that slot");
    return rv == CKR_OK ? read_vault(store, s.id, &record, ret) : rv;
}

/* Every call with a session asks this: it is read once a generation. */
CK_RV vault_of_slot(struct store *store, CK_SLOT_ID slot, uint64_t generation,
                    struct vault_info *ret)
{
    struct keys *home = NULL;
    struct vault_info info;
    CK_RV rv;

    if (slot == 0 || slot > INT64_MAX)
        return fail_no_vault("in that slot");
    if (generation_vault(store, generation, slot, ret))
        return CKR_OK;
    rv = store_enter(store, NULL, STORE_READ, &home);
    if (rv == CKR_OK)
        rv = store_leave(store, find_slot(store, slot, &info));
    if (rv != CKR_OK)
        return rv;
    generation_keep_vault(store, generation, &info);
    *ret = info;
    return CKR_OK;
}

CK_RV vault_get_slot(struct store *store, CK_SLOT_ID slot, struct vault_info *ret)
{
    uint64_t generation = 0;
    CK_RV rv = store_generation(store, &generation);

    return rv == CKR_OK ? vault_of_slot(store, slot, generation, ret) : rv;
}

struct list {
    struct store *store;
    struct vault_info *infos;
    size_t count;
};

static CK_RV list_vault(void *ctx, const struct record *record, struct bytes content,
                        bool *ret_more)
{
    struct list *list = ctx;
    struct vault_info *infos =
        array_resize(list->infos, list->count + 1, sizeof(struct vault_info));

    if (infos == NULL)
        return fail_memory();
    list->infos = infos;
    *ret_more = true;
    return decode(list->store, record, content, &infos[list->count++]);
}

static int by_slot(const void *a, const void *b)
{
    const struct vault_info *x = a;
    const struct vault_info *y = b;

    return x->slot < y->slot ? -1 : x->slot > y->slot;
}

CK_RV vault_list(struct store *store, struct vault_info **ret, size_t *ret_count)
{
    const struct record_query query = {.kind = RECORD_VAULT};
    struct list list = {.store = store};
    struct keys *home = NULL;
    CK_RV rv = store_enter(store, NULL, STORE_READ, &home);

    if (rv == CKR_OK)
        rv = store_leave(store, record_walk(store, home, &query, list_vault, &list));
    if (rv != CKR_OK) {
        free(list.infos);
        return rv;
    }
    if (list.count > 0)
        qsort(list.infos, list.count, sizeof(*list.infos), by_slot);
    *ret = list.infos;
    *ret_count = list.count;
    return CKR_OK;
}

/* ---- changing ---- */

CK_RV vault_check_name_is_free(struct store *store, const char *name)
{
    struct search s;
    CK_RV rv = find_name(store, name, &s);

    if (rv == CKR_OK && s.found)
        rv = fail(CKR_ACTION_PROHIBITED, "there is a vault %s already: choose another name", name);
    return rv;
}

CK_RV vault_write(struct store *store, const struct vault_info *info, struct record *record,
                  bool is_new)
{
    struct buf content = BUF_INIT(RECORD_MAX);
    CK_RV rv = encode(store, info, &content);

    if (rv == CKR_OK)
        rv = name_tag(store, info->name, record->label_tag);
    if (rv == CKR_OK)
        rv = is_new ? record_add(store, store->keys[0], record, buf_bytes(&content))
                    : record_set(store, store->keys[0], record, buf_bytes(&content));
    buf_release_secure(&content);
    return rv;
}

static CK_RV check_update(const struct vault_info *info, const char *new_name)
{
    if (new_name != NULL && !vault_name_is_valid(new_name))
        return fail_argument("the vault's new name");
    if (info->retention <= 0)
        return fail_argument("the vault's retention");
    if (info->default_user[0] != '\0' &&
        (!user_name_is_valid(info->default_user) || strcmp(info->default_user, "so") == 0))
        return fail_argument("the vault's default user");
    return CKR_OK;
}

static CK_RV write_update(struct store *store, const struct vault_info *info, const char *new_name)
{
    struct record record;
    struct vault_info now;
    CK_RV rv = read_vault(store, info->id, &record, &now);

    if (rv == CKR_OK && now.generation != info->generation)
        rv = fail(CKR_FUNCTION_REJECTED,
                  "vault %s was changed by somebody else meanwhile: read it again and repeat",
                  now.name);
    if (rv == CKR_OK && new_name != NULL && strcmp(new_name, now.name) != 0)
        rv = vault_check_name_is_free(store, new_name);
    if (rv != CKR_OK)
        return rv;
    if (new_name != NULL) {
        memset(now.name, 0, sizeof(now.name));
        (void)memccpy(now.name, new_name, '\0', sizeof(now.name));
    }
    now.protection = info->protection;
    now.retention = info->retention;
    now.purge_protection = info->purge_protection;
    now.legacy = info->legacy;
    now.confirmations = info->confirmations;
    memcpy(now.default_user, info->default_user, sizeof(now.default_user));
    return vault_write(store, &now, &record, false);
}

CK_RV vault_update(struct store *store, const struct vault_info *info, const char *new_name)
{
    struct keys *home = NULL;
    CK_RV rv = check_update(info, new_name);

    if (rv == CKR_OK)
        rv = store_enter(store, NULL, STORE_WRITE, &home);
    return rv == CKR_OK ? store_leave(store, write_update(store, info, new_name)) : rv;
}

/* ---- policy ---- */

static const uint8_t policy_id[STORE_ID_LEN];

CK_RV vault_write_policy(struct store *store, struct keys *keys, struct bytes text)
{
    return record_put(store, keys, RECORD_POLICY, policy_id, text);
}

CK_RV vault_read_policy(struct store *store, struct keys *keys, struct buf *ret)
{
    struct record record;
    bool found = false;

    return record_get(store, keys, RECORD_POLICY, policy_id, &record, ret, &found);
}

CK_RV vault_get_policy(struct store *store, const struct vault_info *vault, struct buf *ret)
{
    struct keys *keys = NULL;
    CK_RV rv = store_enter(store, vault->id, STORE_READ, &keys);

    return rv == CKR_OK ? store_leave(store, vault_read_policy(store, keys, ret)) : rv;
}

CK_RV vault_set_policy(struct store *store, const struct vault_info *vault, struct bytes text)
{
    struct keys *keys = NULL;
    CK_RV rv = store_enter(store, vault->id, STORE_WRITE, &keys);

    return rv == CKR_OK ? store_leave(store, vault_write_policy(store, keys, text)) : rv;
}

CK_RV vault_swap_policy(struct store *store, struct keys *keys, struct bytes was,
                        struct bytes becomes)
{
    struct buf now = BUF_INIT(RECORD_MAX);
    CK_RV rv = vault_read_policy(store, keys, &now);

    if (rv == CKR_OK && !bytes_equal(buf_bytes(&now), was))
        rv = fail(CKR_FUNCTION_REJECTED,
                  "the vault's policy was changed by somebody else meanwhile: repeat");
    buf_release_secure(&now);
    return rv == CKR_OK ? vault_write_policy(store, keys, becomes) : rv;
}

CK_RV vault_replace_policy(struct store *store, const struct vault_info *vault, struct bytes was,
                           struct bytes becomes)
{
    struct keys *keys = NULL;
    CK_RV rv = store_enter(store, vault->id, STORE_WRITE, &keys);

    return rv == CKR_OK ? store_leave(store, vault_swap_policy(store, keys, was, becomes)) : rv;
}

/* ---- as new ---- */

static CK_RV write_reset(struct store *store, struct keys *keys, const struct vault_info *vault,
                         const char *new_name)
{
    struct vault_info now;
    struct record record;
    CK_RV rv = read_vault(store, vault->id, &record, &now);

    if (rv == CKR_OK && strcmp(new_name, now.name) != 0)
        rv = vault_check_name_is_free(store, new_name);
    if (rv == CKR_OK)
        rv = object_delete_all(store, keys);
    if (rv == CKR_OK)
        rv = user_remove_all(store, keys, "so");
    if (rv == CKR_OK)
        rv = directory_clear(store, keys);
    if (rv == CKR_OK)
        rv = issuer_remove_all(store, keys);
    if (rv == CKR_OK)
        rv = approval_remove_all(store, keys);
    if (rv == CKR_OK)
        rv = pending_remove_all(store, keys);
    if (rv == CKR_OK)
        rv = vault_write_policy(store, keys, BYTES_NONE);
    if (rv != CKR_OK)
        return rv;
    memset(now.name, 0, sizeof(now.name));
    (void)memccpy(now.name, new_name, '\0', sizeof(now.name));
    memset(now.default_user, 0, sizeof(now.default_user));
    return vault_write(store, &now, &record, false);
}

CK_RV vault_reset(struct store *store, const struct vault_info *vault, const char *new_name)
{
    struct keys *keys = NULL;
    CK_RV rv;

    if (!vault_name_is_valid(new_name))
        return fail_argument("the vault's new name");
    rv = store_enter(store, vault->id, STORE_WRITE, &keys);
    return rv == CKR_OK ? store_leave(store, write_reset(store, keys, vault, new_name)) : rv;
}
