# The two commands of the README are `make demo` and `make test`; everything else serves them.
# Everything is installed into this folder (.venv, .tools, web/ui/node_modules) and the user's cache.

PYTHON ?= python3
UV = .tools/bin/uv
BIN = .venv/bin
export UV_PYTHON_DOWNLOADS = never
export UV_LINK_MODE = copy
# Compiled once here, not at each start: an uncompiled press3 takes three times as long to start.
export UV_COMPILE_BYTECODE = 1
export PYTHONDONTWRITEBYTECODE =

# Calls are tested after the rest, two at a time: they compare milliseconds with what callers saw.
PLAIN = -n 3 --dist loadfile -m "not asterisk and not faults_only"
CALLS = -n 2 --dist loadfile -m "asterisk and not faults_only"

.PHONY: demo test check fast faults faults-long walk bench lock ui clean help

help:
	@echo "make demo    a call centre that calls itself: real Asterisk, press3, a screen to look at"
	@echo "make test    install what the tests need, then lint, types, imports and every test"
	@echo "make fast    the tests that need no Asterisk, browser or PostgreSQL"
	@echo "make faults  everything killed and broken under calls; faults-long: for an hour and more"
	@echo "make walk    the random walks, long: 3000 days made up, 1000 calls on the real Asterisk"
	@echo "make bench   the benchmarks; results go to bench/RESULTS.md"
	@echo "make lock    resolve the dependencies anew into requirements*.lock"

demo: .venv/app ui
	@exec $(BIN)/press3 demo

test: .venv/dev ui
	@PYTHON=$(BIN)/python sh scripts/test-tools.sh
	@$(MAKE) --no-print-directory check
	$(BIN)/python -m pytest $(PLAIN)
	$(BIN)/python -m pytest $(CALLS)

check: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fast: .venv/dev
	$(BIN)/python -m pytest -m "not asterisk and not browser and not postgres and not faults_only"

# The protections of docs/faults.md that are tested elsewhere than in tests/faults.
FAULTS_ELSEWHERE = tests/e2e/test_recording_stories.py tests/e2e/test_wrong_use.py tests/e2e/test_unseen_pop.py \
  tests/store/test_lease.py tests/store/test_prepared.py tests/telephony/test_catch_up.py tests/telephony/test_login_race.py \
  tests/telephony/test_pipeline.py tests/telephony/test_recorder.py tests/recordings/test_worker.py tests/push/test_server.py

faults: .venv/dev ui
	@mkdir -p var && rm -f var/faults.jsonl
	$(BIN)/python -m pytest tests/faults $(FAULTS_ELSEWHERE) --kills 100 --pbx-kills 10 --both-kills 10 --histories 10000 --report var/faults.jsonl; \
	  failed=$$?; $(BIN)/python -m tests.faults.report var/faults.jsonl; exit $$failed

faults-long: .venv/dev ui
	$(BIN)/python -m tests.faults.long var/faults-long.jsonl

walk: .venv/dev ui
	$(BIN)/python -m pytest tests/walk -s --examples 3000 --walk 1000

bench: .venv/dev ui
	$(BIN)/python -m bench

ui: .venv/app
	@$(BIN)/python hatch_build.py

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else "press3 needs Python 3.11 to 3.13; run: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .tools
	.tools/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-tools.lock

.venv/app: requirements.lock requirements-build.lock pyproject.toml | $(UV)
	test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) .venv
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements-build.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

.venv/dev: requirements-dev.lock .venv/app
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements-dev.lock
	@touch $@

lock: $(UV)
	$(UV) pip compile --quiet --universal --generate-hashes --python-version 3.11 --all-extras \
	  --no-header pyproject.toml -o requirements.lock
	$(UV) pip compile --quiet --universal --generate-hashes --python-version 3.11 --all-extras \
	  --no-header --group dev -c requirements.lock pyproject.toml -o requirements-dev.lock
	$(UV) pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	  --no-header --group build -c requirements-dev.lock -o requirements-build.lock
	$(UV) pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	  --no-header --group tools -o requirements-tools.lock

clean:
	rm -rf .venv .tools web/static web/ui/node_modules .pytest_cache .mypy_cache .ruff_cache var
