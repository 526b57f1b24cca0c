#!/usr/bin/python3
"""render.py BENCH.json DOCS - puts the figures of a run into DOCS/performance.md, and draws DOCS/performance/*.svg.

What is between `<!-- NAME -->` and `<!-- end -->` of the page is written anew; everything else of it is by hand. A part
that was not measured leaves its place as it is.
"""
import json
import pathlib
import re
import sys

import figures
import goals
import svg
from parts import bits, costs, mixed, overload

NAMES = {"gru-8-64": "GRU 8→64", "gru-64-256": "GRU 64→256", "lstm-8-64": "LSTM 8→64", "rnn-8-64": "RNN 8→64",
         "both-ways": "bidirectional GRU", "two-layers": "2 layers of GRU", "transformer": "Transformer encoder",
         "model": "model"}
PLACE = re.compile(r"(<!-- (?P<name>[a-z]+) -->\n).*?(<!-- end -->)", re.S)


def markdown(head, rows):
    yield "| " + " | ".join(head) + " |"
    yield "|---|" + "---:|" * (len(head) - 1)
    for row in rows:
        yield "| " + " | ".join(str(c).strip() for c in row) + " |"


def picture(name, what):
    return ["", f"![{what}](performance/{name}.svg)"]


def cell_name(cell):
    return f"{NAMES[cell['case']]}, T={cell['steps']}, B={cell['batch']}"


def machine(m):
    versions = ", ".join(f"{name} {version}" for name, version in m["versions"].items() if version)
    yield f"{m['cpu']}, {m['cores']} cores, {', '.join(m['features'])}. {versions}."


def goal_rows(rows):
    return markdown(goals.HEAD, map(goals.cells, rows))


def cell_rows(cells, names):
    """µs of ours, then each peer's with the ratio."""
    def peer(cell, name):
        if name not in cell["us"]:
            return ""
        return f"{figures.text(cell['us'][name]['median'])} ({figures.times(cell['ratio'][name]['median'])})"
    ours, *others = names
    return markdown(["µs a call", "gatecast, median (least … most)", *others],
        [[cell_name(cell), figures.spread(cell["us"][ours]), *(peer(cell, name) for name in others)] for cell in cells])


def speedups(cells, names, title):
    groups = [(cell_name(cell), [cell["ratio"].get(name, {}).get("median") for name in names]) for cell in cells]
    return svg.bars(title, groups, names, figures.times, mark=1)


def layers(result):
    names = ["gatecast", "oneDNN", "ONNX Runtime", "torch eager", "limit"]
    return [*cell_rows(result["cells"], names), *picture("layers", "times as long as gatecast, layer by layer")], {
        "layers": speedups(result["cells"], names[1:3], "They take so many times as long as gatecast")}


def model(result):
    names = ["gatecast", "ONNX Runtime", "torch jit", "torch eager", "limit"]
    return [*cell_rows(result["cells"], names), *picture("model", "times as long as gatecast, the whole model")], {
        "model": speedups(result["cells"], names[1:3], "The whole model: they take so many times as long")}


def training(result):
    names = ["gatecast, training", "gatecast, training, 2 threads", "torch training"]
    return [*cell_rows(result["cells"], names)], {}


def parse(result):
    names = list(next(iter(result.values())))
    return [*markdown(["µs for 240 numbers of", *names],
        [[body, *(figures.spread(us[n]) for n in names)] for body, us in result.items()])], {}


def serve(result):
    lines = []
    for crowd in result["crowds"]:
        lines += [*markdown([f"clients: {crowd['clients']}", "requests a second", "p50 µs", "p99 µs",
            "server's CPU µs a request", "gatecast's rate over its"],
            [[name, *(figures.spread(s[k]) for k in ("rate", "p50_us", "p99_us", "cpu_us")),
              figures.times(crowd["ratio"][name]["median"]) if name in crowd["ratio"] else ""]
             for name, s in crowd["servers"].items()]), ""]
    many = result["crowds"][0]["servers"]
    rates = [(name, [s["rate"]["median"]]) for name, s in many.items()]
    drawn = svg.bars("Requests a second of one core, 64 clients", rates, ["requests a second"], figures.text)
    return [*lines, *picture("serve", "requests a second")], {"serve": drawn}


def start(result):
    return [f"With {result['models']} models in the store: {figures.spread(result['ms'])} ms, of which "
            f"{figures.spread(result['cpu_ms'])} ms are CPU time."], {}


def memory(result):
    return [*markdown(["resident", "MB"], [[name, f"{mb:.1f}"] for name, mb in result["mb"].items()])], {}


def growth(name, rows, label):
    """Time over size, and what it would be if it grew as the last of it does."""
    points = [(n, us["median"]) for n, us in rows]
    plot = svg.Plot(f"Time of a forward pass over {label}", svg.Axis(label, points[0][0], points[-1][0], log=True),
        svg.Axis("µs", *svg.around([us for _, us in points], log=True), log=True))
    plot.line("gatecast", points)
    last, us = points[-1]
    power = 2 if name == "state" else 1
    in_sight = [(n, us * (n / last) ** power) for n, _ in points if us * (n / last) ** power >= plot.y.low]
    plot.line("as the work grows", in_sight, dashed=True)
    return plot.text()


def cost(result):
    sizes = {"batch": "sequences in a call", "length": "steps of a sequence", "state": "units of the state"}
    drawn = {f"cost-{name}": growth(name, result[name], label) for name, label in sizes.items()}
    models = result["models"]["rows"]
    plot = svg.Plot(f"{result['models']['stored']} models in the store, a cache for about {result['models']['cached']}",
        svg.Axis("models asked", 1, models[-1]["asked"], log=True),
        svg.Axis("answers a second", *svg.around([r["rate"] for r in models])))
    plot.line("answers a second", [(r["asked"], r["rate"]) for r in models])
    drawn["cost-models"] = plot.text()
    lines = [line for name, label in sizes.items() for line in picture(f"cost-{name}", f"time over {label}")]
    return [*lines, *picture("cost-models", "answers a second over models asked"), "",
            *markdown(costs.HEAD, map(costs.cells, models))], drawn


def in_company(result):
    return [*markdown(mixed.HEAD, (mixed.cells(result, way) for way in mixed.WAYS))], {}


def overloaded(result):
    most = max(overload.BEYOND)
    plot = svg.Plot("Answers within the objective over arrivals", svg.Axis("times the peak", 0, most),
        svg.Axis("of the peak", 0, 1.1))
    waits = svg.Plot("p99 of admitted requests over arrivals", svg.Axis("times the peak", 0, most),
        svg.Axis("ms", 0, result["objective_ms"] * 1.2))
    text = []
    for one in result["models"]:
        peak, rows, name = one["peak"], one["rows"], f"{one['units']} units"
        plot.line(name, [(r["rate"] / peak, r["goodput"] / peak) for r in rows])
        waits.line(name, [(r["rate"] / peak, r["answered_ms"]["p99"]) for r in rows])
        text += ["", f"{name}:", "", *markdown(overload.HEAD, (overload.cells(r, peak) for r in rows))]
    waits.line("objective", [(0, result["objective_ms"]), (most, result["objective_ms"])], dashed=True)
    return [*text[1:], *picture("overload", "goodput over arrivals"),
        *picture("overload-latency", "latency over arrivals")], {"overload": plot.text(), "overload-latency": waits.text()}


def company(result):
    return [*markdown(bits.HEAD, map(bits.cells, result["runs"]))], {}


PARTS = {"layers": layers, "model": model, "training": training, "parse": parse, "serve": serve, "start": start,
         "memory": memory, "costs": cost, "overload": overloaded, "mixed": in_company, "bits": company}


def main():
    result = json.loads(pathlib.Path(sys.argv[1]).read_text())
    docs = pathlib.Path(sys.argv[2])
    blocks = {"machine": list(machine(result["machine"])), "goals": list(goal_rows(result["goals"]))}
    drawings = {}
    for name, part in result["parts"].items():
        blocks[name], drawn = PARTS[name](part)
        drawings.update(drawn)
    def filled(place):
        name = place["name"]
        return place[1] + "\n".join(blocks[name]) + "\n" + place[3] if name in blocks else place[0]
    page = docs / "performance.md"
    page.write_text(PLACE.sub(filled, page.read_text()))
    (docs / "performance").mkdir(exist_ok=True)
    for name, text in drawings.items():
        (docs / f"performance/{name}.svg").write_text(text)


main()
