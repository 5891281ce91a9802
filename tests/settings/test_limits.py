"""A setting that would not train as it seems to is refused when the profile is read."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdbook.errors import KdbookError
from kdbook.settings import automm, limits, profile

ODD = [
    True,
    False,
    0,
    -1,
    1,
    2**32,
    10**9,
    1.5,
    -0.5,
    1e9,
    math.nan,
    math.inf,
    -math.inf,
    "",
    "banana",
    [],
    [""],
]


def load(tmp_path, lines: str):
    path = tmp_path / "mine.toml"
    path.write_text(f'base = "smoke"\n{lines}\n', "utf-8")
    return profile.load(str(path))


def test_every_setting_of_automm_has_a_rule():
    lemda = {key for key in automm.defaults() if key.startswith("optim.lemda.")}  # needs a fusion model
    assert set(limits.RULES) == set(automm.defaults()) - lemda


def test_known_defaults_are_those_of_the_installed_automm():
    for key, value in automm.FALLBACKS.items():
        assert automm.defaults()[key] == value, key


@pytest.mark.parametrize("key", limits.RULES)
def test_the_default_of_a_setting_is_possible_unless_it_must_be_left_out(key):
    default, rule = automm.defaults()[key], limits.RULES[key]
    assert (
        default is None
        or rule.accepts(default)
        or rule.expected.startswith("left out")
        or key == "env.num_gpus"
    )


@pytest.mark.parametrize("key", limits.RULES)
def test_no_rule_takes_a_truth_value_for_a_number_or_what_is_not_finite(key):
    rule = limits.RULES[key]
    taken = [value for value in ODD if rule.accepts(value)]
    assert not any(isinstance(value, float) and not math.isfinite(value) for value in taken)
    assert rule is limits.FLAG or not any(isinstance(value, bool) for value in taken)
    assert "banana" not in taken
    assert 2**32 not in taken


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("optim.max_epochs = 0", "optim.max_epochs = 0 should be a whole number from 1"),
        ("optim.max_epochs = true", "optim.max_epochs = True should be"),
        ("optim.val_check_interval = 1", "decimal point"),
        ('env.precision = "banana"', "'16-mixed'"),
        ("env.batch_size = 0", "from 1 to 65,536"),
        ("optim.lr = nan", "optim.lr = nan should be"),
        ('optim.lr_schedule = "banana"', "cosine_decay"),
        ('model.hf_text.pooling_mode = "max"', "'cls', 'mean'"),
        ("model.hf_text.max_text_len = 4", "set it to 5 or more"),
        ('model.hf_text.checkpoint_name = "x"', "set the checkpoint of the teacher or student"),
        ("env.batch_size = 24", "multiple of env.per_gpu_batch_size = 16"),
        ("env.num_gpus = 4", "env.num_gpus = 4"),
        ("optim.check_val_every_n_epoch = 3", "multiple of optim.check_val_every_n_epoch"),
        ('optim.peft = "lora"', "set it for the teacher alone"),
        ("model.hf_text.text_trivial_aug_maxscale = 0.1", "together with text_train_augment_types"),
        (
            'model.hf_text.text_trivial_aug_maxscale = 0.1\nmodel.hf_text.text_train_augment_types = ["random_swap"]',
            "texts would change from epoch to epoch",
        ),
        ("distiller.temperature = 2.0", "set it in the table distiller"),
        ("optim.lora.r = 8", "optim.lora"),
        ("optim.end_lr = 0.5", "optim.end_lr needs"),
    ],
)
@pytest.mark.parametrize(
    "table", ["hyperparameters", "student.hyperparameters", "controls.longer.hyperparameters"]
)
def test_settings_are_refused_wherever_they_stand(tmp_path, table, lines, message):
    if "controls" in table and "texts would change" in message:
        lines = 'model.hf_text.text_train_augment_types = ["banana"]'
        message = "random_swap"
    with pytest.raises(KdbookError, match=message) as raised:
        load(tmp_path, f"[{table}]\n{lines}")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            "distiller.hard_label_weight = 0\ndistiller.soft_label_weight = 0",
            "nothing trains the student's head",
        ),
        ("distiller.temperature = 0", "a number from 0.001"),
        ("distiller.temperature = inf", "distiller.temperature = inf"),
        ('distiller.output_feature_loss_type = "cosine"', "should be 'mse'"),
    ],
)
def test_settings_of_the_distiller_are_refused(tmp_path, lines, message):
    with pytest.raises(KdbookError, match=message):
        load(tmp_path, f"[distiller]\n{lines}")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("[teacher]\nseeds = [0, 0]", "0 occurs twice"),
        ("[teacher]\nseeds = [4294967296]", "4294967295"),
        ("[student]\nseeds = [true]", "student.seeds"),
        ("[student]\ngpus = inf", "student.gpus"),
        ("[student]\ngpus = 4", "student.gpus"),
        ('[student]\ncheckpoint = ""', "student.checkpoint"),
        ("threads = 100000", "threads"),
        ("threads = true", "threads"),
        ("control_seeds = 0", "control_seeds"),
        ('[primary]\narm = "baseline"\nagainst = "baseline"', "compare two arms"),
        ("[data]\nseed = -1", "data.seed"),
        ("[data]\ntrain_items = 1000000000000", "data.train_items"),
        ("[data]\ntrain_items = 2000000", "1,000,000"),
        ("[data]\nunlabelled = 1", "data.unlabelled"),
        ("[data]\ntrain_label_noise = nan", "data.train_label_noise"),
        ('[data]\nsource = ""', "data.source"),
    ],
)
def test_other_keys_are_checked_too(tmp_path, lines, message):
    with pytest.raises(KdbookError, match=message) as raised:
        load(tmp_path, lines)
    assert "\n" not in str(raised.value)


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(sorted(limits.RULES)),
        st.one_of(st.sampled_from(ODD), st.integers(), st.floats(), st.text(max_size=5)),
        max_size=4,
    ),
    st.integers(1, 2),
    st.booleans(),
)
def test_settings_that_pass_alone_are_looked_at_together_without_an_error(chosen, texts, distils):
    if not limits.problem(chosen):
        limits.Fit(chosen, texts, is_teacher=False, distils=distils).conflict()
