"""test_kill.py - kill -9 at random moments.

    a fresh database ─► a job, and a client that uploads datasets all the while
      ─► again and again: wait a random time, kill the worker or the daemon, start it again,
         look whether everything that was acknowledged is there
      ─► the job ends by itself; its version has the digest of an uninterrupted run

Rounds go on until there were KILLS of them.
"""
import hashlib
import http.client
import itertools
import os
import random
import signal
import threading
import time

from gatecast import CSV, PATIENCE, Client, csv_text, job_body, series, wait_for

KILLS = 50
BODY = job_body(epochs=400, early_stopping={"patience": 0}, batch_size=16)
WAVE = csv_text(series(400))
IN_A_ROW = 2    # deaths of workers without a new checkpoint between them that a job has to bear; the third one fails it


class Uploader(threading.Thread):
    """Uploads datasets without pause, each under a new name, and remembers what was acknowledged, through all deaths."""

    def __init__(self, daemon):
        super().__init__(daemon=True)
        self.target = daemon
        self.acknowledged = {}     # name: SHA-256 of what was sent
        self.stopping = False

    def run(self):
        for number in itertools.count():
            if self.stopping:
                return
            name, text = f"ack{number}", csv_text(series(20, seed=number))
            try:
                with Client(self.target.address, timeout=5) as client:
                    answer = client.request("PUT", f"/v1/datasets/{name}", text, CSV)
                if answer.status == 201:
                    self.acknowledged[name] = hashlib.sha256(text.encode()).hexdigest()
            except (OSError, http.client.HTTPException):
                pass     # no acknowledgement: stored or not, either is right
            time.sleep(0.02)


def digest_of(daemon, job):
    return daemon.get(f"/v1/models/wave-3/versions/{job['version']}").expect(200).json["sha256"]


def last_checkpoint(daemon, job):
    return max((c["epoch"] for c in daemon.list(f"/v1/jobs/{job}/checkpoints")), default=0)


def has_ended(daemon, job):
    now = daemon.get(f"/v1/jobs/{job}").expect(200).json
    assert now["status"] in ("queued", "running", "succeeded"), now
    return now["status"] == "succeeded"


def check_acknowledged(daemon, uploader):
    """Nothing that was acknowledged may be missing or changed."""
    for name, digest in list(uploader.acknowledged.items()):
        assert daemon.get(f"/v1/datasets/{name}").expect(200).json["sha256"] == digest, name


def kill_one(daemon, rng):
    """The worker, or the daemon with it."""
    workers = daemon.workers()
    if workers and rng.random() < 0.5:
        os.kill(rng.choice(workers), signal.SIGKILL)
        return "worker"
    daemon.kill()
    daemon.start()
    return "daemon"


def round_of_kills(daemon, rng, most):
    """One job through up to `most` kills. Returns how many there were, and the finished job."""
    daemon.upload("wave", WAVE)
    job = daemon.post("/v1/jobs", BODY).expect(202).json["id"]
    uploader = Uploader(daemon)
    uploader.start()
    kills = in_a_row = checkpoint = 0
    while kills < most:
        time.sleep(rng.random() * 0.5)
        if has_ended(daemon, job):
            break
        if in_a_row == IN_A_ROW:
            wait_for(lambda: last_checkpoint(daemon, job) > checkpoint or has_ended(daemon, job), "a checkpoint", 6 * PATIENCE)
        now = last_checkpoint(daemon, job)
        in_a_row = 1 if now > checkpoint else in_a_row + 1
        checkpoint = now
        kill_one(daemon, rng)
        kills += 1
        assert last_checkpoint(daemon, job) >= checkpoint      # it goes on from there, not from the beginning
        check_acknowledged(daemon, uploader)
    ended = daemon.finished(job, "succeeded")
    uploader.stopping = True
    uploader.join()
    check_acknowledged(daemon, uploader)
    assert uploader.acknowledged
    return kills, ended


def test_kill_at_random_moments(start):
    calm = start("--checkpoint-interval", "0")
    calm.upload("wave", WAVE)
    want = digest_of(calm, calm.train(BODY))
    calm.stop()

    seed = int(os.environ.get("GATECAST_TEST_SEED", "20"))
    rng = random.Random(seed)
    kills = rounds = 0
    while kills < KILLS:
        daemon = start("--checkpoint-interval", "0")
        done, job = round_of_kills(daemon, rng, KILLS - kills)
        assert digest_of(daemon, job) == want, f"round {rounds}, seed {seed}"
        events = daemon.list(f"/v1/jobs/{job['id']}/events")
        assert [e["id"] for e in events] == sorted({e["id"] for e in events})
        assert sum(e["data"] == {"status": "succeeded"} for e in events) == 1       # published once
        assert daemon.get("/v1/models/wave-3").expect(200).json["versions"] == [1]
        daemon.stop()
        kills += done
        rounds += 1
    print(f"{kills} kills in {rounds} rounds")
