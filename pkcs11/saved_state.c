/* See saved_state.h. */
#include "pkcs11/saved_state.h"

#include "pkcs11/operation.h"

#include <stdlib.h>
#include <string.h>

struct saved_state {
    uint8_t name[SAVED_STATE_LEN];
    CK_SLOT_ID slot;
    struct operation *op;
    struct saved_state *next; /* an older one */
};

static void free_all(struct saved_state *s)
{
    while (s != NULL) {
        struct saved_state *next = s->next;

        operation_free(s->op);
        free(s);
        s = next;
    }
}

/* The oldest, where there is one too many. */
static struct saved_state *cut(struct app *app)
{
    struct saved_state **at = &app->saved;

    if (app->saved_count <= SAVED_STATES_MAX)
        return NULL;
    while ((*at)->next != NULL)
        at = &(*at)->next;
    app->saved_count--;
    return TAKE(*at);
}

CK_RV saved_state_add(struct app *app, CK_SLOT_ID slot, struct operation *op,
                      uint8_t ret_name[static SAVED_STATE_LEN])
{
    struct saved_state *s = calloc(1, sizeof(*s));
    struct saved_state *oldest;
    CK_RV rv = s != NULL ? local_random(engine_local(app->engine), s->name, sizeof(s->name))
                         : fail_memory();

    if (rv != CKR_OK) {
        operation_free(op);
        free(s);
        return rv;
    }
    s->slot = slot;
    s->op = op;
    memcpy(ret_name, s->name, sizeof(s->name));
    (void)pthread_mutex_lock(&app->lock);
    s->next = app->saved;
    app->saved = s;
    app->saved_count++;
    oldest = cut(app);
    (void)pthread_mutex_unlock(&app->lock);
    free_all(oldest);
    return CKR_OK;
}

static const struct saved_state *find(const struct app *app, CK_SLOT_ID slot, struct bytes name)
{
    for (const struct saved_state *s = app->saved; s != NULL; s = s->next)
        if (s->slot == slot && bytes_equal(BYTES(s->name, sizeof(s->name)), name))
            return s;
    return NULL;
}

CK_RV saved_state_use(struct app *app, CK_SLOT_ID slot, struct bytes name,
                      CK_RV (*each)(void *ctx, const struct operation *op), void *ctx)
{
    const struct saved_state *s;
    CK_RV rv;

    (void)pthread_mutex_lock(&app->lock);
    s = find(app, slot, name);
    rv = s != NULL ? each(ctx, s->op)
                   : fail(CKR_SAVED_STATE_INVALID,
                          "no state of this name is kept for this token: states last until "
                          "C_Finalize, and the youngest %d are kept",
                          SAVED_STATES_MAX);
    (void)pthread_mutex_unlock(&app->lock);
    return rv;
}

void saved_states_free(struct app *app)
{
    free_all(TAKE(app->saved));
    app->saved_count = 0;
}
