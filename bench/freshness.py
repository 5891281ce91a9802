"""What a change to the project costs, from real builds of the smoke profile: ``make bench-freshness``."""

import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from changes import CHANGES, Workshop, without_freshness

ROOT = Path(__file__).parents[1]
REPEATS = 5  # of the builds that train and execute nothing
NONE, PROSE = CHANGES[0], CHANGES[1]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        plain, ours = Workshop(Path(folder) / "plain", ROOT), Workshop(Path(folder) / "ours", ROOT)
        _say("training the runs and building the book once")
        cold = ours.build()
        shutil.copytree(ours.store, plain.store)
        without_freshness(plain.project)
        for shop in (ours, plain):
            shop.build()
            shop.keep()
        times: dict[str, list[float]] = {"plain": [], NONE.name: [], PROSE.name: []}
        for _ in range(REPEATS):
            times["plain"].append(plain.build().seconds)
            for change in (NONE, PROSE):
                times[change.name].append(ours.make(change).seconds)
        unchanged = statistics.median(times["plain"])
        print(
            "| change | runs trained | chapters executed | seconds | against a plain Sphinx build with no change |\n|---|---|---|---|---|"
        )
        for change in CHANGES:
            built = ours.make(change)
            seconds = statistics.median(times.get(change.name, [built.seconds]))
            print(
                f"| {change.name} | {len(built.runs)} | {len(built.chapters)} | {seconds:.1f} | {seconds / unchanged:.2f} |",
                flush=True,
            )
        ours.reset()
        shutil.rmtree(ours.project / "_build")
        print(f"\nplain Sphinx build with no change: {_seconds(times['plain'])}")
        for change in (NONE, PROSE):
            ratios = sorted(
                seconds / without for seconds, without in zip(times[change.name], times["plain"], strict=True)
            )
            print(
                f"{change.name}: {_seconds(times[change.name])}, {statistics.median(ratios):.2f} "
                f"({ratios[0]:.2f} to {ratios[-1]:.2f}) of that"
            )
        print(
            f"all {len(cold.chapters)} chapters from an empty execution cache, full store: {ours.build().seconds:.1f} s"
        )
        print(f"cold build of {len(cold.runs)} runs: {cold.seconds:.1f} s")


def _seconds(values: list[float]) -> str:
    return (
        f"{statistics.median(values):.1f} s (median of {len(values)}, {min(values):.1f} to {max(values):.1f})"
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
