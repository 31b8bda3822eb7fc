/* Limits: huge and nested texts end in bounded time, deciding allocates nothing, and is quick over
 * 1,000 policies. */
#include "tests/support/suite.h"
#include "tests/unit/policy/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COUNT(list) (sizeof(list) / sizeof(*(list)))

/* ---- malloc, counted: the linker sends this program's and the library's calls here (--wrap) ----
 */

static size_t allocations;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

/* The n-th allocation from now fails; 0: none does. */
static size_t failing;

static bool fails_now(void)
{
    allocations++;
    return failing > 0 && --failing == 0;
}

void *__wrap_malloc(size_t size)
{
    return fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails_now() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails_now() ? NULL : __real_realloc(old, size);
}

/* ---- texts ---- */

static void repeat(struct buf *b, const char *s, size_t times)
{
    for (size_t i = 0; i < times; i++)
        buf_puts(b, s);
}

/* start, times x left, middle, times x right, end. */
static struct buf nested(const char *left, const char *middle, const char *right, size_t times)
{
    struct buf b = BUF_INIT(64U << 20);

    buf_puts(&b, "permit(principal, action, resource) when {\n");
    repeat(&b, left, times);
    buf_puts(&b, middle);
    repeat(&b, right, times);
    buf_puts(&b, "};");
    return b;
}

static const struct {
    const char *left, *middle, *right;
} nests[] = {
    {"(", "true", ")"},
    {"[", "1", "]"},
    {"{a:", "1", "}"},
    {"!(", "true", ")"},
    {"if true then ", "true", " else true"},
    {"if true then true else ", "true", ""},
    {"(true && ", "true", ")"},
    {"[1].contains(", "1", ")"},
    {"principal in [", "1", "]"},
    {"", "context", ".a"},
    {"", "context", "[\"a\"]"},
    {"-(", "1", ")"},
};

START_TEST(expressions_nested_past_the_limit_are_refused_and_within_it_load)
{
    struct buf deep = nested(nests[_i].left, nests[_i].middle, nests[_i].right, 10000);
    struct buf shallow = nested(nests[_i].left, nests[_i].middle, nests[_i].right, 20);
    struct policy_error error = world_refused(buf_bytes(&deep));

    ck_assert_ptr_nonnull(strstr(error.message, "nested more than 64 deep"));
    ck_assert_uint_eq(error.line, 2);
    policy_free(world_load(buf_str(&shallow)));
    buf_release(&deep);
    buf_release(&shallow);
}
END_TEST

START_TEST(chains_of_and_and_or_may_be_long)
{
    struct buf and = nested("true && ", "context has now", "", 100000);
    struct buf or = nested("false || ", "context has now", "", 100000);
    struct policy_request request = world_request("alice", "sign");
    struct world_answer answer;
    struct policy *policies[] = {world_load(buf_str(&and)), world_load(buf_str(& or))};

    for (size_t i = 0; i < 2; i++) {
        world_decide(policies[i], &request, &answer);
        ck_assert(answer.verdict.allow);
        policy_free(policies[i]);
    }
    buf_release(&and);
    buf_release(& or);
}
END_TEST

START_TEST(ten_megabytes_in_one_string_load)
{
    struct buf b = BUF_INIT(64U << 20);

    buf_puts(&b, "permit(principal, action, resource) when { context.mechanism == \"");
    repeat(&b, "0123456789abcdef", 10U << 16);
    buf_puts(&b, "\" };");
    policy_free(world_load(buf_str(&b)));
    buf_release(&b);
}
END_TEST

START_TEST(more_text_than_allowed_is_refused_as_a_whole)
{
    struct buf b = BUF_INIT(64U << 20);
    struct policy_error error;

    repeat(&b, " ", POLICY_TEXT_MAX);
    policy_free(world_load(buf_str(&b)));
    buf_puts(&b, " ");
    error = world_refused(buf_bytes(&b));
    ck_assert_uint_eq(error.line, 0);
    ck_assert_ptr_nonnull(strstr(error.message, "bytes of policy text"));
    buf_release(&b);
}
END_TEST

START_TEST(a_literal_has_a_limit_and_scratch_too)
{
    struct buf fits = BUF_INIT(64U << 20);
    struct buf large = BUF_INIT(64U << 20);
    struct buf computed = BUF_INIT(64U << 20);
    struct policy_error error;

    buf_puts(&fits, "permit(principal, action, resource) when { [");
    repeat(&fits, "1,", 65536);
    buf_puts(&fits, "].contains(1) };");
    buf_puts(&large, "permit(principal, action, resource) when { [");
    repeat(&large, "1,", 65537);
    buf_puts(&large, "].contains(1) };");
    buf_puts(&computed, "permit(principal, action, resource) when { [");
    repeat(&computed, "principal,", 500);
    buf_puts(&computed, "].contains(principal) };");
    policy_free(world_load(buf_str(&fits)));
    error = world_refused(buf_bytes(&large));
    ck_assert_ptr_nonnull(strstr(error.message, "more than 65536 items"));
    error = world_refused(buf_bytes(&computed));
    ck_assert_ptr_nonnull(strstr(error.message, "computed values are too large"));
    buf_release(&fits);
    buf_release(&large);
    buf_release(&computed);
}
END_TEST

static struct buf many_policies(size_t count)
{
    struct buf b = BUF_INIT(64U << 20);

    for (size_t i = 0; i < count; i++)
        buf_printf(
            &b,
            "permit(principal in Group::\"g%zu\",action in Action::\"keyUse\",resource==Key::"
            "\"v/%zu\");\n",
            i % 97, i);
    return b;
}

START_TEST(a_hundred_thousand_policies_load_and_decide)
{
    struct buf b = many_policies(100000);
    struct policy *policy;
    struct policy_request request = world_request("alice", "sign");
    struct world_answer answer;

    buf_puts(&b, "permit(principal in Group::\"dev\", action, resource == Key::\"v/k\");");
    policy = world_load(buf_str(&b));
    ck_assert_uint_eq(policy_count(policy), 100001);
    world_decide(policy, &request, &answer);
    ck_assert(answer.verdict.allow);
    ck_assert_uint_eq(answer.reasons[0], 100000);
    policy_free(policy);
    buf_release(&b);
}
END_TEST

START_TEST(more_policies_than_allowed_are_refused)
{
    struct buf b = BUF_INIT(64U << 20);
    struct policy_error error;

    repeat(&b, "permit(principal,action,resource);\n", POLICY_COUNT_MAX);
    policy_free(world_load(buf_str(&b)));
    repeat(&b, "permit(principal,action,resource);\n", 1);
    error = world_refused(buf_bytes(&b));
    ck_assert_uint_eq(error.line, POLICY_COUNT_MAX + 1);
    ck_assert_ptr_nonnull(strstr(error.message, "more than 200000 policies"));
    buf_release(&b);
}
END_TEST

START_TEST(more_annotations_than_allowed_are_refused)
{
    struct buf b = BUF_INIT(1U << 20);
    struct policy_error error;

    for (int i = 0; i < 64; i++)
        buf_printf(&b, "@a%d ", i);
    buf_puts(&b, "permit(principal, action, resource);");
    policy_free(world_load(buf_str(&b)));
    buf_clear(&b);
    for (int i = 0; i < 65; i++)
        buf_printf(&b, "@a%d ", i);
    buf_puts(&b, "permit(principal, action, resource);");
    error = world_refused(buf_bytes(&b));
    ck_assert_ptr_nonnull(strstr(error.message, "more than 64 annotations"));
    buf_release(&b);
}
END_TEST

/* ---- memory ---- */

#define EVERYTHING                                                                                 \
    "@id(\"a\") permit(principal in Group::\"dev\", action in [Action::\"sign\"], resource is "    \
    "Key) when {"                                                                                  \
    " context has owner.name && [principal, User::\"x\"].contains(principal) &&"                   \
    " {a: principal, b: 2}.b == 2 && context.mechanism like \"CKM*\" && [1, 2, "                   \
    "3].containsAny(context.numbers) &&"                                                           \
    " (if principal is User in Group::\"dev\" then -(1) < 0 else false) };"                        \
    "forbid(principal, action, resource) unless { context.loggedIn };"                             \
    "permit(principal, action, resource) when { context.nothing };"

START_TEST(deciding_allocates_nothing)
{
    struct policy *policy = world_load(EVERYTHING);
    struct policy_request request = world_request("alice", "sign");
    struct world_answer answer;
    size_t before;
    size_t after;

    ck_assert_uint_gt(allocations, 0);
    before = allocations; /* Check's own assertions allocate too */
    for (int i = 0; i < 100; i++) {
        world_decide(policy, &request, &answer);
        (void)policy_names_principal(policy, &request);
    }
    after = allocations;
    ck_assert_uint_eq(after, before);
    ck_assert_uint_eq(answer.verdict.error_count, 1);
    policy_free(policy);
}
END_TEST

START_TEST(loading_survives_the_failure_of_any_allocation)
{
    struct policy_source source = {.name = "test", .text = BYTES_LIT(EVERYTHING), .prefix = ""};
    CK_RV rv = CKR_HOST_MEMORY;

    for (size_t n = 1; rv != CKR_OK; n++) {
        struct policy *policy = NULL;
        struct policy_error error;

        failing = n;
        rv = policy_load(&source, 1, &policy, &error);
        failing = 0;
        if (rv != CKR_OK) {
            assert_rv(CKR_HOST_MEMORY, rv);
            ck_assert_ptr_null(policy);
        }
        policy_free(policy);
        ck_assert_uint_lt(n, 1000);
    }
}
END_TEST

/* ---- speed: a wide bound, for machines that do other things too; the benchmark holds the budget
 * ---- */

static double best_of(const struct policy *policy, const struct policy_request *request)
{
    struct world_answer answer;
    double best = 1e9;

    for (int i = 0; i < 2000; i++) {
        struct timespec a;
        struct timespec b;
        double us;

        (void)clock_gettime(CLOCK_MONOTONIC, &a);
        world_decide(policy, request, &answer);
        (void)clock_gettime(CLOCK_MONOTONIC, &b);
        us = (double)(b.tv_sec - a.tv_sec) * 1e6 + (double)(b.tv_nsec - a.tv_nsec) / 1e3;
        if (us < best)
            best = us;
    }
    return best;
}

START_TEST(a_thousand_policies_decide_within_their_budget)
{
    struct buf b = many_policies(1000);
    struct policy *policy;
    struct policy_request request = world_request("alice", "sign");
    double us;

    buf_puts(&b, "permit(principal in Group::\"dev\", action, resource in Vault::\"v\") when { "
                 "resource.size >= 2048 };");
    policy = world_load(buf_str(&b));
    us = best_of(policy, &request);
    ck_assert_msg(us < 5.0, "%.2f us", us);
    policy_free(policy);
    buf_release(&b);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_LOOP(expressions_nested_past_the_limit_are_refused_and_within_it_load, COUNT(nests)),
        CASE(chains_of_and_and_or_may_be_long),
        CASE(ten_megabytes_in_one_string_load),
        CASE(more_text_than_allowed_is_refused_as_a_whole),
        CASE(a_literal_has_a_limit_and_scratch_too),
        CASE_SLOW(a_hundred_thousand_policies_load_and_decide, 60),
        CASE_SLOW(more_policies_than_allowed_are_refused, 60),
        CASE(more_annotations_than_allowed_are_refused),
        CASE(deciding_allocates_nothing),
        CASE(loading_survives_the_failure_of_any_allocation),
        CASE(a_thousand_policies_decide_within_their_budget),
    };

    return suite_run("policy/limits", cases, COUNT(cases));
}
