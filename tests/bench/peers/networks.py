"""networks.py - the cases of cases.h as modules of PyTorch, written as people write them."""
import json
import struct

import numpy
import torch
from torch import nn


def tensors(path):
    """The tensors of a safetensors file that holds F32 only."""
    data = path.read_bytes()
    size, = struct.unpack_from("<Q", data)
    header = json.loads(data[8:8 + size])
    out = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        out[name] = torch.from_numpy(
            numpy.frombuffer(data, "<f4", (end - begin) // 4, 8 + size + begin).reshape(entry["shape"]).copy())
    return out


def batch(folder, name, case, steps, rows):
    """[rows][steps][inputs]"""
    n = rows * steps * case["inputs"]
    x = numpy.fromfile(folder / f"{name}.input", "<f4", n)
    return torch.from_numpy(x.reshape(rows, steps, case["inputs"]))


def recurrent(case):
    kind = {"gru": nn.GRU, "lstm": nn.LSTM, "rnn": nn.RNN}[case["encoder"]]
    return kind(case["inputs"], case["hidden"], case["layers"], batch_first=True, bidirectional=case["bidirectional"])


class Layer(nn.Module):
    """One recurrent layer: its last state."""

    def __init__(self, case):
        super().__init__()
        self.encoder = recurrent(case)

    def forward(self, x):
        return self.encoder(x)[0][:, -1]


class Last(nn.Module):
    """Recurrent layers, and a linear layer behind the last states of the uppermost."""

    def __init__(self, case):
        super().__init__()
        self.encoder = recurrent(case)
        self.directions = 2 if case["bidirectional"] else 1
        self.output = nn.Linear(case["hidden"] * self.directions, 1)

    def forward(self, x):
        _, h = self.encoder(x)
        return self.output(h[-self.directions:].permute(1, 0, 2).flatten(1))


class Encoder(nn.Module):
    """A linear layer, sinusoids, PyTorch's own encoder layers; tensors have nn.TransformerEncoder's names."""

    def __init__(self, case):
        super().__init__()
        hidden = case["hidden"]
        self.embedding = nn.Linear(case["inputs"], hidden)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(hidden, case["heads"], case["feedforward"], dropout=0.0, batch_first=True)
            for _ in range(case["layers"]))
        at = torch.arange(512).unsqueeze(1) * torch.exp(torch.arange(0, hidden, 2) * (-numpy.log(10000.0) / hidden))
        self.register_buffer("places", torch.stack((at.sin(), at.cos()), 2).flatten(1), persistent=False)

    def forward(self, x):
        x = self.embedding(x) + self.places[:x.shape[1]]
        for layer in self.layers:
            x = layer(x)
        return x


class Transformer(nn.Module):
    def __init__(self, case):
        super().__init__()
        self.encoder = Encoder(case)
        self.output = nn.Linear(case["hidden"], 1)

    def forward(self, x):
        return self.output(self.encoder(x)[:, -1])


class Attention(nn.Module):
    """Bahdanau's: the weights of the steps for one query."""

    def __init__(self, width, size):
        super().__init__()
        self.query = nn.Linear(width, size, bias=False)
        self.key = nn.Linear(width, size)
        self.score = nn.Linear(size, 1, bias=False)

    def forward(self, h, keys):
        return self.score(torch.tanh(self.query(h).unsqueeze(1) + keys)).squeeze(2).softmax(1)


class Decoder(nn.Module):
    def __init__(self, case):
        super().__init__()
        width = case["hidden"]
        self.attention = Attention(width, case["attention"])
        self.cell = nn.GRUCell(width + 1, width)

    def forward(self, states, keys, h, previous):
        weights = self.attention(h, keys)
        context = torch.bmm(weights.unsqueeze(1), states).squeeze(1)
        return self.cell(torch.cat((context, previous), 1), h)


class Model(nn.Module):
    """The price predictor: a GRU over the window, then `horizon` steps that attend to it and read their own answers."""

    def __init__(self, case):
        super().__init__()
        self.horizon: int = case["horizon"]
        self.encoder = recurrent(case)
        self.decoder = Decoder(case)
        self.output = nn.Linear(case["hidden"], 1)

    def forward(self, x):
        states, last = self.encoder(x)
        keys = self.decoder.attention.key(states)
        h = last[0]
        previous = torch.zeros(x.shape[0], 1, dtype=x.dtype)
        answers = []
        for _ in range(self.horizon):
            h = self.decoder(states, keys, h, previous)
            previous = self.output(h)
            answers.append(previous)
        return torch.cat(answers, 1)


def load(folder, name, case):
    kind = Layer if case["layer"] else Model if case["attention"] else \
        Transformer if case["encoder"] == "transformer" else Last
    net = kind(case)
    weights = tensors(folder / f"{name}.safetensors")
    net.load_state_dict({k: v for k, v in weights.items() if not case["layer"] or k.startswith("encoder.")})
    return net
