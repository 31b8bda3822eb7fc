/* Command sequences against a live library: see explorer.h. */
#include "tests/support/explorer.h"

#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof(*(table)))

#define OBJECTS_MAX 600U
#define BLOBS_MAX   4000U
#define BYTES_MAX   1024U
#define VALUE_LEN   32U /* of the secret keys that are looked for */
#define SEEN_MIN    8U  /* so many of a value's bytes in a row are no accident */
#define NOBODY      UINT16_MAX
#define GARBAGE     (UINT16_MAX - 1) /* value of what was unwrapped from the wrong bytes */
/* One more only adds data to data, or takes a part of a part. */
#define DERIVED_MAX 2U

/* ---- rights ---- */

enum right {
    ENCRYPTS = 1U << 0,
    DECRYPTS = 1U << 1,
    WRAPS = 1U << 2,
    UNWRAPS = 1U << 3,
    DERIVES = 1U << 4,
    SENSITIVE = 1U << 5,
    EXTRACTABLE = 1U << 6,
    ONLY_TRUSTED = 1U << 7,
    TRUSTED = 1U << 8,
};

static const struct {
    unsigned right;
    CK_ATTRIBUTE_TYPE type;
    bool more_power; /* the value that lets a caller do more */
} rights[] = {
    {ENCRYPTS, CKA_ENCRYPT, true},
    {DECRYPTS, CKA_DECRYPT, true},
    {WRAPS, CKA_WRAP, true},
    {UNWRAPS, CKA_UNWRAP, true},
    {DERIVES, CKA_DERIVE, true},
    {SENSITIVE, CKA_SENSITIVE, false},
    {EXTRACTABLE, CKA_EXTRACTABLE, true},
    {ONLY_TRUSTED, CKA_WRAP_WITH_TRUSTED, false},
    {TRUSTED, CKA_TRUSTED, true},
};

/* What templates ask for, of new keys and of copies alike. */
static const unsigned roles[] = {
    ENCRYPTS | DECRYPTS | SENSITIVE | EXTRACTABLE,
    WRAPS | UNWRAPS | SENSITIVE | EXTRACTABLE,
    WRAPS | DECRYPTS | SENSITIVE | EXTRACTABLE,
    UNWRAPS | ENCRYPTS | SENSITIVE | EXTRACTABLE,
    DERIVES | SENSITIVE | EXTRACTABLE,
    ENCRYPTS | DECRYPTS | WRAPS | UNWRAPS | DERIVES | SENSITIVE | EXTRACTABLE,
    ENCRYPTS | DECRYPTS | EXTRACTABLE,
    WRAPS | UNWRAPS | EXTRACTABLE,
    WRAPS | UNWRAPS | SENSITIVE,
    ENCRYPTS | DECRYPTS | SENSITIVE,
};

/* ---- facts ---- */

/* Whose value an object has. The first ones are the targets, the next the caller's own. */
enum { TARGETS = 2, TARGET_AES = 0, TARGET_GENERIC = 1, KNOWN_AES = 2, KNOWN_RSA = 3, VALUES = 4 };

struct fact {
    uint16_t parents[2];
    bool parent_is_blob[2];
    char command[96];
};

struct object {
    struct fact fact;
    CK_OBJECT_HANDLE handle;
    CK_OBJECT_CLASS cls;
    CK_KEY_TYPE type;
    unsigned rights;
    uint16_t value;   /* number of its value: the same for objects that hold the same key */
    unsigned derived; /* so many derivations in a row made it */
    unsigned round;
};

struct blob {
    struct fact fact;
    CK_BYTE data[BYTES_MAX];
    CK_ULONG len;
    uint16_t key, content; /* numbers of values */
    unsigned mechanism;    /* index in mechanisms */
    unsigned round;
};

struct value {
    CK_BYTE tag[32]; /* check value, or the head of the modulus */
    CK_ULONG tag_len;
};

struct world {
    const struct explorer_setup *setup;
    CK_FUNCTION_LIST *f;
    struct object objects[OBJECTS_MAX];
    struct blob blobs[BLOBS_MAX];
    struct value values[OBJECTS_MAX];
    unsigned object_count, blob_count, value_count, round;
    CK_BYTE secrets[VALUES][VALUE_LEN];
    struct explorer_report *report;
};

static bool is_known(uint16_t value)
{
    return value == KNOWN_AES || value == KNOWN_RSA;
}

static void write_how(struct world *w, const struct fact *fact)
{
    size_t used = strlen(w->report->how);

    if (used + sizeof(fact->command) + 1 < sizeof(w->report->how))
        (void)snprintf(w->report->how + used, sizeof(w->report->how) - used, "%s\n", fact->command);
    for (unsigned i = 0; i < 2; i++)
        if (fact->parents[i] != NOBODY)
            write_how(w, fact->parent_is_blob[i] ? &w->blobs[fact->parents[i]].fact
                                                 : &w->objects[fact->parents[i]].fact);
}

static void found(struct world *w, const struct fact *fact, const char *what)
{
    if (w->report->found)
        return;
    w->report->found = true;
    (void)snprintf(w->report->how, sizeof(w->report->how), "%s\n", what);
    write_how(w, fact);
}

/* Bytes that the caller has now: is there a sensitive key in them? */
static void look_at(struct world *w, const CK_BYTE *data, CK_ULONG len, const struct fact *fact,
                    const char *what)
{
    for (unsigned target = 0; target < TARGETS; target++)
        for (unsigned at = 0; at + SEEN_MIN <= VALUE_LEN; at += SEEN_MIN)
            if (len >= SEEN_MIN && memmem(data, len, w->secrets[target] + at, SEEN_MIN) != NULL)
                found(w, fact, what);
}

/* ---- the library ---- */

static unsigned object_number(const struct world *w, const struct object *o)
{
    return (unsigned)(o - w->objects);
}

static unsigned blob_number(const struct world *w, const struct blob *b)
{
    return (unsigned)(b - w->blobs);
}

static bool get_bool(const struct world *w, CK_OBJECT_HANDLE handle, CK_ATTRIBUTE_TYPE type)
{
    CK_BBOOL value = CK_FALSE;
    CK_ATTRIBUTE a = {type, &value, sizeof(value)};

    return w->f->C_GetAttributeValue(w->setup->session, handle, &a, 1) == CKR_OK &&
           a.ulValueLen == sizeof(value) && value == CK_TRUE;
}

static unsigned get_rights(const struct world *w, CK_OBJECT_HANDLE handle)
{
    unsigned got = 0;

    for (size_t i = 0; i < COUNT(rights); i++)
        if (get_bool(w, handle, rights[i].type))
            got |= rights[i].right;
    return got;
}

/* An object without a check value (a key that stays in an HSM) is like no other. */
static void get_tag(const struct world *w, CK_OBJECT_HANDLE handle, CK_KEY_TYPE type,
                    struct value *ret)
{
    CK_BYTE value[512];
    CK_ATTRIBUTE tag = {type == CKK_RSA ? CKA_MODULUS : CKA_CHECK_VALUE, value, sizeof(value)};
    CK_ATTRIBUTE id = {CKA_UNIQUE_ID, value, sizeof(value)};

    memset(ret, 0, sizeof(*ret));
    if (w->f->C_GetAttributeValue(w->setup->session, handle, &tag, 1) != CKR_OK) {
        assert_ok(w->f->C_GetAttributeValue(w->setup->session, handle, &id, 1));
        tag = id;
    }
    ck_assert_msg(tag.ulValueLen >= 3, "an object without a tag of its value");
    ret->tag_len = tag.ulValueLen < sizeof(ret->tag) ? tag.ulValueLen : sizeof(ret->tag);
    memcpy(ret->tag, value, ret->tag_len);
}

/* Where what a command makes cannot be new, an unknown value is garbage, all of it alike. */
static uint16_t value_number(struct world *w, CK_OBJECT_HANDLE handle, CK_KEY_TYPE type,
                             bool may_be_new)
{
    struct value value;

    get_tag(w, handle, type, &value);
    for (unsigned i = 0; i < w->value_count; i++)
        if (w->values[i].tag_len == value.tag_len &&
            memcmp(w->values[i].tag, value.tag, value.tag_len) == 0)
            return (uint16_t)i;
    if (!may_be_new)
        return GARBAGE;
    ck_assert_uint_lt(w->value_count, COUNT(w->values));
    w->values[w->value_count] = value;
    return (uint16_t)w->value_count++;
}

/* ---- new facts ---- */

static bool is_new_object(const struct world *w, const struct object *o)
{
    for (unsigned i = 0; i < w->object_count; i++) {
        const struct object *have = &w->objects[i];

        if (have->cls == o->cls && have->type == o->type && have->rights == o->rights &&
            have->value == o->value)
            return false;
    }
    return true;
}

static void read_value(struct world *w, const struct object *o)
{
    CK_BYTE value[BYTES_MAX];
    CK_ATTRIBUTE a = {o->type == CKK_RSA ? CKA_PRIVATE_EXPONENT : CKA_VALUE, value, sizeof(value)};

    if (o->cls == CKO_PUBLIC_KEY)
        return;
    w->report->commands++;
    if (w->f->C_GetAttributeValue(w->setup->session, o->handle, &a, 1) == CKR_OK)
        look_at(w, value, a.ulValueLen, &o->fact, "C_GetAttributeValue reads it");
}

static const struct fact nobody = {.parents = {NOBODY, NOBODY}};

static void add_object(struct world *w, CK_OBJECT_HANDLE handle, const struct fact *fact,
                       bool may_be_new, unsigned derived)
{
    CK_OBJECT_CLASS cls = 0;
    CK_KEY_TYPE type = 0;
    CK_ATTRIBUTE a[] = {{CKA_CLASS, &cls, sizeof(cls)}, {CKA_KEY_TYPE, &type, sizeof(type)}};
    struct object o = {.fact = *fact, .handle = handle, .derived = derived, .round = w->round};

    assert_ok(w->f->C_GetAttributeValue(w->setup->session, handle, a, COUNT(a)));
    o.cls = cls;
    o.type = type;
    o.rights = get_rights(w, handle);
    o.value = value_number(w, handle, type, may_be_new);
    w->report->done++;
    if (!is_new_object(w, &o) || w->object_count == OBJECTS_MAX) {
        (void)w->f->C_DestroyObject(w->setup->session, handle);
        return;
    }
    w->objects[w->object_count] = o;
    read_value(w, &w->objects[w->object_count++]);
}

static bool is_new_blob(const struct world *w, uint16_t key, unsigned mechanism, uint16_t content)
{
    for (unsigned i = 0; i < w->blob_count; i++)
        if (w->blobs[i].key == key && w->blobs[i].mechanism == mechanism &&
            w->blobs[i].content == content)
            return false;
    return true;
}

static void add_blob(struct world *w, const struct object *key, unsigned mechanism,
                     uint16_t content, const CK_BYTE *data, CK_ULONG len, const struct fact *fact)
{
    struct blob *b = &w->blobs[w->blob_count];

    w->report->done++;
    if (len > BYTES_MAX || w->blob_count == BLOBS_MAX ||
        !is_new_blob(w, key->value, mechanism, content))
        return;
    *b = (struct blob){.fact = *fact,
                       .len = len,
                       .key = key->value,
                       .content = content,
                       .mechanism = mechanism,
                       .round = w->round};
    memcpy(b->data, data, len);
    w->blob_count++;
    /* What is under a key of the caller's own, the caller opens at home. */
    if (content < TARGETS && is_known(key->value))
        found(w, fact, "wrapped under a key that the caller knows");
}

/* ---- mechanisms ---- */

static CK_BYTE iv[16] = {1};
static CK_AES_CTR_PARAMS ctr = {128, {2}};
static CK_GCM_PARAMS gcm = {iv, 12, 96, NULL, 0, 128};
static CK_RSA_PKCS_OAEP_PARAMS oaep = {CKM_SHA_1, CKG_MGF1_SHA1, CKZ_DATA_SPECIFIED, NULL, 0};

static const struct {
    const char *name;
    CK_KEY_TYPE key;
    CK_MECHANISM mechanism;
} mechanisms[] = {
    {"AES_KEY_WRAP", CKK_AES, {CKM_AES_KEY_WRAP, NULL, 0}},
    {"AES_KEY_WRAP_PAD", CKK_AES, {CKM_AES_KEY_WRAP_PAD, NULL, 0}},
    {"AES_KEY_WRAP_KWP", CKK_AES, {0x210BUL, NULL, 0}},
    {"AES_ECB", CKK_AES, {CKM_AES_ECB, NULL, 0}},
    {"AES_CBC", CKK_AES, {CKM_AES_CBC, iv, sizeof(iv)}},
    {"AES_CBC_PAD", CKK_AES, {CKM_AES_CBC_PAD, iv, sizeof(iv)}},
    {"AES_CTR", CKK_AES, {CKM_AES_CTR, &ctr, sizeof(ctr)}},
    {"AES_GCM", CKK_AES, {CKM_AES_GCM, &gcm, sizeof(gcm)}},
    {"RSA_PKCS", CKK_RSA, {CKM_RSA_PKCS, NULL, 0}},
    {"RSA_PKCS_OAEP", CKK_RSA, {CKM_RSA_PKCS_OAEP, &oaep, sizeof(oaep)}},
    {"RSA_X_509", CKK_RSA, {CKM_RSA_X_509, NULL, 0}},
};

/* Was one of the two not there when the last round ended? Else the pair has been tried. */
static bool is_due(const struct world *w, unsigned a, unsigned b)
{
    return a + 1 >= w->round || b + 1 >= w->round;
}

/* ---- commands on a key and a key ---- */

static void wrap(struct world *w, const struct object *key, const struct object *target, unsigned m)
{
    CK_MECHANISM mechanism = mechanisms[m].mechanism;
    struct fact fact = {
        .parents = {(uint16_t)object_number(w, key), (uint16_t)object_number(w, target)}};
    CK_BYTE out[BYTES_MAX];
    CK_ULONG len = sizeof(out);

    w->report->commands++;
    if (w->f->C_WrapKey(w->setup->session, &mechanism, key->handle, target->handle, out, &len) !=
        CKR_OK)
        return;
    (void)snprintf(fact.command, sizeof(fact.command), "C_WrapKey(%s) of key %u under key %u",
                   mechanisms[m].name, target->value, key->value);
    look_at(w, out, len, &fact, "the wrapped key shows it");
    add_blob(w, key, m, target->value, out, len, &fact);
}

static void wrap_all(struct world *w)
{
    for (unsigned k = 0; k < w->object_count; k++)
        for (unsigned t = 0; (w->objects[k].rights & WRAPS) != 0 && t < w->object_count; t++)
            for (unsigned m = 0; m < COUNT(mechanisms); m++)
                if (mechanisms[m].key == w->objects[k].type &&
                    w->objects[t].cls != CKO_PUBLIC_KEY &&
                    is_due(w, w->objects[k].round, w->objects[t].round))
                    wrap(w, &w->objects[k], &w->objects[t], m);
}

/* ---- commands on a key and bytes ---- */

static void crypt(struct world *w, const struct object *key, const struct blob *blob, unsigned m)
{
    CK_MECHANISM mechanism = mechanisms[m].mechanism;
    struct fact fact = {
        .parents = {(uint16_t)object_number(w, key), (uint16_t)blob_number(w, blob)},
        .parent_is_blob = {false, true}};
    CK_BYTE in[BYTES_MAX];
    CK_BYTE out[BYTES_MAX];
    CK_ULONG len = sizeof(out);

    memcpy(in, blob->data, blob->len);
    w->report->commands++;
    if (w->f->C_DecryptInit(w->setup->session, &mechanism, key->handle) != CKR_OK ||
        w->f->C_Decrypt(w->setup->session, in, blob->len, out, &len) != CKR_OK)
        return;
    w->report->done++;
    (void)snprintf(fact.command, sizeof(fact.command), "C_Decrypt(%s) with key %u",
                   mechanisms[m].name, key->value);
    look_at(w, out, len, &fact, "C_Decrypt gives it");
}

/* The same value, by whatever object, and any mechanism of its type: a blob that was made by one
 * may be opened by another. */
static bool fits(const struct object *key, const struct blob *blob, unsigned m)
{
    return key->value == blob->key && mechanisms[m].key == key->type && key->cls != CKO_PUBLIC_KEY;
}

static void decrypt_all(struct world *w)
{
    for (unsigned k = 0; k < w->object_count; k++)
        for (unsigned b = 0; (w->objects[k].rights & DECRYPTS) != 0 && b < w->blob_count; b++)
            for (unsigned m = 0; m < COUNT(mechanisms); m++)
                if (fits(&w->objects[k], &w->blobs[b], m) &&
                    is_due(w, w->objects[k].round, w->blobs[b].round))
                    crypt(w, &w->objects[k], &w->blobs[b], m);
}

/* The caller's own key, encrypted so that it can be unwrapped: how a known key is smuggled in. */
static void encrypt(struct world *w, const struct object *key, unsigned m)
{
    CK_MECHANISM mechanism = mechanisms[m].mechanism;
    struct fact fact = {.parents = {(uint16_t)object_number(w, key), NOBODY}};
    CK_BYTE out[BYTES_MAX];
    CK_ULONG len = sizeof(out);

    w->report->commands++;
    if (w->f->C_EncryptInit(w->setup->session, &mechanism, key->handle) != CKR_OK ||
        w->f->C_Encrypt(w->setup->session, w->secrets[KNOWN_AES], VALUE_LEN, out, &len) != CKR_OK)
        return;
    (void)snprintf(fact.command, sizeof(fact.command),
                   "C_Encrypt(%s) of the caller's own value with key %u", mechanisms[m].name,
                   key->value);
    add_blob(w, key, m, KNOWN_AES, out, len, &fact);
}

static void encrypt_all(struct world *w)
{
    for (unsigned k = 0; k < w->object_count; k++)
        for (unsigned m = 0; (w->objects[k].rights & ENCRYPTS) != 0 && m < COUNT(mechanisms); m++)
            if (mechanisms[m].key == w->objects[k].type && is_due(w, w->objects[k].round, 0))
                encrypt(w, &w->objects[k], m);
}

/* ---- templates ---- */

#define TEMPLATE_MAX 24

struct template
{
    CK_ATTRIBUTE a[TEMPLATE_MAX];
    CK_ULONG count;
};

static CK_BBOOL yes = CK_TRUE;
static CK_BBOOL no = CK_FALSE;
static CK_OBJECT_CLASS secret_class = CKO_SECRET_KEY;
static CK_OBJECT_CLASS public_class = CKO_PUBLIC_KEY;
static CK_KEY_TYPE aes_type = CKK_AES;
static CK_KEY_TYPE generic_type = CKK_GENERIC_SECRET;
static CK_KEY_TYPE rsa_type = CKK_RSA;
static CK_ULONG value_len = VALUE_LEN;

static void put(struct template *t, CK_ATTRIBUTE_TYPE type, const void *value, CK_ULONG len)
{
    ck_assert_uint_lt(t->count, TEMPLATE_MAX);
    t->a[t->count++] = (CK_ATTRIBUTE){type, (void *)(uintptr_t)value, len};
}

static void put_rights(const struct world *w, struct template *t, unsigned wanted, unsigned which)
{
    if (w->setup->never_extractable)
        which &= ~(unsigned)EXTRACTABLE;
    for (size_t i = 0; i < COUNT(rights); i++)
        if ((rights[i].right & which) != 0)
            put(t, rights[i].type, (wanted & rights[i].right) != 0 ? &yes : &no, sizeof(CK_BBOOL));
}

static void put_protection(const struct world *w, struct template *t)
{
    if (w->setup->protection != NULL)
        put(t, CKA_KEYWARD_PROTECTION, w->setup->protection, strlen(w->setup->protection));
}

#define ALL_OF_SECRET (ENCRYPTS | DECRYPTS | WRAPS | UNWRAPS | DERIVES | SENSITIVE | EXTRACTABLE)

/* ---- new keys, of the library's making and of the caller's ---- */

static void generate_secret(struct world *w, unsigned role, CK_MECHANISM_TYPE type)
{
    CK_MECHANISM mechanism = {type, NULL, 0};
    struct template t = {.count = 0};
    struct fact fact = nobody;
    CK_OBJECT_HANDLE key;

    put(&t, CKA_VALUE_LEN, &value_len, sizeof(value_len));
    put(&t, CKA_TOKEN, &no, sizeof(no));
    put_rights(w, &t, role, ALL_OF_SECRET);
    put_protection(w, &t);
    w->report->commands++;
    if (w->f->C_GenerateKey(w->setup->session, &mechanism, t.a, t.count, &key) != CKR_OK)
        return;
    (void)snprintf(fact.command, sizeof(fact.command), "C_GenerateKey of role 0x%x", role);
    add_object(w, key, &fact, true, 0);
}

static void generate_pair(struct world *w, unsigned public_role, unsigned private_role)
{
    static CK_BYTE exponent[] = {1, 0, 1};
    static CK_ULONG bits = 2048;
    CK_MECHANISM mechanism = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
    struct template public_t = {.count = 0};
    struct template private_t = {.count = 0};
    struct fact fact = nobody;
    CK_OBJECT_HANDLE keys[2];

    put(&public_t, CKA_MODULUS_BITS, &bits, sizeof(bits));
    put(&public_t, CKA_PUBLIC_EXPONENT, exponent, sizeof(exponent));
    put(&public_t, CKA_TOKEN, &no, sizeof(no));
    put(&private_t, CKA_TOKEN, &no, sizeof(no));
    put_rights(w, &public_t, public_role, ENCRYPTS | WRAPS);
    put_rights(w, &private_t, private_role, DECRYPTS | UNWRAPS | SENSITIVE | EXTRACTABLE);
    put_protection(w, &private_t);
    w->report->commands++;
    if (w->f->C_GenerateKeyPair(w->setup->session, &mechanism, public_t.a, public_t.count,
                                private_t.a, private_t.count, &keys[0], &keys[1]) != CKR_OK)
        return;
    (void)snprintf(fact.command, sizeof(fact.command), "C_GenerateKeyPair of roles 0x%x and 0x%x",
                   public_role, private_role);
    add_object(w, keys[0], &fact, true, 0);
    add_object(w, keys[1], &fact, true, 0);
}

static CK_OBJECT_HANDLE create_secret(struct world *w, const CK_BYTE *value, CK_KEY_TYPE *type,
                                      unsigned role)
{
    struct template t = {.count = 0};
    CK_OBJECT_HANDLE key = 0;

    put(&t, CKA_CLASS, &secret_class, sizeof(secret_class));
    put(&t, CKA_KEY_TYPE, type, sizeof(*type));
    put(&t, CKA_VALUE, value, VALUE_LEN);
    put(&t, CKA_TOKEN, &no, sizeof(no));
    put_rights(w, &t, role, ALL_OF_SECRET);
    put_protection(w, &t);
    w->report->commands++;
    return w->f->C_CreateObject(w->setup->session, t.a, t.count, &key) == CKR_OK ? key : 0;
}

static void create_known(struct world *w, unsigned role)
{
    CK_OBJECT_HANDLE key = create_secret(w, w->secrets[KNOWN_AES], &aes_type, role);
    struct fact fact = nobody;

    if (key == 0)
        return;
    (void)snprintf(fact.command, sizeof(fact.command),
                   "C_CreateObject of the caller's own key, role 0x%x", role);
    add_object(w, key, &fact, true, 0);
}

/* A public key whose private half the caller has: any odd number of 2048 bits will do. */
static void create_known_public(struct world *w)
{
    static CK_BYTE exponent[] = {1, 0, 1};
    CK_BYTE modulus[256];
    struct template t = {.count = 0};
    struct fact fact = nobody;
    CK_OBJECT_HANDLE key;

    memset(modulus, 0xC5, sizeof(modulus));
    put(&t, CKA_CLASS, &public_class, sizeof(public_class));
    put(&t, CKA_KEY_TYPE, &rsa_type, sizeof(rsa_type));
    put(&t, CKA_MODULUS, modulus, sizeof(modulus));
    put(&t, CKA_PUBLIC_EXPONENT, exponent, sizeof(exponent));
    put(&t, CKA_TOKEN, &no, sizeof(no));
    put_rights(w, &t, ENCRYPTS | WRAPS, ENCRYPTS | WRAPS);
    w->report->commands++;
    if (w->f->C_CreateObject(w->setup->session, t.a, t.count, &key) != CKR_OK)
        return;
    (void)snprintf(fact.command, sizeof(fact.command),
                   "C_CreateObject of the caller's own public key");
    add_object(w, key, &fact, true, 0);
}

static void make_all(struct world *w)
{
    for (size_t i = 0; i < COUNT(roles); i++) {
        generate_secret(w, roles[i], CKM_AES_KEY_GEN);
        create_known(w, roles[i]);
    }
    generate_secret(w, DERIVES | SENSITIVE | EXTRACTABLE, CKM_GENERIC_SECRET_KEY_GEN);
    generate_pair(w, WRAPS, UNWRAPS | SENSITIVE);
    generate_pair(w, WRAPS | ENCRYPTS, UNWRAPS | DECRYPTS | SENSITIVE);
    generate_pair(w, WRAPS, DECRYPTS | SENSITIVE | EXTRACTABLE);
    create_known_public(w);
}

/* ---- unwrapping, copying, changing, deriving ---- */

static void unwrap(struct world *w, const struct object *key, const struct blob *blob, unsigned m,
                   unsigned role)
{
    CK_MECHANISM mechanism = mechanisms[m].mechanism;
    struct fact fact = {
        .parents = {(uint16_t)object_number(w, key), (uint16_t)blob_number(w, blob)},
        .parent_is_blob = {false, true}};
    struct template t = {.count = 0};
    CK_BYTE in[BYTES_MAX];
    CK_OBJECT_HANDLE handle;

    memcpy(in, blob->data, blob->len);
    put(&t, CKA_CLASS, &secret_class, sizeof(secret_class));
    put(&t, CKA_KEY_TYPE, &aes_type, sizeof(aes_type));
    put(&t, CKA_TOKEN, &no, sizeof(no));
    put_rights(w, &t, role, ALL_OF_SECRET);
    put_protection(w, &t);
    w->report->commands++;
    if (w->f->C_UnwrapKey(w->setup->session, &mechanism, key->handle, in, blob->len, t.a, t.count,
                          &handle) != CKR_OK)
        return;
    (void)snprintf(fact.command, sizeof(fact.command), "C_UnwrapKey(%s) with key %u as role 0x%x",
                   mechanisms[m].name, key->value, role);
    add_object(w, handle, &fact, false, key->derived);
}

static void unwrap_all(struct world *w)
{
    unsigned objects = w->object_count; /* those it makes are the next round's */

    for (unsigned k = 0; k < objects; k++)
        for (unsigned b = 0; (w->objects[k].rights & UNWRAPS) != 0 && b < w->blob_count; b++)
            for (unsigned m = 0; m < COUNT(mechanisms); m++)
                for (size_t r = 0; r < COUNT(roles); r++)
                    if (fits(&w->objects[k], &w->blobs[b], m) &&
                        is_due(w, w->objects[k].round, w->blobs[b].round))
                        unwrap(w, &w->objects[k], &w->blobs[b], m, roles[r]);
}

static void copy(struct world *w, const struct object *o, unsigned role)
{
    struct fact fact = {.parents = {(uint16_t)object_number(w, o), NOBODY}};
    struct template t = {.count = 0};
    CK_OBJECT_HANDLE handle;

    if (o->cls == CKO_PUBLIC_KEY)
        put_rights(w, &t, role, ENCRYPTS | WRAPS);
    else if (o->cls == CKO_PRIVATE_KEY)
        put_rights(w, &t, role, DECRYPTS | UNWRAPS | SENSITIVE | EXTRACTABLE);
    else
        put_rights(w, &t, role, ALL_OF_SECRET);
    w->report->commands++;
    if (w->f->C_CopyObject(w->setup->session, o->handle, t.a, t.count, &handle) != CKR_OK)
        return;
    (void)snprintf(fact.command, sizeof(fact.command), "C_CopyObject of key %u as role 0x%x",
                   o->value, role);
    add_object(w, handle, &fact, false, o->derived);
}

static void copy_all(struct world *w)
{
    unsigned objects = w->object_count;

    for (unsigned i = 0; i < objects; i++)
        for (size_t r = 0; r < COUNT(roles); r++)
            if (is_due(w, w->objects[i].round, 0))
                copy(w, &w->objects[i], roles[r]);
}

/* In place: the object can only do more afterwards, so that nothing is lost to the search. */
static void change(struct world *w, struct object *o, size_t which)
{
    CK_BBOOL value = rights[which].more_power ? CK_TRUE : CK_FALSE;
    CK_ATTRIBUTE a = {rights[which].type, &value, sizeof(value)};
    struct fact before = o->fact;
    unsigned now;

    w->report->commands++;
    if (w->f->C_SetAttributeValue(w->setup->session, o->handle, &a, 1) != CKR_OK)
        return;
    now = get_rights(w, o->handle);
    if (now == o->rights)
        return;
    w->report->done++;
    o->rights = now;
    o->round = w->round;
    (void)snprintf(o->fact.command, sizeof(o->fact.command),
                   "C_SetAttributeValue(0x%lx, %d) after %.48s", a.type, value, before.command);
    read_value(w, o);
}

static void change_all(struct world *w)
{
    for (unsigned i = 0; i < w->object_count; i++)
        for (size_t r = 0; r < COUNT(rights); r++)
            if (((w->objects[i].rights & rights[r].right) != 0) != rights[r].more_power)
                change(w, &w->objects[i], r);
}

/* 2.40 mechanisms, section 2.31: parts of a key, and keys grown by what the caller knows. */
static CK_BYTE data[VALUE_LEN];
static CK_KEY_DERIVATION_STRING_DATA string = {data, sizeof(data)};
static CK_ULONG first_bit;

static const struct {
    const char *name;
    CK_MECHANISM mechanism;
} derivations[] = {
    {"CONCATENATE_BASE_AND_DATA", {CKM_CONCATENATE_BASE_AND_DATA, &string, sizeof(string)}},
    {"CONCATENATE_DATA_AND_BASE", {CKM_CONCATENATE_DATA_AND_BASE, &string, sizeof(string)}},
    {"XOR_BASE_AND_DATA", {CKM_XOR_BASE_AND_DATA, &string, sizeof(string)}},
    {"EXTRACT_KEY_FROM_KEY", {CKM_EXTRACT_KEY_FROM_KEY, &first_bit, sizeof(first_bit)}},
    {"AES_ECB_ENCRYPT_DATA", {CKM_AES_ECB_ENCRYPT_DATA, &string, sizeof(string)}},
};

static void derive(struct world *w, const struct object *o, size_t d, CK_ULONG len, unsigned role)
{
    CK_MECHANISM mechanism = derivations[d].mechanism;
    struct fact fact = {.parents = {(uint16_t)object_number(w, o), NOBODY}};
    struct template t = {.count = 0};
    CK_OBJECT_HANDLE handle;

    put(&t, CKA_CLASS, &secret_class, sizeof(secret_class));
    put(&t, CKA_KEY_TYPE, len == VALUE_LEN ? &aes_type : &generic_type, sizeof(aes_type));
    put(&t, CKA_VALUE_LEN, &len, sizeof(len));
    put(&t, CKA_TOKEN, &no, sizeof(no));
    put_rights(w, &t, role, len == VALUE_LEN ? ALL_OF_SECRET : DERIVES | SENSITIVE | EXTRACTABLE);
    put_protection(w, &t);
    w->report->commands++;
    if (w->f->C_DeriveKey(w->setup->session, &mechanism, o->handle, t.a, t.count, &handle) !=
        CKR_OK)
        return;
    (void)snprintf(fact.command, sizeof(fact.command), "C_DeriveKey(%s) of key %u as role 0x%x",
                   derivations[d].name, o->value, role);
    add_object(w, handle, &fact, true, o->derived + 1);
}

static void derive_all(struct world *w)
{
    unsigned objects = w->object_count;

    for (unsigned i = 0; i < objects; i++)
        for (size_t d = 0; (w->objects[i].rights & DERIVES) != 0 && d < COUNT(derivations); d++)
            for (size_t r = 0; r < COUNT(roles); r++)
                if (w->objects[i].derived < DERIVED_MAX && is_due(w, w->objects[i].round, 0)) {
                    derive(w, &w->objects[i], d, VALUE_LEN, roles[r]);
                    derive(w, &w->objects[i], d, SEEN_MIN, roles[r] & ~(unsigned)SENSITIVE);
                }
}

/* ---- the search ---- */

/* The values that have numbers of their own, in the order of the enum. */
static void begin(struct world *w)
{
    struct fact fact = nobody;

    for (unsigned v = 0; v < VALUES; v++)
        for (unsigned i = 0; i < VALUE_LEN; i++)
            w->secrets[v][i] = (CK_BYTE)(random() >> 7);
    (void)snprintf(fact.command, sizeof(fact.command), "(a sensitive key that is there)");
    add_object(w,
               create_secret(w, w->secrets[TARGET_AES], &aes_type,
                             ENCRYPTS | DECRYPTS | SENSITIVE | EXTRACTABLE),
               &fact, true, 0);
    add_object(w,
               create_secret(w, w->secrets[TARGET_GENERIC], &generic_type,
                             DERIVES | SENSITIVE | EXTRACTABLE),
               &fact, true, 0);
    ck_assert_uint_eq(w->object_count, TARGETS);
    create_known(w, roles[0]);
    create_known_public(w);
    ck_assert_msg(w->value_count == VALUES, "a key of the caller's own cannot be brought in");
}

static void one_round(struct world *w)
{
    static void (*const commands[])(struct world *) = {
        change_all, wrap_all, encrypt_all, decrypt_all, derive_all, copy_all, unwrap_all,
    };

    if (w->round == 1)
        make_all(w);
    for (size_t i = 0; i < COUNT(commands) && !w->report->found; i++)
        commands[i](w);
}

void explorer_run(const struct explorer_setup *setup, struct explorer_report *ret)
{
    struct world *w = calloc(1, sizeof(*w));

    ck_assert_ptr_nonnull(w);
    memset(ret, 0, sizeof(*ret));
    w->setup = setup;
    w->f = setup->f;
    w->report = ret;
    begin(w);
    for (w->round = 1; w->round <= setup->steps && !ret->found; w->round++) {
        one_round(w);
        ret->rounds = w->round;
    }
    ck_assert_msg(w->object_count < OBJECTS_MAX && w->blob_count < BLOBS_MAX,
                  "the search ran out of room: raise OBJECTS_MAX or BLOBS_MAX");
    ret->objects = w->object_count;
    ret->blobs = w->blob_count;
    free(w);
}
