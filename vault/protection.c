/* The words for what protects a key: see vault.h. */
#include "vault/vault.h"

static const char *const names[] = {
    [PROTECTION_HSM] = "hsm",
    [PROTECTION_SOFTWARE] = "software",
};

const char *protection_name(enum protection protection)
{
    return names[protection];
}

CK_RV protection_parse(struct bytes name, enum protection *ret)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (bytes_equal_str(name, names[i])) {
            *ret = (enum protection)i;
            return CKR_OK;
        }
    return fail(CKR_ATTRIBUTE_VALUE_INVALID,
                "protection \"%.*s\" is unknown: it is hsm or software",
                (int)(name.len < 64 ? name.len : 64), (const char *)name.data);
}
