/*
 * key.import: a key out of a file. A private key says itself what it is, and brings its public
 * half; a secret key is its bytes, and the request says what they are. Both come in as through
 * C_CreateObject, each half under a record of its own, the private one first.
 */
#include "pkcs11/admin_keyplan.h"

#include "hsm/local_private.h"
#include "pkcs11/birth.h"
#include "pkcs11/create.h"

/* What the halves' templates take over from the key: what is not there for a type is left out. */
static const CK_ATTRIBUTE_TYPE private_parts[] = {CKA_MODULUS,
                                                  CKA_PUBLIC_EXPONENT,
                                                  CKA_PRIVATE_EXPONENT,
                                                  CKA_PRIME_1,
                                                  CKA_PRIME_2,
                                                  CKA_EXPONENT_1,
                                                  CKA_EXPONENT_2,
                                                  CKA_COEFFICIENT,
                                                  CKA_EC_PARAMS,
                                                  CKA_PARAMETER_SET,
                                                  CKA_SEED,
                                                  CKA_VALUE};
static const CK_ATTRIBUTE_TYPE public_parts[] = {CKA_MODULUS,  CKA_PUBLIC_EXPONENT, CKA_EC_PARAMS,
                                                 CKA_EC_POINT, CKA_PARAMETER_SET,   CKA_VALUE};

static CK_RV take_over(const struct attrs *from, const CK_ATTRIBUTE_TYPE *types, size_t count,
                       struct attrs *to)
{
    CK_RV rv = CKR_OK;

    for (size_t i = 0; rv == CKR_OK && i < count; i++)
        if (attrs_get(from, types[i]) != NULL)
            rv = attrs_set(to, types[i], attrs_bytes(from, types[i]));
    return rv;
}

/* ---- what the file holds ---- */

static CK_RV read_secret(const struct key_plan *plan, struct bytes file, struct attrs *parts)
{
    if (plan->kind->pair)
        return fail(CKR_ARGUMENTS_BAD,
                    "\"type\" is for secret keys, whose bytes do not say it: a private key says it "
                    "itself");
    if (plan->kind->type == CKK_AES && file.len != plan->kind->bits / 8)
        return fail(CKR_ARGUMENTS_BAD, "a key of type %s has %lu bytes, the file has %zu",
                    plan->kind->word, plan->kind->bits / 8, file.len);
    return attrs_set(parts, CKA_VALUE, file);
}

static CK_RV read_private(struct admin *a, struct key_plan *plan, struct bytes file,
                          struct attrs *parts)
{
    SCOPED_SECRET material = NULL;
    CK_KEY_TYPE type = CK_UNAVAILABLE_INFORMATION;
    CK_RV rv = local_private_decode(run_local(&a->run), file, &type, &material);

    if (rv != CKR_OK)
        return rv;
    plan->kind = key_plan_kind_of(type);
    if (plan->kind == NULL)
        return fail(CKR_ARGUMENTS_BAD, "private keys of this type are not kept here");
    return local_private_to_attrs(run_local(&a->run), type, secret_bytes(material), parts);
}

/* ---- the halves ---- */

static CK_RV bring_in(struct admin *a, const struct key_plan *plan, const struct attrs *template,
                      struct admin_objects *made)
{
    struct object *object = &made->list[made->count];
    CK_RV rv = create_object(&a->run, template->list, template->count, object);

    if (rv != CKR_OK)
        return rv;
    made->count++;
    return key_plan_set_instants(a, plan, object);
}

static CK_RV import_private(struct admin *a, const struct key_plan *plan, const struct attrs *parts,
                            struct admin_objects *made)
{
    struct attrs template = ATTRS_INIT;
    CK_RV rv = key_plan_private(plan, &template);

    if (rv == CKR_OK)
        rv = take_over(parts, private_parts, sizeof(private_parts) / sizeof(*private_parts),
                       &template);
    if (rv == CKR_OK)
        rv = bring_in(a, plan, &template, made);
    attrs_release(&template);
    return rv;
}

/* Out of what the private half has become, so that the two are of one key. */
static CK_RV import_public(struct admin *a, const struct key_plan *plan, struct admin_objects *made)
{
    struct bytes spki = attrs_bytes(&made->list[0].attrs, CKA_PUBLIC_KEY_INFO);
    struct object half = {.cls = CKO_PUBLIC_KEY};
    struct attrs template = ATTRS_INIT;
    CK_RV rv = key_plan_public(plan, &template);

    if (rv == CKR_OK)
        rv = birth_public(&a->run, spki, &half);
    if (rv == CKR_OK)
        rv = take_over(&half.attrs, public_parts, sizeof(public_parts) / sizeof(*public_parts),
                       &template);
    object_release(&half);
    if (rv == CKR_OK)
        rv = admin_next_run(a);
    if (rv == CKR_OK)
        rv = bring_in(a, plan, &template, made);
    attrs_release(&template);
    return rv == CKR_OK ? CKR_OK : fail_in(rv, "the private half is there, its public half is not");
}

static CK_RV import_both(struct admin *a, struct key_plan *plan, struct admin_objects *made)
{
    struct attrs parts = ATTRS_INIT;
    struct bytes file = BYTES_NONE;
    CK_RV rv = CKR_OK;

    (void)admin_secret(a, "key", &file);
    rv = plan->kind != NULL ? read_secret(plan, file, &parts) : read_private(a, plan, file, &parts);
    if (rv == CKR_OK)
        rv = import_private(a, plan, &parts, made);
    attrs_release(&parts);
    return rv == CKR_OK && plan->kind->pair ? import_public(a, plan, made) : rv;
}

CK_RV admin_key_import(struct admin *a)
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
        rv = import_both(a, &plan, &made);
    for (size_t i = 0; rv == CKR_OK && i < made.count; i++)
        rv = admin_append(list, admin_key_json(&made.list[i]));
    admin_objects_release(&made);
    return rv;
}

const struct admin_member admin_key_import_members[] = {
    {"vault", MEMBER_TEXT, true},       {"name", MEMBER_TEXT, true},
    {"key", MEMBER_SECRET, true},       {"type", MEMBER_TEXT, false},
    {"protection", MEMBER_TEXT, false}, {"use", MEMBER_LIST, false},
    {"not-before", MEMBER_TEXT, false}, {"expires", MEMBER_TEXT, false},
    {"mechanisms", MEMBER_LIST, false}, {0},
};
