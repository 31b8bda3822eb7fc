/*
 * The module as an application sees it, for tests of objects: a home made once for the program,
 * two vaults ("web" with users alice and bob, "other" with user alice), the function list, and
 * sentences for the calls every test makes. The environment's TOKEN_PROTECTION is the vaults'
 * default protection; without it it is hsm.
 */
#ifndef KEYWARD_TESTS_MODULE_TOKEN_H
#define KEYWARD_TESTS_MODULE_TOKEN_H

#include "tests/support/suite.h"

#include <stdbool.h>
#include <stdint.h>

#define ALICE_PIN "alice-pin-1"
#define BOB_PIN   "bob-pin-123"

#define COUNT(table)         (sizeof(table) / sizeof(*(table)))
#define ATTR(type, value, n) ((CK_ATTRIBUTE){(type), (value), (n)})
#define LIST(...)            (CK_ATTRIBUTE[]){__VA_ARGS__}, COUNT(((CK_ATTRIBUTE[]){__VA_ARGS__}))
#define YES(type)            ATTR(type, &token_yes, 1)
#define NO(type)             ATTR(type, &token_no, 1)
#define TEXT(type, text)     ATTR(type, (char[]){text}, sizeof(text) - 1)
#define ULONG(type, n)       ATTR(type, &(CK_ULONG){n}, sizeof(CK_ULONG))

extern CK_BBOOL token_yes, token_no;
extern CK_FUNCTION_LIST *p11;

/* Makes the home, runs the cases, removes the home. The status of main(). */
int token_suite(const char *name, const struct suite_case *cases, size_t count);

/* In a test: C_Initialize, and a session with a vault. user NULL: not logged in. */
void token_start(void);
CK_SESSION_HANDLE token_open(const char *vault, bool rw);
void token_login(CK_SESSION_HANDLE session, const char *user_and_pin);
/* The usual beginning: read-write, alice in "web". */
CK_SESSION_HANDLE token_alice(void);
/* The same under another policy of "web", which the home's administrator applies before the login.
 */
CK_SESSION_HANDLE token_alice_under(const char *policy_apply);

/* One administrative verb; fails the test when it is refused. */
void token_admin(const char *json);

/* The handles a search finds; fails the test on any error. */
CK_ULONG token_find(CK_SESSION_HANDLE session, CK_ATTRIBUTE *template, CK_ULONG count,
                    CK_OBJECT_HANDLE *handles, CK_ULONG max);
/* The one object of a class with this label. */
CK_OBJECT_HANDLE token_one(CK_SESSION_HANDLE session, const char *label, CK_OBJECT_CLASS cls);

/* Attributes read alone. */
CK_BBOOL token_bool(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type);
CK_ULONG token_ulong(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type);
CK_ULONG token_bytes(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type,
                     uint8_t *out, CK_ULONG max);

/* Keys of the usual kinds. */
CK_OBJECT_HANDLE token_aes(CK_SESSION_HANDLE session, const char *label, bool on_token);
void token_ec(CK_SESSION_HANDLE session, const char *label, bool on_token,
              CK_OBJECT_HANDLE *public_key, CK_OBJECT_HANDLE *private_key);

#endif
