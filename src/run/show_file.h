/* What the verbs device and shape show alike. Not collective. */
#ifndef WL_SHOW_FILE_H
#define WL_SHOW_FILE_H

#include <stdio.h>

/* Column of the values and texts. */
#define SHOW_INDENT 17

/* Prints the line "file": the path of a known name in that data folder, or the
 * name, which is then a path. Control characters become '?'. */
void show_file(FILE *out, const char *folder, const char *name);

#endif
