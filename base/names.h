/* The standard's names for its numbers, both ways, and what an attribute's value is. Tables in
 * names.c, names_mech.c and names_attr.c. */
#ifndef KEYWARD_BASE_NAMES_H
#define KEYWARD_BASE_NAMES_H

#include "base/pkcs11.h"

#include <stdbool.h>
#include <stddef.h>

/* Each answers a static string; "CKR_0x80000001" style texts for unknown numbers are written to
 * buf. */
#define NAME_BUF_MAX 32
const char *name_of_rv(CK_RV rv, char buf[static NAME_BUF_MAX]);
const char *name_of_class(CK_OBJECT_CLASS cls, char buf[static NAME_BUF_MAX]);
const char *name_of_key_type(CK_KEY_TYPE type, char buf[static NAME_BUF_MAX]);
const char *name_of_attribute(CK_ATTRIBUTE_TYPE type, char buf[static NAME_BUF_MAX]);
const char *name_of_mechanism(CK_MECHANISM_TYPE type, char buf[static NAME_BUF_MAX]);

/* The tables behind these, sorted by value, each name once. */
enum name_kind { NAME_RV, NAME_CLASS, NAME_KEY_TYPE, NAME_MECHANISM };
struct named {
    CK_ULONG value;
    const char *name; /* "CKR_OK" */
};
const struct named *names_of(enum name_kind kind, size_t *ret_count);
const struct named *names_of_mechanisms(size_t *ret_count); /* names_of(NAME_MECHANISM, ...) */
/* Linear: for settings and commands. */
bool value_of_name(enum name_kind kind, const char *name, CK_ULONG *ret_value);

enum attr_kind {
    ATTR_BOOL,       /* CK_BBOOL */
    ATTR_ULONG,      /* CK_ULONG and its renamings */
    ATTR_BYTES,      /* byte array */
    ATTR_BIG_INT,    /* big-endian, no leading zeros promised */
    ATTR_STRING,     /* UTF-8, no NUL */
    ATTR_DATE,       /* CK_DATE or empty */
    ATTR_MECHANISMS, /* array of CK_MECHANISM_TYPE */
    ATTR_TEMPLATE,   /* array of CK_ATTRIBUTE */
};

struct attr_name {
    CK_ATTRIBUTE_TYPE type;
    const char *name; /* "CKA_LABEL" */
    enum attr_kind kind;
};

const struct attr_name *attr_name_find(CK_ATTRIBUTE_TYPE type); /* NULL when unknown */
size_t attr_name_count(void);
const struct attr_name *attr_name_at(size_t i); /* sorted by type */

#endif
