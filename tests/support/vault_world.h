/*
 * A home in a temporary folder, with a stand-in HSM: what most tests of the store begin with. The
 * clock stands still until moved. Helpers assert; they return only when all went well.
 */
#ifndef KEYWARD_TESTS_SUPPORT_VAULT_WORLD_H
#define KEYWARD_TESTS_SUPPORT_VAULT_WORLD_H

#include "tests/support/suite.h"
#include "vault/object.h"

struct vault_world {
    struct clock clock; /* first member: the functions get back to the world by it */
    int64_t now;        /* seconds */
    char dir[64];
    char path[96]; /* of the store */
    char lock_dir[96];
    struct local *local;
    struct hsm *hsm;
    struct store_config config;
    struct store *store; /* open */
};

void vault_world_init(struct vault_world *w); /* a made and opened store in /tmp */
void vault_world_init_in(struct vault_world *w, const char *where); /* folder, HSM, no store yet */
void vault_world_release(struct vault_world *w);                    /* closed and all removed */
void vault_world_reopen(struct vault_world *w);
/* In a child: forgets what is the parent's and opens anew. */
void vault_world_in_child(struct vault_world *w);

struct vault_info vault_world_vault(struct vault_world *w, const char *name);
/* A data object with label, id and value, not yet inserted. */
struct object vault_world_object(const struct vault_world *w, const struct vault_info *vault,
                                 const char *label, const char *id, const char *value);
/* A secret key of protection software, not yet inserted. */
struct object vault_world_software_key(const struct vault_world *w, const struct vault_info *vault,
                                       const char *label, const char *material);
/* A data object, inserted; only its id is given back. */
void vault_world_put(struct vault_world *w, const struct vault_info *vault, const char *label,
                     uint8_t ret_id[static OBJECT_ID_LEN]);
/* How many objects carry the label; the value of the last one, when value is given. */
size_t vault_world_count(struct vault_world *w, const struct vault_info *vault, const char *label);

/* Runs SQL on the store's file behind keyward's back, with a connection of its own; the file is
 * closed again after. */
void vault_world_sql(const struct vault_world *w, const char *sql);
/* One blob or number of the store's file, as text: SELECT quote(...). */
char *vault_world_ask(const struct vault_world *w, const char *sql);

#endif
