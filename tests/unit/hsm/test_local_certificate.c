/* The fields of a certificate are read as they stand; what is no certificate is refused. */
#include "hsm/local_int.h"
#include "tests/support/suite.h"

#include <openssl/ec.h>
#include <openssl/x509.h>
#include <string.h>

/* A self-signed certificate: CN=keyward test, serial 4660, 2026-01-02 to 2050-03-04. */
static void make_certificate(struct buf *ret_der, struct buf *ret_spki)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    X509_NAME *name = X509_get_subject_name(x);
    unsigned char *der = NULL, *spki = NULL;
    int len;

    ck_assert_int_eq(ASN1_INTEGER_set(X509_get_serialNumber(x), 0x1234), 1);
    ck_assert_int_eq(ASN1_TIME_set_string_X509(X509_getm_notBefore(x), "20260102030405Z"), 1);
    ck_assert_int_eq(ASN1_TIME_set_string_X509(X509_getm_notAfter(x), "20500304050607Z"), 1);
    ck_assert_int_eq(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                                (const unsigned char *)"keyward test", -1, -1, 0),
                     1);
    ck_assert_int_eq(X509_set_issuer_name(x, name), 1);
    ck_assert_int_eq(X509_set_pubkey(x, key), 1);
    ck_assert_int_gt(X509_sign(x, key, EVP_sha256()), 0);
    len = i2d_X509(x, &der);
    ck_assert_int_gt(len, 0);
    buf_put(ret_der, der, (size_t)len);
    len = i2d_PUBKEY(key, &spki);
    buf_put(ret_spki, spki, (size_t)len);
    OPENSSL_free(der);
    OPENSSL_free(spki);
    X509_free(x);
    EVP_PKEY_free(key);
}

START_TEST(fields_of_a_certificate_are_read)
{
    struct local *local = NULL;
    struct buf der = BUF_INIT(4096), spki = BUF_INIT(4096);
    struct local_certificate c = {0};

    make_certificate(&der, &spki);
    assert_ok(local_new(&local));
    assert_ok(local_certificate_parse(local, buf_bytes(&der), &c));
    ck_assert(bytes_equal(buf_bytes(&c.serial), BYTES_LIT("\x02\x02\x12\x34")));
    ck_assert(bytes_equal(buf_bytes(&c.spki), buf_bytes(&spki)));
    ck_assert(bytes_equal(buf_bytes(&c.subject), buf_bytes(&c.issuer)));
    ck_assert_ptr_nonnull(memmem(c.subject.data, c.subject.len, "keyward test", 12));
    ck_assert_int_eq(memcmp(c.start, "20260102", 8), 0);
    ck_assert_int_eq(memcmp(c.end, "20500304", 8), 0);
    local_certificate_release(&c);
    local_certificate_release(&c);
    buf_release(&der);
    buf_release(&spki);
    local_free(local);
}
END_TEST

START_TEST(a_certificate_cut_or_with_bytes_behind_it_is_refused)
{
    struct local *local = NULL;
    struct buf der = BUF_INIT(4096), spki = BUF_INIT(4096);
    struct local_certificate c = {0};

    make_certificate(&der, &spki);
    assert_ok(local_new(&local));
    for (size_t len = 0; len < der.len; len++)
        assert_rv(CKR_ATTRIBUTE_VALUE_INVALID,
                  local_certificate_parse(local, BYTES(der.data, len), &c));
    buf_putc(&der, 0);
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID, local_certificate_parse(local, buf_bytes(&der), &c));
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID, local_certificate_parse(local, buf_bytes(&spki), &c));
    buf_release(&der);
    buf_release(&spki);
    local_free(local);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(fields_of_a_certificate_are_read),
        CASE(a_certificate_cut_or_with_bytes_behind_it_is_refused),
    };

    return suite_run("hsm/local_certificate", cases, sizeof(cases) / sizeof(*cases));
}
