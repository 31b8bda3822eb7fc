/* Saved states of digests: restored in any session of the application with the token, as often as
 * one likes; of what works with a key there are none. */
#include "base/mech.h"
#include "pkcs11/keyward.h"
#include "pkcs11/saved_state.h"
#include "tests/module/pkcs11/token.h"

#include <string.h>

#undef fail

static CK_SESSION_HANDLE session;
static CK_BYTE data[300];

static void begin(CK_SESSION_HANDLE s, CK_MECHANISM_TYPE type)
{
    CK_MECHANISM m = {type, NULL, 0};

    assert_ok(p11->C_DigestInit(s, &m));
}

static void feed(CK_SESSION_HANDLE s, CK_ULONG from, CK_ULONG len)
{
    assert_ok(p11->C_DigestUpdate(s, data + from, len));
}

static void start(void)
{
    session = token_alice();
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (CK_BYTE)i;
}

static void save(CK_SESSION_HANDLE s, CK_BYTE state[static SAVED_STATE_LEN])
{
    CK_ULONG n = SAVED_STATE_LEN;

    assert_ok(p11->C_GetOperationState(s, state, &n));
    ck_assert_uint_eq(n, SAVED_STATE_LEN);
}

static CK_RV restore(CK_SESSION_HANDLE s, CK_BYTE *state)
{
    return p11->C_SetOperationState(s, state, SAVED_STATE_LEN, 0, 0);
}

static void assert_final(CK_SESSION_HANDLE s, CK_MECHANISM_TYPE type, CK_ULONG len)
{
    CK_MECHANISM m = {type, NULL, 0};
    CK_SESSION_HANDLE other = token_open("web", false);
    CK_BYTE got[64], want[64];
    CK_ULONG n = sizeof(got), want_len = sizeof(want);

    assert_ok(p11->C_DigestFinal(s, got, &n));
    assert_ok(p11->C_DigestInit(other, &m));
    assert_ok(p11->C_Digest(other, data, len, want, &want_len));
    ck_assert_uint_eq(n, want_len);
    ck_assert_mem_eq(got, want, n);
    assert_ok(p11->C_CloseSession(other));
}

/* Every digest there is, from in the middle of a block. */
START_TEST(a_digest_goes_on_where_it_was_saved)
{
    CK_BYTE state[SAVED_STATE_LEN];

    start();
    for (size_t i = 0; i < mech_count(); i++) {
        CK_MECHANISM_TYPE type = mech_at(i)->type;

        if (mech_at(i)->flags != CKF_DIGEST || mech_at(i)->legacy)
            continue;
        begin(session, type);
        feed(session, 0, 77);
        save(session, state);
        feed(session, 77, 100);
        assert_final(session, type, 177); /* saving took nothing from it */
        assert_ok(restore(session, state));
        feed(session, 77, 223);
        assert_final(session, type, 300);
        assert_ok(restore(session, state));
        assert_final(session, type, 77);
    }
}
END_TEST

START_TEST(a_state_goes_to_another_session_of_the_token_and_to_no_other_token)
{
    CK_SESSION_HANDLE other, elsewhere;
    CK_BYTE state[SAVED_STATE_LEN];

    start();
    other = token_open("web", false);
    elsewhere = token_open("other", false);
    begin(session, CKM_SHA256);
    feed(session, 0, 10);
    save(session, state);
    assert_ok(p11->C_CloseSession(session));
    assert_rv(CKR_SAVED_STATE_INVALID, restore(elsewhere, state));
    assert_ok(restore(other, state));
    feed(other, 10, 20);
    assert_final(other, CKM_SHA256, 30);
}
END_TEST

START_TEST(what_was_in_progress_gives_way_to_a_state)
{
    CK_BYTE state[SAVED_STATE_LEN], out[64];
    CK_ULONG n = sizeof(out);
    CK_MECHANISM ecb = {CKM_AES_ECB, NULL, 0};

    start();
    begin(session, CKM_SHA_1);
    feed(session, 0, 10);
    save(session, state);
    feed(session, 10, 10);
    assert_ok(p11->C_EncryptInit(session, &ecb, token_aes(session, "k", false)));
    assert_ok(restore(session, state));
    assert_rv(CKR_OPERATION_NOT_INITIALIZED, p11->C_Encrypt(session, data, 16, out, &n));
    feed(session, 10, 5);
    assert_final(session, CKM_SHA_1, 15);
}
END_TEST

START_TEST(a_digest_that_has_not_begun_to_read_is_saved_too)
{
    CK_BYTE state[SAVED_STATE_LEN], out[64];
    CK_ULONG n = sizeof(out);

    start();
    begin(session, CKM_SHA512);
    save(session, state);
    assert_ok(p11->C_Digest(session, data, 3, out, &n));
    assert_ok(restore(session, state));
    feed(session, 0, 300);
    assert_final(session, CKM_SHA512, 300);
}
END_TEST

START_TEST(nothing_that_works_with_a_key_is_saved)
{
    CK_MECHANISM ecb = {CKM_AES_ECB, NULL, 0};
    CK_BYTE state[SAVED_STATE_LEN];
    CK_ULONG n = sizeof(state);

    start();
    assert_rv(CKR_OPERATION_NOT_INITIALIZED, p11->C_GetOperationState(session, state, &n));
    assert_ok(p11->C_EncryptInit(session, &ecb, token_aes(session, "k", false)));
    assert_rv(CKR_STATE_UNSAVEABLE, p11->C_GetOperationState(session, state, &n));
    begin(session, CKM_SHA256);
    assert_rv(CKR_STATE_UNSAVEABLE, p11->C_GetOperationState(session, state, &n));
    assert_ok(p11->C_EncryptInit(session, NULL, 0));
    save(session, state);
}
END_TEST

START_TEST(a_length_is_asked_and_a_short_buffer_told)
{
    CK_BYTE state[SAVED_STATE_LEN];
    CK_ULONG n = 0;

    start();
    begin(session, CKM_SHA256);
    assert_rv(CKR_ARGUMENTS_BAD, p11->C_GetOperationState(session, state, NULL));
    assert_ok(p11->C_GetOperationState(session, NULL, &n));
    ck_assert_uint_eq(n, SAVED_STATE_LEN);
    n--;
    assert_rv(CKR_BUFFER_TOO_SMALL, p11->C_GetOperationState(session, state, &n));
    ck_assert_uint_eq(n, SAVED_STATE_LEN);
    save(session, state);
}
END_TEST

START_TEST(a_state_that_is_none_is_refused_and_leaves_what_is_there)
{
    CK_BYTE state[SAVED_STATE_LEN];

    start();
    begin(session, CKM_SHA256);
    feed(session, 0, 10);
    save(session, state);
    assert_rv(CKR_ARGUMENTS_BAD, p11->C_SetOperationState(session, NULL, SAVED_STATE_LEN, 0, 0));
    assert_rv(CKR_SAVED_STATE_INVALID, p11->C_SetOperationState(session, state, 0, 0, 0));
    assert_rv(CKR_SAVED_STATE_INVALID,
              p11->C_SetOperationState(session, state, SAVED_STATE_LEN - 1, 0, 0));
    assert_rv(CKR_KEY_NOT_NEEDED, p11->C_SetOperationState(session, state, SAVED_STATE_LEN, 1, 0));
    assert_rv(CKR_KEY_NOT_NEEDED, p11->C_SetOperationState(session, state, SAVED_STATE_LEN, 0, 1));
    for (size_t i = 0; i < sizeof(state); i++) {
        state[i] ^= 1;
        assert_rv(CKR_SAVED_STATE_INVALID, restore(session, state));
        state[i] ^= 1;
    }
    assert_final(session, CKM_SHA256, 10);
    assert_ok(restore(session, state));
}
END_TEST

START_TEST(the_oldest_state_goes_when_there_are_too_many_and_all_go_with_the_application)
{
    CK_BYTE first[SAVED_STATE_LEN], second[SAVED_STATE_LEN], more[SAVED_STATE_LEN];

    start();
    begin(session, CKM_SHA256);
    save(session, first);
    save(session, second);
    for (int i = 0; i < SAVED_STATES_MAX - 2; i++)
        save(session, more);
    assert_ok(restore(session, first));
    save(session, more); /* one too many */
    assert_rv(CKR_SAVED_STATE_INVALID, restore(session, first));
    assert_ok(restore(session, second));
    assert_ok(restore(session, more));
    assert_ok(p11->C_Finalize(NULL));
    session = token_alice();
    assert_rv(CKR_SAVED_STATE_INVALID, restore(session, more));
}
END_TEST

/* A state is no way to keep what a policy takes away. */
START_TEST(a_restored_digest_is_asked_of_the_policy_of_now)
{
    CK_BYTE state[SAVED_STATE_LEN], out[64];
    CK_ULONG n = sizeof(out);

    start();
    begin(session, CKM_SHA256);
    save(session, state);
    assert_ok(p11->C_Logout(session));
    token_admin("{\"verb\":\"policy.apply\",\"vault\":\"web\",\"text\":"
                "\"forbid (principal, action == Action::\\\"digest\\\", resource);\"}");
    assert_ok(restore(session, state));
    assert_rv(CKR_MECHANISM_INVALID, p11->C_Digest(session, data, 3, out, &n));
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(a_digest_goes_on_where_it_was_saved),
        CASE(a_state_goes_to_another_session_of_the_token_and_to_no_other_token),
        CASE(what_was_in_progress_gives_way_to_a_state),
        CASE(a_digest_that_has_not_begun_to_read_is_saved_too),
        CASE(nothing_that_works_with_a_key_is_saved),
        CASE(a_length_is_asked_and_a_short_buffer_told),
        CASE(a_state_that_is_none_is_refused_and_leaves_what_is_there),
        CASE(the_oldest_state_goes_when_there_are_too_many_and_all_go_with_the_application),
        CASE(a_restored_digest_is_asked_of_the_policy_of_now),
    };

    return token_suite("pkcs11/state", cases, COUNT(cases));
}
