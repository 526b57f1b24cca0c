"""parse.py - 240 numbers of a JSON array, beside simdjson, jansson and strtod."""
import json
import subprocess

import figures
import racing


def measure(place):
    command = ["taskset", "-c", racing.CORE, place.programs / "parse", "--json"]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = {}
    for row in map(json.loads, out.splitlines()):
        figure = {"median": row["us"], "min": row["min"], "max": row["max"]}
        rows.setdefault(row["row"].removeprefix("parse, "), {})[row["peer"]] = figure
    return rows


def lines(result):
    names = list(next(iter(result.values())))
    return figures.table(["µs for 240 numbers of", *names],
        [[body, *[figures.spread(us[n]) for n in names]] for body, us in result.items()])
