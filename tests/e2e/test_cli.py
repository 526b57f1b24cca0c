"""test_cli.py - the command line: train and predict without a server, keys, checks, help, exit codes."""
import json
import re
import shutil

import pytest

from gatecast import Daemon, command, csv_text, series

OPTIONS = {
    "serve": """listen admin db threads workers max-body max-upload max-queued-jobs drain-delay log-level deadline
                max-connections require-key int8 queue-capacity model-cache header-timeout body-timeout response-timeout
                train-threads checkpoint-interval""",
    "train": "db target features model preset horizon window epochs hidden seed train-threads log-level",
    "predict": "db version json",
    "inspect": "db version format output",
    "quantise": "db version",
    "check": "db",
    "key": "db name scopes",
    "health": "admin",
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with wave.csv and a database that `gatecast train` made."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "wave.csv").write_text(csv_text(series()))
    status, out, err = command("train", "wave.csv", "--target", "close", "--features", "close,volume,sma_5", "--horizon", "3",
                               "--window", "12", "--hidden", "8", "--epochs", "2", "--db", "cli.db", cwd=folder)
    assert status == 0, err
    folder.joinpath("train.out").write_text(out + err)
    (folder / "short.csv").write_text(csv_text(series()[:15]))
    return folder


def copy_of(trained, tmp_path):
    for file in trained.iterdir():
        shutil.copy(file, tmp_path)
    return tmp_path


def test_train_says_how_good_it_is(trained):
    said = (trained / "train.out").read_text()
    assert re.search(r"better|worse", said) and "naive" in said


def test_predict_prints_a_table(trained):
    status, out, err = command("predict", "wave-3", "wave.csv", "--db", "cli.db", cwd=trained)
    assert status == 0, err
    assert len(re.findall(r"^\s*2020-\d\d-\d\d", out, re.MULTILINE)) == 3, out


def test_predict_prints_json(trained):
    status, out, err = command("predict", "wave-3", "wave.csv", "--json", "--db", "cli.db", cwd=trained)
    assert status == 0, err
    answer = json.loads(out)
    assert answer["model"] == "wave-3" and len(answer["outputs"][0]["mean"]) == 3


def test_a_file_is_read_by_its_suffix(trained, tmp_path):
    folder = copy_of(trained, tmp_path)
    (folder / "wave.tsv").write_text(csv_text(series()).replace(",", "\t"))
    (folder / "wave.txt").write_text(csv_text(series()))
    said = [command("predict", "wave-3", f"wave.{end}", "--json", "--db", "cli.db", cwd=folder) for end in ("csv", "tsv")]
    assert said[0][0] == 0 and said[0][1] == said[1][1]
    status, _, err = command("predict", "wave-3", "wave.txt", "--db", "cli.db", cwd=folder)
    assert status == 1 and "close" in err   # a text has no such column
    status, _, err = command("train", "wave.tsv", "--target", "close", "--text", "close", "--db", "cli.db", cwd=folder)
    assert status == 1 and "close" in err   # text, not numbers


def test_the_service_gives_the_same_forecast(trained, tmp_path):
    folder = copy_of(trained, tmp_path)
    shutil.move(folder / "cli.db", folder / "gatecast.db")
    said = json.loads(command("predict", "wave-3", "wave.csv", "--json", "--db", "gatecast.db", cwd=folder)[1])
    daemon = Daemon(folder)
    served = daemon.post("/v1/forecast", {"model": "wave-3", "inputs": [{
        "columns": {"close": [r[1] for r in series()], "volume": [r[2] for r in series()]}}]}).expect(200).json
    daemon.stop()
    assert served["outputs"][0]["mean"] == said["outputs"][0]["mean"]


def test_an_int8_service_forecasts_nearly_the_same(trained, tmp_path):
    folder = copy_of(trained, tmp_path)
    shutil.move(folder / "cli.db", folder / "gatecast.db")
    said = json.loads(command("predict", "wave-3", "wave.csv", "--json", "--db", "gatecast.db", cwd=folder)[1])
    daemon = Daemon(folder, "--int8")
    served = daemon.post("/v1/forecast", {"model": "wave-3", "inputs": [{
        "columns": {"close": [r[1] for r in series()], "volume": [r[2] for r in series()]}}]}).expect(200).json
    daemon.stop()
    mean, quantised = said["outputs"][0]["mean"], served["outputs"][0]["mean"]
    assert quantised != mean
    assert all(abs(a - b) <= 0.01 * abs(a) for a, b in zip(mean, quantised, strict=True))


def test_quantise_compares_both(trained):
    status, out, err = command("quantise", "wave-3", "wave.csv", "--db", "cli.db", cwd=trained)
    assert status == 0, err
    ratio = re.search(r"^bytes of the network +\d+ +\d+ +([\d.]+) %$", out, re.MULTILINE)
    assert float(ratio[1]) < 100
    forecast = re.search(r"^mean absolute error +([\d.e+-]+) +([\d.e+-]+) +([\d.+-]+) %$", out, re.MULTILINE)
    assert abs(float(forecast[3])) <= 1
    assert abs(100 * (float(forecast[2]) / float(forecast[1]) - 1) - float(forecast[3])) <= 0.01
    assert len(re.findall(r"^us a sequence, (?:1|8|32) at a time +[\d.]+ +[\d.]+ +[\d.]+ x$", out, re.MULTILINE)) == 3


def test_quantise_needs_no_series(trained):
    status, out, err = command("quantise", "wave-3", "--db", "cli.db", cwd=trained)
    assert status == 0, err
    assert "outputs, and how far they move" in out and "absolute error" not in out


def test_train_again_makes_a_version(trained, tmp_path):
    folder = copy_of(trained, tmp_path)
    status, out, err = command("train", "wave.csv", "--target", "close", "--features", "close,volume", "--horizon", "3",
                               "--window", "12", "--hidden", "8", "--epochs", "1", "--db", "cli.db", cwd=folder)
    assert status == 0, err
    answer = json.loads(command("predict", "wave-3", "wave.csv", "--json", "--db", "cli.db", cwd=folder)[1])
    assert answer["version"] == 2
    old = json.loads(command("predict", "wave-3", "wave.csv", "--json", "--version", "1", "--db", "cli.db", cwd=folder)[1])
    assert old["version"] == 1


def test_check_passes_on_a_sound_database(trained):
    status, out, err = command("check", "--db", "cli.db", cwd=trained)
    assert status == 0, out + err


def test_check_finds_damage(trained, tmp_path):
    folder = copy_of(trained, tmp_path)
    data = bytearray((folder / "cli.db").read_bytes())
    for at in range(4096, len(data), 4096):        # a byte in every page but the first
        data[at + 2048] ^= 0xFF
    (folder / "cli.db").write_bytes(data)
    for name in ("cli.db-wal", "cli.db-shm"):
        (folder / name).unlink(missing_ok=True)
    status, out, err = command("check", "--db", "cli.db", cwd=folder)
    assert status == 1 and (out + err).strip()


def test_keys(tmp_path):
    def key(*arguments):
        return command("key", *arguments, "--db", tmp_path / "k.db")

    status, out, err = key("add", "--name", "laptop", "--scopes", "predict,read")
    assert status == 0 and re.search(r"gc_\w+\.\S{40,}", out), out + err
    listed = key("list")
    assert listed[0] == 0 and "laptop" in listed[1] and "predict" in listed[1]
    assert key("add", "--scopes", "everything")[0] in (1, 2)
    assert key("revoke", "nobody")[0] == 1
    assert key("dance")[0] == 2


def test_health(tmp_path):
    daemon = Daemon(tmp_path)
    assert command("health", "--admin", daemon.admin)[0] == 0
    assert command("health", environment={"GATECAST_ADMIN": daemon.admin})[0] == 0
    daemon.stop()
    assert command("health", "--admin", daemon.admin)[0] == 1


def test_overview():
    for word in ("--help", "help"):
        status, out, _ = command(word)
        assert status == 0 and all(name in out for name in OPTIONS) and "Exit codes" in out
    assert command("--version")[0] == 0


@pytest.mark.parametrize("name, options", OPTIONS.items())
def test_help_explains_every_option_and_its_variable(name, options):
    status, out, _ = command(name, "--help")
    assert status == 0
    for option in options.split():
        assert f"--{option}" in out
        assert "GATECAST_" + option.upper().replace("-", "_") in re.sub(r"\s+", " ", out), option


def test_the_variable_counts_and_the_option_wins(tmp_path):
    daemon = Daemon(tmp_path, environment={"GATECAST_MAX_BODY": "2000"})
    body = json.dumps({"model": "m", "inputs": [{"dataset": "d" * 3000}]})
    refused = daemon.post("/v1/forecast", body, headers={"Content-Type": "application/json"}).expect(413)
    assert "2000" in refused.json["detail"] and "max-body" in refused.json["detail"]
    daemon.stop()
    daemon.options = ("--max-body", "50000")
    daemon.start()
    daemon.post("/v1/forecast", body, headers={"Content-Type": "application/json"}).expect(422)
    daemon.stop()


USAGE = {
    "nothing": [], "unknown command": ["dance"], "unknown option": ["serve", "--dance"], "number no number": ["serve", "--threads", "x"],
    "number below": ["serve", "--threads", "-1"], "number above": ["serve", "--threads", "1000"], "empty number": ["serve", "--deadline", ""],
    "option without a value": ["serve", "--db"], "level unknown": ["serve", "--log-level", "loud"], "too many arguments": ["serve", "now"],
    "train without a file": ["train"], "train without a target": ["train", "x.csv"], "predict without a series": ["predict", "m"],
    "preset unknown": ["train", "wave.csv", "--target", "close", "--preset", "mlp"],
    "key without a verb": ["key"], "number with a unit": ["serve", "--max-body", "1MiB"],
}


@pytest.mark.parametrize("name", USAGE)
def test_usage_errors_exit_with_2(name, tmp_path):
    status, _, err = command(*USAGE[name], cwd=tmp_path)
    assert status == 2 and err.strip()


def test_a_bad_variable_is_a_usage_error(tmp_path):
    status, _, err = command("serve", environment={"GATECAST_THREADS": "many"}, cwd=tmp_path)
    assert status == 2 and "GATECAST_THREADS" in err


FAILURES = {
    "train on no file": ["train", "none.csv", "--target", "close"],
    "train on no column": ["train", "wave.csv", "--target", "nothing"],
    "predict with no model": ["predict", "nobody", "wave.csv"],
    "quantise with no model": ["quantise", "nobody", "--db", "cli.db"],
    "quantise on too short a series": ["quantise", "wave-3", "short.csv", "--db", "cli.db"],
    "listen on a strange address": ["serve", "--listen", "203.0.113.1:0", "--admin", "127.0.0.1:0"],
    "database in no folder": ["check", "--db", "/nowhere/x.db"],
    "health of nobody": ["health", "--admin", "127.0.0.1:1"],
}


@pytest.mark.parametrize("name", FAILURES)
def test_failures_exit_with_1(name, trained, tmp_path):
    status, out, err = command(*FAILURES[name], cwd=copy_of(trained, tmp_path))
    assert status == 1 and (out + err).strip()


def test_a_second_server_on_one_database_is_refused(tmp_path):
    daemon = Daemon(tmp_path)
    status, _, err = command("serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--db", daemon.db)
    daemon.stop()
    assert status == 1 and str(daemon.process.pid) in err
