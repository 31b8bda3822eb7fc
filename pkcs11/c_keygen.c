/* PKCS#11 2.40 base, 5.13: C_GenerateKey and C_GenerateKeyPair. Wrapping is in c_wrap.c, derivation
 * in c_derive.c. */
#include "pkcs11/birth.h"
#include "pkcs11/keys.h"

static CK_RV generate_key(struct run *run, const CK_MECHANISM *mechanism,
                          const CK_ATTRIBUTE *template, CK_ULONG count, CK_OBJECT_HANDLE_PTR ret)
{
    struct object key = {0};
    CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;
    CK_RV rv;

    if (mechanism == NULL)
        return fail_argument("pMechanism");
    if (ret == NULL)
        return fail_argument("phKey");
    rv = mechanism->mechanism == CKM_PKCS5_PBKD2
             ? keys_of_password(run, mechanism, template, count, &key)
             : keys_generate(run, mechanism, NULL, 0, template, count, NULL, &key);
    if (rv == CKR_OK)
        rv = birth_handle(run, &key, &handle);
    if (rv == CKR_OK)
        rv = run_output_handle(run, ret, handle);
    object_release(&key);
    return rv;
}

CK_RV C_GenerateKey(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism,
                    CK_ATTRIBUTE_PTR template, CK_ULONG count, CK_OBJECT_HANDLE_PTR key)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_GENERATE_KEY, session);

    if (rv == CKR_OK)
        rv = generate_key(&run, mechanism, template, count, key);
    return call_leave(&run, rv);
}

struct pair_templates {
    const CK_ATTRIBUTE *public, *private;
    CK_ULONG public_count, private_count;
};

static CK_RV generate_pair(struct run *run, const CK_MECHANISM *mechanism,
                           const struct pair_templates *t, CK_OBJECT_HANDLE_PTR ret_public,
                           CK_OBJECT_HANDLE_PTR ret_private)
{
    struct object public = {0};
    struct object private = {0};
    CK_OBJECT_HANDLE handles[2] = {CK_INVALID_HANDLE, CK_INVALID_HANDLE};
    CK_RV rv;

    if (mechanism == NULL)
        return fail_argument("pMechanism");
    if (ret_public == NULL)
        return fail_argument("phPublicKey");
    if (ret_private == NULL)
        return fail_argument("phPrivateKey");
    rv = keys_generate(run, mechanism, t->public, t->public_count, t->private, t->private_count,
                       &public, &private);
    /* The private half first: it is the one whose HSM key would be left over. */
    if (rv == CKR_OK)
        rv = birth_handle(run, &private, &handles[1]);
    if (rv == CKR_OK)
        rv = birth_handle(run, &public, &handles[0]);
    if (rv == CKR_OK)
        rv = run_output_handle(run, ret_public, handles[0]);
    if (rv == CKR_OK)
        rv = run_output_handle(run, ret_private, handles[1]);
    object_release(&public);
    object_release(&private);
    return rv;
}

CK_RV C_GenerateKeyPair(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism,
                        CK_ATTRIBUTE_PTR public_template, CK_ULONG public_count,
                        CK_ATTRIBUTE_PTR private_template, CK_ULONG private_count,
                        CK_OBJECT_HANDLE_PTR public_key, CK_OBJECT_HANDLE_PTR private_key)
{
    const struct pair_templates templates = {.public = public_template,
                                             .private = private_template,
                                             .public_count = public_count,
                                             .private_count = private_count};
    struct run run;
    CK_RV rv = call_enter(&run, CALL_GENERATE_KEY_PAIR, session);

    if (rv == CKR_OK)
        rv = generate_pair(&run, mechanism, &templates, public_key, private_key);
    return call_leave(&run, rv);
}
