/* Files that come with the project: data/ in the source tree, and where make
 * install puts it. */
#ifndef WL_DATAFILE_H
#define WL_DATAFILE_H

#include <limits.h>
#include <stdbool.h>

/* The directory of the default checkpoint, either of these two. Not
 * collective. */
const char *datafile_top(void);

/* The path of folder/name.json, folder one of data's: as it is installed, or
 * else in the source tree. False when it is in neither, or when name is no
 * plain name (a path, or one that ends in .json). Not collective. */
bool datafile_find(const char *folder, const char *name, char path[PATH_MAX]);

#endif
