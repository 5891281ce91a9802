import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from autogluon.multimodal.data.process_text import TextProcessor
from hypothesis import given
from hypothesis import strategies as st
from runs import make_run, simulated

from kdbook.errors import KdbookError
from kdbook.execution.schedule import train_in_process
from kdbook.export import latency, onnx_export, report, student
from kdbook.settings import profile
from kdbook.settings.arms import MAIN_ARMS
from kdbook.store.local import Store
from kdbook.study.study import Study

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def shipped(smoke_store, tmp_path_factory):
    """An exported student of the smoke profile: its study, run, folder, and what shipping it changed."""
    opened = Study(profile.load("smoke"), Store(smoke_store))
    arms = opened.get_or_train_arms(*MAIN_ARMS)
    run = onnx_export.choose(arms.distilled)
    folder = tmp_path_factory.mktemp("shipped") / "student"
    return opened, run, folder, onnx_export.export_student(run, folder, opened.data, arms)


def predicted(model: student.Student, rows) -> np.ndarray:
    return model.probabilities(*latency.columns_of(rows))


def test_the_student_of_32_bits_answers_as_automm_did(shipped):
    opened, run, _, exported = shipped
    assert exported.rows == len(run.predictions) == len(opened.data["test"])
    assert exported.different == 0 and exported.distance < 1e-4


def test_8_bits_are_much_smaller_and_answer_nearly_alike(shipped):
    opened, _, folder, exported = shipped
    assert exported.sizes[student.QUANTIZED] < exported.sizes[report.AUTOMM] / 3
    texts = opened.data["test"]
    exact, rounded = (predicted(student.Student(folder, quantized), texts) for quantized in (False, True))
    assert 0 < np.abs(exact - rounded).max() < 0.1


def test_a_pair_is_answered_alike_in_any_batch(shipped):
    """Padding says nothing."""
    opened, _, folder, _ = shipped
    texts = opened.data["test"].head(40)
    model = student.Student(folder, quantized=False)
    alone = [model.probabilities([row.sentence1], [row.sentence2])[0].tolist() for row in texts.itertuples()]
    assert predicted(model, texts) == pytest.approx(np.array(alone), abs=1e-5)


@pytest.mark.parametrize("quantized", [False, True])
def test_on_several_cores_a_pair_is_answered_as_on_one(shipped, quantized):
    """The batches are the same, and each is computed by one thread, unless it is the only one."""
    opened, _, folder, _ = shipped
    texts = opened.data["test"]
    assert len(texts) > 2 * student.BATCH
    one, several = (student.Student(folder, quantized, threads) for threads in (1, 3))
    for rows in (texts, texts.head(student.BATCH + 1), texts.head(0)):
        assert (predicted(one, rows) == predicted(several, rows)).all()
    alone = texts.head(1)
    assert predicted(several, alone) == pytest.approx(predicted(one, alone), abs=1e-5)


@given(st.integers(0, 200), st.integers(0, 200), st.integers(4, 128))
def test_long_texts_are_cut_as_automm_cuts_them(first, second, longest):
    model = student.Student.__new__(student.Student)
    model.settings = {"longest": longest, "start": -1, "end": -2, "pad": -3}
    joined = model._join([1] * first, [2] * second)
    lengths = TextProcessor.get_trimmed_lengths([first, second], longest - 3, do_merge=True)
    assert joined == ([-1, *[1] * lengths[0], -2, *[2] * lengths[1], -2], lengths[0] + 2)
    (alone,) = TextProcessor.get_trimmed_lengths([first], longest - 2, do_merge=True)
    assert model._join([1] * first) == ([-1, *[1] * alone, -2], alone + 2)


def test_the_example_needs_neither_kdbook_nor_torch(shipped):
    """It runs where nothing but numpy, onnxruntime and tokenizers can be imported."""
    _, _, folder, _ = shipped
    refuse = (
        "import sys, runpy\n"
        "class Refuse:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name.split('.')[0] in ('kdbook', 'torch', 'transformers', 'autogluon', 'pandas'): raise ImportError(name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "sys.argv = ['student.py', 'Anna paid Boris .', 'Boris paid Anna .']\n"
        f"runpy.run_path({str(folder / 'student.py')!r}, run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", refuse], capture_output=True, text=True, check=False, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    expected = student.Student(folder).probabilities(["Anna paid Boris ."], ["Boris paid Anna ."])[0]
    assert [float(line.split()[0]) for line in done.stdout.splitlines()] == pytest.approx(expected, abs=1e-3)


def test_the_card_gives_this_study_s_numbers(shipped):
    _, run, folder, exported = shipped
    card = (folder / "README.md").read_text("utf-8")
    assert run.key in card and f"| this model, all | {exported.accuracy.value:.3f} |" in card
    assert "{{" not in card and card.startswith("---\nlanguage:\n- en\n- de\n")


def test_what_is_there_is_not_overwritten(shipped, tmp_path):
    opened, run, folder, _ = shipped
    with pytest.raises(KdbookError, match="exists already"):
        onnx_export.export_student(run, folder, opened.data)


def test_an_export_that_fails_leaves_nothing(shipped, tmp_path, monkeypatch):
    opened, run, _, _ = shipped
    monkeypatch.setattr(onnx_export, "_compare", lambda *arguments: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        onnx_export.export_student(run, tmp_path / "student", opened.data)
    assert list(tmp_path.iterdir()) == []


def test_validation_rows_choose(tmp_path):
    scores = (0.5, 0.7, 0.6)
    frame = simulated(np.random.default_rng(0), 0.7)
    runs = [
        make_run(tmp_path, f"distilled-{n}", frame, validation_score=score) for n, score in enumerate(scores)
    ]
    assert onnx_export.choose(runs) is runs[1]


@pytest.fixture
def bert(smoke, tmp_path):
    """A small BERT of one's own."""
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path / "bert"
    folder.mkdir()
    words = BertWordPieceTokenizer(lowercase=False)
    words.train_from_iterator(smoke.data["train"]["sentence1"], vocab_size=300, show_progress=False)
    words.save_model(str(folder))
    tokenizer = BertTokenizerFast(vocab=str(folder / "vocab.txt"), do_lower_case=False)
    tokenizer.save_pretrained(folder)
    size = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(vocab_size=len(tokenizer), initializer_range=0.3, **size)).save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [("bert", {}), ("embedded:teacher", {"model.hf_text.pooling_mode": "mean"})],
)
def test_students_of_other_kinds(bert, smoke, tmp_path, kind, settings):
    """Any text encoder may be a student; AutoMM marks the second text of these with segments."""
    changes = {"checkpoint": bert if kind == "bert" else kind, "hyperparameters": settings}
    own = smoke.profile.model_copy(update={"student": smoke.profile.student.model_copy(update=changes)})
    opened = Study(own, Store(tmp_path / "store"), train_in_process)
    run = opened.get_or_train("baseline-0")
    exported = onnx_export.export_student(run, tmp_path / "student", opened.data)
    assert exported.different == 0 and exported.distance < 1e-4
    model = student.Student(tmp_path / "student", quantized=False)
    assert student.SEGMENTS in model.inputs
    assert run.predictions["probability_1"].round(4).nunique() > 5  # it does not say the same of everything


def test_a_student_checks_what_it_is_given(shipped):
    _, _, folder, _ = shipped
    model = student.Student(folder)
    for texts, problem in (
        ((["a", "b"], ["x"]), "differ in length"),
        ((["a"],), "give 2 lists"),
        ((["a"], ["b"], ["c"]), "give 2 lists"),
        (("a", "b"), "not a single text"),
        ((["a", None], ["b", "c"]), "None is not a text"),
        (([1], ["b"]), "1 is not a text"),
        ((b"a", b"b"), "not a single text"),
    ):
        with pytest.raises((TypeError, ValueError), match=problem):
            model.probabilities(*texts)
    assert model.probabilities([], []).shape == (0, 2)


@pytest.mark.parametrize("threads", [1, 3])
def test_a_student_that_was_used_works_in_a_forked_process(shipped, threads):
    code = (
        "import os, sys\n"
        "from kdbook.export.student import Student\n"
        f"model = Student({str(shipped[2])!r}, threads={threads})\n"
        "texts = [f'word {n}' for n in range(40)]\n"
        "before = model.probabilities(texts, texts)\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    os._exit(int(abs(model.probabilities(texts, texts) - before).max() > 1e-6))\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=120, check=False).returncode == 0


@pytest.mark.parametrize(
    ("file", "content", "problem"),
    [
        (student.QUANTIZED, None, "model_int8.onnx is missing"),
        (student.TOKENIZER, None, "tokenizer.json is missing"),
        (student.SETTINGS, "{}", "'texts' is missing"),
    ],
)
def test_a_student_that_is_not_whole_names_the_file(shipped, tmp_path, file, content, problem):
    folder = Path(shutil.copytree(shipped[2], tmp_path / "student"))
    (folder / file).unlink() if content is None else (folder / file).write_text(content)
    with pytest.raises((OSError, ValueError), match=problem):
        student.Student(folder)


def test_settings_with_another_number_of_classes_are_refused(shipped, tmp_path):
    folder = Path(shutil.copytree(shipped[2], tmp_path / "student"))
    settings = json.loads((folder / student.SETTINGS).read_text())
    (folder / student.SETTINGS).write_text(json.dumps(settings | {"classes": ["a", "b", "c"]}))
    with pytest.raises(ValueError, match="names 3 classes, and the model has 2"):
        student.Student(folder)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("baseline-0", "without a teacher"),
        ("transfer-0", "distilled from a teacher on all training rows"),
        ("teacher-0", "without a teacher"),
    ],
)
def test_a_model_card_states_how_the_run_was_made_and_no_licence(shipped, name, said):
    opened, _, _, exported = shipped
    card = report.model_card(opened.get_or_train(name), exported, opened.data, {})
    assert f"the run `{name}` of the study" in card and said in card and "license:" not in card
