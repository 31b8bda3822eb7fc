/* Keeping a host's errors: see error_queue.h. */
#include "hsm/error_queue.h"

#include <openssl/err.h>
#include <stdio.h>

static void copy(char to[static ERROR_QUEUE_TEXT], const char *from)
{
    (void)snprintf(to, ERROR_QUEUE_TEXT, "%s", from != NULL ? from : "");
}

void error_queue_save(struct error_queue *ret)
{
    ret->count = 0;
    while (ret->count < ERROR_QUEUE_MAX) {
        const char *file;
        const char *function;
        const char *data;
        int line;
        unsigned long code = ERR_get_error_all(&file, &line, &function, &data, NULL);

        if (code == 0)
            return;
        ret->errors[ret->count].code = code;
        ret->errors[ret->count].line = line;
        copy(ret->errors[ret->count].file, file);
        copy(ret->errors[ret->count].function, function);
        copy(ret->errors[ret->count].data, data);
        ret->count++;
    }
}

void error_queue_restore(const struct error_queue *queue)
{
    ERR_clear_error();
    for (size_t i = 0; i < queue->count; i++) {
        unsigned long code = queue->errors[i].code;
        const char *data = queue->errors[i].data;

        ERR_new();
        ERR_set_debug(queue->errors[i].file, queue->errors[i].line, queue->errors[i].function);
        ERR_set_error(ERR_GET_LIB(code), ERR_GET_REASON(code), data[0] != '\0' ? "%s" : NULL, data);
    }
}
