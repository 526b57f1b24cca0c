"""test_models.py - a thousand models in one store, and memory for a few of them: all answer, the right one, within the bound."""
import concurrent.futures
import random
import re

import pytest

import weights
from gatecast import Client, Daemon, wait_for

MODELS, CACHE = 1000, 1 << 20
T, INPUTS, HIDDEN, HORIZON = 4, 2, 16, 1
ASKED, CLIENTS = 1500, 3


def network(i):
    """All alike but for the head's bias: the i-th answers i / 8 more than the first."""
    net = weights.network("gru", INPUTS, HIDDEN, 1, False, HORIZON)
    (shape, bias) = net["fc.bias"]
    return {**net, "fc.bias": (shape, [v + i / 8 for v in bias])}


@pytest.fixture(scope="module")
def crowded(tmp_path_factory):
    daemon = Daemon(tmp_path_factory.mktemp("models"), "--model-cache", str(CACHE), "--workers", "0")
    headers = {"Content-Type": "application/x-safetensors"}
    with Client(daemon.address) as client:
        for i in range(MODELS):
            client.request("PUT", f"/v1/models/m{i}?window={T}", weights.write(network(i)), headers).expect(201)
    yield daemon
    daemon.stop()


WINDOW = [[0.25, -1.0], [0.5, 0.125], [-0.75, 0.0], [1.0, 0.5]]
FIRST = weights.forward("gru", 1, False, weights.bare(network(0)), WINDOW)[0]


def ask(daemon, models):
    """Each of them, one after the other, on one connection."""
    with Client(daemon.address) as client:
        for i in models:
            answer = client.request("POST", f"/v1/models/m{i}:predict", {"instances": [WINDOW]}).expect(200)
            ((value,),), = answer.json["predictions"]
            assert abs(value - (FIRST + i / 8)) <= 1e-4, i


def usage(daemon):
    """(bytes of the cache, versions loaded, evictions, loads)"""
    text = daemon.get("/metrics").expect(200).body.decode()

    def value(series):
        return float(re.search(rf"^gatecast_{re.escape(series)} (\S+)$", text, re.M).group(1))

    assert value("model_cache_limit_bytes") == CACHE
    return (value("model_cache_bytes"), len(re.findall(r"^gatecast_model_loaded\{", text, re.M)),
            value("model_evictions_total"), value('model_loads_total{result="ok"}'))


def test_all_answer_from_a_cache_for_few(crowded):
    ask(crowded, range(MODELS))
    size, loaded, evictions, loads = usage(crowded)
    assert size <= CACHE and 1 < loaded < MODELS / 4
    assert loads >= MODELS and evictions == loads - loaded


def test_random_requests_of_several_clients(crowded):
    rng = random.Random(3)
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        work = [pool.submit(ask, crowded, rng.choices(range(MODELS), k=ASKED // CLIENTS)) for _ in range(CLIENTS)]
        while not all(w.done() for w in work):
            assert usage(crowded)[0] <= CACHE
            concurrent.futures.wait(work, timeout=0.1)
        for w in work:
            w.result()


def test_those_in_use_stay(crowded):
    few = range(10)
    ask(crowded, few)
    before = usage(crowded)[3]
    ask(crowded, list(few) * 5)
    assert usage(crowded)[3] == before


def test_a_start_loads_what_fits_and_serves_the_rest(crowded):
    crowded.stop()
    crowded.start()
    ask(crowded, [MODELS - 1, 0, 500])       # whatever is loaded by now

    def loaded():
        return next((event for event in crowded.events() if event["event"] == "models_loaded"), None)

    wait_for(loaded, "the models to be loaded")
    size, versions, _, _ = usage(crowded)
    assert CACHE / 2 < size <= CACHE and loaded()["models"] >= versions - 3
    ask(crowded, range(0, MODELS, 37))
