/*
 * The five forms of EdDSA (RFC 8032, 5; PKCS#11 3.2, 6.3.16): which one a mechanism's parameter
 * asks for, in OpenSSL's words.
 *
 * OpenSSL has the words since 3.2 only, and an older one does not refuse what it does not know: it
 * would make a pure signature. So what is not pure is refused there.
 */
#include "hsm/local_int.h"

#include <openssl/opensslv.h>
#include <openssl/params.h>
#include <string.h>

#define FORMS_SINCE 0x30200000UL /* OpenSSL 3.2 */

/* Names of OpenSSL 3.2's core_names.h; 3.0 does not have them. */
#define PARAM_INSTANCE "instance"
#define PARAM_CONTEXT  "context-string"

static const struct form {
    unsigned bits;
    CK_BBOOL prehash;
    const char *instance;
    bool wants_context; /* RFC 8032, 8.3: without one it would be too like the pure form */
} forms[] = {
    {255, CK_FALSE, "Ed25519ctx", true},
    {255, CK_TRUE, "Ed25519ph", false},
    {448, CK_FALSE, "Ed448", false},
    {448, CK_TRUE, "Ed448ph", false},
};

static const struct form *form_of(const struct local_curve *curve, CK_BBOOL prehash)
{
    for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++)
        if (forms[i].bits == curve->bits && forms[i].prehash == prehash)
            return &forms[i];
    return NULL;
}

static CK_RV set_form(const struct form *form, const CK_EDDSA_PARAMS *given,
                      struct local_eddsa *ret)
{
    size_t n = 0;

    if (form == NULL)
        return fail_internal("each Edwards curve has two forms besides its pure one");
    if (form->wants_context && given->ulContextDataLen == 0)
        return fail(CKR_MECHANISM_PARAM_INVALID,
                    "Ed25519ctx needs a context: without one pass no parameter, for Ed25519");
    (void)strncpy(ret->instance, form->instance, sizeof(ret->instance) - 1);
    ret->list[n++] = OSSL_PARAM_construct_utf8_string(PARAM_INSTANCE, ret->instance, 0);
    if (given->ulContextDataLen > 0)
        ret->list[n++] = OSSL_PARAM_construct_octet_string(PARAM_CONTEXT, given->pContextData,
                                                           given->ulContextDataLen);
    ret->list[n] = OSSL_PARAM_construct_end();
    ret->params = ret->list;
    return CKR_OK;
}

bool local_has_eddsa_forms(void)
{
    return OpenSSL_version_num() >= FORMS_SINCE;
}

CK_RV local_eddsa_form(const struct local_curve *curve, const CK_MECHANISM *mechanism,
                       struct local_eddsa *ret)
{
    const CK_EDDSA_PARAMS *given = mechanism->pParameter;

    *ret = (struct local_eddsa){.params = NULL};
    if (given == NULL)
        return CKR_OK;
    if (given->phFlag == CK_FALSE && given->ulContextDataLen == 0 && curve->bits == 448)
        return CKR_OK;
    if (!local_has_eddsa_forms())
        return fail(CKR_MECHANISM_PARAM_INVALID,
                    "this form of EdDSA needs OpenSSL 3.2 or later: here pass no parameter, and "
                    "digest nothing first");
    return set_form(form_of(curve, given->phFlag), given, ret);
}
