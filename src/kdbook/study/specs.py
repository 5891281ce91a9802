"""The runs that a profile asks for."""

from collections.abc import Iterator

from kdbook.settings.arms import BASELINE, LINEAR, LINEAR_TAUGHT, TEACHER
from kdbook.settings.profile import Profile
from kdbook.store.run import RunSpec


def expand(profile: Profile) -> dict[str, RunSpec]:
    """The runs of a profile by name, each after the one that teaches it: teachers, baselines, distilled
    students, controls, ablations.
    """
    specs = [*_teachers(profile)]
    for arm in profile.main_arms[1:]:
        specs += _students(profile, arm)
    specs += _floors(profile)
    for arm in profile.controls:
        specs += _students(profile, arm, profile.control_seeds)
    for arm in profile.ablations:
        specs += _students(profile, arm, profile.ablation_seeds)
    return {spec.name: spec for spec in specs}


def _teachers(profile: Profile) -> Iterator[RunSpec]:
    for seed in profile.teacher.seeds:
        yield RunSpec(
            name=_name(TEACHER, seed),
            arm=TEACHER,
            seed=seed,
            checkpoint=profile.teacher.checkpoint,
            hyperparameters=profile.teacher_settings,
            metric=profile.primary.metric,
        )


def _floors(profile: Profile) -> Iterator[RunSpec]:
    """The linear model, and one on the predictions of each teacher."""
    common = RunSpec(
        name=_name(LINEAR, 0),
        arm=LINEAR,
        seed=0,
        checkpoint=LINEAR,
        hyperparameters={},
        metric=profile.primary.metric,
        title="TF-IDF of words and characters with logistic regression",
    )
    yield common
    if LINEAR_TAUGHT in profile.floors:
        for seed in profile.teacher.seeds:
            teacher = _name(TEACHER, seed)
            changes = {"paired_teacher": teacher, "teacher": teacher, "rows": "all", "lesson": "answers"}
            taught = {"name": _name(LINEAR_TAUGHT, seed), "arm": LINEAR_TAUGHT, "seed": seed}
            title = f"{common.title} on all rows; the teacher's prediction replaces a missing label"
            yield common.model_copy(update={**changes, **taught, "title": title})


def _students(profile: Profile, arm: str, seeds: int | None = None) -> Iterator[RunSpec]:
    """The students of an arm, with all seeds of the student or the first of them."""
    variation, hyperparameters = profile.variation(arm), profile.student_settings(arm)
    for number, seed in enumerate(profile.student.seeds[:seeds]):
        paired = _name(TEACHER, profile.teacher_seed(number))
        teacher = paired if variation.teacher == "own" else _name(BASELINE, seed)
        yield RunSpec(
            name=_name(arm, seed),
            arm=arm,
            seed=seed,
            checkpoint=profile.student.checkpoint,
            hyperparameters=hyperparameters,
            paired_teacher=paired,
            teacher=None if variation.lesson == "labels" else teacher,
            rows=variation.rows,
            lesson=variation.lesson,
            metric=profile.primary.metric,
            title=variation.title,
        )


def _name(arm: str, seed: int) -> str:
    return f"{arm}-{seed}"
