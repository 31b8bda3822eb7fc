/* Parsing of entry bundles: see bundle.h. */
#include "audit/bundle.h"

#include "audit/files.h"
#include "audit/json.h"
#include "audit/paths.h"
#include "base/clock.h"

#include <string.h>

static const char seq_member[] = "{\"seq\":";

enum { SEQ_LEN = sizeof(seq_member) - 1 };

enum bundle_step bundle_next(struct bytes data, size_t *at, struct bytes *ret_json)
{
    const uint8_t *from = data.data + *at;
    size_t left = data.len - *at;
    size_t len;

    if (left == 0)
        return BUNDLE_END;
    if (left < BUNDLE_PREFIX)
        return BUNDLE_TORN;
    len = (size_t)from[0] << 8 | from[1];
    if (left - BUNDLE_PREFIX < len)
        return BUNDLE_TORN;
    *ret_json = BYTES(from + BUNDLE_PREFIX, len);
    *at += BUNDLE_PREFIX + len;
    return BUNDLE_RECORD;
}

bool bundle_seq(struct bytes json, uint64_t *ret)
{
    uint64_t n = 0;
    size_t at = SEQ_LEN;

    if (json.len < SEQ_LEN || memcmp(json.data, seq_member, SEQ_LEN) != 0)
        return false;
    for (; at < json.len && json.data[at] >= '0' && json.data[at] <= '9'; at++) {
        if (n > UINT64_MAX / 10 || n * 10 > UINT64_MAX - (json.data[at] - '0'))
            return false;
        n = n * 10 + (json.data[at] - '0');
    }
    if (at == SEQ_LEN || at == json.len || json.data[at] != ',')
        return false;
    *ret = n;
    return true;
}

bool bundle_time(struct bytes json, int64_t *ret)
{
    static const char member[] = "\"time\":\"";
    char text[CLOCK_TEXT_MAX + sizeof(member)] = "";
    const uint8_t *comma = memchr(json.data, ',', json.len);
    size_t left = comma != NULL ? json.len - (size_t)(comma + 1 - json.data) : 0;

    if (comma == NULL || left < sizeof(text) - 1)
        return false;
    memcpy(text, comma + 1, sizeof(text) - 1);
    return strncmp(text, member, sizeof(member) - 1) == 0 &&
           clock_parse(text + sizeof(member) - 1, ret);
}

static bool all_zero(struct bytes data)
{
    for (size_t i = 0; i < data.len; i++) {
        if (data.data[i] != 0)
            return false;
    }
    return true;
}

bool bundle_is_remains(struct bytes data, uint64_t seq)
{
    char begin[SEQ_LEN + JSON_DIGITS_MAX + 1];
    size_t len = SEQ_LEN;
    size_t n;

    if (data.len < BUNDLE_PREFIX ||
        all_zero(data)) /* zeros: the size reached the disk, the data did not */
        return true;
    if (data.len >= BUNDLE_PREFIX + EVENT_JSON_MAX ||
        ((size_t)data.data[0] << 8 | data.data[1]) > EVENT_JSON_MAX)
        return false;
    memcpy(begin, seq_member, SEQ_LEN);
    len += event_put_digits(seq, begin + len);
    begin[len++] = ',';
    data.data += BUNDLE_PREFIX;
    data.len -= BUNDLE_PREFIX;
    n = data.len < len ? data.len : len;
    if (memcmp(data.data, begin, n) != 0)
        return false;
    /* Quotes inside JSON strings are escaped: a second beginning means whole records that must not
     * be thrown away. */
    return data.len <= len || memmem(data.data + len, data.len - len, seq_member, SEQ_LEN) == NULL;
}

CK_RV bundle_read(int folder, uint64_t n, struct buf *out, bool *ret_found)
{
    char path[PATH_LOG_MAX];
    CK_RV rv;

    path_journal(n, path);
    rv = file_read(folder, path, BUNDLE_FILE_MAX, out, ret_found);
    if (rv != CKR_OK || *ret_found)
        return rv;
    /* Looked for second, because that is the direction bundles move in. */
    path_entries(n, BUNDLE_RECORDS, path);
    return file_read(folder, path, BUNDLE_FILE_MAX, out, ret_found);
}
