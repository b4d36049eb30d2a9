"""config/*.sbatch on a real Slurm of this machine: two nodes, jobs that are requeued, an array."""

import getpass
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.conftest import Shell, put_preset
from tests.processes import wait_until

pytestmark = pytest.mark.slurm
Job = Callable[..., str]
WEIGHTS = "data/models/lenet.safetensors"

SLURM_CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={ports[0]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
ReturnToService=2
MpiDefault=none
JobRequeue=1
KillWait=60
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=2
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=2
PartitionName=all Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP OverSubscribe=YES:4
"""


def free_ports(count: int) -> list[int]:
    """Return ports that nothing listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A Slurm with two nodes on this machine; yields the environment that its commands need."""
    for command in ("munged", "slurmctld", "slurmd", "sbatch"):
        if not shutil.which(command, path=f"{os.environ['PATH']}:/usr/sbin"):
            pytest.skip(f"{command} is needed: apt-get install slurmctld slurmd slurm-client munge")
    # A socket's path may have 107 characters.
    folder = Path(f"/tmp/slurm-test-{os.getpid()}")
    (folder / "state").mkdir(parents=True)
    environment = os.environ | {"PATH": f"{os.environ['PATH']}:/usr/sbin"}
    environment["SLURM_CONF"] = str(folder / "slurm.conf")
    (folder / "slurm.conf").write_text(
        SLURM_CONF.format(
            host=socket.gethostname().split(".")[0],
            user=getpass.getuser(),
            folder=folder,
            ports=free_ports(3),
        )
    )
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o400)
    folder.chmod(0o755)
    daemons = [
        (
            *("munged", "--foreground", "--force", f"--socket={folder}/munge.socket"),
            *(f"--key-file={folder}/munge.key", f"--pid-file={folder}/munged.pid"),
            *(f"--log-file={folder}/munged.log", f"--seed-file={folder}/munge.seed"),
        ),
        ("slurmctld", "-D"),
        ("slurmd", "-D", "-N", "n1"),
        ("slurmd", "-D", "-N", "n2"),
    ]
    started = []
    try:
        for daemon in daemons:
            with (folder / f"{daemon[0]}-{daemon[-1]}.out".replace("/", "-")[-60:]).open(
                "w"
            ) as out:
                started.append(subprocess.Popen(daemon, env=environment, stdout=out, stderr=out))
            time.sleep(2)
        idle = ["sinfo", "--noheader", "--states=idle", "--format=%D"]
        for _ in range(60):
            found = subprocess.run(
                idle, env=environment, capture_output=True, text=True, check=False
            )
            if found.stdout.strip() == "2":
                break
            time.sleep(1)
        else:
            raise AssertionError(found, [path.read_text()[-2000:] for path in folder.glob("*.log")])
        yield {name: environment[name] for name in ("PATH", "SLURM_CONF")}
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait(30)
        shutil.rmtree(folder)


@pytest.fixture
def project(clone: Path, shell: Shell) -> Path:
    """A clone with the smoke preset, in which all that comes before a training is done."""
    put_preset(clone, shell, "smoke")
    done = shell("dvc", "repro", "check_shapes", cwd=clone)
    assert done.returncode == 0, done.stderr
    return clone


@pytest.fixture
def submit(project: Path, shell: Shell, slurm: dict[str, str]) -> Job:
    """Submit config/slurm.sbatch, or another command, in the project; return the job's number."""

    def call(
        *options: str,
        command: Sequence[str] = ("config/slurm.sbatch", "train_lenet"),
        **variables: str,
    ) -> str:
        variables |= {"OMP_NUM_THREADS": "1", **slurm, "RENDEZVOUS_HOST": "127.0.0.1"}
        variables["PATH"] = f"{Path(sys.executable).parent}:{slurm['PATH']}"
        done = shell("sbatch", "--parsable", *options, *command, cwd=project, **variables)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return call


def ended(project: Path, slurm: dict[str, str], shell: Shell, job: str) -> str:
    """Wait for the job's end, and return what it printed."""
    for _ in range(900):
        state = shell(
            "squeue",
            "--noheader",
            "--states=all",
            "--jobs",
            job,
            "--format=%T",
            cwd=project,
            **slurm,
        )
        if state.stdout.strip() in {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL"}:
            break
        time.sleep(1)
    out = (project / f"slurm-{job}.txt").read_text()
    assert state.stdout.strip() == "COMPLETED", out
    return out


def test_two_nodes_train_together(
    project: Path, submit: Job, slurm: dict[str, str], shell: Shell
) -> None:
    job = submit("--nodes=2")
    out = ended(project, slurm, shell, job)
    assert out.count("lenet: validation accuracy") == 1
    assert '"processes": 2' in (project / "metrics/train/lenet.json").read_text()
    assert (project / WEIGHTS).is_file()
    assert "train_lenet" not in shell("dvc", "status", "train_lenet", cwd=project).stdout


def test_a_requeued_job_resumes_to_the_same_bytes(
    project: Path, submit: Job, slurm: dict[str, str], shell: Shell
) -> None:
    path = project / "params.yaml"
    # Long enough to be found in its second epoch.
    path.write_text(path.read_text().replace("train_images: 4000", "train_images: 20000"))
    done = shell("dvc", "repro", "train_lenet", cwd=project, OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.stderr
    whole = (project / WEIGHTS).read_bytes()
    # Not from DVC's caches: it is to be trained again.
    for folder in ("data/models", ".dvc/cache"):
        shutil.rmtree(project / folder)
    done = shell("dvc", "repro", "check_shapes", "-f", cwd=project)
    assert done.returncode == 0, done.stderr
    job = submit()
    printed = project / f"slurm-{job}.txt"
    for _ in range(600):
        if printed.is_file() and "lenet epoch 1:" in printed.read_text():
            break
        time.sleep(0.2)
    assert shell("scontrol", "requeue", job, cwd=project, **slurm).returncode == 0
    out = ended(project, slurm, shell, job)
    assert "stopped by SIGTERM in epoch" in out
    assert "lenet: resumed in epoch" in out
    assert (project / WEIGHTS).read_bytes() == whole


def test_the_tasks_of_an_array_share_a_sweep_and_a_requeued_one_resumes_its_trial(
    project: Path, submit: Job, slurm: dict[str, str], shell: Shell
) -> None:
    path = project / "params.yaml"
    # Long enough to be found in its second epoch.
    path.write_text(path.read_text().replace("train_images: 4000", "train_images: 20000"))
    done = shell("dvc", "repro", "check_shapes", cwd=project)
    assert done.returncode == 0, done.stderr
    (project / "config/sweep.yaml").write_text(
        "trials: 3\nlenet:\n  learning_rate: {low: 0.002, high: 0.008, log: true}\n"
    )
    job = submit("--array=1-2", command=("config/slurm-worker.sbatch", "sweep", "lenet"))
    workers = [f"{job}_{task}" for task in (1, 2)]
    first = project / f"slurm-{workers[0]}.txt"
    logs = project / "runs/experiments"

    def trials(printed: str) -> list[str]:
        return re.findall(r"(?m)^(lenet-sweep-\S+): lenet.learning_rate=", printed)

    def log(name: str) -> str:
        file = logs / f"{name}.log"
        return file.read_text() if file.is_file() else ""

    wait_until(lambda: first.is_file() and trials(first.read_text()))
    begun = trials(first.read_text())
    wait_until(lambda: "lenet epoch 1:" in log(begun[0]), 600)
    assert shell("scontrol", "requeue", workers[0], cwd=project, **slurm).returncode == 0
    printed = [ended(project, slurm, shell, worker) for worker in workers]
    assert "stopped by SIGTERM in epoch" in log(begun[0])
    names = {name for text in printed for name in trials(text)}
    assert all(trials(text) for text in printed)
    # That of the requeued task is taken up again, by either of them, under another name.
    assert len(names) == 4
    assert len([name for name in names if "lenet: resumed in" in log(name)]) == 1
    table = "validation accuracy of the best of 3 trials; 0 ended early:"
    ends = [text[text.rindex(table) :] for text in printed]
    assert ends[0] == ends[1]
    assert {*re.findall(r"(?m)^[\d.]+  (\S+): ", ends[0])} == names - {begun[0]}


def test_the_tasks_of_an_array_share_the_seeds(
    project: Path, submit: Job, slurm: dict[str, str], shell: Shell
) -> None:
    job = submit("--array=1-2", command=("config/slurm-worker.sbatch", "seeds", "lenet", "3"))
    printed = [ended(project, slurm, shell, f"{job}_{task}") for task in (1, 2)]
    measured = [re.findall(r"(?m)^(lenet-seed-\d): test accuracy", text) for text in printed]
    assert all({*names} == {f"lenet-seed-{seed}" for seed in range(3)} for names in measured)
    tables = [text[text.index("seed ") :].splitlines()[-6:] for text in printed]
    assert tables[0] == tables[1]
    assert [line.split()[0] for line in tables[0]] == ["0", "1", "2", "mean", "standard", "95%"]
    # Each seed was trained by one of them, once.
    logs = [(project / f"runs/experiments/lenet-seed-{seed}.log").read_text() for seed in range(3)]
    assert [log.count("lenet: validation accuracy") for log in logs] == [1, 1, 1]
