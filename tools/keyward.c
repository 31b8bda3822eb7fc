/*
 * keyward, the administrator's command. Reads standard: one command of the table (commands.c) a
 * run. Exit 0 done, 1 refused or failed with one line on standard error, 2 usage.
 */
#include "tools/tool.h"

#include <stdio.h>
#include <string.h>

/* How many words of argv a name takes: 0 when it is not the one given. */
static int words_matched(const char *name, int argc, char **argv)
{
    int words = 0;

    while (*name != '\0') {
        size_t n = strcspn(name, " ");

        if (words >= argc || strlen(argv[words]) != n || strncmp(argv[words], name, n) != 0)
            return 0;
        words++;
        name += n + (name[n] == ' ');
    }
    return words;
}

static bool is_any(const char *word, const char *a, const char *b)
{
    return strcmp(word, a) == 0 || strcmp(word, b) == 0;
}

static int help(int argc, char **argv)
{
    char topic[128];

    if (argc == 0)
        return help_print(NULL);
    (void)snprintf(topic, sizeof(topic), argc > 1 ? "%s %s" : "%s", argv[0],
                   argc > 1 ? argv[1] : "");
    return help_print(topic);
}

static int unknown(int argc, char **argv)
{
    const char *name;
    bool is_group = false;

    for (size_t i = 0; (name = command_later(i)) != NULL; i++)
        if (words_matched(name, argc, argv) > 0)
            return tool_fail(TOOL_USAGE, "", "'%s' is not in this version yet", name);
    for (size_t i = 0; i < command_count(); i++) {
        size_t n = strlen(argv[0]);

        is_group =
            is_group || (strncmp(commands[i].name, argv[0], n) == 0 && commands[i].name[n] == ' ');
    }
    if (is_group && argc == 1)
        return tool_fail(TOOL_USAGE, argv[0], "which one? see keyward help %s", argv[0]);
    return tool_fail(TOOL_USAGE, "", "there is no command '%s%s%s': see keyward help", argv[0],
                     is_group ? " " : "", is_group ? argv[1] : "");
}

static int run(const struct command *command, int argc, char **argv)
{
    struct invocation inv;
    int rc;

    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0)
            return help_print(command->name);
    rc = invocation_parse(command, argc, argv, &inv);
    return rc == TOOL_DONE ? command->run(&inv) : rc;
}

/* What was printed must have arrived: a full disk is a failure too. */
static int finish(int rc)
{
    if (fflush(stdout) != 0 || ferror(stdout))
        return tool_fail(TOOL_FAILED, "",
                         "standard output cannot be written: free the disk or "
                         "mend the pipe");
    return rc;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        (void)tool_fail(TOOL_USAGE, "", "a command is missing: see keyward help");
        return TOOL_USAGE;
    }
    if (is_any(argv[1], "help", "--help") || strcmp(argv[1], "-h") == 0)
        return finish(help(argc - 2, argv + 2));
    if (is_any(argv[1], "--version", "version"))
        return finish(version_print());
    for (size_t i = 0; i < command_count(); i++) {
        int words = words_matched(commands[i].name, argc - 1, argv + 1);

        if (words > 0)
            return finish(run(&commands[i], argc - 1 - words, argv + 1 + words));
    }
    return unknown(argc - 1, argv + 1);
}
