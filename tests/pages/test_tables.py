"""Tables show text as text and numbers as they are best read."""

import pandas as pd

from kdbook.pages import tables


def test_what_looks_like_html_is_shown_as_text():
    frame = pd.DataFrame({"<b>sentence": ["<script>alert(1)</script>"]}, index=["<i>row"])
    html = tables.styled(frame).to_html()
    assert "<script" not in html and "<b>" not in html and "<i>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


def test_numbers_are_rounded_and_rows_are_not_counted():
    frame = pd.DataFrame({"accuracy": [0.123456], tables.FIT: [12.3456]})
    html = tables.styled(frame).to_html()
    assert ">0.123<" in html and ">12.3<" in html and "row_heading" not in html
    assert ">0.1<" in tables.styled(frame, precision=1).to_html()
    assert "row_heading" in tables.styled(frame.set_axis(["run"])).to_html()
