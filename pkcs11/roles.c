/* Usages that exclude each other: see roles.h. */
#include "pkcs11/roles.h"

#include "base/names.h"

/* A row: of objects of these kinds, never both. dropped: the second yields, nothing is refused. */
struct exclusion {
    unsigned kinds;
    CK_ATTRIBUTE_TYPE first, second;
    bool dropped;
    const char *why;
};

/* clang-format off */
static const struct exclusion exclusions[] = {
    {KINDS_SECRET,  CKA_DECRYPT, CKA_WRAP,   false, "what it wrapped it could decrypt"},
    {KINDS_SECRET,  CKA_ENCRYPT, CKA_UNWRAP, false, "what it encrypted it could bring in as a key"},
    {KINDS_SECRET,  CKA_SIGN,    CKA_DERIVE, false, "its MACs are the values of keys derived from it"},
    {KINDS_SECRET,  CKA_ENCRYPT, CKA_DERIVE, false, "its ciphertexts are the values of keys derived from it"},
    {KINDS_SECRET,  CKA_EXTRACTABLE, CKA_WRAP,   false, "what it wrapped, a copy of it that was brought in to decrypt gives out"},
    {KINDS_SECRET,  CKA_EXTRACTABLE, CKA_UNWRAP, false, "what it unwraps, a copy of it that was brought in to decrypt gives out"},
    {KINDS_PUBLIC,  CKA_ENCRYPT, CKA_WRAP,   true,  NULL},
    {KINDS_PRIVATE, CKA_DECRYPT, CKA_UNWRAP, true,  NULL},
    {KIND_RSA_PUBLIC,  CKA_ENCRYPT, CKA_ENCAPSULATE, true, NULL},
    {KIND_RSA_PRIVATE, CKA_DECRYPT, CKA_DECAPSULATE, true, NULL},
    {KIND_RSA_PRIVATE, CKA_EXTRACTABLE, CKA_DECAPSULATE, false, "what it decapsulates, a copy of it that was brought in to decrypt gives out"},
    {KINDS_PRIVATE, CKA_EXTRACTABLE, CKA_UNWRAP, false, "what it unwraps, a copy of it that was brought in to decrypt gives out"},
    {KINDS_PRIVATE, CKA_ALWAYS_AUTHENTICATE, CKA_UNWRAP, false, "unwrapping has no login of its own"},
    {KINDS_PRIVATE, CKA_ALWAYS_AUTHENTICATE, CKA_DERIVE, false, "deriving has no login of its own"},
    {KINDS_PRIVATE, CKA_ALWAYS_AUTHENTICATE, CKA_DECAPSULATE, false, "decapsulating has no login of its own"},
};
/* clang-format on */

#define COUNT(table) (sizeof(table) / sizeof(*(table)))

bool role_excluded(enum object_kind kind, const struct attrs *attrs, CK_ATTRIBUTE_TYPE usage)
{
    for (size_t i = 0; i < COUNT(exclusions); i++) {
        const struct exclusion *row = &exclusions[i];

        if ((row->kinds & (unsigned)kind) == 0)
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

    if (!attrs_true(attrs, row->first) || !attrs_true(attrs, row->second))
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

CK_RV role_settle_pair(struct attrs *public, const struct attrs *private)
{
    static const CK_ATTRIBUTE_TYPE makes_keys[] = {CKA_WRAP, CKA_ENCAPSULATE};
    CK_RV rv = CKR_OK;

    if (!attrs_true(private, CKA_DECRYPT))
        return CKR_OK;
    for (size_t i = 0; i < COUNT(makes_keys) && rv == CKR_OK; i++)
        if (attrs_get(public, makes_keys[i]) != NULL)
            rv = attrs_set_bool(public, makes_keys[i], false);
    return rv;
}
