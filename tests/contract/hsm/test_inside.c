/* The HSM's library in this process (isolation none): what stays as it is in the worker, and what
 * the host must not notice. */
#include "tests/support/hsm_world.h"
#include "tests/support/suite.h"

#include <dirent.h>
#include <dlfcn.h>
#include <openssl/err.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static CK_MECHANISM hmac = {CKM_SHA256_HMAC, NULL, 0};

struct inside {
    struct hsm_world w;
    struct hsm_key key;
};

static void inside_init(struct inside *in, bool shim)
{
    world_init(&in->w);
    in->w.config.in_process = true;
    if (shim)
        world_use_shim(&in->w);
    world_open(&in->w);
    world_key(&in->w, HSM_KEY_SECRET, CKK_GENERIC_SECRET, 256, BYTES_NONE, &in->key, NULL);
}

static CK_RV mac(struct inside *in)
{
    struct buf out = BUF_INIT(64);
    CK_RV rv = hsm_run(in->w.hsm, HSM_SIGN, &in->key, &hmac, BYTES_LIT("abc"), BYTES_NONE, &out);

    ck_assert(rv != CKR_OK || out.len == 32);
    buf_release(&out);
    return rv;
}

static unsigned restarts(struct inside *in)
{
    struct hsm_status s;

    assert_ok(hsm_status(in->w.hsm, &s));
    return s.restarts;
}

static bool mapped(const char *what)
{
    FILE *file = fopen("/proc/self/maps", "re");
    char line[512];
    bool found = false;

    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof(line), file) != NULL)
        found = found || strstr(line, what) != NULL;
    (void)fclose(file);
    return found;
}

static unsigned count_fds(void)
{
    DIR *d = opendir("/proc/self/fd");
    unsigned n = 0;

    ck_assert_ptr_nonnull(d);
    while (readdir(d) != NULL)
        n++;
    (void)closedir(d);
    return n;
}

START_TEST(the_library_is_here_and_no_worker_is)
{
    struct hsm_status s;
    struct inside in;

    ck_assert(!mapped("libsofthsm2"));
    inside_init(&in, false);
    ck_assert(mapped("libsofthsm2"));
    assert_ok(hsm_status(in.w.hsm, &s));
    ck_assert_int_eq(s.worker, 0);
    assert_ok(hsm_self_test(in.w.hsm));
    world_close(&in.w);
    in.w.config.in_process = false;
    world_open(&in.w);
    assert_ok(hsm_status(in.w.hsm, &s));
    ck_assert_int_gt(s.worker, 1);
    assert_ok(mac(&in));
    world_release(&in.w);
}
END_TEST

START_TEST(the_hosts_environment_is_not_changed)
{
    char **before = environ;
    char *first = environ[0];
    struct inside in;

    ck_assert_int_eq(unsetenv("SOFTHSM2_CONF"), 0);
    inside_init(&in, false);
    ck_assert_ptr_null(getenv("SOFTHSM2_CONF"));
    ck_assert(environ == before && environ[0] == first);
    assert_ok(mac(&in));
    world_release(&in.w);
}
END_TEST

START_TEST(the_hosts_error_queue_is_left_as_found)
{
    static const uint8_t zeros[48];
    CK_MECHANISM cbc = {CKM_AES_CBC_PAD, (void *)(uintptr_t)zeros, 16};
    struct buf out = BUF_INIT(512);
    struct inside in;
    struct hsm_key aes;
    const char *file;
    const char *data;

    ERR_raise_data(ERR_LIB_USER, 42, "of the host");
    ERR_raise(ERR_LIB_USER, 43);
    inside_init(&in, false);
    world_key(&in.w, HSM_KEY_SECRET, CKK_AES, 256, BYTES_NONE, &aes, NULL);
    assert_rv(CKR_ENCRYPTED_DATA_INVALID,
              hsm_run(in.w.hsm, HSM_DECRYPT, &aes, &cbc, BYTES(zeros, 48), BYTES_NONE, &out));
    ck_assert_int_eq(ERR_GET_REASON(ERR_peek_error()), 42);
    world_release(&in.w);
    ck_assert_int_eq(ERR_GET_REASON(ERR_get_error_all(&file, NULL, NULL, &data, NULL)), 42);
    ck_assert_str_eq(data, "of the host");
    ck_assert_ptr_nonnull(strstr(file, "test_inside.c"));
    ck_assert_int_eq(ERR_GET_REASON(ERR_get_error()), 43);
    ck_assert_uint_eq(ERR_get_error(), 0);
    buf_release(&out);
}
END_TEST

START_TEST(a_lost_device_is_loaded_again)
{
    struct inside in;

    inside_init(&in, true);
    shim_rule(&in.w, "C_Sign 1 return 48");
    assert_ok(mac(&in));
    ck_assert_uint_eq(restarts(&in), 1);
    world_release(&in.w);
}
END_TEST

/* Tried until it may: a start that was refused is not tried again for a second. */
static bool mac_succeeds(struct inside *in)
{
    for (int i = 0; i < 1000; i++) {
        if (mac(in) == CKR_OK)
            return true;
        (void)usleep(10000);
    }
    return false;
}

START_TEST(a_lost_device_is_not_unloaded_under_a_call_that_is_in_it)
{
    struct hsm_op *op = NULL;
    struct inside in;

    inside_init(&in, true);
    assert_ok(hsm_begin(in.w.hsm, HSM_SIGN, &in.key, &hmac, &op));
    shim_rule(&in.w, "C_Sign 1 return 48");
    assert_rv(CKR_DEVICE_ERROR, mac(&in));
    ck_assert_uint_eq(restarts(&in), 0);
    hsm_op_free(op);
    ck_assert(mac_succeeds(&in));
    ck_assert_uint_eq(restarts(&in), 1);
    world_release(&in.w);
}
END_TEST

START_TEST(a_lost_login_is_renewed)
{
    struct hsm_status s;
    struct inside in;

    inside_init(&in, true);
    shim_rule(&in.w, "C_SignInit 1 logout");
    assert_ok(mac(&in));
    assert_ok(hsm_status(in.w.hsm, &s));
    ck_assert_uint_eq(s.relogins, 1);
    world_release(&in.w);
}
END_TEST

START_TEST(a_pin_that_was_refused_is_not_tried_again)
{
    struct hsm_world w;

    world_init(&w);
    w.config.in_process = true;
    world_use_shim(&w);
    ck_assert_int_eq(unlink(w.pin_file), 0);
    world_write(w.pin_file, "wrong\n", 0600);
    assert_rv(CKR_PIN_INCORRECT, hsm_open(&w.config, w.local, &w.hsm));
    ck_assert_uint_eq(shim_calls(&w, "C_Login"), 1);
    world_release(&w);
}
END_TEST

static CK_FUNCTION_LIST *load_as_host(void)
{
    CK_C_GetFunctionList get;
    CK_FUNCTION_LIST *f = NULL;
    void *library = dlopen(SOFTHSM_LIBRARY, RTLD_NOW | RTLD_LOCAL);

    ck_assert_ptr_nonnull(library);
    *(void **)&get = dlsym(library, "C_GetFunctionList");
    assert_ok(get(&f));
    return f;
}

START_TEST(a_library_the_host_uses_itself_is_shared_and_left_to_it)
{
    CK_FUNCTION_LIST *f = load_as_host();
    CK_ULONG count = 0;
    struct inside in;

    world_init(&in.w);
    in.w.config.in_process = true;
    ck_assert_int_eq(setenv("SOFTHSM2_CONF", in.w.conf, 1), 0);
    assert_ok(f->C_Initialize(NULL));
    world_open(&in.w);
    world_key(&in.w, HSM_KEY_SECRET, CKK_GENERIC_SECRET, 256, BYTES_NONE, &in.key, NULL);
    assert_ok(mac(&in));
    world_close(&in.w);
    assert_ok(f->C_GetSlotList(CK_TRUE, NULL, &count));
    assert_ok(f->C_Finalize(NULL));
    /* And one that is ours alone is finalized. */
    world_open(&in.w);
    assert_ok(f->C_GetSlotList(CK_TRUE, NULL, &count));
    world_close(&in.w);
    assert_rv(CKR_CRYPTOKI_NOT_INITIALIZED, f->C_GetSlotList(CK_TRUE, NULL, &count));
    world_release(&in.w);
}
END_TEST

/* Exit 0: refused with the parent's device, served by its own. */
static void use_in_child(struct inside *in)
{
    CK_RV refused = mac(in);
    struct hsm *own = NULL;

    hsm_abandon(in->w.hsm);
    if (refused != CKR_DEVICE_ERROR || hsm_open(&in->w.config, in->w.local, &own) != CKR_OK)
        _exit(1);
    in->w.hsm = own;
    if (mac(in) != CKR_OK)
        _exit(2);
    hsm_close(own);
    _exit(0);
}

START_TEST(a_forked_child_opens_its_own_and_leaves_the_parent_alone)
{
    struct inside in;
    int status = -1;
    pid_t child;

    inside_init(&in, false);
    assert_ok(mac(&in));
    child = fork();
    if (child == 0)
        use_in_child(&in);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    assert_ok(mac(&in));
    world_release(&in.w);
}
END_TEST

static void *mac_often(void *arg)
{
    for (int i = 0; i < 50; i++)
        assert_ok(mac(arg));
    return NULL;
}

START_TEST(more_threads_than_lanes_are_served)
{
    pthread_t threads[8];
    struct hsm_status s;
    struct inside in;

    inside_init(&in, false);
    world_close(&in.w);
    in.w.config.lanes = 3;
    world_open(&in.w);
    for (int i = 0; i < 8; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, mac_often, &in), 0);
    for (int i = 0; i < 8; i++)
        (void)pthread_join(threads[i], NULL);
    assert_ok(hsm_status(in.w.hsm, &s));
    ck_assert(s.lanes_open >= 1 && s.lanes_open <= 3);
    world_release(&in.w);
}
END_TEST

START_TEST(opened_again_and_again_it_keeps_no_descriptor)
{
    unsigned before;
    struct inside in;

    inside_init(&in, false);
    world_close(&in.w);
    before = count_fds();
    for (int i = 0; i < 20; i++) {
        world_open(&in.w);
        assert_ok(mac(&in));
        world_close(&in.w);
        ck_assert_uint_eq(count_fds(), before);
    }
    world_release(&in.w);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(the_library_is_here_and_no_worker_is),
        CASE(the_hosts_environment_is_not_changed),
        CASE(the_hosts_error_queue_is_left_as_found),
        CASE(a_lost_device_is_loaded_again),
        CASE(a_lost_device_is_not_unloaded_under_a_call_that_is_in_it),
        CASE(a_lost_login_is_renewed),
        CASE(a_pin_that_was_refused_is_not_tried_again),
        CASE(a_library_the_host_uses_itself_is_shared_and_left_to_it),
        CASE(a_forked_child_opens_its_own_and_leaves_the_parent_alone),
        CASE(more_threads_than_lanes_are_served),
        CASE(opened_again_and_again_it_keeps_no_descriptor),
    };

    return suite_run("hsm/inside", cases, sizeof(cases) / sizeof(*cases));
}
