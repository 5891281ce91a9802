"""Pretrain a compact encoder again: ``make pretrain ENCODER=teacher FOLDER=my-teacher``.

It takes minutes to an hour, and continues where it was interrupted.
"""

import argparse
from pathlib import Path

from kdbook.errors import KdbookError
from pretraining.pretrain import SHIPPED, pretrain

parser = argparse.ArgumentParser(prog="pretraining", description=__doc__)
parser.add_argument("encoder", choices=SHIPPED)
parser.add_argument("folder", type=Path, help="new directory for the checkpoint, in Hugging Face layout")
options = parser.parse_args()
if options.folder.exists():
    parser.error(f"{str(options.folder)!r} exists already; name a new directory")
try:
    pretrain(SHIPPED[options.encoder], options.folder)
except KdbookError as error:
    parser.error(str(error))
