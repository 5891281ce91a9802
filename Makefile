# make book    build the site into _build/html (PROFILE=smoke|embedded|pawsx-small|pawsx|FILE.toml)
# make test    all tests except fault injection (about 40 minutes on two cores)
# make test-fast   the tests that train nothing and build no site (a minute)
# make test-reliability   the fault-injection tests, and a table of what was tried, survived and lost
# make serve   show the site on http://127.0.0.1:8000
# make bench-freshness   what a change costs: runs trained, chapters executed, seconds
# make bench-distillation   the cost of distillation compared with fine-tuning and with stock AutoMM
# make bench-deployment   latency and size of an exported student compared with AutoMM's predict
# make tuning   choose the settings of the embedded profile on rows that are in no split, with as many trials for every arm
# make confirmation   ten replicates of the study with data, teachers and students of other seeds
# make curves   the runs of the chapter When does distillation pay? (20 minutes on two cores)
# make pretrain   pretrain a compact encoder again (ENCODER=teacher|student FOLDER=new directory)
# make probe   what the compact encoders know before fine-tuning, for the chapter The baseline
# make massive   the runs of the chapter On real text (KDBOOK_DATA=DIR for MASSIVE in files instead of the hub's)
# make pawsx-dev   the runs of PAWS-X in the chapter On real text (KDBOOK_DATA=DIR in the layout of its release)
# make readme   update the results in README.md from the finished runs of the embedded profile
# make fonts   subset the fonts of the site again, after a page got a sign that they lack
# make pdf     print the whole book as _build/book.pdf (needs Chromium)
# make coverage   branch coverage of the package by the tests
# make env     set up the environment (TORCH=cpu takes PyTorch without CUDA)
# make lint    style, types, layers, spelling and wording
# make audit   known vulnerabilities of the packages, according to PyPI
# make clean   remove the built site; finished runs in .runs stay
# make help    this list

PROFILE ?= $(or $(KDBOOK_PROFILE),embedded)
PORT ?= 8000
ADDRESS ?= 127.0.0.1
UV_VERSION := 0.13.9
UV := .uv/bin/uv
IN_RANGE := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
PYTHON ?= $(shell for each in python3 python3.13 python3.12 python3.11; do \
	$$each -c '$(IN_RANGE)' 2>/dev/null && echo $$each && break; done)
READY := .venv/.ready

export KDBOOK_PROFILE := $(PROFILE)
# for a home that can't be written to
ifneq ($(shell cache="$${XDG_CACHE_HOME:-$$HOME/.cache}/uv"; mkdir -p "$$cache" 2>/dev/null && test -w "$$cache" && echo ok),ok)
export UV_CACHE_DIR ?= $(CURDIR)/.uv/cache
endif
unexport PYTHONDONTWRITEBYTECODE # without bytecode, each of many processes would compile thousands of modules

.PHONY: help book pdf test test-fast test-reliability tuning confirmation curves massive pawsx-dev pretrain probe readme fonts coverage serve env lint audit clean bench-freshness bench-distillation bench-deployment

book: $(READY)
	.venv/bin/jupyter-book build -W --keep-going .

pdf: $(READY)
	.venv/bin/jupyter-book build -W --keep-going --builder custom --custom-builder singlehtml .
	.venv/bin/python bench/pdf.py

help:
	@sed -n 's/^# make /make /p' Makefile

test-fast: $(READY)
	env -u KDBOOK_PROFILE .venv/bin/pytest --numprocesses 2 --dist loadgroup -m "not training and not site" --ignore tests/reliability

test: $(READY)
	env -u KDBOOK_PROFILE .venv/bin/pytest --numprocesses 2 --dist loadgroup --no-loadscope-reorder --ignore tests/reliability

test-reliability: $(READY)
	env -u KDBOOK_PROFILE .venv/bin/pytest --numprocesses 2 --dist loadgroup tests/reliability

coverage: $(READY)
	rm -f .coverage .coverage.*
	env -u KDBOOK_PROFILE .venv/bin/coverage run -m pytest --ignore tests/reliability
	.venv/bin/coverage combine --quiet
	.venv/bin/coverage report --skip-covered

serve:
	@test -f _build/html/index.html || { echo "There is no site yet; build it with: make book"; exit 1; }
	$(or $(PYTHON),python3) -m http.server --bind $(ADDRESS) --directory _build/html $(PORT)

readme: $(READY)
	env -u KDBOOK_DATA PYTHONPATH=tests .venv/bin/python bench/readme.py

fonts: $(READY)
	.venv/bin/python tools/fonts.py

curves: $(READY)
	env -u KDBOOK_DATA -u KDBOOK_PROFILE .venv/bin/python bench/curves.py

massive: $(READY)
	env -u KDBOOK_PROFILE .venv/bin/python bench/massive.py

pawsx-dev: $(READY)
	env -u KDBOOK_PROFILE .venv/bin/python bench/pawsx.py

pretrain: $(READY)
	PYTHONPATH=tools .venv/bin/python -m pretraining $(ENCODER) $(FOLDER)

probe: $(READY)
	.venv/bin/python tools/probe.py

tuning: $(READY)
	env -u KDBOOK_DATA -u KDBOOK_PROFILE .venv/bin/python bench/tuning.py

confirmation: $(READY)
	env -u KDBOOK_DATA -u KDBOOK_PROFILE .venv/bin/python bench/replicates.py

bench-freshness: $(READY)
	env -u KDBOOK_PROFILE PYTHONPATH=tests .venv/bin/python bench/freshness.py

bench-distillation: $(READY)
	env -u KDBOOK_PROFILE PYTHONPATH=tests .venv/bin/python bench/distillation.py

bench-deployment: $(READY)
	env -u KDBOOK_PROFILE PYTHONPATH=tests .venv/bin/python bench/deployment.py

env: $(READY)

lint: $(READY)
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-logo
	.venv/bin/codespell book src tests bench tools *.md
	.venv/bin/pytest --quiet tests/test_style.py

audit: | $(UV)
	$(UV) export --locked --all-extras --no-emit-project --quiet --output-file .uv/requirements.txt
	$(UV) tool run pip-audit==2.10.1 --disable-pip --require-hashes --requirement .uv/requirements.txt

clean: $(READY)
	.venv/bin/jupyter-book clean .

$(UV):
	@$(or $(PYTHON),false) -c '$(IN_RANGE)' 2>/dev/null || { echo "Python 3.11, 3.12 or 3.13 is needed; \
	install one, or name it: make env PYTHON=/usr/bin/python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) can't make virtual environments; \
	install its module venv, on Debian and Ubuntu with: sudo apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv .uv
	.uv/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

ONLY_CUDA := ^(nvidia-.*-cu[0-9]+|cuda-.*|triton)==
FOR_CPU := .uv/for-cpu.txt

$(READY): pyproject.toml uv.lock | $(UV)
ifeq ($(TORCH),cpu)
	$(UV) export --quiet --locked --all-extras --no-hashes | grep -Ev '$(ONLY_CUDA)' > $(FOR_CPU)
	$(UV) venv --quiet --clear --python $(or $(PYTHON),.uv/bin/python)
	$(UV) pip install --torch-backend cpu --requirement $(FOR_CPU)
else
	$(UV) sync --locked --all-extras --python $(or $(PYTHON),.uv/bin/python)
endif
	touch $@
