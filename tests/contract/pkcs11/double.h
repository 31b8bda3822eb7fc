/*
 * Doubles of what operations stand on: entering and leaving, the gate, handles, the HSM. They keep
 * to the headers' contracts, and fail when told to.
 */
#ifndef KEYWARD_TESTS_CONTRACT_PKCS11_DOUBLE_H
#define KEYWARD_TESTS_CONTRACT_PKCS11_DOUBLE_H

#include "pkcs11/call.h"
#include "pkcs11/handles.h"
#include "tests/contract/pkcs11/bench.h"

/* Everything that can be turned. All zero: all goes well. */
struct double_switches {
    bool hidden;         /* no key is visible */
    bool denied;         /* every use is denied */
    bool policy_changed; /* kept grants are asked again */
    bool log_broken;     /* no record can be written */
    unsigned hsm_fails;  /* the n-th call of the HSM from now fails, 0: none */
    CK_RV hsm_rv;        /* with this */
    bool hsm_offers_nothing;
    int64_t now; /* seconds since 1970 */
};
extern struct double_switches switches;

/* The object behind a key's handle, to change its attributes and dates. */
struct object *double_object(enum bench_key key);

/* Calls of the HSM since bench_open(). */
unsigned double_hsm_calls(void);
/* HSM operations begun and not freed. */
unsigned double_hsm_open(void);

/* double_hsm.c: the HSM's keys. */
struct double_keys {
    EVP_PKEY *pairs[4]; /* RSA, P-256, P-384, P-521 */
    uint8_t aes[32];
    uint8_t hmac[64];
};
extern struct double_keys double_keys;
void double_hsm_make_keys(void);
void double_hsm_free_keys(void);

#endif
