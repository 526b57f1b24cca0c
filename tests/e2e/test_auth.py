"""test_auth.py - keys: none needed on loopback, one needed elsewhere, and what each scope allows."""
import re

import pytest

from gatecast import CSV, Daemon, command, csv_text, job_body, series

FORECAST = {"model": "wave-3", "inputs": [{"dataset": "wave"}]}
KEY = re.compile(r"gc_\S+")


def add_key(db, scopes):
    status, out, err = command("key", "add", "--db", db, "--name", scopes.replace(",", "-"), "--scopes", scopes)
    assert status == 0, err
    return KEY.search(out).group()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A daemon on all addresses, so that it asks for a key; with a key for each scope, and one revoked."""
    folder = tmp_path_factory.mktemp("guarded")
    db = folder / "gatecast.db"
    keys = {scope: add_key(db, scope) for scope in ("predict", "read", "train", "admin", "predict,read")}
    keys["revoked"] = add_key(db, "admin")
    revoked = keys["revoked"].removeprefix("gc_").partition(".")[0]
    listed = command("key", "list", "--db", db)[1]
    ident = next(word for word in re.split(r"\s+", listed) if revoked in word)
    assert command("key", "revoke", ident, "--db", db)[0] == 0
    assert not any(key.partition(".")[2] in listed for key in keys.values())     # secrets are shown once
    daemon = Daemon(folder, "--listen", "0.0.0.0:0", key=keys["admin"])
    daemon.keys = keys
    try:
        daemon.upload("wave", csv_text(series()))
        daemon.train(job_body())
        yield daemon
    finally:
        daemon.stop()


def test_loopback_needs_no_key(server):
    server.get("/v1/datasets").expect(200)


def test_unless_told(start, tmp_path):
    daemon = start("--require-key")
    daemon.get("/v1/datasets").expect(401)


@pytest.mark.parametrize("name, header", {
    "none": None, "empty": "", "basic": "Basic dTpw", "no word": "Bearer", "nonsense": "Bearer x", "no secret": "Bearer gc_abc.",
    "unknown": "Bearer gc_AAAAAAAAAAAA." + "A" * 43, "long": "Bearer gc_" + "A" * 4000,
}.items())
def test_without_a_good_key(guarded, name, header):
    guarded_key, guarded.key = guarded.key, None
    try:
        answer = guarded.get("/v1/datasets", headers={} if header is None else {"Authorization": header}).expect(401)
    finally:
        guarded.key = guarded_key
    assert answer.headers["www-authenticate"].startswith("Bearer") and answer.json["code"] == "auth"


def test_secrets_are_compared_whole(guarded):
    key = guarded.keys["admin"]
    for wrong in (key[:-1], key + "A", key[:-1] + ("A" if key[-1] != "A" else "B"), key.swapcase()):
        guarded.get("/v1/datasets", headers={"Authorization": f"Bearer {wrong}"}).expect(401)


def test_revoked(guarded):
    guarded.get("/v1/datasets", headers={"Authorization": f"Bearer {guarded.keys['revoked']}"}).expect(401)


ROUTES = [   # method, path, body, headers, the scope it needs
    ("GET", "/v1/datasets", None, {}, "read"),
    ("GET", "/v1/jobs", None, {}, "read"),
    ("GET", "/v1/models", None, {}, "read"),
    ("POST", "/v1/forecast", FORECAST, {}, "predict"),
    ("PUT", "/v1/datasets/new", csv_text(series(20)), CSV, "train"),
    ("POST", "/v1/jobs", job_body(dataset="nobody"), {}, "train"),
]


@pytest.mark.parametrize("method, path, body, headers, needed", ROUTES)
@pytest.mark.parametrize("scope", ["predict", "read", "train", "admin", "predict,read"])
def test_scopes(guarded, method, path, body, headers, needed, scope):
    answer = guarded.request(method, path, body, {**headers, "Authorization": f"Bearer {guarded.keys[scope]}"})
    if scope == "admin" or needed in scope.split(","):
        assert answer.status not in (401, 403), answer
    else:
        answer.expect(403)
        assert answer.json["code"] == "forbidden" and needed in answer.json["detail"]


def test_health_and_metrics_on_the_admin_listener_need_none(guarded):
    key, guarded.key = guarded.key, None
    try:
        for path in ("/livez", "/readyz", "/metrics"):
            guarded.get(path, admin=True).expect(200)
        guarded.get("/v1/datasets", admin=True).expect(404)
        guarded.get("/metrics").expect(401)
    finally:
        guarded.key = key


def test_failures_are_counted(guarded):
    text = guarded.get("/metrics", admin=True).body.decode()
    for reason in ("missing", "unknown", "scope"):
        value = re.search(rf'gatecast_auth_failures_total{{reason="{reason}"}} (\d+)', text)
        assert int(value.group(1)) > 0


def test_a_key_never_reaches_the_log(guarded):
    log = guarded.log.read_text()
    assert not any(key.partition(".")[2] in log for key in guarded.keys.values())
