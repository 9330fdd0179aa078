# Everything a checkout needs, from a fresh Debian 12 on: `make test` and `make demo` set up what they use.

# The distribution's own Python where it is new enough: its path exists in the emulated machine too,
# and no version switcher in the user's PATH can pull it away.
BASE_PYTHON := $(shell for p in /usr/bin/python3 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
PYTHON := $(VENV)/bin/python
REPORTS := .reports
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

# What the kernel tests use, and what boots a full kernel for those that need one.
DEBIAN_PACKAGES := python3-venv iproute2 iputils-ping procps babeld wireguard-tools wireguard-go nftables \
	qemu-system-x86 linux-image-amd64 kmod busybox-static squashfs-tools systemd chromium prometheus \
	git openssh-client gnupg age

# How many processes run the tests of a tier. In namespaces they mostly wait; emulated processors are slow.
PURE_AT_ONCE := 2
KERNEL_AT_ONCE := 4
FULL_AT_ONCE := 1

# What is measured beside Stellwerk, but not used by it; ifstate has an environment of its own.
PEER_PACKAGES := bird2 netcat-openbsd
IFSTATE := ifstate==2.5.1

.DEFAULT_GOAL := help
.PHONY: help setup check lint format-check types borders test test-pure test-kernel test-full demo bench failover format lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/.debian-packages $(VENV)/.installed ## install what the tests and the demo need (instant when done)

$(VENV)/bin/python: | $(VENV)/.debian-packages
	$(BASE_PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.debian-packages: Makefile
	@mkdir -p $(VENV)
	@$(call install-packages,$(DEBIAN_PACKAGES))
	@touch $@

# policy-rc.d keeps the packages from starting their services: a test machine must not begin to speak babel.
define install-packages
missing=""; for p in $(1); do \
	[ "$$(dpkg-query -W -f '$${db:Status-Status}' $$p 2>/dev/null)" = installed ] || missing="$$missing $$p"; \
done; \
if [ -n "$$missing" ]; then \
	echo "installing Debian packages:$$missing"; \
	policy=/usr/sbin/policy-rc.d; \
	if [ ! -e $$policy ]; then \
		trap "$(SUDO) rm -f $$policy" EXIT; trap 'exit 130' INT TERM; \
		printf '#!/bin/sh\nexit 101\n' | $(SUDO) tee $$policy >/dev/null && $(SUDO) chmod 755 $$policy; \
	fi; \
	$(SUDO) apt-get update -q && \
	$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $$missing || exit 1; \
fi
endef

$(VENV)/.installed: $(VENV)/bin/python requirements.lock pyproject.toml
	$(PYTHON) -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	$(PYTHON) -m pip install -q --disable-pip-version-check --no-build-isolation --no-deps \
		--config-settings editable_mode=compat -e .
	@touch $@

check: setup lint format-check types borders ## lint, format, types and the borders between the packages (seconds)

lint: setup
	$(VENV)/bin/ruff check .

format-check: setup
	$(VENV)/bin/ruff format --check .

types: setup
	$(VENV)/bin/mypy

borders: setup
	$(VENV)/bin/lint-imports

test: check ## check, then every test: pure, on this kernel, on a full kernel (root)
	@rm -rf $(REPORTS)
	@failed=0; for tier in pure kernel full; do \
		$(MAKE) --no-print-directory test-$$tier || failed=1; \
	done; \
	$(PYTHON) -m tests.totals $(foreach tier,pure kernel kernel-alone full,$(REPORTS)/$(tier).xml) || failed=1; \
	exit $$failed

test-pure: setup ## the tests that need nothing but Python
	$(PYTHON) -m pytest -q -n $(PURE_AT_ONCE) --junit-xml=$(REPORTS)/pure.xml --ignore=tests/kernel --ignore=tests/full tests

test-kernel: setup ## the tests in network namespaces of this machine's kernel (root), what measures at the end
	@failed=0; \
	$(PYTHON) -m pytest -q -n $(KERNEL_AT_ONCE) --dist loadscope --junit-xml=$(REPORTS)/kernel.xml \
		-m 'not alone' tests/kernel || failed=1; \
	$(PYTHON) -m pytest -q --junit-xml=$(REPORTS)/kernel-alone.xml -m alone tests/kernel || failed=1; \
	exit $$failed

test-full: setup ## the tests that need WireGuard and GRE, on Debian's kernel in an emulated machine
	@mkdir -p $(REPORTS)
	$(PYTHON) -m tests.emulated --limit 2700 --fetch $(REPORTS)/full.xml -- \
		python -m pytest -v -n $(FULL_AT_ONCE) --dist loadscope -m 'full or full_too' --junit-xml=$(REPORTS)/full.xml tests/full tests/kernel

demo: setup ## the main job on real input, in namespaces that are gone afterwards (root)
	@$(PYTHON) -m tests.demo

bench: setup $(VENV)/.bench-peers ## measure beside its peers, into docs/benchmarks.md (root; SIZES=1000 CASES=plan for a part)
	@STELLWERK_BENCH_IFSTATE=$(CURDIR)/$(VENV)/ifstate/bin/ifstatecli \
		$(PYTHON) -m tests.bench $(if $(SIZES),--sizes "$(SIZES)") $(CASES)

failover: setup ## measure how long clients go without when their exit fails, into docs/failover.md (root)
	@mkdir -p $(REPORTS)
	$(PYTHON) -m tests.failover
	$(PYTHON) -m tests.emulated --fetch $(REPORTS)/failover.json -- \
		python -m tests.failover --gre --into $(REPORTS)/failover.json
	$(PYTHON) -m tests.failover --merge $(REPORTS)/failover.json

$(VENV)/.bench-peers: Makefile | $(VENV)/bin/python
	@$(call install-packages,$(PEER_PACKAGES))
	$(BASE_PYTHON) -m venv $(VENV)/ifstate
	$(VENV)/ifstate/bin/pip install -q --disable-pip-version-check '$(IFSTATE)'
	@touch $@

format: setup ## let ruff format and fix what it can
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

# The lock names versions and hashes only, never where they were fetched from.
lock: $(VENV)/bin/python ## resolve the dependencies of pyproject.toml anew into requirements.lock
	$(BASE_PYTHON) -m venv $(VENV)/lock
	$(VENV)/lock/bin/pip install -q --disable-pip-version-check 'uv==0.13.9'
	env -u PIP_FIND_LINKS $(VENV)/lock/bin/uv pip compile -q --no-config --universal --python-version 3.11 \
		--generate-hashes --no-annotate --no-emit-index-url --no-emit-find-links --upgrade \
		--custom-compile-command 'make lock' --extra dev pyproject.toml -o requirements.lock
	rm -rf $(VENV)/lock

clean: ## remove everything that the other targets made in this checkout
	rm -rf $(VENV) $(REPORTS) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
