"""The hub unreachable, slow, answering garbage, or cutting a download off."""

import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fake_hub

READ = f"""
from kdbook.data import pawsx
from kdbook.errors import KdbookError
try:
    print(len(pawsx.from_hub({fake_hub.NAME!r}, "de")["train"]))
except KdbookError as error:
    print("error:", error)
"""


def read(address: str, home: Path) -> str:
    """What comes of reading the data set; a short patience, so that the test needs none."""
    settings = {
        "HF_ENDPOINT": address,
        "HF_HOME": str(home),
        "HF_HUB_ETAG_TIMEOUT": "2",
        "HF_HUB_DOWNLOAD_TIMEOUT": "2",
    }
    command = [sys.executable, "-c", READ]
    done = subprocess.run(
        command, env=os.environ | settings, capture_output=True, text=True, check=True, timeout=300
    )
    return done.stdout.strip()


BAD_MANNERS = {
    "garbage": "answers garbage",
    "error": "fails",
    "slow": "is slow",
    "cut": "cuts a download off",
}


def test_every_trouble_with_the_hub_is_one_line_and_the_next_try_succeeds(tmp_path, tally):
    """All at once, since most of the time goes into waiting."""
    with ThreadPoolExecutor() as pool:
        meetings = [pool.submit(meet, manner, tmp_path / manner) for manner in BAD_MANNERS]
        meetings += [pool.submit(miss, tmp_path / "unreachable"), pool.submit(leave, tmp_path / "gone")]
        troubles = (*BAD_MANNERS.values(), "can't be reached", "is gone after the first read")
        for trouble, meeting in zip(troubles, meetings, strict=True):
            with tally.trial(f"hub that {trouble}"):
                meeting.result()


def meet(manner: str, home: Path) -> None:
    with fake_hub.running(manner) as (address, server):
        assert_one_line(read(address, home))
        server.manner = "good"
        assert read(address, home) == str(fake_hub.ROWS)
        assert set(server.methods) <= {"GET", "HEAD"}  # nothing is uploaded


def miss(home: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert_one_line(read(f"http://127.0.0.1:{unused.getsockname()[1]}", home))


def leave(home: Path) -> None:
    with fake_hub.running() as (address, _):
        assert read(address, home) == str(fake_hub.ROWS)
    assert read(address, home) == str(fake_hub.ROWS)


def assert_one_line(output: str) -> None:
    assert (
        output.startswith("error: ")
        and "\n" not in output
        and fake_hub.NAME in output
        and "KDBOOK_DATA" in output
    ), output
