"""The student in the reader's browser says what the student in Python says."""

import numpy as np
import pytest

from kdbook.export import browser as demo
from kdbook.website.sphinx_ext.demo import FOLDER as DEMO

PAIRS = 50
ODD = [("", ""), ("Ünknown ☃☃ wörds", "日本"), ("a " * 300, "In March"), ("  In  March\n", "In March")]


@pytest.fixture
def page(browser, address, site):
    opened = browser.new_page()
    opened.goto(f"{address}/book/index.html", wait_until="load")
    yield opened
    opened.close()


def asked(page, pairs) -> list[float]:
    return page.evaluate(
        "async pairs => Promise.all(pairs.map(([one, other]) => window.kdbookStudent(one, other)))", pairs
    )


def test_it_answers_as_python_does(page, smoke):
    run = smoke.get_or_train("transfer")
    rows = (
        smoke.data["test"]
        .merge(run.predictions, on=["id", "language", "label"])
        .sample(PAIRS, random_state=0)
    )
    assert set(rows["language"]) == {"en", "de"}
    here = np.array(asked(page, rows[["sentence1", "sentence2"]].to_numpy().tolist()))
    np.testing.assert_allclose(here, rows["probability_1"], atol=1e-4)
    assert ((here > 0.5) == rows["prediction"]).all()


def test_odd_texts_are_read_as_autoMM_reads_them(page, smoke):
    import pandas as pd
    from autogluon.multimodal import MultiModalPredictor

    predictor = MultiModalPredictor.load(str(smoke.get_or_train("transfer").predictor), verbosity=0)
    there = predictor.predict_proba(pd.DataFrame(ODD, columns=["sentence1", "sentence2"]), as_pandas=False)[
        :, 1
    ]
    np.testing.assert_allclose(asked(page, ODD), there, atol=1e-4)


def test_the_student_is_loaded_only_when_it_is_asked(page):
    loaded: list[str] = []
    page.on("request", lambda request: loaded.append(request.url))
    page.reload(wait_until="networkidle")
    assert not [url for url in loaded if f"/{DEMO}/" in url]
    page.get_by_role("button", name="Try the student").click()
    page.get_by_text("a probability of").wait_for()
    assert len([url for url in loaded if f"/{DEMO}/" in url]) == 2


def test_presets_come_first_and_include_an_error_if_there_is_one(page):
    rows = page.locator(".tag_student-demo tbody tr")
    cells = [rows.nth(number).locator("td").all_inner_texts() for number in range(rows.count())]
    wrong = [(float(share) > 0.5) != (label == "1") for *_, label, share in cells]
    form, table = page.locator("form.student-demo"), page.locator(".tag_student-demo table")
    assert form.bounding_box()["y"] < table.bounding_box()["y"]
    said = []
    for preset in form.get_by_role("button", name="Test pair").all():
        preset.click()
        page.get_by_text("The label is").wait_for()
        said.append(form.locator("output").inner_text())
        page.evaluate("document.querySelector('form.student-demo output').textContent = ''")
    assert len(said) == 4
    assert any("incorrect" in text for text in said) == any(wrong)


def test_a_student_that_does_not_come_is_said(page):
    page.route("**/student.bin", lambda route: route.fulfill(status=404))
    page.get_by_role("button", name="Try the student").click()
    page.get_by_text("Could not run the student").wait_for()
    page.unroute("**/student.bin")
    page.get_by_role("button", name="Try the student").click()
    page.get_by_text("a probability of").wait_for()


def test_without_scripts_the_answers_stay(site, page_without_scripts, address):
    page = page_without_scripts
    page.goto(f"{address}/book/index.html", wait_until="load")
    assert page.locator(".tag_student-demo table tbody tr").count() == 8
    assert page.locator(".student-demo").count() == 0


def test_a_model_of_another_kind_has_no_demo(smoke, tmp_path):
    assert not demo.write(smoke.get_or_train("teacher"), tmp_path / DEMO)
    assert not (tmp_path / DEMO).exists()
