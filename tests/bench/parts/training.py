"""training.py - a step of training of the price predictor: 64 windows forward, backward, Adam."""
import figures
import racing

NAMES = ["gatecast, training", "gatecast, training, 2 threads", "torch training"]
BATCH = 64


def measure(place):
    with racing.Race(place, NAMES, reference=None) as race:
        return {"cells": [compared(place, race, steps) for steps in (30, 96)]}


def compared(place, race, steps):
    """The gradients against PyTorch's, then the race."""
    order, file = f"prepare model {steps} {BATCH}", place.cases / "answer"
    answers = {racer.name: racer.answer(file) for racer in race.prepare(order)}
    want = answers["torch training"]
    errors = {name: racing.largest_difference(name, got, want) for name, got in answers.items()}
    return {**race.run("model", steps, BATCH, samples=9, sample_ms=120), "error": errors}


def lines(result):
    yield from racing.lines(result["cells"], NAMES)
    for cell in result["cells"]:
        rates = ", ".join(f"{name} {figures.text(BATCH * 1e6 / us['median'])}" for name, us in cell["us"].items())
        yield f"T={cell['steps']}: samples a second: {rates}; gradients differ by {max(cell['error'].values()):.1e}"
