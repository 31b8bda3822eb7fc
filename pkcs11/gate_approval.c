/*
 * Approvals at the gate: context.approvals is how many others have said that this very use is
 * right. One counts when all of this holds:
 *
 *   key, version, action      the same
 *   mechanism                 the same, where the approval names one
 *   data                      the same SHA-256; an approval without one is for acts without data
 *   requester                 the one it names, or anybody but the approver
 *   approver                  still the same user of the vault, who still may approve, and not
 *                             counted already
 *   time                      not expired
 *   signature                 the home's, over all of it
 *
 * As few are used up as change the answer, before the key works: a use that fails afterwards has
 * used them all the same. The store takes them away in one transaction, so of two processes one
 * gets them. While the data is yet to come those for any data count, and none is used up.
 */
#include "base/names.h"
#include "pkcs11/gate_int.h"
#include "vault/approval.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S INT64_C(1000000000)

/* Those that count, by one approver each. */
struct counted {
    size_t count;
    uint8_t ids[APPROVALS_MAX][APPROVAL_ID_LEN];
    char by[APPROVALS_MAX][USER_NAME_MAX + 1];
};

bool question_pays(const struct question *q)
{
    return q->ask->object != NULL && !q->ask->quiet && q->rules->policy != NULL &&
           (q->rules->approvals || q->rules->budgets) && q->ask->action != ACTION_LIST &&
           q->ask->action != ACTION_GET && q->ask->action != ACTION_APPROVE;
}

/* ---- does it count? ---- */

static bool is_of_this_use(const struct question *q, const struct approval *a)
{
    const struct ask *ask = q->ask;
    char name[NAME_BUF_MAX];

    if (a->version != ask->object->version ||
        strcmp(a->action, schema_action_name(ask->action)) != 0)
        return false;
    if (a->mechanism[0] != '\0' &&
        (ask->mechanism == NULL ||
         strcmp(a->mechanism, name_of_mechanism(ask->mechanism->mechanism, name)) != 0))
        return false;
    if (ask->later)
        return true;
    return ask->data != NULL
               ? a->has_digest && memcmp(a->digest, ask->data, APPROVAL_DIGEST_LEN) == 0
               : !a->has_digest;
}

static bool is_for_caller(const struct question *q, const struct approval *a)
{
    char caller[PRINCIPAL_MAX + 1];
    char approver[PRINCIPAL_MAX + 1];

    (void)snprintf(approver, sizeof(approver), "user:%s", a->approver);
    who_directory_name(q->run, &q->login, caller);
    return strcmp(caller, approver) != 0 &&
           (a->requester[0] == '\0' || strcmp(caller, a->requester) == 0);
}

static bool is_by_an_approver(const struct question *q, const struct approval *a)
{
    struct user_info user;

    return user_get(run_store(q->run), &q->run->vault, a->approver, &user) == CKR_OK &&
           memcmp(user.identity, a->identity, USER_IDENTITY_LEN) == 0 &&
           question_user_may(q, a->approver, APPROVE_VERB, ACTION_APPROVE);
}

static bool is_signed(const struct question *q, const struct approval *a)
{
    struct buf text = BUF_INIT(APPROVAL_TEXT_MAX);
    bool good;

    approval_text(&q->run->vault, a, &text);
    good = buf_ok(&text) &&
           engine_verify(q->run->app->engine, buf_bytes(&text), a->signature) == CKR_OK;
    buf_release(&text);
    return good;
}

static bool is_counted(const struct counted *counted, const struct approval *a)
{
    for (size_t i = 0; i < counted->count; i++)
        if (strcmp(counted->by[i], a->approver) == 0)
            return true;
    return false;
}

static CK_RV find(const struct question *q, struct counted *ret)
{
    int64_t now = clock_realtime(engine_clock(q->run->app->engine)) / NS_PER_S;
    SCOPED_FREE struct approval *list = NULL;
    size_t count = 0;
    CK_RV rv = approval_list(run_store(q->run), &q->run->vault, q->ask->object->id, &list, &count);

    *ret = (struct counted){.count = 0};
    for (size_t i = 0; rv == CKR_OK && i < count && ret->count < APPROVALS_MAX; i++) {
        const struct approval *a = &list[i];

        if (now >= a->expires || is_counted(ret, a) || !is_of_this_use(q, a) ||
            !is_for_caller(q, a) || !is_by_an_approver(q, a) || !is_signed(q, a))
            continue;
        memcpy(ret->ids[ret->count], a->id, APPROVAL_ID_LEN);
        memcpy(ret->by[ret->count], a->approver, sizeof(a->approver));
        ret->count++;
    }
    return rv;
}

/* ---- using them ---- */

/* That they are used up is on record before the key works. */
static CK_RV use_up(struct question *q, const struct counted *counted)
{
    char sentence[FAIL_REASON_MAX];
    size_t at;
    CK_RV rv = approval_take(run_store(q->run), &q->run->vault, counted->ids, (size_t)q->approvals);

    if (rv != CKR_OK)
        return rv;
    at = (size_t)snprintf(sentence, sizeof(sentence), "used up for %s: approvals by",
                          schema_action_name(q->ask->action));
    for (size_t i = 0; i < q->approvals && at < sizeof(sentence); i++)
        at += (size_t)snprintf(sentence + at, sizeof(sentence) - at, "%s %s", i > 0 ? "," : "",
                               counted->by[i]);
    return gate_warn(q->run, sentence);
}

/* Decides with as few as change the answer; false where none do. */
static bool decide_up_to(struct question *q, size_t from, size_t to)
{
    for (size_t n = from; n <= to; n++) {
        question_decide_approved(q, n);
        if (q->verdict.allow)
            return true;
    }
    return false;
}

static void tell_needed(struct question *q, size_t have)
{
    if (decide_up_to(q, have + 1, APPROVALS_MAX))
        q->approvals_needed = q->approvals;
    question_decide_approved(q, have);
}

/* The answer with the approvals there are. */
static CK_RV decide_counted(struct question *q, struct counted *ret)
{
    CK_RV rv;

    if (q->verdict.allow || !q->rules->approvals || decide_up_to(q, 1, (size_t)q->ask->paid))
        return CKR_OK;
    rv = find(q, ret);
    if (rv == CKR_OK && !decide_up_to(q, 1, ret->count))
        tell_needed(q, ret->count);
    return rv;
}

CK_RV question_settle(struct question *q)
{
    struct counted counted = {.count = 0};
    CK_RV rv;

    if (q->clock_is_back || !question_pays(q))
        return CKR_OK;
    do {
        rv = decide_counted(q, &counted);
        if (rv == CKR_OK && q->verdict.allow && !q->ask->later)
            rv = question_spend(q);
        if (rv != CKR_OK || !q->verdict.allow || q->ask->later || q->approvals == 0)
            return rv;
        rv = use_up(q, &counted);
        if (rv == CKR_FUNCTION_REJECTED) /* somebody else was faster: are there others? */
            question_decide_approved(q, 0);
    } while (rv == CKR_FUNCTION_REJECTED);
    return rv;
}
