/* The module, loaded: see client.h. */
#include "tools/client.h"

#include "base/scope.h"
#include "pkcs11/keyward.h"
#include "tools/prompt.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef KEYWARD_MODULE_DIR
#error "the build defines where the module is installed"
#endif

#define MODULE_NAME "keyward-pkcs11.so"

char *client_module_path(void)
{
    char exe[4096];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    char *path = NULL;
    char *slash;

    if (n > 0) {
        exe[n] = '\0';
        slash = strrchr(exe, '/');
        if (slash != NULL)
            *slash = '\0';
        if (asprintf(&path, "%s/../pkcs11/" MODULE_NAME, exe) < 0)
            return NULL;
        if (access(path, R_OK) == 0)
            return path;
        free(path);
    }
    return strdup(KEYWARD_MODULE_DIR "/" MODULE_NAME);
}

static int load(struct client *client, const char *path)
{
    const char *what = client->inv->command->name;
    CK_C_GetFunctionList get_list;
    CK_RV (*get_interface)(CK_UTF8CHAR_PTR, CK_VERSION_PTR, CK_INTERFACE_PTR_PTR, CK_FLAGS);
    CK_INTERFACE *interface = NULL;

    client->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (client->library == NULL)
        return tool_fail(TOOL_FAILED, what, "cannot load the module: %s", dlerror());
    *(void **)&get_list = dlsym(client->library, "C_GetFunctionList");
    *(void **)&get_interface = dlsym(client->library, "C_GetInterface");
    if (get_list == NULL || get_interface == NULL || get_list(&client->p11) != CKR_OK ||
        get_interface((CK_UTF8CHAR_PTR)(uintptr_t)KEYWARD_INTERFACE, NULL, &interface, 0) != CKR_OK)
        return tool_fail(TOOL_FAILED, what, "%s is not keyward's module: reinstall keyward", path);
    client->admin = interface->pFunctionList;
    return TOOL_DONE;
}

int client_load(const struct invocation *inv, const char *path, struct client *ret)
{
    *ret = (struct client){.inv = inv};
    return path != NULL ? load(ret, path)
                        : tool_fail(TOOL_FAILED, inv->command->name, "out of memory");
}

CK_RV client_start(struct client *client)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): client_load() succeeded, p11 is there */
    CK_RV rv = client->p11->C_Initialize(NULL);

    client->initialized = rv == CKR_OK;
    return rv;
}

int client_open(const struct invocation *inv, struct client *ret)
{
    SCOPED_FREE char *path = client_module_path();
    int rc = client_load(inv, path, ret);

    if (rc == TOOL_DONE && client_start(ret) != CKR_OK)
        rc = tool_fail(TOOL_FAILED, inv->command->name, "%s", ret->admin->reason());
    return rc;
}

void client_close(struct client *client)
{
    if (client->initialized)
        (void)client->p11->C_Finalize(NULL);
    for (size_t i = 0; i < client->secret_count; i++)
        secret_free(client->secrets[i]);
    client->secret_count = 0;
    if (client->library != NULL)
        (void)dlclose(client->library);
    client->library = NULL;
}

int client_add_secret(struct client *client, struct secret *secret)
{
    if (client->secret_count == CLIENT_SECRETS_MAX) {
        secret_free(secret);
        return -1;
    }
    client->secrets[client->secret_count] = secret;
    return (int)client->secret_count++;
}

int client_put_pin(struct client *client, json_t *request, const char *member, const char *file,
                   const char *question, bool fresh)
{
    struct secret *pin = NULL;
    int rc = prompt_pin(client->inv, file, question, fresh, &pin);

    if (rc != TOOL_DONE)
        return rc;
    return json_object_set_new(request, member, json_integer(client_add_secret(client, pin))) == 0
               ? TOOL_DONE
               : tool_fail(TOOL_FAILED, client->inv->command->name, "out of memory");
}

static void receive(void *ctx, const CK_UTF8CHAR *json, CK_ULONG len)
{
    json_t **answer = ctx;

    *answer = json_loadb((const char *)json, len, 0, NULL);
}

const char *client_error(const json_t *answer)
{
    const char *error = json_string_value(json_object_get(answer, "error"));

    return error != NULL ? error : "the module gave no reason";
}

int client_try(struct client *client, json_t *request, json_t **ret_answer)
{
    struct keyward_secret secrets[CLIENT_SECRETS_MAX];
    SCOPED_FREE char *text = json_dumps(request, JSON_COMPACT);
    json_t *answer = NULL;
    CK_RV rv;

    json_decref(request);
    if (text == NULL)
        return tool_fail(TOOL_FAILED, client->inv->command->name,
                         "what was given is no UTF-8 text, or memory ran out");
    for (size_t i = 0; i < client->secret_count; i++)
        secrets[i] = (struct keyward_secret){.data = client->secrets[i]->data,
                                             .len = client->secrets[i]->len};
    rv = client->admin->call((const CK_UTF8CHAR *)text, strlen(text), secrets, client->secret_count,
                             receive, &answer);
    *ret_answer = answer;
    return rv == CKR_OK && answer != NULL ? TOOL_DONE : TOOL_FAILED;
}

int client_call(struct client *client, json_t *request, json_t **ret_answer)
{
    json_t *answer = NULL;
    int rc = client_try(client, request, &answer);

    if (rc != TOOL_DONE)
        (void)tool_fail(rc, client->inv->command->name, "%s", client_error(answer));
    if (rc == TOOL_DONE && ret_answer != NULL)
        *ret_answer = answer;
    else
        json_decref(answer);
    return rc;
}

/* ---- logging in ---- */

static bool label_is(const CK_TOKEN_INFO *info, const char *vault)
{
    size_t len = strlen(vault);

    if (len > sizeof(info->label) || memcmp(info->label, vault, len) != 0)
        return false;
    while (len < sizeof(info->label) && info->label[len] == ' ')
        len++;
    return len == sizeof(info->label);
}

static int find_slot(struct client *client, const char *vault, CK_SLOT_ID *ret)
{
    CK_ULONG count = 0;
    SCOPED_FREE CK_SLOT_ID *slots = NULL;
    CK_RV rv = client->p11->C_GetSlotList(CK_TRUE, NULL, &count);

    if (rv == CKR_OK && count > 0) {
        slots = calloc(count, sizeof(*slots));
        rv = slots != NULL ? client->p11->C_GetSlotList(CK_TRUE, slots, &count) : CKR_HOST_MEMORY;
    }
    for (CK_ULONG i = 0; rv == CKR_OK && slots != NULL && i < count; i++) {
        CK_TOKEN_INFO info;

        if (client->p11->C_GetTokenInfo(slots[i], &info) == CKR_OK && label_is(&info, vault)) {
            *ret = slots[i];
            return TOOL_DONE;
        }
    }
    return tool_fail(TOOL_FAILED, client->inv->command->name, "%s",
                     rv == CKR_OK ? "there is no such vault to log in to: see keyward vault list"
                                  : client->admin->reason());
}

static CK_RV login(struct client *client, CK_SESSION_HANDLE session, const char *user,
                   const struct secret *pin)
{
    SCOPED_SECRET whole = NULL;
    size_t prefix = strlen(user) + 1;

    if (strcmp(user, "so") == 0)
        return client->p11->C_Login(session, CKU_SO, pin->data, pin->len);
    whole = secret_new(prefix + pin->len);
    if (whole == NULL)
        return CKR_HOST_MEMORY;
    memcpy(whole->data, user, prefix - 1);
    whole->data[prefix - 1] = ':';
    memcpy(whole->data + prefix, pin->data, pin->len);
    return client->p11->C_Login(session, CKU_USER, whole->data, whole->len);
}

int client_login(struct client *client, const char *vault)
{
    const char *user = option(client->inv, "--user");
    SCOPED_SECRET pin = NULL;
    CK_SESSION_HANDLE session;
    CK_SLOT_ID slot = 0;
    char question[128];
    int rc;

    if (user == NULL)
        return TOOL_DONE;
    (void)snprintf(question, sizeof(question), "PIN of %.64s", user);
    rc = prompt_pin(client->inv, option(client->inv, "--pin-file"), question, false, &pin);
    if (rc == TOOL_DONE)
        rc = find_slot(client, vault, &slot);
    if (rc != TOOL_DONE)
        return rc;
    if (client->p11->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL,
                                   &session) != CKR_OK ||
        login(client, session, user, pin) != CKR_OK)
        return tool_fail(TOOL_FAILED, client->inv->command->name, "cannot log in as %s: %s", user,
                         client->admin->reason());
    return TOOL_DONE;
}

int client_do(const struct invocation *inv, const char *vault, json_t *request,
              void (*print)(const struct invocation *inv, const json_t *answer))
{
    struct client client;
    json_t *answer = NULL;
    int rc = request != NULL ? client_open(inv, &client)
                             : tool_fail(TOOL_FAILED, inv->command->name,
                                         "what was given is no UTF-8 text, or memory ran out");

    if (request == NULL)
        return rc;
    if (rc == TOOL_DONE && vault != NULL)
        rc = client_login(&client, vault);
    if (rc == TOOL_DONE)
        rc = client_call(&client, request, &answer);
    else
        json_decref(request);
    if (rc == TOOL_DONE && print != NULL)
        print(inv, answer);
    json_decref(answer);
    client_close(&client);
    return rc;
}
