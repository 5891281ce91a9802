"""The last words of a build that failed."""

from kdbook.website.sphinx_ext.failures import ADVICE, summary

LINE = "-" * 18
TRACEBACK = f"""\
Traceback (most recent call last):
  File "somewhere/nbclient/client.py", line 1
nbclient.exceptions.CellExecutionError: An error occurred while executing the following cell:
{LINE}
first = 1
second = compute(first)
{LINE}


{LINE}-----------------------------------------------------
ValueError                                Traceback (most recent call last)
Cell In[3], line 2
      1 first = 1
\x1b[32m----> \x1b[39m\x1b[32m2\x1b[39m second = compute(first)

\x1b[31mValueError\x1b[39m: the reason
"""


def test_chapter_cell_and_error_are_named():
    assert summary({"book/data": TRACEBACK}).splitlines() == [
        "The chapter book/data failed in the line",
        "    second = compute(first)",
        "ValueError: the reason",
        ADVICE,
    ]


def test_many_chapters_are_few_lines():
    text = summary({f"book/{number}": TRACEBACK for number in range(9)})
    assert len(text.splitlines()) <= 15
    assert all(f"book/{number}" in text for number in range(9))


def test_a_kernel_that_died_has_its_message():
    assert "DeadKernelError: Kernel died" in summary(
        {"book/data": "x\nnbclient.exceptions.DeadKernelError: Kernel died\n"}
    )
