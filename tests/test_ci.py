"""CI: workflows call only make targets, with few permissions; its scripts are run here."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.conftest import ROOT, Shell

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
JOBS = [
    pytest.param(workflow, job, id=f"{path.stem}-{name}")
    for path in WORKFLOWS
    for workflow in [YAML(typ="safe").load(path)]
    for name, job in workflow["jobs"].items()
]


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_each_purpose_has_a_workflow() -> None:
    assert [path.stem for path in WORKFLOWS] == ["promote", "pull-request", "retrain"]


@pytest.mark.parametrize(("workflow", "job"), JOBS)
def test_a_job_calls_only_make_and_has_few_permissions(
    workflow: dict[str, Any], job: dict[str, Any]
) -> None:
    assert workflow["permissions"] == {}
    assert workflow["concurrency"]["group"]
    assert job["timeout-minutes"] <= 360
    if workflow["name"] == "pull request":
        assert job["permissions"] == {"contents": "read"}
        assert "secrets" not in str(job)
    for step in job["steps"]:
        if "uses" in step:
            assert re.fullmatch(r"actions/[a-z/-]+@[0-9a-f]{40}", step["uses"])
            if "checkout" in step["uses"]:
                assert step["with"]["persist-credentials"] is False
        else:
            # Nothing that an outsider can choose becomes part of a shell command.
            assert "${{" not in step["run"]
            target = re.fullmatch(r"make (\$TARGET|[a-z-]+)", step["run"])
            assert target
            assert target[1] in {"$TARGET", *make_targets()}
        if pattern := step.get("with", {}).get("cache-dependency-path"):
            assert list(ROOT.glob(pattern))
    matrix = job.get("strategy", {}).get("matrix", {}).get("target", [])
    assert {target.split()[0] for target in matrix} <= make_targets()


def test_what_a_retraining_made_is_cached_even_if_it_fails() -> None:
    workflow = YAML(typ="safe").load(ROOT / ".github/workflows/retrain.yml")
    steps = workflow["jobs"]["retrain"]["steps"]
    restored, saved = (
        next(step for step in steps if f"cache/{kind}@" in step.get("uses", ""))
        for kind in ("restore", "save")
    )
    assert saved["if"] == "always()"
    assert saved["with"]["path"] == restored["with"]["path"]
    assert saved["with"]["key"] == restored["with"]["key"]
    gitlab = YAML(typ="safe").load(ROOT / ".gitlab-ci.yml")["retrain"]["cache"]
    assert gitlab["when"] == "always"
    assert gitlab["paths"] == saved["with"]["path"].split() == [".dvc/cache", ".checkpoints"]


def test_gitlab_does_the_same() -> None:
    described = YAML(typ="safe").load(ROOT / ".gitlab-ci.yml")
    jobs = {name: job for name, job in described.items() if "script" in job}
    assert list(jobs) == ["make", "retrain", "propose", "drift-issue", "promote"]
    for job in jobs.values():
        assert job["timeout"]
        (line,) = job["script"]
        target = re.fullmatch(r"make (\$TARGET|[a-z-]+)", line)
        assert target
        assert target[1] in {"$TARGET", *make_targets()}
    github = YAML(typ="safe").load(ROOT / ".github/workflows/pull-request.yml")
    targets = github["jobs"]["make"]["strategy"]["matrix"]["target"]
    assert jobs["make"]["parallel"]["matrix"] == [{"TARGET": targets}]


@pytest.fixture
def project(reproduced_toy: Path, tmp_path: Path) -> Path:
    """The toy project with CI's scripts, and a `python -m fashion_cnn` that records its calls.

    gate exits with the status in the file `status`; check-lock and report succeed.
    """
    folder = shutil.copytree(reproduced_toy, tmp_path / "project")
    shutil.copytree(ROOT / ".ci", folder / ".ci")
    package = tmp_path / "package" / "fashion_cnn"
    package.mkdir(parents=True)
    # It makes this package take precedence over an installed one.
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(
        "import pathlib, sys\n"
        "with open('calls', 'a') as calls: calls.write(' '.join(sys.argv[1:]) + '\\n')\n"
        "if sys.argv[1] == 'gate':\n"
        "    pathlib.Path('runs').mkdir(exist_ok=True)\n"
        "    pathlib.Path('runs/gate.md').write_text('verdicts\\n')\n"
        "sys.exit(int(open('status').read()) if sys.argv[1] == 'gate' else 0)\n"
    )
    (folder / "status").write_text("0")
    (folder / ".gitignore").write_text("/calls\n/status\n/runs\n/src\n")
    (folder / "src/fashion_cnn/models").mkdir(parents=True)
    for model in ("lenet", "vgg"):
        (folder / f"src/fashion_cnn/models/{model}.py").touch()
    return folder


def run(project: Path, shell: Shell, script: str, **variables: str) -> tuple[int, str, list[str]]:
    """Run one of CI's scripts; return its status, its output and its calls of the package."""
    (project / "calls").write_text("")
    package = str(project.parent / "package")
    done = shell(f".ci/{script}", cwd=project, PYTHONPATH=package, **variables)
    return done.returncode, done.stdout + done.stderr, (project / "calls").read_text().splitlines()


def test_retraining_without_a_remote_says_so_and_goes_on(project: Path, shell: Shell) -> None:
    (project / "params.yaml").write_text("seed: 2\n")
    status, output, calls = run(project, shell, "retrain")
    assert status == 0, output
    assert "no remote is configured: continuing without one" in output
    assert "Running stage 'train'" in output
    assert calls == ["report --baseline HEAD", "gate --baseline=HEAD"]
    seen = (project / "runs/gate_open").read_text()
    assert seen == shell(".ci/tree", ".", cwd=project).stdout
    # Against nothing but the limits, the gate lets nothing be proposed.
    assert run(project, shell, "gate", BASELINE="none")[0] == 0
    assert not (project / "runs/gate_open").exists()


def test_a_closed_gate_fails_after_the_report(project: Path, shell: Shell) -> None:
    (project / "runs").mkdir()
    (project / "runs/gate_open").write_text("of an earlier run")
    (project / "status").write_text("1")
    status, _, calls = run(project, shell, "retrain", BASELINE="main")
    assert (status, calls) == (1, ["report --baseline main", "gate --baseline=main"])
    assert not (project / "runs/gate_open").exists()


def test_a_failed_stage_reaches_no_gate(project: Path, shell: Shell) -> None:
    (project / "train.py").write_text("raise SystemExit(1)\n")
    status, _, calls = run(project, shell, "retrain")
    assert status != 0
    assert calls == []


def test_a_remote_is_pulled_from_and_may_be_out_of_reach(project: Path, shell: Shell) -> None:
    storage = project.parent / "storage"
    shell("dvc", "remote", "add", "-d", "storage", str(storage), cwd=project)
    assert shell("dvc", "push", "--run-cache", cwd=project).returncode == 0
    shutil.rmtree(project / ".dvc/cache")
    shutil.rmtree(project / "data")
    status, output, _ = run(project, shell, "retrain")
    assert status == 0, output
    assert "Running stage" not in output
    # A kind of remote whose plugin is not installed.
    shell("dvc", "remote", "modify", "storage", "url", "azure://container", cwd=project)
    shutil.rmtree(project / ".dvc/cache")
    shutil.rmtree(project / "data")
    status, output, _ = run(project, shell, "retrain")
    assert status == 0, output
    assert "the remote cannot be read: continuing without it" in output
    assert "Running stage 'train'" in output


def test_a_run_is_pushed_only_if_it_passed_the_gate(
    project: Path, shell: Shell, tmp_path: Path
) -> None:
    storage = tmp_path / "storage"
    shell("dvc", "remote", "add", "-d", "storage", str(storage), cwd=project)
    (project / "status").write_text("1")
    assert run(project, shell, "retrain")[0] == 1
    assert not storage.exists()
    (project / "status").write_text("0")
    status, output, _ = run(project, shell, "retrain")
    assert status == 0, output
    model = project / "data/model"
    trained = model.read_text()
    shutil.rmtree(project / ".dvc/cache")
    model.unlink()
    assert shell("dvc", "pull", cwd=project).returncode == 0
    assert model.read_text() == trained


def test_the_proposal_mentions_a_remote_that_cannot_be_written(
    project: Path, shell: Shell, tmp_path: Path
) -> None:
    shell("dvc", "remote", "add", "-d", "storage", str(tmp_path / "storage"), cwd=project)
    path = shell("printenv", "PATH", cwd=project).stdout.strip()
    dvc = shutil.which("dvc", path=path)
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "dvc").write_text(f'#!/bin/sh\n[ "$1" != push ] && exec {dvc} "$@"\nexit 255\n')
    (tools / "dvc").chmod(0o755)
    status, output, _ = run(project, shell, "retrain", PATH=f"{tools}:{path}")
    assert status == 0, output
    message = (project / "runs/gate.md").read_text()
    assert message.startswith(
        "verdicts\nthe remote cannot be written: only this machine's cache has"
    )


@pytest.fixture
def origin(project: Path, shell: Shell) -> Path:
    """A bare repository that the project pushes to; the project's commit has CI's scripts."""
    origin = project.parent / "origin.git"
    shell("git", "init", "-q", "--bare", str(origin), cwd=project)
    shell("git", "remote", "add", "origin", str(origin), cwd=project)
    shell("git", "add", "-A", cwd=project)
    shell("git", "commit", "-qm", "CI", cwd=project)
    return origin


@pytest.fixture
def handed(project: Path, origin: Path, shell: Shell) -> Path:
    """Another job's run: a new lock and metrics, as the gate saw them, and a script not to use."""
    handed = project.parent / "handed"
    for name in ("metrics", "plots", "runs", ".ci"):
        (handed / name).mkdir(parents=True)
    (handed / "dvc.lock").write_text("schema: '2.0'\n")
    (handed / "metrics/train.json").write_text("{}\n")
    (handed / "plots/curve.csv").write_text("epoch\n")
    (handed / "plots/picture.png").write_text("of DVC's cache")
    (handed / ".ci/propose").write_text("exit 9\n")
    (handed / "runs/gate.md").write_text("| rule |\n")
    (handed / "report.md").write_text("# Report\n")
    seen = shell(".ci/tree", str(handed), cwd=project)
    (handed / "runs/gate_open").write_text(seen.stdout)
    return handed


Propose = Callable[..., tuple[int, str]]


@pytest.fixture
def propose(project: Path, shell: Shell, tmp_path: Path, handed: Path) -> Propose:
    """Run .ci/propose for the handed run, with a `gh` that knows the requests it has opened."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "gh").write_text(
        "#!/bin/sh\n"
        'case "$1 $2" in\n'
        '"auth status") exec test -n "$GH_TOKEN";;\n'
        f'"pr list") exec cat {tmp_path}/opened;;\n'
        f'"pr create") echo "gh $*"; echo url-of-it > {tmp_path}/opened;;\n'
        "esac\n"
    )
    (tools / "gh").chmod(0o755)
    (tmp_path / "opened").touch()
    path = shell("printenv", "PATH", cwd=project).stdout.strip()
    given = {"BASE": "main", "BRANCH": "retrain/1", "RUN": str(handed), "GH_TOKEN": "of-the-test"}

    def call(**variables: str) -> tuple[int, str]:
        return run(project, shell, "propose", PATH=f"{tools}:{path}", **(given | variables))[:2]

    return call


def test_a_run_is_proposed_with_its_lock_metrics_and_plots_only(
    project: Path, origin: Path, handed: Path, propose: Propose, shell: Shell
) -> None:
    (project / "train.py").write_text("# an edit that does not belong to the run\n")
    before = shell("git", "status", "--porcelain", "--branch", cwd=project).stdout
    status, output = propose()
    assert status == 0, output
    assert (
        f"--base main --head retrain/1 --title Retrain --body-file {handed}/runs/proposal.md"
        in output
    )
    assert (handed / "runs/proposal.md").read_text() == "| rule |\n# Report\n"
    changed = shell("git", "show", "--name-status", "--format=", "retrain/1", cwd=origin).stdout
    assert changed.split() == ["M", "dvc.lock", "A", "metrics/train.json", "A", "plots/curve.csv"]
    assert shell("git", "status", "--porcelain", "--branch", cwd=project).stdout == before
    # Twice: it is there already.
    status, output = propose()
    assert (status, output.splitlines()) == (
        0,
        ["retrain/1 has been pushed already", "url-of-it has been opened already"],
    )


def test_a_branch_that_was_not_pushed_at_first_is_pushed_by_the_second_call(
    origin: Path, propose: Propose, shell: Shell
) -> None:
    hook = origin / "hooks/pre-receive"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    assert propose()[0] != 0
    hook.unlink()
    status, output = propose()
    assert status == 0, output
    assert shell("git", "rev-parse", "--verify", "retrain/1", cwd=origin).returncode == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("edit", "are not those that the gate saw"),
        ("add", "are not those that the gate saw"),
        ("delete", "are not those that the gate saw"),
        ("commit", "are not those that the gate saw"),
        ("close", "this run has passed no gate"),
        ("no report", "report.md is missing: make it with 'make report'"),
        ("no run", "RUN: expected a folder with the run's dvc.lock"),
        ("GH_TOKEN=", "gh may not open a pull request: set GH_TOKEN"),
        ("BRANCH=a..b", "BRANCH: 'a..b' is not a name that git takes"),
        ("BRANCH=main", "BRANCH: expected a new branch, got BASE itself"),
        ("BRANCH=taken", "BRANCH: 'taken' is there already, with another run"),
    ],
)
def test_what_the_gate_did_not_see_or_nobody_may_open_is_not_proposed(
    project: Path,
    origin: Path,
    handed: Path,
    propose: Propose,
    shell: Shell,
    change: str,
    message: str,
) -> None:
    shell("git", "push", "-q", "origin", "HEAD:taken", cwd=project)
    name, _, value = change.partition("=")
    match change:
        case "edit":
            (handed / "metrics/train.json").write_text('{"accuracy": 1}\n')
        case "add":
            (handed / "metrics/more.json").write_text("{}\n")
        case "delete":
            (handed / "plots/curve.csv").unlink()
        case "commit":
            shell("git", "commit", "-q", "--allow-empty", "-am", "other", cwd=project)
            (project / "train.py").write_text("# other code\n")
            shell("git", "commit", "-qam", "other code", cwd=project)
        case "close":
            (handed / "runs/gate_open").unlink()
        case "no report":
            (handed / "report.md").unlink()
        case "no run":
            (handed / "dvc.lock").unlink()
    status, output = propose(**({name: value} if value or name == "GH_TOKEN" else {}))
    assert status == 1
    assert output.startswith("error: ")
    assert message in output
    assert output.count("\n") == 1
    assert shell("git", "branch", "--format=%(refname:short)", cwd=origin).stdout == "taken\n"


def test_the_working_tree_s_own_run_is_proposed_without_uncommitted_code(
    project: Path, handed: Path, propose: Propose, shell: Shell
) -> None:
    assert propose(RUN=".") == (0, "the run is the one already committed: nothing to propose\n")
    shutil.copytree(handed, project, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".ci"))
    with (project / ".git/info/exclude").open("a") as exclude:
        exclude.write("/report.md\n*.png\n")
    (project / "train.py").write_text("# an edit\n")
    status, output = propose(RUN=".")
    assert status == 1
    assert "what the run was made from is not committed: see 'git status'" in output
    shell("git", "checkout", "-q", "train.py", cwd=project)
    assert propose(RUN=".")[0] == 0


def test_without_gh_a_proposal_says_so(handed: Path, project: Path, shell: Shell) -> None:
    programs = ("bash", "cat", "dirname", "git", "mktemp", "rm")
    tools = project.parent / "few"
    tools.mkdir()
    for name in programs:
        found = shutil.which(name)
        assert found
        (tools / name).symlink_to(found)
    variables = {"BASE": "main", "BRANCH": "retrain/1", "RUN": str(handed), "PATH": str(tools)}
    status, output, _ = run(project, shell, "propose", **variables)
    assert (status, output) == (1, "error: gh is not installed: see https://cli.github.com\n")


def test_an_issue_is_opened_once_where_the_gate_asks_for_it(project: Path, shell: Shell) -> None:
    tools = project.parent / "tools"
    tools.mkdir()
    (tools / "gh").write_text(
        '#!/bin/sh\n[ "$2" = list ] && exec cat opened\necho "gh $1 $2"; echo url > opened\n'
    )
    (tools / "gh").chmod(0o755)
    (project / "opened").touch()
    path = f"{tools}:{shell('printenv', 'PATH', cwd=project).stdout.strip()}"
    assert run(project, shell, "drift-issue", PATH=path)[:2] == (
        0,
        "no drift that asks for an issue\n",
    )
    (project / "runs").mkdir()
    (project / "runs/drift_issue.md").write_text("- far\n")
    assert run(project, shell, "drift-issue", PATH=path)[:2] == (0, "gh issue create\n")
    assert run(project, shell, "drift-issue", PATH=path)[:2] == (0, "gh issue comment\n")


def test_gitlab_opens_a_merge_request_with_the_push(
    project: Path, origin: Path, handed: Path, shell: Shell
) -> None:
    shell("git", "config", "receive.advertisePushOptions", "true", cwd=origin)
    hook = origin / "hooks/pre-receive"
    hook.write_text("#!/bin/sh\necho $GIT_PUSH_OPTION_0 $GIT_PUSH_OPTION_1\n")
    hook.chmod(0o755)
    variables = {
        "BASE": "main",
        "BRANCH": "retrain/7",
        "RUN": str(handed),
        "GITLAB_CI": "true",
        "CI_PROJECT_URL": str(origin).removesuffix(".git"),
    }
    status, output, _ = run(project, shell, "propose", **variables)
    assert status == 1
    assert output.startswith("error: PROPOSE_TOKEN is not set")
    status, output, _ = run(project, shell, "propose", PROPOSE_TOKEN="of-the-test", **variables)
    assert status == 0, output
    assert "merge_request.create" in output
    assert "merge_request.target=main" in output
    changed = shell("git", "show", "--name-only", "--format=", "retrain/7", cwd=origin).stdout
    assert changed.split() == ["dvc.lock", "metrics/train.json", "plots/curve.csv"]


def test_a_tag_publishes_the_weights_that_it_names(
    project: Path, shell: Shell, tmp_path: Path
) -> None:
    described = (project / "dvc.yaml").read_text()
    (project / "dvc.yaml").write_text(
        described.replace("data/model", "data/models/lenet.safetensors")
    )
    script = (project / "train.py").read_text()
    (project / "train.py").write_text(
        script.replace("'data/model'", "'data/models/lenet.safetensors'").replace(
            "text =", "pathlib.Path('data/models').mkdir(exist_ok=True)\ntext ="
        )
    )
    shell("dvc", "remote", "add", "-d", "storage", str(tmp_path / "storage"), cwd=project)
    for command in (
        ("dvc", "repro"),
        ("dvc", "push"),
        ("git", "add", "-A"),
        ("git", "commit", "-qm", "a run"),
        ("git", "tag", "lenet@v1.0.0"),
    ):
        assert shell(*command, cwd=project).returncode == 0
    weights = project / "data/models/lenet.safetensors"
    content = weights.read_bytes()
    promoted = project / "runs/promoted/lenet.safetensors"

    def promote() -> tuple[int, str, list[str]]:
        shutil.rmtree(project / "runs", ignore_errors=True)
        weights.unlink(missing_ok=True)
        return run(project, shell, "promote", TAG="lenet@v1.0.0")

    shutil.rmtree(project / ".dvc/cache")
    status, output, calls = promote()
    assert status == 0, output
    assert calls == ["check-lock", "gate --baseline=none --model=lenet"]
    assert "in production: no other version of lenet" in output
    assert promoted.read_bytes() == content
    # From DVC's cache alone.
    shutil.rmtree(tmp_path / "storage")
    assert promote()[0] == 0
    assert promoted.read_bytes() == content
    shutil.rmtree(project / ".dvc/cache")
    status, output, _ = promote()
    assert status == 1
    assert "error: neither DVC's cache nor a remote has the weights of lenet@v1.0.0" in output
    assert not promoted.exists()
    (project / "status").write_text("1")
    assert promote()[0] == 1
    assert not promoted.exists()


@pytest.mark.parametrize(
    "tag", ["v1.0.0", "resnet@v1.0.0", "lenet@v1", "lenet@v1.0.0; id", "$(id)"]
)
def test_a_malformed_tag_is_refused(project: Path, shell: Shell, tag: str) -> None:
    status, output, calls = run(project, shell, "promote", TAG=tag)
    assert (status, calls) == (1, [])
    assert output.startswith("error: TAG: expected MODEL@vX.Y.Z or MODEL#STAGE, got")


def test_a_tag_of_a_network_of_one_s_own_is_taken(project: Path, shell: Shell) -> None:
    (project / "src/fashion_cnn/models/resnet.py").touch()
    output = run(project, shell, "promote", TAG="resnet@v1.0.0")[1]
    assert output.startswith("error: TAG: there is no git tag 'resnet@v1.0.0'")


def test_a_tag_that_is_missing_or_of_another_commit_is_refused(project: Path, shell: Shell) -> None:
    status, output, calls = run(project, shell, "promote", TAG="lenet@v1.0.0")
    assert (status, calls) == (1, [])
    assert output == (
        "error: TAG: there is no git tag 'lenet@v1.0.0': make it with gto, or fetch it with "
        "'git fetch --tags'\n"
    )
    shell("git", "tag", "lenet@v1.0.0", cwd=project)
    shell("git", "commit", "-q", "--allow-empty", "-m", "later", cwd=project)
    status, output, _ = run(project, shell, "promote", TAG="lenet@v1.0.0")
    assert status == 1
    assert output.startswith("error: TAG: expected a tag of the commit that is checked out")
    status, output, _ = run(project, shell, "promote", TAG="")
    assert (status, output.count("\n")) == (1, 1)


def test_a_promotion_is_compared_with_what_gto_has_in_production(
    project: Path, shell: Shell
) -> None:
    def commit(*tags: str) -> str:
        shell("git", "commit", "-q", "--allow-empty", "-m", "a version", cwd=project)
        tag(*tags)
        return shell("git", "rev-parse", "HEAD", cwd=project).stdout.strip()

    def tag(*names: str) -> None:
        for name in names:
            shell("git", "tag", "--annotate", "--message", "as gto does", name, cwd=project)

    def baseline(tag: str) -> str:
        output, calls = run(project, shell, "promote", TAG=tag)[1:]
        assert calls[0] == "check-lock", output
        return calls[1].removeprefix("gate --baseline=").removesuffix(" --model=lenet")

    (project / "status").write_text("1")  # no more than the gate's call is of interest
    first = commit("lenet@v1.0.0", "lenet#prod#1", "vgg@v1.0.0", "vgg#prod#1")
    assert baseline("lenet@v1.0.0") == "none"
    second = commit("lenet@v1.1.0", "lenet#staging#2")
    assert baseline("lenet@v1.1.0") == first
    # Its own assignment does not make it its own baseline.
    tag("lenet#prod#3")
    assert baseline("lenet#prod#3") == first
    commit("lenet@v1.2.0")
    assert baseline("lenet@v1.2.0") == second


def test_a_scheduled_retraining_trains_only_if_an_import_has_moved(
    project: Path, origin: Path, shell: Shell, tmp_path: Path
) -> None:
    quiet: tuple[int, str, list[str]] = (
        0,
        "no import in data/own has moved: nothing to train\n",
        [],
    )
    assert run(project, shell, "retrain", UPDATE="moved") == quiet
    source = tmp_path / "source"
    source.write_text("pictures")
    (project / "data/own").mkdir()
    (project / "data/own/added").write_text("not an import")
    for command in (
        ("dvc", "import-url", str(source), "data/own/shop"),
        ("dvc", "add", "data/own/added"),
        ("git", "add", "-A"),
        ("git", "commit", "-qm", "data"),
    ):
        assert shell(*command, cwd=project).returncode == 0
    status, output, calls = run(project, shell, "retrain", UPDATE="moved")
    assert (status, calls) == (0, [])
    assert output.endswith(quiet[1])
    source.write_text("other pictures")
    status, output, calls = run(project, shell, "retrain", UPDATE="moved")
    assert status == 0, output
    assert len(calls) == 2
    # The run that is proposed has the import that it was made from.
    seen = (project / "runs/gate_open").read_text().strip()
    changed = shell("git", "diff", "--name-only", "HEAD", seen, cwd=project).stdout
    assert changed == "data/own/shop.dvc\n"
