/* Issuers of tokens, each a record under the vault's key: see issuer.h. */
#include "vault/issuer.h"

#include "base/heap.h"
#include "vault/record.h"
#include "vault/reset_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool issuer_name_is_valid(const char *name)
{
    char principal[PRINCIPAL_MAX + 1];

    if (name == NULL || name[0] == '\0' || strlen(name) > ISSUER_NAME_MAX ||
        strchr(name, '#') != NULL)
        return false;
    (void)snprintf(principal, sizeof(principal), "token:%s#s", name);
    return principal_is_valid(principal);
}

/* ---- the record ---- */

/* keys and identity point into what was decoded. */
struct issuer_der {
    char name[ISSUER_NAME_MAX + 1];
    char audience[ISSUER_AUDIENCE_MAX + 1];
    char algorithms[ISSUER_ALGORITHMS_MAX + 1];
    struct bytes keys, identity;
    int64_t created;
};

#define MEMBER(n, k, field, most)                                                                  \
    {                                                                                              \
        .name = (n), .kind = (k), .offset = offsetof(struct issuer_der, field), .max = (most)      \
    }

static const struct der_member issuer_members[] = {
    MEMBER("name", DER_TEXT, name, ISSUER_NAME_MAX),
    MEMBER("audience", DER_TEXT, audience, ISSUER_AUDIENCE_MAX),
    MEMBER("algorithms", DER_TEXT, algorithms, ISSUER_ALGORITHMS_MAX),
    MEMBER("keys", DER_OCTETS, keys, ISSUER_KEYS_MAX),
    MEMBER("identity", DER_OCTETS, identity, ISSUER_IDENTITY_LEN),
    MEMBER("created", DER_NUMBER, created, INT64_MAX),
};

static const struct der_type issuer_type = {
    .name = "KEYWARD.Issuer",
    .members = issuer_members,
    .count = sizeof(issuer_members) / sizeof(*issuer_members),
};

static CK_RV issuer_id(struct store *store, struct keys *keys, const char *name,
                       uint8_t ret[static STORE_ID_LEN])
{
    return keys_tag(store->local, keys, "issuer", bytes_from_str(name), ret);
}

static CK_RV decode(struct store *store, struct bytes content, struct issuer *ret,
                    struct buf *ret_keys)
{
    struct issuer_der d = {.created = 0};
    CK_RV rv = der_decode(store->der, &issuer_type, content, &d);

    if (rv == CKR_OK && d.identity.len != ISSUER_IDENTITY_LEN)
        rv = fail_internal("an issuer's identity has its length");
    if (rv != CKR_OK)
        return rv;
    *ret = (struct issuer){.created = d.created};
    memcpy(ret->name, d.name, sizeof(ret->name));
    memcpy(ret->audience, d.audience, sizeof(ret->audience));
    memcpy(ret->algorithms, d.algorithms, sizeof(ret->algorithms));
    memcpy(ret->identity, d.identity.data, ISSUER_IDENTITY_LEN);
    if (ret_keys != NULL)
        buf_put_bytes(ret_keys, d.keys);
    return ret_keys == NULL || buf_ok(ret_keys) ? CKR_OK : fail_memory();
}

static CK_RV read_issuer(struct store *store, struct keys *keys, const char *name,
                         struct issuer *ret, struct buf *ret_keys, bool *ret_found)
{
    struct buf content = BUF_INIT(RECORD_MAX);
    uint8_t id[STORE_ID_LEN];
    struct record record;
    CK_RV rv = issuer_id(store, keys, name, id);

    if (rv == CKR_OK)
        rv = record_get(store, keys, RECORD_ISSUER, id, &record, &content, ret_found);
    if (rv == CKR_OK && *ret_found)
        rv = decode(store, buf_bytes(&content), ret, ret_keys);
    buf_release_secure(&content);
    return rv;
}

static CK_RV write_issuer(struct store *store, struct keys *keys, const struct issuer *issuer,
                          struct bytes key_set)
{
    struct issuer_der d = {
        .keys = key_set,
        .identity = BYTES(issuer->identity, ISSUER_IDENTITY_LEN),
        .created = issuer->created,
    };
    struct buf content = BUF_INIT(RECORD_MAX);
    uint8_t id[STORE_ID_LEN];
    CK_RV rv = issuer_id(store, keys, issuer->name, id);

    memcpy(d.name, issuer->name, sizeof(d.name));
    memcpy(d.audience, issuer->audience, sizeof(d.audience));
    memcpy(d.algorithms, issuer->algorithms, sizeof(d.algorithms));
    if (rv == CKR_OK)
        rv = der_encode(store->der, &issuer_type, &d, &content);
    if (rv == CKR_OK)
        rv = record_put(store, keys, RECORD_ISSUER, id, buf_bytes(&content));
    buf_release_secure(&content);
    return rv;
}

/* ---- adding, removing ---- */

static CK_RV add(struct store *store, struct keys *keys, const struct issuer *issuer,
                 struct bytes key_set)
{
    struct issuer there;
    bool found = false;
    CK_RV rv = read_issuer(store, keys, issuer->name, &there, NULL, &found);

    if (rv == CKR_OK && found)
        rv = fail(CKR_ACTION_PROHIBITED, "the vault has an issuer %s already: remove it first",
                  issuer->name);
    return rv == CKR_OK ? write_issuer(store, keys, issuer, key_set) : rv;
}

CK_RV issuer_add(struct store *store, const struct vault_info *vault, const struct issuer *issuer,
                 struct bytes key_set)
{
    struct issuer made = *issuer;
    struct keys *keys = NULL;
    CK_RV rv = local_random(store->local, made.identity, sizeof(made.identity));

    if (!issuer_name_is_valid(issuer->name))
        return fail(CKR_ARGUMENTS_BAD,
                    "\"%.80s\" is no name for an issuer: use its tokens' \"iss\", up to %d "
                    "readable characters without #",
                    issuer->name, ISSUER_NAME_MAX);
    if (key_set.len > ISSUER_KEYS_MAX)
        return fail(CKR_ARGUMENTS_BAD, "the key set has more than %d bytes", ISSUER_KEYS_MAX);
    made.created = store_now(store);
    if (rv == CKR_OK)
        rv = store_enter(store, vault->id, STORE_WRITE, &keys);
    return rv == CKR_OK ? store_leave(store, add(store, keys, &made, key_set)) : rv;
}

static CK_RV remove_issuer(struct store *store, struct keys *keys, const char *name)
{
    uint8_t id[STORE_ID_LEN];
    struct issuer there;
    bool found = false;
    CK_RV rv = read_issuer(store, keys, name, &there, NULL, &found);

    if (rv == CKR_OK && !found)
        rv = fail(CKR_ACTION_PROHIBITED, "the vault has no issuer %.80s", name);
    if (rv == CKR_OK)
        rv = issuer_id(store, keys, name, id);
    return rv == CKR_OK ? record_remove(store, keys, RECORD_ISSUER, id) : rv;
}

CK_RV issuer_remove(struct store *store, const struct vault_info *vault, const char *name)
{
    struct keys *keys = NULL;
    CK_RV rv = store_enter(store, vault->id, STORE_WRITE, &keys);

    return rv == CKR_OK ? store_leave(store, remove_issuer(store, keys, name)) : rv;
}

CK_RV issuer_get(struct store *store, const struct vault_info *vault, const char *name,
                 struct issuer *ret, struct buf *ret_keys)
{
    struct keys *keys = NULL;
    bool found = false;
    CK_RV rv = store_enter(store, vault->id, STORE_READ, &keys);

    if (rv == CKR_OK)
        rv = store_leave(store, read_issuer(store, keys, name, ret, ret_keys, &found));
    if (rv == CKR_OK && !found)
        rv = fail(CKR_PIN_INCORRECT, "the vault believes no issuer of that name");
    return rv;
}

/* ---- all ---- */

struct list {
    struct store *store;
    struct issuer *issuers;
    size_t count;
};

static CK_RV list_issuer(void *ctx, const struct record *record, struct bytes content,
                         bool *ret_more)
{
    struct list *list = ctx;
    struct issuer *issuers = array_resize(list->issuers, list->count + 1, sizeof(*issuers));
    CK_RV rv;

    (void)record;
    if (issuers == NULL)
        return fail_memory();
    list->issuers = issuers;
    rv = decode(list->store, content, &issuers[list->count], NULL);
    list->count += rv == CKR_OK;
    *ret_more = true;
    return rv;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct issuer *)a)->name, ((const struct issuer *)b)->name);
}

static CK_RV read_all(struct store *store, struct keys *keys, struct list *list)
{
    const struct record_query query = {.kind = RECORD_ISSUER};
    CK_RV rv = record_walk(store, keys, &query, list_issuer, list);

    if (rv == CKR_OK && list->count > 0)
        qsort(list->issuers, list->count, sizeof(*list->issuers), by_name);
    return rv;
}

CK_RV issuer_list(struct store *store, const struct vault_info *vault, struct issuer **ret,
                  size_t *ret_count)
{
    struct list list = {.store = store};
    struct keys *keys = NULL;
    CK_RV rv = store_enter(store, vault->id, STORE_READ, &keys);

    if (rv == CKR_OK)
        rv = store_leave(store, read_all(store, keys, &list));
    if (rv != CKR_OK) {
        free(list.issuers);
        return rv;
    }
    *ret = list.issuers;
    *ret_count = list.count;
    return CKR_OK;
}

CK_RV issuer_remove_all(struct store *store, struct keys *keys)
{
    struct list list = {.store = store};
    CK_RV rv = read_all(store, keys, &list);

    for (size_t i = 0; rv == CKR_OK && i < list.count; i++)
        rv = remove_issuer(store, keys, list.issuers[i].name);
    free(list.issuers);
    return rv;
}
