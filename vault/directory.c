/* Groups, members and bindings: see directory.h. Each is one record; what they have in common is
 * that one name stands for another. */
#include "vault/directory.h"

#include "base/heap.h"
#include "vault/directory_int.h"
#include "vault/user_int.h"

#include <stdlib.h>
#include <string.h>

struct directory {
    struct link *links; /* by kind, from, to */
    size_t count;
};

/* ---- names ---- */

bool group_name_is_valid(const char *name)
{
    return user_name_is_valid(name);
}

/* Readable, and in no need of escapes where policies name it. */
static bool is_plain(const char *text)
{
    size_t len = strlen(text);

    for (size_t i = 0; i < len; i++)
        if (text[i] <= ' ' || text[i] > '~' || text[i] == '"' || text[i] == '\\')
            return false;
    return len > 0;
}

static const char *behind(const char *text, const char *kind)
{
    size_t len = strlen(kind);

    return strncmp(text, kind, len) == 0 ? text + len : NULL;
}

static bool is_token(const char *name)
{
    const char *sharp = strchr(name, '#');

    return sharp != NULL && sharp != name && sharp[1] != '\0';
}

bool principal_is_valid(const char *text)
{
    const char *name;

    if (strlen(text) > PRINCIPAL_MAX || !is_plain(text))
        return false;
    if ((name = behind(text, "user:")) != NULL)
        return user_name_is_valid(name) && strcmp(name, "so") != 0;
    if ((name = behind(text, "token:")) != NULL)
        return is_token(name);
    name = behind(text, "unix:");
    return name != NULL && name[0] != '\0';
}

/* ---- the record ---- */

struct link_der {
    int64_t kind, created;
    char from[PRINCIPAL_MAX + 1];
    char to[USER_NAME_MAX + 1];
};

#define MEMBER(n, k, field, most)                                                                  \
    {                                                                                              \
        .name = (n), .kind = (k), .offset = offsetof(struct link_der, field), .max = (most)        \
    }

static const struct der_member link_members[] = {
    MEMBER("kind", DER_NUMBER, kind, LINK_BINDING),
    MEMBER("from", DER_TEXT, from, PRINCIPAL_MAX),
    MEMBER("to", DER_TEXT, to, USER_NAME_MAX),
    MEMBER("created", DER_NUMBER, created, INT64_MAX),
};

static const struct der_type link_type = {
    .name = "KEYWARD.Link",
    .members = link_members,
    .count = sizeof(link_members) / sizeof(*link_members),
};

static struct link link_of(enum link_kind kind, const char *from, const char *to)
{
    struct link link = {.kind = kind};

    (void)memccpy(link.from, from, '\0', PRINCIPAL_MAX);
    (void)memccpy(link.to, to, '\0', USER_NAME_MAX);
    return link;
}

/* A principal acts as one user, so a binding is found by the principal alone. */
static CK_RV link_id(struct store *store, struct keys *keys, const struct link *link,
                     uint8_t ret[static STORE_ID_LEN])
{
    static const char *const names[] = {
        [LINK_GROUP] = "group", [LINK_MEMBER] = "member", [LINK_BINDING] = "binding"};
    struct buf what = BUF_INIT(1024);
    CK_RV rv;

    buf_printf(&what, "%s\n%s", link->from, link->kind == LINK_MEMBER ? link->to : "");
    rv = buf_ok(&what) ? keys_tag(store->local, keys, names[link->kind], buf_bytes(&what), ret)
                       : fail_memory();
    buf_release(&what);
    return rv;
}

static CK_RV decode(struct store *store, struct bytes content, struct link *ret)
{
    struct link_der d = {0};
    CK_RV rv = der_decode(store->der, &link_type, content, &d);

    if (rv != CKR_OK)
        return rv;
    *ret = link_of((enum link_kind)d.kind, d.from, d.to);
    ret->created = d.created;
    return CKR_OK;
}

static CK_RV link_read(struct store *store, struct keys *keys, const struct link *link,
                       struct link *ret, bool *ret_found)
{
    struct buf content = BUF_INIT(RECORD_MAX);
    uint8_t id[STORE_ID_LEN];
    struct record record;
    CK_RV rv = link_id(store, keys, link, id);

    if (rv == CKR_OK)
        rv = record_get(store, keys, RECORD_LINK, id, &record, &content, ret_found);
    if (rv == CKR_OK && *ret_found)
        rv = decode(store, buf_bytes(&content), ret);
    buf_release_secure(&content);
    return rv;
}

static CK_RV link_write(struct store *store, struct keys *keys, const struct link *link)
{
    struct link_der d = {.kind = link->kind, .created = store_now(store)};
    struct buf content = BUF_INIT(RECORD_MAX);
    uint8_t id[STORE_ID_LEN];
    CK_RV rv = link_id(store, keys, link, id);

    memcpy(d.from, link->from, sizeof(d.from));
    memcpy(d.to, link->to, sizeof(d.to));
    if (rv == CKR_OK)
        rv = der_encode(store->der, &link_type, &d, &content);
    if (rv == CKR_OK)
        rv = record_put(store, keys, RECORD_LINK, id, buf_bytes(&content));
    buf_release_secure(&content);
    return rv;
}

static CK_RV link_remove(struct store *store, struct keys *keys, const struct link *link)
{
    uint8_t id[STORE_ID_LEN];
    CK_RV rv = link_id(store, keys, link, id);

    return rv == CKR_OK ? record_remove(store, keys, RECORD_LINK, id) : rv;
}

/* ---- reading all ---- */

struct reading {
    struct store *store;
    struct directory *directory;
};

static CK_RV add_link(void *ctx, const struct record *record, struct bytes content, bool *ret_more)
{
    struct reading *reading = ctx;
    struct directory *d = reading->directory;
    struct link *links = array_resize(d->links, d->count + 1, sizeof(*links));
    CK_RV rv;

    (void)record;
    if (links == NULL)
        return fail_memory();
    d->links = links;
    rv = decode(reading->store, content, &links[d->count]);
    d->count += rv == CKR_OK;
    *ret_more = true;
    return rv;
}

static int by_names(const void *a, const void *b)
{
    const struct link *x = a, *y = b;
    int c = (int)x->kind - (int)y->kind;

    if (c == 0)
        c = strcmp(x->from, y->from);
    return c != 0 ? c : strcmp(x->to, y->to);
}

static CK_RV read_all(struct store *store, struct keys *keys, struct directory **ret)
{
    const struct record_query query = {.kind = RECORD_LINK};
    struct reading reading = {.store = store, .directory = calloc(1, sizeof(struct directory))};
    CK_RV rv;

    if (reading.directory == NULL)
        return fail_memory();
    rv = record_walk(store, keys, &query, add_link, &reading);
    if (rv != CKR_OK) {
        directory_free(reading.directory);
        return rv;
    }
    if (reading.directory->count > 0)
        qsort(reading.directory->links, reading.directory->count, sizeof(struct link), by_names);
    *ret = reading.directory;
    return CKR_OK;
}

CK_RV directory_load(struct store *store, const struct vault_info *vault, struct directory **ret)
{
    struct keys *keys = NULL;
    CK_RV rv = store_enter(store, vault->id, STORE_READ, &keys);

    return rv == CKR_OK ? store_leave(store, read_all(store, keys, ret)) : rv;
}

void directory_free(struct directory *directory)
{
    if (directory == NULL)
        return;
    free(directory->links);
    free(directory);
}

static size_t count_of(const struct directory *d)
{
    return d != NULL ? d->count : 0;
}

bool directory_same(const struct directory *a, const struct directory *b)
{
    if (count_of(a) != count_of(b))
        return false;
    for (size_t i = 0; i < count_of(a); i++)
        if (by_names(&a->links[i], &b->links[i]) != 0)
            return false;
    return true;
}

/* Of links in order: the first that is not before this kind and from. */
static size_t lower(const struct directory *d, enum link_kind kind, const char *from)
{
    struct link at = link_of(kind, from, "");
    size_t low = 0;
    size_t high = count_of(d);

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (by_names(&d->links[middle], &at) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct link *directory_links(const struct directory *d, enum link_kind kind, const char *from,
                                   size_t *ret_count)
{
    size_t first = lower(d, kind, from != NULL ? from : "");
    size_t n = 0;

    while (first + n < count_of(d) && d->links[first + n].kind == kind &&
           (from == NULL || strcmp(d->links[first + n].from, from) == 0))
        n++;
    *ret_count = n;
    return n > 0 ? &d->links[first] : NULL;
}

const char *directory_user(const struct directory *d, const char *principal)
{
    size_t count = 0;
    const struct link *link = directory_links(d, LINK_BINDING, principal, &count);

    return count > 0 ? link->to : NULL;
}

/* ---- changing ---- */

/* In a write: removes every link that goes with what is given up. */
static CK_RV remove_where(struct store *store, struct keys *keys,
                          bool (*goes)(const struct link *link, const char *name), const char *name)
{
    SCOPED(directory_free_p) struct directory *d = NULL;
    CK_RV rv = read_all(store, keys, &d);

    for (size_t i = 0; rv == CKR_OK && i < d->count; i++)
        if (goes(&d->links[i], name))
            rv = link_remove(store, keys, &d->links[i]);
    return rv;
}

static bool is_of_user(const struct link *link, const char *user)
{
    const char *name = behind(link->from, "user:");

    return (link->kind == LINK_BINDING && strcmp(link->to, user) == 0) ||
           (link->kind == LINK_MEMBER && name != NULL && strcmp(name, user) == 0);
}

CK_RV directory_forget_user(struct store *store, struct keys *keys, const char *user)
{
    return remove_where(store, keys, is_of_user, user);
}

static bool any(const struct link *link, const char *name)
{
    (void)link;
    (void)name;
    return true;
}

CK_RV directory_clear(struct store *store, struct keys *keys)
{
    return remove_where(store, keys, any, NULL);
}

static bool is_in_group(const struct link *link, const char *group)
{
    return link->kind == LINK_MEMBER && strcmp(link->to, group) == 0;
}

/* What every change needs to know first. */
static CK_RV ensure_group(struct store *store, struct keys *keys, const char *name)
{
    const struct link group = link_of(LINK_GROUP, name, "");
    struct link there;
    bool found = false;
    CK_RV rv = link_read(store, keys, &group, &there, &found);

    if (rv == CKR_OK && !found)
        rv = fail(CKR_ACTION_PROHIBITED, "the vault has no group %s: add it first", name);
    return rv;
}

static CK_RV ensure_user(struct store *store, struct keys *keys, const char *principal)
{
    const char *name = behind(principal, "user:");
    struct user user;

    return name != NULL ? user_read(store, keys, name, &user) : CKR_OK;
}

/* Adds one that is not there, or removes one that is: anything else was not what was meant. */
static CK_RV change(struct store *store, struct keys *keys, const struct link *link, bool add)
{
    struct link there = *link;
    bool found = false;
    CK_RV rv = link_read(store, keys, link, &there, &found);

    if (rv != CKR_OK)
        return rv;
    if (add && found && link->kind == LINK_GROUP)
        return fail(CKR_ACTION_PROHIBITED, "there is a group %s already", link->from);
    if (add && found)
        return fail(CKR_ACTION_PROHIBITED, "%s belongs to %s already", link->from, there.to);
    if (!add && (!found || strcmp(there.to, link->to) != 0))
        return fail(CKR_ACTION_PROHIBITED, "%s does not belong to %s", link->from, link->to);
    return add ? link_write(store, keys, link) : link_remove(store, keys, link);
}

static CK_RV write_group(struct store *store, struct keys *keys, const struct link *link, bool add)
{
    CK_RV rv = add ? CKR_OK : ensure_group(store, keys, link->from);

    if (rv == CKR_OK && !add)
        rv = remove_where(store, keys, is_in_group, link->from);
    return rv == CKR_OK ? change(store, keys, link, add) : rv;
}

static CK_RV write_member(struct store *store, struct keys *keys, const struct link *link, bool add)
{
    CK_RV rv = ensure_group(store, keys, link->to);

    if (rv == CKR_OK && add)
        rv = ensure_user(store, keys, link->from);
    return rv == CKR_OK ? change(store, keys, link, add) : rv;
}

static CK_RV write_binding(struct store *store, struct keys *keys, const struct link *link,
                           bool add)
{
    struct user user;
    CK_RV rv = user_read(store, keys, link->to, &user);

    return rv == CKR_OK ? change(store, keys, link, add) : rv;
}

static CK_RV write_link(struct store *store, const struct vault_info *vault,
                        const struct link *link, bool add)
{
    static CK_RV (*const writers[])(struct store *, struct keys *, const struct link *, bool) = {
        [LINK_GROUP] = write_group, [LINK_MEMBER] = write_member, [LINK_BINDING] = write_binding};
    struct keys *keys = NULL;
    CK_RV rv = store_enter(store, vault->id, STORE_WRITE, &keys);

    return rv == CKR_OK ? store_leave(store, writers[link->kind](store, keys, link, add)) : rv;
}

static CK_RV change_group(struct store *store, const struct vault_info *vault, const char *name,
                          bool add)
{
    struct link link;

    if (!group_name_is_valid(name))
        return fail(CKR_ARGUMENTS_BAD,
                    "a group's name has 1 to %d of the characters A-Z a-z 0-9 . _ @ -: choose "
                    "another name",
                    USER_NAME_MAX);
    link = link_of(LINK_GROUP, name, "");
    return write_link(store, vault, &link, add);
}

CK_RV group_add(struct store *store, const struct vault_info *vault, const char *name)
{
    return change_group(store, vault, name, true);
}

CK_RV group_remove(struct store *store, const struct vault_info *vault, const char *name)
{
    return change_group(store, vault, name, false);
}

static CK_RV change_principal(struct store *store, const struct vault_info *vault,
                              enum link_kind kind, const char *principal, const char *to, bool add)
{
    struct link link;

    if (!principal_is_valid(principal))
        return fail(CKR_ARGUMENTS_BAD,
                    "\"%.80s\" is no principal: write user:NAME, unix:NAME or "
                    "token:ISSUER#SUBJECT",
                    principal);
    if (!user_name_is_valid(to) || strcmp(to, "so") == 0 ||
        (kind == LINK_BINDING && behind(principal, "user:") != NULL))
        return fail(CKR_ARGUMENTS_BAD,
                    "%.80s cannot be made to belong to \"%.80s\": a Unix user or a token acts as "
                    "a user other than the security officer",
                    principal, to);
    link = link_of(kind, principal, to);
    return write_link(store, vault, &link, add);
}

CK_RV group_join(struct store *store, const struct vault_info *vault, const char *group,
                 const char *principal)
{
    return change_principal(store, vault, LINK_MEMBER, principal, group, true);
}

CK_RV group_leave(struct store *store, const struct vault_info *vault, const char *group,
                  const char *principal)
{
    return change_principal(store, vault, LINK_MEMBER, principal, group, false);
}

CK_RV user_bind(struct store *store, const struct vault_info *vault, const char *user,
                const char *principal)
{
    return change_principal(store, vault, LINK_BINDING, principal, user, true);
}

CK_RV user_unbind(struct store *store, const struct vault_info *vault, const char *user,
                  const char *principal)
{
    return change_principal(store, vault, LINK_BINDING, principal, user, false);
}
