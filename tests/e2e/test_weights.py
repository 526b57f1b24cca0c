"""test_weights.py - weights in and out: what PyTorch or Keras would compute, and round trips to the last bit."""
import random

import pytest

import texts
import weights
from gatecast import command

SAFETENSORS = {"Content-Type": "application/x-safetensors"}
ONNX = {"Content-Type": "application/onnx"}
T, INPUTS, HIDDEN, HORIZON = 7, 3, 5, 4

COMPOSITIONS = [(cell, layers, bidirectional, decoder)
                for cell in ("gru", "lstm", "rnn") for layers in (1, 2) for bidirectional in (False, True)
                for decoder in ("last", "mean")]


def put(server, model, data, query=""):
    return server.put(f"/v1/models/{model}{query}", data, headers=SAFETENSORS)


def export(server, model, version=1, kind="safetensors"):
    answer = server.get(f"/v1/models/{model}/versions/{version}/export?format={kind}").expect(200)
    assert answer.headers["content-type"] == {"safetensors": SAFETENSORS, "onnx": ONNX}[kind]["Content-Type"]
    return answer.body


def sequences(n=3, seed=5):
    rng = random.Random(seed)
    return [[[weights.single(rng.gauss(0, 1)) for _ in range(INPUTS)] for _ in range(T)] for _ in range(n)]


def predict(server, model, batch):
    return server.post(f"/v1/models/{model}:predict", {"instances": batch}).expect(200).json["predictions"]


def flat(prediction):
    return [v if isinstance(v, list) else [v] for v in prediction]


def check_close(got, want):
    """got [steps][targets], want flat."""
    numbers = sum(flat(got), [])
    assert len(numbers) == len(want)
    for a, b in zip(numbers, want):
        assert abs(a - b) <= 1e-5, (got, want)


@pytest.mark.parametrize("cell,layers,bidirectional,decoder", COMPOSITIONS)
def test_a_state_dict_forecasts_what_its_definition_says(server, cell, layers, bidirectional, decoder):
    net = weights.network(cell, INPUTS, HIDDEN, layers, bidirectional, HORIZON, seed=layers)
    name = f"torch-{cell}-{layers}{'b' if bidirectional else 'u'}-{decoder}"
    version = put(server, name, weights.write(net), f"?window={T}&decoder={decoder}&columns=a,b,c").expect(201).json
    assert version["columns"] == ["a", "b", "c"] and version["targets"] == ["a"] and version["horizon"] == HORIZON
    assert version["preset"] == cell and version["spec"] is None and version["job"] is None and version["evaluation"] is None
    batch = sequences()
    for got, xs in zip(predict(server, name, batch), batch):
        check_close(got, weights.forward(cell, layers, bidirectional, weights.bare(net), xs, decoder))


@pytest.mark.parametrize("cell,layers,bidirectional,reset_after", [
    ("gru", 1, False, True), ("gru", 2, True, True), ("gru", 1, False, False), ("gru", 2, True, False),
    ("lstm", 1, False, True), ("lstm", 2, True, True), ("rnn", 1, False, True), ("rnn", 2, True, True)])
def test_layers_of_keras_too(server, cell, layers, bidirectional, reset_after):
    net = weights.network(cell, INPUTS, HIDDEN, layers, bidirectional, HORIZON, seed=11)
    both = cell == "gru" and reset_after
    reference = weights.bare(net) | {"reset_after": reset_after}
    if not both:   # Keras has one bias there
        reference |= {name: (t[0], [0.0] * len(t[1])) for name, t in reference.items() if name.startswith("bias_hh")}
    name = f"keras-{cell}-{layers}{'b' if bidirectional else 'u'}-{'after' if reset_after else 'before'}"
    put(server, name, weights.write(weights.keras(cell, layers, bidirectional, net, reset_after)), f"?window={T}").expect(201)
    batch = sequences()
    for got, xs in zip(predict(server, name, batch), batch):
        check_close(got, weights.forward(cell, layers, bidirectional, reference, xs))


def test_relu_and_the_order_of_horizon_and_targets(server):
    net = weights.network("rnn", INPUTS, HIDDEN, 1, False, 6, seed=3)
    version = put(server, "relu", weights.write(net), f"?window={T}&targets=2&horizon=3&nonlinearity=relu").expect(201).json
    assert version["columns"] == ["x0", "x1", "x2"] and version["targets"] == ["x0", "x1"] and version["horizon"] == 3
    batch = sequences()
    for got, xs in zip(predict(server, "relu", batch), batch):
        assert [len(step) for step in got] == [2, 2, 2]
        check_close(got, weights.forward("rnn", 1, False, weights.bare(net), xs, relu=True))


def test_without_any_bias(server):
    net = weights.network("lstm", INPUTS, HIDDEN, 1, False, HORIZON, bias=False)
    del net["fc.bias"]
    put(server, "bare", weights.write(net), f"?window={T}").expect(201)
    batch = sequences()
    for got, xs in zip(predict(server, "bare", batch), batch):
        check_close(got, weights.forward("lstm", 1, False, weights.bare(net), xs))


def test_numbers_come_out_as_they_went_in(server):
    net = weights.network("gru", INPUTS, HIDDEN, 2, True, HORIZON, seed=9)
    put(server, "bits", weights.write(net)).expect(201)
    got, _ = weights.read(export(server, "bits"))
    ours = {name.replace("rnn.", "encoder.").replace("fc.", "output."): tensor for name, tensor in net.items()}
    assert got == ours


def test_a_trained_model_moves_with_all_its_bits(server, start):
    file = export(server, "wave-3")
    assert put(server, "wave-copy", file).expect(201).json["sha256"] == \
        server.get("/v1/models/wave-3/versions/1").expect(200).json["sha256"]
    assert export(server, "wave-copy") == file
    body = {"inputs": [{"dataset": "wave"}], "parameters": {"quantile_levels": [0.1, 0.5, 0.9], "return_attention": True}}
    there, here = (server.post("/v1/forecast", {"model": m, **body}).expect(200).json for m in ("wave-3", "wave-copy"))
    assert there["outputs"] == here["outputs"]
    other = start()
    put(other, "moved", file).expect(201)
    assert export(other, "moved") == file


def test_versions_follow_each_other(server):
    first, second = (weights.network("gru", 1, 4, 1, False, 2, seed=seed) for seed in (1, 2))
    assert put(server, "twice", weights.write(first), "?window=3").expect(201).json["version"] == 1
    batch = [[[0.5], [1.0], [1.5]]]
    before = predict(server, "twice", batch)
    assert put(server, "twice", weights.write(second), "?window=3").expect(201).json["version"] == 2
    after = predict(server, "twice", batch)
    check_close(after[0], weights.forward("gru", 1, False, weights.bare(second), batch[0]))
    assert before != after


def test_what_was_never_calibrated_has_no_quantiles_and_no_skill(server):
    net = weights.network("lstm", 1, 4, 1, False, 2)
    put(server, "plain", weights.write(net), "?window=3&columns=y").expect(201)
    answer = server.post("/v1/forecast", {"model": "plain", "inputs": [{"columns": {"y": [1e6, 2.0, -3.0]}}],
                                          "parameters": {"quantile_levels": [0.1, 0.9]}}).expect(200).json
    out, = answer["outputs"]
    check_close(out["mean"], weights.forward("lstm", 1, False, weights.bare(net), [[1e6], [2.0], [-3.0]]))
    assert out["quantiles"] == {"0.1": [None, None], "0.9": [None, None]}
    assert answer["skill"] is None or all(v is None for v in answer["skill"].values())
    assert any("calibration" in w for w in answer["warnings"]) and not any("range" in w for w in answer["warnings"])


REFUSED = {
    "not the type": ({"Content-Type": "application/json"}, b"{}", "", 415, "Content-Type", ""),
    "no graph": (ONNX, b"\x00" * 4, "", 400, "file", "no ONNX file"),
    "a graph of nothing": (ONNX, b"\x3a\x00\x42\x02\x10\x11", "", 422, "input", "0 inputs"),
    "no file": (SAFETENSORS, b"\x00" * 4, "", 400, "header", "too few"),
    "a header that is too long": (SAFETENSORS, b"\xff" * 16, "", 413, "header", "limit"),
    "no network": (SAFETENSORS, weights.write({"fc.weight": ((1, 1), [1.0])}), "", 422, "weight_hh_l0", "no recurrent network"),
    "no head": (SAFETENSORS, weights.write({k: v for k, v in weights.network("gru", 1, 2, 1, False, 1).items() if k[0] == "r"}),
                "", 422, "fc.weight", "GRU, 2 units"),
    "horizon": (SAFETENSORS, weights.write(weights.network("gru", 1, 2, 1, False, 4)), "?horizon=3", 422, "horizon", "4 rows"),
    "columns": (SAFETENSORS, weights.write(weights.network("gru", 2, 2, 1, False, 4)), "?columns=a", 422, "columns", "2 columns"),
    "window": (SAFETENSORS, weights.write(weights.network("gru", 1, 2, 1, False, 4)), "?window=x", 422, "window", "whole number"),
    "relu": (SAFETENSORS, weights.write(weights.network("gru", 1, 2, 1, False, 4)), "?nonlinearity=relu", 422, "nonlinearity", "RNN"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_the_place(server, case):
    headers, data, query, status, where, word = REFUSED[case]
    answer = server.put(f"/v1/models/refused{query}", data, headers=headers).expect(status).json
    assert where == answer.get("where", answer.get("pointer")) and word in answer["detail"], answer
    server.get("/v1/models/refused").expect(404)


def test_a_trained_model_moves_as_onnx_too(server):
    file = export(server, "wave-3", kind="onnx")
    copy = server.put("/v1/models/wave-onnx", file, headers=ONNX).expect(201).json
    assert copy["sha256"] == server.get("/v1/models/wave-3/versions/1").expect(200).json["sha256"]
    assert export(server, "wave-onnx", kind="onnx") == file
    assert export(server, "wave-onnx") == export(server, "wave-3")


@pytest.mark.parametrize("task", ["generate", "classify", "translate"])
def test_a_model_of_texts_moves_as_onnx_with_its_vocabulary(server, task):
    texts.publish(server, task, task)
    file = export(server, task, kind="onnx")
    server.put(f"/v1/models/{task}-copy", file, headers=ONNX).expect(201)
    assert export(server, f"{task}-copy") == export(server, task)


def test_other_formats_are_not_exported(server):
    server.get("/v1/models/wave-3/versions/1/export?format=h5").expect(422)
    server.get("/v1/models/wave-3/versions/9/export").expect(404)


def test_convert(server, tmp_path):
    net = weights.network("rnn", INPUTS, HIDDEN, 1, True, HORIZON, seed=4)
    theirs, ours = tmp_path / "theirs.safetensors", tmp_path / "ours.safetensors"
    theirs.write_bytes(weights.write(net, {"format": "pt"}))
    status, out, err = command("convert", theirs, ours, "--window", T, "--columns", "a,b,c")
    assert (status, err) == (0, "") and "weights" in out
    put(server, "direct", theirs.read_bytes(), f"?window={T}&columns=a,b,c").expect(201)
    put(server, "converted", ours.read_bytes()).expect(201)
    assert export(server, "direct") == export(server, "converted") == ours.read_bytes()
    graph, back = tmp_path / "graph.onnx", tmp_path / "back.safetensors"
    assert command("convert", ours, graph)[0] == 0 and command("convert", graph, back)[0] == 0
    assert back.read_bytes() == ours.read_bytes()
    assert command("convert", ours, tmp_path / "x.h5")[0] == 1
    assert command("convert", tmp_path / "none.safetensors", tmp_path / "y.safetensors")[0] == 1
    assert command("convert", theirs)[0] == 2
