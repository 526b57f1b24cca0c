"""mixed.py - sequences of mixed lengths, saturated: the batcher beside padded batching with a window of 5 ms."""
import json
import subprocess

import figures

REQUESTS, HIDDEN, THREADS, ROUNDS = 1000, 256, 1, 3
WAYS = {"gatecast": "gatecast: ticks, who is done leaves", "whole": "all that waits, to its end, not padded",
        "padded": "5 ms of what comes, padded to the longest"}


def measure(place):
    words = map(str, (REQUESTS, HIDDEN, THREADS, ROUNDS))
    return json.loads(subprocess.run([place.programs / "cellular", *words], capture_output=True, text=True, check=True).stdout)


HEAD = ["same kernels, same questions", "requests a second", "× padded", "p50 ms", "p99 ms", "p99, of padded"]


def cells(result, way):
    """Under HEAD."""
    row = result[way]
    return [WAYS[way], figures.text(row["per_s"]), f"{row['throughput_ratio']:.2f}", figures.text(row["p50_ms"]),
            figures.text(row["p99_ms"]), f"{row['p99_ratio']:.2f}"]


def lines(result):
    yield f"{REQUESTS} requests of 5 to 500 steps, log-normal, {HIDDEN} units, one core"
    yield from figures.table(HEAD, [cells(result, way) for way in WAYS])
