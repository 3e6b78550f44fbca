/* A row of a table for people: cells in columns of given widths, with at least
 * one blank between any two, whatever they hold. A cell that is too long for
 * its column takes from the padding of those after it, so that the columns
 * line up again as soon as they can. Not collective. */
#ifndef WL_ROW_H
#define WL_ROW_H

#include <stdio.h>

struct row {
	char text[1024]; /* what does not fit in it is cut off */
	int len;
	int edge;        /* where the columns so far end */
};

/* Adds a cell in a column of `width` characters, blanks before it included: on
 * the right, or on the left of -width characters. The row is zeroed before its
 * first cell. */
void row_add(struct row *r, int width, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
