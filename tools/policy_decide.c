/* `keyward policy decide`: see policy_decide.h. */
#include "tools/policy_decide.h"

#include "tools/policy_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATUS_NO_REQUEST 1
#define STATUS_NOTHING    2

struct decider {
    struct policy *policy;
    json_t *json;
    struct arena arena; /* entities */
    const struct policy_entity *entities;
    size_t entity_count;
    uint32_t *reasons, *errors; /* room for every policy */
    bool odd_line;              /* a line was no request */
};

static void close_file(FILE **file)
{
    if (*file != NULL)
        (void)fclose(*file);
}

static CK_RV read_file(const char *path, struct buf *into)
{
    SCOPED(close_file) FILE *file = fopen(path, "re");
    uint8_t chunk[16384];
    size_t n;

    if (file == NULL)
        return fail_errno("open", path);
    while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0)
        buf_put(into, chunk, n);
    if (ferror(file))
        return fail_errno("read", path);
    return buf_ok(into) ? CKR_OK : fail(CKR_ARGUMENTS_BAD, "%s is too large", path);
}

static CK_RV load_policies(struct decider *d, const char *path)
{
    struct buf text = BUF_INIT(POLICY_TEXT_MAX);
    struct policy_error error;
    CK_RV rv = read_file(path, &text);

    if (rv == CKR_OK) {
        struct policy_source source = {.name = path, .text = buf_bytes(&text), .prefix = ""};

        rv = policy_load(&source, 1, &d->policy, &error);
    }
    buf_release(&text);
    if (rv != CKR_OK)
        return rv;
    d->reasons = calloc(policy_count(d->policy) + 1, sizeof(*d->reasons));
    d->errors = calloc(policy_count(d->policy) + 1, sizeof(*d->errors));
    return d->reasons != NULL && d->errors != NULL ? CKR_OK : fail_memory();
}

static CK_RV load_entities(struct decider *d, const char *path)
{
    json_error_t error;
    CK_RV rv;

    d->json = json_load_file(path, POLICY_JSON_FLAGS, &error);
    if (d->json == NULL)
        return fail(CKR_ARGUMENTS_BAD, "%s:%d:%d: %s", path, error.line, error.column, error.text);
    rv = policy_json_entities(&d->arena, d->json, &d->entities, &d->entity_count);
    return rv == CKR_OK ? CKR_OK : fail_in(rv, path);
}

static json_t *ids(const struct decider *d, const uint32_t *list, size_t count)
{
    json_t *array = json_array();

    for (size_t i = 0; i < count; i++)
        (void)json_array_append_new(array, json_string(policy_id(d->policy, list[i])));
    return array;
}

static void print_answer(bool allow, json_t *reasons, json_t *errors)
{
    json_t *answer = json_pack("{s:s, s:o, s:o}", "decision", allow ? "allow" : "deny", "reasons",
                               reasons, "errors", errors);
    char *text = answer != NULL ? json_dumps(answer, JSON_COMPACT) : NULL;

    (void)puts(text != NULL ? text : "{\"decision\":\"deny\",\"reasons\":[],\"errors\":[]}");
    free(text);
    json_decref(answer);
}

static void refuse_line(struct decider *d, const char *why)
{
    json_t *errors = json_array();

    d->odd_line = true;
    (void)json_array_append_new(errors, json_string(why));
    print_answer(false, json_array(), errors);
}

static void decide(struct decider *d, struct policy_request *request)
{
    struct policy_verdict verdict = {
        .reasons = d->reasons,
        .max = policy_count(d->policy),
        .errors = d->errors,
        .error_max = policy_count(d->policy),
    };

    request->entities = d->entities;
    request->entity_count = d->entity_count;
    policy_decide(d->policy, request, &verdict);
    print_answer(verdict.allow, ids(d, verdict.reasons, verdict.reason_count),
                 ids(d, verdict.errors, verdict.error_count));
}

static void answer_line(struct decider *d, const char *line, size_t len)
{
    json_error_t error;
    json_t *json = json_loadb(line, len, POLICY_JSON_FLAGS, &error);
    struct policy_request request = {.entity_count = 0};
    struct arena arena = {.blocks = NULL};

    if (json == NULL)
        refuse_line(d, error.text);
    else if (policy_json_request(&arena, json, &request) != CKR_OK)
        refuse_line(d, fail_reason());
    else
        decide(d, &request);
    arena_release(&arena);
    json_decref(json);
}

static CK_RV answer_all(struct decider *d, const char *path)
{
    SCOPED(close_file) FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;

    if (file == NULL)
        return fail_errno("open", path);
    while ((len = getline(&line, &cap, file)) > 0) {
        if (strspn(line, " \t\r\n") < (size_t)len)
            answer_line(d, line, (size_t)len);
    }
    free(line);
    return ferror(file) || fflush(stdout) != 0 ? fail_errno("read", path) : CKR_OK;
}

int policy_decide_main(const char *policies, const char *entities, const char *requests)
{
    struct decider d = {.policy = NULL};
    CK_RV rv = load_policies(&d, policies);

    if (rv == CKR_OK)
        rv = load_entities(&d, entities);
    if (rv == CKR_OK)
        rv = answer_all(&d, requests);
    if (rv != CKR_OK)
        (void)fprintf(stderr, "keyward: %s\n", fail_reason());
    policy_free(d.policy);
    json_decref(d.json);
    arena_release(&d.arena);
    free(d.reasons);
    free(d.errors);
    if (rv != CKR_OK)
        return STATUS_NOTHING;
    return d.odd_line ? STATUS_NO_REQUEST : 0;
}
