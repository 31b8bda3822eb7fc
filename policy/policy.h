/*
 * Policies: text of a strict subset of Cedar in, verdict out. Pure: no I/O, no clock, no allocation
 * while deciding.
 *
 * Source: the Cedar language reference (docs.cedarpolicy.com, "Syntax", "Authorization"). One
 * deliberate difference, on the strict side: a policy whose evaluation errs makes the answer deny
 * (Cedar skips it). Default deny; forbid beats permit.
 */
#ifndef KEYWARD_POLICY_POLICY_H
#define KEYWARD_POLICY_POLICY_H

#include "base/bytes.h"
#include "base/fail.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- values: what requests are made of, and what evaluation works on. Everything is borrowed.
 * ---- */

enum policy_kind {
    POLICY_BOOL,
    POLICY_LONG,
    POLICY_STRING,
    POLICY_ENTITY,
    POLICY_SET,
    POLICY_RECORD,
    POLICY_IP,
    POLICY_DATETIME,
    POLICY_DURATION,
    /* Only in the requests an analysis makes up: not there, and not known yet. */
    POLICY_ABSENT,
    POLICY_UNKNOWN,
};

struct policy_uid {
    struct bytes type; /* "User", or with a namespace "Acme::User" */
    struct bytes id;   /* any UTF-8 */
};

/* An address, or a range of them: the bits of address behind prefix are kept as they were written.
 */
struct policy_ip {
    uint8_t address[16]; /* IPv4: the first four */
    uint8_t prefix;      /* 32 or 128 for one address */
    bool v6;
};

struct policy_field;

struct policy_value {
    enum policy_kind kind;
    union {
        bool boolean;
        int64_t number; /* also milliseconds: since 1970 of a datetime, and of a duration */
        struct bytes string;
        struct policy_uid uid;
        struct policy_ip ip;
        struct {
            const struct policy_value *items; /* any order, duplicates harmless */
            size_t count;
        } set;
        struct {
            const struct policy_field *fields; /* sorted by name (bytes_compare), each once */
            size_t count;
        } record;
    } u;
};

struct policy_field {
    struct bytes name;
    struct policy_value value;
};

struct policy_entity {
    struct policy_uid uid;
    const struct policy_uid *ancestors; /* all of them: the caller gives the transitive closure */
    size_t ancestor_count;
    struct policy_value attributes; /* POLICY_RECORD */
};

struct policy_request {
    struct policy_uid principal, action, resource;
    struct policy_value context; /* POLICY_RECORD */
    /* Entities that may be asked for parents or attributes, sorted by type, then id. One not listed
     * has no ancestors, and no attributes: reading one errs, `has` is false (as in Cedar). */
    const struct policy_entity *entities;
    size_t entity_count;
};

/* ---- loading ---- */

struct policy; /* immutable once loaded: readable by any number of threads, replaced whole */

struct policy_source {
    const char *name;   /* for messages: a file name or a vault's name */
    struct bytes text;  /* UTF-8 */
    const char *prefix; /* before the ids of its policies: "home:"; "" for none */
};

struct policy_error {
    const char *source;    /* the source's name, borrowed */
    unsigned line, column; /* from 1; column counts bytes; 0 when about the whole text */
    char message[256];
};

/* Limits: beyond them loading fails with a clear message. */
#define POLICY_TEXT_MAX  (16U << 20) /* bytes in all sources */
#define POLICY_DEPTH_MAX 64U         /* nesting of expressions */
#define POLICY_COUNT_MAX 200000U     /* policies */

/*
 * Parses and compiles. CKR_OK and *ret (the caller's, policy_free), or CKR_ARGUMENTS_BAD and
 * *ret_error, or CKR_HOST_MEMORY. Templates (?principal) are refused with a message that says so.
 * ids: the @id("...") annotation, else "policyN" counted from 0 within its source; two policies of
 * one id in a set are an error.
 */
MUST_CHECK CK_RV policy_load(const struct policy_source *sources, size_t count, struct policy **ret,
                             struct policy_error *ret_error);
void policy_free(struct policy *policy);

size_t policy_count(const struct policy *policy);
const char *policy_id(const struct policy *policy, size_t index); /* with its prefix */
bool policy_is_forbid(const struct policy *policy, size_t index);
/* True when some policy may look at an attribute of that name: it is written in one of them. */
bool policy_speaks_of(const struct policy *policy, const char *name);
/* True when its scope says for which actions it is. */
bool policy_is_for_actions(const struct policy *policy, size_t index);
/* True when some policy names this entity. */
bool policy_names(const struct policy *policy, const struct policy_uid *uid);
/* Value of an annotation, NULL when the policy has none of that name. */
const char *policy_annotation(const struct policy *policy, size_t index, const char *name);

/*
 * Checks every policy of a loaded set against keyward's schema (policy/schema.h): entity types,
 * actions, attribute names and the types of every operator's operands, with `has` guards honoured
 * for optional attributes. Returns how many errors were found and fills the first max of them
 * (sorted by place).
 */
size_t policy_check(const struct policy *policy, struct policy_error *errors, size_t max);

/* ---- deciding ---- */

struct policy_verdict {
    bool allow;
    /* The policies that made the answer, ascending. allow: the permits that held. deny: the forbids
     * that held; when none held but some policy erred, those that erred; empty for the default
     * deny. At most max of them are stored. */
    uint32_t *reasons;
    size_t max;          /* set by the caller, with room in reasons */
    size_t reason_count; /* as many as there are, stored or not */
    /* Policies whose evaluation erred, ascending, with the same rule for storage. */
    uint32_t *errors;
    size_t error_max;
    size_t error_count;
    char error[128]; /* the first error's text, "" when none */
};

/*
 * Decides. Bounded: linear in the policies that could apply, with the constant stack
 * POLICY_DEPTH_MAX allows. Thread-safe; no allocation, lock, clock or I/O. A NULL policy denies.
 */
void policy_decide(const struct policy *policy, const struct policy_request *request,
                   struct policy_verdict *verdict);

/*
 * True when some permit names this principal, or an ancestor of it, in its scope (== or in; not an
 * open scope) for this action, whatever its conditions say: "the policy knows this caller without a
 * login".
 */
bool policy_names_principal(const struct policy *policy, const struct policy_request *request);

/* True when one of the permits that made this verdict (of those stored) names the principal so. */
bool policy_verdict_names_principal(const struct policy *policy,
                                    const struct policy_request *request,
                                    const struct policy_verdict *verdict);

#include "base/scope.h"
SCOPE_DEFINE(struct policy, policy_free)

#endif
