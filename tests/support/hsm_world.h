/*
 * A device to test with: a temporary folder with a SoftHSM token of our own in it, PIN files, and
 * the configuration to open it; or, where KEYWARD_TEST_DEVICE stands in the environment, another:
 * inside is the same with the library in this process, software is the software device. The same
 * cases run on all. With a shim, the library is tests/support/shim_hsm.c, told what to do by
 * shim_rule().
 */
#ifndef KEYWARD_TESTS_SUPPORT_HSM_WORLD_H
#define KEYWARD_TESTS_SUPPORT_HSM_WORLD_H

#include "hsm/hsm.h"
#include "hsm/local.h"

#define WORLD_PATH_MAX 256
#define WORLD_KEYS_MAX 64
#define WORLD_PIN      "98765432"

struct hsm_world {
    char dir[WORLD_PATH_MAX];
    char pin_file[WORLD_PATH_MAX];
    char so_pin_file[WORLD_PATH_MAX];
    char state_dir[WORLD_PATH_MAX];
    char conf[WORLD_PATH_MAX];
    char tokens[WORLD_PATH_MAX];
    char shim[WORLD_PATH_MAX]; /* a link to the shim, so that each world has rules of its own */
    struct hsm_config config;
    struct local *local;
    struct hsm *hsm; /* NULL until world_open() */
    bool software;
    struct hsm_ready *ready[WORLD_KEYS_MAX]; /* the keys of world_key(), on the software device */
    size_t ready_count;
};

/* Makes folder and token. Fails the test when it cannot. */
void world_init(struct hsm_world *w);
void world_open(struct hsm_world *w);
void world_close(struct hsm_world *w);
/* Closes and removes everything. */
void world_release(struct hsm_world *w);

/* From the next world_open() on the library is the shim. */
void world_use_shim(struct hsm_world *w);
/*
 * One more rule for the shim: "C_Sign 3 return 48" (at the third call of all workers together),
 * "C_Sign 1- crash" (from the first on). Acts: return <code>, hang, crash, crash-after (first does
 * it), logout, close-session (then goes on).
 */
void shim_rule(const struct hsm_world *w, const char *rule);
void shim_forget_rules(const struct hsm_world *w);
/* How often the function was called, in all workers of this world together. */
unsigned shim_calls(const struct hsm_world *w, const char *function);

void world_write(const char *path, const char *text, unsigned mode);
/* A fresh key of this kind with a random id, which may do all its type can. Ready until
 * world_release(). */
void world_key(struct hsm_world *w, enum hsm_key_kind kind, CK_KEY_TYPE type, CK_ULONG bits,
               struct bytes curve, struct hsm_key *ret, struct buf *ret_spki);
/* The same from outside: material as hsm_import() takes it. */
void world_import(struct hsm_world *w, enum hsm_key_kind kind, CK_KEY_TYPE type,
                  struct bytes material, struct hsm_key *ret, struct buf *ret_spki);

extern const struct bytes world_p256, world_p384, world_p521, world_ed25519;

#endif
