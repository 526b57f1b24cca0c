"""test_jobs.py - a training job's life: events, checkpoints, pause, resume, cancel, idempotency."""
import http.client
import json
import os
import signal
import threading

import pytest

from gatecast import PATIENCE, csv_text, job_body, series, wait_for

LONG = {"epochs": 10000, "early_stopping": {"patience": 0}, "batch_size": 8}


@pytest.fixture
def daemon(start):
    daemon = start("--checkpoint-interval", "0")
    daemon.upload("wave", csv_text(series()))
    return daemon


def epoch(daemon, job):
    progress = daemon.get(f"/v1/jobs/{job}").expect(200).json["progress"]
    return progress["epoch"] if progress else 0


def start_long(daemon, at_epoch=2, model="long"):
    job = daemon.post("/v1/jobs", job_body(model=model, **LONG)).expect(202).json["id"]
    wait_for(lambda: epoch(daemon, job) >= at_epoch, "some epochs")
    return job


def test_a_job_from_end_to_end(server):
    job = server.job
    assert job["object"] == "job" and job["status"] == "succeeded" and job["version"] == 1
    assert job["progress"]["epoch"] == 2 and job["error"] is None
    for moment in ("created_at", "started_at", "finished_at"):
        assert job[moment].endswith("Z")
    assert job["spec"]["window"] == 12 and job["spec"]["training"]["optimizer"] == "adam"
    result = job["result"]
    for figures in ("test", "naive", "seasonal_naive"):
        for figure in ("mae", "rmse", "mase", "smape"):
            assert result[figures][figure] >= 0
    assert len(result["test"]["per_horizon"]) == 3
    assert result["verdict"] in ("better", "no better", "worse")
    assert 0 <= result["coverage"]["0.8"] <= 1
    model = server.get("/v1/models/wave-3/versions/1").expect(200).json
    assert model["job"] == job["id"] and model["targets"] == ["close"] and model["horizon"] == 3


def test_accepted_says_where_to_look(server):
    answer = server.post("/v1/jobs", job_body(model="where")).expect(202)
    assert answer.headers["location"] == "/v1/jobs/" + answer.json["id"]
    assert answer.json["status"] in ("queued", "running")
    server.finished(answer.json["id"], "succeeded")


def test_the_same_seed_gives_the_same_weights(server):
    def digest(seed):
        job = server.train(job_body(model="seeded", seed=seed))
        return server.get(f"/v1/models/seeded/versions/{job['version']}").expect(200).json["sha256"]

    assert digest(5) == digest(5)
    assert digest(5) != digest(6)


def test_events_as_pages(server):
    path = f"/v1/jobs/{server.job['id']}/events"
    all_events = server.list(path)
    assert [e for e in all_events if e["type"] == "metrics"], all_events
    assert all(e["level"] in ("info", "warn", "error") and e["object"] == "job.event" for e in all_events)
    found, after = [], 0
    while True:
        page = server.get(f"{path}?limit=1&after={after}").expect(200).json
        found += page["data"]
        if not page["has_more"]:
            break
        after = page["data"][-1]["id"]
    assert found == all_events


def read_stream(address, path, headers=None, most=None):
    """Events of a live stream as [(id, type, data)] until it ends or `most` came."""
    connection = http.client.HTTPConnection(address, timeout=PATIENCE)
    connection.request("GET", path, headers={"Accept": "text/event-stream", **(headers or {})})
    response = connection.getresponse()
    assert response.status == 200 and response.getheader("Content-Type").startswith("text/event-stream")
    events, current = [], {}
    while most is None or len(events) < most:
        line = response.readline().decode()
        if not line:
            break
        line = line.rstrip("\r\n")
        if not line and current:
            events.append((int(current["id"]), current.get("event", "message"), json.loads(current["data"])))
            current = {}
        elif line and not line.startswith(":"):
            name, _, value = line.partition(":")
            current[name] = value.removeprefix(" ")
    connection.close()
    return events


def test_events_live(daemon):
    job = daemon.post("/v1/jobs", job_body(epochs=8)).expect(202).json["id"]
    path = f"/v1/jobs/{job}/events"
    events = read_stream(daemon.address, path)      # ends by itself, with the job
    ids = [e[0] for e in events]
    assert ids == sorted(set(ids))
    epochs = [e for e in events if e[2]["type"] == "metrics"]
    assert len(epochs) >= 8
    assert daemon.get(f"/v1/jobs/{job}").json["status"] == "succeeded"
    assert [e["id"] for e in daemon.list(path)] == ids

    again = read_stream(daemon.address, path, headers={"Last-Event-ID": str(ids[3])})
    assert [e[0] for e in again] == ids[4:]


def test_a_stream_that_is_left_disturbs_nobody(daemon):
    job = start_long(daemon)
    for _ in range(5):
        assert read_stream(daemon.address, f"/v1/jobs/{job}/events", most=1)
    assert daemon.get(f"/v1/jobs/{job}").expect(200).json["status"] == "running"
    daemon.post(f"/v1/jobs/{job}/cancel").expect(200, 202)


def test_checkpoints_are_listed(server):
    page = server.get(f"/v1/jobs/{server.job['id']}/checkpoints").expect(200).json
    assert page["object"] == "list"
    for checkpoint in page["data"]:
        assert len(checkpoint["sha256"]) == 64


def test_pause_and_resume(daemon):
    job = start_long(daemon)
    daemon.post(f"/v1/jobs/{job}/pause").expect(200, 202)
    paused = daemon.finished(job, "paused")
    at = paused["progress"]["epoch"]
    assert at >= 2
    daemon.post(f"/v1/jobs/{job}/resume").expect(200, 202)
    wait_for(lambda: epoch(daemon, job) > at, "the job to go on")
    daemon.post(f"/v1/jobs/{job}/cancel", {"discard": True}).expect(200, 202)
    daemon.finished(job, "cancelled")


def test_a_resumed_job_ends_with_the_same_weights(daemon):
    body = job_body(epochs=30, early_stopping={"patience": 0}, batch_size=4)
    job = daemon.post("/v1/jobs", body).expect(202).json["id"]
    wait_for(lambda: epoch(daemon, job) >= 3, "three epochs")
    daemon.post(f"/v1/jobs/{job}/pause").expect(200, 202)
    daemon.finished(job, "paused")
    daemon.post(f"/v1/jobs/{job}/resume").expect(200, 202)
    resumed = daemon.finished(job, "succeeded")
    straight = daemon.train(body)
    digests = {daemon.get(f"/v1/models/wave-3/versions/{j['version']}").json["sha256"] for j in (resumed, straight)}
    assert len(digests) == 1


def test_cancel_keeps_the_best_checkpoint(daemon):
    job = start_long(daemon, model="kept")
    daemon.post(f"/v1/jobs/{job}/cancel").expect(200, 202)
    ended = daemon.finished(job, "cancelled")
    assert ended["version"] == 1
    daemon.get("/v1/models/kept/versions/1").expect(200)


def test_cancel_with_discard_leaves_nothing(daemon):
    job = start_long(daemon, model="discarded")
    daemon.post(f"/v1/jobs/{job}/cancel", {"discard": True}).expect(200, 202)
    assert daemon.finished(job, "cancelled")["version"] is None
    daemon.get("/v1/models/discarded").expect(404)


def test_moves_that_make_no_sense_are_refused(server):
    job = server.job["id"]
    for move in ("cancel", "pause", "resume"):
        server.post(f"/v1/jobs/{job}/{move}").expect(409)


def test_a_queued_job_waits_and_can_be_cancelled(start):
    daemon = start("--workers", "0", "--max-queued-jobs", "3")
    daemon.upload("wave", csv_text(series()))
    jobs = [daemon.post("/v1/jobs", job_body()).expect(202).json for _ in range(3)]
    assert {j["status"] for j in jobs} == {"queued"}
    refused = daemon.post("/v1/jobs", job_body()).expect(429)
    assert int(refused.headers["retry-after"]) >= 1 and "max-queued-jobs" in refused.json["detail"]
    daemon.post(f"/v1/jobs/{jobs[0]['id']}/cancel").expect(200, 202)
    daemon.finished(jobs[0]["id"], "cancelled")
    daemon.post("/v1/jobs", job_body()).expect(202)


def test_jobs_are_listed_newest_first(server):
    first = server.train(job_body(model="listed"))["id"]
    second = server.train(job_body(model="listed"))["id"]
    page = server.get("/v1/jobs?limit=1").expect(200).json
    assert [j["id"] for j in page["data"]] == [second] and page["has_more"] is True
    page = server.get(f"/v1/jobs?limit=1&after={second}").expect(200).json
    assert [j["id"] for j in page["data"]] == [first]


def test_idempotency(server):
    key = {"Idempotency-Key": "once"}
    first = server.post("/v1/jobs", job_body(model="once"), headers=key).expect(202).json
    again = server.post("/v1/jobs", job_body(model="once"), headers=key).expect(202).json
    assert again["id"] == first["id"]
    server.finished(first["id"], "succeeded")
    assert server.post("/v1/jobs", job_body(model="once"), headers=key).expect(202).json["id"] == first["id"]
    other = server.post("/v1/jobs", job_body(model="other"), headers=key).expect(422).json
    assert "dempotency" in other["detail"]


def test_idempotency_holds_among_simultaneous_clients(server):
    ids = []

    def post():
        answer = server.post("/v1/jobs", job_body(model="race"), headers={"Idempotency-Key": "race"})
        ids.append(answer.expect(202).json["id"])

    threads = [threading.Thread(target=post) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 16 and len(set(ids)) == 1
    server.finished(ids[0], "succeeded")


def test_a_refused_job_leaves_nothing(daemon):
    daemon.post("/v1/jobs", {**job_body(), "window": 400}).expect(422)
    assert daemon.get("/v1/jobs").expect(200).json["data"] == []


def test_a_replay_needs_the_dataset_no_more(daemon):
    key = {"Idempotency-Key": "gone"}
    first = daemon.post("/v1/jobs", job_body(), headers=key).expect(202).json["id"]
    daemon.finished(first, "succeeded")
    daemon.delete("/v1/datasets/wave").expect(204)
    assert daemon.post("/v1/jobs", job_body(), headers=key).expect(202).json["id"] == first


def test_a_dataset_in_use_stays(daemon):
    job = start_long(daemon)
    daemon.delete("/v1/datasets/wave").expect(409)
    daemon.post(f"/v1/jobs/{job}/cancel", {"discard": True}).expect(200, 202)
    daemon.finished(job, "cancelled")
    daemon.delete("/v1/datasets/wave").expect(200, 204)


def test_a_dead_worker_costs_an_attempt_not_the_job(daemon):
    job = daemon.post("/v1/jobs", job_body(epochs=60, early_stopping={"patience": 0}, batch_size=4)).expect(202).json["id"]
    wait_for(lambda: epoch(daemon, job) >= 3, "three epochs")
    for pid in daemon.workers():
        os.kill(pid, signal.SIGKILL)
    ended = daemon.finished(job, "succeeded")
    assert ended["progress"]["epoch"] == 60


def test_a_job_whose_workers_always_die_fails_and_its_stream_ends(daemon):
    slow = job_body(epochs=10000, early_stopping={"patience": 0}, batch_size=1)
    slow.update(window=100, encoder={"hidden_size": 512, "num_layers": 4})       # no epoch in the time that it has
    job = daemon.post("/v1/jobs", slow).expect(202).json["id"]
    events = []
    watcher = threading.Thread(target=lambda: events.extend(read_stream(daemon.address, f"/v1/jobs/{job}/events")))
    watcher.start()
    for attempt in range(3):
        wait_for(lambda: daemon.get(f"/v1/jobs/{job}").json["attempts"] == attempt + 1 and daemon.workers(), "a worker")
        os.kill(daemon.workers()[0], signal.SIGKILL)
    failed = daemon.finished(job, "failed")
    assert failed["error"]["code"] == "internal"
    watcher.join(PATIENCE)
    assert not watcher.is_alive()
    assert [e[2]["data"]["status"] for e in events if e[2]["type"] == "status"] == \
        ["queued", "running", "queued", "running", "queued", "running", "failed"]


def test_labels_and_versions(daemon):
    for _ in range(2):
        daemon.train(job_body(model="m"))
    model = daemon.get("/v1/models/m").expect(200).json
    assert model["latest"] == 2 and model["versions"] == [1, 2]
    daemon.put("/v1/models/m/labels/stable", {"version": 1}).expect(200, 201, 204)
    assert daemon.get("/v1/models/m").json["labels"]["stable"] == 1
    daemon.delete("/v1/models/m/versions/1").expect(409)          # the label holds it
    daemon.put("/v1/models/m/labels/latest", {"version": 1}).expect(422)
    daemon.put("/v1/models/m/labels/stable", {"version": 9}).expect(404)
    daemon.put("/v1/models/m/labels/stable", {"version": 2}).expect(200, 201, 204)
    daemon.delete("/v1/models/m/versions/1").expect(200, 204)
    daemon.get("/v1/models/m/versions/1").expect(404)
    daemon.delete("/v1/models/m").expect(200, 204)
    daemon.get("/v1/models/m").expect(404)
