"""overload.py - open-loop arrivals from half of what one core can answer to five times as many: a model of 256 units, 96 steps."""
import tempfile

import figures
import servers

OBJECTIVE_MS = 100
CASE, STEPS = "model-256", 96
SHARES = [0.5, 0.7, 0.8, 0.9, 1.0, 1.1, 1.3, 2.0, 3.0, 5.0]      # of the closed loop's rate
SECONDS, CONNECTIONS = 3, 512
PATH = "/v1/models/model:predict"


def measure(place):
    file = place.cases / "long.json"
    file.write_text(servers.body(STEPS))
    with tempfile.TemporaryDirectory() as folder:
        server = servers.daemon(folder, "--threads", "1", "--deadline", str(OBJECTIVE_MS))
        servers.import_model(place, server, "model", CASE, STEPS)

        def ask(rate, seconds, **options):
            return servers.load(place, server.address, PATH, file, rate, seconds, objective=OBJECTIVE_MS, **options)
        ask(0, 1, connections=32)                                # warm: the daemon learns what a model costs
        closed = ask(0, SECONDS, connections=32)
        rows = [{"share": share, **ask(closed["goodput"] * share, SECONDS, connections=CONNECTIONS)} for share in SHARES]
        server.stop()
    peak = max(row["goodput"] for row in rows)
    return {"objective_ms": OBJECTIVE_MS, "closed": closed, "peak": peak, "rows": rows}


def unexplained(row):
    """Requests that were neither answered in time nor refused: late, expired, broken, silent."""
    return row["requests"] - row["429"] - row["503"] - round(row["goodput"] * row["seconds"])


def lines(result):
    yield f"closed loop of 32: {figures.text(result['closed']['goodput'])} a second; objective {result['objective_ms']} ms"
    yield from figures.table(["arrivals a second", "of the peak", "goodput", "of the peak", "admitted p50 ms", "p99 ms", "200",
        "429", "503", "else", "late or else"],
        [[figures.text(r["rate"]), figures.times(r["rate"] / result["peak"]), figures.text(r["goodput"]),
          f"{r['goodput'] / result['peak']:.0%}", r["answered_ms"]["p50"], r["answered_ms"]["p99"], r["200"], r["429"], r["503"],
          r["other"] + r["broken"] + r["timed_out"], unexplained(r)] for r in result["rows"]])
