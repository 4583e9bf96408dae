# `make run` and `make test` are all there is to know; each works alone on a fresh machine with Python 3.11 or 3.12 and make.
# Settings: PORT=8001, PYTHON=/path/to/python3.12, ENERGYAPP_VAR=/where/the/state/lives, ENERGYAPP_DEMO=0 (an empty library).

# Python is started a hundred times here. Where each start has to compile all that it imports, `make test` takes half as long again.
unexport PYTHONDONTWRITEBYTECODE

PY := .venv/bin/python
LOCK := deploy/with-uv pip compile --universal --generate-hashes --python-version 3.11 --no-header --quiet \
	--no-emit-index-url --no-emit-find-links pyproject.toml

.PHONY: run test install lint types lock bench bench-features bench-recipes bench-mislabels bench-consensus bench-acquisition bench-labelling bench-label-page bench-review bench-dashboard bench-exports bench-http bench-predictions bench-ranking

# `exec`, so that signals reach the process manager and not a shell in front of it.
run: .venv/.installed-worker
	@exec $(PY) -m energyapp.serve

test: .venv/.installed-dev
	@exec $(PY) tests/run.py

install: .venv/.installed-dev

lint: .venv/.installed-dev
	@$(PY) tests/run.py lint format imports

types: .venv/.installed-dev
	@$(PY) tests/run.py types

# What things cost on this machine (docs/benchmarks.md). Features, beside the decoder alone and a naive pipeline: on the installed
# library or on MUSIC=folder. Recipes: at the thesis's size on made-up tracks, and what they are worth on TRACKS=tracks.csv.
bench: bench-features bench-recipes bench-mislabels bench-consensus bench-acquisition bench-labelling bench-label-page bench-review bench-dashboard bench-exports bench-http bench-predictions bench-ranking

bench-features: .venv/.installed-worker
	@$(PY) manage.py bench_features $(or $(MUSIC),var/media/audio)

bench-recipes: .venv/.installed-worker
	@$(PY) -m modeling.core.benchmarks.recipes synthetic
	@$(if $(TRACKS),$(PY) -m modeling.core.benchmarks.recipes emomusic $(TRACKS))

# How many planted mistakes are found first, beside the thesis's way and cleanlab's.
bench-mislabels: .venv/.installed-dev
	@$(if $(TRACKS),$(PY) -m modeling.core.benchmarks.mislabels $(TRACKS),echo "Finding mislabels is measured on TRACKS=tracks.csv.")

# One level from several annotators: what it costs, and how near it comes to the truth on TRACKS=tracks.csv, RATINGS=ratings.csv.
bench-consensus: .venv/.installed-worker
	@$(PY) -m modeling.core.benchmarks.consensus time
	@$(if $(TRACKS),$(PY) -m modeling.core.benchmarks.consensus simulated $(TRACKS))
	@$(if $(RATINGS),$(PY) -m modeling.core.benchmarks.consensus ratings $(RATINGS))

# How many labels each strategy of choosing what to label next would have needed, beside random; a second opinion or a new track,
# beside cleanlab's ActiveLab.
bench-acquisition: .venv/.installed-dev
	@$(if $(TRACKS),$(PY) -m modeling.core.benchmarks.acquisition $(TRACKS),echo "What to label next is measured on TRACKS=tracks.csv.")
	@$(if $(TRACKS),$(PY) -m modeling.core.benchmarks.acquisition $(TRACKS) --thin)
	@$(if $(TRACKS),$(PY) -m modeling.core.benchmarks.second_opinions $(TRACKS))

# Handing out a track and storing a label, with 100,000 tracks and 300,000 labels, on SQLite and (where it is installed) on Postgres.
bench-labelling: .venv/.installed-worker
	@$(PY) manage.py bench_labelling
	@$(PY) tests/with_postgres.py $(PY) manage.py bench_labelling

# The pages of leads, with 100,000 tracks, 300,000 labels, 10,000 flags and 5,000 decisions, on the same two databases.
bench-review: .venv/.installed-worker
	@$(PY) manage.py bench_review
	@$(PY) tests/with_postgres.py $(PY) manage.py bench_review

# The pages of those who watch the model, with 60 runs beside all of that, on the same two databases.
bench-dashboard: .venv/.installed-worker
	@$(PY) manage.py bench_dashboard
	@$(PY) tests/with_postgres.py $(PY) manage.py bench_dashboard

# Predicting every track of 50,000 from stored features, beside asking the model about one track at a time.
bench-predictions: .venv/.installed-worker
	@$(PY) manage.py bench_predictions

# Ranking 100,000 tracks by each strategy: time, and memory of a process of its own.
bench-ranking: .venv/.installed-worker
	@$(PY) manage.py bench_ranking

# What an annotator waits for on the label page, in a headless Chromium.
bench-label-page: .venv/.installed-dev
	@$(PY) tests/bench_label_page.py

# 100,000 labels out, into another installation, and out again: CPU and peak memory of each process.
bench-exports: .venv/.installed-worker
	@$(PY) manage.py bench_exports
	@$(PY) tests/with_postgres.py $(PY) manage.py bench_exports

# Handing out, storing, listing and exporting through the web server, with 1, 8 and 16 clients, beside Label Studio's figures.
bench-http: .venv/.installed-dev
	@$(PY) tests/bench_http.py
	@$(PY) tests/with_postgres.py $(PY) tests/bench_http.py

# The stamps make a second start a matter of seconds. The development lock holds everything the workers need.
.venv/.installed-dev: requirements-dev.lock deploy/install
	@deploy/install requirements-dev.lock
	@touch .venv/.installed-worker $@

.venv/.installed-worker: requirements-worker.lock deploy/install
	@deploy/install requirements-worker.lock
	@touch $@

# One resolution for all three, so that what is tested is what runs. An older lock keeps its versions; delete it to renew them.
lock:
	$(LOCK) --all-extras -o requirements-dev.lock
	$(LOCK) --extra ml -c requirements-dev.lock -o requirements-worker.lock
	$(LOCK) -c requirements-dev.lock -o requirements-web.lock
