#!/usr/bin/python3
"""fastapi_server.py FOLDER CASE - what people write to serve a model from PyTorch, without what costs most: the body is
read as plain JSON, not by a typed schema, and the module is scripted and frozen. Prints its port."""
import json
import pathlib
import socket
import sys

import fastapi
import torch
import uvicorn

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import networks                    # noqa: E402

torch.set_num_threads(1)
torch.set_grad_enabled(False)
folder, name = pathlib.Path(sys.argv[1]), sys.argv[2]
case = json.loads((folder / "cases.json").read_text())[name]
net = torch.jit.freeze(torch.jit.script(networks.load(folder, name, case).eval()))
app = fastapi.FastAPI()


@app.post("/predict")
async def predict(request: fastapi.Request):
    instances = json.loads(await request.body())["instances"]
    answer = net(torch.tensor(instances))
    return fastapi.Response(json.dumps({"predictions": answer.tolist()}), media_type="application/json")


listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
print(listener.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False)).run(sockets=[listener])
