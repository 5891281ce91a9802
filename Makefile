# make book    build the site into _build/html (PROFILE=smoke|embedded|pawsx-small|pawsx|FILE.toml)
# make test    all tests but those that break things
# make test-reliability   breaks things, and says what was tried, survived and lost
# make serve   show the site on http://127.0.0.1:8000
# make bench-freshness   what a change costs: runs trained, chapters executed, seconds
# make bench-distillation   what distillation costs against fine-tuning and stock AutoMM
# make bench-deployment   what a shipped student costs against AutoMM's predict
# make bench-cluster   how much of a Ray cluster's time a study uses
# make coverage   how much of the package the tests run, by branch
# make env     set up the environment alone
# make lint    style and types
# make audit   known vulnerabilities of the packages, as PyPI knows them
# make clean   remove the built site; finished runs in .runs stay

PROFILE ?= $(or $(KDBOOK_PROFILE),embedded)
PORT ?= 8000
UV_VERSION := 0.13.9
UV := .uv/bin/uv
READY := .venv/.ready

export KDBOOK_PROFILE := $(PROFILE)
unexport PYTHONDONTWRITEBYTECODE # without bytecode each of many processes would compile thousands of modules anew

.PHONY: book test test-reliability coverage serve env lint audit clean bench-freshness bench-distillation bench-deployment bench-cluster

book: $(READY)
	.venv/bin/jupyter-book build -W --keep-going .

test: $(READY)
	env -u KDBOOK_PROFILE .venv/bin/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder --ignore tests/reliability

test-reliability: $(READY)
	env -u KDBOOK_PROFILE .venv/bin/pytest tests/reliability

coverage: $(READY)
	rm -f .coverage .coverage.*
	env -u KDBOOK_PROFILE .venv/bin/coverage run -m pytest --ignore tests/reliability
	.venv/bin/coverage combine --quiet
	.venv/bin/coverage report --skip-covered

serve:
	@test -f _build/html/index.html || { echo "There is no site yet; build it with: make book"; exit 1; }
	python3 -m http.server --bind 127.0.0.1 --directory _build/html $(PORT)

bench-freshness: $(READY)
	env -u KDBOOK_PROFILE PYTHONPATH=tests .venv/bin/python bench/freshness.py

bench-distillation: $(READY)
	env -u KDBOOK_PROFILE PYTHONPATH=tests .venv/bin/python bench/distillation.py

bench-deployment: $(READY)
	env -u KDBOOK_PROFILE PYTHONPATH=tests .venv/bin/python bench/deployment.py

bench-cluster: $(READY)
	env -u KDBOOK_PROFILE -u RAY_ADDRESS PYTHONPATH=tests .venv/bin/python bench/cluster.py

env: $(READY)

lint: $(READY)
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

audit: | $(UV)
	$(UV) export --locked --all-extras --no-emit-project --quiet --output-file .uv/requirements.txt
	$(UV) tool run pip-audit==2.10.1 --disable-pip --require-hashes --requirement .uv/requirements.txt

clean: $(READY)
	.venv/bin/jupyter-book clean .

$(UV):
	python3 -m venv .uv
	.uv/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

$(READY): pyproject.toml uv.lock | $(UV)
	$(UV) sync --locked --all-extras
	touch $@
