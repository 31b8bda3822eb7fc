/* Leases of budgets: see leases.h. */
#include "pkcs11/leases.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define LEASES_MAX 64 /* held at once; one more, and another is given back */

struct held_lease {
    uint8_t vault[VAULT_ID_LEN];
    uint8_t name[LEASE_NAME_MAX];
    size_t name_len;           /* 0: nothing here */
    struct budget_limit limit; /* under which it was taken */
    struct budget_lease lease;
};

struct leases {
    pthread_mutex_t lock; /* guards all below; the store's is taken after it */
    struct held_lease list[LEASES_MAX];
    size_t next; /* the place that is given up next */
};

CK_RV leases_new(struct leases **ret)
{
    struct leases *leases = calloc(1, sizeof(*leases));

    if (leases == NULL || pthread_mutex_init(&leases->lock, NULL) != 0) {
        free(leases);
        return fail_memory();
    }
    *ret = leases;
    return CKR_OK;
}

/* One that cannot be given back stays counted. */
static void give_back(struct held_lease *held, struct store *store)
{
    if (held->lease.left > 0 && store != NULL)
        fail_unheeded(
            budget_give_back(store, held->vault, BYTES(held->name, held->name_len), &held->lease));
    held->lease.left = 0;
    held->name_len = 0;
}

void leases_free(struct leases *leases, struct store *store)
{
    if (leases == NULL)
        return;
    for (size_t i = 0; i < LEASES_MAX; i++)
        give_back(&leases->list[i], store);
    (void)pthread_mutex_destroy(&leases->lock);
    free(leases);
}

static struct held_lease *find(struct leases *leases, const struct vault_info *vault,
                               struct bytes name)
{
    for (size_t i = 0; i < LEASES_MAX; i++) {
        struct held_lease *held = &leases->list[i];

        if (held->name_len == name.len && memcmp(held->vault, vault->id, VAULT_ID_LEN) == 0 &&
            memcmp(held->name, name.data, name.len) == 0)
            return held;
    }
    return NULL;
}

static struct held_lease *place(struct leases *leases, struct store *store,
                                const struct vault_info *vault, struct bytes name)
{
    struct held_lease *held = &leases->list[leases->next];

    leases->next = (leases->next + 1) % LEASES_MAX;
    give_back(held, store);
    memcpy(held->vault, vault->id, VAULT_ID_LEN);
    memcpy(held->name, name.data, name.len);
    held->name_len = name.len;
    return held;
}

static bool same_limit(const struct budget_limit *a, const struct budget_limit *b)
{
    return a->rate == b->rate && a->period == b->period && a->uses == b->uses &&
           a->has_uses == b->has_uses;
}

/* A policy that changes the limit ends the lease with it, and so does the end of its period. */
static bool is_over(const struct held_lease *held, const struct budget_limit *limit, int64_t now)
{
    return held->lease.left == 0 || !same_limit(&held->limit, limit) ||
           (limit->period != 0 && now - limit->period >= held->lease.started);
}

static CK_RV spend(struct leases *leases, struct store *store, const struct vault_info *vault,
                   struct bytes name, const struct budget_limit *limit, int64_t now)
{
    struct held_lease *held = find(leases, vault, name);
    CK_RV rv = CKR_OK;

    if (held == NULL)
        held = place(leases, store, vault, name);
    if (is_over(held, limit, now)) {
        if (held->lease.left > 0)
            rv = budget_give_back(store, held->vault, name, &held->lease);
        held->lease.left = 0;
        held->limit = *limit;
        if (rv == CKR_OK)
            rv = budget_take(store, vault->id, name, limit, now, &held->lease);
    }
    if (rv == CKR_OK)
        held->lease.left--;
    return rv;
}

CK_RV leases_spend(struct leases *leases, struct store *store, const struct vault_info *vault,
                   struct bytes name, const struct budget_limit *limit, int64_t now)
{
    CK_RV rv;

    if (name.len == 0 || name.len > LEASE_NAME_MAX)
        return fail_internal("the name of a budget fits");
    (void)pthread_mutex_lock(&leases->lock);
    rv = spend(leases, store, vault, name, limit, now);
    (void)pthread_mutex_unlock(&leases->lock);
    return rv;
}

/* ---- limits ---- */

/* Digits up to a character that is none; 15 of them are a number that fits everywhere. */
static const char *read_number(const char *text, uint64_t *ret)
{
    size_t len = strspn(text, "0123456789");

    if (len == 0 || len > 15)
        return NULL;
    *ret = strtoull(text, NULL, 10);
    return text + len;
}

static bool read_rate(const char *text, struct budget_limit *ret)
{
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
    uint64_t count = 0;
    const char *at = read_number(text, &ret->rate);

    at = at != NULL && *at == '/' ? read_number(at + 1, &count) : NULL;
    for (size_t i = 0; at != NULL && i < sizeof(units) / sizeof(*units); i++) {
        if (at[0] == units[i].unit && at[1] == '\0' && count > 0 && count <= 1000000) {
            ret->period = (int64_t)count * units[i].seconds;
            return true;
        }
    }
    return false;
}

bool leases_parse_limit(const char *rate, const char *uses, struct budget_limit *ret)
{
    const char *end;

    *ret = (struct budget_limit){.has_uses = uses != NULL};
    end = uses != NULL ? read_number(uses, &ret->uses) : "";
    if (end != NULL && *end == '\0' && (rate == NULL || read_rate(rate, ret)))
        return true;
    *ret = (struct budget_limit){.has_uses = true};
    return false;
}
