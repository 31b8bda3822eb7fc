/* A key used within one call: see key_use.h. */
#include "pkcs11/key_use.h"

CK_RV key_use_begin(struct run *run, enum operation_kind kind, const CK_MECHANISM *mechanism,
                    CK_OBJECT_HANDLE key, struct key_use *ret)
{
    struct key_use use = {.op = NULL};
    CK_RV rv;

    if (mechanism == NULL)
        return fail_argument("pMechanism");
    rv = operation_once(run, kind, mechanism, key, &use.op);
    if (rv == CKR_OK && use.op->held->object.cls != CKO_PUBLIC_KEY)
        rv = held_key(run, use.op->held, &use.key);
    if (rv != CKR_OK) {
        key_use_release(&use);
        return rv;
    }
    *ret = use;
    return CKR_OK;
}

void key_use_release(struct key_use *use)
{
    operation_free(TAKE(use->op));
}

const struct object *key_use_object(const struct key_use *use)
{
    return &use->op->held->object;
}

CK_RV key_use_record(struct run *run, const struct grant *grant, struct bytes about, CK_RV rv)
{
    CK_RV digested = CKR_OK;

    run->gate = (struct gate){.granted = true, .grant = *grant};
    if (rv == CKR_OK)
        digested = gate_digest(run, about);
    rv = gate_finish(run, digested == CKR_OK ? rv : digested);
    run->gate = (struct gate){.granted = false};
    return rv;
}
