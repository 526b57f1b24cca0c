"""test_metrics.py - what Prometheus sees: promtool's lint, the names, and a real Prometheus that scrapes the daemon."""
import json
import pathlib
import re
import socket
import subprocess
import urllib.parse

import pytest

from gatecast import Client, wait_for

# At least these; each is a promise to dashboards and alerts.
EXPECTED = """
gatecast_http_requests_total gatecast_http_request_duration_seconds_bucket gatecast_http_requests_in_flight
gatecast_http_request_size_bytes_count gatecast_http_response_size_bytes_count gatecast_http_connections
gatecast_inference_requests_total gatecast_inference_sequences_total gatecast_inference_batch_size_bucket
gatecast_inference_duration_seconds_bucket gatecast_inference_queue_depth gatecast_inference_queue_capacity
gatecast_inference_bulk_queue_depth gatecast_inference_flights gatecast_inference_ticks_total gatecast_inference_dropped_total
gatecast_inference_refused_total gatecast_inference_oldest_request_age_seconds gatecast_decoder_steps_total gatecast_inference_nonfinite_outputs_total
gatecast_model_info gatecast_model_loaded gatecast_model_memory_bytes gatecast_model_load_duration_seconds_count
gatecast_model_loads_total gatecast_model_evictions_total gatecast_model_cache_bytes gatecast_model_cache_limit_bytes
gatecast_model_last_used_timestamp_seconds gatecast_training_jobs gatecast_training_jobs_total
gatecast_training_epoch_duration_seconds_count gatecast_training_samples_total gatecast_training_checkpoint_timestamp_seconds
gatecast_build_info gatecast_sqlite_busy_total gatecast_auth_failures_total gatecast_shutting_down
process_cpu_seconds_total process_resident_memory_bytes process_open_fds process_start_time_seconds
""".split()


@pytest.fixture(scope="module")
def busy(server):
    """The daemon after a little of everything."""
    server.post("/v1/forecast", {"model": "wave-3", "inputs": [{"dataset": "wave"}]}).expect(200)
    server.post("/v1/forecast", {"model": "invented-by-a-client", "inputs": [{"dataset": "wave"}]}).expect(404)
    server.get("/v1/invented-by-a-client").expect(404)
    server.post("/v1/jobs", "{}", headers={"Content-Type": "application/json"}).expect(422)
    return server


def samples(text):
    """{name{labels}: value} of the text format."""
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
            for line in text.splitlines() if line and not line.startswith("#")}


def test_promtool_finds_nothing(busy):
    for admin in (False, True):
        answer = busy.get("/metrics", admin=admin).expect(200)
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        lint = subprocess.run(["promtool", "check", "metrics"], input=answer.body, capture_output=True, check=False)
        assert (lint.returncode, lint.stdout, lint.stderr) == (0, b"", b"")


@pytest.mark.parametrize("name", EXPECTED)
def test_every_promised_name_is_there(busy, name):
    found = {series.partition("{")[0] for series in samples(busy.get("/metrics").body.decode())}
    assert name in found


def test_every_alert_watches_series_that_exist(busy):
    rules = (pathlib.Path(__file__).resolve().parents[2] / "deploy/prometheus/rules.yml").read_text()
    watched = set(re.findall(r"\bgatecast_\w+", rules))
    found = {series.partition("{")[0] for series in samples(busy.get("/metrics").body.decode())}
    assert watched and watched <= found


def test_clients_cannot_invent_labels(busy):
    assert b"invented" not in busy.get("/metrics").body


def test_counters_count(busy):
    def value(start):
        return sum(v for series, v in samples(busy.get("/metrics").body.decode()).items() if series.startswith(start))

    path = 'gatecast_inference_requests_total{model="wave-3",version="1",outcome="ok"}'
    before, sequences = value(path), value('gatecast_inference_sequences_total{model="wave-3"')
    for _ in range(3):
        busy.post("/v1/forecast", {"model": "wave-3", "inputs": [{"dataset": "wave"}, {"dataset": "wave"}]}).expect(200)
    assert value(path) == before + 3
    assert value('gatecast_inference_sequences_total{model="wave-3"') == sequences + 6
    assert value('gatecast_training_jobs_total{result="succeeded"}') >= 1
    assert value("gatecast_inference_queue_depth") == 0


def test_what_has_no_route_is_counted(busy):
    def value():
        return samples(busy.get("/metrics").body.decode()).get(
            'gatecast_http_requests_total{route="none",method="none",code="404"}', 0)

    before = value()
    busy.get("/invented/path").expect(404)
    assert value() == before + 1
    assert b"invented/path" not in busy.get("/metrics").body


def test_histograms_are_whole(busy):
    found = samples(busy.get("/metrics").body.decode())
    counts = {series for series in found if series.partition("{")[0].endswith("_count")}
    assert counts
    for series in counts:
        name, _, labels = series.partition("{")
        start = name.removesuffix("_count") + "_bucket{" + labels.rstrip("}")
        buckets = [v for bucket, v in found.items() if bucket.startswith(start)]
        assert buckets == sorted(buckets) and buckets[-1] == found[series], series


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def test_a_real_prometheus_scrapes_it(busy, tmp_path):
    (tmp_path / "prometheus.yml").write_text(json.dumps({      # JSON is YAML
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [{"job_name": "gatecast", "static_configs": [{"targets": [busy.admin]}]}]}))
    address = f"127.0.0.1:{free_port()}"
    with open(tmp_path / "log", "wb") as log:
        prometheus = subprocess.Popen(
            ["prometheus", f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data",
             f"--web.listen-address={address}"], stdout=log, stderr=log)

    def query(expression):
        try:
            with Client(address) as client:
                answer = client.request("GET", "/api/v1/query?query=" + urllib.parse.quote(expression))
        except OSError:
            assert prometheus.poll() is None, (tmp_path / "log").read_text()
            return None
        return {json.dumps(r["metric"], sort_keys=True): float(r["value"][1]) for r in answer.json["data"]["result"]} \
            if answer.status == 200 else None

    try:
        wait_for(lambda: 1.0 in (query('up{job="gatecast"}') or {}).values(), "up to be 1")
        assert wait_for(lambda: query('gatecast_inference_requests_total{model="wave-3",outcome="ok"}'), "our series")
        assert wait_for(lambda: query("gatecast_build_info"), "build_info")
        with Client(address) as client:
            target, = client.request("GET", "/api/v1/targets").json["data"]["activeTargets"]
        assert target["health"] == "up" and target["lastError"] == ""
    finally:
        prometheus.terminate()
        prometheus.wait(60)
