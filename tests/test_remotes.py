"""Push, lose everything, pull: against a folder, a real sshd and an S3-compatible server."""

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from fashion_cnn.base.models import MODELS
from tests.conftest import ROOT, Shell

Remote = Callable[..., str]


@pytest.fixture
def project(reproduced_toy: Path, tmp_path: Path) -> Path:
    """A copy of the reproduced toy project, with its data and cache."""
    return shutil.copytree(reproduced_toy, tmp_path / "project")


@pytest.fixture
def dvc(project: Path, shell: Shell) -> Remote:
    """Run DVC in the project; return what it printed."""

    def call(*arguments: str, fails: bool = False) -> str:
        done = shell("dvc", *arguments, cwd=project)
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stdout + done.stderr

    return call


def push_lose_and_pull(project: Path, dvc: Remote) -> None:
    model = (project / "data/model").read_bytes()
    dvc("push", "--run-cache")
    shutil.rmtree(project / ".dvc/cache")
    shutil.rmtree(project / "data")
    assert "deleted" in dvc("status", "--json")
    dvc("pull", "--run-cache")
    assert (project / "data/model").read_bytes() == model
    assert dvc("status", "--json").strip() == "{}"
    assert "in sync" in dvc("status", "--cloud")


def test_a_folder(project: Path, dvc: Remote, tmp_path: Path) -> None:
    dvc("remote", "add", "--default", "storage", str(tmp_path / "storage"))
    push_lose_and_pull(project, dvc)


def test_what_the_remote_has_is_not_run(
    project: Path, dvc: Remote, shell: Shell, tmp_path: Path
) -> None:
    dvc("remote", "add", "--default", "storage", str(tmp_path / "storage"))
    dvc("push", "--run-cache")
    shell("git", "commit", "-qam", "remote", cwd=project)
    shell("git", "clone", "-q", str(project), "clone", cwd=tmp_path)
    clone = tmp_path / "clone"
    done = shell("dvc", "repro", "--pull", "--allow-missing", cwd=clone)
    assert done.returncode == 0, done.stderr
    assert "Running stage" not in done.stdout
    (clone / "params.yaml").write_text("seed: 2\n")
    done = shell("dvc", "repro", "--pull", "--allow-missing", cwd=clone)
    assert done.returncode == 0, done.stderr
    assert "Running stage 'train'" in done.stdout
    assert "Running stage 'download'" not in done.stdout


def test_a_registered_version_is_got_by_its_name(
    project: Path, dvc: Remote, shell: Shell, tmp_path: Path
) -> None:
    dvc("remote", "add", "--default", "storage", str(tmp_path / "storage"))
    dvc("push")
    shell("git", "commit", "-qam", "remote", cwd=project)
    first = (project / "data/model").read_text()
    for command in (
        ("register", "toy"),
        ("assign", "toy", "--version", "v0.0.1", "--stage", "prod"),
    ):
        done = shell("gto", *command, cwd=project)
        assert done.returncode == 0, done.stdout + done.stderr
    tags = shell("git", "tag", cwd=project).stdout.split()
    assert sorted(tags) == ["toy#prod#1", "toy@v0.0.1"]
    # A later version, not yet anyone's.
    script = (project / "train.py").read_text()
    (project / "train.py").write_text(script.replace("text * 2", "text * 3"))
    dvc("repro")
    dvc("push")
    shell("git", "commit", "-qam", "second", cwd=project)
    assert shell("gto", "register", "toy", cwd=project).returncode == 0
    for choice, content in (
        (("--rev", "v0.0.1"), first),
        (("--stage", "prod"), first),
        ((), first[: len(first) // 2] * 3),
    ):
        out = tmp_path / "got" / "-".join(("model", *choice))
        out.parent.mkdir(exist_ok=True)
        done = shell(
            "dvc", "artifacts", "get", str(project), "toy", *choice, "--out", str(out), cwd=tmp_path
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert out.read_text() == content


def test_each_model_is_an_artifact_that_a_stage_writes() -> None:
    described = YAML(typ="safe").load(ROOT / "dvc.yaml")
    assert list(described["artifacts"]) == list(MODELS)
    for model, artifact in described["artifacts"].items():
        outs = described["stages"][MODELS[model]]["outs"]
        assert artifact["path"] in [out.replace("${model}", model) for out in outs]
        assert artifact["type"] == "model"
        assert len(artifact["desc"].split()) > 3
        assert {"image-classification", "fashion-mnist"} <= set(artifact["labels"])


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


@contextmanager
def serving(command: list[str], port: int, log: Path) -> Iterator[None]:
    """Run a server until the block ends; it is up when its port answers."""
    with log.open("w") as output:
        server = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with socket.socket() as trying:
                if trying.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert server.poll() is None, log.read_text()
            time.sleep(0.1)
        yield
    finally:
        server.terminate()
        server.wait(10)


@pytest.mark.remote
def test_ssh(project: Path, dvc: Remote, tmp_path: Path, shell: Shell) -> None:
    sshd = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    assert sshd, "sshd is not here: install openssh-server"
    for name in ("host", "user"):
        made = shell("ssh-keygen", "-qt", "ed25519", "-N", "", "-f", name, cwd=tmp_path)
        assert made.returncode == 0, made.stderr
    shutil.copy(tmp_path / "user.pub", tmp_path / "authorized_keys")
    port = free_port()
    (tmp_path / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {tmp_path}/host\n"
        f"AuthorizedKeysFile {tmp_path}/authorized_keys\nPidFile none\nStrictModes no\n"
        "UsePAM no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n"
        "Subsystem sftp internal-sftp\n"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    command = [sshd, "-D", "-e", "-f", str(tmp_path / "sshd_config")]
    with serving(command, port, tmp_path / "sshd.log"):
        url = f"ssh://{getpass.getuser()}@127.0.0.1:{port}{tmp_path}/storage"
        dvc("remote", "add", "--default", "storage", url)
        # Without the key, it stays shut.
        dvc("remote", "modify", "--local", "storage", "allow_agent", "false")
        dvc("remote", "modify", "--local", "storage", "keyfile", str(tmp_path / "host"))
        dvc("push", fails=True)
        dvc("remote", "modify", "--local", "storage", "keyfile", str(tmp_path / "user"))
        push_lose_and_pull(project, dvc)
        assert str(tmp_path / "user") not in (project / ".dvc/config").read_text()


@pytest.mark.remote
def test_s3(project: Path, dvc: Remote, tmp_path: Path, shell: Shell) -> None:
    (tmp_path / "storage" / "bucket").mkdir(parents=True)
    port = free_port()
    command = ["rclone", "serve", "s3", "--addr", f"127.0.0.1:{port}"]
    command += ["--auth-key", "reader,of-the-test", str(tmp_path / "storage")]
    with serving(command, port, tmp_path / "rclone.log"):
        dvc("remote", "add", "--default", "storage", "s3://bucket/cache")
        dvc("remote", "modify", "storage", "endpointurl", f"http://127.0.0.1:{port}")
        dvc("remote", "modify", "--local", "storage", "access_key_id", "reader")
        # With another secret, it stays shut.
        dvc("remote", "modify", "--local", "storage", "secret_access_key", "of-another")
        dvc("push", fails=True)
        dvc("remote", "modify", "--local", "storage", "secret_access_key", "of-the-test")
        push_lose_and_pull(project, dvc)
        assert shell("git", "add", "-A", cwd=project).returncode == 0
        assert shell("git", "grep", "--cached", "of-the-test", cwd=project).stdout == ""
