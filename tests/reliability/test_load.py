"""A million pairs, and ten thousand runs."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from kdbook.store.local import LAYOUT, Store
from kdbook.store.run import MANIFEST, RECORD, Run, hash_of

PAIRS = {"train": 440_000, "dev_2k": 20_000, "test_2k": 40_000}  # of each of two languages
SECONDS, GIGABYTES = 300, 3.0  # of processor time and memory that a million pairs may take
RUNS = 10_000

READ = """
import resource, sys, time
import numpy as np
from runs import simulated

from kdbook import data
from kdbook.pages import descriptions
from kdbook.stats import bootstrap
from kdbook.settings.data import Data

def report(what, start):
    gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{what}: {time.perf_counter() - start:.0f} s, {gigabytes:.1f} GB at most")
    return time.perf_counter()

start = time.perf_counter()
pairs = data.load(Data(source=sys.argv[1]))
table = pairs.audit_table()
assert table["read"].sum() == table["kept"].sum() == 1_000_000
pairs.digest()
start = report("load and audit", start)
descriptions.surface_cues(pairs)
start = report("statistics of the words", start)
rng = np.random.default_rng(0)
arms = [[simulated(rng, accuracy, len(pairs["test"]) // 2) for seed in range(5)] for accuracy in (0.95, 0.7, 0.8)]
assert abs(bootstrap.compare(*arms).gain.value - 0.1) < 0.01
start = report("comparison of 15 runs", start)
"""


def test_a_million_pairs(tmp_path, tally):
    write_pairs(tmp_path / "x-final")
    settings = {"PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-c", READ, str(tmp_path / "x-final")]
    with tally.trial("a million pairs"):
        start = os.times().children_user
        done = subprocess.run(command, env=os.environ | settings, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert os.times().children_user - start < SECONDS
        assert max(map(float, re.findall(r"([\d.]+) GB", done.stdout))) < GIGABYTES
    for line in done.stdout.splitlines():
        tally.measured(f"a million pairs, {line}")


def write_pairs(release: Path) -> None:
    for language in ("en", "de"):
        (release / language).mkdir(parents=True)
        for split, items in PAIRS.items():
            name = "translated_train" if (split, language) == ("train", "de") else split
            with (release / language / f"{name}.tsv").open("w", encoding="utf-8") as file:
                file.write("id\tsentence1\tsentence2\tlabel\n")
                for number in range(items):
                    first = f"In {number} the {language} town of place{number % 997} had a mayor named person{number % 1009} and a river ."
                    second = f"The {language} town of place{number % 997} in {number} had a river and a mayor named person{number % 1013} ."
                    file.write(f"{number}\t{first}\t{second}\t{number % 2}\n")


def test_ten_thousand_runs(smoke_store, tmp_path, tally):
    """Of which none is one that the profile asks for, so that all have to be looked through."""
    one = next(iter(Store(smoke_store)))
    small = {
        name: (one.path / name).read_bytes()
        for name in ("predictions.parquet", "history.parquet", "train_predictions.parquet")
    }
    shutil.copy(smoke_store / LAYOUT, tmp_path)
    for number in range(RUNS):
        write_run(tmp_path / f"{number:020x}", one, number, small)
    command = [sys.executable, "-m", "kdbook.cli", "status", "--profile", "smoke", "--json"]
    environment = os.environ | {"KDBOOK_STORE": str(tmp_path)}
    seconds = []
    with tally.trial("status of a store with 10,000 runs"):
        for _ in range(3):
            start = time.perf_counter()
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            seconds.append(time.perf_counter() - start)
        states = {row["state"] for row in json.loads(done.stdout)["runs"]}
        assert states == {"outdated", "missing"}
    tally.measured(
        f"kdbook status with {RUNS:,} runs in the store: {sorted(seconds)[1]:.1f} s, of which starting takes {startup():.1f} s"
    )


def startup() -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "kdbook.cli", "--help"], capture_output=True, check=True)
    return time.perf_counter() - start


def write_run(path: Path, like: Run, number: int, small: dict[str, bytes]) -> None:
    path.mkdir()
    identity = like.record.identity.model_copy(update={"seed": number})
    (path / RECORD).write_text(
        like.record.model_copy(update={"identity": identity}).model_dump_json(), "utf-8"
    )
    for name, content in small.items():
        (path / name).write_bytes(content)
    (path / MANIFEST).write_text(
        json.dumps({name: hash_of(path / name) for name in (RECORD, *small)}), "utf-8"
    )
