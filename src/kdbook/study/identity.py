"""What decides the result of a run, and so its key in the store."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version

from kdbook import fingerprint
from kdbook.paths import expanded
from kdbook.settings.data import GENERATED, Data
from kdbook.store.run import RunIdentity, RunRecord, RunSpec, hash_of, key_of

# The functions that decide a result; everything that they reach enters the key, and nothing else does.
DECIDING = (
    "kdbook.training.fit.fit",
    "kdbook.training.lessons.taught_rows",
    "kdbook.training.teacher_outputs.Teacher",
    "kdbook.training.predict.predict_splits",
    "kdbook.training.resume.restore_last_checkpoint",
)
LINEAR_DECIDING = ("kdbook.training.linear.LinearModel", "kdbook.training.lessons.taught_rows")
LOADING = "kdbook.data.load.load"  # with the same files, the same code gives the same rows
COMPUTING_PACKAGES = ("autogluon.multimodal", "lightning", "tokenizers", "torch", "transformers")
LINEAR_PACKAGES = ("scikit-learn", "scipy")
PLAIN_PARTS = ("data", "teacher", "rows", "lesson", "metric", "checkpoint", "seed", "threads")


def identity_of(
    spec: RunSpec, data: str, checkpoint: str, teacher: str | None, threads: int | None
) -> RunIdentity:
    """All that decides the result of a run, as it would be trained now.

    Parameters
    ----------
    spec
        The run.
    data, checkpoint
        Hashes of the rows and of the pretrained encoder.
    teacher
        Key of the teacher's run, if the run has a teacher.
    threads
        Number of processor cores that compute; ``None`` for all.
    """
    return RunIdentity(
        data=data,
        checkpoint=checkpoint,
        hyperparameters=spec.hyperparameters,
        seed=spec.seed,
        threads=threads,
        teacher=teacher,
        rows=spec.rows,
        lesson=spec.lesson,
        metric=spec.metric,
        code=code_digest(spec.is_linear),
        versions=versions(spec.is_linear),
    )


@cache
def code_digest(linear: bool = False) -> str:
    """One hash of the training code, whatever its definitions are called and wherever they live.

    ``linear`` asks for that of the linear model.
    """
    return fingerprint.digest(*(LINEAR_DECIDING if linear else DECIDING))


@cache
def code_map(linear: bool = False) -> dict[str, str]:
    """The hash of each definition of the training code by its qualified name."""
    return fingerprint.definitions(LINEAR_DECIDING if linear else DECIDING)


@cache
def versions(linear: bool = False) -> dict[str, str]:
    """Versions of what computes; empty where AutoMM is not installed, as where results are only read."""
    try:
        return {name: version(name) for name in (LINEAR_PACKAGES if linear else COMPUTING_PACKAGES)}
    except PackageNotFoundError:
        return {}


def data_origin(settings: Data) -> str | None:
    """A hash of all that the rows come from.

    None for data of the hub, whose content is known only after loading.
    """
    path = expanded(settings.source)
    if settings.source == GENERATED:
        files = []  # the corpus is code and data files of this package
    elif path.is_file():
        files = [path]
    elif path.is_dir():
        folders = [path / language for language in settings.languages] + ([path] if settings.columns else [])
        files = [file for folder in folders for file in folder.glob("*") if file.is_file()]
    else:
        return None
    contents = {f"{number} {file.name}": hash_of(file) for number, file in enumerate(sorted(files))}
    code = fingerprint.digest(LOADING)
    return key_of({"settings": settings.model_dump(mode="json"), "code": code, "files": contents})


def differences(before: RunRecord, now: RunIdentity) -> list[str]:
    """In words, how a stored run differs from the one that is wanted."""
    then = before.identity
    words = [f"{part} changed" for part in PLAIN_PARTS if getattr(then, part) != getattr(now, part)]
    for noun, old, new in (
        ("setting", then.hyperparameters, now.hyperparameters),
        ("version of", then.versions, now.versions),
    ):
        words += [
            f"{noun} {name} {_shown(old.get(name))} → {_shown(new.get(name))}"
            for name in sorted({*old, *new})
            if old.get(name) != new.get(name)
        ]
    if then.code != now.code:
        code, code_before = code_map(before.spec.is_linear), before.code
        changed = (name for name in sorted({*code, *code_before}) if code.get(name) != code_before.get(name))
        words += [f"code {name}" for name in changed]
    return words


def _shown(value: object) -> str:
    return "unset" if value is None else str(value)
