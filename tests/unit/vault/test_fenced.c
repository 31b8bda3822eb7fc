/* Rows under a fence, in memory: one is there with its id, its kind and its generation, or not. */
#include "tests/support/suite.h"
#include "vault/fenced.h"

#include <string.h>

#define ID_LEN 16

/* Ids in order: the number stands at the front. */
static void id_of(unsigned n, uint8_t ret[static ID_LEN])
{
    memset(ret, 0x5a, ID_LEN);
    ret[0] = (uint8_t)(n >> 8);
    ret[1] = (uint8_t)n;
}

static void add(struct fenced *f, unsigned n, int64_t kind, int64_t generation)
{
    uint8_t id[ID_LEN];

    id_of(n, id);
    fenced_add(f, id, sizeof(id), kind, generation);
}

static bool has(const struct fenced *f, unsigned n, int64_t kind, int64_t generation)
{
    uint8_t id[ID_LEN];

    id_of(n, id);
    return fenced_has(f, id, kind, generation);
}

START_TEST(each_row_is_there_as_it_was_written)
{
    struct fenced f = {.rows = NULL};

    ck_assert(!has(&f, 1, 5, 100));
    for (unsigned n = 0; n < 1000; n++)
        add(&f, 2 * n, 5, 100 + (int64_t)n);
    for (unsigned n = 0; n < 1000; n++) {
        ck_assert(has(&f, 2 * n, 5, 100 + (int64_t)n));
        ck_assert(!has(&f, 2 * n + 1, 5, 100 + (int64_t)n));
        ck_assert(!has(&f, 2 * n, 4, 100 + (int64_t)n));
        ck_assert(!has(&f, 2 * n, 5, 99 + (int64_t)n));
    }
    fenced_clear(&f);
    ck_assert(!has(&f, 0, 5, 100));
}
END_TEST

/* A vault's own record and its policy have one id. */
START_TEST(one_id_may_be_there_with_several_kinds)
{
    struct fenced f = {.rows = NULL};

    add(&f, 3, 1, 7);
    for (int64_t kind = 2; kind < 6; kind++)
        add(&f, 7, kind, 10 * kind);
    add(&f, 9, 1, 7);
    for (int64_t kind = 2; kind < 6; kind++) {
        ck_assert(has(&f, 7, kind, 10 * kind));
        ck_assert(!has(&f, 7, kind, 10 * (kind + 1)));
    }
    ck_assert(!has(&f, 7, 1, 7));
    fenced_clear(&f);
}
END_TEST

START_TEST(what_no_row_can_be_is_left_out)
{
    struct fenced f = {.rows = NULL};
    const uint8_t zeros[ID_LEN] = {0};

    fenced_add(&f, zeros, ID_LEN, 256, 1);
    fenced_add(&f, zeros, ID_LEN, -1, 1);
    fenced_add(&f, zeros, ID_LEN, 1, -1);
    fenced_add(&f, zeros, ID_LEN, 1, INT64_MAX);
    ck_assert_uint_eq(f.count, 0);
    ck_assert(!fenced_has(&f, zeros, 256, 1));

    fenced_add(&f, zeros, 7, 1, 1);
    ck_assert(!fenced_has(&f, zeros, 1, 1));
    fenced_add(&f, zeros, ID_LEN, 1, 1);
    ck_assert(fenced_has(&f, zeros, 1, 1));
    fenced_clear(&f);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(each_row_is_there_as_it_was_written),
        CASE(one_id_may_be_there_with_several_kinds),
        CASE(what_no_row_can_be_is_left_out),
    };

    return suite_run("vault/fenced", cases, sizeof(cases) / sizeof(*cases));
}
