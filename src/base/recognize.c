/* memmem */
#define _GNU_SOURCE
#include "config.h"
#include "base/recognize.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/* Limits: bytes read of a file, entries read of a directory, bytes of a
 * name. */
#define HEAD_BYTES 4096
#define MAX_ENTRIES 10000
#define NAME_BYTES 256
/* A longer path is not repeated in the advice. */
#define SHOWN_PATH 200

/* The name of each kind, and the advice: `cure`; if there is a `rest`, followed
 * by the path (or an entry of the directory) and `rest`. */
static const struct {
	const char *what, *cure, *rest;
} kinds[FILE_NKINDS] = {
	[FILE_EMPTY] = { "an empty file", "copy or download it again", NULL },
	[FILE_LFS_POINTER] = {
		"a git-lfs pointer",
		"it only names the file; fetch that with git lfs pull", NULL },
	[FILE_HTML] = {
		"a web page (HTML)", "it was saved in place of the file;"
		" download it again, logged in if need be", NULL },
	[FILE_BYTE_ORDER_MARK] = {
		"a text with a byte order mark",
		"save it as UTF-8 without one", NULL },
	[FILE_TEXT] = {
		"a plain text", "it may be the server's answer to a failed"
		" download; look at it", NULL },
	[FILE_HDF5] = {
		"an HDF5 file", "a checkpoint needs no import", NULL },
	[FILE_GGUF] = {
		"a GGUF file", "first make a checkpoint of it: waferllm import"
		" ", " model.h5" },
	[FILE_GGML] = {
		"an old GGML file", "convert it to GGUF with llama.cpp", NULL },
	[FILE_SAFETENSORS] = {
		"a safetensors file", "give the directory that holds it and"
		" its config.json to waferllm import", NULL },
	[FILE_LLAMA2C] = {
		"a llama2.c checkpoint", "first make a checkpoint of it:"
		" waferllm import ", " model.h5 --tokenizer tokenizer.bin" },
	[FILE_LLAMA2C_TOKENIZER] = {
		"a llama2.c tokenizer", "waferllm import takes it as"
		" --tokenizer, beside the model", NULL },
	[FILE_SENTENCEPIECE] = {
		"a SentencePiece model", "for a llama2.c checkpoint make"
		" tokenizer.bin of it with llama2.c's tokenizer.py; for a"
		" Hugging Face directory tokenizer.json", NULL },
	[FILE_TIKTOKEN] = {
		"a tiktoken vocabulary", "only the tokenizer.json of a Hugging"
		" Face directory is read", NULL },
	[FILE_JSON] = {
		"a JSON file", "if it is part of a Hugging Face model, give"
		" the directory that holds it to waferllm import", NULL },
	[FILE_PICKLE] = {
		"a Python pickle (PyTorch)", "only safetensors is read; load"
		" the model with transformers and use save_pretrained", NULL },
	[FILE_PYTORCH] = {
		"a PyTorch archive", "only safetensors is read; load the model"
		" with transformers and use save_pretrained", NULL },
	[FILE_ONNX] = {
		"an ONNX model", "import the safetensors or GGUF files of the"
		" same model", NULL },
	[FILE_NUMPY] = { "a NumPy array", "it holds no model", NULL },
	[FILE_ZIP] = { "a zip archive", "unpack it first", NULL },
	[FILE_GZIP] = { "a gzip file", "unpack it first", NULL },
	[FILE_XZ] = { "an xz file", "unpack it first", NULL },
	[FILE_BZIP2] = { "a bzip2 file", "unpack it first", NULL },
	[FILE_ZSTD] = { "a zstd file", "unpack it first", NULL },
	[FILE_TAR] = { "a tar archive", "unpack it first", NULL },
	[FILE_HF_DIR] = {
		"a directory with a Hugging Face model", "first make a"
		" checkpoint of it: waferllm import ", " model.h5" },
	[FILE_HF_DIR_BARE] = {
		"a directory with a Hugging Face model's files but without"
		" weights",
		"download model.safetensors, or its index and the shards, too",
		NULL },
	[FILE_HF_DIR_RENAMED] = {
		"a directory with a Hugging Face model's files but with"
		" weights of another name", "import reads model.safetensors, or"
		" what model.safetensors.index.json names; here is ", "" },
	[FILE_HF_DIR_PYTORCH] = {
		"a directory with PyTorch's pytorch_model.bin", "only"
		" safetensors is read; load the model with transformers and"
		" use save_pretrained", NULL },
	[FILE_ADAPTER_DIR] = {
		"a directory with a PEFT adapter", "merge it into its base"
		" model first (merge_and_unload) and import that", NULL },
	[FILE_CACHE_DIR] = {
		"a directory of Hugging Face's cache", "give waferllm import"
		" the snapshot in it: ", "" },
	[FILE_META_DIR] = {
		"a directory in Meta's own layout (params.json, consolidated"
		" weights)", "convert it to Hugging Face's with transformers"
		" (convert_llama_weights_to_hf)", NULL },
	[FILE_GGUF_DIR] = {
		"a directory with a GGUF file", "give waferllm import the file"
		" itself: ", "" },
	[FILE_OTHER_DIR] = {
		"a directory with a model of another framework", "only"
		" safetensors is read; load the model with transformers and"
		" use save_pretrained", NULL },
	[FILE_CHECKPOINT_DIR] = {
		"a directory with HDF5 files", "a checkpoint is one of them: ",
		"" },
	[FILE_PARENT_DIR] = {
		"a directory above a Hugging Face model", "give waferllm"
		" import that: ", "" },
	[FILE_EMPTY_DIR] = { "an empty directory", "is it the right one?",
	                     NULL },
};

/* The names of wanted kinds, where they differ from the above. */
static const char *const wanted_name[FILE_NKINDS] = {
	[FILE_UNKNOWN] = "a model that import can read",
	[FILE_JSON] = "JSON",
	[FILE_HF_DIR] = "a Hugging Face directory (config.json,"
	                " model.safetensors, tokenizer.json)",
};

/* --- Files --- */

struct head {
	unsigned char p[HEAD_BYTES + 1]; /* n bytes, then a NUL */
	size_t n;
	uint64_t bytes;                  /* of the file */
};

/* Whether the n bytes of `with` are at offset `at`. */
static bool starts(const struct head *h, size_t at, const char *with, size_t n)
{
	return at + n <= h->n && memcmp(h->p + at, with, n) == 0;
}

/* A little-endian integer of `size` bytes. */
static uint64_t number_at(const struct head *h, size_t at, int size)
{
	uint64_t v = 0;

	while (size-- > 0)
		v = v << 8 | h->p[at + size];
	return v;
}

static int32_t int_at(const struct head *h, size_t at)
{
	return (int32_t)number_at(h, at, 4);
}

static const struct magic {
	const char *bytes;
	size_t n, at;
	enum file_kind kind;
} magics[] = {
	{ "version https://git-lfs", 23, 0, FILE_LFS_POINTER },
	{ "version https://hawser", 22, 0, FILE_LFS_POINTER },
	{ "\x89HDF\r\n\x1a\n", 8, 0, FILE_HDF5 },
	{ "GGUF", 4, 0, FILE_GGUF },
	{ "lmgg", 4, 0, FILE_GGML }, { "fmgg", 4, 0, FILE_GGML },
	{ "tjgg", 4, 0, FILE_GGML }, { "algg", 4, 0, FILE_GGML },
	{ "24ka", 4, 0, FILE_LLAMA2C },
	{ "\x93NUMPY", 6, 0, FILE_NUMPY },
	{ "PK\x03\x04", 4, 0, FILE_ZIP }, { "PK\x05\x06", 4, 0, FILE_ZIP },
	{ "\x1f\x8b", 2, 0, FILE_GZIP },
	{ "\xfd" "7zXZ", 5, 0, FILE_XZ },
	{ "BZh", 3, 0, FILE_BZIP2 },
	{ "\x28\xb5\x2f\xfd", 4, 0, FILE_ZSTD },
	{ "ustar", 5, 257, FILE_TAR },
	{ "\xff\xfe", 2, 0, FILE_BYTE_ORDER_MARK },
	{ "\xfe\xff", 2, 0, FILE_BYTE_ORDER_MARK },
};

static enum file_kind by_magic(const struct head *h)
{
	for (size_t i = 0; i < sizeof magics / sizeof *magics; i++) {
		const struct magic *m = &magics[i];

		if (!starts(h, m->at, m->bytes, m->n))
			continue;
		/* The first entry of a PyTorch archive is its pickle. */
		if (m->kind == FILE_ZIP && h->n > 46 &&
		    memmem(h->p, h->n, "data.pkl", 8))
			return FILE_PYTORCH;
		return m->kind;
	}
	return FILE_UNKNOWN;
}

/* Protocols 2 to 5: the PROTO opcode and the protocol's number, then an opcode
 * that begins a container, a long, a global or a frame. */
static bool is_pickle(const struct head *h)
{
	return h->n > 2 && h->p[0] == 0x80 && h->p[1] >= 2 && h->p[1] <= 5 &&
	       strchr("}](c\x8a\x95", h->p[2]) && h->p[2];
}

/* The length of the JSON header in 8 bytes, then the header. */
static bool is_safetensors(const struct head *h)
{
	uint64_t n;

	if (h->n < 9 || h->p[8] != '{')
		return false;
	n = number_at(h, 0, 8);
	return n >= 2 && n <= 100000000;
}

/* A protocol buffer that starts with three pieces: records of field 1, each
 * with a string as its field 1. */
static bool is_sentencepiece(const struct head *h)
{
	size_t at = 0;

	for (int i = 0; i < 3; i++) {
		size_t len;

		if (at + 4 > h->n || h->p[at] != 0x0a || h->p[at + 1] > 127 ||
		    h->p[at + 2] != 0x0a)
			return false;
		len = h->p[at + 1];
		if (len < 2 || h->p[at + 3] > len - 2)
			return false;
		at += 2 + len;
	}
	return true;
}

/* A protocol buffer: field 1, the version (1 to 20), then field 2, the
 * producer's name. */
static bool is_onnx(const struct head *h)
{
	size_t len = h->n > 4 ? h->p[3] : 0;

	if (len < 2 || h->p[0] != 0x08 || h->p[1] < 1 || h->p[1] > 20 ||
	    h->p[2] != 0x12 || 4 + len > h->n)
		return false;
	for (size_t i = 0; i < len; i++)
		if (h->p[4 + i] < ' ' || h->p[4 + i] > '~')
			return false;
	return true;
}

/* int32 maximum length; then entries of float32 score, int32 length and text,
 * at least three of them in the part that was read. */
static bool is_llama2c_tokenizer(const struct head *h)
{
	size_t at = 4;
	int entries = 0;
	int32_t longest;

	if (h->n < 4)
		return false;
	longest = int_at(h, 0);
	for (; at + 8 <= h->n; entries++) {
		int32_t len = int_at(h, at + 4);
		/* 255: the score is not finite. */
		unsigned exponent = number_at(h, at, 4) >> 23 & 255;

		if (len < 0 || len > longest || exponent == 255 ||
		    (entries < 3 && len == 0))
			return false;
		at += 8 + len;
	}
	return entries >= 3 && longest <= 1 << 20 && at <= h->bytes;
}

/* Seven int32: dim, hidden_dim, layers, heads, KV heads, vocabulary (negative:
 * head not tied), context; the file must be large enough for the embedding. */
static bool is_llama2c(const struct head *h)
{
	static const int32_t max[7] = { 1 << 20, 1 << 20, 4096, 1 << 16,
	                                 1 << 16, 1 << 22, 1 << 22 };
	int64_t v[7];

	if (h->n < 28)
		return false;
	for (int i = 0; i < 7; i++) {
		v[i] = int_at(h, 4 * i);
		if (i == 5 && v[i] < 0)
			v[i] = -v[i];
		if (v[i] < 1 || v[i] > max[i])
			return false;
	}
	return v[0] % v[3] == 0 && v[3] % v[4] == 0 && v[5] > 2 &&
	       28 + 4 * (uint64_t)(v[0] * v[5]) <= h->bytes;
}

/* --- Texts --- */

/* The first line is base64, a blank and the rank 0. */
static bool is_tiktoken(const char *text)
{
	size_t n = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqr"
	                  "stuvwxyz0123456789+/=");

	return n > 0 && strncmp(text + n, " 0\n", 3) == 0;
}

/* Whether the part that was read is UTF-8 without control characters. At least
 * 8 bytes: fewer may be text by chance. */
static bool is_text(const struct head *h)
{
	int follow = 0;

	for (size_t i = 0; i < h->n; i++) {
		unsigned char c = h->p[i];

		if (follow ? (c & 0xc0) != 0x80 :
		    c < ' ' ? !c || !strchr("\t\n\r\f", c) :
		    c == 0x7f || (c >= 0x80 && c < 0xc2) || c > 0xf4)
			return false;
		if (follow)
			follow--;
		else if (c >= 0xc2)
			follow = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
	}
	return h->n >= 8;
}

static enum file_kind by_text(const struct head *h)
{
	static const char *const html[] = { "<!doctype", "<html", "<head",
	                                    "<?xml", "<!--", "<body" };
	const char *text = (const char *)h->p;
	bool mark = starts(h, 0, "\xef\xbb\xbf", 3);

	text += mark ? 3 : 0;
	text += strspn(text, " \t\r\n");
	for (size_t i = 0; i < sizeof html / sizeof *html; i++)
		if (strncasecmp(text, html[i], strlen(html[i])) == 0)
			return FILE_HTML;
	if (mark)
		return FILE_BYTE_ORDER_MARK;
	if (*text == '{' || *text == '[')
		return FILE_JSON;
	if (!*text || !is_text(h))
		return FILE_UNKNOWN;
	return is_tiktoken(text) ? FILE_TIKTOKEN : FILE_TEXT;
}

/* Formats without a magic number, the most reliable tests first. */
static enum file_kind by_contents(const struct head *h)
{
	static const struct {
		bool (*is)(const struct head *h);
		enum file_kind kind;
	} test[] = {
		{ is_pickle, FILE_PICKLE },
		{ is_safetensors, FILE_SAFETENSORS },
		{ is_sentencepiece, FILE_SENTENCEPIECE },
		{ is_onnx, FILE_ONNX },
		{ is_llama2c_tokenizer, FILE_LLAMA2C_TOKENIZER },
		{ is_llama2c, FILE_LLAMA2C },
	};

	for (size_t i = 0; i < sizeof test / sizeof *test; i++)
		if (test[i].is(h))
			return test[i].kind;
	return by_text(h);
}

static bool read_head(const char *path, struct head *h)
{
	/* O_NONBLOCK: opening a FIFO must not wait for a writer. */
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	bool read = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);

	h->n = 0;
	while (read && h->n < HEAD_BYTES) {
		ssize_t got = pread(fd, h->p + h->n, HEAD_BYTES - h->n, h->n);

		if (got < 0 && errno == EINTR)
			continue;
		read = got >= 0;
		if (got <= 0)
			break;
		h->n += got;
	}
	if (fd >= 0)
		close(fd);
	h->p[h->n] = '\0';
	h->bytes = read ? (uint64_t)st.st_size : 0;
	return read;
}

static enum file_kind file_kind(const char *path)
{
	struct head h;
	enum file_kind kind;

	if (!read_head(path, &h))
		return FILE_UNKNOWN;
	if (h.n == 0)
		return FILE_EMPTY;
	kind = by_magic(&h);
	return kind ? kind : by_contents(&h);
}

/* --- Directories --- */

/* What a directory contains; of files, the first entry of each kind, "" if
 * there is none. */
struct entries {
	bool any, config, weights, pytorch, adapter, params, meta, other;
	char gguf[NAME_BYTES], h5[NAME_BYTES];
	char safetensors[NAME_BYTES];  /* of any name */
	char below[NAME_BYTES];        /* subdirectory with a model */
	char cache[4 * NAME_BYTES];    /* SNAPSHOTS/NAME of a cache */
	char snapshot[4 * NAME_BYTES]; /* snapshot with a model */
};

static bool ends(const char *name, const char *with)
{
	size_t n = strlen(name), m = strlen(with);

	/* Ignoring case: some systems write MODEL.GGUF. */
	return n >= m && strcasecmp(name + n - m, with) == 0;
}

static bool begins(const char *name, const char *with)
{
	return strncmp(name, with, strlen(with)) == 0;
}

static void keep_first(char to[NAME_BYTES], const char *name)
{
	if (!*to)
		snprintf(to, NAME_BYTES, "%s", name);
}

/* Whether dir/inner contains name. */
static bool has(const char *dir, const char *inner, const char *name)
{
	char path[4096];
	int n = snprintf(path, sizeof path, "%s/%s/%s", dir, inner, name);

	return n < (int)sizeof path && access(path, F_OK) == 0;
}

/* Calls use for each entry of dir/inner, if it exists, except hidden ones. */
static void each_entry(const char *dir, const char *inner, struct entries *s,
                       void (*use)(struct entries *s, const char *dir,
                                   const char *inner, const char *name))
{
	char path[4096];
	struct dirent *e;
	DIR *d;

	if (snprintf(path, sizeof path, "%s/%s", dir, inner) >=
	    (int)sizeof path || !(d = opendir(path)))
		return;
	for (int n = 0; n < MAX_ENTRIES && (e = readdir(d)); n++)
		if (e->d_name[0] != '.')
			use(s, dir, inner, e->d_name);
	closedir(d);
}

/* Notes an entry of a model's snapshots in Hugging Face's cache. */
static void note_snapshot(struct entries *s, const char *dir,
                          const char *inner, const char *name)
{
	char path[4 * NAME_BYTES];

	snprintf(path, sizeof path, "%s/%.255s", inner, name);
	if (!*s->snapshot && has(dir, path, "config.json"))
		strcpy(s->snapshot, path);
}

static void note_cache(struct entries *s, const char *dir, const char *path)
{
	each_entry(dir, path, s, note_snapshot);
	if (!*s->cache)
		snprintf(s->cache, sizeof s->cache, "%s/NAME", path);
}

/* Notes an entry of the cache's hub, where models are models--OWNER--NAME. */
static void note_cached(struct entries *s, const char *dir, const char *inner,
                        const char *name)
{
	char path[3 * NAME_BYTES];

	if (!begins(name, "models--"))
		return;
	snprintf(path, sizeof path, "%s%.255s/snapshots", inner, name);
	note_cache(s, dir, path);
}

/* Notes the contents of the subdirectory dir/name. */
static void note_below(struct entries *s, const char *dir, const char *name)
{
	if (strcmp(name, "snapshots") == 0)
		note_cache(s, dir, name);
	else if (strcmp(name, "hub") == 0)
		each_entry(dir, "hub/", s, note_cached);
	else
		note_cached(s, dir, "", name);
	if (has(dir, name, "config.json"))
		keep_first(s->below, name);
}

/* Notes what the entry dir/name says about the directory. */
static void note_entry(struct entries *s, const char *dir, const char *name)
{
	s->any = true;
	s->config |= strcmp(name, "config.json") == 0;
	s->params |= strcmp(name, "params.json") == 0;
	s->adapter |= begins(name, "adapter_model.") ||
	              strcmp(name, "adapter_config.json") == 0;
	s->pytorch |= begins(name, "pytorch_model");
	s->other |= begins(name, "tf_model.") || begins(name, "flax_model") ||
	            ends(name, ".onnx");
	s->weights |= strcmp(name, "model.safetensors") == 0 ||
	              strcmp(name, "model.safetensors.index.json") == 0;
	if (begins(name, "consolidated"))
		s->meta = true;
	else if (!begins(name, "adapter_model.") && ends(name, ".safetensors"))
		keep_first(s->safetensors, name);
	if (ends(name, ".gguf"))
		keep_first(s->gguf, name);
	if (ends(name, ".h5") && !begins(name, "tf_model"))
		keep_first(s->h5, name);
	if (name[0] != '.')
		note_below(s, dir, name);
}

static enum file_kind kind_of_entries(const struct entries *s)
{
	const struct {
		bool is;
		enum file_kind kind;
	} row[] = {
		{ s->config && s->weights, FILE_HF_DIR },
		{ s->adapter, FILE_ADAPTER_DIR },
		{ s->params && s->meta, FILE_META_DIR },
		{ s->config && *s->safetensors, FILE_HF_DIR_RENAMED },
		{ s->config && s->pytorch, FILE_HF_DIR_PYTORCH },
		{ *s->gguf, FILE_GGUF_DIR },
		{ s->other, FILE_OTHER_DIR },
		{ s->config, FILE_HF_DIR_BARE },
		{ *s->cache, FILE_CACHE_DIR },
		{ *s->below, FILE_PARENT_DIR },
		{ *s->h5, FILE_CHECKPOINT_DIR },
		{ !s->any, FILE_EMPTY_DIR },
	};

	for (size_t i = 0; i < sizeof row / sizeof *row; i++)
		if (row[i].is)
			return row[i].kind;
	return FILE_UNKNOWN;
}

static enum file_kind dir_kind(const char *path, struct entries *s)
{
	struct dirent *e;
	DIR *d = opendir(path);

	*s = (struct entries){ .any = false };
	if (!d)
		return FILE_UNKNOWN;
	for (int n = 0; n < MAX_ENTRIES && (e = readdir(d)); n++)
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			note_entry(s, path, e->d_name);
	closedir(d);
	return kind_of_entries(s);
}

/* --- Files and directories --- */

static enum file_kind look(const char *path, struct entries *s)
{
	struct stat st;

	*s = (struct entries){ .any = false };
	if (stat(path, &st) < 0)
		return FILE_UNKNOWN;
	return S_ISDIR(st.st_mode) ? dir_kind(path, s) : file_kind(path);
}

enum file_kind recognize(const char *path)
{
	struct entries s;

	return look(path, &s);
}

/* Writes to to[size] what goes between `cure` and `rest`: the path, or that of
 * an entry. */
static void name_cure(const char *path, enum file_kind kind,
                      const struct entries *s, char *to, size_t size)
{
	const struct {
		enum file_kind kind;
		const char *name;
	} row[] = {
		{ FILE_GGUF_DIR, s->gguf }, { FILE_CHECKPOINT_DIR, s->h5 },
		{ FILE_HF_DIR_RENAMED, s->safetensors },
		{ FILE_PARENT_DIR, s->below },
		{ FILE_CACHE_DIR, *s->snapshot ? s->snapshot :
		                                 s->cache },
	};
	const char *in = "";
	const char *shown = strlen(path) <= SHOWN_PATH ? path : "SOURCE";
	bool slash = *path && path[strlen(path) - 1] == '/';

	for (size_t i = 0; i < sizeof row / sizeof *row; i++)
		if (row[i].kind == kind)
			in = row[i].name;
	snprintf(to, size, "%s%s%s", shown, *in && !slash ? "/" : "", in);
}

int recognize_explain(const char *path, enum file_kind wanted,
                      struct wl_error *err)
{
	const char *want = wanted_name[wanted], *rest;
	char name[SHOWN_PATH + 5 * NAME_BYTES] = "";
	struct entries s;
	enum file_kind kind = look(path, &s);

	if (kind == FILE_UNKNOWN || kind == wanted ||
	    (kind == FILE_TEXT && wanted == FILE_JSON))
		return -1;
	if (kinds[kind].rest)
		name_cure(path, kind, &s, name, sizeof name);
	want = want ? want : kinds[wanted].what;
	rest = kinds[kind].rest ? kinds[kind].rest : "";
	return wl_error_set(err, "%s: is %s, not %s: %s%s%s", path,
	                    kinds[kind].what, want, kinds[kind].cure, name,
	                    rest);
}
