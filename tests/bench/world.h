/* What the samplers' files share of world.c, beyond bench.h. */
#ifndef KEYWARD_TESTS_BENCH_WORLD_H
#define KEYWARD_TESTS_BENCH_WORLD_H

#include "base/fail.h"
#include "tests/bench/bench.h"

#define BENCH_PIN "bench-pin-1"

CK_FUNCTION_LIST *module_load(const char *path, void **ret_library);
CK_SLOT_ID vault_slot(CK_FUNCTION_LIST *f, const char *name);
CK_SESSION_HANDLE session_open(CK_FUNCTION_LIST *f, CK_SLOT_ID slot);
void session_login(CK_FUNCTION_LIST *f, CK_SESSION_HANDLE session);
/* An administrative verb; dies unless it succeeds, or there is no such protection. */
CK_RV admin(void *library, const char *request);
/* Sessions and login on the token of this label; then the keys of the rows. */
void token_enter(struct token *token, const char *label);
void make_keys(struct token *t);
/* none.c: the second home */
void none_make(struct world *w);
/* Label and id of a vault's n-th object. */
void object_name(unsigned n, char label[static 24], CK_BYTE id[static 4]);

struct raw *raw_new(void);
void raw_free(struct raw *raw);

#endif
