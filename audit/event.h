/*
 * One event of the log, before it is JSON. Everything is borrowed for the duration of
 * trail_append(). Never a PIN, a plaintext or a key: data appears as a keyed digest or a length.
 * NULL and empty members are left out of the JSON.
 *
 * The JSON's members, in this order (docs/LOG.md):
 *   seq, time, app, phase, intent, principal, proof, pid, uid, exe, via, vault, object, id,
 *   version, function, action, mechanism, parameters, digest, length, count, verdict, rules,
 *   policy, new_policy, policy_change, rv, reason, duration_us, policy_ns, hsm_ns, software_ns,
 * log_ns
 */
#ifndef KEYWARD_AUDIT_EVENT_H
#define KEYWARD_AUDIT_EVENT_H

#include "base/bytes.h"
#include "base/pkcs11.h"

#include <stdbool.h>
#include <stdint.h>

enum event_phase {
    EVENT_DONE,   /* a call that only reads or uses: one record */
    EVENT_INTENT, /* a call that changes state: before */
    EVENT_OUTCOME /* and after; its `intent` member is the sequence number of the first */
};

enum event_verdict { EVENT_NO_VERDICT, EVENT_ALLOW, EVENT_DENY };

struct event {
    enum event_phase phase;
    uint64_t intent;       /* EVENT_OUTCOME: the intent's sequence number */
    const char *app;       /* application instance, 16 hex digits */
    const char *principal; /* Cedar text: User::"alice" */
    const char *proof;     /* "uid", "pin", "so-pin" */
    int64_t pid, uid;
    const char *exe;        /* path of the program, may be NULL */
    const char *via;        /* "pkcs11", "admin" */
    const char *vault;      /* name */
    const char *object;     /* label, may hold any UTF-8 */
    const char *id;         /* unique id, hex */
    uint64_t version;       /* of the object; 0: left out */
    const char *function;   /* "C_Sign", or the administrative verb */
    const char *action;     /* "sign" */
    const char *mechanism;  /* "CKM_ECDSA_SHA256" */
    const char *parameters; /* digest of the mechanism's parameters, hex */
    const char *digest;     /* keyed digest of the data, hex */
    bool has_length;
    uint64_t length; /* bytes processed */
    bool has_count;
    uint64_t count; /* objects found, attributes read */
    enum event_verdict verdict;
    const char *rules;         /* ids of the deciding policies, comma separated */
    const char *policy;        /* SHA-256 of the policy in force, hex */
    const char *new_policy;    /* the same of a policy that the call has put in force */
    const char *policy_change; /* "stricter", "looser", ...: than the one before */
    CK_RV rv;                  /* as its name in JSON: "CKR_OK"; left out of an intent */
    const char *reason;        /* sentence for a refusal or failure */
    int64_t duration_ns;       /* 0: left out, as each of the next */
    int64_t policy_ns;         /* of it: deciding, */
    int64_t hsm_ns;            /* waiting for the HSM, */
    int64_t software_ns;       /* working with a software key */
    int64_t log_ns;            /* what the session's record before this one took to be written */
    bool accepts_loss;         /* written though the log is behind its anchor. Not in the JSON */
    bool durable; /* on disk before trail_append() returns: the control plane. Not in the JSON */
};

/* Bytes of one record; longer texts are cut with "..." so that it always fits. */
#define EVENT_JSON_MAX 16384

/* Writes the JSON object, one line without newline, valid UTF-8 whatever the members hold. */
void event_write(const struct event *event, uint64_t seq, int64_t realtime_ns, struct buf *out);

#endif
