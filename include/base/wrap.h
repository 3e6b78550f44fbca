/* Text for people in lines of at most 80 columns, broken at commas, else at
 * blanks, else within a word. Control characters become '?'. Not collective. */
#ifndef WL_WRAP_H
#define WL_WRAP_H

#include <stdio.h>

/* How lines begin. */
struct wrap {
	FILE *out;
	const char *prefix; /* of every line, such as "waferllm: "; or "" */
	int indent;         /* further blanks of all lines but the first */
};

/* One paragraph. Its first line begins with `head`, filled up to the
 * indentation; NULL: with the text. */
void wrap_print(const struct wrap *w, const char *head, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Texts with ", " between; what does not fit is cut off. Zeroed: empty. */
struct wrap_list {
	char text[2048];
	size_t at;
};

void wrap_list_add(struct wrap_list *l, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
