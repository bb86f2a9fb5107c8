"""A running UI of a home folder, asked as its pages ask it."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

import psutil

from tests.e2e.conftest import CommandLine, wait_for

LANGUAGE_ASSETS = (
    "raw_corpus", "seed_pairs", "reverse_model", "candidate_pairs", "evaluator", "refined_pairs", "diversified_set",
    "tuned_model", "eval_report",
)  # fmt: skip
# What a server that is starting answers with.
NO_ANSWER = (HTTPException, OSError, ValueError, LookupError, TypeError, AssertionError)


@dataclass(frozen=True)
class UserInterface:
    """A running UI of a home folder."""

    xinstr: CommandLine
    port: int
    process: subprocess.Popen[bytes]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """The answer to a GraphQL query."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.address}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as response:
            answer: dict[str, Any] = json.load(response)
        assert "errors" not in answer, answer
        found: dict[str, Any] = answer["data"]
        return found

    def partitions(self) -> list[str]:
        query = (
            "query($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode { partitionKeys } } }"
        )
        found = self.ask(query, key={"path": ["raw_corpus"]})["assetNodeOrError"]
        return sorted(found.get("partitionKeys", []))

    def materialised(self, language: str) -> set[str]:
        """The assets that have a materialisation of the language."""
        query = """query($key: AssetKeyInput!, $partitions: [String!]) { assetNodeOrError(assetKey: $key) {
            ... on AssetNode { assetMaterializations(partitions: $partitions, limit: 1) { timestamp } } } }"""
        return {
            asset
            for asset in LANGUAGE_ASSETS
            if self.ask(query, key={"path": [asset]}, partitions=[language])["assetNodeOrError"][
                "assetMaterializations"
            ]
        }

    def runs(self) -> list[dict[str, Any]]:
        query = "{ runsOrError(limit: 20) { ... on Runs { results { runId status tags { key value } } } } }"
        found: list[dict[str, Any]] = self.ask(query)["runsOrError"]["results"]
        return found

    def build(self, language: str) -> str:
        """Ask for the whole line of a language: the run's id."""
        query = """mutation($parameters: ExecutionParams!) { launchPipelineExecution(executionParams: $parameters) {
            ... on LaunchRunSuccess { run { runId } } } }"""
        job = {"repositoryLocationName": "xinstr", "repositoryName": "__repository__", "pipelineName": "build_language"}
        tags = [{"key": "dagster/partition", "value": language}]
        parameters = {"selector": job, "runConfigData": {}, "mode": "default", "executionMetadata": {"tags": tags}}
        return str(self.ask(query, parameters=parameters)["launchPipelineExecution"]["run"]["runId"])

    def terminate(self, run_id: str) -> None:
        query = """mutation($run: String!) { terminateRun(runId: $run, terminatePolicy: SAFE_TERMINATE) {
            __typename } }"""
        assert self.ask(query, run=run_id)["terminateRun"]["__typename"] == "TerminateRunSuccess"

    def status(self, run_id: str) -> str:
        return next(str(run["status"]) for run in self.runs() if run["runId"] == run_id)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and its descendants: asked first, then without asking."""
    family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
    process.send_signal(signal.SIGINT)
    _, alive = psutil.wait_procs(family, timeout=30)
    for one in alive:
        one.kill()


def start(xinstr: CommandLine) -> UserInterface:
    """The UI of a home, once it answers; what it prints goes to ui.log there."""
    port = free_port()
    with (xinstr.home / "ui.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "xinstr_dagster.cli", "ui", "--port", str(port)],
            env=xinstr.environment(),
            stdout=log,
            stderr=log,
        )
    started = UserInterface(xinstr, port, process)
    try:
        wait_for("the UI", 180, lambda: started.ask("{ version }"), NO_ANSWER)
    except BaseException:
        end(process)
        raise
    return started
