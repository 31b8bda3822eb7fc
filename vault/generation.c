/*
 * Has the store changed? Asked at the start of every call, so that what was read before (vaults,
 * policies, objects, the existence of users) can be used again.
 *
 * The file's own mark (db_stamp) tells; here it becomes a number that only grows. Invariants:
 *   - A number stands for one mark. It grows when a mark is seen that is not the last one seen.
 *   - Every transaction looks at the mark once it holds its lock (store_enter). So what a
 *     transaction reads is what its mark stands for, and when that is not the mark that was seen
 *     before the transaction, the number has grown by the time the data is kept under the old one:
 *     it is then never used.
 *   - SQLite's committed marks never come twice (its change counter grows with every commit, and
 *     4,294,967,296 of them between two looks do not happen). A mark that a commit under way has
 *     written may be rolled back and come again: it was never read under a lock, so by the second
 *     point nothing was kept that is used under it.
 *   - A commit's mark is in the file before the call that commits returns, so whoever looks after
 *     that sees a new one. No process has to be told, and none that dies can leave a wrong mark.
 *
 * Looking takes no lock while nothing changes: number and mark are read in the order in which they
 * are not written, so a thread may get a newer number than the mark it saw, never an older one.
 */
#include "vault/store_int.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define VAULTS_KEPT 64 /* by slot; two that share a place take turns */

struct generation {
    pthread_mutex_t lock; /* innermost; guards writing of these two, and the vaults */
    _Atomic uint64_t number;
    _Atomic uint64_t mark;
    struct {
        uint64_t generation; /* 0: nothing kept */
        struct vault_info info;
    } vaults[VAULTS_KEPT];
};

struct generation *generation_new(void)
{
    struct generation *g = calloc(1, sizeof(*g));

    if (g != NULL && pthread_mutex_init(&g->lock, NULL) != 0) {
        free(g);
        return NULL;
    }
    if (g != NULL)
        atomic_init(&g->number, 1);
    return g;
}

void generation_free(struct generation *g)
{
    if (g == NULL)
        return;
    bytes_wipe(g->vaults, sizeof(g->vaults)); /* with the keys of their digests */
    free(g);
}

static void take(struct generation *g, uint64_t mark)
{
    (void)pthread_mutex_lock(&g->lock);
    if (mark != atomic_load(&g->mark)) {
        atomic_fetch_add(&g->number, 1);
        atomic_store(&g->mark, mark);
    }
    (void)pthread_mutex_unlock(&g->lock);
}

void generation_saw(struct store *store, uint64_t mark)
{
    if (mark != atomic_load(&store->generation->mark))
        take(store->generation, mark);
}

CK_RV generation_look(struct store *store, uint64_t *ret)
{
    struct generation *g = store->generation;
    uint64_t mark = 0;
    CK_RV rv = db_stamp(store->db, &mark);

    if (rv != CKR_OK)
        return rv;
    generation_saw(store, mark);
    if (ret != NULL)
        *ret = atomic_load(&g->number);
    return CKR_OK;
}

CK_RV store_mark(struct store *store, uint64_t *ret)
{
    return db_stamp(store->db, ret);
}

CK_RV store_generation(struct store *store, uint64_t *ret)
{
    return generation_look(store, ret);
}

/* ---- vaults ---- */

bool generation_vault(struct store *store, uint64_t generation, CK_SLOT_ID slot,
                      struct vault_info *ret)
{
    struct generation *g = store->generation;
    size_t place = slot % VAULTS_KEPT;
    bool kept;

    (void)pthread_mutex_lock(&g->lock);
    kept = g->vaults[place].generation >= generation && g->vaults[place].info.slot == slot;
    if (kept)
        *ret = g->vaults[place].info;
    (void)pthread_mutex_unlock(&g->lock);
    return kept;
}

void generation_keep_vault(struct store *store, uint64_t generation, const struct vault_info *info)
{
    struct generation *g = store->generation;
    size_t place = info->slot % VAULTS_KEPT;

    (void)pthread_mutex_lock(&g->lock);
    g->vaults[place].generation = generation;
    g->vaults[place].info = *info;
    (void)pthread_mutex_unlock(&g->lock);
}
