"""Accounts of waferllm: each asked for is made once, two at a time."""
import json
import os
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor

from published import lifted_context

JOBS = 2
SECONDS = 600  # after which a run has failed


class RunError(Exception):
    """A run that gave no report, in one line."""


def find_program(named):
    """Path of waferllm: as named, in the tree this file lies in (as it is
    built or as it is installed), or in the PATH. None: there is none."""
    if named:
        return shutil.which(named)
    top = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    places = [os.path.join(top, "waferllm"),
              os.path.join(top, "build", "waferllm")]
    prefix, share = os.path.split(os.path.dirname(top))
    if share == "share":
        places = [os.path.join(prefix, "bin", "waferllm")]
    found = (shutil.which(path) for path in [*places, "waferllm"])
    return next((path for path in found if path), None)


def error_line(said):
    """The line of a failed run's standard error that tells why: the program's
    own last one; else the first that is no ruler, for Open MPI begins with the
    cause and goes on with what may follow from it."""
    lines = [line.strip() for line in said.splitlines()
             if any(map(str.isalnum, line))]
    own = [line for line in lines if line.startswith("waferllm: ")]
    return own[-1] if own else lines[0] if lines else "no reason given"


def make_report(program, arguments, path):
    """The report of one run on one process, as a dict; path is scratch.
    Nothing else knows how a run is made."""
    command = [program, *arguments, "--dry-run", "--quiet", "--report", path]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True,
                              timeout=SECONDS, check=False)
        if done.returncode == 0:
            with open(path, encoding="utf-8") as file:
                return json.load(file)
        why = f"status {done.returncode}: {error_line(done.stderr)}"
    except subprocess.TimeoutExpired:
        why = f"not done after {SECONDS} s"
    except (OSError, ValueError) as error:
        why = str(error)
    raise RunError(f"{' '.join(command[:-3])}: {why}")


class Runs:
    """Futures of reports. Leaving its with block drops what is not begun."""

    def __init__(self, program):
        self._program = program
        self._made = {}

    def __enter__(self):
        self._scratch = tempfile.TemporaryDirectory()
        self._pool = ThreadPoolExecutor(JOBS)
        return self

    def __exit__(self, *unused):
        self._pool.shutdown(cancel_futures=True)
        self._scratch.cleanup()

    def _start(self, arguments):
        if arguments not in self._made:
            path = os.path.join(self._scratch.name,
                                f"{len(self._made)}.json")
            self._made[arguments] = self._pool.submit(
                make_report, self._program, list(arguments), path)
        return self._made[arguments]

    def count(self):
        """Runs asked for so far."""
        return len(self._made)

    def request(self, model, prompt, new, prefill_grid, decode_grid,
                full_heads=True, system="waferllm"):
        """A request of prompt and new tokens on a WSE-2. full_heads:
        attention as one head of the model's full width."""
        arguments = ("run", "--shape", model, "--device", "wse2",
                     "--system", system,
                     "--prefill-grid", prefill_grid,
                     "--decode-grid", decode_grid,
                     "--prompt-tokens", str(prompt), "-n", str(new))
        if full_heads:
            arguments += ("--kv-heads-full",)
        context = lifted_context(model, prompt + new)
        if context:
            arguments += ("--context", str(context))
        return self._start(arguments)

    def bench(self, kernel, grid, device, m=None, k=None, n=None, hops=None,
              groups=None, words=None, algo=None):
        """One kernel or move; sizes in elements. algo: names with commas
        between, or all; None: our own."""
        arguments = ("bench", kernel, "--grid", grid, "--device", device)
        for name, value in (("-m", m), ("-k", k), ("-n", n),
                            ("--hops", hops), ("--groups", groups),
                            ("--words", words), ("--algo", algo)):
            if value is not None:
                arguments += (name, str(value))
        return self._start(arguments)


def bench_results(future):
    """The results of a bench, a dict for each algorithm."""
    return future.result()["results"]


def bench_result(future):
    """The first or only result."""
    return bench_results(future)[0]


def watts(report):
    """The power of the report's device."""
    return float(report["device"]["numbers"]["power"]["value"])
