/*
 * Locked memory for PINs and keys: see secret.h.
 *
 * Each secret has pages of its own. That is generous for a 32-byte key and makes every promise
 * simple: mlock, MADV_DONTDUMP and MADV_WIPEONFORK all work on whole pages, and a neighbour can
 * neither be overrun into nor share a lock.
 */
#include "base/secret.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Only ever goes from true to false; read for diagnosis, never for a decision. */
static atomic_bool locking_works = true;
static atomic_bool warned;

struct secret *secret_new(size_t len)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct secret *s;
    void *map;

    if (len > SIZE_MAX - 2 * page)
        return NULL;
    s = malloc(sizeof(*s));
    if (s == NULL)
        return NULL;
    s->len = len;
    s->mapped = (len + 1 + page - 1) / page * page;
    map = mmap(NULL, s->mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) {
        free(s);
        return NULL;
    }
    s->data = map;
    if (mlock(map, s->mapped) != 0)
        atomic_store(&locking_works, false);
    (void)madvise(map, s->mapped, MADV_DONTDUMP);
    (void)madvise(map, s->mapped, MADV_WIPEONFORK);
    return s;
}

struct secret *secret_copy(struct bytes from)
{
    struct secret *s = secret_new(from.len);

    if (s != NULL && from.len > 0)
        memcpy(s->data, from.data, from.len);
    return s;
}

void secret_shorten(struct secret *s, size_t len)
{
    if (len >= s->len)
        return;
    bytes_wipe(s->data + len, s->len - len);
    s->len = len;
}

struct bytes secret_bytes(const struct secret *s)
{
    return s != NULL ? BYTES(s->data, s->len) : BYTES_NONE;
}

void secret_free(struct secret *s)
{
    if (s == NULL)
        return;
    bytes_wipe(s->data, s->mapped);
    (void)munmap(s->data, s->mapped);
    free(s);
}

bool secret_locking_works(void)
{
    return atomic_load(&locking_works);
}

bool secret_take_warning(void)
{
    return !atomic_load_explicit(&locking_works, memory_order_relaxed) &&
           !atomic_exchange(&warned, true);
}
