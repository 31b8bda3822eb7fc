/*
 * Analyses: known pairs with known answers, and random small sets against brute force. The brute
 * force shares nothing with the search but policy_decide(): it asks every request that can be put
 * together of a fixed list of values, richer than what the random rules mention.
 */
#include "policy/analysis.h"

#include "policy/extension.h"
#include "policy/schema.h"
#include "policy/value.h"
#include "tests/support/suite.h"
#include "tests/unit/policy/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(list) (sizeof(list) / sizeof(*(list)))

static struct policy *load_both(const char *before, const char *after)
{
    const struct policy_source sources[] = {
        {.name = "before", .text = bytes_from_str(before), .prefix = "a:"},
        {.name = "after", .text = bytes_from_str(after), .prefix = "b:"}};
    struct policy *policy = NULL;
    struct policy_error error = {.message = ""};

    ck_assert_msg(policy_load(sources, 2, &policy, &error) == CKR_OK, "%s\n---\n%s\n%u:%u %s",
                  before, after, error.line, error.column, error.message);
    ck_assert_msg(policy_check(policy, &error, 1) == 0, "%s\n---\n%s\n%u:%u %s", before, after,
                  error.line, error.column, error.message);
    return policy;
}

static bool allows(const char *text, const struct policy_request *request)
{
    struct policy *policy = world_load(text);
    struct world_answer answer;

    world_decide(policy, request, &answer);
    policy_free(policy);
    return answer.verdict.allow;
}

/* The examples must be what they are said to be, by the engine that decides. */
static enum policy_relation compare(const char *before, const char *after)
{
    struct policy *both = load_both(before, after);
    struct policy_difference difference;
    enum policy_relation relation;

    assert_ok(policy_compare(both, POLICY_WORK_MAX, &difference));
    relation = difference.relation;
    if (difference.has_denied)
        ck_assert_msg(allows(before, &difference.denied) && !allows(after, &difference.denied),
                      "a wrong example\n%s\n---\n%s", before, after);
    if (difference.has_allowed)
        ck_assert_msg(!allows(before, &difference.allowed) && allows(after, &difference.allowed),
                      "a wrong example\n%s\n---\n%s", before, after);
    policy_difference_release(&difference);
    policy_free(both);
    return relation;
}

#define P(conditions) "permit(principal, action, resource) when { " conditions " };"
#define F(conditions) "forbid(principal, action, resource) when { " conditions " };"
#define ALL           "permit(principal, action, resource);"
#define KEY           "resource is Key && "

static const struct {
    const char *before, *after;
    enum policy_relation relation;
} pairs[] = {
    {"", "", POLICY_SAME},
    {ALL, ALL, POLICY_SAME},
    {ALL, "", POLICY_STRICTER},
    {"", ALL, POLICY_LOOSER},
    /* principals, groups, actions, resources */
    {"permit(principal == User::\"a\", action, resource);",
     "permit(principal == User::\"b\", action, resource);", POLICY_INCOMPARABLE},
    {"permit(principal in Group::\"g\", action, resource);",
     "permit(principal == User::\"b\", action, resource) when { principal in Group::\"g\" };",
     POLICY_STRICTER},
    {ALL,
     "permit(principal is User, action, resource); permit(principal is Unix, action, resource);"
     "permit(principal is Cert, action, resource); permit(principal is Token, action, resource);",
     POLICY_SAME},
    {ALL,
     "permit(principal is User, action, resource); permit(principal is Unix, action, resource);"
     "permit(principal is Cert, action, resource);",
     POLICY_STRICTER},
    {"permit(principal, action in Action::\"reader\", resource);",
     "permit(principal, action in [Action::\"list\", Action::\"get\", Action::\"login\","
     "Action::\"changePin\"], resource);",
     POLICY_SAME},
    {"permit(principal, action in Action::\"reader\", resource);",
     "permit(principal, action in [Action::\"list\", Action::\"get\", Action::\"login\"], "
     "resource);",
     POLICY_STRICTER},
    {"permit(principal, action == Action::\"sign\", resource);",
     "permit(principal, action == Action::\"sign\", resource is Key);", POLICY_STRICTER},
    {"permit(principal, action == Action::\"login\", resource);",
     "permit(principal, action == Action::\"login\", resource is Vault);", POLICY_SAME},
    {"permit(principal, action == Action::\"sign\", resource == Key::\"v/k\");",
     "permit(principal, action == Action::\"sign\", resource is Key in Vault::\"v\") when { "
     "resource.name == \"k\" };",
     POLICY_SAME},
    {"permit(principal, action == Action::\"sign\", resource == Key::\"v/k\");",
     "permit(principal, action == Action::\"sign\", resource is Key) when { resource.name == \"k\" "
     "};",
     POLICY_LOOSER},
    {"permit(principal in UnixGroup::\"g\", action, resource);",
     "permit(principal is Unix in UnixGroup::\"g\", action, resource);", POLICY_SAME},
    {"permit(principal in Group::\"g\", action, resource);",
     "permit(principal is Unix in Group::\"g\", action, resource);", POLICY_STRICTER},
    /* texts */
    {P("context.via == \"admin\""), P("context.via like \"admin\""), POLICY_SAME},
    {P("context.via == \"admin\""), P("context.via like \"adm*\""), POLICY_LOOSER},
    {P("context.via like \"a*\" && context.via like \"*b\""), P("context.via like \"a*b\""),
     POLICY_SAME},
    {P("context.via like \"a*\" && context.via like \"*a\""), P("context.via like \"a*a\""),
     POLICY_STRICTER},
    {P("context.via like \"*\""), ALL, POLICY_SAME},
    {P("context.via like \"*a*b*\" || context.via like \"*b*a*\""),
     P("context.via like \"*a*\" && context.via like \"*b*\""), POLICY_SAME},
    {P("context.via != \"\""), P("context.via like \"*\" && !(context.via == \"\")"), POLICY_SAME},
    {P("[\"a\", \"b\"].contains(context.via)"), P("context.via == \"a\" || context.via == \"b\""),
     POLICY_SAME},
    {P("context.via like \"\\u{e9}*\""), P("context.via == \"\\u{e9}\""), POLICY_STRICTER},
    {P("context.via == context.function"), P("context.function == context.via"), POLICY_SAME},
    {P("context.via == context.function"), ALL, POLICY_LOOSER},
    {P("context.via == context.function && context.via == \"a\""),
     P("context.function == \"a\" && context.via == \"a\""), POLICY_SAME},
    /* what may be missing */
    {P("context has mechanism && context.mechanism == \"M\""),
     P("context has mechanism && !(context.mechanism != \"M\")"), POLICY_SAME},
    {P("!(context has mechanism)"), ALL, POLICY_LOOSER},
    {P("context has mechanism && context.mechanism like \"*\"") P("!(context has mechanism)"), ALL,
     POLICY_SAME},
    {P(KEY "resource.tags has owner && resource.tags.owner == \"x\""),
     P(KEY "resource.tags has owner"), POLICY_LOOSER},
    /* numbers */
    {P(KEY "resource.size >= 2048"), P(KEY "resource.size > 2047"), POLICY_SAME},
    {P(KEY "resource.size >= 2048"), P(KEY "resource.size > 2048"), POLICY_STRICTER},
    {P(KEY "-resource.size < 5"), P(KEY "resource.size > -5"), POLICY_SAME},
    {P(KEY "resource.size < resource.version"), P(KEY "resource.version > resource.size"),
     POLICY_SAME},
    {P(KEY "resource.size < resource.version"), P(KEY "resource.size <= resource.version"),
     POLICY_LOOSER},
    {P(KEY "resource.size < resource.version && resource.version < 3 && resource.size > 0"),
     P(KEY "resource.size == 1 && resource.version == 2"), POLICY_SAME},
    /* addresses */
    {P("context has ip && context.ip.isInRange(ip(\"10.0.0.0/8\"))"),
     P("context has ip && (context.ip.isInRange(ip(\"10.0.0.0/9\")) || "
       "context.ip.isInRange(ip(\"10.128.0.0/9\")))"),
     POLICY_SAME},
    {P("context has ip && context.ip.isInRange(ip(\"10.0.0.0/8\"))"),
     P("context has ip && context.ip.isInRange(ip(\"10.0.0.0/9\"))"), POLICY_STRICTER},
    {P("context has ip && context.ip.isLoopback()"),
     P("context has ip && (context.ip.isInRange(ip(\"127.0.0.0/8\")) || context.ip == "
       "ip(\"::1\"))"),
     POLICY_SAME},
    {P("context has ip && (context.ip.isIpv4() || context.ip.isIpv6())"), P("context has ip"),
     POLICY_SAME},
    {P("context has ip && context.ip == ip(\"10.0.0.0/8\")"), "", POLICY_SAME},
    /* time */
    {P("context.time >= datetime(\"2026-01-01\")"), P("context.now >= 1767225600"), POLICY_SAME},
    {P("context.time > datetime(\"2026-01-01\")"), P("context.now >= 1767225600"), POLICY_LOOSER},
    {P("context.time.toTime() < duration(\"12h\")"), P("context.time.toTime().toHours() < 12"),
     POLICY_SAME},
    {P("context.time.toTime() <= duration(\"12h\")"), P("context.time.toTime().toHours() < 12"),
     POLICY_STRICTER},
    {P("context.time.toDate() == datetime(\"2026-01-01\")"),
     P("context.time >= datetime(\"2026-01-01\") && context.time < datetime(\"2026-01-02\")"),
     POLICY_SAME},
    {P("context.time.offset(duration(\"1h\")).toTime() < duration(\"2h\")"),
     P("context.time.toTime() < duration(\"1h\") || context.time.toTime() >= duration(\"23h\")"),
     POLICY_SAME},
    {P("context.time.durationSince(datetime(\"2026-01-01\")).toDays() < 1"),
     P("context.time < datetime(\"2026-01-02\")"), POLICY_SAME},
    {P("context.time.durationSince(datetime(\"2026-01-01\")).toDays() == 0"),
     P("context.time > datetime(\"2025-12-31\") && context.time < datetime(\"2026-01-02\")"),
     POLICY_SAME},
    {P("datetime(\"2026-01-01\").durationSince(context.time) >= duration(\"1d\")"),
     P("context.time <= datetime(\"2025-12-31\")"), POLICY_SAME},
    /* forbids, errors */
    {ALL F("context.via == \"a\""), P("context.via != \"a\""), POLICY_SAME},
    {ALL F("context.via == \"a\""), P("context.via != \"a\"") ALL, POLICY_LOOSER},
    {"@id(\"x\") " ALL, "@id(\"y\") " ALL "@id(\"z\") " P("context.via == \"a\""), POLICY_SAME},
    {ALL, ALL P("-context.now > 3"), POLICY_SAME},
    {ALL, ALL P(KEY "-resource.size > 3"), POLICY_STRICTER}, /* one number has no negative */
};

START_TEST(two_sets_are_compared_exactly)
{
    static const char *const names[] = {"same", "stricter", "looser", "incomparable", "undecided"};
    enum policy_relation relation = compare(pairs[_i].before, pairs[_i].after);

    ck_assert_msg(relation == pairs[_i].relation, "%s\n---\n%s\nis %s, not %s", pairs[_i].before,
                  pairs[_i].after, names[relation], names[pairs[_i].relation]);
}
END_TEST

START_TEST(what_is_beyond_the_method_or_the_bound_is_undecided_and_says_why)
{
    static const struct {
        const char *before, *after, *why;
        uint64_t work;
    } rows[] = {
        {P("context == {via: \"a\"}"), ALL, "as a whole", POLICY_WORK_MAX},
        {P("[context.time].contains(datetime(\"2026-01-01\"))"), ALL, "another way",
         POLICY_WORK_MAX},
        {P("context.via == \"a\""), P("context.via like \"a\""), "undecided beyond 20 evaluations",
         20},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct policy *both = load_both(rows[i].before, rows[i].after);
        struct policy_difference difference;

        assert_ok(policy_compare(both, rows[i].work, &difference));
        ck_assert_int_eq(difference.relation, POLICY_UNDECIDED);
        ck_assert_msg(strstr(difference.doubt.text, rows[i].why) != NULL, "%s: %s", rows[i].before,
                      difference.doubt.text);
        policy_difference_release(&difference);
        policy_free(both);
    }
}
END_TEST

/* ---- rules that do nothing ---- */

static const struct {
    const char *text;
    size_t count; /* wasted rules */
    enum policy_waste waste;
    uint32_t rule;
} wasted[] = {
    {ALL, 0, POLICY_NEVER, 0},
    {P("context.via == \"a\" && context.via == \"b\""), 1, POLICY_NEVER, 0},
    {P("context.via == \"a\" || context.via == \"b\""), 0, POLICY_NEVER, 0},
    {P("principal == User::\"a\" && principal is Unix"), 1, POLICY_NEVER, 0},
    {"permit(principal == Group::\"g\", action, resource);", 1, POLICY_NEVER, 0},
    {"permit(principal in Group::\"g\", action, resource);", 0, POLICY_NEVER, 0},
    {"permit(principal, action == Action::\"login\", resource is Key);", 1, POLICY_NEVER, 0},
    {P("context.via like \"a*\" && !(context.via like \"*\")"), 1, POLICY_NEVER, 0},
    {P("context.now > 5 && context.time < datetime(\"1970-01-01T00:00:03Z\")"), 1, POLICY_NEVER, 0},
    {P("context.now > 5 && context.time < datetime(\"1970-01-01T00:00:09Z\")"), 0, POLICY_NEVER, 0},
    {P("context.time.toTime() > duration(\"24h\")"), 1, POLICY_NEVER, 0},
    {"permit(principal == User::\"a\", action, resource); forbid(principal, action, resource);", 1,
     POLICY_BEATEN, 0},
    {"permit(principal == User::\"a\", action, resource); forbid(principal is Unix, action, "
     "resource);",
     0, POLICY_BEATEN, 0},
    {P("context.via == \"a\"") F("context.via like \"a*\""), 1, POLICY_BEATEN, 0},
    {P("context.via == \"a\"") F("context.via like \"a*\" && context has ip"), 0, POLICY_BEATEN, 0},
    {P("context.via == \"a\"") F("context has ip") F("!(context has ip)"), 1, POLICY_BEATEN, 0},
    {"forbid(principal, action, resource); forbid(principal is Unix, action, resource);", 1,
     POLICY_COVERED, 1},
    {F("context.via == \"a\"") F("context.via == \"b\""), 0, POLICY_COVERED, 1},
};

START_TEST(a_rule_that_never_counts_is_found_and_its_neighbour_is_not)
{
    struct policy *policy = world_load(wasted[_i].text);
    struct policy_wasted found[4];
    struct policy_doubt doubt;
    size_t count = 0;

    assert_ok(policy_find_wasted(policy, POLICY_WORK_MAX, found, COUNT(found), &count, &doubt));
    ck_assert_str_eq(doubt.text, "");
    ck_assert_msg(count == wasted[_i].count, "%s: %zu", wasted[_i].text, count);
    if (count > 0) {
        ck_assert_int_eq(found[0].waste, wasted[_i].waste);
        ck_assert_uint_eq(found[0].rule, wasted[_i].rule);
        ck_assert(found[0].waste == POLICY_NEVER || policy_is_forbid(policy, found[0].by));
        ck_assert_uint_eq(found[0].line, 1);
    }
    policy_free(policy);
}
END_TEST

/* ---- who may ---- */

START_TEST(everybody_who_may_is_listed_and_nobody_else)
{
    static const char text[] =
        "@id(\"a\") permit(principal == User::\"alice\", action == Action::\"sign\", resource);"
        "@id(\"b\") permit(principal == User::\"bob\", action == Action::\"sign\", resource)"
        "  when { context.now < 5 };"
        "@id(\"c\") permit(principal == User::\"carol\", action == Action::\"list\", resource);"
        "@id(\"d\") permit(principal == User::\"dave\", action == Action::\"sign\", resource)"
        "  when { resource.name == \"other\" };"
        "@id(\"g\") permit(principal in UnixGroup::\"g\", action == Action::\"sign\", resource);"
        "@id(\"n\") forbid(principal == User::\"nobody\", action, resource);";
    static const struct {
        const char *type, *id, *rule;
        bool anybody, always;
    } wanted[] = {{"User", "alice", "a", false, true},
                  {"User", "bob", "b", false, false},
                  {"Unix", "anybody+", "g", true, false}};
    struct policy *policy = world_load(text);
    struct policy_request given = world_request("alice", "sign");
    struct policy_who_list list;

    given.context = (struct policy_value){.kind = POLICY_RECORD};
    assert_ok(policy_who_can(policy, &given, POLICY_WORK_MAX, &list));
    ck_assert_str_eq(list.doubt.text, "");
    ck_assert_uint_eq(list.count, COUNT(wanted));
    for (size_t i = 0; i < list.count; i++) {
        struct world_answer answer;

        ck_assert(bytes_equal_str(list.items[i].principal.type, wanted[i].type));
        ck_assert(bytes_equal_str(list.items[i].principal.id, wanted[i].id));
        ck_assert_str_eq(policy_id(policy, list.items[i].by), wanted[i].rule);
        ck_assert(list.items[i].anybody == wanted[i].anybody);
        ck_assert(list.items[i].always == wanted[i].always);
        world_decide(policy, &list.items[i].example, &answer);
        ck_assert(answer.verdict.allow);
    }
    policy_who_release(&list);
    policy_free(policy);
}
END_TEST

/* ---- random sets against brute force ---- */

#ifdef __SANITIZE_ADDRESS__
#define SETS 400
#else
#define SETS 3000
#endif
#define REQUESTS 300

static uint64_t state;

static size_t below(size_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (size_t)(state % n);
}

#define PICK(list) ((list)[below(COUNT(list))])

static const char *const who[] = {"principal",
                                  "principal",
                                  "principal == User::\"a\"",
                                  "principal in Group::\"g\"",
                                  "principal is Unix in UnixGroup::\"h\"",
                                  "principal is User",
                                  "principal == Unix::\"u\""};
static const char *const what[] = {"action", "action", "action == Action::\"sign\"",
                                   "action in Action::\"reader\"",
                                   "action in [Action::\"list\", Action::\"random\"]"};
static const char *const on[] = {"resource", "resource", "resource == Key::\"v/k\"",
                                 "resource in Vault::\"v\"", "resource is Vault"};
static const char *const atoms[] = {
    "context.via == \"a\"",
    "context.via like \"a*\"",
    "context.via like \"*b\"",
    "context.via like \"*b*\"",
    "context has mechanism",
    "(context has mechanism && context.mechanism == \"M\")",
    "(context has mechanism && context.mechanism == context.via)",
    "context.loggedIn",
    "context.now < 100",
    "context.now >= 50",
    "-context.now > -51",
    "context.time.toTime() < duration(\"1m\")",
    "context.time <= datetime(\"1970-01-01T00:00:50Z\")",
    "(context has ip && context.ip.isInRange(ip(\"10.0.0.0/8\")))",
    "(context has ip && context.ip.isIpv6())",
    "resource.name == \"k\"",
    "resource.name like \"k*\"",
    "(resource is Key && resource.size > 1)",
    "(resource is Key && resource.size < resource.version)",
    "(resource is Key && -resource.size < 1)",
    "(resource is Key && resource.tags has t && resource.tags.t == \"a\")",
    "principal in Group::\"g\"",
    "principal == User::\"a\"",
    "action == Action::\"list\"",
    "resource in Vault::\"v\"",
    "(if context.loggedIn then context.via else \"a\") == \"a\"",
    "[\"a\", \"b\"].contains(context.via)"};

static void put_condition(struct buf *out, unsigned depth)
{
    size_t kind = depth == 0 ? 0 : below(4);

    if (kind < 2) {
        buf_puts(out, below(4) == 0 ? "!" : "");
        buf_puts(out, kind == 0 || depth == 0 ? "(" : "!(");
        buf_puts(out, PICK(atoms));
    } else {
        buf_puts(out, "(");
        put_condition(out, depth - 1);
        buf_puts(out, kind == 2 ? " && " : " || ");
        put_condition(out, depth - 1);
    }
    buf_puts(out, ")");
}

static void put_rule(struct buf *out)
{
    buf_printf(out, "%s(%s, %s, %s)", below(3) == 0 ? "forbid" : "permit", PICK(who), PICK(what),
               PICK(on));
    if (below(4) > 0) {
        buf_puts(out, below(3) == 0 ? " unless { " : " when { ");
        put_condition(out, 2);
        buf_puts(out, " }");
    }
    buf_puts(out, ";\n");
}

/* One that the checker finds nothing wrong with. */
static void put_sound_rule(struct buf *out)
{
    for (;;) {
        struct buf rule = BUF_INIT(1U << 16);
        struct policy_error error;
        struct policy *policy;
        bool sound;

        put_rule(&rule);
        policy = world_load(buf_str(&rule));
        sound = policy_check(policy, &error, 1) == 0;
        if (sound)
            buf_put_bytes(out, buf_bytes(&rule));
        policy_free(policy);
        buf_release(&rule);
        if (sound)
            return;
    }
}

/* Whole rules are shared by the two sets at times, so that many pairs are nearly equal. */
static void put_sets(struct buf *before, struct buf *after)
{
    for (size_t n = 1 + below(3); n > 0; n--) {
        struct buf rule = BUF_INIT(1U << 16);
        size_t where = below(5);

        put_sound_rule(&rule);
        if (where != 0)
            buf_put_bytes(before, buf_bytes(&rule));
        if (where != 1)
            buf_put_bytes(after, buf_bytes(&rule));
        buf_release(&rule);
    }
}

struct made {
    struct policy_uid groups[2];
    struct policy_uid vault;
    struct policy_field attributes[4], tags[1], context[8];
    struct policy_entity entities[3];
    struct policy_request request;
};

static struct policy_value text_value(const char *text)
{
    return (struct policy_value){.kind = POLICY_STRING, .u.string = bytes_from_str(text)};
}

static struct policy_value record_of(const struct policy_field *fields, size_t count)
{
    return (struct policy_value){.kind = POLICY_RECORD, .u.record = {fields, count}};
}

static void make_context(struct made *m)
{
    static const char *const vias[] = {"", "a", "b", "ab", "axb", "M", "zzz"};
    static const char *const ips[] = {"10.1.2.3", "11.0.0.0", "::1"};
    static const int64_t times[] = {0,      49999,    50000,    50001,
                                    51000,  59999,    60000,    99999,
                                    100000, 86400000, 86459999, INT64_C(1700000000000)};
    int64_t time = PICK(times);
    struct policy_field *f = m->context;
    struct policy_value ip;

    if (below(2) == 0 && extension_read(POLICY_IP, bytes_from_str(PICK(ips)), &ip))
        *f++ = (struct policy_field){BYTES_LIT("ip"), ip};
    *f++ = (struct policy_field){BYTES_LIT("loggedIn"),
                                 {.kind = POLICY_BOOL, .u.boolean = below(2) == 0}};
    if (below(2) == 0)
        *f++ = (struct policy_field){BYTES_LIT("mechanism"), text_value(PICK(vias))};
    *f++ = (struct policy_field){BYTES_LIT("now"), {.kind = POLICY_LONG, .u.number = time / 1000}};
    *f++ = (struct policy_field){BYTES_LIT("time"), {.kind = POLICY_DATETIME, .u.number = time}};
    *f++ = (struct policy_field){BYTES_LIT("via"), text_value(PICK(vias))};
    m->request.context = record_of(m->context, (size_t)(f - m->context));
}

static void make_resource(struct made *m, enum action action, struct policy_entity *ret)
{
    static const struct {
        const char *type, *id, *vault, *name;
        uint32_t on_objects;
    } resources[] = {{"Key", "v/k", "v", "k", 1}, {"Key", "v/kk", "v", "kk", 1},
                     {"Key", "w/k", "w", "k", 1}, {"Secret", "v/k", "v", "k", 1},
                     {"Vault", "v", "v", "v", 0}, {"Vault", "k", "k", "k", 0}};
    static const int64_t sizes[] = {INT64_MIN, -1, 0, 1, 2, 3, INT64_MAX};
    size_t i;
    size_t n = 0;

    do
        i = below(COUNT(resources));
    while ((action == ACTION_SIGN || action == ACTION_GET)     ? resources[i].on_objects == 0
           : action == ACTION_RANDOM || action == ACTION_LOGIN ? resources[i].on_objects == 1
                                                               : false);
    m->vault = (struct policy_uid){BYTES_LIT("Vault"), bytes_from_str(resources[i].vault)};
    *ret = (struct policy_entity){
        .uid = {bytes_from_str(resources[i].type), bytes_from_str(resources[i].id)}};
    m->attributes[n++] = (struct policy_field){BYTES_LIT("name"), text_value(resources[i].name)};
    ret->attributes = record_of(m->attributes, 1);
    if (resources[i].on_objects == 0)
        return;
    ret->ancestors = &m->vault;
    ret->ancestor_count = 1;
    m->tags[0] = (struct policy_field){BYTES_LIT("t"), text_value(below(2) == 0 ? "a" : "q")};
    m->attributes[1] =
        (struct policy_field){BYTES_LIT("size"), {.kind = POLICY_LONG, .u.number = PICK(sizes)}};
    m->attributes[2] = (struct policy_field){BYTES_LIT("tags"), record_of(m->tags, below(2))};
    m->attributes[3] =
        (struct policy_field){BYTES_LIT("version"), {.kind = POLICY_LONG, .u.number = PICK(sizes)}};
    ret->attributes = record_of(m->attributes, 4);
}

static int by_uid(const void *a, const void *b)
{
    return value_uid_compare(&((const struct policy_entity *)a)->uid,
                             &((const struct policy_entity *)b)->uid);
}

static void make_request(struct made *m)
{
    static const struct policy_uid callers[] = {{BYTES_LIT("User"), BYTES_LIT("a")},
                                                {BYTES_LIT("User"), BYTES_LIT("q")},
                                                {BYTES_LIT("Unix"), BYTES_LIT("u")},
                                                {BYTES_LIT("Unix"), BYTES_LIT("a")},
                                                {BYTES_LIT("Cert"), BYTES_LIT("c")}};
    static const enum action actions[] = {ACTION_SIGN, ACTION_LIST, ACTION_GET, ACTION_RANDOM,
                                          ACTION_LOGIN};
    enum action action = PICK(actions);
    struct policy_uid caller = PICK(callers);
    size_t groups = 0;

    if (below(2) == 0)
        m->groups[groups++] = (struct policy_uid){BYTES_LIT("Group"), BYTES_LIT("g")};
    if (below(2) == 0 && bytes_equal_str(caller.type, "Unix"))
        m->groups[groups++] = (struct policy_uid){BYTES_LIT("UnixGroup"), BYTES_LIT("h")};
    m->entities[0] = (struct policy_entity){.uid = caller,
                                            .ancestors = m->groups,
                                            .ancestor_count = groups,
                                            .attributes = {.kind = POLICY_RECORD}};
    m->entities[1] = *schema_action(action);
    make_resource(m, action, &m->entities[2]);
    m->request = (struct policy_request){.principal = caller,
                                         .action = m->entities[1].uid,
                                         .resource = m->entities[2].uid,
                                         .entities = m->entities,
                                         .entity_count = 3};
    make_context(m);
    qsort(m->entities, 3, sizeof(*m->entities), by_uid);
}

static bool allowed_by(const struct policy *policy, const struct policy_request *request)
{
    struct world_answer answer;

    world_decide(policy, request, &answer);
    return answer.verdict.allow;
}

/* What the comparison says holds for every request tried, and its examples are examples. */
static void cross_check(const char *before, const char *after, size_t relations[static 5])
{
    struct policy *both = load_both(before, after);
    struct policy *a = world_load(before);
    struct policy *b = world_load(after);
    struct policy_difference d;

    assert_ok(policy_compare(both, POLICY_WORK_MAX, &d));
    ck_assert_msg(d.relation != POLICY_UNDECIDED, "%s\n---\n%s\n%s", before, after, d.doubt.text);
    relations[d.relation]++;
    ck_assert_msg(!d.has_denied || (allowed_by(a, &d.denied) && !allowed_by(b, &d.denied)),
                  "a wrong example\n%s\n---\n%s", before, after);
    ck_assert_msg(!d.has_allowed || (!allowed_by(a, &d.allowed) && allowed_by(b, &d.allowed)),
                  "a wrong example\n%s\n---\n%s", before, after);
    for (unsigned i = 0; i < REQUESTS; i++) {
        struct made m;
        bool first;
        bool second;

        make_request(&m);
        first = allowed_by(a, &m.request);
        second = allowed_by(b, &m.request);
        ck_assert_msg((d.has_denied || !first || second) && (d.has_allowed || first || !second),
                      "relation %d is wrong (%d, %d)\n%s\n---\n%s", (int)d.relation, first, second,
                      before, after);
    }
    policy_difference_release(&d);
    policy_free(a);
    policy_free(b);
    policy_free(both);
}

START_TEST(random_sets_are_compared_as_brute_force_compares_them)
{
    size_t relations[5] = {0};

    state = UINT64_C(0x9E3779B97F4A7C15) + (uint64_t)_i;
    for (unsigned i = 0; i < SETS / 10; i++) {
        struct buf before = BUF_INIT(1U << 20);
        struct buf after = BUF_INIT(1U << 20);

        put_sets(&before, &after);
        cross_check(buf_str(&before), buf_str(&after), relations);
        buf_release(&before);
        buf_release(&after);
    }
    /* Of the few sets under a sanitizer one relation may be left out. */
    for (unsigned r = POLICY_SAME; r < POLICY_UNDECIDED && SETS >= 3000; r++)
        ck_assert_uint_gt(relations[r], 0);
}
END_TEST

/* A rule is called a waste only if no request tried changes by leaving it out; one that is not has
 * a use. */
START_TEST(random_rules_that_are_called_a_waste_change_no_answer)
{
    state = UINT64_C(0x2545F4914F6CDD1D);
    for (unsigned i = 0; i < 300; i++) {
        struct buf before = BUF_INIT(1U << 20);
        struct buf after = BUF_INIT(1U << 20);
        struct policy_wasted found[8];
        struct policy_doubt doubt;
        struct policy *policy;
        size_t count = 0;

        put_sets(&before, &after);
        policy = world_load(buf_str(&before));
        assert_ok(policy_find_wasted(policy, POLICY_WORK_MAX, found, COUNT(found), &count, &doubt));
        ck_assert_str_eq(doubt.text, "");
        for (unsigned r = 0; r < REQUESTS; r++) {
            struct world_answer answer;
            struct made m;

            make_request(&m);
            world_decide(policy, &m.request, &answer);
            for (size_t w = 0; w < count && answer.verdict.error_count == 0; w++) {
                bool holds = false;

                for (size_t n = 0; n < answer.verdict.reason_count; n++)
                    holds = holds || answer.reasons[n] == found[w].rule;
                ck_assert_msg(
                    !holds || (found[w].waste == POLICY_COVERED && answer.verdict.reason_count > 1),
                    "rule %u counts\n%s", found[w].rule, buf_str(&before));
            }
        }
        policy_free(policy);
        buf_release(&before);
        buf_release(&after);
    }
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_LOOP(two_sets_are_compared_exactly, COUNT(pairs)),
        CASE(what_is_beyond_the_method_or_the_bound_is_undecided_and_says_why),
        CASE_LOOP(a_rule_that_never_counts_is_found_and_its_neighbour_is_not, COUNT(wasted)),
        CASE(everybody_who_may_is_listed_and_nobody_else),
        CASE_LOOP(random_sets_are_compared_as_brute_force_compares_them, 10),
        CASE(random_rules_that_are_called_a_waste_change_no_answer),
    };

    return suite_run("policy/analysis", cases, COUNT(cases));
}
