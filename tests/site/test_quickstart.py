"""The script of the quickstart, run as a reader runs it, with small encoders and a hub on this machine."""

import os
import re
import subprocess
import sys
from pathlib import Path

import fake_hub
import pytest
from bs4 import BeautifulSoup

from kdbook.encoders import checkpoints

SCRIPT = Path(__file__).parents[2] / "book" / "quickstart.py"
ENCODERS = {
    "microsoft/mdeberta-v3-base": "embedded:teacher",
    "nreimers/mMiniLMv2-L6-H384-distilled-from-XLMR-Large": "embedded:student",
}


# Runs a script where this package can't be imported, as in an environment with AutoMM alone.
ALONE = """
import runpy, sys
class Refuse:
    def find_spec(self, name, *rest):
        if name.split(".")[0] == "kdbook":
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
runpy.run_path("quickstart.py", run_name="__main__")
"""


@pytest.mark.site
@pytest.mark.parametrize("page", ["index", "quickstart", "de-quickstart"])
def test_a_page_shows_the_script_as_it_is(site, page):
    soup = BeautifulSoup((site / "book" / f"{page}.html").read_text("utf-8"), "html.parser")
    assert SCRIPT.read_text("utf-8").strip() in [block.get_text().strip() for block in soup.find_all("pre")]


@pytest.mark.training
def test_the_script_runs_and_prints_both_models_for_each_language(tmp_path):
    text = SCRIPT.read_text("utf-8")
    for name, small in ENCODERS.items():
        assert text.count(f'"{name}"') == 1
        text = text.replace(name, str(checkpoints.locate(small).path))
    (tmp_path / "quickstart.py").write_text(text, "utf-8")
    with fake_hub.running() as (address, _):
        environment = {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "hub"), "NO_PROXY": "127.0.0.1"}
        done = subprocess.run(
            [sys.executable, "-c", ALONE],
            cwd=tmp_path,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-3000:]
    for language in ("en", "de"):
        assert re.search(rf"^{language} {{'accuracy': .+}} {{'accuracy': .+}}$", done.stdout, re.MULTILINE)
