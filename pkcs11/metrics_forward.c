/* How far behind the forwarders of the log are, by what each remembers in the home
 * (tools/cmd_forward.c). */
#include "pkcs11/metrics.h"

#include "audit/files.h"
#include "base/scope.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define FOLDER         "forward"
#define SUFFIX         ".json"
#define FORWARDERS_MAX 32 /* more are nobody's: their names would be labels without end */
#define POSITION_MAX   4096

/* NAME.json, as the forwarder writes it. */
static bool is_position(const char *file)
{
    size_t name = strspn(file, "abcdefghijklmnopqrstuvwxyz0123456789-");

    return name > 0 && strcmp(file + name, SUFFIX) == 0;
}

static CK_RV print_one(const struct metrics_log *log, int home, const char *file, struct buf *out)
{
    struct buf text = BUF_INIT(POSITION_MAX);
    char path[sizeof(FOLDER) + 1 + NAME_MAX];
    const json_t *next;
    const char *of;
    json_t *position;
    bool found = false;
    CK_RV rv;

    (void)snprintf(path, sizeof(path), FOLDER "/%s", file);
    rv = file_read(home, path, POSITION_MAX, &text, &found);
    position =
        rv == CKR_OK && found ? json_loadb((const char *)text.data, text.len, 0, NULL) : NULL;
    buf_release(&text);
    next = json_object_get(position, "next");
    of = json_string_value(json_object_get(position, "log"));
    if (json_is_integer(next) && of != NULL && strcmp(of, log->key) == 0)
        buf_printf(out, "keyward_forward_lag_records{forwarder=\"%.*s\"} %lld\n",
                   (int)(strlen(file) - strlen(SUFFIX)), file,
                   (long long)log->size - (long long)json_integer_value(next));
    json_decref(position);
    return rv;
}

CK_RV metrics_print_forwarders(const struct metrics_log *log, int home, struct buf *out)
{
    int fd = openat(home, FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;
    unsigned count = 0;
    CK_RV rv = CKR_OK;

    if (folder == NULL) {
        rv = errno == ENOENT
                 ? CKR_OK
                 : fail(CKR_DEVICE_ERROR, "cannot read the home's folder " FOLDER ": %s",
                        strerror(errno));
        if (fd >= 0)
            (void)close(fd);
        return rv;
    }
    metrics_head(out, "keyward_forward_lag_records", "gauge",
                 "Records that a forwarder has not handed over yet.");
    while (rv == CKR_OK && count < FORWARDERS_MAX && (entry = readdir(folder)) != NULL)
        if (is_position(entry->d_name)) {
            rv = print_one(log, home, entry->d_name, out);
            count++;
        }
    (void)closedir(folder);
    return rv;
}
