/* What the log refuses, beside the neighbour it accepts: nothing fails open, and service returns
 * when the cause is gone. */
#include "tests/support/logbox.h"
#include "tests/support/suite.h"

#include "audit/turn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void move(const struct logbox *box, const char *from, const char *to)
{
    char source[256];

    (void)snprintf(source, sizeof(source), "%s", logbox_path(box, from));
    ck_assert_msg(rename(source, logbox_path(box, to)) == 0, "%s: %s", from, strerror(errno));
}

static void copy(const struct logbox *box, const char *from, const char *to)
{
    size_t len;
    uint8_t *data = logbox_read(box, from, &len);
    int fd = open(logbox_path(box, to), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    ck_assert_int_eq(write(fd, data, len), (ssize_t)len);
    (void)close(fd);
    free(data);
}

static void refused(struct trail *trail, const char *word)
{
    struct event event = logbox_event("x");
    uint64_t seq = 77;

    assert_rv(CKR_DEVICE_ERROR, trail_append(trail, &event, &seq));
    ck_assert_uint_eq(seq, 77);
    ck_assert_msg(strstr(fail_reason(), word) != NULL, "reason '%s' lacks '%s'", fail_reason(),
                  word);
}

static void open_refused(struct logbox *box, const char *word)
{
    struct trail *trail = NULL;

    assert_rv(CKR_DEVICE_ERROR, trail_open(&box->config, &trail));
    ck_assert_ptr_null(trail);
    ck_assert_msg(strstr(fail_reason(), word) != NULL, "reason '%s' lacks '%s'", fail_reason(),
                  word);
}

/* While open. Each harms the log of 300 records with a checkpoint over 260; undo is NULL where
 * nothing brings it back. */
static void journal_deleted(struct logbox *box)
{
    ck_assert_int_eq(unlink(logbox_path(box, "journal/1")), 0);
}

static void journal_moved(struct logbox *box)
{
    move(box, "journal/1", "journal/away");
}

static void journal_moved_back(struct logbox *box)
{
    move(box, "journal/away", "journal/1");
}

static void journal_replaced_by_a_copy(struct logbox *box)
{
    copy(box, "journal/1", "journal/copy");
    move(box, "journal/1", "journal/away");
    move(box, "journal/copy", "journal/1");
}

static void journal_shortened(struct logbox *box)
{
    copy(box, "journal/1", "saved");
    ck_assert_int_eq(truncate(logbox_path(box, "journal/1"), 100), 0);
}

static void journal_lengthened_again(struct logbox *box)
{
    size_t len;
    uint8_t *data = logbox_read(box, "saved", &len);

    logbox_write(box, "journal/1", data, len);
    free(data);
}

static void garbage_appended(struct logbox *box)
{
    int fd = open(logbox_path(box, "journal/1"), O_WRONLY | O_APPEND | O_CLOEXEC);

    ck_assert_int_eq(write(fd, "\x00\x07garbage", 9), 9);
    (void)close(fd);
}

static void record_repeated(struct logbox *box)
{
    size_t len;
    uint8_t *data = logbox_read(box, "journal/1", &len);
    int fd = open(logbox_path(box, "journal/1"), O_WRONLY | O_APPEND | O_CLOEXEC);
    ssize_t first = 2 + (data[0] << 8 | data[1]);

    ck_assert_int_eq(write(fd, data, (size_t)first), first);
    (void)close(fd);
    free(data);
}

static void rename_folder(const struct logbox *box, bool back)
{
    char away[80];

    (void)snprintf(away, sizeof(away), "%s/log2", box->root);
    ck_assert_int_eq(back ? rename(away, box->dir) : rename(box->dir, away), 0);
}

static void folder_moved(struct logbox *box)
{
    rename_folder(box, false);
}

static void folder_moved_back(struct logbox *box)
{
    rename_folder(box, true);
}

static void folder_replaced_by_a_new_log(struct logbox *box)
{
    folder_moved(box);
    assert_ok(trail_create(&box->config));
}

static void lock_deleted(struct logbox *box)
{
    ck_assert_int_eq(unlink(logbox_path(box, "lock")), 0);
}

static void lock_replaced(struct logbox *box)
{
    char away[128];

    (void)snprintf(away, sizeof(away), "%s", logbox_path(box, "lock.away"));
    ck_assert_int_eq(rename(logbox_path(box, "lock"), away), 0);
    (void)close(open(logbox_path(box, "lock"), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
}

static void lock_put_back(struct logbox *box)
{
    char away[128];

    (void)snprintf(away, sizeof(away), "%s", logbox_path(box, "lock.away"));
    ck_assert_int_eq(rename(away, logbox_path(box, "lock")), 0);
}

static void checkpoint_lock_deleted(struct logbox *box)
{
    ck_assert_int_eq(unlink(logbox_path(box, "checkpoint.lock")), 0);
}

static const struct {
    void (*harm)(struct logbox *box);
    const char *word;
    void (*undo)(struct logbox *box);
} harms[] = {
    {journal_deleted, "deleted", NULL},
    {journal_moved, "deleted or moved", journal_moved_back},
    {journal_replaced_by_a_copy, "replaced", NULL},
    {journal_shortened, "shorter", journal_lengthened_again},
    {garbage_appended, "out of sequence", NULL},
    {record_repeated, "out of sequence", NULL},
    {folder_moved, "moved", folder_moved_back},
    {folder_replaced_by_a_new_log, "moved", NULL},
    {lock_deleted, "'lock'", NULL},
    {lock_replaced, "'lock' of the log was replaced", lock_put_back},
};

START_TEST(a_harmed_log_is_refused_while_open_and_never_recreated)
{
    struct logbox box;
    struct trail *trail = logbox_start(&box);
    struct trail_status status;

    logbox_append(trail, 260);
    assert_ok(trail_checkpoint(trail));
    logbox_append(trail, 40);
    harms[_i].harm(&box);
    logbox_settle();
    refused(trail, harms[_i].word);
    refused(trail, harms[_i].word);
    ck_assert(trail_checkpoint(trail) != CKR_OK);
    ck_assert_uint_eq(box.signatures, harms[_i].harm == folder_replaced_by_a_new_log ? 3 : 2);
    if (harms[_i].undo != NULL) {
        harms[_i].undo(&box);
        logbox_append(trail, 1);
        assert_ok(trail_status(trail, &status));
        ck_assert_uint_eq(status.size, 301);
        ck_assert_ptr_nonnull(strstr(status.last_error, harms[_i].word));
        assert_ok(trail_checkpoint(trail));
        ck_assert(logbox_verify(&box).ok);
    }
    trail_close(trail);
    logbox_release(&box);
}
END_TEST

START_TEST(two_lock_files_never_let_two_append)
{
    struct logbox box;
    struct trail *before = logbox_start(&box);
    struct trail *after;
    struct trail_status status;

    logbox_append(before, 10);
    lock_replaced(&box);
    after = logbox_open(&box);
    refused(before, "replaced");
    logbox_append(after, 10);
    assert_ok(trail_status(after, &status));
    ck_assert_uint_eq(status.size, 20);
    assert_ok(trail_checkpoint(after));
    ck_assert(logbox_verify(&box).ok);
    trail_close(before);
    trail_close(after);
    logbox_release(&box);
}
END_TEST

START_TEST(a_checkpoint_without_its_lock_file_is_refused)
{
    struct logbox box;
    struct trail *trail = logbox_start(&box);

    logbox_append(trail, 1);
    checkpoint_lock_deleted(&box);
    assert_rv(CKR_DEVICE_ERROR, trail_checkpoint(trail));
    ck_assert_ptr_nonnull(strstr(fail_reason(), "checkpoint.lock"));
    trail_close(trail);
    logbox_release(&box);
}
END_TEST

/* Between two runs. */
static void checkpoint_deleted(struct logbox *box)
{
    ck_assert_int_eq(unlink(logbox_path(box, "checkpoint")), 0);
}

static void checkpoint_edited(struct logbox *box)
{
    size_t len;
    uint8_t *data = logbox_read(box, "checkpoint", &len);

    *(uint8_t *)memchr(data, '6', len) = '7'; /* 260 -> 270 */
    logbox_write(box, "checkpoint", data, len);
    free(data);
}

static void journal_cut_below_the_checkpoint(struct logbox *box)
{
    size_t len;
    uint8_t *data = logbox_read(box, "journal/1", &len);

    logbox_write(box, "journal/1", data, (size_t)(2 + (data[0] << 8 | data[1])));
    free(data);
}

static void signed_record_edited(struct logbox *box)
{
    size_t len;
    uint8_t *data = logbox_read(box, "journal/1", &len);

    memcpy((uint8_t *)memmem(data, len, "alice", 5), "mally", 5);
    logbox_write(box, "journal/1", data, len);
    free(data);
}

static void edge_tile_edited(struct logbox *box)
{
    size_t len;
    uint8_t *data = logbox_read(box, "tile/0/001.p/4", &len);

    data[40] ^= 1;
    logbox_write(box, "tile/0/001.p/4", data, len);
    free(data);
}

static void edge_tile_deleted(struct logbox *box)
{
    ck_assert_int_eq(unlink(logbox_path(box, "tile/1/000.p/1")), 0);
}

static void bundle_behind_appears(struct logbox *box)
{
    copy(box, "journal/1", "journal/2");
}

static void journal_zeroed_in_the_middle(struct logbox *box)
{
    size_t len;
    uint8_t *data = logbox_read(box, "journal/1", &len);

    memset(data + len / 2, 0, 100);
    logbox_write(box, "journal/1", data, len);
    free(data);
}

static void length_enlarged_to_swallow_records(struct logbox *box)
{
    size_t len;
    uint8_t *data = logbox_read(box, "journal/1", &len);
    size_t at = 0;

    for (int i = 0; i < 37; i++)
        at += 2U + (size_t)(data[at] << 8 | data[at + 1]);
    data[at] = 0x3f;
    logbox_write(box, "journal/1", data, len);
    free(data);
}

static const struct {
    void (*harm)(struct logbox *box);
    const char *word;
} closed_harms[] = {
    {checkpoint_deleted, "no checkpoint"},
    {checkpoint_edited, "signature is wrong"},
    {journal_deleted, "deleted"},
    {journal_cut_below_the_checkpoint, "were cut off"},
    {signed_record_edited, "record 256"},
    {edge_tile_edited, "tile"},
    {edge_tile_deleted, "missing"},
    {garbage_appended, "out of sequence"},
    {record_repeated, "out of sequence"},
    {bundle_behind_appears, "later ones"},
    {journal_zeroed_in_the_middle, "journal/1"},
    {length_enlarged_to_swallow_records, "no record"},
    {lock_deleted, "lock"},
    {checkpoint_lock_deleted, "checkpoint.lock"},
};

START_TEST(a_harmed_log_does_not_open)
{
    struct logbox box;
    struct trail *trail = logbox_start(&box);

    logbox_append(trail, 260);
    assert_ok(trail_checkpoint(trail));
    logbox_append(trail, 40);
    trail_close(trail);
    trail = logbox_open(&box); /* the unharmed neighbour */
    trail_close(trail);
    closed_harms[_i].harm(&box);
    open_refused(&box, closed_harms[_i].word);
    logbox_release(&box);
}
END_TEST

START_TEST(a_full_bundle_whose_successor_was_deleted_is_refused)
{
    struct logbox box;
    struct trail *trail = logbox_start(&box);

    logbox_append(trail, 256);
    trail_close(trail);
    ck_assert_int_eq(unlink(logbox_path(&box, "journal/1")), 0);
    open_refused(&box, "missing");
    logbox_release(&box);
}
END_TEST

START_TEST(a_log_of_another_key_or_origin_does_not_open)
{
    struct logbox box;
    struct trail *trail = logbox_start(&box);

    trail_close(trail);
    box.config.signer.public_key[5] ^= 1;
    open_refused(&box, "not signed by the key");
    box.config.signer.public_key[5] ^= 1;
    box.config.origin = "another.example/log";
    open_refused(&box, "not signed by the key");
    box.config.origin = LOGBOX_ORIGIN;
    trail_close(logbox_open(&box));
    logbox_release(&box);
}
END_TEST

START_TEST(an_older_checkpoint_put_back_is_refused_by_who_saw_the_newer)
{
    struct logbox box;
    struct trail *trail = logbox_start(&box);

    logbox_append(trail, 5);
    assert_ok(trail_checkpoint(trail));
    copy(&box, "checkpoint", "old");
    logbox_append(trail, 5);
    assert_ok(trail_checkpoint(trail));
    copy(&box, "checkpoint", "new");
    move(&box, "old", "checkpoint");
    logbox_append(trail, 1);
    assert_rv(CKR_DEVICE_ERROR, trail_checkpoint(trail));
    ck_assert_ptr_nonnull(strstr(fail_reason(), "old copy"));
    move(&box, "new", "checkpoint");
    assert_ok(trail_checkpoint(trail));
    ck_assert_uint_eq(logbox_verify(&box).size, 11);
    trail_close(trail);
    logbox_release(&box);
}
END_TEST

START_TEST(a_record_changed_after_it_was_signed_is_never_signed_again)
{
    struct logbox box;
    struct trail *trail = logbox_start(&box);

    logbox_append(trail, 260);
    assert_ok(trail_checkpoint(trail));
    logbox_append(trail, 1);
    signed_record_edited(&box);
    assert_rv(CKR_DEVICE_ERROR, trail_checkpoint(trail));
    ck_assert_ptr_nonnull(strstr(fail_reason(), "record 256"));
    ck_assert_uint_eq(box.signatures, 2);
    trail_close(trail);
    logbox_release(&box);
}
END_TEST

START_TEST(an_existing_log_is_not_created_over)
{
    struct logbox box;
    struct trail *trail = logbox_start(&box);

    assert_rv(CKR_ACTION_PROHIBITED, trail_create(&box.config));
    logbox_append(trail, 1);
    checkpoint_deleted(&box);
    assert_rv(CKR_ACTION_PROHIBITED, trail_create(&box.config));
    trail_close(trail);
    logbox_release(&box);
}
END_TEST

START_TEST(a_creation_that_was_interrupted_is_finished)
{
    struct logbox box;

    logbox_init(&box, 1);
    box.sign_answer = CKR_DEVICE_ERROR;
    assert_rv(CKR_DEVICE_ERROR, trail_create(&box.config));
    box.sign_answer = CKR_OK;
    assert_ok(trail_create(&box.config));
    trail_close(logbox_open(&box));
    logbox_release(&box);
}
END_TEST

START_TEST(missing_arguments_are_refused)
{
    struct logbox box;
    struct trail *trail = NULL;

    logbox_init(&box, 1);
    assert_rv(CKR_ARGUMENTS_BAD, trail_open(NULL, &trail));
    assert_rv(CKR_ARGUMENTS_BAD, trail_open(&box.config, NULL));
    box.config.origin = "with space";
    assert_rv(CKR_ARGUMENTS_BAD, trail_create(&box.config));
    box.config.origin = NULL;
    assert_rv(CKR_ARGUMENTS_BAD, trail_create(&box.config));
    box.config.origin = LOGBOX_ORIGIN;
    box.config.dir = NULL;
    assert_rv(CKR_ARGUMENTS_BAD, trail_create(&box.config));
    logbox_release(&box);
}
END_TEST

START_TEST(a_signer_that_fails_leaves_the_old_checkpoint)
{
    struct logbox box;
    struct trail *trail = logbox_start(&box);

    logbox_append(trail, 300);
    box.sign_answer = CKR_DEVICE_REMOVED;
    assert_rv(CKR_DEVICE_REMOVED, trail_checkpoint(trail));
    ck_assert_uint_eq(logbox_verify(&box).size, 0);
    ck_assert_uint_eq(logbox_verify(&box).unsigned_tail, 300);
    box.sign_answer = CKR_OK;
    logbox_append(trail, 1);
    assert_ok(trail_checkpoint(trail));
    ck_assert_uint_eq(logbox_verify(&box).size, 301);
    trail_close(trail);
    logbox_release(&box);
}
END_TEST

START_TEST(a_signature_that_does_not_verify_is_not_written)
{
    struct logbox box;
    struct trail *trail = logbox_start(&box);

    logbox_append(trail, 1);
    memset(box.seed, 9, sizeof(box.seed)); /* the signer now holds another key */
    assert_rv(CKR_DEVICE_ERROR, trail_checkpoint(trail));
    ck_assert_uint_eq(logbox_verify(&box).size, 0);
    memset(box.seed, 1, sizeof(box.seed));
    assert_ok(trail_checkpoint(trail));
    ck_assert_uint_eq(logbox_verify(&box).size, 1);
    trail_close(trail);
    logbox_release(&box);
}
END_TEST

/* The same for both kinds of full disk: refused without a trace, then service by itself. */
static void fill_up(struct logbox *box, struct trail *trail, void (*make_room)(void *), void *ctx)
{
    struct event event = logbox_event("x");
    struct trail_status status;
    struct verify_report report;
    CK_RV rv = CKR_OK;
    uint64_t count = 0;

    for (; count < 100000 && rv == CKR_OK; count++)
        rv = trail_append(trail, &event, NULL);
    assert_rv(CKR_DEVICE_ERROR, rv);
    ck_assert_msg(strstr(fail_reason(), "make room") != NULL, "%s", fail_reason());
    count--;
    assert_rv(CKR_DEVICE_ERROR, trail_append(trail, &event, NULL));
    assert_ok(trail_status(trail, &status));
    ck_assert_uint_eq(status.size, count);
    make_room(ctx);
    logbox_append(trail, 300);
    assert_ok(trail_checkpoint(trail));
    report = logbox_verify(box);
    ck_assert_msg(report.ok, "%s", report.problem);
    ck_assert_uint_eq(report.size, count + 300);
}

static void lift_limit(void *old)
{
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, old), 0);
}

START_TEST(a_file_size_limit_refuses_and_service_returns)
{
    struct logbox box;
    struct trail *trail = logbox_start(&box);
    struct rlimit old;
    struct rlimit small;

    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 20000 + (rlim_t)_i; /* ends inside a record, at every kind of place */
    ck_assert(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    fill_up(&box, trail, lift_limit, &old);
    trail_close(trail);
    logbox_release(&box);
}
END_TEST

static void remove_ballast(void *path)
{
    ck_assert_int_eq(unlink(path), 0);
}

START_TEST(a_full_disk_refuses_and_service_returns)
{
    struct logbox box;
    struct trail *trail = NULL;
    char ballast[96];
    static const uint8_t block[65536];
    int fd;

    logbox_init(&box, 1);
    if (mount("keyward-test", box.root, "tmpfs", MS_NOSUID | MS_NODEV, "size=3m") != 0) {
        logbox_release(&box);
        return; /* needs root: the limit on file sizes above shows the same */
    }
    assert_ok(trail_create(&box.config));
    trail = logbox_open(&box);
    (void)snprintf(ballast, sizeof(ballast), "%s/ballast", box.root);
    fd = open(ballast, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    for (int i = 0; i < 44; i++)
        ck_assert_int_eq(write(fd, block, sizeof(block)), sizeof(block));
    (void)close(fd);
    fill_up(&box, trail, remove_ballast, ballast);
    trail_close(trail);
    ck_assert_int_eq(umount2(box.root, MNT_DETACH), 0);
    logbox_release(&box);
}
END_TEST

START_TEST(a_checkpoint_on_a_full_disk_leaves_the_old_one)
{
    struct logbox box;
    struct trail *trail = logbox_start(&box);
    struct rlimit old;
    struct rlimit small;

    logbox_append(trail, 300);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 100;
    ck_assert(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_rv(CKR_DEVICE_ERROR, trail_checkpoint(trail));
    lift_limit(&old);
    ck_assert_uint_eq(logbox_verify(&box).size, 0);
    assert_ok(trail_checkpoint(trail));
    ck_assert_uint_eq(logbox_verify(&box).size, 300);
    trail_close(trail);
    logbox_release(&box);
}
END_TEST

START_TEST(a_folder_that_may_not_be_written_is_refused)
{
    struct logbox box;
    struct trail *trail = logbox_start(&box);

    trail_close(trail);
    ck_assert_int_eq(chmod(box.root, 0755), 0);
    if (geteuid() == 0)
        ck_assert_int_eq(seteuid(65534), 0);
    else
        ck_assert_int_eq(chmod(logbox_path(&box, "lock"), 0400), 0);
    open_refused(&box, "Permission denied");
    box.config.dir = "/proc/keyward-log";
    ck_assert(trail_create(&box.config) != CKR_OK);
    if (getuid() == 0)
        ck_assert_int_eq(seteuid(0), 0);
    logbox_release(&box);
}
END_TEST

static int64_t monotonic_ms(void)
{
    return clock_monotonic(&clock_system) / 1000000;
}

/* Another process in the middle of its turn, until it is killed. */
static pid_t turn_holder(const struct logbox *box)
{
    int ready[2];
    char byte;
    pid_t child;

    ck_assert_int_eq(pipe(ready), 0);
    child = fork();
    if (child == 0) {
        struct turn turn;
        int folder = open(box->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (turn_open(&turn, folder) != CKR_OK || turn_take(&turn) != CKR_OK)
            _exit(1);
        (void)!write(ready[1], "x", 1);
        (void)pause();
        _exit(0);
    }
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    (void)close(ready[0]);
    (void)close(ready[1]);
    return child;
}

static void end(pid_t child)
{
    (void)kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
}

START_TEST(waiting_for_a_turn_is_bounded)
{
    struct logbox box;
    struct trail *trail = logbox_start(&box);
    pid_t holder = turn_holder(&box);
    int64_t before = monotonic_ms();

    refused(trail, "held by another process");
    ck_assert_int_ge(monotonic_ms() - before, TRAIL_DEADLINE_MS);
    ck_assert_int_lt(monotonic_ms() - before, 20 * TRAIL_DEADLINE_MS); /* a loaded machine */
    end(holder);
    trail_close(trail);
    logbox_release(&box);
}
END_TEST

START_TEST(who_is_killed_in_its_turn_blocks_nobody)
{
    struct logbox box;
    struct trail *trail = logbox_start(&box);
    pid_t holder;

    logbox_append(trail, 3);
    holder = turn_holder(&box);
    refused(trail, "held");
    end(holder);
    logbox_append(trail, 1);
    assert_ok(trail_checkpoint(trail));
    ck_assert_uint_eq(logbox_verify(&box).size, 4);
    trail_close(trail);
    logbox_release(&box);
}
END_TEST

/* What a writer leaves that is killed in its write, or right behind it, is dealt with by whoever
 * has the next turn. */
START_TEST(what_was_written_in_a_turn_that_was_killed_is_found)
{
    struct logbox box;
    struct trail *trail = logbox_start(&box);
    pid_t holder;
    int fd;

    logbox_append(trail, 11);
    holder = turn_holder(&box);
    fd = open(logbox_path(&box, "journal/0"), O_WRONLY | O_APPEND | O_CLOEXEC);
    if (_i == 0)
        ck_assert_int_eq(write(fd, "\x01\x80{\"seq\":11,\"time", 18), 18);
    else
        ck_assert_int_eq(write(fd, "\x00\x0c{\"seq\":11,1}", 14), 14);
    (void)close(fd);
    end(holder);
    logbox_append(trail, 1);
    assert_ok(trail_checkpoint(trail));
    ck_assert_uint_eq(logbox_verify(&box).size, _i == 0 ? 12 : 13);
    trail_close(trail);
    logbox_release(&box);
}
END_TEST

/* Where no memory can be shared, a turn is the lock of the file 'lock'. */
START_TEST(who_does_not_share_memory_is_kept_out_by_those_who_do)
{
    struct logbox box;
    struct trail *trail = logbox_start(&box);
    int lock = open(logbox_path(&box, "lock"), O_RDWR | O_CLOEXEC);

    logbox_append(trail, 1);
    ck_assert_int_eq(flock(lock, LOCK_EX | LOCK_NB), -1);
    trail_close(trail);
    ck_assert_int_eq(flock(lock, LOCK_EX | LOCK_NB), 0);
    open_refused(&box, "held by another process");
    (void)close(lock);
    trail_close(logbox_open(&box));
    logbox_release(&box);
}
END_TEST

START_TEST(while_another_process_makes_the_checkpoint_this_one_need_not)
{
    struct logbox box;
    struct trail *trail = logbox_start(&box);
    int lock = open(logbox_path(&box, "checkpoint.lock"), O_RDWR | O_CLOEXEC);

    logbox_append(trail, 1);
    ck_assert_int_eq(flock(lock, LOCK_EX), 0);
    assert_ok(trail_checkpoint(trail));
    ck_assert_uint_eq(box.signatures, 1);
    (void)close(lock);
    assert_ok(trail_checkpoint(trail));
    ck_assert_uint_eq(box.signatures, 2);
    trail_close(trail);
    logbox_release(&box);
}
END_TEST

#define COUNT(table) (sizeof(table) / sizeof(*(table)))

int main(void)
{
    const struct suite_case cases[] = {
        CASE_LOOP(a_harmed_log_is_refused_while_open_and_never_recreated, COUNT(harms)),
        CASE(two_lock_files_never_let_two_append),
        CASE(a_checkpoint_without_its_lock_file_is_refused),
        CASE_LOOP(a_harmed_log_does_not_open, COUNT(closed_harms)),
        CASE(a_full_bundle_whose_successor_was_deleted_is_refused),
        CASE(a_log_of_another_key_or_origin_does_not_open),
        CASE(an_older_checkpoint_put_back_is_refused_by_who_saw_the_newer),
        CASE(a_record_changed_after_it_was_signed_is_never_signed_again),
        CASE(an_existing_log_is_not_created_over),
        CASE(a_creation_that_was_interrupted_is_finished),
        CASE(missing_arguments_are_refused),
        CASE(a_signer_that_fails_leaves_the_old_checkpoint),
        CASE(a_signature_that_does_not_verify_is_not_written),
        CASE_LOOP(a_file_size_limit_refuses_and_service_returns, 5),
        CASE(a_full_disk_refuses_and_service_returns),
        CASE(a_checkpoint_on_a_full_disk_leaves_the_old_one),
        CASE(a_folder_that_may_not_be_written_is_refused),
        CASE(waiting_for_a_turn_is_bounded),
        CASE(who_is_killed_in_its_turn_blocks_nobody),
        CASE_LOOP(what_was_written_in_a_turn_that_was_killed_is_found, 2),
        CASE(who_does_not_share_memory_is_kept_out_by_those_who_do),
        CASE(while_another_process_makes_the_checkpoint_this_one_need_not),
    };

    return suite_run("audit/refusals", cases, COUNT(cases));
}
