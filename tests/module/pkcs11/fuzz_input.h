/*
 * Arguments of C_ calls made of an input's bytes, and what is required of their results: shared by
 * the files of the fuzzer of calls (test_fuzz_calls.c).
 *
 * Each buffer handed over is a heap block of exactly its length, so that one byte more is seen.
 */
#ifndef KEYWARD_TESTS_MODULE_FUZZ_INPUT_H
#define KEYWARD_TESTS_MODULE_FUZZ_INPUT_H

#include "base/bytes.h"
#include "base/pkcs11.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FUZZ_BLOCKS_MAX 96
#define FUZZ_HANDLES    8

struct fuzz {
    CK_FUNCTION_LIST_3_2 *f;
    CK_SLOT_ID slot;
    const uint8_t *data;
    size_t left;
    void *blocks[FUZZ_BLOCKS_MAX];
    size_t block_count;
    CK_SESSION_HANDLE sessions[FUZZ_HANDLES];
    CK_OBJECT_HANDLE objects[FUZZ_HANDLES];
    const char *call;
};

/* Traps, with a sentence, where it does not hold. */
void require(const struct fuzz *z, bool holds, const char *what, CK_RV rv);

/* ---- arguments; 0 and empty when the input is at its end ---- */
unsigned take(struct fuzz *z);
CK_ULONG take_ulong(struct fuzz *z);
struct bytes take_bytes(struct fuzz *z); /* now and then NULL, with the length all the same */
CK_BYTE_PTR raw(struct bytes b);
CK_SESSION_HANDLE take_session(struct fuzz *z);
CK_OBJECT_HANDLE take_object(struct fuzz *z);
CK_SLOT_ID take_slot(struct fuzz *z);
CK_ATTRIBUTE_PTR take_template(struct fuzz *z, CK_ULONG *ret_count);
CK_MECHANISM_PTR take_mechanism(struct fuzz *z);
void *block(struct fuzz *z, size_t len);
/* Every block of the call. */
void release(struct fuzz *z);

/* ---- results ---- */
struct result {
    CK_BYTE *data;
    CK_ULONG room, len;
};
struct result take_result(struct fuzz *z);
/* A code the standard names. */
void check_rv(const struct fuzz *z, CK_RV rv);
/* And nothing written behind the buffer, nor into it where the call failed. */
void check_result(const struct fuzz *z, const struct result *r, CK_RV rv);
void keep_object(struct fuzz *z, CK_RV rv, CK_OBJECT_HANDLE object);

/* ---- rows ---- */
struct fuzz_row {
    const char *name;
    void (*call)(struct fuzz *z);
};
/* Of the functions of 3.0 and 3.2 (fuzz_calls_3.c). */
extern const struct fuzz_row fuzz_rows_3[];
extern const size_t fuzz_row_count_3;

#endif
