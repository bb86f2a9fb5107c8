"""The reports over HTTP: the pages that there are, on the UI's own address, and nothing else of the disk."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from dagster_webserver import cli
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from xinstr_core.reporting.render import OVERVIEW as OVERVIEW_FILE
from xinstr_core.reporting.render import PAGE
from xinstr_dagster import webserver
from xinstr_dagster.report_pages import report_address, report_routes

OVERVIEW = "<title>all</title>"
SWAHILI = "<title>Kiswahili ü</title>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pages, named as they are written, among what nobody may read over HTTP."""
    home = tmp_path_factory.mktemp("home")
    reports = home / "data" / "reports"
    reports.mkdir(parents=True)
    (reports / OVERVIEW_FILE).write_text(OVERVIEW, "utf-8")
    (reports / PAGE.format(tag="sw")).write_text(SWAHILI, "utf-8")
    (reports / PAGE.format(tag="fi")).mkdir()
    for place in (home / "secret.html", reports / ".secret.html", reports / "SECRET.html", reports / "sw.txt"):
        place.write_text("secret", "utf-8")
    return reports


@pytest.fixture(scope="module")
def port(folder: Path) -> Iterator[int]:
    """A server of the pages before another one that takes every path, as the UI does."""
    ui = Route("/{path:path}", lambda _: PlainTextResponse("the UI"))
    app = Starlette(routes=[*report_routes(folder), ui])
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join()


def asked(port: int, path: str, method: str = "GET") -> tuple[http.client.HTTPResponse, str]:
    """The answer to a path exactly as it stands here: no client tidies it up."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest(method, path, skip_accept_encoding=True)
    connection.endheaders()
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer, text


@pytest.mark.parametrize(
    ("path", "page"),
    [("/reports/", OVERVIEW), ("/reports/index.html", OVERVIEW), (report_address("sw"), SWAHILI), ("/reports/sw.html", SWAHILI)],
)  # fmt: skip
def test_a_page_is_given_by_its_address_and_by_how_pages_name_each_other(port: int, path: str, page: str) -> None:
    answer, text = asked(port, path)
    assert (answer.status, text) == (200, page)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    head, nothing = asked(port, path, "HEAD")
    assert (head.status, nothing) == (200, "")


def test_the_path_without_its_slash_leads_on_since_pages_name_each_other_below_it(port: int) -> None:
    answer, _ = asked(port, "/reports")
    assert (answer.status, answer.headers["Location"]) == (307, "/reports/")


@pytest.mark.parametrize("path", ["/reports/sw", "/reports/xx"])
def test_a_page_can_ask_for_nothing_and_is_of_no_origin(port: int, path: str) -> None:
    """The UI's interface, which launches runs, is on the same address."""
    headers = asked(port, path)[0].headers
    policy = headers["Content-Security-Policy"].split("; ")
    assert {"default-src 'none'", "form-action 'none'", "frame-ancestors 'none'", "base-uri 'none'"} <= {*policy}
    [sandbox] = [part for part in policy if part.startswith("sandbox")]
    assert "allow-same-origin" not in sandbox
    assert not [part for part in policy if "http" in part or "*" in part or "'self'" in part]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "path",
    ["/reports/..", "/reports/../secret", "/reports/../../secret.html", "/reports/%2e%2e/%2e%2e/secret.html",
     "/reports/..%2f..%2fsecret", "/reports/..%5c..%5csecret", "/reports/%252e%252e/secret", "/reports/sw/../../../secret",
     "/reports//etc/passwd", "/reports/.secret", "/reports/SECRET", "/reports/sw.txt", "/reports/sw%00", "/reports/sw.html.html",
     "/reports/fi", "/reports/yo", "/reports/sw/", "/reports/%ff", "/reports/<script>alert(1)</script>"],
)  # fmt: skip
def test_whatever_is_no_report_is_one_clear_line(port: int, path: str) -> None:
    answer, text = asked(port, path)
    assert answer.status == 404
    assert text.count("<p>") == 2, "the line, and the link to all"
    assert '<a href="/reports/">All languages</a>' in text
    assert not [word for word in ("secret</title>", "root:", "<script>") if word in text]


def test_the_line_says_what_to_do(port: int) -> None:
    assert "<code>xinstr build yo</code> builds that language to its report" in asked(port, "/reports/yo")[1]
    assert "“../secret” can be the key of no language" in asked(port, "/reports/..%2fsecret")[1]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_can_be_sent(port: int, method: str) -> None:
    assert asked(port, "/reports/sw", method)[0].status == 405


def test_all_else_is_the_uis(port: int) -> None:
    for path in ("/", "/reportsx", "/assets/eval_report"):
        assert asked(port, path)[1] == "the UI"


def test_a_home_without_reports_says_so(tmp_path: Path) -> None:
    route = report_routes(tmp_path / "reports")[1]
    assert isinstance(route, Route)
    from starlette.requests import Request

    answer = route.endpoint(Request({"type": "http", "path_params": {"path": ""}}))
    assert answer.status_code == 404
    assert b"Nothing is built to its report yet: <code>xinstr build LANGUAGE</code> does it." in answer.body


def test_dagsters_webserver_is_made_with_the_reports_before_its_own_pages(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Starlette] = []

    def main() -> None:
        made.append(cli.create_app_from_workspace_process_context("context", "", 2000))

    dagsters = Starlette(routes=[Route("/{path:path}", lambda _: PlainTextResponse("the UI"))])
    name = "create_app_from_workspace_process_context"
    monkeypatch.setattr(webserver, name, lambda *_: dagsters)
    monkeypatch.setattr(cli, name, getattr(cli, name))  # fails where Dagster calls it otherwise; undone afterwards
    monkeypatch.setattr(cli, "main", main)
    webserver.serve(folder)
    paths = [route.path for route in made[0].routes if isinstance(route, Route)]
    assert paths == ["/reports", "/reports/{path:path}", "/{path:path}"]
