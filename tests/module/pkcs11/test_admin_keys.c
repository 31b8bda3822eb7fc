/* Verbs about keys: what they make is what was asked for, and no more; deleting, recovering and
 * purging keep to the vault's rules. */
#include "tests/support/verbs.h"

#include <stdio.h>
#include <string.h>

/* ---- key.create ---- */

static const struct {
    const char *type, *word;
    int size, halves;
    const char *use; /* of the first object */
} types[] = {
    {"rsa:2048", "rsa", 2048, 2, "sign"},  {"rsa:3072", "rsa", 3072, 2, "sign"},
    {"ec:P-256", "ec", 256, 2, "sign"},    {"ec:P-384", "ec", 384, 2, "sign"},
    {"ec:P-521", "ec", 521, 2, "sign"},    {"aes:128", "aes", 128, 1, "encrypt"},
    {"aes:256", "aes", 256, 1, "encrypt"}, {"hmac:256", "hmac", 256, 1, "sign"},
};

START_TEST(a_key_of_every_type_is_made_in_the_hsm)
{
    struct lab lab;
    char request[256];

    lab_start(&lab);
    (void)snprintf(request, sizeof(request),
                   "{\"verb\":\"key.create\",\"vault\":\"web\",\"name\":\"k\",\"type\":\"%s\"}",
                   types[_i].type);
    verb_ok(&lab, NULL, request);
    ck_assert_uint_eq(verb_count(&lab, "keys"), (size_t)types[_i].halves);
    ck_assert_str_eq(verb_text(&lab, "keys.0.type"), types[_i].word);
    ck_assert_str_eq(verb_text(&lab, "keys.0.protection"), "hsm");
    ck_assert_str_eq(verb_text(&lab, "keys.0.state"), "enabled");
    ck_assert_str_eq(verb_text(&lab, "keys.0.use.0"), types[_i].use);
    ck_assert_uint_eq(strlen(verb_text(&lab, "keys.0.id")), 32);
    verb_ok(&lab, NULL, "{\"verb\":\"key.show\",\"vault\":\"web\",\"name\":\"k\"}");
    ck_assert_uint_eq(verb_count(&lab, "keys"), (size_t)types[_i].halves);
    (void)snprintf(request, sizeof(request), "\"size\":%d,", types[_i].size);
    ck_assert_msg(strstr(lab.answer, request) != NULL, "%s", lab.answer);
    lab_end(&lab);
}
END_TEST

static const struct {
    const char *members, *words;
} bad_keys[] = {
    {"\"name\":\"\",\"type\":\"aes:128\"", "has 1 to 255 bytes"},
    {"\"name\":\"k@2\",\"type\":\"aes:128\"", "ends like a version"},
    {"\"name\":\"k\\n\",\"type\":\"aes:128\"", "control characters"},
    {"\"name\":\"k\",\"type\":\"rsa:1024\"", "key type \"rsa:1024\" is unknown"},
    {"\"name\":\"k\",\"type\":\"\"", "is unknown"},
    {"\"name\":\"k\",\"type\":\"aes:128\",\"protection\":\"none\"", "hsm or software"},
    {"\"name\":\"k\",\"type\":\"aes:128\",\"use\":[\"sing\"]", "use \"sing\" is unknown"},
    {"\"name\":\"k\",\"type\":\"aes:128\",\"mechanisms\":[\"CKM_MAGIC\"]",
     "mechanism \"CKM_MAGIC\" is unknown"},
    {"\"name\":\"k\",\"type\":\"aes:128\",\"expires\":\"soon\"", "is no time"},
    {"\"name\":\"k\",\"type\":\"aes:128\",\"expires\":\"2001-01-01\"", "expired already"},
    {"\"name\":\"k\",\"type\":\"aes:128\",\"expires\":\"2040-02-30\"", "is no time"},
    {"\"name\":\"k\",\"type\":\"aes:128\",\"expires\":\"2040-01-01T25:00:00Z\"", "is no time"},
    {"\"name\":\"k\",\"type\":\"aes:128\",\"expires\":\"2040-01-01T10:00:00\"", "is no time"},
    {"\"name\":\"k\",\"type\":\"aes:128\",\"not-before\":\"2d\",\"expires\":\"1d\"",
     "expire before it begins"},
};

START_TEST(a_bad_key_is_refused_and_not_made)
{
    struct lab lab;
    char request[512];

    lab_start(&lab);
    (void)snprintf(request, sizeof(request), "{\"verb\":\"key.create\",\"vault\":\"web\",%s}",
                   bad_keys[_i].members);
    verb_refused(&lab, CKR_ARGUMENTS_BAD, bad_keys[_i].words, NULL, request);
    verb_ok(&lab, NULL, "{\"verb\":\"vault.show\",\"vault\":\"web\"}");
    ck_assert_int_eq(lab_answer_number(&lab, "objects"), 5);
    lab_end(&lab);
}
END_TEST

START_TEST(only_the_uses_asked_for_are_given)
{
    struct lab lab;
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key;
    CK_MECHANISM mechanism = {CKM_RSA_PKCS, NULL, 0};

    lab_start(&lab);
    verb_ok(&lab, NULL,
            "{\"verb\":\"key.create\",\"vault\":\"web\",\"name\":\"s\",\"type\":\"rsa:2048\","
            "\"use\":[\"sign\",\"verify\"]}");
    session = lab_alice(&lab);
    key = lab_find(&lab, session, CKO_PRIVATE_KEY, "s");
    ck_assert_uint_ne(key, CK_INVALID_HANDLE);
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED, lab.f->C_DecryptInit(session, &mechanism, key));
    assert_ok(lab.f->C_SignInit(session, &mechanism, key));
    lab_end(&lab);
}
END_TEST

START_TEST(only_the_mechanisms_asked_for_are_allowed)
{
    struct lab lab;
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key;
    CK_MECHANISM allowed = {CKM_ECDSA_SHA256, NULL, 0};
    CK_MECHANISM other = {CKM_ECDSA_SHA384, NULL, 0};

    lab_start(&lab);
    verb_ok(&lab, NULL,
            "{\"verb\":\"key.create\",\"vault\":\"web\",\"name\":\"m\",\"type\":\"ec:P-256\","
            "\"mechanisms\":[\"CKM_ECDSA_SHA256\"]}");
    ck_assert_str_eq(verb_text(&lab, "keys.0.mechanisms.0"), "CKM_ECDSA_SHA256");
    session = lab_alice(&lab);
    key = lab_find(&lab, session, CKO_PRIVATE_KEY, "m");
    assert_rv(CKR_MECHANISM_INVALID, lab.f->C_SignInit(session, &other, key));
    assert_ok(lab.f->C_SignInit(session, &allowed, key));
    lab_end(&lab);
}
END_TEST

START_TEST(dates_are_kept_to_the_second)
{
    struct lab lab;

    lab_start(&lab);
    verb_ok(&lab, NULL,
            "{\"verb\":\"key.create\",\"vault\":\"web\",\"name\":\"d\",\"type\":\"ec:P-256\","
            "\"not-before\":\"2040-01-02T03:04:05+01:00\",\"expires\":\"2041-12-31\"}");
    verb_ok(&lab, NULL, "{\"verb\":\"key.show\",\"vault\":\"web\",\"name\":\"d\"}");
    for (int half = 0; half < 2; half++) {
        char path[32];

        (void)snprintf(path, sizeof(path), "keys.%d.not-before", half);
        ck_assert_str_eq(verb_text(&lab, path), "2040-01-02T02:04:05Z");
        (void)snprintf(path, sizeof(path), "keys.%d.expires", half);
        ck_assert_str_eq(verb_text(&lab, path), "2041-12-31T00:00:00Z");
    }
    lab_end(&lab);
}
END_TEST

START_TEST(a_key_that_begins_later_does_not_sign_yet)
{
    struct lab lab;
    CK_SESSION_HANDLE session;
    CK_MECHANISM mechanism = {CKM_ECDSA_SHA256, NULL, 0};

    lab_start(&lab);
    verb_ok(&lab, NULL,
            "{\"verb\":\"key.create\",\"vault\":\"web\",\"name\":\"later\",\"type\":\"ec:P-256\","
            "\"not-before\":\"1h\"}");
    verb_ok(&lab, NULL,
            "{\"verb\":\"key.create\",\"vault\":\"web\",\"name\":\"now\",\"type\":\"ec:P-256\","
            "\"expires\":\"1h\"}");
    session = lab_alice(&lab);
    ck_assert_uint_ne(
        lab.f->C_SignInit(session, &mechanism, lab_find(&lab, session, CKO_PRIVATE_KEY, "later")),
        CKR_OK);
    assert_ok(
        lab.f->C_SignInit(session, &mechanism, lab_find(&lab, session, CKO_PRIVATE_KEY, "now")));
    lab_end(&lab);
}
END_TEST

START_TEST(a_name_is_given_once_and_a_deleted_key_still_holds_it)
{
    static const char request[] = "{\"verb\":\"key.create\",\"vault\":\"web\",\"name\":\"tls\","
                                  "\"type\":\"ec:P-256\"}";
    struct lab lab;

    lab_start(&lab);
    verb_refused(&lab, CKR_ACTION_PROHIBITED, "has a key tls already", NULL, request);
    verb_ok(&lab, NULL, "{\"verb\":\"key.delete\",\"vault\":\"web\",\"name\":\"tls\"}");
    verb_refused(&lab, CKR_ACTION_PROHIBITED, "has a deleted key tls already", NULL, request);
    verb_ok(&lab, NULL,
            "{\"verb\":\"key.create\",\"vault\":\"mail\",\"name\":\"tls\",\"type\":\"ec:P-256\"}");
    lab_end(&lab);
}
END_TEST

/* ---- finding ---- */

START_TEST(keys_are_listed_each_in_its_own_vault)
{
    struct lab lab;

    lab_start(&lab);
    verb_ok(&lab, NULL, "{\"verb\":\"key.list\",\"vault\":\"web\"}");
    ck_assert_uint_eq(verb_count(&lab, "keys"), 5);
    ck_assert_ptr_null(strstr(lab.answer, "dkim"));
    verb_ok(&lab, NULL, "{\"verb\":\"key.list\",\"vault\":\"web\",\"deleted\":true}");
    ck_assert_uint_eq(verb_count(&lab, "keys"), 0);
    verb_refused(&lab, CKR_OBJECT_HANDLE_INVALID, "no key dkim", NULL,
                 "{\"verb\":\"key.show\",\"vault\":\"web\",\"name\":\"dkim\"}");
    lab_end(&lab);
}
END_TEST

START_TEST(a_list_holds_only_what_the_policy_shows)
{
    struct lab lab;

    lab_start(&lab);
    lab_policy(&lab, "permit (principal == User::\"bob\", action == Action::\"login\", resource);\n"
                     "permit (principal == User::\"bob\", action in Action::\"reader\", resource)\n"
                     "when { resource has type && resource.type == \"ec\" };");
    assert_ok(lab_login(&lab, lab_session(&lab, CKF_RW_SESSION), CKU_USER, "bob:" LAB_BOB_PIN));
    verb_ok(&lab, NULL, "{\"verb\":\"key.list\",\"vault\":\"web\"}");
    ck_assert_uint_eq(verb_count(&lab, "keys"), 2);
    ck_assert_ptr_null(strstr(lab.answer, "\"seal\""));
    verb_ok(&lab, NULL, "{\"verb\":\"key.show\",\"vault\":\"web\",\"name\":\"tls\"}");
    verb_refused(&lab, CKR_OBJECT_HANDLE_INVALID, "you may see", NULL,
                 "{\"verb\":\"key.show\",\"vault\":\"web\",\"name\":\"seal\"}");
    lab_end(&lab);
}
END_TEST

START_TEST(a_version_that_is_not_there_is_not_found)
{
    struct lab lab;

    lab_start(&lab);
    verb_ok(&lab, NULL, "{\"verb\":\"key.show\",\"vault\":\"web\",\"name\":\"tls\",\"version\":1}");
    verb_refused(&lab, CKR_OBJECT_HANDLE_INVALID, "no key tls", NULL,
                 "{\"verb\":\"key.show\",\"vault\":\"web\",\"name\":\"tls\",\"version\":2}");
    lab_end(&lab);
}
END_TEST

START_TEST(the_newest_version_is_meant_where_none_is_named)
{
    struct lab lab;
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE public_key, private_key;

    lab_start(&lab);
    session = lab_alice(&lab);
    assert_ok(lab_generate(&lab, session, "tls", &public_key, &private_key));
    verb_ok(&lab, NULL, "{\"verb\":\"key.show\",\"vault\":\"web\",\"name\":\"tls\"}");
    ck_assert_uint_eq(verb_count(&lab, "keys"), 2);
    ck_assert_ptr_nonnull(strstr(lab.answer, "\"version\":2"));
    verb_ok(&lab, NULL, "{\"verb\":\"key.show\",\"vault\":\"web\",\"name\":\"tls\",\"version\":1}");
    ck_assert_ptr_null(strstr(lab.answer, "\"version\":2"));
    lab_end(&lab);
}
END_TEST

/* ---- key.public ---- */

START_TEST(a_public_half_is_pem_and_a_secret_key_has_none)
{
    struct lab lab;

    lab_start(&lab);
    verb_ok(&lab, NULL, "{\"verb\":\"key.public\",\"vault\":\"web\",\"name\":\"tls\"}");
    ck_assert_int_eq(strncmp(verb_text(&lab, "pem"), "-----BEGIN PUBLIC KEY-----\n", 27), 0);
    verb_ok(&lab, NULL, "{\"verb\":\"key.public\",\"vault\":\"web\",\"name\":\"sign\"}");
    verb_refused(&lab, CKR_KEY_TYPE_INCONSISTENT, "has no public half", NULL,
                 "{\"verb\":\"key.public\",\"vault\":\"web\",\"name\":\"seal\"}");
    lab_end(&lab);
}
END_TEST

/* ---- deleting ---- */

START_TEST(a_deleted_key_is_hidden_and_comes_back_whole)
{
    struct lab lab;
    CK_SESSION_HANDLE session;

    lab_start(&lab);
    verb_ok(&lab, NULL, "{\"verb\":\"key.delete\",\"vault\":\"web\",\"name\":\"tls\"}");
    ck_assert_int_eq(lab_answer_number(&lab, "count"), 2);
    verb_refused(&lab, CKR_OBJECT_HANDLE_INVALID, "no key tls", NULL,
                 "{\"verb\":\"key.show\",\"vault\":\"web\",\"name\":\"tls\"}");
    verb_ok(&lab, NULL,
            "{\"verb\":\"key.show\",\"vault\":\"web\",\"name\":\"tls\",\"deleted\":true}");
    ck_assert_str_eq(verb_text(&lab, "keys.0.state"), "deleted");
    session = lab_alice(&lab);
    ck_assert_uint_eq(lab_find(&lab, session, CKO_PRIVATE_KEY, "tls"), CK_INVALID_HANDLE);
    assert_ok(lab.f->C_Logout(session));
    verb_ok(&lab, NULL, "{\"verb\":\"key.recover\",\"vault\":\"web\",\"name\":\"tls\"}");
    ck_assert_int_eq(lab_answer_number(&lab, "count"), 2);
    lab_signs(&lab, lab_alice(&lab));
    lab_end(&lab);
}
END_TEST

START_TEST(every_half_deleted_has_an_intent_and_an_outcome)
{
    struct lab lab;

    lab_start(&lab);
    verb_ok(&lab, NULL, "{\"verb\":\"key.delete\",\"vault\":\"web\",\"name\":\"tls\"}");
    ck_assert_uint_eq(lab_log_count(&lab, "key.delete", "CKR_OK"), 2);
    ck_assert_uint_eq(lab_log_count(&lab, "key.delete", NULL), 4);
    lab_end(&lab);
}
END_TEST

START_TEST(purge_protection_keeps_a_deleted_key)
{
    struct lab lab;

    lab_start(&lab);
    verb_refused(&lab, CKR_OBJECT_HANDLE_INVALID, "no deleted key tls", NULL,
                 "{\"verb\":\"key.purge\",\"vault\":\"web\",\"name\":\"tls\"}");
    verb_ok(&lab, NULL, "{\"verb\":\"key.delete\",\"vault\":\"web\",\"name\":\"tls\"}");
    verb_refused(&lab, CKR_ACTION_PROHIBITED, "", NULL,
                 "{\"verb\":\"key.purge\",\"vault\":\"web\",\"name\":\"tls\"}");
    verb_ok(&lab, NULL, "{\"verb\":\"key.recover\",\"vault\":\"web\",\"name\":\"tls\"}");
    lab_end(&lab);
}
END_TEST

START_TEST(without_purge_protection_a_deleted_key_is_purged_for_good)
{
    struct lab lab;

    lab_start(&lab);
    verb_ok(&lab, NULL, "{\"verb\":\"vault.create\",\"vault\":\"box\",\"purge-protection\":false}");
    verb_ok(&lab, NULL,
            "{\"verb\":\"key.create\",\"vault\":\"box\",\"name\":\"k\",\"type\":\"ec:P-256\"}");
    verb_ok(&lab, NULL, "{\"verb\":\"key.delete\",\"vault\":\"box\",\"name\":\"k\"}");
    verb_ok(&lab, NULL, "{\"verb\":\"key.purge\",\"vault\":\"box\",\"name\":\"k\"}");
    verb_refused(&lab, CKR_OBJECT_HANDLE_INVALID, "no deleted key k", NULL,
                 "{\"verb\":\"key.recover\",\"vault\":\"box\",\"name\":\"k\"}");
    verb_ok(&lab, NULL,
            "{\"verb\":\"key.create\",\"vault\":\"box\",\"name\":\"k\",\"type\":\"ec:P-256\"}");
    lab_end(&lab);
}
END_TEST

#define LENGTH(a) ((int)(sizeof(a) / sizeof(*(a))))

int main(void)
{
    const struct suite_case cases[] = {
        CASE_LOOP(a_key_of_every_type_is_made_in_the_hsm, LENGTH(types)),
        CASE_LOOP(a_bad_key_is_refused_and_not_made, LENGTH(bad_keys)),
        CASE(only_the_uses_asked_for_are_given),
        CASE(only_the_mechanisms_asked_for_are_allowed),
        CASE(dates_are_kept_to_the_second),
        CASE(a_key_that_begins_later_does_not_sign_yet),
        CASE(a_name_is_given_once_and_a_deleted_key_still_holds_it),
        CASE(keys_are_listed_each_in_its_own_vault),
        CASE(a_list_holds_only_what_the_policy_shows),
        CASE(a_version_that_is_not_there_is_not_found),
        CASE(the_newest_version_is_meant_where_none_is_named),
        CASE(a_public_half_is_pem_and_a_secret_key_has_none),
        CASE(a_deleted_key_is_hidden_and_comes_back_whole),
        CASE(every_half_deleted_has_an_intent_and_an_outcome),
        CASE(purge_protection_keeps_a_deleted_key),
        CASE(without_purge_protection_a_deleted_key_is_purged_for_good),
    };

    return lab_suite_run("pkcs11/admin_keys", cases, sizeof(cases) / sizeof(*cases));
}
