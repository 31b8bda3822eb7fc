/* Looking mechanisms up: see mech.h. The tables are in mech_table.c, parameters in mech_params.c.
 */
#include "base/mech.h"
#include "base/mech_int.h"
#include "base/table.h"

#include <string.h>

#define RSA_MIN_LEGACY 1024

size_t mech_count(void)
{
    return mech_row_count;
}

const struct mech *mech_at(size_t i)
{
    return i < mech_row_count ? &mech_rows[i] : NULL;
}

const struct mech *mech_find(CK_MECHANISM_TYPE type)
{
    return TABLE_FIND(mech_rows, mech_row_count, type);
}

const struct mech *mech_find_name(const char *name)
{
    for (size_t i = 0; name != NULL && i < mech_row_count; i++)
        if (strcmp(mech_rows[i].name, name) == 0)
            return &mech_rows[i];
    return NULL;
}

bool mech_key_is_secret(CK_KEY_TYPE type)
{
    static const CK_KEY_TYPE pairs[] = {CKK_RSA,    CKK_EC,     CKK_EC_EDWARDS, CKK_EC_MONTGOMERY,
                                        CKK_ML_KEM, CKK_ML_DSA, CKK_SLH_DSA};

    for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++)
        if (pairs[i] == type)
            return false;
    return type != CK_UNAVAILABLE_INFORMATION;
}

CK_ULONG mech_min(const struct mech *mech, bool legacy)
{
    return legacy && mech->key == CKK_RSA ? RSA_MIN_LEGACY : mech->min;
}

/* By the rows that name it: those for any secret key say nothing of it. */
bool mech_key_is_legacy(CK_KEY_TYPE type)
{
    bool used = false;

    for (size_t i = 0; type != CK_UNAVAILABLE_INFORMATION && i < mech_row_count; i++) {
        if (mech_rows[i].key != type && mech_rows[i].also != type)
            continue;
        if (!mech_rows[i].legacy)
            return false;
        used = true;
    }
    return used;
}

bool mech_takes_key(const struct mech *mech, CK_KEY_TYPE type)
{
    if (type == CK_UNAVAILABLE_INFORMATION)
        return false;
    if (mech->key == MECH_ANY_SECRET)
        return mech_key_is_secret(type);
    return type == mech->key || type == mech->also;
}

size_t mech_hash_len(CK_MECHANISM_TYPE hash)
{
    for (size_t i = 0; i < mech_hash_count; i++)
        if (mech_hashes[i].hash == hash)
            return mech_hashes[i].len;
    return 0;
}

CK_MECHANISM_TYPE mech_mgf_hash(CK_RSA_PKCS_MGF_TYPE mgf)
{
    for (size_t i = 0; mgf != MECH_NO_MGF && i < mech_hash_count; i++)
        if (mech_hashes[i].mgf == mgf)
            return mech_hashes[i].hash;
    return KW_NO_MECHANISM;
}
