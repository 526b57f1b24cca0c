"""test_predict.py - forecasts in three dialects, and their promise: the same bits in any company."""
import concurrent.futures
import json
import random

import pytest

from gatecast import Client, csv_text, job_body, series

ROWS = series()
CONTEXT = 16    # window 12 and the look-back of sma_5


def columns(last, n=CONTEXT):
    """The series of /v1/forecast that ends with row `last`."""
    rows = ROWS[last + 1 - n:last + 1]
    return {"close": [r[1] for r in rows], "volume": [r[2] for r in rows]}


def sequence(last, n=CONTEXT):
    """The same for the tensor dialects: [steps][close, volume]."""
    return [[r[1], r[2]] for r in ROWS[last + 1 - n:last + 1]]


def forecast(server, **input_):
    return server.post("/v1/forecast", {"model": "wave-3", "inputs": [input_]}).expect(200).json


def test_forecast_from_columns(server):
    body = {"model": "wave-3", "inputs": [{"columns": columns(250), "start": ROWS[250 - CONTEXT + 1][0]}],
            "parameters": {"quantile_levels": [0.1, 0.5, 0.9], "return_attention": True}}
    answer = server.post("/v1/forecast", body).expect(200).json
    assert (answer["model"], answer["version"]) == ("wave-3", 1)
    out, = answer["outputs"]
    assert out["target"] == "close" and len(out["mean"]) == 3
    assert [t[:10] for t in out["timestamps"]] == [r[0] for r in ROWS[251:254]]
    for low, middle, high in zip(*(out["quantiles"][q] for q in ("0.1", "0.5", "0.9"))):
        assert low <= middle <= high and low < high
    assert [len(step) for step in out["attention"]] == [12, 12, 12]
    assert all(abs(sum(step) - 1) < 1e-4 for step in out["attention"])
    assert answer["skill"]["verdict"] in ("better", "no better", "worse")


def test_forecast_of_a_dataset_is_that_of_its_end(server):
    stored = forecast(server, dataset="wave")
    sent = forecast(server, columns=columns(len(ROWS) - 1))
    assert stored["outputs"][0]["mean"] == sent["outputs"][0]["mean"]


def test_a_longer_series_is_used_from_its_end(server):
    assert forecast(server, columns=columns(250, 200))["outputs"] == forecast(server, columns=columns(250))["outputs"]


def test_a_shorter_one_is_told_the_minimum(server):
    answer = server.post("/v1/forecast", {"model": "wave-3", "inputs": [{"columns": columns(250, CONTEXT - 1)}]}).expect(422)
    assert str(CONTEXT) in answer.json["detail"]


def test_missing_values_are_filled_and_said(server):
    holes = columns(250)
    holes["close"][5] = None
    answer = forecast(server, columns=holes)
    assert answer["warnings"] and all(isinstance(v, float) for v in answer["outputs"][0]["mean"])


def test_prediction_length(server):
    body = {"model": "wave-3", "inputs": [{"dataset": "wave"}], "parameters": {"prediction_length": 2}}
    short = server.post("/v1/forecast", body).expect(200).json["outputs"][0]["mean"]
    assert short == forecast(server, dataset="wave")["outputs"][0]["mean"][:2]
    body["parameters"]["prediction_length"] = 4
    server.post("/v1/forecast", body).expect(422)


def test_several_series_in_one_body(server):
    body = {"model": "wave-3", "inputs": [{"columns": columns(last)} for last in (100, 150, 200)]}
    outs = server.post("/v1/forecast", body).expect(200).json["outputs"]
    alone = [forecast(server, columns=columns(last))["outputs"][0] for last in (100, 150, 200)]
    assert [o["mean"] for o in outs] == [o["mean"] for o in alone]


PREDICT_PATHS = ["/v1/models/wave-3:predict", "/v1/models/wave-3/versions/1:predict", "/v1/models/wave-3/labels/latest:predict"]


@pytest.mark.parametrize("path", PREDICT_PATHS)
def test_tensorflow_serving(server, path):
    rows = server.post(path, {"instances": [sequence(250)]}).expect(200).json
    assert list(rows) == ["predictions"]
    mean = forecast(server, columns=columns(250))["outputs"][0]["mean"]
    assert rows["predictions"] == [[[v] for v in mean]]
    inputs = server.post(path, {"inputs": [sequence(250)]}).expect(200).json
    assert inputs == {"outputs": rows["predictions"]}


def test_tensorflow_serving_status_and_metadata(server):
    status = server.get("/v1/models/wave-3").expect(200).json["model_version_status"]
    assert [(v["version"], v["state"]) for v in status] == [("1", "AVAILABLE")]
    metadata = server.get("/v1/models/wave-3/metadata").expect(200).json
    assert metadata["model_spec"]["name"] == "wave-3"


def test_open_inference(server):
    assert server.get("/v2").expect(200).json["name"] == "gatecast"
    assert server.get("/v2/health/live").expect(200).json == {"live": True}
    assert server.get("/v2/health/ready").expect(200).json == {"ready": True}
    model = server.get("/v2/models/wave-3").expect(200).json
    assert model["name"] == "wave-3" and len(model["inputs"]) == 1 and len(model["outputs"]) == 1
    server.get("/v2/models/wave-3/ready").expect(200)
    server.get("/v2/models/nobody/ready").expect(404, 503)

    tensor = {"name": model["inputs"][0]["name"], "datatype": "FP64", "shape": [1, CONTEXT, 2]}
    mean = forecast(server, columns=columns(250))["outputs"][0]["mean"]
    for data in ([sequence(250)], [v for step in sequence(250) for v in step]):
        for path in ("/v2/models/wave-3/infer", "/v2/models/wave-3/versions/1/infer"):
            answer = server.post(path, {"id": "abc", "inputs": [{**tensor, "data": data}]}).expect(200).json
            assert (answer["model_name"], answer["model_version"], answer["id"]) == ("wave-3", "1", "abc")
            out, = answer["outputs"]
            assert out["shape"] == [1, 3, 1] and out["data"] == mean


def test_errors_speak_each_dialect(server):
    for path in ("/v1/models/nobody:predict", "/v2/models/nobody/infer", "/v1/forecast"):
        body = {"model": "nobody", "inputs": [{"dataset": "wave"}]} if path == "/v1/forecast" else {
            "instances": [sequence(250)]} if path.endswith("predict") else {
            "inputs": [{"name": "input", "datatype": "FP64", "shape": [1, CONTEXT, 2], "data": [sequence(250)]}]}
        answer = server.post(path, body).expect(404)
        assert answer.headers["content-type"].startswith("application/problem+json")
        assert isinstance(answer.json["error"], str) and answer.json["code"] == "not_found"


def numbers(server, rows):
    """The predictions as the text of their numbers, so that every bit counts."""
    answer = server.post("/v1/models/wave-3:predict", {"instances": rows}).expect(200)
    return [[[repr(v) for v in step] for step in row] for row in json.loads(answer.body)["predictions"]]


def test_a_batch_of_64_equals_each_alone_bit_for_bit(server):
    rng = random.Random(3)
    rows = [sequence(rng.randrange(CONTEXT, len(ROWS))) for _ in range(64)]
    together = numbers(server, rows)
    alone = [numbers(server, [row])[0] for row in rows]
    assert together == alone
    assert len({str(r) for r in together}) > 32     # and they are not all one answer


def test_64_clients_at_once_get_what_each_would_get_alone(server):
    lasts = [CONTEXT + i for i in range(64)]
    want = {last: numbers(server, [sequence(last)]) for last in lasts}

    def client(last):
        with Client(server.address) as connection:
            for _ in range(10):
                answer = connection.request("POST", "/v1/models/wave-3:predict", {"instances": [sequence(last)]}).expect(200)
                got = [[[repr(v) for v in step] for step in row] for row in answer.json["predictions"]]
                assert got == want[last]
        return True

    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        assert all(pool.map(client, lasts))


def test_where_the_time_went(server):
    answer = server.post("/v1/forecast", {"model": "wave-3", "inputs": [{"dataset": "wave"}]}).expect(200)
    timing = answer.headers["server-timing"]
    assert all(phase in timing for phase in ("parse", "queue", "compute"))


def test_a_deadline_that_cannot_be_met_is_said(server):
    rows = [sequence(250)] * 1000
    body = {"id": "late", "parameters": {"timeout": 1}, "inputs": [
        {"name": "input", "datatype": "FP64", "shape": [1000, CONTEXT, 2], "data": rows}]}
    answer = server.post("/v2/models/wave-3/infer", body).expect(503, 504)
    assert answer.json["code"] in ("busy", "timeout")


def test_a_new_version_is_served_at_once_and_old_ones_stay(start):
    daemon = start()
    daemon.upload("wave", csv_text(ROWS))
    daemon.train(job_body(seed=1))
    first = numbers(daemon, [sequence(250)])
    daemon.train(job_body(seed=2, epochs=4))
    second = numbers(daemon, [sequence(250)])
    assert first != second
    answer = daemon.post("/v1/models/wave-3/versions/1:predict", {"instances": [sequence(250)]}).expect(200).json
    assert [[[repr(v) for v in step] for step in row] for row in answer["predictions"]] == first
    daemon.put("/v1/models/wave-3/labels/stable", {"version": 1}).expect(200, 201, 204)
    answer = daemon.post("/v1/models/wave-3/labels/stable:predict", {"instances": [sequence(250)]}).expect(200).json
    assert [[[repr(v) for v in step] for step in row] for row in answer["predictions"]] == first


def test_models_survive_a_restart(start):
    daemon = start()
    daemon.upload("wave", csv_text(ROWS))
    daemon.train(job_body())
    before = numbers(daemon, [sequence(250)])
    daemon.stop()
    daemon.start()
    assert numbers(daemon, [sequence(250)]) == before
