"""test_examples.py - the examples that ship, run as a reader of docs/examples.md would, but for seconds.

What they show in earnest stands in that page; here each has to end, and to beat what needs no learning by a margin that
such a run leaves it.
"""
import datetime
import json
import math
import os
import random
import re
import subprocess

import pytest

from gatecast import BINARY, SANITIZER

EXAMPLES = os.path.join(os.path.dirname(__file__), "..", "..", "deploy", "examples")


def run(example, *arguments):
    """What the example reports, as {model: {figure: value}}."""
    process = subprocess.run([os.path.join(EXAMPLES, example), *map(str, arguments)], stdin=subprocess.DEVNULL,
                             capture_output=True, text=True, timeout=900, check=False,
                             env={**os.environ, "GATECAST": str(BINARY), "PYTHONDONTWRITEBYTECODE": "1"})
    assert process.returncode == 0, process.stderr[-2000:]
    assert not SANITIZER.search(process.stderr)
    found = re.findall(r"^(\w+): (.* weights \d+, seconds [\d.]+)$", process.stdout, re.M)
    assert found, process.stdout
    return {name: dict(item.split(" ", 1) for item in figures.split(", ")) for name, figures in found}


def number(figures, name):
    value = float(figures[name])
    assert math.isfinite(value)
    return value


def test_sine():
    told = run("sine", "--rows", 1500, "--epochs", 12)
    assert [number(told[cell], "weights") for cell in ("gru", "lstm")] == [3194, 4248]
    for cell in told:
        assert number(told[cell], "mae") < 0.01 < 0.05 < number(told[cell], "naive")


def test_price():
    told = run("price", "--epochs", 1)["prices"]
    assert abs(number(told, "naive") - 28.42) < 0.01
    assert number(told, "mae") < 1.1 * number(told, "naive")


def sentences(n):
    rng = random.Random(5)
    words = ["a cat", "the old man", "nobody"], ["sees", "paints", "likes"], ["houses.\n", "fish.\n", "me.\n"]
    return "".join(" ".join(map(rng.choice, words)) for _ in range(n))


def test_characters(tmp_path):
    (tmp_path / "text").write_text(sentences(2000))
    told = run("characters", tmp_path / "text", "--hidden", 64, "--epochs", 20, "--write", 20)["text"]
    assert number(told, "nats") < 0.7 * number(told, "pairs")


def test_classify():
    told = run("classify", "--names", 3000, "--epochs", 8)["names"]
    assert number(told, "accuracy") > number(told, "majority") + 0.3


def test_translate():
    told = run("translate", "--train", 3000, "--test", 100, "--epochs", 8)["dates"]
    assert number(told, "copy") == 0 and number(told, "exact") > 0.2


def days(jump):
    """Two weeks of a noisy day of 288 rows with a plateau; on the tenth it is twice as high."""
    rng, start, rows = random.Random(3), datetime.datetime(2014, 4, 1), []
    for i in range(14 * 288):
        high = 96 <= i % 288 < 216
        level = 20 + 60 * high + 80 * (high and jump and i // 288 == 10)
        rows.append(f"{start + i * datetime.timedelta(minutes=5)},{level + rng.gauss(0, 3):.3f}\n")
    return "timestamp,value\n" + "".join(rows)


@pytest.mark.parametrize("name, jump", [("art_daily_jumpsup", True), ("art_daily_small_noise", False)])
def test_anomalies(tmp_path, name, jump):
    windows = [["2014-04-11 06:00:00.000000", "2014-04-11 23:00:00.000000"]] if jump else []
    (tmp_path / f"{name}.csv").write_text(days(jump))
    (tmp_path / "labels.json").write_text(json.dumps({"windows": {f"{name}.csv": windows}}))
    told = run("anomalies", tmp_path, "--only", name)[name]
    assert (told["found"], told["precision"]) == (f"{int(jump)} of {int(jump)}",) * 2
