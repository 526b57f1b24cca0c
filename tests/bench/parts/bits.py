"""bits.py - the answers to a million requests of random lengths, in random company, beside those given alone."""
import json
import os
import subprocess

import figures

HEAD = ["compute threads", "requests", "sequences", "together, mean", "bits that differ"]


def measure(place):
    command = ["taskset", "-c", f"0-{os.cpu_count() - 1}", place.programs / "bits"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode not in (0, 1) or not run.stdout:
        raise RuntimeError(run.stderr)
    return {"runs": [json.loads(line) for line in run.stdout.splitlines()]}


def cells(run):
    """Under HEAD."""
    return [str(run["threads"]), f"{run['requests']:,}", f"{run['sequences']:,}", f"{run['together']:.1f}", f"{run['bits']:,}"]


def lines(result):
    return figures.table(HEAD, map(cells, result["runs"]))
