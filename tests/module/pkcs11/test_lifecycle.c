/* The life of objects past their making: deleted, recovered, purged; and what the log says of
 * making, finding and reading them. */
#include "tests/support/lab.h"

#include <stdio.h>
#include <string.h>

static CK_BBOOL yes = CK_TRUE;

/* ---- deleted, recovered, purged ---- */

START_TEST(deleted_key_comes_back_and_signs_again)
{
    struct lab lab;
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key;

    lab_start(&lab);
    session = lab_alice(&lab);
    key = lab_find(&lab, session, CKO_PRIVATE_KEY, "tls");
    assert_ok(lab.f->C_DestroyObject(session, key));
    ck_assert_uint_eq(lab_find(&lab, session, CKO_PRIVATE_KEY, "tls"), 0);
    assert_ok(lab.f->C_Logout(session));
    assert_ok(
        lab_admin(&lab, NULL, "{\"verb\":\"key.recover\",\"vault\":\"web\",\"name\":\"tls\"}"));
    assert_ok(lab_login(&lab, session, CKU_USER, LAB_PIN));
    lab_signs(&lab, session);
    lab_end(&lab);
}
END_TEST

START_TEST(what_is_not_deleted_is_neither_recovered_nor_purged)
{
    struct lab lab;

    lab_start(&lab);
    ck_assert_uint_ne(
        lab_admin(&lab, NULL, "{\"verb\":\"key.recover\",\"vault\":\"web\",\"name\":\"tls\"}"),
        CKR_OK);
    ck_assert_uint_ne(
        lab_admin(&lab, NULL, "{\"verb\":\"key.purge\",\"vault\":\"web\",\"name\":\"tls\"}"),
        CKR_OK);
    lab_signs(&lab, lab_alice(&lab));
    lab_end(&lab);
}
END_TEST

START_TEST(purge_protection_keeps_a_deleted_key)
{
    struct lab lab;

    lab_start(&lab);
    assert_ok(
        lab_admin(&lab, NULL, "{\"verb\":\"key.delete\",\"vault\":\"web\",\"name\":\"tls\"}"));
    assert_rv(CKR_ACTION_PROHIBITED,
              lab_admin(&lab, NULL, "{\"verb\":\"key.purge\",\"vault\":\"web\",\"name\":\"tls\"}"));
    assert_ok(
        lab_admin(&lab, NULL, "{\"verb\":\"key.recover\",\"vault\":\"web\",\"name\":\"tls\"}"));
    lab_signs(&lab, lab_alice(&lab));
    lab_end(&lab);
}
END_TEST

START_TEST(purged_key_is_gone_for_good_where_nothing_protects_it)
{
    struct lab lab;

    lab_start(&lab);
    assert_ok(lab_admin(
        &lab, NULL, "{\"verb\":\"vault.create\",\"vault\":\"brief\",\"purge-protection\":false}"));
    assert_ok(lab_admin(
        &lab, NULL,
        "{\"verb\":\"key.create\",\"vault\":\"brief\",\"name\":\"k\",\"type\":\"ec:P-256\"}"));
    assert_ok(
        lab_admin(&lab, NULL, "{\"verb\":\"key.delete\",\"vault\":\"brief\",\"name\":\"k\"}"));
    assert_ok(lab_admin(&lab, NULL, "{\"verb\":\"key.purge\",\"vault\":\"brief\",\"name\":\"k\"}"));
    ck_assert_uint_ne(
        lab_admin(&lab, NULL, "{\"verb\":\"key.recover\",\"vault\":\"brief\",\"name\":\"k\"}"),
        CKR_OK);
    lab_end(&lab);
}
END_TEST

START_TEST(key_that_is_not_destroyable_is_not_deleted_by_an_administrator_either)
{
    struct lab lab;
    CK_SESSION_HANDLE session;
    CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, NULL, 0};
    CK_BBOOL no = CK_FALSE;
    CK_ULONG len = 32;
    char label[] = "stays";
    CK_ATTRIBUTE template[] = {{CKA_TOKEN, &yes, 1},
                               {CKA_DESTROYABLE, &no, 1},
                               {CKA_VALUE_LEN, &len, sizeof(len)},
                               {CKA_LABEL, label, 5}};
    CK_OBJECT_HANDLE key = 0;

    lab_start(&lab);
    session = lab_alice(&lab);
    assert_ok(lab.f->C_GenerateKey(session, &mechanism, template, 4, &key));
    assert_ok(lab.f->C_Logout(session));
    assert_rv(
        CKR_ACTION_PROHIBITED,
        lab_admin(&lab, NULL, "{\"verb\":\"key.delete\",\"vault\":\"web\",\"name\":\"stays\"}"));
    lab_end(&lab);
}
END_TEST

/* ---- what the log says ---- */

struct told {
    const char *function;
    unsigned intents, outcomes, done;
    char id[64], object[64], action[32];
    json_int_t count;
};

static void tell(void *ctx, json_t *record)
{
    struct told *told = ctx;
    const char *phase = lab_member(record, "phase");

    if (strcmp(lab_member(record, "function"), told->function) != 0)
        return;
    told->intents += strcmp(phase, "intent") == 0;
    told->outcomes += strcmp(phase, "outcome") == 0;
    told->done += strcmp(phase, "done") == 0;
    (void)snprintf(told->id, sizeof(told->id), "%s", lab_member(record, "id"));
    (void)snprintf(told->object, sizeof(told->object), "%s", lab_member(record, "object"));
    (void)snprintf(told->action, sizeof(told->action), "%s", lab_member(record, "action"));
    told->count = json_integer_value(json_object_get(record, "count"));
}

static struct told told_from(const struct lab *lab, uint64_t from, const char *function)
{
    struct told told = {.function = function};

    lab_log_each(lab, from, tell, &told);
    return told;
}

START_TEST(making_a_key_is_an_intent_and_an_outcome_that_name_it)
{
    struct lab lab;
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE public_key = 0, private_key = 0;
    char unique[33] = "";
    CK_ATTRIBUTE attr = {CKA_UNIQUE_ID, unique, 32};
    struct told told;
    uint64_t from;

    lab_start(&lab);
    session = lab_alice(&lab);
    from = lab_log_whole(&lab);
    assert_ok(lab_generate(&lab, session, "fresh", &public_key, &private_key));
    told = told_from(&lab, from, "C_GenerateKeyPair");
    ck_assert_uint_eq(told.intents, 1);
    ck_assert_uint_eq(told.outcomes, 1);
    ck_assert_str_eq(told.action, "create");
    ck_assert_str_eq(told.object, "fresh");
    assert_ok(lab.f->C_GetAttributeValue(session, private_key, &attr, 1));
    ck_assert_str_eq(told.id, unique);
    lab_end(&lab);
}
END_TEST

START_TEST(search_is_one_record_that_counts_what_was_found)
{
    struct lab lab;
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE handles[8];
    CK_ULONG n = 0;
    struct told told;
    uint64_t from;
    char label[] = "tls";
    CK_ATTRIBUTE attr = {CKA_LABEL, label, 3};

    lab_start(&lab);
    session = lab_alice(&lab);
    from = lab_log_whole(&lab);
    assert_ok(lab.f->C_FindObjectsInit(session, &attr, 1));
    assert_ok(lab.f->C_FindObjects(session, handles, 8, &n));
    assert_ok(lab.f->C_FindObjectsFinal(session));
    ck_assert_uint_eq(n, 2);
    told = told_from(&lab, from, "C_FindObjects");
    ck_assert_uint_eq(told.done, 1);
    ck_assert_int_eq(told.count, 2);
    ck_assert_uint_eq(lab_log_whole(&lab), from + 1);
    lab_end(&lab);
}
END_TEST

START_TEST(reading_values_is_recorded_and_asking_for_lengths_is_not)
{
    struct lab lab;
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key;
    char label[8];
    CK_ATTRIBUTE length = {CKA_LABEL, NULL, 0};
    CK_ATTRIBUTE value = {CKA_LABEL, label, sizeof(label)};
    CK_ATTRIBUTE small = {CKA_LABEL, label, 1};
    struct told told;
    uint64_t from;

    lab_start(&lab);
    session = lab_alice(&lab);
    key = lab_find(&lab, session, CKO_PRIVATE_KEY, "tls");
    from = lab_log_whole(&lab);
    assert_ok(lab.f->C_GetAttributeValue(session, key, &length, 1));
    ck_assert_uint_eq(lab_log_whole(&lab), from);
    assert_ok(lab.f->C_GetAttributeValue(session, key, &value, 1));
    told = told_from(&lab, from, "C_GetAttributeValue");
    ck_assert_uint_eq(told.done, 1);
    ck_assert_str_eq(told.object, "tls");
    assert_rv(CKR_BUFFER_TOO_SMALL, lab.f->C_GetAttributeValue(session, key, &small, 1));
    ck_assert_uint_eq(lab_log_whole(&lab), from + 2);
    lab_end(&lab);
}
END_TEST

START_TEST(refused_template_leaves_no_trace_in_vault_and_hsm)
{
    struct lab lab;
    CK_SESSION_HANDLE session;
    CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, NULL, 0};
    CK_ULONG len = 32, before, key = 0;
    CK_ATTRIBUTE template[] = {
        {CKA_TOKEN, &yes, 1}, {CKA_VALUE_LEN, &len, sizeof(len)}, {CKA_EXTRACTABLE, &yes, 1}};
    uint64_t from;

    lab_start(&lab);
    session = lab_alice(&lab);
    before = lab_count(&lab, session);
    from = lab_log_whole(&lab);
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID,
              lab.f->C_GenerateKey(session, &mechanism, template, 3, &key));
    ck_assert_uint_eq(told_from(&lab, from, "C_GenerateKey").intents, 0);
    ck_assert_uint_eq(lab_count(&lab, session), before);
    assert_ok(lab.f->C_GenerateKey(session, &mechanism, template, 2, &key));
    ck_assert_uint_eq(lab_count(&lab, session), before + 1);
    lab_end(&lab);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_SLOW(deleted_key_comes_back_and_signs_again, 120),
        CASE_SLOW(what_is_not_deleted_is_neither_recovered_nor_purged, 120),
        CASE_SLOW(purge_protection_keeps_a_deleted_key, 120),
        CASE_SLOW(purged_key_is_gone_for_good_where_nothing_protects_it, 120),
        CASE_SLOW(key_that_is_not_destroyable_is_not_deleted_by_an_administrator_either, 120),
        CASE_SLOW(making_a_key_is_an_intent_and_an_outcome_that_name_it, 120),
        CASE_SLOW(search_is_one_record_that_counts_what_was_found, 120),
        CASE_SLOW(reading_values_is_recorded_and_asking_for_lengths_is_not, 120),
        CASE_SLOW(refused_template_leaves_no_trace_in_vault_and_hsm, 120),
    };

    return lab_suite_run("pkcs11/lifecycle", cases, sizeof(cases) / sizeof(*cases));
}
