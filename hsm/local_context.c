/*
 * Our library context, and the threads that have something in it: see local.h.
 *
 * OpenSSL keeps a random generator for each thread in a context, and making one costs half as much
 * as an ECDSA signature: so it stays when a call ends. When the thread ends OpenSSL takes it away,
 * and then looks for the context; version 3.0 also for one that was freed long ago. So a context
 * has holders, and goes with the last of them:
 *
 *   struct local   from local_new() to local_free()
 *   a thread       from its first local_thread_leaves() until it ends, is seen in another context,
 *                  or frees the struct local
 *
 * Which context a thread holds stands in the thread, under the one key of this process. The key
 * goes when this library is unloaded: threads that live on then hold their context for ever, since
 * nobody is left who could tell that they have ended.
 */
#include "hsm/local_int.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct local_context {
    OSSL_LIB_CTX *ctx;
    OSSL_PROVIDER *provider;
    atomic_uint holders;
};

static pthread_key_t held;
static bool can_hold; /* held is a key; written before any thread reads it */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void let_go(struct local_context *context)
{
    if (context == NULL || atomic_fetch_sub(&context->holders, 1) != 1)
        return;
    if (context->provider != NULL)
        (void)OSSL_PROVIDER_unload(context->provider);
    OSSL_LIB_CTX_free(context->ctx);
    free(context);
}

/* Once exit() has begun to take OpenSSL down, what is left is the system's to free. */
static void thread_ends(void *context)
{
    LOCAL_QUIET;

    if (!local_usable())
        return;
    OPENSSL_thread_stop_ex(((struct local_context *)context)->ctx);
    let_go(context);
}

static void make_key(void)
{
    can_hold = pthread_key_create(&held, thread_ends) == 0;
}

__attribute__((destructor)) static void unloaded(void)
{
    if (can_hold)
        (void)pthread_key_delete(held);
}

CK_RV local_context_new(struct local_context **ret)
{
    struct local_context *context = calloc(1, sizeof(*context));

    if (context == NULL)
        return fail_memory();
    (void)pthread_once(&once, make_key);
    atomic_init(&context->holders, 1);
    context->ctx = OSSL_LIB_CTX_new();
    if (context->ctx != NULL)
        context->provider = OSSL_PROVIDER_load(context->ctx, "default");
    if (context->provider == NULL) {
        CK_RV rv = local_fail("make a library context with its default provider");

        let_go(context);
        return rv;
    }
    *ret = context;
    return CKR_OK;
}

OSSL_LIB_CTX *local_context_ctx(const struct local_context *context)
{
    return context->ctx;
}

static struct local_context *held_here(void)
{
    return can_hold ? pthread_getspecific(held) : NULL;
}

/* This thread has nothing more in its context; it may hold another from now on. */
static void move(struct local_context *from, struct local_context *to)
{
    if (from != NULL)
        OPENSSL_thread_stop_ex(from->ctx);
    if (can_hold && pthread_setspecific(held, to) == 0 && to != NULL)
        atomic_fetch_add(&to->holders, 1);
    else if (to != NULL)
        OPENSSL_thread_stop_ex(to->ctx);
    let_go(from);
}

void local_thread_leaves(struct local *local)
{
    struct local_context *from = held_here();

    if (from != local->context) {
        LOCAL_QUIET;

        move(from, local->context);
    }
}

void local_context_free(struct local_context *context)
{
    if (context == NULL)
        return;
    if (held_here() == context)
        move(context, NULL);
    else
        OPENSSL_thread_stop_ex(context->ctx);
    let_go(context);
}
