"""Tables as pages show them."""

import pandas as pd
from pandas.io.formats.style import Styler

FIT, PREDICT, TOTAL, BACKBONE = "fit (s)", "predict (s)", "size (M)", "backbone (M)"
FORMATS = {FIT: "{:.1f}", PREDICT: "{:.2f}", TOTAL: "{:.2f}", BACKBONE: "{:.3f}"}


def styled(table: pd.DataFrame, precision: int = 3) -> Styler:
    """A table for a page, times and sizes as they are best read; row numbers are left out.

    Text is shown as it is: what looks like HTML in a sentence is not taken for HTML, which pandas would do.
    """
    formats: dict = {column: FORMATS[column] for column in table.columns if column in FORMATS}
    shown = table.style.format(formats, precision=precision, escape="html")
    for axis in ("index", "columns"):
        shown = shown.format_index(precision=precision, escape="html", axis=axis)
    return shown.hide() if isinstance(table.index, pd.RangeIndex) else shown
