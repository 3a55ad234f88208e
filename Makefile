# Everything is done by tools/lab.py, so that Windows users, who have no make, can do the same:
#     py tools/lab.py test
# PYTHON= names the Python to use, PORT= JupyterLab's port, ONLY= the notebooks by number.
PYTHON_FOUND := $(or $(PYTHON),$(shell command -v python3 || command -v python || echo python3))

.DEFAULT_GOAL := help
.PHONY: help setup lab test notebooks validate differential browser

help:
	@echo "make lab        open the course in JupyterLab (PORT=8888)"
	@echo "make test       every check: lint, types, tests, notebooks"
	@echo "make notebooks  regenerate the notebooks' outputs (ONLY=\"02 03\")"
	@echo "make validate   the longer checks"
	@echo "make differential    the two engines compared on N=5000 scenarios"
	@echo "make browser    run the notebooks in a headless browser (SHOTS=folder)"
	@echo "make setup      only set up what is missing"

setup lab test validate:
	@$(PYTHON_FOUND) tools/lab.py $@

notebooks:
	@$(PYTHON_FOUND) tools/lab.py $@ $(ONLY)

differential:
	@$(PYTHON_FOUND) tools/lab.py $@ $(or $(N),5000)

browser:
	@$(PYTHON_FOUND) tools/lab.py $@ $(if $(SHOTS),--shots $(SHOTS)) $(ONLY)
