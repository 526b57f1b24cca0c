#!/usr/bin/python3
"""A training step beside PyTorch's: the same weights and batch, gradients compared, then timed in turn on one thread.

    training.py BUILD/tests/bench/bench_training [filter]
"""
import os
import re
import subprocess
import sys
import tempfile
import time

import numpy
import torch
from torch import nn
from torch.nn import functional

BATCH, ROUNDS, SECONDS = 64, 5, 2.0


class Price(nn.Module):
    """A GRU, Bahdanau's attention, 5 steps of a GRU cell that reads the context."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.GRU(8, 64)
        self.query, self.key = nn.Linear(64, 64, bias=False), nn.Linear(64, 64)
        self.score = nn.Linear(64, 1, bias=False)
        self.cell, self.output = nn.GRUCell(64, 64), nn.Linear(64, 1)

    def forward(self, x):
        keys, state = self.encoder(x)
        projected, state, answers = self.key(keys), state[0], []
        for _ in range(5):
            weights = torch.softmax(self.score(torch.tanh(self.query(state) + projected)), 0)
            state = self.cell((weights * keys).sum(0), state)
            answers.append(self.output(state))
        return torch.stack(answers)

    @staticmethod
    def loss(y, target):
        return functional.mse_loss(y[..., 0], target)


class Characters(nn.Module):
    """An LSTM that tells the next of 65 characters at every step."""

    def __init__(self):
        super().__init__()
        self.embedding, self.encoder, self.output = nn.Embedding(65, 65), nn.LSTM(65, 256), nn.Linear(256, 65)

    def forward(self, x):
        return self.output(self.encoder(self.embedding(x[..., 0].long()))[0])

    @staticmethod
    def loss(y, target):
        return functional.cross_entropy(y.reshape(-1, 65), target.reshape(-1).long())


STEPS = {"price_30": (Price, 30, 5, 8), "price_96": (Price, 96, 5, 8), "characters": (Characters, 100, 100, 1)}


def take(numbers, shape):
    count = int(numpy.prod(shape))
    return torch.from_numpy(numbers[:count].reshape(shape).copy()), numbers[count:]


def load(model, numbers, steps, answers, inputs):
    """Give the model the weights of the file; x, the targets and the gradients, one a weight."""
    gradients = []
    for weight in model.parameters():
        weight.data, numbers = take(numbers, weight.shape)
    x, numbers = take(numbers, (steps, BATCH, inputs))
    target, numbers = take(numbers, (answers, BATCH))
    for weight in model.parameters():
        gradient, numbers = take(numbers, weight.shape)
        gradients.append(gradient)
    assert len(numbers) == 0
    return x, target, gradients


def bench(program, name, *options):
    line = subprocess.run([program, *options, name], check=True, capture_output=True, text=True).stdout
    return float(re.search(r"(\d+) sequences/s", line)[1])


def gradients(model, x, target):
    model.zero_grad()
    model.loss(model(x), target).backward()


def torch_rate(model, x, target):
    adam = torch.optim.Adam(model.parameters(), lr=1e-4)
    begin, count = time.thread_time(), 0
    while time.thread_time() - begin < SECONDS:
        gradients(model, x, target)
        adam.step()
        count += 1
    return BATCH * count / (time.thread_time() - begin)


def compare(program, name):
    make, *sizes = STEPS[name]
    model = make()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "step")
        bench(program, name, "-d", path)
        x, target, ours = load(model, numpy.fromfile(path, numpy.float32), *sizes)
    gradients(model, x, target)
    far = max(float((weight.grad - own).abs().max()) for weight, own in zip(model.parameters(), ours))
    assert far <= 1e-6, f"{name}: a gradient is {far} from PyTorch's"
    rates = [(bench(program, name), torch_rate(model, x, target)) for _ in range(ROUNDS)]
    own, peer = (sorted(column)[ROUNDS // 2] for column in zip(*rates))
    print(f"{name:12} {own:8.0f} and PyTorch {peer:8.0f} sequences/s: {own / peer:.2f} x, gradients within {far:.1e}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    for chosen in STEPS:
        if len(sys.argv) < 3 or sys.argv[2] in chosen:
            compare(sys.argv[1], chosen)
