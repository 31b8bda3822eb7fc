/* Between gate.c and gate_request.c: one question to the policy, put together on the stack. Nobody
 * else includes this. */
#ifndef KEYWARD_PKCS11_GATE_INT_H
#define KEYWARD_PKCS11_GATE_INT_H

#include "base/mech.h"
#include "base/names.h"
#include "pkcs11/call.h"

#define QUESTION_UID_MAX      (VAULT_NAME_MAX + 1 + 256 + 2 * OBJECT_ID_LEN + 1)
#define QUESTION_CONTEXT_MAX  17
#define QUESTION_OBJECT_ATTRS 10
#define QUESTION_REASONS_MAX  8
#define QUESTION_GROUPS_MAX   (APP_GROUPS_MAX + 64) /* the Unix user's, and the vault's */

struct question {
    struct run *run;
    struct rules *rules; /* held until question_release() */
    struct policy_request request;
    struct policy_verdict verdict;
    /* Storage that request and verdict point into. */
    struct login told;  /* who says to be there */
    struct login login; /* as whom it is asked */
    bool may_bind; /* asked as the Unix user first, as the user it is bound to where that is refused
                    */
    struct policy_uid groups[QUESTION_GROUPS_MAX];
    struct policy_uid vault_uid;
    char object_uid[QUESTION_UID_MAX];
    char mechanism[NAME_BUF_MAX];
    char hash[NAME_BUF_MAX];
    char mgf[NAME_BUF_MAX];
    char attribute[NAME_BUF_MAX];
    char aad[65];
    char wrapping_uid[QUESTION_UID_MAX];
    struct policy_field context[QUESTION_CONTEXT_MAX];
    struct policy_field object_attrs[QUESTION_OBJECT_ATTRS];
    struct policy_field vault_attrs[2];
    struct policy_entity entities[4];
    uint32_t reasons[QUESTION_REASONS_MAX];
    uint32_t errors[QUESTION_REASONS_MAX];
    const struct ask *ask;
    uint64_t approvals; /* of so many others: context.approvals */
    uint64_t
        approvals_needed; /* after a denial: with so many it were allowed; 0: no number helps */
    const char *spent;    /* the permit whose budget is used up; NULL: none */
    bool clock_is_back;   /* the answer is no, whatever the policy says: gate_clock.c */
};

/* ---- who (gate_who.c) ---- */

/* As whom a login acts under these rules: itself, or the user that it is bound to. */
void who_bind(const struct run *run, const struct rules *rules, struct login *login);
/* The word for the log. */
const char *who_proof(const struct login *login);
/* Cedar text of the principal. */
void who_text(const struct run *run, const struct login *login, char *out, size_t size);
/* The name by which the directory knows the caller: unix:www-data. "" where it can know none. */
const char *who_directory_name(const struct run *run, const struct login *login,
                               char out[static PRINCIPAL_MAX + 1]);
struct policy_uid who_uid(const struct run *run, const struct login *login);
/* Adds the groups of a principal ("unix:www-data") to a list that has room for QUESTION_GROUPS_MAX;
 * CKR_FUNCTION_FAILED where they do not fit: one that is not seen may be the one that forbids. */
MUST_CHECK CK_RV who_groups(const struct rules *rules, const char *principal,
                            struct policy_uid *groups, size_t *count);
/* The principal of a question, with its groups. */
MUST_CHECK CK_RV who_entity(struct question *q, struct policy_entity *ret);

MUST_CHECK CK_RV question_new(struct run *run, const struct ask *ask, struct question *q);
void question_decide(struct question *q);
void question_release(struct question *q);
/* True when an answer under these rules stays the same as long as store, login, call, object and
 * mechanism do: no policy looks at anything else, such as the time. */
bool question_lasts(const struct rules *rules);

/* ---- the context (gate_context.c) ---- */

void question_context(struct question *q, const CK_MECHANISM *mechanism, bool logged_in);
/* True when a policy looks at something out of mechanisms' parameters. */
bool question_hears_parameters(const struct rules *rules);
/* Of the object's entity: "web/tls". Borrows from out. */
struct bytes question_object_id(const struct run *run, const struct object *object,
                                char out[static QUESTION_UID_MAX]);

/* The same question with so many approvals. */
void question_decide_approved(struct question *q, uint64_t approvals);
/* May a user of the vault, by an administrative verb, do this with the question's object? */
bool question_user_may(const struct question *q, const char *user, const char *verb,
                       enum action action);

/* ---- gate_approval.c ---- */

#define APPROVALS_MAX 8 /* that one use can need */

/* Is it a use that the policy may want approvals for? */
bool question_pays(const struct question *q);
/*
 * After question_decide() said no: looks for approvals that would change it, and decides anew with
 * as few of them as do. Those are used up, unless the data is yet to come, in one step for all
 * processes, and that is on record. CKR_OK: the verdict stands.
 */
MUST_CHECK CK_RV question_settle(struct question *q);

/* ---- gate_budget.c ---- */

/* After a "yes", right before the use: takes it off a budget, where only permits with budgets say
 * so. Where all are used up the verdict becomes "no", and q->spent names the last. */
MUST_CHECK CK_RV question_spend(struct question *q);

/* After a denial. */
bool question_login_would_help(const struct question *q);
bool question_other_mechanism_would_help(const struct question *q);
/* Number of the first rule that made the answer, from 1; 0: none did (default deny). */
CK_ULONG question_rule_number(const struct question *q);
void question_reason(const struct question *q, char *out, size_t size);

/* Principal, rules and policy hash of the answer. */
void question_fill(const struct question *q, struct grant *grant);
void gate_name_object(const struct object *object, struct grant *grant);

/* ---- gate_memory.c: digests of a record ---- */

/* SHA-256 of the parameters (gate_params.h), hex; "" when there are none. */
MUST_CHECK CK_RV gate_parameters_text(struct run *run, const CK_MECHANISM *mechanism,
                                      char hex[static 65]);
/* Under the log key of the run's vault. */
MUST_CHECK CK_RV gate_keyed_digest(struct run *run, struct bytes data, uint8_t out[static 32]);

#endif
