/* What a branch of the walk chooses next, and every choice there is for it. */
#include "policy/extension.h"
#include "policy/search.h"

#include <stdlib.h>
#include <string.h>

/* ---- choosing the principal ---- */

static unsigned bit_number(uint32_t bit)
{
    unsigned n = 0;

    while (n < TYPE_COUNT && bit != 1U << n)
        n++;
    return n;
}

static void with_principal(struct search *s, struct policy_uid uid, const struct side *sides)
{
    uint32_t may_be_in = schema_parents(bit_number(schema_type_bit(uid.type)));

    s->request.principal = uid;
    for (size_t i = 0; i < s->doubt.count; i++)
        s->groups[i].state =
            (schema_type_bit(s->groups[i].uid.type) & may_be_in) != 0 ? GROUP_OPEN : GROUP_OUT;
    s->known = 1;
    search_explore(s, sides);
    s->known = 0;
}

/* Lengthens the id until no rule mentions it as one of that type. text stays the caller's. */
static struct policy_uid fresh_uid(struct search *s, const char *type, struct buf *text)
{
    struct policy_uid uid = {.type = bytes_from_str(type)};

    do {
        buf_putc(text, '+');
        uid.id = buf_bytes(text);
    } while (buf_ok(text) && intern_find(&s->policy->uids, uid) != INTERN_NONE);
    if (!buf_ok(text))
        s->no_memory = s->ended = true;
    return uid;
}

static void fresh_principal(struct search *s, const char *type, const struct side *sides)
{
    struct buf text = BUF_INIT(1U << 20);
    struct policy_uid uid;

    buf_puts(&text, "anybody");
    uid = fresh_uid(s, type, &text);
    if (!s->ended)
        with_principal(s, uid, sides);
    buf_release(&text);
}

static void each_principal(struct search *s, const struct side *sides)
{
    for (size_t i = 0; !s->ended && i < s->policy->uids.count; i++) {
        if ((schema_type_bit(s->policy->uids.items[i].type) & TYPE_CALLERS) != 0)
            with_principal(s, s->policy->uids.items[i], sides);
    }
    for (unsigned i = 0; !s->ended && i < TYPE_COUNT; i++) {
        if ((1U << i & TYPE_CALLERS) != 0)
            fresh_principal(s, schema_type_name(i), sides);
    }
}

/* ---- choosing the action ---- */

static void each_action(struct search *s, const struct side *sides)
{
    for (unsigned i = 0; !s->ended && i < ACTION_COUNT; i++) {
        const struct policy_entity *action = schema_action((enum action)i);

        if (s->given != NULL && value_uid_compare(&action->uid, &s->given->action) != 0)
            continue;
        s->request.action = action->uid;
        s->entities[0] = *action; /* "Action" sorts before every other type */
        s->request.entities = s->entities;
        s->request.entity_count = 1;
        s->known = 2;
        search_explore(s, sides);
        s->known = 1;
    }
}

/* ---- choosing the resource ---- */

static void put_entities(struct search *s, uint32_t type)
{
    static const struct policy_value none = {.kind = POLICY_RECORD};
    struct policy_entity resource = {.uid = s->request.resource};

    resource.attributes = (struct policy_value){.kind = POLICY_RECORD,
                                                .u.record = {s->attributes, s->attribute_count}};
    if (type != TYPE_VAULT) {
        resource.ancestors = &s->vault;
        resource.ancestor_count = 1;
    }
    s->entities[1] = resource;
    s->entities[2] = (struct policy_entity){.uid = s->request.principal, .attributes = none};
    if (value_uid_compare(&s->entities[2].uid, &s->entities[1].uid) < 0) {
        s->entities[1] = s->entities[2];
        s->entities[2] = resource;
    }
    s->request.entity_count = 3;
}

static int field_order(const void *a, const void *b)
{
    return bytes_compare(((const struct policy_field *)a)->name,
                         ((const struct policy_field *)b)->name);
}

static const struct policy_value unknown = {.kind = POLICY_UNKNOWN};

/* The attributes of a type (0: the context), all unknown, sorted; their variables beside them. */
static size_t open_fields(struct search *s, uint32_t owner, struct policy_field *fields,
                          uint32_t *variables)
{
    size_t count = 0;

    for (uint32_t i = 0; i < s->space.count && count + 1 < SEARCH_ATTRIBUTES; i++) {
        const struct space_variable *v = &s->space.variables[i];

        if (!v->is_tag && (owner == 0 ? v->owners == 0 : (v->owners & owner) != 0))
            fields[count++] = (struct policy_field){bytes_from_str(v->name), unknown};
    }
    if ((owner & TYPE_OBJECTS) != 0)
        fields[count++] = (struct policy_field){
            BYTES_LIT("tags"), {.kind = POLICY_RECORD, .u.record = {s->tags, s->tag_count}}};
    qsort(fields, count, sizeof(*fields), field_order);
    for (size_t f = 0; f < count; f++) {
        variables[f] = SPACE_NONE;
        for (uint32_t i = 0; i < s->space.count; i++) {
            const struct space_variable *v = &s->space.variables[i];

            if (!v->is_tag && (owner == 0 ? v->owners == 0 : (v->owners & owner) != 0) &&
                bytes_equal_str(fields[f].name, v->name))
                variables[f] = i;
        }
    }
    return count;
}

static void open_context(struct search *s)
{
    s->context_count = open_fields(s, 0, s->context, s->context_variable);
    s->request.context =
        (struct policy_value){.kind = POLICY_RECORD, .u.record = {s->context, s->context_count}};
}

/* name: NULL where it varies. */
static void with_resource(struct search *s, struct policy_uid uid, struct policy_uid vault,
                          const struct bytes *name, const struct side *sides)
{
    uint32_t type = schema_type_bit(uid.type);

    s->request.resource = uid;
    s->vault = vault;
    for (size_t i = 0; i < s->tag_count; i++)
        s->tags[i].value = unknown;
    s->attribute_count = open_fields(s, type, s->attributes, s->attribute_variable);
    for (size_t i = 0; name != NULL && i < s->attribute_count; i++) {
        if (bytes_equal_str(s->attributes[i].name, "name"))
            s->attributes[i].value =
                (struct policy_value){.kind = POLICY_STRING, .u.string = *name};
    }
    put_entities(s, type);
    open_context(s);
    s->known = 3;
    search_explore(s, sides);
    s->known = 2;
}

/* Vault::"v" for Key::"v/k", and the name "k"; false where the id is no object's. */
static bool split(const struct policy_uid *uid, struct policy_uid *vault, struct bytes *name)
{
    const uint8_t *slash = uid->id.len > 0 ? memchr(uid->id.data, '/', uid->id.len) : NULL;
    size_t len;

    if (slash == NULL)
        return false;
    len = (size_t)(slash - uid->id.data);
    *vault = (struct policy_uid){BYTES_LIT("Vault"), BYTES(uid->id.data, len)};
    *name = BYTES(slash + 1, uid->id.len - len - 1);
    return name->len > 0;
}

static void mentioned_resource(struct search *s, struct policy_uid uid, uint32_t types,
                               const struct side *sides)
{
    uint32_t type = schema_type_bit(uid.type);
    struct policy_uid vault = uid;
    struct bytes name = uid.id;

    if ((type & types) != 0 && (type == TYPE_VAULT || split(&uid, &vault, &name)))
        with_resource(s, uid, vault, &name, sides);
}

/* An object of every type that no rule mentions, in that vault. */
static void fresh_objects(struct search *s, struct policy_uid vault, uint32_t types,
                          const struct side *sides)
{
    for (unsigned i = 0; !s->ended && i < TYPE_COUNT; i++) {
        struct buf text = BUF_INIT(1U << 20);
        struct policy_uid uid;

        if ((1U << i & types & TYPE_OBJECTS) == 0)
            continue;
        buf_put_bytes(&text, vault.id);
        buf_puts(&text, "/");
        uid = fresh_uid(s, schema_type_name(i), &text);
        if (!s->ended)
            with_resource(s, uid, vault, NULL, sides);
        buf_release(&text);
    }
}

static void fresh_vault(struct search *s, uint32_t types, const struct side *sides)
{
    struct buf text = BUF_INIT(1U << 20);
    struct policy_uid vault;

    buf_puts(&text, "vault");
    vault = fresh_uid(s, "Vault", &text);
    if (!s->ended)
        fresh_objects(s, vault, types, sides);
    if (!s->ended && (types & TYPE_VAULT) != 0)
        with_resource(s, vault, vault, NULL, sides);
    buf_release(&text);
}

/* ---- what the open rules mention ---- */

static void mention_value(struct search *s, const struct policy_value *value)
{
    uint32_t number;

    for (size_t i = 0; value->kind == POLICY_SET && i < value->u.set.count; i++)
        mention_value(s, &value->u.set.items[i]);
    for (size_t i = 0; value->kind == POLICY_RECORD && i < value->u.record.count; i++)
        mention_value(s, &value->u.record.fields[i].value);
    if (value->kind != POLICY_ENTITY)
        return;
    number = intern_find(&s->policy->uids, value->u.uid);
    if (number != INTERN_NONE)
        s->uid_stamps[number] = s->stamp;
}

static void mention_node(void *ctx, const struct node *node)
{
    struct search *s = ctx;

    if (node->op == OP_UID)
        s->uid_stamps[node->a] = s->stamp;
    if (node->op == OP_CONST)
        mention_value(s, &s->policy->values[node->a]);
    space_operands(s->policy, node, mention_node, s);
}

static void mention_rules(struct search *s, const struct side *sides)
{
    s->stamp++;
    for (unsigned i = 0; i < s->side_count; i++) {
        for (size_t r = 0; r < sides[i].count; r++) {
            const struct rule *rule = &s->policy->rules[s->open[sides[i].first + r]];
            const struct scope *scope = &rule->scopes[VARIABLE_RESOURCE];

            if (scope->kind != SCOPE_ANY && scope->kind != SCOPE_IS)
                s->uid_stamps[scope->uid] = s->stamp;
            for (uint32_t c = 0; c < rule->condition_count; c++)
                mention_node(s, &s->policy->nodes[s->policy->lists[rule->conditions + c]]);
        }
    }
}

/* The mentioned resources, copied: deeper levels mention others. */
static uint32_t *mentioned(struct search *s, const struct side *sides, size_t *ret_count)
{
    uint32_t *list;
    size_t count = 0;

    mention_rules(s, sides);
    for (size_t i = 0; i < s->policy->uids.count; i++)
        count += s->uid_stamps[i] == s->stamp ? 1 : 0;
    list = malloc((count + 1) * sizeof(*list));
    *ret_count = 0;
    for (uint32_t i = 0; list != NULL && i < s->policy->uids.count; i++) {
        if (s->uid_stamps[i] == s->stamp)
            list[(*ret_count)++] = i;
    }
    s->no_memory = s->no_memory || list == NULL;
    return list;
}

/* The given resource with the attributes it has, and the members of the context that are given. */
static void with_given(struct search *s, const struct side *sides)
{
    const struct policy_entity *entity = eval_entity(s->given, &s->given->resource);
    struct policy_uid vault = s->given->resource;
    struct bytes name;

    (void)split(&s->given->resource, &vault, &name);
    s->request.resource = s->given->resource;
    s->vault = vault;
    s->attribute_count = open_fields(s, schema_type_bit(s->given->resource.type), s->attributes,
                                     s->attribute_variable);
    for (size_t i = 0; i < s->attribute_count; i++) {
        const struct policy_value *value =
            entity != NULL ? value_field(&entity->attributes, s->attributes[i].name) : NULL;

        s->attributes[i].value =
            value != NULL ? *value : (struct policy_value){.kind = POLICY_ABSENT};
    }
    put_entities(s, schema_type_bit(s->given->resource.type));
    open_context(s);
    for (size_t i = 0; i < s->context_count; i++) {
        const struct policy_value *value = value_field(&s->given->context, s->context[i].name);

        if (value != NULL)
            s->context[i].value = *value;
    }
    s->known = 3;
    search_explore(s, sides);
    s->known = 2;
}

static void each_resource(struct search *s, const struct side *sides)
{
    enum action action = ACTION_COUNT;
    uint32_t types;
    uint32_t *list;
    size_t count;

    if (s->given != NULL) {
        with_given(s, sides);
        return;
    }
    (void)schema_action_find((const char *)s->request.action.id.data, &action);
    types = schema_action_resources(action);
    list = mentioned(s, sides, &count);
    for (size_t i = 0; !s->ended && i < count; i++)
        mentioned_resource(s, s->policy->uids.items[list[i]], types, sides);
    for (size_t i = 0; !s->ended && i < count; i++) {
        if (schema_type_bit(s->policy->uids.items[list[i]].type) == TYPE_VAULT)
            fresh_objects(s, s->policy->uids.items[list[i]], types, sides);
    }
    free(list);
    if (!s->ended)
        fresh_vault(s, types, sides);
}

/* ---- choosing an attribute, or a group ---- */

static void each_membership(struct search *s, struct eval_group *group, const struct side *sides)
{
    group->state = GROUP_IN;
    search_explore(s, sides);
    group->state = GROUP_OUT;
    if (!s->ended)
        search_explore(s, sides);
    group->state = GROUP_OPEN;
}

/* Where a value that is asked for stands, and its variable. */
static struct policy_value *place_of(struct search *s, const void *wanted, uint32_t *ret_variable)
{
    const struct {
        struct policy_field *fields;
        const uint32_t *variables;
        size_t count;
    } records[] = {
        {s->context, s->context_variable, s->context_count},
        {s->attributes, s->attribute_variable, s->attribute_count},
        {s->tags, s->tag_variable, s->tag_count},
    };

    for (size_t r = 0; r < sizeof(records) / sizeof(*records); r++) {
        for (size_t i = 0; i < records[r].count; i++) {
            if (&records[r].fields[i].value != wanted)
                continue;
            *ret_variable = records[r].variables[i];
            return &records[r].fields[i].value;
        }
    }
    return NULL;
}

static void set_member(struct search *s, uint32_t variable, struct policy_value value)
{
    for (size_t i = 0; i < s->context_count; i++) {
        if (s->context_variable[i] == variable)
            s->context[i].value = value;
    }
}

/* `time` and `now` are one. */
static void each_instant(struct search *s, const struct side *sides)
{
    const struct space_variable *clock = &s->space.variables[s->space.clock];

    for (size_t i = 0; !s->ended && i < clock->count; i++) {
        int64_t instant = clock->domain[i].u.number;

        set_member(s, s->space.clock, clock->domain[i]);
        set_member(
            s, s->space.now,
            (struct policy_value){.kind = POLICY_LONG, .u.number = instant / EXTENSION_SECOND});
        search_explore(s, sides);
    }
    set_member(s, s->space.clock, unknown);
    set_member(s, s->space.now, unknown);
}

/* What no rule mentions does not bear the name of one that is mentioned. */
static bool name_is_taken(struct search *s, const struct policy_value *name)
{
    struct buf id = BUF_INIT(1U << 20);
    struct policy_uid uid = {.type = s->request.resource.type};
    bool taken;

    if (schema_type_bit(uid.type) != TYPE_VAULT) {
        buf_put_bytes(&id, s->vault.id);
        buf_puts(&id, "/");
    }
    buf_put_bytes(&id, name->u.string);
    uid.id = buf_bytes(&id);
    taken = intern_find(&s->policy->uids, uid) != INTERN_NONE;
    s->no_memory = s->no_memory || !buf_ok(&id);
    buf_release(&id);
    return taken;
}

static void each_value(struct search *s, struct policy_value *place, uint32_t variable,
                       const struct side *sides)
{
    const struct space_variable *v = &s->space.variables[variable];
    bool is_name = v->owners != 0 && !v->is_tag && strcmp(v->name, "name") == 0;

    for (size_t i = 0; !s->ended && i < v->count; i++) {
        if (is_name && name_is_taken(s, &v->domain[i]))
            continue;
        *place = v->domain[i];
        search_explore(s, sides);
    }
    *place = unknown;
}

static void each_answer(struct search *s, const struct side *sides)
{
    const void *wanted = s->wanted;
    uint32_t variable = SPACE_NONE;
    struct policy_value *place = place_of(s, wanted, &variable);

    for (size_t i = 0; i < s->doubt.count; i++) {
        if (wanted == &s->groups[i]) {
            each_membership(s, &s->groups[i], sides);
            return;
        }
    }
    if (place == NULL || variable == SPACE_NONE) {
        space_give_up(&s->space, s->policy->nodes,
                      "an answer hangs on something that does not vary");
        s->ended = true;
    } else if (variable == s->space.clock || variable == s->space.now) {
        each_instant(s, sides);
    } else {
        each_value(s, place, variable, sides);
    }
}

void search_choose(struct search *s, const struct side *sides)
{
    static void (*const levels[])(struct search *, const struct side *) = {
        each_principal, each_action, each_resource, each_answer};

    levels[s->known](s, sides);
}
