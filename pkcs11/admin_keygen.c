/* key.create: the words of an administrator turned into the templates C_GenerateKey takes; the
 * making is keys_generate()'s, for both alike. */
#include "pkcs11/admin_keyplan.h"

#include "base/curve.h"
#include "pkcs11/keys.h"

static CK_RV public_template(const struct key_plan *plan, struct attrs *attrs)
{
    CK_RV rv = key_plan_public(plan, attrs);

    if (rv == CKR_OK && plan->kind->type == CKK_RSA)
        rv = attrs_set_ulong(attrs, CKA_MODULUS_BITS, plan->kind->bits);
    if (rv == CKR_OK && plan->kind->type == CKK_RSA)
        rv = attrs_set(attrs, CKA_PUBLIC_EXPONENT, BYTES("\x01\x00\x01", 3));
    if (rv == CKR_OK && plan->kind->set != 0)
        rv = attrs_set_ulong(attrs, CKA_PARAMETER_SET, plan->kind->set);
    if (rv == CKR_OK && plan->kind->curve != NULL)
        rv = attrs_set(attrs, CKA_EC_PARAMS, curve_named(plan->kind->curve)->params);
    return rv;
}

static CK_RV private_template(const struct key_plan *plan, struct attrs *attrs)
{
    CK_RV rv = key_plan_private(plan, attrs);

    if (rv == CKR_OK && !plan->kind->pair)
        rv = attrs_set_ulong(attrs, CKA_VALUE_LEN, plan->kind->bits / 8);
    return rv;
}

static CK_RV generate(struct admin *a, const struct key_plan *plan, struct admin_objects *made)
{
    CK_MECHANISM mechanism = {plan->kind->mechanism, NULL, 0};
    struct attrs public = ATTRS_INIT;
    struct attrs private = ATTRS_INIT;
    struct object *half = plan->kind->pair ? &made->list[1] : NULL;
    CK_RV rv = plan->kind->pair ? public_template(plan, &public) : CKR_OK;

    if (rv == CKR_OK)
        rv = private_template(plan, &private);
    if (rv == CKR_OK)
        rv = keys_generate(&a->run, &mechanism, public.list, public.count, private.list,
                           private.count, half, &made->list[0]);
    if (rv == CKR_OK)
        made->count = plan->kind->pair ? 2 : 1;
    attrs_release(&public);
    attrs_release(&private);
    return rv;
}

CK_RV admin_key_create(struct admin *a)
{
    struct key_plan plan = {.use = 0};
    struct admin_objects made = {.count = 0};
    json_t *list = json_array();
    CK_RV rv = admin_put(a->answer, "keys", list);

    if (rv == CKR_OK)
        rv = key_plan_read(a, &plan);
    if (rv == CKR_OK)
        rv = key_plan_ensure_name_free(a);
    if (rv == CKR_OK)
        rv = generate(a, &plan, &made);
    for (size_t i = 0; rv == CKR_OK && i < made.count; i++) {
        rv = key_plan_set_instants(a, &plan, &made.list[i]);
        if (rv != CKR_OK)
            rv = fail_in(rv, "the key was made, its dates were not written: delete it");
        if (rv == CKR_OK)
            rv = admin_append(list, admin_key_json(&made.list[i]));
    }
    admin_objects_release(&made);
    return rv;
}

const struct admin_member admin_key_create_members[] = {
    {"vault", MEMBER_TEXT, true},
    {"name", MEMBER_TEXT, true},
    {"type", MEMBER_TEXT, true},
    {"protection", MEMBER_TEXT, false},
    {"use", MEMBER_LIST, false},
    {"not-before", MEMBER_TEXT, false},
    {"expires", MEMBER_TEXT, false},
    {"mechanisms", MEMBER_LIST, false},
    {0},
};
