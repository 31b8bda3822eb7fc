/* Many keys made by one verb: stored with one commit a batch, each with a name, an id and records
 * of its own; all are made or none is. */
#include "tests/support/lab_break.h"
#include "tests/support/verbs.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* SQLite's count of commits, in the store's header: four bytes from the 24th on. */
static unsigned commits(const struct lab *lab)
{
    int fd = open(lab_path(lab, "store.db"), O_RDONLY | O_CLOEXEC);
    unsigned char raw[4];

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pread(fd, raw, sizeof(raw), 24), sizeof(raw));
    (void)close(fd);
    return (unsigned)raw[0] << 24 | (unsigned)raw[1] << 16 | (unsigned)raw[2] << 8 | raw[3];
}

static json_int_t objects(struct lab *lab)
{
    verb_ok(lab, NULL, "{\"verb\":\"vault.show\",\"vault\":\"web\"}");
    return lab_answer_number(lab, "objects");
}

static const char *request(const char *name, const char *members)
{
    static char text[512];

    (void)snprintf(text, sizeof(text),
                   "{\"verb\":\"key.create\",\"vault\":\"web\",\"name\":\"%s\",%s}", name, members);
    return text;
}

struct told {
    unsigned intents, outcomes, good, denied;
    json_int_t last_intent;
};

static void tell(void *ctx, json_t *record)
{
    struct told *told = ctx;
    const char *phase = lab_member(record, "phase");

    if (strcmp(lab_member(record, "function"), "key.create") != 0)
        return;
    if (strcmp(lab_member(record, "verdict"), "deny") == 0) {
        told->denied++;
        return;
    }
    ck_assert_int_eq(strncmp(lab_member(record, "object"), "many-", 5), 0);
    if (strcmp(phase, "intent") == 0) {
        told->intents++;
        return;
    }
    ck_assert_str_eq(phase, "outcome");
    told->outcomes++;
    told->good += strcmp(lab_member(record, "rv"), "CKR_OK") == 0;
    /* In the order of the intents, each of another one. */
    ck_assert_int_gt(json_integer_value(json_object_get(record, "intent")), told->last_intent);
    told->last_intent = json_integer_value(json_object_get(record, "intent"));
}

static struct told told_from(const struct lab *lab, uint64_t from)
{
    struct told told = {.last_intent = -1};

    lab_log_each(lab, from, tell, &told);
    return told;
}

START_TEST(many_keys_cost_one_commit_a_batch)
{
    struct lab lab;
    unsigned before;
    uint64_t from;
    struct told told;

    lab_start(&lab);
    from = lab_log_whole(&lab);
    before = commits(&lab);
    verb_ok(&lab, NULL,
            request("many", "\"type\":\"aes:256\",\"protection\":\"software\",\"count\":300"));
    ck_assert_uint_eq(commits(&lab), before + 2); /* 256 and 44 */
    ck_assert_uint_eq(verb_count(&lab, "keys"), 300);
    ck_assert_str_eq(verb_text(&lab, "keys.0.name"), "many-1");
    ck_assert_str_eq(verb_text(&lab, "keys.299.name"), "many-300");
    ck_assert_str_eq(verb_text(&lab, "keys.299.protection"), "software");
    ck_assert_int_eq(objects(&lab), 305);
    told = told_from(&lab, from);
    ck_assert_uint_eq(told.intents, 300);
    ck_assert_uint_eq(told.good, 300);
    (void)lab_log_whole(&lab);
    lab_end(&lab);
}
END_TEST

static CK_RV sign_with(const struct lab *lab, CK_SESSION_HANDLE session, const char *name)
{
    CK_BYTE signature[LAB_SIGNATURE_MAX];
    CK_ULONG len = 0;

    return lab_sign(lab, session, lab_find(lab, session, CKO_PRIVATE_KEY, name), "a", 1, signature,
                    &len);
}

START_TEST(each_of_many_pairs_is_a_key_of_its_own)
{
    static const char *const protections[] = {"hsm", "software"};
    struct lab lab;
    CK_SESSION_HANDLE session;
    char members[128];
    char first[64];

    lab_start(&lab);
    (void)snprintf(members, sizeof(members),
                   "\"type\":\"ec:P-256\",\"protection\":\"%s\",\"count\":3,"
                   "\"expires\":\"2040-01-01T10:20:30Z\"",
                   protections[_i]);
    verb_ok(&lab, NULL, request("many", members));
    ck_assert_uint_eq(verb_count(&lab, "keys"), 6);
    (void)snprintf(first, sizeof(first), "%s", verb_text(&lab, "keys.0.id"));
    ck_assert_str_eq(verb_text(&lab, "keys.1.id"), first);
    ck_assert_str_ne(verb_text(&lab, "keys.2.id"), first);
    ck_assert_str_eq(verb_text(&lab, "keys.2.name"), "many-2");
    ck_assert_str_eq(verb_text(&lab, "keys.5.expires"), "2040-01-01T10:20:30Z");
    session = lab_alice(&lab);
    assert_ok(sign_with(&lab, session, "many-1"));
    assert_ok(sign_with(&lab, session, "many-3"));
    ck_assert_uint_eq(lab_find(&lab, session, CKO_PRIVATE_KEY, "many-4"), 0);
    ck_assert_uint_eq(lab_find(&lab, session, CKO_PRIVATE_KEY, "many"), 0);
    lab_end(&lab);
}
END_TEST

static const struct {
    const char *members, *words;
} bad_counts[] = {
    {"\"type\":\"aes:256\",\"count\":0", "give 1 to"},
    {"\"type\":\"aes:256\",\"count\":-1", "a number from 0"},
    {"\"type\":\"aes:256\",\"count\":10001", "give 1 to"},
    {"\"type\":\"aes:256\",\"count\":\"3\"", "count"},
};

START_TEST(a_bad_count_is_refused)
{
    struct lab lab;

    lab_start(&lab);
    verb_refused(&lab, CKR_ARGUMENTS_BAD, bad_counts[_i].words, NULL,
                 request("many", bad_counts[_i].members));
    ck_assert_int_eq(objects(&lab), 5);
    lab_end(&lab);
}
END_TEST

START_TEST(one_name_that_is_taken_stops_all)
{
    struct lab lab;
    unsigned before;

    lab_start(&lab);
    verb_ok(&lab, NULL, request("many-3", "\"type\":\"aes:256\""));
    verb_ok(&lab, NULL, "{\"verb\":\"key.delete\",\"vault\":\"web\",\"name\":\"many-3\"}");
    before = commits(&lab);
    verb_refused(&lab, CKR_ACTION_PROHIBITED, "many-3", NULL,
                 request("many", "\"type\":\"aes:256\",\"count\":4"));
    ck_assert_uint_eq(commits(&lab), before);
    verb_ok(&lab, NULL, request("many", "\"type\":\"aes:256\",\"count\":2"));
    lab_end(&lab);
}
END_TEST

START_TEST(one_name_that_the_policy_refuses_stops_all)
{
    struct lab lab;
    uint64_t from;
    struct told told;

    lab_start(&lab);
    lab_policy(&lab, "forbid (principal, action == Action::\"create\", resource)"
                     " when {resource has name && resource.name == \"many-3\"};");
    from = lab_log_whole(&lab);
    verb_refused(&lab, CKR_ACTION_PROHIBITED, "many-3", NULL,
                 request("many", "\"type\":\"aes:256\",\"count\":4"));
    told = told_from(&lab, from);
    ck_assert_uint_eq(told.denied, 1);
    ck_assert_uint_eq(told.intents, 0);
    ck_assert_int_eq(objects(&lab), 5);
    verb_ok(&lab, NULL, request("many", "\"type\":\"aes:256\",\"count\":2"));
    lab_end(&lab);
}
END_TEST

/* The HSM makes two pairs and fails at the third. */
START_TEST(what_was_made_before_a_failure_is_destroyed)
{
    struct lab lab;
    uint64_t from;
    struct told told;

    lab_make(&lab);
    lab_use_shim(&lab, "5000");
    lab_up(&lab);
    verb_ok(&lab, NULL, request("before", "\"type\":\"ec:P-256\",\"count\":2"));
    ck_assert_uint_eq(lab_shim_calls(&lab, "C_DestroyObject"), 0);
    from = lab_log_whole(&lab);
    lab_shim_forget(&lab);
    lab_shim_rule(&lab, "C_GenerateKeyPair 3- return 49");
    verb_refused(&lab, CKR_DEVICE_MEMORY, "", NULL,
                 request("many", "\"type\":\"ec:P-256\",\"count\":4"));
    ck_assert_uint_eq(lab_shim_calls(&lab, "C_DestroyObject"), 4); /* two halves of two */
    told = told_from(&lab, from);
    ck_assert_uint_eq(told.intents, 4);
    ck_assert_uint_eq(told.outcomes, 4);
    ck_assert_uint_eq(told.good, 0);
    lab_shim_forget(&lab);
    ck_assert_int_eq(objects(&lab), 9);
    verb_ok(&lab, NULL, request("many", "\"type\":\"ec:P-256\",\"count\":4"));
    (void)lab_log_whole(&lab);
    lab_end(&lab);
}
END_TEST

#define LENGTH(a) ((int)(sizeof(a) / sizeof(*(a))))

int main(void)
{
    const struct suite_case cases[] = {
        CASE(many_keys_cost_one_commit_a_batch),
        CASE_LOOP(each_of_many_pairs_is_a_key_of_its_own, 2),
        CASE_LOOP(a_bad_count_is_refused, LENGTH(bad_counts)),
        CASE(one_name_that_is_taken_stops_all),
        CASE(one_name_that_the_policy_refuses_stops_all),
        CASE(what_was_made_before_a_failure_is_destroyed),
    };

    return lab_suite_run("pkcs11/admin_many", cases, sizeof(cases) / sizeof(*cases));
}
