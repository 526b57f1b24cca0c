"""test_anomalies.py - scores and flags of a series over sockets, against their definition written down once more."""
import json
import statistics

import pytest

from gatecast import CSV, Daemon, csv_text, job_body, series

CONTEXT, HORIZON = 16, 3    # of wave-3: window 12 and the look-back of sma_5
SPIKE = 450


def strange():
    """Like the series it was trained on, but for one row."""
    rows = series(900)
    rows[SPIKE] = (rows[SPIKE][0], rows[SPIKE][1] + 60, rows[SPIKE][2])
    return rows


ROWS = strange()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A daemon with the model wave-3 and the dataset `strange`."""
    daemon = Daemon(tmp_path_factory.mktemp("server"), "--checkpoint-interval", "0")
    try:
        daemon.upload("wave", csv_text(series(900)))
        daemon.upload("strange", csv_text(ROWS))
        daemon.train(job_body())
        yield daemon
    finally:
        daemon.stop()


def columns(rows):
    return {"close": [r[1] for r in rows], "volume": [r[2] for r in rows]}


def judge(server, body=None, **parameters):
    body = {"model": "wave-3", **(body or {"dataset": "strange"}), "parameters": parameters}
    return server.post("/v1/anomalies", body).expect(200).json


def scores_by_definition(server, rows, smoothing):
    """Each window's forecast from the predict route; errors, units, smoothing as the docs say."""
    instances = [[[r[1], r[2]] for r in rows[i:i + CONTEXT]] for i in range(len(rows) - CONTEXT)]
    said = server.post("/v1/models/wave-3:predict", {"instances": instances}).expect(200).json["predictions"]
    errors = [[] for _ in rows]
    for i, forecast in enumerate(said):
        for h, (value,) in enumerate(forecast):
            if i + CONTEXT + h < len(rows):
                errors[i + CONTEXT + h].append(abs(value - rows[i + CONTEXT + h][1]))
    mean = [sum(e) / len(e) for e in errors[CONTEXT:]]
    unit, score, out = statistics.median(mean), None, [None] * CONTEXT
    for e in mean:
        score = e / unit if score is None else score + 2 / (smoothing + 1) * (e / unit - score)
        out.append(score)
    return out


@pytest.mark.parametrize("smoothing", [1, 5])
def test_scores_are_those_of_the_definition(server, smoothing):
    got, want = judge(server, smoothing=smoothing)["scores"], scores_by_definition(server, ROWS, smoothing)
    assert len(got) == len(want) == len(ROWS)
    assert all(a is None and b is None or abs(a - b) <= 1e-9 * (1 + b) for a, b in zip(got, want))


def test_the_threshold_is_that_of_the_definition(server):
    answer = judge(server, deviations=5)
    known = answer["scores"][answer["probation"]:]
    middle = statistics.median(known)
    want = middle + 5 * 1.4826 * statistics.median(abs(s - middle) for s in known)
    assert abs(answer["threshold"] - want) <= 1e-9 * want
    assert (answer["rows"], answer["first_scored"], answer["probation"]) == (900, CONTEXT, 135)


def test_the_strange_row_is_found_and_dated(server):
    answer = judge(server)
    flag, = answer["flags"]
    assert flag["from"] == SPIKE and SPIKE <= flag["to"] <= SPIKE + CONTEXT
    assert flag["start"] == ROWS[SPIKE][0] and flag["end"] == ROWS[flag["to"]][0]
    assert flag["score"] == max(answer["scores"][SPIKE:flag["to"] + 1]) > 2 * answer["threshold"]


def test_the_series_as_it_was_has_none(server):
    assert judge(server, {"dataset": "wave"})["flags"] == []


def test_values_that_are_sent_are_judged_as_those_of_a_dataset(server):
    stored = judge(server)
    sent = judge(server, {"columns": columns(ROWS), "start": ROWS[0][0]})
    assert sent == stored
    undated = judge(server, {"columns": columns(ROWS)})
    assert undated["scores"] == stored["scores"] and undated["flags"][0]["start"] is None


def test_rows_are_counted_in_the_dataset(server):
    """Rows before the first whole one have no score, and keep their numbers."""
    rows = [(r[0], "" if i < 7 else r[1], r[2]) for i, r in enumerate(ROWS)]
    server.upload("late", csv_text(rows))
    answer = judge(server, {"dataset": "late"})
    assert (answer["rows"], answer["first_scored"], len(answer["scores"])) == (900, 7 + CONTEXT, 900)
    assert answer["flags"][0]["from"] == SPIKE and answer["flags"][0]["start"] == ROWS[SPIKE][0]


def test_parameters(server):
    low = judge(server, threshold=0.5, gap=0)
    assert low["threshold"] == 0.5 and low["gap"] == 0 and len(low["flags"]) > 10
    one, = judge(server, threshold=0.5, gap=100000)["flags"]
    assert one["from"] == low["flags"][0]["from"] and one["to"] == low["flags"][-1]["to"]
    assert all(flag["from"] >= low["probation"] for flag in low["flags"])


def test_slices_do_not_show(start):
    """A queue of one sequence gives windows one by one."""
    daemon = start("--queue-capacity", "1")
    daemon.upload("wave", csv_text(series(900)))
    daemon.upload("strange", csv_text(ROWS))
    daemon.train(job_body())
    other = start()
    other.upload("wave", csv_text(series(900)))
    other.upload("strange", csv_text(ROWS))
    other.train(job_body())
    assert judge(daemon) == judge(other)


def test_the_least_number_of_rows(server):
    assert judge(server, {"columns": columns(ROWS[:CONTEXT + 1])})["scores"][-1] == 1
    answer = server.post("/v1/anomalies", {"model": "wave-3", "columns": columns(ROWS[:CONTEXT])}).expect(422)
    assert str(CONTEXT + 1) in answer.json["detail"]


def test_the_most_rows(server):
    head, body = "close,volume\n", "".join(f"{100 + i % 7},{1000 + i % 5}\n" for i in range(100000))
    server.put("/v1/datasets/most", head + body, headers=CSV).expect(201)
    assert judge(server, {"dataset": "most"}, smoothing=3)["rows"] == 100000
    server.put("/v1/datasets/more", head + body + "1,1\n", headers=CSV).expect(201)
    assert "100000" in server.post("/v1/anomalies", {"model": "wave-3", "dataset": "more"}).expect(422).json["detail"]
    body = {"model": "wave-3", "dataset": "most", "parameters": {"timeout_ms": 1}}
    assert server.post("/v1/anomalies", body).expect(503, 504).json["code"] in ("busy", "timeout")


BAD = [
    (b"", 400), (b"{}", 422), (b"[]", 422), (b'{"model":"wave-3"}', 422), (b'{"model":"wave-3","dataset":"nothing"}', 404),
    (b'{"model":"nobody","dataset":"wave"}', 404), (b'{"model":"wave-3","dataset":"wave","version":9}', 404),
    (b'{"model":"wave-3","dataset":"wave","columns":{"close":[1]}}', 422),
    (b'{"model":"wave-3","dataset":"wave","start":"2020-01-01"}', 422),
    (b'{"model":"wave-3","columns":{"close":[1,2]}}', 422),
    (json.dumps({"model": "wave-3", "columns": {**columns(ROWS), "other": [1] * 900}}).encode(), 422),
    (json.dumps({"model": "wave-3", "columns": {"close": [None] * 30, "volume": [1] * 30}}).encode(), 422),
    (b'{"model":"wave-3","dataset":"wave","parameters":{"treshold":1}}', 422),
    (b'{"model":"wave-3","dataset":"wave","parameters":{"threshold":1,"deviations":2}}', 422),
    (b'{"model":"wave-3","dataset":"wave","parameters":{"smoothing":0}}', 422),
    (b'{"model":"wave-3","dataset":"wave","parameters":{"threshold":NaN}}', 400),
]


@pytest.mark.parametrize("body, status", BAD)
def test_bad_bodies(server, body, status):
    problem = server.post("/v1/anomalies", body, headers={"Content-Type": "application/json"}).expect(status).json
    assert problem["status"] == status and problem["detail"]
