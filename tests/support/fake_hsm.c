/*
 * A stand-in for the device, linked instead of it: secret keys in a file (state_dir/fake-hsm) that
 * several processes share, AES-256-GCM, and nothing else. What it cannot do it refuses.
 */
#include "hsm/hsm.h"
#include "hsm/local_int.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#define KEY_LEN 32

struct hsm {
    char path[PATH_MAX];
    struct local *local;
};

struct row {
    uint8_t id[HSM_ID_LEN];
    uint8_t key[KEY_LEN];
    bool gone;
};

static CK_RV fail_fake(const char *what)
{
    return fail(CKR_FUNCTION_NOT_SUPPORTED, "the stand-in HSM cannot %s", what);
}

CK_RV hsm_open(const struct hsm_config *config, struct local *local, struct hsm **ret)
{
    struct hsm *hsm = calloc(1, sizeof(*hsm));

    if (hsm == NULL)
        return fail_memory();
    hsm->local = local;
    (void)snprintf(hsm->path, sizeof(hsm->path), "%s/fake-hsm", config->state_dir);
    *ret = hsm;
    return CKR_OK;
}

void hsm_close(struct hsm *hsm)
{
    free(hsm);
}

void hsm_abandon(struct hsm *hsm)
{
    free(hsm);
}

/* The row with this id, and where it is; -1 when there is none. */
static long seek_row(FILE *f, const uint8_t id[static HSM_ID_LEN], struct row *ret)
{
    rewind(f);
    while (fread(ret, sizeof(*ret), 1, f) == 1) {
        if (!ret->gone && memcmp(ret->id, id, HSM_ID_LEN) == 0)
            return ftell(f) - (long)sizeof(*ret);
    }
    return -1;
}

static FILE *open_rows(struct hsm *hsm, int lock)
{
    int fd = open(hsm->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0)
        return NULL;
    while (flock(fd, lock) != 0)
        continue;
    return fdopen(fd, "r+");
}

CK_RV hsm_generate(struct hsm *hsm, const struct hsm_key_spec *spec, struct buf *ret_spki,
                   struct secret **ret_material)
{
    struct row row = {.gone = false};
    FILE *f;
    CK_RV rv = local_random(hsm->local, row.key, KEY_LEN);

    (void)ret_material;
    if (spec->key.kind != HSM_KEY_SECRET || spec->bits != 256 || !spec->decrypt || ret_spki != NULL)
        return fail_fake("make such a key");
    memcpy(row.id, spec->key.id, HSM_ID_LEN);
    f = open_rows(hsm, LOCK_EX);
    if (rv != CKR_OK || f == NULL)
        return fail(CKR_DEVICE_ERROR, "the stand-in HSM has no file");
    (void)fseek(f, 0, SEEK_END);
    rv = fwrite(&row, sizeof(row), 1, f) == 1 ? CKR_OK : CKR_DEVICE_ERROR;
    return fclose(f) == 0 ? rv : CKR_DEVICE_ERROR;
}

static CK_RV read_key(struct hsm *hsm, const struct hsm_key *key, struct row *ret, bool *ret_found)
{
    FILE *f = open_rows(hsm, LOCK_SH);

    if (f == NULL)
        return fail(CKR_DEVICE_ERROR, "the stand-in HSM is away");
    *ret_found = seek_row(f, key->id, ret) >= 0;
    (void)fclose(f);
    return CKR_OK;
}

CK_RV hsm_find(struct hsm *hsm, const struct hsm_key *key, bool *ret_found)
{
    struct row row;

    return read_key(hsm, key, &row, ret_found);
}

CK_RV hsm_destroy(struct hsm *hsm, const struct hsm_key *key)
{
    struct row row;
    FILE *f = open_rows(hsm, LOCK_EX);
    long at;

    if (f == NULL)
        return fail(CKR_DEVICE_ERROR, "the stand-in HSM is away");
    at = seek_row(f, key->id, &row);
    if (at >= 0) {
        row.gone = true;
        (void)fseek(f, at, SEEK_SET);
        (void)fwrite(&row, sizeof(row), 1, f);
    }
    return fclose(f) == 0 ? CKR_OK : CKR_DEVICE_ERROR;
}

CK_RV hsm_random(struct hsm *hsm, uint8_t *out, size_t len)
{
    return local_random(hsm->local, out, len);
}

/* The local functions put the nonce in front; PKCS#11 has it in the parameters. */
static CK_RV run_gcm(struct hsm *hsm, enum hsm_use use, const struct row *row,
                     const CK_GCM_PARAMS *p, struct bytes in, struct buf *out)
{
    struct buf whole = BUF_INIT(65536);
    struct bytes key = BYTES(row->key, KEY_LEN);
    struct bytes aad = BYTES(p->pAAD, p->ulAADLen);
    CK_RV rv;

    if (use == HSM_ENCRYPT) {
        rv = local_seal_with(hsm->local, key, p->pIv, aad, in, &whole);
        if (rv == CKR_OK)
            buf_put(out, whole.data + 12, whole.len - 12);
    } else {
        buf_put(&whole, p->pIv, 12);
        buf_put_bytes(&whole, in);
        rv = local_unseal(hsm->local, key, aad, buf_bytes(&whole), out);
    }
    buf_release_secure(&whole);
    return rv;
}

CK_RV hsm_run(struct hsm *hsm, enum hsm_use use, const struct hsm_key *key,
              const CK_MECHANISM *mechanism, struct bytes in, struct bytes signature,
              struct buf *out)
{
    const CK_GCM_PARAMS *p = mechanism->pParameter;
    struct row row;
    bool found = false;
    CK_RV rv;

    (void)signature;
    if (mechanism->mechanism != CKM_AES_GCM || (use != HSM_ENCRYPT && use != HSM_DECRYPT) ||
        p->ulIvLen != 12 || p->ulTagBits != 128)
        return fail_fake("do that");
    rv = read_key(hsm, key, &row, &found);
    if (rv == CKR_OK && !found)
        rv = fail(CKR_KEY_HANDLE_INVALID, "the stand-in HSM has no such key");
    buf_clear(out);
    return rv == CKR_OK ? run_gcm(hsm, use, &row, p, in, out) : rv;
}
