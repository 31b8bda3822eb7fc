/* The module as an application sees it: see token.h. */
#include "tests/module/pkcs11/token.h"

#include "pkcs11/keyward.h"

#include <dlfcn.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

CK_BBOOL token_yes = CK_TRUE;
CK_BBOOL token_no = CK_FALSE;
CK_FUNCTION_LIST *p11;

static struct keyward_functions *keyward;
static char home[64];

static uint8_t p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};

/* ---- the home ---- */

static void load(void)
{
    void *module = dlopen(getenv("KEYWARD_MODULE"), RTLD_NOW | RTLD_LOCAL);
    CK_RV (*get_list)(CK_FUNCTION_LIST **);
    CK_RV (*get_interface)(CK_UTF8CHAR *, CK_VERSION *, CK_INTERFACE **, CK_FLAGS);
    CK_INTERFACE *interface = NULL;
    char name[] = KEYWARD_INTERFACE;

    ck_assert_msg(module != NULL, "the module does not load: %s", dlerror());
    *(void **)&get_list = dlsym(module, "C_GetFunctionList");
    *(void **)&get_interface = dlsym(module, "C_GetInterface");
    assert_ok(get_list(&p11));
    assert_ok(get_interface((CK_UTF8CHAR *)name, NULL, &interface, 0));
    keyward = interface->pFunctionList;
}

static void receive(void *ctx, const CK_UTF8CHAR *json, CK_ULONG len)
{
    (void)snprintf(ctx, 1024, "%.*s", (int)(len < 1023 ? len : 1023), (const char *)json);
}

void token_admin(const char *json)
{
    const struct keyward_secret pins[] = {
        {(const CK_BYTE *)ALICE_PIN, sizeof(ALICE_PIN) - 1},
        {(const CK_BYTE *)BOB_PIN, sizeof(BOB_PIN) - 1},
    };
    char answer[1024] = "";
    CK_RV rv =
        keyward->call((const CK_UTF8CHAR *)json, strlen(json), pins, COUNT(pins), receive, answer);

    ck_assert_msg(rv == CKR_OK, "%s: 0x%lx %s", json, rv, answer);
}

/* A vault of alice's, with the protection that this run of the suite is for. */
static void make_vault(const char *name)
{
    const char *protection = getenv("TOKEN_PROTECTION");
    char verb[256];

    (void)snprintf(verb, sizeof(verb),
                   "{\"verb\":\"vault.create\",\"vault\":\"%s\",\"user\":\"alice\",\"pin\":0,"
                   "\"protection\":\"%s\"}",
                   name, protection != NULL ? protection : "hsm");
    token_admin(verb);
}

static void make_home(void)
{
    token_start();
    token_admin("{\"verb\":\"init\"}");
    assert_ok(p11->C_Finalize(NULL));
    token_start();
    make_vault("web");
    make_vault("other");
    token_admin("{\"verb\":\"user.add\",\"vault\":\"web\",\"user\":\"bob\",\"pin\":1}");
    assert_ok(p11->C_Finalize(NULL));
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

START_TEST(home_with_two_vaults_is_made)
{
    make_home();
}
END_TEST

int token_suite(const char *name, const struct suite_case *cases, size_t count)
{
    struct suite_case all[64] = {CASE_SLOW(home_with_two_vaults_is_made, 120)};
    int status;

    (void)snprintf(home, sizeof(home), "/tmp/keyward-objects.XXXXXX");
    if (mkdtemp(home) == NULL || count >= COUNT(all))
        return 1;
    (void)snprintf(home + strlen(home), sizeof(home) - strlen(home), "/home");
    (void)setenv("KEYWARD_HOME", home, 1);
    (void)unsetenv("KEYWARD_SERVER");
    memcpy(all + 1, cases, count * sizeof(*cases));
    for (size_t i = 1; i <= count; i++)
        if (all[i].timeout_s == 0)
            all[i].timeout_s = 120;
    status = suite_run(name, all, count + 1);
    *strrchr(home, '/') = '\0';
    (void)nftw(home, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return status;
}

/* ---- sessions ---- */

void token_start(void)
{
    if (p11 == NULL)
        load();
    assert_ok(p11->C_Initialize(NULL));
}

static CK_SLOT_ID slot_of(const char *vault)
{
    CK_SLOT_ID slots[16];
    CK_ULONG count = COUNT(slots);

    assert_ok(p11->C_GetSlotList(CK_TRUE, slots, &count));
    for (CK_ULONG i = 0; i < count; i++) {
        CK_TOKEN_INFO info;

        assert_ok(p11->C_GetTokenInfo(slots[i], &info));
        if (memcmp(info.label, vault, strlen(vault)) == 0)
            return slots[i];
    }
    ck_abort_msg("there is no vault %s", vault);
}

CK_SESSION_HANDLE token_open(const char *vault, bool rw)
{
    CK_SESSION_HANDLE session = 0;
    CK_FLAGS flags = CKF_SERIAL_SESSION | (rw ? CKF_RW_SESSION : 0);

    assert_ok(p11->C_OpenSession(slot_of(vault), flags, NULL, NULL, &session));
    return session;
}

void token_login(CK_SESSION_HANDLE session, const char *user_and_pin)
{
    char pin[64];

    (void)snprintf(pin, sizeof(pin), "%s", user_and_pin);
    assert_ok(p11->C_Login(session, CKU_USER, (CK_UTF8CHAR *)pin, strlen(pin)));
}

CK_SESSION_HANDLE token_alice(void)
{
    return token_alice_under(NULL);
}

CK_SESSION_HANDLE token_alice_under(const char *policy_apply)
{
    CK_SESSION_HANDLE session;

    token_start();
    if (policy_apply != NULL)
        token_admin(policy_apply);
    session = token_open("web", true);
    token_login(session, ALICE_PIN);
    return session;
}

/* ---- objects ---- */

CK_ULONG token_find(CK_SESSION_HANDLE session, CK_ATTRIBUTE *template, CK_ULONG count,
                    CK_OBJECT_HANDLE *handles, CK_ULONG max)
{
    CK_ULONG found = 0;

    assert_ok(p11->C_FindObjectsInit(session, template, count));
    assert_ok(p11->C_FindObjects(session, handles, max, &found));
    assert_ok(p11->C_FindObjectsFinal(session));
    return found;
}

CK_OBJECT_HANDLE token_one(CK_SESSION_HANDLE session, const char *label, CK_OBJECT_CLASS cls)
{
    char text[64];
    CK_ATTRIBUTE template[] = {{CKA_LABEL, text, strlen(label)}, {CKA_CLASS, &cls, sizeof(cls)}};
    CK_OBJECT_HANDLE handles[2] = {0, 0};

    (void)snprintf(text, sizeof(text), "%s", label);
    ck_assert_uint_eq(token_find(session, template, 2, handles, 2), 1);
    return handles[0];
}

CK_BBOOL token_bool(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type)
{
    CK_BBOOL value = 9;
    CK_ATTRIBUTE attr = {type, &value, sizeof(value)};

    assert_ok(p11->C_GetAttributeValue(session, object, &attr, 1));
    ck_assert_uint_eq(attr.ulValueLen, sizeof(value));
    return value;
}

CK_ULONG token_ulong(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type)
{
    CK_ULONG value = 0;
    CK_ATTRIBUTE attr = {type, &value, sizeof(value)};

    assert_ok(p11->C_GetAttributeValue(session, object, &attr, 1));
    ck_assert_uint_eq(attr.ulValueLen, sizeof(value));
    return value;
}

CK_ULONG token_bytes(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type,
                     uint8_t *out, CK_ULONG max)
{
    CK_ATTRIBUTE attr = {type, out, max};

    assert_ok(p11->C_GetAttributeValue(session, object, &attr, 1));
    return attr.ulValueLen;
}

CK_OBJECT_HANDLE token_aes(CK_SESSION_HANDLE session, const char *label, bool on_token)
{
    CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, NULL, 0};
    CK_BBOOL token = on_token ? CK_TRUE : CK_FALSE;
    CK_OBJECT_HANDLE key = 0;
    char text[64];

    (void)snprintf(text, sizeof(text), "%s", label);
    assert_ok(p11->C_GenerateKey(session, &mechanism,
                                 LIST(ULONG(CKA_VALUE_LEN, 32), ATTR(CKA_TOKEN, &token, 1),
                                      ATTR(CKA_LABEL, text, strlen(text))),
                                 &key));
    return key;
}

void token_ec(CK_SESSION_HANDLE session, const char *label, bool on_token,
              CK_OBJECT_HANDLE *public_key, CK_OBJECT_HANDLE *private_key)
{
    CK_MECHANISM mechanism = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
    CK_BBOOL token = on_token ? CK_TRUE : CK_FALSE;
    char text[64];

    (void)snprintf(text, sizeof(text), "%s", label);
    assert_ok(p11->C_GenerateKeyPair(
        session, &mechanism,
        LIST(ATTR(CKA_EC_PARAMS, p256, sizeof(p256)), ATTR(CKA_TOKEN, &token, 1),
             ATTR(CKA_LABEL, text, strlen(text))),
        LIST(ATTR(CKA_TOKEN, &token, 1), ATTR(CKA_LABEL, text, strlen(text))), public_key,
        private_key));
}
