"""model.py - the price predictor, forward: GRU 8→64, additive attention, 5 decode steps."""
import racing

NAMES = ["gatecast", "ONNX Runtime", "torch jit", "torch eager", "limit"]


def measure(place):
    with racing.Race(place, NAMES) as race:
        return {"cells": [race.run("model", steps, batch) for steps in (30, 96) for batch in (1, 8, 32, 128)]}


def lines(result):
    return racing.lines(result["cells"], NAMES)
