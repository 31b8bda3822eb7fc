/*
 * A search in progress, as C_FindObjects goes through it.
 *
 * It walks three stages: the profiles, the vault's objects in the order of their making, the
 * session objects from the youngest. Of each a page at a time is read, matched and held against the
 * policy; the page's handles wait here until the application takes them. So a search keeps a page
 * and a place, however large the vault is, and shows no object twice.
 *
 * What waits is read again from where the application stands as soon as anything in the store has
 * changed since, or another user acts: what was destroyed or hidden meanwhile is not given out.
 */
#ifndef KEYWARD_PKCS11_SEARCH_INT_H
#define KEYWARD_PKCS11_SEARCH_INT_H

#include "pkcs11/call.h"
#include "pkcs11/search.h"

/* Nothing is looked at yet. */
MUST_CHECK CK_RV search_new(const CK_ATTRIBUTE *template, CK_ULONG count, struct search **ret);
/*
 * Takes up to max handles, fewer only at the end. *ret_read: how many were read from vault and
 * session for it, or SEARCH_NOTHING_READ where all of them were waiting. They are given only with
 * search_settle(): true once their record is in the log, false when they stay here after all.
 */
#define SEARCH_NOTHING_READ SIZE_MAX
MUST_CHECK CK_RV search_take(struct run *run, struct search *search, size_t max,
                             struct buf *handles, size_t *ret_read);
void search_settle(struct search *search, bool given);

#endif
