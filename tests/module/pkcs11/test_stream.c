/*
 * A search goes through a vault page by page: what it keeps does not grow with the vault, each
 * page is in the log before it leaves, and what changes between two pages, by whomever, is met as
 * it is then.
 */
#include "pkcs11/engine.h"
#include "tests/support/lab.h"
#include "vault/object.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MANY 20000U
#define SOME 700U /* some pages */
#define MOST (MANY + SOME)

static CK_BBOOL yes = CK_TRUE;
static CK_BBOOL no = CK_FALSE;
static CK_OBJECT_CLASS data_class = CKO_DATA;

/* All objects of this test: every template begins with it. */
static char application[] = "stream";
#define OURS                                                                                       \
    {CKA_CLASS, &data_class, sizeof(data_class)},                                                  \
    {                                                                                              \
        CKA_APPLICATION, application, sizeof(application) - 1                                      \
    }

/* ---- the vault ---- */

static void label_of(unsigned n, char ret[static 16])
{
    (void)snprintf(ret, 16, "n%u", n);
}

static void fill_object(struct object *o, const struct vault_info *vault, struct local *local,
                        unsigned n)
{
    char label[16];

    label_of(n, label);
    *o = (struct object){.cls = CKO_DATA, .version = 1, .state = OBJECT_ENABLED};
    memcpy(o->vault, vault->id, sizeof(o->vault));
    assert_ok(local_random(local, o->id, sizeof(o->id)));
    assert_ok(attrs_set_ulong(&o->attrs, CKA_CLASS, CKO_DATA));
    assert_ok(attrs_set_bool(&o->attrs, CKA_TOKEN, true));
    assert_ok(attrs_set_bool(&o->attrs, CKA_PRIVATE, false));
    assert_ok(attrs_set_bool(&o->attrs, CKA_DESTROYABLE, true));
    assert_ok(attrs_set(&o->attrs, CKA_APPLICATION, bytes_from_str(application)));
    assert_ok(attrs_set(&o->attrs, CKA_LABEL, bytes_from_str(label)));
}

/* By the store's own functions, in one commit: a search is tried here, not the making. */
static void fill(struct lab *lab, int count)
{
    struct object *objects = calloc((size_t)count, sizeof(*objects));
    struct object **list = calloc((size_t)count, sizeof(*list));
    struct engine *engine = NULL;
    struct vault_info vault;

    ck_assert(objects != NULL && list != NULL);
    assert_ok(engine_new(lab->home, HSM_WORKER, &clock_system, &engine));
    assert_ok(engine_wake(engine));
    assert_ok(vault_get(engine_store(engine), "web", &vault));
    for (int i = 0; i < count; i++) {
        fill_object(&objects[i], &vault, engine_local(engine), (unsigned)i);
        list[i] = &objects[i];
    }
    assert_ok(object_insert(engine_store(engine), list, (size_t)count));
    for (int i = 0; i < count; i++)
        object_release(&objects[i]);
    free(objects);
    free(list);
    engine_free(engine);
}

static CK_SESSION_HANDLE start(struct lab *lab, unsigned count)
{
    lab_make(lab);
    lab_join(lab_child(fill, lab, (int)count));
    lab_up(lab);
    return lab_alice(lab);
}

/* ---- searching ---- */

static void begin(const struct lab *lab, CK_SESSION_HANDLE session)
{
    CK_ATTRIBUTE template[] = {OURS};

    assert_ok(lab->f->C_FindObjectsInit(session, template, 2));
}

static CK_ULONG next(const struct lab *lab, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *found,
                     CK_ULONG max)
{
    CK_ULONG n = max + 1;

    assert_ok(lab->f->C_FindObjects(session, found, max, &n));
    ck_assert_uint_le(n, max);
    return n;
}

/* What is left, in portions; behind the `count` that are there already. */
static CK_ULONG drain(const struct lab *lab, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *found,
                      CK_ULONG count, CK_ULONG portion)
{
    CK_ULONG n;

    do {
        ck_assert_uint_le(count + portion, MOST);
        n = next(lab, session, found + count, portion);
        count += n;
    } while (n > 0);
    assert_ok(lab->f->C_FindObjectsFinal(session));
    return count;
}

static int by_number(const void *a, const void *b)
{
    CK_OBJECT_HANDLE x = *(const CK_OBJECT_HANDLE *)a;
    CK_OBJECT_HANDLE y = *(const CK_OBJECT_HANDLE *)b;

    return (x > y) - (x < y);
}

static void none_twice(const CK_OBJECT_HANDLE *found, CK_ULONG count)
{
    CK_OBJECT_HANDLE *sorted = calloc(count + 1, sizeof(*sorted));

    ck_assert_ptr_nonnull(sorted);
    memcpy(sorted, found, count * sizeof(*sorted));
    qsort(sorted, count, sizeof(*sorted), by_number);
    for (CK_ULONG i = 1; i < count; i++)
        ck_assert_msg(sorted[i] != sorted[i - 1], "handle %lu is given twice", sorted[i]);
    free(sorted);
}

/* Which of the objects "n0" to "n<SOME-1>" a handle is; fails the test where it is none. */
static unsigned number_of(const struct lab *lab, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE handle)
{
    char label[16] = "";
    CK_ATTRIBUTE attr = {CKA_LABEL, label, sizeof(label) - 1};

    assert_ok(lab->f->C_GetAttributeValue(session, handle, &attr, 1));
    ck_assert_int_eq(label[0], 'n');
    return (unsigned)strtoul(label + 1, NULL, 10);
}

static bool among(const struct lab *lab, CK_SESSION_HANDLE session, const CK_OBJECT_HANDLE *found,
                  CK_ULONG count, unsigned number)
{
    for (CK_ULONG i = 0; i < count; i++)
        if (number_of(lab, session, found[i]) == number)
            return true;
    return false;
}

static CK_OBJECT_HANDLE found[MOST];

/* ---- what it keeps ---- */

/* A page, and what the log may have made a checkpoint of in the same call; 20,000 handles are more.
 */
#define PAGE_BYTES 150000U
_Static_assert(PAGE_BYTES < MANY * sizeof(CK_OBJECT_HANDLE), "a list of all is no page");

static size_t held_bytes(void)
{
    return mallinfo2().uordblks;
}

START_TEST(a_search_through_20000_objects_keeps_a_page)
{
    struct lab lab;
    CK_SESSION_HANDLE session = start(&lab, MANY);
    CK_ULONG count = 0;
    size_t before;
    size_t most = 0;
    CK_ULONG n;

    /* The handles stay for the application's life: they are made by a search before. */
    begin(&lab, session);
    ck_assert_uint_eq(drain(&lab, session, found, 0, 300), MANY);
    none_twice(found, MANY);
    before = held_bytes();
    begin(&lab, session);
    ck_assert_msg(LAB_SANITIZED || held_bytes() < before + PAGE_BYTES, "Init keeps %zu bytes",
                  held_bytes() - before);
    do {
        n = next(&lab, session, found + count, 100);
        count += n;
        if (held_bytes() > before + most)
            most = held_bytes() - before;
    } while (n > 0);
    ck_assert_uint_eq(count, MANY);
    ck_assert_msg(LAB_SANITIZED || most < PAGE_BYTES, "the search keeps %zu bytes", most);
    lab_end(&lab);
}
END_TEST

struct told {
    CK_ULONG records, handles, most;
};

static void tell(void *ctx, json_t *record)
{
    struct told *told = ctx;
    CK_ULONG count = (CK_ULONG)json_integer_value(json_object_get(record, "count"));

    if (strcmp(lab_member(record, "function"), "C_FindObjects") != 0)
        return;
    ck_assert_str_eq(lab_member(record, "action"), "list");
    told->records++;
    told->handles += count;
    told->most = count > told->most ? count : told->most;
}

static struct told told_from(const struct lab *lab, uint64_t from)
{
    struct told told = {0};

    lab_log_each(lab, from, tell, &told);
    return told;
}

START_TEST(each_page_is_in_the_log_before_it_leaves)
{
    struct lab lab;
    CK_SESSION_HANDLE session = start(&lab, SOME);
    uint64_t from = lab_log_whole(&lab);
    CK_ULONG count = 0;
    CK_ULONG n;

    begin(&lab, session);
    ck_assert_uint_eq(lab_log_whole(&lab), from);
    do {
        n = next(&lab, session, found + count, 7);
        count += n;
        ck_assert_uint_ge(told_from(&lab, from).handles, count);
    } while (n > 0);
    ck_assert_uint_eq(count, SOME);
    ck_assert_uint_eq(told_from(&lab, from).handles, SOME);
    ck_assert_uint_le(told_from(&lab, from).most, 256);
    ck_assert_uint_le(told_from(&lab, from).records, 16);
    lab_end(&lab);
}
END_TEST

START_TEST(as_many_as_are_asked_for_come_at_once)
{
    struct lab lab;
    CK_SESSION_HANDLE session = start(&lab, SOME);
    uint64_t from = lab_log_whole(&lab);

    begin(&lab, session);
    ck_assert_uint_eq(next(&lab, session, found, SOME - 1), SOME - 1);
    ck_assert_uint_eq(next(&lab, session, found, 0), 0);
    ck_assert_uint_eq(next(&lab, session, found + SOME - 1, 5), 1);
    ck_assert_uint_eq(next(&lab, session, found + SOME, 5), 0);
    assert_ok(lab.f->C_FindObjectsFinal(session));
    none_twice(found, SOME);
    ck_assert_uint_eq(told_from(&lab, from).handles, SOME);
    lab_end(&lab);
}
END_TEST

START_TEST(a_template_may_go_once_the_search_is_begun)
{
    struct lab lab;
    CK_SESSION_HANDLE session = start(&lab, 20);
    char label[] = "n3";
    CK_ATTRIBUTE template[] = {OURS, {CKA_LABEL, label, 2}};

    assert_ok(lab.f->C_FindObjectsInit(session, template, 3));
    memset(label, '?', 2);
    memset(template, 0xff, sizeof(template));
    ck_assert_uint_eq(next(&lab, session, found, 5), 1);
    ck_assert_uint_eq(number_of(&lab, session, found[0]), 3);
    lab_end(&lab);
}
END_TEST

START_TEST(an_attribute_named_twice_must_have_both_values)
{
    struct lab lab;
    CK_SESSION_HANDLE session = start(&lab, 20);
    char three[] = "n3";
    char four[] = "n4";
    CK_ATTRIBUTE same[] = {OURS, {CKA_LABEL, three, 2}, {CKA_LABEL, three, 2}};
    CK_ATTRIBUTE other[] = {OURS, {CKA_LABEL, three, 2}, {CKA_LABEL, four, 2}};

    assert_ok(lab.f->C_FindObjectsInit(session, same, 4));
    ck_assert_uint_eq(drain(&lab, session, found, 0, 5), 1);
    assert_ok(lab.f->C_FindObjectsInit(session, other, 4));
    ck_assert_uint_eq(drain(&lab, session, found, 0, 5), 0);
    lab_end(&lab);
}
END_TEST

/* ---- what changes meanwhile ---- */

#define FIRST 20U /* taken before */

static void destroy(const struct lab *lab, CK_SESSION_HANDLE session, unsigned from, unsigned to)
{
    for (unsigned n = from; n < to; n++) {
        char label[16];

        label_of(n, label);
        assert_ok(lab->f->C_DestroyObject(session, lab_find(lab, session, CKO_DATA, label)));
    }
}

static CK_OBJECT_HANDLE create(const struct lab *lab, CK_SESSION_HANDLE session, unsigned number,
                               CK_BBOOL *token)
{
    CK_OBJECT_HANDLE handle = 0;
    char label[16];
    CK_ATTRIBUTE template[] = {
        OURS, {CKA_TOKEN, token, 1}, {CKA_PRIVATE, &no, 1}, {CKA_LABEL, label, 0}};

    label_of(number, label);
    template[4].ulValueLen = strlen(label);
    assert_ok(lab->f->C_CreateObject(session, template, 5, &handle));
    return handle;
}

/* Another process: destroys some of those given, of those that wait, of those to come; makes one
 * more; hides "n6..". */
static void change(struct lab *lab, int ignored)
{
    CK_SESSION_HANDLE session;

    (void)ignored;
    lab_up(lab);
    lab_policy(lab, "permit (principal, action in [Action::\"cryptoOfficer\", Action::\"login\","
                    " Action::\"secretsOfficer\"], resource)"
                    " unless {resource has name && resource.name like \"n6*\"};");
    session = lab_alice(lab);
    destroy(lab, session, 2, 4);
    destroy(lab, session, FIRST, FIRST + 3);
    destroy(lab, session, 500, 505);
    (void)create(lab, session, SOME, &yes);
    lab_unload(lab);
}

START_TEST(what_another_process_changes_meanwhile_is_met_as_it_is_then)
{
    struct lab lab;
    CK_SESSION_HANDLE session = start(&lab, SOME);
    bool seen[SOME + 1] = {false};
    CK_ULONG count;

    begin(&lab, session);
    ck_assert_uint_eq(next(&lab, session, found, FIRST), FIRST);
    ck_assert(among(&lab, session, found, FIRST, 6)); /* not hidden yet */
    lab_join(lab_child(change, &lab, 0));
    count = drain(&lab, session, found, FIRST, 3);
    none_twice(found, count);
    for (CK_ULONG i = FIRST; i < count; i++)
        seen[number_of(&lab, session, found[i])] = true;
    for (unsigned n = FIRST; n < SOME; n++) {
        bool gone = n < FIRST + 3 || (n >= 500 && n < 505);
        bool hidden = (n >= 60 && n < 70) || (n >= 600 && n < 700);

        ck_assert_msg(seen[n] == (!gone && !hidden), "n%u is %sfound", n, seen[n] ? "" : "not ");
    }
    ck_assert(seen[SOME]);
    lab_end(&lab);
}
END_TEST

/* A page of sixteen waits, of which one was taken. */
START_TEST(what_waits_is_looked_at_again_when_something_changed)
{
    struct lab lab;
    CK_SESSION_HANDLE session = start(&lab, SOME);
    CK_SESSION_HANDLE other = lab_session(&lab, CKF_RW_SESSION);

    begin(&lab, session);
    ck_assert_uint_eq(next(&lab, session, found, 1), 1);
    ck_assert_uint_eq(number_of(&lab, session, found[0]), 0);
    destroy(&lab, other, 1, 3);
    ck_assert_uint_eq(next(&lab, session, found, 1), 1);
    ck_assert_uint_eq(number_of(&lab, session, found[0]), 3);
    lab_end(&lab);
}
END_TEST

/* Bob may see every object but "n1"; what waits for alice is not his. */
START_TEST(what_waits_for_one_user_is_not_given_to_another)
{
    struct lab lab;
    CK_SESSION_HANDLE session;

    lab_make(&lab);
    lab_join(lab_child(fill, &lab, SOME));
    lab_up(&lab);
    lab_policy(&lab, "permit (principal == User::\"alice\", action, resource);"
                     "permit (principal, action == Action::\"login\", resource);"
                     "permit (principal == User::\"bob\", action, resource)"
                     " unless {resource has name && resource.name == \"n1\"};");
    session = lab_alice(&lab);
    begin(&lab, session);
    ck_assert_uint_eq(next(&lab, session, found, 1), 1);
    assert_ok(lab.f->C_Logout(session));
    assert_ok(lab_login(&lab, session, CKU_USER, "bob:" LAB_BOB_PIN));
    ck_assert_uint_eq(next(&lab, session, found, 1), 1);
    ck_assert_uint_eq(number_of(&lab, session, found[0]), 2);
    lab_end(&lab);
}
END_TEST

START_TEST(session_objects_come_page_by_page_too)
{
    struct lab lab;
    CK_SESSION_HANDLE session = start(&lab, 5);
    CK_OBJECT_HANDLE made[SOME];
    CK_ULONG count;

    for (unsigned n = 5; n < SOME; n++)
        made[n] = create(&lab, session, n, &no);
    begin(&lab, session);
    count = next(&lab, session, found, 30);
    ck_assert_uint_eq(count, 30); /* the five, and the 25 youngest */
    ck_assert(among(&lab, session, found, count, SOME - 25));
    /* One that was given last, one that comes next, some later; and two are made. */
    for (unsigned n = SOME - 28; n < SOME - 24; n++)
        assert_ok(lab.f->C_DestroyObject(session, made[n]));
    for (unsigned n = 100; n < 200; n++)
        assert_ok(lab.f->C_DestroyObject(session, made[n]));
    (void)create(&lab, session, SOME, &no);
    (void)create(&lab, session, SOME + 1, &yes);
    count = drain(&lab, session, found, count, 9);
    none_twice(found, count);
    ck_assert_uint_ge(count, SOME - 3 - 100);
    ck_assert_uint_le(count, SOME - 3 - 100 + 2);
    for (unsigned n = SOME - 28; n < SOME - 25; n++)
        for (CK_ULONG i = 30; i < count; i++)
            ck_assert_uint_ne(found[i], made[n]);
    lab_end(&lab);
}
END_TEST

/* ---- ends in the middle ---- */

START_TEST(two_sessions_search_at_once_each_for_itself)
{
    struct lab lab;
    CK_SESSION_HANDLE session = start(&lab, SOME);
    CK_SESSION_HANDLE other = lab_session(&lab, 0);
    static CK_OBJECT_HANDLE others[MOST];
    CK_ULONG a = 0;
    CK_ULONG b = 0;

    begin(&lab, session);
    begin(&lab, other);
    while (a < SOME || b < SOME) {
        a += next(&lab, session, found + a, 5);
        b += next(&lab, other, others + b, 170);
    }
    ck_assert_uint_eq(drain(&lab, session, found, a, 1), SOME);
    ck_assert_uint_eq(drain(&lab, other, others, b, 1), SOME);
    ck_assert_mem_eq(found, others, SOME * sizeof(*found));
    none_twice(found, SOME);
    lab_end(&lab);
}
END_TEST

START_TEST(a_search_ended_in_the_middle_begins_anew)
{
    struct lab lab;
    CK_SESSION_HANDLE session = start(&lab, SOME);
    CK_SESSION_HANDLE other = lab_session(&lab, 0);
    CK_OBJECT_HANDLE first;

    begin(&lab, session);
    begin(&lab, other);
    ck_assert_uint_eq(next(&lab, session, &first, 1), 1);
    ck_assert_uint_eq(next(&lab, other, found, 300), 300);
    assert_ok(lab.f->C_FindObjectsFinal(session));
    begin(&lab, session);
    ck_assert_uint_eq(next(&lab, session, found, 1), 1);
    ck_assert_uint_eq(found[0], first);
    assert_ok(lab.f->C_CloseSession(session));
    ck_assert_uint_eq(drain(&lab, other, found, 300, 50), SOME);
    lab_end(&lab);
}
END_TEST

/* The child has no search, nor a session; begun anew it finds all, and the parent goes on. */
static void search_in_child(struct lab *lab, int session)
{
    CK_ULONG n;

    assert_rv(CKR_CRYPTOKI_NOT_INITIALIZED,
              lab->f->C_FindObjects((CK_SESSION_HANDLE)session, found, 1, &n));
    lab_up(lab);
    begin(lab, lab_alice(lab));
    ck_assert_uint_eq(drain(lab, 1, found, 0, 100), SOME);
    lab_unload(lab);
}

START_TEST(a_fork_in_the_middle_leaves_the_search_to_the_parent)
{
    struct lab lab;
    CK_SESSION_HANDLE session = start(&lab, SOME);

    begin(&lab, session);
    ck_assert_uint_eq(next(&lab, session, found, 10), 10);
    lab_join(lab_child(search_in_child, &lab, (int)session));
    ck_assert_uint_eq(drain(&lab, session, found, 10, 100), SOME);
    none_twice(found, SOME);
    lab_end(&lab);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_SLOW(a_search_through_20000_objects_keeps_a_page, 240),
        CASE_SLOW(each_page_is_in_the_log_before_it_leaves, 120),
        CASE_SLOW(as_many_as_are_asked_for_come_at_once, 120),
        CASE_SLOW(a_template_may_go_once_the_search_is_begun, 120),
        CASE_SLOW(an_attribute_named_twice_must_have_both_values, 120),
        CASE_SLOW(what_another_process_changes_meanwhile_is_met_as_it_is_then, 120),
        CASE_SLOW(what_waits_is_looked_at_again_when_something_changed, 120),
        CASE_SLOW(what_waits_for_one_user_is_not_given_to_another, 120),
        CASE_SLOW(session_objects_come_page_by_page_too, 120),
        CASE_SLOW(two_sessions_search_at_once_each_for_itself, 120),
        CASE_SLOW(a_search_ended_in_the_middle_begins_anew, 120),
        CASE_SLOW(a_fork_in_the_middle_leaves_the_search_to_the_parent, 120),
    };

    return lab_suite_run("pkcs11/stream", cases, sizeof(cases) / sizeof(*cases));
}
