"""costs.py - time against batch, length, state and number of models: cost grows as the work does."""
import tempfile

import figures
import racing
import servers

BATCHES = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 16, 24, 32, 48, 64, 96, 128]
LENGTHS = [1, 2, 4, 8, 16, 30, 64, 96, 128, 256, 512]
STATES = {16: "model-16", 32: "model-32", 64: "model", 128: "model-128", 256: "model-256", 512: "model-512"}
SAMPLES, SAMPLE_MS = 9, 6
MODELS, CACHED = 1000, 100                 # in the store, and about as many fit into the cache
ASKED = [1, 10, 50, 100, 200, 500, 1000]


def measure(place):
    with racing.Race(place, ["gatecast"], reference=None) as race:
        def us(case, steps, batch):
            return race.run(case, steps, batch, SAMPLES, SAMPLE_MS)["us"]["gatecast"]
        forward = {
            "batch": [[b, us("model", 30, b)] for b in BATCHES],
            "length": [[t, us("model", t, 8)] for t in LENGTHS],
            "state": [[h, us(case, 30, 8)] for h, case in STATES.items()],
        }
    return {**forward, "models": models(place)}


def models(place):
    """Requests for one of n models, drawn each time, of a store with many more than the cache holds."""
    file = place.cases / "body.json"
    file.write_text(servers.body())
    each = (place.cases / "model.safetensors").stat().st_size
    with tempfile.TemporaryDirectory() as folder:
        server = servers.daemon(folder, "--threads", "1", "--model-cache", str(each * CACHED))
        for i in range(MODELS):
            servers.import_model(place, server, f"m{i}", "model")
        rows = []
        for n in ASKED:
            got = servers.load(place, server.address, "/v1/models/m%:predict", file, rate=0, seconds=1.5, names=n)
            rows.append({
                "asked": n, "failed": got["requests"] - got["200"], "rate": got["200"] / got["seconds"],
                "p50_ms": got["answered_ms"]["p50"], "p99_ms": got["answered_ms"]["p99"],
                "mb": servers.memory_mb(server.process.pid)})
        server.stop()
    return {"stored": MODELS, "cached": CACHED, "rows": rows}


HEAD = ["models asked", "answers a second", "p50 ms", "p99 ms", "resident MB"]


def cells(row):
    """Under HEAD."""
    return [row["asked"], *(figures.text(row[k]) for k in ("rate", "p50_ms", "p99_ms", "mb"))]


def lines(result):
    for name, by in (("batch", lambda n: n), ("length", lambda n: n), ("state", lambda n: n * n)):
        yield from figures.table([name, "µs a call", f"ns for each {'of its square' if name == 'state' else name}"],
            [[n, figures.spread(us), figures.text(us["median"] * 1e3 / by(n))] for n, us in result[name]])
        yield ""
    stored = result["models"]
    yield f"{stored['stored']} models in the store, a cache for about {stored['cached']}"
    yield from figures.table(HEAD, map(cells, stored["rows"]))
