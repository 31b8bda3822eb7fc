/* Searching: C_FindObjectsInit, C_FindObjects and C_FindObjectsFinal for one object among many,
 * another one each time. */
#include "tests/bench/world.h"

#include <string.h>

struct hunt {
    const struct token *token;
    bool by_id;
};

/* Steps through all of them in no order an index or a cache would like. */
static unsigned nth(const struct token *token, uint64_t i)
{
    return (unsigned)(i * 7919 % token->objects);
}

static void find_one(void *ctx, unsigned thread, uint64_t i)
{
    const struct hunt *h = ctx;
    CK_FUNCTION_LIST *f = h->token->f;
    CK_SESSION_HANDLE session = h->token->sessions[thread];
    char label[24];
    CK_BYTE id[4];
    CK_ATTRIBUTE template[1];
    CK_OBJECT_HANDLE found[2];
    CK_ULONG count = 0;

    object_name(nth(h->token, i), label, id);
    template[0] = h->by_id ? (CK_ATTRIBUTE){CKA_ID, id, sizeof(id)}
                           : (CK_ATTRIBUTE){CKA_LABEL, label, strlen(label)};
    must(f->C_FindObjectsInit(session, template, 1), "C_FindObjectsInit");
    must(f->C_FindObjects(session, found, 2, &count), "C_FindObjects");
    must(f->C_FindObjectsFinal(session), "C_FindObjectsFinal");
    if (count != 1)
        die("%s was found %lu times", label, count);
}

static double sample(struct world *w, const struct token *token, bool by_id)
{
    struct hunt h = {.token = token, .by_id = by_id};

    return time_slice(w, 1, find_one, &h);
}

double sample_find_label(struct world *w, const struct row *row)
{
    return sample(w, &w->vaults[row->vault], false);
}

double sample_find_id(struct world *w, const struct row *row)
{
    return sample(w, &w->vaults[row->vault], true);
}

double sample_find_label_bare(struct world *w, const struct row *row)
{
    (void)row;
    return sample(w, &w->bare, false);
}

double sample_find_id_bare(struct world *w, const struct row *row)
{
    (void)row;
    return sample(w, &w->bare, true);
}
