"""Tests and times keops on the NVIDIA GPU of this machine, against pykeops where that works. Part of a folder made by
`cargo xtask gpu-bundle`; needs a driver and Python with numpy.

    python3 run.py [--quick] [--no-tests] [--no-times] [--profile] [--repeats 7] [--only gaussian] [--output results.json]

First the tests, then each workload: both sides compute it once, the results are compared with plain loops in float64
on a sample of rows, and the sides take turns, so that whatever else the machine does hits both. All times are of calls
with arrays of the host: they include the copies there and back. pykeops compiles its kernels with a C++ compiler, the
headers of Python and those of a CUDA toolkit (CUDA_HOME); where something is missing, the results say what it said,
and have times of keops alone. A run that is ended early leaves the results that it has. With --profile, the kernels of
the workloads run once more below Nsight Compute (ncu), whose text goes to profile.txt beside the results.
"""

import argparse
import datetime
import json
import lzma
import os
import pathlib
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
# Largest differences to plain loops that pass, relative to the sum of the terms' absolute values.
BOUNDS = {"float32": 1e-5, "float64": 1e-12}
# pykeops' default sums lose digits of long sums; that is written down, and no reason not to time them.
SLACK = {"keops": 1, "pykeops": 1000}
CHECKED_ROWS = 20
# Sections of ncu that say what a kernel waits for.
PROFILED = ["SpeedOfLight", "ComputeWorkloadAnalysis", "SchedulerStats", "WarpStateStats", "Occupancy", "LaunchStats"]
# A side that takes longer than this for the warm-up is timed fewer times.
LONG = 10.0
# Seconds after which a test program is ended.
TEST_LIMIT = 600

GAUSSIAN = "Exp(-G*SqDist(X,Y))*B"
# name: formula, aliases (with the dimension as D), reduction and its number, in KeOps' words
FORMULAS = {
    "gaussian": (GAUSSIAN, ["G=Pm(1)", "X=Vi(D)", "Y=Vj(D)", "B=Vj(1)"], "Sum", None),
    "gradient": (f"Grad({GAUSSIAN},X,E)", ["G=Pm(1)", "X=Vi(D)", "Y=Vj(D)", "B=Vj(1)", "E=Vi(1)"], "Sum", None),
    "soft_minimum": ("-G*SqDist(X,Y)", ["G=Pm(1)", "X=Vi(D)", "Y=Vj(D)"], "LogSumExp", None),
    "nearest": ("SqDist(X,Y)", ["X=Vi(D)", "Y=Vj(D)"], "ArgKMin", 10),
}
# name, dimension, element type, targets, sources
WORKLOADS = [
    ("gaussian", 3, "float32", 10_000, 10_000),
    ("gaussian", 3, "float32", 100_000, 100_000),
    ("gaussian", 3, "float32", 1_000_000, 1_000_000),
    ("gaussian", 3, "float64", 10_000, 10_000),
    ("gaussian", 3, "float64", 100_000, 100_000),
    ("gaussian", 10, "float32", 100_000, 100_000),
    ("gaussian", 64, "float32", 100_000, 100_000),
    ("gradient", 3, "float32", 100_000, 100_000),
    ("gradient", 3, "float64", 100_000, 100_000),
    ("soft_minimum", 3, "float32", 100_000, 100_000),
    ("soft_minimum", 3, "float64", 100_000, 100_000),
    ("nearest", 3, "float32", 100_000, 100_000),
    ("gaussian", 3, "float32", 100, 10_000_000),
    ("gaussian", 3, "float32", 1_000, 10_000_000),
    ("nearest", 3, "float32", 10_000, 1_000_000),
]
QUICK = [(name, dim, element, min(n, 30), min(m, 200)) for name, dim, element, n, m in WORKLOADS]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny sizes: whether all works, and no times to be quoted")
    parser.add_argument("--no-tests", action="store_true", help="times alone")
    parser.add_argument("--no-times", action="store_true", help="tests alone")
    parser.add_argument("--profile", action="store_true", help="what ncu says about the kernels of keops, too")
    parser.add_argument("--repeats", type=int, default=7, help="runs of each side; the median counts")
    parser.add_argument("--only", default="", help="workloads whose name contains this")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("results.json"))
    options = parser.parse_args()
    if options.profile and not shutil.which("ncu"):
        parser.error("--profile needs ncu on the path")

    now = datetime.datetime.now(datetime.timezone.utc)
    report = {"date": now.isoformat(timespec="seconds"), "quick": options.quick}
    report["bundle"] = json.loads((HERE / "bundle.json").read_text())
    report["machine"] = machine()
    report |= {"tests": [], "keops": {}, "pykeops": {}, "workloads": [], "first_call": None}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to end"))
    try:
        with tempfile.TemporaryDirectory() as folder:
            if not options.no_tests:
                tests(report["tests"], options.quick, pathlib.Path(folder))
            if not options.no_times:
                measure(report, options, pathlib.Path(folder))
            if options.profile:
                profile(options, pathlib.Path(folder))
    finally:
        report["nvidia_smi_after"] = nvidia_smi()
        options.output.write_text(json.dumps(report, indent=1) + "\n")
        print(f"written: {options.output}")
    wrong = "error" in report["keops"] or any("error" in workload["keops"] for workload in report["workloads"])
    sys.exit(wrong or any(test["exit_code"] for test in report["tests"]))


def machine():
    return {
        "nvidia_smi": nvidia_smi(),
        "system": platform.platform(),
        "processors": os.cpu_count(),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }


def nvidia_smi():
    """Device, driver and clocks; what went wrong, where there is no such program."""
    fields = "name,driver_version,compute_cap,memory.total,clocks.sm,clocks.mem,clocks.max.sm,power.draw"
    try:
        command = ["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader"]
        values = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        return {"error": str(error)}
    return dict(zip(fields.split(","), (value.strip() for value in values.splitlines()[0].split(","))))


def unpacked(packed, folder):
    """A program of the bundle, in a folder where it can run."""
    program = folder / packed.stem
    with lzma.open(packed) as source, open(program, "wb") as target:
        shutil.copyfileobj(source, target)
    program.chmod(0o755)
    return program


def tests(results, quick, folder):
    """Runs the test programs, of which there must be some, and appends their exit codes and the lines that say how many
    passed."""
    environment = os.environ | ({"KEOPS_TEST_SIZES": "small"} if quick else {})
    programs = sorted(HERE.glob("tests/*"))
    if not programs:
        # nothing that was tested is no success, and no reason not to measure
        results.append({"name": "none", "exit_code": "there are no test programs in tests/", "summary": []})
        print(results[-1]["exit_code"], flush=True)
    for packed in programs:
        program = unpacked(packed, folder)
        start = time.perf_counter()
        with open(folder / "output", "w+") as output:
            try:
                run = subprocess.run([program], stdout=output, stderr=output, env=environment, timeout=TEST_LIMIT)
                code = run.returncode
            except subprocess.TimeoutExpired:
                code = f"none after {TEST_LIMIT} s"
            output.seek(0)
            text = output.read()
        lines = [line for line in text.splitlines() if line.startswith("test result:")]
        result = {"name": program.name, "exit_code": code, "summary": lines}
        result["seconds"] = round(time.perf_counter() - start, 3)
        if code:
            result["output"] = text[-8000:]
        print(f"tests of {program.name}, {result['seconds']} s: {' '.join(lines) or text[-500:]}", flush=True)
        results.append(result)
        program.unlink()


class Side:
    """A process that computes on request: one line of JSON for each request and each answer."""

    def __init__(self, command, **environment):
        self.messages = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.messages,
            text=True,
            env=os.environ | environment,
        )

    def ask(self, request, **more):
        try:
            print(json.dumps({"request": request} | more), file=self.process.stdin, flush=True)
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            code = self.process.wait()
            self.messages.seek(0)
            raise RuntimeError(f"the process ended with {code}: {self.messages.read()[-3000:]}")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def end(self):
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass  # it has ended, which is what is wanted
        self.process.wait()
        self.process.stdout.close()
        self.messages.close()


def start_keops(program, **environment):
    side = Side([program], **environment)
    side.ask("open")
    return side


def start_pykeops(folder):
    """pykeops with its defaults, on a cache of its own."""
    environment = {"KEOPS_CACHE_FOLDER": str(folder / "pykeops")}
    (folder / "pykeops").mkdir()
    paths = [str(HERE / "site"), os.environ.get("PYTHONPATH")]
    environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    compiler = shutil.which("nvcc")
    toolkit = os.environ.get("CUDA_HOME") or os.environ.get("CUDA_PATH")
    if not toolkit and compiler:
        toolkit = environment["CUDA_HOME"] = str(pathlib.Path(compiler).resolve().parent.parent)
    if toolkit:
        # where the loader, the linker and the C++ compiler look, of which pykeops knows the last only
        def before(variable, folder):
            paths = [str(pathlib.Path(toolkit, folder)), os.environ.get(variable)]
            environment[variable] = os.pathsep.join(path for path in paths if path)

        before("LD_LIBRARY_PATH", "lib64")
        before("LIBRARY_PATH", "lib64")
        before("CPATH", "include/cccl")
    return Side([sys.executable, HERE / "pykeops_side.py"], **environment)


def measure(report, options, folder):
    """Fills in the versions, the workloads and the first calls."""
    sides = {}
    bench = unpacked(HERE / "keops_bench.xz", folder)
    for name, start in [("keops", lambda: start_keops(bench)), ("pykeops", lambda: start_pykeops(folder))]:
        try:
            sides[name] = start()
            report[name] = sides[name].ask("versions")
        except RuntimeError as error:
            report[name] = {"error": str(error)}
            sides.pop(name, None)
            print(f"{name} does not work here: {error}")
    for workload in QUICK if options.quick else WORKLOADS:
        if options.only in workload[0]:
            report["workloads"].append(measure_one(workload, sides, options.repeats, folder))
    for side in sides.values():
        side.end()
    report["first_call"] = first_calls(bench, folder, options.quick) if "keops" in sides else None


def profile(options, folder):
    """Writes what Nsight Compute says about the first kernel of each workload that is not of the call which opens."""
    bench = folder / "keops_bench"
    bench = bench if bench.exists() else unpacked(HERE / "keops_bench.xz", folder)
    command = ["ncu", "--clock-control", "none", "--kill", "yes", "--launch-skip", "1", "--launch-count", "1"]
    for section in PROFILED:
        command += ["--section", section]
    with open(options.output.with_name("profile.txt"), "w") as output:
        for workload in QUICK if options.quick else WORKLOADS:
            name, dim, element, n, m = workload
            # a kernel runs many times below ncu
            workload = (name, dim, element, min(n, 1_000_000), min(m, max(1000, 10**11 // n)))
            if options.only not in name:
                continue
            files = written(inputs(workload), folder)
            load = {"request": "load", "workload": name, "dim": dim, "element": element, "files": files}
            requests = [{"request": "open"}, load, {"request": "time"}]
            text = "".join(json.dumps(request) + "\n" for request in requests)
            run = subprocess.run([*command, bench], input=text, capture_output=True, text=True)
            print(f"==== {workload}\n{run.stdout}\n{run.stderr}", file=output, flush=True)
            print(f"profiled: {workload}", flush=True)


def written(arrays, folder):
    """The files with the arrays of a workload."""
    paths = []
    for variable, array in arrays.items():
        paths.append(str(folder / f"{variable}.bin"))
        array.tofile(paths[-1])
    return paths


def inputs(workload):
    """The arrays of a workload, the same ones every time, in the order of its variables."""
    name, dim, element, n, m = workload
    random = np.random.default_rng(1)
    rows = {"Pm": 1, "Vi": n, "Vj": m}
    arrays = {}
    for alias in FORMULAS[name][1]:
        variable, declaration = alias.split("=")
        kind, width = declaration.rstrip(")").split("(")
        shape = (rows[kind], dim if width == "D" else int(width))
        arrays[variable] = random.random(shape, dtype=element)
    if "G" in arrays:
        # of the size at which all terms matter
        arrays["G"][:] = 2.0 / dim
    return arrays


def measure_one(workload, sides, repeats, folder):
    name, dim, element, n, m = workload
    formula, aliases, reduction, number = FORMULAS[name]
    arrays = inputs(workload)
    paths = written(arrays, folder)
    ours = {"workload": name, "dim": dim, "element": element, "files": paths}
    shapes = [array.shape for array in arrays.values()]
    files = [{"path": path, "rows": rows, "dim": width} for path, (rows, width) in zip(paths, shapes)]
    theirs = {"formula": formula, "reduction": reduction, "element": element, "files": files, "backend": "GPU"}
    theirs["aliases"] = [alias.replace("(D)", f"({dim})") for alias in aliases]
    if number:
        theirs["opt_arg"] = number
    result = {"workload": name, "dim": dim, "element": element, "targets": n, "sources": m}
    result |= {side: {} if side in sides else {"error": "does not work here"} for side in ("keops", "pykeops")}
    expected = None
    for side, request in [("keops", ours), ("pykeops", theirs)]:
        if side not in sides:
            continue
        try:
            sides[side].ask("load", **request)
            warm = sides[side].ask("time")["seconds"]
            sides[side].ask("save", path=str(folder / "result.bin"))
            kind = np.uint32 if name == "nearest" else np.dtype(element)
            found = np.fromfile(folder / "result.bin", dtype=kind).reshape(n, -1)
            expected = expected or oracle(name, arrays, n)
            error = largest_error(name, arrays, found, *expected)
            result[side] |= {"warm_up": warm, "largest_error": error, "seconds": []}
            if not error <= BOUNDS[element] * SLACK[side]:
                result[side]["error"] = f"wrong by {error:.1e}"
        except RuntimeError as error:
            result[side]["error"] = str(error)
    timed = [side for side in sides if "error" not in result[side]]
    longest = max((result[side]["warm_up"] for side in timed), default=0.0)
    for _ in range(repeats if longest < LONG else 3):
        for side in timed:
            result[side]["seconds"].append(sides[side].ask("time")["seconds"])
            if side == "keops":
                # without the copies, which pykeops has to make
                seconds = sides[side].ask("time", on_device=True)["seconds"]
                result[side].setdefault("seconds_on_device", []).extend([seconds] if seconds else [])
    print(line(result, timed), flush=True)
    return result


def line(result, timed):
    text = "{workload} D={dim} {element} {targets} x {sources}:".format(**result)
    for side in ("keops", "pykeops"):
        if side in timed:
            median = result[side]["median"] = statistics.median(result[side]["seconds"])
            pairs = result["targets"] * result["sources"] / median / 1e9
            text += f"  {side} {median * 1e3:.3f} ms, {pairs:.1f} Gpairs/s, error {result[side]['largest_error']:.0e}"
            if resident := result[side].get("seconds_on_device"):
                text += f" (on the device {statistics.median(resident) * 1e3:.3f} ms)"
        else:
            text += f"  {side}: {result[side]['error'][:200]}"
    if len(timed) == 2:
        result["times_as_fast"] = result["pykeops"]["median"] / result["keops"]["median"]
        text += f"  {result['times_as_fast']:.2f} times as fast"
    return text


def oracle(name, arrays, n):
    """A sample of rows, what plain loops in float64 give there, and the size to which errors are relative."""
    rows = np.unique(np.linspace(0, n - 1, CHECKED_ROWS).astype(int))
    values, sizes = [], []
    wide = {variable: array.astype(np.float64) for variable, array in arrays.items()}
    for i in rows:
        difference = wide["X"][i] - wide["Y"]
        distance = (difference**2).sum(axis=1)
        if name == "nearest":
            values.append(np.sort(np.partition(distance, min(9, len(distance) - 1))[:10]))
            sizes.append(np.maximum(values[-1], 1e-30))
            continue
        kernel = np.exp(-wide["G"][0, 0] * distance)
        if name == "soft_minimum":
            values.append(np.log(kernel.sum(keepdims=True)))
            sizes.append(np.maximum(np.abs(values[-1]), 1.0))
            continue
        terms = (kernel * wide["B"][:, 0])[:, None]
        if name == "gradient":
            terms = -2 * wide["G"][0, 0] * wide["E"][i, 0] * terms * difference
        values.append(terms.sum(axis=0))
        sizes.append(np.abs(terms).sum(axis=0))
    return rows, np.array(values), np.array(sizes)


def largest_error(name, arrays, found, rows, values, sizes):
    found = found[rows]
    if name == "nearest":
        if found.max() >= len(arrays["Y"]):
            return float("inf")
        # other neighbours at the same distance are as good
        neighbours = arrays["Y"][found.astype(int)].astype(np.float64)
        found = ((arrays["X"][rows].astype(np.float64)[:, None] - neighbours) ** 2).sum(axis=2)
    return float(np.max(np.abs(found - values) / sizes))


def first_calls(bench, folder, quick):
    """Seconds of the first call of a formula in fresh processes, whose driver is ready: the driver compiles the kernel,
    or finds it in its cache."""
    workload = ("gaussian", 3, "float32", 30, 200) if quick else ("gaussian", 3, "float32", 10_000, 10_000)
    paths = written(inputs(workload), folder)
    seconds = {"workload": workload}
    for name, environment in [("compiled", {"CUDA_CACHE_DISABLE": "1"}), ("cached", {})]:
        seconds[name] = []
        for _ in range(5):
            side = start_keops(bench, **environment)
            side.ask("load", workload="gaussian", dim=3, element="float32", files=paths)
            seconds[name].append(side.ask("time")["seconds"])
            side.end()
        print(f"first call, {name}: {statistics.median(seconds[name]) * 1e3:.3f} ms", flush=True)
    return seconds


if __name__ == "__main__":
    main()
