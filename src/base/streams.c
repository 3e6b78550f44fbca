#include "config.h"
#include "base/streams.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* errno of the first write that failed; 0: none has. */
static int reason;

/* Large enough for any table, so that writing fails in a flush, where errno is
 * checked. */
static char buffer[1 << 18];

void streams_open(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		/* The lowest free descriptor, which is fd. */
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY) != fd)
			_exit(EXIT_FAILURE);
	setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
}

void streams_note(void)
{
	if (!reason)
		reason = errno ? errno : EIO;
}

/* Some file systems report a full disk only at close. Closing a duplicate
 * detects that and keeps the descriptor open. */
static int close_copy(void)
{
	int copy = dup(STDOUT_FILENO);

	return copy < 0 ? 0 : close(copy);
}

int streams_check(struct wl_error *err)
{
	errno = 0;
	if (fflush(stdout) || ferror(stdout) || close_copy())
		streams_note();
	if (!reason)
		return 0;
	wl_error_system(err, reason, "standard output");
	err->status = WL_EXIT_FAULT;
	return -1;
}
