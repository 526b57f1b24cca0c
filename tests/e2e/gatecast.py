"""gatecast.py - the daemon and its clients, as the end-to-end tests use them.

    Daemon(db) ── starts the real binary on free loopback ports, reads its addresses from the log
      .request(…)  one HTTP exchange ─► Answer      .stop()  SIGTERM, exit status 0, no word of a sanitizer
      .raw(bytes)  bytes as they are ─► [Answer]    .kill()  SIGKILL
"""
import http.client
import json
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import time

BINARY = os.environ["GATECAST"]
PATIENCE = 60   # seconds for anything that has to happen; a sanitized build on a busy machine is slow

JSON = {"Content-Type": "application/json"}
CSV = {"Content-Type": "text/csv"}
SANITIZER = re.compile(r"ERROR: \w+Sanitizer|runtime error:|WARNING: ThreadSanitizer")


class Answer:
    """What came back: status, headers by lower-case name, body."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = {name.lower(): value for name, value in headers}
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    def expect(self, *statuses):
        assert self.status in statuses, f"{self.status}, expected {statuses}: {self.body[:600]!r}"
        return self

    def __repr__(self):
        return f"Answer({self.status}, {self.body[:600]!r})"


def encode(body, headers):
    """A body as bytes with its Content-Type: str and bytes as they are, everything else as JSON."""
    headers = dict(headers or {})
    if isinstance(body, str):
        body = body.encode()
    elif body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
        headers.setdefault("Content-Type", "application/json")
    return body, headers


class Client:
    """One connection that is kept open."""

    def __init__(self, address, timeout=PATIENCE):
        self.connection = http.client.HTTPConnection(address, timeout=timeout)

    def request(self, method, path, body=None, headers=None):
        body, headers = encode(body, headers)
        self.connection.request(method, path, body=body, headers=headers)
        response = self.connection.getresponse()
        return Answer(response.status, response.getheaders(), response.read())

    def close(self):
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Daemon:
    def __init__(self, folder, *options, key=None, environment=None):
        self.folder = pathlib.Path(folder)
        self.db = self.folder / "gatecast.db"
        self.options = options
        self.key = key
        self.environment = {**os.environ, **(environment or {})}
        self.process = None
        self.starts = 0
        self.start()

    def start(self):
        self.starts += 1
        self.log = self.folder / f"gatecast.{self.starts}.log"
        listen = [] if "--listen" in self.options else ["--listen", "127.0.0.1:0"]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [BINARY, "serve", *listen, "--admin", "127.0.0.1:0", "--db", str(self.db), *self.options],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, env=self.environment)
        event = wait_for(self.listening, "the daemon to listen")
        port = event["listen"].rpartition(":")[2]
        self.address = f"127.0.0.1:{port}"
        self.admin = event["admin"]

    def listening(self):
        for event in self.events():
            if event.get("event") == "listening":
                return event
        assert self.process.poll() is None, f"ended with {self.process.returncode}: {self.log.read_text()}"
        return None

    def events(self):
        """The log, line by line; what is no JSON is left out."""
        for line in self.log.read_text(errors="replace").splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                pass

    def request(self, method, path, body=None, headers=None, admin=False):
        headers = dict(headers or {})
        if self.key:
            headers.setdefault("Authorization", f"Bearer {self.key}")
        with Client(self.admin if admin else self.address) as client:
            return client.request(method, path, body, headers)

    def get(self, path, **more):
        return self.request("GET", path, **more)

    def post(self, path, body=None, **more):
        return self.request("POST", path, body, **more)

    def put(self, path, body=None, **more):
        return self.request("PUT", path, body, **more)

    def delete(self, path, **more):
        return self.request("DELETE", path, **more)

    def upload(self, name, text):
        return self.put(f"/v1/datasets/{name}", text, headers=CSV).expect(200, 201)

    def raw(self, data):
        """Send bytes as they are; the first answer, and whether the connection was closed after it."""
        host, port = self.address.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=PATIENCE) as s:
            try:
                s.sendall(data)
            except (BrokenPipeError, ConnectionResetError):
                pass   # refused before its end: the answer is there to be read
            return read_answer(s)

    def list(self, path):
        """Every item of a list, page by page; only for lists whose `after` is an item's id."""
        items, after = [], ""
        while True:
            page = self.get(f"{path}?limit=100{after}").expect(200).json
            items += page["data"]
            if not page["has_more"]:
                return items
            after = f"&after={items[-1]['id']}"

    def train(self, body):
        """Post a job and wait for its success."""
        return self.finished(self.post("/v1/jobs", body).expect(202).json["id"], "succeeded")

    def finished(self, job, *statuses, patience=6 * PATIENCE):
        ends = {"succeeded", "failed", "cancelled", "paused"}

        def ended():
            answer = self.get(f"/v1/jobs/{job}").expect(200).json
            return answer if answer["status"] in ends else None

        answer = wait_for(ended, f"job {job} to end", patience)
        assert answer["status"] in statuses, answer
        return answer

    def workers(self):
        """Pids of the training children."""
        found = []
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if fields[1] == str(self.process.pid) and fields[0] != "Z":
                found.append(int(stat.parent.name))
        return found

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def ended(self, patience=PATIENCE):
        """Wait for the end after terminate(): it has to be a clean one."""
        status = self.process.wait(patience)
        self.check_log()
        assert status == 0, self.log.read_text()[-2000:]

    def check_log(self):
        text = self.log.read_text(errors="replace")
        assert not SANITIZER.search(text), text[-8000:]

    def stop(self):
        if self.process.poll() is None:
            self.terminate()
        self.ended()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.check_log()


def read_answer(s):
    """(Answer, closed) from a socket. An answer without a length goes to the end of the connection."""
    response = http.client.HTTPResponse(s)
    response.begin()
    answer = Answer(response.status, response.getheaders(), response.read())
    return answer, response.will_close


def command(*arguments, environment=None, patience=6 * PATIENCE, cwd=None):
    """Run the binary; (exit status, stdout, stderr)."""
    run = subprocess.run([BINARY, *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=cwd,
                         timeout=patience, env={**os.environ, **(environment or {})}, check=False)
    assert not SANITIZER.search(run.stderr), run.stderr
    return run.returncode, run.stdout, run.stderr


def wait_for(condition, what, patience=PATIENCE):
    """Poll until condition() is true, and return what it was."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited {patience} s for {what}")


def series(rows=300, seed=7):
    """A noisy wave around 100 with a volume beside it, a row a day: as [(date, close, volume)]."""
    rng = random.Random(seed)
    day, level, out = 0, 0.0, []
    for i in range(rows):
        level = 0.9 * level + rng.gauss(0, 1)
        close = 100 + 10 * (1 - abs((i % 20) - 10) / 5) + level
        out.append((time.strftime("%Y-%m-%d", time.gmtime(1577836800 + 86400 * day)), round(close, 3), 1000 + rng.randrange(500)))
        day += 1
    return out


def csv_text(rows, header="date,close,volume"):
    return header + "\n" + "".join(",".join(map(str, row)) + "\n" for row in rows)


def job_body(dataset="wave", model="wave-3", **training):
    """The smallest job that trains for real."""
    return {"dataset": dataset, "model": model, "target": ["close"], "features": ["close", "volume", "sma_5"],
            "window": 12, "horizon": 3, "encoder": {"hidden_size": 8},
            "training": {"epochs": 2, "batch_size": 32, **training}}
