/*
 * The file changed behind keyward's back: each change is refused, with a reason that says what it
 * is about. Each test first shows that the same read works before the change.
 */
#include "tests/support/vault_world.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct scene {
    struct vault_world w;
    struct vault_info v, other;
    uint8_t a[OBJECT_ID_LEN], b[OBJECT_ID_LEN];
};

/* A key with its material: the changes below are tried on it. */
static void put_key(struct scene *s, uint8_t ret_id[static OBJECT_ID_LEN])
{
    struct object o = vault_world_software_key(&s->w, &s->v, "a", "material");
    struct object *const list[] = {&o};

    assert_ok(object_insert(s->w.store, list, 1));
    memcpy(ret_id, o.id, OBJECT_ID_LEN);
    object_release(&o);
}

static void scene_init(struct scene *s)
{
    vault_world_init(&s->w);
    s->v = vault_world_vault(&s->w, "v");
    s->other = vault_world_vault(&s->w, "other");
    put_key(s, s->a);
    vault_world_put(&s->w, &s->v, "b", s->b);
    assert_ok(user_add(s->w.store, &s->v, "alice", BYTES_LIT("1234")));
    assert_ok(vault_set_policy(s->w.store, &s->v, BYTES_LIT("permit")));
}

static CK_RV read_a(struct scene *s)
{
    struct object o = {.attrs = ATTRS_INIT};
    CK_RV rv = object_get(s->w.store, &s->v, s->a, &o);

    object_release(&o);
    return rv;
}

static bool count_one(void *ctx, const struct object *object)
{
    (void)object;
    (*(size_t *)ctx)++;
    return true;
}

/* How many a find by label gives, 0 when it is refused as damaged. */
static size_t find_labelled(struct scene *s, const char *label)
{
    const struct object_query query = {.has_label = true, .label = bytes_from_str(label)};
    size_t count = 0;
    CK_RV rv = object_find(s->w.store, &s->v, &query, count_one, &count);

    ck_assert(rv == CKR_OK || (rv == CKR_DEVICE_ERROR && count == 0));
    return count;
}

/* SQL with A and B for the ids of the two objects, as blobs. */
static void tamper(struct scene *s, const char *sql)
{
    struct buf text = BUF_INIT(65536);
    char hex[2 * OBJECT_ID_LEN + 1];

    for (const char *p = sql; *p != '\0'; p++) {
        if (*p == '$') {
            bytes_to_hex(BYTES(*++p == 'A' ? s->a : s->b, OBJECT_ID_LEN), hex);
            buf_printf(&text, "x'%s'", hex);
        } else {
            buf_putc(&text, *p);
        }
    }
    vault_world_sql(&s->w, buf_str(&text));
    buf_release(&text);
}

static const struct {
    const char *what, *sql;
} changes[] = {
    {"edited blob", "UPDATE record SET sealed = zeroblob(length(sealed)) WHERE id = $A"},
    {"cut blob", "UPDATE record SET sealed = substr(sealed, 1, 20) WHERE id = $A"},
    {"blob of the neighbour",
     "UPDATE record SET sealed = (SELECT sealed FROM record WHERE id = $B) WHERE id = $A"},
    {"two rows swapped",
     "UPDATE record SET id = zeroblob(16) WHERE id = $A;"
     "UPDATE record SET id = $A WHERE id = $B; UPDATE record SET id = $B WHERE id = zeroblob(16)"},
    {"generation", "UPDATE record SET generation = generation + 1 WHERE id = $A"},
    {"version", "UPDATE record SET version = 2 WHERE id = $A"},
    {"class", "UPDATE record SET class = 3 WHERE id = $A"},
    {"deleted", "UPDATE record SET deleted = 1 WHERE id = $A"},
    {"label tag", "UPDATE record SET label_tag = zeroblob(16) WHERE id = $A"},
    {"id tag", "UPDATE record SET id_tag = zeroblob(15) WHERE id = $A"},
    {"kind", "UPDATE record SET kind = 4 WHERE id = $A"},
    {"moved to another vault", "UPDATE record SET slot = 2 WHERE id = $A"},
    {"removed", "DELETE FROM record WHERE id = $A"},
    {"twice", "INSERT INTO record (slot, kind, id, version, generation, class, deleted, label_tag,"
              " id_tag, sealed) SELECT slot, kind, id, version, generation - 1, class, deleted,"
              " label_tag, id_tag, sealed FROM record WHERE id = $A"},
    {"fence", "UPDATE fence SET mac = zeroblob(32) WHERE slot = 1"},
    {"fences gone", "DELETE FROM fence WHERE slot = 1"},
    {"root", "UPDATE keyring SET root = zeroblob(32) WHERE slot = 1"},
    {"counter", "UPDATE top SET counter = counter - 1"},
    {"top", "UPDATE top SET mac = zeroblob(32)"},
    {"top gone", "DELETE FROM top"},
    {"wrapped key", "UPDATE keyring SET wrapped = zeroblob(60) WHERE slot = 1"},
    {"wrapped key of the other vault",
     "UPDATE keyring SET wrapped = (SELECT wrapped FROM keyring WHERE slot = 2),"
     " kek = (SELECT kek FROM keyring WHERE slot = 2) WHERE slot = 1"},
    {"KEK of the other vault",
     "UPDATE keyring SET kek = (SELECT kek FROM keyring WHERE slot = 2) WHERE slot = 1"},
};
#define CHANGES ((int)(sizeof(changes) / sizeof(*changes)))

START_TEST(a_changed_file_is_refused_while_open)
{
    struct scene s;

    scene_init(&s);
    assert_ok(read_a(&s));
    tamper(&s, changes[_i].sql);
    if (read_a(&s) != CKR_DEVICE_ERROR)
        ck_abort_msg("%s: was taken", changes[_i].what);
    ck_assert_msg(strstr(fail_reason(), "restore") != NULL, "%s", fail_reason());
    vault_world_release(&s.w);
}
END_TEST

START_TEST(a_changed_file_is_refused_after_opening_and_by_the_check)
{
    struct scene s;
    uint64_t records;
    CK_RV rv;

    scene_init(&s);
    store_close(s.w.store);
    s.w.store = NULL;
    tamper(&s, changes[_i].sql);
    rv = store_open(&s.w.config, &s.w.store);
    if (rv == CKR_OK && read_a(&s) == CKR_OK)
        ck_abort_msg("%s: was taken", changes[_i].what);
    if (rv == CKR_OK)
        rv = store_check(s.w.store, &records);
    if (rv != CKR_DEVICE_ERROR)
        ck_abort_msg("%s: the check passed", changes[_i].what);
    vault_world_release(&s.w);
}
END_TEST

START_TEST(a_change_is_not_taken_over_by_the_next_write)
{
    struct scene s;
    struct object o;
    struct object *const list[] = {&o};

    scene_init(&s);
    tamper(&s, "DELETE FROM record WHERE id = $A");
    /* Into the same bucket, so that its fence would be made anew. */
    o = vault_world_object(&s.w, &s.v, "new", "1", "");
    o.id[0] = s.a[0];
    assert_rv(CKR_DEVICE_ERROR, object_insert(s.w.store, list, 1));
    assert_rv(CKR_DEVICE_ERROR, object_purge(s.w.store, &s.v, s.a));
    assert_rv(CKR_DEVICE_ERROR, read_a(&s));
    object_release(&o);
    vault_world_release(&s.w);
}
END_TEST

/* Keeps a row as it is now, and puts it back whole, generation and all. */
static char *keep_row(struct scene *s, const char *where)
{
    struct buf sql = BUF_INIT(4096);
    char *row;

    buf_printf(&sql,
               "SELECT 'DELETE FROM record WHERE id = ' || quote(id) || ';"
               "INSERT INTO record (slot, kind, id, version, generation, class, deleted, label_tag,"
               " id_tag, sealed) VALUES (' || slot || ',' || kind || ',' || quote(id) || ',' ||"
               " version || ',' || generation || ',' || class || ',' || deleted || ',' ||"
               " quote(label_tag) || ',' || quote(id_tag) || ',' || quote(sealed) || ')'"
               " FROM record WHERE %s",
               where);
    row = vault_world_ask(&s->w, buf_str(&sql));
    buf_release(&sql);
    return row;
}

START_TEST(an_objects_row_put_back_whole_is_refused)
{
    struct scene s;
    struct object o;
    char hex[2 * OBJECT_ID_LEN + 1], where[64];
    char *old;

    scene_init(&s);
    bytes_to_hex(BYTES(s.a, OBJECT_ID_LEN), hex);
    (void)snprintf(where, sizeof(where), "id = x'%s'", hex);
    old = keep_row(&s, where);
    assert_ok(object_get(s.w.store, &s.v, s.a, &o));
    o.state = OBJECT_DISABLED;
    assert_ok(object_update(s.w.store, &o));
    assert_ok(read_a(&s));
    vault_world_sql(&s.w, old);
    assert_rv(CKR_DEVICE_ERROR, read_a(&s));
    vault_world_reopen(&s.w);
    assert_rv(CKR_DEVICE_ERROR, read_a(&s));
    free(old);
    object_release(&o);
    vault_world_release(&s.w);
}
END_TEST

/* As one does who edits pages: the table's row goes back, the index over which the fence stands
 * stays as it is. */
START_TEST(a_row_put_back_under_an_index_left_alone_is_refused)
{
    struct scene s;
    struct object o;
    char hex[2 * OBJECT_ID_LEN + 1];
    struct buf sql = BUF_INIT(8192);
    char *old, *index;

    scene_init(&s);
    bytes_to_hex(BYTES(s.a, OBJECT_ID_LEN), hex);
    buf_printf(&sql,
               "SELECT 'UPDATE record SET generation = ' || generation || ', sealed = ' ||"
               " quote(sealed) || ' WHERE seq = ' || seq FROM record WHERE id = x'%s'",
               hex);
    old = vault_world_ask(&s.w, buf_str(&sql));
    assert_ok(object_get(s.w.store, &s.v, s.a, &o));
    o.state = OBJECT_DISABLED;
    assert_ok(object_update(s.w.store, &o));
    index = vault_world_ask(&s.w, "SELECT 'PRAGMA writable_schema = ON; INSERT INTO sqlite_schema"
                                  " VALUES (''index'', ''record_set'', ''record'', ' || rootpage"
                                  " || ', ' || quote(sql) || ')' FROM sqlite_schema"
                                  " WHERE name = 'record_set'");
    vault_world_sql(&s.w, "PRAGMA writable_schema = ON;"
                          "DELETE FROM sqlite_schema WHERE name = 'record_set'");
    vault_world_sql(&s.w, old);
    vault_world_sql(&s.w, index);
    vault_world_reopen(&s.w);
    assert_rv(CKR_DEVICE_ERROR, read_a(&s));
    ck_assert_uint_eq(find_labelled(&s, "b"), 1);
    ck_assert_uint_eq(find_labelled(&s, "a"), 0);
    free(old);
    free(index);
    buf_release(&sql);
    object_release(&o);
    vault_world_release(&s.w);
}
END_TEST

START_TEST(a_users_row_put_back_gives_no_tries_back)
{
    struct scene s;
    struct user_info info;
    char *old;

    scene_init(&s);
    old = keep_row(&s, "kind = 4");
    assert_rv(CKR_PIN_INCORRECT, user_verify(s.w.store, &s.v, "alice", BYTES_LIT("0000")));
    assert_ok(user_get(s.w.store, &s.v, "alice", &info));
    vault_world_sql(&s.w, old);
    assert_rv(CKR_DEVICE_ERROR, user_verify(s.w.store, &s.v, "alice", BYTES_LIT("1234")));
    assert_rv(CKR_DEVICE_ERROR, user_get(s.w.store, &s.v, "alice", &info));
    free(old);
    vault_world_release(&s.w);
}
END_TEST

START_TEST(an_older_policy_put_back_with_its_fence_is_refused)
{
    struct scene s;
    struct buf text = BUF_INIT(256);
    char *old, *fence;

    scene_init(&s);
    old = keep_row(&s, "kind = 3");
    fence = vault_world_ask(&s.w, "SELECT 'UPDATE fence SET mac = ' || quote(mac) ||"
                                  " ' WHERE slot = 1 AND bucket = 0' FROM fence"
                                  " WHERE slot = 1 AND bucket = 0");
    assert_ok(vault_set_policy(s.w.store, &s.v, BYTES_LIT("forbid")));
    vault_world_sql(&s.w, old);
    vault_world_sql(&s.w, fence);
    assert_rv(CKR_DEVICE_ERROR, vault_get_policy(s.w.store, &s.v, &text));
    ck_assert_uint_eq(text.len, 0);
    free(old);
    free(fence);
    buf_release(&text);
    vault_world_release(&s.w);
}
END_TEST

START_TEST(a_user_removed_and_added_again_does_not_take_the_old_row)
{
    struct scene s;
    char *old;

    scene_init(&s);
    old = keep_row(&s, "kind = 4");
    assert_ok(user_remove(s.w.store, &s.v, "alice"));
    assert_ok(user_add(s.w.store, &s.v, "alice", BYTES_LIT("new pin")));
    vault_world_sql(&s.w, old);
    assert_rv(CKR_DEVICE_ERROR, user_verify(s.w.store, &s.v, "alice", BYTES_LIT("1234")));
    free(old);
    vault_world_release(&s.w);
}
END_TEST

START_TEST(a_vaults_policy_does_not_serve_another_vault)
{
    struct scene s;
    struct buf text = BUF_INIT(256);

    scene_init(&s);
    tamper(&s, "UPDATE record SET slot = 2 WHERE kind = 3");
    assert_rv(CKR_DEVICE_ERROR, vault_get_policy(s.w.store, &s.other, &text));
    assert_rv(CKR_DEVICE_ERROR, vault_get_policy(s.w.store, &s.v, &text));
    buf_release(&text);
    vault_world_release(&s.w);
}
END_TEST

START_TEST(a_trigger_or_view_in_the_file_runs_nothing)
{
    struct scene s;
    uint8_t id[OBJECT_ID_LEN];
    char *count;

    scene_init(&s);
    vault_world_sql(&s.w, "CREATE TABLE spy (x);"
                          "CREATE TRIGGER t AFTER INSERT ON record BEGIN"
                          " INSERT INTO spy VALUES (1); END");
    vault_world_put(&s.w, &s.v, "c", id);
    count = vault_world_ask(&s.w, "SELECT count(*) FROM spy");
    ck_assert_str_eq(count, "0");
    free(count);
    vault_world_release(&s.w);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_LOOP(a_changed_file_is_refused_while_open, CHANGES),
        CASE_LOOP(a_changed_file_is_refused_after_opening_and_by_the_check, CHANGES),
        CASE(a_change_is_not_taken_over_by_the_next_write),
        CASE(an_objects_row_put_back_whole_is_refused),
        CASE(a_row_put_back_under_an_index_left_alone_is_refused),
        CASE(a_users_row_put_back_gives_no_tries_back),
        CASE(an_older_policy_put_back_with_its_fence_is_refused),
        CASE(a_user_removed_and_added_again_does_not_take_the_old_row),
        CASE(a_vaults_policy_does_not_serve_another_vault),
        CASE(a_trigger_or_view_in_the_file_runs_nothing),
    };

    return suite_run("vault/tamper", cases, sizeof(cases) / sizeof(*cases));
}
