/* Uses of keys through PKCS#11, keyward's and bare SoftHSM's by the same code: Init and one call.
 */
#include "tests/bench/world.h"

#include <math.h>
#include <string.h>

#define NONCE_LEN 12
#define TAG_LEN   16

struct use {
    const struct token *token;
    const struct work *work;
};

static void sign_one(const struct use *u, CK_SESSION_HANDLE session)
{
    CK_MECHANISM mechanism = {.mechanism = u->work->mechanism};
    CK_BYTE data[64] = {1};
    CK_BYTE signature[512];
    CK_ULONG len = sizeof(signature);

    must(u->token->f->C_SignInit(session, &mechanism, u->token->keys[u->work->key]), "C_SignInit");
    must(u->token->f->C_Sign(session, data, u->work->length, signature, &len), "C_Sign");
}

static void encrypt_one(const struct use *u, CK_SESSION_HANDLE session, unsigned thread, uint64_t i)
{
    static CK_BYTE data[16384];
    static _Thread_local CK_BYTE out[sizeof(data) + TAG_LEN];
    CK_BYTE nonce[NONCE_LEN] = {(CK_BYTE)thread};
    CK_GCM_PARAMS gcm = {
        .pIv = nonce, .ulIvLen = NONCE_LEN, .ulIvBits = 8 * NONCE_LEN, .ulTagBits = 8 * TAG_LEN};
    CK_MECHANISM mechanism = {u->work->mechanism, &gcm, sizeof(gcm)};
    CK_ULONG len = sizeof(out);

    memcpy(nonce + 1, &i, sizeof(i));
    must(u->token->f->C_EncryptInit(session, &mechanism, u->token->keys[u->work->key]),
         "C_EncryptInit");
    must(u->token->f->C_Encrypt(session, data, u->work->length, out, &len), "C_Encrypt");
}

static void use_one(void *ctx, unsigned thread, uint64_t i)
{
    const struct use *u = ctx;
    CK_SESSION_HANDLE session = u->token->sessions[thread];

    if (u->work->key == KEY_AES)
        encrypt_one(u, session, thread, i);
    else
        sign_one(u, session);
}

static double sample_token(struct world *w, const struct row *row, const struct token *token)
{
    struct use u = {.token = token, .work = row->work};

    return token->there ? time_slice(w, row->threads, use_one, &u) : NAN;
}

double sample_crypto(struct world *w, const struct row *row)
{
    return sample_token(w, row, &w->vaults[row->vault]);
}

double sample_crypto_none(struct world *w, const struct row *row)
{
    return sample_token(w, row, &w->none);
}

double sample_crypto_bare(struct world *w, const struct row *row)
{
    return sample_token(w, row, &w->bare);
}

double sample_scaling(struct world *w, const struct row *row)
{
    struct use u = {.token = &w->vaults[row->vault], .work = row->work};

    return u.token->there ? time_slice(w, 1, use_one, &u) / time_slice(w, row->threads, use_one, &u)
                          : NAN;
}
