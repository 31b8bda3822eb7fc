/* "Did you mean": of the names offered, the one a typing error or two away. */
#ifndef KEYWARD_POLICY_NEAREST_H
#define KEYWARD_POLICY_NEAREST_H

#include "base/bytes.h"

struct nearest {
    struct bytes wanted;
    const char *best; /* NULL while nothing is near enough */
    size_t distance;  /* of best; before that, the first distance that is too far */
};

struct nearest nearest_start(struct bytes wanted);
void nearest_offer(struct nearest *nearest, const char *name);

#endif
