/* Objects: what goes in comes out, finds are exact, writes are all or nothing. */
#include "tests/support/vault_world.h"

#include <stdlib.h>
#include <string.h>

struct scene {
    struct vault_world w;
    struct vault_info v;
};

static void scene_init(struct scene *s)
{
    vault_world_init(&s->w);
    s->v = vault_world_vault(&s->w, "v");
}

START_TEST(an_object_comes_back_as_it_was_given)
{
    struct scene s;
    struct object o, got, copy;
    struct object *const list[] = {&o};
    const CK_MECHANISM_TYPE allowed[] = {CKM_ECDSA, CKM_ECDSA_SHA256};

    scene_init(&s);
    o = vault_world_object(&s.w, &s.v, "label", "id", "value");
    o.cls = CKO_PRIVATE_KEY;
    o.version = 7;
    o.state = OBJECT_DISABLED;
    o.not_before = 5;
    o.expires = INT64_MAX;
    o.protection = PROTECTION_SOFTWARE;
    o.has_hsm_key = true;
    memset(o.hsm_key.id, 0x80, HSM_ID_LEN);
    o.hsm_key.kind = HSM_KEY_PRIVATE;
    o.hsm_key.type = CKK_EC_EDWARDS;
    assert_ok(attrs_set_bool(&o.attrs, CKA_SIGN, true));
    assert_ok(attrs_set_ulong(&o.attrs, CKA_KEY_TYPE, CKK_EC));
    assert_ok(attrs_set_ulong(&o.attrs, CKA_KEY_GEN_MECHANISM, CK_UNAVAILABLE_INFORMATION));
    assert_ok(attrs_set(&o.attrs, CKA_ALLOWED_MECHANISMS, BYTES(allowed, sizeof(allowed))));
    assert_ok(attrs_set(&o.attrs, CKA_START_DATE, BYTES_NONE));
    assert_ok(attrs_set_ulong(&o.attrs, CKA_KEYWARD_VERSION, 7));
    assert_ok(attrs_set(&o.attrs, CKA_VENDOR_DEFINED | 0x7fffffffUL, BYTES_LIT("vendor")));
    assert_ok(object_insert(s.w.store, list, 1));
    ck_assert_uint_gt(o.generation, 0);
    vault_world_reopen(&s.w);
    assert_ok(object_get(s.w.store, &s.v, o.id, &got));
    ck_assert_uint_eq(got.attrs.count, o.attrs.count);
    ck_assert(attrs_match(&got.attrs, o.attrs.list, o.attrs.count));
    ck_assert_int_eq(memcmp(got.hsm_key.id, o.hsm_key.id, HSM_ID_LEN), 0);
    ck_assert_int_eq(got.hsm_key.kind, o.hsm_key.kind);
    ck_assert_uint_eq(got.hsm_key.type, o.hsm_key.type);
    ck_assert_uint_eq(got.cls, CKO_PRIVATE_KEY);
    ck_assert_uint_eq(got.version, 7);
    ck_assert_int_eq(got.state, OBJECT_DISABLED);
    ck_assert_int_eq(got.not_before, 5);
    ck_assert_int_eq(got.expires, INT64_MAX);
    ck_assert_int_eq(got.created, s.w.now);
    ck_assert_int_eq(got.updated, s.w.now);
    ck_assert_uint_eq(got.generation, o.generation);
    ck_assert_int_eq(memcmp(got.vault, s.v.id, VAULT_ID_LEN), 0);
    assert_ok(object_copy(&copy, &got));
    object_release(&got);
    ck_assert(attrs_match(&copy.attrs, o.attrs.list, o.attrs.count));
    object_release(&copy);
    object_release(&o);
    vault_world_release(&s.w);
}
END_TEST

START_TEST(two_objects_are_written_together_or_not_at_all)
{
    struct scene s;
    struct object a, b, got;
    struct object *const pair[] = {&a, &b};
    uint64_t count = 9;

    scene_init(&s);
    a = vault_world_object(&s.w, &s.v, "a", "1", "");
    b = vault_world_object(&s.w, &s.v, "b", "1", "");
    assert_ok(attrs_set(&b.attrs, CKA_VALUE_LEN, BYTES_LIT("no CK_ULONG")));
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID, object_insert(s.w.store, pair, 2));
    assert_ok(object_count(s.w.store, &s.v, &count));
    ck_assert_uint_eq(count, 0);
    assert_rv(CKR_OBJECT_HANDLE_INVALID, object_get(s.w.store, &s.v, a.id, &got));
    attrs_remove(&b.attrs, CKA_VALUE_LEN);
    assert_ok(object_insert(s.w.store, pair, 2));
    assert_ok(object_count(s.w.store, &s.v, &count));
    ck_assert_uint_eq(count, 2);
    assert_rv(CKR_FUNCTION_REJECTED, object_insert(s.w.store, pair, 2));
    assert_ok(object_count(s.w.store, &s.v, &count));
    ck_assert_uint_eq(count, 2);
    object_release(&a);
    object_release(&b);
    vault_world_release(&s.w);
}
END_TEST

/* As many as put several into each bucket of the fence. */
START_TEST(many_objects_of_one_commit_are_all_fenced)
{
    enum { MANY = 600 };
    struct scene s;
    struct object *list[MANY];
    uint64_t records = 0;

    scene_init(&s);
    for (size_t i = 0; i < MANY; i++) {
        list[i] = malloc(sizeof(*list[i]));
        ck_assert_ptr_nonnull(list[i]);
        *list[i] = vault_world_object(&s.w, &s.v, "same label", "id", "value");
    }
    assert_ok(object_insert(s.w.store, list, MANY));
    vault_world_reopen(&s.w);
    assert_ok(store_check(s.w.store, &records));
    ck_assert_uint_eq(records, MANY + 1); /* and the vault's */
    for (size_t i = 0; i < MANY; i++) {
        object_release(list[i]);
        free(list[i]);
    }
    vault_world_sql(&s.w, "DELETE FROM record WHERE seq = (SELECT max(seq) FROM record)");
    assert_rv(CKR_DEVICE_ERROR, store_check(s.w.store, &records));
    vault_world_release(&s.w);
}
END_TEST

START_TEST(a_number_of_another_length_is_refused)
{
    struct scene s;
    struct object o;
    struct object *const list[] = {&o};

    scene_init(&s);
    o = vault_world_object(&s.w, &s.v, "a", "1", "");
    assert_ok(attrs_set(&o.attrs, CKA_KEY_TYPE, BYTES_LIT("1234")));
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID, object_insert(s.w.store, list, 1));
    assert_ok(attrs_set_ulong(&o.attrs, CKA_KEY_TYPE, 1));
    assert_ok(attrs_set(&o.attrs, CKA_ALLOWED_MECHANISMS, BYTES_LIT("123456789")));
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID, object_insert(s.w.store, list, 1));
    attrs_remove(&o.attrs, CKA_ALLOWED_MECHANISMS);
    assert_ok(object_insert(s.w.store, list, 1));
    object_release(&o);
    vault_world_release(&s.w);
}
END_TEST

START_TEST(an_object_too_large_is_refused_and_a_large_one_kept)
{
    struct scene s;
    struct object o, got;
    struct object *const list[] = {&o};
    size_t large = 10 << 20;
    uint8_t *value = calloc(1, 2 * large);

    scene_init(&s);
    o = vault_world_object(&s.w, &s.v, "a", "1", "");
    assert_ok(attrs_set(&o.attrs, CKA_VALUE, BYTES(value, 2 * large)));
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID, object_insert(s.w.store, list, 1));
    assert_ok(attrs_set(&o.attrs, CKA_VALUE, BYTES(value, large)));
    assert_ok(object_insert(s.w.store, list, 1));
    assert_ok(object_get(s.w.store, &s.v, o.id, &got));
    ck_assert_uint_eq(attrs_bytes(&got.attrs, CKA_VALUE).len, large);
    object_release(&got);
    object_release(&o);
    free(value);
    vault_world_release(&s.w);
}
END_TEST

START_TEST(material_comes_back_from_get_and_in_copies)
{
    struct scene s;
    struct object o, got, copy;
    struct object *const list[] = {&o};

    scene_init(&s);
    o = vault_world_software_key(&s.w, &s.v, "key", "material");
    assert_ok(object_insert(s.w.store, list, 1));
    vault_world_reopen(&s.w);
    assert_ok(object_get(s.w.store, &s.v, o.id, &got));
    assert_ok(object_copy(&copy, &got));
    ck_assert(bytes_equal_str(secret_bytes(got.material), "material"));
    ck_assert(copy.material != got.material);
    object_release(&got);
    ck_assert_ptr_null(got.material);
    ck_assert(bytes_equal_str(secret_bytes(copy.material), "material"));
    object_release(&copy);
    object_release(&o);
    vault_world_release(&s.w);
}
END_TEST

static bool see_material(void *ctx, const struct object *object)
{
    size_t *count = ctx;

    ck_assert_ptr_null(object->material);
    (*count)++;
    return true;
}

START_TEST(a_find_shows_no_material)
{
    struct scene s;
    struct object o;
    struct object *const list[] = {&o};
    size_t count = 0;

    scene_init(&s);
    o = vault_world_software_key(&s.w, &s.v, "key", "material");
    assert_ok(object_insert(s.w.store, list, 1));
    assert_ok(object_find(s.w.store, &s.v, &(struct object_query){.deleted = false}, see_material,
                          &count));
    ck_assert_uint_eq(count, 1);
    object_release(&o);
    vault_world_release(&s.w);
}
END_TEST

START_TEST(an_update_keeps_material_and_one_without_it_is_refused)
{
    struct scene s;
    struct object o, got;
    struct object *const list[] = {&o};

    scene_init(&s);
    o = vault_world_software_key(&s.w, &s.v, "key", "material");
    assert_ok(object_insert(s.w.store, list, 1));
    o.state = OBJECT_DELETED;
    assert_ok(object_update(s.w.store, &o));
    secret_free(o.material);
    o.material = NULL;
    assert_rv(CKR_GENERAL_ERROR, object_update(s.w.store, &o));
    assert_ok(object_get(s.w.store, &s.v, o.id, &got));
    ck_assert(bytes_equal_str(secret_bytes(got.material), "material"));
    object_release(&got);
    object_release(&o);
    vault_world_release(&s.w);
}
END_TEST

START_TEST(material_is_kept_of_software_keys_only_and_to_its_limit)
{
    struct scene s;
    struct object o, got;
    struct object *const list[] = {&o};

    scene_init(&s);
    o = vault_world_software_key(&s.w, &s.v, "key", "material");
    o.protection = PROTECTION_HSM;
    assert_rv(CKR_GENERAL_ERROR, object_insert(s.w.store, list, 1));
    o.protection = PROTECTION_SOFTWARE;
    secret_free(o.material);
    o.material = secret_new(OBJECT_MATERIAL_MAX + 1);
    assert_rv(CKR_GENERAL_ERROR, object_insert(s.w.store, list, 1));
    secret_shorten(o.material, OBJECT_MATERIAL_MAX);
    assert_ok(object_insert(s.w.store, list, 1));
    assert_ok(object_get(s.w.store, &s.v, o.id, &got));
    ck_assert_uint_eq(got.material->len, OBJECT_MATERIAL_MAX);
    object_release(&got);
    object_release(&o);
    vault_world_release(&s.w);
}
END_TEST

struct seen {
    char labels[256];
    size_t count, stop_after;
};

static bool see(void *ctx, const struct object *object)
{
    struct seen *seen = ctx;
    struct bytes label = attrs_bytes(&object->attrs, CKA_LABEL);

    (void)strncat(seen->labels, (const char *)label.data, label.len);
    return ++seen->count != seen->stop_after;
}

static struct seen find(struct scene *s, struct object_query query, size_t stop_after)
{
    struct seen seen = {.stop_after = stop_after};

    assert_ok(object_find(s->w.store, &s->v, &query, see, &seen));
    return seen;
}

static void insert(struct scene *s, const char *label, const char *id, CK_OBJECT_CLASS cls,
                   struct object *ret)
{
    struct object *const list[] = {ret};

    *ret = vault_world_object(&s->w, &s->v, label, id, "");
    ret->cls = cls;
    assert_ok(object_insert(s->w.store, list, 1));
}

START_TEST(a_find_is_exact_and_in_order_of_creation)
{
    struct scene s;
    struct object o[4];

    scene_init(&s);
    insert(&s, "c", "1", CKO_PUBLIC_KEY, &o[0]);
    insert(&s, "a", "1", CKO_PRIVATE_KEY, &o[1]);
    insert(&s, "b", "2", CKO_PUBLIC_KEY, &o[2]);
    insert(&s, "a", "2", CKO_PUBLIC_KEY, &o[3]);
    ck_assert_str_eq(find(&s, (struct object_query){.deleted = false}, 0).labels, "caba");
    ck_assert_str_eq(find(&s, (struct object_query){.deleted = false}, 2).labels, "ca");
    ck_assert_str_eq(
        find(&s, (struct object_query){.has_label = true, .label = BYTES_LIT("a")}, 0).labels,
        "aa");
    ck_assert_str_eq(
        find(&s, (struct object_query){.has_id = true, .id = BYTES_LIT("1")}, 0).labels, "ca");
    ck_assert_str_eq(
        find(&s,
             (struct object_query){
                 .has_id = true, .id = BYTES_LIT("1"), .has_label = true, .label = BYTES_LIT("a")},
             0)
            .labels,
        "a");
    ck_assert_str_eq(
        find(&s, (struct object_query){.has_class = true, .cls = CKO_PUBLIC_KEY}, 0).labels, "cba");
    ck_assert_uint_eq(
        find(&s, (struct object_query){.has_label = true, .label = BYTES_LIT("A")}, 0).count, 0);
    ck_assert_uint_eq(
        find(&s, (struct object_query){.has_label = true, .label = BYTES_NONE}, 0).count, 0);
    /* A label is not an id. */
    ck_assert_uint_eq(
        find(&s, (struct object_query){.has_id = true, .id = BYTES_LIT("a")}, 0).count, 0);
    for (size_t i = 0; i < 4; i++)
        object_release(&o[i]);
    vault_world_release(&s.w);
}
END_TEST

START_TEST(an_object_of_one_vault_is_not_in_another)
{
    struct scene s;
    struct vault_info other;
    struct object o, got;
    uint64_t count = 9;

    scene_init(&s);
    other = vault_world_vault(&s.w, "other");
    insert(&s, "a", "1", CKO_DATA, &o);
    assert_rv(CKR_OBJECT_HANDLE_INVALID, object_get(s.w.store, &other, o.id, &got));
    assert_ok(object_count(s.w.store, &other, &count));
    ck_assert_uint_eq(count, 0);
    ck_assert_uint_eq(vault_world_count(&s.w, &other, "a"), 0);
    ck_assert_uint_eq(vault_world_count(&s.w, &s.v, "a"), 1);
    assert_ok(object_purge(s.w.store, &other, o.id));
    ck_assert_uint_eq(vault_world_count(&s.w, &s.v, "a"), 1);
    object_release(&o);
    vault_world_release(&s.w);
}
END_TEST

START_TEST(an_update_is_found_by_its_new_label_and_only_from_the_newest)
{
    struct scene s;
    struct object o, old;

    scene_init(&s);
    insert(&s, "old", "1", CKO_DATA, &o);
    assert_ok(object_copy(&old, &o));
    s.w.now += 60;
    assert_ok(attrs_set(&o.attrs, CKA_LABEL, BYTES_LIT("new")));
    assert_ok(object_update(s.w.store, &o));
    ck_assert_uint_gt(o.generation, old.generation);
    ck_assert_int_eq(o.updated, s.w.now);
    ck_assert_uint_eq(vault_world_count(&s.w, &s.v, "old"), 0);
    ck_assert_uint_eq(vault_world_count(&s.w, &s.v, "new"), 1);
    assert_rv(CKR_FUNCTION_REJECTED, object_update(s.w.store, &old));
    ck_assert_uint_eq(vault_world_count(&s.w, &s.v, "new"), 1);
    assert_ok(object_update(s.w.store, &o));
    object_release(&old);
    object_release(&o);
    vault_world_release(&s.w);
}
END_TEST

struct portion {
    size_t count, stop_after;
    int64_t last;
};

static bool take_portion(void *ctx, int64_t row, struct object *object)
{
    struct portion *portion = ctx;

    ck_assert_int_gt(row, portion->last);
    ck_assert_ptr_null(object->material);
    portion->last = row;
    return ++portion->count != portion->stop_after;
}

#define ROWS (2 * OBJECT_FIND_ROWS + 1)

/* As many objects as two portions and one, of which every other has another class. */
START_TEST(a_find_in_portions_looks_at_so_many_records_and_shows_each_once)
{
    static struct object objects[ROWS];
    struct object *list[ROWS];
    struct object_cursor cursor = {.end = false};
    const struct object_query all = {.deleted = false};
    const struct object_query half = {.has_class = true, .cls = CKO_PUBLIC_KEY};
    struct portion portion = {.stop_after = 3};
    struct scene s;

    scene_init(&s);
    for (size_t i = 0; i < ROWS; i++) {
        objects[i] = vault_world_object(&s.w, &s.v, "a", "1", "");
        objects[i].cls = i % 2 == 0 ? CKO_PUBLIC_KEY : CKO_PRIVATE_KEY;
        list[i] = &objects[i];
    }
    assert_ok(object_insert(s.w.store, list, ROWS));
    assert_ok(object_find_some(s.w.store, &s.v, &all, 0, &cursor, take_portion, &portion));
    ck_assert(portion.count == 3 && !cursor.end);
    portion.stop_after = 0;
    /* What is gone is passed by, be it the row the cursor stands at. */
    assert_ok(object_purge(s.w.store, &s.v, objects[2].id));
    assert_ok(object_purge(s.w.store, &s.v, objects[3].id));
    assert_ok(object_find_some(s.w.store, &s.v, &all, 0, &cursor, take_portion, &portion));
    ck_assert(portion.count == 3 + OBJECT_FIND_ROWS && !cursor.end);
    assert_ok(object_find_some(s.w.store, &s.v, &all, 0, &cursor, take_portion, &portion));
    ck_assert(portion.count == ROWS - 1 && cursor.end);
    cursor = (struct object_cursor){.end = false};
    portion = (struct portion){.count = 0};
    assert_ok(object_find_some(s.w.store, &s.v, &half, 0, &cursor, take_portion, &portion));
    ck_assert(portion.count == OBJECT_FIND_ROWS / 2 && !cursor.end);
    for (size_t i = 0; i < ROWS; i++)
        object_release(&objects[i]);
    vault_world_release(&s.w);
}
END_TEST

START_TEST(a_deleted_object_is_hidden_from_finds_and_can_be_asked_for)
{
    struct scene s;
    struct object o, got;
    uint64_t count = 9;

    scene_init(&s);
    insert(&s, "a", "1", CKO_DATA, &o);
    o.state = OBJECT_DELETED;
    o.deleted_at = s.w.now;
    assert_ok(object_update(s.w.store, &o));
    ck_assert_uint_eq(vault_world_count(&s.w, &s.v, "a"), 0);
    assert_ok(object_count(s.w.store, &s.v, &count));
    ck_assert_uint_eq(count, 0);
    ck_assert_uint_eq(
        find(&s, (struct object_query){.has_label = true, .label = BYTES_LIT("a"), .deleted = true},
             0)
            .count,
        1);
    assert_ok(object_get(s.w.store, &s.v, o.id, &got));
    ck_assert_int_eq(got.state, OBJECT_DELETED);
    object_release(&got);
    o.state = OBJECT_ENABLED;
    assert_ok(object_update(s.w.store, &o));
    ck_assert_uint_eq(vault_world_count(&s.w, &s.v, "a"), 1);
    object_release(&o);
    vault_world_release(&s.w);
}
END_TEST

START_TEST(a_purged_object_is_gone_and_purging_again_is_fine)
{
    struct scene s;
    struct object o, got;
    uint64_t records = 0;

    scene_init(&s);
    insert(&s, "a", "1", CKO_DATA, &o);
    assert_ok(object_purge(s.w.store, &s.v, o.id));
    assert_rv(CKR_OBJECT_HANDLE_INVALID, object_get(s.w.store, &s.v, o.id, &got));
    assert_ok(object_purge(s.w.store, &s.v, o.id));
    assert_rv(CKR_OBJECT_HANDLE_INVALID, object_update(s.w.store, &o));
    assert_ok(store_check(s.w.store, &records));
    ck_assert_uint_eq(records, 1);
    object_release(&o);
    vault_world_release(&s.w);
}
END_TEST

START_TEST(objects_of_two_vaults_are_not_written_together)
{
    struct scene s;
    struct vault_info other;
    struct object a, b;
    struct object *const pair[] = {&a, &b};

    scene_init(&s);
    other = vault_world_vault(&s.w, "other");
    a = vault_world_object(&s.w, &s.v, "a", "1", "");
    b = vault_world_object(&s.w, &other, "b", "1", "");
    assert_rv(CKR_GENERAL_ERROR, object_insert(s.w.store, pair, 2));
    ck_assert_uint_eq(vault_world_count(&s.w, &s.v, "a"), 0);
    object_release(&a);
    object_release(&b);
    vault_world_release(&s.w);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(an_object_comes_back_as_it_was_given),
        CASE(two_objects_are_written_together_or_not_at_all),
        CASE(many_objects_of_one_commit_are_all_fenced),
        CASE(a_number_of_another_length_is_refused),
        CASE(an_object_too_large_is_refused_and_a_large_one_kept),
        CASE(material_comes_back_from_get_and_in_copies),
        CASE(a_find_shows_no_material),
        CASE(an_update_keeps_material_and_one_without_it_is_refused),
        CASE(material_is_kept_of_software_keys_only_and_to_its_limit),
        CASE(a_find_is_exact_and_in_order_of_creation),
        CASE(a_find_in_portions_looks_at_so_many_records_and_shows_each_once),
        CASE(an_object_of_one_vault_is_not_in_another),
        CASE(an_update_is_found_by_its_new_label_and_only_from_the_newest),
        CASE(a_deleted_object_is_hidden_from_finds_and_can_be_asked_for),
        CASE(a_purged_object_is_gone_and_purging_again_is_fine),
        CASE(objects_of_two_vaults_are_not_written_together),
    };

    return suite_run("vault/object", cases, sizeof(cases) / sizeof(*cases));
}
