"""The workflows of .github/ are run for real, by act, on this host: no Docker, no network.

tests/workflows/actions/ has small stand-ins for GitHub's own actions, and tests/workflows/github.py
one for GitHub itself. What this cannot show is named in docs/trust.md.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from ruamel.yaml import YAML

from tests.conftest import ROOT, Shell
from tests.workflows.github import REPOSITORY, TOKEN, GitHub, serving

pytestmark = pytest.mark.workflows
ACTIONS = ROOT / "tests" / "workflows" / "actions"
RUN = "4711"


class Hub(NamedTuple):
    """A made GitHub with the committed smoke run on its branch main, and a clone to commit in."""

    server: GitHub
    clone: Path
    folder: Path

    @property
    def artifacts(self) -> Path:
        return self.folder / "artifacts"


@pytest.fixture
def hub(smoke: Path, shell: Shell, tmp_path: Path) -> Iterator[Hub]:
    if not shutil.which("gh"):
        pytest.fail("gh is not installed: on Debian, `apt-get install gh`")
    origin, clone = tmp_path / "origin.git", tmp_path / "clone"
    shell("git", "clone", "-q", "--bare", str(smoke), str(origin), cwd=tmp_path)
    shell("git", "branch", "-M", "main", cwd=origin)
    shell("git", "config", "uploadpack.allowAnySHA1InWant", "true", cwd=origin)
    shell("git", "clone", "-q", str(origin), str(clone), cwd=tmp_path)
    cache = tmp_path / "caches" / "dvc-Linux-of-an-earlier-run" / ".dvc" / "cache"
    shutil.copytree(smoke / ".dvc" / "cache", cache, copy_function=os.link)
    with serving(origin) as server:
        yield Hub(server, clone, tmp_path)


def git(hub: Hub, shell: Shell, *arguments: str) -> str:
    done = shell("git", *arguments, cwd=hub.clone)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def limit(hub: Hub, **limits: float) -> None:
    """Leave of gate.yaml only these limits of LeNet's accuracy: it is made for another preset."""
    path = hub.clone / "config/gate.yaml"
    rules = YAML(typ="safe").load(path)
    rules |= {"metrics": {"metrics/evaluate/lenet.json": {"lenet.accuracy": limits}}, "classes": {}}
    YAML().dump(rules, path)


def commit(hub: Hub, shell: Shell, branch: str, message: str) -> None:
    git(hub, shell, "commit", "-qam", message)
    git(hub, shell, "push", "-q", "origin", f"HEAD:{branch}")


Act = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def act(hub: Hub, shell: Shell) -> Act:
    """Run a workflow as GitHub does on an event; its log comes back."""

    def call(
        event: str, workflow: str, payload: dict[str, Any], *options: str
    ) -> subprocess.CompletedProcess[str]:
        path = f".github/workflows/{workflow}.yml"
        used = set(re.findall(r"uses: (\S+)", (hub.clone / path).read_text()))
        # `actions/cache/save@SHA` is in the folder save of the repository actions/cache.
        pinned = {re.sub(r"^([^/]+/[^/@]+)[^@]*", r"\1", each) for each in used}
        stand_ins = [f"{each}={ACTIONS / re.split('[/@]', each)[1]}" for each in pinned]
        (hub.folder / "event.json").write_text(json.dumps(payload))
        proxy = hub.server.proxy
        variables = {
            "TESTS_PYTHON": sys.prefix,
            "TESTS_SERVER": str(hub.folder),
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_SERVER_URL": "http://github.localhost",
            "GITHUB_RUN_ID": RUN,
            "GH_HOST": "github.localhost",
            "HTTP_PROXY": proxy,
            "http_proxy": proxy,
            "OMP_NUM_THREADS": "1",
        }
        return shell(
            *("act", event, "--workflows", path, "--eventpath", str(hub.folder / "event.json")),
            *("--platform", "ubuntu-24.04=-self-hosted", "--no-skip-checkout", "--pull=false"),
            *("--no-cache-server", "--concurrent-jobs", "1", "--secret", f"GITHUB_TOKEN={TOKEN}"),
            *(word for each in stand_ins for word in ("--local-repository", each)),
            *(word for pair in variables.items() for word in ("--env", "=".join(pair))),
            *options,
            cwd=hub.clone,
            HOME=str(hub.folder),
            XDG_CACHE_HOME=str(hub.folder / "act"),
            timeout=1800,
        )

    return call


def pull_request(hub: Hub, shell: Shell) -> dict[str, Any]:
    """Open a pull request of the clone's HEAD as GitHub does, and return its event."""
    head, base = (git(hub, shell, "rev-parse", name) for name in ("HEAD", "origin/main"))
    git(hub, shell, "checkout", "-q", "--detach", base)
    git(hub, shell, "merge", "-q", "--no-ff", "-m", "merge", head)
    git(hub, shell, "push", "-q", "origin", "HEAD:refs/pull/1/merge", f"{head}:refs/heads/change")
    sides = {"head": {"ref": "change", "sha": head}, "base": {"ref": "main", "sha": base}}
    return {"action": "opened", "number": 1, "pull_request": {"number": 1, **sides}}


@pytest.mark.parametrize("target", ["check", "check-lock", "gate", "repro PRESET=smoke"])
def test_a_pull_request_is_checked(hub: Hub, act: Act, shell: Shell, target: str) -> None:
    limit(hub, max_fall=0)
    commit(hub, shell, "main", "Limit falls alone")
    (hub.clone / "README.md").write_text("changed\n")
    git(hub, shell, "commit", "-qam", "Change")
    event = pull_request(hub, shell)
    done = act("pull_request", "pull-request", event, "--matrix", f"target:{target}")
    assert done.returncode == 0, done.stdout
    if target == "gate":
        base = event["pull_request"]["base"]["sha"][:7]
        assert f"baseline: HEAD^1 ({base}): the same run" in done.stdout


def test_a_pull_request_with_a_run_below_its_base_fails(hub: Hub, act: Act, shell: Shell) -> None:
    limit(hub, min=0.9)
    git(hub, shell, "commit", "-qam", "Limit more than the run reaches")
    event = pull_request(hub, shell)
    done = act("pull_request", "pull-request", event, "--matrix", "target:gate")
    assert done.returncode == 1
    assert re.search(r"error: the gate is closed: 1 of \d+ rules are broken", done.stdout)


def test_a_retraining_that_passes_the_gate_becomes_a_pull_request(
    hub: Hub, act: Act, shell: Shell
) -> None:
    limit(hub, min=0.2)
    params = hub.clone / "params.yaml"
    lenet = r"(lenet:(?:\n  .*)*?\n  learning_rate: )\S+"
    params.write_text(re.sub(lenet, r"\g<1>0.006", params.read_text()))
    commit(hub, shell, "main", "Change LeNet's learning rate")
    done = act("workflow_dispatch", "retrain", {"ref": "refs/heads/main"})
    assert done.returncode == 0, done.stdout[-6000:]
    assert "Running stage 'train_lenet'" in done.stdout
    assert "Stage 'train_vgg' is cached - skipping run" in done.stdout
    (request,) = hub.server.requests
    branch = request["headRefName"]
    assert re.fullmatch(r"retrain/\d+", branch)
    assert (request["baseRefName"], request["title"]) == ("main", "Retrain")
    assert "the gate is open" in request["body"]
    git(hub, shell, "fetch", "-q", "origin", branch)
    changed = git(hub, shell, "diff", "--name-only", "HEAD", "FETCH_HEAD").splitlines()
    assert {"dvc.lock", "metrics/evaluate/lenet.json"} <= set(changed)
    assert all(name == "dvc.lock" or name.startswith(("metrics/", "plots/")) for name in changed)
    assert not [name for name in changed if "vgg" in name]
    seen = (hub.artifacts / "run/runs/gate_open").read_text().strip()
    assert git(hub, shell, "rev-parse", "FETCH_HEAD^{tree}") == seen
    assert (hub.artifacts / "run/report.html").is_file()
    saved = max((hub.folder / "caches").iterdir(), key=lambda each: each.stat().st_mtime)
    assert (saved / ".dvc/cache/files").is_dir()
    assert "no drift that asks for an issue" in done.stdout


def test_a_retraining_that_does_not_pass_is_not_proposed_but_kept(
    hub: Hub, act: Act, shell: Shell
) -> None:
    limit(hub, min=0.999)
    commit(hub, shell, "main", "Limit more than any run reaches")
    done = act("push", "retrain", {"ref": "refs/heads/main"})
    assert done.returncode == 1
    assert hub.server.requests == []
    assert git(hub, shell, "ls-remote", "origin", "refs/heads/retrain/*") == ""
    report = (hub.artifacts / "run/runs/gate.md").read_text()
    assert report.startswith("the gate is closed: 1 of ")
    assert not (hub.artifacts / "run/runs/gate_open").exists()
    assert "make propose]" not in done.stdout
    assert "no drift that asks for an issue" in done.stdout


def test_nothing_is_trained_on_a_schedule_if_no_import_has_moved(hub: Hub, act: Act) -> None:
    done = act("schedule", "retrain", {"schedule": "17 3 * * *"})
    assert done.returncode == 0, done.stdout
    assert "no import in data/own has moved: nothing to train" in done.stdout
    assert "the run is the one already committed: nothing to propose" in done.stdout
    assert hub.server.requests == []


def test_a_tag_publishes_its_weights(hub: Hub, act: Act, smoke: Path, shell: Shell) -> None:
    limit(hub, max_fall=0)
    commit(hub, shell, "main", "Limit falls alone")
    git(hub, shell, "tag", "-am", "as gto does", "lenet@v1.0.0")
    git(hub, shell, "push", "-q", "origin", "lenet@v1.0.0")
    done = act("push", "promote", {"ref": "refs/tags/lenet@v1.0.0"})
    assert done.returncode == 0, done.stdout
    (published,) = (hub.artifacts / "promoted").iterdir()
    weights = smoke / "data/models/lenet.safetensors"
    assert published.name == weights.name
    assert published.read_bytes() == weights.read_bytes()
