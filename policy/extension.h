/*
 * Cedar's extension types: IP addresses and ranges, instants and durations; read from their text,
 * and asked. No allocation: a policy may build one from an attribute while deciding.
 *
 * Source: the Cedar language reference, "ipaddr", "datetime" and "duration" functions.
 */
#ifndef KEYWARD_POLICY_EXTENSION_H
#define KEYWARD_POLICY_EXTENSION_H

#include "policy/policy.h"

#define EXTENSION_SECOND 1000 /* in milliseconds, as everything about time here */
#define EXTENSION_DAY    (INT64_C(86400) * EXTENSION_SECOND)

/* "10.1.2.3", "10.0.0.0/8", "2001:db8::1", "fe80::/10"; no IPv4 inside IPv6. */
bool extension_ip(struct bytes text, struct policy_ip *ret);
/* "2024-10-15", "2024-10-15T11:35:00Z", "...00.250Z", "...00+0200", "...00.250-0930". */
bool extension_datetime(struct bytes text, int64_t *ret);
/* "1d2h3m4s5ms", each part optional but not all; "-" before it. */
bool extension_duration(struct bytes text, int64_t *ret);

/* The three above as one row each: ip(), datetime(), duration(). */
struct extension {
    const char *name;
    enum policy_kind kind;
    const char *example;
};
/* NULL when there is none of that name. */
const struct extension *extension_find(struct bytes name);
const struct extension *extension_of(enum policy_kind kind);
bool extension_read(enum policy_kind kind, struct bytes text, struct policy_value *ret);

bool extension_is_loopback(const struct policy_ip *ip);
bool extension_is_multicast(const struct policy_ip *ip);
/* Every address of inner is one of outer. */
bool extension_in_range(const struct policy_ip *inner, const struct policy_ip *outer);
int extension_ip_compare(const struct policy_ip *a, const struct policy_ip *b);

/* Time since midnight (UTC), for instants before 1970 too. */
int64_t extension_time_of_day(int64_t instant);

/* Texts that the functions above read back. out is NUL-terminated. */
#define EXTENSION_TEXT_MAX 64
void extension_write(const struct policy_value *value, char out[static EXTENSION_TEXT_MAX]);

#endif
