"""The runs that a profile asks for."""

from collections.abc import Iterator

from kdbook.settings.arms import BASELINE, DISTILLED, TEACHER, TRANSFER, Variation
from kdbook.settings.automm import DISTILLER_PREFIX, Settings
from kdbook.settings.profile import Profile
from kdbook.store.run import RunSpec

MAIN_STUDENTS = {
    BASELINE: Variation(title="", lesson="labels"),
    DISTILLED: Variation(title=""),
    TRANSFER: Variation(title="", rows="all"),
}


def expand(profile: Profile) -> dict[str, RunSpec]:
    """The runs of a profile by name, each after the one that teaches it: teachers, baselines, distilled
    students, controls, ablations.
    """
    specs = [*_teachers(profile)]
    for arm in profile.main_arms[1:]:
        specs += _students(profile, arm)
    for arm in profile.controls:
        specs += _students(profile, arm, profile.control_seeds)
    for arm in profile.ablations:
        specs += _students(profile, arm, profile.ablation_seeds)
    return {spec.name: spec for spec in specs}


def _teachers(profile: Profile) -> Iterator[RunSpec]:
    hyperparameters = profile.hyperparameters | profile.teacher.hyperparameters
    for seed in profile.teacher.seeds:
        yield RunSpec(
            name=_name(TEACHER, seed),
            arm=TEACHER,
            seed=seed,
            checkpoint=profile.teacher.checkpoint,
            hyperparameters=hyperparameters,
            metric=profile.primary.metric,
        )


def _students(profile: Profile, arm: str, seeds: int | None = None) -> Iterator[RunSpec]:
    """The students of an arm, with all seeds of the student or the first of them."""
    variation, hyperparameters = _variation(profile, arm), _settings(profile, arm)
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


def _settings(profile: Profile, arm: str) -> Settings:
    """The AutoMM settings of a student's arm: a variation starts from those of the arm that it varies."""
    variation = _variation(profile, arm)
    if arm in MAIN_STUDENTS:
        distiller = profile.distiller if variation.distils else {}
        return {
            **profile.hyperparameters,
            **profile.student.hyperparameters,
            **distiller,
            **profile.tuned.get(arm, {}),
        }
    varied = _settings(profile, variation.varied_arm)
    if not variation.distils:
        varied = {key: value for key, value in varied.items() if not key.startswith(DISTILLER_PREFIX)}
    elif not _variation(profile, variation.varied_arm).distils:
        varied = varied | profile.distiller
    return varied | variation.hyperparameters


def _variation(profile: Profile, arm: str) -> Variation:
    return MAIN_STUDENTS.get(arm) or (profile.controls | profile.ablations)[arm]


def _name(arm: str, seed: int) -> str:
    return f"{arm}-{seed}"
