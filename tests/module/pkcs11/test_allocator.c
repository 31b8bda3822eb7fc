/*
 * A host with an allocator of its own, that loads the module with RTLD_DEEPBIND: BIND, with
 * jemalloc, by pkcs11-provider. The module then has the C library's malloc() and free(), and the C
 * library itself, as in strdup(), the host's. Memory of the one given to the other's free() ends
 * the process, here as with jemalloc.
 */
#include "tests/support/lab.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- the host's allocator: the C library's, behind a mark ---- */

void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *p);

/* In the place where the C library's free() looks for a size: no chunk has this one. */
#define MARK UINT64_C(0xfffffffffffffff0)

struct mark {
    size_t size;
    void *block;
    uint64_t unused;
    uint64_t value;
};

static bool is_deep;             /* the module was loaded with RTLD_DEEPBIND */
static unsigned long host_calls; /* of the host's malloc() since */

static struct mark *mark_of(void *p)
{
    struct mark *m = (struct mark *)p - 1;

    if (m->value != MARK) {
        static const char text[] = "# the host's allocator got memory that is not its own\n";

        (void)!write(STDOUT_FILENO, text, sizeof(text) - 1);
        abort();
    }
    return m;
}

/* The C library finds these. */
#pragma GCC visibility push(default)

void *aligned_alloc(size_t alignment, size_t size)
{
    size_t room = alignment > sizeof(struct mark) ? alignment : sizeof(struct mark);
    uint8_t *block = __libc_memalign(alignment, size + room);
    struct mark *m = (struct mark *)(void *)(block + room) - 1;

    if (block == NULL)
        return NULL;
    host_calls += is_deep;
    *m = (struct mark){.size = size, .block = block, .value = MARK};
    return block + room;
}

int posix_memalign(void **ret, size_t alignment, size_t size)
{
    *ret = aligned_alloc(alignment, size);
    return *ret != NULL ? 0 : ENOMEM;
}

void *malloc(size_t size)
{
    return aligned_alloc(sizeof(struct mark), size);
}

void *calloc(size_t count, size_t size)
{
    size_t whole = 0;
    void *p = !__builtin_mul_overflow(count, size, &whole) ? malloc(whole) : NULL;

    return p != NULL ? memset(p, 0, whole) : NULL;
}

void free(void *p)
{
    if (p != NULL)
        __libc_free(mark_of(p)->block);
}

void *realloc(void *old, size_t size)
{
    void *p = malloc(size);

    if (old != NULL && p != NULL) {
        size_t had = mark_of(old)->size;

        memcpy(p, old, had < size ? had : size);
        free(old);
    }
    return p;
}

#pragma GCC visibility pop

/* ---- the module under it ---- */

static void deep_start(struct lab *lab)
{
    lab_make(lab);
    ck_assert_int_eq(dlclose(lab->library), 0);
    is_deep = true;
    lab_load_as(lab, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
    lab_up(lab);
}

START_TEST(memory_of_the_host_and_of_the_module_do_not_meet)
{
    CK_OBJECT_HANDLE public_key;
    CK_OBJECT_HANDLE private_key;
    struct lab lab;
    CK_SESSION_HANDLE session;

    deep_start(&lab);
    session = lab_alice(&lab);
    lab_signs(&lab, session);
    assert_ok(lab_generate(&lab, session, "made", &public_key, &private_key));
    assert_ok(lab.f->C_DestroyObject(session, private_key));
    assert_ok(lab_admin(&lab, NULL, "{\"verb\":\"status\"}"));
    assert_ok(lab.f->C_CloseSession(session));
    lab_end(&lab);
    ck_assert_msg(host_calls > 0, "the C library did not use the host's allocator");
}
END_TEST

START_TEST(relative_home_and_worker_are_found_and_let_go)
{
    struct lab lab;

    lab_make(&lab);
    ck_assert_int_eq(dlclose(lab.library), 0);
    is_deep = true;
    ck_assert_int_eq(chdir(lab.root), 0);
    ck_assert_int_eq(setenv("KEYWARD_HOME", "home", 1), 0);
    lab_load_as(&lab, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
    lab_up(&lab);
    lab_signs(&lab, lab_alice(&lab));
    lab_end(&lab);
}
END_TEST

/* The two allocators are two: otherwise nothing above shows anything. */
START_TEST(memory_of_the_host_is_refused_by_the_c_library)
{
    int status = 0;
    pid_t child = fork();

    ck_assert_int_ge(child, 0);
    if (child == 0) {
        __libc_free(strdup("the host's"));
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_SLOW(memory_of_the_host_and_of_the_module_do_not_meet, 120),
        CASE_SLOW(relative_home_and_worker_are_found_and_let_go, 120),
        CASE(memory_of_the_host_is_refused_by_the_c_library),
    };

    return lab_suite_run("pkcs11/allocator", cases, sizeof(cases) / sizeof(*cases));
}
