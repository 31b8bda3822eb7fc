/* Many processes and threads on one store: nothing is lost, nothing is seen half. */
#include "tests/support/vault_world.h"

#include <pthread.h>
#include <string.h>
#include <sys/wait.h>

#define PROCESSES 8
#define EACH      15

static bool count_one(void *ctx, const struct object *object)
{
    (void)object;
    (*(size_t *)ctx)++;
    return true;
}

/* Inserts, and reads back all there is, in turn. */
static CK_RV insert_and_read(struct vault_world *w, const struct vault_info *vault)
{
    const struct object_query all = {.deleted = false};
    CK_RV rv = CKR_OK;

    for (int i = 0; i < EACH && rv == CKR_OK; i++) {
        struct object o = vault_world_object(w, vault, "shared", "id", "value");
        struct object got = {.attrs = ATTRS_INIT};
        struct object *const list[] = {&o};
        size_t count = 0;

        rv = object_insert(w->store, list, 1);
        if (rv == CKR_OK)
            rv = object_get(w->store, vault, o.id, &got);
        if (rv == CKR_OK)
            rv = object_find(w->store, vault, &all, count_one, &count);
        if (rv == CKR_OK && count < (size_t)i + 1)
            rv = CKR_GENERAL_ERROR;
        object_release(&got);
        object_release(&o);
    }
    return rv;
}

START_TEST(eight_processes_at_once_lose_nothing)
{
    struct vault_world w;
    struct vault_info vault;
    pid_t children[PROCESSES];
    uint64_t records = 0;

    vault_world_init(&w);
    vault = vault_world_vault(&w, "v");
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            CK_RV rv;

            store_abandon(w.store);
            rv = store_open(&w.config, &w.store);
            if (rv == CKR_OK)
                rv = insert_and_read(&w, &vault);
            _exit(rv == CKR_OK ? 0 : 1);
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status = 1;

        (void)waitpid(children[i], &status, 0);
        ck_assert_int_eq(status, 0);
    }
    ck_assert_uint_eq(vault_world_count(&w, &vault, "shared"), (size_t)PROCESSES * EACH);
    assert_ok(store_check(w.store, &records));
    ck_assert_uint_eq(records, PROCESSES * EACH + 1);
    vault_world_release(&w);
}
END_TEST

struct thread {
    pthread_t id;
    struct vault_world *w;
    const struct vault_info *vault;
    CK_RV rv;
};

static void *thread_main(void *arg)
{
    struct thread *t = arg;

    t->rv = insert_and_read(t->w, t->vault);
    return NULL;
}

START_TEST(eight_threads_at_once_lose_nothing)
{
    struct vault_world w;
    struct vault_info vault;
    struct thread threads[PROCESSES];

    vault_world_init(&w);
    vault = vault_world_vault(&w, "v");
    for (int i = 0; i < PROCESSES; i++) {
        threads[i] = (struct thread){.w = &w, .vault = &vault};
        ck_assert_int_eq(pthread_create(&threads[i].id, NULL, thread_main, &threads[i]), 0);
    }
    for (int i = 0; i < PROCESSES; i++) {
        (void)pthread_join(threads[i].id, NULL);
        assert_ok(threads[i].rv);
    }
    ck_assert_uint_eq(vault_world_count(&w, &vault, "shared"), (size_t)PROCESSES * EACH);
    vault_world_release(&w);
}
END_TEST

START_TEST(of_two_makers_of_one_vault_one_wins)
{
    struct vault_world w;
    const struct vault_spec spec = {.name = "one"};
    struct vault_info info;
    struct vault_info *list = NULL;
    size_t count = 0;
    pid_t children[4];
    int made = 0;

    vault_world_init(&w);
    for (int i = 0; i < 4; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            CK_RV rv;

            store_abandon(w.store);
            rv = store_open(&w.config, &w.store);
            if (rv == CKR_OK)
                rv = vault_create(w.store, &spec, &info);
            _exit(rv == CKR_OK ? 0 : rv == CKR_ACTION_PROHIBITED ? 1 : 2);
        }
    }
    for (int i = 0; i < 4; i++) {
        int status = 0;

        (void)waitpid(children[i], &status, 0);
        ck_assert_int_lt(WEXITSTATUS(status), 2);
        made += WEXITSTATUS(status) == 0;
    }
    ck_assert_int_eq(made, 1);
    assert_ok(vault_list(w.store, &list, &count));
    ck_assert_uint_eq(count, 1);
    free(list);
    vault_world_release(&w);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_SLOW(eight_processes_at_once_lose_nothing, 120),
        CASE_SLOW(eight_threads_at_once_lose_nothing, 120),
        CASE_SLOW(of_two_makers_of_one_vault_one_wins, 60),
    };

    return suite_run("vault/processes", cases, sizeof(cases) / sizeof(*cases));
}
