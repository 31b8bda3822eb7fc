/* A request written as JSON, as `keyward policy decide` and Cedar's own tools read it. */
#include "policy/analysis.h"
#include "policy/extension.h"

static void put_json(struct buf *out, struct bytes text)
{
    buf_putc(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '"' || text.data[i] == '\\')
            buf_printf(out, "\\%c", text.data[i]);
        else if (text.data[i] < 0x20)
            buf_printf(out, "\\u%04x", text.data[i]);
        else
            buf_putc(out, (char)text.data[i]);
    }
    buf_putc(out, '"');
}

static void put_uid(struct buf *out, const struct policy_uid *uid)
{
    buf_puts(out, "{\"type\":");
    put_json(out, uid->type);
    buf_puts(out, ",\"id\":");
    put_json(out, uid->id);
    buf_puts(out, "}");
}

static void put_value(struct buf *out, const struct policy_value *value);

static void put_record(struct buf *out, const struct policy_value *record)
{
    buf_puts(out, "{");
    for (size_t i = 0; i < record->u.record.count; i++) {
        buf_puts(out, i > 0 ? "," : "");
        put_json(out, record->u.record.fields[i].name);
        buf_puts(out, ":");
        put_value(out, &record->u.record.fields[i].value);
    }
    buf_puts(out, "}");
}

static void put_set(struct buf *out, const struct policy_value *set)
{
    buf_puts(out, "[");
    for (size_t i = 0; i < set->u.set.count; i++) {
        buf_puts(out, i > 0 ? "," : "");
        put_value(out, &set->u.set.items[i]);
    }
    buf_puts(out, "]");
}

static void put_extension(struct buf *out, const struct policy_value *value)
{
    char text[EXTENSION_TEXT_MAX];

    extension_write(value, text);
    buf_printf(out, "{\"__extn\":{\"fn\":\"%s\",\"arg\":\"%s\"}}", extension_of(value->kind)->name,
               text);
}

static void put_value(struct buf *out, const struct policy_value *value)
{
    switch (value->kind) {
    case POLICY_BOOL:
        buf_puts(out, value->u.boolean ? "true" : "false");
        break;
    case POLICY_LONG:
        buf_printf(out, "%lld", (long long)value->u.number);
        break;
    case POLICY_STRING:
        put_json(out, value->u.string);
        break;
    case POLICY_ENTITY:
        buf_puts(out, "{\"__entity\":");
        put_uid(out, &value->u.uid);
        buf_puts(out, "}");
        break;
    case POLICY_SET:
        put_set(out, value);
        break;
    case POLICY_RECORD:
        put_record(out, value);
        break;
    case POLICY_IP:
    case POLICY_DATETIME:
    case POLICY_DURATION:
        put_extension(out, value);
        break;
    case POLICY_ABSENT:
    case POLICY_UNKNOWN: /* never in a whole request */
        buf_puts(out, "null");
    }
}

static void put_entity(struct buf *out, const struct policy_entity *entity)
{
    buf_puts(out, "{\"uid\":");
    put_uid(out, &entity->uid);
    buf_puts(out, ",\"attrs\":");
    put_record(out, &entity->attributes);
    buf_puts(out, ",\"parents\":[");
    for (size_t i = 0; i < entity->ancestor_count; i++) {
        buf_puts(out, i > 0 ? "," : "");
        put_uid(out, &entity->ancestors[i]);
    }
    buf_puts(out, "]}");
}

void policy_write_value(struct buf *out, const struct policy_value *value)
{
    put_value(out, value);
}

void policy_write_uid(struct buf *out, const struct policy_uid *uid)
{
    buf_put_bytes(out, uid->type);
    buf_puts(out, "::");
    put_json(out, uid->id);
}

void policy_write_request(struct buf *out, const struct policy_request *request)
{
    buf_puts(out, "{\"principal\":");
    put_uid(out, &request->principal);
    buf_puts(out, ",\"action\":");
    put_uid(out, &request->action);
    buf_puts(out, ",\"resource\":");
    put_uid(out, &request->resource);
    buf_puts(out, ",\"context\":");
    put_record(out, &request->context);
    buf_puts(out, ",\"entities\":[");
    for (size_t i = 0; i < request->entity_count; i++) {
        buf_puts(out, i > 0 ? "," : "");
        put_entity(out, &request->entities[i]);
    }
    buf_puts(out, "]}");
}
