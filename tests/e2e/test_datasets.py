"""test_datasets.py - upload, describe, read back, replace, remove."""
import hashlib
import pathlib

import pytest

from gatecast import CSV, csv_text, series

TEXT = {"Content-Type": "text/plain; charset=utf-8"}
TABS = {"Content-Type": "text/tab-separated-values"}

SAMPLE = pathlib.Path(__file__).resolve().parents[2] / "deploy/sample/sp500.csv"
SMALL = "date,x,y\n2020-01-01,1,0.1\n2020-01-02,,0.2\n2020-01-03,3,0.30000000000000004\n"


def test_upload_is_described(server):
    answer = server.put("/v1/datasets/small", SMALL, headers=CSV).expect(201).json
    assert answer["name"] == "small" and answer["version"] == 1 and answer["rows"] == 3
    assert [c["name"] for c in answer["columns"]] == ["date", "x", "y"]
    x = answer["columns"][1]
    assert (x["type"], x["missing"], x["min"], x["max"]) == ("number", 1, 1, 3)
    assert answer["start"].startswith("2020-01-01") and answer["end"].startswith("2020-01-03")
    assert answer["frequency"] == "D"
    assert answer["sha256"] == hashlib.sha256(SMALL.encode()).hexdigest()
    assert any(entry["code"] == "missing_cells" for entry in answer["audit"])
    got = server.get("/v1/datasets/small").expect(200).json
    assert {k: got[k] for k in ("rows", "columns", "sha256", "audit")} == {k: answer[k] for k in ("rows", "columns", "sha256", "audit")}


def test_replacing_makes_a_new_version(server):
    first = server.put("/v1/datasets/twice", SMALL, headers=CSV).expect(201).json
    second = server.put("/v1/datasets/twice", SMALL + "2020-01-04,4,0.4\n", headers=CSV).expect(200).json
    assert second["version"] == first["version"] + 1 and second["rows"] == 4
    assert server.get("/v1/datasets/twice").expect(200).json["rows"] == 4


def test_rows_come_back_as_they_were(server):
    server.upload("back", SMALL)
    page = server.get("/v1/datasets/back/rows?from=1&limit=1", headers={"Accept": "application/json"}).expect(200).json
    assert page["data"] == [["2020-01-02", None, 0.2]] and page["has_more"] is True
    whole = server.get("/v1/datasets/back/rows", headers={"Accept": "text/csv"}).expect(200)
    assert whole.headers["content-type"].startswith("text/csv")
    assert whole.body.decode() == SMALL


def test_the_sample_survives_a_round_trip(server):
    answer = server.put("/v1/datasets/sp500", SAMPLE.read_bytes(), headers=CSV).expect(201).json
    assert (answer["rows"], answer["frequency"]) == (5105, "B")
    text = server.get("/v1/datasets/sp500/rows?limit=5105", headers={"Accept": "text/csv"}).expect(200).body.decode()
    want = [line.split(",") for line in SAMPLE.read_text().splitlines()]
    have = [line.split(",") for line in text.splitlines()]
    assert have[0] == want[0] and len(have) == len(want)
    for a, b in zip(have[1:], want[1:]):
        assert a[0] == b[0] and [float(v) for v in a[1:]] == [float(v) for v in b[1:]]


def test_the_list_is_paged(start):
    daemon = start()
    names = [f"d{i}" for i in range(5)]
    for name in names:
        daemon.upload(name, SMALL)
    found, after, pages = [], "", 0
    while True:
        page = daemon.get(f"/v1/datasets?limit=2&after={after}").expect(200).json
        assert page["object"] == "list"
        found += [d["name"] for d in page["data"]]
        pages += 1
        if not page["has_more"]:
            break
        after = found[-1]
    assert (found, pages) == (names, 3)


def test_delete(server):
    server.upload("gone", SMALL)
    server.delete("/v1/datasets/gone").expect(200, 204)
    server.get("/v1/datasets/gone").expect(404)
    server.delete("/v1/datasets/gone").expect(404)


@pytest.mark.parametrize("name, text", {
    "crlf": SMALL.replace("\n", "\r\n"),
    "byte order mark": "\ufeff" + SMALL,
    "quoted": SMALL.replace("date,x,y", '"date","x","y"'),
    "semicolons": SMALL.replace(",", ";"),
    "tabs": SMALL.replace(",", "\t"),
    "no last line break": SMALL.rstrip("\n"),
    "american dates": "date,x,y\n1/1/2020,1,0.1\n1/2/2020,,0.2\n1/3/2020,3,0.30000000000000004\n",
}.items())
def test_what_people_really_send_means_the_same(server, name, text):
    server.upload("variant", text)
    got = server.get("/v1/datasets/variant/rows", headers={"Accept": "text/csv"}).expect(200)
    assert got.body.decode() == SMALL


def test_an_upload_may_be_chunked(server):
    text = csv_text(series(500)).encode()
    head = b"PUT /v1/datasets/chunked HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = b"".join(b"%x\r\n%s\r\n" % (len(text[i:i + 7]), text[i:i + 7]) for i in range(0, len(text), 7)) + b"0\r\n\r\n"
    answer, _ = server.raw(head + body)
    assert answer.expect(201).json["sha256"] == hashlib.sha256(text).hexdigest()


def rows_as_csv(server, name):
    return server.get(f"/v1/datasets/{name}/rows", headers={"Accept": "text/csv"}).expect(200).body.decode()


def test_a_text_is_a_row_a_line(server):
    text = "\ufeffTo be, or \"not\" to be,\r\n\r\n  2017-11-15\ncaf\u00e9 \U0001f600"
    answer = server.put("/v1/datasets/play", text, headers=TEXT).expect(201).json
    assert answer["columns"] == [{"name": "text", "type": "text", "missing": 1, "characters": 40, "longest_characters": 22,
                                  "words": 17, "longest_words": 10}]
    assert (answer["rows"], answer["audit"], answer["start"]) == (4, [], None)
    assert answer["sha256"] == hashlib.sha256(text.encode()).hexdigest()
    page = server.get("/v1/datasets/play/rows").expect(200).json
    assert page["data"] == [['To be, or "not" to be,'], [None], ["  2017-11-15"], ["caf\u00e9 \U0001f600"]]
    csv = rows_as_csv(server, "play")
    assert csv == 'text\n"To be, or ""not"" to be,"\n""\n"  2017-11-15"\ncaf\u00e9 \U0001f600\n'
    server.put("/v1/datasets/again?text=text", csv, headers=CSV).expect(201)
    assert rows_as_csv(server, "again") == csv


def test_tabs_and_columns_that_are_text_by_name(server):
    pairs = "from\tto\n17 May 2003\t2003-05-17\n1.1.90, a Monday\t1990-01-01\n"
    plain = server.put("/v1/datasets/pairs", pairs, headers=TABS)
    plain.expect(422)   # the second column is a time axis that falls
    answer = server.put("/v1/datasets/pairs?text=from,to", pairs, headers=TABS).expect(201).json
    assert [c["type"] for c in answer["columns"]] == ["text", "text"]
    assert answer["columns"][1]["longest_characters"] == 10 and answer["audit"] == []
    page = server.get("/v1/datasets/pairs/rows?from=1").expect(200).json
    assert page["data"] == [["1.1.90, a Monday", "1990-01-01"]]


def test_a_long_line_is_a_row(server):
    line = "word " * 200000
    answer = server.put("/v1/datasets/long", line + "\n" + line, headers=TEXT).expect(201).json
    assert answer["rows"] == 2 and answer["columns"][0]["longest_words"] == 200000
    assert server.get("/v1/datasets/long/rows?from=1").expect(200).json["data"] == [[line]]
    server.put("/v1/datasets/long", line + "x" * 48577, headers=TEXT).expect(422)
