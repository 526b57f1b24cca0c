"""memory.py - what is resident: without a model, with one that has answered, and after load."""
import tempfile

import servers

PATH = "/v1/models/model:predict"


def measure(place):
    file = place.cases / "body.json"
    file.write_text(servers.body())
    with tempfile.TemporaryDirectory() as folder:
        server = servers.daemon(folder)
        pid = server.process.pid
        mb = {"fresh": servers.memory_mb(pid)}
        servers.import_model(place, server, "model", "model")
        server.post(PATH, servers.body(), headers={"Content-Type": "application/json"}).expect(200)
        mb["one model"] = servers.memory_mb(pid)
        for name in ("after a first load", "after a second"):
            servers.load(place, server.address, PATH, file, rate=0, seconds=3)
            mb[name] = servers.memory_mb(pid)
        server.stop()
    return {"mb": mb}


def lines(result):
    yield "resident: " + ", ".join(f"{name} {mb:.1f} MB" for name, mb in result["mb"].items())
