/*
 * Looks for what the API gives away: every command sequence of a caller who may use sensitive keys
 * and must never see them, tried against a live PKCS#11 library.
 *
 * The search is by facts. A fact is an object the caller can name or a ciphertext the caller holds;
 * a command makes new facts of old ones. Commands are tried on all facts in rounds, so that after n
 * rounds every sequence of n commands (and many longer ones) has been played. Two facts that no
 * command can tell apart are one: objects of the same value and the same rights, ciphertexts of the
 * same content under the same key and mechanism. Attributes are only ever changed towards more
 * power; towards less is a sequence that could do less.
 *
 * Values are told apart by CKA_CHECK_VALUE (secret keys) and by modulus (RSA): the library must
 * have them. The attack this follows: Clulow, "On the Security of PKCS#11" (CHES 2003);
 * Bortolozzo, Centenaro, Focardi, Steel, "Attacking and Fixing PKCS#11 Security Tokens" (CCS 2010).
 */
#ifndef KEYWARD_TESTS_SUPPORT_EXPLORER_H
#define KEYWARD_TESTS_SUPPORT_EXPLORER_H

#include "base/pkcs11.h"

#include <stdbool.h>
#include <stddef.h>

struct explorer_setup {
    CK_FUNCTION_LIST *f;
    CK_SESSION_HANDLE session; /* read-write, the user logged in */
    unsigned steps;
    /* Set in each template of a new key; NULL: nothing. */
    const char *protection;
    /* Templates do not speak of CKA_EXTRACTABLE: the library refuses to hear of it. */
    bool never_extractable;
};

struct explorer_report {
    bool found;     /* the value of a sensitive key came out */
    char how[2048]; /* by which commands, one a line, the last first */
    unsigned rounds, commands, done, objects, blobs;
};

void explorer_run(const struct explorer_setup *setup, struct explorer_report *ret);

#endif
