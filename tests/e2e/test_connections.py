"""test_connections.py - what clients do to connections: dawdle, leave, crowd, reuse, pipeline, stop reading.

The header gate and bodies that must not be accepted are test_bad_input.py's.
"""
import http.client
import json
import resource
import socket
import struct
import threading
import time

import pytest

from gatecast import PATIENCE, Client, command, csv_text, job_body, read_answer, series, wait_for

STREAM = {"Accept": "text/event-stream"}
PAST_MOST = 2000   # events that one stream replays


def metric(daemon, name):
    """The sum of a metric's series, off the admin listener."""
    lines = daemon.get("/metrics", admin=True).expect(200).body.decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith((f"gatecast_{name} ", f"gatecast_{name}{{")))


def connect(daemon):
    host, port = daemon.address.rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=PATIENCE)


def dawdle(s, data):
    """Send a byte now and then until the other side hangs up; what it said before."""
    said = b""
    for i in range(10 * PATIENCE):
        try:
            s.sendall(data[i % len(data):i % len(data) + 1])
            s.settimeout(0.1)
            piece = s.recv(4096)
            if not piece:
                return said
            said += piece
        except TimeoutError:
            pass
        except (BrokenPipeError, ConnectionResetError):
            return said
    raise AssertionError("still connected")


# ---- slow clients --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("head", [b"", b"GET", b"GET /livez HTTP/1.1\r\n", b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: "],
                         ids=["nothing", "half a line", "a line", "half a header"])
def test_slow_headers_are_reaped(start, head):
    daemon = start("--header-timeout", "1")
    with connect(daemon) as s:
        s.sendall(head)
        assert dawdle(s, b"a") == b""
    assert metric(daemon, "http_connections_reaped_total") == 1
    daemon.get("/livez").expect(200)


@pytest.mark.parametrize("encoding", ["Content-Length: 100000", "Transfer-Encoding: chunked"])
def test_slow_body_is_reaped(start, encoding):
    daemon = start("--body-timeout", "1")
    with connect(daemon) as s:
        s.sendall(f"PUT /v1/datasets/slow HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\n{encoding}\r\n\r\n".encode())
        assert dawdle(s, b"1\r\na\r\n") == b""
    assert metric(daemon, "http_connections_reaped_total") == 1
    daemon.get("/v1/datasets/slow").expect(404)


def test_refused_chunks_have_an_end(start):
    """A body that was refused is read so that its sender sees the answer, but not for ever."""
    daemon = start("--max-body", "1024")
    piece = b"10000\r\n" + b" " * 65536 + b"\r\n"
    with connect(daemon) as s, pytest.raises((BrokenPipeError, ConnectionResetError)):
        s.sendall(b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(4096):
            s.sendall(piece)
    daemon.get("/livez").expect(200)


# ---- clients that leave --------------------------------------------------------------------------------------------------

def context():
    return [[close, volume] for _, close, volume in series()][:16]


def predictions(daemon):
    return metric(daemon, "inference_requests_total")


def test_clients_leave_while_their_prediction_waits(start):
    daemon = start("--threads", "1")
    daemon.upload("wave", csv_text(series()))
    daemon.train(job_body())
    before, leavers = predictions(daemon), 60
    body = json.dumps({"instances": [context()] * 200}).encode()
    request = b"POST /v1/models/wave-3:predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    for _ in range(leavers):
        with connect(daemon) as s:
            s.sendall(request)
    answer = daemon.post("/v1/models/wave-3:predict", {"instances": [context()]}).expect(200).json
    assert len(answer["predictions"]) == 1
    wait_for(lambda: predictions(daemon) == before + leavers + 1, "every prediction to end, one way or another")
    wait_for(lambda: metric(daemon, "http_connections") == 0, "the connections to be closed")
    assert metric(daemon, "inference_queue_depth") == 0


def test_stream_left_before_it_began(start):
    """A client that asks for events and is gone: no follower and no connection stays."""
    daemon = start("--workers", "0")
    daemon.upload("wave", csv_text(series()))
    job = daemon.post("/v1/jobs", job_body()).expect(202).json["id"]
    request = f"GET /v1/jobs/{job}/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n".encode()
    for _ in range(100):
        with connect(daemon) as s:
            s.sendall(request)
    daemon.post(f"/v1/jobs/{job}/pause").expect(200)   # pushing is how one that left is noticed
    daemon.post(f"/v1/jobs/{job}/resume").expect(200)
    wait_for(lambda: metric(daemon, "http_connections") == 0, "the connections to be closed")


# ---- many clients --------------------------------------------------------------------------------------------------------

def test_crowd(start):
    """1,100 connections: the first thousand are served and kept, the others are told to come later; probes are not concerned."""
    most = 1000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    daemon = start("--max-connections", str(most))
    kept = []
    try:
        for _ in range(most):
            kept.append(Client(daemon.address))
            kept[-1].request("GET", "/livez").expect(200)
        for _ in range(100):
            answer = daemon.get("/livez").expect(503)
            assert "--max-connections" in answer.json["detail"] and int(answer.headers["retry-after"]) >= 1
            assert answer.headers["connection"].lower() == "close"
        daemon.get("/readyz", admin=True).expect(200)
        assert metric(daemon, "http_connections") >= most
        assert metric(daemon, "http_connections_rejected_total") == 100
        for client in kept[::100]:
            client.request("GET", "/livez").expect(200)
        for client in kept[:10]:
            client.close()
        wait_for(lambda: daemon.get("/livez").status == 200, "room for one more")
    finally:
        for client in kept:
            client.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_probes_do_not_count(start):
    """Connections of the admin listener take nobody's place on the main one."""
    daemon = start("--max-connections", "4")
    probes = [Client(daemon.admin) for _ in range(20)]
    for probe in probes:
        probe.request("GET", "/livez").expect(200)
    daemon.get("/livez").expect(200)
    for probe in probes:
        probe.close()


# ---- HTTP/1.1 ------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("path", ["/livez", "/openapi.json", "/v1/jobs", "/v1/models/wave-3", "/v1/models/none", "/nowhere"])
def test_head(server, path):
    with Client(server.address) as client:
        get = client.request("GET", path)
        head = client.request("HEAD", path)
        assert (head.status, head.body) == (get.status, b"")
        for name in ["content-type", "content-length"]:
            assert head.headers[name] == get.headers[name]
        client.request("GET", path).expect(get.status)   # and the connection is in step


def test_pipelined(server):
    body = json.dumps({"instances": [context()]}).encode()
    post = b"POST /v1/models/wave-3:predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    get = b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /v2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with connect(server) as s:
        s.sendall(get % b"/livez" + post + get % b"/nowhere" + get % b"/v1/models/wave-3" + post + last)
        received = b""
        while piece := s.recv(65536):
            received += piece
    answers = received.split(b"HTTP/1.1 ")[1:]
    assert [int(a[:3]) for a in answers] == [200, 200, 404, 200, 200, 200]
    for answer, has in zip(answers, [b'"live"', b'"predictions"', b'"status":404', b'"wave-3"', b'"predictions"', b'"extensions"']):
        assert has in answer, answer
    assert answers[1].rpartition(b"\r\n\r\n")[2] == answers[4].rpartition(b"\r\n\r\n")[2]


def test_connection_is_reused(server):
    requests = [("GET", "/livez", None, 200), ("POST", "/v1/models/wave-3:predict", {"instances": [context()]}, 200),
                ("GET", "/nowhere", None, 404), ("POST", "/v1/jobs", {"dataset": 1}, 422), ("DELETE", "/v1/jobs", None, 405),
                ("POST", "/v1/models/wave-3:predict", b"{", 400), ("GET", "/v1/datasets/wave/rows?limit=0", None, 422)]
    with Client(server.address) as client:
        client.request("GET", "/livez").expect(200)
        own = client.connection.sock.getsockname()
        for method, path, body, status in requests * 10:
            client.request(method, path, body).expect(status)
            assert client.connection.sock is not None and client.connection.sock.getsockname() == own


# ---- several listeners ---------------------------------------------------------------------------------------------------

def listening_sockets(port):
    """How many sockets listen on a port of 127.0.0.1."""
    with open("/proc/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in table]
    return sum(row[1] == f"0100007F:{port:04X}" and row[3] == "0A" for row in rows)


def test_listeners_share_an_address(start):
    daemon = start("--http-threads", "3", "--max-connections", "40")
    daemon.upload("wave", csv_text(series()))
    daemon.train(job_body())
    port = int(daemon.address.rpartition(":")[2])
    assert listening_sockets(port) == 3
    clients = [Client(daemon.address) for _ in range(40)]
    try:
        answers = [client.request("POST", "/v1/models/wave-3:predict", {"instances": [context()]}).expect(200).body
                   for _ in range(3) for client in clients]
        assert len(set(answers)) == 1
        assert metric(daemon, "http_connections") == 40
        with Client(daemon.address) as late:
            late.request("GET", "/livez").expect(503)   # the limit is of all together
    finally:
        for client in clients:
            client.close()


@pytest.mark.parametrize("listeners", ["1", "2"])
def test_an_address_is_not_shared_with_others(start, tmp_path, listeners):
    daemon = start("--http-threads", "2")
    status, _, said = command("serve", "--listen", daemon.address, "--admin", "127.0.0.1:0", "--db", tmp_path / "other.db",
                              "--http-threads", listeners)
    assert status == 1 and "cannot listen" in said


def test_a_client_breaks_off_while_its_request_waits(server):
    """A reset, not an end: the connection is gone at once, whatever its request waits for."""
    body = json.dumps({"instances": [context()] * 100}).encode()
    request = b"POST /v1/models/wave-3:predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    before = predictions(server)
    for i in range(200):
        with connect(server) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.sendall(request * 2 if i % 2 else request)
    wait_for(lambda: metric(server, "http_connections") == 0, "the connections to be closed")
    wait_for(lambda: metric(server, "http_requests_in_flight") == 1, "the requests to end, but for the one that asks")
    server.post("/v1/models/wave-3:predict", {"instances": [context()]}).expect(200)
    assert predictions(server) > before


def test_upload_byte_by_byte(server):
    text = csv_text(series(40)).encode()
    whole = server.upload("whole", text).json
    with connect(server) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        s.sendall(b"PUT /v1/datasets/bytes HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nTransfer-Encoding: chunked\r\n\r\n")
        for i in range(len(text)):
            s.sendall(b"1\r\n%c\r\n" % text[i])
        s.sendall(b"0\r\n\r\n")
        answer, _ = read_answer(s)
    pieces = answer.expect(201).json
    assert pieces["sha256"] == whole["sha256"] and pieces["rows"] == 40
    accept = {"Accept": "text/csv"}
    assert (server.get("/v1/datasets/bytes/rows", headers=accept).body == server.get("/v1/datasets/whole/rows", headers=accept).body)


# ---- event streams -------------------------------------------------------------------------------------------------------

@pytest.fixture
def talkative(start):
    """A daemon that trains nothing, and a queued job with more events than one stream replays."""
    daemon = start("--workers", "0", "--response-timeout", "1")
    daemon.upload("wave", csv_text(series(50)))
    daemon.job = daemon.post("/v1/jobs", job_body()).expect(202).json["id"]
    with Client(daemon.address) as client:
        for i in range(PAST_MOST // 2 + 50):
            client.request("POST", f"/v1/jobs/{daemon.job}/pause").expect(200)
            client.request("POST", f"/v1/jobs/{daemon.job}/resume").expect(200)
    daemon.last = 1 + 2 * (PAST_MOST // 2 + 50)
    return daemon


def stream(daemon, after=0):
    connection = http.client.HTTPConnection(daemon.address, timeout=PATIENCE)
    connection.request("GET", f"/v1/jobs/{daemon.job}/events", headers={**STREAM, "Last-Event-ID": str(after)})
    response = connection.getresponse()
    assert response.status == 200
    return response


def ids(lines):
    return [int(line[4:]) for line in lines if line.startswith(b"id: ")]


def next_id(response):
    """The id of the next event; what is between is skipped."""
    for line in response:
        if line.startswith(b"id: "):
            return int(line[4:])
    raise AssertionError("the stream ended")


def test_long_past_comes_in_pieces(talkative):
    first = ids(stream(talkative).read().splitlines())   # the stream ends by itself
    assert first == list(range(first[0], first[0] + PAST_MOST))
    rest = stream(talkative, after=first[-1])
    assert [next_id(rest) for _ in range(talkative.last - PAST_MOST)][-1] == first[0] + talkative.last - 1
    rest.close()


def test_client_that_stops_reading(talkative):
    """It is reaped; one that reads, and has nothing to read for a while, is not."""
    reader = stream(talkative, after=talkative.last)
    host, port = talkative.address.rsplit(":", 1)
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)   # so that little fits on the way
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        s.connect((host, int(port)))
        s.sendall(f"GET /v1/jobs/{talkative.job}/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n".encode())
        wait_for(lambda: metric(talkative, "http_connections_reaped_total") == 1, "the one that does not read to be reaped")
        wait_for(lambda: metric(talkative, "http_connections") == 1, "its connection to be closed")
    answered = threading.Event()

    def pause():
        talkative.post(f"/v1/jobs/{talkative.job}/pause").expect(200)
        answered.set()

    time.sleep(2.5)   # longer than the response timeout
    threading.Thread(target=pause).start()
    assert next_id(reader) == talkative.last + 1
    assert answered.wait(PATIENCE)
    reader.close()
    assert metric(talkative, "http_connections_reaped_total") == 1


def test_streams_end_when_the_daemon_stops(talkative):
    """SIGTERM with followers on the line, and requests that go on coming on kept connections."""
    readers = [stream(talkative, after=talkative.last) for _ in range(10)]
    stop = threading.Event()

    def knock():
        while not stop.is_set():
            try:
                with Client(talkative.address) as client:
                    while not stop.is_set():
                        client.request("GET", f"/v1/jobs/{talkative.job}")
            except (OSError, http.client.HTTPException):
                time.sleep(0.01)

    knockers = [threading.Thread(target=knock) for _ in range(4)]
    for knocker in knockers:
        knocker.start()
    try:
        talkative.stop()
        for reader in readers:
            assert ids(reader.read().splitlines()) == []
    finally:
        stop.set()
        for knocker in knockers:
            knocker.join()
