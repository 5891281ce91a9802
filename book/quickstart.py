"""Distil a large multilingual model into a small one, on PAWS-X in English and German."""

import pandas as pd
from autogluon.multimodal import MultiModalPredictor
from datasets import load_dataset


def rows(split, *languages):
    name = "google-research-datasets/paws-x"
    parts = [load_dataset(name, language, split=split) for language in languages]
    joined = pd.concat([part.to_pandas() for part in parts])
    return joined[["sentence1", "sentence2", "label"]]


def fit(checkpoint, teacher=None):
    return MultiModalPredictor(label="label", eval_metric="accuracy").fit(
        rows("train", "en", "de"),
        tuning_data=rows("validation", "en", "de"),
        teacher_predictor=teacher,
        hyperparameters={
            "model.hf_text.checkpoint_name": checkpoint,
            "model.hf_text.text_trivial_aug_maxscale": 0,
            "env.precision": "32",
            "optim.max_epochs": 8,
        },
    )


teacher = fit("microsoft/mdeberta-v3-base")
student = fit("nreimers/mMiniLMv2-L6-H384-distilled-from-XLMR-Large", teacher.path)
for language in ("en", "de"):
    test = rows("test", language)
    print(language, teacher.evaluate(test), student.evaluate(test))
