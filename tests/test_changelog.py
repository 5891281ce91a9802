"""The notes of a release are the section of the changelog about it."""

import pytest
from helpers import bench_module

section = bench_module("changelog").section
TEXT = "# Changelog\n\nIntroduction.\n\n## Unreleased\n\n## [1.1.0] - 2027-01-02\n\n### Added\n\n- New.\n\n## 1.0.0\n\nOld.\n"


def test_the_section_of_a_version():
    assert section(TEXT, "1.1.0") == "### Added\n\n- New."
    assert section(TEXT, "1.0.0") == "Old."
    with pytest.raises(ValueError, match="no section '1.2.0', only: Unreleased, 1.1.0, 1.0.0"):
        section(TEXT, "1.2.0")
