/*
 * The report as one HTML page: no script, nothing fetched (its Content-Security-Policy forbids
 * both, and allows the one style sheet by its hash), readable on paper and by a screen reader.
 * Every text that comes from the log goes through put_text().
 */
#include "tools/report.h"

#include "audit/base64.h"
#include "audit/hash.h"
#include "tools/print.h"

#include <stdio.h>
#include <string.h>

#define PLOTS_MAX   24 /* of single keys; the table has all */
#define PLOT_WIDTH  640
#define PLOT_HEIGHT 56

static const char style[] =
    ":root{color-scheme:light dark;--ink:#1b1f24;--paper:#fff;--line:#c9d1d9;--bar:#0b62c4;"
    "--bad:#b3261e}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--paper:#0d1117;--line:#3d444d;"
    "--bar:#6cb6ff;--bad:#ff8a80}}"
    "body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);"
    "max-width:72rem;margin:2rem auto;padding:0 1rem}"
    "h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2rem;border-bottom:1px solid var(--line)}"
    "table{border-collapse:collapse;width:100%;font-size:.9rem}caption{text-align:left;"
    "padding:.3rem 0}"
    "th,td{text-align:left;padding:.25rem .6rem;border-bottom:1px solid var(--line);"
    "vertical-align:top;overflow-wrap:anywhere}"
    "td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}"
    "figure{margin:.8rem 0}figcaption{font-size:.9rem;overflow-wrap:anywhere}"
    "svg{width:100%;height:3.5rem;border-bottom:1px solid var(--line)}rect{fill:var(--bar)}"
    "strong.bad{color:var(--bad)}"
    "@media print{body{max-width:none;margin:0;color:#000;background:#fff}"
    "section{break-inside:avoid-page}}";

/* ---- texts ---- */

/* Fit for the inside of an element and of a quoted attribute. Control characters, which HTML has
 * no place for, are shown as U+FFFD. */
static void put_text(struct buf *out, const char *text)
{
    static const struct {
        char c;
        const char *as;
    } escapes[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"}};

    for (; *text != '\0'; text++) {
        size_t i = 0;

        while (i < sizeof(escapes) / sizeof(*escapes) && escapes[i].c != *text)
            i++;
        if (i < sizeof(escapes) / sizeof(*escapes))
            buf_puts(out, escapes[i].as);
        else if ((unsigned char)*text < 0x20 || *text == 0x7f)
            buf_puts(out, "\xef\xbf\xbd");
        else
            buf_putc(out, *text);
    }
}

static void put_cell(struct buf *out, const char *text)
{
    buf_puts(out, "<td>");
    put_text(out, text);
    buf_puts(out, "</td>");
}

static void put_number(struct buf *out, uint64_t n)
{
    buf_printf(out, "<td class=\"n\">%llu</td>", (unsigned long long)n);
}

/* ---- tables ---- */

struct column {
    const char *title;  /* NULL ends the list */
    const char *member; /* of an object */
    bool number;
};

static void put_head(struct buf *out, const char *id, const char *caption,
                     const struct column *columns)
{
    buf_printf(out, "<table id=\"%s\"><caption>%s</caption><thead><tr>", id, caption);
    for (; columns->title != NULL; columns++)
        buf_printf(out, "<th scope=\"col\"%s>%s</th>", columns->number ? " class=\"n\"" : "",
                   columns->title);
    buf_puts(out, "</tr></thead><tbody>\n");
}

static void put_end(struct buf *out)
{
    buf_puts(out, "</tbody></table>\n");
}

static void put_none(struct buf *out, const char *id)
{
    buf_printf(out, "<p id=\"%s\">None.</p>\n", id);
}

/* One row an object. */
static void put_objects(struct buf *out, const char *id, const char *caption,
                        const struct column *columns, const json_t *rows)
{
    if (json_array_size(rows) == 0) {
        put_none(out, id);
        return;
    }
    put_head(out, id, caption, columns);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);

        buf_puts(out, "<tr>");
        for (const struct column *c = columns; c->title != NULL; c++)
            if (c->number)
                put_number(out, (uint64_t)json_integer_value(json_object_get(row, c->member)));
            else
                put_cell(out, member_text(row, c->member));
        buf_puts(out, "</tr>\n");
    }
    put_end(out);
}

/* One row a name with its number. */
static void put_counts(struct buf *out, const char *id, const char *caption,
                       const struct column *columns, json_t *counts)
{
    const char *name;
    json_t *n;

    if (json_object_size(counts) == 0) {
        put_none(out, id);
        return;
    }
    put_head(out, id, caption, columns);
    json_object_foreach(counts, name, n)
    {
        buf_puts(out, "<tr>");
        put_cell(out, name);
        put_number(out, (uint64_t)json_integer_value(n));
        buf_puts(out, "</tr>\n");
    }
    put_end(out);
}

/* ---- use over time ---- */

static uint64_t highest(const struct report_key *key)
{
    uint64_t most = 1;

    for (size_t i = 0; i < REPORT_BINS; i++)
        most = key->bins[i] > most ? key->bins[i] : most;
    return most;
}

static void put_bar(struct buf *out, size_t i, uint64_t n, uint64_t most)
{
    const double step = (double)PLOT_WIDTH / REPORT_BINS;
    double height = (double)n / (double)most * PLOT_HEIGHT;

    height = n > 0 && height < 1 ? 1 : height;
    buf_printf(out,
               "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"><title>%llu</title>"
               "</rect>",
               (double)i * step, PLOT_HEIGHT - height, step - 1, height, (unsigned long long)n);
}

static void put_plot(struct buf *out, const struct report_key *key)
{
    uint64_t most = highest(key);

    buf_puts(out, "<figure><figcaption>");
    put_text(out, key->name);
    buf_printf(out,
               ": %llu uses, at most %llu in one step</figcaption><svg role=\"img\" "
               "preserveAspectRatio=\"none\" viewBox=\"0 0 %d %d\" aria-label=\"",
               (unsigned long long)key->used, (unsigned long long)most, PLOT_WIDTH, PLOT_HEIGHT);
    put_text(out, key->name);
    buf_puts(out, ": uses over time\">");
    for (size_t i = 0; i < REPORT_BINS; i++)
        if (key->bins[i] > 0)
            put_bar(out, i, key->bins[i], most);
    buf_puts(out, "</svg></figure>\n");
}

static void put_keys(struct buf *out, const struct report *r)
{
    static const struct column columns[] = {{"Key", NULL, false},       {"Uses", NULL, true},
                                            {"Refused", NULL, true},    {"Failed", NULL, true},
                                            {"Last used", NULL, false}, {NULL, NULL, false}};

    if (r->key_count == 0) {
        put_none(out, "keys");
        return;
    }
    buf_printf(out,
               "<p>Each plot goes from the first record to the last, in steps of %lld s.</p>\n",
               (long long)r->width);
    for (size_t i = 0; i < r->key_count && i < PLOTS_MAX; i++)
        if (r->keys[i].used > 0)
            put_plot(out, &r->keys[i]);
    put_head(out, "keys", "What was done with each object, the most used first", columns);
    for (size_t i = 0; i < r->key_count; i++) {
        const struct report_key *key = &r->keys[i];

        buf_puts(out, "<tr>");
        put_cell(out, key->name);
        put_number(out, key->used);
        put_number(out, key->refused);
        put_number(out, key->failed);
        put_cell(out, key->last != NULL ? key->last : "");
        buf_puts(out, "</tr>\n");
    }
    put_end(out);
}

/* ---- the sections ---- */

static void put_refusals(struct buf *out, const struct report *r)
{
    static const struct column reasons[] = {
        {"Rule", NULL, false}, {"Refusals", NULL, true}, {NULL, NULL, false}};
    static const struct column principals[] = {
        {"Who", NULL, false}, {"Refusals", NULL, true}, {NULL, NULL, false}};

    put_counts(out, "reasons", "By the rule that refused", reasons, r->by_reason);
    put_counts(out, "principals", "By who was refused", principals, r->by_principal);
}

static void put_slowest(struct buf *out, const struct report *r)
{
    static const struct column columns[] = {{"Record", "seq", true},
                                            {"Time", "time", false},
                                            {"Function", "function", false},
                                            {"Vault", "vault", false},
                                            {"Object", "object", false},
                                            {"Microseconds", "duration_us", true},
                                            {"HSM, nanoseconds", "hsm_ns", true},
                                            {NULL, NULL, false}};

    put_objects(out, "slowest", "The longest calls", columns, r->slowest);
}

static void put_expiries(struct buf *out, const struct report *r)
{
    static const struct column columns[] = {
        {"Vault", "vault", false},  {"Object", "name", false}, {"Version", "version", true},
        {"Ends", "expires", false}, {"State", "state", false}, {NULL, NULL, false}};

    put_objects(out, "expiries", "What ends, the next one first", columns, r->expiries);
}

static void put_policies(struct buf *out, const struct report *r)
{
    static const struct column columns[] = {{"Record", "seq", true},
                                            {"Time", "time", false},
                                            {"Who", "principal", false},
                                            {"Vault", "vault", false},
                                            {"Function", "function", false},
                                            {"Before, SHA-256", "policy", false},
                                            {"After, SHA-256", "new_policy", false},
                                            {"Which is", "policy_change", false},
                                            {NULL, NULL, false}};

    put_objects(out, "policies", "Changes of policy", columns, r->policies);
}

static void put_may(struct buf *out, const struct report *r)
{
    static const struct column columns[] = {{"Vault", "vault", false},   {"May", "action", false},
                                            {"Who", "principal", false}, {"When", "when", false},
                                            {"By policy", "by", false},  {NULL, NULL, false}};

    put_objects(out, "may", "Who may, by the policies in force now", columns, r->may);
}

static const struct {
    const char *title;
    void (*put)(struct buf *out, const struct report *r);
} sections[] = {
    {"Use of keys", put_keys},           {"Refusals", put_refusals},
    {"Slowest calls", put_slowest},      {"What ends", put_expiries},
    {"Changes of policy", put_policies}, {"Who may", put_may},
};

/* ---- the page ---- */

static void put_policy(struct buf *out)
{
    uint8_t digest[HASH_LEN];
    struct hash *hash = NULL;

    if (hash_new(&hash) != CKR_OK ||
        hash_sha256(hash, BYTES(style, sizeof(style) - 1), digest) != CKR_OK)
        out->failed = true;
    buf_puts(out, "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                  "img-src data:; style-src 'sha256-");
    base64_put(out, BYTES(digest, sizeof(digest)));
    buf_puts(out, "'; base-uri 'none'; form-action 'none'\">\n");
    hash_free(hash);
}

static void put_summary(struct buf *out, const struct report *r, const char *now)
{
    buf_puts(out, "<p>");
    put_text(out, r->scope != NULL ? r->scope : "All vaults");
    buf_puts(out, ", made ");
    put_text(out, now);
    buf_printf(out,
               ". <span id=\"records\">%llu</span> records, <strong%s id=\"refused\">%llu</strong> "
               "refused, <strong%s id=\"failed\">%llu</strong> failed",
               (unsigned long long)r->records, r->refused > 0 ? " class=\"bad\"" : "",
               (unsigned long long)r->refused, r->failed > 0 ? " class=\"bad\"" : "",
               (unsigned long long)r->failed);
    if (r->first != NULL) {
        buf_puts(out, "; from ");
        put_text(out, r->first);
        buf_puts(out, " to ");
        put_text(out, r->last);
    }
    buf_puts(out,
             ". What this page says proves nothing: <code>keyward log verify</code> does.</p>\n");
    for (size_t i = 0; i < json_array_size(r->missing); i++) {
        buf_puts(out, "<p><strong class=\"bad\">Missing here:</strong> ");
        put_text(out, json_string_value(json_array_get(r->missing, i)));
        buf_puts(out, "</p>\n");
    }
}

void report_page(const struct report *r, const char *now, struct buf *out)
{
    buf_puts(out, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n");
    put_policy(out);
    buf_printf(out,
               "<meta name=\"viewport\" content=\"width=device-width\"><link rel=\"icon\" "
               "href=\"data:,\"><title>keyward: the log's report</title><style>%s</style></head>\n"
               "<body><main><h1>keyward: the log's report</h1>\n",
               style);
    put_summary(out, r, now);
    for (size_t i = 0; i < sizeof(sections) / sizeof(*sections); i++) {
        buf_printf(out, "<section><h2>%s</h2>\n", sections[i].title);
        sections[i].put(out, r);
        buf_puts(out, "</section>\n");
    }
    buf_puts(out, "</main></body></html>\n");
}
