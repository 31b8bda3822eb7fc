/* Usages that exclude each other: see roles.h. */
#include "pkcs11/roles.h"

#include "base/names.h"

#include <string.h>

/* A row: of objects of these kinds, never both. dropped: the second yields, nothing is refused.
 * unless: both all the same, where this is so. */
struct exclusion {
    unsigned kinds;
    CK_ATTRIBUTE_TYPE first, second;
    bool dropped;
    const char *why;
    bool (*unless)(const struct attrs *attrs);
};

/*
 * A master secret of TLS 1.2 makes the keys of its connection and the MACs of its handshake. The
 * two are the same function of different labels, "key expansion" and "client finished" or "server
 * finished" (RFC 5246, 6.3 and 7.4.9), so that no MAC is ever a key; but only with mechanisms that
 * set the label themselves, which those of the list do (and CKM_TLS_KDF does not). The list is
 * fixed at birth.
 */
static bool labels_keep_apart(const struct attrs *attrs)
{
    static const CK_MECHANISM_TYPE labelled[] = {ROLE_TLS12_LABELLED};
    struct bytes list = attrs_bytes(attrs, CKA_ALLOWED_MECHANISMS);
    size_t known = 0;

    for (size_t at = 0; at + sizeof(CK_MECHANISM_TYPE) <= list.len;
         at += sizeof(CK_MECHANISM_TYPE)) {
        CK_MECHANISM_TYPE type;

        memcpy(&type, list.data + at, sizeof(type));
        for (size_t i = 0; i < sizeof(labelled) / sizeof(*labelled); i++)
            known += labelled[i] == type;
    }
    return known > 0 && known * sizeof(CK_MECHANISM_TYPE) == list.len;
}

/* clang-format off */
static const struct exclusion exclusions[] = {
    {KINDS_SECRET,  CKA_DECRYPT, CKA_WRAP,   false, "what it wrapped it could decrypt", NULL},
    {KINDS_SECRET,  CKA_ENCRYPT, CKA_UNWRAP, false, "what it encrypted it could bring in as a key", NULL},
    {KINDS_SECRET,  CKA_SIGN,    CKA_DERIVE, false, "its MACs are the values of keys derived from it", labels_keep_apart},
    {KINDS_SECRET,  CKA_ENCRYPT, CKA_DERIVE, false, "its ciphertexts are the values of keys derived from it", NULL},
    {KINDS_SECRET,  CKA_EXTRACTABLE, CKA_WRAP,   false, "what it wrapped, a copy of it that was brought in to decrypt gives out", NULL},
    {KINDS_SECRET,  CKA_EXTRACTABLE, CKA_UNWRAP, false, "what it unwraps, a copy of it that was brought in to decrypt gives out", NULL},
    {KINDS_PUBLIC,  CKA_ENCRYPT, CKA_WRAP,   true,  NULL, NULL},
    {KINDS_PRIVATE, CKA_DECRYPT, CKA_UNWRAP, true,  NULL, NULL},
    {KIND_RSA_PUBLIC,  CKA_ENCRYPT, CKA_ENCAPSULATE, true, NULL, NULL},
    {KIND_RSA_PRIVATE, CKA_DECRYPT, CKA_DECAPSULATE, true, NULL, NULL},
    {KIND_RSA_PRIVATE, CKA_EXTRACTABLE, CKA_DECAPSULATE, false, "what it decapsulates, a copy of it that was brought in to decrypt gives out", NULL},
    {KINDS_PRIVATE, CKA_EXTRACTABLE, CKA_UNWRAP, false, "what it unwraps, a copy of it that was brought in to decrypt gives out", NULL},
    {KINDS_PRIVATE, CKA_ALWAYS_AUTHENTICATE, CKA_UNWRAP, false, "unwrapping has no login of its own", NULL},
    {KINDS_PRIVATE, CKA_ALWAYS_AUTHENTICATE, CKA_DERIVE, false, "deriving has no login of its own", NULL},
    {KINDS_PRIVATE, CKA_ALWAYS_AUTHENTICATE, CKA_DECAPSULATE, false, "decapsulating has no login of its own", NULL},
};
/* clang-format on */

#define COUNT(table) (sizeof(table) / sizeof(*(table)))

bool role_excluded(enum object_kind kind, const struct attrs *attrs, CK_ATTRIBUTE_TYPE usage)
{
    for (size_t i = 0; i < COUNT(exclusions); i++) {
        const struct exclusion *row = &exclusions[i];

        if ((row->kinds & (unsigned)kind) == 0 || (row->unless != NULL && row->unless(attrs)))
            continue;
        if ((row->first == usage && attrs_true(attrs, row->second)) ||
            (row->second == usage && attrs_true(attrs, row->first)))
            return true;
    }
    return false;
}

static CK_RV settle_row(const struct exclusion *row, struct attrs *attrs)
{
    char first[NAME_BUF_MAX];
    char second[NAME_BUF_MAX];

    if (!attrs_true(attrs, row->first) || !attrs_true(attrs, row->second) ||
        (row->unless != NULL && row->unless(attrs)))
        return CKR_OK;
    if (row->dropped)
        return attrs_set_bool(attrs, row->second, false);
    return fail(CKR_TEMPLATE_INCONSISTENT, "no key has both %s and %s, since %s: ask for one",
                name_of_attribute(row->first, first), name_of_attribute(row->second, second),
                row->why);
}

CK_RV role_settle(enum object_kind kind, struct attrs *attrs)
{
    for (size_t i = 0; i < COUNT(exclusions); i++) {
        CK_RV rv = CKR_OK;

        if ((exclusions[i].kinds & (unsigned)kind) != 0)
            rv = settle_row(&exclusions[i], attrs);
        if (rv != CKR_OK)
            return rv;
    }
    return CKR_OK;
}

/* ---- RSA: with no padding all uses of the private key are one ---- */

/* How a public half makes keys, and how the private one takes them. */
static const struct {
    CK_ATTRIBUTE_TYPE makes, takes;
} ways[] = {
    {CKA_WRAP, CKA_UNWRAP},
    {CKA_ENCAPSULATE, CKA_DECAPSULATE},
};

/* Has it a use that CKM_RSA_X_509 has as well? */
static bool works_raw(const struct attrs *private)
{
    return attrs_ulong(private, CKA_KEY_TYPE, CKK_RSA) == CKK_RSA &&
           (attrs_true(private, CKA_SIGN) || attrs_true(private, CKA_SIGN_RECOVER) ||
            attrs_true(private, CKA_DECRYPT));
}

bool role_keeps(enum object_kind kind, const struct attrs *attrs, CK_ATTRIBUTE_TYPE usage)
{
    for (size_t i = 0; i < COUNT(ways); i++)
        if (ways[i].takes == usage)
            return kind == KIND_RSA_PRIVATE && attrs_true(attrs, usage) && works_raw(attrs);
    return false;
}

CK_RV role_settle_pair(struct attrs *public, const struct attrs *private)
{
    CK_RV rv = CKR_OK;

    for (size_t i = 0; i < COUNT(ways) && rv == CKR_OK; i++) {
        bool undone = attrs_true(private, CKA_DECRYPT) ||
                      (works_raw(private) && !attrs_true(private, ways[i].takes));

        if (undone && attrs_get(public, ways[i].makes) != NULL)
            rv = attrs_set_bool(public, ways[i].makes, false);
    }
    return rv;
}
