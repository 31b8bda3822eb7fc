/* key.create: the words of an administrator turned into the templates C_GenerateKey takes; the
 * making is keys_generate()'s, for both alike, or keys_generate_many()'s. */
#include "pkcs11/admin_keyplan.h"

#include "base/curve.h"
#include "base/heap.h"
#include "pkcs11/keys.h"
#include "pkcs11/template.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static CK_RV create_one(struct admin *a, const struct key_plan *plan, json_t *list)
{
    struct admin_objects made = {.count = 0};
    CK_RV rv = key_plan_ensure_name_free(a);

    if (rv == CKR_OK)
        rv = generate(a, plan, &made);
    for (size_t i = 0; rv == CKR_OK && i < made.count; i++) {
        rv = key_plan_set_instants(a, plan, &made.list[i]);
        if (rv != CKR_OK)
            rv = fail_in(rv, "the key was made, its dates were not written: delete it");
        if (rv == CKR_OK)
            rv = admin_append(list, admin_key_json(&made.list[i]));
    }
    admin_objects_release(&made);
    return rv;
}

/* ---- many at once ---- */

#define MANY_MAX 10000 /* what an answer can name */

/* One of them, with its name, id and templates. */
struct wish {
    char *name;
    struct attrs public, private;
};

/* A batch on its way. */
struct batch {
    struct wish wishes[KEYS_BATCH_MAX];
    struct keys_order orders[KEYS_BATCH_MAX];
    size_t count;
};

static void batch_free(struct batch *batch)
{
    for (size_t i = 0; batch != NULL && i < batch->count; i++) {
        free(batch->wishes[i].name);
        attrs_release(&batch->wishes[i].public);
        attrs_release(&batch->wishes[i].private);
        object_release(&batch->orders[i].ret_public);
        object_release(&batch->orders[i].ret_private);
    }
    free(batch);
}

/* NAME-7, with an id of its own. */
static CK_RV add_wish(struct admin *a, const struct key_plan *plan, uint64_t number,
                      struct batch *batch)
{
    struct wish *wish = &batch->wishes[batch->count];
    struct keys_order *order = &batch->orders[batch->count++];
    struct key_plan own = *plan;
    CK_RV rv = local_random(run_local(&a->run), own.id, sizeof(own.id));

    wish->name = text_format("%s-%llu", plan->name, (unsigned long long)number);
    if (wish->name == NULL)
        return fail_memory();
    own.name = wish->name;
    if (rv == CKR_OK && own.kind->pair)
        rv = public_template(&own, &wish->public);
    if (rv == CKR_OK)
        rv = private_template(&own, &wish->private);
    *order = (struct keys_order){.public_template = wish->public.list,
                                 .public_count = wish->public.count,
                                 .private_template = wish->private.list,
                                 .private_count = wish->private.count,
                                 .not_before = plan->not_before,
                                 .expires = plan->expires};
    return rv;
}

static CK_RV put_made(const struct batch *batch, bool pair, json_t *list)
{
    CK_RV rv = CKR_OK;

    for (size_t i = 0; rv == CKR_OK && i < batch->count; i++) {
        rv = admin_append(list, admin_key_json(&batch->orders[i].ret_private));
        if (rv == CKR_OK && pair)
            rv = admin_append(list, admin_key_json(&batch->orders[i].ret_public));
    }
    return rv;
}

/* Those numbered from to below end. */
static CK_RV create_batch(struct admin *a, const struct key_plan *plan, uint64_t from, uint64_t end,
                          json_t *list)
{
    CK_MECHANISM mechanism = {plan->kind->mechanism, NULL, 0};
    struct batch *batch = calloc(1, sizeof(*batch));
    CK_RV rv = batch != NULL ? CKR_OK : fail_memory();

    for (uint64_t n = from; rv == CKR_OK && n < end; n++)
        rv = add_wish(a, plan, n, batch);
    if (rv == CKR_OK)
        rv = keys_generate_many(&a->run, &mechanism, plan->kind->pair, batch->orders, batch->count);
    if (rv == CKR_OK)
        rv = put_made(batch, plan->kind->pair, list);
    batch_free(batch);
    return rv;
}

static CK_RV create_many(struct admin *a, const struct key_plan *plan, json_t *list)
{
    int64_t count = admin_number(a, "count", 0);
    char before[96];

    if (count < 1 || count > MANY_MAX)
        return fail(CKR_ARGUMENTS_BAD, "count is %lld: give 1 to %d", (long long)count, MANY_MAX);
    if (strlen(plan->name) + sizeof("-10000") - 1 > TEMPLATE_LABEL_MAX)
        return fail(CKR_ARGUMENTS_BAD, "the name is too long for a number behind it");
    for (uint64_t n = 0; n < (uint64_t)count; n += KEYS_BATCH_MAX) {
        uint64_t end = n + KEYS_BATCH_MAX < (uint64_t)count ? n + KEYS_BATCH_MAX : (uint64_t)count;
        CK_RV rv = create_batch(a, plan, n + 1, end + 1, list);

        if (rv == CKR_OK)
            continue;
        if (n == 0)
            return rv;
        (void)snprintf(before, sizeof(before), "the first %llu keys were made, no more",
                       (unsigned long long)n);
        return fail_in(rv, before);
    }
    return CKR_OK;
}

CK_RV admin_key_create(struct admin *a)
{
    struct key_plan plan = {.use = 0};
    json_t *list = json_array();
    CK_RV rv = admin_put(a->answer, "keys", list);

    if (rv == CKR_OK)
        rv = key_plan_read(a, &plan);
    if (rv != CKR_OK)
        return rv;
    return admin_has(a, "count") ? create_many(a, &plan, list) : create_one(a, &plan, list);
}

const struct admin_member admin_key_create_members[] = {
    {"vault", MEMBER_TEXT, true},    {"name", MEMBER_TEXT, true},
    {"type", MEMBER_TEXT, true},     {"protection", MEMBER_TEXT, false},
    {"use", MEMBER_LIST, false},     {"not-before", MEMBER_TEXT, false},
    {"expires", MEMBER_TEXT, false}, {"mechanisms", MEMBER_LIST, false},
    {"count", MEMBER_NUMBER, false}, {0},
};
