"""What DVC runs when something changes; and no stage opens a file that it does not declare."""

import re
import shutil
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from dvc.repo import Repo
from ruamel.yaml import YAML

from fashion_cnn.base.models import MODELS as TRAINING
from tests.conftest import ROOT, Shell, SmokeRun, link_environment
from tests.test_pipeline import MODELS, ran

TRAIN = {"train_lenet", "train_vgg", "finetune_vgg11"}
EXPORT = {f"export_images@{model}" for model in MODELS}
EVALUATE = {f"evaluate@{model}" for model in MODELS}
CHECK = {"check_shapes"}
COMPARE = {"compare_models"}
EXPLORE = {"explore"}
ALL = {"download"} | CHECK | TRAIN | EXPORT | EVALUATE | COMPARE | EXPLORE
# Each training, and the stage that runs whenever it does or is taken from the cache.
WITHDRAW = {stage: f"withdraw@{model}" for model, stage in TRAINING.items()}

# Each parameter and the stages that its change runs; the last pattern that fits decides.
PARAMETERS: dict[str, set[str]] = {
    "dataset.*": CHECK | TRAIN,
    **{
        f"dataset.{key}": {"download"} | CHECK | TRAIN
        for key in ("folder", "image_size", "pictures")
    },
    # The shape check takes seconds, and reads params.yaml whole, so that it finds new networks; a
    # section is read whole, so that any key may be overruled.
    "training.*": CHECK | TRAIN,
    "lenet.*": CHECK | {"train_lenet"},
    "vgg.*": CHECK | {"train_vgg"},
    "vgg11.*": CHECK | {"finetune_vgg11"},
    "budget.*": CHECK,
    # What trains nothing new runs nothing else.
    "tensorboard.*": CHECK,
    "export_images.*": CHECK | EXPORT,
    "evaluate.*": CHECK | EVALUATE,
}

# Each file under src/ and stages/ and the stages that its change runs; any other runs none.
USED = TRAIN | EXPORT | EVALUATE | EXPLORE
FILES: dict[str, set[str]] = {
    "src/fashion_cnn/__init__.py": ALL,
    "src/fashion_cnn/base/*.py": ALL,
    "src/fashion_cnn/core/*.py": CHECK | USED,
    "src/fashion_cnn/sources/*.py": {"download"},
    "src/fashion_cnn/core/shapes/*.py": CHECK | USED,
    "src/fashion_cnn/costs/*.py": CHECK,
    "src/fashion_cnn/tracing/*.py": CHECK | EXPORT | EVALUATE,
    "src/fashion_cnn/dataset/images.py": CHECK | USED,
    **{f"src/fashion_cnn/dataset/{name}.py": ALL - COMPARE for name in ("__init__", "idx", "kind")},
    "src/fashion_cnn/trained/*.py": USED,
    **{
        f"src/fashion_cnn/models/{model}.py": CHECK
        | {train, f"export_images@{model}", f"evaluate@{model}"}
        | EXPLORE
        for model, train in zip(MODELS, sorted(TRAIN)[1:] + sorted(TRAIN)[:1], strict=True)
    },
    "src/fashion_cnn/training/*.py": CHECK | TRAIN,
    "src/fashion_cnn/evaluation/*.py": EVALUATE,
    "src/fashion_cnn/pairwise.py": COMPARE,
    "src/fashion_cnn/explore/*": EXPLORE,
    "src/fashion_cnn/visualize/*.py": EXPORT,
    "stages/download.py": {"download"},
    "stages/check_shapes.py": CHECK,
    "stages/train.py": TRAIN,
    "stages/export_images.py": EXPORT,
    "stages/evaluate.py": EVALUATE,
    "stages/compare_models.py": COMPARE,
    "stages/explore.py": EXPLORE,
}

# Each stage and those that read what it writes: they run too where its bytes change.
FOLLOWERS: dict[str, set[str]] = {
    "download": {*WITHDRAW.values()} | CHECK | USED | COMPARE,
    "check_shapes": {*WITHDRAW.values()} | USED | COMPARE,
    "train_lenet": {"export_images@lenet", "evaluate@lenet"} | COMPARE | EXPLORE,
    "train_vgg": {"export_images@vgg", "evaluate@vgg"} | COMPARE | EXPLORE,
    "finetune_vgg11": {"export_images@vgg11", "evaluate@vgg11"} | COMPARE,
    **{
        f"withdraw@{model}": {stage, f"export_images@{model}", f"evaluate@{model}"}
        | COMPARE
        | (set() if model == "vgg11" else EXPLORE)
        for model, stage in TRAINING.items()
    },
    **{stage: set() for stage in EXPORT | COMPARE | EXPLORE},
    **dict.fromkeys(EVALUATE, COMPARE),
}


def leaves(section: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """The dotted names of the values in a section."""
    for key, value in section.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key


def expected(table: dict[str, set[str]], name: str) -> set[str]:
    fitting = [stages for pattern, stages in table.items() if fnmatchcase(name, pattern)]
    stages = fitting[-1] if fitting else set()
    return stages | {WITHDRAW[stage] for stage in stages & TRAIN}


class Recorded:
    """A clone whose dependencies DVC has recorded as they are, as after a run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.repo = Repo(str(folder))
        self.stages = list(self.repo.index.stages)
        outs = {out.fs_path for stage in self.stages for out in stage.outs}
        self.deps = [
            (stage.name, dependency)
            for stage in self.stages
            for dependency in stage.deps
            if dependency.fs_path not in outs
        ]
        for _, dependency in self.deps:
            dependency.save()

    def changed(self, path: Path) -> set[str]:
        """The stages that DVC would run for what `path` holds now."""
        return {
            stage
            for stage, dependency in self.deps
            if path.is_relative_to(dependency.fs_path) and dependency.workspace_status()
        }

    def run_by(self, path: Path, content: str) -> set[str]:
        """The stages that writing `content` to `path` runs; what it held is put back."""
        before = path.read_bytes()
        path.write_text(content)
        stages = self.changed(path)
        path.write_bytes(before)
        return stages


@pytest.fixture(scope="module")
def recorded(make_clone: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    clone = Recorded(make_clone(tmp_path_factory.mktemp("reruns") / "clone"))
    yield clone
    # Whatever was changed and put back runs nothing.
    assert not [stage for stage, dependency in clone.deps if dependency.workspace_status()]


PARAMS_YAML = YAML(typ="safe").load(ROOT / "params.yaml")


# Keys that params.yaml does not have: what a network or its budget overrules.
OVERRULING = ("lenet.seed", "vgg.augmentation.flip", "vgg11.keep", "budget.vgg.parameters")


@pytest.mark.parametrize("key", [*leaves(PARAMS_YAML), *OVERRULING])
def test_a_parameter_runs_its_stages_alone(recorded: Recorded, key: str) -> None:
    values = YAML(typ="safe").load(ROOT / "params.yaml")
    *sections, name = key.split(".")
    section = values
    for part in sections:
        section = section.setdefault(part, {})
    section[name] = "another value"
    path = recorded.folder / "params.yaml"
    before = path.read_text()
    with path.open("w") as file:
        YAML(typ="safe").dump(values, file)
    content = path.read_text()
    path.write_text(before)
    assert any(fnmatchcase(key, each) for each in PARAMETERS), f"{key} is not in the table"
    assert recorded.run_by(path, content) == expected(PARAMETERS, key)


CODE = sorted(
    str(path.relative_to(ROOT))
    for folder in ("src", "stages")
    for pattern in ("*.py", "templates/*")
    for path in (ROOT / folder).rglob(pattern)
)


@pytest.mark.parametrize("name", CODE)
def test_a_file_runs_its_stages_alone(recorded: Recorded, name: str) -> None:
    path = recorded.folder / name
    assert recorded.run_by(path, path.read_text() + "# changed\n") == expected(FILES, name)


@pytest.mark.parametrize(
    "name",
    [
        "config/gate.yaml",
        "config/sweep.yaml",
        "presets/smoke.yaml",
        "src/fashion_cnn/tools/report/templates/chart.css",
    ],
)
def test_a_rule_a_range_a_preset_or_a_colour_runs_nothing(recorded: Recorded, name: str) -> None:
    path = recorded.folder / name
    assert recorded.run_by(path, path.read_text() + "\n") == set()


def test_a_new_network_trains_no_other_one(recorded: Recorded) -> None:
    file = recorded.folder / "src/fashion_cnn/models/resnet.py"
    file.write_text("")
    assert recorded.changed(file) == CHECK | EXPLORE
    file.unlink()
    path = recorded.folder / "params.yaml"
    assert recorded.run_by(path, path.read_text() + "\nresnet:\n  width: 16\n") == CHECK


def test_the_page_says_what_each_key_and_file_runs() -> None:
    page = (ROOT / "docs/parameters.md").read_text()
    table = page.partition("## What a change runs")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.*`.*) \| (.*) \|$", table, re.MULTILINE)
    instances = {"evaluate": EVALUATE, "export_images": EXPORT}

    def stages_of(name: str, separator: str) -> set[str]:
        """The stages of the first row with a section or folder that holds this name."""
        for first, second in rows:
            for each in re.findall("`(.+?)`", first):
                if name == each or name.startswith(each.rstrip("/") + separator):
                    own = f"`{Path(name).stem}`" if second == "its own stage" else second
                    stages = [instances.get(s, {s}) for s in re.findall("`(.+?)`", own)]
                    return set().union(*stages)
        raise AssertionError(f"{name} is in no row")

    for key in leaves(PARAMS_YAML):
        assert stages_of(key, ".") == expected(PARAMETERS, key) - {*WITHDRAW.values()}, key
    for name in CODE:
        assert stages_of(name, "/") == expected(FILES, name) - {*WITHDRAW.values()}, name


def test_every_pattern_of_the_tables_fits_something() -> None:
    for table, names in ((PARAMETERS, [*leaves(PARAMS_YAML)]), (FILES, CODE)):
        assert not [p for p in table if not any(fnmatchcase(name, p) for name in names)]


def test_compiled_python_litter_comments_and_order_run_nothing(recorded: Recorded) -> None:
    cache = recorded.folder / "src/fashion_cnn/models/__pycache__"
    cache.mkdir()
    (cache / "lenet.cpython-311.pyc").write_bytes(b"")
    assert recorded.changed(cache.parent) == set()
    for litter in (".DS_Store", "loop.py~", ".loop.py.swp"):
        file = recorded.folder / "src/fashion_cnn/training" / litter
        file.touch()
        assert recorded.changed(file) == set()
        file.unlink()
    path = recorded.folder / "params.yaml"
    sections = re.split(r"\n(?=\w+:)", path.read_text())
    assert len(sections) == 1 + len(PARAMS_YAML)
    assert recorded.run_by(path, "# a comment\n" + "\n".join(reversed(sections)) + "\n") == set()


def test_new_images_of_one_s_own_run_what_reads_them(recorded: Recorded) -> None:
    path = recorded.folder / "data/own/shop/train-labels-idx1-ubyte"
    path.parent.mkdir()
    path.write_bytes(b"new")
    assert recorded.changed(path) == {"download"}
    shutil.rmtree(path.parent)


@pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")
def test_what_a_stage_writes_reaches_exactly_its_followers(recorded: Recorded) -> None:
    graph = recorded.repo.index.graph
    following: dict[str, set[str]] = {stage.name: set() for stage in recorded.stages}
    for stage in recorded.stages:
        todo = [stage]
        while todo:  # an edge leads from a stage to one whose output it reads
            for found in graph.predecessors(todo.pop()):
                following[stage.name].add(found.name)
                todo.append(found)
    assert following == FOLLOWERS


def test_a_comment_runs_the_trainings_alone_side_by_side_and_taking_it_back_none(
    unchanged: Path, shell: Shell
) -> None:
    def weights() -> dict[str, Any]:
        stages = YAML(typ="safe").load(unchanged / "dvc.lock")["stages"]
        return {stage: stages[stage]["outs"] for stage in TRAIN}

    path, before = unchanged / "stages/train.py", weights()
    text = path.read_text()
    path.write_text(text + "# a comment\n")
    link_environment(unchanged)
    done = shell("make", "repro", "JOBS=3", cwd=unchanged)
    shutil.rmtree(unchanged / ".venv")
    # The weights' bytes are the same again: what was withdrawn comes from DVC's cache of runs.
    assert ran(done) == sorted({*TRAIN, *WITHDRAW.values()})
    assert weights() == before
    path.write_text(text)
    assert ran(shell("dvc", "repro", cwd=unchanged)) == sorted(WITHDRAW.values())
    assert shell("git", "status", "--porcelain", cwd=unchanged).stdout == ""


def test_no_stage_opens_a_file_that_it_does_not_declare(smoke_run: SmokeRun) -> None:
    """Of the files that native code opens by itself, those of safetensors are seen."""
    with Repo(str(smoke_run.folder)) as repo:
        declared = {
            stage.cmd[stage.cmd.index("stages/") :]: [
                Path(file.fs_path) for file in (*stage.deps, *stage.outs)
            ]
            for stage in repo.index.stages
            if "stages/" in stage.cmd
        }
    # Every stage reads params.yaml whole, to tell every fault; runs/ and .checkpoints/ are no
    # part of what it makes.
    free = [smoke_run.folder / name for name in ("params.yaml", "runs", ".checkpoints")]
    opened: dict[str, set[Path]] = {command: set() for command in declared}
    for line in smoke_run.opened:
        command, _, name = line.partition("\t")
        if (path := source(Path(name))).is_relative_to(smoke_run.folder):
            opened[command].add(path)
    for command, paths in opened.items():
        assert smoke_run.folder / command.split()[0] in paths
        allowed = [*declared[command], *free]
        assert not {p for p in paths if not any(p.is_relative_to(a) for a in allowed)}, command
        # DVC would not see that it has changed.
        read = (p for p in paths if not any(p.is_relative_to(each) for each in free))
        assert not [p for p in read if repo.dvcignore.is_ignored_file(str(p))], command


def source(path: Path) -> Path:
    """The file that a compiled or unfinished one stands for."""
    if path.parent.name == "__pycache__":
        return path.parent.parent / (path.name.partition(".")[0] + ".py")
    return Path(*(re.sub(r"^\.(.+?)(\.\d+\.tmp|-\w{8})$", r"\1", part) for part in path.parts))
