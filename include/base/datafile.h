/* Files that come with the project: data/ in the source tree, share/waferllm
 * of an installed tree. One folder serves the whole process:
 *   1. the one beside the program, where make install puts it relative to the
 *      program's folder, so that an installed tree may be moved or copied;
 *   2. else the one that make install filled.
 * A program in the folder that it was built in has the source tree's instead,
 * and no other program looks there. Nothing here is collective. */
#ifndef WL_DATAFILE_H
#define WL_DATAFILE_H

#include <limits.h>
#include <stdbool.h>

#include "base/error.h"

/* The folder of data, which is there. False: none is, and path holds those
 * that were looked for, with ", " between. */
bool datafile_folder(char path[PATH_MAX]);

/* The path of a file in the folder of data, which need not be there. 0; -1 and
 * err naming the folders that were looked for. */
int datafile_path(const char *name, char path[PATH_MAX], struct wl_error *err);

/* The path of folder/name.json in the folder of data. False when there is no
 * such file, or when name is no plain name (a path, or one that ends in
 * .json). */
bool datafile_find(const char *folder, const char *name, char path[PATH_MAX]);

/* Calls visit for each name.json of a folder in the folder of data, in
 * alphabetical order. 0; -1 and err when there are no data, as
 * datafile_path. */
int datafile_each(const char *folder,
                  void (*visit)(void *ctx, const char *name), void *ctx,
                  struct wl_error *err);

/* The file that a user means by the name of a device or a shape (what) of
 * folder, or by the path of one: returns found or name. NULL when name is a
 * bare name that is neither; err then names the folders that were looked in,
 * what is known there, and what is spelled nearly like it. */
const char *datafile_choose(const char *what, const char *folder,
                            const char *name, char found[PATH_MAX],
                            struct wl_error *err);

/* Turns the folder of a program, an absolute path without links, to that of
 * the data beside it. bin and data: the absolute paths of the two that
 * configure was told. False when the path gets too long. */
bool datafile_beside(char path[PATH_MAX], const char *bin, const char *data);

#endif
