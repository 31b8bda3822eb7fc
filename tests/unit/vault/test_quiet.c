/*
 * Quiet reading gives what a transaction would have given: it is refused as soon as anything was
 * written, is being written or was left half written, and keeps no writer waiting.
 */
#include "tests/support/vault_world.h"
#include "vault/db.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct scene {
    char dir[96];
    char path[160];
    struct db *db;
};

/* In a folder of that name: what a URI would take for something else. */
static void scene_init_in(struct scene *s, const char *name)
{
    char root[] = "/tmp/keyward-quiet-XXXXXX";
    int fd;

    ck_assert_ptr_nonnull(mkdtemp(root));
    (void)snprintf(s->dir, sizeof(s->dir), "%s/%s", root, name);
    ck_assert_int_eq(mkdir(s->dir, 0700), 0);
    (void)snprintf(s->path, sizeof(s->path), "%s/store.db", s->dir);
    fd = open(s->path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    (void)close(fd);
    assert_ok(db_create(s->path, &s->db));
}

static void scene_release(struct scene *s)
{
    db_close(s->db);
    ck_assert_int_eq(unlink(s->path), 0);
    ck_assert_int_eq(rmdir(s->dir), 0); /* with nothing of ours left in it */
    *strrchr(s->dir, '/') = '\0';
    ck_assert_int_eq(rmdir(s->dir), 0);
}

static bool see_number(void *ctx, const struct db_value *row, size_t columns)
{
    ck_assert_uint_eq(columns, 2);
    *(int64_t *)ctx = row[0].number;
    return false;
}

/* The number in table "top", -1 where there is none. */
static int64_t number(struct scene *s)
{
    int64_t n = -1;

    assert_ok(db_run(s->db, SQL_TOP_GET, NULL, 0, see_number, &n));
    return n;
}

static void set_number(struct scene *s, int64_t n)
{
    const struct db_value args[] = {DB_NUMBER(n), DB_BLOB(BYTES_LIT("mac"))};

    assert_ok(db_run(s->db, SQL_TOP_SET, args, 2, NULL, NULL));
}

/* As the store does it when it may not read quietly. */
static int64_t read_and_prepare(struct scene *s)
{
    int64_t n;

    assert_ok(db_run(s->db, SQL_BEGIN, NULL, 0, NULL, NULL));
    n = number(s);
    db_quiet_prepare(s->db);
    assert_ok(db_run(s->db, SQL_COMMIT, NULL, 0, NULL, NULL));
    return n;
}

static bool reads_quietly(struct scene *s, int64_t expected)
{
    uint64_t mark = 0;
    uint64_t stamp = 0;

    if (!db_quiet_enter(s->db, &mark))
        return false;
    ck_assert(db_is_quiet(s->db));
    ck_assert_int_eq(number(s), expected);
    assert_ok(db_stamp(s->db, &stamp));
    ck_assert_uint_eq(mark, stamp);
    db_quiet_leave(s->db);
    ck_assert(!db_is_quiet(s->db));
    return true;
}

/* Another process; a failure of SQLite ends it with its code. */
static void in_child(struct scene *s, void (*act)(sqlite3 *handle), bool killed)
{
    pid_t pid = fork();
    int status = 0;

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        sqlite3 *handle = NULL;

        if (sqlite3_open(s->path, &handle) != SQLITE_OK)
            _exit(1);
        act(handle);
        (void)sqlite3_close(handle);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(WIFSIGNALED(status) ? WTERMSIG(status) : 0, killed ? SIGKILL : 0);
    ck_assert(killed || WEXITSTATUS(status) == 0);
}

static void run_sql(sqlite3 *handle, const char *text)
{
    int rc = sqlite3_exec(handle, text, NULL, NULL, NULL);

    if (rc != SQLITE_OK)
        _exit(rc);
}

static void commit_8(sqlite3 *handle)
{
    run_sql(handle, "UPDATE top SET counter = 8");
}

static void finds_it_busy(sqlite3 *handle)
{
    if (sqlite3_exec(handle, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_BUSY)
        _exit(1);
}

START_TEST(what_was_prepared_is_read_until_something_is_committed)
{
    struct scene s;
    uint64_t mark;

    scene_init_in(&s, "plain");
    ck_assert(!db_quiet_enter(s.db, &mark));
    set_number(&s, 7);
    ck_assert_int_eq(read_and_prepare(&s), 7);
    ck_assert(reads_quietly(&s, 7));
    ck_assert(reads_quietly(&s, 7));
    set_number(&s, 9); /* by this process */
    ck_assert(!db_quiet_enter(s.db, &mark));
    ck_assert_int_eq(read_and_prepare(&s), 9);
    ck_assert(reads_quietly(&s, 9));
    in_child(&s, commit_8, false); /* by another, which nothing keeps waiting */
    ck_assert(!db_quiet_enter(s.db, &mark));
    ck_assert_int_eq(read_and_prepare(&s), 8);
    ck_assert(reads_quietly(&s, 8));
    scene_release(&s);
}
END_TEST

START_TEST(a_transaction_that_is_open_keeps_its_locks)
{
    struct scene s;
    uint64_t mark;

    scene_init_in(&s, "plain");
    set_number(&s, 7);
    ck_assert_int_eq(read_and_prepare(&s), 7);
    assert_ok(db_run(s.db, SQL_BEGIN_IMMEDIATE, NULL, 0, NULL, NULL));
    ck_assert(!db_quiet_enter(s.db, &mark));
    in_child(&s, finds_it_busy, false);
    assert_ok(db_run(s.db, SQL_ROLLBACK, NULL, 0, NULL, NULL));
    ck_assert(reads_quietly(&s, 7));
    scene_release(&s);
}
END_TEST

/* A page is written into the file before the commit, and the mark is still what it was. */
static void die_half_way(sqlite3 *handle)
{
    run_sql(handle, "PRAGMA cache_size = 1; PRAGMA cache_spill = 1; BEGIN IMMEDIATE;"
                    "UPDATE top SET counter = 8;"
                    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)"
                    " INSERT INTO keyring (id, kek, wrapped, root)"
                    " SELECT randomblob(16), x'00', randomblob(900), x'00' FROM n;");
    (void)raise(SIGKILL);
}

/* The number as it stands in the file, whoever may be writing: without any lock. */
static int64_t number_in_file(const struct scene *s)
{
    char uri[256];
    sqlite3 *handle = NULL;
    sqlite3_stmt *stmt = NULL;
    int64_t n;

    (void)snprintf(uri, sizeof(uri), "file:%s?mode=ro&immutable=1", s->path);
    ck_assert_int_eq(sqlite3_open_v2(uri, &handle, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL),
                     SQLITE_OK);
    ck_assert_int_eq(sqlite3_prepare_v2(handle, "SELECT counter FROM top", -1, &stmt, NULL),
                     SQLITE_OK);
    ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
    n = sqlite3_column_int64(stmt, 0);
    (void)sqlite3_finalize(stmt);
    (void)sqlite3_close(handle);
    return n;
}

START_TEST(what_a_killed_writer_left_half_written_is_not_read)
{
    struct scene s;
    uint64_t before = 0;
    uint64_t after = 0;
    uint64_t mark;

    scene_init_in(&s, "plain");
    set_number(&s, 7);
    ck_assert_int_eq(read_and_prepare(&s), 7);
    assert_ok(db_stamp(s.db, &before));
    in_child(&s, die_half_way, true);
    assert_ok(db_stamp(s.db, &after));
    ck_assert_uint_eq(before, after);
    ck_assert_int_eq(number_in_file(&s), 8);
    ck_assert(!db_quiet_enter(s.db, &mark));
    ck_assert_int_eq(read_and_prepare(&s), 7); /* SQLite rolls it back */
    ck_assert(reads_quietly(&s, 7));
    scene_release(&s);
}
END_TEST

static int gate[2];

/* Holds the lock and has made no journal yet; then it has one, and holds the lock no more. */
static void write_slowly(sqlite3 *handle)
{
    char byte;

    run_sql(handle, "BEGIN EXCLUSIVE");
    if (write(gate[1], "l", 1) != 1 || read(gate[1], &byte, 1) != 1)
        _exit(1);
    run_sql(handle, "COMMIT; BEGIN IMMEDIATE; UPDATE top SET counter = 8;");
    if (write(gate[1], "j", 1) != 1 || read(gate[1], &byte, 1) != 1)
        _exit(1);
    run_sql(handle, "ROLLBACK");
}

START_TEST(nothing_is_read_while_another_writes)
{
    struct scene s;
    uint64_t mark;
    char byte;
    pid_t pid;
    int status = -1;

    scene_init_in(&s, "plain");
    set_number(&s, 7);
    ck_assert_int_eq(read_and_prepare(&s), 7);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, gate), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        sqlite3 *handle = NULL;

        if (sqlite3_open(s.path, &handle) != SQLITE_OK)
            _exit(1);
        write_slowly(handle);
        _exit(sqlite3_close(handle));
    }
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(read(gate[0], &byte, 1), 1);
        ck_assert(!db_quiet_enter(s.db, &mark));
        ck_assert_int_eq(write(gate[0], "g", 1), 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert(reads_quietly(&s, 7)); /* rolled back: as it was */
    scene_release(&s);
}
END_TEST

START_TEST(a_path_is_a_path_whatever_is_in_it)
{
    static const char *const names[] = {"a b", "50%",      "%41", "what?mode=rw",
                                        "#1",  "\xc3\xa9", "a:b"};

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        struct scene s;

        scene_init_in(&s, names[i]);
        set_number(&s, (int64_t)i);
        ck_assert_int_eq(read_and_prepare(&s), (int64_t)i);
        ck_assert_msg(reads_quietly(&s, (int64_t)i), "not in a folder %s", names[i]);
        scene_release(&s);
    }
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(what_was_prepared_is_read_until_something_is_committed),
        CASE(a_transaction_that_is_open_keeps_its_locks),
        CASE(what_a_killed_writer_left_half_written_is_not_read),
        CASE(nothing_is_read_while_another_writes),
        CASE(a_path_is_a_path_whatever_is_in_it),
    };

    return suite_run("vault/quiet", cases, sizeof(cases) / sizeof(*cases));
}
