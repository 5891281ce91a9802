"""The runs that a profile asks for."""

from collections.abc import Iterator

from kdbook.settings.automm import Settings
from kdbook.settings.profile import BASELINE, DISTILLED, TEACHER, Profile, Variation
from kdbook.store.run import RunSpec


def expand(profile: Profile) -> dict[str, RunSpec]:
    """The runs of a profile by name, teachers first: teachers, baselines, distilled students, controls,
    ablations.
    """
    specs = [*_teachers(profile), *_students(profile, BASELINE, Variation(title="", teacher="none"))]
    specs += _students(profile, DISTILLED, Variation(title=""))
    for name, control in profile.controls.items():
        specs += _students(profile, name, control, profile.control_seeds)
    for name, ablation in profile.ablations.items():
        specs += _students(profile, name, ablation, profile.ablation_seeds)
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
        )


def _students(
    profile: Profile, arm: str, variation: Variation, seeds: int | None = None
) -> Iterator[RunSpec]:
    """The students of an arm, with all seeds of the student or the first of them."""
    distils = variation.teacher != "none"
    hyperparameters: Settings = {
        **profile.hyperparameters,
        **profile.student.hyperparameters,
        **(profile.distiller if distils else {}),
        **variation.hyperparameters,
    }
    for number, seed in enumerate(profile.student.seeds[:seeds]):
        teacher = _name(TEACHER, profile.teacher_seed(number))
        yield RunSpec(
            name=_name(arm, seed),
            arm=arm,
            seed=seed,
            checkpoint=profile.student.checkpoint,
            hyperparameters=hyperparameters,
            paired_teacher=teacher,
            teacher=teacher if distils else None,
            shuffled=variation.teacher == "shuffled",
            title=variation.title,
        )


def _name(arm: str, seed: int) -> str:
    return f"{arm}-{seed}"
