"""layers.py - single layers and small networks against oneDNN, ONNX Runtime and PyTorch."""
import racing

NAMES = ["gatecast", "oneDNN", "ONNX Runtime", "torch eager", "limit"]
CELLS = [
    *[("gru-8-64", steps, batch) for steps in (30, 96) for batch in (1, 8, 32, 128)],
    *[("gru-64-256", 96, batch) for batch in (1, 8, 32)],
    *[("lstm-8-64", 30, batch) for batch in (1, 8, 32)],
    *[(case, 30, batch) for case in ("rnn-8-64", "both-ways", "two-layers", "transformer") for batch in (1, 32)],
]


def measure(place):
    with racing.Race(place, NAMES) as race:
        return {"cells": [race.run(*cell) for cell in CELLS]}


def lines(result):
    yield from racing.lines(result["cells"], NAMES)
    yield ""
    yield "largest error against float64: " + ", ".join(f"{cell['case']} {cell['error']['gatecast']:.1e}"
        for cell in result["cells"] if cell["batch"] == 1)
