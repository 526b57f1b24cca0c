"""test_sessions.py - series that are forecast as they come: the same bits however they are cut, and how a session ends.

`wave-3` was trained here and is read by its last rows; `stream` is an imported network, whose state goes on.
"""
import concurrent.futures
import json
import random
import struct

import pytest

import weights
from gatecast import JSON, Client, Daemon, csv_text, job_body, series, wait_for
from test_auth import add_key

ROWS = series()
CONTEXT = 16       # of wave-3: window 12 and the look-back of sma_5
WINDOW = 10        # of stream
SAFETENSORS = {"Content-Type": "application/x-safetensors"}


def columns(rows):
    return {"close": [r[1] for r in rows], "volume": [r[2] for r in rows]}


def import_stream(daemon, name="stream", seed=1, **more):
    body = weights.write(weights.network("gru", 2, 8, 2, False, 3, seed=seed))
    daemon.put(f"/v1/models/{name}?horizon=3&window={WINDOW}&columns=close,volume", body,
               headers={**SAFETENSORS, **more}).expect(201)


def begin(client, model="wave-3", **more):
    return client.request("POST", "/v1/sessions", {"model": model, **more}).expect(201).json["id"]


def step(client, session, sequence, rows, **more):
    body = {"sequence": sequence, "columns": columns(rows), **more}
    return client.request("POST", f"/v1/sessions/{session}/steps", body)


def forecast(client, model, rows, **parameters):
    body = {"model": model, "inputs": [{"columns": columns(rows)}], "parameters": parameters}
    return client.request("POST", "/v1/forecast", body).expect(200).json


def pieces(rows, rng, most=9):
    """The rows, cut at drawn places."""
    at = 0
    while at < len(rows):
        n = rng.randint(1, most)
        yield rows[at:at + n]
        at += n


def walk(client, session, cut, first=1):
    """All pieces as steps; their answers."""
    return [step(client, session, first + i, piece).expect(200) for i, piece in enumerate(cut)]


@pytest.fixture(scope="module")
def streaming(server):
    import_stream(server)
    return server


def metric(daemon, name):
    line, = (l for l in daemon.get("/metrics").body.decode().splitlines() if l.startswith(f"gatecast_{name} "))
    return float(line.split()[-1])


# ---- what a session is


def test_a_session_describes_itself(streaming):
    answer = streaming.post("/v1/sessions", {"model": "wave-3"}).expect(201)
    session = answer.json
    assert answer.headers["location"] == f"/v1/sessions/{session['id']}"
    assert len(session["id"]) == 32 and int(session["id"], 16) > 0
    assert (session["object"], session["model"], session["version"]) == ("session", "wave-3", 1)
    assert session["keep"] == "rows"
    assert session["columns"] == ["close", "volume"]
    assert (session["sequence"], session["rows"], session["rows_needed"]) == (0, 0, CONTEXT)
    assert session["created_at"] < session["expires_at"]
    step(streaming, session["id"], 1, ROWS[:5]).expect(200)
    later = streaming.get(f"/v1/sessions/{session['id']}").expect(200).json
    assert (later["sequence"], later["rows"], later["rows_needed"]) == (1, 5, CONTEXT - 5)
    carried = streaming.post("/v1/sessions", {"model": "stream"}).expect(201).json
    assert (carried["keep"], carried["rows_needed"]) == ("state", 1)


def test_too_few_rows_are_kept_and_said(streaming):
    session = begin(streaming)
    answer = step(streaming, session, 1, ROWS[:CONTEXT - 1]).expect(200).json
    assert answer["outputs"] == [] and "1 more rows" in answer["warnings"][0]
    whole = step(streaming, session, 2, ROWS[CONTEXT - 1:CONTEXT]).expect(200).json
    assert whole == forecast(streaming, "wave-3", ROWS[:CONTEXT])


@pytest.mark.parametrize("model", ["wave-3", "stream"])
@pytest.mark.parametrize("seed", range(4))
def test_the_same_bits_however_it_is_cut(streaming, model, seed):
    rng = random.Random(seed)
    rows = ROWS[:60 + rng.randrange(60)]
    parameters = {"parameters": {"quantile_levels": [0.1, 0.5, 0.9]}}
    with Client(streaming.address) as client:
        whole = step(client, begin(client, model), 1, rows, **parameters).expect(200)
        session = begin(client, model)
        cut = list(pieces(rows[:-1], rng)) + [rows[-1:]]
        walk(client, session, cut[:-1])
        assert step(client, session, len(cut), cut[-1], **parameters).expect(200).body == whole.body


def test_rows_answer_as_a_forecast_does(streaming):
    with Client(streaming.address) as client:
        for model, context, more in (("wave-3", CONTEXT, {}), ("stream", WINDOW, {"keep": "rows"})):
            session = begin(client, model, **more)
            for i, row in enumerate(ROWS[:40]):
                answer = step(client, session, i + 1, [row]).expect(200).json
                if i + 1 >= context:
                    assert answer["outputs"] == forecast(client, model, ROWS[i + 1 - context:i + 1])["outputs"]


def test_a_state_answers_as_a_forecast_does_and_then_remembers_more(streaming):
    session = begin(streaming, "stream")
    first = step(streaming, session, 1, ROWS[:WINDOW]).expect(200).json["outputs"]
    assert first == forecast(streaming, "stream", ROWS[:WINDOW])["outputs"]
    later = step(streaming, session, 2, ROWS[WINDOW:2 * WINDOW]).expect(200).json["outputs"]
    assert later != forecast(streaming, "stream", ROWS[WINDOW:2 * WINDOW])["outputs"]


def test_a_state_is_what_the_network_says_of_the_whole_series(streaming):
    """A model of a longer window reads from the beginning what the session has read piece by piece."""
    body = weights.write(weights.network("gru", 2, 8, 2, False, 3))
    streaming.put("/v1/models/long?horizon=3&window=40&columns=close,volume", body, headers=SAFETENSORS).expect(201)
    answers = walk(streaming, begin(streaming, "stream"), list(pieces(ROWS[:40], random.Random(3), 13)))
    assert answers[-1].json["outputs"] == forecast(streaming, "long", ROWS[:40])["outputs"]


def test_in_company_as_alone(streaming):
    """Many sessions at once: their steps share batches."""
    starts = [(model, 7 * i) for i in range(8) for model in ("wave-3", "stream")]

    def run(model, start):
        with Client(streaming.address) as client:
            cut = pieces(ROWS[start:start + 60], random.Random(start))
            return [a.body for a in walk(client, begin(client, model), cut)]

    alone = [run(*s) for s in starts]
    with concurrent.futures.ThreadPoolExecutor(len(starts)) as pool:
        assert list(pool.map(lambda s: run(*s), starts)) == alone


def test_dates_go_on(streaming):
    rows, session = ROWS[:CONTEXT + 7], begin(streaming)
    body = {"model": "wave-3", "inputs": [{"columns": columns(rows), "start": rows[0][0]}]}
    want = streaming.post("/v1/forecast", body).expect(200).json["outputs"][0]["timestamps"]
    step(streaming, session, 1, rows[:9], start=rows[0][0]).expect(200)
    step(streaming, session, 2, rows[9:20]).expect(200)
    assert step(streaming, session, 3, rows[20:]).expect(200).json["outputs"][0]["timestamps"] == want
    moved = step(streaming, session, 4, ROWS[len(rows):len(rows) + 2], start="2021-03-01").expect(200).json
    assert moved["outputs"][0]["timestamps"][0][:10] == "2021-03-03"
    assert step(streaming, begin(streaming), 1, rows).expect(200).json["outputs"][0]["timestamps"] is None


@pytest.mark.parametrize("model", ["wave-3", "stream"])
def test_a_missing_value_is_that_of_the_step_before(streaming, model):
    filled = [list(r) for r in ROWS[:20]]
    filled[16][1] = filled[15][1]
    holes = [list(r) for r in ROWS[:20]]
    holes[16][1] = None
    session = begin(streaming, model)
    step(streaming, session, 1, holes[:16]).expect(200)
    answer = step(streaming, session, 2, holes[16:]).expect(200).json
    assert "1 missing values" in answer["warnings"][0]
    assert answer["outputs"] == step(streaming, begin(streaming, model), 1, filled).expect(200).json["outputs"]
    fresh = begin(streaming, model)
    step(streaming, fresh, 1, holes[16:]).expect(422)
    assert streaming.get(f"/v1/sessions/{fresh}").expect(200).json["rows"] == 0


def test_looking_inside(streaming):
    session = begin(streaming)
    asked = {"parameters": {"return": ["attention", "gates", "states"]}}
    got = step(streaming, session, 1, ROWS[:30], **asked).expect(200).json
    assert got == forecast(streaming, "wave-3", ROWS[:30], **asked["parameters"])
    assert "outputs" in step(streaming, begin(streaming), 1, ROWS[:2], **asked).expect(200).json
    answer = step(streaming, begin(streaming, "stream"), 1, ROWS[:30], parameters={"return": ["gates"]}).expect(422)
    assert answer.json["pointer"] == "/parameters/return" and "rows" in answer.json["detail"]


# ---- sequence numbers


@pytest.mark.parametrize("model", ["wave-3", "stream"])
def test_a_repeated_step_is_answered_again_and_a_gap_refused(streaming, model):
    session = begin(streaming, model)
    step(streaming, session, 2, ROWS[:20]).expect(409)
    first = step(streaming, session, 1, ROWS[:20]).expect(200)
    second = step(streaming, session, 2, ROWS[20:30]).expect(200)
    assert second.body != first.body
    for _ in range(3):
        assert step(streaming, session, 2, ROWS[20:30]).expect(200).body == second.body
    for wrong in (1, 4, 2 ** 53):
        answer = step(streaming, session, wrong, ROWS[30:40]).expect(409)
        assert answer.json["pointer"] == "/sequence" and "next step is 3" in answer.json["detail"]
    third = step(streaming, session, 3, ROWS[30:40]).expect(200)
    assert third.body == step(streaming, begin(streaming, model), 1, ROWS[:40]).expect(200).body


def test_a_step_that_failed_may_be_sent_again(streaming):
    session = begin(streaming, "stream")
    step(streaming, session, 1, ROWS[:20]).expect(200)
    path = f"/v1/sessions/{session}/steps"
    streaming.post(path, {"sequence": 2, "columns": {"close": [1.0]}}).expect(422)
    too_far = {"sequence": 2, "columns": columns(ROWS[20:30]), "parameters": {"prediction_length": 4}}
    streaming.post(path, too_far).expect(422)
    answer = step(streaming, session, 2, ROWS[20:30]).expect(200)
    assert answer.body == step(streaming, begin(streaming, "stream"), 1, ROWS[:30]).expect(200).body


def test_two_at_once_are_one(streaming):
    """Whoever comes while a step is under way is told so; the step is made once."""
    for round_ in range(20):
        session = begin(streaming, "stream")
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(lambda _: step(streaming, session, 1, ROWS[round_:round_ + 30]), range(6)))
        good = [a.expect(200, 409).body for a in answers if a.status == 200]
        assert good and len(set(good)) == 1
        assert all("under way" in a.json["detail"] for a in answers if a.status == 409)
        assert streaming.get(f"/v1/sessions/{session}").expect(200).json["rows"] == 30


# ---- ends


def test_a_deleted_session_is_gone_and_an_unknown_one_not_found(streaming):
    session = begin(streaming)
    streaming.delete(f"/v1/sessions/{session}").expect(204)
    for answer in (step(streaming, session, 1, ROWS[:20]), streaming.get(f"/v1/sessions/{session}"),
                   streaming.delete(f"/v1/sessions/{session}")):
        answer.expect(410)
        assert answer.json["code"] == "gone" and "deleted" in answer.json["detail"]
    for unknown in ("0" * 32, "x", "..", "a" * 64):
        streaming.get(f"/v1/sessions/{unknown}").expect(404)
        step(streaming, unknown, 1, ROWS[:20]).expect(404)


def test_a_small_memory_is_for_those_who_use_theirs(start):
    daemon = start("--session-memory", "65536", "--workers", "0")
    import_stream(daemon)
    used, idle, others = begin(daemon, "stream"), begin(daemon, "stream"), 0
    while daemon.get(f"/v1/sessions/{idle}").status == 200:
        others += 1
        assert others < 1000
        step(daemon, used, others, ROWS[:2]).expect(200)
        begin(daemon, "stream")
    assert "--session-memory" in step(daemon, idle, 1, ROWS[:2]).expect(410).json["detail"]
    step(daemon, used, others + 1, ROWS[:2]).expect(200)
    assert others > 3
    assert 0 < metric(daemon, "sessions_memory_bytes") <= metric(daemon, "sessions_memory_limit_bytes") == 65536
    assert metric(daemon, 'sessions_ended_total{reason="evicted"}') == 1


def test_a_model_too_large_for_the_memory(start):
    daemon = start("--session-memory", "65536", "--workers", "0")
    body = weights.write(weights.network("gru", 2, 8, 1, False, 1))
    daemon.put("/v1/models/wide?window=10000&columns=a,b", body, headers=SAFETENSORS).expect(201)
    answer = daemon.post("/v1/sessions", {"model": "wide", "keep": "rows"}).expect(422)
    assert "--session-memory" in answer.json["detail"]
    daemon.post("/v1/sessions", {"model": "wide"}).expect(201)


def test_an_unused_session_expires(start):
    daemon = start("--session-ttl", "1", "--workers", "0")
    import_stream(daemon)
    session = begin(daemon, "stream")
    wait_for(lambda: daemon.get(f"/v1/sessions/{session}").status == 410, "the end")
    answer = daemon.get(f"/v1/sessions/{session}").expect(410)
    assert "--session-ttl" in answer.json["detail"]
    step(daemon, session, 1, ROWS[:2]).expect(410)
    assert metric(daemon, "sessions") == 0 and metric(daemon, "sessions_memory_bytes") == 0
    assert metric(daemon, 'sessions_ended_total{reason="expired"}') == 1


def test_a_session_keeps_its_version_until_that_is_deleted(start):
    daemon = start("--workers", "0")
    import_stream(daemon)
    old, alone = begin(daemon, "stream"), begin(daemon, "stream")
    want = step(daemon, alone, 1, ROWS[:20]).expect(200)
    import_stream(daemon, seed=2)
    new = begin(daemon, "stream")
    assert step(daemon, old, 1, ROWS[:20]).expect(200).body == want.body
    answer = step(daemon, new, 1, ROWS[:20]).expect(200).json
    assert (want.json["version"], answer["version"]) == (1, 2) and answer["outputs"] != want.json["outputs"]
    assert daemon.post("/v1/sessions", {"model": "stream", "version": 1}).expect(201).json["version"] == 1
    daemon.delete("/v1/models/stream/versions/1").expect(204)
    assert "model was deleted" in step(daemon, old, 2, ROWS[20:30]).expect(410).json["detail"]
    step(daemon, new, 2, ROWS[20:30]).expect(200)
    daemon.delete("/v1/models/stream").expect(204)
    step(daemon, new, 3, ROWS[30:40]).expect(410)
    import_stream(daemon)
    step(daemon, new, 3, ROWS[30:40]).expect(410)
    daemon.get(f"/v1/sessions/{new}").expect(410)


def test_a_restart_forgets_all(start):
    daemon = start("--workers", "0")
    import_stream(daemon)
    session = begin(daemon, "stream")
    daemon.stop()
    daemon.start()
    step(daemon, session, 1, ROWS[:20]).expect(404)
    daemon.get(f"/v1/sessions/{session}").expect(404)


def test_a_session_is_its_keys(tmp_path):
    db = tmp_path / "gatecast.db"
    keys = [add_key(db, "predict"), add_key(db, "predict"), add_key(db, "train")]
    daemon = Daemon(tmp_path, "--require-key", "--workers", "0", key=keys[2])
    try:
        import_stream(daemon)
        daemon.post("/v1/sessions", {"model": "stream"}).expect(403)
        daemon.key = keys[0]
        session = begin(daemon, "stream")
        sequence = {"inputs": [tensor(ROWS[:4])], "parameters": {"sequence_id": 7, "sequence_start": True}}
        daemon.post("/v2/models/stream/infer", sequence).expect(200)
        daemon.key = keys[1]
        step(daemon, session, 1, ROWS[:20]).expect(404)
        daemon.get(f"/v1/sessions/{session}").expect(404)
        daemon.delete(f"/v1/sessions/{session}").expect(404)
        del sequence["parameters"]["sequence_start"]
        daemon.post("/v2/models/stream/infer", sequence).expect(404)
        daemon.key = keys[0]
        step(daemon, session, 1, ROWS[:20]).expect(200)
        daemon.post("/v2/models/stream/infer", sequence).expect(200)
    finally:
        daemon.stop()


# ---- bodies

GOOD = {"close": [1.0, 2.0], "volume": [3.0, 4.0]}


@pytest.mark.parametrize("name, body, status, pointer", [
    ("no body", None, 400, None),
    ("no JSON", b"{", 400, None),
    ("an array", [], 422, ""),
    ("no model", {}, 422, "/model"),
    ("a number", {"model": 5}, 422, "/model"),
    ("unknown member", {"model": "stream", "modle": 1}, 422, "/modle"),
    ("no such model", {"model": "nobody"}, 404, None),
    ("no such version", {"model": "stream", "version": 77}, 404, None),
    ("keeps nothing", {"model": "stream", "keep": "nothing"}, 422, "/keep"),
    ("cannot keep a state", {"model": "wave-3", "keep": "state"}, 422, "/keep"),
])
def test_bodies_of_new_sessions(streaming, name, body, status, pointer):
    answer = streaming.post("/v1/sessions", body, headers=JSON).expect(status)
    assert pointer is None or answer.json.get("pointer", "") == pointer, answer


@pytest.mark.parametrize("name, body, status, pointer", [
    ("no body", None, 400, None),
    ("no JSON", b'{"sequence": 1', 400, None),
    ("no sequence", {"columns": GOOD}, 422, "/sequence"),
    ("sequence 0", {"sequence": 0, "columns": GOOD}, 422, "/sequence"),
    ("sequence below", {"sequence": -1, "columns": GOOD}, 422, "/sequence"),
    ("half a sequence", {"sequence": 1.5, "columns": GOOD}, 422, "/sequence"),
    ("sequence too large", {"sequence": 2 ** 60, "columns": GOOD}, 422, "/sequence"),
    ("no columns", {"sequence": 1}, 422, "/columns"),
    ("empty columns", {"sequence": 1, "columns": {}}, 422, "/columns"),
    ("no rows", {"sequence": 1, "columns": {"close": [], "volume": []}}, 422, "/columns/close"),
    ("a column lacks", {"sequence": 1, "columns": {"close": [1.0]}}, 422, "/columns"),
    ("a column too many", {"sequence": 1, "columns": {**GOOD, "open": [1.0, 2.0]}}, 422, "/columns/open"),
    ("unequal", {"sequence": 1, "columns": {"close": [1.0], "volume": [1.0, 2.0]}}, 422, "/columns/volume"),
    ("a text", {"sequence": 1, "columns": {"close": ["1"], "volume": [1.0]}}, 422, "/columns/close/0"),
    ("a dataset", {"sequence": 1, "dataset": "wave"}, 422, "/dataset"),
    ("no date", {"sequence": 1, "columns": GOOD, "start": "tomorrow"}, 422, "/start"),
    ("unknown parameter", {"sequence": 1, "columns": GOOD, "parameters": {"levels": []}}, 422, "/parameters/levels"),
    ("no attention here", {"sequence": 1, "columns": GOOD, "parameters": {"return_attention": True}}, 422,
     "/parameters/return_attention"),
])
def test_bodies_of_steps(streaming, name, body, status, pointer):
    session = begin(streaming, "stream")
    answer = streaming.post(f"/v1/sessions/{session}/steps", body, headers=JSON).expect(status)
    assert pointer is None or answer.json.get("pointer", "") == pointer, answer
    assert streaming.get(f"/v1/sessions/{session}").expect(200).json["sequence"] == 0
    step(streaming, session, 1, ROWS[:5]).expect(200)       # the claim was given back


def test_a_model_of_something_else(start):
    daemon = start()
    daemon.upload("wave", csv_text(series()))
    body = job_body(model="again")
    del body["horizon"]
    daemon.train({**body, "preset": "autoencoder", "features": ["close"], "window": 12, "training": {"epochs": 1}})
    answer = daemon.post("/v1/sessions", {"model": "again"}).expect(422)
    assert answer.json["pointer"] == "/model"


# ---- sequences of the Open Inference Protocol


def tensor(rows, batch=1):
    return {"name": "input", "datatype": "FP64", "shape": [batch, len(rows), 2],
            "data": [v for _ in range(batch) for r in rows for v in (r[1], r[2])]}


def infer(client, model, rows, **parameters):
    return client.request("POST", f"/v2/models/{model}/infer", {"inputs": [tensor(rows)], "parameters": parameters})


@pytest.mark.parametrize("model", ["wave-3", "stream"])
@pytest.mark.parametrize("ident", [42, 2 ** 64 - 1, "a client's / own \u00fc"])
def test_v2_sequences(streaming, model, ident):
    cut = list(pieces(ROWS[:50], random.Random(5)))
    want = walk(streaming, begin(streaming, model), cut)
    infer(streaming, model, cut[0], sequence_id=ident).expect(404, 410)
    for i, piece in enumerate(cut):
        out, = infer(streaming, model, piece, sequence_id=ident, sequence_start=i == 0,
                     sequence_end=i == len(cut) - 1).expect(200).json["outputs"]
        mean = [v for o in want[i].json["outputs"] for v in o["mean"]]
        assert out["data"] == mean and out["shape"] == [1, len(mean), 1]
    infer(streaming, model, cut[0], sequence_id=ident).expect(410)


def test_v2_sequences_begin_anew_and_keep_apart(streaming):
    def mean(rows, **parameters):
        return infer(streaming, "stream", rows, **parameters).expect(200).json["outputs"][0]["data"]

    first = mean(ROWS[:9], sequence_id=1, sequence_start=True)
    other = mean(ROWS[5:9], sequence_id=2, sequence_start=True)
    assert mean(ROWS[9:12], sequence_id=1) == mean(ROWS[:12], sequence_id=3, sequence_start=True)
    assert mean(ROWS[:9], sequence_id=1, sequence_start=True) == first != other
    assert mean(ROWS[9:12], sequence_id=2) == mean(ROWS[5:12], sequence_id=3, sequence_start=True)


def test_v2_sequences_refuse(streaming):
    infer(streaming, "stream", ROWS[:4], sequence_start=True).expect(422)
    for wrong in (-1, 1.5, True, None, [], 10 ** 21, "x" * 65):
        infer(streaming, "stream", ROWS[:4], sequence_id=wrong, sequence_start=True).expect(422)
    body = {"inputs": [tensor(ROWS[:4], batch=2)], "parameters": {"sequence_id": 9, "sequence_start": True}}
    assert "/inputs/0/shape" == streaming.post("/v2/models/stream/infer", body).expect(422).json["pointer"]
    infer(streaming, "stream", ROWS[:4], sequence_id=9).expect(404)      # what failed has not begun
    infer(streaming, "nobody", ROWS[:4], sequence_id=9, sequence_start=True).expect(404)
    infer(streaming, "stream", ROWS[:4], sequence_id=0).expect(422)      # none: too few rows for a forecast
    infer(streaming, "stream", ROWS[:WINDOW], sequence_id=0).expect(200)
    infer(streaming, "stream", ROWS[:WINDOW], sequence_id="").expect(200)
    infer(streaming, "stream", ROWS[:4], sequence_id=9, sequence_start=True).expect(200)
    body["inputs"] = [tensor(ROWS[:4])]
    del body["parameters"]["sequence_start"]
    streaming.post("/v2/models/stream/versions/2/infer", body).expect(409)
    streaming.post("/v2/models/stream/versions/1/infer", body).expect(200)
    assert "sequence" in streaming.get("/v2").expect(200).json["extensions"]


def test_v2_sequences_in_bytes(streaming):
    rows = ROWS[:20]
    want = infer(streaming, "stream", rows, sequence_id=11, sequence_start=True).expect(200).json["outputs"][0]["data"]
    numbers = struct.pack("<40d", *(v for r in rows for v in (r[1], r[2])))
    head = {**tensor(rows), "parameters": {"binary_data_size": len(numbers)}}
    del head["data"]
    text = json.dumps({"inputs": [head], "parameters": {
        "sequence_id": 12, "sequence_start": True, "binary_data_output": True}}).encode()
    answer = streaming.post("/v2/models/stream/infer", text + numbers,
                            headers={"Inference-Header-Content-Length": str(len(text))}).expect(200)
    size = int(answer.headers["inference-header-content-length"])
    assert list(struct.unpack("<3d", answer.body[size:])) == want
