"""What the Dockerfiles promise, without building the images."""

from __future__ import annotations

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from perennial_operator import __version__
from tests.stage import ROOT

PARTS = ("operator", "trainer", "kubectl")
PACKAGES = {"operator": "perennial_operator", "trainer": "perennial_trainer", "kubectl": "kubectl_perennial"}
LOCKS = {"operator": ["operator"], "trainer": ["trainer", "trainer-keras"], "kubectl": ["backtest"]}
KERAS = {"keras": "keras", "tensorflow": "tensorflow-cpu"}
OPTIONAL = {"deltalake", "pyiceberg"}
"""Of extras that an image of one's own adds; without them a task says which."""
"""Module → distribution, of what only the image with Keras has."""

Instruction = tuple[str, str]


def instructions(part: str) -> list[list[Instruction]]:
    """The instructions of each stage of the part's Dockerfile, in order; what precedes the first FROM is stage 0."""
    text = re.sub(r"\\\n", " ", re.sub(r"(?m)^#.*\n", "", (ROOT / part / "Dockerfile").read_text()))
    stages: list[list[Instruction]] = [[]]
    for line in filter(None, map(str.strip, text.splitlines())):
        word, rest = line.split(maxsplit=1)
        if word == "FROM":
            stages.append([])
        stages[-1].append((word, re.sub(r"\s+", " ", rest)))
    return stages


def locked(part: str) -> dict[str, str]:
    """Distribution → its requirement with hashes."""
    lines = (ROOT / "requirements" / f"{part}.txt").read_text().replace("\\\n", " ").splitlines()
    return {canonicalize_name(Requirement(line.split("--hash")[0]).name): line for line in lines if line.strip()}


def imported(part: str) -> dict[str, Path]:
    """Top-level module → a file of the part that imports it."""
    package = ROOT / part / PACKAGES[part]
    modules: dict[str, Path] = {}
    for file in package.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level and node.module:
                names.append(node.module)
            modules |= {name.split(".")[0]: file for name in names}
    return {
        name: file
        for name, file in modules.items()
        if name not in sys.stdlib_module_names and name not in PACKAGES.values()
    }


@pytest.mark.parametrize("part", PARTS)
def test_an_image_runs_its_package_as_a_user_known_by_number(part: str) -> None:
    last = instructions(part)[-1]
    assert [rest for word, rest in last if word == "USER"] == ["65532:65532"]
    assert [rest for word, rest in last if word in ("CMD", "ENTRYPOINT")] == [f'["python", "-m", "{PACKAGES[part]}"]']


@pytest.mark.parametrize("part", PARTS)
def test_every_build_stage_starts_from_the_base_argument(part: str) -> None:
    before, *stages = instructions(part)
    assert [word for word, _ in before] == ["ARG"]
    assert re.fullmatch(r"BASE=\S+:3\.11-\S+", before[0][1])
    assert {stage[0][1].split()[0] for stage in stages} == {"${BASE}"}


@pytest.mark.parametrize("part", PARTS)
def test_nothing_is_installed_but_what_is_locked(part: str) -> None:
    installs = [rest for stage in instructions(part) for word, rest in stage if word == "RUN" and " install " in rest]
    assert len(installs) == 1
    assert {"--require-hashes", "--no-deps", "--only-binary", "-r"} <= set(installs[0].split())
    assert ("ARG", f"REQUIREMENTS={LOCKS[part][0]}") in instructions(part)[1]
    assert ("COPY", "requirements/${REQUIREMENTS}.txt /requirements.txt") in instructions(part)[1]


@pytest.mark.parametrize("part", PARTS)
def test_a_change_of_the_code_makes_one_small_layer(part: str) -> None:
    assert instructions(part)[-1][-1] == ("COPY", "--from=code /app /app")


@pytest.mark.parametrize("part", PARTS)
def test_what_is_copied_is_let_through(part: str) -> None:
    ignored, *let_through = [
        line
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line and line[0] in "*!" and "**" not in line
    ]
    assert ignored == "*"
    sources = [rest.split()[0] for stage in instructions(part) for word, rest in stage if word == "COPY"]
    sources = [source.replace("${REQUIREMENTS}", lock) for source in sources for lock in LOCKS[part]]
    copied = {f"!{source}" for source in sources if not source.startswith("--from")}
    assert copied <= set(let_through)
    assert all((ROOT / source[1:]).exists() for source in copied)


def lines_without_names(part: str) -> list[str]:
    """The lines of the Dockerfile but for comments, what is described, OpenMP, and which code is copied."""
    text = (ROOT / part / "Dockerfile").read_text().replace(PACKAGES[part], "PACKAGE")
    text = re.sub(rf"(REQUIREMENTS=|Perennial ){LOCKS[part][0]}", r"\1NAME", text)
    return [
        line
        for line in text.splitlines()
        if not re.match(r"# |ENV GOMP_|COPY \w+/.* /app/", line) and "description" not in line
    ]


def test_all_images_are_built_in_the_same_way() -> None:
    assert lines_without_names("operator") == lines_without_names("trainer") == lines_without_names("kubectl")


@pytest.mark.parametrize("part", PARTS)
def test_threads_spin_briefly_where_models_are_fitted(part: str) -> None:
    bounded = ("ENV", "GOMP_SPINCOUNT=10000") in instructions(part)[-1]
    assert bounded == ("scikit-learn" in locked(LOCKS[part][0]))


@pytest.mark.parametrize("part", PARTS)
def test_an_image_says_which_version_it_is(part: str) -> None:
    assert ("ARG", f"VERSION={__version__}") in instructions(part)[-1]


@pytest.mark.parametrize("part", [lock for locks in LOCKS.values() for lock in locks])
def test_every_requirement_is_pinned_and_has_its_hash(part: str) -> None:
    assert len(locked(part)) > 20
    assert [
        line for line in locked(part).values() if not re.match(r"[\w.-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", line)
    ] == []


@pytest.mark.parametrize("part", PARTS)
def test_what_a_package_imports_is_in_its_image(part: str) -> None:
    provided = packages_distributions()
    missing = {
        module: str(file.relative_to(ROOT))
        for module, file in imported(part).items()
        if module not in KERAS
        and module not in OPTIONAL
        and not {canonicalize_name(name) for name in provided.get(module, ())} & locked(LOCKS[part][0]).keys()
    }
    assert missing == {}
    assert len(imported(part)) > 5


def test_the_keras_image_adds_only_keras_to_the_trainer() -> None:
    small, large = ({name: line.split()[0] for name, line in locked(lock).items()} for lock in LOCKS["trainer"])
    assert small.items() <= large.items()
    assert set(KERAS.values()) <= large.keys() - small.keys()
    assert KERAS.keys() <= imported("trainer").keys()


@pytest.mark.parametrize(
    ("part", "foreign"),
    [
        ("operator", {"scikit-learn", "pandas", "numpy", "scipy", "pyarrow"}),
        ("trainer", {"kopf", "kubernetes"}),
        ("trainer-keras", {"kopf", "kubernetes"}),
    ],
)
def test_an_image_holds_nothing_of_the_other(part: str, foreign: set[str]) -> None:
    assert not locked(part).keys() & foreign
