/* Who the caller is (PKCS#11 2.40, 5.5 and 5.6): logging in and out, tries and locks, and the
 * functions that set PINs. */
#include "tests/support/lab.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TRIES 10

#define USER_FLAGS (CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_LOCKED)
#define SO_FLAGS   (CKF_SO_PIN_COUNT_LOW | CKF_SO_PIN_FINAL_TRY | CKF_SO_PIN_LOCKED)

static CK_FLAGS flags_of(const struct lab *lab)
{
    return lab_token(lab, lab->slot).flags & (USER_FLAGS | SO_FLAGS);
}

static CK_STATE state_of(const struct lab *lab, CK_SESSION_HANDLE session)
{
    CK_SESSION_INFO info = {.state = 99};

    assert_ok(lab->f->C_GetSessionInfo(session, &info));
    return info.state;
}

static CK_UTF8CHAR_PTR text(const char *s)
{
    union {
        const char *in;
        CK_UTF8CHAR_PTR out;
    } u = {.in = s};

    return u.out;
}

static CK_RV set_pin(const struct lab *lab, CK_SESSION_HANDLE session, const char *old,
                     const char *new)
{
    return lab->f->C_SetPIN(session, text(old), strlen(old), text(new), strlen(new));
}

static CK_RV init_pin(const struct lab *lab, CK_SESSION_HANDLE session, const char *pin)
{
    return lab->f->C_InitPIN(session, text(pin), strlen(pin));
}

static CK_RV init_token(const struct lab *lab, const char *pin, const char *label)
{
    char padded[33];

    (void)snprintf(padded, sizeof(padded), "%-32.32s", label);
    return lab->f->C_InitToken(lab->slot, text(pin), strlen(pin), text(padded));
}

static CK_SESSION_HANDLE so_session(const struct lab *lab)
{
    CK_SESSION_HANDLE session = lab_session(lab, CKF_RW_SESSION);

    assert_ok(lab_login(lab, session, CKU_SO, LAB_SO_PIN));
    return session;
}

/* In and out again. */
static CK_RV try_login(const struct lab *lab, CK_SESSION_HANDLE session, CK_USER_TYPE type,
                       const char *pin)
{
    CK_RV rv = lab_login(lab, session, type, pin);

    if (rv == CKR_OK)
        assert_ok(lab->f->C_Logout(session));
    return rv;
}

/* ---- C_Login ---- */

START_TEST(login_wants_the_right_pin)
{
    CK_SESSION_HANDLE session;
    struct lab lab;

    lab_start(&lab);
    session = lab_session(&lab, CKF_RW_SESSION);
    assert_rv(CKR_PIN_INCORRECT, lab_login(&lab, session, CKU_USER, "alice-pin-2"));
    assert_rv(CKR_PIN_INCORRECT, lab_login(&lab, session, CKU_USER, "alice-pin-"));
    assert_rv(CKR_PIN_INCORRECT, lab_login(&lab, session, CKU_USER, ""));
    assert_rv(CKR_PIN_INCORRECT, lab_login(&lab, session, CKU_USER, LAB_SO_PIN));
    ck_assert_uint_eq(state_of(&lab, session), CKS_RW_PUBLIC_SESSION);
    ck_assert_uint_eq(lab_find(&lab, session, CKO_PRIVATE_KEY, "tls"), 0);
    assert_ok(lab_login(&lab, session, CKU_USER, LAB_PIN));
    ck_assert_uint_eq(state_of(&lab, session), CKS_RW_USER_FUNCTIONS);
    lab_signs(&lab, session);
    lab_end(&lab);
}
END_TEST

START_TEST(login_takes_good_arguments_only_and_bad_ones_are_no_try)
{
    CK_SESSION_HANDLE session;
    struct lab lab;

    lab_start(&lab);
    session = lab_session(&lab, CKF_RW_SESSION);
    assert_rv(CKR_ARGUMENTS_BAD, lab.f->C_Login(session, CKU_USER, NULL, 0));
    assert_rv(CKR_ARGUMENTS_BAD, lab.f->C_Login(session, CKU_USER, NULL, 11));
    assert_rv(CKR_ARGUMENTS_BAD, lab.f->C_Login(session, CKU_SO, NULL, 0));
    assert_rv(CKR_USER_TYPE_INVALID, lab_login(&lab, session, 99, LAB_PIN));
    assert_rv(CKR_OPERATION_NOT_INITIALIZED,
              lab_login(&lab, session, CKU_CONTEXT_SPECIFIC, LAB_PIN));
    assert_rv(CKR_SESSION_HANDLE_INVALID, lab_login(&lab, session + 1, CKU_USER, LAB_PIN));
    ck_assert_uint_eq(flags_of(&lab), 0);
    lab_end(&lab);
}
END_TEST

START_TEST(a_name_before_the_pin_logs_that_user_in)
{
    CK_OBJECT_HANDLE public_key;
    CK_OBJECT_HANDLE key;
    CK_SESSION_HANDLE session;
    struct lab lab;

    lab_start(&lab);
    session = lab_session(&lab, CKF_RW_SESSION);
    assert_rv(CKR_PIN_INCORRECT, lab_login(&lab, session, CKU_USER, LAB_BOB_PIN));
    assert_rv(CKR_PIN_INCORRECT, lab_login(&lab, session, CKU_USER, "bob:" LAB_PIN));
    assert_rv(CKR_PIN_INCORRECT, lab_login(&lab, session, CKU_USER, "bob:"));
    assert_rv(CKR_PIN_INCORRECT, lab_login(&lab, session, CKU_USER, "nobody:" LAB_BOB_PIN));
    assert_rv(CKR_PIN_INCORRECT, lab_login(&lab, session, CKU_USER, "so:" LAB_SO_PIN));
    /* A crypto user uses keys and makes none; alice does both. */
    assert_ok(lab_login(&lab, session, CKU_USER, "bob:" LAB_BOB_PIN));
    lab_signs(&lab, session);
    assert_rv(CKR_ACTION_PROHIBITED, lab_generate(&lab, session, "new", &public_key, &key));
    assert_ok(lab.f->C_Logout(session));
    assert_ok(lab_login(&lab, session, CKU_USER, "alice:" LAB_PIN));
    assert_ok(lab_generate(&lab, session, "new", &public_key, &key));
    lab_end(&lab);
}
END_TEST

START_TEST(a_pin_with_a_colon_in_it_is_the_default_users)
{
    CK_SESSION_HANDLE session;
    struct lab lab;

    lab_start(&lab);
    assert_ok(lab_admin(&lab, "with:colon",
                        "{\"verb\":\"user.pin\",\"vault\":\"web\",\"user\":\"alice\",\"pin\":0}"));
    session = lab_session(&lab, 0);
    assert_ok(try_login(&lab, session, CKU_USER, "with:colon"));
    assert_ok(try_login(&lab, session, CKU_USER, "alice:with:colon"));
    assert_rv(CKR_PIN_INCORRECT, try_login(&lab, session, CKU_USER, "alice:colon"));
    lab_end(&lab);
}
END_TEST

START_TEST(without_users_there_is_nobody_to_log_in)
{
    CK_SESSION_HANDLE session;
    struct lab lab;

    lab_start(&lab);
    assert_ok(lab_admin(&lab, NULL, "{\"verb\":\"vault.create\",\"vault\":\"empty\"}"));
    assert_ok(lab.f->C_OpenSession(lab_slot(&lab, "empty"), CKF_SERIAL_SESSION | CKF_RW_SESSION,
                                   NULL, NULL, &session));
    assert_rv(CKR_USER_PIN_NOT_INITIALIZED, lab_login(&lab, session, CKU_USER, LAB_PIN));
    assert_rv(CKR_USER_PIN_NOT_INITIALIZED, lab_login(&lab, session, CKU_SO, LAB_SO_PIN));
    /* One vault's user is nobody in the other. */
    assert_rv(CKR_USER_PIN_NOT_INITIALIZED, lab_login(&lab, session, CKU_USER, "alice:" LAB_PIN));
    lab_end(&lab);
}
END_TEST

START_TEST(a_policy_can_forbid_login)
{
    CK_SESSION_HANDLE session;
    struct lab lab;

    lab_start(&lab);
    lab_policy(&lab,
               "permit (principal, action in Action::\"cryptoUser\", resource);"
               "forbid (principal == User::\"alice\", action == Action::\"login\", resource);");
    session = lab_session(&lab, CKF_RW_SESSION);
    assert_rv(CKR_FUNCTION_REJECTED, lab_login(&lab, session, CKU_USER, LAB_PIN));
    ck_assert_uint_eq(state_of(&lab, session), CKS_RW_PUBLIC_SESSION);
    assert_ok(lab_login(&lab, session, CKU_USER, "bob:" LAB_BOB_PIN));
    lab_signs(&lab, session);
    ck_assert_uint_eq(lab_log_count(&lab, "C_Login", "CKR_FUNCTION_REJECTED"), 1);
    lab_end(&lab);
}
END_TEST

/* ---- tries ---- */

static const struct {
    CK_USER_TYPE type;
    const char *pin, *name;
    CK_FLAGS low, final_try, locked;
} users[] = {
    {CKU_USER, LAB_PIN, "alice", CKF_USER_PIN_COUNT_LOW, CKF_USER_PIN_FINAL_TRY,
     CKF_USER_PIN_LOCKED},
    {CKU_SO, LAB_SO_PIN, "so", CKF_SO_PIN_COUNT_LOW, CKF_SO_PIN_FINAL_TRY, CKF_SO_PIN_LOCKED},
};

static CK_FLAGS flags_after(int user, int tries)
{
    if (tries >= TRIES)
        return users[user].locked;
    if (tries == TRIES - 1)
        return users[user].low | users[user].final_try;
    return tries > 0 ? users[user].low : 0;
}

static void try_wrong_pins(const struct lab *lab, CK_SESSION_HANDLE session, int user, int n)
{
    for (int i = 0; i < n; i++)
        assert_rv(CKR_PIN_INCORRECT, lab_login(lab, session, users[user].type, "wrong"));
}

START_TEST(the_flags_of_the_token_are_true_at_every_count)
{
    CK_SESSION_HANDLE session;
    struct lab lab;

    lab_start(&lab);
    session = lab_session(&lab, CKF_RW_SESSION);
    for (int tries = 0; tries < TRIES; tries++) {
        ck_assert_uint_eq(flags_of(&lab), flags_after(_i, tries));
        try_wrong_pins(&lab, session, _i, 1);
    }
    ck_assert_uint_eq(flags_of(&lab), users[_i].locked);
    assert_rv(CKR_PIN_LOCKED, lab_login(&lab, session, users[_i].type, users[_i].pin));
    assert_rv(CKR_PIN_LOCKED, lab_login(&lab, session, users[_i].type, "wrong"));
    ck_assert_uint_eq(flags_of(&lab), users[_i].locked);
    /* The other one is not locked with it. */
    assert_ok(lab_login(&lab, session, users[1 - _i].type, users[1 - _i].pin));
    lab_end(&lab);
}
END_TEST

START_TEST(a_good_pin_forgets_the_wrong_ones)
{
    CK_SESSION_HANDLE session;
    struct lab lab;

    lab_start(&lab);
    session = lab_session(&lab, CKF_RW_SESSION);
    for (int round = 0; round < 2; round++) {
        try_wrong_pins(&lab, session, _i, TRIES - 1);
        assert_ok(try_login(&lab, session, users[_i].type, users[_i].pin));
        ck_assert_uint_eq(flags_of(&lab), 0);
    }
    lab_end(&lab);
}
END_TEST

static void try_once(struct lab *lab, int n)
{
    lab_up(lab);
    ck_assert_uint_eq(flags_of(lab), flags_after(0, n));
    assert_rv(n < TRIES ? CKR_PIN_INCORRECT : CKR_PIN_LOCKED,
              lab_login(lab, lab_session(lab, 0), CKU_USER, "wrong"));
    lab_unload(lab);
}

START_TEST(tries_are_counted_over_restarts)
{
    struct lab lab;

    lab_make(&lab);
    for (int n = 0; n <= TRIES; n++)
        lab_join(lab_child(try_once, &lab, n));
    lab_up(&lab);
    assert_rv(CKR_PIN_LOCKED, lab_login(&lab, lab_session(&lab, 0), CKU_USER, LAB_PIN));
    ck_assert_uint_eq(lab_log_count(&lab, "C_Login", "CKR_PIN_INCORRECT"), TRIES);
    ck_assert_uint_eq(lab_log_count(&lab, "C_Login", "CKR_PIN_LOCKED"), 2);
    (void)lab_log_whole(&lab);
    lab_end(&lab);
}
END_TEST

static void try_four_times(struct lab *lab, int n)
{
    CK_SESSION_HANDLE session;

    (void)n;
    lab_up(lab);
    session = lab_session(lab, 0);
    for (int i = 0; i < 4; i++) {
        CK_RV rv = lab_login(lab, session, CKU_USER, "wrong");

        ck_assert_msg(rv == CKR_PIN_INCORRECT || rv == CKR_PIN_LOCKED, "C_Login said 0x%lx", rv);
    }
    lab_unload(lab);
}

START_TEST(processes_that_try_at_once_have_ten_tries_together)
{
    pid_t children[4];
    struct lab lab;

    lab_make(&lab);
    for (int i = 0; i < 4; i++)
        children[i] = lab_child(try_four_times, &lab, i);
    for (int i = 0; i < 4; i++)
        lab_join(children[i]);
    lab_up(&lab);
    ck_assert_uint_eq(flags_of(&lab), CKF_USER_PIN_LOCKED);
    ck_assert_uint_eq(lab_log_count(&lab, "C_Login", "CKR_PIN_INCORRECT"), TRIES);
    ck_assert_uint_eq(lab_log_count(&lab, "C_Login", "CKR_PIN_LOCKED"), 6);
    lab_end(&lab);
}
END_TEST

START_TEST(an_administrator_unlocks)
{
    CK_SESSION_HANDLE session;
    struct lab lab;

    lab_start(&lab);
    session = lab_session(&lab, CKF_RW_SESSION);
    try_wrong_pins(&lab, session, _i, TRIES);
    assert_rv(CKR_PIN_LOCKED, lab_login(&lab, session, users[_i].type, users[_i].pin));
    assert_rv(
        CKR_USER_PIN_NOT_INITIALIZED,
        lab_admin(&lab, NULL, "{\"verb\":\"user.unlock\",\"vault\":\"web\",\"user\":\"nobody\"}"));
    assert_ok(lab_admin(&lab, NULL, "{\"verb\":\"user.unlock\",\"vault\":\"web\",\"user\":\"%s\"}",
                        users[_i].name));
    ck_assert_uint_eq(flags_of(&lab), 0);
    assert_rv(CKR_PIN_INCORRECT, lab_login(&lab, session, users[_i].type, "wrong"));
    assert_ok(lab_login(&lab, session, users[_i].type, users[_i].pin));
    lab_end(&lab);
}
END_TEST

START_TEST(a_new_pin_from_an_administrator_unlocks)
{
    CK_SESSION_HANDLE session;
    struct lab lab;

    lab_start(&lab);
    session = lab_session(&lab, CKF_RW_SESSION);
    try_wrong_pins(&lab, session, _i, TRIES);
    assert_ok(lab_admin(&lab, "fresh-pin",
                        "{\"verb\":\"user.pin\",\"vault\":\"web\",\"user\":\"%s\",\"pin\":0}",
                        users[_i].name));
    ck_assert_uint_eq(flags_of(&lab), 0);
    assert_rv(CKR_PIN_INCORRECT, lab_login(&lab, session, users[_i].type, users[_i].pin));
    assert_ok(lab_login(&lab, session, users[_i].type, "fresh-pin"));
    lab_end(&lab);
}
END_TEST

/* ---- the security officer, and C_InitPIN ---- */

START_TEST(the_security_officer_uses_no_keys)
{
    CK_OBJECT_HANDLE public_key;
    CK_OBJECT_HANDLE key;
    CK_SESSION_HANDLE session;
    struct lab lab;

    lab_start(&lab);
    session = so_session(&lab);
    ck_assert_uint_eq(state_of(&lab, session), CKS_RW_SO_FUNCTIONS);
    ck_assert_uint_eq(lab_count(&lab, session), 0);
    assert_rv(CKR_ACTION_PROHIBITED, lab_generate(&lab, session, "new", &public_key, &key));
    assert_ok(lab.f->C_Logout(session));
    assert_ok(lab_login(&lab, session, CKU_USER, LAB_PIN));
    ck_assert_uint_ne(lab_count(&lab, session), 0);
    lab_end(&lab);
}
END_TEST

START_TEST(init_pin_is_the_security_officers)
{
    CK_SESSION_HANDLE session;
    struct lab lab;

    lab_start(&lab);
    session = lab_session(&lab, CKF_RW_SESSION);
    assert_rv(CKR_USER_NOT_LOGGED_IN, init_pin(&lab, session, "fresh-pin"));
    assert_ok(lab_login(&lab, session, CKU_USER, LAB_PIN));
    assert_rv(CKR_USER_NOT_LOGGED_IN, init_pin(&lab, session, "fresh-pin"));
    assert_ok(lab.f->C_Logout(session));
    try_wrong_pins(&lab, session, 0, TRIES);
    assert_ok(lab_login(&lab, session, CKU_SO, LAB_SO_PIN));
    assert_ok(init_pin(&lab, session, "fresh-pin"));
    assert_ok(lab.f->C_Logout(session));
    /* The lock goes with the old PIN. */
    assert_rv(CKR_PIN_INCORRECT, lab_login(&lab, session, CKU_USER, LAB_PIN));
    assert_ok(lab_login(&lab, session, CKU_USER, "fresh-pin"));
    lab_signs(&lab, session);
    lab_end(&lab);
}
END_TEST

START_TEST(a_policy_can_forbid_init_pin)
{
    CK_SESSION_HANDLE session;
    struct lab lab;

    lab_start(&lab);
    lab_policy(&lab, "permit (principal, action in Action::\"cryptoUser\", resource);"
                     "forbid (principal == User::\"so\", action == Action::\"setPin\", resource);");
    session = so_session(&lab);
    assert_rv(CKR_ACTION_PROHIBITED, init_pin(&lab, session, "fresh-pin"));
    assert_ok(lab.f->C_Logout(session));
    assert_ok(lab_login(&lab, session, CKU_USER, LAB_PIN));
    lab_end(&lab);
}
END_TEST

/* ---- lengths ---- */

static const struct {
    CK_ULONG len;
    CK_RV answer;
} lengths[] = {{0, CKR_PIN_LEN_RANGE}, {3, CKR_PIN_LEN_RANGE},   {4, CKR_OK},
               {255, CKR_OK},          {256, CKR_PIN_LEN_RANGE}, {4096, CKR_PIN_LEN_RANGE}};

#define LENGTHS ((int)(sizeof(lengths) / sizeof(*lengths)))

START_TEST(a_pin_has_4_to_255_bytes)
{
    static CK_UTF8CHAR long_pin[4096];
    CK_SESSION_HANDLE session;
    struct lab lab;
    CK_ULONG len = lengths[_i].len;
    CK_RV want = lengths[_i].answer;

    memset(long_pin, 'p', sizeof(long_pin));
    lab_start(&lab);
    session = lab_session(&lab, CKF_RW_SESSION);
    assert_rv(want, lab.f->C_SetPIN(session, text(LAB_PIN), strlen(LAB_PIN), long_pin, len));
    assert_rv(want == CKR_OK ? CKR_OK : CKR_PIN_INCORRECT,
              lab.f->C_Login(session, CKU_USER, long_pin, len));
    (void)lab.f->C_Logout(session);
    assert_ok(lab_login(&lab, session, CKU_SO, LAB_SO_PIN));
    assert_rv(want, lab.f->C_InitPIN(session, long_pin, len));
    assert_ok(lab.f->C_Logout(session));
    assert_ok(want == CKR_OK ? lab.f->C_Login(session, CKU_USER, long_pin, len)
                             : lab_login(&lab, session, CKU_USER, LAB_PIN));
    lab_end(&lab);
}
END_TEST

START_TEST(a_pin_is_given_and_has_no_nul_in_it)
{
    static CK_UTF8CHAR nul[] = {'p', 'i', 'n', '\0', 'p', 'i', 'n'};
    CK_SESSION_HANDLE session;
    struct lab lab;

    lab_start(&lab);
    session = lab_session(&lab, CKF_RW_SESSION);
    assert_rv(CKR_ARGUMENTS_BAD, lab.f->C_SetPIN(session, NULL, 0, text("fresh"), 5));
    assert_rv(CKR_ARGUMENTS_BAD, lab.f->C_SetPIN(session, text(LAB_PIN), strlen(LAB_PIN), NULL, 0));
    assert_rv(CKR_ARGUMENTS_BAD, lab.f->C_SetPIN(session, text(LAB_PIN), strlen(LAB_PIN), NULL, 8));
    assert_rv(CKR_PIN_INVALID,
              lab.f->C_SetPIN(session, text(LAB_PIN), strlen(LAB_PIN), nul, sizeof(nul)));
    assert_ok(lab_login(&lab, session, CKU_SO, LAB_SO_PIN));
    assert_rv(CKR_ARGUMENTS_BAD, lab.f->C_InitPIN(session, NULL, 0));
    assert_rv(CKR_ARGUMENTS_BAD, lab.f->C_InitPIN(session, NULL, 8));
    assert_rv(CKR_PIN_INVALID, lab.f->C_InitPIN(session, nul, sizeof(nul)));
    assert_ok(lab.f->C_Logout(session));
    assert_ok(lab_login(&lab, session, CKU_USER, LAB_PIN));
    lab_end(&lab);
}
END_TEST

/* ---- C_SetPIN ---- */

START_TEST(set_pin_wants_a_read_write_session_and_the_old_pin)
{
    CK_SESSION_HANDLE ro;
    CK_SESSION_HANDLE rw;
    struct lab lab;

    lab_start(&lab);
    ro = lab_session(&lab, 0);
    rw = lab_session(&lab, CKF_RW_SESSION);
    assert_rv(CKR_SESSION_READ_ONLY, set_pin(&lab, ro, LAB_PIN, "fresh-pin"));
    assert_rv(CKR_PIN_INCORRECT, set_pin(&lab, rw, "wrong", "fresh-pin"));
    ck_assert_uint_eq(flags_of(&lab), CKF_USER_PIN_COUNT_LOW);
    /* Nobody is logged in: the default user's. */
    assert_ok(set_pin(&lab, rw, LAB_PIN, "fresh-pin"));
    ck_assert_uint_eq(flags_of(&lab), 0);
    assert_rv(CKR_PIN_INCORRECT, lab_login(&lab, ro, CKU_USER, LAB_PIN));
    assert_ok(lab_login(&lab, ro, CKU_USER, "fresh-pin"));
    /* alice is. */
    assert_rv(CKR_SESSION_READ_ONLY, set_pin(&lab, ro, "fresh-pin", "third-pin"));
    assert_ok(set_pin(&lab, rw, "fresh-pin", "third-pin"));
    ck_assert_uint_eq(state_of(&lab, rw), CKS_RW_USER_FUNCTIONS);
    assert_ok(lab.f->C_Logout(ro));
    assert_ok(lab_login(&lab, ro, CKU_USER, "third-pin"));
    lab_end(&lab);
}
END_TEST

START_TEST(set_pin_locks_as_login_does)
{
    CK_SESSION_HANDLE session;
    struct lab lab;

    lab_start(&lab);
    session = lab_session(&lab, CKF_RW_SESSION);
    for (int i = 0; i < TRIES; i++)
        assert_rv(CKR_PIN_INCORRECT, set_pin(&lab, session, "wrong", "fresh-pin"));
    assert_rv(CKR_PIN_LOCKED, set_pin(&lab, session, LAB_PIN, "fresh-pin"));
    assert_rv(CKR_PIN_LOCKED, lab_login(&lab, session, CKU_USER, LAB_PIN));
    ck_assert_uint_eq(flags_of(&lab), CKF_USER_PIN_LOCKED);
    lab_end(&lab);
}
END_TEST

START_TEST(the_security_officer_changes_its_own_pin)
{
    CK_SESSION_HANDLE session;
    struct lab lab;

    lab_start(&lab);
    session = so_session(&lab);
    assert_rv(CKR_PIN_INCORRECT, set_pin(&lab, session, LAB_PIN, "fresh-so-pin"));
    assert_ok(set_pin(&lab, session, LAB_SO_PIN, "fresh-so-pin"));
    assert_ok(lab.f->C_Logout(session));
    assert_rv(CKR_PIN_INCORRECT, lab_login(&lab, session, CKU_SO, LAB_SO_PIN));
    assert_ok(lab_login(&lab, session, CKU_SO, "fresh-so-pin"));
    lab_end(&lab);
}
END_TEST

START_TEST(set_pin_takes_the_form_that_login_takes)
{
    CK_SESSION_HANDLE session;
    struct lab lab;

    lab_start(&lab);
    session = lab_session(&lab, CKF_RW_SESSION);
    /* Not logged in; as one who is; old with the name and new without; both without. */
    assert_ok(set_pin(&lab, session, "bob:" LAB_BOB_PIN, "bob:second"));
    assert_ok(lab_login(&lab, session, CKU_USER, "bob:second"));
    assert_ok(set_pin(&lab, session, "bob:second", "bob:third"));
    assert_ok(set_pin(&lab, session, "bob:third", "fourth"));
    assert_ok(set_pin(&lab, session, "fourth", "fifth"));
    assert_ok(lab.f->C_Logout(session));
    assert_rv(CKR_PIN_INCORRECT, lab_login(&lab, session, CKU_USER, "bob:bob:fifth"));
    assert_ok(try_login(&lab, session, CKU_USER, "bob:fifth"));
    /* Somebody else's name before the new PIN is part of the PIN, and too short is too short. */
    assert_rv(CKR_PIN_LEN_RANGE, set_pin(&lab, session, "bob:fifth", "bob:six"));
    assert_ok(try_login(&lab, session, CKU_USER, LAB_PIN));
    lab_end(&lab);
}
END_TEST

START_TEST(whoever_is_logged_in_changes_no_other_users_pin)
{
    CK_SESSION_HANDLE session;
    struct lab lab;

    lab_start(&lab);
    session = lab_alice(&lab);
    assert_rv(CKR_PIN_INCORRECT, set_pin(&lab, session, "bob:" LAB_BOB_PIN, "fresh-pin"));
    assert_ok(lab.f->C_Logout(session));
    assert_ok(try_login(&lab, session, CKU_USER, "bob:" LAB_BOB_PIN));
    assert_ok(lab_login(&lab, session, CKU_USER, "bob:" LAB_BOB_PIN));
    assert_rv(CKR_PIN_INCORRECT, set_pin(&lab, session, LAB_PIN, "fresh-pin"));
    assert_ok(lab.f->C_Logout(session));
    assert_ok(lab_login(&lab, session, CKU_USER, LAB_PIN));
    lab_end(&lab);
}
END_TEST

START_TEST(a_user_without_a_default_user_changes_its_pin)
{
    CK_SESSION_HANDLE session;
    struct lab lab;

    lab_start(&lab);
    assert_ok(
        lab_admin(&lab, NULL, "{\"verb\":\"user.remove\",\"vault\":\"web\",\"user\":\"alice\"}"));
    session = lab_session(&lab, CKF_RW_SESSION);
    assert_rv(CKR_USER_PIN_NOT_INITIALIZED, set_pin(&lab, session, LAB_BOB_PIN, "fresh-pin"));
    assert_ok(lab_login(&lab, session, CKU_USER, "bob:" LAB_BOB_PIN));
    assert_ok(set_pin(&lab, session, LAB_BOB_PIN, "fresh-pin"));
    assert_ok(lab.f->C_Logout(session));
    assert_ok(lab_login(&lab, session, CKU_USER, "bob:fresh-pin"));
    lab_end(&lab);
}
END_TEST

START_TEST(a_policy_can_forbid_changing_a_pin)
{
    CK_SESSION_HANDLE session;
    struct lab lab;

    lab_start(&lab);
    lab_policy(&lab,
               "forbid (principal == User::\"alice\", action == Action::\"changePin\", resource);");
    session = lab_alice(&lab);
    assert_rv(CKR_FUNCTION_REJECTED, set_pin(&lab, session, LAB_PIN, "fresh-pin"));
    assert_ok(lab.f->C_Logout(session));
    assert_ok(try_login(&lab, session, CKU_USER, LAB_PIN));
    assert_ok(lab_login(&lab, session, CKU_USER, "bob:" LAB_BOB_PIN));
    assert_ok(set_pin(&lab, session, LAB_BOB_PIN, "fresh-pin"));
    lab_end(&lab);
}
END_TEST

/* ---- C_InitToken ---- */

START_TEST(init_token_wants_no_session_the_officers_pin_and_a_name)
{
    CK_SESSION_HANDLE session;
    struct lab lab;

    lab_start(&lab);
    session = lab_session(&lab, 0);
    assert_rv(CKR_SESSION_EXISTS, init_token(&lab, LAB_SO_PIN, "web"));
    assert_ok(lab.f->C_CloseSession(session));
    assert_rv(CKR_PIN_INCORRECT, init_token(&lab, LAB_PIN, "web"));
    ck_assert_uint_eq(flags_of(&lab), CKF_SO_PIN_COUNT_LOW);
    assert_rv(CKR_ARGUMENTS_BAD, init_token(&lab, LAB_SO_PIN, "no blanks"));
    assert_rv(CKR_ARGUMENTS_BAD, init_token(&lab, LAB_SO_PIN, ""));
    assert_rv(CKR_ARGUMENTS_BAD, init_token(&lab, LAB_SO_PIN, "../web"));
    assert_rv(CKR_ARGUMENTS_BAD, lab.f->C_InitToken(lab.slot, text(LAB_SO_PIN), 10, NULL));
    assert_rv(CKR_ARGUMENTS_BAD,
              lab.f->C_InitToken(lab.slot, NULL, 0, text("web                             ")));
    assert_rv(CKR_ACTION_PROHIBITED, init_token(&lab, LAB_SO_PIN, "mail"));
    lab_signs(&lab, lab_alice(&lab));
    lab_end(&lab);
}
END_TEST

START_TEST(init_token_needs_a_security_officer)
{
    struct lab lab;

    lab_start(&lab);
    lab.slot = lab_slot(&lab, "mail");
    assert_rv(CKR_PIN_INCORRECT, init_token(&lab, LAB_SO_PIN, "mail"));
    lab_end(&lab);
}
END_TEST

START_TEST(a_policy_can_forbid_init_token)
{
    struct lab lab;

    lab_start(&lab);
    lab_policy(&lab,
               "permit (principal, action in Action::\"cryptoUser\", resource);"
               "forbid (principal == User::\"so\", action == Action::\"initToken\", resource);");
    assert_rv(CKR_ACTION_PROHIBITED, init_token(&lab, LAB_SO_PIN, "web"));
    lab_signs(&lab, lab_alice(&lab));
    lab_end(&lab);
}
END_TEST

/* The permit of the first user has an id; a policy that has one like it would no longer load, and
 * so deny everything. */
START_TEST(init_pin_makes_no_policy_that_does_not_load)
{
    CK_SESSION_HANDLE session;
    struct lab lab;

    lab_start(&lab);
    assert_ok(init_token(&lab, LAB_SO_PIN, "web"));
    lab_policy(&lab, "@id(\"user-data-plane\") permit (principal == User::\"so\", action == "
                     "Action::\"list\", resource);");
    session = so_session(&lab);
    assert_rv(CKR_FUNCTION_FAILED, init_pin(&lab, session, "fresh-pin"));
    /* Nothing of it is there: the policy loads, and there is no user. */
    assert_ok(lab.f->C_Logout(session));
    assert_rv(CKR_USER_PIN_NOT_INITIALIZED, lab_login(&lab, session, CKU_USER, "fresh-pin"));
    assert_ok(lab_admin(&lab, NULL, "{\"verb\":\"user.list\",\"vault\":\"web\"}"));
    ck_assert_msg(strstr(lab.answer, "\"user\"") == NULL, "%s", lab.answer);
    lab_policy(&lab, "");
    assert_ok(lab_login(&lab, session, CKU_SO, LAB_SO_PIN));
    assert_ok(init_pin(&lab, session, "fresh-pin"));
    assert_ok(lab.f->C_Logout(session));
    assert_ok(lab_login(&lab, session, CKU_USER, "fresh-pin"));
    lab_end(&lab);
}
END_TEST

START_TEST(init_token_makes_the_vault_as_new_and_init_pin_its_user)
{
    CK_BYTE signature[LAB_SIGNATURE_MAX];
    CK_OBJECT_HANDLE public_key;
    CK_OBJECT_HANDLE key;
    CK_SESSION_HANDLE session;
    CK_ULONG len;
    struct lab lab;

    lab_start(&lab);
    assert_ok(init_token(&lab, LAB_SO_PIN, "fresh"));
    ck_assert_uint_eq(lab_slot(&lab, "fresh"), lab.slot);
    ck_assert_uint_eq(lab_token(&lab, lab.slot).flags & CKF_USER_PIN_INITIALIZED, 0);
    session = lab_session(&lab, CKF_RW_SESSION);
    assert_rv(CKR_USER_PIN_NOT_INITIALIZED, lab_login(&lab, session, CKU_USER, LAB_PIN));
    assert_rv(CKR_USER_PIN_NOT_INITIALIZED, lab_login(&lab, session, CKU_USER, "bob:" LAB_BOB_PIN));
    assert_ok(lab_login(&lab, session, CKU_SO, LAB_SO_PIN));
    assert_ok(init_pin(&lab, session, "first-pin"));
    ck_assert_uint_ne(lab_token(&lab, lab.slot).flags & CKF_USER_PIN_INITIALIZED, 0);
    assert_ok(lab.f->C_Logout(session));
    assert_ok(lab_login(&lab, session, CKU_USER, "first-pin"));
    ck_assert_uint_eq(lab_count(&lab, session), 0);
    assert_ok(lab_generate(&lab, session, "tls", &public_key, &key));
    assert_ok(lab_sign(&lab, session, key, "data", 4, signature, &len));
    lab_signs(&lab, session);
    /* The other vault is as it was. */
    lab.slot = lab_slot(&lab, "mail");
    ck_assert_uint_ne(lab_find(&lab, lab_alice(&lab), CKO_PRIVATE_KEY, "dkim"), 0);
    (void)lab_log_whole(&lab);
    lab_end(&lab);
}
END_TEST

/* ---- the end of a login ---- */

static CK_OBJECT_HANDLE session_data(const struct lab *lab, CK_SESSION_HANDLE session,
                                     CK_BBOOL private, const char *label)
{
    CK_OBJECT_CLASS data = CKO_DATA;
    CK_BBOOL no = CK_FALSE;
    CK_OBJECT_HANDLE object = 0;
    CK_ATTRIBUTE template[] = {{CKA_CLASS, &data, sizeof(data)},
                               {CKA_TOKEN, &no, sizeof(no)},
                               {CKA_PRIVATE, &private, sizeof(private)},
                               {CKA_LABEL, text(label), strlen(label)},
                               {CKA_VALUE, text("value"), 5}};

    assert_ok(lab->f->C_CreateObject(session, template, 5, &object));
    return object;
}

static CK_RV read_label(const struct lab *lab, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
    char label[64];
    CK_ATTRIBUTE attribute = {CKA_LABEL, label, sizeof(label)};

    return lab->f->C_GetAttributeValue(session, object, &attribute, 1);
}

/* Everybody may do everything with what is there; what hides is the standard's rule. */
#define OPEN_POLICY                                                                                \
    "permit (principal, action in [Action::\"cryptoOfficer\", Action::\"secretsOfficer\"], "       \
    "resource);"

START_TEST(logout_hides_private_objects_and_ends_those_of_the_session)
{
    CK_OBJECT_HANDLE secret;
    CK_OBJECT_HANDLE open;
    CK_OBJECT_HANDLE key;
    CK_OBJECT_HANDLE public_key;
    CK_BYTE signature[LAB_SIGNATURE_MAX];
    CK_ULONG len;
    CK_SESSION_HANDLE session;
    struct lab lab;

    lab_start(&lab);
    lab_policy(&lab, OPEN_POLICY);
    session = lab_alice(&lab);
    secret = session_data(&lab, session, CK_TRUE, "secret");
    open = session_data(&lab, session, CK_FALSE, "open");
    key = lab_find(&lab, session, CKO_PRIVATE_KEY, "tls");
    public_key = lab_find(&lab, session, CKO_PUBLIC_KEY, "tls");
    assert_ok(read_label(&lab, session, secret));
    assert_ok(lab.f->C_Logout(session));
    ck_assert_uint_eq(lab_find(&lab, session, CKO_PRIVATE_KEY, "tls"), 0);
    ck_assert_uint_eq(lab_find(&lab, session, CKO_DATA, "secret"), 0);
    ck_assert_uint_eq(lab_find(&lab, session, CKO_DATA, "open"), open);
    assert_ok(read_label(&lab, session, open));
    assert_ok(read_label(&lab, session, public_key));
    assert_rv(CKR_OBJECT_HANDLE_INVALID, read_label(&lab, session, secret));
    assert_rv(CKR_KEY_HANDLE_INVALID, lab_sign(&lab, session, key, "data", 4, signature, &len));
    assert_ok(lab_login(&lab, session, CKU_USER, LAB_PIN));
    assert_rv(CKR_OBJECT_HANDLE_INVALID, read_label(&lab, session, secret));
    ck_assert_uint_eq(lab_find(&lab, session, CKO_DATA, "secret"), 0);
    ck_assert_uint_ne(lab_find(&lab, session, CKO_PRIVATE_KEY, "tls"), 0);
    lab_signs(&lab, session);
    lab_end(&lab);
}
END_TEST

static void log_out(struct lab *lab, CK_SESSION_HANDLE *session)
{
    assert_ok(lab->f->C_Logout(*session));
}

static void close_the_last_session(struct lab *lab, CK_SESSION_HANDLE *session)
{
    assert_ok(lab->f->C_CloseSession(*session));
    *session = lab_session(lab, CKF_RW_SESSION);
}

static void (*const ends_of_login[])(struct lab *lab, CK_SESSION_HANDLE *session) = {
    log_out, close_the_last_session};

/* 2.40, 5.6, C_Logout: "even if a user is later logged back into the token". */
START_TEST(handles_of_private_objects_stay_invalid_after_the_next_login)
{
    CK_BYTE signature[LAB_SIGNATURE_MAX];
    CK_OBJECT_HANDLE before, after, public_key;
    CK_SESSION_HANDLE session;
    CK_ULONG len;
    struct lab lab;

    lab_start(&lab);
    lab_policy(&lab, OPEN_POLICY);
    session = lab_alice(&lab);
    public_key = lab_find(&lab, session, CKO_PUBLIC_KEY, "tls");
    before = lab_find(&lab, session, CKO_PRIVATE_KEY, "tls");
    assert_ok(read_label(&lab, session, before));
    for (int round = 0; round < 3; round++) {
        ends_of_login[_i](&lab, &session);
        assert_ok(lab_login(&lab, session, CKU_USER, LAB_PIN));
        assert_rv(CKR_OBJECT_HANDLE_INVALID, read_label(&lab, session, before));
        assert_rv(CKR_KEY_HANDLE_INVALID,
                  lab_sign(&lab, session, before, "data", 4, signature, &len));
        assert_rv(CKR_OBJECT_HANDLE_INVALID, lab.f->C_DestroyObject(session, before));
        after = lab_find(&lab, session, CKO_PRIVATE_KEY, "tls");
        ck_assert_uint_ne(after, before);
        assert_ok(lab_sign(&lab, session, after, "data", 4, signature, &len));
        assert_ok(read_label(&lab, session, public_key));
        ck_assert_uint_eq(lab_find(&lab, session, CKO_PUBLIC_KEY, "tls"), public_key);
        before = after;
    }
    lab_end(&lab);
}
END_TEST

START_TEST(an_operation_with_a_private_key_does_not_go_on_after_the_next_login)
{
    CK_MECHANISM mechanism = {CKM_ECDSA_SHA256, NULL, 0};
    CK_BYTE signature[LAB_SIGNATURE_MAX];
    CK_ULONG len = sizeof(signature);
    CK_SESSION_HANDLE session;
    struct lab lab;

    lab_start(&lab);
    lab_policy(&lab, OPEN_POLICY);
    session = lab_alice(&lab);
    assert_ok(
        lab.f->C_SignInit(session, &mechanism, lab_find(&lab, session, CKO_PRIVATE_KEY, "tls")));
    assert_ok(lab.f->C_Logout(session));
    assert_ok(lab_login(&lab, session, CKU_USER, LAB_PIN));
    assert_rv(CKR_KEY_HANDLE_INVALID, lab.f->C_Sign(session, text("data"), 4, signature, &len));
    lab_signs(&lab, session);
    lab_end(&lab);
}
END_TEST

START_TEST(a_private_key_in_use_is_not_used_after_logout)
{
    CK_MECHANISM mechanism = {CKM_ECDSA_SHA256, NULL, 0};
    CK_BYTE signature[LAB_SIGNATURE_MAX];
    CK_ULONG len = sizeof(signature);
    CK_SESSION_HANDLE session;
    struct lab lab;

    lab_start(&lab);
    lab_policy(&lab, OPEN_POLICY);
    session = lab_alice(&lab);
    assert_ok(
        lab.f->C_SignInit(session, &mechanism, lab_find(&lab, session, CKO_PRIVATE_KEY, "tls")));
    assert_ok(lab.f->C_Logout(session));
    assert_rv(CKR_KEY_HANDLE_INVALID, lab.f->C_Sign(session, text("data"), 4, signature, &len));
    lab_end(&lab);
}
END_TEST

static void remove_user(struct lab *lab, int n)
{
    (void)n;
    assert_ok(lab->f->C_Initialize(NULL));
    assert_ok(
        lab_admin(lab, NULL, "{\"verb\":\"user.remove\",\"vault\":\"web\",\"user\":\"alice\"}"));
    lab_unload(lab);
}

START_TEST(a_user_removed_by_another_process_loses_its_login_at_once)
{
    CK_BYTE signature[LAB_SIGNATURE_MAX];
    CK_ULONG len;
    CK_OBJECT_HANDLE key;
    CK_SESSION_HANDLE session;
    struct lab lab;

    lab_start(&lab);
    lab_policy(&lab, OPEN_POLICY);
    session = lab_alice(&lab);
    key = lab_find(&lab, session, CKO_PRIVATE_KEY, "tls");
    (void)session_data(&lab, session, CK_TRUE, "secret");
    assert_ok(lab_sign(&lab, session, key, "data", 4, signature, &len));
    lab_join(lab_child(remove_user, &lab, 0));
    ck_assert_uint_ne(lab_sign(&lab, session, key, "data", 4, signature, &len), CKR_OK);
    ck_assert_uint_eq(state_of(&lab, session), CKS_RW_PUBLIC_SESSION);
    ck_assert_uint_eq(lab_find(&lab, session, CKO_PRIVATE_KEY, "tls"), 0);
    assert_rv(CKR_USER_NOT_LOGGED_IN, lab.f->C_Logout(session));
    /* Whoever comes next does not inherit what was private. */
    assert_ok(lab_login(&lab, session, CKU_USER, "bob:" LAB_BOB_PIN));
    ck_assert_uint_eq(lab_find(&lab, session, CKO_DATA, "secret"), 0);
    lab_signs(&lab, session);
    lab_end(&lab);
}
END_TEST

START_TEST(the_state_of_a_session_does_not_outlive_its_user)
{
    CK_SESSION_HANDLE session;
    struct lab lab;

    lab_start(&lab);
    session = lab_alice(&lab);
    lab_join(lab_child(remove_user, &lab, 0));
    ck_assert_uint_eq(state_of(&lab, session), CKS_RW_PUBLIC_SESSION);
    assert_ok(lab_login(&lab, session, CKU_USER, "bob:" LAB_BOB_PIN));
    lab_end(&lab);
}
END_TEST

static void replace_user(struct lab *lab, int n)
{
    remove_user(lab, n);
    lab_load(lab);
    assert_ok(lab->f->C_Initialize(NULL));
    assert_ok(lab_admin(lab, LAB_PIN,
                        "{\"verb\":\"user.add\",\"vault\":\"web\",\"user\":\"alice\",\"pin\":0}"));
    lab_unload(lab);
}

static void new_pin(struct lab *lab, int n)
{
    (void)n;
    assert_ok(lab->f->C_Initialize(NULL));
    assert_ok(lab_admin(lab, "other-pin",
                        "{\"verb\":\"user.pin\",\"vault\":\"web\",\"user\":\"alice\",\"pin\":0}"));
    lab_unload(lab);
}

/* The name is the same, the user is not. A new PIN, however, makes no new user. */
START_TEST(a_login_is_not_inherited_by_the_next_user_of_the_name)
{
    CK_BYTE signature[LAB_SIGNATURE_MAX];
    CK_ULONG len;
    CK_OBJECT_HANDLE key;
    CK_SESSION_HANDLE session;
    struct lab lab;

    lab_start(&lab);
    lab_policy(&lab, OPEN_POLICY);
    session = lab_alice(&lab);
    key = lab_find(&lab, session, CKO_PRIVATE_KEY, "tls");
    lab_join(lab_child(new_pin, &lab, 0));
    assert_ok(lab_sign(&lab, session, key, "data", 4, signature, &len));
    lab_join(lab_child(replace_user, &lab, 0));
    assert_rv(CKR_KEY_HANDLE_INVALID, lab_sign(&lab, session, key, "data", 4, signature, &len));
    ck_assert_uint_eq(state_of(&lab, session), CKS_RW_PUBLIC_SESSION);
    assert_rv(CKR_USER_NOT_LOGGED_IN, lab.f->C_Logout(session));
    assert_ok(lab_login(&lab, session, CKU_USER, "alice:" LAB_PIN));
    lab_signs(&lab, session);
    lab_end(&lab);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(login_wants_the_right_pin),
        CASE(login_takes_good_arguments_only_and_bad_ones_are_no_try),
        CASE(a_name_before_the_pin_logs_that_user_in),
        CASE(a_pin_with_a_colon_in_it_is_the_default_users),
        CASE(without_users_there_is_nobody_to_log_in),
        CASE(a_policy_can_forbid_login),
        {.test = the_flags_of_the_token_are_true_at_every_count, .loop_end = 2, .timeout_s = 60},
        {.test = a_good_pin_forgets_the_wrong_ones, .loop_end = 2, .timeout_s = 60},
        CASE_SLOW(tries_are_counted_over_restarts, 120),
        CASE_SLOW(processes_that_try_at_once_have_ten_tries_together, 120),
        {.test = an_administrator_unlocks, .loop_end = 2, .timeout_s = 60},
        {.test = a_new_pin_from_an_administrator_unlocks, .loop_end = 2, .timeout_s = 60},
        CASE(the_security_officer_uses_no_keys),
        CASE_SLOW(init_pin_is_the_security_officers, 60),
        CASE(a_policy_can_forbid_init_pin),
        CASE_LOOP(a_pin_has_4_to_255_bytes, LENGTHS),
        CASE(a_pin_is_given_and_has_no_nul_in_it),
        CASE(set_pin_wants_a_read_write_session_and_the_old_pin),
        CASE_SLOW(set_pin_locks_as_login_does, 60),
        CASE(the_security_officer_changes_its_own_pin),
        CASE(set_pin_takes_the_form_that_login_takes),
        CASE(whoever_is_logged_in_changes_no_other_users_pin),
        CASE(a_user_without_a_default_user_changes_its_pin),
        CASE(a_policy_can_forbid_changing_a_pin),
        CASE(init_token_wants_no_session_the_officers_pin_and_a_name),
        CASE(init_token_needs_a_security_officer),
        CASE(a_policy_can_forbid_init_token),
        CASE_SLOW(init_pin_makes_no_policy_that_does_not_load, 60),
        CASE_SLOW(init_token_makes_the_vault_as_new_and_init_pin_its_user, 60),
        CASE(logout_hides_private_objects_and_ends_those_of_the_session),
        CASE_LOOP(handles_of_private_objects_stay_invalid_after_the_next_login, 2),
        CASE(an_operation_with_a_private_key_does_not_go_on_after_the_next_login),
        CASE(a_private_key_in_use_is_not_used_after_logout),
        CASE(a_user_removed_by_another_process_loses_its_login_at_once),
        CASE(the_state_of_a_session_does_not_outlive_its_user),
        CASE_SLOW(a_login_is_not_inherited_by_the_next_user_of_the_name, 60),
    };

    return lab_suite_run("pkcs11/login", cases, sizeof(cases) / sizeof(*cases));
}
