/* docs/MECHANISMS.md is what the table says: written here, compared with the file. With --write the
 * program writes it. */
#include "base/bytes.h"
#include "base/mech.h"
#include "base/names.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    CK_FLAGS flag;
    const char *word;
} words[] = {
    {CKF_GENERATE, "generate"},
    {CKF_GENERATE_KEY_PAIR, "generate pair"},
    {CKF_SIGN, "sign"},
    {CKF_VERIFY, "verify"},
    {CKF_SIGN_RECOVER, "sign with recovery"},
    {CKF_VERIFY_RECOVER, "verify with recovery"},
    {CKF_ENCRYPT, "encrypt"},
    {CKF_DECRYPT, "decrypt"},
    {CKF_WRAP, "wrap"},
    {CKF_UNWRAP, "unwrap"},
    {CKF_DERIVE, "derive"},
    {CKF_ENCAPSULATE, "encapsulate"},
    {CKF_DECAPSULATE, "decapsulate"},
    {CKF_DIGEST, "digest"},
};

static const char head[] =
    "# Mechanisms\n"
    "\n"
    "Every mechanism keyward knows, from its table (`base/mech_table.c`); this page is made from "
    "it.\n"
    "Policies name mechanisms by these words. What a vault offers, `C_GetMechanismList` says: a "
    "row is\n"
    "offered where the HSM or the software device does it. Rows marked legacy, and RSA\n"
    "keys of 1024 to 2047 bits, are offered where the vault says so (`keyward vault create "
    "--legacy`).\n"
    "\n"
    "Sizes are in the standard's unit: bits for RSA, curves and generic secrets, bytes for AES, "
    "ChaCha20\n"
    "and DES, bytes of the public key for ML-KEM, ML-DSA and SLH-DSA.\n"
    "\n"
    "`CKM_EDDSA` takes its five forms from its parameter, as the standard has it: none is Ed25519; "
    "what is\n"
    "not pure (Ed25519ctx, Ed25519ph, Ed448 with a context, Ed448ph) is for software keys, and "
    "needs OpenSSL\n"
    "3.2 (Debian 13). Elsewhere it answers `CKR_MECHANISM_PARAM_INVALID`.\n"
    "\n"
    "TLS 1.2: a master secret is derived by `CKM_TLS12_MASTER_KEY_DERIVE*` or "
    "`CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE*`, the keys of its connection by\n"
    "`CKM_TLS12_KEY_AND_MAC_DERIVE`, and the MACs of its handshake by `CKM_TLS_MAC` or "
    "`CKM_TLS12_MAC`, all with software keys. Java (SunPKCS11) does a whole\n"
    "handshake so, server or client, with `-Djdk.tls.useExtendedMasterSecret=false`: its SunPKCS11 "
    "does not know the extended master secret, leaves\n"
    "it to Java's own provider, and that wants the bytes of what was agreed on, which no key here "
    "gives.\n"
    "\n"
    "What needs a younger OpenSSL than the oldest keyward runs with (3.0, Debian 12) says so; with "
    "an older\n"
    "one it is in no list.\n"
    "\n"
    "| mechanism | keys | uses | sizes | parameter | needs |\n"
    "| --- | --- | --- | --- | --- | --- |\n";

static void put_needs(struct buf *out, const struct mech *row)
{
    if (row->openssl != 0)
        buf_printf(out, "OpenSSL %lu.%lu", row->openssl >> 28, row->openssl >> 20 & 0xff);
}

static void put_keys(struct buf *out, const struct mech *row)
{
    char name[NAME_BUF_MAX];

    if (row->key == CK_UNAVAILABLE_INFORMATION)
        buf_puts(out, "none");
    else if (row->key == MECH_ANY_SECRET)
        buf_puts(out, "any secret key");
    else
        buf_puts(out, name_of_key_type(row->key, name));
    if (row->also != CK_UNAVAILABLE_INFORMATION)
        buf_printf(out, ", %s", name_of_key_type(row->also, name));
}

static void put_row(struct buf *out, const struct mech *row)
{
    const struct mech_layout *layout = mech_layout_of(row->params);
    const char *between = "";

    buf_printf(out, "| %s%s | ", row->name, row->legacy ? " (legacy)" : "");
    put_keys(out, row);
    buf_puts(out, " | ");
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if ((row->flags & words[i].flag) != 0) {
            buf_printf(out, "%s%s", between, words[i].word);
            between = ", ";
        }
    if (row->max == 0)
        buf_puts(out, " | ");
    else if (row->min == row->max)
        buf_printf(out, " | %lu", row->max);
    else
        buf_printf(out, " | %lu to %lu", row->min, row->max);
    buf_printf(out, " | %s%s | ", layout->type, layout->optional ? ", or none" : "");
    put_needs(out, row);
    buf_puts(out, " |\n");
}

static struct buf page(void)
{
    struct buf out = BUF_INIT((size_t)1 << 20);

    buf_puts(&out, head);
    for (size_t i = 0; i < mech_count(); i++)
        put_row(&out, mech_at(i));
    return out;
}

START_TEST(the_page_of_mechanisms_is_what_the_table_says)
{
    struct buf want = page();
    char *got = calloc(1, want.len + 2);
    FILE *file = fopen(MECHANISMS_PAGE, "r");
    size_t len;

    ck_assert(buf_ok(&want));
    ck_assert_msg(file != NULL && got != NULL, "no " MECHANISMS_PAGE);
    len = fread(got, 1, want.len + 1, file);
    (void)fclose(file);
    ck_assert_msg(len == want.len && memcmp(got, want.data, len) == 0,
                  MECHANISMS_PAGE " is not current: run this program with --write");
    free(got);
    buf_release(&want);
}
END_TEST

static int write_page(void)
{
    struct buf want = page();
    FILE *file = fopen(MECHANISMS_PAGE, "w");
    bool written =
        file != NULL && buf_ok(&want) && fwrite(want.data, 1, want.len, file) == want.len;

    buf_release(&want);
    return (file == NULL || fclose(file) == 0) && written ? 0 : 1;
}

int main(int argc, char **argv)
{
    const struct suite_case cases[] = {
        CASE(the_page_of_mechanisms_is_what_the_table_says),
    };

    if (argc == 2 && strcmp(argv[1], "--write") == 0)
        return write_page();
    return suite_run("base/mech_page", cases, sizeof(cases) / sizeof(*cases));
}
