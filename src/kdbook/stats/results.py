"""The results of a study in plain types, as ``kdbook results --json`` prints them."""

from dataclasses import asdict

from kdbook.settings.data import ALL
from kdbook.stats.comparisons import compare_by_test
from kdbook.stats.metrics import score_by_language
from kdbook.store.run import Run, RunSpec
from kdbook.study.arms import Arms
from kdbook.study.study import Study


def summary(study: Study) -> dict[str, object]:
    """All finished runs of a study in plain types, and, if the main arms are complete, their comparison by
    test set.
    """
    completed = list(study.completed_runs())
    names = {spec.name for spec, _ in completed}
    incomplete_arms = {spec.arm for spec in study.specs.values() if spec.name not in names}
    comparisons = None
    main = study.profile.main_arms
    if not incomplete_arms & set(main):
        arms = Arms({arm: [run for spec, run in completed if spec.arm == arm] for arm in main})
        comparisons = {test: asdict(comparison) for test, comparison in compare_by_test(arms).items()}
    return {
        "profile": study.profile.name,
        "data": study.profile.data.source,
        "primary": study.profile.primary.model_dump(),
        "runs": [_result(spec, run) for spec, run in completed],
        "comparison": comparisons,
    }


def _result(spec: RunSpec, run: Run) -> dict[str, object]:
    measurements = run.measurements
    return {
        "name": spec.name,
        "arm": spec.arm,
        "seed": spec.seed,
        "scores": score_by_language(run),
        "fit_seconds": measurements.fit_seconds,
        "predict_seconds": measurements.predict_seconds[ALL],
        "parameters": measurements.parameters.total,
        "backbone_parameters": measurements.parameters.backbone,
        "key": run.key,
    }
