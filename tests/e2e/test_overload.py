"""test_overload.py - more than there is time for: what is refused and how, and who goes first."""
import http.client
import json
import pathlib
import signal
import time

import pytest

import weights
from gatecast import Client, JSON, PATIENCE, wait_for

INPUTS, WINDOW, HIDDEN, CROWD = 4, 96, 256, 300
PATH = {"predict": "/v1/models/wide:predict", "infer": "/v2/models/wide/infer", "forecast": "/v1/forecast"}


def rows(value=0.25):
    return [[value] * INPUTS for _ in range(WINDOW)]


def body(dialect, bulk=False):
    if dialect == "predict":
        return {"instances": [rows()]}
    if dialect == "infer":
        return {"inputs": [{"name": "x", "shape": [1, WINDOW, INPUTS], "datatype": "FP32", "data": [rows()]}],
                "parameters": {"priority": 2 if bulk else 1}}
    columns = {name: [0.25] * WINDOW for name in "abcd"}
    return {"model": "wide", "inputs": [{"columns": columns}], "parameters": {"priority": "bulk" if bulk else "interactive"}}


@pytest.fixture(scope="module")
def network():
    return weights.write(weights.network("gru", INPUTS, HIDDEN, 2, False, 3))


def publish(daemon, network):
    daemon.put(f"/v1/models/wide?window={WINDOW}&columns=a,b,c,d", network,
               headers={"Content-Type": "application/x-safetensors"}).expect(201)
    for _ in range(3):   # then it is known what it costs
        daemon.post(PATH["predict"], body("predict")).expect(200, 503, 504)


class Crowd:
    """Requests that are all sent before the first answer is read."""

    def __init__(self, daemon, n, dialect, **more):
        text = json.dumps(body(dialect, **more))
        self.connections = [http.client.HTTPConnection(daemon.address, timeout=PATIENCE) for _ in range(n)]
        for connection in self.connections:
            connection.request("POST", PATH[dialect], text, JSON)

    def answers(self):
        for connection in self.connections:
            response = connection.getresponse()
            yield response.status, response.headers, response.read()
            connection.close()


def refused(daemon, by):
    name = f'gatecast_inference_refused_total{{by="{by}"}} '
    return sum(int(line[len(name):]) for line in daemon.get("/metrics").body.decode().splitlines() if line.startswith(name))


@pytest.mark.parametrize("dialect", PATH)
def test_a_crowd_is_answered_or_refused(start, network, dialect):
    daemon = start("--threads", "1", "--http-threads", "1", "--deadline", "150")
    publish(daemon, network)
    statuses = []
    for status, headers, text in Crowd(daemon, CROWD, dialect).answers():
        statuses.append(status)
        if status == 503:
            problem = json.loads(text)
            assert problem["code"] == "busy" and problem["instance"] == PATH[dialect]
            assert headers["Content-Type"] == "application/problem+json" and int(headers["Retry-After"]) >= 1
    assert 503 in statuses and set(statuses) <= {200, 503, 504}
    assert refused(daemon, "headers") + refused(daemon, "body") > 0
    # When they are gone there is time again; a sanitized build may take longer than the deadline.
    wait_for(lambda: daemon.post(PATH[dialect], body(dialect)).status in (200, 504), "room")


def test_a_refusal_by_headers_reads_the_body_and_keeps_the_connection(start, network):
    daemon = start("--threads", "1", "--http-threads", "1", "--deadline", "150")
    publish(daemon, network)
    crowd = Crowd(daemon, CROWD, "predict")
    with Client(daemon.address) as client:
        for _ in range(20):
            client.request("POST", PATH["predict"], body("predict")).expect(200, 503, 504)
            client.request("GET", "/livez").expect(200)
    assert all(status in (200, 503, 504) for status, *_ in crowd.answers())


@pytest.mark.parametrize("dialect", ["infer", "forecast"])
def test_interactive_work_goes_before_bulk(start, network, dialect):
    daemon = start("--threads", "1", "--http-threads", "1", "--deadline", "600000")
    publish(daemon, network)
    crowd = Crowd(daemon, CROWD, dialect, bulk=True)
    daemon.post(PATH[dialect], body(dialect)).expect(200)
    waiting = 'gatecast_inference_bulk_queue_depth '
    depth = [line for line in daemon.get("/metrics", admin=True).body.decode().splitlines() if line.startswith(waiting)]
    assert int(depth[0][len(waiting):]) > 0   # they came first, and most of them still wait
    assert all(status == 200 for status, *_ in crowd.answers())


def states(daemon):
    """Of its threads, as the kernel calls them; the first one waits for signals."""
    tasks = pathlib.Path(f"/proc/{daemon.process.pid}/task").glob("*/stat")
    return [task.read_text().rpartition(")")[2].split()[0] for task in sorted(tasks, key=lambda t: int(t.parent.name))]


def test_the_wait_in_the_socket_counts(start, network):
    daemon = start("--deadline", "2000")
    publish(daemon, network)
    with Client(daemon.address) as client:
        client.request("POST", PATH["predict"], body("predict")).expect(200)
        daemon.process.send_signal(signal.SIGSTOP)
        wait_for(lambda: set(states(daemon)) == {"T"}, "all of it to stop")
        client.connection.request("POST", PATH["predict"], json.dumps(body("predict")), JSON)
        time.sleep(3)                      # more than the deadline, and nobody looks
        daemon.process.send_signal(signal.SIGCONT)
        response = client.connection.getresponse()
        assert response.status == 503 and json.loads(response.read())["code"] == "busy"
        client.request("POST", PATH["predict"], body("predict")).expect(200)
    wait_for(lambda: states(daemon)[0] == "S", "it to wait for signals again")
