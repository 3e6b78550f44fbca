/* Writes GGUF files for tests, sound ones and unsound ones: whatever is
 * handed over is written. Pairs and tensors called `skip` are left out, so
 * that a test can put another one in their place. */
#ifndef WL_MADE_GGUF_H
#define WL_MADE_GGUF_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fail.h"

/* The format's numbers of value types and of tensor types. */
enum { MADE_U8, MADE_I8, MADE_U16, MADE_I16, MADE_U32, MADE_I32, MADE_F32,
       MADE_BOOL, MADE_STRING, MADE_ARRAY, MADE_U64, MADE_I64, MADE_F64 };
enum { MADE_T_F32 = 0, MADE_T_F16 = 1, MADE_T_Q4_0 = 2, MADE_T_Q8_0 = 8,
       MADE_T_BF16 = 30 };

struct made_bytes {
	unsigned char *p;
	size_t n, room;
};

struct made_gguf {
	uint32_t version;
	uint64_t n_tensors, n_pairs; /* as the header will say */
	size_t alignment;            /* of the data; no key says so */
	struct made_bytes pairs, tensors, data;
	const char *skip;
};

static inline void made_put(struct made_bytes *b, const void *p, size_t n)
{
	if (b->room < b->n + n) {
		b->room = 2 * b->room + n + 256;
		b->p = wl_realloc(b->p, b->room, 1);
	}
	if (n > 0)
		memcpy(b->p + b->n, p, n);
	b->n += n;
}

/* v in size bytes, little-endian. */
static inline void made_put_int(struct made_bytes *b, uint64_t v, int size)
{
	for (; size > 0; size--, v >>= 8)
		made_put(b, &(unsigned char){ v & 0xff }, 1);
}

static inline void made_put_f32(struct made_bytes *b, float f)
{
	uint32_t bits;

	memcpy(&bits, &f, sizeof bits);
	made_put_int(b, bits, 4);
}

static inline void made_put_string(struct made_bytes *b, const char *s,
                                   size_t len)
{
	made_put_int(b, len, 8);
	made_put(b, s, len);
}

static inline void made_gguf_init(struct made_gguf *g)
{
	*g = (struct made_gguf){ .version = 3, .alignment = 32 };
}

static inline void made_gguf_fini(struct made_gguf *g)
{
	free(g->pairs.p);
	free(g->tensors.p);
	free(g->data.p);
}

/* Starts a pair, whose value is to follow in g->pairs; false: left out. */
static inline bool made_gguf_key(struct made_gguf *g, const char *key,
                                 uint32_t type)
{
	if (g->skip && strcmp(key, g->skip) == 0)
		return false;
	g->n_pairs++;
	made_put_string(&g->pairs, key, strlen(key));
	made_put_int(&g->pairs, type, 4);
	return true;
}

static inline void made_gguf_int(struct made_gguf *g, const char *key,
                                 int64_t v)
{
	if (made_gguf_key(g, key, v < 0 ? MADE_I32 : MADE_U32))
		made_put_int(&g->pairs, (uint64_t)v, 4);
}

static inline void made_gguf_real(struct made_gguf *g, const char *key,
                                  float v)
{
	if (made_gguf_key(g, key, MADE_F32))
		made_put_f32(&g->pairs, v);
}

static inline void made_gguf_bool(struct made_gguf *g, const char *key, bool v)
{
	if (made_gguf_key(g, key, MADE_BOOL))
		made_put_int(&g->pairs, v, 1);
}

static inline void made_gguf_text(struct made_gguf *g, const char *key,
                                  const char *text)
{
	if (made_gguf_key(g, key, MADE_STRING))
		made_put_string(&g->pairs, text, strlen(text));
}

/* Starts an array of n values, which are to follow; false: left out. */
static inline bool made_gguf_array(struct made_gguf *g, const char *key,
                                   uint32_t type, uint64_t n)
{
	if (!made_gguf_key(g, key, MADE_ARRAY))
		return false;
	made_put_int(&g->pairs, type, 4);
	made_put_int(&g->pairs, n, 8);
	return true;
}

/* A tensor whose data are to follow in g->data; false: left out. rows 0: a
 * vector. */
static inline bool made_gguf_tensor(struct made_gguf *g, const char *name,
                                    uint32_t type, uint64_t rows,
                                    uint64_t cols)
{
	if (g->skip && strcmp(name, g->skip) == 0)
		return false;
	while (g->data.n % g->alignment)
		made_put(&g->data, "", 1);
	g->n_tensors++;
	made_put_string(&g->tensors, name, strlen(name));
	made_put_int(&g->tensors, rows ? 2 : 1, 4);
	made_put_int(&g->tensors, cols, 8);
	if (rows)
		made_put_int(&g->tensors, rows, 8);
	made_put_int(&g->tensors, type, 4);
	made_put_int(&g->tensors, g->data.n, 8);
	return true;
}

/* The file's bytes, which the caller frees; *head receives how many lie
 * before the padding in front of the data. */
static inline struct made_bytes made_gguf_file(const struct made_gguf *g,
                                               size_t *head)
{
	struct made_bytes b = { 0 };

	made_put(&b, "GGUF", 4);
	made_put_int(&b, g->version, 4);
	made_put_int(&b, g->n_tensors, 8);
	made_put_int(&b, g->n_pairs, 8);
	made_put(&b, g->pairs.p, g->pairs.n);
	made_put(&b, g->tensors.p, g->tensors.n);
	*head = b.n;
	while (b.n % g->alignment)
		made_put(&b, "", 1);
	made_put(&b, g->data.p, g->data.n);
	return b;
}

#endif
