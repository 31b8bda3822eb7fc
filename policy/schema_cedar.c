/* The vocabulary in Cedar's own schema language, for Cedar's own validator. */
#include "policy/schema_int.h"

static const char *type_of(enum policy_kind kind)
{
    static const char *const names[] = {
        [POLICY_BOOL] = "Bool",       [POLICY_LONG] = "Long",
        [POLICY_STRING] = "String",   [POLICY_RECORD] = "{}",
        [POLICY_IP] = "ipaddr",       [POLICY_DATETIME] = "datetime",
        [POLICY_SET] = "Set<String>", [POLICY_DURATION] = "duration",
    };

    return names[kind];
}

/* The attributes that all the owners have (0: of the context), one a line. */
static size_t put_attributes(struct buf *out, uint32_t owner)
{
    size_t count = 0;

    for (size_t i = 0; schema_attribute_at(i) != NULL; i++) {
        const struct schema_attribute *row = schema_attribute_at(i);

        if (owner == 0 ? row->owners != 0 : (row->owners & owner) == 0)
            continue;
        buf_printf(out, "%s    %s%s: %s,\n", count++ == 0 ? " {\n" : "", row->name,
                   row->optional ? "?" : "", type_of(row->kind));
    }
    if (count > 0)
        buf_puts(out, "}");
    return count;
}

static void put_types(struct buf *out, uint32_t bits)
{
    const char *before = "[";

    for (unsigned i = 0; i < TYPE_COUNT; i++) {
        if ((bits >> i & 1) == 0)
            continue;
        buf_printf(out, "%s%s", before, schema_type_name(i));
        before = ", ";
    }
    buf_puts(out, "]");
}

static void put_entities(struct buf *out)
{
    for (unsigned i = 0; i < TYPE_COUNT; i++) {
        if (1U << i == TYPE_ACTION)
            continue;
        buf_printf(out, "entity %s", schema_type_name(i));
        if (schema_parents(i) != 0) {
            buf_puts(out, " in ");
            put_types(out, schema_parents(i));
        }
        (void)put_attributes(out, 1U << i);
        buf_puts(out, ";\n");
    }
}

static void put_action(struct buf *out, enum action action)
{
    const struct policy_entity *entity = schema_action(action);

    buf_printf(out, "action %s in [", schema_action_name(action));
    for (size_t g = 0; g < entity->ancestor_count; g++) {
        buf_puts(out, g > 0 ? ", " : "");
        buf_put_bytes(out, entity->ancestors[g].id);
    }
    buf_puts(out, "]\n    appliesTo { principal: ");
    put_types(out, TYPE_CALLERS);
    buf_puts(out, ", resource: ");
    put_types(out, schema_action_resources(action));
    buf_puts(out, ", context: Context };\n");
}

void schema_write_cedar(struct buf *out)
{
    buf_puts(out,
             "// keyward's vocabulary as a Cedar schema: what policies of a vault may speak of.\n"
             "// Written by `keyward policy schema`. A key's tags have any names, which Cedar\n"
             "// cannot say of a record: it is left empty here.\n\n");
    put_entities(out);
    buf_puts(out, "\ntype Context =");
    (void)put_attributes(out, 0);
    buf_puts(out, ";\n\n");
    for (size_t i = 0; schema_group_at(i) != NULL; i++)
        buf_printf(out, "action %s;\n", schema_group_at(i));
    buf_puts(out, "\n");
    for (unsigned i = 0; i < ACTION_COUNT; i++)
        put_action(out, (enum action)i);
}
