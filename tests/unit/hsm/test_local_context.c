/* Threads and the library context: a thread's random generator stays from call to call, goes with
 * the thread, and a context that nobody uses any more is not kept. */
#include "hsm/local_int.h"
#include "tests/support/suite.h"

#include <malloc.h>
#include <pthread.h>

/* A thread that uses a context when told, and lives on until told to end. */
struct user {
    pthread_t thread;
    pthread_barrier_t turn;
    struct local *local; /* NULL: end */
};

static void use(struct local *local)
{
    uint8_t random[16];

    assert_ok(local_random(local, random, sizeof(random)));
    local_thread_leaves(local);
}

static void *user_main(void *arg)
{
    struct user *u = arg;

    for (;;) {
        (void)pthread_barrier_wait(&u->turn);
        if (u->local == NULL)
            return NULL;
        use(u->local);
        (void)pthread_barrier_wait(&u->turn);
    }
}

static void user_start(struct user *u)
{
    ck_assert_int_eq(pthread_barrier_init(&u->turn, NULL, 2), 0);
    ck_assert_int_eq(pthread_create(&u->thread, NULL, user_main, u), 0);
}

static void user_use(struct user *u, struct local *local)
{
    u->local = local;
    (void)pthread_barrier_wait(&u->turn);
    (void)pthread_barrier_wait(&u->turn);
}

static void user_end(struct user *u)
{
    u->local = NULL;
    (void)pthread_barrier_wait(&u->turn);
    ck_assert_int_eq(pthread_join(u->thread, NULL), 0);
    (void)pthread_barrier_destroy(&u->turn);
}

static struct local *open_local(void)
{
    struct local *local = NULL;

    assert_ok(local_new(&local));
    return local;
}

START_TEST(a_context_may_be_freed_before_the_threads_that_used_it_end)
{
    struct local *local = open_local();
    struct user users[3];

    for (size_t i = 0; i < 3; i++) {
        user_start(&users[i]);
        user_use(&users[i], local);
    }
    local_free(local);
    for (size_t i = 0; i < 3; i++)
        user_end(&users[i]);
}
END_TEST

START_TEST(a_thread_may_go_from_one_context_to_another_and_back)
{
    struct local *one = open_local();
    struct local *two = open_local();
    struct user user;

    user_start(&user);
    for (int i = 0; i < 3; i++) {
        user_use(&user, one);
        user_use(&user, two);
    }
    local_free(two);
    user_use(&user, one);
    user_end(&user);
    use(one);
    local_free(one);
}
END_TEST

/* A sanitizer's malloc() does not say what is in use. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

static size_t in_use(void)
{
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}

START_TEST(a_threads_generator_stays_for_its_next_call_and_ends_with_it)
{
    struct local *local = open_local();
    struct user user;
    size_t idle, used, again;

    use(local); /* what all threads share is there */
    user_start(&user);
    idle = in_use();
    user_use(&user, local);
    used = in_use();
    user_use(&user, local);
    again = in_use();
    user_end(&user);
    ck_assert_uint_gt(used, idle + 500);
    ck_assert_uint_eq(again, used);
    ck_assert_uint_lt(in_use(), used - 500);
    local_free(local);
}
END_TEST

#define ROUNDS 40

/* As a pool of threads in a host that calls C_Initialize and C_Finalize again and again. */
START_TEST(a_thread_that_lives_on_keeps_one_context_and_not_all)
{
    struct user user;
    size_t before;
    size_t one = 0;

    user_start(&user);
    local_free(open_local());
    before = in_use();
    for (int i = 0; i < ROUNDS; i++) {
        struct local *local = open_local();

        if (i == 0)
            one = in_use() - before;
        user_use(&user, local);
        local_free(local);
    }
    ck_assert_uint_lt(in_use() - before, 2 * one);
    user_end(&user);
    ck_assert_uint_lt(in_use(), before + one / 2);
}
END_TEST

#endif

int main(void)
{
    const struct suite_case cases[] = {
        CASE(a_context_may_be_freed_before_the_threads_that_used_it_end),
        CASE(a_thread_may_go_from_one_context_to_another_and_back),
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
        CASE(a_threads_generator_stays_for_its_next_call_and_ends_with_it),
        CASE(a_thread_that_lives_on_keeps_one_context_and_not_all),
#endif
    };

    return suite_run("hsm/local_context", cases, sizeof(cases) / sizeof(*cases));
}
