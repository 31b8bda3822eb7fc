/* Vaults: names, slots, settings, policies. */
#include "tests/support/vault_world.h"

#include <stdio.h>
#include <string.h>

START_TEST(names_of_vaults_and_users_are_checked)
{
    static const char *const good[] = {"v", "A.b_c-9", "12345678901234567890123456789012"};
    static const char *const bad[] = {"",         "-v",  ".v",
                                      "a b",      "a/b", "a\n",
                                      "\xc3\xa4", "a@b", "123456789012345678901234567890123"};

    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
        ck_assert_msg(vault_name_is_valid(good[i]), "%s", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        ck_assert_msg(!vault_name_is_valid(bad[i]), "%s", bad[i]);
    ck_assert(!vault_name_is_valid(NULL));
    ck_assert(user_name_is_valid("alice@example.org"));
    ck_assert(user_name_is_valid("so"));
    ck_assert(!user_name_is_valid(""));
    ck_assert(!user_name_is_valid("a:b"));
    ck_assert(!user_name_is_valid(NULL));
}
END_TEST

/* Member by member: what lies between them is nobody's. */
static void assert_same(const struct vault_info *a, const struct vault_info *b)
{
    ck_assert_int_eq(memcmp(a->id, b->id, sizeof(a->id)), 0);
    ck_assert_str_eq(a->name, b->name);
    ck_assert_uint_eq(a->slot, b->slot);
    ck_assert_int_eq(a->protection, b->protection);
    ck_assert_int_eq(a->created, b->created);
    ck_assert_int_eq(a->retention, b->retention);
    ck_assert_int_eq(a->purge_protection, b->purge_protection);
    ck_assert_int_eq(a->legacy, b->legacy);
    ck_assert_str_eq(a->default_user, b->default_user);
    ck_assert_int_eq(memcmp(a->log_key, b->log_key, sizeof(a->log_key)), 0);
    ck_assert_uint_eq(a->generation, b->generation);
}

START_TEST(a_vault_is_found_by_name_and_slot_as_it_was_made)
{
    struct vault_world w;
    struct vault_info made, got;

    vault_world_init(&w);
    made = vault_world_vault(&w, "payments");
    ck_assert_uint_eq(made.slot, 1);
    ck_assert_int_eq(made.created, w.now);
    ck_assert_int_eq(made.retention, 90 * 24 * 3600);
    ck_assert(made.purge_protection);
    ck_assert_int_eq(made.protection, PROTECTION_SOFTWARE);
    vault_world_reopen(&w);
    assert_ok(vault_get(w.store, "payments", &got));
    assert_same(&got, &made);
    assert_ok(vault_get_slot(w.store, 1, &got));
    assert_same(&got, &made);
    assert_rv(CKR_SLOT_ID_INVALID, vault_get(w.store, "Payments", &got));
    assert_rv(CKR_SLOT_ID_INVALID, vault_get(w.store, "", &got));
    assert_rv(CKR_SLOT_ID_INVALID, vault_get_slot(w.store, 0, &got));
    assert_rv(CKR_SLOT_ID_INVALID, vault_get_slot(w.store, 2, &got));
    assert_rv(CKR_SLOT_ID_INVALID, vault_get_slot(w.store, ~0UL, &got));
    vault_world_release(&w);
}
END_TEST

START_TEST(a_vault_that_another_process_renames_has_its_new_name_at_once)
{
    struct vault_world w;
    struct vault_info info;
    struct store *other = NULL;

    vault_world_init(&w);
    (void)vault_world_vault(&w, "old");
    assert_ok(vault_get_slot(w.store, 1, &info));
    ck_assert_str_eq(info.name, "old");
    assert_ok(store_open(&w.config, &other));
    assert_ok(vault_update(other, &info, "new"));
    assert_ok(vault_get_slot(w.store, 1, &info));
    ck_assert_str_eq(info.name, "new");
    store_close(other);
    vault_world_release(&w);
}
END_TEST

START_TEST(a_vault_that_is_refused_leaves_no_key_in_the_hsm)
{
    struct vault_world w;
    const struct vault_spec bad_name = {.name = "a b"};
    const struct vault_spec taken = {.name = "v"};
    const struct vault_spec bad_retention = {.name = "w", .retention = -1};
    struct vault_info info;
    struct vault_info *list = NULL;
    size_t count = 0;

    vault_world_init(&w);
    (void)vault_world_vault(&w, "v");
    assert_rv(CKR_ACTION_PROHIBITED, vault_create(w.store, &taken, &info));
    assert_rv(CKR_ARGUMENTS_BAD, vault_create(w.store, &bad_name, &info));
    assert_rv(CKR_ARGUMENTS_BAD, vault_create(w.store, &bad_retention, &info));
    assert_ok(vault_list(w.store, &list, &count));
    ck_assert_uint_eq(count, 1);
    free(list);
    vault_world_release(&w);
}
END_TEST

/* Keys in the stand-in HSM: rows that are not gone. */
static size_t keys_in_hsm(const struct vault_world *w)
{
    struct {
        uint8_t id[HSM_ID_LEN];
        uint8_t key[32];
        bool gone;
    } row;
    char path[128];
    size_t count = 0;
    FILE *f;

    (void)snprintf(path, sizeof(path), "%s/fake-hsm", w->dir);
    f = fopen(path, "re");
    ck_assert_ptr_nonnull(f);
    while (fread(&row, sizeof(row), 1, f) == 1)
        count += !row.gone;
    (void)fclose(f);
    return count;
}

static const struct vault_spec furnished = {
    .name = "new",
    .users = {{"so", {(const uint8_t *)"so-pin", 6}}, {"alice", {(const uint8_t *)"alice-pin", 9}}},
    .default_user = "alice",
    .policy = {(const uint8_t *)"// rules", 8},
};

START_TEST(a_vault_has_its_users_and_policy_from_the_start)
{
    struct vault_world w;
    struct vault_info info;
    struct buf policy = BUF_INIT(1024);
    uint64_t records = 0;

    vault_world_init(&w);
    assert_ok(vault_create(w.store, &furnished, &info));
    ck_assert_str_eq(info.default_user, "alice");
    vault_world_reopen(&w);
    assert_ok(user_verify(w.store, &info, "so", BYTES_LIT("so-pin")));
    assert_ok(user_verify(w.store, &info, "alice", BYTES_LIT("alice-pin")));
    assert_rv(CKR_PIN_INCORRECT, user_verify(w.store, &info, "alice", BYTES_LIT("so-pin")));
    assert_ok(vault_get_policy(w.store, &info, &policy));
    ck_assert(bytes_equal(furnished.policy, buf_bytes(&policy)));
    assert_ok(store_check(w.store, &records));
    ck_assert_uint_eq(records, 4);
    buf_release(&policy);
    vault_world_release(&w);
}
END_TEST

/* Each makes a later row of a new vault fail: SQLite refuses it. Kinds are those of record.h. */
static const char *const stops[] = {
    "ON record(kind) WHERE kind = 2",              /* its own record */
    "ON record(slot) WHERE kind = 4 AND slot > 1", /* its second user */
    "ON record(kind) WHERE kind = 3",              /* its policy */
};

START_TEST(a_vault_that_stops_half_way_is_not_there)
{
    struct vault_world w;
    struct vault_info info;
    struct vault_info *list = NULL;
    struct vault_spec first = furnished;
    uint64_t records = 0;
    size_t keys, count = 0;
    char sql[128];

    vault_world_init(&w);
    first.name = "first";
    assert_ok(vault_create(w.store, &first, &info));
    keys = keys_in_hsm(&w);
    (void)snprintf(sql, sizeof(sql), "CREATE UNIQUE INDEX stop %s", stops[_i]);
    vault_world_sql(&w, sql);
    assert_rv(CKR_DEVICE_ERROR, vault_create(w.store, &furnished, &info));
    ck_assert_uint_eq(keys_in_hsm(&w), keys);
    vault_world_sql(&w, "DROP INDEX stop");
    assert_rv(CKR_SLOT_ID_INVALID, vault_get(w.store, "new", &info));
    assert_ok(vault_list(w.store, &list, &count));
    ck_assert_uint_eq(count, 1);
    free(list);
    assert_ok(store_check(w.store, &records));
    ck_assert_uint_eq(records, 4);
    assert_ok(vault_create(w.store, &furnished, &info));
    ck_assert_uint_eq(keys_in_hsm(&w), keys + 1);
    assert_ok(user_verify(w.store, &info, "alice", BYTES_LIT("alice-pin")));
    vault_world_release(&w);
}
END_TEST

START_TEST(a_vault_with_a_user_who_cannot_be_is_refused_before_the_hsm_makes_a_key)
{
    struct vault_world w;
    struct vault_info info;
    struct vault_spec spec = furnished;
    size_t keys;

    vault_world_init(&w);
    keys = keys_in_hsm(&w);
    spec.users[1].name = "a b";
    assert_rv(CKR_ARGUMENTS_BAD, vault_create(w.store, &spec, &info));
    spec.users[1] = furnished.users[1];
    spec.users[1].pin = BYTES_LIT("123");
    assert_rv(CKR_PIN_LEN_RANGE, vault_create(w.store, &spec, &info));
    spec.users[1] = furnished.users[1];
    spec.default_user = "bob";
    assert_rv(CKR_ARGUMENTS_BAD, vault_create(w.store, &spec, &info));
    spec.default_user = "so";
    assert_rv(CKR_ARGUMENTS_BAD, vault_create(w.store, &spec, &info));
    ck_assert_uint_eq(keys_in_hsm(&w), keys);
    assert_rv(CKR_SLOT_ID_INVALID, vault_get(w.store, "new", &info));
    vault_world_release(&w);
}
END_TEST

START_TEST(vaults_are_listed_by_slot_and_have_keys_of_their_own)
{
    struct vault_world w;
    struct vault_info *list = NULL;
    size_t count = 99;

    vault_world_init(&w);
    assert_ok(vault_list(w.store, &list, &count));
    ck_assert_uint_eq(count, 0);
    (void)vault_world_vault(&w, "b");
    (void)vault_world_vault(&w, "a");
    assert_ok(vault_list(w.store, &list, &count));
    ck_assert_uint_eq(count, 2);
    ck_assert_str_eq(list[0].name, "b");
    ck_assert_str_eq(list[1].name, "a");
    ck_assert_uint_eq(list[1].slot, 2);
    ck_assert_int_ne(memcmp(list[0].log_key, list[1].log_key, 32), 0);
    ck_assert_int_ne(memcmp(list[0].id, list[1].id, VAULT_ID_LEN), 0);
    free(list);
    vault_world_release(&w);
}
END_TEST

START_TEST(an_update_changes_what_it_says_and_only_from_the_newest)
{
    struct vault_world w;
    struct vault_info old, now;

    vault_world_init(&w);
    old = vault_world_vault(&w, "old");
    now = old;
    now.protection = PROTECTION_HSM;
    now.retention = 7;
    now.purge_protection = false;
    now.legacy = true;
    (void)snprintf(now.default_user, sizeof(now.default_user), "alice");
    assert_ok(vault_update(w.store, &now, "new"));
    assert_rv(CKR_SLOT_ID_INVALID, vault_get(w.store, "old", &now));
    assert_ok(vault_get(w.store, "new", &now));
    ck_assert_int_eq(now.protection, PROTECTION_HSM);
    ck_assert_int_eq(now.retention, 7);
    ck_assert(!now.purge_protection);
    ck_assert(now.legacy && !old.legacy);
    ck_assert_str_eq(now.default_user, "alice");
    ck_assert_uint_eq(now.slot, old.slot);
    ck_assert_int_eq(memcmp(now.log_key, old.log_key, 32), 0);
    ck_assert_uint_gt(now.generation, old.generation);
    assert_rv(CKR_FUNCTION_REJECTED, vault_update(w.store, &old, NULL));
    assert_ok(vault_update(w.store, &now, NULL));
    vault_world_release(&w);
}
END_TEST

START_TEST(an_update_refuses_bad_and_taken_names_and_settings)
{
    struct vault_world w;
    struct vault_info a, bad;

    vault_world_init(&w);
    a = vault_world_vault(&w, "a");
    (void)vault_world_vault(&w, "b");
    assert_rv(CKR_ACTION_PROHIBITED, vault_update(w.store, &a, "b"));
    assert_rv(CKR_ARGUMENTS_BAD, vault_update(w.store, &a, "-"));
    bad = a;
    bad.retention = 0;
    assert_rv(CKR_ARGUMENTS_BAD, vault_update(w.store, &bad, NULL));
    bad = a;
    (void)snprintf(bad.default_user, sizeof(bad.default_user), "so");
    assert_rv(CKR_ARGUMENTS_BAD, vault_update(w.store, &bad, NULL));
    bad = a;
    memset(bad.id, 7, VAULT_ID_LEN);
    assert_rv(CKR_SLOT_ID_INVALID, vault_update(w.store, &bad, NULL));
    assert_ok(vault_update(w.store, &a, "a"));
    vault_world_release(&w);
}
END_TEST

START_TEST(each_vault_has_a_policy_of_its_own)
{
    struct vault_world w;
    struct vault_info a, b, none;
    struct buf text = BUF_INIT(1024);

    vault_world_init(&w);
    a = vault_world_vault(&w, "a");
    b = vault_world_vault(&w, "b");
    assert_ok(vault_get_policy(w.store, &a, &text));
    ck_assert_uint_eq(text.len, 0);
    assert_ok(vault_set_policy(w.store, &a, BYTES_LIT("permit a")));
    assert_ok(vault_set_policy(w.store, &b, BYTES_LIT("permit b")));
    assert_ok(vault_set_policy(w.store, &a, BYTES_LIT("forbid a")));
    vault_world_reopen(&w);
    assert_ok(vault_get_policy(w.store, &a, &text));
    ck_assert(bytes_equal_str(buf_bytes(&text), "forbid a"));
    assert_ok(vault_get_policy(w.store, &b, &text));
    ck_assert(bytes_equal_str(buf_bytes(&text), "permit b"));
    none = a;
    memset(none.id, 1, VAULT_ID_LEN);
    assert_rv(CKR_SLOT_ID_INVALID, vault_get_policy(w.store, &none, &text));
    assert_rv(CKR_SLOT_ID_INVALID, vault_set_policy(w.store, &none, BYTES_LIT("x")));
    buf_release(&text);
    vault_world_release(&w);
}
END_TEST

START_TEST(a_policy_longer_than_its_buffer_is_a_failure_and_no_part_of_it)
{
    struct vault_world w;
    struct vault_info a;
    struct buf text = BUF_INIT(4);

    vault_world_init(&w);
    a = vault_world_vault(&w, "a");
    assert_ok(vault_set_policy(w.store, &a, BYTES_LIT("permit")));
    assert_rv(CKR_HOST_MEMORY, vault_get_policy(w.store, &a, &text));
    ck_assert_uint_eq(text.len, 0);
    buf_release(&text);
    vault_world_release(&w);
}
END_TEST

START_TEST(a_vault_whose_kek_is_gone_is_listed_and_holds_nothing)
{
    struct vault_world w;
    struct vault_info v, got;
    struct hsm_key kek = {.kind = HSM_KEY_SECRET, .type = CKK_AES};
    char *hex;
    uint64_t count;

    vault_world_init(&w);
    v = vault_world_vault(&w, "v");
    hex = vault_world_ask(&w, "SELECT lower(hex(kek)) FROM keyring WHERE slot = 1");
    ck_assert(bytes_from_hex(hex, kek.id, HSM_ID_LEN));
    free(hex);
    assert_ok(hsm_destroy(w.hsm, &kek));
    vault_world_reopen(&w);
    assert_ok(vault_get(w.store, "v", &got));
    assert_rv(CKR_DEVICE_ERROR, object_count(w.store, &v, &count));
    ck_assert_ptr_nonnull(strstr(fail_reason(), "the HSM has no key"));
    vault_world_release(&w);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(names_of_vaults_and_users_are_checked),
        CASE(a_vault_is_found_by_name_and_slot_as_it_was_made),
        CASE(a_vault_that_another_process_renames_has_its_new_name_at_once),
        CASE(a_vault_that_is_refused_leaves_no_key_in_the_hsm),
        CASE(a_vault_has_its_users_and_policy_from_the_start),
        CASE_LOOP(a_vault_that_stops_half_way_is_not_there, sizeof(stops) / sizeof(*stops)),
        CASE(a_vault_with_a_user_who_cannot_be_is_refused_before_the_hsm_makes_a_key),
        CASE(vaults_are_listed_by_slot_and_have_keys_of_their_own),
        CASE(an_update_changes_what_it_says_and_only_from_the_newest),
        CASE(an_update_refuses_bad_and_taken_names_and_settings),
        CASE(each_vault_has_a_policy_of_its_own),
        CASE(a_policy_longer_than_its_buffer_is_a_failure_and_no_part_of_it),
        CASE(a_vault_whose_kek_is_gone_is_listed_and_holds_nothing),
    };

    return suite_run("vault/vault", cases, sizeof(cases) / sizeof(*cases));
}
