"""service.py - what the examples share: a daemon of their own on loopback, and the line that each ends with.

    with Service(options) as service:
        service.upload("taxi", "series.csv's bytes", "text/csv")     PUT /v1/datasets/taxi
        job = service.train({"dataset": "taxi", …})                  POST /v1/jobs, followed to its end
        answer = service.post("/v1/forecast", {…})

Database and log lie in a temporary directory that is gone at the end.
"""
import argparse
import http.client
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
CSV, TEXT = "text/csv", "text/plain"


def options(description):
    """The options that every example has; those of one are added to what is returned."""
    parser = argparse.ArgumentParser(description=description)
    built = os.environ.get("GATECAST", ROOT / "build/server/gatecast")
    parser.add_argument("--gatecast", metavar="PATH", default=built,
                        help="the binary (default: $GATECAST, else that of build, as deploy/quickstart leaves it)")
    parser.add_argument("--epochs", type=int, metavar="N", help="passes over the training part at most")
    return parser


def read(path):
    """A text file, whole."""
    try:
        return pathlib.Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        sys.exit(f"{path}: {problem}")


class Refused(Exception):
    """An answer that is no success, in the service's own words."""


class Service:
    def __init__(self, chosen):
        if not pathlib.Path(chosen.gatecast).is_file():
            sys.exit(f"{chosen.gatecast} is not there; build it with deploy/quickstart, or name it with --gatecast")
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))   # so that the daemon is ended, too
        self.epochs = chosen.epochs
        self.directory = tempfile.TemporaryDirectory(prefix="gatecast.")
        self.log = pathlib.Path(self.directory.name) / "gatecast.log"
        command = [chosen.gatecast, "serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0",
                   "--db", str(self.log.with_name("gatecast.db"))]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log)
        self.address = self.listening()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.directory.cleanup()

    def listening(self):
        """The address, once the log names it."""
        for _ in range(300):
            for line in self.log.read_text().splitlines():
                event = json.loads(line)
                if event.get("event") == "listening":
                    return event["listen"]
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        self.process.kill()
        sys.exit(f"the daemon does not listen: {self.log.read_text()[-2000:]}")

    def request(self, method, path, body=None, content_type="application/json"):
        connection = http.client.HTTPConnection(self.address, timeout=120)
        try:
            connection.request(method, path, body, {"Content-Type": content_type})
            response = connection.getresponse()
            answer = json.loads(response.read())
        finally:
            connection.close()
        if response.status >= 400:
            raise Refused(f"{method} {path}: {response.status}, {answer.get('detail', answer)}")
        return answer

    def get(self, path):
        return self.request("GET", path)

    def post(self, path, body):
        return self.request("POST", path, json.dumps(body))

    def upload(self, name, data, content_type=CSV, text=""):
        """text: names of columns, with commas, that are text whatever their cells look like."""
        query = f"?text={text}" if text else ""
        return self.request("PUT", f"/v1/datasets/{name}{query}", data.encode(), content_type)

    def train(self, body):
        """The finished job, with its `seconds` and its model's `weights` beside what the service says of it."""
        if self.epochs:
            body = {**body, "training": {**body.get("training", {}), "epochs": self.epochs}}
        begun = time.monotonic()
        path = "/v1/jobs/" + self.post("/v1/jobs", body)["id"]
        shown = None
        while True:
            job = self.get(path)
            if job["status"] in ("succeeded", "failed", "cancelled"):
                break
            shown = show_progress(job, shown)
            time.sleep(0.2)
        if job["status"] != "succeeded":
            sys.exit(f"the job is {job['status']}: {job['error']}")
        version = self.get(f"/v1/models/{job['model']}/versions/{job['version']}")
        return {**job, "seconds": time.monotonic() - begun, "weights": version["parameters"]}


def show_progress(job, shown):
    """A line an epoch on standard error; what is returned is passed again."""
    epoch = (job["progress"] or {}).get("epoch")
    if epoch and epoch != shown:
        metrics = job["metrics"]
        print(f"  {job['model']}: epoch {epoch} of at most {job['progress']['epochs']}, training loss "
              f"{metrics['train_loss']:.4g}, validation loss {metrics['validation_loss']:.4g}", file=sys.stderr)
    return epoch


def report(name, job, **figures):
    """What an example ends with: `gru: mae 0.0021, naive 0.0636, weights 3194, seconds 12.3`."""
    shown = {**figures, "weights": job["weights"], "seconds": round(job["seconds"], 1)}
    print(f"{name}: " + ", ".join(f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}"
                                  for key, value in shown.items()))
