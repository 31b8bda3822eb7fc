/* keyward key. */
#include "tools/client.h"
#include "tools/cmd.h"
#include "tools/file.h"
#include "tools/print.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_FILE_MAX ((size_t)256 << 10)

static json_t *request_of(const char *verb, const struct object_name *object)
{
    json_t *request =
        json_pack("{s:s, s:s, s:s}", "verb", verb, "vault", object->vault, "name", object->name);

    if (request != NULL && object->has_version)
        (void)json_object_set_new(request, "version", json_integer(object->version));
    return request;
}

static int fail_bytes(const struct invocation *inv, const char *name)
{
    return tool_fail(TOOL_FAILED, inv->command->name, "%s is no UTF-8 text", name);
}

/* "sign,verify" as a list; empty words are left to the verb to refuse. */
static int put_list(const struct invocation *inv, json_t *request, const char *name,
                    const char *member)
{
    const char *at = option(inv, name);
    json_t *list = json_array();

    while (at != NULL && *at != '\0') {
        size_t n = strcspn(at, ",");

        if (json_array_append_new(list, json_stringn(at, n)) != 0) {
            json_decref(list);
            return fail_bytes(inv, name);
        }
        at += n + (at[n] == ',');
    }
    if (at == NULL || json_array_size(list) == 0) {
        json_decref(list);
        return at == NULL ? TOOL_DONE
                          : tool_fail(TOOL_USAGE, inv->command->name, "%s names nothing", name);
    }
    return json_object_set_new(request, member, list) == 0
               ? TOOL_DONE
               : tool_fail(TOOL_FAILED, inv->command->name, "out of memory");
}

/* Never left out: without its --expires a key would be made that does not expire. */
static int put_text(const struct invocation *inv, json_t *request, const char *name,
                    const char *member)
{
    const char *value = option(inv, name);

    return value == NULL || json_object_set_new(request, member, json_string(value)) == 0
               ? TOOL_DONE
               : fail_bytes(inv, name);
}

/* The verb says which numbers it takes. */
static int put_number(const struct invocation *inv, json_t *request, const char *name,
                      const char *member)
{
    const char *value = option(inv, name);
    char *end = NULL;
    long long n;

    if (value == NULL)
        return TOOL_DONE;
    errno = 0;
    n = strtoll(value, &end, 10);
    if (errno != 0 || end == value || *end != '\0')
        return tool_fail(TOOL_USAGE, inv->command->name, "%s is no number: %s", name, value);
    return json_object_set_new(request, member, json_integer(n)) == 0
               ? TOOL_DONE
               : tool_fail(TOOL_FAILED, inv->command->name, "out of memory");
}

static const struct {
    const char *name, *member;
    int (*put)(const struct invocation *inv, json_t *request, const char *name, const char *member);
} create_options[] = {
    {"--type", "type", put_text},
    {"--protection", "protection", put_text},
    {"--not-before", "not-before", put_text},
    {"--expires", "expires", put_text},
    {"--use", "use", put_list},
    {"--mechanisms", "mechanisms", put_list},
    {"--count", "count", put_number},
};

static int put_wishes(const struct invocation *inv, json_t *request)
{
    int rc;

    put_text(inv, request, "--type", "type");
    put_text(inv, request, "--protection", "protection");
    put_text(inv, request, "--not-before", "not-before");
    put_text(inv, request, "--expires", "expires");
    rc = put_list(inv, request, "--use", "use");
    return rc == TOOL_DONE ? put_list(inv, request, "--mechanisms", "mechanisms") : rc;
}

static void print_keys(const struct invocation *inv, const json_t *answer)
{
    const json_t *keys = json_object_get(answer, "keys");

    if (option(inv, "--json") != NULL) {
        print_json(answer);
        return;
    }
    for (size_t i = 0; i < json_array_size(keys); i++) {
        if (i > 0)
            (void)putchar('\n');
        print_object(json_array_get(keys, i));
    }
}

/* Of a pair the private half, which comes first, speaks for both. The id is what pkcs11-tool and
 * others pick a key by. */
static void print_created(const struct invocation *inv, const json_t *answer)
{
    const json_t *key = json_array_get(json_object_get(answer, "keys"), 0);

    if (option(inv, "--json") != NULL) {
        print_json(answer);
        return;
    }
    if (option(inv, "--count") != NULL) {
        (void)printf("keys %s-1 to %s-%s are made: %s, protection %s\n", inv->args[0], inv->args[0],
                     option(inv, "--count"), option(inv, "--type"),
                     json_string_value(json_object_get(key, "protection")));
        return;
    }
    (void)printf("key %s is made: %s, protection %s, version %lld\n", inv->args[0],
                 option(inv, "--type"), json_string_value(json_object_get(key, "protection")),
                 (long long)json_integer_value(json_object_get(key, "version")));
    (void)printf("id: %s\n", json_string_value(json_object_get(key, "id")));
}

int cmd_key_create(const struct invocation *inv)
{
    struct object_name object;
    json_t *request;
    int rc = object_name_parse(inv, inv->args[0], &object);

    if (rc != TOOL_DONE)
        return rc;
    if (object.has_version)
        return tool_fail(TOOL_USAGE, inv->command->name,
                         "a new key's version is not chosen: write VAULT/NAME");
    if (option(inv, "--type") == NULL)
        return tool_fail(TOOL_USAGE, inv->command->name,
                         "--type is missing: rsa:2048 rsa:3072 rsa:4096 ec:P-256 ec:P-384 ec:P-521 "
                         "ed25519 x25519 aes:128 aes:256 hmac:256 ml-kem-768 ml-dsa-65 "
                         "slh-dsa-sha2-128s or a sibling of the last three");
    request = request_of("key.create", &object);
    if (request == NULL)
        return fail_bytes(inv, "VAULT/NAME");
    for (size_t i = 0; rc == TOOL_DONE && i < sizeof(create_options) / sizeof(*create_options); i++)
        rc = create_options[i].put(inv, request, create_options[i].name, create_options[i].member);
    if (rc != TOOL_DONE) {
        json_decref(request);
        return rc;
    }
    return client_do(inv, object.vault, request, print_created);
}

static void print_imported(const struct invocation *inv, const json_t *answer)
{
    const json_t *key = json_array_get(json_object_get(answer, "keys"), 0);

    if (option(inv, "--json") != NULL) {
        print_json(answer);
        return;
    }
    (void)printf("key %s is imported: %s of %lld bits, protection %s\n", inv->args[0],
                 json_string_value(json_object_get(key, "type")),
                 (long long)json_integer_value(json_object_get(key, "size")),
                 json_string_value(json_object_get(key, "protection")));
    (void)printf("id: %s\n", json_string_value(json_object_get(key, "id")));
}

/* The file's bytes go as a PIN would: out of JSON, in locked memory. */
static int put_key_file(struct client *client, json_t *request)
{
    struct buf file = BUF_INIT(KEY_FILE_MAX);
    int rc = input_read(client->inv, client->inv->args[1], &file);

    if (rc == TOOL_DONE) {
        struct secret *key = secret_copy(buf_bytes(&file));

        if (key == NULL ||
            json_object_set_new(request, "key", json_integer(client_add_secret(client, key))) != 0)
            rc = tool_fail(TOOL_FAILED, client->inv->command->name, "out of memory");
    }
    buf_release_secure(&file);
    return rc;
}

static int import_request(const struct invocation *inv, const struct object_name *object,
                          json_t **ret)
{
    int rc;

    if (object->has_version)
        return tool_fail(TOOL_USAGE, inv->command->name,
                         "a new key's version is not chosen: write VAULT/NAME");
    *ret = request_of("key.import", object);
    rc = put_wishes(inv, *ret);
    if (rc != TOOL_DONE)
        json_decref(*ret);
    return rc;
}

int cmd_key_import(const struct invocation *inv)
{
    struct object_name object;
    struct client client;
    json_t *answer = NULL;
    json_t *request = NULL;
    int rc = object_name_parse(inv, inv->args[0], &object);

    if (rc == TOOL_DONE)
        rc = import_request(inv, &object, &request);
    if (rc != TOOL_DONE)
        return rc;
    rc = client_open(inv, &client);
    if (rc == TOOL_DONE)
        rc = client_login(&client, object.vault);
    if (rc == TOOL_DONE)
        rc = put_key_file(&client, request);
    if (rc == TOOL_DONE)
        rc = client_call(&client, request, &answer);
    else
        json_decref(request);
    if (rc == TOOL_DONE)
        print_imported(inv, answer);
    json_decref(answer);
    client_close(&client);
    return rc;
}

/* A pair is one line: the private half, with what the public half adds to its use. */
static bool is_half_of(const json_t *a, const json_t *b)
{
    return json_equal(json_object_get(a, "name"), json_object_get(b, "name")) &&
           json_equal(json_object_get(a, "version"), json_object_get(b, "version")) &&
           json_equal(json_object_get(a, "id"), json_object_get(b, "id"));
}

static bool is_class(const json_t *key, const char *cls)
{
    const char *has = json_string_value(json_object_get(key, "class"));

    return has != NULL && strcmp(has, cls) == 0;
}

static json_t *private_half(const json_t *rows, const json_t *key)
{
    for (size_t i = 0; is_class(key, "public") && i < json_array_size(rows); i++)
        if (is_class(json_array_get(rows, i), "private") &&
            is_half_of(json_array_get(rows, i), key))
            return json_array_get(rows, i);
    return NULL;
}

/* What both halves are for (deriving) is said once. */
static void add_uses(json_t *to, const json_t *from)
{
    for (size_t i = 0; i < json_array_size(from); i++) {
        json_t *use = json_array_get(from, i);
        bool there = false;

        for (size_t k = 0; k < json_array_size(to); k++)
            there = there || json_equal(json_array_get(to, k), use);
        if (!there)
            (void)json_array_append(to, use);
    }
}

/* A key without a label (SunPKCS11 gives its keys an id only) is shown by its id, and one without
 * that too by what no two objects share. */
static void name_nameless(json_t *rows)
{
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i);
        const char *name = json_string_value(json_object_get(row, "name"));
        const char *id = json_string_value(json_object_get(row, "id"));

        if (name == NULL || name[0] != '\0')
            continue;
        if (id == NULL || id[0] == '\0')
            id = json_string_value(json_object_get(row, "unique-id"));
        (void)json_object_set_new(row, "name", json_sprintf("(id %s)", id != NULL ? id : ""));
    }
}

static json_t *fold_pairs(const json_t *keys)
{
    json_t *rows = json_array();

    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < json_array_size(keys); i++) {
            const json_t *key = json_array_get(keys, i);
            json_t *half = pass == 1 ? private_half(rows, key) : NULL;

            if (is_class(key, "public") != (pass == 1))
                continue;
            if (half == NULL) {
                (void)json_array_append_new(rows, json_deep_copy(key));
                continue;
            }
            (void)json_object_set_new(half, "class", json_string("pair"));
            add_uses(json_object_get(half, "use"), json_object_get(key, "use"));
        }
    return rows;
}

static void print_list(const struct invocation *inv, const json_t *answer)
{
    static const struct print_column columns[] = {{"NAME", "name"},   {"VERSION", "version"},
                                                  {"TYPE", "type"},   {"SIZE", "size"},
                                                  {"KIND", "class"},  {"PROTECTION", "protection"},
                                                  {"STATE", "state"}, {"EXPIRES", "expires"},
                                                  {"USE", "use"},     {NULL, NULL}};
    json_t *rows;

    if (option(inv, "--json") != NULL) {
        print_json(answer);
        return;
    }
    rows = fold_pairs(json_object_get(answer, "keys"));
    name_nameless(rows);
    print_table(rows, columns);
    json_decref(rows);
}

int cmd_key_list(const struct invocation *inv)
{
    return client_do(inv, inv->args[0],
                     json_pack("{s:s, s:s, s:b}", "verb", "key.list", "vault", inv->args[0],
                               "deleted", (int)(option(inv, "--deleted") != NULL)),
                     print_list);
}

static int simple(const struct invocation *inv, const char *verb,
                  void (*print)(const struct invocation *inv, const json_t *answer))
{
    struct object_name object;
    json_t *request;
    int rc = object_name_parse(inv, inv->args[0], &object);

    if (rc != TOOL_DONE)
        return rc;
    request = request_of(verb, &object);
    if (option(inv, "--deleted") != NULL)
        (void)json_object_set_new(request, "deleted", json_true());
    return client_do(inv, object.vault, request, print);
}

int cmd_key_show(const struct invocation *inv)
{
    return simple(inv, "key.show", print_keys);
}

static void print_pem(const struct invocation *inv, const json_t *answer)
{
    (void)inv;
    (void)fputs(json_string_value(json_object_get(answer, "pem")), stdout);
}

int cmd_key_public(const struct invocation *inv)
{
    return simple(inv, "key.public", print_pem);
}

static void print_deleted(const struct invocation *inv, const json_t *answer)
{
    (void)answer;
    (void)printf("key %s is deleted; keyward key recover %s brings it back\n", inv->args[0],
                 inv->args[0]);
}

int cmd_key_delete(const struct invocation *inv)
{
    return simple(inv, "key.delete", print_deleted);
}

static void print_recovered(const struct invocation *inv, const json_t *answer)
{
    (void)answer;
    (void)printf("key %s is back\n", inv->args[0]);
}

int cmd_key_recover(const struct invocation *inv)
{
    return simple(inv, "key.recover", print_recovered);
}

static void print_disabled(const struct invocation *inv, const json_t *answer)
{
    (void)answer;
    (void)printf("key %s is disabled: no process uses it from now on\n", inv->args[0]);
}

int cmd_key_disable(const struct invocation *inv)
{
    return simple(inv, "key.disable", print_disabled);
}

static void print_enabled(const struct invocation *inv, const json_t *answer)
{
    (void)answer;
    (void)printf("key %s is enabled\n", inv->args[0]);
}

int cmd_key_enable(const struct invocation *inv)
{
    return simple(inv, "key.enable", print_enabled);
}

static void print_purged(const struct invocation *inv, const json_t *answer)
{
    (void)answer;
    (void)printf("key %s is gone for good\n", inv->args[0]);
}

int cmd_key_purge(const struct invocation *inv)
{
    return simple(inv, "key.purge", print_purged);
}
