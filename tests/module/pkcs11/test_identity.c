/* Who the caller is besides a PIN: Unix users that are bound to users of the vault, and groups. */
#include "tests/support/verbs.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static CK_MECHANISM ecdsa = {CKM_ECDSA_SHA256, NULL, 0};

/* "unix:root" */
static const char *me(void)
{
    static char text[96];
    const struct passwd *user = getpwuid(getuid());

    ck_assert_ptr_nonnull(user);
    (void)snprintf(text, sizeof(text), "unix:%s", user->pw_name);
    return text;
}

static CK_RV belong(struct lab *lab, const char *verb, const char *member, const char *name,
                    const char *principal)
{
    return lab_admin(lab, NULL,
                     "{\"verb\":\"%s\",\"vault\":\"web\",\"%s\":\"%s\",\"principal\":\"%s\"}", verb,
                     member, name, principal);
}

static CK_RV bind_user(struct lab *lab, const char *user, const char *principal)
{
    return belong(lab, "user.bind", "user", user, principal);
}

static CK_RV group(struct lab *lab, const char *verb, const char *name)
{
    return lab_admin(lab, NULL, "{\"verb\":\"%s\",\"vault\":\"web\",\"group\":\"%s\"}", verb, name);
}

static CK_FLAGS login_required(const struct lab *lab, CK_SLOT_ID slot)
{
    return lab_token(lab, slot).flags & CKF_LOGIN_REQUIRED;
}

/* ---- bindings ---- */

START_TEST(a_bound_unix_user_acts_as_the_user_without_a_pin)
{
    CK_SESSION_HANDLE session;
    struct lab lab;

    lab_start(&lab);
    session = lab_session(&lab, CKF_RW_SESSION);
    ck_assert_uint_ne(login_required(&lab, lab.slot), 0);
    ck_assert_uint_eq(lab_find(&lab, session, CKO_PRIVATE_KEY, "tls"), 0);
    assert_ok(bind_user(&lab, "alice", me()));
    ck_assert_uint_eq(login_required(&lab, lab.slot), 0);
    lab_signs(&lab, session);
    /* Of this vault, and as long as it is bound. */
    ck_assert_uint_ne(login_required(&lab, lab_slot(&lab, "mail")), 0);
    assert_ok(belong(&lab, "user.unbind", "user", "alice", me()));
    ck_assert_uint_ne(login_required(&lab, lab.slot), 0);
    ck_assert_uint_eq(lab_find(&lab, session, CKO_PRIVATE_KEY, "tls"), 0);
    lab_end(&lab);
}
END_TEST

START_TEST(another_unix_user_of_the_same_vault_is_not_bound)
{
    CK_SESSION_HANDLE session;
    struct lab lab;

    lab_start(&lab);
    session = lab_session(&lab, CKF_RW_SESSION);
    assert_ok(bind_user(&lab, "alice", "unix:somebody-else"));
    ck_assert_uint_ne(login_required(&lab, lab.slot), 0);
    ck_assert_uint_eq(lab_find(&lab, session, CKO_PRIVATE_KEY, "tls"), 0);
    lab_end(&lab);
}
END_TEST

static void as_alice_by_binding(void *ctx, json_t *record)
{
    unsigned *seen = ctx;

    if (strcmp(lab_member(record, "function"), "C_Sign") != 0)
        return;
    ck_assert_str_eq(lab_member(record, "principal"), "User::\"alice\"");
    ck_assert_str_eq(lab_member(record, "proof"), "binding");
    (*seen)++;
}

START_TEST(the_log_says_that_a_binding_proved_it)
{
    unsigned seen = 0;
    uint64_t from;
    struct lab lab;

    lab_start(&lab);
    assert_ok(bind_user(&lab, "alice", me()));
    from = lab_log_whole(&lab);
    lab_signs(&lab, lab_session(&lab, 0));
    lab_log_each(&lab, from, as_alice_by_binding, &seen);
    ck_assert_uint_eq(seen, 1);
    lab_end(&lab);
}
END_TEST

START_TEST(a_login_wins_over_the_binding_until_logout)
{
    CK_OBJECT_HANDLE public_key;
    CK_OBJECT_HANDLE key;
    CK_SESSION_HANDLE session;
    struct lab lab;

    lab_start(&lab);
    assert_ok(bind_user(&lab, "alice", me()));
    session = lab_session(&lab, CKF_RW_SESSION);
    assert_ok(lab_generate(&lab, session, "one", &public_key, &key));
    /* Bob makes no keys. */
    assert_ok(lab_login(&lab, session, CKU_USER, "bob:" LAB_BOB_PIN));
    assert_rv(CKR_ACTION_PROHIBITED, lab_generate(&lab, session, "two", &public_key, &key));
    assert_ok(lab.f->C_Logout(session));
    assert_ok(lab_generate(&lab, session, "two", &public_key, &key));
    assert_rv(CKR_USER_NOT_LOGGED_IN, lab.f->C_Logout(session));
    lab_end(&lab);
}
END_TEST

START_TEST(who_administers_goes_on_administering_when_bound)
{
    struct lab lab;

    lab_start(&lab);
    assert_ok(bind_user(&lab, "bob", me()));
    verb_ok(&lab, NULL, "{\"verb\":\"policy.show\",\"vault\":\"web\"}");
    verb_ok(&lab, NULL, "{\"verb\":\"user.list\",\"vault\":\"web\"}");
    ck_assert_str_eq(verb_text(&lab, "users.1.bound.0"), me());
    lab_end(&lab);
}
END_TEST

START_TEST(a_binding_goes_with_the_user_and_does_not_come_back_with_its_name)
{
    CK_SESSION_HANDLE session;
    struct lab lab;

    lab_start(&lab);
    assert_ok(bind_user(&lab, "bob", me()));
    session = lab_session(&lab, 0);
    lab_signs(&lab, session);
    verb_ok(&lab, NULL, "{\"verb\":\"user.remove\",\"vault\":\"web\",\"user\":\"bob\"}");
    ck_assert_uint_eq(lab_find(&lab, session, CKO_PRIVATE_KEY, "tls"), 0);
    verb_ok(&lab, "another-pin",
            "{\"verb\":\"user.add\",\"vault\":\"web\",\"user\":\"bob\","
            "\"pin\":0,\"roles\":[\"cryptoUser\"]}");
    ck_assert_uint_eq(lab_find(&lab, session, CKO_PRIVATE_KEY, "tls"), 0);
    assert_ok(bind_user(&lab, "bob", me()));
    lab_signs(&lab, session);
    lab_end(&lab);
}
END_TEST

static const struct {
    const char *user, *principal;
    CK_RV rv;
} bad_bindings[] = {
    {"nobody", "unix:www-data", CKR_USER_PIN_NOT_INITIALIZED},
    {"so", "unix:www-data", CKR_ARGUMENTS_BAD},
    {"alice", "user:bob", CKR_ARGUMENTS_BAD},
    {"alice", "www-data", CKR_ARGUMENTS_BAD},
    {"alice", "unix:", CKR_ARGUMENTS_BAD},
    {"alice", "unix:a b", CKR_ARGUMENTS_BAD},
    {"alice", "token:issuer", CKR_ARGUMENTS_BAD},
    {"alice", "token:#sub", CKR_ARGUMENTS_BAD},
    {"alice", "cert:x", CKR_ARGUMENTS_BAD},
};

START_TEST(what_cannot_be_bound_is_refused)
{
    struct lab lab;

    lab_start(&lab);
    assert_rv(bad_bindings[_i].rv,
              bind_user(&lab, bad_bindings[_i].user, bad_bindings[_i].principal));
    assert_ok(bind_user(&lab, "alice", "unix:www-data"));
    assert_ok(bind_user(&lab, "alice", "token:https://issuer#sub"));
    lab_end(&lab);
}
END_TEST

START_TEST(a_unix_user_is_bound_once_and_unbound_once)
{
    struct lab lab;

    lab_start(&lab);
    assert_rv(CKR_ACTION_PROHIBITED, belong(&lab, "user.unbind", "user", "alice", me()));
    assert_ok(bind_user(&lab, "alice", me()));
    assert_rv(CKR_ACTION_PROHIBITED, bind_user(&lab, "alice", me()));
    assert_rv(CKR_ACTION_PROHIBITED, bind_user(&lab, "bob", me()));
    assert_rv(CKR_ACTION_PROHIBITED, belong(&lab, "user.unbind", "user", "bob", me()));
    assert_ok(belong(&lab, "user.unbind", "user", "alice", me()));
    assert_rv(CKR_ACTION_PROHIBITED, belong(&lab, "user.unbind", "user", "alice", me()));
    lab_end(&lab);
}
END_TEST

static void try_to_bind(struct lab *lab, int n)
{
    (void)n;
    assert_rv(CKR_ACTION_PROHIBITED, bind_user(lab, "alice", "unix:nobody"));
    assert_rv(CKR_ACTION_PROHIBITED, group(lab, "group.add", "mine"));
    assert_rv(CKR_ACTION_PROHIBITED, belong(lab, "group.join", "group", "signers", "unix:nobody"));
}

START_TEST(who_does_not_administer_binds_nobody_and_makes_no_group)
{
    struct lab lab;

    lab_make(&lab);
    assert_ok(lab.f->C_Initialize(NULL));
    assert_ok(group(&lab, "group.add", "signers"));
    assert_ok(lab.f->C_Finalize(NULL));
    (void)verb_as_nobody(&lab, try_to_bind, 0);
    lab_end(&lab);
}
END_TEST

/* ---- groups ---- */

#define GROUP_POLICY                                                                               \
    "permit (principal in Group::\"signers\", action in Action::\"cryptoUser\", resource);"

static void make_group(struct lab *lab)
{
    lab_start(lab);
    lab_policy(lab, GROUP_POLICY);
    assert_ok(group(lab, "group.add", "signers"));
}

START_TEST(a_user_has_the_rights_of_its_group_while_it_is_in_it)
{
    CK_SESSION_HANDLE session;
    struct lab lab;

    make_group(&lab);
    session = lab_session(&lab, 0);
    assert_ok(belong(&lab, "group.join", "group", "signers", "user:bob"));
    assert_ok(lab_login(&lab, session, CKU_USER, "bob:" LAB_BOB_PIN));
    lab_signs(&lab, session);
    assert_ok(lab.f->C_Logout(session));
    /* Alice is in no group. */
    assert_ok(lab_login(&lab, session, CKU_USER, LAB_PIN));
    ck_assert_uint_eq(lab_find(&lab, session, CKO_PRIVATE_KEY, "tls"), 0);
    assert_ok(lab.f->C_Logout(session));
    assert_ok(belong(&lab, "group.leave", "group", "signers", "user:bob"));
    assert_ok(lab_login(&lab, session, CKU_USER, "bob:" LAB_BOB_PIN));
    ck_assert_uint_eq(lab_find(&lab, session, CKO_PRIVATE_KEY, "tls"), 0);
    lab_end(&lab);
}
END_TEST

START_TEST(a_unix_user_has_the_rights_of_its_group)
{
    CK_SESSION_HANDLE session;
    struct lab lab;

    make_group(&lab);
    session = lab_session(&lab, 0);
    ck_assert_uint_eq(lab_find(&lab, session, CKO_PRIVATE_KEY, "tls"), 0);
    assert_ok(belong(&lab, "group.join", "group", "signers", me()));
    lab_signs(&lab, session);
    assert_ok(group(&lab, "group.remove", "signers"));
    ck_assert_uint_eq(lab_find(&lab, session, CKO_PRIVATE_KEY, "tls"), 0);
    /* A new group of the name is empty. */
    assert_ok(group(&lab, "group.add", "signers"));
    ck_assert_uint_eq(lab_find(&lab, session, CKO_PRIVATE_KEY, "tls"), 0);
    lab_end(&lab);
}
END_TEST

START_TEST(a_bound_user_is_held_to_the_groups_of_both_its_names)
{
    CK_SESSION_HANDLE session;
    struct lab lab;

    lab_start(&lab);
    lab_policy(&lab,
               "permit (principal == User::\"alice\", action, resource);"
               "forbid (principal in Group::\"watched\", action == Action::\"sign\", resource);");
    assert_ok(group(&lab, "group.add", "watched"));
    assert_ok(bind_user(&lab, "alice", me()));
    session = lab_session(&lab, 0);
    lab_signs(&lab, session);
    assert_ok(belong(&lab, "group.join", "group", "watched", me()));
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED,
              lab.f->C_SignInit(session, &ecdsa, lab_find(&lab, session, CKO_PRIVATE_KEY, "tls")));
    lab_end(&lab);
}
END_TEST

START_TEST(a_user_that_is_removed_leaves_its_groups)
{
    struct lab lab;

    make_group(&lab);
    assert_ok(belong(&lab, "group.join", "group", "signers", "user:bob"));
    verb_ok(&lab, NULL, "{\"verb\":\"group.list\",\"vault\":\"web\"}");
    ck_assert_str_eq(verb_text(&lab, "groups.0.name"), "signers");
    ck_assert_str_eq(verb_text(&lab, "groups.0.members.0"), "user:bob");
    verb_ok(&lab, NULL, "{\"verb\":\"user.remove\",\"vault\":\"web\",\"user\":\"bob\"}");
    verb_ok(&lab, NULL, "{\"verb\":\"group.list\",\"vault\":\"web\"}");
    ck_assert_str_eq(verb_text(&lab, "groups.0.members.0"), "");
    lab_end(&lab);
}
END_TEST

START_TEST(joining_and_leaving_want_what_they_name)
{
    struct lab lab;

    make_group(&lab);
    assert_rv(CKR_ACTION_PROHIBITED, group(&lab, "group.add", "signers"));
    assert_rv(CKR_ARGUMENTS_BAD, group(&lab, "group.add", "no blanks"));
    assert_rv(CKR_ACTION_PROHIBITED, group(&lab, "group.remove", "others"));
    assert_rv(CKR_ACTION_PROHIBITED, belong(&lab, "group.join", "group", "others", "user:bob"));
    assert_rv(CKR_USER_PIN_NOT_INITIALIZED,
              belong(&lab, "group.join", "group", "signers", "user:nobody"));
    assert_rv(CKR_ARGUMENTS_BAD, belong(&lab, "group.join", "group", "signers", "user:so"));
    assert_rv(CKR_ARGUMENTS_BAD, belong(&lab, "group.join", "group", "signers", "bob"));
    assert_rv(CKR_ACTION_PROHIBITED, belong(&lab, "group.leave", "group", "signers", "user:bob"));
    assert_ok(belong(&lab, "group.join", "group", "signers", "user:bob"));
    assert_rv(CKR_ACTION_PROHIBITED, belong(&lab, "group.join", "group", "signers", "user:bob"));
    lab_end(&lab);
}
END_TEST

static void leave_group(struct lab *lab, int n)
{
    (void)n;
    assert_ok(lab->f->C_Initialize(NULL));
    assert_ok(belong(lab, "group.leave", "group", "signers", "user:bob"));
}

START_TEST(an_operation_in_progress_ends_with_the_membership_it_rests_on)
{
    CK_BYTE data[] = "data";
    CK_BYTE signature[LAB_SIGNATURE_MAX];
    CK_ULONG len = sizeof(signature);
    CK_SESSION_HANDLE session;
    struct lab lab;

    make_group(&lab);
    assert_ok(belong(&lab, "group.join", "group", "signers", "user:bob"));
    session = lab_session(&lab, 0);
    assert_ok(lab_login(&lab, session, CKU_USER, "bob:" LAB_BOB_PIN));
    assert_ok(lab.f->C_SignInit(session, &ecdsa, lab_find(&lab, session, CKO_PRIVATE_KEY, "tls")));
    assert_ok(lab.f->C_SignUpdate(session, data, sizeof(data)));
    lab_join(lab_child(leave_group, &lab, 0));
    assert_rv(CKR_KEY_HANDLE_INVALID, lab.f->C_SignFinal(session, signature, &len));
    lab_end(&lab);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(a_bound_unix_user_acts_as_the_user_without_a_pin),
        CASE(another_unix_user_of_the_same_vault_is_not_bound),
        CASE(the_log_says_that_a_binding_proved_it),
        CASE(a_login_wins_over_the_binding_until_logout),
        CASE(who_administers_goes_on_administering_when_bound),
        CASE(a_binding_goes_with_the_user_and_does_not_come_back_with_its_name),
        CASE_LOOP(what_cannot_be_bound_is_refused, sizeof(bad_bindings) / sizeof(*bad_bindings)),
        CASE(a_unix_user_is_bound_once_and_unbound_once),
        CASE(who_does_not_administer_binds_nobody_and_makes_no_group),
        CASE(a_user_has_the_rights_of_its_group_while_it_is_in_it),
        CASE(a_unix_user_has_the_rights_of_its_group),
        CASE(a_bound_user_is_held_to_the_groups_of_both_its_names),
        CASE(a_user_that_is_removed_leaves_its_groups),
        CASE(joining_and_leaving_want_what_they_name),
        CASE(an_operation_in_progress_ends_with_the_membership_it_rests_on),
    };

    return lab_suite_run("pkcs11/identity", cases, sizeof(cases) / sizeof(*cases));
}
