/* kill -9 at any moment: the store opens whole, what was answered is there, and a pair is there
 * whole or not at all. */
#include "tests/support/vault_world.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define ROUNDS 60

/* Writes pairs until killed; the count of pairs answered with CKR_OK is in shared memory. */
static void write_pairs(struct vault_world *w, const struct vault_info *vault,
                        volatile uint64_t *ret)
{
    struct object a, b;
    struct object *const pair[] = {&a, &b};
    CK_RV rv;

    store_abandon(w->store);
    rv = store_open(&w->config, &w->store);
    a = vault_world_object(w, vault, "public", "pair", "");
    b = vault_world_object(w, vault, "private", "pair", "");
    while (rv == CKR_OK) {
        rv = local_random(w->local, a.id, OBJECT_ID_LEN);
        if (rv == CKR_OK)
            rv = local_random(w->local, b.id, OBJECT_ID_LEN);
        if (rv == CKR_OK)
            rv = object_insert(w->store, pair, 2);
        if (rv == CKR_OK)
            (*ret)++;
    }
    _exit(1);
}

START_TEST(a_killed_writer_leaves_a_whole_store_with_all_it_answered)
{
    struct vault_world w;
    struct vault_info vault;
    volatile uint64_t *answered =
        mmap(NULL, sizeof(*answered), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint64_t records = 0;

    vault_world_init(&w);
    vault = vault_world_vault(&w, "v");
    for (unsigned i = 0; i < ROUNDS; i++) {
        pid_t child = fork();
        size_t public, private;

        if (child == 0)
            write_pairs(&w, &vault, answered);
        (void)usleep(2000 + i * 997 % 30000);
        (void)kill(child, SIGKILL);
        (void)waitpid(child, NULL, 0);
        vault_world_reopen(&w);
        public = vault_world_count(&w, &vault, "public");
        private = vault_world_count(&w, &vault, "private");
        ck_assert_uint_eq(public, private);
        /* The kill may fall between the commit and its count. */
        ck_assert(public == *answered || public == *answered + 1);
        *answered = public;
        assert_ok(store_check(w.store, &records));
        ck_assert_uint_eq(records, 2 * public + 1);
    }
    ck_assert_uint_gt(*answered, 0);
    (void)munmap((void *)(uintptr_t)answered, sizeof(*answered));
    vault_world_release(&w);
}
END_TEST

START_TEST(a_killed_maker_leaves_a_store_or_none)
{
    for (unsigned i = 0; i < 40; i++) {
        struct vault_world w;
        pid_t child;
        CK_RV rv;

        vault_world_init_in(&w, "/tmp");
        child = fork();
        if (child == 0)
            _exit(store_create(&w.config, &w.store) == CKR_OK ? 0 : 1);
        (void)usleep(i * 400);
        (void)kill(child, SIGKILL);
        (void)waitpid(child, NULL, 0);
        if (access(w.path, F_OK) == 0) {
            assert_ok(store_open(&w.config, &w.store));
        } else {
            rv = store_create(&w.config, &w.store);
            assert_ok(rv);
        }
        vault_world_release(&w);
    }
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_SLOW(a_killed_writer_leaves_a_whole_store_with_all_it_answered, 300),
        CASE_SLOW(a_killed_maker_leaves_a_store_or_none, 120),
    };

    return suite_run("vault/kill", cases, sizeof(cases) / sizeof(*cases));
}
