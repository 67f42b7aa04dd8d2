# One command per habit. Each makes .venv and installs what it needs first.
PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
IMAGE ?= rondo:0.1.0
BIN := .venv/bin
KERNELS := $(wildcard models/rondo_models/native/*.cpp models/rondo_models/native/*.h tokenizers/rondo_tokenizers/native/*.cpp)
KUBE := $(addprefix overlays/,single monitored with-workers per-service) kserve
export HOST PORT

.PHONY: serve test lint format bench bench-peers soak soak-jobs image image-test kube-render kube-test install clean

serve: .venv/serve.stamp  ## Serve the default bundle on HOST:PORT
	$(BIN)/rondo serve

test: .venv/dev.stamp  ## The whole test suite
	$(BIN)/python -m pytest

lint: .venv/dev.stamp  ## Style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/dev.stamp  ## Put the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/dev.stamp  ## Against the naive server, one engine against four, the share of matrix products
	$(BIN)/python benchmarks/serving.py
	$(BIN)/python benchmarks/mixed_services.py
	$(BIN)/python benchmarks/matrix_share.py

bench-peers: .venv/dev.stamp .venv-peers/peers.stamp  ## Against LitServe, CTranslate2, JoeyNMT and GPT-2
	$(BIN)/python benchmarks/peers_serving.py
	$(BIN)/python benchmarks/offline_translation.py
	$(BIN)/python benchmarks/offline_generation.py

soak: .venv/dev.stamp  ## Ten minutes of mixed load with faults
	$(BIN)/python tests/soak/soak.py

soak-jobs: .venv/dev.stamp  ## A batch job whose processes are killed 50 times
	$(BIN)/python tests/soak/kills.py

image:  ## The container image, by docker or podman; BASE_IMAGE and TORCH_INDEX_URL may be set (deploy/README.md)
	$(PYTHON) deploy/docker/build.py --tag $(IMAGE)

image-test: .venv/dev.stamp  ## Build an image and check it; as root. Without BASE_IMAGE no registry is needed
	$(BIN)/python -m tests.image

kube-render:  ## Write what deploy/kubernetes comes to, for those without Kustomize
	for name in $(KUBE); do \
		kubectl kustomize deploy/kubernetes/$$name > deploy/kubernetes/rendered/$$(basename $$name).yaml || exit 1; done

kube-test: .venv/dev.stamp  ## Run the pods by podman, from the image of image-test; as root
	$(BIN)/python -m pytest tests/deploy/kubernetes/*_checks.py

install: .venv/dev.stamp  ## Only make .venv

clean:
	rm -rf .venv

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/serve.stamp: pyproject.toml constraints.txt hatch_build.py $(KERNELS) | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	touch $@

.venv/dev.stamp: .venv/serve.stamp
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

.venv-peers/bin/python:
	$(PYTHON) -m venv .venv-peers

.venv-peers/peers.stamp: pyproject.toml constraints.txt benchmarks/peers-requirements.txt | .venv-peers/bin/python
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
		--requirement benchmarks/peers-requirements.txt --editable .
	touch $@
