/* A search in progress in a session (search_int.h). */
#ifndef KEYWARD_PKCS11_SEARCH_H
#define KEYWARD_PKCS11_SEARCH_H

struct search;

void search_free(struct search *search); /* NULL is fine */

#endif
