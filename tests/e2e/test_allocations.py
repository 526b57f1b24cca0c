"""test_allocations.py - a warm prediction allocates nothing but libmicrohttpd's response and its headers."""
import json
import os
import struct

import pytest

from gatecast import JSON, Client, Daemon, csv_text, job_body, series

ROUNDS = 1000
BACKGROUND = ROUNDS // 10   # threads that have nothing to do with requests
RESPONSE = 16               # the object, and what each of its headers takes


def counters(path):
    return struct.unpack("2Q", path.read_bytes())


SEQUENCE = [[close, volume] for _, close, volume in series()][:16]
NUMBERS = [v for step in SEQUENCE for v in step]
BODIES = {
    "instances": ("/v1/models/wave-3:predict", {"instances": [SEQUENCE]}),
    "several": ("/v1/models/wave-3:predict", {"instances": [SEQUENCE] * 10}),
    "infer": ("/v2/models/wave-3/infer", {"inputs": [{"name": "x", "shape": [1, 16, 2], "datatype": "FP64", "data": NUMBERS}]}),
    "forecast": ("/v1/forecast", {"model": "wave-3", "inputs": [{"columns": {"close": NUMBERS[0::2], "volume": NUMBERS[1::2]}}],
                                  "parameters": {"quantile_levels": [0.1, 0.9]}}),
}


@pytest.fixture(scope="module")
def counted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("counted")
    path = folder / "allocations"
    path.write_bytes(bytes(16))
    environment = {"LD_PRELOAD": os.environ["ALLOCATIONS"], "GATECAST_ALLOCATIONS": str(path)}
    daemon = Daemon(folder, "--http-threads", "1", "--workers", "1", environment=environment)
    try:
        daemon.upload("wave", csv_text(series()))
        daemon.train(job_body())
        yield daemon, path
    finally:
        daemon.stop()


@pytest.mark.parametrize("name", BODIES)
def test_a_warm_prediction(counted, name):
    daemon, path = counted
    where, body = BODIES[name]
    text = json.dumps(body).encode()
    with Client(daemon.address) as client:
        for _ in range(20):
            client.request("POST", where, text, JSON).expect(200)
        before = counters(path)
        assert before[0] > 100 and before[1] > 100, "nothing is counted"
        for _ in range(ROUNDS):
            client.request("POST", where, text, JSON).expect(200)
        ours, theirs = (after - b for after, b in zip(counters(path), before))
    assert ours <= BACKGROUND, f"{ours / ROUNDS} a request"
    assert theirs <= RESPONSE * ROUNDS, f"{theirs / ROUNDS} a request"
