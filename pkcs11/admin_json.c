/* What the policy room writes, as JSON: see admin_json.h. */
#include "pkcs11/admin_json.h"

#define TEXT_MAX (1U << 20)

/* Takes the text. */
static json_t *parse(struct buf *text)
{
    json_t *json = buf_str(text) != NULL ? json_loads(buf_str(text), JSON_DECODE_ANY, NULL) : NULL;

    buf_release(text);
    return json;
}

json_t *admin_json_request(const struct policy_request *request)
{
    struct buf text = BUF_INIT(TEXT_MAX);

    policy_write_request(&text, request);
    return parse(&text);
}

json_t *admin_json_value(const struct policy_value *value)
{
    struct buf text = BUF_INIT(TEXT_MAX);

    policy_write_value(&text, value);
    return parse(&text);
}

json_t *admin_json_uid(const struct policy_uid *uid)
{
    struct buf text = BUF_INIT(4096);
    json_t *json;

    policy_write_uid(&text, uid);
    json = buf_ok(&text) ? json_stringn((const char *)text.data, text.len) : NULL;
    buf_release(&text);
    return json;
}
