/* Files that come with the project: data/ in the source tree, and where make
 * install puts it. */
#ifndef WL_DATAFILE_H
#define WL_DATAFILE_H

#include <limits.h>
#include <stdbool.h>

/* Whether the default checkpoint is installed, else that of the source tree
 * counts; and the directory that it is in then. Not collective. */
bool datafile_installed(void);
const char *datafile_top(bool installed);

/* The path of folder/name.json, folder one of data's: as it is installed, or
 * else in the source tree. False when it is in neither, or when name is no
 * plain name (a path, or one that ends in .json). Not collective. */
bool datafile_find(const char *folder, const char *name, char path[PATH_MAX]);

#endif
