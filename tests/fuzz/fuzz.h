/* Shared by the fuzzers. Each fuzz_*.c defines the function that libFuzzer
 * calls for every input; without libFuzzer, replay.c calls it for files.
 * Refusing an input with an error line is a correct result. */
#ifndef WL_FUZZ_H
#define WL_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "import/import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The path of a file in memory with these bytes. slot: 0 or 1; path and file
 * are valid until the next call for that slot. */
const char *fuzz_file(int slot, const uint8_t *data, size_t size);

/* Takes a 4-byte length and as many bytes (or all that are left) from the front
 * of an input. */
const uint8_t *fuzz_take(const uint8_t **data, size_t *size, size_t *len);

/* Makes a tokenizer of a vocabulary that a reader accepted, encodes some
 * texts with it and decodes every id. */
void fuzz_vocab(const struct vocab *v);

/* Imports a model that a reader let through into a checkpoint that only looks
 * at what it is given (it stands in for src/model/checkpoint.c), and frees it. */
void fuzz_import(struct import_model *m);

#endif
