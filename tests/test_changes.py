"""What the tests and benches change in a copy of the project."""

import yaml
from changes import without_freshness
from helpers import ROOT

from kdbook.website.chapters import page_names


def test_a_plain_project_has_nothing_of_ours(tmp_path):
    names = ["_config.yml", "_toc.yml", *(f"{page}.md" for page in page_names(ROOT))]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    without_freshness(tmp_path)
    config = yaml.safe_load((tmp_path / "_config.yml").read_text("utf-8"))
    assert not [name for name in config["sphinx"]["extra_extensions"] if name.startswith("kdbook")]
    assert "html_math_renderer" not in config["sphinx"]["config"]
    assert not [name for name in names if "only-for" in (tmp_path / name).read_text("utf-8")]
