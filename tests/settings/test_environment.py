import tempfile
from pathlib import Path

import pytest

from kdbook.errors import KdbookError
from kdbook.settings import environment


def test_sockets_are_beside_other_temporary_files_where_these_are_near_enough(monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", "/tmp")
    assert environment.folder_for_sockets(50) == Path("/tmp")


def test_a_long_temporary_folder_is_replaced_for_sockets(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("x" * 90)))
    assert len(str(environment.folder_for_sockets(50))) <= 53


def test_where_no_folder_is_short_enough_that_is_said():
    with pytest.raises(KdbookError, match="too long for sockets; set TMPDIR to a shorter one"):
        environment.folder_for_sockets(1000)
