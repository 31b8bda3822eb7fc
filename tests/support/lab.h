/*
 * A vault home to experiment on, for tests against the whole module. lab_suite_run() makes one home
 * for the suite (a SoftHSM token of its own, vaults, users, keys); every test works on a copy of
 * it, through the module as an application loads it: dlopen, C_GetFunctionList, C_GetInterface.
 *
 * What is in it: vault "web" with alice (LAB_PIN, default user, the data plane), bob (LAB_BOB_PIN,
 * crypto user) and a security officer (LAB_SO_PIN); keys "tls" (EC P-256), "seal" (AES-256),
 * "sign" (RSA-2048). Vault "mail" with carol (LAB_PIN) and key "dkim" (EC P-256).
 *
 * All helpers assert: what fails in them fails the test.
 */
#ifndef KEYWARD_TESTS_SUPPORT_LAB_H
#define KEYWARD_TESTS_SUPPORT_LAB_H

#include "audit/verify.h"
#include "base/pkcs11.h"
#include "pkcs11/keyward.h"
#include "tests/support/suite.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define LAB_PIN     "alice-pin-1"
#define LAB_BOB_PIN "bob-pin-22"
#define LAB_SO_PIN  "so-pin-333"

#define LAB_PATH_MAX 256

/* Memory and time are not what they are without a sanitizer. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LAB_SANITIZED true
#else
#define LAB_SANITIZED false
#endif

struct lab {
    char root[64]; /* temporary folder, removed by lab_end() */
    char home[80]; /* root/home, and KEYWARD_HOME */
    void *library;
    CK_FUNCTION_LIST *f;
    const struct keyward_functions *admin;
    CK_SLOT_ID slot; /* of vault web, after lab_up() */
    char *answer;    /* JSON of the last verb */
};

/* main() of a suite that uses the lab. */
int lab_suite_run(const char *name, const struct suite_case *cases, size_t count);

/* A copy of the suite's home, the module loaded, nothing initialized. */
void lab_make(struct lab *lab);
/* C_Initialize, and finds the slot of vault web. */
void lab_up(struct lab *lab);
/* Both. */
void lab_start(struct lab *lab);
void lab_end(struct lab *lab);
/* The module alone, with KEYWARD_HOME as it is. */
void lab_load(struct lab *lab);
void lab_load_as(struct lab *lab, int dlopen_flags);
/* As a test of a home that is somewhere else ends: only the module goes. */
void lab_unload(struct lab *lab);

/* A path under the home, in a static buffer. */
const char *lab_path(const struct lab *lab, const char *name);

CK_SLOT_ID lab_slot(const struct lab *lab, const char *vault);
CK_TOKEN_INFO lab_token(const struct lab *lab, CK_SLOT_ID slot);
CK_SESSION_HANDLE lab_session(const struct lab *lab, CK_FLAGS flags);
/* A read-write session of vault web with alice logged in. */
CK_SESSION_HANDLE lab_alice(const struct lab *lab);
CK_RV lab_login(const struct lab *lab, CK_SESSION_HANDLE session, CK_USER_TYPE type,
                const char *pin);

/* The object of this class and label, or 0. */
CK_OBJECT_HANDLE lab_find(const struct lab *lab, CK_SESSION_HANDLE session, CK_OBJECT_CLASS cls,
                          const char *label);
/* Objects of the vault that are found, the profiles (which are in every token) left out. */
CK_ULONG lab_count(const struct lab *lab, CK_SESSION_HANDLE session);

/* ECDSA with SHA-256. */
#define LAB_SIGNATURE_MAX 64
CK_RV lab_sign(const struct lab *lab, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key,
               const void *data, CK_ULONG len, CK_BYTE signature[static LAB_SIGNATURE_MAX],
               CK_ULONG *signature_len);
CK_RV lab_verify(const struct lab *lab, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE public_key,
                 const void *data, CK_ULONG len, const CK_BYTE *signature, CK_ULONG signature_len);
/* Signs with key "tls" and verifies with its public half; asserts both. */
void lab_signs(const struct lab *lab, CK_SESSION_HANDLE session);
/* One EC P-256 key pair, token objects with this label. */
CK_RV lab_generate(const struct lab *lab, CK_SESSION_HANDLE session, const char *label,
                   CK_OBJECT_HANDLE *ret_public, CK_OBJECT_HANDLE *ret_private);

/* What takes a verb's answer; ctx is the lab. */
void lab_receive(void *ctx, const CK_UTF8CHAR *json, CK_ULONG len);
/* A verb; lab->answer is its JSON. secret may be NULL; a member that wants it says 0. */
__attribute__((format(printf, 3, 4))) CK_RV lab_admin(struct lab *lab, const char *secret,
                                                      const char *format, ...);
/* A member of the last answer, by a path of names: "hsm.worker". -1 when it is not there. */
json_int_t lab_answer_number(const struct lab *lab, const char *path);
/* Applies a policy to vault web. */
void lab_policy(struct lab *lab, const char *text);
pid_t lab_worker(struct lab *lab);

/* The log verifies, without a gap from 0; returns its records. */
uint64_t lab_log_whole(const struct lab *lab);
/* Records from a sequence number on; each may be called in any process that can read the home. */
void lab_log_each(const struct lab *lab, uint64_t from, void (*each)(void *ctx, json_t *record),
                  void *ctx);
/* How many of them have these members; NULL is any. */
unsigned lab_log_count(const struct lab *lab, const char *function, const char *rv);
const char *lab_member(json_t *record, const char *name); /* "" when it is not there */

/* A child that runs fn and ends with _exit; assertions hold in it too. */
pid_t lab_child(void (*fn)(struct lab *lab, int n), struct lab *lab, int n);
/* Asserts that it ended well. */
void lab_join(pid_t child);

/* Runs a program without a shell; its exit status. */
int lab_program(const char *const argv[]);

/* What this process holds. */
unsigned lab_fds(void);
unsigned lab_threads(void);
long lab_rss_kib(void);
int64_t lab_ms(void); /* monotonic */
void lab_sleep_ms(unsigned ms);

#endif
