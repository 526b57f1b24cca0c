"""test_presets.py - every preset and optimiser through the daemon: a job, its version, and forecasts in three dialects."""
import pytest

from gatecast import command, csv_text, job_body, series

ROWS = series()
CONTEXT = 16    # window 12 and the look-back of sma_5
PRESETS = {     # preset: (cell, decoder)
    "attention_gru": ("gru", "attention"), "attention_lstm": ("lstm", "attention"), "gru": ("gru", "last"), "lstm": ("lstm", "last"),
    "rnn": ("rnn", "last"), "transformer": ("transformer", "last"),
}
COMPOSITIONS = {
    "both ways, dot": {"encoder": {"hidden_size": 6, "num_layers": 2, "bidirectional": True, "dropout": 0.1},
                       "decoder": {"score": "dot", "input": "context"}},
    "lstm, mean": {"encoder": {"cell": "lstm", "hidden_size": 6, "bidirectional": True}, "decoder": {"type": "mean"}},
    "rnn, attention": {"encoder": {"cell": "rnn", "nonlinearity": "relu", "hidden_size": 6, "reset_after": False}},
    "quantiles from a head": {"preset": "gru", "encoder": {"hidden_size": 6}, "output": {"type": "quantile"}},
    "transformer, mean": {"preset": "transformer", "decoder": {"type": "mean"},
                          "encoder": {"hidden_size": 8, "heads": 2, "feedforward_size": 16, "norm_first": True, "activation": "gelu",
                                      "causal": True}},
}
STEERING = {
    "adamw, cosine": {"optimizer": "adamw", "weight_decay": 0.01, "scheduler": {"type": "cosine", "warmup_epochs": 1}},
    "sgd, step": {"optimizer": "sgd", "momentum": 0.9, "scheduler": {"type": "step", "step_size": 1, "gamma": 0.5}},
    "rmsprop": {"optimizer": "rmsprop", "scheduler": None},
}


def model_name(text):
    return "".join(c if c.isalnum() else "-" for c in text)


def train(server, name, **more):
    """A job of the composition on `wave`, ended well; its answer."""
    body = job_body(model=model_name(name))
    for member, value in more.items():
        body[member] = {**body.get(member, {}), **value} if isinstance(value, dict) else value
    return server.train(body)


def check_forecasts(server, model):
    """The same numbers in three dialects, alone and among others; the attention where there is one."""
    rows = ROWS[250 - CONTEXT:250]
    columns = {"close": [r[1] for r in rows], "volume": [r[2] for r in rows]}
    sequence = [[r[1], r[2]] for r in rows]
    body = {"model": model, "inputs": [{"columns": columns}], "parameters": {"quantile_levels": [0.1, 0.9]}}
    out, = server.post("/v1/forecast", body).expect(200).json["outputs"]
    assert len(out["mean"]) == 3 and all(50 < v < 150 for v in out["mean"])
    assert all(low < high for low, high in zip(out["quantiles"]["0.1"], out["quantiles"]["0.9"]))
    wanted = [[v] for v in out["mean"]]
    other = [[r[1], r[2]] for r in ROWS[100 - CONTEXT:100]]
    rows = server.post(f"/v1/models/{model}:predict", {"instances": [other, sequence, other]}).expect(200).json["predictions"]
    assert rows[1] == wanted and rows[0] == rows[2] != wanted
    tensor = {"name": "input", "datatype": "FP64", "shape": [1, CONTEXT, 2], "data": [sequence]}
    answer = server.post(f"/v2/models/{model}/infer", {"inputs": [tensor]}).expect(200).json["outputs"][0]
    assert answer["shape"] == [1, 3, 1] and answer["data"] == out["mean"]


def check_attention(server, model, there):
    body = {"model": model, "inputs": [{"dataset": "wave"}], "parameters": {"return_attention": True}}
    answer = server.post("/v1/forecast", body).expect(200 if there else 422).json
    if there:
        assert all(abs(sum(step) - 1) < 1e-4 for step in answer["outputs"][0]["attention"])
    else:
        assert answer["pointer"] == "/parameters/return_attention"


@pytest.mark.parametrize("preset", PRESETS)
def test_preset(server, preset):
    job = train(server, preset, preset=preset)
    cell, decoder = PRESETS[preset]
    spec = job["spec"]
    assert (spec["preset"], spec["encoder"]["cell"], spec["decoder"]["type"]) == (preset, cell, decoder)
    version = server.get(f"/v1/models/{model_name(preset)}/versions/1").expect(200).json
    assert version["preset"] == preset and version["spec"] == spec and version["parameters"] > 0
    check_forecasts(server, model_name(preset))
    check_attention(server, model_name(preset), decoder == "attention")


@pytest.mark.parametrize("name", COMPOSITIONS)
def test_composition(server, name):
    spec = train(server, name, **COMPOSITIONS[name])["spec"]
    for part in ("encoder", "decoder"):
        assert COMPOSITIONS[name].get(part, {}).items() <= spec[part].items()
    check_forecasts(server, model_name(name))
    check_attention(server, model_name(name), spec["decoder"]["type"] == "attention")


@pytest.mark.parametrize("name", STEERING)
def test_steering(server, name):
    job = train(server, name, training=STEERING[name])
    assert job["spec"]["training"]["optimizer"] == STEERING[name]["optimizer"]
    assert job["metrics"]["learning_rate"] > 0
    check_forecasts(server, model_name(name))


def test_the_schedule_is_seen_in_the_metrics(server):
    job = train(server, "halved", training={"learning_rate": 0.004, "scheduler": {"type": "step", "step_size": 1, "gamma": 0.5}})
    assert job["metrics"]["learning_rate"] == 0.002     # of the second and last epoch


def test_the_same_job_gives_the_same_model(server):
    twins = [train(server, name, preset="lstm", encoder={"bidirectional": True, "hidden_size": 6}) for name in ("twin-a", "twin-b")]
    assert twins[0]["result"] == twins[1]["result"] and twins[0]["metrics"] == twins[1]["metrics"]


REFUSED = {
    "preset": ({"preset": "mlp"}, "/preset"),
    "heads": ({"preset": "transformer", "encoder": {"hidden_size": 8, "heads": 3}}, "/encoder/heads"),
    "reset_after": ({"preset": "lstm", "encoder": {"reset_after": False}}, "/encoder/reset_after"),
    "score": ({"preset": "gru", "decoder": {"score": "dot"}}, "/decoder/score"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_go_together_is_refused(server, name):
    body, pointer = REFUSED[name]
    answer = server.post("/v1/jobs", {"dataset": "wave", "target": "close", **body}).expect(422).json
    assert answer["pointer"] == pointer


def test_train_with_a_preset_on_the_command_line(tmp_path):
    (tmp_path / "wave.csv").write_text(csv_text(ROWS))
    status, _, err = command("train", "wave.csv", "--target", "close", "--preset", "lstm", "--horizon", "3", "--window", "12",
                             "--hidden", "8", "--epochs", "1", "--db", "cli.db", cwd=tmp_path)
    assert status == 0, err
    status, out, err = command("predict", "wave-3", "wave.csv", "--json", "--db", "cli.db", cwd=tmp_path)
    assert status == 0 and '"mean"' in out, err
