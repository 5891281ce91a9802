"""AutoMM's settings as installed."""

from kdbook.settings import automm


def test_every_setting_of_the_distiller_is_explained():
    installed = {key for key in automm.defaults() if key.startswith("distiller.")}
    assert installed and installed == set(automm.DISTILLER)


def test_names_of_today_exist():
    known = automm.defaults()
    assert all(today in known for today in automm.OLD_NAMES.values() if "*" not in today)
    assert known["model.hf_text.text_trivial_aug_maxscale"] == 0.1


def test_flatten():
    assert automm.flatten({"a": {"b": 1, "c": {"d": 2}}, "e.f": 3}) == {"a.b": 1, "a.c.d": 2, "e.f": 3}
