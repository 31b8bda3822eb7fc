/*
 * Files of the log folder, by path relative to its descriptor. Close-on-exec, EINTR handled;
 * failures name the path and errno's text.
 */
#ifndef KEYWARD_AUDIT_FILES_H
#define KEYWARD_AUDIT_FILES_H

#include "base/bytes.h"
#include "base/fail.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

/* openat() with O_CLOEXEC and O_NOFOLLOW; -1 and errno on failure. New files are 0660 less umask.
 */
int file_open(int folder, const char *path, int flags);
/* Opens the folder itself. */
MUST_CHECK CK_RV file_open_folder(const char *path, int *ret_fd);
/* True when both name the same file. */
bool file_same(const struct stat *a, const struct stat *b);

/* Reads n bytes at offset unless the file ends before; returns how many, -1 and errno on failure.
 */
ssize_t file_pread(int fd, void *to, size_t n, off_t offset);
/* Appends the whole file to out. A missing file is *ret_found = false; larger than max is a
 * failure. */
MUST_CHECK CK_RV file_read(int folder, const char *path, size_t max, struct buf *out,
                           bool *ret_found);

/* Makes every missing folder above path. */
MUST_CHECK CK_RV file_make_parents(int folder, const char *path);
/*
 * Writes a new file beside path and renames it over path, folders made as needed. durable: on disk
 * before it gets the name, and the name on disk before returning; otherwise file_sync_all() has to
 * follow.
 */
MUST_CHECK CK_RV file_write(int folder, const char *path, struct bytes data, bool durable);

/* A list of paths to be made durable together: one wait for many files. Holds each path once, with
 * all folders above it. */
#define FILE_SYNC_LIST_MAX (1U << 24)
void file_sync_later(struct buf *list, const char *path);
MUST_CHECK CK_RV file_sync_all(int folder, const struct buf *list);
/* fsync of one file or folder. */
MUST_CHECK CK_RV file_sync(int folder, const char *path);

#endif
