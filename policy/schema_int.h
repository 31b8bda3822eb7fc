/* The parts of the vocabulary only the checker needs: entity types as bits, and attributes. */
#ifndef KEYWARD_POLICY_SCHEMA_INT_H
#define KEYWARD_POLICY_SCHEMA_INT_H

#include "policy/schema.h"

enum schema_type {
    TYPE_UNIX = 1U << 0,
    TYPE_UNIX_GROUP = 1U << 1,
    TYPE_USER = 1U << 2,
    TYPE_GROUP = 1U << 3,
    TYPE_CERT = 1U << 4,
    TYPE_TOKEN = 1U << 5,
    TYPE_VAULT = 1U << 6,
    TYPE_KEY = 1U << 7,
    TYPE_CERTIFICATE = 1U << 8,
    TYPE_SECRET = 1U << 9,
    TYPE_ACTION = 1U << 10,
};

#define TYPE_COUNT 11U
#define TYPE_PRINCIPALS                                                                            \
    (TYPE_UNIX | TYPE_UNIX_GROUP | TYPE_USER | TYPE_GROUP | TYPE_CERT | TYPE_TOKEN)
/* Those that a request can come from: a group only holds them. */
#define TYPE_CALLERS   (TYPE_UNIX | TYPE_USER | TYPE_CERT | TYPE_TOKEN)
#define TYPE_OBJECTS   (TYPE_KEY | TYPE_CERTIFICATE | TYPE_SECRET)
#define TYPE_RESOURCES (TYPE_VAULT | TYPE_OBJECTS)

struct schema_attribute {
    const char *name;
    enum policy_kind kind; /* POLICY_RECORD: open, any name with a string */
    uint32_t owners;       /* types that have it; 0: the context */
    bool optional;
};

const char *schema_type_name(unsigned bit_number);            /* "Unix" */
uint32_t schema_type_bit(struct bytes name);                  /* 0 when there is none */
const struct schema_attribute *schema_attribute_at(size_t i); /* NULL past the end */
const char *schema_group_at(size_t i); /* every action group; NULL past the end */
/* The types that entities of this one may be in, as bits. */
uint32_t schema_parents(unsigned bit_number);
/* Types of resource the action is asked about. */
uint32_t schema_action_resources(enum action action);

#endif
