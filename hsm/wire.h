/*
 * What travels between the driver (in the host) and the worker (keyward-hsm): requests and answers
 * as flat bytes, in this machine's byte order, for both ends are the same build on the same
 * machine.
 *
 * One row per operation says which fields it carries (wire.c); encoder and decoder walk the same
 * row. Decoding never reads past its input, borrows from it, and refuses what is left over: a frame
 * is exactly what its row says or it is nothing.
 */
#ifndef KEYWARD_HSM_WIRE_H
#define KEYWARD_HSM_WIRE_H

#include "hsm/hsm.h"

/* The largest frame, its length word not counted. */
#define WIRE_FRAME_MAX (1u << 20)
/* The most data one frame is asked to carry; the rest is room for parameters and padding. */
#define WIRE_DATA_MAX       (WIRE_FRAME_MAX - (64u << 10))
#define WIRE_REASON_MAX     (FAIL_REASON_MAX - 64)
#define WIRE_MECHANISMS_MAX 512

enum wire_op {
    WIRE_OPEN = 1, /* control: the configuration; answer: wire_about */
    WIRE_CREATE,   /* control: the configuration; makes a SoftHSM token */
    WIRE_LANE,     /* control, no answer: a socket comes with it */
    WIRE_RUN,
    WIRE_BEGIN,
    WIRE_UPDATE,
    WIRE_FINAL,
    WIRE_MORE, /* the rest of an output that did not fit one answer */
    WIRE_ABORT,
    WIRE_GENERATE,    /* answer: wire_public */
    WIRE_RECOVER,     /* after a doubtful WIRE_GENERATE: adopt what is whole, destroy remains */
    WIRE_IMPORT,      /* in: the material; signature: the SubjectPublicKeyInfo of a pair */
    WIRE_AGREE,       /* in: the other party's point; answer: the shared value */
    WIRE_CHECK_VALUE, /* answer: its bytes, or none */
    WIRE_FIND,
    WIRE_DESTROY,
    WIRE_RANDOM,
    WIRE_SELF_TEST,
    WIRE_OP_COUNT,
};

/* The texts of struct hsm_config, and the file of the security officer's PIN. */
enum wire_text {
    WIRE_MODULE,
    WIRE_TOKEN,
    WIRE_PIN_SOURCE,
    WIRE_STATE_DIR,
    WIRE_SOFTHSM_CONF,
    WIRE_SOFTHSM_TOKENS,
    WIRE_SO_PIN_FILE,
    WIRE_TEXT_COUNT,
};

/* A mechanism with its parameters in one place. Spans inside parameters borrow from the frame. */
struct wire_mechanism {
    CK_MECHANISM mechanism; /* pParameter points into params, or into the frame */
    union {
        CK_AES_CTR_PARAMS ctr;
        CK_GCM_PARAMS gcm;
        CK_RSA_PKCS_PSS_PARAMS pss;
        CK_RSA_PKCS_OAEP_PARAMS oaep;
    } params;
};

struct wire_request {
    enum wire_op op;
    uint32_t serial; /* the answer repeats it */
    enum hsm_use use;
    struct hsm_key_spec spec; /* spec.key alone where only a key is meant */
    CK_MECHANISM mechanism;   /* encoding: what to send; decoding: a copy of storage.mechanism */
    struct wire_mechanism storage;
    struct bytes in, signature;
    uint64_t length;
    struct bytes texts[WIRE_TEXT_COUNT];
    uint64_t deadline_ms;
};

/* What went wrong with the device, beyond the return code: what the host must do about it. */
enum wire_trouble {
    WIRE_TROUBLE_NONE,
    WIRE_TROUBLE_LOST, /* this worker is of no more use */
    WIRE_TROUBLE_PIN,  /* no further attempt until the next hsm_open() */
};

struct wire_answer {
    uint32_t serial;
    CK_RV rv;
    enum wire_trouble trouble;
    uint64_t relogins; /* of this worker so far */
    uint64_t more;     /* bytes of output still to be asked for by WIRE_MORE */
    struct bytes reason, out;
};

struct wire_about {
    char library[64];
    char token[33];
    char serial[17];
    size_t count;
    struct wire_offer {
        CK_MECHANISM_TYPE type;
        CK_FLAGS flags;
    } offers[WIRE_MECHANISMS_MAX];
};

/* The public half as PKCS#11 has it: modulus and exponent, or parameters and point. */
struct wire_public {
    struct bytes first, second;
};

/* Frames without their length word are appended to out; false when they do not fit out's maximum.
 */
bool wire_put_request(struct buf *out, const struct wire_request *request);
bool wire_get_request(struct bytes frame, struct wire_request *ret);
bool wire_put_answer(struct buf *out, const struct wire_answer *answer);
bool wire_get_answer(struct bytes frame, struct wire_answer *ret);

bool wire_put_about(struct buf *out, const struct wire_about *about);
bool wire_get_about(struct bytes from, struct wire_about *ret);
bool wire_put_public(struct buf *out, const struct wire_public *pub);
bool wire_get_public(struct bytes from, struct wire_public *ret);

#endif
