/* Lookups, kept in a table where each has one place: see lookups.h. Two that share a place take
 * turns. */
#include "vault/lookups.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define PLACES       1024U
#define KEY_MAX      256U        /* bytes of a query; a longer one is not kept */
#define LOOKUP_BYTES (16U << 10) /* of the attributes of what is kept in one place */

/* A query as bytes: two are the same question when these are the same. */
struct key {
    uint8_t bytes[KEY_MAX];
    size_t len; /* 0: not one that is kept */
    uint64_t hash;
};

struct kept {
    struct key key;
    uint64_t generation; /* of the store when it was found, or before */
    struct lookup found;
};

struct place {
    uint64_t hash; /* of the query that was asked here last */
    struct kept *kept;
};

struct lookups {
    pthread_mutex_t lock; /* guards all below; innermost */
    struct place places[PLACES];
};

struct lookups *lookups_new(void)
{
    struct lookups *l = calloc(1, sizeof(*l));

    if (l != NULL && pthread_mutex_init(&l->lock, NULL) != 0) {
        free(l);
        return NULL;
    }
    return l;
}

void lookup_release(struct lookup *found)
{
    for (size_t i = 0; i < found->count; i++)
        object_release(&found->objects[i]);
    found->count = 0;
}

static void kept_free(struct kept *kept)
{
    if (kept != NULL)
        lookup_release(&kept->found);
    free(kept);
}

void lookups_free(struct lookups *l)
{
    if (l == NULL)
        return;
    for (size_t i = 0; i < PLACES; i++)
        kept_free(l->places[i].kept);
    free(l);
}

void lookups_stand_still(struct lookups *l)
{
    (void)pthread_mutex_lock(&l->lock);
}

void lookups_go_on(struct lookups *l)
{
    (void)pthread_mutex_unlock(&l->lock);
}

/* ---- keys ---- */

static void put(struct buf *out, bool there, struct bytes value)
{
    size_t len = there ? value.len : SIZE_MAX;

    buf_put(out, &len, sizeof(len));
    if (there)
        buf_put_bytes(out, value);
}

/* FNV-1a: who asks for names that share a place slows down nobody but himself. */
static uint64_t hash_of(const uint8_t *bytes, size_t len)
{
    uint64_t hash = 0xcbf29ce484222325U;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3U;
    return hash;
}

static void key_of(const struct vault_info *vault, const struct object_query *query,
                   struct key *ret)
{
    SCOPED(buf_release) struct buf out = BUF_INIT(KEY_MAX);

    ret->len = 0;
    if (query->deleted || (!query->has_label && !query->has_id))
        return;
    buf_put(&out, vault->id, VAULT_ID_LEN);
    put(&out, query->has_label, query->label);
    put(&out, query->has_id, query->id);
    put(&out, query->has_class, BYTES(&query->cls, sizeof(query->cls)));
    if (!buf_ok(&out))
        return;
    memcpy(ret->bytes, out.data, out.len);
    ret->len = out.len;
    ret->hash = hash_of(ret->bytes, ret->len);
}

static struct place *place_of(struct lookups *l, const struct key *key)
{
    return &l->places[key->hash % PLACES];
}

static bool is_of(const struct kept *kept, const struct key *key)
{
    return kept != NULL && kept->key.len == key->len &&
           memcmp(kept->key.bytes, key->bytes, key->len) == 0;
}

/* ---- getting and keeping ---- */

static bool copy(const struct lookup *from, struct lookup *to)
{
    to->count = 0;
    for (size_t i = 0; i < from->count; i++) {
        if (object_copy(&to->objects[i], &from->objects[i]) != CKR_OK) {
            lookup_release(to);
            return false;
        }
        to->rows[to->count++] = from->rows[i];
    }
    return true;
}

/* With the lock held. */
static enum lookup_answer get(struct place *place, const struct key *key, uint64_t generation,
                              struct lookup *ret)
{
    if (is_of(place->kept, key)) {
        if (place->kept->generation >= generation && copy(&place->kept->found, ret))
            return LOOKUP_KNOWN;
        return LOOKUP_WANTED;
    }
    if (place->hash == key->hash)
        return LOOKUP_WANTED;
    place->hash = key->hash;
    return LOOKUP_UNWANTED;
}

enum lookup_answer lookups_get(struct lookups *l, const struct vault_info *vault,
                               const struct object_query *query, uint64_t generation,
                               struct lookup *ret)
{
    enum lookup_answer answer;
    struct key key;

    key_of(vault, query, &key);
    if (key.len == 0)
        return LOOKUP_UNWANTED;
    (void)pthread_mutex_lock(&l->lock);
    answer = get(place_of(l, &key), &key, generation, ret);
    (void)pthread_mutex_unlock(&l->lock);
    return answer;
}

static bool may_be_kept(const struct lookup *found)
{
    size_t bytes = 0;

    for (size_t i = 0; i < found->count; i++) {
        const struct attrs *attrs = &found->objects[i].attrs;

        if (found->objects[i].cls == CKO_DATA || found->objects[i].material != NULL)
            return false;
        for (size_t k = 0; k < attrs->count; k++)
            bytes += attrs->list[k].ulValueLen;
    }
    return bytes <= LOOKUP_BYTES;
}

static struct kept *kept_new(const struct key *key, uint64_t generation, struct lookup *found)
{
    struct kept *kept = calloc(1, sizeof(*kept));

    if (kept == NULL)
        return NULL;
    *kept = (struct kept){.key = *key, .generation = generation, .found = *found};
    found->count = 0;
    return kept;
}

void lookups_keep(struct lookups *l, const struct vault_info *vault,
                  const struct object_query *query, uint64_t generation, struct lookup *found)
{
    struct kept *kept = NULL;
    struct place *place;
    struct kept *old;
    struct key key;

    key_of(vault, query, &key);
    if (key.len > 0 && may_be_kept(found))
        kept = kept_new(&key, generation, found);
    lookup_release(found);
    if (kept == NULL)
        return;
    (void)pthread_mutex_lock(&l->lock);
    place = place_of(l, &key);
    old = place->kept;
    place->kept = kept;
    place->hash = key.hash;
    (void)pthread_mutex_unlock(&l->lock);
    kept_free(old);
}
