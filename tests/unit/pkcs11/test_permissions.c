/* docs/PERMISSIONS.md is what the tables say: written here, compared with the file. With --write
 * the program writes it. */
#include "base/bytes.h"
#include "pkcs11/admin_int.h"
#include "policy/schema_int.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char head[] =
    "# Permissions\n"
    "\n"
    "Which question each function and each administrative verb puts to the policy: the action, "
    "what "
    "it is\n"
    "asked of, and what of the circumstances depends on the call. Made from the table the gate "
    "goes "
    "by\n"
    "(`pkcs11/permissions.c`) and the verbs' own (`pkcs11/admin_*.c`): a question that has no "
    "place "
    "here is\n"
    "refused. Actions, entities and the context are explained in [POLICY.md](POLICY.md).\n"
    "\n"
    "- Of an object that a call names, `list` is asked besides: what may not be listed is answered "
    "like\n"
    "  what is not there.\n"
    "- The policy is always told `via`, `function`, `now`, `time`, `loggedIn`, `readWrite`, "
    "`approvals` and the\n"
    "  vault. *mechanism* stands for `mechanism` and what there is of its parameters: `hash`, "
    "`mgf`, `saltLength`,\n"
    "  `tagLength`, `ivSource`, `aad`.\n"
    "- Profile objects (`CKO_PROFILE`) are under no policy.\n"
    "\n";

/* ---- writing ---- */

static void put_actions(struct buf *out, const struct permission *p)
{
    const char *before = "";

    for (enum action action = 0; action < ACTION_COUNT; action++)
        if (permission_has(p, action)) {
            buf_printf(out, "%s`%s`", before, schema_action_name(action));
            before = " ";
        }
    if (p->actions == 0)
        buf_puts(out, "none");
}

/* The types of resources that one of the actions is asked of. */
static void put_resources(struct buf *out, const struct permission *p)
{
    uint32_t types = 0;
    const char *before = "";

    for (enum action action = 0; action < ACTION_COUNT; action++)
        if (permission_has(p, action))
            types |= schema_action_resources(action);
    if ((types & TYPE_OBJECTS) == TYPE_OBJECTS) {
        buf_puts(out, "object");
        before = ", ";
    }
    if ((types & TYPE_VAULT) != 0)
        buf_printf(out, "%svault", before);
}

static void put_context(struct buf *out, const struct permission *p)
{
    static const char *const words[] = {"*mechanism*", "`wrappingKey`", "`attribute`"};
    const char *before = "";

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if ((p->told >> i & 1) != 0) {
            buf_printf(out, "%s%s", before, words[i]);
            before = ", ";
        }
}

static void put_row(struct buf *out, const char *name, const struct permission *p)
{
    buf_printf(out, "| `%s` | ", name);
    put_actions(out, p);
    buf_puts(out, " | ");
    put_resources(out, p);
    buf_puts(out, " | ");
    put_context(out, p);
    buf_printf(out, " | %s |\n", p->note != NULL ? p->note : "");
}

static bool call_find(const char *function, enum call_id *ret)
{
    for (unsigned i = 0; i < CALL_COUNT; i++)
        if (strcmp(call_at((enum call_id)i)->name, function) == 0) {
            *ret = (enum call_id)i;
            return true;
        }
    return false;
}

/* What is said of a C_ function; NULL for one of which nothing is. */
static const struct permission *said_of(const char *function, struct permission *storage)
{
    const struct permission_outside *o;
    enum call_id id;

    if (call_find(function, &id))
        return permission_of_call(id);
    for (size_t i = 0; (o = permission_outside_at(i)) != NULL; i++)
        if (strcmp(o->function, function) == 0) {
            *storage = (struct permission){.note = o->why};
            return storage;
        }
    return NULL;
}

#define NAME(function) #function,
static const char *const functions[] = {CRYPTOKI_2_40(NAME) CRYPTOKI_3_0(NAME) CRYPTOKI_3_2(NAME)};
#define FUNCTIONS (sizeof(functions) / sizeof(*functions))

static void put_functions(struct buf *out)
{
    buf_puts(out, "## Functions\n\n| function | asks | of | told besides | |\n"
                  "| --- | --- | --- | --- | --- |\n");
    for (size_t i = 0; i < FUNCTIONS; i++) {
        struct permission storage;
        const struct permission *p = said_of(functions[i], &storage);

        if (p != NULL)
            put_row(out, functions[i], p);
    }
}

static void put_verbs(struct buf *out)
{
    buf_puts(out, "\n## Administrative verbs\n\n| verb | asks | of | told besides | |\n"
                  "| --- | --- | --- | --- | --- |\n");
    for (size_t c = 0; admin_chapter_at(c) != NULL; c++)
        for (size_t i = 0; i < admin_chapter_at(c)->count; i++) {
            const struct admin_verb *verb = &admin_chapter_at(c)->verbs[i];
            struct permission p = permission_of_verb(verb->name, verb->action);

            if ((verb->flags & ADMIN_HOMELESS) != 0)
                p = (struct permission){.note = "there is no home yet, and so no policy"};
            put_row(out, verb->name, &p);
        }
}

static void put_page(struct buf *out)
{
    buf_puts(out, head);
    put_functions(out);
    put_verbs(out);
}

/* ---- comparing ---- */

START_TEST(the_page_is_what_the_tables_say)
{
    struct buf page = BUF_INIT(1U << 20);
    char line[4096];
    const char *at;
    FILE *file = fopen(PERMISSIONS_PAGE, "r");

    put_page(&page);
    ck_assert(buf_ok(&page));
    ck_assert_msg(file != NULL, "no page: run this program with --write");
    at = buf_str(&page);
    while (fgets(line, sizeof(line), file) != NULL) {
        size_t n = strlen(line);

        ck_assert_msg(strncmp(at, line, n) == 0,
                      "the page is stale (run this program with --write) at: %s", line);
        at += n;
    }
    ck_assert_str_eq(at, "");
    (void)fclose(file);
    buf_release(&page);
}
END_TEST

/* ---- the tables ---- */

START_TEST(what_asks_nothing_says_why)
{
    for (size_t i = 0; i < FUNCTIONS; i++) {
        struct permission storage;
        const struct permission *p = said_of(functions[i], &storage);

        ck_assert_msg(p != NULL && (p->actions != 0 || p->note != NULL), "%s", functions[i]);
    }
}
END_TEST

START_TEST(no_function_has_a_row_that_the_standard_does_not_know)
{
    for (unsigned id = 0; id < CALL_COUNT; id++) {
        bool known = id == CALL_ADMIN;

        for (size_t i = 0; i < FUNCTIONS; i++)
            known = known || strcmp(functions[i], call_at((enum call_id)id)->name) == 0;
        ck_assert_msg(known, "%s", call_at((enum call_id)id)->name);
    }
}
END_TEST

/* Each action that a policy may name is asked somewhere, or is for what is to come. */
START_TEST(every_action_is_asked_by_something)
{
    static const enum action to_come[] = {ACTION_ROTATE, ACTION_BACKUP, ACTION_RESTORE,
                                          ACTION_DELETE_VAULT};
    uint64_t asked = 0;

    for (unsigned id = 0; id < CALL_COUNT; id++)
        asked |= permission_of_call(id)->actions;
    for (size_t c = 0; admin_chapter_at(c) != NULL; c++)
        for (size_t i = 0; i < admin_chapter_at(c)->count; i++)
            asked |= UINT64_C(1) << admin_chapter_at(c)->verbs[i].action;
    for (enum action action = 0; action < ACTION_COUNT; action++) {
        bool later = false;

        for (size_t i = 0; i < sizeof(to_come) / sizeof(*to_come); i++)
            later = later || to_come[i] == action;
        ck_assert_msg(later != ((asked >> action & 1) != 0), "%s", schema_action_name(action));
    }
}
END_TEST

static int write_page(void)
{
    struct buf page = BUF_INIT(1U << 20);
    FILE *file = fopen(PERMISSIONS_PAGE, "w");
    bool written;

    put_page(&page);
    written = file != NULL && buf_str(&page) != NULL && fputs(buf_str(&page), file) >= 0;
    if (file != NULL && fclose(file) != 0)
        written = false;
    buf_release(&page);
    return written ? 0 : 1;
}

int main(int argc, char **argv)
{
    const struct suite_case cases[] = {
        CASE(the_page_is_what_the_tables_say),
        CASE(what_asks_nothing_says_why),
        CASE(no_function_has_a_row_that_the_standard_does_not_know),
        CASE(every_action_is_asked_by_something),
    };

    if (argc == 2 && strcmp(argv[1], "--write") == 0)
        return write_page();
    return suite_run("pkcs11/permissions", cases, sizeof(cases) / sizeof(*cases));
}
