/* Paragraphs in lines of at most 80 columns, broken after commas, else at
 * blanks, else within a word. Control characters become '?'. Not collective. */
#ifndef WL_WRAP_H
#define WL_WRAP_H

#include <stdio.h>

/* Layout of the lines. */
struct wrap {
	FILE *out;
	const char *prefix; /* of every line, such as "waferllm: "; or "" */
	int indent;         /* blanks after the prefix, but not on the first
	                       line */
};

/* Prints a paragraph. Its first line begins with `head`, padded to the
 * indentation; NULL: with the text. */
void wrap_print(const struct wrap *w, const char *head, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Texts separated by ", "; truncated if too long. Initialize with zeros. */
struct wrap_list {
	char text[2048];
};

/* Appends a formatted text. */
void wrap_list_add(struct wrap_list *l, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
