#include "config.h"
#include "host/h5file.h"
#include "host/mesh.h"
#include "base/recognize.h"

#include <errno.h>
#include <hdf5.h>
#if H5_VERSION_GE(1, 13, 0)
#include <H5FDdevelop.h>
#endif
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "datasets are little-endian and are read and written unconverted"
#endif

/* The attribute "format" of every file that this program writes begins so. */
#define OURS "waferllm "

/* MPI-IO counts bytes in an int, so one read stays well below 2^31. */
#define READ_MAX ((size_t)1 << 30)

/* A dataset stays open once it was opened: in a parallel file, opening is
 * collective, and the reads that follow must not be. */
struct dataset {
	char *name;
	hid_t id, type;
	struct h5_info info;
};

struct h5file {
	char *path;
	struct output *out;  /* the file being created; NULL when reading */
	int failure;         /* errno of the first write that failed; or 0 */
	hid_t id;
	size_t bytes;        /* the file's length; reading only */
	struct dataset *set; /* [n], sorted by name, n <= room */
	size_t n, room;
};

/* --- Element types --- */

static const size_t type_bytes[] = {
	[H5_F32] = 4, [H5_F16] = 2, [H5_BF16] = 2, [H5_U8] = 1,
	[H5_U32] = 4, [H5_I32] = 4, [H5_F64] = 8, [H5_I64] = 8,
};

#define NTYPES (sizeof type_bytes / sizeof *type_bytes)

/* A 16-bit float type, given its bits of exponent and mantissa: from the top,
 * sign, exponent, mantissa. The caller closes it. */
static hid_t float16_make(size_t exponent, size_t mantissa)
{
	hid_t t = H5Tcopy(H5T_IEEE_F32LE);

	if (t < 0)
		return t;
	if (H5Tset_fields(t, 15, mantissa, exponent, 0, mantissa) < 0 ||
	    H5Tset_size(t, 2) < 0 ||
	    H5Tset_ebias(t, ((size_t)1 << (exponent - 1)) - 1) < 0) {
		H5Tclose(t);
		return -1;
	}
	return t;
}

/* The type of elements in the file. The caller closes it. */
static hid_t type_make(enum h5_type t)
{
	switch (t) {
	case H5_F32:
		return H5Tcopy(H5T_IEEE_F32LE);
	case H5_F16:
		return float16_make(5, 10);
	case H5_BF16:
		return float16_make(8, 7);
	case H5_U8:
		return H5Tcopy(H5T_STD_U8LE);
	case H5_U32:
		return H5Tcopy(H5T_STD_U32LE);
	case H5_I32:
		return H5Tcopy(H5T_STD_I32LE);
	case H5_F64:
		return H5Tcopy(H5T_IEEE_F64LE);
	case H5_I64:
		return H5Tcopy(H5T_STD_I64LE);
	}
	return -1;
}

/* The enum h5_type of an HDF5 type, or -1. */
static int type_find(hid_t id)
{
	for (size_t t = 0; t < NTYPES; t++) {
		hid_t known = type_make(t);
		int same = known < 0 ? 0 : H5Tequal(id, known);

		if (known >= 0)
			H5Tclose(known);
		if (same > 0)
			return t;
	}
	return -1;
}

/* --- The HDF5 file driver for writing --- */

/* HDF5 (1.10.8) crashes at close or exit after a failed write. So this driver
 * reports success to HDF5, records the first errno in file->failure and drops
 * all later writes. */
struct sink {
	H5FD_t base;         /* first member: HDF5 uses a pointer to it */
	struct h5file *file;
	haddr_t eoa, eof;    /* bytes allocated, and bytes in the file */
};

static H5FD_t *sink_open(const char *name, unsigned flags, hid_t fapl,
                         haddr_t max)
{
	struct h5file *const *f = H5Pget_driver_info(fapl);
	struct sink *s = f ? calloc(1, sizeof *s) : NULL;

	(void)name, (void)flags, (void)max;
	if (!s)
		return NULL;
	s->file = *f;
	return &s->base;
}

static herr_t sink_close(H5FD_t *base)
{
	free(base);
	return 0;
}

static int sink_compare(const H5FD_t *a, const H5FD_t *b)
{
	const struct sink *x = (const struct sink *)a;
	const struct sink *y = (const struct sink *)b;

	return (x->file > y->file) - (x->file < y->file);
}

/* Allows HDF5 to combine small writes, as its default driver does. */
static herr_t sink_query(const H5FD_t *base, unsigned long *flags)
{
	(void)base;
	*flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA |
	         H5FD_FEAT_DATA_SIEVE | H5FD_FEAT_AGGREGATE_SMALLDATA;
	return 0;
}

static haddr_t sink_get_eoa(const H5FD_t *base, H5FD_mem_t type)
{
	(void)type;
	return ((const struct sink *)base)->eoa;
}

static herr_t sink_set_eoa(H5FD_t *base, H5FD_mem_t type, haddr_t eoa)
{
	(void)type;
	((struct sink *)base)->eoa = eoa;
	return 0;
}

static haddr_t sink_get_eof(const H5FD_t *base, H5FD_mem_t type)
{
	(void)type;
	return ((const struct sink *)base)->eof;
}

/* Bytes that were never written read as zeros. */
static herr_t sink_read(H5FD_t *base, H5FD_mem_t type, hid_t dxpl, haddr_t at,
                        size_t n, void *to)
{
	const struct sink *s = (const struct sink *)base;
	char *p = to;

	(void)type, (void)dxpl;
	while (n > 0) {
		ssize_t got = pread(output_fd(s->file->out), p, n, at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && !s->file->failure)
			s->file->failure = errno;
		if (got <= 0)
			break;
		p += got;
		at += got;
		n -= got;
	}
	memset(p, 0, n);
	return 0;
}

static herr_t sink_write(H5FD_t *base, H5FD_mem_t type, hid_t dxpl, haddr_t at,
                         size_t n, const void *bytes)
{
	struct sink *s = (struct sink *)base;
	struct h5file *f = s->file;

	(void)type, (void)dxpl;
	if (!f->failure)
		f->failure = output_write(f->out, bytes, n, at);
	if (s->eof < at + n)
		s->eof = at + n;
	return 0;
}

/* Extends the file to the allocated length. */
static herr_t sink_truncate(H5FD_t *base, hid_t dxpl, hbool_t closing)
{
	struct sink *s = (struct sink *)base;
	struct h5file *f = s->file;

	(void)dxpl, (void)closing;
	if (s->eof != s->eoa && !f->failure &&
	    ftruncate(output_fd(f->out), s->eoa) < 0)
		f->failure = errno;
	s->eof = s->eoa;
	return 0;
}

static const H5FD_class_t sink_class = {
#if H5_VERSION_GE(1, 13, 0)
	.version = H5FD_CLASS_VERSION,
	.value = (H5FD_class_value_t)512, /* HDF5's range for testing */
#endif
	.name = "waferllm",
	.maxaddr = INT64_MAX,
	.fc_degree = H5F_CLOSE_WEAK,
	.fapl_size = sizeof(struct h5file *),
	.open = sink_open,
	.close = sink_close,
	.cmp = sink_compare,
	.query = sink_query,
	.get_eoa = sink_get_eoa,
	.set_eoa = sink_set_eoa,
	.get_eof = sink_get_eof,
	.read = sink_read,
	.write = sink_write,
	.truncate = sink_truncate,
	.fl_map = H5FD_FLMAP_DICHOTOMY,
};

/* Makes files opened with fapl use the driver, writing to f. */
static herr_t sink_use(hid_t fapl, struct h5file *f)
{
	static hid_t driver = -1;

	if (driver < 0)
		driver = H5FDregister(&sink_class);
	return driver < 0 ? -1 : H5Pset_driver(fapl, driver, &f);
}

/* Sets err to the reason of the first failed write, or else to the formatted
 * text. Returns -1. */
__attribute__((format(printf, 3, 4)))
static int write_failed(const struct h5file *f, struct wl_error *err,
                        const char *fmt, ...)
{
	char what[512];
	va_list ap;

	if (f->failure)
		return output_failed(f->out, f->failure, err);
	va_start(ap, fmt);
	vsnprintf(what, sizeof what, fmt, ap);
	va_end(ap);
	wl_error_set(err, "%s: %s", f->path, what);
	err->status = WL_EXIT_FAULT;
	return -1;
}

/* --- Files --- */

/* Precedes any other call of HDF5. Disables its clean-up at exit, because a job
 * that dies has already removed the file that HDF5 would still write to. */
static void set_up(void)
{
	H5dont_atexit();
	H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

/* File access properties. Locking is off: some parallel file systems refuse it,
 * and files are renamed into place complete and never changed. File format 1.8
 * has checksums in its metadata; in older ones a flipped bit can crash HDF5. */
static hid_t access_make(MPI_Comm comm)
{
	hid_t fapl = H5Pcreate(H5P_FILE_ACCESS);

	if (fapl < 0)
		return fapl;
	if (H5Pset_libver_bounds(fapl, H5F_LIBVER_V18, H5F_LIBVER_V18) < 0)
		goto fail;
#if H5_VERSION_GE(1, 10, 7)
	if (H5Pset_file_locking(fapl, 0, 1) < 0)
		goto fail;
#endif
	if (comm != MPI_COMM_NULL &&
	    (H5Pset_fapl_mpio(fapl, comm, MPI_INFO_NULL) < 0 ||
	     H5Pset_all_coll_metadata_ops(fapl, 1) < 0))
		goto fail;
	return fapl;
fail:
	H5Pclose(fapl);
	return -1;
}

static struct h5file *file_new(const char *path)
{
	struct h5file *f = wl_calloc(1, sizeof *f);

	f->path = wl_strdup(path);
	f->id = -1;
	return f;
}

static void file_free(struct h5file *f)
{
	output_cancel(f->out);
	free(f->set);
	free(f->path);
	free(f);
}

/* Closes all HDF5 objects of f in reverse order. */
static int file_shut(struct h5file *f)
{
	int rc = 0;

	while (f->n > 0) {
		struct dataset *d = &f->set[--f->n];

		if (H5Tclose(d->type) < 0 || H5Dclose(d->id) < 0)
			rc = -1;
		free(d->name);
	}
	if (f->id >= 0 && H5Fclose(f->id) < 0)
		rc = -1;
	f->id = -1;
	return rc;
}

/* A property list of the class for objects without time stamps, so that equal
 * content makes equal files. */
static hid_t timeless_make(hid_t class)
{
	hid_t list = H5Pcreate(class);

	if (list >= 0 && H5Pset_obj_track_times(list, 0) < 0) {
		H5Pclose(list);
		return -1;
	}
	return list;
}

/* Creates an HDF5 file in f->out. */
static void create(struct h5file *f)
{
	hid_t fapl = access_make(MPI_COMM_NULL);
	hid_t fcpl = timeless_make(H5P_FILE_CREATE);

	if (fapl >= 0 && fcpl >= 0 && sink_use(fapl, f) >= 0)
		f->id = H5Fcreate(f->path, H5F_ACC_TRUNC, fcpl, fapl);
	if (fcpl >= 0)
		H5Pclose(fcpl);
	if (fapl >= 0)
		H5Pclose(fapl);
}

struct h5file *h5file_create(const char *path, const struct output_kind *kind,
                             struct wl_error *err)
{
	struct h5file *f = file_new(path);

	set_up();
	f->out = output_begin(path, kind, err);
	if (!f->out) {
		file_free(f);
		return NULL;
	}
	create(f);
	if (f->id < 0) {
		write_failed(f, err, "HDF5 cannot create it");
		h5file_close(f);
		return NULL;
	}
	return f;
}

int h5file_commit(struct h5file *f, struct wl_error *err)
{
	struct output *out = f->out;
	int rc = 0;

	WL_ASSERT(out);
	if (file_shut(f) < 0 || f->failure)
		rc = write_failed(f, err, "cannot be written to its end");
	if (rc == 0) {
		f->out = NULL;
		rc = output_commit(out, err);
	}
	file_free(f);
	return rc;
}

void h5file_close(struct h5file *f)
{
	if (!f)
		return;
	file_shut(f);
	file_free(f);
}

/* Checks that f is a regular file that this process may read; sets f->bytes. */
static int file_look(struct h5file *f, struct wl_error *err)
{
	struct stat st;

	if (stat(f->path, &st) < 0 || access(f->path, R_OK) < 0)
		return wl_error_system(err, errno, "%s", f->path);
	if (!S_ISREG(st.st_mode)) {
		wl_error_set(err, "%s: %s", f->path, S_ISDIR(st.st_mode) ?
		             "is a directory" : "not a regular file");
		return recognize_explain(f->path, FILE_HDF5, err);
	}
	f->bytes = st.st_size;
	return 0;
}

/* As mesh_agree; a file opened by one process agrees with itself. */
static int agree(MPI_Comm comm, int rc, struct wl_error *err)
{
	return comm == MPI_COMM_NULL ? rc : mesh_agree(comm, rc, err);
}

/* path, with "./" in front of a bare name: Open MPI misreads file names of one
 * letter. The caller frees. */
static char *with_folder(const char *path)
{
	size_t size = strlen(path) + 3;
	char *name = wl_malloc(size, 1);

	snprintf(name, size, "%s%s", strchr(path, '/') ? "" : "./", path);
	return name;
}

static int file_open(struct h5file *f, MPI_Comm comm, struct wl_error *err)
{
	hid_t fapl = access_make(comm);
	char *name = with_folder(f->path);

	if (fapl >= 0) {
		f->id = H5Fopen(name, H5F_ACC_RDONLY, fapl);
		H5Pclose(fapl);
	}
	free(name);
	if (f->id >= 0)
		return 0;
	if (H5Fis_hdf5(f->path) > 0)
		return wl_error_set(err, "%s: damaged or truncated HDF5 file",
		                    f->path);
	wl_error_set(err, "%s: not an HDF5 file", f->path);
	return recognize_explain(f->path, FILE_HDF5, err);
}

struct h5file *h5file_open(const char *path, MPI_Comm comm,
                           struct wl_error *err)
{
	struct h5file *f = file_new(path);
	int local;

	set_up();
	/* Agree first: the collective open would hang on ranks that see the
	 * file if another does not. */
	if (agree(comm, file_look(f, err), err)) {
		file_free(f);
		return NULL;
	}
	local = file_open(f, comm, err);
	if (agree(comm, local, err)) {
		/* Closing is collective, but other ranks have nothing open. */
		if (!local && comm != MPI_COMM_NULL)
			wl_die("%s: opened here but not on every rank: %s",
			       path, err->text);
		file_free(f);
		return NULL;
	}
	return f;
}

size_t h5file_bytes(const struct h5file *f)
{
	return f->bytes;
}

int h5file_count(struct h5file *f, const char *group, uint64_t *n,
                 struct wl_error *err)
{
	H5G_info_t info;

	if (!h5file_has(f, group) ||
	    H5Gget_info_by_name(f->id, group, &info, H5P_DEFAULT) < 0)
		return wl_error_set(err, "%s: %s is missing", f->path, group);
	*n = info.nlinks;
	return 0;
}

/* --- Attributes --- */

/* Every component of the path must be a hard link: soft and external links may
 * lead to other files and even to pipes. */
bool h5file_has(struct h5file *f, const char *object)
{
	char *path = wl_strdup(object), *slash = path;
	bool hard = object[0] == '/';

	while (hard && *slash && slash[1]) {
		H5L_info_t link;

		slash += 1 + strcspn(slash + 1, "/");
		*slash = '\0';
		hard = H5Lexists(f->id, path, H5P_DEFAULT) > 0 &&
		       H5Lget_info(f->id, path, &link, H5P_DEFAULT) >= 0 &&
		       link.type == H5L_TYPE_HARD;
		*slash = object[slash - path];
	}
	free(path);
	return hard;
}

/* Opens object, as a new group if there is none yet. */
static hid_t object_make(struct h5file *f, const char *object);

/* Creates the missing parent groups of object, whose name starts with a
 * slash. */
static int parents_make(struct h5file *f, const char *object)
{
	const char *slash = strrchr(object, '/');
	char *parent;
	hid_t id;

	if (!slash || slash == object)
		return 0;
	parent = wl_strdup(object);
	parent[slash - object] = '\0';
	id = object_make(f, parent);
	free(parent);
	return id < 0 || H5Oclose(id) < 0 ? -1 : 0;
}

static hid_t object_make(struct h5file *f, const char *object)
{
	hid_t gcpl, id;

	if (h5file_has(f, object))
		return H5Oopen(f->id, object, H5P_DEFAULT);
	if (parents_make(f, object) < 0)
		return -1;
	gcpl = timeless_make(H5P_GROUP_CREATE);
	if (gcpl < 0)
		return -1;
	id = H5Gcreate2(f->id, object, H5P_DEFAULT, gcpl, H5P_DEFAULT);
	H5Pclose(gcpl);
	return id;
}

int h5file_make_group(struct h5file *f, const char *group,
                      struct wl_error *err)
{
	hid_t id = object_make(f, group);

	if (id < 0 || H5Oclose(id) < 0 || f->failure)
		return write_failed(f, err, "%s cannot be created", group);
	return 0;
}

/* Writes one value of the given type; type < 0 (creating it failed) is an
 * error. */
static int attr_put(struct h5file *f, const char *object, const char *name,
                    hid_t type, const void *value, struct wl_error *err)
{
	hid_t o, space = -1, a = -1;
	int ok = 0;

	o = type < 0 ? -1 : object_make(f, object);
	if (o >= 0)
		space = H5Screate(H5S_SCALAR);
	if (space >= 0)
		a = H5Acreate2(o, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
	if (a >= 0) {
		ok = H5Awrite(a, type, value) >= 0;
		ok &= H5Aclose(a) >= 0;
	}
	if (space >= 0)
		H5Sclose(space);
	if (o >= 0)
		H5Oclose(o);
	if (!ok || f->failure)
		return write_failed(f, err, "%s: attribute %s cannot be"
		                    " written", object, name);
	return 0;
}

int h5file_put_bool(struct h5file *f, const char *object, const char *name,
                    bool v, struct wl_error *err)
{
	const uint8_t byte = v;

	return attr_put(f, object, name, H5T_STD_U8LE, &byte, err);
}

int h5file_put_int(struct h5file *f, const char *object, const char *name,
                   int64_t v, struct wl_error *err)
{
	return attr_put(f, object, name, H5T_STD_I64LE, &v, err);
}

int h5file_put_double(struct h5file *f, const char *object, const char *name,
                      double v, struct wl_error *err)
{
	return attr_put(f, object, name, H5T_IEEE_F64LE, &v, err);
}

int h5file_put_string(struct h5file *f, const char *object, const char *name,
                      const char *v, struct wl_error *err)
{
	hid_t type = H5Tcopy(H5T_C_S1);
	int rc;

	if (type >= 0 && (H5Tset_size(type, strlen(v) + 1) < 0 ||
	                  H5Tset_cset(type, H5T_CSET_UTF8) < 0)) {
		H5Tclose(type);
		type = -1;
	}
	rc = attr_put(f, object, name, type, v, err);
	if (type >= 0)
		H5Tclose(type);
	return rc;
}

/* Opens an attribute, which must be a single value of the class. The caller
 * closes it. */
static hid_t attr_open(struct h5file *f, const char *object, const char *name,
                       H5T_class_t class, struct wl_error *err)
{
	hid_t a, space, type;
	bool fits = false;

	if (!h5file_has(f, object))
		return wl_error_set(err, "%s: %s is missing", f->path, object);
	if (H5Aexists_by_name(f->id, object, name, H5P_DEFAULT) <= 0)
		return wl_error_set(err, "%s: %s: attribute %s is missing",
		                    f->path, object, name);
	a = H5Aopen_by_name(f->id, object, name, H5P_DEFAULT, H5P_DEFAULT);
	if (a < 0)
		return wl_error_set(err, "%s: %s: attribute %s cannot be"
		                    " opened", f->path, object, name);
	space = H5Aget_space(a);
	type = H5Aget_type(a);
	if (space >= 0 && type >= 0)
		fits = H5Sget_simple_extent_npoints(space) == 1 &&
		       H5Tget_class(type) == class;
	if (type >= 0)
		H5Tclose(type);
	if (space >= 0)
		H5Sclose(space);
	if (fits)
		return a;
	H5Aclose(a);
	return wl_error_set(err, "%s: %s: attribute %s is not one %s", f->path,
	                    object, name,
	                    class == H5T_INTEGER ? "integer" :
	                    class == H5T_FLOAT ? "real number" : "string");
}

/* Reads one number of the class, converted to memory type mem. */
static int attr_get(struct h5file *f, const char *object, const char *name,
                    H5T_class_t class, hid_t mem, void *v,
                    struct wl_error *err)
{
	hid_t a = attr_open(f, object, name, class, err);
	int ok;

	if (a < 0)
		return -1;
	ok = H5Aread(a, mem, v) >= 0;
	H5Aclose(a);
	if (!ok)
		return wl_error_set(err, "%s: %s: attribute %s cannot be read",
		                    f->path, object, name);
	return 0;
}

int h5file_get_int(struct h5file *f, const char *object, const char *name,
                   int64_t *v, struct wl_error *err)
{
	return attr_get(f, object, name, H5T_INTEGER, H5T_NATIVE_INT64, v, err);
}

int h5file_get_double(struct h5file *f, const char *object, const char *name,
                      double *v, struct wl_error *err)
{
	return attr_get(f, object, name, H5T_FLOAT, H5T_NATIVE_DOUBLE, v, err);
}

bool h5file_is(const char *path, const char *word)
{
	struct wl_error ignored;
	struct h5file *f = h5file_open(path, MPI_COMM_NULL, &ignored);
	char format[128];
	bool is = f && !h5file_get_string(f, "/", "format", format,
	                                  sizeof format, &ignored) &&
	          !strncmp(format, OURS, strlen(OURS)) && strstr(format, word);

	h5file_close(f);
	return is;
}

int h5file_get_string(struct h5file *f, const char *object, const char *name,
                      char *s, size_t size, struct wl_error *err)
{
	hid_t a = attr_open(f, object, name, H5T_STRING, err);
	hid_t type;
	size_t have = 0;
	int ok = 0;

	if (a < 0)
		return -1;
	type = H5Aget_type(a);
	/* Fixed length only, as our files have: a variable-length string would
	 * be read as a pointer. */
	if (type >= 0 && H5Tis_variable_str(type) == 0)
		have = H5Tget_size(type);
	/* A string that fills its size has no NUL; s needs room for one. */
	if (have > 0 && have < size)
		ok = H5Aread(a, type, s) >= 0;
	if (type >= 0)
		H5Tclose(type);
	H5Aclose(a);
	if (!ok)
		return wl_error_set(err, "%s: %s: attribute %s is not a string"
		                    " of a fixed size below %zu bytes", f->path,
		                    object, name, size);
	s[have] = '\0';
	return 0;
}

/* --- Datasets --- */

/* Whether the dataset is open; *at is its index, or the one at which to insert
 * it. */
static bool dataset_find(const struct h5file *f, const char *name, size_t *at)
{
	size_t lo = 0, hi = f->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = strcmp(name, f->set[mid].name);

		if (c == 0) {
			*at = mid;
			return true;
		}
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	*at = lo;
	return false;
}

/* Inserts d among the open datasets and takes ownership of its ids. */
static struct dataset *dataset_keep(struct h5file *f, size_t at,
                                    const char *name, struct dataset d)
{
	if (f->n == f->room) {
		f->room = 2 * f->room + 16;
		f->set = wl_realloc(f->set, f->room, sizeof *f->set);
	}
	memmove(&f->set[at + 1], &f->set[at], (f->n - at) * sizeof *f->set);
	d.name = wl_strdup(name);
	f->set[at] = d;
	f->n++;
	return &f->set[at];
}

/* Reads the rank and the extents into d->info. */
static int look_at_shape(const struct h5file *f, const char *name,
                         struct dataset *d, struct wl_error *err)
{
	hid_t space = H5Dget_space(d->id);
	hsize_t dim[2] = { 1, 1 };
	int rank = space < 0 ? -1 : H5Sget_simple_extent_ndims(space);

	if (rank == 1 || rank == 2)
		rank = H5Sget_simple_extent_dims(space, &dim[2 - rank], NULL);
	if (space >= 0)
		H5Sclose(space);
	if (rank != 1 && rank != 2)
		return wl_error_set(err, "%s: %s is not an array of 1 or 2"
		                    " dimensions", f->path, name);
	if (dim[1] && dim[0] > SIZE_MAX / 8 / dim[1])
		return wl_error_set(err, "%s: %s: absurd extents", f->path,
		                    name);
	d->info.rank = rank;
	d->info.rows = dim[0];
	d->info.cols = dim[1];
	return 0;
}

/* Whether the file stores at least `need` bytes for the dataset. Its extents
 * alone prove nothing. Refuses filters, whose output has no bound, and data in
 * external files. */
static bool is_stored(const struct h5file *f, hid_t id, size_t need)
{
	hid_t dcpl = H5Dget_create_plist(id);
	H5D_layout_t layout = dcpl < 0 ? H5D_LAYOUT_ERROR : H5Pget_layout(dcpl);
	int filters = dcpl < 0 ? -1 : H5Pget_nfilters(dcpl);
	haddr_t at;

	if (dcpl >= 0)
		H5Pclose(dcpl);
	if (need == 0)
		return true;
	if (layout == H5D_CHUNKED)
		return filters == 0 && need <= f->bytes &&
		       H5Dget_storage_size(id) >= need;
	if (layout != H5D_CONTIGUOUS)
		return false;
	at = H5Dget_offset(id);
	return at != HADDR_UNDEF && need <= f->bytes && at <= f->bytes - need &&
	       H5Dget_storage_size(id) == need;
}

static int look_at_dataset(struct h5file *f, const char *name,
                           struct dataset *d, struct wl_error *err)
{
	int type = type_find(d->type);
	size_t need;

	if (type < 0)
		return wl_error_set(err, "%s: %s has an element type that is"
		                    " not known here", f->path, name);
	d->info.type = type;
	if (look_at_shape(f, name, d, err))
		return -1;
	need = d->info.rows * d->info.cols * type_bytes[type];
	if (!f->out && !is_stored(f, d->id, need))
		return wl_error_set(err, "%s: %s: its %zu bytes are not all in"
		                    " the file as plain data", f->path, name,
		                    need);
	return 0;
}

/* Returns the dataset, opening it on first use; valid until another one is
 * opened. NULL and err on failure. */
static struct dataset *dataset_get(struct h5file *f, const char *name,
                                   struct wl_error *err)
{
	struct dataset d = { .id = -1, .type = -1 };
	size_t at;

	if (dataset_find(f, name, &at))
		return &f->set[at];
	if (!h5file_has(f, name)) {
		wl_error_set(err, "%s: %s is missing", f->path, name);
		return NULL;
	}
	d.id = H5Dopen2(f->id, name, H5P_DEFAULT);
	if (d.id >= 0)
		d.type = H5Dget_type(d.id);
	if (d.type < 0)
		wl_error_set(err, "%s: %s is not a readable dataset", f->path,
		             name);
	else if (look_at_dataset(f, name, &d, err) == 0)
		return dataset_keep(f, at, name, d);
	if (d.type >= 0)
		H5Tclose(d.type);
	if (d.id >= 0)
		H5Dclose(d.id);
	return NULL;
}

int h5file_info(struct h5file *f, const char *dataset, struct h5_info *info,
                struct wl_error *err)
{
	struct dataset *d = dataset_get(f, dataset, err);

	if (!d)
		return -1;
	*info = d->info;
	return 0;
}

/* Creates a dataset. chunk: the extents of a chunk, for a dataset that can grow
 * along its first dimension; NULL: contiguous, of fixed size. */
static hid_t dataset_make(struct h5file *f, const char *name, hid_t type,
                          int rank, const hsize_t *dim, const hsize_t *chunk)
{
	const hsize_t max[2] = { H5S_UNLIMITED, dim[rank - 1] };
	hid_t dcpl = timeless_make(H5P_DATASET_CREATE);
	hid_t space = H5Screate_simple(rank, dim, chunk ? max : NULL);
	hid_t id = -1;

	if (dcpl >= 0 && space >= 0 && parents_make(f, name) == 0 &&
	    H5Pset_fill_time(dcpl, H5D_FILL_TIME_NEVER) >= 0 &&
	    (!chunk || H5Pset_chunk(dcpl, rank, chunk) >= 0))
		id = H5Dcreate2(f->id, name, type, space, H5P_DEFAULT, dcpl,
		                H5P_DEFAULT);
	if (space >= 0)
		H5Sclose(space);
	if (dcpl >= 0)
		H5Pclose(dcpl);
	return id;
}

int h5file_write(struct h5file *f, const char *dataset,
                 const struct h5_info *info, const void *data,
                 struct wl_error *err)
{
	const hsize_t dim[2] = { info->rows, info->cols };
	hid_t type = type_make(info->type), id = -1;
	int ok = 0;

	WL_ASSERT(info->rank == 2 || (info->rank == 1 && info->rows == 1));
	if (type >= 0)
		id = dataset_make(f, dataset, type, info->rank,
		                  &dim[2 - info->rank], NULL);
	if (id >= 0) {
		ok = info->rows * info->cols == 0 ||
		     H5Dwrite(id, type, H5S_ALL, H5S_ALL, H5P_DEFAULT,
		              data) >= 0;
		ok &= H5Dclose(id) >= 0;
	}
	if (type >= 0)
		H5Tclose(type);
	if (!ok || f->failure)
		return write_failed(f, err, "%s cannot be written", dataset);
	return 0;
}

/* Returns the dataset to append rows to; creates it without rows on first
 * use. */
static struct dataset *growing_get(struct h5file *f, const char *name,
                                   enum h5_type type, size_t cols,
                                   struct wl_error *err)
{
	const hsize_t dim[2] = { 0, cols }, chunk[2] = { 1, cols };
	struct dataset d = { .id = -1 };
	size_t at;

	if (dataset_find(f, name, &at))
		return &f->set[at];
	d.info = (struct h5_info){ 2, 0, cols, type };
	d.type = type_make(type);
	if (d.type >= 0)
		d.id = dataset_make(f, name, d.type, 2, dim, chunk);
	if (d.id >= 0)
		return dataset_keep(f, at, name, d);
	if (d.type >= 0)
		H5Tclose(d.type);
	write_failed(f, err, "%s cannot be created", name);
	return NULL;
}

/* Reads (or writes) rows [row0, row0 + n) of an open dataset. */
static int transfer(const struct dataset *d, size_t row0, size_t n, void *data,
                    bool write)
{
	/* In a 1-D dataset only the first extent counts. */
	const hsize_t start[2] = { row0, 0 }, count[2] = { n, d->info.cols };
	hid_t file = H5Dget_space(d->id);
	hid_t mem = H5Screate_simple(d->info.rank, count, NULL);
	int ok = file >= 0 && mem >= 0 &&
	         H5Sselect_hyperslab(file, H5S_SELECT_SET, start, NULL, count,
	                             NULL) >= 0;

	if (ok && write)
		ok = H5Dwrite(d->id, d->type, mem, file, H5P_DEFAULT, data)
		     >= 0;
	else if (ok)
		ok = H5Dread(d->id, d->type, mem, file, H5P_DEFAULT, data) >= 0;
	if (mem >= 0)
		H5Sclose(mem);
	if (file >= 0)
		H5Sclose(file);
	return ok ? 0 : -1;
}

int h5file_append_row(struct h5file *f, const char *dataset, enum h5_type type,
                      size_t cols, const void *row, struct wl_error *err)
{
	struct dataset *d = growing_get(f, dataset, type, cols, err);
	hsize_t dim[2];

	if (!d)
		return -1;
	WL_ASSERT(d->info.cols == cols && d->info.type == type);
	dim[0] = d->info.rows + 1;
	dim[1] = cols;
	/* With write set, transfer only reads the row, despite the cast. */
	if (H5Dset_extent(d->id, dim) < 0 ||
	    transfer(d, d->info.rows, 1, (void *)(uintptr_t)row, true) < 0 ||
	    f->failure)
		return write_failed(f, err, "%s cannot be extended", dataset);
	d->info.rows++;
	return 0;
}

int h5file_read_rows(struct h5file *f, const char *dataset, size_t row0,
                     size_t n, void *data, struct wl_error *err)
{
	struct dataset *d = dataset_get(f, dataset, err);
	size_t rows, bytes, step;
	char *to = data;

	if (!d)
		return -1;
	rows = d->info.rank == 1 ? d->info.cols : d->info.rows;
	bytes = type_bytes[d->info.type];
	if (d->info.rank == 2)
		bytes *= d->info.cols;
	if (row0 > rows || n > rows - row0)
		return wl_error_set(err, "%s: %s has no rows %zu to %zu",
		                    f->path, dataset, row0, row0 + n);
	if (n == 0 || bytes == 0)
		return 0;
	if (bytes > READ_MAX)
		return wl_error_set(err, "%s: %s: rows of %zu bytes are too"
		                    " long", f->path, dataset, bytes);
	step = READ_MAX / bytes;
	for (size_t i = 0; i < n; i += step) {
		size_t now = n - i < step ? n - i : step;

		if (transfer(d, row0 + i, now, to + i * bytes, false) < 0)
			return wl_error_set(err, "%s: %s: rows %zu to %zu"
			                    " cannot be read", f->path, dataset,
			                    row0 + i, row0 + i + now);
	}
	return 0;
}

const char *h5file_version(void)
{
	static char text[64];
	unsigned major = 0, minor = 0, release = 0;

	set_up(); /* H5get_libversion initializes HDF5, too */
	H5get_libversion(&major, &minor, &release);
	snprintf(text, sizeof text, "%u.%u.%u parallel", major, minor, release);
	return text;
}
