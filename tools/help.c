/* keyward help, and --version. */
#include "tools/tool.h"

#include <stdio.h>
#include <string.h>

#ifndef KEYWARD_VERSION
#error "the build defines the version"
#endif

int version_print(void)
{
    (void)puts("keyward " KEYWARD_VERSION);
    return TOOL_DONE;
}

static void print_options(const struct command *command)
{
    const char *at = command->options;

    while (*at != '\0') {
        size_t n = strcspn(at, " ");
        char name[64];
        const char *value;

        (void)snprintf(name, sizeof(name), "%.*s", (int)n, at);
        value = option_value_name(name);
        name[strcspn(name, "=")] = '\0';
        (void)printf(value != NULL ? " [%s %s]" : " [%s]", name, value);
        at += n + (at[n] == ' ');
    }
}

static void print_command(const struct command *command)
{
    (void)printf("  keyward %s%s%s", command->name, command->arguments[0] != '\0' ? " " : "",
                 command->arguments);
    print_options(command);
    (void)printf("\n      %s\n", command->summary);
}

static bool is_about(const struct command *command, const char *topic)
{
    size_t n = strlen(topic);

    return strncmp(command->name, topic, n) == 0 &&
           (command->name[n] == '\0' || command->name[n] == ' ');
}

int help_print(const char *topic)
{
    bool found = false;

    for (size_t i = 0; i < command_count(); i++)
        if (topic == NULL || is_about(&commands[i], topic)) {
            if (!found)
                (void)puts(topic == NULL ? "keyward: an open key vault, administered\n"
                                           "OBJECT is VAULT/NAME or VAULT/NAME@VERSION. PINs are "
                                           "asked for, or read from --pin-file (- is standard "
                                           "input).\n"
                                         : "usage:");
            found = true;
            print_command(&commands[i]);
        }
    if (!found)
        return tool_fail(TOOL_USAGE, "help", "there is no command %s: see keyward help", topic);
    if (topic == NULL)
        (void)puts(
            "\nThe vault home is $KEYWARD_HOME. Exit: 0 done, 1 refused or failed, 2 usage.");
    return TOOL_DONE;
}
