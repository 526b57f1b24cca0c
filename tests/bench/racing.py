"""racing.py - runtimes that take turns on one core, on the same weights and inputs.

    race = Race(place, ["gatecast", "oneDNN", "ONNX Runtime"])
    cell = race.run("gru-8-64", steps=30, batch=8)     ─► times, ratios, largest errors

Each is a process that follows racer.h's lines; all but one wait. Answers are compared with PyTorch's in float64
(training: with PyTorch's gradients) before anything is timed, and a runtime whose answer is another one ends the run.
"""
import array
import os
import subprocess

import figures

SAMPLES = 15
SAMPLE_MS = 12
TOLERANCE = 2e-5
CORE = "1"                         # where they race; whoever drives them stays on the other


class Cannot(Exception):
    """A runtime has nothing for a case."""


class Wrong(Exception):
    """An answer differs."""


class Place:
    """Where the programs are, and where files may be put."""

    def __init__(self, build, source):
        self.build, self.source = build, source
        self.programs = build / "tests/bench"
        self.cases = build / "cases"
        self.modules = build / "peers/node_modules"

    def write_cases(self):
        self.cases.mkdir(exist_ok=True)
        subprocess.run([self.programs / "bench_cases", self.cases], check=True)


def command(place, name):
    peers = place.source / "peers"
    torch = ["/usr/bin/python3", peers / "torch_racer.py", place.cases]
    return {
        "gatecast": [place.programs / "gatecast_racer"],
        "gatecast, int8": [place.programs / "gatecast_racer", "--int8"],
        "gatecast, AVX2": ["env", "GATECAST_CPU=avx2", place.programs / "gatecast_racer"],
        "gatecast, training": [place.programs / "gatecast_training_racer", "1"],
        "gatecast, training, 2 threads": [place.programs / "gatecast_training_racer", "2"],
        "limit": [place.programs / "limit_racer"],
        "oneDNN": [place.programs / "onednn_racer"],
        "ONNX Runtime": ["node", peers / "onnxruntime.js", place.cases],
        "torch eager": [*torch, "eager"],
        "torch jit": [*torch, "jit"],
        "torch float64": [*torch, "double"],
        "torch training": [*torch, "train"],
    }[name]


class Racer:
    def __init__(self, place, name):
        self.name = name
        self.item = "d" if name == "torch float64" else "f"
        cores = "0,1" if name.endswith("2 threads") else CORE
        self.process = subprocess.Popen(["taskset", "-c", cores, *command(place, name)], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env={**os.environ, "NODE_PATH": str(place.modules), "OMP_NUM_THREADS": "1"})

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if answer.startswith("no "):
            raise Cannot(f"{self.name}: {answer[3:]}")
        if not answer:
            raise Wrong(f"{self.name} ended at: {line}")
        return answer

    def answer(self, file):
        self.ask(f"answer {file}")
        numbers = array.array(self.item)
        numbers.frombytes(file.read_bytes())
        return numbers

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


def largest_difference(name, got, want):
    if len(got) != len(want):
        raise Wrong(f"{name} answers {len(got)} numbers, not {len(want)}")
    worst = max(abs(a - b) for a, b in zip(got, want))
    if not worst <= TOLERANCE:               # a NaN is not
        raise Wrong(f"{name}'s answer differs by {worst:g}")
    return worst


class Race:
    def __init__(self, place, names, reference="torch float64"):
        self.place = place
        self.racers = [Racer(place, name) for name in names]
        self.reference = reference and Racer(place, reference)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for racer in [*self.racers, *filter(None, [self.reference])]:
            racer.stop()

    def errors(self, order, ready):
        """The largest difference from the reference, for each that answers."""
        if not self.reference:
            return {}
        file = self.place.cases / "answer"
        self.reference.ask(order)
        want = self.reference.answer(file)
        got = {racer.name: racer.answer(file) for racer in ready if racer.name != "limit"}
        return {name: largest_difference(name, numbers, want) for name, numbers in got.items()}

    def prepare(self, order):
        ready = []
        for racer in self.racers:
            try:
                racer.ask(order)
                ready.append(racer)
            except Cannot:
                pass
        return ready

    def run(self, case, steps, batch, samples=SAMPLES, sample_ms=SAMPLE_MS):
        order = f"prepare {case} {steps} {batch}"
        ready = self.prepare(order)
        errors = self.errors(order, ready)
        taken = {racer.name: [] for racer in ready}
        for _ in range(samples):
            for racer in ready:
                taken[racer.name].append(float(racer.ask(f"time {sample_ms}")))
        ours = ready[0].name
        return {
            "case": case, "steps": steps, "batch": batch,
            "us": {name: figures.summary(us) for name, us in taken.items()},
            "ratio": {name: figures.ratio(us, taken[ours]) for name, us in taken.items() if name != ours},
            "error": errors,
        }


def lines(cells, names):
    """A table of cells: microseconds of each, and how many times as long as ours they take."""
    rows = []
    for cell in cells:
        us, ratios = cell["us"], cell["ratio"]
        rows.append([f"{cell['case']}, T={cell['steps']}, B={cell['batch']}"]
            + [figures.spread(us[n]) if n in us else "" for n in names]
            + [figures.times(ratios[n]["median"]) if n in ratios else "" for n in names[1:]])
    return figures.table(["µs a call, median (least … most)", *names, *[f"{n} / ours" for n in names[1:]]], rows)
