"""Notebooks that were downloaded before modules moved still find them."""

import pytest

from kdbook import analysis


@pytest.mark.parametrize(("old", "new"), analysis.MOVED.items())
def test_an_old_name_is_the_new_module(old, new):
    variables: dict[str, object] = {}
    imports = (f"from kdbook.analysis import {old} as one", f"import kdbook.analysis.{old} as two")
    exec("\n".join([*imports, f"import kdbook.{new} as three"]), variables)
    assert variables["one"] is variables["two"] is variables["three"]
