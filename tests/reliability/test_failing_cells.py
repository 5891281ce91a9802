"""A build that fails says why, and says it last."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from changes import replacing
from helpers import building

ROOT = Path(__file__).parents[2]
RAISE = '\nraise LookupError("no such thing in " + "{}")\n'
TOOLS = ["make book", "jupyter-book build .", "sphinx-build"]
LAST = 15  # lines
FAILING = {  # by build, the chapter and the cell before which it raises
    "first": ("data", "Markdown(descriptions.task(data))"),
    "incremental": ("baseline", 'arms = study.get_or_train_arms("teacher", "baseline")'),
}


def run(tool: str, project: Path, store: Path) -> subprocess.CompletedProcess[str]:
    """Build a project as a user of this tool would; stdout and stderr are one stream, as in a terminal."""
    settings = building(project, store)["env"]
    scripts = Path(sys.executable).parent
    commands = {
        "make book": [["make", "book"]],
        "jupyter-book build .": [[str(scripts / "jupyter-book"), "build", "."]],
        "sphinx-build": [
            [str(scripts / "jupyter-book"), "config", "sphinx", "."],
            [str(scripts / "sphinx-build"), "-b", "html", ".", "_build/html"],
        ],
    }
    for command in commands[tool]:
        done = subprocess.run(
            command,
            cwd=project,
            env=settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    return done


def with_environment_of_the_tests(project: Path) -> None:
    """Let ``make`` find the environment that runs this test rather than make another one."""
    shutil.copyfile(ROOT / "Makefile", project / "Makefile")
    shutil.copyfile(ROOT / "uv.lock", project / "uv.lock")
    (project / ".venv").symlink_to(Path(sys.executable).parents[1])
    (project / ".uv" / "bin").mkdir(parents=True)
    (project / ".uv" / "bin" / "uv").touch()
    for name in ("pyproject.toml", "uv.lock"):
        os.utime(project / name, (0, 0))


@pytest.mark.parametrize("tool", TOOLS)
def test_the_last_lines_name_the_chapter_and_the_error(built, smoke_store, tally, tool):
    project = built("failing")
    with_environment_of_the_tests(project)
    shutil.rmtree(project / "_build", ignore_errors=True)
    for build, (chapter, cell) in FAILING.items():
        replacing(f"book/{chapter}.md", f"{cell}\n", f"{cell}{RAISE.format(chapter)}")(project)
        done = run(tool, project, smoke_store)
        last = done.stdout.strip().splitlines()[-LAST:]
        with tally.trial(f"a cell that raises, {build} build"):
            assert done.returncode != 0
            assert any(f"book/{chapter} failed" in line for line in last), "\n".join(last)
            assert any(f"LookupError: no such thing in {chapter}" in line for line in last), "\n".join(last)
            assert "ZMQError" not in done.stdout and "non-socket" not in done.stdout
        replacing(f"book/{chapter}.md", RAISE.format(chapter), "\n")(project)
