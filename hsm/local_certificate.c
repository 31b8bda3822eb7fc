/*
 * The fields of an X.509 certificate that PKCS#11 keeps beside its value. See local.h. Nothing is
 * verified here: a certificate is an object somebody stored, and whom it convinces is decided
 * elsewhere.
 */
#include "hsm/local_int.h"

#include <limits.h>
#include <openssl/asn1.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define FIELD_MAX 65536

SCOPE_DEFINE(X509, X509_free)

static CK_RV fail_certificate(const char *what)
{
    return fail(CKR_ATTRIBUTE_VALUE_INVALID,
                "the certificate %s: give one X.509 certificate in DER as CKA_VALUE", what);
}

/* Takes over what an i2d function allocated. */
static CK_RV take_der(int len, unsigned char **ours, struct buf *ret)
{
    unsigned char *der = TAKE(*ours);

    if (len <= 0 || der == NULL)
        return fail_certificate("has a field that cannot be encoded again");
    *ret = BUF_INIT(FIELD_MAX);
    buf_put(ret, der, (size_t)len);
    OPENSSL_free(der);
    return buf_ok(ret) ? CKR_OK : fail_certificate("has a field over 64 KiB");
}

static CK_RV date_of(const ASN1_TIME *time, char out[static 8])
{
    struct tm tm = {0};
    char text[32];

    if (time == NULL || ASN1_TIME_to_tm(time, &tm) != 1 || tm.tm_year < -1900 || tm.tm_year > 8099)
        return fail_certificate("has a date that is none");
    (void)snprintf(text, sizeof(text), "%04d%02d%02d", tm.tm_year + 1900, tm.tm_mon + 1,
                   tm.tm_mday);
    memcpy(out, text, 8);
    return CKR_OK;
}

static CK_RV read_fields(X509 *x, struct local_certificate *c)
{
    unsigned char *der = NULL;
    CK_RV rv;

    rv = take_der(i2d_X509_NAME(X509_get_subject_name(x), &der), &der, &c->subject);
    if (rv == CKR_OK)
        rv = take_der(i2d_X509_NAME(X509_get_issuer_name(x), &der), &der, &c->issuer);
    if (rv == CKR_OK)
        rv = take_der(i2d_ASN1_INTEGER(X509_get0_serialNumber(x), &der), &der, &c->serial);
    if (rv == CKR_OK)
        rv = take_der(i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der), &der, &c->spki);
    if (rv == CKR_OK)
        rv = date_of(X509_get0_notBefore(x), c->start);
    if (rv == CKR_OK)
        rv = date_of(X509_get0_notAfter(x), c->end);
    return rv;
}

CK_RV local_certificate_parse(struct local *local, struct bytes der, struct local_certificate *ret)
{
    LOCAL_QUIET;
    SCOPED(X509_free_p) X509 *x = X509_new_ex(local->ctx, NULL);
    struct local_certificate c = {0};
    const unsigned char *p = der.data;
    CK_RV rv;

    if (x == NULL)
        return fail_memory();
    if (der.len == 0 || der.len > INT_MAX)
        return fail_certificate("is empty or too long");
    /* On failure d2i frees what it was given and sets it to NULL. */
    if (d2i_X509(&x, &p, (long)der.len) == NULL)
        return fail_certificate("cannot be decoded");
    if (p != der.data + der.len)
        return fail_certificate("has bytes behind its end");
    rv = read_fields(x, &c);
    if (rv != CKR_OK) {
        local_certificate_release(&c);
        return rv;
    }
    *ret = c;
    return CKR_OK;
}

void local_certificate_release(struct local_certificate *c)
{
    buf_release(&c->subject);
    buf_release(&c->issuer);
    buf_release(&c->serial);
    buf_release(&c->spki);
}
