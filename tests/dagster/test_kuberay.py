"""deploy/kuberay.yaml: that its parts are of one cluster. Its fields were held against KubeRay's own definition (docs/ray.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from xinstr_dagster.ray_jobs import JOB_GPUS, JOBS

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def parts() -> dict[str, dict[str, Any]]:
    return {part["kind"]: part for part in yaml.safe_load_all((ROOT / "deploy" / "kuberay.yaml").read_text("utf-8"))}


def pods(parts: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    cluster = parts["RayCluster"]["spec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"], parts["Deployment"]["spec"]]
    return [group["template"]["spec"] for group in groups]


def test_all_pods_have_the_same_image_and_the_same_home(parts: dict[str, dict[str, Any]]) -> None:
    containers = [pod["containers"][0] for pod in pods(parts)]
    assert len({container["image"] for container in containers}) == 1
    for pod, container in zip(pods(parts), containers, strict=True):
        assert (
            pod["volumes"][0]["persistentVolumeClaim"]["claimName"]
            == parts["PersistentVolumeClaim"]["metadata"]["name"]
        )
        assert container["volumeMounts"] == [{"name": pod["volumes"][0]["name"], "mountPath": "/xinstr"}]
        assert {"name": "XINSTR_HOME", "value": "/xinstr"} in container["env"]


def test_the_cluster_has_the_release_of_the_constraints_and_the_ui_its_address_and_token(
    parts: dict[str, dict[str, Any]],
) -> None:
    cluster = parts["RayCluster"]
    name, version = cluster["metadata"]["name"], cluster["spec"]["rayVersion"]
    assert f"ray=={version}" in (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    said = {one["name"]: one for one in parts["Deployment"]["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert said[JOBS]["value"] == f"http://{name}-head-svc:8265"
    assert float(said[JOB_GPUS]["value"]) == 1
    assert cluster["spec"]["authOptions"] == {"mode": said["RAY_AUTH_MODE"]["value"]} == {"mode": "token"}
    assert said["RAY_AUTH_TOKEN"]["valueFrom"]["secretKeyRef"] == {"name": name, "key": "auth_token"}
