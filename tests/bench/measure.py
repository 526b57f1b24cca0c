#!/usr/bin/python3
"""measure.py - runs the parts that were asked for, prints tables, writes one JSON file. run builds, then calls it."""
import argparse
import importlib
import json
import os
import pathlib
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import goals                       # noqa: E402
import machine                     # noqa: E402
import racing                      # noqa: E402

PARTS = ["layers", "model", "training", "parse", "serve", "start", "memory", "costs", "overload", "mixed", "bits"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True, help="JSON; parts that are not run stay as they are")
    parser.add_argument("part", nargs="*", help=", ".join(PARTS))
    asked = parser.parse_args()
    unknown = set(asked.part) - set(PARTS)
    if unknown:
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    return asked


def main():
    asked = arguments()
    os.sched_setaffinity(0, {0})           # children that are measured are moved to other cores
    place = racing.Place(asked.build.resolve(), HERE)
    os.environ["GATECAST"] = str(place.build / "server/gatecast")
    place.write_cases()
    result = json.loads(asked.out.read_text()) if asked.out.exists() else {"parts": {}}
    result["machine"] = machine.describe(place)
    for name in asked.part or PARTS:
        part = importlib.import_module(f"parts.{name}")
        start = time.monotonic()
        result["parts"][name] = part.measure(place)
        print(f"\n{part.__doc__.splitlines()[0].partition(' - ')[2]}\n", *part.lines(result["parts"][name]), sep="\n")
        print(f"({time.monotonic() - start:.0f} s)", flush=True)
        asked.out.write_text(json.dumps(result, indent=1) + "\n")
    result["goals"] = goals.reached(result["parts"])
    asked.out.write_text(json.dumps(result, indent=1) + "\n")
    print("", *goals.lines(result["goals"]), sep="\n")


main()
