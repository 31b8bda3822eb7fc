/* Objects as PKCS#11 shows them: see view.h. */
#include "pkcs11/view.h"

#include "pkcs11/template.h"

#include <string.h>

static const char *const states[] = {
    [OBJECT_ENABLED] = "enabled",
    [OBJECT_DISABLED] = "disabled",
    [OBJECT_DELETED] = "deleted",
};

const char *view_protection(const struct object *object)
{
    if (object->cls != CKO_PRIVATE_KEY && object->cls != CKO_SECRET_KEY)
        return "none";
    return object->protection == PROTECTION_HSM ? "hsm" : "software";
}

const char *view_state(const struct object *object)
{
    return states[object->state];
}

static void show_unique_id(const struct object *object, struct view *ret)
{
    bytes_to_hex(BYTES(object->id, OBJECT_ID_LEN), (char *)ret->room);
    ret->value = BYTES(ret->room, 2 * OBJECT_ID_LEN);
}

static void show_version(const struct object *object, struct view *ret)
{
    CK_ULONG version = (CK_ULONG)object->version;

    memcpy(ret->room, &version, sizeof(version));
    ret->value = BYTES(ret->room, sizeof(version));
}

static void show_protection(const struct object *object, struct view *ret)
{
    ret->value = bytes_from_str(view_protection(object));
}

static void show_state(const struct object *object, struct view *ret)
{
    ret->value = bytes_from_str(view_state(object));
}

static const struct {
    CK_ATTRIBUTE_TYPE type;
    void (*show)(const struct object *object, struct view *ret);
} shown[] = {
    {CKA_UNIQUE_ID, show_unique_id},
    {CKA_KEYWARD_VERSION, show_version},
    {CKA_KEYWARD_PROTECTION, show_protection},
    {CKA_KEYWARD_STATE, show_state},
};

enum view_answer view_attribute(const struct object *object, CK_ATTRIBUTE_TYPE type,
                                struct view *ret)
{
    const struct attr_rule *rule = rule_find(type, kind_of_object(object));
    const CK_ATTRIBUTE *attr;

    if (rule != NULL && (rule->notes & NOTE_7) != 0)
        return VIEW_SENSITIVE;
    for (size_t i = 0; i < sizeof(shown) / sizeof(*shown); i++) {
        if (shown[i].type == type) {
            shown[i].show(object, ret);
            return VIEW_VALUE;
        }
    }
    attr = attrs_get(&object->attrs, type);
    if (attr == NULL)
        return VIEW_ABSENT;
    ret->value = BYTES(attr->pValue, attr->ulValueLen);
    return VIEW_VALUE;
}

bool view_is_secret(const struct object *object, CK_ATTRIBUTE_TYPE type)
{
    return object->cls == CKO_DATA && type == CKA_VALUE;
}

bool view_match(const struct object *object, const CK_ATTRIBUTE *template, CK_ULONG count)
{
    for (CK_ULONG i = 0; i < count; i++) {
        struct view view;

        if (view_is_secret(object, template[i].type) ||
            view_attribute(object, template[i].type, &view) != VIEW_VALUE ||
            !bytes_equal(view.value, BYTES(template[i].pValue, template[i].ulValueLen)))
            return false;
    }
    return true;
}

CK_ULONG view_size(const struct object *object)
{
    CK_ULONG size = 0;

    for (size_t i = 0; i < object->attrs.count; i++)
        if (!view_is_secret(object, object->attrs.list[i].type))
            size += object->attrs.list[i].ulValueLen;
    return size;
}
