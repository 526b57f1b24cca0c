"""machine.py - where the figures were taken: the CPU's name and what it can do, nothing that would tell one machine
from another; and the versions of the peers."""
import json
import os
import pathlib
import re
import subprocess

FEATURES = ["avx2", "fma", "avx512f", "avx512bw", "avx512_vnni", "asimd", "asimddp", "sve"]
PACKAGES = {
    "PyTorch": "python3-torch", "oneDNN": "libdnnl-dev", "simdjson": "libsimdjson-dev", "FastAPI": "python3-fastapi",
    "libmicrohttpd": "libmicrohttpd-dev", "OpenBLAS": "libopenblas-dev", "Node": "nodejs",
}


def cpu():
    text = pathlib.Path("/proc/cpuinfo").read_text()
    name = re.search(r"^model name\s*:\s*(.*)$", text, re.M)
    flags = re.search(r"^(?:flags|Features)\s*:\s*(.*)$", text, re.M)
    known = set(flags.group(1).split()) if flags else set()
    return name.group(1) if name else "unknown", [f for f in FEATURES if f in known]


def version(package):
    command = ["dpkg-query", "--show", "--showformat=${Version}", package]
    out = subprocess.run(command, capture_output=True, text=True).stdout
    return re.sub(r"^\d+:|[+~-].*$", "", out)


def onnxruntime(modules):
    return json.loads((modules / "onnxruntime-node/package.json").read_text())["version"]


def describe(place):
    name, features = cpu()
    versions = {peer: version(package) for peer, package in PACKAGES.items()}
    return {"cpu": name, "cores": os.cpu_count(), "features": features,
            "versions": {**versions, "ONNX Runtime": onnxruntime(place.modules)}}
