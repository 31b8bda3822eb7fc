/* The body of a search: for search.c and c_find.c. */
#ifndef KEYWARD_PKCS11_SEARCH_INT_H
#define KEYWARD_PKCS11_SEARCH_INT_H

#include "pkcs11/call.h"
#include "pkcs11/search.h"

struct search {
    CK_OBJECT_HANDLE *handles;
    size_t count, cap;
    size_t given; /* how many C_FindObjects has given out */
};

/* Finds what matches the template and may be seen. The caller's, search_free(). */
MUST_CHECK CK_RV search_run(struct run *run, const CK_ATTRIBUTE *template, CK_ULONG count,
                            struct search **ret);

#endif
