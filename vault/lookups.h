/*
 * Objects by label and id as they were last found, so that a program which looks for the same key
 * again and again is answered from memory while nothing in the store has changed. A lookup is kept
 * when it is asked for a second time: one that goes through a large vault once leaves nothing here.
 *
 * Data objects are not kept, whose value may be a secret; nothing else that a find shows is one.
 */
#ifndef KEYWARD_VAULT_LOOKUPS_H
#define KEYWARD_VAULT_LOOKUPS_H

#include "vault/object.h"

struct lookups; /* has a lock of its own */

struct lookups *lookups_new(void);    /* NULL without memory */
void lookups_free(struct lookups *l); /* NULL is fine; objects wiped */
/* Around a fork: store_stand_still(). */
void lookups_stand_still(struct lookups *l);
void lookups_go_on(struct lookups *l);

#define LOOKUP_OBJECTS 4U /* what finds more is not kept */

/* All that a query finds, in order. */
struct lookup {
    size_t count;
    int64_t rows[LOOKUP_OBJECTS];
    struct object objects[LOOKUP_OBJECTS];
};
void lookup_release(struct lookup *found); /* the objects, not the struct */

enum lookup_answer {
    LOOKUP_KNOWN,    /* *ret is a copy: lookup_release() */
    LOOKUP_WANTED,   /* find it, and lookups_keep() what is found */
    LOOKUP_UNWANTED, /* find it */
};
/* As of the store's generation or later (store_generation()). */
enum lookup_answer lookups_get(struct lookups *l, const struct vault_info *vault,
                               const struct object_query *query, uint64_t generation,
                               struct lookup *ret);
/* Takes the contents. generation: as it was before the finding. */
void lookups_keep(struct lookups *l, const struct vault_info *vault,
                  const struct object_query *query, uint64_t generation, struct lookup *found);

#endif
