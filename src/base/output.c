#define _GNU_SOURCE /* O_PATH */
#include "config.h"
#include "base/output.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef O_PATH
#define O_PATH 0
#endif

/* Links on the way to a file, as many as Linux follows. */
#define MAX_LINKS 40
/* A longer name leaves no room for an ending. */
#define MAX_BASE 200
#define MAX_SPARED 16
#define MAX_CLAIMED 4

/* A name in a folder, once all links are followed. */
struct place {
	int dir;             /* open on the folder; -1: path is a device */
	char *name;
	bool there;
	struct stat st;      /* of what is there */
};

struct output {
	char *path;          /* as the user named it */
	const struct output_kind *kind;
	struct place place;
	char *tmp;           /* in the same folder; NULL: of a device */
	int fd;
};

static struct {
	dev_t dev;
	ino_t ino;
} spared[MAX_SPARED];
static int n_spared;

static struct claim {
	const struct output_kind *kind;
	dev_t dev;           /* of the folder */
	ino_t ino;
	char *name;
} claimed[MAX_CLAIMED];
static int n_claimed;

void output_spare(const char *path)
{
	struct stat st;

	if (!path || n_spared == MAX_SPARED ||
	    (strcmp(path, "-") ? stat(path, &st) : fstat(STDIN_FILENO, &st)))
		return;
	spared[n_spared].dev = st.st_dev;
	spared[n_spared++].ino = st.st_ino;
}

/* --- Messages --- */

/* How a message about the file begins: "option --report: PATH". */
struct prefix {
	char text[PATH_MAX + 64];
};

static struct prefix prefix_of(const char *path, const struct output_kind *k)
{
	struct prefix p;

	snprintf(p.text, sizeof p.text, "%s%s%s%s", k->option ? "option " : "",
	         k->option ? k->option : "", k->option ? ": " : "", path);
	return p;
}

static int refuse(const char *path, const struct output_kind *k,
                  struct wl_error *err, const char *why)
{
	struct prefix p = prefix_of(path, k);

	return wl_error_set(err, "%s: %s", p.text, why);
}

/* The same for a system call that failed with errnum. */
static int refuse_system(const char *path, const struct output_kind *k,
                         int errnum, const char *what, struct wl_error *err)
{
	struct prefix p = prefix_of(path, k);

	return wl_error_system(err, errnum, "%s%s", p.text, what);
}

/* --- Where a path leads --- */

static void place_fini(struct place *p)
{
	if (p->dir >= 0)
		close(p->dir);
	free(p->name);
	*p = (struct place){ .dir = -1 };
}

/* Splits path, as seen from p->dir, into the folder, which p->dir is open on
 * from then on, and the name in it. False and errno when there is no such
 * folder. */
static bool enter_folder(struct place *p, const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash ? strndup(path, slash == path ? 1 : slash - path)
	                     : wl_strdup(".");
	int dir = openat(p->dir, folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char *name = wl_strdup(slash ? slash + 1 : path);

	if (p->dir >= 0)
		close(p->dir);
	free(p->name);
	free(folder);
	p->dir = dir;
	p->name = name;
	return dir >= 0;
}

/* The text of the link that p names; NULL: it is none. */
static char *read_link(const struct place *p)
{
	char *text = wl_malloc(PATH_MAX, 1);
	ssize_t n = readlinkat(p->dir, p->name, text, PATH_MAX - 1);

	if (n < 0) {
		free(text);
		return NULL;
	}
	text[n] = '\0';
	return text;
}

/* Follows all links. False and errno when a folder is missing or links go in
 * a circle. */
static bool find_place(struct place *p, const char *path)
{
	char *link = wl_strdup(path);
	bool ok = true;

	*p = (struct place){ .dir = AT_FDCWD };
	for (int i = 0; link && ok; i++) {
		ok = i <= MAX_LINKS;
		if (!ok)
			errno = ELOOP;
		ok = ok && enter_folder(p, link);
		free(link);
		link = ok ? read_link(p) : NULL;
	}
	if (!ok)
		return false;
	p->there = fstatat(p->dir, p->name, &p->st, AT_SYMLINK_NOFOLLOW) == 0;
	return p->there || errno == ENOENT;
}

bool output_is_device(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 &&
	       (S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode));
}

static bool same_file(const struct stat *a, dev_t dev, ino_t ino)
{
	return a->st_dev == dev && a->st_ino == ino;
}

/* --- The decision --- */

/* Why the file that is there cannot be replaced; NULL: it can. */
static const char *find_objection(const struct place *p, const char *path,
                                  const struct output_kind *k)
{
	static char text[64];
	struct stat st;

	if (S_ISDIR(p->st.st_mode))
		return "is a directory";
	/* Such as a disk. */
	if (!S_ISREG(p->st.st_mode))
		return "is neither a file nor a pipe";
	/* Such as a link of /proc to a file that was removed. */
	if (stat(path, &st) < 0 || !same_file(&st, p->st.st_dev, p->st.st_ino))
		return "leads to a file that cannot be replaced";
	for (int i = 0; i < n_spared; i++)
		if (same_file(&st, spared[i].dev, spared[i].ino))
			return "is an input of this run: not replaced";
	for (int fd = 1; fd <= 2; fd++) {
		struct stat out;

		if (fstat(fd, &out) == 0 &&
		    same_file(&st, out.st_dev, out.st_ino))
			return fd == 1 ? "is where standard output goes"
			               : "is where standard error goes";
	}
	if (st.st_size == 0 || k->recognize(path))
		return NULL;
	snprintf(text, sizeof text, "exists and is not a %s: not replaced",
	         k->noun);
	return text;
}

/* Refuses a place that another kind of output has. */
static int claim(const struct place *p, const char *path,
                 const struct output_kind *k, struct wl_error *err)
{
	struct stat dir;

	if (fstat(p->dir, &dir) < 0)
		return 0;
	for (int i = 0; i < n_claimed; i++) {
		struct claim *c = &claimed[i];

		if (!same_file(&dir, c->dev, c->ino) ||
		    strcmp(p->name, c->name))
			continue;
		if (c->kind == k)
			return 0;
		return wl_error_set(err, "options %s and %s name the same"
		                    " file, %s", c->kind->option, k->option,
		                    path);
	}
	if (n_claimed < MAX_CLAIMED)
		claimed[n_claimed++] = (struct claim){
			k, dir.st_dev, dir.st_ino, wl_strdup(p->name) };
	return 0;
}

static int check_place(const struct place *p, const char *path,
                       const struct output_kind *k, struct wl_error *err)
{
	const char *objection = p->there ? find_objection(p, path, k) : NULL;

	if (objection)
		return refuse(path, k, err, objection);
	if (!*p->name)
		return refuse(path, k, err, "is not the name of a file");
	/* A file that is read-only was meant to stay. */
	if (p->there && faccessat(p->dir, p->name, W_OK, 0) < 0)
		return refuse_system(path, k, errno, "", err);
	if (faccessat(p->dir, ".", W_OK | X_OK, 0) < 0)
		return refuse_system(path, k, errno, ": its folder cannot be"
		                     " written to", err);
	return 0;
}

/* Decides on path. p is to be freed with place_fini either way. */
static int decide(struct place *p, const char *path,
                  const struct output_kind *k, struct wl_error *err)
{
	*p = (struct place){ .dir = -1 };
	if (!*path)
		return refuse(path, k, err, "the name of a file is empty");
	if (output_is_device(path))
		return access(path, W_OK) == 0 ? 0 :
		       refuse_system(path, k, errno, "", err);
	if (find_place(p, path))
		return check_place(p, path, k, err);
	return refuse_system(path, k, errno, p->dir < 0 ?
	                     ": cannot open its folder" : "", err);
}

int output_check(const char *path, const struct output_kind *kind,
                 struct wl_error *err)
{
	struct place p;
	int rc = decide(&p, path, kind, err);

	if (rc == 0 && p.dir >= 0)
		rc = claim(&p, path, kind, err);
	place_fini(&p);
	return rc;
}

/* --- Writing --- */

/* Creates o->tmp, which must be new. No signal may come before it is known as
 * ours, to be removed. 0, or -1 and errno. */
static int create_pending(struct output *o)
{
	sigset_t all, before;
	int failure;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	o->fd = openat(o->place.dir, o->tmp,
	               O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	failure = errno;
	if (o->fd >= 0)
		wl_pending(o->place.dir, o->tmp);
	sigprocmask(SIG_SETMASK, &before, NULL);
	errno = failure;
	return o->fd < 0 ? -1 : 0;
}

/* Makes a new file beside the place. 0, or an errno. */
static int make_beside(struct output *o)
{
	const char *base = o->place.name;
	size_t size = MAX_BASE + 64;

	if (strlen(base) > MAX_BASE)
		base = "waferllm";
	o->tmp = wl_malloc(size, 1);
	for (int i = 0; i < 100 && o->fd < 0; i++) {
		snprintf(o->tmp, size, "%s.tmp.%ld.%d", base, (long)getpid(),
		         i);
		if (create_pending(o) && errno != EEXIST)
			break;
	}
	if (o->fd < 0) {
		int failure = errno;

		/* It is somebody else's, if it is there. */
		free(o->tmp);
		o->tmp = NULL;
		return failure;
	}
	/* As far as may be, what it replaces keeps owner and permissions. */
	if (o->place.there) {
		(void)!fchown(o->fd, o->place.st.st_uid, o->place.st.st_gid);
		(void)!fchmod(o->fd, o->place.st.st_mode & 07777);
	}
	return 0;
}

/* Makes a file without a name, for what will go to a device. 0, or an
 * errno. */
static int make_unnamed(struct output *o)
{
	const char *tmp = getenv("TMPDIR");
	char *name;
	size_t size;

	if (!tmp || !*tmp)
		tmp = "/tmp";
	size = strlen(tmp) + 32;
	name = wl_malloc(size, 1);
	snprintf(name, size, "%s/waferllm-XXXXXX", tmp);
	o->fd = mkstemp(name);
	int failure = o->fd < 0 ? errno : 0;

	if (!failure) {
		unlink(name);
		fcntl(o->fd, F_SETFD, FD_CLOEXEC);
	}
	free(name);
	return failure;
}

struct output *output_begin(const char *path, const struct output_kind *kind,
                            struct wl_error *err)
{
	struct output *o = wl_calloc(1, sizeof *o);
	int failure;

	o->path = wl_strdup(path);
	o->kind = kind;
	o->fd = -1;
	if (decide(&o->place, path, kind, err) == 0) {
		failure = o->place.dir >= 0 ? make_beside(o) : make_unnamed(o);
		if (!failure)
			return o;
		refuse_system(path, kind, failure, ": cannot be created", err);
	}
	output_cancel(o);
	return NULL;
}

int output_fd(const struct output *o)
{
	return o->fd;
}

int output_write(const struct output *o, const void *bytes, size_t n,
                 size_t at)
{
	const char *p = bytes;

	while (n > 0) {
		ssize_t put = pwrite(o->fd, p, n, at);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return errno;
		p += put;
		at += put;
		n -= put;
	}
	return 0;
}

int output_failed(const struct output *o, int errnum, struct wl_error *err)
{
	return refuse_system(o->path, o->kind, errnum, ": cannot be written",
	                     err);
}

/* Frees o; a file beside the place goes away. */
static void discard(struct output *o)
{
	if (o->fd >= 0)
		close(o->fd);
	if (o->tmp && o->place.dir >= 0)
		unlinkat(o->place.dir, o->tmp, 0);
	wl_pending(-1, NULL);
	place_fini(&o->place);
	free(o->tmp);
	free(o->path);
	free(o);
}

void output_cancel(struct output *o)
{
	if (o)
		discard(o);
}

/* Copies all of fd to the device. 0, or an errno. */
static int copy_to(int fd, const char *path)
{
	static char block[1 << 16];
	int to = open(path, O_WRONLY | O_CLOEXEC), failure = 0;
	ssize_t got = 1;

	if (to < 0)
		return errno;
	for (off_t at = 0; got > 0 && !failure; at += got) {
		got = pread(fd, block, sizeof block, at);
		for (ssize_t put = 0, n; put < got && !failure; put += n) {
			n = write(to, block + put, got - put);
			if (n < 0) {
				failure = errno == EINTR ? 0 : errno;
				n = 0;
			}
		}
	}
	if (got < 0 && !failure)
		failure = errno;
	if (close(to) < 0 && !failure)
		failure = errno;
	return failure;
}

/* Renames the file into place once it is closed: some file systems tell only
 * then that they are full. What took long to make waits for the disk; a report
 * may have to be there within the second that mpirun leaves a job. 0, or an
 * errno. */
static int put_in_place(struct output *o)
{
	int fd = o->fd;

	if (o->kind->durable && fsync(fd) < 0 && errno != EINVAL &&
	    errno != ENOSYS)
		return errno;
	o->fd = -1;
	if (close(fd) < 0)
		return errno;
	if (renameat(o->place.dir, o->tmp, o->place.dir, o->place.name) < 0)
		return errno;
	wl_pending(-1, NULL);
	free(o->tmp);
	o->tmp = NULL;
	return 0;
}

int output_commit(struct output *o, struct wl_error *err)
{
	struct place now;
	int rc = decide(&now, o->path, o->kind, err), failure = 0;

	place_fini(&now);
	if (rc == 0)
		failure = o->tmp ? put_in_place(o) : copy_to(o->fd, o->path);
	if (failure)
		rc = output_failed(o, failure, err);
	discard(o);
	return rc;
}
