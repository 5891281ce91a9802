"""Changes to a built project, and what each of them may cost: the runs trained and the chapters executed by the next build."""

import re
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from helpers import CHAPTERS, FRONT_MATTER, build, executed, few_runs

from kdbook.data.generated import corpus
from kdbook.website.chapters import CELL

# Chapters without cells here, since what a change costs does not depend on the number of chapters.
OF_COMMANDS = 'base="laptop",'  # minutes of training
LEFT_OUT = {"quickstart", "real-text", "when-it-pays", "deployment", "own-data", "choosing"}
EXECUTED = set(CHAPTERS) - LEFT_OUT
STUDENTS = {
    f"{arm}-0" for arm in ("baseline", "distilled", "transfer", "longer", "shuffled", "temperature", "rkd")
}
RUNS = {"teacher-0", "linear-0", "linear-taught-0", *STUDENTS}
BUILT_FROM = ("_config.yml", "_toc.yml", "pyproject.toml", "README.md", "LICENSE", "book", "src")
PROFILE, ROWS, OTHER = "src/kdbook/settings/profiles/smoke.toml", "x-final", "other.toml"
TWO_SEEDS, ONE_SEED = (f'checkpoint = "embedded:student"\nseeds = {seeds}\n' for seeds in ([0, 1], [0]))
FIT = "src/kdbook/training/fit.py"

Edit = Callable[[Path], None]


@dataclass(frozen=True)
class Change:
    """An edit of the project, and what the next build is expected to train and execute."""

    name: str
    edit: Edit
    runs: set[str] = field(default_factory=set)
    chapters: set[str] = field(default_factory=set)
    profile: str = "smoke"


@dataclass(frozen=True)
class Built:
    """What a build did, and the seconds it took."""

    runs: set[str]
    chapters: set[str]
    seconds: float


def replacing(file: str, old: str, new: str) -> Edit:
    """An edit of one place in one file."""

    def edit(project: Path) -> None:
        path = project / file
        text = path.read_text("utf-8")
        assert text.count(old) == 1, (file, old)
        path.write_text(text.replace(old, new), "utf-8")

    return edit


def all_of(*edits: Edit) -> Edit:
    def edit(project: Path) -> None:
        for one in edits:
            one(project)

    return edit


def one_word_of_german(project: Path) -> None:
    path = project / ROWS / "de" / "translated_train.tsv"
    lines = path.read_text("utf-8").splitlines(keepends=True)
    lines[3] = lines[3].replace("\t", "\tUnd ", 1)
    path.write_text("".join(lines), "utf-8")


CHANGES = (
    Change("none", lambda project: None),
    Change(
        "one sentence of prose",
        replacing("book/teacher.md", "The encoder reads", "An encoder reads"),
    ),
    Change(
        "a comment and a docstring in the training code",
        all_of(
            replacing(FIT, "def using_threads(", "# a comment\ndef using_threads("),
            replacing(FIT, "Fine-tune a pretrained encoder on", "Train a pretrained encoder on"),
        ),
    ),
    Change(
        "a plot function",
        replacing("src/kdbook/pages/figures.py", '"seconds of training"', '"seconds of the fit"'),
        chapters={"teacher", "baseline", "distillation"},
    ),
    Change(
        "a statistics function",
        replacing(
            "src/kdbook/stats/calibration.py",
            "table = reliability(probability, happened, bins)",
            "table = reliability(probability, happened, bins=bins)",
        ),
        chapters={"evaluation"},
    ),
    Change(
        "one distiller weight of one run",
        replacing(PROFILE, "distiller.rkd_angle_loss_weight = 2.0", "distiller.rkd_angle_loss_weight = 1.5"),
        runs={"rkd-0"},
        chapters={"customization", "evaluation", "reproduce"},
    ),
    Change(
        "student learning rate",
        replacing(PROFILE, ONE_SEED, f"{ONE_SEED}hyperparameters = {{ optim.lr = 2e-4 }}\n"),
        runs=STUDENTS,
        chapters={
            "index",
            "baseline",
            "distillation",
            "customization",
            "evaluation",
            "reproduce",
        },
    ),
    Change("one changed row in German train", one_word_of_german, runs=RUNS, chapters=EXECUTED),
    Change("profile switched", lambda project: None, runs={"rkd-0"}, chapters=EXECUTED, profile=OTHER),
    Change("and switched back", lambda project: None),
)


class Workshop:
    """A built project that every change starts from, always at the same place: Sphinx reads all again elsewhere."""

    def __init__(self, root: Path, source: Path) -> None:
        self.project, self.store = root / "project", root / "store"
        self._kept = root / "kept"
        copy_project(source, self.project)
        without_cells(self.project, LEFT_OUT)
        write_rows(self.project / ROWS)
        replacing(PROFILE, TWO_SEEDS, ONE_SEED)(self.project)
        text = (self.project / PROFILE).read_text("utf-8")
        (self.project / OTHER).write_text(
            text.replace("rkd_angle_loss_weight = 2.0", "rkd_angle_loss_weight = 3.0"), "utf-8"
        )

    def keep(self) -> None:
        """Let every change start from the present state."""
        shutil.rmtree(self._kept, ignore_errors=True)
        shutil.copytree(self.project, self._kept / "project")
        shutil.copytree(self.store, self._kept / "store")

    def reset(self) -> None:
        """Go back to the kept state."""
        for path in (self.project, self.store):
            shutil.rmtree(path, ignore_errors=True)
            shutil.copytree(self._kept / path.name, path)

    def build(self, profile: str = "smoke") -> Built:
        """Build the book; it must succeed."""
        start = time.perf_counter()
        rows = str(self.project / ROWS)  # plain kernels start in the folder of the chapters
        done = build(self.project, self.store, KDBOOK_DATA=rows, KDBOOK_PROFILE=profile)
        seconds = time.perf_counter() - start
        assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
        return Built(set(re.findall(r"run \d+ of \d+: (\S+) finished", done.stderr)), executed(done), seconds)

    def make(self, change: Change) -> Built:
        """Make a change and build; all but a switch back start from the kept state."""
        if change.name != "and switched back":
            self.reset()
        change.edit(self.project)
        return self.build(change.profile)


def write_rows(directory: Path) -> None:
    """Some rows in the layout of the PAWS-X release."""
    rows = corpus.generate({"train": 60, "dev_2k": 10, "test_2k": 20}, seed=3)
    for language, train in (("en", "train"), ("de", "translated_train")):
        (directory / language).mkdir(parents=True)
        for split, frame in rows.items():
            mine = frame[frame["language"] == language][["id", "sentence1", "sentence2", "label"]].copy()
            if language == "de":
                mine.iloc[0, 1] = "NS"
            mine.to_csv(
                directory / language / f"{train if split == 'train' else split}.tsv", sep="\t", index=False
            )


def copy_project(root: Path, target: Path) -> Path:
    """A copy of the files that a build needs, in a new directory; its study of commands is a small one."""
    target.mkdir(parents=True)
    for name in BUILT_FROM:
        source = root / name
        if source.is_dir():
            shutil.copytree(source, target / source.name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    page = target / "book" / "own-data.md"
    text = page.read_text("utf-8")
    assert OF_COMMANDS in text
    page.write_text(text.replace(OF_COMMANDS, 'base="smoke",'), "utf-8")
    return target


def with_few_chapters(root: Path, target: Path) -> Path:
    """A copy of the files that a build needs, with cells in a few chapters and few runs in the smoke profile."""
    copy_project(root, target)
    without_cells(target, set(CHAPTERS) - {"index", "data", "baseline"})
    (target / PROFILE).write_text(few_runs((target / PROFILE).read_text("utf-8")), "utf-8")
    return target


def without_own_data(project: Path) -> None:
    """Take the cells out of the chapter that trains a small study of its own, for builds that test something else."""
    without_cells(project, ["own-data"])


def without_cells(project: Path, chapters: Iterable[str]) -> None:
    """Turn chapters into pages of prose, which need no execution."""
    for chapter in chapters:
        path = project / "book" / f"{chapter}.md"
        without_kernel = FRONT_MATTER.sub("", path.read_text("utf-8"))
        path.write_text(CELL.sub("", without_kernel), "utf-8")


def without_freshness(project: Path) -> None:
    """Turn the project into one that plain Sphinx builds, with nothing of ours."""
    path = project / "_config.yml"
    text = path.read_text("utf-8")
    replaced = {
        "html_math_renderer: mathml": "html_baseurl: http://127.0.0.1/",
        "kdbook.website.sphinx_ext, ": "",
    }
    for ours, theirs in replaced.items():
        assert ours in text
        text = text.replace(ours, theirs)
    path.write_text(text, "utf-8")
    for chapter in (project / "book").glob("*.md"):
        plain = re.sub(r"\{only-for\} \w+", "{container}", chapter.read_text("utf-8"))
        chapter.write_text(plain, "utf-8")
