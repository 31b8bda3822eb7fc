/* The command's way to the vault: the module, loaded, and its vendor interface. Nothing else of
 * keyward's is called for an administrative act. */
#ifndef KEYWARD_TOOLS_CLIENT_H
#define KEYWARD_TOOLS_CLIENT_H

#include "base/pkcs11.h"
#include "base/secret.h"
#include "tools/tool.h"

#include <jansson.h>

#define CLIENT_SECRETS_MAX 4

struct client {
    const struct invocation *inv;
    void *library;
    CK_FUNCTION_LIST *p11;
    const struct keyward_functions *admin;
    bool initialized;
    struct secret *secrets[CLIENT_SECRETS_MAX];
    size_t secret_count;
};

/* Loads the module and initializes it. TOOL_DONE, or the exit code after a line on standard error.
 * client_close() either way. */
int client_open(const struct invocation *inv, struct client *ret);
void client_close(struct client *client);
/* The two steps of client_open(), for doctor: the second says nothing. */
int client_load(const struct invocation *inv, const char *path, struct client *ret);
CK_RV client_start(struct client *client);

/* Path of the module: beside the command in a build tree, else where it is installed. The caller
 * frees it; NULL without memory. */
char *client_module_path(void);

/* Keeps a PIN for the next calls; its index goes into the request. */
int client_add_secret(struct client *client, struct secret *secret);
/* Reads a PIN (prompt.h) and sets request[member] to its index. */
int client_put_pin(struct client *client, json_t *request, const char *member, const char *file,
                   const char *question, bool fresh);

/* Does a verb; takes request. *ret_answer is the caller's (json_decref), NULL to drop it. A failure
 * is printed; quiet leaves that to the caller, who gets the answer then too. */
int client_call(struct client *client, json_t *request, json_t **ret_answer);
int client_try(struct client *client, json_t *request, json_t **ret_answer);
/* What a failed answer says. */
const char *client_error(const json_t *answer);

/* --user NAME --pin-file FILE: logs in on the vault's token. Nothing where --user is not given. */
int client_login(struct client *client, const char *vault);

/* Opens, calls, prints with print (NULL: nothing) and closes; takes request. Logs in on vault first
 * where it is not NULL and --user is given. */
int client_do(const struct invocation *inv, const char *vault, json_t *request,
              void (*print)(const struct invocation *inv, const json_t *answer));

#endif
