/*
 * The gate: the only place where a verdict, a record and an act meet. No code reaches a key,
 * changes an object or releases a result except between gate_ask() and the record that call_leave()
 * writes.
 *
 *   C_SignInit   gate_ask(run, &ask)          denied: the denial is in the log, the CKR is the
 * answer
 *                ... the operation is set up ...
 *                gate_keep(run, &op->grant)   allowed: kept with the operation, no record yet
 *   C_Sign       gate_resume(run, &op->grant) asked again where the policy changed meanwhile
 *                ... the HSM signs ...
 *   call_leave   the record is appended; only then the signature is copied to the caller
 *
 * A call that changes state calls gate_intent() after gate_ask() and before it acts.
 */
#ifndef KEYWARD_PKCS11_GATE_H
#define KEYWARD_PKCS11_GATE_H

#include "pkcs11/app.h"
#include "policy/schema.h"

struct run;
struct gate_memory;

/* Nanoseconds since the call's last record, by what they went into. */
struct spent {
    int64_t policy, hsm, software;
};
/* Adds from to to, and empties from. */
static inline void spent_move(struct spent *to, struct spent *from)
{
    to->policy += from->policy;
    to->hsm += from->hsm;
    to->software += from->software;
    *from = (struct spent){.policy = 0};
}

/* What is asked for. The members are borrowed during gate_ask(). */
struct ask {
    enum action action;
    /* The object it is about; also one that does not exist yet (create). NULL: the run's vault;
     * without one, the home. */
    const struct object *object;
    const CK_MECHANISM *mechanism; /* NULL: none */
    bool iv_made;                  /* the IV in its parameters is not the caller's, but made here */
    const struct object *wrapping; /* the key that takes the object out, or brings it in; or NULL */
    bool has_attribute;            /* about one attribute of the object: */
    CK_ATTRIBUTE_TYPE attribute;
    /*
     * A key that is used on data: the data is not there yet (an operation's Init), or this is its
     * SHA-256. Where neither is said the act is the asking's own, without data. What the policy
     * counts (approvals) is used up by an answer "yes", but not while the data is yet to come.
     */
    bool later;
    const uint8_t *data;
    uint64_t paid; /* approvals that this operation has used up already */
    bool as_unix;  /* as the Unix user, also where a vault's user is logged in */
    bool quiet; /* a denial is no refusal of a call (filtering a search): no record, no device error
                 */
};

/* Said of an object that is not there, and in the same words of one that the caller may not see. */
#define GATE_NO_OBJECT                                                                             \
    "there is no such object here for this caller: check the handle, log in, or see what the "     \
    "policy lists"

/* The verb by which a use is approved: as that, an approver's right is looked at again. */
#define APPROVE_VERB "approve.give"

#define GRANT_RULES_MAX 256

/* An answer "yes", with what the record of its use will say. Plain data: copied, kept, never freed.
 */
struct grant {
    enum action action;
    bool has_object;
    struct {
        uint8_t id[OBJECT_ID_LEN];
        char name[256]; /* label, cut to fit */
        uint64_t version;
    } object;
    CK_MECHANISM_TYPE mechanism; /* KW_NO_MECHANISM: none */
    char parameters[65];         /* SHA-256 of the mechanism's parameters, hex; "" when none */
    char principal[PRINCIPAL_MAX + 33];
    const char *proof;   /* how it was proved that the caller is that: a constant word */
    struct login login;  /* what that was told by: while it is the same, so is the principal */
    bool lasts;          /* the answer does not change by itself (question_lasts) */
    bool any_parameters; /* nor with the mechanism's parameters (question_hears_parameters) */
    uint64_t generation; /* of the store, at which it was given */
    uint64_t approvals;  /* that it took */
    bool pays;           /* the policy counts uses: gate_pay() when the data is there */
    char rules[GRANT_RULES_MAX];
    char policy[65];
};

/* The gate's part of a run. */
struct gate {
    bool granted;  /* a grant is current: call_leave() records the outcome */
    bool intended; /* gate_intent() was called: the record is its outcome */
    bool follows;  /* another record follows, and the disk is waited for there (gate_follows()) */
    uint64_t intent;
    struct grant grant;
    char digest[65]; /* keyed digest of the data, hex; "" when none */
    bool has_length, has_count;
    uint64_t length, count;
    char new_policy[65];       /* hash of the policy that is put in force; "" when none is */
    const char *policy_change; /* how it relates to the one before: a constant word */
};

/* Who acts: the login of the run's vault, as long as that user still exists; LOGIN_NONE: the Unix
 * user. The login of a user that was removed, also when one of its name was added since, ends here,
 * as C_Logout would end it. */
MUST_CHECK CK_RV gate_login(struct run *run, struct login *ret);
/*
 * Decides, under the rules in force now (the home's alone for the verb that applies a policy where
 * the vault's own does not load). CKR_OK: run->gate.grant is current. Denied: the code
 * DESIGN 2 names for this action, after the denial is in the log (CKR_DEVICE_ERROR when it could
 * not be written). An object that may not be listed answers CKR_OBJECT_HANDLE_INVALID
 * (CKR_KEY_HANDLE_INVALID where the action uses a key).
 */
MUST_CHECK CK_RV gate_ask(struct run *run, const struct ask *ask);
/*
 * A key that refuses by itself what the policy is then not asked for (its state, its dates, its
 * rights, its login): rv is the answer and its reason is set. The denial is in the log when this
 * returns rv; CKR_DEVICE_ERROR when it could not be written. Only of an object that the caller may
 * see.
 */
CK_RV gate_refuse(struct run *run, const struct ask *ask, CK_RV rv);
/* What would gate_ask() answer? No record and no grant either way. Anything that goes wrong is
 * "no".
 */
bool gate_would_allow(struct run *run, const struct ask *ask);
/* May the caller see it? The same. */
bool gate_visible(struct run *run, const struct object *object);
/* Does a policy in force look at which attribute is read or changed? Else nobody need ask about
 * each of them. Where that cannot be told: yes. */
bool gate_hears_attributes(struct run *run);
/* Does a permit of the policy name the Unix caller for this action on the run's vault, so that no
 * login is needed? */
bool gate_knows_caller(struct run *run, enum action action);
/* Does the Unix caller act as a user of the run's vault? Anything that goes wrong is "no". */
bool gate_is_bound(struct run *run);
/*
 * Of a key as the store holds it: a grant that this session was given before for the very same
 * question, where nothing that the answer depends on has changed since; then it may be seen too.
 * NULL: ask. The grant is the session's, and not current until gate_reuse().
 */
const struct grant *gate_recall(struct run *run, const struct ask *ask);
MUST_CHECK CK_RV gate_reuse(struct run *run, const struct ask *ask, const struct grant *grant);
/* After gate_visible() and gate_ask() said yes in this call: remembers the current grant for
 * gate_recall(), where it lasts. */
void gate_remember(struct run *run, const struct ask *ask);
void gate_memory_free(struct gate_memory *memory); /* NULL is fine */
/* Keeps the current grant for later calls of the same operation; nothing is recorded for this one.
 */
void gate_keep(struct run *run, struct grant *ret);
/* Makes a kept grant current, after asking again. object and mechanism as at gate_ask(). */
MUST_CHECK CK_RV gate_resume(struct run *run, const struct grant *grant, const struct ask *ask);
/* Is the clock so far behind the log that this is refused (gate_clock.c)? */
bool gate_clock_is_back(const struct run *run, enum action action);
/* The sentence about it; false, and "", when the clock is right. */
bool gate_clock_problem(const struct run *run, char *out, size_t size);
/* Right before the key works, where run->gate.grant.pays: asks once more, now with the data, and
 * uses up what the policy counts. Denied: as gate_ask(), and no grant is current unless an intent
 * waits for its outcome. */
MUST_CHECK CK_RV gate_pay(struct run *run, const struct ask *ask);
/* The record before the act. CKR_DEVICE_ERROR: not written, do not act. */
MUST_CHECK CK_RV gate_intent(struct run *run);
/*
 * Several acts of one run, each with an intent and an outcome of its own. What the gate holds of
 * one is put aside, and taken up again for its next step; nothing is current in between.
 */
struct gate_act {
    struct grant grant;
    bool intended;
    uint64_t intent;
};
void gate_put_aside(struct run *run, struct gate_act *ret);
void gate_take_up(struct run *run, const struct gate_act *act);
/* Where records are to be on the disk: true, until it is said that the next one is the last, so
 * that many wait for the disk once. */
void gate_follows(struct run *run, bool follows);
/* What the record says of the data. */
MUST_CHECK CK_RV gate_digest(struct run *run,
                             struct bytes data); /* keyed with the vault's log key */
void gate_digest_done(struct run *run, const uint8_t mac[static 32], uint64_t length);
void gate_length(struct run *run, uint64_t length);
void gate_count(struct run *run, uint64_t count);
/* The call puts text in force in place of was, the vault's own texts: the record will say so when
 * it succeeds (policy_change.c). */
MUST_CHECK CK_RV gate_policy_change(struct run *run, struct bytes was, struct bytes text);
/* The object a granted call made: its id and name go into the record. */
void gate_object(struct run *run, const struct object *object);
/* An event that is no policy decision (logout, a wrong PIN), by or about the user of that name
 * (NULL: whoever acts): written now. */
MUST_CHECK CK_RV gate_note(struct run *run, enum action action, const char *user, CK_RV rv);
/* Something an operator should know that is nobody's act and no failure of the call: a record with
 * CKR_OK and the sentence as its reason. */
MUST_CHECK CK_RV gate_warn(struct run *run, const char *sentence);

/* call_leave()'s part: writes the outcome's record. The code to answer: rv, or CKR_DEVICE_ERROR
 * when it could not be written. */
MUST_CHECK CK_RV gate_finish(struct run *run, CK_RV rv);

/* ---- the same question, put for somebody else (gate_explain.c) ---- */

struct explain {
    struct ask ask;
    struct policy_uid principal;
    const struct policy_uid *groups; /* its ancestors */
    size_t group_count;
    const struct policy_field *context; /* in place of what an application's call would have */
    size_t context_count;
};

struct explained {
    const struct policy *policy; /* NULL: the policy cannot be read, everything is denied */
    const struct policy_request *request; /* as it was decided */
    const struct policy_verdict *verdict;
    uint64_t approvals_needed; /* denied, and allowed with so many; 0: no number helps */
    bool needs_login; /* the policy allows it, but a private object is hidden until C_Login */
};

/* Decides under the rules in force and tells; everything told is borrowed during the call. Nothing
 * is recorded or granted. */
MUST_CHECK CK_RV gate_explain(struct run *run, const struct explain *explain,
                              CK_RV (*tell)(void *ctx, const struct explained *answer), void *ctx);

/* The same question without anybody who puts it: request is good for policy_who_can(), with what is
 * known of the object; policy is NULL where it cannot be read. */
MUST_CHECK CK_RV gate_who_can(struct run *run, const struct ask *ask,
                              CK_RV (*tell)(void *ctx, const struct policy *policy,
                                            const struct policy_request *request),
                              void *ctx);

#endif
