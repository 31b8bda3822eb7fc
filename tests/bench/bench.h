/*
 * The benchmark: every in-process row of the budgets, keyward beside raw OpenSSL and bare SoftHSM
 * in one run, policy and log on.
 *
 * A row is a line of the table in rows.c: what is done, by whom, how it is judged. Each party's
 * sampler measures one short slice and answers a number in the row's unit; the slices of a row's
 * parties take turns, so that whatever else the machine does hits all of them, and the median
 * counts. A party that cannot do it answers NAN and is left out.
 *
 * This is a program and not a test: what fails here ends it with a sentence.
 */
#ifndef KEYWARD_TESTS_BENCH_H
#define KEYWARD_TESTS_BENCH_H

#include "base/bytes.h"
#include "base/pkcs11.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- what is measured ---- */

enum party { KEYWARD, OPENSSL, SOFTHSM, PARTIES };

/* How a row's budget is meant. */
enum judge {
    AT_MOST,  /* keyward's number */
    AT_LEAST, /* keyward's number */
    OF_RAW,   /* keyward's speed as a part of raw OpenSSL's, at least */
    OVER_HSM, /* keyward's number less the bare HSM's, at most */
    JUDGES
};

struct world;
struct row;

typedef double sampler(struct world *w, const struct row *row);

struct row {
    const char *id;   /* a word for --only and JSON */
    const char *what; /* a line for people */
    const char *unit;
    enum judge judge;
    double budget;
    sampler *of[PARTIES];    /* NULL: the party has no part in this */
    const struct work *work; /* for the samplers of crypto.c */
    unsigned vault;          /* for those of keyward's tokens: enum vault */
    unsigned threads;        /* 0: one */
};

extern const struct row rows[];
extern const size_t row_count;

/* One use of a key, the same for all parties. */
enum key { KEY_EC, KEY_RSA, KEY_AES, KEYS };

struct work {
    enum key key;
    CK_MECHANISM_TYPE mechanism;
    size_t length; /* of the data */
};

/* ---- with what ---- */

#define THREADS_MAX 64

struct options {
    unsigned objects;  /* in the large vault */
    unsigned slice_ms; /* how long one slice takes */
    unsigned rounds;   /* slices of each party */
    bool quick, json;
    const char *only; /* rows whose id begins so; NULL: all */
};

enum vault { VAULT_HSM, VAULT_SOFTWARE, VAULT_SMALL, VAULT_LARGE, VAULTS };

/* A token of keyward or of SoftHSM, logged in, with a session a thread and the keys of the rows. */
struct token {
    CK_FUNCTION_LIST *f;
    CK_SLOT_ID slot;
    bool there; /* false: this build cannot make such keys */
    CK_SESSION_HANDLE sessions[THREADS_MAX];
    CK_OBJECT_HANDLE keys[KEYS];
    unsigned objects; /* labelled "object-0", "object-1", ..., with ids of 4 bytes */
};

struct world {
    struct options options;
    char root[64]; /* a temporary folder, removed at the end */
    char home[80];
    struct token vaults[VAULTS];
    struct token bare; /* SoftHSM alone */
    struct token none; /* of a home whose HSM library is in this process */
    struct raw *raw;   /* raw.c: OpenSSL alone */
};

/* ---- world.c: homes and tokens ---- */

void world_make(struct world *w);
void world_remove(struct world *w);

/* ---- what measures; each answers in its row's unit ---- */

sampler sample_crypto;      /* crypto.c: keyward's, in row->vault, us each */
sampler sample_crypto_none; /* with isolation none */
sampler sample_crypto_bare; /* SoftHSM's */
sampler sample_crypto_raw;  /* raw.c: OpenSSL's */
sampler sample_scaling;     /* crypto.c: speed on row->threads threads over that on one */
sampler sample_find_label;  /* find.c: us each */
sampler sample_find_id;
sampler sample_find_label_bare;
sampler sample_find_id_bare;
sampler sample_start_ms;  /* start.c: C_Initialize to C_Login, besides the PIN's hash */
sampler sample_start_mib; /* resident after that */
sampler sample_decide_p99, sample_decide_few_p99, sample_decide_many_p99; /* inside.c: us */
sampler sample_append;                                                    /* us each */
sampler sample_append_power; /* records a second on row->threads threads */
sampler sample_verify;       /* records a second */

/* start.c: what the child that sample_start_*() starts does. */
int start_child(const char *vault);

/* ---- what all use ---- */

_Noreturn __attribute__((format(printf, 1, 2))) void die(const char *format, ...);
void must(CK_RV rv, const char *what); /* dies unless CKR_OK */
int64_t now_ns(void);
/* Runs do_one(ctx, thread, i) for about a slice on so many threads at once; microseconds of wall
 * time each. */
double time_slice(const struct world *w, unsigned threads,
                  void (*do_one)(void *ctx, unsigned thread, uint64_t i), void *ctx);

#endif
