/* The text of the manual that the option table does not have. The commands are
 * those of the README, which a test runs. */
#include "config.h"
#include "manual.h"

#define SERIAL_SIGNALS \
	"SIGINT, SIGTERM and SIGHUP end it and leave no partial files."

#define DEFAULT_MODEL \
	{ "default.h5", "The checkpoint that is run by default." }
#define SHAPES \
	{ "shapes/*.json", "Shapes of published models, known by name." }
#define DEVICES \
	{ "devices/*.json", "Devices, known by name." }
#define FORMATS \
	{ "README", "Formats of checkpoints, shapes, devices and reports." }

const struct manual_page manual_page[NVERBS + 1] = {
	[NVERBS] = {
		"emulate LLM inference on a wafer-scale chip",
		"The wafer is a 2-D mesh of many small cores with little\n"
		"memory each and links to their four neighbours only.\n"
		"Every tensor is partitioned into tiles, one per emulated core,"
		"\nand data moves between cores as it would on the wafer.\n"
		"Each MPI rank emulates a rectangle of cores.\n"
		"One run produces the answer, real tokens, and the account:\n"
		"what the wafer would have needed for them in cycles, hops,\n"
		"router paths, memory per core, energy and tokens per second."
		"\n\n"
		"The verb comes first on the command line; without one,\n"
		"waferllm runs a model. Each verb has a manual page.",
		NULL,
		{ DEFAULT_MODEL, SHAPES, DEVICES, FORMATS,
		  { "jobs", "Job scripts; each begins with its usage." },
		  { "analysis", "Scripts for tables and figures." } },
		{ { "Run the default model on four ranks",
		    "mpirun -np 4 waferllm --prompt \"A wise man\" -n 60" },
		  { "Show the contents of a checkpoint",
		    "waferllm info data/default.h5" },
		  { "Show all options of a verb", "waferllm run --help" } },
	},
	[VERB_RUN] = {
		"run a model on an emulated wafer",
		"MODEL.h5 is a checkpoint made by waferllm-import(1); without\n"
		"it, the bundled model is run. The output does not depend on\n"
		"the number of ranks: for a given model and pair of core"
		" grids,\ntokens and logits are bit-identical. If no rank grid"
		" of that\nsize fits, the largest one that fits runs and the"
		" other ranks\nare idle.\n\n"
		"With --dry-run the same code runs without weights, on one\n"
		"process, so that it can account for models and grids of any\n"
		"size. A dry run and a real run of the same request have the\n"
		"same account.",
		"SIGUSR1 ends a real run after the current token, at the"
		" earliest the first:\nthe text so far is printed, the report"
		" is written and says how the run ended,\nand the exit status"
		" is 0.\n"
		"SIGTERM does the same with exit status 143, provided that the"
		" run can end\nwithin 10 s (1 s under mpirun, which then kills"
		" the job); a second SIGTERM ends\nit at once.\n"
		"SIGINT and SIGHUP end it at once and leave no partial"
		" files.",
		{ DEFAULT_MODEL, SHAPES, DEVICES, FORMATS },
		{ { "Run the default model on four ranks",
		    "mpirun -np 4 waferllm --prompt \"A wise man\" -n 60" },
		  { "Sample tokens at random",
		    "mpirun -np 4 waferllm --prompt \"A wise man\" -n 60"
		    " --temperature 0.8 --top-p 0.9 --seed 7" },
		  { "Use 16-bit elements, and write the account to a file",
		    "mpirun -np 4 waferllm --prompt \"A wise man\" -n 60"
		    " --dtype f16 --report account.h5" },
		  { "Account for a model of 8 billion parameters",
		    "waferllm run --dry-run --shape llama3-8b --grid auto"
		    " --prompt-tokens 2048 -n 128" },
		  { "Change numbers of the device",
		    "waferllm run --dry-run --shape llama3-8b --grid 420x420"
		    " --prompt-tokens 4096 -n 2 --set hop_cycles=2"
		    " --set sram=98304" },
		  { "See where the host's time goes",
		    "mpirun -np 4 waferllm --prompt \"A wise man\" -n 40"
		    " --profile" } },
	},
	[VERB_BENCH] = {
		"run one kernel on an emulated wafer",
		"The kernels are gemm, the product of two matrices; gemm-t, of"
		"\na matrix and the transpose of another; gemv, of a vector and"
		"\na matrix; allreduce, the sum of vectors over the cores of a"
		"\nrow; and shift, which moves tiles along rows. The table has"
		"\na row for each algorithm with its cycles and the properties"
		"\nof PLMR, the device model of WaferLLM, that it complies"
		" with:\nmassive parallelism, non-uniform latency, limited"
		" memory,\nlimited routing.",
		SERIAL_SIGNALS,
		{ DEVICES, FORMATS },
		{ { "Compare algorithms on most of a wafer, in a dry run",
		    "waferllm bench gemm --dry-run --grid 720x720 -m 2048"
		    " --algo all" },
		  { "Run them with data, and check the results",
		    "mpirun -np 4 waferllm bench gemm --grid 12x16 -m 256"
		    " --algo all --check" },
		  { "List the algorithms",
		    "waferllm bench gemm --algo list" },
		  { "Measure this machine", "mpirun -np 2 waferllm bench host" }
		},
	},
	[VERB_IMPORT] = {
		"make a checkpoint for waferllm",
		"SOURCE is a directory with config.json, safetensors and\n"
		"tokenizer.json, a .gguf file, or a .bin file of llama2.c.\n"
		"The supported families are Llama, Qwen2, and Mistral with\n"
		"full attention. Unsupported features are refused by name, and"
		"\nso are weights that are not finite.",
		SERIAL_SIGNALS,
		{ SHAPES, FORMATS },
		{ { "Create a model with random weights, to try other sizes",
		    "waferllm import --random shape.json random.h5" } },
	},
	[VERB_INFO] = {
		"show the contents of a checkpoint",
		"For a checkpoint it shows format, origin, shape, totals,\n"
		"tokenizer and a table of tensors. Without an operand, it shows"
		"\nthe versions of waferllm's libraries, whether ScaLAPACK is\n"
		"among them, the vector instructions used on this machine, and"
		"\nthe location of the data folder.",
		SERIAL_SIGNALS,
		{ DEFAULT_MODEL },
		{ { "Show the default model",
		    "waferllm info data/default.h5" } },
	},
	[VERB_DEVICE] = {
		"show the devices that waferllm emulates",
		"Without an operand it lists the known devices. For one device"
		"\nit shows all numbers that accounts are based on: key, value,"
		"\nunit, meaning, and who published the number or how it was\n"
		"chosen. Numbers changed by --set are marked.",
		SERIAL_SIGNALS,
		{ DEVICES, FORMATS },
		{ { "List the known devices", "waferllm device" },
		  { "Show the numbers of one, and their sources",
		    "waferllm device wse2" } },
	},
	[VERB_SHAPE] = {
		"show the shapes of models that waferllm knows",
		"A shape has the dimensions of a model, all that a dry run\n"
		"needs. Without an operand it lists the known shapes. For one\n"
		"shape it shows all numbers, and the bytes of its weights and"
		"\nof a token's keys and values in each element type.",
		SERIAL_SIGNALS,
		{ SHAPES, FORMATS },
		{ { "List the known shapes", "waferllm shape" },
		  { "Show the numbers of one", "waferllm shape llama3-8b" } },
	},
};

const char manual_environment[] =
	"waferllm has no environment variables of its own and no\n"
	"configuration file; MPI and HDF5 read theirs. If, according to the\n"
	"variables of mpirun and Slurm, this host has more ranks than\n"
	"processors, it sets OMPI_MCA_mpi_yield_when_idle to 1, unless that\n"
	"is set.";

const struct manual_item manual_status[] = {
	{ "0", "Success." },
	{ "1", "A fault of the machine: a rank died, a disk is full,\n"
	       "standard output cannot be written." },
	{ "2", "A user error: a wrong option, file or value; a line on\n"
	       "standard error says which. With --strict: the device cannot\n"
	       "do what was asked." },
	{ "143", "Ended by SIGTERM." },
	{ NULL, NULL },
};
