/* Verbs about a vault's directory: who acts as which user, and who is in which group. All of them
 * hand out what the user or the group may do, so they are asked for like changes of the policy and
 * not like those of a PIN. */
#include "pkcs11/admin_int.h"

#include <string.h>

static CK_RV user_bind_verb(struct admin *a)
{
    return user_bind(run_store(&a->run), &a->run.vault, admin_text(a, "user"),
                     admin_text(a, "principal"));
}

static CK_RV user_unbind_verb(struct admin *a)
{
    return user_unbind(run_store(&a->run), &a->run.vault, admin_text(a, "user"),
                       admin_text(a, "principal"));
}

static CK_RV group_add_verb(struct admin *a)
{
    return group_add(run_store(&a->run), &a->run.vault, admin_text(a, "group"));
}

static CK_RV group_remove_verb(struct admin *a)
{
    return group_remove(run_store(&a->run), &a->run.vault, admin_text(a, "group"));
}

static CK_RV group_join_verb(struct admin *a)
{
    return group_join(run_store(&a->run), &a->run.vault, admin_text(a, "group"),
                      admin_text(a, "principal"));
}

static CK_RV group_leave_verb(struct admin *a)
{
    return group_leave(run_store(&a->run), &a->run.vault, admin_text(a, "group"),
                       admin_text(a, "principal"));
}

/* ---- lists ---- */

CK_RV admin_put_links(json_t *object, const char *name, const struct directory *directory,
                      enum link_kind kind, const char *to)
{
    size_t count = 0;
    const struct link *links = directory_links(directory, kind, NULL, &count);
    json_t *list = json_array();
    CK_RV rv = admin_put(object, name, list);

    for (size_t i = 0; rv == CKR_OK && i < count; i++)
        if (strcmp(links[i].to, to) == 0)
            rv = admin_append(list, json_string(links[i].from));
    return rv;
}

static CK_RV put_group(json_t *list, const struct directory *directory, const struct link *group)
{
    json_t *object =
        json_pack("{s:s, s:o}", "name", group->from, "created", admin_json_time(group->created));
    CK_RV rv = admin_append(list, object);

    return rv == CKR_OK ? admin_put_links(object, "members", directory, LINK_MEMBER, group->from)
                        : rv;
}

static CK_RV group_list_verb(struct admin *a)
{
    SCOPED(directory_free_p) struct directory *directory = NULL;
    const struct link *groups = NULL;
    size_t count = 0;
    json_t *list = json_array();
    CK_RV rv = admin_put(a->answer, "groups", list);

    if (rv == CKR_OK)
        rv = directory_load(run_store(&a->run), &a->run.vault, &directory);
    if (rv == CKR_OK)
        groups = directory_links(directory, LINK_GROUP, NULL, &count);
    for (size_t i = 0; rv == CKR_OK && i < count; i++)
        rv = put_group(list, directory, &groups[i]);
    gate_count(&a->run, count);
    return rv;
}

/* ---- the chapter ---- */

static const struct admin_member bind_members[] = {{"vault", MEMBER_TEXT, true},
                                                   {"user", MEMBER_TEXT, true},
                                                   {"principal", MEMBER_TEXT, true},
                                                   {0}};
static const struct admin_member group_members[] = {
    {"vault", MEMBER_TEXT, true}, {"group", MEMBER_TEXT, true}, {0}};
static const struct admin_member join_members[] = {{"vault", MEMBER_TEXT, true},
                                                   {"group", MEMBER_TEXT, true},
                                                   {"principal", MEMBER_TEXT, true},
                                                   {0}};
static const struct admin_member list_members[] = {{"vault", MEMBER_TEXT, true}, {0}};

#define CHANGES (ADMIN_VAULT | ADMIN_CHANGES)

static const struct admin_verb verbs[] = {
    {"user.bind", ACTION_BIND_USER, CHANGES, bind_members, user_bind_verb},
    {"user.unbind", ACTION_BIND_USER, CHANGES, bind_members, user_unbind_verb},
    {"group.add", ACTION_EDIT_GROUP, CHANGES, group_members, group_add_verb},
    {"group.remove", ACTION_EDIT_GROUP, CHANGES, group_members, group_remove_verb},
    {"group.join", ACTION_EDIT_GROUP, CHANGES, join_members, group_join_verb},
    {"group.leave", ACTION_EDIT_GROUP, CHANGES, join_members, group_leave_verb},
    {"group.list", ACTION_LIST_USER, ADMIN_VAULT, list_members, group_list_verb},
};

const struct admin_chapter admin_group_chapter = {verbs, sizeof(verbs) / sizeof(*verbs)};
