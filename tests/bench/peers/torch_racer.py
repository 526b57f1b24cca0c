#!/usr/bin/python3
"""torch_racer.py FOLDER eager|jit|double|train - PyTorch as a racer (racer.h), on the weights that bench_cases wrote.

jit is scripted, frozen and warm. double computes in float64: what answers are measured against. train answers with the
loss of one minibatch and its gradient, each sequence's targets being the first numbers of its first column; a call is
forward, backward and a step of Adam."""
import json
import pathlib
import sys
import time

import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import networks                    # noqa: E402

WARM_UP_US = 20000
WARM_UP_CALLS = 20                 # the jit's profiling executor optimises after a few


class Race:
    """Forward passes."""

    def __init__(self, folder, kind):
        self.folder, self.kind = pathlib.Path(folder), kind
        self.cases = json.loads((self.folder / "cases.json").read_text())
        torch.set_grad_enabled(False)

    def prepare(self, name, steps, batch):
        net = networks.load(self.folder, name, self.cases[name]).eval()
        x = networks.batch(self.folder, name, self.cases[name], steps, batch)
        if self.kind == "double":
            net, x = net.double(), x.double()
        if self.kind == "jit":
            net = torch.jit.freeze(torch.jit.script(net))
        self.net, self.x = net, x
        self.warm_up()

    def warm_up(self):
        self.calls(WARM_UP_CALLS)
        calls = 1
        while True:
            self.us = self.calls(calls)
            if self.us * calls >= WARM_UP_US:
                return
            calls *= 2

    def call(self):
        self.net(self.x)

    def calls(self, n):
        start = time.process_time()
        for _ in range(n):
            self.call()
        return (time.process_time() - start) * 1e6 / n

    def time(self, ms):
        return self.calls(max(1, round(ms * 1e3 / self.us)))

    def answer(self, path):
        self.net(self.x).contiguous().numpy().tofile(path)


class Training(Race):
    """Steps of training."""

    def __init__(self, folder, kind):
        super().__init__(folder, kind)
        torch.set_grad_enabled(True)

    def prepare(self, name, steps, batch):
        case = self.cases[name]
        self.net = networks.load(self.folder, name, case)
        self.order = case["tensors"]
        self.parameters = dict(self.net.named_parameters())
        self.adam = torch.optim.Adam(self.net.parameters(), lr=0.001)
        self.x = networks.batch(self.folder, name, case, steps, batch)
        self.target = self.x[:, :case["horizon"], 0].contiguous()
        self.first = self.gradient()
        self.warm_up()

    def loss(self):
        self.adam.zero_grad()
        loss = torch.nn.functional.mse_loss(self.net(self.x), self.target)
        loss.backward()
        return loss

    def gradient(self):
        """Of the weights as they came."""
        loss = self.loss().detach().reshape(1)
        return torch.cat([loss] + [self.parameters[name].grad.flatten() for name in self.order])

    def call(self):
        self.loss()
        self.adam.step()

    def answer(self, path):
        self.first.numpy().tofile(path)


def follow(race, line):
    order, *words = line.split()
    if order == "prepare":
        race.prepare(words[0], int(words[1]), int(words[2]))
    elif order == "answer":
        race.answer(words[0])
    elif order == "time":
        return "%.4f" % race.time(float(words[0]))
    else:
        raise ValueError("it was not understood")
    return "ready"


def main():
    torch.set_num_threads(1)
    kind = sys.argv[2]
    race = (Training if kind == "train" else Race)(sys.argv[1], kind)
    for line in sys.stdin:
        try:
            print(follow(race, line), flush=True)
        except (KeyError, ValueError, RuntimeError) as problem:
            print("no", str(problem).replace("\n", " "), flush=True)


main()
