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

/* Symbolic links followed for one path, as many as Linux does. */
#define MAX_LINKS 40
/* Longest file name to which a suffix can be added. */
#define MAX_BASE 200
#define MAX_SPARED 16
#define MAX_CLAIMED 4

/* A path with all links resolved. */
struct place {
	int dir;             /* descriptor of the folder; -1: a device */
	char *name;          /* in the folder */
	bool there;          /* a file of that name exists */
	struct stat st;      /* its status */
};

struct output {
	char *path;          /* as the user typed it */
	const struct output_kind *kind;
	struct place place;
	char *tmp;           /* temporary name in the folder; NULL: unnamed,
	                        to be copied to a device */
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

/* The beginning of a message about the file: "option --report: PATH". */
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

/* --- Resolving a path --- */

static void place_fini(struct place *p)
{
	if (p->dir >= 0)
		close(p->dir);
	free(p->name);
	*p = (struct place){ .dir = -1 };
}

/* Splits path, which is relative to p->dir, into a folder and a name: opens the
 * folder as p->dir and sets p->name. False and errno if there is no such
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

/* The target of the symbolic link p, which the caller frees; NULL: p is no
 * link. */
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

/* Resolves path, following all links. False and errno if a folder is missing or
 * the links form a cycle. */
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

/* Why the existing file cannot be replaced; NULL: it can. */
static const char *find_objection(const struct place *p, const char *path,
                                  const struct output_kind *k)
{
	static char text[64];
	struct stat st;

	if (S_ISDIR(p->st.st_mode))
		return "is a directory";
	/* For example a disk. */
	if (!S_ISREG(p->st.st_mode))
		return "is neither a file nor a pipe";
	/* For example a link in /proc to a removed file. */
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

/* Reserves the place for outputs of kind k; refuses one that is reserved for
 * another kind. */
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
	/* Renaming could replace a read-only file, but its owner protected
	 * it. */
	if (p->there && faccessat(p->dir, p->name, W_OK, 0) < 0)
		return refuse_system(path, k, errno, "", err);
	if (faccessat(p->dir, ".", W_OK | X_OK, 0) < 0)
		return refuse_system(path, k, errno, ": its folder cannot be"
		                     " written to", err);
	return 0;
}

/* Resolves and checks path. The caller frees p with place_fini, also on
 * failure. */
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

/* Creates o->tmp, which must not exist. Signals are blocked until the file is
 * registered for removal. 0, or -1 and errno. */
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

/* Creates a temporary file in the folder of the output. 0, or an errno. */
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

		/* A file of that name is not ours: do not remove it. */
		free(o->tmp);
		o->tmp = NULL;
		return failure;
	}
	/* Keep owner and permissions of the file to be replaced, if
	 * permitted. */
	if (o->place.there) {
		(void)!fchown(o->fd, o->place.st.st_uid, o->place.st.st_gid);
		(void)!fchmod(o->fd, o->place.st.st_mode & 07777);
	}
	return 0;
}

/* Creates an unnamed temporary file, for output to a device. 0, or an errno. */
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

/* Frees o and removes its temporary file, if it still has one. */
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

/* Closes the file and renames it into place; some file systems report only at
 * close that they are full. Outputs that took long to make are synced to disk
 * first; a report is not, because mpirun may leave only one second for it. 0,
 * or an errno. */
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
