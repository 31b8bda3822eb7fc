/*
 * Making a vault: a KEK in the HSM and a slot on the key ring, a record of the home, and what the
 * vault has from the start: users and policy. See vault.h.
 *
 * All rows are written in one transaction, and the KEK is taken out of the HSM again when that
 * fails: a vault is there whole or not at all. What takes long (the HSM, the PINs' hashes) is done
 * before it begins.
 */
#include "vault/user_int.h"
#include "vault/vault_int.h"

#include <string.h>

#define RETENTION_DEFAULT (90 * 24 * 3600)

struct making {
    struct vault_info info;
    struct keys *keys; /* of the vault; the store does not hold them */
    struct user users[VAULT_USERS_MAX];
    size_t user_count;
    struct bytes policy;
};

static CK_RV add_slot(struct store *store, const struct keyring_row *row, struct keys *keys)
{
    static const uint8_t no_root[MAC_LEN];
    const struct db_value args[] = {
        DB_BLOB(BYTES(row->id, STORE_ID_LEN)),
        DB_BLOB(BYTES(row->kek, KEK_ID_LEN)),
        DB_BLOB(buf_bytes(&row->wrapped)),
        DB_BLOB(BYTES(no_root, MAC_LEN)),
    };
    CK_RV rv = db_run(store->db, SQL_KEYRING_ADD, args, 4, NULL, NULL);

    if (rv != CKR_OK)
        return rv;
    keys->slot = db_last_rowid(store->db);
    return fence_begin(store, keys);
}

static CK_RV add_record(struct store *store, struct making *m)
{
    struct record record = {.kind = RECORD_VAULT};
    CK_RV rv;

    m->info.slot = (CK_SLOT_ID)m->keys->slot;
    memcpy(record.id, m->info.id, STORE_ID_LEN);
    rv = vault_write(store, &m->info, &record, true);
    m->info.generation = record.generation;
    return rv;
}

/* What is in the vault itself, under its own key. */
static CK_RV add_contents(struct store *store, struct making *m)
{
    CK_RV rv = CKR_OK;

    for (size_t i = 0; rv == CKR_OK && i < m->user_count; i++)
        rv = user_write_new(store, m->keys, &m->users[i]);
    if (rv == CKR_OK && m->policy.len > 0)
        rv = vault_write_policy(store, m->keys, m->policy);
    return rv == CKR_OK ? fence_write_slot(store, m->keys) : rv;
}

/* In the transaction. */
static CK_RV write_new_vault(struct store *store, const struct keyring_row *row, struct making *m)
{
    CK_RV rv = vault_check_name_is_free(store, m->info.name);

    if (rv == CKR_OK)
        rv = add_slot(store, row, m->keys);
    if (rv == CKR_OK)
        rv = add_record(store, m);
    return rv == CKR_OK ? add_contents(store, m) : rv;
}

/* The keys made the fences and go: the store fetches its own when the vault is first used. */
static CK_RV add_vault(struct store *store, const struct keyring_row *row, struct making *m)
{
    struct keys *home = NULL;
    CK_RV rv = keys_open(store->hsm, store->local, row, &m->keys);

    if (rv == CKR_OK)
        rv = store_enter(store, NULL, STORE_WRITE, &home);
    if (rv != CKR_OK)
        return rv;
    return store_leave(store, write_new_vault(store, row, m));
}

static CK_RV make_vault(struct store *store, struct making *m)
{
    struct keyring_row row = {.slot = 0};
    CK_RV rv = keys_make(store->hsm, store->local, &row);

    if (rv != CKR_OK)
        return rv;
    memcpy(m->info.id, row.id, VAULT_ID_LEN);
    rv = add_vault(store, &row, m);
    if (rv != CKR_OK)
        keys_unmake(store->hsm, &row);
    buf_release(&row.wrapped);
    return rv;
}

static CK_RV check_spec(struct store *store, const struct vault_spec *spec)
{
    struct vault_info there;

    if (!vault_name_is_valid(spec->name))
        return fail(CKR_ARGUMENTS_BAD,
                    "a vault's name has 1 to %d of the characters A-Z a-z 0-9 . _ - and begins "
                    "with none of . and -: choose another name",
                    VAULT_NAME_MAX);
    if (spec->retention < 0)
        return fail_argument("the vault's retention");
    /* Before the HSM makes a key for nothing; looked at again in the transaction. */
    switch (vault_get(store, spec->name, &there)) {
    case CKR_SLOT_ID_INVALID:
        return CKR_OK;
    case CKR_OK:
        return fail(CKR_ACTION_PROHIBITED, "there is a vault %s already: choose another name",
                    spec->name);
    default:
        return fail_in(CKR_DEVICE_ERROR, "looking for a vault of that name");
    }
}

/* The default user is one of those the vault gets, and no vault has one who is its security
 * officer.
 */
static CK_RV set_default_user(const struct vault_spec *spec, struct making *m)
{
    if (spec->default_user == NULL)
        return CKR_OK;
    for (size_t i = 0; i < m->user_count; i++)
        if (strcmp(m->users[i].name, spec->default_user) == 0 &&
            strcmp(spec->default_user, "so") != 0) {
            memcpy(m->info.default_user, m->users[i].name, sizeof(m->info.default_user));
            return CKR_OK;
        }
    return fail_argument("the vault's default user");
}

static CK_RV prepare(struct store *store, const struct vault_spec *spec, struct making *m)
{
    CK_RV rv = check_spec(store, spec);

    if (rv != CKR_OK)
        return rv;
    m->info = (struct vault_info){
        .protection = spec->protection,
        .created = store_now(store),
        .retention = spec->retention > 0 ? spec->retention : RETENTION_DEFAULT,
        .purge_protection = spec->purge_protection,
        .legacy = spec->legacy,
    };
    (void)memccpy(m->info.name, spec->name, '\0', sizeof(m->info.name));
    m->policy = spec->policy;
    for (size_t i = 0; rv == CKR_OK && i < VAULT_USERS_MAX && spec->users[i].name != NULL; i++)
        rv = user_make(store, spec->users[i].name, spec->users[i].pin, &m->users[m->user_count++]);
    return rv == CKR_OK ? set_default_user(spec, m) : rv;
}

CK_RV vault_create(struct store *store, const struct vault_spec *spec, struct vault_info *ret)
{
    struct making m = {.user_count = 0};
    CK_RV rv = prepare(store, spec, &m);

    if (rv == CKR_OK)
        rv = make_vault(store, &m);
    keys_free(m.keys);
    bytes_wipe(m.users, sizeof(m.users));
    return rv == CKR_OK ? vault_get_slot(store, m.info.slot, ret) : rv;
}
