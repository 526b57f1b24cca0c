"""conftest.py - daemons that tests share, and daemons of their own."""
import pytest

from gatecast import Daemon, csv_text, job_body, series


@pytest.fixture
def start(tmp_path):
    """start(option, …) gives a daemon with a fresh database; all are stopped, cleanly, at the end of the test."""
    daemons = []

    def begin(*options, **more):
        folder = tmp_path / f"daemon{len(daemons)}"
        folder.mkdir()
        daemons.append(Daemon(folder, *options, **more))
        return daemons[-1]

    yield begin
    for daemon in daemons:
        if daemon.process.poll() is None:
            daemon.stop()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A daemon for a whole file: dataset `wave`, and on it the model `wave-3` (window 12, horizon 3, close and volume)."""
    daemon = Daemon(tmp_path_factory.mktemp("server"), "--checkpoint-interval", "0")
    try:
        daemon.upload("wave", csv_text(series()))
        daemon.job = daemon.train(job_body())
        yield daemon
    finally:
        daemon.stop()
