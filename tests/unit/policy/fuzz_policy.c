/*
 * Any text, loaded, checked and asked about. With -DFUZZ_LIBFUZZER this is a libFuzzer target;
 * otherwise a program of its own that runs a small corpus and mutations of it for FUZZ_SECONDS (2)
 * from FUZZ_SEED (1). Says TAP.
 *
 * It must never crash (the sanitizers watch), and: a refusal has a place and a sentence; deciding
 * twice gives one answer; an answer with errors is no.
 */
#include "policy/analysis.h"
#include "policy/policy.h"

#include "policy/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds, const char *what)
{
    if (holds)
        return;
    (void)fprintf(stderr, "fuzz_policy: %s\n", what);
    __builtin_trap();
}

static const struct policy_field attributes[] = {
    {{(const uint8_t *)"name", 4}, {.kind = POLICY_STRING}},
    {{(const uint8_t *)"size", 4}, {.kind = POLICY_LONG, .u.number = 2048}},
};

static void ask(const struct policy *policy)
{
    struct policy_uid group = {BYTES_LIT("Group"), BYTES_LIT("dev")};
    struct policy_entity entities[] = {
        *schema_action(ACTION_SIGN),
        {.uid = {BYTES_LIT("Key"), BYTES_LIT("v/k")}},
        {.uid = {BYTES_LIT("User"), BYTES_LIT("alice")}, .ancestors = &group, .ancestor_count = 1},
    };
    struct policy_request request = {
        .principal = entities[2].uid,
        .action = entities[0].uid,
        .resource = entities[1].uid,
        .entities = entities,
        .entity_count = 3,
    };
    uint32_t reasons[2][4];
    uint32_t errors[2][4];
    struct policy_verdict verdicts[2];

    request.context = (struct policy_value){.kind = POLICY_RECORD, .u.record = {attributes, 2}};
    entities[1].attributes = request.context;
    entities[2].attributes = (struct policy_value){.kind = POLICY_RECORD};
    for (size_t i = 0; i < 2; i++) {
        verdicts[i] = (struct policy_verdict){
            .reasons = reasons[i], .max = 4, .errors = errors[i], .error_max = 4};
        policy_decide(policy, &request, &verdicts[i]);
    }
    require(verdicts[0].allow == verdicts[1].allow, "two answers to one request");
    require(verdicts[0].reason_count == verdicts[1].reason_count, "two reasons for one answer");
    require(!verdicts[0].allow || verdicts[0].error_count == 0, "an error that allows");
    require(!verdicts[0].allow || verdicts[0].reason_count > 0, "a yes without a permit");
}

/* Whatever is sound can be analysed, to an answer or to the bound. */
static void analyse(const struct policy *policy)
{
    struct policy_wasted found[2];
    struct policy_doubt doubt;
    size_t count = 0;

    require(policy_find_wasted(policy, 2000, found, 2, &count, &doubt) == CKR_OK,
            "an analysis that fails");
    require(count <= policy_count(policy), "more wasted rules than there are");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct policy_source source = {.name = "fuzz", .text = BYTES(data, size), .prefix = "p:"};
    struct policy_error error = {.message = ""};
    struct policy_error errors[2];
    struct policy *policy = NULL;

    if (policy_load(&source, 1, &policy, &error) != CKR_OK) {
        require(error.message[0] != '\0' && error.line > 0 && error.column > 0,
                "a refusal without its place");
        return 0;
    }
    if (policy_check(policy, errors, 2) == 0)
        analyse(policy);
    ask(policy);
    policy_free(policy);
    return 0;
}

#ifndef FUZZ_LIBFUZZER

#define TEXT_MAX 4096U

static const char *const corpus[] = {
    "permit(principal, action, resource);",
    "@id(\"x\") forbid(principal in Group::\"dev\", action in [Action::\"sign\"], resource is Key "
    "in "
    "Vault::\"v\") unless { context has a.b && context.a.b like \"a*\\*\" };",
    "permit(principal == User::\"alice\", action == Action::\"sign\", resource == Key::\"v/k\") "
    "when "
    "{ resource.size >= 2048 && -(-1) == 1 && [1, context.size, {a: [principal]}].contains(1) };",
    "permit(principal, action, resource) when { context has ip && "
    "context.ip.isInRange(ip(\"10.0.0.0/8\")) && context.time.offset(duration(\"-1h\")).toTime() < "
    "duration(\"12h\") && datetime(\"2026-01-01T00:00:00+0130\") <= context.time };",
    "forbid(principal, action, resource is Key) when { resource.name like \"a*b\" && "
    "resource.tags has t && resource.tags.t != resource.name && -resource.size > 3 };",
    "permit(principal, action, resource) when { if principal is User in [Group::\"dev\"] then "
    "{\"a b\": 1, c: true}.c else !!false || [1].containsAll([]) } unless { \"\\u{1F600}\\x41\" != "
    "context[\"name\"] }; // end",
};

static const char *const crumbs[] = {
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "\\",
    "::",
    "==",
    "&&",
    "||",
    "!",
    "-",
    " in ",
    " has ",
    " is ",
    " like ",
    "if ",
    " then ",
    " else ",
    "principal",
    "context",
    "9223372036854775808",
    "\xC3\xA9",
    "\xFF",
    "//",
    "\n",
    "\r",
    ".",
    ",",
    ";",
    "@id(\"",
    "?principal",
    "\\u{d800}",
    "ip(",
    "ip(\"::1\")",
    ".toDate()",
    "duration(\"1d\")",
    "((((((((((((",
};

static uint64_t state;

static size_t below(size_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (size_t)(state % n);
}

/* Replaces a few bytes at a random place by a crumb, by nothing, or by a piece of the text itself.
 */
static size_t mutate(char *text, size_t len)
{
    size_t at = below(len + 1);
    size_t cut = below(4) == 0 ? below(32) : below(3);
    const char *piece = crumbs[below(sizeof(crumbs) / sizeof(*crumbs))];
    size_t n = strlen(piece);
    char own[64];

    if (below(4) == 0 && len > 64) {
        n = below(sizeof(own));
        memcpy(own, text + below(len - 64), n);
        piece = own;
    }
    if (cut > len - at)
        cut = len - at;
    if (len - cut + n > TEXT_MAX)
        return len;
    memmove(text + at + n, text + at + cut, len - at - cut);
    memcpy(text + at, piece, n);
    return len - cut + n;
}

static void one_round(void)
{
    static char text[TEXT_MAX];
    const char *from = corpus[below(sizeof(corpus) / sizeof(*corpus))];
    size_t len = strlen(from);
    size_t times = 1 + below(6);

    memcpy(text, from, len);
    for (size_t i = 0; i < times; i++)
        len = mutate(text, len);
    (void)LLVMFuzzerTestOneInput((const uint8_t *)text, len);
}

static unsigned long setting(const char *name, unsigned long fallback)
{
    const char *text = getenv(name);

    return text != NULL ? strtoul(text, NULL, 10) : fallback;
}

int main(void)
{
    unsigned long seconds = setting("FUZZ_SECONDS", 2);
    time_t end = time(NULL) + (time_t)seconds;
    unsigned long seed = setting("FUZZ_SEED", 1);
    size_t rounds = 0;

    state = UINT64_C(0x9E3779B97F4A7C15) ^ seed;
    for (size_t i = 0; i < sizeof(corpus) / sizeof(*corpus); i++)
        (void)LLVMFuzzerTestOneInput((const uint8_t *)corpus[i], strlen(corpus[i]));
    for (; time(NULL) < end; rounds += 256) {
        for (int i = 0; i < 256; i++)
            one_round();
    }
    (void)printf("1..1\nok 1 - no text of %zu breaks the parser (seed %lu)\n", rounds, seed);
    return 0;
}

#endif
