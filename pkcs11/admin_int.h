/*
 * Private to pkcs11/admin*.c: what one administrative verb works with, and the table it stands in.
 *
 * A verb never answers by itself: it fills a->answer, and admin.c hands that out after
 * call_leave() has its record.
 */
#ifndef KEYWARD_PKCS11_ADMIN_INT_H
#define KEYWARD_PKCS11_ADMIN_INT_H

#include "pkcs11/call.h"
#include "pkcs11/keyward.h"

#include <jansson.h>

/* ---- the table ---- */

enum member_kind {
    MEMBER_TEXT,
    MEMBER_NUMBER,
    MEMBER_BOOL,
    MEMBER_LIST,   /* of texts */
    MEMBER_OBJECT, /* any JSON object; the verb looks inside */
    MEMBER_SECRET  /* index into the call's secrets */
};

struct admin_member {
    const char *name; /* NULL ends the list */
    enum member_kind kind;
    bool required;
};

struct admin;

#define ADMIN_VAULT    1U  /* the member "vault" names an existing vault: run.vault is set */
#define ADMIN_CHANGES  2U  /* changes state: the intent is in the log before the act */
#define ADMIN_ASKS     4U  /* the act asks the gate itself: its question needs an object */
#define ADMIN_HOMELESS 8U  /* runs without an engine: there is no home yet */
#define ADMIN_REPORTS  16U /* a log that keeps the engine asleep is reported on, in the refusal */

struct admin_verb {
    const char *name;
    enum action action;
    unsigned flags;
    const struct admin_member *members;
    CK_RV (*act)(struct admin *a);
};

/* One chapter of the table, in the file that does its verbs. */
struct admin_chapter {
    const struct admin_verb *verbs;
    size_t count;
};
extern const struct admin_chapter admin_home_chapter, admin_vault_chapter, admin_user_chapter,
    admin_issuer_chapter, admin_group_chapter, admin_key_chapter, admin_policy_chapter,
    admin_log_chapter, admin_approve_chapter, admin_confirm_chapter;

/* Every chapter, as docs/PERMISSIONS.md lists them; NULL past the end. */
const struct admin_chapter *admin_chapter_at(size_t i);

/* ---- one call ---- */

struct admin {
    struct run run;
    const struct admin_verb *verb;
    json_t *request;
    const struct keyward_secret *secrets;
    CK_ULONG secret_count;
    json_t *answer;    /* an object, filled by the verb */
    json_t *details;   /* "errors" of a refusal, NULL: none */
    char compared[65]; /* hash of the policy that this change was compared with; "" when it was not
                        */
    bool confirmed;    /* admin_guard() has nothing to say: others have confirmed it */
    json_t *report;    /* "report" of a refusal, NULL: none */
};

/* Members by name; checked against the table before the act, so the kind is right. */
const char *admin_text(const struct admin *a, const char *name); /* NULL when absent */
int64_t admin_number(const struct admin *a, const char *name, int64_t fallback);
bool admin_bool(const struct admin *a, const char *name, bool fallback);
/* The texts of a list: element i, NULL past the end or when absent. */
const char *admin_list(const struct admin *a, const char *name, size_t i);
bool admin_has(const struct admin *a, const char *name);
/* The PIN a member points at; false when the member is absent. */
bool admin_secret(const struct admin *a, const char *name, struct bytes *ret);

/* Asks the gate, and records the intent where the verb changes state. object may be NULL. */
MUST_CHECK CK_RV admin_ask(struct admin *a, enum action action, const struct object *object);

/* The run is this verb's: what it is called in records, and what it may ask for. */
void admin_run_is_verb(struct admin *a);

/* Sets a member of the answer (or of another object); takes value. CKR_HOST_MEMORY when value is
 * NULL. */
MUST_CHECK CK_RV admin_put(json_t *object, const char *name, json_t *value);
MUST_CHECK CK_RV admin_append(json_t *array, json_t *value);
/* A JSON string of any bytes: what is no UTF-8 is shown with '?' for the bytes that are not ASCII.
 */
json_t *admin_json_text(struct bytes text);
/* The value's text. json_dumps() would give memory of jansson, which is not always ours to free
 * (base/heap.h). */
bool admin_json_print(const json_t *value, struct buf *out);
/* RFC 3339 of seconds since 1970; null for 0. */
json_t *admin_json_time(int64_t seconds);

/* A PIN's length and bytes are what user_add() takes: checked before anything is made. */
MUST_CHECK CK_RV admin_check_pin(struct bytes pin, const char *whose);

/* ---- times (admin_time.c) ---- */

/* "90d", "36h", "15m", "30s": seconds, at least 1. */
MUST_CHECK CK_RV admin_parse_duration(const char *text, int64_t *ret);
/* RFC 3339, a date (its first second, UTC), or a duration: sign +1 counts it from now, -1 back. */
MUST_CHECK CK_RV admin_parse_time(const char *text, int64_t now, int sign, int64_t *ret);

/* ---- policies (admin_policy.c) ---- */

/*
 * Loads text as this vault's policy beside the home's, and checks it against the schema. Errors go
 * to a->details and, the first of them, into the reason. name is what messages call the text.
 */
MUST_CHECK CK_RV admin_policy_check(struct admin *a, const char *name, struct bytes text);
/* The statement that gives a user a role (an action group); role NULL: the data plane. */
void admin_policy_statement(struct buf *out, const char *user, const char *role);

/* ---- changes that widen the rights of who makes them (admin_confirm.c) ---- */

/*
 * Before a verb acts: CKR_OK when it changes nobody's rights, or not those of whoever does it, or
 * enough other administrators have confirmed it. Else it is pending, and refused with the hash by
 * which it is confirmed.
 */
MUST_CHECK CK_RV admin_guard(struct admin *a);
/* Of the table; NULL when there is none of that name. */
const struct admin_verb *admin_verb_find(const char *name);

/* ---- the directory (admin_group.c) ---- */

/* The list of those that belong to a user or a group. */
MUST_CHECK CK_RV admin_put_links(json_t *object, const char *name,
                                 const struct directory *directory, enum link_kind kind,
                                 const char *to);

/* policy.explain (admin_explain.c). */
CK_RV admin_policy_explain(struct admin *a);
CK_RV admin_policy_who_can(struct admin *a);

/* ---- the log (admin_log.c) ---- */

/* The engine did not wake. Where that was the log: a->report says what is wrong with it. */
void admin_log_report(struct admin *a);

/* The verb "metrics" (admin_metrics.c). */
CK_RV admin_metrics(struct admin *a);

/* ---- keys (admin_key.c, admin_keygen.c) ---- */

#define ADMIN_HALVES_MAX 8 /* objects of one name and version: two halves, a certificate, ... */

struct admin_objects {
    struct object list[ADMIN_HALVES_MAX];
    size_t count;
};
void admin_objects_release(struct admin_objects *objects);
/* What is visible of the verb's members "name" and "version" (absent: the newest). None:
 * CKR_OBJECT_HANDLE_INVALID with a reason. */
MUST_CHECK CK_RV admin_key_find(struct admin *a, bool deleted, struct admin_objects *ret);
/* What is visible of a name, of any class; nothing is an empty answer. */
MUST_CHECK CK_RV admin_object_find(struct admin *a, const char *name, struct admin_objects *ret);
/* An object as JSON. NULL without memory. */
json_t *admin_key_json(const struct object *object);

extern const struct admin_member admin_key_create_members[];
CK_RV admin_key_create(struct admin *a);
extern const struct admin_member admin_key_import_members[];
CK_RV admin_key_import(struct admin *a);
/* Ends this run's record and begins the next one's: each half of a pair has an intent and an
 * outcome of its own. */
MUST_CHECK CK_RV admin_next_run(struct admin *a);

/* The words of --use and the attribute each sets. */
struct admin_use {
    const char *word;
    CK_ATTRIBUTE_TYPE attribute;
    bool is_public; /* of a pair: set on the public half */
    bool of_pairs;  /* no secret key has it */
};
const struct admin_use *admin_use_at(size_t i); /* NULL past the end */

#endif
