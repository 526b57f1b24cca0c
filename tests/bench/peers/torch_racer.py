#!/usr/bin/python3
"""torch_racer.py FOLDER eager|jit|double - PyTorch as a racer (racer.h), on the weights that bench_cases wrote.

jit is scripted, frozen and warm; double computes in float64, which is what answers are measured against."""
import json
import pathlib
import sys
import time

import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import networks                    # noqa: E402

WARM_UP_US = 20000
WARM_UP_CALLS = 20                 # the jit's profiling executor optimises after a few


def now_us():
    return time.perf_counter_ns() / 1e3


class Race:
    def __init__(self, folder, kind):
        self.folder, self.kind = pathlib.Path(folder), kind
        self.cases = json.loads((self.folder / "cases.json").read_text())

    def prepare(self, name, steps, batch):
        net = networks.load(self.folder, name, self.cases[name]).eval()
        x = networks.batch(self.folder, name, self.cases[name], steps, batch)
        if self.kind == "double":
            net, x = net.double(), x.double()
        if self.kind == "jit":
            net = torch.jit.freeze(torch.jit.script(net))
        self.net, self.x = net, x
        self.calls(WARM_UP_CALLS)
        calls = 1
        while True:
            self.us = self.calls(calls)
            if self.us * calls >= WARM_UP_US:
                return
            calls *= 2

    def calls(self, n):
        start = now_us()
        for _ in range(n):
            self.net(self.x)
        return (now_us() - start) / n

    def time(self, ms):
        return self.calls(max(1, round(ms * 1e3 / self.us)))

    def answer(self, path):
        self.net(self.x).contiguous().numpy().tofile(path)


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
    torch.set_grad_enabled(False)
    race = Race(sys.argv[1], sys.argv[2])
    for line in sys.stdin:
        try:
            print(follow(race, line), flush=True)
        except (KeyError, ValueError, RuntimeError) as problem:
            print("no", str(problem).replace("\n", " "), flush=True)


main()
