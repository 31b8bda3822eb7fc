/* Verbs of the vendor interface under test: one line a call, with what must come of it. On the lab
 * (tests/support/lab.h); all helpers assert. */
#ifndef KEYWARD_TESTS_SUPPORT_VERBS_H
#define KEYWARD_TESTS_SUPPORT_VERBS_H

#include "tests/support/lab.h"

#include <sys/resource.h>

/* It is done. secret may be NULL. */
void verb_ok(struct lab *lab, const char *secret, const char *request);
/* It is refused with this code, and the sentence has the words in it. */
void verb_refused(struct lab *lab, CK_RV rv, const char *words, const char *secret,
                  const char *request);

/* The last answer, parsed. The caller drops it with json_decref(). */
json_t *verb_answer(const struct lab *lab);
/* A text of the last answer by a path of names and indexes, "keys.0.name"; "" when it is not there.
 * In a static buffer. */
const char *verb_text(const struct lab *lab, const char *path);
/* How many elements the array of this name has. */
size_t verb_count(const struct lab *lab, const char *name);

/* The number of users a vault has whose name is this. */
bool verb_has_user(struct lab *lab, const char *vault, const char *user);

/*
 * Runs a request in a child in which no file may grow past limit bytes, as on a disk that is full.
 * initialize: C_Initialize first, without the limit. The verb's code; the answer is dropped.
 */
CK_RV verb_on_full_disk(struct lab *lab, bool initialize, rlim_t limit, const char *request);

#define NOBODY_UID 65534
/*
 * Runs fn in a child that is the Unix user nobody, who owns the home's files but is not named in
 * its policy: file permissions stop nothing, the policy must. False where the test does not run as
 * root.
 */
bool verb_as_nobody(struct lab *lab, void (*fn)(struct lab *lab, int n), int n);

#endif
