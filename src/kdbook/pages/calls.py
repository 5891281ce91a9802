"""The AutoMM calls that train the runs of a study, as code that a reader can run.

They are generated from the settings of a run. What :func:`kdbook.training.fit.fit` does beyond them saves
time and resumes interrupted fits; it changes no result.
"""

import json
from typing import Any

from kdbook.data import UNLABELLED, inputs, texts
from kdbook.pages import markup
from kdbook.settings.arms import DISTILLING
from kdbook.store.run import RunSpec
from kdbook.study.study import Study
from kdbook.training import automm

IMPORTS = "from autogluon.multimodal import MultiModalPredictor"
LOCATE = "from kdbook.encoders.checkpoints import locate"
SHOW_LABELS = "from kdbook.training.lessons import with_hidden_labels"


def call(study: Study, name: str) -> str:
    """The call that trains a run, or the first run of an arm, as a block of Python in Markdown.

    It expects the ``study``, and for a distilled student the teacher's predictor in the directory that is
    named after its run.
    """
    spec = study.spec(name)
    code = f"{_imports(spec)}\n\n{_rows(study, spec)}\n{_fit(study, spec)}"
    fence = markup.fence([code])
    return f"{fence}python\n{code}{fence}"


def _imports(spec: RunSpec) -> str:
    lines = ["import pandas as pd", IMPORTS] if _labels_rows(spec) else [IMPORTS]
    ours = {LOCATE: _is_embedded(spec), SHOW_LABELS: _shows_labels(spec)}
    return "\n".join([*lines, *(line for line, needed in ours.items() if needed)])


def _shows_labels(spec: RunSpec) -> bool:
    """Whether this run learns the true labels of all rows, which other runs do not see."""
    return spec.rows == "all" and spec.lesson == "labels"


def _is_embedded(spec: RunSpec) -> bool:
    return spec.checkpoint.startswith("embedded:")


def _labels_rows(spec: RunSpec) -> bool:
    """Whether a teacher labels rows for this run."""
    return spec.rows == "all" and spec.lesson != "labels"


def _rows(study: Study, spec: RunSpec) -> str:
    """The lines that make the training and the validation rows."""
    train = "with_hidden_labels(study.data)" if _shows_labels(spec) else 'study.data["train"]'
    lines = [
        f"columns = {_literal(inputs(study.data['train']))}  # the texts and the label",
        f"train = {train}[columns]",
        'validation = study.data["validation"][columns]',
    ]
    if _labels_rows(spec):
        lines += [
            "",
            f'teacher = MultiModalPredictor.load("{spec.teacher}")',
            f'unlabelled = study.data["{UNLABELLED}"]',
            "predicted = teacher.predict(unlabelled[columns[:-1]], as_pandas=False)",
            "train = pd.concat([train, unlabelled.assign(label=predicted)[columns]], ignore_index=True)",
        ]
    return "".join(f"{line}\n" for line in lines)


def _fit(study: Study, spec: RunSpec) -> str:
    data = study.data
    problem_type, metric = automm.problem_type(len(data.classes)), automm.METRICS[spec.metric]
    checkpoint = f'str(locate("{spec.checkpoint}").path)' if _is_embedded(spec) else _literal(spec.checkpoint)
    settings = {"model.names": _literal(["hf_text"]), "model.hf_text.checkpoint_name": checkpoint}
    settings |= {key: _literal(value) for key, value in spec.hyperparameters.items()}
    return "".join(
        [
            "predictor = MultiModalPredictor(\n",
            f'    label="label", problem_type="{problem_type}", eval_metric="{metric}", path="{spec.name}"\n',
            ")\n",
            "predictor.fit(\n",
            "    train_data=train,\n",
            "    tuning_data=validation,\n",
            f"    column_types={_literal(dict.fromkeys(texts(data['train']), 'text'))},\n",
            f'    teacher_predictor="{spec.teacher}",\n' if spec.lesson in DISTILLING else "",
            "    hyperparameters={\n",
            *(f'        "{key}": {value},\n' for key, value in settings.items()),
            "    },\n",
            f"    seed={spec.seed},\n",
            ")\n",
        ]
    )


def _literal(value: Any) -> str:
    """A value as Python, texts in double quotes."""
    if isinstance(value, str | list | dict):
        return json.dumps(value, ensure_ascii=False)
    return repr(value)
