/*
 * Ways to break a lab's home (lab.h), and in it an HSM that fails on command (shim_hsm.c). All are
 * for a home that is not in use, but for the rules of the shim, which hold from the next call on.
 */
#ifndef KEYWARD_TESTS_SUPPORT_LAB_BREAK_H
#define KEYWARD_TESTS_SUPPORT_LAB_BREAK_H

#include "tests/support/lab.h"

/* The file of the home has this text and mode 0600 afterwards. */
void lab_write(const struct lab *lab, const char *name, const char *text);
/* Sets one line of keyward.conf that is already there. */
void lab_setting(const struct lab *lab, const char *name, const char *value);
/* Keeps a copy of a file of the home aside; brings it back, whatever is in its place. */
void lab_keep(const struct lab *lab, const char *name);
void lab_restore(const struct lab *lab, const char *name);

/* From the next C_Initialize on the HSM's library is the shim; its calls have this deadline. */
void lab_use_shim(const struct lab *lab, const char *deadline_ms);
/* As in hsm_world.h. */
void lab_shim_rule(const struct lab *lab, const char *rule);
void lab_shim_forget(const struct lab *lab);
unsigned lab_shim_calls(const struct lab *lab, const char *function);

#endif
