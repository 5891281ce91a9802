"""Fonts of the site."""

import pytest

from kdbook.website.sphinx_ext import assets


@pytest.mark.parametrize(
    ("formula", "wanted"),
    [
        ("<math><mi>T</mi><mo>&#x0003D;</mo><mn>5</mn></math>", "T𝑇=5"),
        ("<math><mi>&#x003C3;</mi><mi>h</mi></math>", "σ𝜎hℎ"),
        ("<math><msub><mi>f</mi><mi>s</mi></msub></math>", "f𝑓s𝑠"),
    ],
)
def test_letters_of_formulas_are_there_upright_and_italic(formula, wanted):
    assert assets.signs([formula]) == {ord(sign) for sign in wanted}
