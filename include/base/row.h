/* A row of a text table: cells in columns of given widths, always separated by
 * at least one blank. A cell that is longer than its column uses up the padding
 * of the following ones, so that columns line up again as soon as possible. Not
 * collective. */
#ifndef WL_ROW_H
#define WL_ROW_H

#include <stdio.h>

struct row {
	char text[1024]; /* truncated if longer */
	int len;
	int edge;        /* total width of the columns so far */
};

/* Adds a cell in a column of |width| characters: right-aligned if width > 0,
 * left-aligned if width < 0. Zero the row before its first cell. */
void row_add(struct row *r, int width, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
