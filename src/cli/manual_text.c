/* What the table of options does not say. The commands are README's, which a
 * test runs. */
#include "config.h"
#include "manual.h"

#define SERIAL_SIGNALS \
	"SIGINT, SIGTERM and SIGHUP end it; no half-written file is left."

#define DEFAULT_MODEL \
	{ "default.h5", "The checkpoint that is run when none is named." }
#define SHAPES \
	{ "shapes/*.json", "Shapes of published models, known by name." }
#define DEVICES \
	{ "devices/*.json", "Devices, known by name." }
#define FORMATS \
	{ "README", "What checkpoints, shapes, devices and reports hold." }

const struct manual_page manual_page[NVERBS + 1] = {
	[NVERBS] = {
		"emulate LLM inference on a wafer-scale chip",
		"The wafer is a 2-D mesh of many small cores with little\n"
		"memory each and links to their four neighbours only.\n"
		"Every tensor lives cut into tiles, one per emulated core, and"
		"\nmoves between cores as it would on the wafer.\n"
		"MPI ranks each emulate a rectangle of cores.\n"
		"One run gives the answer, real tokens, and the account: what"
		" the\nwafer would have needed for them in cycles, hops,"
		" router paths,\nmemory of each core, energy and tokens per"
		" second.\n\n"
		"The verb comes first on the command line; without one,\n"
		"waferllm runs a model. A page of its own describes each.",
		NULL,
		{ DEFAULT_MODEL, SHAPES, DEVICES, FORMATS,
		  { "jobs", "Scripts of jobs; each tells how it is used." },
		  { "analysis", "Tables and figures of accounts." } },
		{ { "Run the default model on four ranks",
		    "mpirun -np 4 waferllm --prompt \"A wise man\" -n 60" },
		  { "See what a checkpoint holds",
		    "waferllm info data/default.h5" },
		  { "See all options of a verb", "waferllm run --help" } },
	},
	[VERB_RUN] = {
		"run a model on an emulated wafer",
		"MODEL.h5 is a checkpoint that waferllm-import(1) has made;\n"
		"without it, the model that comes with waferllm is run.\n"
		"The text does not depend on the number of ranks: for one\n"
		"model and one pair of core grids, tokens and logits are the\n"
		"same to the last bit. If a rank count fits no rectangle, the"
		"\nlargest one that does runs, and the other ranks idle.\n\n"
		"With --dry-run the same code runs without weights, on one\n"
		"process, so that models and grids of any size can be"
		" accounted\nfor; such a run and a real one of the same"
		" request give the same\naccount.",
		"SIGUSR1 ends a run, but a dry one, after the token it is at,"
		" or the first\none: the text is what there is by then, the report is"
		" written and says\nso, and the exit status is 0.\n"
		"SIGTERM does the same, with status 143, if that takes less"
		" than\nten seconds, or one under mpirun; twice, it ends the"
		" run at once.\n"
		"SIGINT and SIGHUP end it at once; no half-written file is"
		" left.",
		{ DEFAULT_MODEL, SHAPES, DEVICES, FORMATS },
		{ { "Run the default model on four ranks",
		    "mpirun -np 4 waferllm --prompt \"A wise man\" -n 60" },
		  { "Draw tokens at random",
		    "mpirun -np 4 waferllm --prompt \"A wise man\" -n 60"
		    " --temperature 0.8 --top-p 0.9 --seed 7" },
		  { "Hold elements of 16 bits, and write the account to a file",
		    "mpirun -np 4 waferllm --prompt \"A wise man\" -n 60"
		    " --dtype f16 --report account.h5" },
		  { "Account for a model of 8 billion parameters",
		    "waferllm run --dry-run --shape llama3-8b --grid auto"
		    " --prompt-tokens 2048 -n 128" },
		  { "What if the chip were another",
		    "waferllm run --dry-run --shape llama3-8b --grid 420x420"
		    " --prompt-tokens 4096 -n 2 --set hop_cycles=2"
		    " --set sram=98304" },
		  { "See where the host's time goes",
		    "mpirun -np 4 waferllm --prompt \"A wise man\" -n 40"
		    " --profile" } },
	},
	[VERB_BENCH] = {
		"run one kernel on an emulated wafer",
		"The kernels are gemm, a product of two matrices; gemm-t, of\n"
		"one and another's transpose; gemv, of a vector and a matrix;"
		"\nallreduce, the sum of vectors over the cores of a row; and\n"
		"shift, which moves tiles along rows. The table has a row for"
		"\neach algorithm: its cycles, and which letters of PLMR,"
		" the\ndevice model of WaferLLM, it agrees with: massive"
		" parallelism,\nunequal latency, little memory, few routes.",
		SERIAL_SIGNALS,
		{ DEVICES, FORMATS },
		{ { "Compare algorithms on most of a wafer, without data",
		    "waferllm bench gemm --dry-run --grid 720x720 -m 2048"
		    " --algo all" },
		  { "Run them with data, and check what they compute",
		    "mpirun -np 4 waferllm bench gemm --grid 12x16 -m 256"
		    " --algo all --check" },
		  { "See which algorithms there are",
		    "waferllm bench gemm --algo list" },
		  { "Measure this machine", "mpirun -np 2 waferllm bench host" }
		},
	},
	[VERB_IMPORT] = {
		"make a checkpoint for waferllm",
		"SOURCE is a directory with config.json, safetensors and\n"
		"tokenizer.json, a file .gguf, or a file .bin of llama2.c.\n"
		"The families are Llama, Mistral with full attention, and\n"
		"Qwen2. What a file asks for that is not known is refused by\n"
		"name, and so are weights that are not finite.",
		SERIAL_SIGNALS,
		{ SHAPES, FORMATS },
		{ { "Make a model of random weights, to try sizes",
		    "waferllm import --random shape.json random.h5" } },
	},
	[VERB_INFO] = {
		"show what a checkpoint holds",
		"Of a checkpoint it shows format, origin, shape, totals,\n"
		"tokenizer and a table of tensors. Of waferllm it shows the\n"
		"versions of its libraries, whether ScaLAPACK is among them,\n"
		"which vector instructions it uses on this machine, and where\n"
		"its data are.",
		SERIAL_SIGNALS,
		{ DEFAULT_MODEL },
		{ { "Look at the default model",
		    "waferllm info data/default.h5" } },
	},
	[VERB_DEVICE] = {
		"show the devices that waferllm emulates",
		"The table has a row for each known device. Of one device it\n"
		"shows all numbers that an account is made of: key, value,"
		" unit\nand meaning, who published the number, or how it was"
		" chosen.\nA number that --set changes is marked.",
		SERIAL_SIGNALS,
		{ DEVICES, FORMATS },
		{ { "List the known devices", "waferllm device" },
		  { "See the numbers of one, and where they are from",
		    "waferllm device wse2" } },
	},
	[VERB_SHAPE] = {
		"show the shapes of models that waferllm knows",
		"A shape is what a dry run needs to know of a model. The table"
		"\nhas a row for each known one. Of one shape it shows all"
		" numbers,\nand the bytes of its weights and of a token's keys"
		" and values\nin each element type.",
		SERIAL_SIGNALS,
		{ SHAPES, FORMATS },
		{ { "List the known shapes", "waferllm shape" },
		  { "See the numbers of one", "waferllm shape llama3-8b" } },
	},
};

const char manual_environment[] =
	"waferllm reads no variables of its own, and no file of settings.\n"
	"MPI and HDF5 read theirs. From those of mpirun and of Slurm it\n"
	"learns how many ranks share this host's processors: if they are\n"
	"more, it sets OMPI_MCA_mpi_yield_when_idle to 1, unless it is set.";

const struct manual_item manual_status[] = {
	{ "0", "Done." },
	{ "1", "A fault of the machine: a rank died, a disk is full,\n"
	       "standard output cannot be written." },
	{ "2", "Something that you named is wrong; a line on standard error\n"
	       "says what. With --strict: the device cannot do it." },
	{ "143", "SIGTERM ended it." },
	{ NULL, NULL },
};
