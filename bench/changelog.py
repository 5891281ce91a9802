"""Print the section of CHANGELOG.md about one version, for the notes of its release."""

import re
import sys
from pathlib import Path

CHANGELOG = Path(__file__).parents[1] / "CHANGELOG.md"


def section(text: str, version: str) -> str:
    """The text between the heading of a version and the next one.

    Raises
    ------
    ValueError
        If the changelog has no such heading.
    """
    parts = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)
    sections = {
        heading.split()[0].strip("[]"): body for heading, body in zip(parts[1::2], parts[2::2], strict=True)
    }
    if version not in sections:
        raise ValueError(f"CHANGELOG.md has no section {version!r}, only: {', '.join(sections)}")
    return sections[version].strip()


if __name__ == "__main__":
    print(section(CHANGELOG.read_text("utf-8"), sys.argv[1]))
