/* Options and arguments against the command's row. Nothing secret is an option's value: PINs come
 * from files or a prompt. */
#include "tools/tool.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Every option there is. value NULL: a flag. */
static const struct {
    const char *name, *value;
} kinds[] = {
    {"--json", NULL},
    {"--hsm", "MODULE"},
    {"--hsm-token", "LABEL"},
    {"--hsm-pin-file", "FILE"},
    {"--protection", "hsm|software"},
    {"--user", "NAME"},
    {"--pin-file", "FILE"},
    {"--so-pin-file", "FILE"},
    {"--retention", "90d"},
    {"--no-purge-protection", NULL},
    {"--legacy", NULL},
    {"--role", "ROLE"},
    {"--type", "TYPE"},
    {"--use", "sign,verify,..."},
    {"--not-before", "T"},
    {"--expires", "T"},
    {"--mechanisms", "CKM_...,..."},
    {"--count", "N"},
    {"--deleted", NULL},
    {"--confirmations", "K"},
    {"--action", "ACTION"},
    {"--digest", "HEX"},
    {"--file", "FILE"},
    {"--mechanism", "CKM_..."},
    {"--requester", "PRINCIPAL"},
    {"--list", NULL},
    {"--withdraw", "ID"},
    {"--home", NULL},
    {"--vault", "V"},
    {"--since", "T"},
    {"--object", "O"},
    {"--denied", NULL},
    {"--format", "json|syslog|cef|text"},
    {"--against", "CHECKPOINT"},
    {"--record", NULL},
    {"--jwks", "FILE"},
    {"--audience", "NAME"},
    {"--algorithms", "RS256,ES256"},
    {"--policies", "FILE"},
    {"--entities", "FILE"},
    {"--requests", "FILE"},
    {"-o", "FILE.html"},
    {"--to", "syslog|journald"},
    {"--socket", "unix:/PATH|udp:HOST:PORT|tcp:HOST:PORT"},
    {"--from", "SEQ"},
    {"--name", "NAME"},
    {"--once", NULL},
    {"--textfile", "FILE"},
    {"--listen", "unix:/PATH"},
};

/* Those that may be given again. Any other is refused the second time: which of the two was meant
 * nobody can know. */
static const char *const repeating[] = {"--role"};

static bool may_repeat(const char *name)
{
    for (size_t i = 0; i < sizeof(repeating) / sizeof(*repeating); i++)
        if (strcmp(repeating[i], name) == 0)
            return true;
    return false;
}

static size_t kind_of(const char *name, size_t len)
{
    size_t i = 0;

    while (i < sizeof(kinds) / sizeof(*kinds) &&
           (strlen(kinds[i].name) != len || strncmp(kinds[i].name, name, len) != 0))
        i++;
    return i;
}

const char *option_value_name(const char *word)
{
    const char *own = strchr(word, '=');
    size_t i = kind_of(word, strlen(word));

    if (own != NULL)
        return own + 1;
    return i < sizeof(kinds) / sizeof(*kinds) ? kinds[i].value : NULL;
}

int tool_fail(int code, const char *what, const char *fmt, ...)
{
    va_list ap;

    (void)fprintf(stderr, "keyward: %s%s", what, what[0] != '\0' ? ": " : "");
    va_start(ap, fmt);
    (void)vfprintf(stderr, fmt, ap);
    va_end(ap);
    (void)fputc('\n', stderr);
    return code;
}

/* One word of a command's list. */
struct option_word {
    char text[64];
    const char *value;
};

/* Is the word in the command's list of options? Then *ret is what its value is called there, NULL
 * for a flag. */
static bool takes(const struct command *command, const char *name, size_t len,
                  struct option_word *ret)
{
    const char *at = command->options;

    while (at != NULL && *at != '\0') {
        size_t n = strcspn(at, " ");

        (void)snprintf(ret->text, sizeof(ret->text), "%.*s", (int)n, at);
        ret->value = option_value_name(ret->text);
        if (strcspn(ret->text, "=") == len && strncmp(at, name, len) == 0)
            return true;
        at += n + (at[n] == ' ');
    }
    return false;
}

/* One option; *at moves past a value that stands in the next word. */
static int parse_option(int argc, char **argv, int *at, struct invocation *inv)
{
    const char *word = argv[*at];
    size_t len = strcspn(word, "=");
    size_t kind = kind_of(word, len);
    const char *value = word[len] == '=' ? word + len + 1 : NULL;
    const char *name = inv->command->name;
    struct option_word row;

    if (kind == sizeof(kinds) / sizeof(*kinds) || !takes(inv->command, word, len, &row))
        return tool_fail(TOOL_USAGE, name, "it has no option %.*s: see keyward help %s", (int)len,
                         word, name);
    if (row.value == NULL && value != NULL)
        return tool_fail(TOOL_USAGE, name, "%s takes no value", kinds[kind].name);
    if (row.value != NULL && value == NULL) {
        if (*at + 1 >= argc)
            return tool_fail(TOOL_USAGE, name, "%s needs a value: %s %s", kinds[kind].name,
                             kinds[kind].name, row.value);
        value = argv[++*at];
    }
    if (!may_repeat(kinds[kind].name) && option(inv, kinds[kind].name) != NULL)
        return tool_fail(TOOL_USAGE, name, "%s is given twice", kinds[kind].name);
    if (inv->option_count == TOOL_OPTIONS_MAX)
        return tool_fail(TOOL_USAGE, name, "more than %d options are given", TOOL_OPTIONS_MAX);
    inv->options[inv->option_count].name = kinds[kind].name;
    inv->options[inv->option_count++].value = value != NULL ? value : "";
    return TOOL_DONE;
}

static int parse_argument(const char *word, struct invocation *inv)
{
    const struct command *c = inv->command;

    if (inv->arg_count == c->args_max)
        return tool_fail(TOOL_USAGE, c->name, "\"%s\" is too much: see keyward help %s", word,
                         c->name);
    inv->args[inv->arg_count++] = word;
    return TOOL_DONE;
}

int invocation_parse(const struct command *command, int argc, char **argv, struct invocation *inv)
{
    bool only_arguments = false;

    *inv = (struct invocation){.command = command};
    for (int i = 0; i < argc; i++) {
        bool is_option =
            !only_arguments && (strncmp(argv[i], "--", 2) == 0 || strcmp(argv[i], "-o") == 0);
        int rc = TOOL_DONE;

        if (is_option && strcmp(argv[i], "--") == 0)
            only_arguments = true;
        else
            rc = is_option ? parse_option(argc, argv, &i, inv) : parse_argument(argv[i], inv);
        if (rc != TOOL_DONE)
            return rc;
    }
    if (inv->arg_count < command->args_min)
        return tool_fail(TOOL_USAGE, command->name, "%s is missing: keyward %s %s",
                         command->arguments, command->name, command->arguments);
    return TOOL_DONE;
}

const char *option_at(const struct invocation *inv, const char *name, size_t i)
{
    for (size_t at = 0; at < inv->option_count; at++)
        if (strcmp(inv->options[at].name, name) == 0 && i-- == 0)
            return inv->options[at].value;
    return NULL;
}

const char *option(const struct invocation *inv, const char *name)
{
    return option_at(inv, name, 0);
}

/* ---- names ---- */

static int bad_name(const struct invocation *inv, const char *text, const char *form)
{
    return tool_fail(TOOL_USAGE, inv->command->name, "\"%s\" is no %s", text, form);
}

int user_name_parse(const struct invocation *inv, const char *text, struct object_name *ret)
{
    const char *slash = strchr(text, '/');
    size_t vault = slash != NULL ? (size_t)(slash - text) : 0;

    *ret = (struct object_name){.has_version = false};
    if (vault == 0 || slash[1] == '\0' || vault >= sizeof(ret->vault) ||
        strlen(slash + 1) >= sizeof(ret->name))
        return bad_name(inv, text, "VAULT/NAME");
    memcpy(ret->vault, text, vault);
    (void)snprintf(ret->name, sizeof(ret->name), "%s", slash + 1);
    return TOOL_DONE;
}

int object_name_parse(const struct invocation *inv, const char *text, struct object_name *ret)
{
    int rc = user_name_parse(inv, text, ret);
    char *at;

    if (rc != TOOL_DONE)
        return rc;
    at = strrchr(ret->name, '@');
    if (at == NULL || at[1] == '\0' || at[1 + strspn(at + 1, "0123456789")] != '\0')
        return TOOL_DONE;
    if (at == ret->name || strlen(at + 1) > 15)
        return bad_name(inv, text, "VAULT/NAME or VAULT/NAME@VERSION");
    ret->version = strtoll(at + 1, NULL, 10);
    ret->has_version = true;
    *at = '\0';
    return ret->version > 0 ? TOOL_DONE : bad_name(inv, text, "version: versions count from 1");
}
