/*
 * CKA_ALWAYS_AUTHENTICATE (PKCS#11 2.40 base, 4.9): each operation with such a key waits, from its
 * Init on, for a login of its own (C_Login with CKU_CONTEXT_SPECIFIC), and does nothing before it.
 */
#include "pkcs11/operation_int.h"

static bool waits(const struct operation *op)
{
    return op != NULL && op->held != NULL && !op->authenticated &&
           attrs_true(&op->held->object.attrs, CKA_ALWAYS_AUTHENTICATE);
}

CK_RV operation_ensure_login(struct run *run, const struct operation *op)
{
    struct ask ask = operation_ask(op);

    if (!waits(op))
        return CKR_OK;
    return gate_refuse(run, &ask,
                       fail(CKR_USER_NOT_LOGGED_IN,
                            "the key has CKA_ALWAYS_AUTHENTICATE: call C_Login with "
                            "CKU_CONTEXT_SPECIFIC between the Init and this call"));
}

CK_RV operation_ensure_waiting(const struct session *session)
{
    for (int i = 0; i < OPERATION_KINDS; i++)
        if (waits(session->operations[i]))
            return CKR_OK;
    return fail(CKR_OPERATION_NOT_INITIALIZED,
                "no operation in this session waits for a login of its own: only one with a key "
                "that has CKA_ALWAYS_AUTHENTICATE does");
}

void operation_logged_in(struct session *session)
{
    for (int i = 0; i < OPERATION_KINDS; i++)
        if (waits(session->operations[i]))
            session->operations[i]->authenticated = true;
}
