/* Lists of names, as messages and help texts show them. */
#ifndef WL_NAMES_H
#define WL_NAMES_H

#include <stdio.h>
#include <string.h>

/* Appends a name to the list, a string in a buffer of `size` bytes, with the
 * separator between it and the name before. Cuts what does not fit. */
static inline void names_add(char *list, size_t size, const char *separator,
                             const char *name)
{
	size_t length = strlen(list);

	snprintf(list + length, size - length, "%s%s", length ? separator : "",
	         name);
}

#endif
