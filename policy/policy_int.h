/*
 * The compiled form of a policy set, shared by the files that build it (parse*.c, build.c, load.c,
 * index.c) and those that read it (eval.c, decide.c, check.c). Everything refers to everything else
 * by index; nothing changes after policy_load() returns.
 *
 * Bounds that hold for every loaded set, and that the evaluator relies on:
 *   - node.depth <= POLICY_DEPTH_MAX, and every operand of a node has a smaller depth: recursion
 * over nodes ends;
 *   - a node is the operand of one node at most: one evaluation visits each node once at most;
 *   - the slots of the OP_SET and OP_RECORD nodes of one rule fit SCRATCH_WORDS and do not overlap.
 */
#ifndef KEYWARD_POLICY_POLICY_INT_H
#define KEYWARD_POLICY_POLICY_INT_H

#include "policy/arena.h"
#include "policy/intern.h"
#include "policy/policy.h"

#define SCRATCH_WORDS                                                                              \
    2048U /* 64-bit words for the sets and records one policy makes: 409 values or 292 fields */
#define LITERAL_ITEMS_MAX 65536U /* elements of one [..] or {..} */

enum variable {
    VARIABLE_PRINCIPAL,
    VARIABLE_ACTION,
    VARIABLE_RESOURCE,
    VARIABLE_CONTEXT,
    VARIABLE_COUNT
};

/* Operands: a, b, c are nodes unless said otherwise; "list" is b entries of policy.lists from a on.
 */
enum op {
    OP_BOOL,         /* a: 0 or 1 */
    OP_LONG,         /* a, b: low and high half */
    OP_STRING,       /* a: string */
    OP_UID,          /* a: uid */
    OP_CONST,        /* a: value (set, record, extension); b: 1 when a set sorted for search */
    OP_VARIABLE,     /* a: enum variable */
    OP_AND,          /* list of nodes */
    OP_OR,           /* list of nodes */
    OP_NOT,          /* a */
    OP_NEGATE,       /* a */
    OP_IF,           /* a ? b : c */
    OP_EQUAL,        /* a == b */
    OP_UNEQUAL,      /* a != b */
    OP_LESS,         /* a < b */
    OP_LESS_EQUAL,   /* a <= b */
    OP_MORE,         /* a > b */
    OP_MORE_EQUAL,   /* a >= b */
    OP_IN,           /* a in b */
    OP_HAS,          /* c has <list of strings a, b> */
    OP_GET,          /* a.<string b> */
    OP_LIKE,         /* a like <string b>; PATTERN_ANY stands for the wildcard */
    OP_IS,           /* a is <string b> */
    OP_IS_IN,        /* a is <string b> in c */
    OP_CONTAINS,     /* a.contains(b) */
    OP_CONTAINS_ALL, /* a.containsAll(b) */
    OP_CONTAINS_ANY, /* a.containsAny(b) */
    OP_IS_EMPTY,     /* a.isEmpty() */
    OP_IP,           /* ip(a); of a literal it is a constant */
    OP_DATETIME,     /* datetime(a), likewise */
    OP_DURATION,     /* duration(a), likewise */
    OP_IS_IPV4,      /* a.isIpv4() */
    OP_IS_IPV6,
    OP_IS_LOOPBACK,
    OP_IS_MULTICAST,
    OP_IN_RANGE,       /* a.isInRange(b) */
    OP_OFFSET,         /* a.offset(b) */
    OP_DURATION_SINCE, /* a.durationSince(b) */
    OP_TO_DATE,        /* a.toDate() */
    OP_TO_TIME,
    OP_TO_MILLISECONDS,
    OP_TO_SECONDS,
    OP_TO_MINUTES,
    OP_TO_HOURS,
    OP_TO_DAYS,
    OP_SET,    /* list of nodes, c: first word of scratch */
    OP_RECORD, /* list of (string, node) pairs sorted by name, b pairs, c: first word of scratch */
    OP_COUNT
};

/* A byte that UTF-8 never has. */
#define PATTERN_ANY 0xFF

struct node {
    uint8_t op;
    uint8_t depth; /* 1 for a leaf */
    uint32_t a, b, c;
    uint32_t line, column;
};

enum scope_kind {
    SCOPE_ANY,
    SCOPE_EQUAL, /* == uid */
    SCOPE_IN,    /* in uid */
    SCOPE_IS,    /* is type */
    SCOPE_IS_IN, /* is type in uid */
    SCOPE_LIST,  /* in [uids]: count entries of lists from uid on */
};

struct scope {
    enum scope_kind kind;
    uint32_t uid, count;
    uint32_t type; /* string */
    uint32_t line, column;
};

struct note {
    const char *name;
    const char *value;
};

struct rule {
    const char *id;
    bool forbid;
    uint32_t source;
    struct scope scopes[3];               /* by enum variable */
    uint32_t conditions, condition_count; /* nodes in lists; `unless` is there as OP_NOT */
    uint32_t notes, note_count;
    uint32_t line, column;
};

/* Which rules can match a uid: each rule stands under one uid of one variable, or among the open
 * ones. */
struct rule_index {
    uint32_t *start[3]; /* by uid number, one more than there are uids */
    uint32_t *rules[3];
    uint32_t *open;
    size_t open_count;
};

struct policy {
    struct arena arena;
    struct intern strings; /* also types and attribute names */
    struct intern uids;
    struct node *nodes;
    size_t node_count, node_cap;
    uint32_t *lists;
    size_t list_count, list_cap;
    struct policy_value *values;
    size_t value_count, value_cap;
    struct rule *rules;
    size_t rule_count, rule_cap;
    struct note *notes;
    size_t note_count, note_cap;
    const char **sources;
    struct rule_index index;
};

static inline struct bytes policy_string(const struct policy *policy, uint32_t string)
{
    return policy->strings.items[string].id;
}

/* Builds policy->index. False without memory. */
bool index_build(struct policy *policy);
void index_release(struct rule_index *index);

#endif
