# Everything a developer does. `make help` lists it.
#
# Four environments are installed once each: the developer's (.venv), and those
# of the SAM CLI, the local cloud and the policy tool (.tools), which pin
# versions that exclude each other. After that nothing is downloaded unless
# requirements change.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup build test check format explore simulate mutants lint pages demo stack bench ci clean

bin := .venv/bin
checkov := .tools/policy/bin/checkov --framework cloudformation --skip-download --quiet --compact
export SAM_CLI_TELEMETRY := 0
ARCHITECTURE ?=

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/.installed .tools/sam/.installed .tools/cloud/.installed .tools/policy/.installed ## Install everything (done once, and by the others when needed)

build: setup ## Build what is deployed (ARCHITECTURE=arm64 for that processor)
	@$(bin)/python -m local.build $(if $(ARCHITECTURE),--architecture $(ARCHITECTURE))

test: build ## Run all tests: unit, integration, end to end in a local cloud; shows the covered lines of functions/
	@echo "Running the tests ..."
	$(bin)/pytest -n 3 --dist loadgroup --tb=short --durations=15 --cov --cov-report=term

check: setup ## Check what changed since HEAD (SINCE=... for another revision): lint, types, its unit tests
	@$(bin)/python -m local.check $(SINCE)

format: setup ## Put imports in order, mend what can be mended safely, and lay out all code
	$(bin)/ruff check --fix
	$(bin)/ruff format

explore: setup ## Run the generated tests alone with new seeds (SEED=... for a known one, RUNS=... for that many)
	@for run in $$(seq $(or $(RUNS),1)); do \
		$(bin)/pytest -n 2 --tb=short --explore $(or $(SEED),new) tests/unit tests/integration || exit 1; \
	done

simulate: setup ## Play schedules of the simulation for SECONDS=60, from seed FIRST=... on, or tell one with SEED=...
	@PYTHONPATH=functions $(bin)/python -m tests.simulation $(if $(SEED),--seed $(SEED),--seconds $(or $(SECONDS),60) $(if $(FIRST),--first $(FIRST)))

mutants: setup ## Change MODULE=registry/store_rules.py place by place, and tell what no test notices
	@$(bin)/python -m tests.mutation $(MODULE)

lint: setup ## Check style, types, import arrows, the template and its policy
	$(bin)/ruff check
	$(bin)/ruff format --check
	$(bin)/mypy
	PYTHONPATH=functions $(bin)/lint-imports
	$(bin)/cfn-lint infra/template.yaml
	.tools/sam/bin/sam validate --lint --template-file infra/template.yaml
	$(checkov) --file infra/template.yaml
	@mkdir -p .build
	.tools/sam/bin/python -m local.translate > .build/translated.json
	@# SAM makes the stage from the API. The findings for the stage are explained there, so they are skipped here.
	$(checkov) --file .build/translated.json --skip-check CKV_AWS_76,CKV_AWS_120

pages: setup ## Write into docs/ what programs say: the API's description, the trial's output, the costs
	PYTHONPATH=functions $(bin)/python -m local.openapi
	PYTHONPATH=functions $(bin)/python -m local.trial.page
	PYTHONPATH=functions $(bin)/python -m local.costs

demo: build ## Show the product at work: a primary, three backups, the deployed stack
	@PYTHONPATH=functions $(bin)/python -m local.demo

stack: setup ## Keep a local cloud with the deployed stack and two servers until Ctrl-C
	@PYTHONPATH=functions $(bin)/python -m local.stack

bench: build ## Measure speed, memory, cold start and cost, and write the tables of docs/performance.md (8 minutes)
	@PYTHONPATH=functions $(bin)/python -m benchmarks

ci: ## Run what continuous integration runs
	@.ci/run

clean: ## Remove what was built and cached, and keep the environments
	rm -rf .aws-sam .build .local .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

# ---------------------------------------------------------------- environments
.venv/.installed: requirements.txt functions/requirements.txt
.tools/sam/.installed: local/requirements-sam.txt
.tools/cloud/.installed: local/requirements-cloud.txt
.tools/policy/.installed: local/requirements-policy.txt

# The first prerequisite names all requirements of the environment.
.venv/.installed .tools/sam/.installed .tools/cloud/.installed .tools/policy/.installed:
	@python=$$(sh local/find-python) && \
	echo "Installing $(@D) from $< with $$python; this takes about a minute ..." && \
	"$$python" -m venv $(@D) && \
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $< && \
	touch $@
