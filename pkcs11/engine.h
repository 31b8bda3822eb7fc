/*
 * One vault home, opened: configuration, HSM, store, log, policies in force. In-process there is
 * one engine; the server has one too, with an app per connection. All functions may be called from
 * several threads.
 */
#ifndef KEYWARD_PKCS11_ENGINE_H
#define KEYWARD_PKCS11_ENGINE_H

#include "audit/trail.h"
#include "audit/verify.h"
#include "base/clock.h"
#include "hsm/hsm.h"
#include "hsm/local.h"
#include "policy/policy.h"
#include "vault/directory.h"

#include <stdbool.h>

struct engine;
struct leases; /* pkcs11/leases.h */

/* The settings of keyward.conf, with their defaults filled in. Paths are absolute. */
struct settings {
    char *hsm_module;     /* [hsm] module */
    char *hsm_token;      /* [hsm] token */
    char *hsm_pin_source; /* [hsm] pin-source */
    int hsm_own_token;    /* [hsm] own-token = no | yes: a SoftHSM token under the home */
    int hsm_in_process;   /* [hsm] isolation = worker | none: the library in this process */
    unsigned hsm_deadline_ms;
    unsigned hsm_lanes;
    unsigned log_interval_ms; /* [log] interval-ms: between checkpoints */
    unsigned log_anchor_s;    /* [log] anchor-interval-s: between anchors in the HSM */
    int log_anchor_at_end;    /* [log] anchor-at-end = no | yes: and when a program ends */
};

/* Paths of a home; each the caller's to free through home_paths_release(). */
struct home_paths {
    char *home, *config, *store, *log, *hsm, *locks, *softhsm_conf, *softhsm_tokens, *pin, *so_pin;
};
MUST_CHECK CK_RV home_paths_make(const char *home, struct home_paths *ret);
void home_paths_release(struct home_paths *paths);
/* Where the home is by environment and user (KEYWARD_HOME, /var/lib/keyward,
 * $XDG_DATA_HOME/keyward). The caller frees it; NULL without memory. */
char *home_find(void);

/* Reads keyward.conf. CKR_ARGUMENTS_BAD with file and line. */
MUST_CHECK CK_RV settings_read(const struct home_paths *paths, struct settings *ret);
void settings_release(struct settings *settings);
/* The hsm's configuration out of settings and paths; borrows from both. */
void settings_hsm_config(const struct settings *settings, const struct home_paths *paths,
                         const char *worker, struct hsm_config *ret);

/* Opens the configuration only: no worker, no store, no log yet. Takes the path's home (copied). */
MUST_CHECK CK_RV engine_new(const char *home, const char *worker, const struct clock *clock,
                            struct engine **ret);
/*
 * Everything up: worker, login, store, log. Done once, on first need; later calls are an atomic
 * read. A failure is remembered for two seconds (so a program that polls does not start a worker a
 * call), one about the HSM's PIN for good: an HSM erases itself after a few bad ones.
 */
MUST_CHECK CK_RV engine_wake(struct engine *engine);
/* Was it the log that kept the engine from waking, the last time it was tried? The log's verifier
 * key then. */
bool engine_log_refused(struct engine *engine, char ret_key[static VERIFY_KEY_MAX]);
/* Last checkpoint, everything closed. NULL is fine. */
void engine_free(struct engine *engine);
/* In a child after fork: the parent's worker, locks and files are left alone. */
void engine_abandon(struct engine *engine);
/* Around a fork, as store_stand_still() and store_go_on(). */
void engine_stand_still(struct engine *engine);
void engine_go_on(struct engine *engine);

/* Valid after engine_wake(). Borrowed. */
struct hsm *engine_hsm(struct engine *engine);
struct hsm *engine_software(struct engine *engine); /* the device of software-protected keys */
/* The device of keys with this protection. */
struct hsm *engine_device(struct engine *engine, enum protection protection);
struct local *engine_local(struct engine *engine);
struct store *engine_store(struct engine *engine);
struct leases *engine_leases(struct engine *engine);
struct trail *engine_trail(struct engine *engine);
const struct clock *engine_clock(const struct engine *engine);
const struct home_paths *engine_paths(const struct engine *engine);
const char *engine_log_key_text(struct engine *engine); /* signed-note verifier key */

/*
 * The home's signing key, which signs the log's checkpoints: Ed25519, in the HSM. A message of
 * another kind begins with a line that no checkpoint begins with ("keyward/", the log's origin).
 */
MUST_CHECK CK_RV engine_sign(struct engine *engine, struct bytes message,
                             uint8_t ret_signature[static 64]);
/* CKR_SIGNATURE_INVALID when it is not of this key. */
MUST_CHECK CK_RV engine_verify(struct engine *engine, struct bytes message,
                               const uint8_t signature[static 64]);

/* A vault's policies as they are in force: the home's and its own, compiled; and who belongs to
 * whom there. Held by count, immutable. */
struct rules {
    struct policy *policy;
    struct directory *directory; /* NULL: the home's rules alone */
    bool budgets;                /* some permit has @rate or @uses */
    bool approvals;              /* some policy looks at context.approvals */
    char hash[65];               /* SHA-256 over home text, a NUL, vault text; hex */
    uint64_t generation;         /* of the store, when last compared */
    unsigned refs;               /* guarded by the engine's lock */
};
/*
 * The rules of this vault at the store's generation, as the caller has just asked for it, or later:
 * what any process applied before that is in them. vault NULL: the home's alone. A text that no
 * longer parses denies everything: CKR_OK with policy NULL, and the reason is fail_reason().
 */
MUST_CHECK CK_RV engine_rules(struct engine *engine, const struct vault_info *vault,
                              uint64_t generation, struct rules **ret);
void engine_rules_release(struct engine *engine, struct rules *rules);

/* Before the ids of the home's policies, beside those of a vault. */
#define HOME_PREFIX "home:"

/* What the home's policy starts as; admin is the Unix user that ran init. */
MUST_CHECK CK_RV engine_home_policy(const char *admin, struct buf *ret);

/* What a vault's policy starts as. */
void engine_vault_policy(struct buf *out, const char *vault);

/* The permit that gives a vault's user its data plane (create, use, list, delete; not policy):
 * Cedar
 * text, put behind what out holds. */
void engine_user_policy(struct buf *out, const char *user);

/* What is wrong with a policy text. A source's name is borrowed: "home", or the caller's. */
#define POLICY_FINDINGS_MAX 50U
struct policy_findings {
    struct policy_error errors[POLICY_FINDINGS_MAX]; /* the first of them, by place */
    size_t count; /* of all; those beyond the array are told when these are mended */
    size_t own;   /* policies in the text itself */
};
/*
 * A text beside the home's, as engine_rules() will load it: CKR_OK when it parses, clashes with
 * nothing and speaks only of what the schema knows; else CKR_ARGUMENTS_BAD with the first finding
 * as reason. Nothing is written.
 */
MUST_CHECK CK_RV engine_check_policy(struct engine *engine, const char *name, struct bytes text,
                                     struct policy_findings *ret);

/* The hash of a vault's rules (struct rules) if text were its policy. */
MUST_CHECK CK_RV engine_policy_hash(struct engine *engine, struct bytes text, char ret[static 65]);

/* The log's origin line, "keyward/<16 hex digits>": a function of the id of its signing key. */
#define ENGINE_ORIGIN_MAX 64
void engine_log_origin(const uint8_t key_id[static HSM_ID_LEN], char ret[static ENGINE_ORIGIN_MAX]);

#include "base/scope.h"
SCOPE_DEFINE(struct engine, engine_free)

#endif
