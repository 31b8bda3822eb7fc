/*
 * The attribute rules: which attributes an object has, what a template may and must say of them,
 * and what they are when it says nothing. One table (template_rules.c), named after the standard's
 * "Common footnotes for object attribute tables" (PKCS#11 2.40 base, table 10; attribute tables in
 * sections 4.4 to 4.11).
 *
 * A template comes from the application: nothing in it is believed before template_scan() saw it.
 */
#ifndef KEYWARD_PKCS11_TEMPLATE_H
#define KEYWARD_PKCS11_TEMPLATE_H

#include "vault/object.h"

/* What an object is, as far as attributes go; also the bits of attr_rule.kinds. */
enum object_kind {
    KIND_NONE = 0,
    KIND_DATA = 1U << 0,
    KIND_CERTIFICATE = 1U << 1,
    KIND_RSA_PUBLIC = 1U << 2,
    KIND_EC_PUBLIC = 1U << 3, /* Weierstrass: signs and agrees */
    KIND_EDWARDS_PUBLIC = 1U << 4,
    KIND_MONTGOMERY_PUBLIC = 1U << 5,
    KIND_RSA_PRIVATE = 1U << 6,
    KIND_EC_PRIVATE = 1U << 7,
    KIND_EDWARDS_PRIVATE = 1U << 8,
    KIND_MONTGOMERY_PRIVATE = 1U << 9,
    KIND_AES = 1U << 10, /* XTS keys too */
    KIND_CHACHA20 = 1U << 11,
    KIND_DES = 1U << 12, /* and triple DES: of one length each */
    KIND_GENERIC = 1U << 13,
    KIND_HKDF = 1U << 14,
    KIND_MAC = 1U << 15,        /* CKK_SHA256_HMAC and its like */
    KIND_KEM_PUBLIC = 1U << 16, /* ML-KEM */
    KIND_KEM_PRIVATE = 1U << 17,
    KIND_PQ_PUBLIC = 1U << 18, /* ML-DSA, SLH-DSA: they sign */
    KIND_PQ_PRIVATE = 1U << 19,
};

#define KINDS_RSA     ((unsigned)KIND_RSA_PUBLIC | (unsigned)KIND_RSA_PRIVATE)
#define KINDS_EDWARDS ((unsigned)KIND_EDWARDS_PUBLIC | (unsigned)KIND_EDWARDS_PRIVATE)
#define KINDS_KEM     ((unsigned)KIND_KEM_PUBLIC | (unsigned)KIND_KEM_PRIVATE)
#define KINDS_PUBLIC                                                                               \
    ((unsigned)KIND_RSA_PUBLIC | (unsigned)KIND_EC_PUBLIC | (unsigned)KIND_EDWARDS_PUBLIC |        \
     (unsigned)KIND_MONTGOMERY_PUBLIC | (unsigned)KIND_KEM_PUBLIC | (unsigned)KIND_PQ_PUBLIC)
#define KINDS_PRIVATE                                                                              \
    ((unsigned)KIND_RSA_PRIVATE | (unsigned)KIND_EC_PRIVATE | (unsigned)KIND_EDWARDS_PRIVATE |     \
     (unsigned)KIND_MONTGOMERY_PRIVATE | (unsigned)KIND_KEM_PRIVATE | (unsigned)KIND_PQ_PRIVATE)
#define KINDS_SECRET                                                                               \
    ((unsigned)KIND_AES | (unsigned)KIND_CHACHA20 | (unsigned)KIND_DES | (unsigned)KIND_GENERIC |  \
     (unsigned)KIND_HKDF | (unsigned)KIND_MAC)
/* Keys that have something to keep: in the HSM, or sealed in the vault. */
#define KINDS_SECURED (KINDS_PRIVATE | KINDS_SECRET)
#define KINDS_KEY     (KINDS_PUBLIC | KINDS_SECURED)
#define KINDS_ALL     ((unsigned)KIND_DATA | (unsigned)KIND_CERTIFICATE | KINDS_KEY)

/* Which call a template comes with. */
enum template_use { TEMPLATE_CREATE, TEMPLATE_GENERATE, TEMPLATE_UNWRAP, TEMPLATE_DERIVE };

/* NOTE_n is the standard's footnote n; the others are ours. */
enum rule_note {
    NOTE_1 = 1U << 0,      /* must be specified with C_CreateObject */
    NOTE_2 = 1U << 1,      /* must not be specified with C_CreateObject */
    NOTE_3 = 1U << 2,      /* must be specified with C_GenerateKey(Pair) */
    NOTE_4 = 1U << 3,      /* must not be specified with C_GenerateKey(Pair) */
    NOTE_5 = 1U << 4,      /* must be specified with C_UnwrapKey */
    NOTE_6 = 1U << 5,      /* must not be specified with C_UnwrapKey, nor with C_DeriveKey */
    NOTE_7 = 1U << 6,      /* the key itself: never an attribute the object carries */
    NOTE_8 = 1U << 7,      /* may be changed by C_SetAttributeValue */
    NOTE_10 = 1U << 8,     /* set to true by the security officer only */
    NOTE_11 = 1U << 9,     /* may be changed once, to true */
    NOTE_12 = 1U << 10,    /* may be changed once, to false (usage flags too: rights only fall) */
    RULE_USAGE = 1U << 11, /* one of the flags that say what a key is for */
    RULE_COPY = 1U << 12,  /* C_CopyObject may give it anew */
    RULE_COPY_TRUE = 1U << 13,  /* C_CopyObject may raise it */
    RULE_COPY_FALSE = 1U << 14, /* C_CopyObject may lower it */
};

enum rule_default {
    DEFAULT_ABSENT, /* not there unless given or computed */
    DEFAULT_EMPTY,
    DEFAULT_FALSE,
    DEFAULT_TRUE, /* a usage: unless the template names one that excludes it (roles.h) */
    DEFAULT_ZERO, /* CK_ULONG */
    /* A usage such a key is made for: true unless the template names another usage as true. A key
     * asked for signing only does not get to decrypt by silence. Nor one that is excluded. */
    DEFAULT_USAGE,
};

struct attr_rule {
    CK_ATTRIBUTE_TYPE type;
    unsigned kinds; /* of enum object_kind */
    unsigned notes; /* of enum rule_note */
    enum rule_default fallback;
};

size_t rule_count(void);
const struct attr_rule *rule_at(size_t i); /* NULL past the end */
/* NULL: an object of this kind has no such attribute. */
const struct attr_rule *rule_find(CK_ATTRIBUTE_TYPE type, enum object_kind kind);

/* KIND_NONE for what no rule knows. key_type is ignored for data and certificates. */
enum object_kind kind_of(CK_OBJECT_CLASS cls, CK_KEY_TYPE key_type);
enum object_kind kind_of_object(const struct object *object);

#define TEMPLATE_COUNT_MAX 128U        /* attributes; more than there are */
#define TEMPLATE_LABEL_MAX 255U        /* bytes: it stands whole in log and policy */
#define TEMPLATE_VALUE_MAX (10U << 20) /* bytes of a CKA_VALUE */
#define TEMPLATE_BYTES_MAX (64U << 10) /* of any other value */

/*
 * Reads every type, pointer and length once. CKR_ARGUMENTS_BAD (NULL with a count, absurd count),
 * CKR_ATTRIBUTE_TYPE_INVALID (unknown), CKR_ATTRIBUTE_VALUE_INVALID (length or content no value of
 * this kind can have), CKR_TEMPLATE_INCONSISTENT (a type twice).
 */
MUST_CHECK CK_RV template_scan(const CK_ATTRIBUTE *template, CK_ULONG count);
/* Of a scanned template: the attribute or NULL; its number, or fallback when it is not there. */
const CK_ATTRIBUTE *template_get(const CK_ATTRIBUTE *template, CK_ULONG count,
                                 CK_ATTRIBUTE_TYPE type);
CK_ULONG template_ulong(const CK_ATTRIBUTE *template, CK_ULONG count, CK_ATTRIBUTE_TYPE type,
                        CK_ULONG fallback);

/*
 * A scanned template against the rules: what it says, and the defaults for what it does not say.
 * CKA_CLASS and CKA_KEY_TYPE are the caller's to set. The key itself (NOTE_7) is not among what
 * comes back: whoever brings a key in takes it from the template. ret is untouched on failure.
 * CKR_TEMPLATE_INCOMPLETE, CKR_ATTRIBUTE_READ_ONLY, CKR_ATTRIBUTE_TYPE_INVALID,
 * CKR_ATTRIBUTE_VALUE_INVALID, CKR_TEMPLATE_INCONSISTENT.
 */
MUST_CHECK CK_RV template_complete(enum object_kind kind, enum template_use use,
                                   const CK_ATTRIBUTE *template, CK_ULONG count, struct attrs *ret);

/* A scanned template of C_SetAttributeValue, applied to the object's attributes and dates. The
 * object may be half changed on failure: work on a copy. */
MUST_CHECK CK_RV template_change(struct object *object, const CK_ATTRIBUTE *template,
                                 CK_ULONG count);
/* The same for a scanned template of C_CopyObject: what may be changed, and what a copy may have
 * otherwise (token or session, private, not modifiable, not destroyable). */
MUST_CHECK CK_RV template_copy(struct object *copy, const CK_ATTRIBUTE *template, CK_ULONG count);

/* A CK_DATE that is a day there is, or empty. */
bool template_is_date(struct bytes value);
/* CKA_START_DATE and CKA_END_DATE as seconds: valid from the first second of the one to the last
 * of the other, UTC. CKR_TEMPLATE_INCONSISTENT when the end is before the start. */
MUST_CHECK CK_RV template_dates(struct object *object);

#endif
