/*
 * The OpenSSL error queue of a host's thread, kept out of a library's way: SoftHSM takes the oldest
 * error off the queue to write it into its log, and that may be one of the host's. A mark does not
 * help against it, so what is there is taken out before and put back after.
 */
#ifndef KEYWARD_HSM_ERROR_QUEUE_H
#define KEYWARD_HSM_ERROR_QUEUE_H

#include <stddef.h>

#define ERROR_QUEUE_MAX  16 /* as many as OpenSSL keeps */
#define ERROR_QUEUE_TEXT 160

struct error_queue {
    size_t count;
    struct {
        unsigned long code;
        int line;
        char file[ERROR_QUEUE_TEXT], function[ERROR_QUEUE_TEXT], data[ERROR_QUEUE_TEXT];
    } errors[ERROR_QUEUE_MAX];
};

/* The queue is empty then. */
void error_queue_save(struct error_queue *ret);
/* What the library left in it is gone then. */
void error_queue_restore(const struct error_queue *queue);

#endif
