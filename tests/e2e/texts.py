"""texts.py - models of texts with drawn weights, as files that an import takes, and what they must answer.

A network here is an embedding, one GRU and a head, written down once more on top of weights.py: `generate` asks the head
at every step, `classify` at the last one. `translate` is the attention decoder; what it says is only compared with itself.
"""
import json
import math
import random

import weights

LETTERS = "abcdefghijklmnopqrstuvwxyz ,é"
TOKENS = ["", ""] + list(LETTERS)      # boundary, unknown, characters
LABELS = ["yes", "no", "perhaps"]
WINDOW, ANSWER = 16, 8                 # tokens that are read, and that an answer has at most
EMBEDDING, HIDDEN = 6, 9


def source(unit, tokens):
    return {"unit": unit, "tokens": tokens}


def document(task, hidden=HIDDEN):
    target = {"generate": None, "classify": source("label", LABELS), "translate": source("character", TOKENS)}[task]
    classes = len(target["tokens"] if target else TOKENS)
    attends = task == "translate"
    return {
        "format": 3, "preset": {"generate": "char_rnn", "classify": "classifier", "translate": "seq2seq"}[task],
        "network": {
            "inputs": 1, "vocabulary": len(TOKENS), "embedding": EMBEDDING, "encoder": "gru", "hidden": hidden, "layers": 1,
            "bidirectional": False, "reverse": False, "bias": True, "reset_after": True, "relu": False, "dropout": 0, "heads": 0,
            "feedforward": 0, "norm_first": False, "gelu": False, "causal": False, "batch_norm": False,
            "instance_norm": False, "decoder": {"generate": "token", "classify": "last", "translate": "attention"}[task], "score": "additive",
            "attention": 5 if attends else 0, "decoder_input": "context+previous" if attends else "context", "segment": 0,
            "classes": classes, "targets": 1, "levels": [], "median_level": 0, "horizon": ANSWER if attends else 1},
        "text": {"task": task, "max_steps": WINDOW, "source": source("character", TOKENS), "target": target},
        "spec": None}


def tensors(task, seed, hidden=HIDDEN):
    """Drawn weights; what generates never ends a text by itself."""
    rng = random.Random(seed)
    G, classes = 3, len(LABELS) if task == "classify" else len(TOKENS)

    def drawn(*shape):
        return shape, [weights.single(rng.uniform(-1, 1)) for _ in range(math.prod(shape))]

    out = {"embedding.weight": drawn(len(TOKENS), EMBEDDING),
           "encoder.weight_ih_l0": drawn(G * hidden, EMBEDDING), "encoder.weight_hh_l0": drawn(G * hidden, hidden),
           "encoder.bias_ih_l0": drawn(G * hidden), "encoder.bias_hh_l0": drawn(G * hidden)}
    if task == "translate":
        out.update({"decoder.attention.query.weight": drawn(5, hidden), "decoder.attention.key.weight": drawn(5, hidden),
                    "decoder.attention.key.bias": drawn(5), "decoder.attention.score.weight": drawn(1, 5),
                    "decoder.embedding.weight": drawn(classes, EMBEDDING),
                    "decoder.cell.weight_ih": drawn(G * hidden, hidden + EMBEDDING), "decoder.cell.weight_hh": drawn(G * hidden, hidden),
                    "decoder.cell.bias_ih": drawn(G * hidden), "decoder.cell.bias_hh": drawn(G * hidden)})
    out["output.weight"], out["output.bias"] = drawn(classes, hidden), drawn(classes)
    if task == "generate":
        out["output.bias"][1][0] = -1000.0
    return out


def publish(server, name, task, seed=1, hidden=HIDDEN):
    drawn = tensors(task, seed, hidden)
    file = weights.write(drawn, {"gatecast": json.dumps(document(task, hidden))})
    server.put(f"/v1/models/{name}", file, headers={"Content-Type": "application/x-safetensors"}).expect(201)
    return drawn


def encode(text):
    return [TOKENS.index(c) if c in LETTERS else 1 for c in text]


def softmax(scores):
    top = max(scores)
    e = [math.exp(s - top) for s in scores]
    return [v / sum(e) for v in e]


class Network:
    """The GRU of a drawn model, read token by token."""

    def __init__(self, drawn):
        self.net = {name.rpartition(".")[2]: t for name, t in drawn.items() if name.startswith("encoder")}
        self.table = drawn["embedding.weight"][1]
        self.head = drawn["output.weight"], drawn["output.bias"]
        self.state = ([0.0] * HIDDEN, [0.0] * HIDDEN)

    def read(self, token):
        """The scores of what comes next, or of the labels."""
        x = self.table[token * EMBEDDING:(token + 1) * EMBEDDING]
        self.state = weights.step("gru", False, self.net, "l0", x, self.state)
        return weights.affine(self.head[0], self.state[0], self.head[1])


def probabilities(drawn, text):
    """Of the labels; a text is read from its end when it is longer than the window."""
    network, scores = Network(drawn), None
    for token in encode(text)[-WINDOW:]:
        scores = network.read(token)
    return dict(zip(LABELS, softmax(scores)))


def greedy(drawn, prompt, n):
    """(text, log probability) of the likeliest next characters, one after the other."""
    network, scores, text, log_probability = Network(drawn), None, "", 0.0
    for token in encode(prompt) or [0]:
        scores = network.read(token)
    for _ in range(n):
        p = softmax(scores)
        token = max(range(len(p)), key=lambda k: p[k])
        text += TOKENS[token] or "\ufffd"
        log_probability += math.log(p[token])
        scores = network.read(token)
    return text, log_probability
