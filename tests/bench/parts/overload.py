"""overload.py - open-loop arrivals, from half of what one core can answer to five times its peak.

Models of 256 and 512 units and 96 steps, so that it is the computing of which there is too much: four refusals go with each
answer, and what they take is a larger share of a smaller model."""
import tempfile

import figures
import servers

OBJECTIVE_MS = 100
CASES, STEPS = {256: "model-256", 512: "model-512"}, 96   # by the units of a layer
RISING = [0.5, 0.7, 0.8, 0.9, 1.0, 1.1, 1.3]        # of the closed loop's rate: somewhere there is the peak
BEYOND = [2, 3, 5]                                # of the peak
SECONDS, CLIENTS, CONNECTIONS = 3, 8, 512
PATH = "/v1/models/model:predict"


def measure_one(place, file, units):
    with tempfile.TemporaryDirectory() as folder:
        server = servers.daemon(folder, "--threads", "1", "--deadline", str(OBJECTIVE_MS))
        servers.import_model(place, server, "model", CASES[units], STEPS)

        def ask(rate, seconds=SECONDS, connections=CONNECTIONS):
            return servers.load(place, server.address, PATH, file, rate, seconds, objective=OBJECTIVE_MS,
                connections=connections)
        ask(0, 1, CLIENTS)                                       # warm: the daemon learns what a model costs
        closed = ask(0, SECONDS, CLIENTS)
        rows = [ask(closed["200"] / SECONDS * share) for share in RISING]
        peak = max(row["goodput"] for row in rows)
        rows += [ask(peak * times) for times in BEYOND]
        server.stop()
    return {"units": units, "closed": closed, "peak": peak, "rows": rows}


def measure(place):
    file = place.cases / "long.json"
    file.write_text(servers.body(STEPS))
    return {"objective_ms": OBJECTIVE_MS, "models": [measure_one(place, file, units) for units in CASES]}


def late(row):
    """Answered, but not within the objective."""
    return row["200"] - round(row["goodput"] * row["seconds"])


def lost(row):
    """Neither answered nor refused: expired, broken, silent."""
    return row["other"] + row["broken"] + row["timed_out"]


HEAD = ["arrivals a second", "goodput", "of the peak", "p50 ms", "p99 ms", "200", "429", "503", "else", "200, but late"]


def cells(row, peak):
    """Under HEAD."""
    waits = row["answered_ms"]
    return [figures.text(row["rate"]), figures.text(row["goodput"]), f"{row['goodput'] / peak:.0%}", waits["p50"],
            waits["p99"], row["200"], row["429"], row["503"], lost(row), late(row)]


def lines(result):
    for model in result["models"]:
        yield (f"{model['units']} units; {CLIENTS} clients in a closed loop: {figures.text(model['closed']['200'] / SECONDS)} "
               f"a second; objective {result['objective_ms']} ms")
        yield from figures.table(HEAD, [cells(row, model["peak"]) for row in model["rows"]])
