#include "config.h"
#include "host_speed.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/error.h"

/* What came of it, so that no compiler leaves the work out. */
static volatile double kept;

/* ---- memory ---- */

#define LARGE_PAGE (2 << 20) /* bytes */
#define STREAMS 4            /* that are read beside each other */

typedef uint64_t line __attribute__((vector_size(64)));

_Static_assert(HOST_SPEED_BYTES == STREAMS * sizeof(line),
               "each stream reads a line at a time");

/* As the arithmetic of vec.c is built. */
#ifdef HAVE_TARGET_CLONES
#define CLONES __attribute__((target_clones("arch=x86-64-v4", \
                                            "arch=x86-64-v3", "default")))
#else
#define CLONES
#endif

void *host_speed_buffer(size_t bytes)
{
	void *buffer;

	if (posix_memalign(&buffer, LARGE_PAGE, bytes))
		wl_die("out of memory: %zu bytes", bytes);
#ifdef MADV_HUGEPAGE
	madvise(buffer, bytes, MADV_HUGEPAGE);
#endif
	memset(buffer, 1, bytes);
	return buffer;
}

CLONES
void host_speed_read(const void *buffer, size_t bytes)
{
	const line *p = buffer;
	size_t part = bytes / HOST_SPEED_BYTES;
	line a = { 0 }, b = a, c = a, d = a;

	for (size_t i = 0; i < part; i++) {
		a ^= p[i];
		b ^= p[part + i];
		c ^= p[2 * part + i];
		d ^= p[3 * part + i];
	}
	a ^= b ^ c ^ d;
	kept = (double)(a[0] ^ a[1] ^ a[2] ^ a[3] ^ a[4] ^ a[5] ^ a[6] ^ a[7]);
}

/* ---- arithmetic ---- */

#define OPERATIONS 12e9
/* Sums that do not wait for each other: more than the four cycles that one
 * takes, times two units, and no more than 16 registers hold. */
#define CHAINS 12

/* Here the compiler may fuse a product and a sum, which it must not elsewhere:
 * no result hangs on it. */
#ifdef __clang__
#define FUSED
#define FUSED_BODY _Pragma("clang fp contract(fast)")
#else
#define FUSED __attribute__((optimize("fp-contract=fast")))
#define FUSED_BODY
#endif

/* A function for vectors of that many bytes. */
#define MULTIPLY_ADDS(name, bytes) \
	FUSED static void name(long rounds) \
	{ \
		FUSED_BODY \
		typedef float vector __attribute__((vector_size(bytes))); \
		vector sum[CHAINS], x = (vector){ 0 } + 0.999f; \
	\
		for (int i = 0; i < CHAINS; i++) \
			sum[i] = x + (float)i; \
		for (long r = 0; r < rounds; r++) \
			_Pragma("GCC unroll 12") \
			for (int i = 0; i < CHAINS; i++) \
				sum[i] = sum[i] * x + x; \
		for (int i = 1; i < CHAINS; i++) \
			sum[0] += sum[i]; \
		kept = sum[0][0]; \
	}

MULTIPLY_ADDS(plain, 16)
#ifdef __x86_64__
__attribute__((target("avx2,fma"))) MULTIPLY_ADDS(avx2, 32)
__attribute__((target("avx512f"))) MULTIPLY_ADDS(avx512, 64)
#endif

struct unit {
	const char *name;
	int bytes;             /* of a vector */
	void (*run)(long rounds);
};

static struct unit widest(void)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx512f"))
		return (struct unit){ "AVX-512", 64, avx512 };
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
		return (struct unit){ "AVX2", 32, avx2 };
#endif
	return (struct unit){ "128 bits", 16, plain };
}

double host_speed_compute(void)
{
	struct unit u = widest();
	double each = 2.0 * CHAINS * (u.bytes / sizeof(float));
	long rounds = (long)(OPERATIONS / each);

	u.run(rounds);
	return rounds * each;
}

const char *host_speed_unit(void)
{
	return widest().name;
}
