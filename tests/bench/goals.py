"""goals.py - what was to be reached, row by row, and what was: a floor that has to be met, and a goal.

A row looks at what the parts measured; a row whose part was not run is left out.
"""
import figures
from parts import overload as overload_part

# For these more is better; the others are costs.
MORE, LESS = "at least", "at most"


def ratios(cells, case, against, steps=None, batches=()):
    """How many times as long the peer (of several the fastest) takes: the least over the cells."""
    found = [min(cell["ratio"][name]["median"] for name in against) for cell in cells
             if cell["case"] == case and steps in (None, cell["steps"]) and cell["batch"] in batches]
    return min(found)


def share_of_peak(cells, case, batches):
    return min(cell["ratio"]["limit"]["median"] for cell in cells if cell["case"] == case and cell["batch"] in batches)


ONE, MANY = (1,), (8, 32, 128)
DNN, ORT, JIT = ["oneDNN"], ["ONNX Runtime"], ["torch jit"]


def layers(result):
    cells = result["cells"]
    at_most_error = max(cell["error"]["gatecast"] for cell in cells if cell["case"] != "transformer")
    yield "GRU 8→64, B=1", "× oneDNN", MORE, 1.8, 2.1, ratios(cells, "gru-8-64", DNN, batches=ONE)
    yield "GRU 8→64, B=1", "× ONNX Runtime", MORE, 2.0, 2.4, ratios(cells, "gru-8-64", ORT, batches=ONE)
    yield "GRU 8→64, B ≥8", "× oneDNN", MORE, 1.4, 1.7, ratios(cells, "gru-8-64", DNN, batches=MANY)
    yield "GRU 8→64, B ≥8", "× ONNX Runtime", MORE, 1.9, 2.3, ratios(cells, "gru-8-64", ORT, batches=MANY)
    yield "GRU 8→64, B ≥8", "of the FMA peak", MORE, None, 0.85, share_of_peak(cells, "gru-8-64", MANY)
    yield "GRU 64→256, B ≥8", "× oneDNN", MORE, 1.05, 1.15, ratios(cells, "gru-64-256", DNN, batches=MANY)
    yield "GRU 64→256, B ≥8", "× ONNX Runtime", MORE, 1.2, 1.35, ratios(cells, "gru-64-256", ORT, batches=MANY)
    yield "GRU 64→256, B ≥8", "of the FMA peak", MORE, None, 0.95, share_of_peak(cells, "gru-64-256", MANY)
    yield "GRU 64→256, B=1", "× the better of both", MORE, 1.0, 1.1, ratios(cells, "gru-64-256", DNN + ORT, batches=ONE)
    yield "LSTM 8→64, B=1", "× ONNX Runtime", MORE, 1.45, 1.7, ratios(cells, "lstm-8-64", ORT, batches=ONE)
    yield "LSTM 8→64, B ≥8", "× ONNX Runtime", MORE, 1.2, 1.4, ratios(cells, "lstm-8-64", ORT, batches=MANY)
    for case, name in (("rnn-8-64", "RNN"), ("both-ways", "bidirectional GRU"), ("two-layers", "2 layers of GRU"),
                       ("transformer", "Transformer encoder")):
        yield f"{name}, B=1 and 32", "× ONNX Runtime", MORE, 1.2, 1.5, ratios(cells, case, ORT, batches=(1, 32))
    yield "accuracy of a layer", "against float64", LESS, 1e-6, 5e-7, at_most_error


def model(result):
    cells = result["cells"]
    for steps, floor, goal in ((30, 3.5, 4.3), (96, 2.6, 3.1)):
        yield f"model, B=1, T={steps}", "× ONNX Runtime", MORE, floor, goal, ratios(cells, "model", ORT, steps, ONE)
    yield "model, B ≥8", "× ONNX Runtime", MORE, 2.0, 2.3, ratios(cells, "model", ORT, batches=MANY)
    yield "model, B ≥8", "× torch jit", MORE, 3.0, 4.0, ratios(cells, "model", JIT, batches=MANY)


def training(result):
    two = []
    for cell, floor, goal in zip(result["cells"], (2.8, 2.4), (3.5, 3.4)):
        two.append(1 / cell["ratio"]["gatecast, training, 2 threads"]["median"])
        yield (f"training step, T={cell['steps']}, one thread", "× torch", MORE, floor, goal,
               cell["ratio"]["torch training"]["median"])
    yield "training step, two threads", "× one thread", MORE, None, 1.8, min(two)


def serve(result, model_us):
    many, one = result["crowds"]
    ours = many["servers"]["gatecast"]
    node, fastapi = (many["ratio"][name]["median"] for name in ("Node + ONNX Runtime", "FastAPI + torch jit"))
    yield "serving, c=64, one core", "× Node + ONNX Runtime", MORE, 3.5, 6, node
    yield "serving, c=64, one core", "× FastAPI raw", MORE, 10, 18, fastapi
    yield "serving, c=64, one core", "requests/s", MORE, None, 30000, ours["rate"]["median"]
    yield "serving, c=64, one core", "CPU µs a request", LESS, None, 30, ours["cpu_us"]["median"]
    if model_us:
        alone, hello = (one["servers"][name]["p50_us"]["median"] for name in ("gatecast", "empty handler"))
        yield "serving, c=1", "p50 beyond hello's, × the model", LESS, 2, 1.3, (alone - hello) / model_us


def parse(result):
    for body, us in result.items():
        share = us["gatecast"]["median"] / us["simdjson"]["median"]
        yield f"parse, {body}", "× simdjson's time", LESS, 1.25, 1.0, share


def start(result):
    yield f"start to ready with {result['models']} models", "ms", LESS, 100, 50, result["ms"]["median"]


def memory(result):
    yield "resident memory, idle, one model", "MB", LESS, 25, 15, result["mb"]["one model"]


def overload(result):
    for model in result["models"]:
        last, work = model["rows"][-1], f"5 × overload, {model['units']} units"
        yield work, "of the peak's goodput", MORE, 0.95, 1.0, last["goodput"] / model["peak"]
        yield work, "admitted p99, of the objective", LESS, 1.0, 1.0, last["answered_ms"]["p99"] / result["objective_ms"]
        yield work, "neither 200, 429 nor 503", LESS, 0, 0, overload_part.lost(last)


def mixed(result):
    ours = result["gatecast"]
    yield "mixed lengths, hidden 256, saturated", "× padded batching", MORE, 2.0, 2.0, ours["throughput_ratio"]
    yield "mixed lengths, hidden 256, saturated", "p99, of padded batching's", LESS, 0.5, 0.5, ours["p99_ratio"]


def costs(result):
    models = result["models"]
    failed = sum(row["failed"] for row in models["rows"])
    work = f"{models['stored']} models in one store, a cache for {models['cached']}"
    yield work, "requests not answered", LESS, 0, 0, failed


def bits(result):
    for run in result["runs"]:
        work = f"{run['requests']:,} requests in random company, {run['threads']} compute threads"
        yield work, "bits that differ", LESS, 0, 0, run["bits"]


def model_alone_us(parts):
    """The time of one forecast, where it was measured."""
    return next((cell["us"]["gatecast"]["median"] for cell in parts.get("model", {}).get("cells", [])
                 if (cell["steps"], cell["batch"]) == (30, 1)), None)


def reached(parts):
    found = []
    for name, rows in (("layers", layers), ("model", model), ("training", training), ("serve", serve), ("parse", parse),
                       ("start", start), ("memory", memory), ("overload", overload), ("mixed", mixed), ("costs", costs),
                       ("bits", bits)):
        if name in parts:
            more = (model_alone_us(parts),) if rows is serve else ()
            found += [judged(name, *row) for row in rows(parts[name], *more)]
    return found


def judged(part, work, against, sense, floor, goal, value):
    def met(limit):
        return value >= limit if sense == MORE else value <= limit
    verdict = "goal" if met(goal) else "floor" if floor is not None and met(floor) else "missed"
    return {"part": part, "work": work, "against": against, "sense": sense, "floor": floor, "goal": goal,
            "reached": value, "met": verdict}


HEAD = ["work", "figure", "floor", "goal", "reached", "met"]


def cells(row):
    """Under HEAD."""
    sign = "≥" if row["sense"] == MORE else "≤"
    floor, goal = ("" if row[k] is None else f"{sign} {figures.text(row[k])}" for k in ("floor", "goal"))
    return [row["work"], row["against"], floor, goal, figures.text(row["reached"]), row["met"]]


def lines(rows):
    return figures.table(HEAD, map(cells, rows))
