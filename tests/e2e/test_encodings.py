"""test_encodings.py - bodies that are not JSON text: compressed ones, binary tensors, and both in chunks and pieces."""
import gzip
import json
import shutil
import socket
import struct
import subprocess
import zlib

import pytest

from gatecast import PATIENCE, Client, Daemon, csv_text, job_body, read_answer, series

MAX_BODY, MAX_UPLOAD = 200000, 1000000
PREDICT, INFER = "/v1/models/wave-3:predict", "/v2/models/wave-3/infer"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    daemon = Daemon(tmp_path_factory.mktemp("encodings"), "--max-body", str(MAX_BODY), "--max-upload", str(MAX_UPLOAD))
    try:
        daemon.upload("wave", csv_text(series()))
        daemon.train(job_body())
        yield daemon
        daemon.get("/livez").expect(200)
    finally:
        daemon.stop()


def context():
    return [[close, volume] for _, close, volume in series()][:16]


def zstd(data):
    """Debian's zstd command; the Python of the tests has no module of it."""
    return subprocess.run([shutil.which("zstd"), "--stdout", "--quiet", "-"], input=data, capture_output=True, check=True).stdout


PACK = {"gzip": gzip.compress, "zstd": zstd}


def send_chunks(daemon, path, headers, body, size):
    """A POST whose body comes in chunks of so many bytes."""
    host, port = daemon.address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        s.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\n{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        for at in range(0, len(body), size):
            piece = body[at:at + size]
            s.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
        s.sendall(b"0\r\n\r\n")
        return read_answer(s)[0]


# ---- compressed bodies ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("coding", PACK)
def test_compressed_prediction(server, coding):
    body = json.dumps({"instances": [context()]}).encode()
    plain = server.post(PREDICT, body).expect(200).json
    packed = PACK[coding](body)
    assert len(packed) < len(body)
    headers = {"Content-Encoding": coding}
    assert server.post(PREDICT, packed, headers=headers).expect(200).json == plain
    for size in (1, 100):
        assert send_chunks(server, PREDICT, headers, packed, size).expect(200).json == plain


@pytest.mark.parametrize("coding", PACK)
def test_compressed_upload(server, coding):
    text = csv_text(series(200)).encode()
    whole = server.upload("plain", text).json
    headers = {"Content-Type": "text/csv", "Content-Encoding": coding}
    packed = server.put("/v1/datasets/packed", PACK[coding](text), headers=headers).expect(200, 201).json
    assert packed["sha256"] == whole["sha256"] and packed["rows"] == 200


def test_identity_is_no_coding(server):
    body = json.dumps({"instances": [context()]}).encode()
    server.post(PREDICT, body, headers={"Content-Encoding": "identity"}).expect(200)


REFUSED = [
    ("unknown coding", "br", b"x", 415, "Content-Encoding", "gzip, zstd"),
    ("deflate", "deflate", zlib.compress(b"{}"), 415, "Content-Encoding", "gzip, zstd"),
    ("two codings", "gzip, gzip", gzip.compress(gzip.compress(b"{}")), 415, "Content-Encoding", "gzip, zstd"),
    ("plain text", "gzip", b'{"instances":[[1]]}', 400, "body", "not gzip"),
    ("cut short", "gzip", gzip.compress(b'{"instances":[[1]]}')[:-1], 400, "body", "end is missing"),
    ("nothing inside", "gzip", gzip.compress(b""), 400, "body", "needs a body"),
    ("over the limit", "gzip", gzip.compress(csv_text(series(20000)).encode()), 413, "body", str(MAX_BODY)),
    ("a bomb", "gzip", gzip.compress(b" " * (50 << 20)), 413, "body", "limit"),
]


@pytest.mark.parametrize("row", [pytest.param(row[1:], id=row[0]) for row in REFUSED])
def test_refused_codings(server, row):
    coding, body, status, where, words = row
    with Client(server.address) as client:
        answer = client.request("POST", PREDICT, body, {"Content-Encoding": coding}).expect(status)
        assert answer.json["where"] == where and words in answer.json["detail"], answer.json
        assert (answer.headers.get("accept-encoding") == "gzip, zstd") == (status == 415)
        client.request("GET", "/livez").expect(200)   # the connection is in step


def resident_kib(daemon):
    with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as status:
        return int(next(line for line in status if line.startswith("VmHWM")).split()[1])


def test_bombs_cost_no_more_than_their_limit(server):
    """600 MiB in less than one: given up early, and the peak of memory stays where it is."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = packer.compress(b"a\n") + b"".join(packer.compress(b"1\n" * (1 << 19)) for _ in range(600)) + packer.flush()
    assert len(bomb) < MAX_UPLOAD
    headers = {"Content-Type": "text/csv", "Content-Encoding": "gzip"}
    server.put("/v1/datasets/bomb", bomb, headers=headers).expect(413)
    before = resident_kib(server)
    for _ in range(5):
        answer = server.put("/v1/datasets/bomb", bomb, headers=headers).expect(413)
        assert "--max-upload" in answer.json["detail"] or "256 times" in answer.json["detail"]
    assert resident_kib(server) < before + (128 << 10)   # a sanitizer keeps what was freed; one bomb is 600 MiB
    server.get("/v1/datasets/bomb").expect(404)


def test_coding_comes_once(server):
    body = gzip.compress(b"{}")
    head = (f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Encoding: gzip\r\n"
            f"Content-Length: {len(body)}\r\n\r\n")
    answer, closed = server.raw(head.encode() + body)
    answer.expect(400)
    assert closed and answer.json["where"] == "Content-Encoding"


# ---- binary tensors ------------------------------------------------------------------------------------------------------

def binary(datatype, outputs=None, **parameters):
    """(headers, body) of an inference with its numbers as bytes."""
    numbers = [v for step in context() for v in step]
    tail = struct.pack(f"<{len(numbers)}{'f' if datatype == 'FP32' else 'd'}", *numbers)
    request = {"id": "b", "inputs": [{"name": "input", "shape": [1, 16, 2], "datatype": datatype,
                                      "parameters": {"binary_data_size": len(tail)}}]}
    if outputs is not None:
        request["outputs"] = outputs
    if parameters:
        request["parameters"] = parameters
    text = json.dumps(request).encode()
    return {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(text))}, text + tail


def unpacked(answer):
    """The numbers behind the JSON of an answer."""
    assert answer.headers["content-type"] == "application/octet-stream"
    n = int(answer.headers["inference-header-content-length"])
    output = json.loads(answer.body[:n])["outputs"][0]
    tail = answer.body[n:]
    assert output["parameters"]["binary_data_size"] == len(tail) and "data" not in output
    kind, width = ("f", 4) if output["datatype"] == "FP32" else ("d", 8)
    return list(struct.unpack(f"<{len(tail) // width}{kind}", tail))


def test_binary_tensors(server):
    plain = server.post(INFER, {"inputs": [{"name": "input", "shape": [1, 16, 2], "datatype": "FP64",
                                            "data": [context()]}]}).expect(200).json["outputs"][0]["data"]
    headers, body = binary("FP64")
    answer = server.post(INFER, body, headers=headers).expect(200)
    assert answer.json["outputs"][0]["data"] == plain and "inference-header-content-length" not in answer.headers
    headers, body = binary("FP64", binary_data_output=True)
    assert unpacked(server.post(INFER, body, headers=headers).expect(200)) == plain
    for size in (1, 50):
        assert unpacked(send_chunks(server, INFER, headers, body, size).expect(200)) == plain
    headers["Content-Encoding"] = "gzip"
    assert unpacked(server.post(INFER, gzip.compress(body), headers=headers).expect(200)) == plain


def test_binary_floats(server):
    wish = [{"name": "output", "parameters": {"binary_data": True}}]
    headers, body = binary("FP32", outputs=wish)
    single = unpacked(server.post(INFER, body, headers=headers).expect(200))
    headers, body = binary("FP64", outputs=wish)
    double = unpacked(server.post(INFER, body, headers=headers).expect(200))
    assert len(single) == len(double) == 3
    assert all(abs(s - d) <= 1e-4 * abs(d) for s, d in zip(single, double))


@pytest.mark.parametrize("length,status,where", [
    ("x", 400, "Inference-Header-Content-Length"), ("-1", 400, "Inference-Header-Content-Length"),
    ("99999999999999999999999", 400, "Inference-Header-Content-Length"), ("1000000", 400, "Inference-Header-Content-Length"),
    ("10", 400, "byte 10"), ("", 400, "Inference-Header-Content-Length")])
def test_lengths_that_are_none(server, length, status, where):
    _, body = binary("FP64")
    answer = server.post(INFER, body, headers={"Inference-Header-Content-Length": length}).expect(status)
    assert answer.json["where"] == where, answer.json


def test_bytes_without_the_header(server):
    _, body = binary("FP64")
    server.post(INFER, body).expect(400, 422)
