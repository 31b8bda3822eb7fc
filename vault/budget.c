/* What is used of budgets, each a record that is found by its name: see budget.h. */
#include "vault/budget.h"

#include "vault/record.h"

/* A lease is a sixteenth of what is left, so that the last uses go one by one to whoever asks. */
#define LEASE_MAX  64
#define LEASE_PART 16

struct used {
    int64_t started, used, total;
};

#define MEMBER(field)                                                                              \
    {                                                                                              \
        .name = #field, .kind = DER_NUMBER, .offset = offsetof(struct used, field),                \
        .max = INT64_MAX                                                                           \
    }

static const struct der_member budget_members[] = {MEMBER(started), MEMBER(used), MEMBER(total)};

static const struct der_type budget_type = {
    .name = "KEYWARD.Budget",
    .members = budget_members,
    .count = sizeof(budget_members) / sizeof(*budget_members),
};

static CK_RV read_used(struct store *store, struct keys *keys, const uint8_t id[STORE_ID_LEN],
                       struct used *ret)
{
    struct buf content = BUF_INIT(RECORD_MAX);
    struct record record;
    bool found = false;
    CK_RV rv = record_get(store, keys, RECORD_BUDGET, id, &record, &content, &found);

    *ret = (struct used){.total = 0};
    if (rv == CKR_OK && found)
        rv = der_decode(store->der, &budget_type, buf_bytes(&content), ret);
    buf_release_secure(&content);
    return rv;
}

static CK_RV write_used(struct store *store, struct keys *keys, const uint8_t id[STORE_ID_LEN],
                        const struct used *used)
{
    struct buf content = BUF_INIT(RECORD_MAX);
    CK_RV rv = der_encode(store->der, &budget_type, used, &content);

    if (rv == CKR_OK)
        rv = record_put(store, keys, RECORD_BUDGET, id, buf_bytes(&content));
    buf_release_secure(&content);
    return rv;
}

static CK_RV find_used(struct store *store, struct keys *keys, struct bytes name,
                       uint8_t id[static STORE_ID_LEN], struct used *ret)
{
    CK_RV rv = keys_tag(store->local, keys, "budget", name, id);

    return rv == CKR_OK ? read_used(store, keys, id, ret) : rv;
}

/* ---- taking ---- */

static uint64_t rest_of(uint64_t limit, int64_t used)
{
    return limit > (uint64_t)used ? limit - (uint64_t)used : 0;
}

static uint64_t left_of(const struct budget_limit *limit, const struct used *used)
{
    uint64_t in_period = limit->period != 0 ? rest_of(limit->rate, used->used) : UINT64_MAX;
    uint64_t ever = limit->has_uses ? rest_of(limit->uses, used->total) : UINT64_MAX;

    return in_period < ever ? in_period : ever;
}

static CK_RV take(struct store *store, struct keys *keys, struct bytes name,
                  const struct budget_limit *limit, int64_t now, struct budget_lease *ret)
{
    uint8_t id[STORE_ID_LEN];
    struct used used;
    uint64_t n;
    CK_RV rv = find_used(store, keys, name, id, &used);

    if (rv != CKR_OK)
        return rv;
    if (limit->period != 0 && (used.started == 0 || now - limit->period >= used.started)) {
        used.started = now;
        used.used = 0;
    }
    n = left_of(limit, &used);
    if (n == 0)
        return fail(CKR_DEVICE_MEMORY, "the budget is used up");
    n = n / LEASE_PART < 1 ? 1 : n / LEASE_PART > LEASE_MAX ? LEASE_MAX : n / LEASE_PART;
    used.used += (int64_t)n;
    used.total += (int64_t)n;
    rv = write_used(store, keys, id, &used);
    if (rv == CKR_OK)
        *ret = (struct budget_lease){.left = n, .started = used.started};
    return rv;
}

CK_RV budget_take(struct store *store, const uint8_t vault_id[static VAULT_ID_LEN],
                  struct bytes name, const struct budget_limit *limit, int64_t now,
                  struct budget_lease *ret)
{
    struct keys *keys = NULL;
    CK_RV rv = store_enter(store, vault_id, STORE_WRITE, &keys);

    return rv == CKR_OK ? store_leave(store, take(store, keys, name, limit, now, ret)) : rv;
}

/* ---- giving back ---- */

/* What was of a period that is over was of no use to anybody since; it still counts as never used.
 */
static CK_RV give_back(struct store *store, struct keys *keys, struct bytes name,
                       const struct budget_lease *lease)
{
    uint8_t id[STORE_ID_LEN];
    struct used used;
    int64_t n = (int64_t)lease->left;
    CK_RV rv = find_used(store, keys, name, id, &used);

    if (rv != CKR_OK)
        return rv;
    used.total = used.total > n ? used.total - n : 0;
    if (used.started == lease->started)
        used.used = used.used > n ? used.used - n : 0;
    return write_used(store, keys, id, &used);
}

CK_RV budget_give_back(struct store *store, const uint8_t vault_id[static VAULT_ID_LEN],
                       struct bytes name, const struct budget_lease *lease)
{
    struct keys *keys = NULL;
    CK_RV rv = store_enter(store, vault_id, STORE_WRITE, &keys);

    return rv == CKR_OK ? store_leave(store, give_back(store, keys, name, lease)) : rv;
}
