"""start.py - from the start of the process to ready, with 100 models in the store."""
import pathlib
import socket
import subprocess
import tempfile
import time

import figures
import servers

MODELS, RUNS, PATIENCE = 100, 11, 10
READY = b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def is_ready(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(READY)
            return b" 200 " in connection.recv(64)
    except OSError:
        return False


def cpu_ms(pid):
    """Of all its threads, to the nanosecond; /proc/PID/stat counts in ticks."""
    threads = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e6


def start(database):
    """Until it is ready, in milliseconds; and the CPU time until then, which others on the machine do not stretch."""
    from gatecast import BINARY
    port = free_port()
    begin = time.monotonic()
    process = subprocess.Popen(
        [BINARY, "serve", "--db", database, "--listen", "127.0.0.1:0", "--admin", f"127.0.0.1:{port}"],
        stderr=subprocess.DEVNULL)
    while not is_ready(port):
        if process.poll() is not None or time.monotonic() - begin > PATIENCE:
            raise servers.racing.Wrong("the daemon does not get ready")
        time.sleep(0.0005)
    taken, used = (time.monotonic() - begin) * 1e3, cpu_ms(process.pid)
    process.terminate()
    process.wait()
    return taken, used


def measure(place):
    with tempfile.TemporaryDirectory() as folder:
        server = servers.daemon(folder)
        for i in range(MODELS):
            servers.import_model(place, server, f"m{i}", "model")
        server.stop()
        wall, cpu = zip(*(start(server.db) for _ in range(RUNS)))
    return {"models": MODELS, "ms": figures.summary(wall), "cpu_ms": figures.summary(cpu)}


def lines(result):
    yield (f"{result['models']} models: ready after {figures.spread(result['ms'])} ms; "
           f"CPU {figures.spread(result['cpu_ms'])} ms")
