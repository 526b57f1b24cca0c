"""test_drain.py - SIGTERM under load loses no request, and a job goes on after the next start."""
import ctypes
import http.client
import os
import pathlib
import signal
import threading
import time

import pytest

from gatecast import Client, csv_text, job_body, series, wait_for

ROWS = series()
SEQUENCE = [[r[1], r[2]] for r in ROWS[-16:]]


def trained(daemon):
    daemon.upload("wave", csv_text(ROWS))
    daemon.train(job_body())
    return daemon


class Load(threading.Thread):
    """Predicts over a kept connection until told to stop; reconnects where the server closes after an answer."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.address = address
        self.answers, self.failures = [], []
        self.stopping = False

    def run(self):
        try:
            while not self.stopping:
                with Client(self.address) as client:
                    self.use(client)
        except (OSError, http.client.HTTPException) as error:
            self.failures.append(repr(error))

    def use(self, client):
        while not self.stopping:
            answer = client.request("POST", "/v1/models/wave-3:predict", {"instances": [SEQUENCE]})
            self.answers.append(answer.status)
            if answer.headers.get("connection", "").lower() == "close":
                return


def ready(daemon):
    return daemon.get("/readyz", admin=True).status


@pytest.mark.parametrize("listeners", ["1", "3"])
def test_sigterm_under_load_loses_nothing(start, listeners):
    daemon = trained(start("--drain-delay", "3", "--http-threads", listeners))
    assert ready(daemon) == 200
    clients = [Load(daemon.address) for _ in range(16)]
    for client in clients:
        client.start()
    wait_for(lambda: all(len(c.answers) > 3 for c in clients), "some load")

    daemon.terminate()
    wait_for(lambda: ready(daemon) == 503, "readyz to say 503")
    served = sum(len(c.answers) for c in clients)
    wait_for(lambda: sum(len(c.answers) for c in clients) > served + 50, "requests that are served while draining")
    # What a balancer does on 503: send no more. That is before the listener closes.
    for client in clients:
        client.stopping = True
    for client in clients:
        client.join(60)
    daemon.ended()
    assert [f for c in clients for f in c.failures] == []
    assert {s for c in clients for s in c.answers} == {200}
    assert sum(len(c.answers) for c in clients) > 100


def test_requests_in_flight_are_answered(start):
    daemon = trained(start())
    answers = []

    def one():
        with Client(daemon.address) as client:
            answers.append(client.request("POST", "/v1/models/wave-3:predict", {"instances": [SEQUENCE] * 500}).status)

    threads = [threading.Thread(target=one) for _ in range(8)]
    for thread in threads:
        thread.start()
    wait_for(lambda: "gatecast_http_requests_in_flight 0" not in daemon.get("/metrics", admin=True).body.decode() or
             len(answers) == 8, "requests in flight")
    time.sleep(0.05)
    daemon.terminate()
    for thread in threads:
        thread.join(60)
    daemon.ended()
    assert answers == [200] * 8


def test_a_stream_ends_with_the_service(start):
    daemon = trained(start("--checkpoint-interval", "0"))
    body = job_body(model="long", epochs=10000, early_stopping={"patience": 0})
    job = daemon.post("/v1/jobs", body).expect(202).json["id"]
    connection = http.client.HTTPConnection(daemon.address, timeout=60)
    connection.request("GET", f"/v1/jobs/{job}/events", headers={"Accept": "text/event-stream"})
    response = connection.getresponse()
    assert response.readline()
    daemon.terminate()
    while response.readline():
        pass
    daemon.ended()


def test_a_job_goes_on_after_the_next_start(start):
    daemon = trained(start("--checkpoint-interval", "0"))
    job = daemon.post("/v1/jobs", job_body(model="m", epochs=60, early_stopping={"patience": 0})).expect(202).json["id"]
    wait_for(lambda: daemon.get(f"/v1/jobs/{job}/checkpoints").json["data"], "a checkpoint")
    workers = daemon.workers()
    daemon.stop()
    for pid in workers:
        wait_for(lambda: not os.path.exists(f"/proc/{pid}"), "the worker to end with the service")
    daemon.start()
    assert daemon.finished(job, "succeeded")["progress"]["epoch"] == 60


def test_sigint_ends_it_too(start):
    daemon = start()
    daemon.process.send_signal(signal.SIGINT)
    daemon.ended()


def blocked(status):
    """The set of signals that a thread blocks, from its status in /proc."""
    return int(next(line.split()[1] for line in status.read_text().splitlines() if line.startswith("SigBlk:")), 16)


def test_a_signal_to_a_librarys_thread_drains_too(start):
    """A library may have started threads before main() could block the signals for them (OpenBLAS does)."""
    daemon = start()
    pid, libc = daemon.process.pid, ctypes.CDLL(None, use_errno=True)
    threads = [int(task.name) for task in pathlib.Path(f"/proc/{pid}/task").iterdir()
               if not blocked(task / "status") & 1 << signal.SIGTERM - 1]
    assert libc.tgkill(pid, (threads or [pid])[-1], signal.SIGTERM) == 0, os.strerror(ctypes.get_errno())
    daemon.ended()


def test_thirty_restarts_under_load(start):
    """Every answer is a whole one: 200, or a refusal that says why."""
    daemon = trained(start())
    for _ in range(30):
        clients = [Load(daemon.address) for _ in range(4)]
        for client in clients:
            client.start()
        wait_for(lambda: all(c.answers for c in clients), "some load")
        daemon.terminate()
        daemon.ended()
        for client in clients:
            client.stopping = True
            client.join(60)
        assert {s for c in clients for s in c.answers} <= {200, 503}
        daemon.start()
