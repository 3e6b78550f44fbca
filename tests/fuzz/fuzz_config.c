/* A Hugging Face directory: config.json, generation_config.json,
 * tokenizer_config.json, the index of shards and special_tokens_map.json, each
 * after its length. The tokenizer and two shards are always the same. */
#include "config.h"
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const given[] = {
	"config.json", "generation_config.json", "tokenizer_config.json",
	"model.safetensors.index.json", "special_tokens_map.json",
};

/* A tokenizer for which tokenizer_config.json decides whether BOS is added. */
static const char tokenizer[] =
	"{\"added_tokens\":[],\"normalizer\":null,\"post_processor\":null,"
	"\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":"
	"\"\u2581\",\"prepend_scheme\":\"first\",\"split\":false},"
	"\"decoder\":{\"type\":\"Metaspace\",\"replacement\":\"\u2581\"},"
	"\"model\":{\"type\":\"BPE\",\"byte_fallback\":true,\"vocab\":"
	"{\"<s>\":0,\"a\":1,\"b\":2,\"ab\":3},\"merges\":[\"a b\"]}}";

#define SHARD(name) "{\"" name "\":{\"dtype\":\"F32\",\"shape\":[1]," \
	"\"data_offsets\":[0,4]}}"

static char dir[64];

static void put(const char *name, const void *data, size_t size)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	f = fopen(path, "wb");
	if (!f || fwrite(data, 1, size, f) != size || fclose(f))
		abort();
}

static void remove_file(const char *name)
{
	char path[128];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	unlink(path);
}

static void put_shard(const char *name, const char *header)
{
	char file[256] = { strlen(header) };

	memcpy(file + 8, header, strlen(header));
	put(name, file, 8 + strlen(header) + 4);
}

static void clean(void)
{
	static const char *const fixed[] = {
		"tokenizer.json", "model-00001-of-00002.safetensors",
		"model-00002-of-00002.safetensors",
	};
	char path[128];

	for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
		snprintf(path, sizeof path, "%s/%s", dir, given[i]);
		unlink(path);
	}
	for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
		snprintf(path, sizeof path, "%s/%s", dir, fixed[i]);
		unlink(path);
	}
	rmdir(dir);
}

static void make_dir(void)
{
	snprintf(dir, sizeof dir, "%s/fuzz-XXXXXX",
	         access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
	if (!mkdtemp(dir))
		abort();
	atexit(clean);
	put("tokenizer.json", tokenizer, sizeof tokenizer - 1);
	put_shard("model-00001-of-00002.safetensors",
	          SHARD("model.norm.weight"));
	put_shard("model-00002-of-00002.safetensors", SHARD("lm_head.weight"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct import_model m;
	struct wl_error err;

	if (!dir[0])
		make_dir();
	for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
		size_t len;
		const uint8_t *text = fuzz_take(&data, &size, &len);

		/* Older inputs lack the last file. */
		if (len == 0 && i == 4)
			remove_file(given[i]);
		else
			put(given[i], text, len);
	}
	if (import_read_hf(dir, &m, &err) == 0)
		fuzz_import(&m);
	else
		import_model_fini(&m);
	return 0;
}
