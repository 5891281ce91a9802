"""The script of the quickstart, run as a reader runs it, with small encoders and a hub on this machine."""

import os
import re
import subprocess
import sys
from pathlib import Path

import fake_hub
import pytest

from kdbook.encoders import checkpoints

SCRIPT = Path(__file__).parents[2] / "book" / "quickstart.py"
ENCODERS = {
    "microsoft/mdeberta-v3-base": "embedded:teacher",
    "nreimers/mMiniLMv2-L6-H384-distilled-from-XLMR-Large": "embedded:student",
}


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
            [sys.executable, "quickstart.py"],
            cwd=tmp_path,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-3000:]
    for language in ("en", "de"):
        assert re.search(rf"^{language} {{'accuracy': .+}} {{'accuracy': .+}}$", done.stdout, re.MULTILINE)
