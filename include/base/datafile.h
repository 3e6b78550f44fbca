/* Files that come with the project: data/ in the source tree, share/waferllm
 * in an installed tree. A process uses one data folder:
 *   1. the one at the same path relative to the program as make install
 *      creates it, so that an installed tree may be moved or copied;
 *   2. else the one that make install created.
 * A program in its build folder, and no other, uses the source tree's instead.
 * Nothing here is collective. */
#ifndef WL_DATAFILE_H
#define WL_DATAFILE_H

#include <limits.h>
#include <stdbool.h>

#include "base/error.h"

/* Finds the data folder. False if there is none: path then lists the folders
 * that were tried, separated by ", ". */
bool datafile_folder(char path[PATH_MAX]);

/* Sets path to that of a file in the data folder; the file need not exist. 0;
 * -1 and err, which names the folders that were tried, if there is no data
 * folder. */
int datafile_path(const char *name, char path[PATH_MAX], struct wl_error *err);

/* Finds folder/name.json in the data folder. False if there is no such file, or
 * if name contains a slash or ends in .json. */
bool datafile_find(const char *folder, const char *name, char path[PATH_MAX]);

/* Calls visit with each NAME for which there is folder/NAME.json in the data
 * folder, in alphabetical order. 0; -1 and err as datafile_path. */
int datafile_each(const char *folder,
                  void (*visit)(void *ctx, const char *name), void *ctx,
                  struct wl_error *err);

/* Resolves what a user typed, the name of a device or shape (`what`) in a
 * folder of the data folder, or the path of a file. Returns the path, in found
 * or name itself. NULL if it is neither; err then names the folder, the known
 * names and the one spelled most like it. */
const char *datafile_choose(const char *what, const char *folder,
                            const char *name, char found[PATH_MAX],
                            struct wl_error *err);

/* Given the program's folder in path (absolute, links resolved), replaces it by
 * the data folder at the same relative position that data has to bin, the
 * absolute paths given to configure. False if the path gets too long. */
bool datafile_beside(char path[PATH_MAX], const char *bin, const char *data);

#endif
