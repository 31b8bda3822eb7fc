/* The rows of the operations and the one encoder and decoder that walk them: see wire.h. */
#include "hsm/wire.h"
#include "base/mech.h"

#include <string.h>

enum field {
    F_USE = 1 << 0,
    F_KEY = 1 << 1,
    F_SPEC = 1 << 2, /* the rest of struct hsm_key_spec */
    F_MECHANISM = 1 << 3,
    F_IN = 1 << 4,
    F_SIGNATURE = 1 << 5,
    F_LENGTH = 1 << 6,
    F_CONFIG = 1 << 7,
};

static const unsigned rows[WIRE_OP_COUNT] = {
    [WIRE_OPEN] = F_CONFIG,
    [WIRE_CREATE] = F_CONFIG,
    [WIRE_LANE] = 0,
    [WIRE_RUN] = F_USE | F_KEY | F_MECHANISM | F_IN | F_SIGNATURE,
    [WIRE_BEGIN] = F_USE | F_KEY | F_MECHANISM,
    [WIRE_UPDATE] = F_IN,
    [WIRE_FINAL] = F_SIGNATURE,
    [WIRE_MORE] = 0,
    [WIRE_ABORT] = 0,
    [WIRE_GENERATE] = F_KEY | F_SPEC,
    [WIRE_RECOVER] = F_KEY | F_SPEC,
    [WIRE_IMPORT] = F_KEY | F_SPEC | F_IN | F_SIGNATURE,
    [WIRE_AGREE] = F_KEY | F_IN,
    [WIRE_CHECK_VALUE] = F_KEY,
    [WIRE_FIND] = F_KEY,
    [WIRE_DESTROY] = F_KEY,
    [WIRE_RANDOM] = F_LENGTH,
    [WIRE_SELF_TEST] = 0,
};

struct reader {
    struct bytes left;
    bool failed;
};

static void put_u64(struct buf *out, uint64_t v)
{
    buf_put(out, &v, sizeof(v));
}

static void put_bytes(struct buf *out, struct bytes b)
{
    put_u64(out, b.len);
    buf_put_bytes(out, b);
}

static struct bytes get_raw(struct reader *r, size_t len)
{
    struct bytes got = BYTES(r->left.data, len);

    if (r->failed || len > r->left.len) {
        r->failed = true;
        return BYTES_NONE;
    }
    r->left = BYTES(r->left.data + len, r->left.len - len);
    return len > 0 ? got : BYTES_NONE;
}

static uint64_t get_u64(struct reader *r)
{
    struct bytes raw = get_raw(r, sizeof(uint64_t));
    uint64_t v = 0;

    if (raw.len == sizeof(v))
        memcpy(&v, raw.data, sizeof(v));
    return v;
}

/* A number that must be below limit: enumerations and booleans of the other end are checked, not
 * trusted. */
static unsigned get_below(struct reader *r, unsigned limit)
{
    uint64_t v = get_u64(r);

    if (v >= limit) {
        r->failed = true;
        return 0;
    }
    return (unsigned)v;
}

static struct bytes get_bytes(struct reader *r)
{
    uint64_t len = get_u64(r);

    if (len > r->left.len) {
        r->failed = true;
        return BYTES_NONE;
    }
    return get_raw(r, (size_t)len);
}

static bool reader_done(const struct reader *r)
{
    return !r->failed && r->left.len == 0;
}

/* ---- mechanisms: the type, the shape of the parameters, the parameters ---- */

static CK_BYTE_PTR borrowed(struct bytes b)
{
    union {
        const uint8_t *in;
        CK_BYTE_PTR out;
    } cast = {.in = b.data}; /* PKCS#11 has no const; nobody writes through these */

    return cast.out;
}

static void put_none(struct buf *out, const CK_MECHANISM *m)
{
    (void)out;
    (void)m;
}

static void put_flat(struct buf *out, const CK_MECHANISM *m)
{
    put_bytes(out, BYTES(m->pParameter, m->ulParameterLen));
}

static void put_gcm(struct buf *out, const CK_MECHANISM *m)
{
    const CK_GCM_PARAMS *p = m->pParameter;

    put_u64(out, p->ulTagBits);
    put_bytes(out, BYTES(p->pIv, p->ulIvLen));
    put_bytes(out, BYTES(p->pAAD, p->ulAADLen));
}

static void put_pss(struct buf *out, const CK_MECHANISM *m)
{
    const CK_RSA_PKCS_PSS_PARAMS *p = m->pParameter;

    put_u64(out, p->hashAlg);
    put_u64(out, p->mgf);
    put_u64(out, p->sLen);
}

static void put_oaep(struct buf *out, const CK_MECHANISM *m)
{
    const CK_RSA_PKCS_OAEP_PARAMS *p = m->pParameter;

    put_u64(out, p->hashAlg);
    put_u64(out, p->mgf);
    put_bytes(out, BYTES(p->pSourceData, p->ulSourceDataLen));
}

static void set_params(struct wire_mechanism *ret, void *params, size_t len)
{
    ret->mechanism.pParameter = len > 0 ? params : NULL;
    ret->mechanism.ulParameterLen = len;
}

static void get_none(struct reader *r, struct wire_mechanism *ret)
{
    (void)r;
    (void)ret;
}

static void get_iv(struct reader *r, struct wire_mechanism *ret)
{
    struct bytes iv = get_bytes(r);

    set_params(ret, borrowed(iv), iv.len);
}

static void get_ctr(struct reader *r, struct wire_mechanism *ret)
{
    struct bytes raw = get_bytes(r);

    if (raw.len != sizeof(ret->params.ctr)) {
        r->failed = true;
        return;
    }
    memcpy(&ret->params.ctr, raw.data, raw.len);
    set_params(ret, &ret->params.ctr, sizeof(ret->params.ctr));
}

static void get_gcm(struct reader *r, struct wire_mechanism *ret)
{
    CK_GCM_PARAMS *p = &ret->params.gcm;
    struct bytes iv;
    struct bytes aad;

    p->ulTagBits = get_u64(r);
    iv = get_bytes(r);
    aad = get_bytes(r);
    p->pIv = borrowed(iv);
    p->ulIvLen = iv.len;
    p->ulIvBits = iv.len * 8;
    p->pAAD = borrowed(aad);
    p->ulAADLen = aad.len;
    set_params(ret, p, sizeof(*p));
}

static void get_pss(struct reader *r, struct wire_mechanism *ret)
{
    CK_RSA_PKCS_PSS_PARAMS *p = &ret->params.pss;

    p->hashAlg = get_u64(r);
    p->mgf = get_u64(r);
    p->sLen = get_u64(r);
    set_params(ret, p, sizeof(*p));
}

static void get_oaep(struct reader *r, struct wire_mechanism *ret)
{
    CK_RSA_PKCS_OAEP_PARAMS *p = &ret->params.oaep;
    struct bytes label;

    p->hashAlg = get_u64(r);
    p->mgf = get_u64(r);
    p->source = CKZ_DATA_SPECIFIED;
    label = get_bytes(r);
    p->pSourceData = borrowed(label);
    p->ulSourceDataLen = label.len;
    set_params(ret, p, sizeof(*p));
}

static const struct shape {
    void (*put)(struct buf *out, const CK_MECHANISM *m);
    void (*get)(struct reader *r, struct wire_mechanism *ret);
} shapes[] = {
    [MECH_PARAMS_NONE] = {put_none, get_none}, [MECH_PARAMS_IV] = {put_flat, get_iv},
    [MECH_PARAMS_CTR] = {put_flat, get_ctr},   [MECH_PARAMS_GCM] = {put_gcm, get_gcm},
    [MECH_PARAMS_PSS] = {put_pss, get_pss},    [MECH_PARAMS_OAEP] = {put_oaep, get_oaep},
};

#define SHAPES (sizeof(shapes) / sizeof(*shapes))

/* Expects parameters that mech_check_params() has seen; none given is the shape without any. */
static void put_mechanism(struct buf *out, const CK_MECHANISM *m)
{
    const struct mech *row = mech_find(m->mechanism);
    enum mech_params shape = row != NULL && m->pParameter != NULL ? row->params : MECH_PARAMS_NONE;

    put_u64(out, m->mechanism);
    put_u64(out, shape);
    if (shape < SHAPES)
        shapes[shape].put(out, m);
    else
        out->failed = true; /* a kind the worker is not told of, and never asked for */
}

static void get_mechanism(struct reader *r, struct wire_mechanism *ret)
{
    ret->mechanism.mechanism = get_u64(r);
    set_params(ret, NULL, 0);
    shapes[get_below(r, SHAPES)].get(r, ret);
}

/* ---- keys ---- */

static void put_key(struct buf *out, const struct hsm_key *key)
{
    buf_put(out, key->id, sizeof(key->id));
    put_u64(out, key->kind);
    put_u64(out, key->type);
}

static void get_key(struct reader *r, struct hsm_key *ret)
{
    struct bytes id = get_raw(r, HSM_ID_LEN);

    if (id.len == HSM_ID_LEN)
        memcpy(ret->id, id.data, HSM_ID_LEN);
    ret->kind = (enum hsm_key_kind)get_below(r, HSM_KEY_PRIVATE + 1);
    ret->type = get_u64(r);
}

static void put_spec(struct buf *out, const struct hsm_key_spec *spec)
{
    put_u64(out, spec->bits);
    put_bytes(out, spec->curve);
    put_bytes(out, spec->exponent);
    put_u64(out, spec->session);
    put_u64(out, spec->sign);
    put_u64(out, spec->decrypt);
    put_u64(out, spec->derive);
}

static void get_spec(struct reader *r, struct hsm_key_spec *ret)
{
    ret->bits = get_u64(r);
    ret->curve = get_bytes(r);
    ret->exponent = get_bytes(r);
    ret->session = get_below(r, 2) != 0;
    ret->sign = get_below(r, 2) != 0;
    ret->decrypt = get_below(r, 2) != 0;
    ret->derive = get_below(r, 2) != 0;
}

static void put_config(struct buf *out, const struct wire_request *q)
{
    for (size_t i = 0; i < WIRE_TEXT_COUNT; i++)
        put_bytes(out, q->texts[i]);
    put_u64(out, q->deadline_ms);
}

static void get_config(struct reader *r, struct wire_request *ret)
{
    for (size_t i = 0; i < WIRE_TEXT_COUNT; i++) {
        ret->texts[i] = get_bytes(r);
        /* They become C strings: a NUL inside would make two readers see two paths. */
        if (ret->texts[i].len > 0 && memchr(ret->texts[i].data, 0, ret->texts[i].len) != NULL)
            r->failed = true;
    }
    ret->deadline_ms = get_u64(r);
}

/* ---- requests and answers ---- */

bool wire_put_request(struct buf *out, const struct wire_request *q)
{
    unsigned fields = rows[q->op];

    put_u64(out, q->serial);
    put_u64(out, q->op);
    if (fields & F_USE)
        put_u64(out, q->use);
    if (fields & F_KEY)
        put_key(out, &q->spec.key);
    if (fields & F_SPEC)
        put_spec(out, &q->spec);
    if (fields & F_MECHANISM)
        put_mechanism(out, &q->mechanism);
    if (fields & F_IN)
        put_bytes(out, q->in);
    if (fields & F_SIGNATURE)
        put_bytes(out, q->signature);
    if (fields & F_LENGTH)
        put_u64(out, q->length);
    if (fields & F_CONFIG)
        put_config(out, q);
    return buf_ok(out);
}

bool wire_get_request(struct bytes frame, struct wire_request *ret)
{
    struct reader r = {.left = frame};
    unsigned fields;

    memset(ret, 0, sizeof(*ret));
    ret->serial = (uint32_t)get_u64(&r);
    ret->op = (enum wire_op)get_below(&r, WIRE_OP_COUNT);
    if (r.failed || ret->op < WIRE_OPEN)
        return false;
    fields = rows[ret->op];
    if (fields & F_USE)
        ret->use = (enum hsm_use)get_below(&r, HSM_DECRYPT + 1);
    if (fields & F_KEY)
        get_key(&r, &ret->spec.key);
    if (fields & F_SPEC)
        get_spec(&r, &ret->spec);
    if (fields & F_MECHANISM) {
        get_mechanism(&r, &ret->storage);
        ret->mechanism = ret->storage.mechanism;
    }
    if (fields & F_IN)
        ret->in = get_bytes(&r);
    if (fields & F_SIGNATURE)
        ret->signature = get_bytes(&r);
    if (fields & F_LENGTH)
        ret->length = get_u64(&r);
    if (fields & F_CONFIG)
        get_config(&r, ret);
    return reader_done(&r);
}

bool wire_put_answer(struct buf *out, const struct wire_answer *a)
{
    put_u64(out, a->serial);
    put_u64(out, a->rv);
    put_u64(out, a->trouble);
    put_u64(out, a->relogins);
    put_u64(out, a->more);
    put_bytes(out, a->reason);
    put_bytes(out, a->out);
    return buf_ok(out);
}

bool wire_get_answer(struct bytes frame, struct wire_answer *ret)
{
    struct reader r = {.left = frame};

    ret->serial = (uint32_t)get_u64(&r);
    ret->rv = get_u64(&r);
    ret->trouble = (enum wire_trouble)get_below(&r, WIRE_TROUBLE_PIN + 1);
    ret->relogins = get_u64(&r);
    ret->more = get_u64(&r);
    ret->reason = get_bytes(&r);
    ret->out = get_bytes(&r);
    return reader_done(&r);
}

bool wire_put_about(struct buf *out, const struct wire_about *about)
{
    buf_put(out, about->library, sizeof(about->library));
    buf_put(out, about->token, sizeof(about->token));
    buf_put(out, about->serial, sizeof(about->serial));
    put_u64(out, about->count);
    for (size_t i = 0; i < about->count; i++) {
        put_u64(out, about->offers[i].type);
        put_u64(out, about->offers[i].flags);
    }
    return buf_ok(out);
}

static void get_text(struct reader *r, char *ret, size_t size)
{
    struct bytes raw = get_raw(r, size);

    if (raw.len == size)
        memcpy(ret, raw.data, size);
    ret[size - 1] = '\0';
}

bool wire_get_about(struct bytes from, struct wire_about *ret)
{
    struct reader r = {.left = from};

    memset(ret, 0, sizeof(*ret));
    get_text(&r, ret->library, sizeof(ret->library));
    get_text(&r, ret->token, sizeof(ret->token));
    get_text(&r, ret->serial, sizeof(ret->serial));
    ret->count = get_below(&r, WIRE_MECHANISMS_MAX + 1);
    for (size_t i = 0; i < ret->count && !r.failed; i++) {
        ret->offers[i].type = get_u64(&r);
        ret->offers[i].flags = get_u64(&r);
    }
    return reader_done(&r);
}

bool wire_put_public(struct buf *out, const struct wire_public *pub)
{
    put_bytes(out, pub->first);
    put_bytes(out, pub->second);
    return buf_ok(out);
}

bool wire_get_public(struct bytes from, struct wire_public *ret)
{
    struct reader r = {.left = from};

    ret->first = get_bytes(&r);
    ret->second = get_bytes(&r);
    return reader_done(&r);
}
