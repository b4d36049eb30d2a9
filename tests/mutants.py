"""Change the code in 300 places drawn by seed, one by one, and see whether the tests notice.

python tests/mutants.py [PROCESSES]: mutmut, as pyproject.toml sets it, makes the changes, and runs
for each the tests that call the function, until one fails. What it found is kept in mutants/, so
that the same command goes on where it was stopped. `mutmut show NAME` shows a change.
"""

import os
import random
import sys
from pathlib import Path

import hypothesis
import mutmut.__main__ as program
from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.stats import status_by_exit_code
from mutmut.utils import file_utils
from ruamel.yaml import YAML

SEED = 0
MUTANTS = 300
# mutmut's own number for a mutant that it passes over.
SKIPPED = 34
# The changes that no test can notice: lines removed and added, and why that is so.
EQUIVALENT = Path("tests/equivalent_mutants.yaml")


def files() -> list[SourceFileMutationData]:
    """Return what mutmut knows about each changed file."""
    known = [SourceFileMutationData(path=path) for path in file_utils.walk_mutatable_files()]
    for file in known:
        file.load()
    return known


def draw() -> set[str]:
    """Make all mutants, and let mutmut pass over those that are not drawn."""
    set_mutant_under_test("mutant_generation")
    Path("mutants").mkdir(exist_ok=True)
    file_utils.copy_src_dir()
    file_utils.copy_also_copy_files()
    file_utils.setup_source_paths()
    with program.CatchOutput():
        program.create_mutants(1)
    names = sorted(name for file in files() for name in file.exit_code_by_key)
    drawn = set(random.Random(SEED).sample(names, MUTANTS))
    for file in files():
        for name, code in file.exit_code_by_key.items():
            if name not in drawn:
                file.exit_code_by_key[name] = SKIPPED
            elif code == SKIPPED:
                file.exit_code_by_key[name] = None
        file.save()
    return drawn


def change(name: str, path: Path) -> list[str]:
    """Return the lines that a mutant removes and adds."""
    lines = get_diff_for_mutant(name, path=path).splitlines()[2:]
    return [f"{line[0]} {line[1:].strip()}" for line in lines if line[:1] in ("-", "+")]


def report(drawn: set[str]) -> str:
    """Print the mutants that no test noticed, and return the score."""
    equivalent = YAML(typ="safe").load(EQUIVALENT)
    counts = dict.fromkeys(("noticed", "equivalent", "unnoticed", "not run"), 0)
    for file in files():
        for name, code in file.exit_code_by_key.items():
            status = status_by_exit_code[code]
            if name not in drawn:
                continue
            if status in ("killed", "timeout", "segfault"):
                counts["noticed"] += 1
            elif status not in ("survived", "no tests"):
                counts["not run"] += 1
            elif change(name, file.path) in [entry["change"] for entry in equivalent]:
                counts["equivalent"] += 1
            else:
                counts["unnoticed"] += 1
                print(name, *change(name, file.path), sep="\n    ")
    ran = counts["noticed"] + counts["unnoticed"]
    score = counts["noticed"] / ran if ran else 0.0
    return ", ".join(f"{n} {what}" for what, n in counts.items()) + f": {score:.1%} noticed"


def main() -> None:
    """Run the drawn mutants that have not run, and report on all."""
    drawn = draw()
    here = Path("data/fashion_mnist").resolve()
    if here.is_dir():
        os.environ["FASHION_MNIST_DIR"] = str(here)
    # A fifth of the usual examples; one that fails will do: to look for the shortest takes minutes.
    phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
    hypothesis.settings.register_profile("mutants", phases=phases, max_examples=20)
    hypothesis.settings.load_profile("mutants")
    program._run((), int(sys.argv[1]) if sys.argv[1:] else os.cpu_count())
    print(report(drawn))


if __name__ == "__main__":
    main()
