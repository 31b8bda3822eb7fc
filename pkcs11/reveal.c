/* Values of keys: see reveal.h. */
#include "pkcs11/reveal.h"

#include "hsm/local_private.h"
#include "pkcs11/template.h"

/* Footnote 7: CKA_SENSITIVE true or CKA_EXTRACTABLE false, either keeps it in; so does the kill
 * switch. */
static bool may_be_shown(const struct object *key)
{
    return key->material != NULL && key->state == OBJECT_ENABLED &&
           key->protection == PROTECTION_SOFTWARE && !attrs_true(&key->attrs, CKA_SENSITIVE) &&
           attrs_true(&key->attrs, CKA_EXTRACTABLE);
}

bool reveal_has(const struct object *key, CK_ATTRIBUTE_TYPE type)
{
    const struct attr_rule *rule = rule_find(type, kind_of_object(key));

    return rule != NULL && (rule->notes & NOTE_7) != 0 && may_be_shown(key);
}

CK_RV reveal_value(struct run *run, const struct object *key, struct attrs *ret)
{
    struct attrs attrs = ATTRS_INIT;
    CK_RV rv;

    if (!may_be_shown(key))
        return fail_internal("only a value that may be shown is asked for");
    if (key->cls == CKO_SECRET_KEY)
        rv = attrs_set(&attrs, CKA_VALUE, secret_bytes(key->material));
    else
        rv = local_private_to_attrs(run_local(run), key->hsm_key.type, secret_bytes(key->material),
                                    &attrs);
    if (rv != CKR_OK) {
        attrs_release(&attrs);
        return rv;
    }
    *ret = attrs;
    return CKR_OK;
}
