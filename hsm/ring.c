/* Memory shared by the ends of a lane: see ring.h. */
#include "hsm/ring.h"
#include "hsm/channel.h"

#include <fcntl.h>
#include <sched.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define CACHE_LINE 64
#define LOOKS      8 /* before the CPU is given away once */
#define SEALS      (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

/* What is said to one end. Both ends are the same build on the same machine, and these are free of
 * locks, so they mean the same in either process. */
struct turn {
    alignas(CACHE_LINE) atomic_uint_least32_t length; /* of the frame that waits; 0: none */
    atomic_uint_least32_t asleep;
};

struct shared {
    struct turn to[RING_ENDS];
    alignas(CACHE_LINE) uint8_t frame[RING_ROOM];
};

struct ring {
    struct shared *shared;
};

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static bool map(int fd, struct ring **ret)
{
    struct ring *r = malloc(sizeof(*r));
    void *at;

    if (r == NULL)
        return false;
    at = mmap(NULL, sizeof(*r->shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) {
        free(r);
        return false;
    }
    (void)mlock(at, sizeof(*r->shared));
    (void)madvise(at, sizeof(*r->shared), MADV_DONTDUMP);
    (void)madvise(at, sizeof(*r->shared), MADV_DONTFORK);
    r->shared = at;
    *ret = r;
    return true;
}

bool ring_make(struct ring **ret, int *ret_fd)
{
    int fd = memfd_create("keyward-lane", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0)
        return false;
    if (ftruncate(fd, sizeof(struct shared)) != 0 || fcntl(fd, F_ADD_SEALS, SEALS) != 0 ||
        !map(fd, ret)) {
        (void)close(fd);
        return false;
    }
    *ret_fd = fd;
    return true;
}

bool ring_adopt(int fd, struct ring **ret)
{
    struct stat st;

    return fcntl(fd, F_GET_SEALS) == SEALS && fstat(fd, &st) == 0 &&
           st.st_size == sizeof(struct shared) && map(fd, ret);
}

void ring_free(struct ring *r)
{
    if (r == NULL)
        return;
    (void)munmap(r->shared, sizeof(*r->shared));
    free(r);
}

void ring_forget(struct ring *r)
{
    free(r);
}

void ring_give(struct ring *r, enum ring_end to, struct bytes frame)
{
    if (frame.len > 0)
        memcpy(r->shared->frame, frame.data, frame.len);
    atomic_store(&r->shared->to[to].length, frame.len > 0 ? (uint32_t)frame.len : RING_ELSEWHERE);
}

/* Sequentially consistent, as in ring_lie_down() and what follows it: of "there is a frame" and "I
 * sleep" at least one is seen by the other end. */
bool ring_owes_bell(struct ring *r, enum ring_end to)
{
    atomic_uint_least32_t *asleep = &r->shared->to[to].asleep;

    return atomic_load(asleep) != 0 && atomic_exchange(asleep, 0) != 0;
}

uint32_t ring_waiting(struct ring *r, enum ring_end end)
{
    return atomic_load(&r->shared->to[end].length);
}

/* The CPU is given away in between: the other end may need this one. */
bool ring_look(struct ring *r, enum ring_end end, int64_t until)
{
    for (;;) {
        for (unsigned i = 0; i < LOOKS; i++) {
            if (ring_waiting(r, end) != 0)
                return true;
            relax();
        }
        if (channel_now() >= until)
            return false;
        (void)sched_yield();
    }
}

void ring_take(struct ring *r, enum ring_end end, uint32_t len, uint8_t *out)
{
    if (len > 0) {
        memcpy(out, r->shared->frame, len);
        bytes_wipe(r->shared->frame, len);
    }
    atomic_store(&r->shared->to[end].length, 0);
}

void ring_lie_down(struct ring *r, enum ring_end end)
{
    atomic_store(&r->shared->to[end].asleep, 1);
}

bool ring_get_up(struct ring *r, enum ring_end end)
{
    return atomic_exchange(&r->shared->to[end].asleep, 0) == 0;
}
