/* Budgets of permits, @uses and @rate: so many uses of a key by a principal, whichever processes
 * ask. */
#include "tests/support/verbs.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SEE "permit (principal, action in [Action::\"list\", Action::\"get\"], resource);\n"
#define SIGN(uses)                                                                                 \
    SEE "@id(\"few\") @uses(\"" uses                                                               \
        "\") permit (principal, action == Action::\"sign\", resource);\n"

struct scene {
    struct lab lab;
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key;
};

static void log_in(struct scene *s, const char *pin)
{
    s->session = lab_session(&s->lab, CKF_RW_SESSION);
    assert_ok(lab_login(&s->lab, s->session, CKU_USER, pin));
    s->key = lab_find(&s->lab, s->session, CKO_PRIVATE_KEY, "tls");
}

static void scene_init(struct scene *s, const char *policy)
{
    lab_start(&s->lab);
    lab_policy(&s->lab, policy);
    log_in(s, LAB_PIN);
}

static void apply(struct scene *s, const char *policy)
{
    assert_ok(s->lab.f->C_Logout(s->session));
    lab_policy(&s->lab, policy);
    log_in(s, LAB_PIN);
}

static CK_RV sign(struct scene *s)
{
    CK_BYTE signature[LAB_SIGNATURE_MAX];
    CK_ULONG len;

    return lab_sign(&s->lab, s->session, s->key, "data", 4, signature, &len);
}

/* Until it is refused. */
static unsigned sign_all(struct scene *s)
{
    unsigned n = 0;
    CK_RV rv;

    while ((rv = sign(s)) == CKR_OK)
        n++;
    assert_rv(CKR_DEVICE_MEMORY, rv);
    return n;
}

START_TEST(a_budget_is_of_one_key_and_one_principal)
{
    struct scene s;
    CK_BYTE signature[512];
    CK_MECHANISM mechanism = {.mechanism = CKM_SHA256_RSA_PKCS};
    CK_BYTE data[] = {1};
    CK_ULONG len = sizeof(signature);

    scene_init(&s, SIGN("5"));
    ck_assert_uint_eq(sign_all(&s), 5);
    ck_assert_ptr_nonnull(strstr(s.lab.admin->reason(), "the budget of policy few is used up"));
    assert_rv(CKR_DEVICE_MEMORY, sign(&s));
    ck_assert_uint_eq(lab_log_count(&s.lab, "C_Sign", "CKR_DEVICE_MEMORY"), 2);
    assert_ok(s.lab.f->C_SignInit(s.session, &mechanism,
                                  lab_find(&s.lab, s.session, CKO_PRIVATE_KEY, "sign")));
    assert_ok(s.lab.f->C_Sign(s.session, data, sizeof(data), signature, &len));
    assert_ok(s.lab.f->C_Logout(s.session));
    log_in(&s, "bob:" LAB_BOB_PIN);
    ck_assert_uint_eq(sign_all(&s), 5);
    lab_end(&s.lab);
}
END_TEST

START_TEST(a_permit_without_one_is_free)
{
    struct scene s;

    scene_init(&s, SIGN("1") "permit (principal == User::\"alice\", action == Action::\"sign\", "
                             "resource);");
    for (int i = 0; i < 3; i++)
        assert_ok(sign(&s));
    assert_ok(s.lab.f->C_Logout(s.session));
    log_in(&s, "bob:" LAB_BOB_PIN);
    ck_assert_uint_eq(sign_all(&s), 1);
    lab_end(&s.lab);
}
END_TEST

START_TEST(an_end_gives_back_what_was_not_used)
{
    struct scene s;

    scene_init(&s, SIGN("200"));
    for (int i = 0; i < 3; i++)
        assert_ok(sign(&s));
    assert_ok(s.lab.f->C_Finalize(NULL));
    lab_up(&s.lab);
    log_in(&s, LAB_PIN);
    ck_assert_uint_eq(sign_all(&s), 197);
    lab_end(&s.lab);
}
END_TEST

START_TEST(a_smaller_budget_holds_at_once)
{
    struct scene s;

    scene_init(&s, SIGN("1000"));
    for (int i = 0; i < 3; i++)
        assert_ok(sign(&s));
    apply(&s, SIGN("5"));
    ck_assert_uint_eq(sign_all(&s), 2);
    lab_end(&s.lab);
}
END_TEST

/* Nothing was signed while only the length was asked for; a use in parts is one. */
START_TEST(a_use_is_counted_once)
{
    CK_MECHANISM mechanism = {.mechanism = CKM_ECDSA_SHA256};
    CK_BYTE data[] = {1, 2, 3};
    CK_BYTE signature[LAB_SIGNATURE_MAX];
    CK_ULONG len = 0;
    struct scene s;

    scene_init(&s, SIGN("2"));
    assert_ok(s.lab.f->C_SignInit(s.session, &mechanism, s.key));
    assert_ok(s.lab.f->C_Sign(s.session, data, sizeof(data), NULL, &len));
    len = 1;
    assert_rv(CKR_BUFFER_TOO_SMALL,
              s.lab.f->C_Sign(s.session, data, sizeof(data), signature, &len));
    len = sizeof(signature);
    assert_ok(s.lab.f->C_Sign(s.session, data, sizeof(data), signature, &len));
    assert_ok(s.lab.f->C_SignInit(s.session, &mechanism, s.key));
    assert_ok(s.lab.f->C_SignUpdate(s.session, data, sizeof(data)));
    assert_ok(s.lab.f->C_SignUpdate(s.session, data, sizeof(data)));
    assert_ok(s.lab.f->C_SignFinal(s.session, signature, &len));
    ck_assert_uint_eq(sign_all(&s), 0);
    lab_end(&s.lab);
}
END_TEST

/* Its output leaves with each part: the use is counted with the first. */
START_TEST(a_cipher_in_parts_is_one_use)
{
    CK_BYTE iv[16] = {1};
    CK_MECHANISM mechanism = {CKM_AES_CBC_PAD, iv, sizeof(iv)};
    CK_BYTE block[32] = {0};
    CK_BYTE out[64];
    CK_ULONG len;
    CK_OBJECT_HANDLE key;
    struct scene s;

    scene_init(&s, SEE "@uses(\"1\") permit (principal, action == Action::\"encrypt\", resource);");
    key = lab_find(&s.lab, s.session, CKO_SECRET_KEY, "seal");
    for (int i = 0; i < 2; i++) {
        assert_ok(s.lab.f->C_EncryptInit(s.session, &mechanism, key));
        len = sizeof(out);
        assert_rv(i == 0 ? CKR_OK : CKR_DEVICE_MEMORY,
                  s.lab.f->C_EncryptUpdate(s.session, block, sizeof(block), out, &len));
        len = sizeof(out);
        if (i == 0)
            assert_ok(s.lab.f->C_EncryptUpdate(s.session, block, sizeof(block), out, &len));
        len = sizeof(out);
        if (i == 0)
            assert_ok(s.lab.f->C_EncryptFinal(s.session, out, &len));
    }
    lab_end(&s.lab);
}
END_TEST

static const char *const wrong[] = {
    "@uses(\"few\") permit",  "@rate(\"100\") permit", "@rate(\"1/0h\") permit",
    "@rate(\"1/2y\") permit", "@uses(\"-1\") permit",  "@uses(\"1\") forbid",
};

START_TEST(a_wrong_budget_is_not_applied)
{
    char request[512];
    struct lab lab;

    lab_start(&lab);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        char text[128] = "";

        for (const char *c = wrong[i]; *c != '\0'; c++)
            (void)snprintf(text + strlen(text), sizeof(text) - strlen(text),
                           *c == '"' ? "\\%c" : "%c", *c);
        (void)snprintf(request, sizeof(request),
                       "{\"verb\":\"policy.apply\",\"vault\":\"web\",\"text\":\"%s (principal, "
                       "action, resource);\"}",
                       text);
        verb_refused(&lab, CKR_ARGUMENTS_BAD, "@rate", NULL, request);
    }
    lab_end(&lab);
}
END_TEST

/* ---- several processes ---- */

static int told[2];

static void hammer(struct lab *lab, int n)
{
    struct scene s;
    unsigned signed_here;

    (void)n;
    assert_ok(lab->f->C_Initialize(NULL));
    s.lab = *lab;
    log_in(&s, LAB_PIN);
    signed_here = sign_all(&s);
    ck_assert_int_eq(write(told[1], &signed_here, sizeof(signed_here)),
                     (ssize_t)sizeof(signed_here));
    assert_ok(lab->f->C_Finalize(NULL));
}

START_TEST(of_many_processes_exactly_so_many_succeed)
{
    enum { PROCESSES = 4 };
    pid_t children[PROCESSES];
    unsigned all = 0, one;
    struct scene s;

    scene_init(&s, SIGN("200"));
    assert_ok(s.lab.f->C_Finalize(NULL));
    ck_assert_int_eq(pipe(told), 0);
    for (int i = 0; i < PROCESSES; i++)
        children[i] = lab_child(hammer, &s.lab, i);
    for (int i = 0; i < PROCESSES; i++) {
        lab_join(children[i]);
        ck_assert_int_eq(read(told[0], &one, sizeof(one)), (ssize_t)sizeof(one));
        all += one;
    }
    ck_assert_uint_eq(all, 200);
    lab_end(&s.lab);
}
END_TEST

static void sign_once_and_wait(struct lab *lab, int n)
{
    struct scene s;
    char done = 1;

    (void)n;
    assert_ok(lab->f->C_Initialize(NULL));
    s.lab = *lab;
    log_in(&s, LAB_PIN);
    assert_ok(sign(&s));
    ck_assert_int_eq(write(told[1], &done, 1), 1);
    (void)pause();
}

/* A sixteenth of 64 was its lease. */
START_TEST(who_is_killed_loses_its_lease_and_no_more)
{
    pid_t child;
    struct scene s;
    char done;

    scene_init(&s, SIGN("64"));
    assert_ok(s.lab.f->C_Finalize(NULL));
    ck_assert_int_eq(pipe(told), 0);
    child = lab_child(sign_once_and_wait, &s.lab, 0);
    ck_assert_int_eq(read(told[0], &done, 1), 1);
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    (void)waitpid(child, NULL, 0);
    lab_up(&s.lab);
    log_in(&s, LAB_PIN);
    ck_assert_uint_eq(sign_all(&s), 60);
    lab_end(&s.lab);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_SLOW(a_budget_is_of_one_key_and_one_principal, 120),
        CASE_SLOW(a_permit_without_one_is_free, 120),
        CASE_SLOW(an_end_gives_back_what_was_not_used, 120),
        CASE_SLOW(a_smaller_budget_holds_at_once, 120),
        CASE_SLOW(a_use_is_counted_once, 120),
        CASE_SLOW(a_cipher_in_parts_is_one_use, 120),
        CASE_SLOW(a_wrong_budget_is_not_applied, 120),
        CASE_SLOW(of_many_processes_exactly_so_many_succeed, 300),
        CASE_SLOW(who_is_killed_loses_its_lease_and_no_more, 120),
    };

    return lab_suite_run("pkcs11/budgets", cases, sizeof(cases) / sizeof(*cases));
}
