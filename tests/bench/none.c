/*
 * A second home, whose HSM library is loaded in this process (isolation none). Module and library
 * are copies: a process has one keyward home for each copy of the module, and the bare SoftHSM must
 * be another one than keyward's.
 */
#include "tests/bench/world.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void copy_file(const char *from, const char *to)
{
    char block[65536];
    FILE *in = fopen(from, "re");
    FILE *out = fopen(to, "we");
    size_t n;

    if (in == NULL || out == NULL)
        die("cannot copy %s", from);
    while ((n = fread(block, 1, sizeof(block), in)) > 0)
        if (fwrite(block, 1, n, out) != n)
            die("cannot write %s", to);
    (void)fclose(in);
    if (fclose(out) != 0)
        die("cannot write %s", to);
}

/* The settings that `init` wrote, with the library and the isolation exchanged. */
static void change_settings(const char *home, const char *library)
{
    char path[192];
    char text[4096];
    size_t len;
    char *line;
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/keyward.conf", home);
    file = fopen(path, "re");
    len = file != NULL ? fread(text, 1, sizeof(text) - 1, file) : 0;
    text[len] = '\0';
    if (file != NULL)
        (void)fclose(file);
    line = strstr(text, "\nmodule = ");
    file = fopen(path, "we");
    if (line == NULL || file == NULL)
        die("cannot change %s", path);
    (void)fprintf(file, "%.*s\nisolation = none\nmodule = %s%s", (int)(line - text), text, library,
                  strchr(line + 1, '\n'));
    if (fclose(file) != 0)
        die("cannot write %s", path);
}

void none_make(struct world *w)
{
    CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK};
    char home[160];
    char module[160];
    char worker[160];
    char softhsm[160];
    void *library = NULL;

    (void)snprintf(home, sizeof(home), "%s/none", w->root);
    (void)snprintf(module, sizeof(module), "%s/pkcs11", w->root);
    (void)snprintf(worker, sizeof(worker), "%s/hsm", w->root);
    if (mkdir(module, 0700) != 0 || mkdir(worker, 0700) != 0)
        die("cannot make %s", module);
    (void)snprintf(module, sizeof(module), "%s/pkcs11/keyward-pkcs11.so", w->root);
    (void)snprintf(worker, sizeof(worker), "%s/hsm/keyward-hsm", w->root);
    (void)snprintf(softhsm, sizeof(softhsm), "%s/libsofthsm2.so", w->root);
    copy_file(KEYWARD_MODULE, module);
    copy_file(SOFTHSM_LIBRARY, softhsm);
    if (symlink(KEYWARD_HSM_WORKER, worker) != 0 || setenv("KEYWARD_HOME", home, 1) != 0)
        die("cannot prepare %s", home);
    w->none.f = module_load(module, &library);
    must(w->none.f->C_Initialize(&args), "C_Initialize");
    must(admin(library, "{\"verb\":\"init\"}"), "init");
    must(w->none.f->C_Finalize(NULL), "C_Finalize");
    change_settings(home, softhsm);
    must(w->none.f->C_Initialize(&args), "C_Initialize");
    must(admin(library, "{\"verb\":\"vault.create\",\"vault\":\"none\",\"user\":\"alice\","
                        "\"pin\":0,\"protection\":\"hsm\"}"),
         "vault.create");
    token_enter(&w->none, "none");
    make_keys(&w->none);
    if (setenv("KEYWARD_HOME", w->home, 1) != 0)
        die("no memory");
}
