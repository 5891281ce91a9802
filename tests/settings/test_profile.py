"""Profiles: what ships is valid, and what is wrong is said with the choices."""

import pytest

from kdbook.errors import KdbookError
from kdbook.settings import profile
from kdbook.settings.arms import PrimaryComparison
from kdbook.study.specs import expand


def test_all_shipped_profiles_are_valid_and_turn_augmentation_off():
    assert set(profile.names()) == {
        "embedded",
        "laptop",
        "massive",
        "massive-both",
        "smoke",
        "pawsx",
        "pawsx-dev",
        "pawsx-small",
        "pawsx-seven",
        "pawsx-zero-shot",
    }
    for name in profile.names():
        loaded = profile.load(name)
        assert loaded.hyperparameters["model.hf_text.text_trivial_aug_maxscale"] == 0
        assert loaded.hyperparameters["env.precision"] == "32"
        arm = "transfer" if loaded.data.has_unlabelled_rows else "distilled"
        test = "de" if name == "massive" else "all"  # what the title asks, where no German label is used
        without_margin = loaded.primary.model_copy(update={"margin": None})
        assert without_margin == PrimaryComparison(arm=arm, against="baseline", test=test)
        assert loaded.data.train_label_noise == 0 and loaded.distiller == {}  # AutoMM's defaults


@pytest.mark.parametrize(("name", "teachers", "students"), [("embedded", 3, 5), ("pawsx", 3, 10)])
def test_studies_are_large_enough_to_tell(name, teachers, students):
    loaded = profile.load(name)
    assert (len(loaded.teacher.seeds), len(loaded.student.seeds)) == (teachers, students)
    assert {"longer", "label-smoothing", "shuffled"} <= set(loaded.controls)
    assert (loaded.control_seeds or students) >= 3
    assert loaded.ablation_seeds >= 2 and len(loaded.ablations) >= 6


@pytest.mark.parametrize("name", ["embedded", "smoke", "pawsx", "pawsx-small", "pawsx-zero-shot"])
def test_an_ablation_changes_one_thing_of_what_it_varies(name):
    loaded = profile.load(name)
    specs = expand(loaded)
    for arm, ablation in loaded.ablations.items():
        one, other = (specs[f"{each}-{loaded.student.seeds[0]}"] for each in (arm, ablation.varied_arm))
        parts = [part for part in ("rows", "lesson", "teacher") if getattr(one, part) != getattr(other, part)]
        keys = {*one.hyperparameters, *other.hyperparameters}
        parts += [key for key in keys if one.hyperparameters.get(key) != other.hyperparameters.get(key)]
        if arm == "augmentation":  # how much, and by which edits
            parts = [part for part in parts if not part.startswith("model.hf_text.text_t")] + [arm]
        assert len(parts) == 1, (arm, parts)


def test_a_variation_has_the_settings_of_what_it_varies(tmp_path):
    text = (
        MINIMAL
        + """
[tuned.baseline]
optim.lr = 3e-4
[distiller]
distiller.temperature = 3.0
[controls.one]
title = "x"
lesson = "labels"
hyperparameters = { optim.max_epochs = 9 }
[ablations.two]
title = "x"
against = "one"
hyperparameters = { optim.lr = 1e-4 }
"""
    )
    specs = expand(profile.load(write(tmp_path, text)))
    changed = (
        specs["one-0"].hyperparameters.items()
        - profile.load(write(tmp_path, MINIMAL)).hyperparameters.items()
    )
    assert dict(changed) == {"optim.lr": 3e-4, "optim.max_epochs": 9}
    assert specs["two-0"].lesson == "outputs"
    assert specs["two-0"].hyperparameters["optim.max_epochs"] == 9
    assert specs["two-0"].hyperparameters["distiller.temperature"] == 3.0


@pytest.mark.parametrize("data", ['"columns"', "7", "[]", '["columns"]'])
def test_data_of_another_kind_over_a_base_is_one_line(tmp_path, data):
    with pytest.raises(KdbookError, match="data"):
        profile.load(write(tmp_path, f'base = "smoke"\ndata = {data}\n'))


def test_a_base_for_other_data_lends_what_these_can_use(tmp_path):
    columns = 'columns = { texts = ["text"], label = "label" }'
    text = f'base = "embedded"\n[data]\nsource = "x.csv"\nlanguages = ["en"]\n{columns}\n'
    plain = profile.load(write(tmp_path, text))
    assert plain.primary.arm == "distilled" and "transfer" not in plain.arms
    assert {"longer", "shuffled", "temperature"} <= set(plain.arms)
    assert not {"pseudo-labels", "all-labels"} & set(plain.arms)
    unlabelled = profile.load(write(tmp_path, text + "unlabelled = true\n"))
    assert unlabelled.primary.arm == "transfer"
    assert "pseudo-labels" in unlabelled.arms and "all-labels" not in unlabelled.arms
    hidden = profile.load(write(tmp_path, text + "labelled_items = 9\n"))
    assert "all-labels" in hidden.arms


def test_environment_chooses_profile_and_data(monkeypatch):
    monkeypatch.setenv("KDBOOK_PROFILE", "smoke")
    monkeypatch.setenv("KDBOOK_DATA", "somewhere")
    assert (profile.load().name, profile.load().data.source) == ("smoke", "somewhere")


def test_rows_in_the_layout_of_pawsx_do_not_replace_custom_data(tmp_path, monkeypatch):
    """As where the chapter on custom data is built over other rows."""
    monkeypatch.setenv("KDBOOK_DATA", "somewhere")
    columns = 'columns = { texts = ["text"], label = "label" }'
    path = write(tmp_path, f'base = "smoke"\n[data]\nsource = "x.csv"\n{columns}\n')
    assert profile.load(path).data.source == "x.csv"
    assert profile.load(path, "y.csv").data.source == "y.csv"


def write(tmp_path, text: str) -> str:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return str(path)


MINIMAL = """
description = "mine"
[data]
source = "generated"
[hyperparameters]
model.hf_text.text_trivial_aug_maxscale = 0
[teacher]
checkpoint = "embedded:teacher"
seeds = [0]
[student]
checkpoint = "embedded:student"
seeds = [0]
"""


def test_a_profile_of_ones_own(tmp_path):
    assert profile.load(write(tmp_path, MINIMAL)).name == "mine"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[data]", "[data]\nsauce = 1", "unknown key 'data.sauce'.*source"),
        ('description = "mine"', 'description = "mine"\ncolour = 1', "unknown key 'colour'.*teacher"),
        ("seeds = [0]", "seeds = []", "seeds"),
        ("seeds = [0]", 'seeds = ["x"]', "teacher.seeds"),
        ('source = "generated"', "", "data.source"),
        (
            "[hyperparameters]",
            "[hyperparameters]\noptim.learning = 1",
            "unknown setting 'optim.learning'.*optim.lr",
        ),
        ("[hyperparameters]", "[hyperparameters]\noptimization.learning_rate = 1", "use optim.lr"),
        ("[hyperparameters]", "[hyperparameters]\noptimization.max_epochs = 1", "use optim.max_epochs"),
        ("[hyperparameters]", '[hyperparameters]\noptim.lr = "fast"', "a number above 0"),
        ("[data]", "[data", "not valid TOML"),
        ("[data]", "x = " + "[" * 5000 + "\n[data]", "can't be read"),
        ("[data]", "x = " + "1" * 5000 + "\n[data]", "can't be read"),
        ('description = "mine"', 'description = "mine"\nname = "mine"', "remove 'name'"),
        ("[hyperparameters]", "[hyperparameters]\noptim = 1\n", "unknown setting 'optim'"),
        ("[data]", '[primary]\narm = "nope"\n[data]', "primary.arm = 'nope'.*baseline, distilled"),
        ("[data]", '[primary]\narm = "teacher"\n[data]', "primary.arm = 'teacher'"),
        ("[data]", '[primary]\ntest = "fr"\n[data]', "primary.test = 'fr'.*en, de, all"),
        ("[data]", '[controls.baseline]\ntitle = "x"\n[data]', "'baseline' is taken"),
        ("[data]", '[controls.x]\ntitle = "x"\nteacher = "mine"\n[data]', "controls.x.teacher"),
        ("[data]", "[data]\ntrain_items = 5\nlabelled_items = 5", "labelled_items = 5 leaves none"),
        ("[data]", "[data]\nunlabelled = true", "unlabelled = true finds no row"),
        ("[data]", '[controls.x]\ntitle = "x"\nrows = "all"\n[data]', "'x' has rows = 'all'.*labelled_items"),
        ("[data]", '[controls.x]\ntitle = "x"\nagainst = "y"\n[data]', "'x' varies 'y'.*baseline, distilled"),
        ("[data]", '[controls.x]\ntitle = "x"\nagainst = "x"\n[data]', "'x' varies itself"),
        ("[data]", "[tuned.x]\n[data]", "tuned.x names no main arm"),
        ("[data]", '[controls.x]\ntitle = "x"\nname = "x"\n[data]', "unknown key 'controls.x.name'.*title"),
    ],
)
def test_mistakes_are_named_in_one_line(tmp_path, old, new, message):
    with pytest.raises(KdbookError, match=message) as raised:
        profile.load(write(tmp_path, MINIMAL.replace(old, new, 1)))
    assert "\n" not in str(raised.value)


def test_a_profile_in_another_encoding_is_one_line(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_bytes(MINIMAL.replace("mine", "größer").encode("latin-1"))
    with pytest.raises(KdbookError, match="mine.toml.*utf-8"):
        profile.load(str(path))


def test_unknown_profile_names_the_choices():
    with pytest.raises(KdbookError, match=", ".join(profile.names())):
        profile.load("nope")


def test_a_profile_changes_what_it_names_of_its_base(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        'base = "embedded"\ndescription = "Mine"\n[student.hyperparameters]\noptim.max_epochs = 1\n[data]\nlanguages = ["de"]\n'
    )
    mine, base = profile.load(str(path)), profile.load("embedded")
    assert (mine.name, mine.description) == ("mine", "Mine")
    assert mine.student.hyperparameters == base.student.hyperparameters | {"optim.max_epochs": 1}
    assert mine.data == base.data.model_copy(update={"languages": ("de",)})
    assert (mine.teacher, mine.controls, mine.ablations) == (base.teacher, base.controls, base.ablations)


@pytest.mark.parametrize("base", ['"nothing"', "7", "[]", "true", "{}"])
def test_a_base_that_is_no_profile(base, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(f"base = {base}\n")
    with pytest.raises(KdbookError, match="is not a shipped profile. Choose from: embedded"):
        profile.load(str(path))


def test_languages_to_train_on_are_languages_of_the_data(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('base = "embedded"\n[data]\ntrain_languages = ["en", "fr"]\n')
    with pytest.raises(KdbookError, match="train_languages has 'fr', which is not in data.languages"):
        profile.load(str(path))
