/* The benchmark's program: options, the rounds, the table or JSON. See bench.h. */
#include "tests/bench/bench.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS_MAX 25

struct result {
    double of[PARTIES]; /* medians; NAN: no part in it */
    double judged;      /* what is held against the budget; NAN: nothing to hold */
    bool met;
};

void die(const char *format, ...)
{
    va_list args;

    (void)fputs("bench: ", stderr);
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
    exit(2);
}

/* ---- measuring ---- */

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *samples, unsigned count)
{
    if (count == 0)
        return NAN;
    qsort(samples, count, sizeof(*samples), by_size);
    return samples[count / 2];
}

static void measure(struct world *w, const struct row *row, struct result *ret)
{
    double samples[PARTIES][ROUNDS_MAX];
    unsigned counts[PARTIES] = {0};

    for (unsigned round = 0; round < w->options.rounds; round++) {
        for (unsigned p = 0; p < PARTIES; p++) {
            double sample = row->of[p] != NULL ? row->of[p](w, row) : NAN;

            if (!isnan(sample))
                samples[p][counts[p]++] = sample;
        }
    }
    for (unsigned p = 0; p < PARTIES; p++)
        ret->of[p] = median(samples[p], counts[p]);
}

/* NAN where a party that the budget speaks of is missing. */
static double judged_of(enum judge judge, const double of[PARTIES])
{
    switch (judge) {
    case OF_RAW:
        return of[OPENSSL] / of[KEYWARD];
    case OVER_HSM:
        return of[KEYWARD] - of[SOFTHSM];
    default:
        return of[KEYWARD];
    }
}

static void judge(const struct row *row, struct result *r)
{
    bool at_least = row->judge == AT_LEAST || row->judge == OF_RAW;

    r->judged = judged_of(row->judge, r->of);
    r->met = at_least ? r->judged >= row->budget : r->judged <= row->budget;
}

/* ---- telling ---- */

static const char *const party_names[PARTIES] = {"keyward", "OpenSSL", "SoftHSM"};

static const struct {
    const char *word, *sign, *unit;
} judges[JUDGES] = {
    [AT_MOST] = {"at-most", "<=", NULL},
    [AT_LEAST] = {"at-least", ">=", NULL},
    [OF_RAW] = {"of-openssl", ">=", "of OpenSSL"},
    [OVER_HSM] = {"over-hsm", "<=", "us added"},
};

static const char *unit_of(const struct row *row)
{
    return judges[row->judge].unit != NULL ? judges[row->judge].unit : row->unit;
}

static const char *word_of(const struct result *r)
{
    return isnan(r->judged) ? "absent" : r->met ? "met" : "missed";
}

/* Three figures that matter, whatever the size. */
static void print_number(double n, int width)
{
    if (isnan(n))
        (void)printf(" %*s", width, "-");
    else
        (void)printf(" %*.*f", width, n >= 100 ? 0 : n >= 10 ? 1 : 2, n);
}

static void print_head(const struct world *w)
{
    (void)printf("large vault: %u objects; %u slices of %u ms each, in turns; medians\n\n",
                 w->vaults[VAULT_LARGE].objects, w->options.rounds, w->options.slice_ms);
    (void)printf("%-40s %4s %9s %9s %9s   %9s %-10s %8s\n", "", "unit", party_names[KEYWARD],
                 party_names[OPENSSL], party_names[SOFTHSM], "measured", "", "budget");
    (void)fflush(stdout);
}

static void print_row(const struct row *row, const struct result *r)
{
    (void)printf("%-40s %4s", row->what, row->unit);
    for (unsigned p = 0; p < PARTIES; p++)
        print_number(r->of[p], 9);
    (void)printf("  ");
    print_number(r->judged, 9);
    (void)printf(" %-10s %2s", unit_of(row), judges[row->judge].sign);
    print_number(row->budget, 6);
    (void)printf("  %s\n", word_of(r));
    (void)fflush(stdout);
}

static void print_json_number(const char *name, double n)
{
    if (!isnan(n))
        (void)printf(",\"%s\":%.6g", name, n);
}

static void print_row_json(const struct row *row, const struct result *r)
{
    static const char *const names[PARTIES] = {"keyward", "openssl", "softhsm"};

    (void)printf("{\"id\":\"%s\",\"what\":\"%s\",\"unit\":\"%s\",\"judge\":\"%s\"", row->id,
                 row->what, row->unit, judges[row->judge].word);
    for (unsigned p = 0; p < PARTIES; p++)
        print_json_number(names[p], r->of[p]);
    print_json_number("measured", r->judged);
    print_json_number("budget", row->budget);
    (void)printf(",\"result\":\"%s\"}\n", word_of(r));
    (void)fflush(stdout);
}

static void run(struct world *w)
{
    if (!w->options.json)
        print_head(w);
    for (size_t i = 0; i < row_count; i++) {
        struct result r;

        if (w->options.only != NULL &&
            strncmp(rows[i].id, w->options.only, strlen(w->options.only)) != 0)
            continue;
        measure(w, &rows[i], &r);
        judge(&rows[i], &r);
        if (w->options.json)
            print_row_json(&rows[i], &r);
        else
            print_row(&rows[i], &r);
    }
}

/* ---- the command line ---- */

static void usage(void)
{
    (void)fputs(
        "usage: bench [--quick] [--json] [--objects N] [--only ROW] [--slice-ms N] [--rounds N]\n"
        "Measures the in-process budgets; docs/PERFORMANCE.md says how to read it.\n"
        "  --objects N   objects in the large vault, up to 1,000,000 (default 1,000,000)\n"
        "  --only ROW    only rows whose id begins so\n"
        "  --quick       a look at every row: few objects, short slices\n",
        stderr);
    exit(2);
}

static unsigned number(const char *text, unsigned long most)
{
    char *end = NULL;
    unsigned long n;

    errno = 0;
    n = strtoul(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || n == 0 || n > most)
        usage();
    return (unsigned)n;
}

static void read_options(int argc, char **argv, struct options *o)
{
    static const struct option known[] = {
        {"quick", no_argument, NULL, 'q'},
        {"json", no_argument, NULL, 'j'},
        {"objects", required_argument, NULL, 'n'},
        {"only", required_argument, NULL, 'o'},
        {"slice-ms", required_argument, NULL, 's'},
        {"rounds", required_argument, NULL, 'r'},
        {NULL, 0, NULL, 0},
    };
    int c;

    *o = (struct options){0};
    while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (c) {
        case 'q':
            o->quick = true;
            break;
        case 'j':
            o->json = true;
            break;
        case 'n':
            o->objects = number(optarg, 1000000);
            break;
        case 'o':
            o->only = optarg;
            break;
        case 's':
            o->slice_ms = number(optarg, 60000);
            break;
        case 'r':
            o->rounds = number(optarg, ROUNDS_MAX);
            break;
        default:
            usage();
        }
    }
    if (optind != argc)
        usage();
    if (o->objects == 0)
        o->objects = o->quick ? 200 : 1000000;
    if (o->slice_ms == 0)
        o->slice_ms = o->quick ? 5 : 200;
    if (o->rounds == 0)
        o->rounds = o->quick ? 1 : 7;
}

int main(int argc, char **argv)
{
    struct world w = {0};

    if (argc == 3 && strcmp(argv[1], "--start-child") == 0)
        return start_child(argv[2]);
    read_options(argc, argv, &w.options);
    world_make(&w);
    run(&w);
    world_remove(&w);
    return 0;
}
