/* A search in progress in a session: the handles found by C_FindObjectsInit and not yet given out.
 */
#ifndef KEYWARD_PKCS11_SEARCH_H
#define KEYWARD_PKCS11_SEARCH_H

struct search;

void search_free(struct search *search); /* NULL is fine */

#endif
