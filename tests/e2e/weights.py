"""weights.py - safetensors files and plain recurrent networks, written down once more from their definitions.

A tensor is (shape, flat list of numbers). A network is a dict of PyTorch's names; forward() computes what PyTorch would.
"""
import json
import math
import random
import struct

GATES = {"gru": 3, "lstm": 4, "rnn": 1}


def write(tensors, metadata=None):
    """The bytes of a safetensors file, all F32."""
    header, data = {}, b""
    if metadata is not None:
        header["__metadata__"] = metadata
    for name, (shape, numbers) in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [len(data), len(data) + 4 * len(numbers)]}
        data += struct.pack(f"<{len(numbers)}f", *numbers)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def read(data):
    """(tensors, metadata) of a file that holds F32 only."""
    size, = struct.unpack_from("<Q", data)
    header = json.loads(data[8:8 + size])
    metadata = header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        assert entry["dtype"] == "F32"
        begin, end = (8 + size + at for at in entry["data_offsets"])
        tensors[name] = (tuple(entry["shape"]), list(struct.unpack(f"<{(end - begin) // 4}f", data[begin:end])))
    return tensors, metadata


def single(v):
    """v as a float of four bytes."""
    return struct.unpack("<f", struct.pack("<f", v))[0]


def drawn(rng, *shape):
    bound = 1 / math.sqrt(shape[-1])
    return shape, [single(rng.uniform(-bound, bound)) for _ in range(math.prod(shape))]


def network(cell, inputs, hidden, layers, bidirectional, rows, bias=True, seed=1, prefix="rnn.", head="fc."):
    """Drawn weights under the names of a PyTorch module."""
    rng, out, G = random.Random(seed), {}, GATES[cell]
    width = hidden * (2 if bidirectional else 1)
    for k in range(layers):
        for end in ["", "_reverse"][:1 + bidirectional]:
            out[f"{prefix}weight_ih_l{k}{end}"] = drawn(rng, G * hidden, width if k else inputs)
            out[f"{prefix}weight_hh_l{k}{end}"] = drawn(rng, G * hidden, hidden)
            if bias:
                out[f"{prefix}bias_ih_l{k}{end}"] = drawn(rng, G * hidden)
                out[f"{prefix}bias_hh_l{k}{end}"] = drawn(rng, G * hidden)
    out[f"{head}weight"] = drawn(rng, rows, width)
    out[f"{head}bias"] = drawn(rng, rows)
    return out


def affine(tensor, x, bias):
    (rows, cols), w = tensor
    return [sum(w[r * cols + c] * x[c] for c in range(cols)) + (bias[1][r] if bias else 0) for r in range(rows)]


def sigmoid(v):
    return (1 + math.tanh(v / 2)) / 2


def step(cell, relu, net, place, x, state):
    """One step of one cell; state is (h, c). reset_after is false where net says so."""
    h, c = state
    n = len(h)
    bias_ih, bias_hh = net.get("bias_ih_" + place), net.get("bias_hh_" + place)
    a, b = affine(net["weight_ih_" + place], x, bias_ih), affine(net["weight_hh_" + place], h, bias_hh)
    gate = [[a[g * n + j] + b[g * n + j] for j in range(n)] for g in range(GATES[cell])]
    if cell == "rnn":
        return [max(0.0, v) if relu else math.tanh(v) for v in gate[0]], c
    if cell == "lstm":
        i, f, g, o = gate
        c = [sigmoid(f[j]) * c[j] + sigmoid(i[j]) * math.tanh(g[j]) for j in range(n)]
        return [sigmoid(o[j]) * math.tanh(c[j]) for j in range(n)], c
    r, z = [sigmoid(v) for v in gate[0]], [sigmoid(v) for v in gate[1]]
    if net.get("reset_after", True):
        candidate = [math.tanh(a[2 * n + j] + r[j] * b[2 * n + j]) for j in range(n)]
    else:
        before = affine(net["weight_hh_" + place], [r[j] * h[j] for j in range(n)], bias_hh)
        candidate = [math.tanh(a[2 * n + j] + before[2 * n + j]) for j in range(n)]
    return [(1 - z[j]) * candidate[j] + z[j] * h[j] for j in range(n)], c


def forward(cell, layers, bidirectional, net, xs, decoder="last", relu=False):
    """The head's numbers for one sequence; net without prefixes, its head `weight` and `bias`."""
    last = []
    for k in range(layers):
        ends = []
        for end in ["", "_reverse"][:1 + bidirectional]:
            n = net[f"weight_hh_l{k}{end}"][0][1]
            state, out = ([0.0] * n, [0.0] * n), []
            for x in reversed(xs) if end else xs:
                state = step(cell, relu, net, f"l{k}{end}", x, state)
                out.append(state[0])
            ends.append((out[::-1] if end else out, state[0]))
        xs = [sum((out[t] for out, _ in ends), []) for t in range(len(xs))]
        last = sum((h for _, h in ends), [])
    if decoder == "mean":
        last = [sum(column) / len(xs) for column in zip(*xs)]
    return affine(net["weight"], last, net.get("bias"))


def bare(net):
    """Names without what stands before their last dot."""
    return {name.rpartition(".")[2]: tensor for name, tensor in net.items()}


def keras(cell, layers, bidirectional, net, reset_after=True):
    """The same network as Keras would name and lay it out; net from network() with bias."""
    net, out = bare(net), {}

    def transposed(tensor):
        (rows, cols), w = tensor
        return (cols, rows), [w[r * cols + c] for c in range(cols) for r in range(rows)]

    def gates(tensor):
        """Rows from r z n to z r n."""
        shape, w = tensor
        if cell != "gru":
            return tensor
        third = len(w) // 3
        return shape, w[third:2 * third] + w[:third] + w[2 * third:]

    for k in range(layers):
        number = f"_{k}" if k else ""
        for direction, end in [("forward", ""), ("backward", "_reverse")][:1 + bidirectional]:
            at = f"bidirectional{number}/{direction}_{cell}{number}/{cell}_cell" if bidirectional else f"{cell}{number}/{cell}_cell"
            place = f"l{k}{end}"
            out[f"{at}/kernel:0"] = transposed(gates(net["weight_ih_" + place]))
            out[f"{at}/recurrent_kernel:0"] = transposed(gates(net["weight_hh_" + place]))
            (n,), ih = gates(net["bias_ih_" + place])
            hh = gates(net["bias_hh_" + place])[1]
            if cell == "gru" and reset_after:
                out[f"{at}/bias:0"] = ((2, n), ih + hh)
            else:
                out[f"{at}/bias:0"] = ((n,), ih)
    out["dense/kernel:0"] = transposed(net["weight"])
    out["dense/bias:0"] = net["bias"]
    return out
