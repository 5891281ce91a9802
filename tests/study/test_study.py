"""What is trained when something changes, with a stand-in for training that only notes its calls."""

import json
import shutil

import pytest
from helpers import SMOKE_RUNS
from runs import make_measurements, write_results

from kdbook.errors import KdbookError
from kdbook.execution.schedule import train_in_process
from kdbook.settings import arms, profile
from kdbook.store import archive
from kdbook.store.local import PARTIAL, Store
from kdbook.store.run import PREDICTIONS, PREDICTOR, PROGRESS, RECORD
from kdbook.study import identity
from kdbook.study.orphans import orphaned_runs
from kdbook.study.status import State
from kdbook.study.study import Study
from kdbook.training.fit import FitSettings


@pytest.fixture
def trained(monkeypatch) -> list[int]:
    """The seeds of the fits so far; the fits write predictions that are all 1."""
    seeds: list[int] = []

    def train_run(directory, data, settings, teaching, threads, measure_latency, report):
        seeds.append(settings.seed)
        rows = data["test"][["id", "language", "label"]]
        write_results(directory, rows.assign(probability_0=0.1, probability_1=0.9, prediction=1))
        (directory / PREDICTOR).mkdir()
        (directory / PREDICTOR / "assets.json").write_text("{}")
        assert teaching.teacher is None or teaching.teacher.predictor.is_dir()
        return make_measurements(fit_seconds=1.0, seconds=2.0)

    def train_linear(directory, data, teaching, metric):
        settings = FitSettings("", {}, 0, metric)
        measurements = train_run(directory, data, settings, teaching, None, False, None)
        shutil.rmtree(directory / PREDICTOR)
        return measurements

    monkeypatch.setattr("kdbook.training.run.train_run", train_run)
    monkeypatch.setattr("kdbook.training.linear.train_run", train_linear)
    return seeds


def opened(tmp_path, **changes) -> Study:
    settings = profile.load("smoke").model_copy(update=changes)
    return Study(settings, Store(tmp_path), train_in_process)


def key(study: Study, name: str) -> str:
    return study.resolve(study.specs[name]).key


def train_missing(some: Study) -> list[str]:
    names = [spec.name for spec in some.missing()]
    for name in names:
        some.train(some.specs[name])
    return names


def test_order_and_arms(tmp_path):
    some = opened(tmp_path)
    assert some.profile.arms == [
        "teacher",
        "baseline",
        "distilled",
        "transfer",
        "linear",
        "linear-taught",
        "longer",
        "shuffled",
        "temperature",
        "rkd",
    ]
    assert next(iter(some.specs)) == "teacher-0"


def test_teachers_take_turns_and_no_student_of_a_variation_knows_more_than_it_says(tmp_path):
    settings = profile.load("smoke")
    some = opened(
        tmp_path,
        teacher=settings.teacher.model_copy(update={"seeds": (4, 7)}),
        student=settings.student.model_copy(update={"seeds": (0, 1, 2)}),
        ablation_seeds=2,
    )
    taught = {name: (spec.teacher, spec.rows, spec.lesson) for name, spec in some.specs.items()}
    assert [taught[f"distilled-{seed}"] for seed in range(3)] == [
        ("teacher-4", "labelled", "outputs"),
        ("teacher-7", "labelled", "outputs"),
        ("teacher-4", "labelled", "outputs"),
    ]
    assert taught["transfer-1"] == ("teacher-7", "all", "outputs")
    assert taught["shuffled-1"] == ("teacher-7", "all", "shuffled")
    assert taught["baseline-0"] == taught["longer-0"] == (None, "labelled", "labels")
    assert "longer-2" in taught and "rkd-1" in taught and "rkd-2" not in taught
    assert not any(key.startswith("distiller.") for key in some.specs["longer-0"].hyperparameters)


def test_controls_may_have_fewer_seeds(tmp_path):
    student = profile.load("smoke").student.model_copy(update={"seeds": (3, 1, 2)})
    some = opened(tmp_path, student=student, control_seeds=2)
    assert [spec.seed for spec in some.specs.values() if spec.arm == "longer"] == [3, 1]
    assert [spec.seed for spec in some.specs.values() if spec.arm == "baseline"] == [3, 1, 2]


def test_threads_and_shuffling_are_part_of_the_result(tmp_path):
    one, two = opened(tmp_path, threads=1), opened(tmp_path, threads=2)
    assert key(one, "baseline-0") != key(two, "baseline-0")
    assert key(one, "shuffled-0") != key(one, "transfer-0") != key(one, "distilled-0")


def test_all_is_trained_once(tmp_path, trained):
    names = train_missing(opened(tmp_path))
    assert len(names) == len(trained) == SMOKE_RUNS
    assert train_missing(opened(tmp_path)) == []
    assert all(row.state == "current" for row in opened(tmp_path).status())


def test_a_distilled_run_trains_its_teacher_first(tmp_path, trained):
    some = opened(tmp_path)
    some.get_or_train("distilled")
    assert [spec.name for spec, _ in some.completed_runs()] == ["teacher-0", "distilled-0"]


@pytest.mark.parametrize("part", ["student", "teacher", "distiller", "ablation", "data"])
def test_a_change_retrains_what_depends_on_it_and_says_why(tmp_path, trained, part):
    settings = profile.load("smoke")
    train_missing(opened(tmp_path))
    changes = {
        "student": {"student": settings.student.model_copy(update={"hyperparameters": {"optim.lr": 5e-5}})},
        "teacher": {"teacher": settings.teacher.model_copy(update={"hyperparameters": {"optim.lr": 5e-5}})},
        "distiller": {"distiller": {"distiller.hard_label_weight": 0.2}},
        "ablation": {
            "ablations": settings.ablations
            | {"rkd": arms.Variation(title="", hyperparameters={"distiller.rkd_angle_loss_weight": 3.0})}
        },
        "data": {"data": settings.data.model_copy(update={"seed": 1})},
    }[part]
    specs = opened(tmp_path).specs
    expected = {
        "student": [name for name in specs if not name.startswith(("teacher", "linear"))],
        "teacher": [name for name, spec in specs.items() if name == "teacher-0" or spec.teacher],
        "distiller": [name for name, spec in specs.items() if spec.lesson in ("outputs", "shuffled")],
        "ablation": ["rkd-0"],
        "data": list(specs),
    }[part]
    reason = {
        "student": "setting optim.lr unset → 5e-05",
        "teacher": "teacher changed",
        "distiller": "setting distiller.hard_label_weight unset → 0.2",
        "ablation": "setting distiller.rkd_angle_loss_weight 2.0 → 3.0",
        "data": "data changed",
    }[part]
    changed = opened(tmp_path, **changes)
    last = {row.name: row for row in changed.status()}["rkd-0"]
    assert (last.state, reason in last.reason) == ("outdated", True), last
    assert train_missing(changed) == expected
    assert train_missing(opened(tmp_path)) == []


def test_without_automm_results_are_read_whatever_the_versions(tmp_path, trained, monkeypatch):
    train_missing(opened(tmp_path))
    monkeypatch.setattr(identity, "versions", lambda linear=False: {})
    assert opened(tmp_path).missing() == []


def test_another_version_of_a_computing_package_retrains(tmp_path, trained, monkeypatch):
    train_missing(opened(tmp_path))
    monkeypatch.setattr(
        identity, "versions", lambda linear=False: dict.fromkeys(identity.COMPUTING_PACKAGES, "99")
    )
    assert len(opened(tmp_path).missing()) == SMOKE_RUNS
    assert "version of torch" in opened(tmp_path).status()[0].reason
    monkeypatch.setenv("KDBOOK_ANY_VERSIONS", "1")
    assert opened(tmp_path).missing() == []


def test_an_interrupted_run_is_named(tmp_path, trained, monkeypatch):
    def fail(*arguments, **more):
        raise RuntimeError("out of memory")

    monkeypatch.setattr("kdbook.training.run.train_run", fail)
    some = opened(tmp_path)
    with pytest.raises(RuntimeError):
        some.get_or_train("teacher")
    assert (some.status()[0].state, some.status()[0].seconds) == (State.INTERRUPTED, None)
    partial = some.store.root / PARTIAL / some.status()[0].key
    (partial / PROGRESS).write_text(json.dumps({"epoch": 2, "epochs": 8, "seconds": 10.0}))
    assert (some.status()[0].state, some.status()[0].seconds) == ("interrupted", 30.0)
    assert "after epoch 2 of 8" in some.status()[0].reason


def test_a_run_in_training_is_not_called_interrupted(tmp_path):
    some = opened(tmp_path)
    with some.store.writing(some.status()[0].key):
        assert "another process" in some.status()[0].reason


def test_a_damaged_run_is_named_and_trained_anew(tmp_path, trained):
    train_missing(opened(tmp_path))
    path = opened(tmp_path).get_or_train("baseline").path / PREDICTIONS
    path.write_bytes(path.read_bytes()[:-1])
    row = {row.name: row for row in opened(tmp_path).status()}["baseline-0"]
    assert (row.state, row.reason, row.seconds) == ("damaged", "predictions.parquet was changed", 2.0)
    assert train_missing(opened(tmp_path)) == ["baseline-0"]
    assert opened(tmp_path).missing() == []


def test_a_teacher_with_changed_weights_is_trained_anew_before_it_teaches(tmp_path, trained):
    weights = opened(tmp_path).get_or_train("teacher").predictor / "assets.json"
    weights.write_text("foreign")
    opened(tmp_path).get_or_train("distilled")
    assert trained == [0, 0, 0] and weights.read_text() == "{}"


def test_a_student_whose_teacher_is_missing_or_damaged_fails_alone(tmp_path, trained):
    some = opened(tmp_path)
    with pytest.raises(KdbookError, match="teacher-0 must be trained before its students"):
        some.train(some.specs["distilled-0"])
    (some.get_or_train("teacher").predictor / "assets.json").write_text("changed")
    with pytest.raises(KdbookError, match="teacher-0 is damaged .*assets.json was changed.* train it again"):
        some.train(some.specs["distilled-0"])
    assert trained == [0]


def test_no_student_is_distilled_from_an_imported_teacher_that_is_not_trusted(tmp_path, trained):
    here, there = opened(tmp_path / "here"), opened(tmp_path / "there")
    archive.export([there.get_or_train("teacher")], tmp_path / "runs.zip")
    archive.import_runs(tmp_path / "runs.zip", here.store)
    with pytest.raises(KdbookError, match="--trust"):
        here.get_or_train("distilled")
    assert trained == [0] and here.get_or_train("baseline")
    archive.import_runs(tmp_path / "runs.zip", here.store, trust=True)
    assert here.get_or_train("distilled") and trained == [0, 0, 0]


def test_what_a_run_takes_is_judged_by_its_like(tmp_path, trained):
    some = opened(tmp_path)
    assert {row.seconds for row in some.status()} == {None}
    some.get_or_train("baseline-0")
    seconds = {row.name: row.seconds for row in opened(tmp_path).status()}
    assert (seconds["baseline-0"], seconds["baseline-1"], seconds["teacher-0"]) == (0.0, 2.0, None)


def test_runs_that_no_profile_reaches(tmp_path, trained):
    train_missing(opened(tmp_path))
    slower = profile.load("smoke").student.model_copy(update={"hyperparameters": {"optim.lr": 1e-9}})
    changed = opened(tmp_path, student=slower)
    changed.get_or_train("baseline")
    mine = opened(tmp_path, name="my-own", data=profile.load("smoke").data.model_copy(update={"seed": 5}))
    mine.get_or_train("baseline")
    runs, unknown = orphaned_runs(Store(tmp_path))
    assert [run.key for run in runs] == [changed.get_or_train("baseline").key]
    assert list(unknown) == ["my-own"]


def test_unknown_run_names_the_choices(tmp_path):
    with pytest.raises(KdbookError, match="teacher-0, baseline-0"):
        opened(tmp_path).get_or_train("nope")


def test_records_are_plain_json_without_paths(tmp_path, trained):
    some = opened(tmp_path)
    text = (some.get_or_train("teacher").path / RECORD).read_text()
    assert json.loads(text)["spec"]["seed"] == 0
    assert str(tmp_path) not in text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"model.hf_text.max_text_len": 512},
            "takes at most 256 tokens, and model.hf_text.max_text_len is 512",
        ),
        ({"model.hf_text.max_text_len": 257}, "set it to 256 or less"),
    ],
)
def test_settings_that_would_lose_a_run_are_refused_before_any_is_trained(
    tmp_path, trained, changes, message
):
    student = profile.load("smoke").student
    some = opened(tmp_path, student=student.model_copy(update={"hyperparameters": changes}))
    with pytest.raises(KdbookError, match=message):
        some.get_or_train_arms()
    assert trained == []


def test_without_a_length_automm_s_own_counts(tmp_path, trained):
    settings = profile.load("smoke")
    rest = {key: value for key, value in settings.hyperparameters.items() if "max_text_len" not in key}
    with pytest.raises(KdbookError, match="takes at most 256 tokens, and model.hf_text.max_text_len is 512"):
        opened(tmp_path, hyperparameters=rest).get_or_train("baseline")


def test_a_student_as_long_as_its_encoder_is_trained(tmp_path, trained):
    changes = {"model.hf_text.max_text_len": 256}
    student = profile.load("smoke").student.model_copy(update={"hyperparameters": changes})
    opened(tmp_path, student=student).get_or_train("baseline")
    assert trained == [0]
