/*
 * A bench to try operations on: a session with keys of every kind. The same cases run on two of
 * them: the operations alone with doubles of gate, handles and HSM (double.c, where every fault can
 * be had), and the module with a SoftHSM token (bench_module.c, which keeps the doubles honest).
 */
#ifndef KEYWARD_TESTS_CONTRACT_PKCS11_BENCH_H
#define KEYWARD_TESTS_CONTRACT_PKCS11_BENCH_H

#include "base/mech.h"
#include "tests/support/suite.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <string.h>

/* Check has a macro of this name, base/fail.h a function. */
#undef fail

enum bench_key {
    BENCH_RSA_PRIVATE,
    BENCH_RSA_PUBLIC,
    BENCH_P256_PRIVATE,
    BENCH_P256_PUBLIC,
    BENCH_P384_PRIVATE,
    BENCH_P384_PUBLIC,
    BENCH_P521_PRIVATE,
    BENCH_P521_PUBLIC,
    BENCH_AES128,
    BENCH_AES256,
    BENCH_HMAC, /* 64 bytes: SoftHSM refuses keys shorter than the hash */
    BENCH_KEYS
};

/* A record of the log, as far as operations fill it. */
struct bench_record {
    char phase[12]; /* "done", "intent", "outcome" */
    char function[24];
    char action[12];
    char mechanism[32];
    char digest[65];
    char rv[40];
    bool has_length;
    uint64_t length;
};

struct bench {
    CK_FUNCTION_LIST *p11;
    CK_SESSION_HANDLE session;
    struct bench_own *own;
};

/* main()'s status. */
int bench_suite(const char *name, const struct suite_case *cases, size_t count);
void bench_open(struct bench *b);
void bench_close(struct bench *b);
/* Handle of a key; a pair is made when its first half is asked for. */
CK_OBJECT_HANDLE bench_key(struct bench *b, enum bench_key key);
/* The pair's public key; the caller's. */
EVP_PKEY *bench_public(struct bench *b, enum bench_key key);
/* Records of operations written since bench_open() or the last call; how many there were. */
size_t bench_records(struct bench *b, struct bench_record *out, size_t max);

/* ---- what the cases share (bench.c) ---- */

/* A mechanism with a fair parameter for it. */
struct bench_mechanism {
    CK_MECHANISM mechanism;
    uint8_t iv[16];
    uint8_t aad[20];
    CK_AES_CTR_PARAMS ctr;
    CK_GCM_PARAMS gcm;
    CK_RSA_PKCS_PSS_PARAMS pss;
    CK_RSA_PKCS_OAEP_PARAMS oaep;
};
CK_MECHANISM *bench_mechanism(struct bench_mechanism *m, const struct mech *row);
CK_MECHANISM *bench_mechanism_of(struct bench_mechanism *m, CK_MECHANISM_TYPE type);

/* OpenSSL's digest of this mechanism, NULL when it is none. */
const EVP_MD *bench_md(CK_MECHANISM_TYPE hash);
/* Mechanisms these tests are about: they are done by every HSM here, the double included. */
bool bench_does(const struct mech *row);

/* The n-th row of the mechanism table that has this flag; NULL past the last. */
const struct mech *bench_row(CK_FLAGS flag, size_t n);

/* A key of the row's type; the private or secret one with sign and decrypt. */
enum bench_key bench_key_for(const struct mech *row, CK_FLAGS flag);

/* n bytes that differ from place to place. */
void bench_fill(uint8_t *data, size_t n);

/* Data of a length the row can sign or encrypt whole. */
size_t bench_data_len(const struct mech *row, CK_FLAGS flag);

#endif
