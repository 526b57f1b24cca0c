"""serve.py - predictions a second over HTTP, of one core: a window of 30 x 8 numbers, 5 forecast."""
import figures
import servers

FIELD = ["gatecast", "empty handler", "Node + ONNX Runtime", "FastAPI + torch jit"]
CROWDS = [(64, 5, 2), (1, 5, 1)]           # clients, runs, seconds of each
TOLERANCE = 1e-5


def measure(place):
    text = servers.body()
    file = place.cases / "body.json"
    file.write_text(text)
    with servers.Servers(place) as all_of_them:
        running = {name: all_of_them.start(name) for name in FIELD}
        compare(running, text)
        for server in running.values():
            servers.wrk(place, server, file, 64, 1)              # warm
        return {"bytes": len(text), "crowds": [crowd(place, running, file, *c) for c in CROWDS]}


def flat(numbers):
    return [v for part in numbers for v in flat(part)] if isinstance(numbers, list) else [numbers]


def compare(running, text):
    answers = {name: flat(server.post(text)["predictions"]) for name, server in running.items()
               if name != "empty handler"}
    for name, answer in answers.items():
        worst = max(abs(a - b) for a, b in zip(answers["gatecast"], answer, strict=True))
        if not worst <= TOLERANCE:
            raise servers.racing.Wrong(f"{name}'s forecast differs by {worst:g}")


def crowd(place, running, file, clients, runs, seconds):
    """The servers take turns."""
    taken = {name: [] for name in running}
    for _ in range(runs):
        for name, server in running.items():
            taken[name].append(servers.wrk(place, server, file, clients, seconds))
    columns = {name: {k: [run[k] for run in all_runs] for k in all_runs[0]} for name, all_runs in taken.items()}
    ours = columns["gatecast"]["rate"]
    return {
        "clients": clients,
        "servers": {name: {k: figures.summary(v) for k, v in column.items()} for name, column in columns.items()},
        "ratio": {name: figures.ratio(ours, column["rate"]) for name, column in columns.items() if name != "gatecast"},
    }


def lines(result):
    for crowd_of in result["crowds"]:
        rows = [[name, *(figures.spread(s[k]) for k in ("rate", "p50_us", "p99_us", "cpu_us")),
                 figures.times(crowd_of["ratio"][name]["median"]) if name in crowd_of["ratio"] else ""]
                for name, s in crowd_of["servers"].items()]
        yield from figures.table([f"{crowd_of['clients']} clients", "requests a second", "p50 µs", "p99 µs",
            "server's CPU µs a request", "gatecast's rate / its"], rows)
        yield ""
