/* Tables of constant rows that are sorted by a number, which is their first member. */
#ifndef KEYWARD_BASE_TABLE_H
#define KEYWARD_BASE_TABLE_H

#include <stddef.h>

/* The row with this number, or NULL. rows is of count rows of size bytes, sorted, none twice. */
const void *table_find(const void *rows, size_t count, size_t size, unsigned long number);

/* rows may be an array or a pointer to its first row. */
#define TABLE_FIND(rows, count, number) table_find((rows), (count), sizeof(*(rows)), (number))

#endif
