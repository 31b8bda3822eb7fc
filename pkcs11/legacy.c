/* See legacy.h. */
#include "pkcs11/legacy.h"

#include "base/names.h"

bool legacy_allows(const struct run *run, const struct mech *mech)
{
    return !mech->legacy || run->vault.legacy;
}

CK_RV legacy_check(const struct run *run, const struct mech *mech)
{
    if (legacy_allows(run, mech))
        return CKR_OK;
    return fail(CKR_MECHANISM_INVALID,
                "%s is broken or weak and vault %s does not offer it: choose another, or, for old "
                "data, `keyward vault update %s --legacy on`",
                mech->name, run->vault.name, run->vault.name);
}

CK_RV legacy_check_key_type(const struct run *run, CK_KEY_TYPE type)
{
    char name[NAME_BUF_MAX];

    if (!mech_key_is_legacy(type) || run->vault.legacy)
        return CKR_OK;
    return fail(CKR_ATTRIBUTE_VALUE_INVALID,
                "keys of type %s are for broken or weak mechanisms, and vault %s does not keep "
                "them: for old data, `keyward vault update %s --legacy on`",
                name_of_key_type(type, name), run->vault.name, run->vault.name);
}

CK_ULONG legacy_min(const struct run *run, const struct mech *mech)
{
    return mech_min(mech, run->vault.legacy);
}

CK_RV legacy_check_rsa(const struct run *run, CK_ULONG bits)
{
    CK_ULONG min = legacy_min(run, mech_find(CKM_RSA_PKCS_KEY_PAIR_GEN));

    if (bits >= min)
        return CKR_OK;
    return fail(CKR_ATTRIBUTE_VALUE_INVALID,
                "an RSA key of %lu bits: vault %s keeps none of less than %lu", bits,
                run->vault.name, min);
}
