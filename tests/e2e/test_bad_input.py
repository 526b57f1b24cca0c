"""test_bad_input.py - what must not be accepted, as tables: every documented limit, and what people and attackers send.

Each row says the request, the status, the code and the place that the answer has to name: a JSON pointer into the body, or
where else the fault lies. After all of them the daemon still answers.
"""
import copy
import http.client
import json
import socket

import pytest

from gatecast import CSV, JSON, Daemon, csv_text, job_body, series

MAX_BODY, MAX_UPLOAD, MAX_FIELD = 400000, 300000, 65536
CONTEXT = 16


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    daemon = Daemon(tmp_path_factory.mktemp("bad"), "--max-body", str(MAX_BODY), "--max-upload", str(MAX_UPLOAD))
    try:
        daemon.upload("wave", csv_text(series()))
        daemon.train(job_body())
        yield daemon
        daemon.get("/livez").expect(200)
        daemon.post("/v1/forecast", {"model": "wave-3", "inputs": [{"dataset": "wave"}]}).expect(200)
    finally:
        daemon.stop()


def check(answer, status, code, place):
    """A problem document that says what the table says."""
    answer.expect(status)
    problem = answer.json
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert problem["status"] == status and problem["title"] and problem["detail"]
    assert isinstance(problem["error"], str) and problem["error"]
    assert problem["code"] == code, problem
    if place is not None:
        key = "pointer" if place.startswith("/") else "where"
        assert problem.get(key, "") == place, problem


def table(rows):
    """Rows as parameters, named by their first column; no name twice."""
    names = [row[0] for row in rows]
    assert len(names) == len(set(names)), sorted(n for n in names if names.count(n) > 1)
    return pytest.mark.parametrize("row", [pytest.param(row[1:], id=row[0]) for row in rows])


# ---- CSV: (name, text, status, code, place) ------------------------------------------------------------------------------

HEAD = "date,x,y\n"
UPLOADS = [
    ("empty", "", 400, "syntax", "body"),
    ("only blank lines", "\n\n\n", 422, "invalid", None),
    ("header alone", HEAD, 422, "invalid", None),
    ("short row", HEAD + "2020-01-01,1\n", 400, "syntax", "line 2"),
    ("long row", HEAD + "2020-01-01,1,2,3\n", 400, "syntax", "line 2"),
    ("ragged in the middle", HEAD + "2020-01-01,1,2\n2020-01-02,1,2\n2020-01-03,1\n", 400, "syntax", "line 4"),
    ("text among numbers", HEAD + "2020-01-01,1,2\n2020-01-02,abc,2\n", 422, "invalid", "line 3, column 2 (x)"),
    ("number with a unit", HEAD + "2020-01-01,1,2\n2020-01-02,1,2kg\n", 422, "invalid", "line 3, column 3 (y)"),
    ("thousands separator", 'date,x,y\n2020-01-01,1,2\n2020-01-02,"1,000",2\n', 422, "invalid", "line 3, column 2 (x)"),
    ("hexadecimal", HEAD + "2020-01-01,1,2\n2020-01-02,0x10,2\n", 422, "invalid", "line 3, column 2 (x)"),
    ("NaN", HEAD + "2020-01-01,1,2\n2020-01-02,NaN,2\n", 422, "invalid", "line 3, column 2 (x)"),
    ("NaN in the first row", HEAD + "2020-01-01,nan,2\n", 422, "invalid", "line 2, column 2 (x)"),
    ("inf", HEAD + "2020-01-01,1,inf\n", 422, "invalid", "line 2, column 3 (y)"),
    ("minus infinity", HEAD + "2020-01-01,1,2\n2020-01-02,-Infinity,2\n", 422, "invalid", "line 3, column 2 (x)"),
    ("overflowing number", HEAD + "2020-01-01,1,2\n2020-01-02,1e999,2\n", 422, "invalid", "line 3, column 2 (x)"),
    ("dates fall", HEAD + "2020-01-02,1,2\n2020-01-01,1,2\n", 422, "invalid", "line 3, column 1 (date)"),
    ("date twice", HEAD + "2020-01-02,1,2\n2020-01-02,1,2\n", 422, "invalid", "line 3, column 1 (date)"),
    ("date missing", HEAD + "2020-01-02,1,2\n,1,2\n", 422, "invalid", "line 3, column 1 (date)"),
    ("first date missing", HEAD + ",1,2\n2020-01-02,1,2\n", 422, "invalid", "line 2, column 1 (date)"),
    ("impossible date", HEAD + "2020-01-30,1,2\n2020-02-30,1,2\n", 422, "invalid", "line 3, column 1 (date)"),
    ("number among dates", HEAD + "2020-01-30,1,2\n17,1,2\n", 422, "invalid", "line 3, column 1 (date)"),
    ("nothing but dates", "date,other\n2020-01-01,\n", 422, "invalid", None),
    ("column without a name", "date,,y\n2020-01-01,1,2\n", 422, "invalid", "line 1, column 2"),
    ("column name twice", "date,x,x\n2020-01-01,1,2\n", 422, "invalid", "line 1, column 3"),
    ("column name too long", "date," + "x" * 65 + "\n2020-01-01,1\n", 422, "invalid", "line 1, column 2"),
    ("field too long", HEAD + "2020-01-01," + "1" * (MAX_FIELD + 1) + ",2\n", 422, "invalid", "line 2, column 2 (x)"),
    ("quote never closed", HEAD + '2020-01-01,"1,2\n', 400, "syntax", "line 2, column 2 (x)"),
    ("quote inside a field", HEAD + '2020-01-01,1"1,2\n', 400, "syntax", "line 2, column 2 (x)"),
    ("text after a quote", HEAD + '2020-01-01,"1"1,2\n', 400, "syntax", "line 2, column 2 (x)"),
    ("NUL byte", HEAD + "2020-01-01,1\0,2\n", 400, "syntax", "line 2, column 2 (x)"),
    ("not UTF-8", (HEAD + "2020-01-01,").encode() + b"\xff\xfe,2\n", 400, "syntax", "line 2, column 2 (x)"),
    ("lines are counted through quoted breaks", 'date,t,x\n2020-01-01,"a\nb",1\n2020-01-02,c,z\n', 422, "invalid",
     "line 4, column 3 (x)"),
    ("over the upload limit", HEAD + "".join(f"{1900 + i // 365}-01-01,1,2\n" for i in range(MAX_UPLOAD // 14)), 413,
     "too_large", "body"),
]


@table(UPLOADS)
def test_uploads(server, row):
    text, status, code, place = row
    check(server.put("/v1/datasets/bad", text, headers=CSV), status, code, place)
    server.get("/v1/datasets/bad").expect(404)


# ---- texts: (name, media type, query, body, status, code, place) ---------------------------------------------
TEXTS = [
    ("nothing", "text/plain", "", "\n\n", 422, "invalid", None),
    ("Latin-1", "text/plain", "", b"all right\n\nna\xefve\n", 400, "syntax", "line 3, byte 3"),
    ("cut off inside a character", "text/plain", "", "na\u00efve".encode()[:3], 400, "syntax", "line 1, byte 3"),
    ("UTF-16", "text/plain", "", "abc".encode("utf-16"), 400, "syntax", "line 1, byte 1"),
    ("NUL byte", "text/plain", "", b"ab\ncd\0e\n", 400, "syntax", "line 2, byte 3"),
    ("columns of a text", "text/plain", "?text=text", "a\n", 422, "invalid", "text"),
    ("an unknown text column", "text/csv", "?text=texts", "text,label\na,b\n", 422, "invalid", "text"),
    ("ragged tabs", "text/tab-separated-values", "", "a\tb\n1\t2\t3\n", 400, "syntax", "line 2"),
    ("another media type", "text/html", "", "<p>", 415, "media_type", None),
    ("the beginning of a media type", "text/plai", "", "a\n", 415, "media_type", None),
    ("a list of media types", "text/csv, text/plain", "", "a\n1\n", 415, "media_type", None),
]


@table(TEXTS)
def test_text_uploads(server, row):
    media, query, body, status, code, place = row
    check(server.put("/v1/datasets/bad" + query, body, headers={"Content-Type": media}), status, code, place)
    server.get("/v1/datasets/bad").expect(404)


@pytest.mark.parametrize("extra", [1, 1000])
def test_one_column_too_many(server, extra):
    names = ["date"] + [f"c{i}" for i in range(255 + extra)]
    text = ",".join(names) + "\n" + ",".join(["2020-01-01"] + ["1"] * (255 + extra)) + "\n"
    check(server.put("/v1/datasets/bad", text, headers=CSV), 422, "invalid", None)


def test_a_chunked_upload_over_the_limit(server):
    head = b"PUT /v1/datasets/bad HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"1000\r\n" + b"1\n" * 0x800 + b"\r\n"
    answer, _ = server.raw(head + b"2\r\nx\n\r\n" + chunk * (MAX_UPLOAD // 0x1000 + 1) + b"0\r\n\r\n")
    check(answer, 413, "too_large", "body")


# ---- jobs: (name, change, status, code, place) -----------------------------------------------------------------------------
# A change is a dict that is merged into a good body, a str or bytes that are sent as they are, or `without(member)`.

def without(name):
    body = job_body()
    del body[name]
    return json.dumps(body)


def merged(body, change):
    body = copy.deepcopy(body)
    for name, value in change.items():
        if isinstance(value, dict) and isinstance(body.get(name), dict):
            body[name] = merged(body[name], value)
        else:
            body[name] = value
    return body


def outside(pointer, low, high):
    """Two rows for a number with limits: just below, just above."""
    rows = []
    for word, value in (("below", low), ("above", high)):
        change = value
        for name in reversed(pointer.strip("/").split("/")):
            change = {name: change}
        rows.append((f"{pointer} {word} its limit", change, 422, "invalid", pointer))
    return rows


JOBS = [
    ("no body", "", 400, "syntax", "body"),
    ("no JSON", "window=30", 400, "syntax", "byte 0"),
    ("cut off", '{"dataset": "wave"', 400, "syntax", None),
    ("text behind", json.dumps(job_body()) + "x", 400, "syntax", None),
    ("an array", "[]", 422, "invalid", None),
    ("a number", "5", 422, "invalid", None),
    ("null", "null", 422, "invalid", None),
    ("NaN", '{"dataset": "wave", "target": "close", "window": NaN}', 400, "syntax", None),
    ("Infinity", '{"dataset": "wave", "target": "close", "training": {"learning_rate": Infinity}}', 400, "syntax", None),
    ("1e400", '{"dataset": "wave", "target": "close", "training": {"learning_rate": 1e400}}', None, None, None),
    ("member twice", '{"dataset": "wave", "dataset": "wave", "target": "close"}', None, None, None),
    ("comment", '{"dataset": "wave", /* */ "target": "close"}', 400, "syntax", None),
    ("trailing comma", '{"dataset": "wave", "target": "close",}', 400, "syntax", None),
    ("not UTF-8", b'{"dataset": "w\xff", "target": "close"}', 400, "syntax", None),
    ("lone surrogate", '{"dataset": "\\ud800", "target": "close"}', 400, "syntax", None),
    ("U+0000", '{"dataset": "a\\u0000b", "target": "close"}', 400, "syntax", None),
    ("too deep", '{"metadata": ' + "[" * 9 + "]" * 9 + "}", 422, "invalid", None),
    ("too many values", json.dumps({"features": ["x"] * 20001}), 422, "invalid", None),
    ("over the job limit", json.dumps({"metadata": {"k": "x" * (256 * 1024)}}), 413, "too_large", None),
    ("over the body limit", json.dumps({"metadata": {"k": "x" * MAX_BODY}}), 413, "too_large", "body"),
    ("no dataset", without("dataset"), 422, "invalid", "/dataset"),
    ("no target", without("target"), 422, "invalid", "/target"),
    ("unknown dataset", {"dataset": "nobody"}, 404, "not_found", None),
    ("dataset a number", {"dataset": 5}, 422, "invalid", "/dataset"),
    ("dataset empty", {"dataset": ""}, 422, "invalid", "/dataset"),
    ("dataset with a slash", {"dataset": "a/b"}, 422, "invalid", "/dataset"),
    ("model with a blank", {"model": "a b"}, 422, "invalid", "/model"),
    ("model too long", {"model": "m" * 65}, 422, "invalid", "/model"),
    ("model begins with a dot", {"model": ".m"}, 422, "invalid", "/model"),
    ("target a number", {"target": 5}, 422, "invalid", "/target"),
    ("target empty", {"target": []}, 422, "invalid", "/target"),
    ("target twice", {"target": ["close", "close"]}, 422, "invalid", "/target/1"),
    ("target no text", {"target": [5]}, 422, "invalid", "/target/0"),
    ("too many targets", {"target": [f"c{i}" for i in range(17)]}, 422, "invalid", "/target"),
    ("target not in the dataset", {"target": ["closing"]}, 422, "invalid", "/target/0"),
    ("target is the date", {"target": ["date"]}, 422, "invalid", "/target/0"),
    ("feature not in the dataset", {"features": ["close", "volumes"]}, 422, "invalid", "/features/1"),
    ("feature with period 0", {"features": ["sma_0"]}, 422, "invalid", "/features/0"),
    ("feature with a period too long", {"features": ["sma_1001"]}, 422, "invalid", "/features/0"),
    ("feature twice", {"features": ["close", "close"]}, 422, "invalid", "/features/1"),
    ("too many features", {"features": [f"sma_{i + 2}" for i in range(65)]}, 422, "invalid", "/features"),
    ("unknown member", {"windows": 30}, 422, "invalid", "/windows"),
    ("unknown member below", {"training": {"epoch": 3}}, 422, "invalid", "/training/epoch"),
    ("unknown member in the encoder", {"encoder": {"hidden": 8}}, 422, "invalid", "/encoder/hidden"),
    ("window a text", {"window": "30"}, 422, "invalid", "/window"),
    ("window a fraction", {"window": 30.5}, 422, "invalid", "/window"),
    ("window null", {"window": None}, 422, "invalid", "/window"),
    ("window longer than the series", {"window": 400}, 422, "invalid", "/dataset"),
    ("encoder a text", {"encoder": "gru"}, 422, "invalid", "/encoder"),
    ("cell not offered", {"encoder": {"cell": "mgu"}}, 422, "invalid", "/encoder/cell"),
    ("cell misspelt", {"encoder": {"cell": "grue"}}, 422, "invalid", "/encoder/cell"),
    ("bidirectional transformer", {"preset": "transformer", "encoder": {"bidirectional": True}}, 422, "invalid", "/encoder/bidirectional"),
    ("bias a number", {"encoder": {"bias": 1}}, 422, "invalid", "/encoder/bias"),
    ("decoder not offered", {"decoder": {"type": "crf"}}, 422, "invalid", "/decoder/type"),
    ("features of segments", {"decoder": {"type": "segment"}}, 422, "invalid", "/features"),
    ("score not offered", {"decoder": {"score": "cosine"}}, 422, "invalid", "/decoder/score"),
    ("decoder input not offered", {"decoder": {"input": "previous"}}, 422, "invalid", "/decoder/input"),
    ("preset not offered", {"preset": "tcn"}, 422, "invalid", "/preset"),
    ("preset unknown", {"preset": "attention_gruu"}, 422, "invalid", "/preset"),
    ("output not offered", {"output": {"type": "logistic"}}, 422, "invalid", "/output/type"),
    ("features of classes", {"output": {"type": "categorical"}}, 422, "invalid", "/features"),
    ("levels of a point", {"output": {"type": "point", "levels": [0.1]}}, 422, "invalid", "/output/levels"),
    ("level 1", {"output": {"type": "quantile", "levels": [0.5, 1]}}, 422, "invalid", "/output/levels/1"),
    ("levels fall", {"output": {"type": "quantile", "levels": [0.9, 0.1]}}, 422, "invalid", "/output/levels/1"),
    ("too many levels", {"output": {"type": "quantile", "levels": [i / 40 for i in range(1, 35)]}}, 422, "invalid",
     "/output/levels"),
    ("loss unknown", {"training": {"loss": "mape"}}, 422, "invalid", "/training/loss"),
    ("loss of quantiles for a point", {"training": {"loss": "pinball"}}, 422, "invalid", "/training/loss"),
    ("loss of a point for quantiles", {"output": {"type": "quantile"}, "training": {"loss": "mse"}}, 422, "invalid",
     "/training/loss"),
    ("optimizer not offered", {"training": {"optimizer": "lbfgs"}}, 422, "invalid", "/training/optimizer"),
    ("scheduler not offered", {"training": {"scheduler": {"type": "cyclic"}}}, 422, "invalid", "/training/scheduler/type"),
    ("seed negative", {"training": {"seed": -1}}, 422, "invalid", "/training/seed"),
    ("seed beyond 2^53", {"training": {"seed": 2 ** 53 + 2}}, 422, "invalid", "/training/seed"),
    ("split over 1", {"split": {"train": 0.8, "validation": 0.2, "test": 0.2}}, 422, "invalid", "/split"),
    ("split with an empty part", {"split": {"train": 0.9, "validation": 0.1, "test": 0}}, 422, "invalid", "/split/test"),
    ("metadata no text", {"metadata": {"k": 5}}, 422, "invalid", "/metadata/k"),
    ("metadata too many", {"metadata": {f"k{i}": "" for i in range(17)}}, 422, "invalid", "/metadata"),
    ("metadata value too long", {"metadata": {"k": "x" * 513}}, 422, "invalid", "/metadata/k"),
    ("pointer is escaped", {"training": {"a/b~c": 1}}, 422, "invalid", "/training/a~1b~0c"),
    *outside("/window", 1, 10001),
    *outside("/horizon", 0, 1001),
    *outside("/encoder/hidden_size", 0, 2049),
    *outside("/encoder/num_layers", 0, 9),
    *outside("/encoder/dropout", -0.1, 1),
    *outside("/training/batch_size", 0, 4097),
    *outside("/training/epochs", 0, 10001),
    *outside("/training/learning_rate", 0, 1.5),
    *outside("/training/clip_norm", -1, 1e7),
    *outside("/training/weight_decay", -0.1, 1.1),
    *outside("/training/scheduler/factor", 0, 1),
    *outside("/training/scheduler/patience", -1, 10001),
    *outside("/training/early_stopping/patience", -1, 10001),
]
EITHER = {"1e400": [(400, "syntax"), (422, "invalid")], "member twice": [(400, "syntax"), (422, "invalid")]}


@table(JOBS)
def test_jobs(server, row, request):
    change, status, code, place = row
    body = change if isinstance(change, (str, bytes)) else json.dumps(merged(job_body(), change))
    answer = server.post("/v1/jobs", body, headers=JSON)
    if status is None:
        name = request.node.callspec.id
        assert (answer.status, answer.json["code"]) in EITHER[name]
    else:
        check(answer, status, code, place)


# ---- forecasts: (name, body, status, code, place) ----------------------------------------------------------------------------

def forecast(input_=None, **more):
    return {"model": "wave-3", "inputs": [input_ if input_ is not None else {"dataset": "wave"}], **more}


COLUMNS = {"close": [100 + i for i in range(CONTEXT)], "volume": [1000 + i for i in range(CONTEXT)]}

FORECASTS = [
    ("no JSON", "model", 400, "syntax", "byte 0"),
    ("an array", "[]", 422, "invalid", None),
    ("no model", {"inputs": [{"dataset": "wave"}]}, 422, "invalid", "/model"),
    ("no inputs", {"model": "wave-3"}, 422, "invalid", "/inputs"),
    ("model a number", forecast(model=5), 422, "invalid", "/model"),
    ("model empty", forecast(model=""), 422, "invalid", "/model"),
    ("unknown model", forecast(model="nobody"), 404, "not_found", None),
    ("unknown version", forecast(version=99), 404, "not_found", None),
    ("version 0", forecast(version=0), 422, "invalid", "/version"),
    ("version a text", forecast(version="1"), 422, "invalid", "/version"),
    ("inputs an object", {"model": "wave-3", "inputs": {}}, 422, "invalid", "/inputs"),
    ("inputs empty", {"model": "wave-3", "inputs": []}, 422, "invalid", "/inputs"),
    ("too many inputs", {"model": "wave-3", "inputs": [{"dataset": "wave"}] * 257}, 422, "invalid", None),
    ("input empty", forecast({}), 422, "invalid", "/inputs/0"),
    ("columns and dataset", forecast({"columns": COLUMNS, "dataset": "wave"}), 422, "invalid", "/inputs/0"),
    ("unknown dataset", forecast({"dataset": "nobody"}), 404, "not_found", None),
    ("columns an array", forecast({"columns": [1, 2]}), 422, "invalid", "/inputs/0/columns"),
    ("columns empty", forecast({"columns": {}}), 422, "invalid", "/inputs/0/columns"),
    ("column empty", forecast({"columns": {**COLUMNS, "close": []}}), 422, "invalid", "/inputs/0/columns/close"),
    ("column of texts", forecast({"columns": {**COLUMNS, "close": ["1"] * CONTEXT}}), 422, "invalid", None),
    ("column nested", forecast({"columns": {**COLUMNS, "close": [[1]] * CONTEXT}}), 422, "invalid", None),
    ("columns ragged", forecast({"columns": {**COLUMNS, "volume": [1] * (CONTEXT - 1)}}), 422, "invalid", "/inputs/0/columns/volume"),
    ("column missing", forecast({"columns": {"close": COLUMNS["close"]}}), 422, "invalid", None),
    ("column unknown", forecast({"columns": {**COLUMNS, "open": COLUMNS["close"]}}), 422, "invalid", None),
    ("series too short", forecast({"columns": {k: v[1:] for k, v in COLUMNS.items()}}), 422, "invalid", None),
    ("nothing but null", forecast({"columns": {**COLUMNS, "close": [None] * CONTEXT}}), 422, "invalid", None),
    ("NaN", json.dumps(forecast({"columns": COLUMNS})).replace("100,", "NaN,"), 400, "syntax", None),
    ("start no date", forecast({"columns": COLUMNS, "start": "yesterday"}), 422, "invalid", "/inputs/0/start"),
    ("start with a dataset", forecast({"dataset": "wave", "start": "2020-01-01"}), 422, "invalid", "/inputs/0"),
    ("unknown member", forecast(parameter={}), 422, "invalid", "/parameter"),
    ("unknown member of an input", forecast({"dataset": "wave", "from": 3}), 422, "invalid", "/inputs/0/from"),
    ("unknown parameter", forecast(parameters={"quantiles": [0.1]}), 422, "invalid", "/parameters/quantiles"),
    ("level 0", forecast(parameters={"quantile_levels": [0]}), 422, "invalid", "/parameters/quantile_levels/0"),
    ("level 1", forecast(parameters={"quantile_levels": [0.5, 1]}), 422, "invalid", "/parameters/quantile_levels/1"),
    ("level twice", forecast(parameters={"quantile_levels": [0.5, 0.5]}), 422, "invalid", "/parameters/quantile_levels/1"),
    ("level a text", forecast(parameters={"quantile_levels": ["0.5"]}), 422, "invalid", "/parameters/quantile_levels/0"),
    ("too many levels", forecast(parameters={"quantile_levels": [i / 40 for i in range(1, 35)]}), 422, "invalid", None),
    ("attention a number", forecast(parameters={"return_attention": 1}), 422, "invalid", "/parameters/return_attention"),
    ("length 0", forecast(parameters={"prediction_length": 0}), 422, "invalid", "/parameters/prediction_length"),
    ("length over the horizon", forecast(parameters={"prediction_length": 4}), 422, "invalid", "/parameters/prediction_length"),
    ("timeout 0", forecast(parameters={"timeout_ms": 0}), 422, "invalid", "/parameters/timeout_ms"),
    ("too deep", '{"model": ' + "[" * 9 + "]" * 9 + "}", None, None, None),
    ("over the body limit", " " * (MAX_BODY + 1), 413, "too_large", "body"),
]


@table(FORECASTS)
def test_forecasts(server, row):
    body, status, code, place = row
    answer = server.post("/v1/forecast", body if isinstance(body, str) else json.dumps(body), headers=JSON)
    if status is None:
        answer.expect(400, 422)
    else:
        check(answer, status, code, place)


# ---- tensors: (name, path, body, status, code, place) -------------------------------------------------------------------------

PREDICT, INFER = "/v1/models/wave-3:predict", "/v2/models/wave-3/infer"
SEQUENCE = [[100 + i, 1000 + i] for i in range(CONTEXT)]


def tensor(**change):
    good = {"name": "input", "datatype": "FP64", "shape": [1, CONTEXT, 2], "data": [SEQUENCE]}
    return {"inputs": [{k: v for k, v in {**good, **change}.items() if v is not None}]}


TENSORS = [
    ("predict: nothing", PREDICT, {}, 422, "invalid", "/instances"),
    ("predict: both", PREDICT, {"instances": [SEQUENCE], "inputs": [SEQUENCE]}, 422, "invalid", "/inputs"),
    ("predict: empty", PREDICT, {"instances": []}, 422, "invalid", "/instances"),
    ("predict: empty sequence", PREDICT, {"instances": [[]]}, 422, "invalid", "/instances/0"),
    ("predict: one list", PREDICT, {"instances": [1, 2, 3]}, 422, "invalid", "/instances"),
    ("predict: too deep", PREDICT, {"instances": [[SEQUENCE]]}, 422, "invalid", None),
    ("predict: ragged step", PREDICT, {"instances": [SEQUENCE[:-1] + [[1]]]}, 422, "invalid", f"/instances/0/{CONTEXT - 1}"),
    ("predict: ragged sequences", PREDICT, {"instances": [SEQUENCE, SEQUENCE[1:]]}, 422, "invalid", "/instances/1"),
    ("predict: texts", PREDICT, {"instances": [[["a", "b"]] * CONTEXT]}, 422, "invalid", None),
    ("predict: a boolean", PREDICT, {"instances": [[[True, 1]] * CONTEXT]}, 422, "invalid", None),
    ("predict: wrong width", PREDICT, {"instances": [[[1, 2, 3]] * CONTEXT]}, 422, "invalid", None),
    ("predict: too short", PREDICT, {"instances": [SEQUENCE[1:]]}, 422, "invalid", None),
    ("predict: too many sequences", PREDICT, {"instances": [[[1]]] * 4097}, 422, "invalid", None),
    ("predict: signature", PREDICT, {"signature_name": "other", "instances": [SEQUENCE]}, 422, "invalid", "/signature_name"),
    ("predict: unknown member", PREDICT, {"instance": [SEQUENCE]}, 422, "invalid", "/instance"),
    ("predict: NaN", PREDICT, json.dumps({"instances": [SEQUENCE]}).replace("100,", "NaN,"), 400, "syntax", None),
    ("predict: Infinity", PREDICT, json.dumps({"instances": [SEQUENCE]}).replace("100,", "-Infinity,"), 400, "syntax", None),
    ("predict: 1e999", PREDICT, json.dumps({"instances": [SEQUENCE]}).replace("100,", "1e999,"), None, None, None),
    ("predict: leading zero", PREDICT, json.dumps({"instances": [SEQUENCE]}).replace("100,", "0100,"), 400, "syntax", None),
    ("predict: unknown model", "/v1/models/nobody:predict", {"instances": [SEQUENCE]}, 404, "not_found", None),
    ("predict: unknown version", "/v1/models/wave-3/versions/7:predict", {"instances": [SEQUENCE]}, 404, "not_found", None),
    ("predict: version no number", "/v1/models/wave-3/versions/x:predict", {"instances": [SEQUENCE]}, None, None, None),
    ("predict: unknown label", "/v1/models/wave-3/labels/none:predict", {"instances": [SEQUENCE]}, 404, "not_found", None),
    ("infer: nothing", INFER, {}, 422, "invalid", "/inputs"),
    ("infer: no input", INFER, {"inputs": []}, 422, "invalid", "/inputs"),
    ("infer: two inputs", INFER, {"inputs": tensor()["inputs"] * 2}, 422, "invalid", "/inputs/1"),
    ("infer: no name", INFER, tensor(name=None), 422, "invalid", "/inputs/0/name"),
    ("infer: no shape", INFER, tensor(shape=None), 422, "invalid", "/inputs/0/shape"),
    ("infer: no datatype", INFER, tensor(datatype=None), 422, "invalid", "/inputs/0/datatype"),
    ("infer: no data", INFER, tensor(data=None), 422, "invalid", "/inputs/0/data"),
    ("infer: datatype BYTES", INFER, tensor(datatype="BYTES"), 422, "invalid", "/inputs/0/datatype"),
    ("infer: datatype BOOL", INFER, tensor(datatype="BOOL"), 422, "invalid", "/inputs/0/datatype"),
    ("infer: datatype unknown", INFER, tensor(datatype="FP128"), 422, "invalid", "/inputs/0/datatype"),
    ("infer: shape against data", INFER, tensor(shape=[2, CONTEXT, 2]), 422, "invalid", None),
    ("infer: shape of one dimension", INFER, tensor(shape=[32]), 422, "invalid", "/inputs/0/shape"),
    ("infer: shape of four dimensions", INFER, tensor(shape=[1, 1, CONTEXT, 2]), 422, "invalid", None),
    ("infer: shape with 0", INFER, tensor(shape=[0, CONTEXT, 2]), 422, "invalid", "/inputs/0/shape/0"),
    ("infer: shape with -1", INFER, tensor(shape=[-1, CONTEXT, 2]), 422, "invalid", "/inputs/0/shape/0"),
    ("infer: shape that overflows", INFER, tensor(shape=[3000000, 3000000, 3000000]), 422, "invalid", None),
    ("infer: too many sequences", INFER, tensor(shape=[4097, 1, 1], data=[1] * 4097), 422, "invalid", "/inputs/0/shape"),
    ("infer: id no text", INFER, {"id": 5, **tensor()}, 422, "invalid", "/id"),
    ("infer: id too long", INFER, {"id": "x" * 257, **tensor()}, 422, "invalid", "/id"),
    ("infer: timeout negative", INFER, {"parameters": {"timeout": -1}, **tensor()}, 422, "invalid", "/parameters/timeout"),
    ("infer: unknown member", INFER, {"input": [], **tensor()}, 422, "invalid", "/input"),
    ("infer: unknown model", "/v2/models/nobody/infer", tensor(), 404, "not_found", None),
]


@table(TENSORS)
def test_tensors(server, row):
    path, body, status, code, place = row
    answer = server.post(path, body if isinstance(body, str) else json.dumps(body), headers=JSON)
    if status is None:
        answer.expect(400, 404, 422)
    else:
        check(answer, status, code, place)


# ---- routes, names, queries: (name, method, path, body, headers, status, code, place) -------------------------------------------

ROUTES = [
    ("unknown path", "GET", "/v1/nothing", None, {}, 404, "not_found", None),
    ("path below a route", "GET", "/v1/jobs/a/b/c", None, {}, 404, "not_found", None),
    ("double slash", "GET", "/v1//jobs", None, {}, 404, "not_found", None),
    ("parent folder", "GET", "/v1/../livez", None, {}, 404, "not_found", None),
    ("wrong method", "DELETE", "/v1/forecast", None, {}, 405, "method", None),
    ("unknown method", "BREW", "/v1/jobs", None, {}, 405, "method", None),
    ("a body where none belongs", "GET", "/v1/jobs", "x", {}, 413, "too_large", "body"),
    ("upload as JSON", "PUT", "/v1/datasets/bad", "{}", JSON, 415, "media_type", "Content-Type"),
    ("upload as nothing", "PUT", "/v1/datasets/bad", "a,b\n1,2\n", {}, 415, "media_type", "Content-Type"),
    ("job as CSV", "POST", "/v1/jobs", "a,b\n", CSV, 415, "media_type", "Content-Type"),
    ("forecast as a form", "POST", "/v1/forecast", "a=b", {"Content-Type": "application/x-www-form-urlencoded"}, 415, "media_type",
     "Content-Type"),
    ("dataset's name begins with a dot", "PUT", "/v1/datasets/.bad", "a,b\n1,2\n", CSV, 422, "invalid", None),
    ("dataset's name has a blank", "PUT", "/v1/datasets/a%20b", "a,b\n1,2\n", CSV, 422, "invalid", None),
    ("dataset's name is too long", "PUT", "/v1/datasets/" + "n" * 65, "a,b\n1,2\n", CSV, None, None, None),
    ("dataset unknown", "GET", "/v1/datasets/nobody", None, {}, 404, "not_found", None),
    ("rows of a dataset unknown", "GET", "/v1/datasets/nobody/rows", None, {}, 404, "not_found", None),
    ("rows from below 0", "GET", "/v1/datasets/wave/rows?from=-1", None, {}, 422, "invalid", "from"),
    ("rows from a text", "GET", "/v1/datasets/wave/rows?from=x", None, {}, 422, "invalid", "from"),
    ("rows with limit 0", "GET", "/v1/datasets/wave/rows?limit=0", None, {}, 422, "invalid", "limit"),
    ("jobs with limit 0", "GET", "/v1/jobs?limit=0", None, {}, 422, "invalid", "limit"),
    ("jobs with a limit too high", "GET", "/v1/jobs?limit=100001", None, {}, 422, "invalid", "limit"),
    ("jobs with an empty limit", "GET", "/v1/jobs?limit=", None, {}, 422, "invalid", "limit"),
    ("job unknown", "GET", "/v1/jobs/job_nobody", None, {}, 404, "not_found", None),
    ("events of a job unknown", "GET", "/v1/jobs/job_nobody/events", None, {}, 404, "not_found", None),
    ("stream of a job unknown", "GET", "/v1/jobs/job_nobody/events", None, {"Accept": "text/event-stream"}, 404, "not_found", None),
    ("checkpoints of a job unknown", "GET", "/v1/jobs/job_nobody/checkpoints", None, {}, 404, "not_found", None),
    ("cancel a job unknown", "POST", "/v1/jobs/job_nobody/cancel", None, {}, 404, "not_found", None),
    ("cancel with a word", "POST", "/v1/jobs/job_nobody/cancel", '{"discard": "yes"}', JSON, 422, "invalid", "/discard"),
    ("cancel with another member", "POST", "/v1/jobs/job_nobody/cancel", '{"keep": true}', JSON, 422, "invalid", "/keep"),
    ("pause a job unknown", "POST", "/v1/jobs/job_nobody/pause", None, {}, 404, "not_found", None),
    ("resume a job unknown", "POST", "/v1/jobs/job_nobody/resume", None, {}, 404, "not_found", None),
    ("model unknown", "GET", "/v1/models/nobody", None, {}, 404, "not_found", None),
    ("version unknown", "GET", "/v1/models/wave-3/versions/99", None, {}, 404, "not_found", None),
    ("delete a model unknown", "DELETE", "/v1/models/nobody", None, {}, 404, "not_found", None),
    ("label on a version unknown", "PUT", "/v1/models/wave-3/labels/stable", '{"version": 99}', JSON, 404, "not_found", None),
    ("label without a version", "PUT", "/v1/models/wave-3/labels/stable", "{}", JSON, 422, "invalid", "/version"),
    ("label with version 0", "PUT", "/v1/models/wave-3/labels/stable", '{"version": 0}', JSON, 422, "invalid", "/version"),
    ("label with a text", "PUT", "/v1/models/wave-3/labels/stable", '{"version": "1"}', JSON, 422, "invalid", "/version"),
    ("label latest", "PUT", "/v1/models/wave-3/labels/latest", '{"version": 1}', JSON, 422, "invalid", None),
    ("label with a bad name", "PUT", "/v1/models/wave-3/labels/.x", '{"version": 1}', JSON, 422, "invalid", None),
]


@table(ROUTES)
def test_routes(server, row):
    method, path, body, headers, status, code, place = row
    answer = server.request(method, path, body, headers)
    if status is None:
        answer.expect(404, 422)
    else:
        check(answer, status, code, place)


def test_405_says_what_is_allowed(server):
    allow = server.request("DELETE", "/v1/jobs").expect(405).headers["allow"]
    assert {"GET", "POST"} <= {word.strip() for word in allow.split(",")}


# ---- bytes on the wire: (name, bytes, status, place) ------------------------------------------------------------------------------
# All of them leave it unclear where a request ends, so the connection has to be closed after the answer.

GOOD = json.dumps(forecast()).encode()


def post(*headers, body=GOOD, host=b"Host: x\r\n"):
    return (b"POST /v1/forecast HTTP/1.1\r\n" + host + b"Content-Type: application/json\r\n" +
            b"".join(h.encode() + b"\r\n" for h in headers) + b"\r\n" + body)


LENGTH = f"Content-Length: {len(GOOD)}"
CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(GOOD), GOOD)

WIRE = [
    ("two Content-Length, alike", post(LENGTH, LENGTH), 400, "Content-Length"),
    ("two Content-Length, different", post(LENGTH, "Content-Length: 1"), 400, "Content-Length"),
    ("two Host", post("Host: y", LENGTH), 400, "Host"),
    ("two Content-Type", post("Content-Type: text/csv", LENGTH), 400, "Content-Type"),
    ("two Authorization", post("Authorization: a", "Authorization: b", LENGTH), 400, "Authorization"),
    ("two Transfer-Encoding", post("Transfer-Encoding: chunked", "Transfer-Encoding: chunked", body=CHUNKED), 400, "Transfer-Encoding"),
    ("length and chunked", post(LENGTH, "Transfer-Encoding: chunked", body=CHUNKED), 400, "Transfer-Encoding"),
    ("chunked and length", post("Transfer-Encoding: chunked", LENGTH, body=CHUNKED), 400, "Transfer-Encoding"),
    ("encoding gzip", post("Transfer-Encoding: gzip", body=CHUNKED), 501, "Transfer-Encoding"),
    ("encoding gzip, chunked", post("Transfer-Encoding: gzip, chunked", body=CHUNKED), 501, "Transfer-Encoding"),
    ("encoding identity", post("Transfer-Encoding: identity", body=CHUNKED), 501, "Transfer-Encoding"),
    ("length negative", post("Content-Length: -1"), 400, None),
    ("length no number", post("Content-Length: abc"), 400, None),
    ("length with a sign", post(f"Content-Length: +{len(GOOD)}"), 400, None),
    ("length hexadecimal", post(f"Content-Length: 0x{len(GOOD):x}"), 400, None),
    ("length a list", post(f"Content-Length: {len(GOOD)}, {len(GOOD)}"), 400, None),
    ("length beyond 64 bits", post("Content-Length: 99999999999999999999999"), (400, 413), None),
    ("no Host", post(LENGTH, host=b""), 400, None),
    ("no HTTP", b"hello\r\n\r\n", None, None),      # closed without a word
    ("no version", b"GET /livez\r\n\r\n", (200, 400, 505), None),
    ("HTTP/9.9", b"GET /livez HTTP/9.9\r\nHost: x\r\n\r\n", (400, 505), None),
    ("header section too large", b"GET /livez HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 30000 + b"\r\n\r\n", (413, 431), None),
    ("request line too long", b"GET /" + b"x" * 30000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", (413, 414, 431), None),
    ("too many headers", b"GET /livez HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X%d: y\r\n" % i for i in range(3000)) + b"\r\n",
     (413, 431), None),
    ("chunk size no number", post("Transfer-Encoding: chunked", body=b"zz\r\n" + GOOD + b"\r\n0\r\n\r\n"), 400, None),
    ("chunk size negative", post("Transfer-Encoding: chunked", body=b"-5\r\n" + GOOD + b"\r\n0\r\n\r\n"), 400, None),
]


@table(WIRE)
def test_wire(server, row):
    data, status, place = row
    if status is None:
        with pytest.raises(http.client.RemoteDisconnected):
            server.raw(data)
        return
    # A second request behind it: whoever reads the first in another way would answer this one too.
    answer, closed = server.raw(data + b"GET /livez HTTP/1.1\r\nHost: smuggled\r\n\r\n")
    answer.expect(*(status if isinstance(status, tuple) else (status,)))
    assert closed
    if place:
        assert answer.json["where"] == place


def test_a_refused_body_is_read_so_that_its_sender_sees_the_answer(server):
    answer, closed = server.raw(b"POST /v1/nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100000 +
                                b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
    answer.expect(404)
    assert not closed


def test_slow_senders_are_cut_off(start):
    daemon = start("--header-timeout", "1", "--body-timeout", "1")
    host, port = daemon.address.split(":")
    for beginning in (b"", b"GET /livez HT", post(LENGTH, body=b"{")):
        with socket.create_connection((host, int(port)), timeout=30) as s:
            s.sendall(beginning)
            while s.recv(4096):     # raises when the connection is still open after 30 seconds
                pass
    daemon.get("/livez").expect(200)


def test_there_are_enough_cases():
    assert sum(map(len, (UPLOADS, JOBS, FORECASTS, TENSORS, ROUTES, WIRE))) >= 150
