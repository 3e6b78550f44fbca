/* A Hugging Face directory: config.json behind its length, then the index of
 * its shards. The other files are missing. */
#include "config.h"
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char dir[64];

static void put(const char *name, const uint8_t *data, size_t size)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	f = fopen(path, "wb");
	if (!f || fwrite(data, 1, size, f) != size || fclose(f))
		abort();
}

static void clean(void)
{
	char path[128];

	snprintf(path, sizeof path, "%s/config.json", dir);
	unlink(path);
	snprintf(path, sizeof path, "%s/model.safetensors.index.json", dir);
	unlink(path);
	rmdir(dir);
}

static void make_dir(void)
{
	snprintf(dir, sizeof dir, "%s/fuzz-XXXXXX",
	         access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
	if (!mkdtemp(dir))
		abort();
	atexit(clean);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct import_model m = { 0 };
	struct wl_error err;
	size_t len;
	const uint8_t *config = fuzz_take(&data, &size, &len);

	if (!dir[0])
		make_dir();
	put("config.json", config, len);
	put("model.safetensors.index.json", data, size);
	import_read_hf(dir, &m, &err);
	import_model_fini(&m);
	return 0;
}
