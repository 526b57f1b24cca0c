"""servers.py - ours and the peers' servers, which answer the same body with the same model, and what asks them.

    with Servers(place) as servers:
        servers.start("gatecast"), servers.start("Node + ONNX Runtime") …

Servers are on core 0, where this process is, and the load comes from core 1.
"""
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import urllib.request

import racing

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))

LOAD_CORE = "1"
COLUMNS, STEPS, HORIZON = 8, 30, 5
SAFETENSORS = {"Content-Type": "application/x-safetensors"}


def body(rows=STEPS, seed=2):
    """One sequence, numbers of six decimals."""
    rng = random.Random(seed)
    return json.dumps({"instances": [[[round(rng.uniform(-1, 1), 6) for _ in range(COLUMNS)] for _ in range(rows)]]})


def ticks(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def memory_mb(pid, what="VmRSS"):
    """Of what is resident, in millions of bytes."""
    kib = re.search(rf"^{what}:\s*(\d+) kB$", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M).group(1)
    return int(kib) * 1024 / 1e6


class Server:
    def __init__(self, address, path, pid, stop):
        self.address, self.path, self.pid, self.stop = address, path, pid, stop

    @property
    def url(self):
        return f"http://{self.address}{self.path}"

    def post(self, text):
        request = urllib.request.Request(self.url, text.encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def cpu_us(self):
        return ticks(self.pid) * 1e6 / os.sysconf("SC_CLK_TCK")


def daemon(folder, *options):
    """Ours; its own object of the end-to-end tests."""
    from gatecast import Daemon          # reads $GATECAST, which is set by now
    return Daemon(folder, *options)


def import_model(place, server, name, case, window=STEPS):
    weights = (place.cases / f"{case}.safetensors").read_bytes()
    server.put(f"/v1/models/{name}?horizon={HORIZON}&window={window}", weights, headers=SAFETENSORS).expect(201)


class Servers:
    def __init__(self, place):
        self.place, self.running = place, []
        self.folder = tempfile.TemporaryDirectory()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for server in self.running:
            server.stop()
        self.folder.cleanup()

    def start(self, name):
        self.running.append({"gatecast": self.gatecast, "empty handler": self.empty, "Node + ONNX Runtime": self.node,
                             "FastAPI + torch jit": self.fastapi}[name]())
        return self.running[-1]

    def gatecast(self):
        server = daemon(self.folder.name, "--threads", "1")
        import_model(self.place, server, "model", "model")
        return Server(server.address, "/v1/models/model:predict", server.process.pid, server.stop)

    def program(self, path, *command, **options):
        """One that prints its port and ends when it is told to."""
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options)
        port = int(process.stdout.readline())

        def stop():
            process.terminate()
            process.wait()
        return Server(f"127.0.0.1:{port}", path, process.pid, stop)

    def empty(self):
        return self.program("/", self.place.programs / "empty_handler")

    def node(self):
        return self.program("/predict", "node", self.place.source / "peers/node_server.js",
            self.place.cases / "model.onnx", env={**os.environ, "NODE_PATH": str(self.place.modules)})

    def fastapi(self):
        return self.program("/predict", "/usr/bin/python3", self.place.source / "peers/fastapi_server.py",
            self.place.cases, "model", env={**os.environ, "OMP_NUM_THREADS": "1"})


def wrk(place, server, file, clients, seconds):
    """As fast as so many clients can ask one after the other."""
    before = server.cpu_us()
    out = subprocess.run(["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "-s",
        place.source / "post.lua", server.url], env={**os.environ, "BODY": str(file)}, capture_output=True, text=True,
        check=True).stdout
    requests, us, p50, p99, errors = map(float, re.search(r"RESULT (.*)", out).group(1).split())
    if errors:
        raise racing.Wrong(f"{server.url}: {errors:.0f} requests failed")
    return {"rate": requests / us * 1e6, "p50_us": p50, "p99_us": p99, "cpu_us": (server.cpu_us() - before) / requests}


def load(place, address, path, file, rate, seconds, **options):
    """What load.c says."""
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    command = ["taskset", "-c", LOAD_CORE, place.programs / "load", "--connect", address, "--path", path, "--body",
        file, "--rate", str(rate), "--seconds", str(seconds), *words]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
