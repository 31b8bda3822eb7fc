/* Lookups kept in memory: what is kept, and that nothing old is ever answered. */
#include "tests/support/vault_world.h"
#include "vault/lookups.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct vault_info vault = {.id = {1}};
static const struct vault_info other_vault = {.id = {2}};
static const struct object_query by_label = {.has_label = true, .label = BYTES_LIT("web")};

static struct lookup one_object(CK_OBJECT_CLASS cls)
{
    struct lookup found = {.count = 1, .rows = {42}};

    found.objects[0] = (struct object){.cls = cls, .version = 3};
    assert_ok(attrs_set(&found.objects[0].attrs, CKA_LABEL, BYTES_LIT("web")));
    return found;
}

static void keep(struct lookups *l, const struct object_query *query, uint64_t generation)
{
    struct lookup found = one_object(CKO_PRIVATE_KEY);

    lookups_keep(l, &vault, query, generation, &found);
    ck_assert_uint_eq(found.count, 0);
}

static enum lookup_answer get(struct lookups *l, const struct object_query *query,
                              uint64_t generation)
{
    struct lookup found = {.count = 0};
    enum lookup_answer answer = lookups_get(l, &vault, query, generation, &found);

    if (answer == LOOKUP_KNOWN) {
        ck_assert_uint_eq(found.count, 1);
        ck_assert_int_eq(found.rows[0], 42);
        ck_assert_uint_eq(found.objects[0].version, 3);
        ck_assert(bytes_equal_str(attrs_bytes(&found.objects[0].attrs, CKA_LABEL), "web"));
    }
    lookup_release(&found);
    return answer;
}

START_TEST(what_is_asked_twice_is_wanted_and_then_known)
{
    struct lookups *l = lookups_new();

    ck_assert_int_eq(get(l, &by_label, 5), LOOKUP_UNWANTED);
    ck_assert_int_eq(get(l, &by_label, 5), LOOKUP_WANTED);
    keep(l, &by_label, 5);
    ck_assert_int_eq(get(l, &by_label, 5), LOOKUP_KNOWN);
    ck_assert_int_eq(get(l, &by_label, 4), LOOKUP_KNOWN);
    lookups_free(l);
}
END_TEST

START_TEST(nothing_is_known_once_the_store_has_changed)
{
    struct lookups *l = lookups_new();

    keep(l, &by_label, 5);
    ck_assert_int_eq(get(l, &by_label, 6), LOOKUP_WANTED);
    keep(l, &by_label, 6);
    ck_assert_int_eq(get(l, &by_label, 6), LOOKUP_KNOWN);
    lookups_free(l);
}
END_TEST

START_TEST(another_question_has_another_answer)
{
    const struct object_query others[] = {
        {.has_label = true, .label = BYTES_LIT("we")},
        {.has_label = true, .label = BYTES_LIT("webb")},
        {.has_id = true, .id = BYTES_LIT("web")},
        {.has_label = true, .label = BYTES_LIT("web"), .has_id = true, .id = BYTES_LIT("")},
        {.has_label = true, .label = BYTES_LIT("web"), .has_class = true, .cls = CKO_PUBLIC_KEY},
        {.has_label = true, .label = BYTES_LIT("web"), .deleted = true},
        {.deleted = false},
    };
    struct lookups *l = lookups_new();
    struct lookup found;

    keep(l, &by_label, 5);
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        ck_assert_msg(get(l, &others[i], 5) != LOOKUP_KNOWN, "question %zu", i);
    ck_assert_int_ne(lookups_get(l, &other_vault, &by_label, 5, &found), LOOKUP_KNOWN);
    lookups_free(l);
}
END_TEST

START_TEST(that_there_is_none_is_known_too)
{
    struct lookups *l = lookups_new();
    struct lookup none = {.count = 0};

    lookups_keep(l, &vault, &by_label, 5, &none);
    none.count = 9;
    ck_assert_int_eq(lookups_get(l, &vault, &by_label, 5, &none), LOOKUP_KNOWN);
    ck_assert_uint_eq(none.count, 0);
    lookups_free(l);
}
END_TEST

START_TEST(data_and_what_is_large_are_not_kept)
{
    struct lookups *l = lookups_new();
    struct lookup data = one_object(CKO_DATA);
    struct lookup large = one_object(CKO_CERTIFICATE);
    static uint8_t value[17 << 10];
    static uint8_t label[300];
    const struct object_query long_one = {.has_label = true, .label = BYTES(label, sizeof(label))};

    lookups_keep(l, &vault, &by_label, 5, &data);
    ck_assert_int_ne(get(l, &by_label, 5), LOOKUP_KNOWN);
    assert_ok(attrs_set(&large.objects[0].attrs, CKA_VALUE, BYTES(value, sizeof(value))));
    lookups_keep(l, &vault, &by_label, 5, &large);
    ck_assert_int_ne(get(l, &by_label, 5), LOOKUP_KNOWN);
    keep(l, &long_one, 5);
    ck_assert_int_eq(get(l, &long_one, 5), LOOKUP_UNWANTED);
    lookups_free(l);
}
END_TEST

/* Many more than there are places: each is answered with its own or not at all. */
START_TEST(those_that_share_a_place_are_not_mixed_up)
{
    struct lookups *l = lookups_new();
    unsigned known = 0;

    for (unsigned i = 0; i < 5000; i++) {
        char label[16];
        struct lookup found = one_object(CKO_PRIVATE_KEY);
        struct object_query query = {.has_label = true};

        (void)snprintf(label, sizeof(label), "n%u", i);
        query.label = bytes_from_str(label);
        assert_ok(attrs_set(&found.objects[0].attrs, CKA_LABEL, query.label));
        lookups_keep(l, &vault, &query, 5, &found);
    }
    for (unsigned i = 0; i < 5000; i++) {
        char label[16];
        struct lookup found = {.count = 0};
        struct object_query query = {.has_label = true};

        (void)snprintf(label, sizeof(label), "n%u", i);
        query.label = bytes_from_str(label);
        if (lookups_get(l, &vault, &query, 5, &found) != LOOKUP_KNOWN)
            continue;
        known++;
        ck_assert(bytes_equal(attrs_bytes(&found.objects[0].attrs, CKA_LABEL), query.label));
        lookup_release(&found);
    }
    ck_assert_uint_gt(known, 100);
    lookups_free(l);
}
END_TEST

/* ---- in the store ---- */

static bool count_shown(void *ctx, int64_t row, struct object *object)
{
    (void)row;
    (void)object;
    (*(size_t *)ctx)++;
    return true;
}

/* As a call does it: which generation is asked first. */
static size_t shown(struct vault_world *w, const struct vault_info *v)
{
    struct object_cursor cursor = {.end = false};
    uint64_t generation = 0;
    size_t count = 0;

    assert_ok(store_generation(w->store, &generation));
    assert_ok(object_find_some(w->store, v, &by_label, generation, &cursor, count_shown, &count));
    ck_assert(cursor.end);
    return count;
}

static struct object put_certificate(struct vault_world *w, const struct vault_info *v)
{
    struct object o = vault_world_object(w, v, "web", "1", "");
    struct object *const list[] = {&o};

    o.cls = CKO_CERTIFICATE;
    assert_ok(attrs_set_ulong(&o.attrs, CKA_CLASS, CKO_CERTIFICATE));
    assert_ok(object_insert(w->store, list, 1));
    return o;
}

START_TEST(a_lookup_in_memory_is_not_older_than_the_store)
{
    struct vault_world w;
    struct vault_info v;
    struct object first;
    int status = -1;
    pid_t pid;

    vault_world_init(&w);
    v = vault_world_vault(&w, "v");
    for (int i = 0; i < 3; i++)
        ck_assert_uint_eq(shown(&w, &v), 0);
    first = put_certificate(&w, &v);
    for (int i = 0; i < 3; i++)
        ck_assert_uint_eq(shown(&w, &v), 1);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        vault_world_in_child(&w);
        (void)put_certificate(&w, &v);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    for (int i = 0; i < 3; i++)
        ck_assert_uint_eq(shown(&w, &v), 2);
    assert_ok(object_purge(w.store, &v, first.id));
    for (int i = 0; i < 3; i++)
        ck_assert_uint_eq(shown(&w, &v), 1);
    object_release(&first);
    vault_world_release(&w);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(what_is_asked_twice_is_wanted_and_then_known),
        CASE(nothing_is_known_once_the_store_has_changed),
        CASE(another_question_has_another_answer),
        CASE(that_there_is_none_is_known_too),
        CASE(data_and_what_is_large_are_not_kept),
        CASE(those_that_share_a_place_are_not_mixed_up),
        CASE(a_lookup_in_memory_is_not_older_than_the_store),
    };

    return suite_run("vault/lookups", cases, sizeof(cases) / sizeof(*cases));
}
