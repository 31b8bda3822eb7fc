/* Reading and pruning tile files: see tiles.h. */
#include "audit/tiles.h"

#include "audit/files.h"
#include "audit/paths.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

static CK_RV read_exactly(int folder, const char *path, size_t file_len, size_t len, void *ret,
                          bool *ret_found)
{
    struct buf data = BUF_INIT(TILE_WIDTH * HASH_LEN);
    CK_RV rv = file_read(folder, path, TILE_WIDTH * HASH_LEN, &data, ret_found);

    if (rv == CKR_OK && *ret_found && data.len != file_len)
        *ret_found = false;
    if (rv == CKR_OK && *ret_found)
        memcpy(ret, data.data, len);
    buf_release(&data);
    return rv;
}

CK_RV tile_read(int folder, unsigned level, uint64_t n, unsigned width,
                uint8_t ret[TILE_WIDTH][HASH_LEN], bool *ret_found)
{
    char path[PATH_LOG_MAX];
    size_t len = width * HASH_LEN;
    CK_RV rv;

    path_tile(level, n, width, path);
    rv = read_exactly(folder, path, len, len, ret, ret_found);
    if (rv != CKR_OK || *ret_found || width == TILE_WIDTH)
        return rv;
    path_tile(level, n, TILE_WIDTH, path);
    return read_exactly(folder, path, TILE_WIDTH * HASH_LEN, len, ret, ret_found);
}

CK_RV tiles_load_edge(int folder, uint64_t size, struct edge *ret)
{
    ret->size = size;
    for (unsigned level = 0; level < EDGE_LEVELS; level++) {
        unsigned width = edge_width(size, level);
        uint64_t n = edge_tile_index(size, level);
        bool found = true;
        CK_RV rv = CKR_OK;

        if (width > 0)
            rv = tile_read(folder, level, n, width, ret->tile[level], &found);
        if (rv != CKR_OK)
            return rv;
        if (!found)
            return fail(CKR_DEVICE_ERROR,
                        "tile %" PRIu64 " of level %u, needed for a log of %" PRIu64
                        " records, is missing or cut: restore the log from a copy",
                        n, level, size);
    }
    return CKR_OK;
}

void tiles_prune(int folder, const char *partials)
{
    int fd = file_open(folder, partials, O_RDONLY | O_DIRECTORY);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

    if (dir == NULL) {
        if (fd >= 0)
            (void)close(fd);
        return;
    }
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        if (e->d_name[0] != '.')
            (void)unlinkat(fd, e->d_name, 0);
    }
    (void)closedir(dir);
    (void)unlinkat(folder, partials, AT_REMOVEDIR);
}
