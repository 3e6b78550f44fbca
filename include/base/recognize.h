/* What a file or a directory is, by its first bytes or its entries, and what
 * to do with it: for the error of a reader that got something else. Reads a
 * few kilobytes, follows no format further. */
#ifndef WL_RECOGNIZE_H
#define WL_RECOGNIZE_H

#include "base/error.h"

enum file_kind {
	FILE_UNKNOWN,
	/* Not what anybody meant to give. */
	FILE_EMPTY, FILE_LFS_POINTER, FILE_HTML, FILE_BYTE_ORDER_MARK,
	FILE_TEXT,
	/* Models and parts of them. */
	FILE_HDF5, FILE_GGUF, FILE_GGML, FILE_SAFETENSORS, FILE_LLAMA2C,
	FILE_LLAMA2C_TOKENIZER, FILE_SENTENCEPIECE, FILE_TIKTOKEN, FILE_JSON,
	FILE_PICKLE, FILE_PYTORCH, FILE_ONNX, FILE_NUMPY,
	/* Wrappings. */
	FILE_ZIP, FILE_GZIP, FILE_XZ, FILE_BZIP2, FILE_ZSTD, FILE_TAR,
	/* Directories. */
	FILE_HF_DIR, FILE_HF_DIR_BARE, FILE_HF_DIR_RENAMED,
	FILE_HF_DIR_PYTORCH, FILE_ADAPTER_DIR, FILE_CACHE_DIR, FILE_META_DIR,
	FILE_GGUF_DIR, FILE_OTHER_DIR, FILE_CHECKPOINT_DIR, FILE_PARENT_DIR,
	FILE_EMPTY_DIR,
	FILE_NKINDS
};

/* The kind of what is at path; FILE_UNKNOWN too when it cannot be read or is
 * neither a regular file nor a directory. Not collective. */
enum file_kind recognize(const char *path);

/* After a reader of `wanted` (FILE_UNKNOWN: import, which reads several) has
 * failed with err: says in err what the file is instead and what to do. Leaves
 * err alone when the file is unknown or of the wanted kind, or any text where
 * JSON was wanted, for then the reader knows better. Not collective. Returns
 * -1. */
int recognize_explain(const char *path, enum file_kind wanted,
                      struct wl_error *err);

#endif
