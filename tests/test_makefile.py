"""The first thing that a reader runs says in one line what is missing."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parents[1] / "Makefile"
TOO_OLD = "#!/bin/sh\nexit 1\n"
WITHOUT_VENV = '#!/bin/sh\ncase "$2" in *venv*) exit 1;; esac\n'


@pytest.mark.parametrize(
    ("python", "message"),
    [(TOO_OLD, "Python 3.11, 3.12 or 3.13 is needed"), (WITHOUT_VENV, "sudo apt install python3-venv")],
)
def test_a_python_that_will_not_do(tmp_path, python, message):
    shutil.copy(MAKEFILE, tmp_path)
    shutil.copy(MAKEFILE.with_name("pyproject.toml"), tmp_path)
    shutil.copy(MAKEFILE.with_name("uv.lock"), tmp_path)
    executable = tmp_path / "python"
    executable.write_text(python)
    executable.chmod(0o755)
    command = ["make", "env", f"PYTHON={executable}"]
    alone = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(command, cwd=tmp_path, env=alone, capture_output=True, text=True, check=False)
    assert done.returncode and message in done.stdout
    assert len(done.stdout.splitlines()) == 1
    assert not (tmp_path / ".uv").exists()


UV = """#!/bin/sh
echo "$*" >> uv-calls
case "$1" in
export) printf 'torch==2.10.0\\nnvidia-nccl-cu12==2.27.5 ; sys_platform == "linux"\\nnvidia-ml-py3==7.352.0\\n\
cuda-bindings==12.9.4\\ntriton==3.6.0\\npandas==2.3.3\\n    # via triton\\n';;
venv) mkdir -p .venv;;
pip) cp .uv/for-cpu.txt installed;;
esac
"""


def test_without_cuda_only_its_packages_are_left_out(tmp_path):
    shutil.copy(MAKEFILE, tmp_path)
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "uv.lock").touch()
    (uv := tmp_path / ".uv" / "bin" / "uv").parent.mkdir(parents=True)
    uv.write_text(UV)
    uv.chmod(0o755)
    alone = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    subprocess.run(["make", "env", "TORCH=cpu"], cwd=tmp_path, env=alone, check=True)
    packages = [line for line in (tmp_path / "installed").read_text().splitlines() if "==" in line]
    assert packages == ["torch==2.10.0", "nvidia-ml-py3==7.352.0", "pandas==2.3.3"]
    assert "--torch-backend cpu" in (tmp_path / "uv-calls").read_text().splitlines()[-1]
