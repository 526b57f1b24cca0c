"""test_inspect.py - gates, states and attention of a forecast, over HTTP and as pictures: what they say of each other by the
equations of their cells, and that both ways say the same."""
import math
import re
import struct
import xml.etree.ElementTree

import pytest

from gatecast import command, csv_text, job_body, series

WINDOW, HORIZON, HIDDEN = 12, 3, 8
SVG = "{http://www.w3.org/2000/svg}"


def asked(server, model, *names, inputs=1, **parameters):
    body = {"model": model, "inputs": [{"dataset": "wave"}] * inputs, "parameters": {"return": list(names), **parameters}}
    return server.post("/v1/forecast", body)


def train(server, model, **more):
    server.train({**job_body(model=model, epochs=1), **more})
    return model


@pytest.fixture(scope="module")
def lstm(server):
    return train(server, "lstm-both", preset="lstm", encoder={"cell": "lstm", "hidden_size": 8, "bidirectional": True})


@pytest.fixture(scope="module")
def transformer(server):
    return train(server, "looks-around", preset="transformer", encoder={"hidden_size": 8, "heads": 2, "feedforward_size": 16})


def near(a, b):
    return all(abs(x - y) <= 1e-5 for x, y in zip(a, b, strict=True))


def check_gru(gates, states, before):
    """h' = (1 - z) n + z h, a step after the other; the first step begins with `before`."""
    for z, n, h in zip(gates["update"], gates["candidate"], states, strict=True):
        assert near(h, [(1 - z[j]) * n[j] + z[j] * before[j] for j in range(len(h))])
        before = h


def check_lstm(gates, states, memories):
    """c' = f c + i g, h' = o tanh(c')."""
    before = [0.0] * HIDDEN
    for i, f, g, o, h, c in zip(gates["input"], gates["forget"], gates["cell"], gates["output"], states, memories, strict=True):
        assert near(c, [f[j] * before[j] + i[j] * g[j] for j in range(HIDDEN)])
        assert near(h, [o[j] * math.tanh(c[j]) for j in range(HIDDEN)])
        before = c


def test_gates_and_states_of_the_default_network(server):
    out, = asked(server, "wave-3", "gates", "states", "attention").expect(200).json["outputs"]
    gates, states = out["gates"], out["states"]
    assert set(gates) == set(states) == set(out["health"]) == {"encoder.l0", "decoder"}
    assert all(len(rows) == WINDOW for rows in gates["encoder.l0"].values()) and len(states["decoder"]) == HORIZON
    check_gru(gates["encoder.l0"], states["encoder.l0"], [0.0] * HIDDEN)
    check_gru(gates["decoder"], states["decoder"], states["encoder.l0"][-1])
    assert all(abs(sum(row) - 1) < 1e-4 for row in out["attention"])


def test_the_forecast_is_the_same(server):
    """What is looked at is a second execution; the answer is the first one's, bit for bit."""
    plain, = asked(server, "wave-3", return_attention=True, quantile_levels=[0.1, 0.9]).expect(200).json["outputs"]
    looked, = asked(server, "wave-3", "gates", "attention", "states", quantile_levels=[0.1, 0.9]).expect(200).json["outputs"]
    assert {name: looked[name] for name in plain} == plain
    assert set(looked) - set(plain) == {"gates", "health", "states"}


def test_health_is_that_of_the_gates(server):
    out, = asked(server, "wave-3", "gates").expect(200).json["outputs"]
    assert "states" not in out and "attention" not in out
    for part, gates in out["gates"].items():
        for name, rows in gates.items():
            health = out["health"][part][name]
            values = [abs(v) for row in rows for v in row]
            assert abs(health["mean"] - sum(v for row in rows for v in row) / len(values)) < 1e-6
            assert abs(health["low"] - sum(v < 0.1 for v in values) / len(values)) < 0.02
            assert abs(health["high"] - sum(v > 0.9 for v in values) / len(values)) < 0.02
            assert 0 <= health["still"] <= HIDDEN and health["variation"] >= 0
            assert ("correlation" in health) == (part == "encoder.l0")
    assert set(out["health"]["encoder.l0"]["reset"]["correlation"]) == {"close", "volume", "sma_5"}


def test_each_direction_in_the_sequence_s_order(server, lstm):
    out, = asked(server, lstm, "gates", "states").expect(200).json["outputs"]
    gates, states = out["gates"], out["states"]
    assert set(states) == {f"encoder.l0{way}{c}" for way in ("", "_reverse") for c in ("", ".c")}
    check_lstm(gates["encoder.l0"], states["encoder.l0"], states["encoder.l0.c"])
    backwards = {name: rows[::-1] for name, rows in gates["encoder.l0_reverse"].items()}
    check_lstm(backwards, states["encoder.l0_reverse"][::-1], states["encoder.l0_reverse.c"][::-1])


def test_heads_of_a_transformer(server, transformer):
    out, = asked(server, transformer, "attention", "states").expect(200).json["outputs"]
    heads = out["encoder_attention"]
    assert "attention" not in out and all(len(layer) == 2 for layer in heads.values())
    for square in (square for layer in heads.values() for square in layer):
        assert len(square) == WINDOW and all(abs(sum(row) - 1) < 1e-4 for row in square)
    assert all(len(rows) == WINDOW for rows in out["states"].values())


def test_each_input_has_its_own(server):
    rows = [r[1:] for r in series()][-40:-10]
    columns = {"close": [r[0] for r in rows], "volume": [r[1] for r in rows]}
    body = {"model": "wave-3", "inputs": [{"dataset": "wave"}, {"columns": columns}], "parameters": {"return": ["states"]}}
    first, second = server.post("/v1/forecast", body).expect(200).json["outputs"]
    alone, = asked(server, "wave-3", "states").expect(200).json["outputs"]
    assert first["states"] == alone["states"] != second["states"]


def test_what_cannot_be_shown(server, lstm, transformer):
    for model, name in ((lstm, "attention"), (transformer, "gates")):
        answer = asked(server, model, name).expect(422).json
        assert answer["pointer"] == "/parameters/return" and f"no {name}" in answer["detail"]
    answer = asked(server, "wave-3", "gates", "state").expect(422).json
    assert answer["pointer"] == "/parameters/return/1" and "states" in answer["detail"]


def test_too_much_is_refused(server):
    train(server, "wide", encoder={"hidden_size": 64})
    answer = asked(server, "wide", "gates", "states", inputs=200).expect(422).json
    assert answer["pointer"] == "/parameters/return" and "500000" in answer["detail"]
    asked(server, "wide", "gates", "states", inputs=2).expect(200)


# ---- gatecast inspect -----------------------------------------------------------


@pytest.fixture(scope="module")
def wave(tmp_path_factory):
    file = tmp_path_factory.mktemp("inspect") / "wave.csv"
    file.write_text(csv_text(series()))
    return file


def inspect(server, model, file, *options):
    status, out, err = command("inspect", model, file, "--db", server.db, *options)
    assert status == 0, err
    return out


def test_tables_say_what_the_api_says(server, wave, tmp_path):
    table = inspect(server, "wave-3", wave, "--output", tmp_path)
    out, = asked(server, "wave-3", "gates").expect(200).json["outputs"]
    for part, gates in out["health"].items():
        for name, health in gates.items():
            row = re.search(rf"^{re.escape(part)} {name} +(\S+) +(\S+) % +(\S+) % +(\S+) +(\d+)/{HIDDEN}$", table, re.MULTILINE)
            assert row, f"no {part} {name} in {table}"
            mean, low, high, variation, still = map(float, row.groups())
            assert abs(mean - health["mean"]) <= 6e-5 and abs(variation - health["variation"]) <= 6e-5
            assert abs(low / 100 - health["low"]) <= 6e-4 and abs(high / 100 - health["high"]) <= 6e-4
            assert still == health["still"]
            for channel, value in health.get("correlation", {}).items():
                said = re.search(rf"^{re.escape(part)} {name} .*?  {channel} (\S+)", table, re.MULTILINE).group(1)
                assert abs(float(said) - value) <= 6e-5


def colour(value, size=1.0):
    """White at 0, towards red above and blue below, in proportion."""
    share, ink = min(abs(value) / size, 1), (20, 50, 160) if value < 0 else (160, 20, 30)
    return [255 - share * (255 - channel) for channel in ink]


def check_cells(fills, values):
    assert len(fills) == len(values)
    for fill, value in zip(fills, values):
        got = [int(fill[i:i + 2], 16) for i in (1, 3, 5)]
        assert all(abs(a - b) <= 1 for a, b in zip(got, colour(value))), (fill, value)


def test_svg_shows_what_the_api_says(server, wave, tmp_path):
    inspect(server, "wave-3", wave, "--output", tmp_path / "made")
    out, = asked(server, "wave-3", "gates", "states", "attention").expect(200).json["outputs"]
    files = {f.name for f in (tmp_path / "made").iterdir()}
    assert files == {f"wave-3.{part}.{name}.svg" for part, gates in out["gates"].items() for name in [*gates, "h"]} | {
        "wave-3.decoder.attention.svg"}
    for part, gates in out["gates"].items():
        for name, rows in gates.items():
            root = xml.etree.ElementTree.parse(tmp_path / "made" / f"wave-3.{part}.{name}.svg").getroot()
            cells = root.find(f"{SVG}g[@id='cells']")
            check_cells([r.get("fill") for r in cells], [row[unit] for unit in range(HIDDEN) for row in rows])
            words = [t.text for t in root.iter(f"{SVG}text")]
            assert f"wave-3: {part} {name}" in words and "unit" in words and any("step" in word for word in words)
    root = xml.etree.ElementTree.parse(tmp_path / "made" / "wave-3.decoder.attention.svg").getroot()
    assert len(root.find(f"{SVG}g[@id='cells']")) == WINDOW * HORIZON


def test_png_has_a_square_a_cell(server, wave, tmp_path, transformer):
    def size(name):
        head = (tmp_path / name).read_bytes()[:24]
        assert head[:8] == b"\x89PNG\r\n\x1a\n" and head[12:16] == b"IHDR"
        return struct.unpack(">II", head[16:])

    assert "9 pictures" in inspect(server, "wave-3", wave, "--output", tmp_path, "--format", "png")
    assert size("wave-3.decoder.attention.png") == (16 * WINDOW, 16 * HORIZON)
    assert size("wave-3.encoder.l0.reset.png") == (16 * WINDOW, 16 * HIDDEN)
    assert size("wave-3.decoder.h.png") == (16 * HORIZON, 16 * HIDDEN)
    inspect(server, transformer, wave, "--output", tmp_path, "--format", "png")
    assert size(f"{transformer}.encoder.l0.head1.png") == (16 * WINDOW, 16 * WINDOW)


@pytest.mark.parametrize("options, status, words", [
    (["--format", "gif"], 2, "svg or png"),
    (["--output", "/dev/null/pictures"], 1, "cannot create"),
    (["--version", "99"], 1, "99"),
])
def test_what_goes_wrong(server, wave, options, status, words):
    got, _, err = command("inspect", "wave-3", wave, "--db", server.db, *options)
    assert got == status and words in err, err
