/* A command of its own for `keyward policy decide`, which the differential test asks beside Cedar's
 * own engine. */
#include "tools/policy_decide.h"

#include <getopt.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"policies", required_argument, NULL, 'p'},
        {"entities", required_argument, NULL, 'e'},
        {"requests", required_argument, NULL, 'r'},
        {NULL, 0, NULL, 0},
    };
    const char *paths[3] = {NULL, NULL, NULL};
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == 'p')
            paths[0] = optarg;
        else if (c == 'e')
            paths[1] = optarg;
        else if (c == 'r')
            paths[2] = optarg;
        else
            return 2;
    }
    if (paths[0] == NULL || paths[1] == NULL || paths[2] == NULL) {
        (void)fprintf(stderr, "usage: decide --policies FILE --entities FILE --requests FILE\n");
        return 2;
    }
    return policy_decide_main(paths[0], paths[1], paths[2]);
}
