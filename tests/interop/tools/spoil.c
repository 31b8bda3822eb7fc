/*
 * What no verb would do to a home, done by the engine itself: a policy that does not load, a user
 * without a PIN. For scripts that look whether it is found.
 *
 *     spoil policy VAULT | user VAULT NAME            (of KEYWARD_HOME)
 */
#include "pkcs11/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static CK_RV spoil(struct engine *engine, int argc, char **argv)
{
    struct store *store = engine_store(engine);
    struct vault_info vault;
    CK_RV rv = vault_get(store, argv[2], &vault);

    if (rv != CKR_OK)
        return rv;
    if (argc == 3 && strcmp(argv[1], "policy") == 0)
        return vault_set_policy(store, &vault, BYTES_LIT("permit (principal, action, resource"));
    if (argc == 4 && strcmp(argv[1], "user") == 0)
        return user_add(store, &vault, argv[3], BYTES_NONE);
    return fail_argument("what to spoil");
}

int main(int argc, char **argv)
{
    SCOPED(engine_free_p) struct engine *engine = NULL;
    CK_RV rv = argc < 3 ? fail_argument("what to spoil")
                        : engine_new(getenv("KEYWARD_HOME"), HSM_WORKER, &clock_system, &engine);

    if (rv == CKR_OK)
        rv = engine_wake(engine);
    if (rv == CKR_OK)
        rv = spoil(engine, argc, argv);
    if (rv != CKR_OK)
        (void)fprintf(stderr, "spoil: %s\n", fail_reason());
    return rv == CKR_OK ? 0 : 1;
}
