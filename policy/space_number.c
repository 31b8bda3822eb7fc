/* Representatives of numbers and addresses: every boundary, and as many neighbours as there are
 * variables that may stand in one gap together. */
#include "policy/extension.h"
#include "policy/space.h"

#include <stdlib.h>
#include <string.h>

__extension__ typedef unsigned __int128 address;

/* ---- numbers ---- */

static void add_long(struct policy_value *out, size_t *count, int64_t base, int64_t by)
{
    int64_t sum;

    if (!__builtin_add_overflow(base, by, &sum))
        out[(*count)++] = (struct policy_value){.kind = POLICY_LONG, .u.number = sum};
}

CK_RV space_longs(struct space *space, const struct space_points *points, struct policy_value **ret,
                  size_t *ret_count)
{
    static const int64_t ends[] = {0, INT64_MIN, INT64_MAX};
    size_t bases = points->count + sizeof(ends) / sizeof(*ends);
    int64_t width = (int64_t)points->width;
    size_t count = 0;
    struct policy_value *out =
        arena_take(&space->arena, bases * 2 * (2 * points->width + 1) * sizeof(*out));

    if (out == NULL)
        return fail_memory();
    for (size_t i = 0; i < bases; i++) {
        int64_t base = i < points->count ? points->values[i].u.number : ends[i - points->count];

        for (int64_t by = -width; by <= width; by++) {
            add_long(out, &count, base, by);
            if (points->negated && base != INT64_MIN)
                add_long(out, &count, -base, by);
        }
    }
    *ret = out;
    *ret_count = space_sort(out, count);
    return CKR_OK;
}

/* ---- addresses ---- */

static address address_of(const struct policy_ip *ip)
{
    address value = 0;

    for (unsigned i = 0; i < (ip->v6 ? 16U : 4U); i++)
        value = value << 8 | ip->address[i];
    return value;
}

static struct policy_value ip_of(address value, bool v6)
{
    struct policy_value ip = {.kind = POLICY_IP};

    ip.u.ip.v6 = v6;
    ip.u.ip.prefix = v6 ? 128 : 32;
    for (unsigned i = v6 ? 16 : 4; i-- > 0; value >>= 8)
        ip.u.ip.address[i] = (uint8_t)value;
    return ip;
}

/* The first addresses of the range, and the first ones behind it. */
static void add_range(struct policy_value *out, size_t *count, const struct policy_ip *range,
                      size_t width)
{
    unsigned bits = range->v6 ? 128 : 32;
    unsigned host = bits - range->prefix;
    address last = range->v6 ? ~(address)0 : UINT32_MAX;
    address ones = host == 128 ? ~(address)0 : ((address)1 << host) - 1;
    address first = address_of(range) & ~ones;
    address end = first | ones;

    for (size_t i = 0; i < width; i++) {
        if (i <= last - first)
            out[(*count)++] = ip_of(first + i, range->v6);
        if (i < last - end)
            out[(*count)++] = ip_of(end + 1 + i, range->v6);
    }
}

CK_RV space_addresses(struct space *space, const struct space_points *points,
                      struct policy_value **ret, size_t *ret_count)
{
    /* What isLoopback() and isMulticast() look for, and everything. */
    static const struct policy_ip known[] = {
        {{127}, 8, false},       {{224}, 4, false}, {{0}, 0, false},
        {{[15] = 1}, 128, true}, {{0xFF}, 8, true}, {{0}, 0, true},
    };
    size_t fixed = sizeof(known) / sizeof(*known);
    size_t count = 0;
    struct policy_value *out =
        arena_take(&space->arena, (points->count + fixed) * 4 * points->width * sizeof(*out));

    if (out == NULL)
        return fail_memory();
    for (size_t i = 0; i < points->count + fixed; i++) {
        const struct policy_ip *ip =
            i < points->count ? &points->values[i].u.ip : &known[i - points->count];
        struct policy_ip alone = *ip;

        add_range(out, &count, ip, points->width);
        alone.prefix = alone.v6 ? 128 : 32; /* compared by ==, it may be one address */
        add_range(out, &count, &alone, points->width);
    }
    *ret = out;
    *ret_count = space_sort(out, count);
    return CKR_OK;
}
