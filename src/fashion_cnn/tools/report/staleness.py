"""Which files of a revision are stale, and what differs between two revisions."""

from collections.abc import Iterator
from contextlib import suppress

from fashion_cnn.base.errors import InputError
from fashion_cnn.base.settings import flatten
from fashion_cnn.tools import lockfile
from fashion_cnn.tools.lockfile import Lockfile
from fashion_cnn.tools.revision import MissingError, Revision
from fashion_cnn.tools.trust import lock

# Reasons that are named one by one; further ones are counted.
NAMED = 4


def withhold(revision: Revision) -> list[str]:
    """Make a revision refuse its stale files; return a line on them, and one on later edits."""
    found = lockfile.stale(_locked(revision))
    revision.withheld = found
    lines = []
    if found:
        stages = ", ".join(dict.fromkeys(found.values()))
        lines.append(
            f"Not shown, as of an earlier run than the rest of {revision.title}: "
            f"{_list(list(found))}. Make them anew: dvc repro {stages.replace(',', '')}"
        )
    if revision.is_workspace:
        with suppress(InputError):
            found_now = lock.stages_by_fault(revision.root).items()
            made = [each for each in found_now if "is not the version" not in each[0]]
            if reasons := [_brief(*each) for each in made if each[0] != "no entry"]:
                lines.append(
                    "Shown as of the last run, though these have changed since: "
                    f"{_list(reasons, '; ')}. Make all of it anew: dvc repro"
                )
    return lines


def differences(now: Revision, baseline: Revision) -> Iterator[str]:
    """Yield what differs from the baseline: each parameter, the code, the data."""
    if now.same_as(baseline):
        return
    after, before = parameters(now), parameters(baseline)
    for key in dict.fromkeys((*after, *before)):
        if after.get(key) != before.get(key):
            yield f"{key} {show(before.get(key))} to {show(after.get(key))}"
    new, old = _inputs(_locked(now)), _inputs(_locked(baseline))
    changed = [path for path in new if old.get(path, "") != new[path]] if new and old else []
    code = [path for path in changed if path.startswith(("src/", "stages/"))]
    if code:
        yield f"code in {_list(code)}"
    if "data/fashion_mnist" in changed:
        yield "the images"


def parameters(revision: Revision) -> dict[str, object]:
    """Return the values of params.yaml by their dotted names; none where it cannot be read."""
    try:
        return flatten(revision.yaml("params.yaml") or {})
    except (MissingError, AttributeError):
        return {}


def show(value: object) -> str:
    """Write a parameter as in YAML."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list):
        return ", ".join(map(show, value))
    return str(value)


def _brief(fault: str, stages: list[str]) -> str:
    """Return a fault with its stages, counted where there are many."""
    return f"{fault}: {', '.join(stages) if len(stages) <= NAMED else f'{len(stages)} stages'}"


def _locked(revision: Revision) -> Lockfile:
    with suppress(MissingError):
        return lockfile.read(revision)
    return Lockfile()


def _inputs(locked: Lockfile) -> dict[str, str]:
    return {file.path: file.md5 for file in locked.inputs}


def _list(items: list[str], between: str = ", ") -> str:
    more = f"{between}and {len(items) - NAMED} more" if len(items) > NAMED else ""
    return between.join(items[:NAMED]) + more
