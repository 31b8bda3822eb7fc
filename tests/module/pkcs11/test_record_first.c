/*
 * Record before result: while the log cannot be written, no call of any kind gives anything, within
 * the deadline of a log write; and where the cause can go away, the service comes back by itself.
 */
#include "audit/trail.h"
#include "tests/support/lab.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* What a loaded machine may add to TRAIL_DEADLINE_MS and to the call's own work. */
#define NOISE_MS 400

/* What the calls work with, made ready while the log was still good. */
struct bench {
    struct lab lab;
    CK_SESSION_HANDLE session; /* alice is logged in */
    CK_SESSION_HANDLE other;   /* of vault mail: nobody is */
    CK_OBJECT_HANDLE tls, seal;
    CK_ULONG objects;
};

static void bench_take(struct bench *b)
{
    b->session = lab_alice(&b->lab);
    assert_ok(b->lab.f->C_OpenSession(lab_slot(&b->lab, "mail"), CKF_SERIAL_SESSION, NULL, NULL,
                                      &b->other));
    b->tls = lab_find(&b->lab, b->session, CKO_PRIVATE_KEY, "tls");
    b->seal = lab_find(&b->lab, b->session, CKO_SECRET_KEY, "seal");
    b->objects = lab_count(&b->lab, b->session);
}

static void bench_start(struct bench *b)
{
    lab_start(&b->lab);
    bench_take(b);
}

/* ---- one call of each kind: its answer, and whether it gave anything ---- */

#define UNTOUCHED 0xa5

static bool is_untouched(const CK_BYTE *buf, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (buf[i] != UNTOUCHED)
            return false;
    return true;
}

static CK_RV try_sign(const struct bench *b, bool *gave)
{
    CK_MECHANISM mechanism = {CKM_ECDSA_SHA256, NULL, 0};
    CK_BYTE data[] = {1, 2, 3};
    CK_BYTE out[64];
    CK_ULONG len = sizeof(out);
    CK_RV rv;

    memset(out, UNTOUCHED, sizeof(out));
    rv = b->lab.f->C_SignInit(b->session, &mechanism, b->tls);
    if (rv == CKR_OK)
        rv = b->lab.f->C_Sign(b->session, data, sizeof(data), out, &len);
    *gave = !is_untouched(out, sizeof(out)) || len != sizeof(out);
    return rv;
}

static CK_RV try_encrypt(const struct bench *b, bool *gave)
{
    CK_BYTE iv[16] = {7};
    CK_MECHANISM mechanism = {CKM_AES_CBC_PAD, iv, sizeof(iv)};
    CK_BYTE data[] = {1, 2, 3};
    CK_BYTE out[16];
    CK_ULONG len = sizeof(out);
    CK_RV rv;

    memset(out, UNTOUCHED, sizeof(out));
    rv = b->lab.f->C_EncryptInit(b->session, &mechanism, b->seal);
    if (rv == CKR_OK)
        rv = b->lab.f->C_Encrypt(b->session, data, sizeof(data), out, &len);
    *gave = !is_untouched(out, sizeof(out));
    return rv;
}

static CK_RV try_digest(const struct bench *b, bool *gave)
{
    CK_MECHANISM mechanism = {CKM_SHA256, NULL, 0};
    CK_BYTE data[] = {1, 2, 3};
    CK_BYTE out[32];
    CK_ULONG len = sizeof(out);
    CK_RV rv;

    memset(out, UNTOUCHED, sizeof(out));
    rv = b->lab.f->C_DigestInit(b->session, &mechanism);
    if (rv == CKR_OK)
        rv = b->lab.f->C_Digest(b->session, data, sizeof(data), out, &len);
    *gave = !is_untouched(out, sizeof(out));
    return rv;
}

static CK_RV try_random(const struct bench *b, bool *gave)
{
    CK_BYTE out[32];
    CK_RV rv;

    memset(out, UNTOUCHED, sizeof(out));
    rv = b->lab.f->C_GenerateRandom(b->session, out, sizeof(out));
    *gave = !is_untouched(out, sizeof(out));
    return rv;
}

static CK_RV try_find(const struct bench *b, bool *gave)
{
    CK_OBJECT_HANDLE found[4];
    CK_ULONG n = 0;
    CK_RV rv = b->lab.f->C_FindObjectsInit(b->session, NULL, 0);

    if (rv == CKR_OK) {
        rv = b->lab.f->C_FindObjects(b->session, found, 4, &n);
        (void)b->lab.f->C_FindObjectsFinal(b->session);
    }
    *gave = n > 0;
    return rv;
}

static CK_RV try_read(const struct bench *b, bool *gave)
{
    CK_BYTE label[16];
    CK_ATTRIBUTE attribute = {CKA_LABEL, label, sizeof(label)};
    CK_RV rv;

    memset(label, UNTOUCHED, sizeof(label));
    rv = b->lab.f->C_GetAttributeValue(b->session, b->tls, &attribute, 1);
    *gave = !is_untouched(label, sizeof(label));
    return rv;
}

static CK_RV try_login(const struct bench *b, bool *gave)
{
    CK_RV rv = lab_login(&b->lab, b->other, CKU_USER, LAB_PIN);
    CK_SESSION_INFO info = {.state = 99};

    assert_ok(b->lab.f->C_GetSessionInfo(b->other, &info));
    *gave = info.state != CKS_RO_PUBLIC_SESSION;
    if (rv == CKR_OK)
        assert_ok(b->lab.f->C_Logout(b->other));
    return rv;
}

static CK_RV try_create(const struct bench *b, bool *gave)
{
    CK_OBJECT_HANDLE public_key = 0;
    CK_OBJECT_HANDLE key = 0;
    CK_RV rv = lab_generate(&b->lab, b->session, "new", &public_key, &key);

    *gave = public_key != 0 || key != 0;
    return rv;
}

/* A refused wrong PIN is no news to anybody before it is on record: it reads like all else. */
static CK_RV try_wrong_pin(const struct bench *b, bool *gave)
{
    *gave = false;
    return lab_login(&b->lab, b->other, CKU_USER, "wrong-pin");
}

static const struct kind {
    const char *name;
    CK_RV (*call)(const struct bench *b, bool *gave);
    CK_RV good;
    unsigned work_ms; /* of its own, beside the log: scrypt, a key made in SoftHSM */
} kinds[] = {
    {"sign", try_sign, CKR_OK, 50},      {"encrypt", try_encrypt, CKR_OK, 50},
    {"digest", try_digest, CKR_OK, 10},  {"random", try_random, CKR_OK, 10},
    {"find", try_find, CKR_OK, 50},      {"read", try_read, CKR_OK, 10},
    {"login", try_login, CKR_OK, 500},   {"wrong PIN", try_wrong_pin, CKR_PIN_INCORRECT, 500},
    {"create", try_create, CKR_OK, 500},
};

#define KINDS (sizeof(kinds) / sizeof(*kinds))

/* small_fits: the disk is full for most records, and the shortest, a wrong PIN's, may still find
 * room: then it is answered as usual. */
static void all_refused(const struct bench *b, bool small_fits)
{
    for (size_t i = 0; i < KINDS; i++) {
        int64_t start = lab_ms();
        bool gave = true;
        CK_RV rv = kinds[i].call(b, &gave);
        int64_t took = lab_ms() - start;

        if (small_fits && rv == CKR_PIN_INCORRECT && kinds[i].good == rv)
            continue;
        ck_assert_msg(rv == CKR_DEVICE_ERROR, "%s answered 0x%lx", kinds[i].name, rv);
        ck_assert_msg(!gave, "%s gave something", kinds[i].name);
        ck_assert_msg(LAB_SANITIZED || took <= TRAIL_DEADLINE_MS + kinds[i].work_ms + NOISE_MS,
                      "%s took %lld ms", kinds[i].name, (long long)took);
    }
}

static void all_done(const struct bench *b)
{
    for (size_t i = 0; i < KINDS; i++) {
        bool gave = false;
        CK_RV rv = kinds[i].call(b, &gave);

        ck_assert_msg(rv == kinds[i].good, "%s answered 0x%lx", kinds[i].name, rv);
        ck_assert_msg(gave || rv != CKR_OK, "%s gave nothing", kinds[i].name);
    }
}

/* No key was left by the refused create, in the vault at least. */
static void nothing_was_made(const struct bench *b)
{
    ck_assert_uint_eq(lab_count(&b->lab, b->session), b->objects);
}

/* ---- the causes ---- */

/* Harm to the log's files is seen by the next record after this long. */
static void settle(void)
{
    const struct timespec pause = {.tv_nsec = 2L * TRAIL_CHECK_US * 1000};

    (void)nanosleep(&pause, NULL);
}

static void rename_in_home(const struct bench *b, const char *from, const char *to)
{
    char old[LAB_PATH_MAX];

    (void)snprintf(old, sizeof(old), "%s", lab_path(&b->lab, from));
    ck_assert_int_eq(rename(old, lab_path(&b->lab, to)), 0);
    settle();
}

static void copy_in_home(const struct bench *b, const char *from, const char *to)
{
    char source[LAB_PATH_MAX];
    char dest[LAB_PATH_MAX];
    const char *const argv[] = {"cp", "-a", source, dest, NULL};

    (void)snprintf(source, sizeof(source), "%s", lab_path(&b->lab, from));
    (void)snprintf(dest, sizeof(dest), "%s", lab_path(&b->lab, to));
    ck_assert_int_eq(lab_program(argv), 0);
}

static void take_journal_away(const struct bench *b)
{
    rename_in_home(b, "log/journal/0", "aside");
}

static void put_journal_back(const struct bench *b)
{
    rename_in_home(b, "aside", "log/journal/0");
}

static void take_log_away(const struct bench *b)
{
    rename_in_home(b, "log", "aside");
}

static void put_log_back(const struct bench *b)
{
    rename_in_home(b, "aside", "log");
}

/* A copy with the same content is another file: whoever appends to it does not know who else does.
 */
static void replace_journal(const struct bench *b)
{
    rename_in_home(b, "log/journal/0", "aside");
    copy_in_home(b, "aside", "log/journal/0");
}

static void unreplace_journal(const struct bench *b)
{
    ck_assert_int_eq(unlink(lab_path(&b->lab, "log/journal/0")), 0);
    put_journal_back(b);
}

static void limit_file_size(const struct bench *b)
{
    struct rlimit limit;
    struct stat st;

    ck_assert_int_eq(stat(lab_path(&b->lab, "log/journal/0"), &st), 0);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = (rlim_t)st.st_size;
    (void)signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void unlimit_file_size(const struct bench *b)
{
    struct rlimit limit;

    (void)b;
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static int chattr(const struct bench *b, const char *flag)
{
    char path[LAB_PATH_MAX];
    const char *const argv[] = {"chattr", "-R", flag, path, NULL};

    (void)snprintf(path, sizeof(path), "%s", lab_path(&b->lab, "log"));
    return lab_program(argv);
}

static void make_immutable(const struct bench *b)
{
    ck_assert_int_eq(chattr(b, "+i"), 0);
}

static void make_mutable(const struct bench *b)
{
    ck_assert_int_eq(chattr(b, "-i"), 0);
}

static const struct cause {
    const char *name;
    void (*begin)(const struct bench *b);
    void (*end)(const struct bench *b);
    bool root; /* needs root, and a file system that can */
} causes[] = {
    {"journal deleted", take_journal_away, put_journal_back, false},
    {"journal replaced", replace_journal, unreplace_journal, false},
    {"log deleted", take_log_away, put_log_back, false},
    {"file size limit", limit_file_size, unlimit_file_size, false},
    {"immutable", make_immutable, make_mutable, true},
};

static bool can_be_immutable(const struct bench *b)
{
    bool can = geteuid() == 0 && chattr(b, "+i") == 0;

    if (can)
        make_mutable(b);
    return can;
}

START_TEST(no_call_gives_anything_while_the_log_cannot_be_written)
{
    const struct cause *cause = &causes[_i];
    struct bench b;

    bench_start(&b);
    all_done(&b);
    b.objects = lab_count(&b.lab, b.session);
    if (!cause->root || can_be_immutable(&b)) {
        cause->begin(&b);
        all_refused(&b, false);
        cause->end(&b);
        nothing_was_made(&b);
        all_done(&b);
    }
    assert_ok(b.lab.f->C_Finalize(NULL));
    (void)lab_log_whole(&b.lab);
    lab_end(&b.lab);
}
END_TEST

START_TEST(without_its_lock_file_the_log_takes_nothing)
{
    struct bench b;

    bench_start(&b);
    ck_assert_int_eq(unlink(lab_path(&b.lab, "log/lock")), 0);
    settle();
    all_refused(&b, false);
    lab_end(&b.lab);
}
END_TEST

START_TEST(handles_without_a_record_are_not_given_and_not_lost)
{
    CK_OBJECT_HANDLE found[4];
    CK_OBJECT_HANDLE first[4];
    CK_ULONG n = 9;
    struct bench b;

    memset(found, UNTOUCHED, sizeof(found));
    bench_start(&b);
    assert_ok(b.lab.f->C_FindObjectsInit(b.session, NULL, 0));
    take_journal_away(&b);
    assert_rv(CKR_DEVICE_ERROR, b.lab.f->C_FindObjects(b.session, found, 4, &n));
    ck_assert_uint_eq(n, 9);
    ck_assert(is_untouched((const CK_BYTE *)found, sizeof(found)));
    put_journal_back(&b);
    assert_ok(b.lab.f->C_FindObjects(b.session, found, 4, &n));
    ck_assert_uint_eq(n, 4);
    assert_ok(b.lab.f->C_FindObjectsFinal(b.session));
    assert_ok(b.lab.f->C_FindObjectsInit(b.session, NULL, 0));
    assert_ok(b.lab.f->C_FindObjects(b.session, first, 4, &n));
    ck_assert_mem_eq(found, first, sizeof(first));
    lab_end(&b.lab);
}
END_TEST

/* A checkpoint that was cut short, or whose log was, is no log to go on with: it needs a person. */
START_TEST(a_log_that_lost_records_does_not_serve_again_after_a_restart)
{
    struct bench b;
    CK_ULONG count = 0;

    bench_start(&b);
    all_done(&b);
    assert_ok(b.lab.f->C_Finalize(NULL));
    ck_assert_int_eq(truncate(lab_path(&b.lab, "log/journal/0"), 100), 0);
    assert_ok(b.lab.f->C_Initialize(NULL));
    assert_rv(CKR_DEVICE_ERROR, b.lab.f->C_GetSlotList(CK_TRUE, NULL, &count));
    lab_end(&b.lab);
}
END_TEST

/* ---- a full disk ---- */

/* Until less than a record is left, in ever smaller pieces. */
static void fill(const char *dir)
{
    static const char piece[65536];
    char path[LAB_PATH_MAX + 16];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/filler", dir);
    file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    setbuf(file, NULL);
    for (size_t n = sizeof(piece); n > 0; n /= 2)
        while (fwrite(piece, n, 1, file) == 1)
            continue;
    (void)fclose(file);
}

static void unfill(const char *dir)
{
    char path[LAB_PATH_MAX + 16];

    (void)snprintf(path, sizeof(path), "%s/filler", dir);
    ck_assert_int_eq(unlink(path), 0);
}

/* The journal's last page is filled up first: what fits into it needs no new space. Long records
 * first, then the short ones of the calls that cost nothing. */
static bool call_until_full(const struct bench *b)
{
    bool gave;
    int i = 0;

    for (size_t kind = 0; kind < KINDS && kinds[kind].work_ms < 500; kind++)
        for (; kinds[kind].call(b, &gave) == CKR_OK; i++)
            if (i == 200)
                return false;
    return true;
}

START_TEST(on_a_full_disk_no_call_gives_anything)
{
    char log[LAB_PATH_MAX];
    const char *const mount[] = {"mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", log, NULL};
    const char *const umount[] = {"umount", log, NULL};
    struct bench b;

    lab_make(&b.lab);
    rename_in_home(&b, "log", "old-log");
    (void)snprintf(log, sizeof(log), "%s", lab_path(&b.lab, "log"));
    ck_assert_int_eq(mkdir(log, 0700), 0);
    if (geteuid() != 0 || lab_program(mount) != 0) {
        lab_end(&b.lab);
        return;
    }
    ck_assert_int_eq(chmod(log, 0700), 0);
    copy_in_home(&b, "old-log/.", "log");
    lab_up(&b.lab);
    bench_take(&b);
    fill(log);
    ck_assert(call_until_full(&b));
    all_refused(&b, true);
    unfill(log);
    nothing_was_made(&b);
    all_done(&b);
    assert_ok(b.lab.f->C_Finalize(NULL));
    (void)lab_log_whole(&b.lab);
    ck_assert_int_eq(lab_program(umount), 0);
    lab_end(&b.lab);
}
END_TEST

/* ---- what the log says ---- */

struct seen {
    unsigned signs, refused, intents, outcomes;
};

static void see(void *ctx, json_t *record)
{
    struct seen *seen = ctx;
    const char *phase = lab_member(record, "phase");

    seen->signs += strcmp(lab_member(record, "function"), "C_Sign") == 0;
    seen->intents += strcmp(phase, "intent") == 0;
    seen->outcomes += strcmp(phase, "outcome") == 0;
}

START_TEST(every_signature_has_its_record_and_every_change_its_intent)
{
    struct seen seen = {.signs = 0};
    struct seen before = {.signs = 0};
    struct bench b;

    bench_start(&b);
    lab_log_each(&b.lab, 0, see, &before);
    all_done(&b);
    all_done(&b);
    lab_log_each(&b.lab, 0, see, &seen);
    ck_assert_uint_eq(seen.signs - before.signs, 2);
    ck_assert_uint_eq(seen.intents - before.intents, 2);
    ck_assert_uint_eq(seen.outcomes - before.outcomes, 2);
    lab_end(&b.lab);
}
END_TEST

/* Digests of the parameters of encryptions, in the order of the log. */
struct digests {
    char hex[3][65];
    unsigned count;
};

static void see_parameters(void *ctx, json_t *record)
{
    struct digests *seen = ctx;

    if (strcmp(lab_member(record, "action"), "encrypt") != 0)
        return;
    ck_assert_uint_lt(seen->count, 3);
    (void)snprintf(seen->hex[seen->count++], sizeof(seen->hex[0]), "%s",
                   lab_member(record, "parameters"));
}

/* The parameters stand on this stack: at another address for each depth. */
static void encrypt_at(const struct lab *lab, CK_SESSION_HANDLE session, const char *aad, int depth)
{
    CK_BYTE iv[12] = "twelve bytes";
    CK_BYTE header[16] = {0};
    CK_BYTE out[64];
    CK_ULONG n = sizeof(out);
    CK_GCM_PARAMS gcm = {.pIv = iv,
                         .ulIvLen = sizeof(iv),
                         .pAAD = header,
                         .ulAADLen = strlen(aad),
                         .ulTagBits = 128};
    CK_MECHANISM m = {CKM_AES_GCM, &gcm, sizeof(gcm)};

    if (depth > 0) {
        encrypt_at(lab, session, aad, depth - 1);
        return;
    }
    memcpy(header, aad, strlen(aad));
    assert_ok(lab->f->C_EncryptInit(session, &m, lab_find(lab, session, CKO_SECRET_KEY, "seal")));
    assert_ok(lab->f->C_Encrypt(session, iv, sizeof(iv), out, &n));
}

START_TEST(equal_parameters_have_one_digest_wherever_they_stand_and_others_another)
{
    struct digests seen = {.count = 0};
    CK_SESSION_HANDLE session;
    struct lab lab;

    lab_start(&lab);
    session = lab_alice(&lab);
    encrypt_at(&lab, session, "header", 0);
    encrypt_at(&lab, session, "header", 2);
    encrypt_at(&lab, session, "hEader", 0);
    lab_log_each(&lab, 0, see_parameters, &seen);
    ck_assert_uint_eq(seen.count, 3);
    ck_assert_uint_eq(strlen(seen.hex[0]), 64);
    ck_assert_str_eq(seen.hex[0], seen.hex[1]);
    ck_assert_str_ne(seen.hex[0], seen.hex[2]);
    lab_end(&lab);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        {.test = no_call_gives_anything_while_the_log_cannot_be_written,
         .loop_end = sizeof(causes) / sizeof(*causes),
         .timeout_s = 60},
        CASE(without_its_lock_file_the_log_takes_nothing),
        CASE(handles_without_a_record_are_not_given_and_not_lost),
        CASE(a_log_that_lost_records_does_not_serve_again_after_a_restart),
        CASE_SLOW(on_a_full_disk_no_call_gives_anything, 60),
        CASE(every_signature_has_its_record_and_every_change_its_intent),
        CASE(equal_parameters_have_one_digest_wherever_they_stand_and_others_another),
    };

    return lab_suite_run("pkcs11/record-first", cases, sizeof(cases) / sizeof(*cases));
}
