"""Results of a study that no build trains: everything about its runs but their models, in one Parquet file.

The file has the predictions of all runs one after the other, and no text. Probabilities are rounded to
hundredths. The records of the runs are in the metadata of its schema. The files are in the folder ``kept``
beside the chapters; the site publishes them, and notebooks download them.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from kdbook.atomic import atomic
from kdbook.errors import KdbookError
from kdbook.store.run import PROBABILITY, Run, RunRecord
from kdbook.study.arms import Arms

FOLDER = "book/kept"  # of the project
FOLDERS = ("kept", FOLDER)  # seen from a notebook or chapter, and from the project
READ = re.compile(r"\bkept\.read\(\"([\w-]+)\"\)")
RUN = "run"
STEPS = 100  # of a probability
METADATA = b"kdbook"


@dataclass(frozen=True)
class KeptStudy:
    """What is kept of a study.

    ``arms`` are its runs, with predictions for the test rows and no others; ``classes`` the names of its
    labels; ``facts`` what a page states about its data.
    """

    arms: Arms
    classes: tuple[str, ...]
    facts: dict[str, Any]


def write(
    path: Path,
    runs: Iterable[Run],
    classes: Iterable[str],
    facts: dict[str, Any],
    marks: pd.Series | None = None,
) -> None:
    """Keep the results of some runs; ``facts`` must be JSON.

    ``marks`` is a named column about test rows, indexed by ``id`` and ``language``.
    """
    records, tables = [], []
    for run in runs:
        records.append(run.record.model_copy(update={"code": {}}).model_dump(mode="json"))
        rows = _rounded(run.predictions).assign(**{RUN: run.name})
        tables.append(rows if marks is None else rows.join(marks, ["id", "language"]))
    table = pa.Table.from_pandas(pd.concat(tables, ignore_index=True), preserve_index=False)
    metadata = json.dumps({"records": records, "classes": list(classes), "facts": facts}, ensure_ascii=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    table = table.replace_schema_metadata({METADATA: metadata.encode()})
    with atomic(path) as partial:
        parquet.write_table(table, partial, compression="zstd", compression_level=19)


def names_in(code: str) -> list[str]:
    """The names of the kept results that some code reads."""
    return list(dict.fromkeys(READ.findall(code)))


def locate(name: str) -> Path:
    """The file of kept results, in this directory or one above.

    Raises
    ------
    KdbookError
        If there is none.
    """
    here = Path.cwd()
    paths = (above / folder / f"{name}.parquet" for above in (here, *here.parents) for folder in FOLDERS)
    found = next((path for path in paths if path.is_file()), None)
    if not found:
        raise KdbookError(
            f"there is no {FOLDERS[0]}/{name}.parquet here; it is in the project's folder {FOLDER}, and "
            "on the site beside the notebooks"
        )
    return found


def read(name: str) -> KeptStudy:
    """The kept results of a name.

    Raises
    ------
    KdbookError
        If there are none.
    """
    return _read(locate(name))


def _read(path: Path) -> KeptStudy:
    table = parquet.read_table(path)
    kept = json.loads(table.schema.metadata[METADATA])
    predictions = table.to_pandas()
    probabilities = [name for name in predictions if name.startswith(PROBABILITY)]
    predictions[probabilities] = predictions[probabilities] / STEPS
    of_run = {str(name): rows.drop(columns=RUN) for name, rows in predictions.groupby(RUN, sort=False)}
    arms: dict[str, list[Run]] = {}
    for record in map(RunRecord.model_validate, kept["records"]):
        run = Run(Path(record.identity.key))
        vars(run).update(record=record, predictions=of_run[record.name].reset_index(drop=True))
        arms.setdefault(record.spec.arm, []).append(run)
    return KeptStudy(Arms(arms), tuple(kept["classes"]), kept["facts"])


def _rounded(predictions: pd.DataFrame) -> pd.DataFrame:
    """Predictions with probabilities in hundredths, in the smallest types."""
    columns = {str(name): predictions[name] for name in predictions}
    for name, values in columns.items():
        if name.startswith(PROBABILITY):
            columns[name] = (values * STEPS).round().astype("uint16")
        elif name in ("label", "prediction"):
            columns[name] = values.astype("uint16")
    return pd.DataFrame(columns)
