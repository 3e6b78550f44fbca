#include "config.h"
#include "run/info.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/printable.h"
#include "model/checkpoint.h"
#include "text/vocab.h"

/* Sums over all tensors. */
struct totals {
	const struct checkpoint *c;
	uint64_t parameters;
	uint64_t bytes;
	int tensors;
	int of_type[WL_NTYPES]; /* tensors */
};

static uint64_t tensor_bytes(const struct checkpoint *c, enum tensor_kind kind,
                             int layer)
{
	struct tensor_shape s = tensor_shape(checkpoint_model(c), kind);

	return (uint64_t)s.rows * s.cols *
	       wl_type_size(checkpoint_type(c, kind, layer));
}

static int add_tensor(void *ctx, enum tensor_kind kind, int layer)
{
	struct totals *t = ctx;
	struct tensor_shape s = tensor_shape(checkpoint_model(t->c), kind);

	t->parameters += (uint64_t)s.rows * s.cols;
	t->bytes += tensor_bytes(t->c, kind, layer);
	t->tensors++;
	t->of_type[checkpoint_type(t->c, kind, layer)]++;
	return 0;
}

/* Masks control characters: text from a file must not control the terminal. */
static void print_text(FILE *out, const char *name, const char *text)
{
	char *line = wl_strdup(text);

	printable_mask(line);
	fprintf(out, "%-14s %s\n", name, line);
	free(line);
}

/* Prints n with a metric prefix: 1056256 bytes as "1.1 MB". */
static void print_short(FILE *out, double n, const char *unit)
{
	static const char *const prefix[] = { "", "k", "M", "G", "T", "P" };
	int p = 0;

	for (; n >= 999.95 && p < 5; p++)
		n /= 1000;
	fprintf(out, "%.*f %s%s", p > 0, n, prefix[p], unit);
}

static void print_shape(FILE *out, const struct model *m)
{
	const struct {
		const char *name;
		int value;
	} field[] = {
		{ "dim", m->dim },
		{ "hidden_dim", m->hidden_dim },
		{ "n_layers", m->n_layers },
		{ "n_heads", m->n_heads },
		{ "n_kv_heads", m->n_kv_heads },
		{ "head_dim", m->head_dim },
		{ "vocab_size", m->vocab_size },
		{ "max_seq_len", m->max_seq_len },
		{ "bos_id", m->bos_id },
	};

	for (size_t i = 0; i < sizeof field / sizeof *field; i++)
		fprintf(out, "%-14s %d\n", field[i].name, field[i].value);
	fprintf(out, "%-14s", "stop_ids");
	for (int i = 0; i < m->n_stop; i++)
		fprintf(out, " %d", m->stop_id[i]);
	fprintf(out, "%s\n", m->n_stop ? "" : " none");
	fprintf(out, "%-14s %g\n", "rope_theta", m->rope_theta);
	fprintf(out, "%-14s %g\n", "rms_eps", m->rms_eps);
	fprintf(out, "%-14s %s\n", "tied", m->tied ? "yes" : "no");
	fprintf(out, "%-14s %s\n", "qkv_bias", m->qkv_bias ? "yes" : "no");
	fprintf(out, "%-14s %s\n", "rope_scaled",
	        m->rope_scaled ? "yes" : "no");
}

static void print_totals(FILE *out, const struct totals *t)
{
	const char *comma = " ";

	fprintf(out, "%-14s %llu (", "parameters",
	        (unsigned long long)t->parameters);
	print_short(out, t->parameters, "");
	fprintf(out, ")\n%-14s %llu (", "bytes", (unsigned long long)t->bytes);
	print_short(out, t->bytes, "B");
	fprintf(out, ") in %d tensors\n%-14s", t->tensors, "types");
	for (int i = 0; i < WL_NTYPES; i++)
		if (t->of_type[i] > 0) {
			fprintf(out, "%s%s (%d tensors)", comma,
			        wl_type_name(i), t->of_type[i]);
			comma = ", ";
		}
	fprintf(out, "\n");
}

struct table {
	const struct checkpoint *c;
	FILE *out;
};

static int print_tensor(void *ctx, enum tensor_kind kind, int layer)
{
	const struct table *t = ctx;
	struct tensor_shape s = tensor_shape(checkpoint_model(t->c), kind);
	char name[64], shape[64];

	tensor_name(kind, layer, name, sizeof name);
	if (s.vector)
		snprintf(shape, sizeof shape, "%zu", s.cols);
	else
		snprintf(shape, sizeof shape, "%zu x %zu", s.rows, s.cols);
	fprintf(t->out, "%-26s %16s  %-4s %12llu  %08x\n", name, shape,
	        wl_type_name(checkpoint_type(t->c, kind, layer)),
	        (unsigned long long)tensor_bytes(t->c, kind, layer),
	        (unsigned)checkpoint_crc(t->c, kind, layer));
	return 0;
}

static void print_vocab(FILE *out, const struct vocab *v)
{
	static const char *const space[SPACE_NRULES] = {
		[SPACE_EVERY] = ", space put in front",
		[SPACE_FIRST] = ", space in front if none is",
		[SPACE_MISSING] = ", space in front of each part if none is",
	};

	fprintf(out, "%-14s %d pieces, %u bytes of text, bos %d, eos %d%s\n",
	        "tokenizer", v->n, (unsigned)v->offset[v->n], v->bos_id,
	        v->eos_id, v->add_space ? space[v->space_rule] : "");
	fprintf(out, "%-14s %s", "encoding", vocab_kind_name(v->kind));
	if (v->kind == VOCAB_BPE)
		fprintf(out, ", %u merges, words: %s%s%s",
		        (unsigned)v->n_merges, word_split_name(v->split),
		        v->whole_words ? ", whole words first" : "",
		        v->nfc ? ", NFC" : "");
	fprintf(out, "\n");
}

static void print_all(FILE *out, const struct checkpoint *c,
                      const struct vocab *v)
{
	const struct model *m = checkpoint_model(c);
	struct totals t = { .c = c };

	model_each_tensor(m, add_tensor, &t);
	print_text(out, "file", checkpoint_path(c));
	fprintf(out, "%-14s waferllm checkpoint, version %d\n", "format",
	        checkpoint_version(c));
	print_text(out, "origin", checkpoint_origin(c));
	fprintf(out, "\n");
	print_shape(out, m);
	fprintf(out, "\n");
	print_totals(out, &t);
	print_vocab(out, v);
	fprintf(out, "\n%-26s %16s  %-4s %12s  %s\n", "tensor", "shape", "type",
	        "bytes", "crc32");
	model_each_tensor(m, print_tensor, &(struct table){ c, out });
}

int info_print(const char *path, FILE *out, struct wl_error *err)
{
	struct checkpoint *c = checkpoint_open(path, MPI_COMM_NULL, err);
	struct vocab v;
	int rc;

	if (!c)
		return -1;
	rc = checkpoint_read_vocab(c, &v, err);
	if (rc == 0) {
		print_all(out, c, &v);
		vocab_fini(&v);
	}
	checkpoint_close(c);
	return rc;
}
