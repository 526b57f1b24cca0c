"""test_text.py - texts written, sorted and translated, over sockets: exact answers, streams, bad bodies."""
import concurrent.futures
import http.client
import json
import socket
import struct

import pytest

import texts
from gatecast import PATIENCE, Client, Daemon, csv_text, job_body, series, wait_for


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A daemon with `writer`, `sorter` and `speaker`, and the forecaster `wave-3`."""
    daemon = Daemon(tmp_path_factory.mktemp("server"), "--checkpoint-interval", "0")
    try:
        daemon.drawn = {task: texts.publish(daemon, name, task) for name, task in NAMES.items()}
        daemon.upload("wave", csv_text(series()))
        daemon.train(job_body())
        yield daemon
    finally:
        daemon.stop()


NAMES = {"writer": "generate", "sorter": "classify", "speaker": "translate"}


def generate(server, **more):
    return server.post("/v1/generate", {"model": "writer", **more}).expect(200).json


# ---- exact answers


@pytest.mark.parametrize("prompt", ["", "t", "to be or not", "é, Q!", "a long prompt that goes far beyond the window of the model"])
def test_the_likeliest_text_is_that_of_the_definition(server, prompt):
    answer = generate(server, prompt=prompt, max_tokens=50, temperature=0)
    text, log_probability = texts.greedy(server.drawn["generate"], prompt, 50)
    assert answer["text"] == text
    assert abs(answer["log_probability"] - log_probability) <= 1e-3
    assert (answer["tokens_in"], answer["tokens_out"], answer["finish_reason"]) == (len(prompt), 50, "length")


def test_top_1_is_temperature_0(server):
    assert generate(server, prompt="ab", temperature=3, top_k=1)["text"] == generate(server, prompt="ab", temperature=0)["text"]


def test_the_seed_decides(server):
    drawn = generate(server, prompt="once", max_tokens=80)
    again = generate(server, prompt="once", max_tokens=80, seed=drawn["seed"])
    assert again == drawn
    assert generate(server, prompt="once", max_tokens=80, seed=drawn["seed"] ^ 1)["text"] != drawn["text"]
    assert len({generate(server, max_tokens=1)["seed"] for _ in range(5)}) == 5


@pytest.mark.parametrize("text", ["a", "yes, perhaps", "é", "Q Q", "something that is much longer than the sixteen characters"])
def test_labels_have_the_probabilities_of_the_definition(server, text):
    out, = server.post("/v1/classify", {"model": "sorter", "inputs": [text]}).expect(200).json["outputs"]
    want = texts.probabilities(server.drawn["classify"], text)
    assert set(out["probabilities"]) == set(texts.LABELS)
    assert all(abs(out["probabilities"][label] - want[label]) <= 1e-5 for label in want)
    assert out["label"] == max(want, key=want.get) and out["probability"] == out["probabilities"][out["label"]]
    assert list(out["probabilities"].values()) == sorted(out["probabilities"].values(), reverse=True)
    assert out.get("truncated", False) == (len(text) > texts.WINDOW)


def test_the_top_labels_only(server):
    out, = server.post("/v1/classify", {"model": "sorter", "inputs": ["a"], "top": 1}).expect(200).json["outputs"]
    assert list(out["probabilities"]) == [out["label"]]


def test_many_texts_are_classified_as_each_alone(server):
    inputs = [texts.LETTERS[i % 20:][:1 + i % 9] for i in range(200)]
    together = server.post("/v1/classify", {"model": "sorter", "inputs": inputs}).expect(200).json["outputs"]
    for text, out in list(zip(inputs, together))[::17]:
        assert server.post("/v1/classify", {"model": "sorter", "inputs": [text]}).json["outputs"] == [out]


def translate(server, **more):
    return server.post("/v1/translate", {"model": "speaker", "inputs": ["hello", "a, b"], **more}).expect(200).json["outputs"]


def test_translations(server):
    plain = translate(server)
    assert len(plain) == 2 and set(plain[0]) == {"text", "log_probability", "finish_reason"}
    assert translate(server, beam_width=1) == plain
    for out, wide in zip(plain, translate(server, beam_width=8, length_penalty=0)):
        assert wide["log_probability"] >= out["log_probability"] - 1e-6 and out["log_probability"] < 0
    assert all(len(out["text"]) <= 3 for out in translate(server, max_length=3))


def test_attention_says_what_was_read(server):
    for out, text in zip(translate(server, **{"return": ["attention"]}), ["hello", "a, b"]):
        assert out["input_tokens"] == list(text)
        assert "".join(out["output_tokens"]) == out["text"]
        assert len(out["attention"]) == len(out["output_tokens"])
        for row in out["attention"]:
            assert len(row) == len(text) and abs(sum(row) - 1) <= 1e-5


# ---- looking inside


def near(a, b):
    return len(a) == len(b) and all(abs(x - y) <= 1e-5 for x, y in zip(a, b))


def check_inside(drawn, text, out):
    """A step a token: the states of the definition, and gates that make them."""
    read = text[-texts.WINDOW:]
    assert out["input_tokens"] == list(read) if read else [""]
    assert set(out["gates"]) == set(out["states"]) == set(out["health"]) == {"encoder.l0"}
    gates, states, network = out["gates"]["encoder.l0"], out["states"]["encoder.l0"], texts.Network(drawn)
    assert len(states) == len(gates["update"]) == len(read)
    before = [0.0] * texts.HIDDEN
    for token, h, z, n in zip(texts.encode(read), states, gates["update"], gates["candidate"]):
        network.read(token)
        assert near(h, network.state[0])
        assert near(h, [(1 - z[j]) * n[j] + z[j] * before[j] for j in range(texts.HIDDEN)])
        before = h


TEXTS = ["a", "yes, perhaps", "é Q Q", "something that is much longer than the sixteen characters"]


@pytest.mark.parametrize("path, model, more", [
    ("/v1/classify", "sorter", {}), ("/v1/translate", "speaker", {"beam_width": 3, "max_length": 4})])
def test_gates_and_states_of_texts(server, path, model, more):
    body = {"model": model, "inputs": TEXTS, **more}
    plain = server.post(path, body).expect(200).json["outputs"]
    looked = server.post(path, {**body, "return": ["gates", "states"]}).expect(200).json["outputs"]
    for text, without, out in zip(TEXTS, plain, looked, strict=True):
        check_inside(server.drawn[NAMES[model]], text, out)
        assert {name: out[name] for name in without} == without
        assert set(out) - set(without) == {"input_tokens", "gates", "health", "states"}
    only, = server.post(path, {**body, "inputs": ["ab"], "return": ["states"]}).expect(200).json["outputs"]
    assert "states" in only and "gates" not in only


def test_attention_beside_gates(server):
    both, = translate(server, inputs=["hello"], **{"return": ["gates", "attention"]})
    alone, = translate(server, inputs=["hello"], **{"return": ["attention"]})
    assert {name: both[name] for name in alone} == alone and set(both) - set(alone) == {"gates", "health"}


def test_what_of_texts_is_not_returned(server):
    for path, model, what, pointer in [("/v1/classify", "sorter", ["attention"], "/return/0"),
                                       ("/v1/classify", "sorter", "states", "/return"),
                                       ("/v1/translate", "speaker", ["gates", "doors"], "/return/1")]:
        answer = server.post(path, {"model": model, "inputs": ["a"], "return": what}).expect(422)
        assert answer.json["pointer"] == pointer
    server.post("/v1/generate", {"model": "writer", "return": ["states"]}).expect(422)
    many = {"model": "sorter", "inputs": ["a text of sixteen"] * 256, "return": ["gates", "states"]}
    server.post("/v1/classify", many).expect(200)
    texts.publish(server, "wide", "classify", hidden=64)
    answer = server.post("/v1/classify", {**many, "model": "wide"}).expect(422)
    assert answer.json["pointer"] == "/return" and "500000" in answer.json["detail"]


# ---- trained here


def test_a_character_model_writes_what_it_read(server):
    server.put("/v1/datasets/cats", "the cat sat on the mat.\n" * 200, headers={"Content-Type": "text/plain"}).expect(201)
    server.train({"dataset": "cats", "preset": "char_rnn", "model": "cats", "window": 24,
                  "encoder": {"hidden_size": 32, "embedding_size": 8},
                  "training": {"epochs": 8, "learning_rate": 0.01, "batch_size": 16}})
    answer = server.post("/v1/generate", {"model": "cats", "prompt": "the c", "max_tokens": 80, "temperature": 0}).expect(200).json
    assert "\nthe cat sat on the mat.\nthe cat sat on the mat.\n" in answer["text"]


def test_a_classifier_sorts(server):
    rows = [f"{words} {i},{label}" for i in range(60) for words, label in (("good nice", "yes"), ("bad ugly", "no"))]
    server.upload("moods", "\n".join(["text,label", *rows]) + "\n")
    server.train({"dataset": "moods", "preset": "classifier", "model": "moods", "target": ["label"],
                  "encoder": {"hidden_size": 8, "embedding_size": 8}, "training": {"epochs": 10, "learning_rate": 0.02}})
    body = {"model": "moods", "inputs": ["nice 7", "ugly 3", "a good one"]}
    outs = server.post("/v1/classify", body).expect(200).json["outputs"]
    assert [out["label"] for out in outs] == ["yes", "no", "yes"] and all(out["probability"] > 0.7 for out in outs)


def test_a_translator_turns_round(server):
    rows = [f"{a}{b}{c},{c}{b}{a}" for a in "abcd" for b in "abcd" for c in "abcd"]
    server.upload("mirror", "\n".join(["from,to", *rows]) + "\n")
    server.train({"dataset": "mirror", "preset": "seq2seq", "model": "mirror", "target": ["to"],
                  "encoder": {"hidden_size": 32, "embedding_size": 16},
                  "training": {"epochs": 60, "learning_rate": 0.01, "batch_size": 16}})
    body = {"model": "mirror", "inputs": [r.split(",")[0] for r in rows], "beam_width": 2}
    outs = server.post("/v1/translate", body).expect(200).json["outputs"]
    right = sum(out["text"] == row.split(",")[1] and out["finish_reason"] == "stop" for out, row in zip(outs, rows))
    assert right >= 60


# ---- streams


def events(raw):
    """(event, data) of a text/event-stream; comments are left out."""
    out = []
    for block in raw.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line and not line.startswith(":"))
        if fields:
            out.append((fields["event"], json.loads(fields["data"])))
    return out


@pytest.mark.parametrize("body, headers", [({"stream": True}, {}), ({}, {"Accept": "text/event-stream"})])
def test_a_stream_has_the_same_text(server, body, headers):
    whole = generate(server, prompt="once", max_tokens=70, seed=7)
    answer = server.post("/v1/generate", {"model": "writer", "prompt": "once", "max_tokens": 70, "seed": 7, **body}, headers=headers)
    assert answer.expect(200).headers["content-type"] == "text/event-stream"
    *tokens, (last, done) = events(answer.body)
    assert {event for event, _ in tokens} == {"token"} and len(tokens) > 1 and last == "done"
    assert "".join(data["text"] for _, data in tokens) == whole.pop("text")
    assert done == whole


def test_streams_that_are_refused_are_plain_problems(server):
    for body, status in [({"model": "nobody"}, 404), ({"model": "sorter"}, 422), ({"model": "writer", "max_tokens": 0}, 422)]:
        answer = server.post("/v1/generate", {**body, "stream": True}).expect(status)
        assert answer.headers["content-type"].startswith("application/problem+json")


def test_many_streams_at_once(server):
    want = {seed: generate(server, prompt="x", max_tokens=120, seed=seed)["text"] for seed in range(8)}

    def client(seed):
        with Client(server.address) as connection:
            raw = connection.request("POST", "/v1/generate", {"model": "writer", "prompt": "x", "max_tokens": 120, "seed": seed,
                                                               "stream": True}).expect(200).body
        return "".join(data["text"] for event, data in events(raw) if event == "token") == want[seed]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert all(pool.map(client, range(8)))


def cancelled(server, model):
    want = f'gatecast_inference_requests_total{{model="{model}",version="1",outcome="cancelled"}} '
    lines = server.get("/metrics").expect(200).body.decode().splitlines()
    return [float(line[len(want):]) for line in lines if line.startswith(want)] == [1.0]


def test_a_client_that_leaves_ends_its_text(server):
    texts.publish(server, "slow", "generate", hidden=400)
    body = json.dumps({"model": "slow", "max_tokens": 10000, "stream": True}).encode()
    host, _, port = server.address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as s:
        s.sendall(b"POST /v1/generate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        s.recv(100)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))   # away at once
    wait_for(lambda: cancelled(server, "slow"), "the text to end")


def test_a_deadline_ends_a_stream_with_an_error(server):
    texts.publish(server, "late", "generate", hidden=400)
    server.get("/v2/models/late/ready").expect(200)   # loads it, so that the time goes into its text
    body = {"model": "late", "max_tokens": 10000, "stream": True, "parameters": {"timeout_ms": 100}}
    last, problem = events(server.post("/v1/generate", body).expect(200).body)[-1]
    assert last == "error" and problem["code"] == "timeout"
    server.post("/v1/generate", body).expect(503)   # now it is known how long that takes


def test_a_stopping_service_writes_its_texts_to_the_end(start):
    daemon = start()
    texts.publish(daemon, "writer", "generate")
    connection = http.client.HTTPConnection(daemon.address, timeout=PATIENCE)
    connection.request("POST", "/v1/generate", json.dumps({"model": "writer", "max_tokens": 10000, "stream": True}),
                       {"Content-Type": "application/json"})
    response = connection.getresponse()
    first = response.read(10)
    daemon.terminate()
    *tokens, (last, done) = events(first + response.read())
    assert last == "done" and done["tokens_out"] == 10000
    daemon.ended()


# ---- who is asked what


@pytest.mark.parametrize("model, route", [("writer", "/v1/generate"), ("sorter", "/v1/classify"), ("speaker", "/v1/translate"),
                                          ("wave-3", "/v1/forecast")])
def test_another_kind_of_model_names_its_route(server, model, route):
    bodies = {"/v1/generate": {}, "/v1/classify": {"inputs": ["a"]}, "/v1/translate": {"inputs": ["a"]},
              "/v1/forecast": {"inputs": [{"dataset": "wave"}]}, "/v1/anomalies": {"dataset": "wave"}}
    for other, body in bodies.items():
        if other == route or (model, other) == ("wave-3", "/v1/anomalies"):
            continue
        problem = server.post(other, {"model": model, **body}).expect(422).json
        assert problem["pointer"] == "/model" and route in problem["detail"]
    if model != "wave-3":
        problem = server.post(f"/v1/models/{model}:predict", {"instances": [[[1.0]]]}).expect(409).json
        assert route in problem["detail"]


@pytest.mark.parametrize("model, task", NAMES.items())
def test_metadata_of_texts(server, model, task):
    version = server.get(f"/v1/models/{model}/versions/1").expect(200).json
    assert version["task"] == task
    v2 = server.get(f"/v2/models/{model}").expect(200).json
    assert v2["inputs"] == [{"name": "input", "datatype": "BYTES", "shape": [-1]}] and v2["parameters"]["task"] == task
    server.get(f"/v2/models/{model}/ready").expect(200)
    signature = server.get(f"/v1/models/{model}/metadata").expect(200).json["metadata"]["signature_def"]["signature_def"]
    assert signature["serving_default"]["inputs"]["input"]["dtype"] == "DT_STRING"


def test_versions(server):
    assert server.post("/v1/generate", {"model": "writer", "version": 1, "max_tokens": 1}).expect(200).json["version"] == 1
    server.post("/v1/generate", {"model": "writer", "version": 2}).expect(404)


BAD = [
    ("/v1/generate", b"", 400), ("/v1/generate", b"[]", 422), ("/v1/generate", b"{", 400), ("/v1/generate", b"{}", 422),
    ("/v1/generate", b'{"model":"writer","prompt":"\xff"}', 400), ("/v1/generate", b'{"model":"writer","prompt":1}', 422),
    ("/v1/generate", b'{"model":"writer","temperature":-1}', 422), ("/v1/generate", b'{"model":"writer","seed":1e300}', 422),
    ("/v1/generate", b'{"model":"writer","max_tokens":10001}', 422), ("/v1/generate", b'{"model":"writer","tokens":1}', 422),
    ("/v1/generate", b'{"model":"writer","stream":"yes"}', 422), ("/v1/generate", b'{"model":"no/body"}', 404),
    ("/v1/classify", b'{"model":"sorter"}', 422), ("/v1/classify", b'{"model":"sorter","inputs":[]}', 422),
    ("/v1/classify", b'{"model":"sorter","inputs":[""]}', 422), ("/v1/classify", b'{"model":"sorter","inputs":["a"],"top":0}', 422),
    ("/v1/classify", json.dumps({"model": "sorter", "inputs": ["a"] * 257}).encode(), 422),
    ("/v1/translate", b'{"model":"speaker","inputs":["a"],"beam_width":9}', 422),
    ("/v1/translate", b'{"model":"speaker","inputs":["a"],"return":["doors"]}', 422),
    ("/v1/translate", b'{"model":"speaker","inputs":["a"],"max_length":0}', 422),
]


@pytest.mark.parametrize("path, body, status", BAD)
def test_bad_bodies(server, path, body, status):
    problem = server.post(path, body, headers={"Content-Type": "application/json"}).expect(status).json
    assert problem["status"] == status and problem["detail"]


def test_texts_survive_a_restart(start):
    daemon = start()
    texts.publish(daemon, "writer", "generate")
    before = generate(daemon, prompt="once", seed=3)
    daemon.stop()
    daemon.start()
    assert generate(daemon, prompt="once", seed=3) == before
