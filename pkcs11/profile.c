/*
 * The profiles that are met: see profile.h. Not among them: the Public Certificates Token, whose
 * certificates all can be found without a login (here one may be private, or hidden by the policy),
 * and the Complete Provider, which has every mechanism of the standard.
 */
#include "pkcs11/profile.h"

#include <string.h>

static const struct {
    CK_ULONG profile;
    const char *label;
} profiles[] = {
    {CKP_BASELINE_PROVIDER, "Baseline Provider"},
    {CKP_EXTENDED_PROVIDER, "Extended Provider"},
    {CKP_AUTHENTICATION_TOKEN, "Authentication Token"},
};

#define COUNT(table) (sizeof(table) / sizeof(*(table)))

/* An id is this, and the number of the row behind it. */
#define ID_PREFIX "keyward-profile"

_Static_assert(sizeof(ID_PREFIX) == OBJECT_ID_LEN, "the number takes the place of the NUL");

bool profile_is(const struct object *object)
{
    return object->cls == CKO_PROFILE;
}

bool profile_has_id(const uint8_t id[static OBJECT_ID_LEN])
{
    return memcmp(id, ID_PREFIX, OBJECT_ID_LEN - 1) == 0 && id[OBJECT_ID_LEN - 1] < COUNT(profiles);
}

static CK_RV set_attributes(struct attrs *attrs, size_t row)
{
    static const struct {
        CK_ATTRIBUTE_TYPE type;
        bool value;
    } flags[] = {
        {CKA_TOKEN, true},     {CKA_PRIVATE, false},     {CKA_MODIFIABLE, false},
        {CKA_COPYABLE, false}, {CKA_DESTROYABLE, false},
    };
    CK_RV rv = attrs_set_ulong(attrs, CKA_CLASS, CKO_PROFILE);

    if (rv == CKR_OK)
        rv = attrs_set_ulong(attrs, CKA_PROFILE_ID, profiles[row].profile);
    if (rv == CKR_OK)
        rv = attrs_set(attrs, CKA_LABEL, bytes_from_str(profiles[row].label));
    for (size_t i = 0; rv == CKR_OK && i < COUNT(flags); i++)
        rv = attrs_set_bool(attrs, flags[i].type, flags[i].value);
    return rv;
}

static CK_RV make(const struct vault_info *vault, size_t row, struct object *ret)
{
    struct object object = {.cls = CKO_PROFILE, .version = 1, .state = OBJECT_ENABLED};
    CK_RV rv = set_attributes(&object.attrs, row);

    memcpy(object.id, ID_PREFIX, OBJECT_ID_LEN - 1);
    object.id[OBJECT_ID_LEN - 1] = (uint8_t)row;
    memcpy(object.vault, vault->id, VAULT_ID_LEN);
    if (rv != CKR_OK) {
        object_release(&object);
        return rv;
    }
    *ret = object;
    return CKR_OK;
}

CK_RV profile_get(const struct vault_info *vault, const uint8_t id[static OBJECT_ID_LEN],
                  struct object *ret)
{
    if (!profile_has_id(id))
        return fail(CKR_OBJECT_HANDLE_INVALID, "there is no such profile");
    return make(vault, id[OBJECT_ID_LEN - 1], ret);
}

CK_RV profile_each(const struct vault_info *vault,
                   bool (*each)(void *ctx, const struct object *object), void *ctx)
{
    for (size_t i = 0; i < COUNT(profiles); i++) {
        struct object object = {0};
        CK_RV rv = make(vault, i, &object);
        bool more = rv == CKR_OK && each(ctx, &object);

        object_release(&object);
        if (!more)
            return rv;
    }
    return CKR_OK;
}

bool profile_may_match(const struct object_query *query)
{
    if (query->has_id || (query->has_class && query->cls != CKO_PROFILE))
        return false;
    for (size_t i = 0; i < COUNT(profiles); i++)
        if (!query->has_label || bytes_equal_str(query->label, profiles[i].label))
            return true;
    return false;
}

CK_RV profile_ensure_not(const struct object *object)
{
    if (profile_is(object))
        return fail(CKR_ACTION_PROHIBITED,
                    "the object says which profile the token meets: it is not changed, copied or "
                    "destroyed");
    return CKR_OK;
}
