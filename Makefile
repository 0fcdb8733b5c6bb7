# Everything a person does with Kerma; README.md lists the same commands for people without make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN := $(BIN)/python

.PHONY: run refresh demo test lint lock sbom format bench soak docs clean

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "python3 has no venv: apt-get install python3-venv" >&2; exit 1; }

$(VENV)/.run: requirements.lock | $(VENV)/bin/pip
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.run
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

run: $(VENV)/.run  ## dashboard on http://127.0.0.1:8501, with demo data when there is no warehouse yet
	$(RUN) -m etl demo --if-empty
	$(BIN)/streamlit run deploy/serve.py

refresh: $(VENV)/.run  ## load what is new in data/inbox
	$(RUN) -m etl refresh

demo: $(VENV)/.run
	$(RUN) -m etl demo --if-empty

test: $(VENV)/.dev  ## the whole suite
	sh tests/install_tools.sh
	$(RUN) -m pytest -n 2 --dist loadgroup

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright
	$(RUN) deploy/audit.py

lock: $(VENV)/.dev  ## requirements.lock and the licence list, after a change of requirements.txt
	sh deploy/lock.sh $(BIN)
	$(RUN) deploy/licences.py

sbom: $(VENV)/.dev  ## what a release is made of, in CycloneDX, for those who watch for weaknesses
	$(BIN)/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --output-format JSON --output-file kerma.cdx.json

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev
	$(RUN) -m benchmarks

soak: $(VENV)/.dev
	KERMA_HYPOTHESIS=soak $(RUN) -m pytest -m soak -p no:cacheprovider --timeout 0

docs: $(VENV)/.run  ## pages made from the code: the columns of the procedure log
	$(RUN) -m etl columns --out docs/columns.md

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache
