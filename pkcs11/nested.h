/*
 * Attributes that are templates themselves: CKA_WRAP_TEMPLATE, CKA_UNWRAP_TEMPLATE,
 * CKA_DERIVE_TEMPLATE (PKCS#11 2.40 base, 4.8 to 4.10). An object carries such a value packed: the
 * DER of its attributes, as in the vault's records, so that it stands by itself wherever it is
 * kept.
 */
#ifndef KEYWARD_PKCS11_NESTED_H
#define KEYWARD_PKCS11_NESTED_H

#include "pkcs11/template.h"

/* Bytes of one that is packed. There is no template in it: template_scan() refuses a second level.
 */
#define NESTED_BYTES_MAX TEMPLATE_BYTES_MAX

/* Is the attribute's value a template? */
bool nested_is(CK_ATTRIBUTE_TYPE type);

/*
 * A value as the application gives it, read with all template_scan() reads of a template. Usages
 * that exclude each other (roles.h) are refused here already, not only when a key would get them.
 * What says the same in another order packs to the same bytes.
 * CKR_ATTRIBUTE_VALUE_INVALID, CKR_TEMPLATE_INCONSISTENT.
 */
MUST_CHECK CK_RV nested_pack(const CK_ATTRIBUTE *attr, struct buf *ret);
/* Its attributes. ret is overwritten. */
MUST_CHECK CK_RV nested_unpack(struct bytes packed, struct attrs *ret);

/*
 * C_GetAttributeValue: pValue NULL asks for the length of the array; else each element of it is
 * answered in its turn, its type set. CKR_OK or CKR_BUFFER_TOO_SMALL; give false: only the code,
 * nothing is written.
 */
MUST_CHECK CK_RV nested_read(struct bytes packed, CK_ATTRIBUTE *attr, bool give);

/*
 * A key on its way out by C_WrapKey, against the wrapping key's CKA_WRAP_TEMPLATE: every attribute
 * there with exactly that value. CKR_KEY_HANDLE_INVALID. An empty value asks for nothing.
 */
MUST_CHECK CK_RV nested_check_wrapped(const struct object *wrapping, const struct object *key);
/*
 * What a key made by C_UnwrapKey or C_DeriveKey is asked to be: the template of the key it is made
 * with (type is CKA_UNWRAP_TEMPLATE or CKA_DERIVE_TEMPLATE), then the caller's, which may add and
 * not contradict (CKR_TEMPLATE_INCONSISTENT). template is scanned; *ret borrows from it and from
 * storage, and both are freed with nested_merged_release().
 */
struct nested_merged {
    CK_ATTRIBUTE *list;
    CK_ULONG count;
    struct attrs storage;
};
MUST_CHECK CK_RV nested_merge(const struct object *from, CK_ATTRIBUTE_TYPE type,
                              const CK_ATTRIBUTE *template, CK_ULONG count,
                              struct nested_merged *ret);
void nested_merged_release(struct nested_merged *merged);

#endif
