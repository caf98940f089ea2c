"""Changes the rules of the core, one mutant at a time, and counts how many of them its tests kill: `make mutation`.

mutmut makes the mutants and runs the tests that reach each. A sample by name, of the same size from every file, is
tried in a copy of the tree whose root is the package's folder, since mutmut names modules by their path.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.mutation.file_mutation import mutate_file_contents
from mutmut.stats import status_by_exit_code
from mutmut.utils.format_utils import get_mutant_name, orig_function_and_class_names_from_key

from tests.stage import ROOT

TREE = ROOT / "build" / "mutation"
EQUIVALENT = ROOT / "tests" / "house" / "equivalent_mutants.toml"
FOLDERS = ("rules", "stages", "rollout")
LEAST = 0.95
KILLED = {"killed", "timeout"}
COPIED = ("tests", "docs", "manifests")
LEFT_OUT = ("test_invariants", "test_crash")
"""Long plays, which reach every rule: with them a mutant that survives costs minutes."""
SETTINGS = """
[tool.pytest.ini_options]
addopts = "-q --strict-markers --import-mode=importlib -n 0 -p no:cacheprovider"
pythonpath = ["."]

[tool.mutmut]
source_paths = ["perennial_operator"]
only_mutate = {patterns}
also_copy = {copied}
pytest_add_cli_args = ["-p", "tests.house.fastest_first"]
pytest_add_cli_args_test_selection = ["tests/core", {ignored}]
use_git_change_detection = false
track_dependencies = false
"""


class Mutant(NamedTuple):
    """One change of one function, and what the tests made of it."""

    file: Path
    name: str
    status: str

    @property
    def killed(self) -> bool:
        return self.status in KILLED

    def diff(self) -> str:
        return get_diff_for_mutant(self.name, path=self.file)

    def change(self) -> Change:
        """Its function and the lines that differ: what stays the same when other functions change."""
        name, of = orig_function_and_class_names_from_key(self.name)
        lines = [line for line in self.diff().splitlines()[2:] if line.startswith(("+", "-"))]
        text = "\n".join(f"{line[0]} {line[1:].strip()}" for line in lines if line[1:].strip())
        return Change(str(self.file), f"{of}.{name}" if of else name, text)


class Change(NamedTuple):
    """What names a mutant in the list of equivalent ones."""

    file: str
    function: str
    lines: str


def equivalent(path: Path = EQUIVALENT) -> dict[Change, str]:
    """Mutants that no test can kill, each with the reason."""
    entries = tomllib.loads(path.read_text())["mutant"]
    return {Change(each["file"], each["function"], each["lines"].strip()): each["reason"] for each in entries}


def lay_out() -> None:
    """The tree holds links to the package and its tests, and mutmut's settings."""
    shutil.rmtree(TREE, ignore_errors=True)
    TREE.mkdir(parents=True)
    (TREE / "perennial_operator").symlink_to(ROOT / "operator" / "perennial_operator")
    for folder in COPIED:
        (TREE / folder).symlink_to(ROOT / folder)
    patterns = [f"perennial_operator/core/{folder}/*.py" for folder in FOLDERS]
    ignored = ", ".join(f'"--ignore=tests/core/{name}.py"' for name in LEFT_OUT)
    settings = SETTINGS.format(patterns=json.dumps(patterns), copied=json.dumps(COPIED), ignored=ignored)
    (TREE / "pyproject.toml").write_text(settings)


def sources() -> list[Path]:
    return sorted(path for folder in FOLDERS for path in Path("perennial_operator/core", folder).rglob("*.py"))


def sample(names: Iterable[str], size: int, seed: str) -> list[str]:
    """The names with the smallest digests: a change of one function leaves the others in the sample."""
    return sorted(names, key=lambda name: hashlib.sha256(f"{seed} {name}".encode()).digest())[:size]


def mutants_of(file: Path) -> list[str]:
    made = mutate_file_contents(str(file), file.read_text()).mutant_names
    return [get_mutant_name(file, name) for name in made]


def tested(file: Path, names: Sequence[str]) -> list[Mutant]:
    data = SourceFileMutationData(path=file)
    data.load()
    return [Mutant(file, name, status_by_exit_code[data.exit_code_by_key[name]]) for name in names]


def outdated(known: dict[Change, str], mutants: dict[Path, list[str]]) -> list[Change]:
    """Entries of the list that are the change of no mutant."""
    files = {each.file for each in known}
    made = {
        Mutant(file, name, "").change()
        for file, names in mutants.items()
        if str(file) in files
        for name in names
        if any(each.function.endswith(orig_function_and_class_names_from_key(name)[0]) for each in known)
    }
    return [each for each in known if each not in made]


def report(results: dict[Path, list[Mutant]], mutants: dict[Path, list[str]]) -> float:
    """Prints a table of the files, the survivors and one line of JSON; returns the share of killed mutants."""
    known = equivalent()
    print(f"{'file':<44} {'mutants':>8} {'tried':>6} {'killed':>7}")
    for file, tried in results.items():
        name = str(file.relative_to("perennial_operator"))
        print(f"{name:<44} {len(mutants[file]):>8} {len(tried):>6} {sum(each.killed for each in tried):>7}")
    every = [each for tried in results.values() for each in tried]
    survivors = [each for each in every if not each.killed]
    for each in survivors:
        reason = known.get(each.change())
        print(f"\n{each.name}: {each.status}{f'; equivalent: {reason}' if reason else ''}\n{each.diff()}")
    for entry in outdated(known, mutants):
        print(
            f"\n{EQUIVALENT.name}: no mutant of {entry.function} in {entry.file} is\n{entry.lines}\nRemove the entry."
        )
    killed = len(every) - len(survivors)
    listed = sum(each.change() in known for each in survivors)
    share = killed / len(every)
    print(json.dumps({"mutants": len(every), "killed": killed, "equivalent": listed, "share": round(share, 4)}))
    return share


def main(arguments: Sequence[str] | None = None) -> int:
    """Tries a sample of the mutants; 1 if the tests kill too few."""
    parser = argparse.ArgumentParser(prog="mutation", description=main.__doc__)
    parser.add_argument("--per-file", type=int, default=9, help="mutants tried of each file")
    parser.add_argument("--seed", default="perennial", help="another seed is another sample")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args(arguments)
    lay_out()
    os.chdir(TREE)
    mutants = {file: names for file in sources() if (names := mutants_of(file))}
    samples = {file: sample(names, options.per_file, options.seed) for file, names in mutants.items()}
    names = [name for each in samples.values() for name in each]
    mutmut = Path(sys.executable).with_name("mutmut")
    run = [mutmut, "run", "--max-children", str(options.jobs), *names]
    packages = f"{ROOT / 'trainer'}:{ROOT / 'kubectl'}"
    subprocess.run(run, check=True, env={**os.environ, "PYTHONPATH": packages})
    return int(report({file: tested(file, each) for file, each in samples.items()}, mutants) < LEAST)


if __name__ == "__main__":
    sys.exit(main())
