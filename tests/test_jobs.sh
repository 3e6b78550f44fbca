#!/usr/bin/env bash
# The job scripts without a Slurm: what Slurm tells a script stands in the
# environment, and srun runs its step on one rank. No task does nothing, none
# does another's work, and no report takes another's place.
set -eu
# shellcheck source=tests/common.sh
. "$WAFERLLM_SRCDIR/tests/common.sh"

jobs=$WAFERLLM_SRCDIR/jobs
mkdir "$scratch/bin" "$scratch/work" "$scratch/a" "$scratch/b"
cd "$scratch/work"
export WAFERLLM REPORTS=$scratch/work/all
export SLURM_SUBMIT_DIR=$PWD SLURM_JOB_ID=11 SLURM_ARRAY_JOB_ID=10
export GRIDS='20x20 30x30' SHAPE=qwen2.5-1.5b

# srun FLAGS... PROGRAM ARGUMENTS...: the step on one rank, its ranks in steps.
cat >"$scratch/bin/srun" <<'END'
#!/usr/bin/env bash
while [ $# -gt 0 ]; do
	case $1 in
	-n) echo "$2" >>"$REPORTS/steps"; shift 2 ;;
	-N) shift 2 ;;
	-*) shift ;;
	*) exec "$@" ;;
	esac
done
END
chmod +x "$scratch/bin/srun"
PATH=$scratch/bin:$PATH

# script STATUS NAME ARGUMENTS...: a job of that script.
script() {
	local expected=$1 name=$2 status=0
	shift 2
	timeout 60 bash "$jobs/$name.slurm" "$@" </dev/null >"$out" \
		2>"$err" || status=$?
	same "status of $name $*" "$expected" "$status"
	[ $status = "$expected" ] || fail "$name $*" "$out" "$err"
}

# task STATUS ID ARGUMENTS...: of a sweep.
task() {
	local status=$1
	export SLURM_ARRAY_TASK_ID=$2
	shift 2
	script "$status" sweep --quiet "$@"
}

# first_in OBJECT KEY FILE: of a .json report, the first after OBJECT begins.
first_in() {
	sed -n "/\"$1\": {/,\$s/^ *\"$2\": \"\{0,1\}\([^\",]*\).*/\1/p" "$3" |
		head -n 1
}

# pairs: SHAPE DEVICE ROWS of all reports in the folder, by what they hold.
pairs() {
	local file
	for file in "$REPORTS"/*.json; do
		[ ! -e "$file" ] || echo "$(value source "$file")" \
			"$(first_in device name "$file")" \
			"$(first_in grids rows "$file")"
	done | sort | xargs
}

# Whatever a task is submitted with, task i does pair i.
test_tasks() {
	local id
	local -a done_by=('wse2 20' 'wse2 30' 'wse3 20' 'wse3 30')
	for id in 0 1 2 3; do
		rm -rf "$REPORTS"
		SLURM_ARRAY_TASK_COUNT=1 SLURM_ARRAY_TASK_MIN=$id \
			SLURM_ARRAY_TASK_MAX=$id task 0 $id
		same "task $id alone" "$SHAPE ${done_by[id]}" "$(pairs)"
		rm -rf "$REPORTS"
		SLURM_ARRAY_TASK_COUNT=4 SLURM_ARRAY_TASK_MIN=1 \
			SLURM_ARRAY_TASK_MAX=4 task 0 $id
		same "task $id of four" "$SHAPE ${done_by[id]}" "$(pairs)"
	done
	# Three pairs have no report, and are named.
	holds 'what is missing' \
		'3 of 4 pairs: wse2 20x20, wse2 30x30, wse3 20x20' "$err"
	holds 'what is missing' "REPORTS=$REPORTS sbatch --array=0-2" "$err"
	task 0 1
	holds 'a gap' 'sbatch --array=0,2' "$err"
	task 0 0
	task 0 2
	same 'words of the last task' '' "$(cat "$err")"
}

test_no_work() {
	rm -rf "$REPORTS"
	SLURM_ARRAY_TASK_COUNT=1 task 2 7
	holds 'task 7 of 4' 'task 7 has nothing to do' "$err"
	holds 'task 7 of 4' 'sbatch --array=0-3' "$err"
	PAIRS=3 task 2 2
	holds 'task 2 of 2' 'sbatch --array=0-1' "$err"
	PAIRS=0 task 2 0
	holds 'no pairs a task' "PAIRS is '0'" "$err"
	GRIDS=' ' task 2 0
	holds 'no grids' 'no pairs' "$err"
	task 2 ''
	holds 'no task' 'no task of an array: sbatch --array=0-3' "$err"
	for option in --grid --device=wse3 --shape --report=x.json; do
		task 2 0 $option
		holds "$option" "$option: set " "$err"
	done
	[ ! -e "$REPORTS" ] || fail 'a task without work makes a folder'
	# The second of two pairs is done although the first fails.
	GRIDS='0x3 20x20' DEVICES=wse2 PAIRS=2 task 2 0
	same 'after one that fails' "$SHAPE wse2 20" "$(pairs)"
	holds 'one that fails' '1 of 2 pairs: wse2 0x3' "$err"
	PAIRS=3 task 0 1
	same 'the last task of two' "$SHAPE wse2 20 $SHAPE wse3 30" "$(pairs)"
}

# count WHAT NUMBER: of reports.
count() {
	same "reports of $1" "$2" "$(find "$REPORTS" -name '*.json' |
		grep -c .)"
}

# Reports of different runs, in one folder.
test_names() {
	rm -rf "$REPORTS"
	export DEVICES=wse2 GRIDS=20x20
	task 0 0
	SHAPE=llama2-7b task 0 0
	task 0 0 --dtype f32
	task 0 0 --kv concat
	task 0 0 --kv concat --dtype f32
	task 0 0 --set clock=900
	count 'shapes and options' 6
	task 0 0 --dtype f32 # again
	count 'the same once more' 6
	# Files of one name in two folders, and one that is edited.
	sed 's/"wse2"/"mine"/' "$WAFERLLM_SRCDIR/data/devices/wse2.json" \
		>"$scratch/a/my.json"
	cp "$WAFERLLM_SRCDIR/data/devices/wse3.json" "$scratch/b/my.json"
	DEVICES="$scratch/a/my.json $scratch/b/my.json" PAIRS=2 task 0 0
	count 'two files of one name' 8
	cp "$scratch/b/my.json" "$scratch/a/my.json"
	DEVICES=$scratch/a/my.json task 0 0
	count 'an edited file' 9
	unset DEVICES
}

# The scaling studies: two jobs in one folder, and rounds that are none.
test_studies() {
	rm -rf "$REPORTS"
	random_model small 1 "$gqa_keys" 200
	export WIDTH=64 LAYERS=1 SIDE=2 ROUNDS=1 SLURM_NTASKS=3 SLURM_NNODES=1
	export SHAPE=$scratch/small.json
	script 0 strong -n 2
	same 'steps of strong' '1 2 3' "$(xargs <"$REPORTS/steps")"
	SLURM_JOB_ID=12 script 0 strong -n 2 --dtype bf16
	count 'strong, two jobs' 6
	script 0 weak -n 2
	holds 'weak on 3 ranks' 'the largest run has 1' "$err"
	SLURM_JOB_ID=12 script 0 weak -n 2 --dtype bf16
	count 'strong and weak, two jobs' 8
	same 'models of weak' 2 "$(find "$REPORTS" -name '*.h5' | grep -c .)"
	for name in strong weak; do
		ROUNDS=0 script 2 $name
		holds "$name without rounds" "ROUNDS is '0'" "$err"
		script 2 $name -n 2 --report one.json
		holds "$name into one report" 'set REPORTS' "$err"
		# A step that fails ends the job.
		script 2 $name -n 0
	done
	same 'models of weak' 2 "$(find "$REPORTS" -name '*.h5' | grep -c .)"
}

# bench.sh takes away its own reports alone.
test_bench() {
	local reports=$scratch/work/bench/reports
	mkdir -p "$reports"
	echo '{"year": 2024}' >"$reports/2024.json"
	echo '{"a": 1}' >"$reports/7.json"
	printf '{\n  "format": "waferllm report",\n}\n' >"$reports/0042.json"
	WAFERLLM_MPIRUN=false BENCH_SHAPE=none "$jobs/bench.sh" "$WAFERLLM" \
		bench </dev/null >"$out" 2>"$err" && fail 'bench.sh, no shape'
	same 'what bench.sh leaves' '2024.json 7.json' \
		"$(find "$reports" -type f -printf '%f\n' | sort | xargs)"
}

test_tasks
test_no_work
test_names
test_studies
test_bench
finish
