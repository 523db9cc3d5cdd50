#!/usr/bin/env bash
# Write the lock files again from pyproject.toml: hashes in, registry hosts out (docs/decisions/0003).
# `scripts/lock.sh --upgrade` takes newer versions; without it only what pyproject.toml forces changes.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ ! -x .venvs/lock/bin/uv ]; then
  .venv/bin/python -m venv .venvs/lock
  .venvs/lock/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
    -r requirements/lock-tool.txt
fi

compile() { # compile OUTPUT INPUT...
  local output=$1
  shift
  .venvs/lock/bin/uv --system-certs pip compile "$@" --quiet --generate-hashes --no-emit-index-url \
    --no-annotate --no-header --python-version 3.11 --allow-unsafe -o "requirements/$output" >/dev/null
  echo "requirements/$output: $(grep -c '^[a-zA-Z0-9]' "requirements/$output") packages"
}

compile dev.txt pyproject.toml --extra dev "$@"
# Constrained by the dev lock, so that the demo and the tests run on the same versions.
compile runtime.txt pyproject.toml --extra s3 --extra prove -c requirements/dev.txt "$@"
compile bootstrap.txt requirements/bootstrap.in -c requirements/dev.txt "$@"
compile lock-tool.txt requirements/lock-tool.in "$@"
if [ -f requirements/litellm.in ]; then compile litellm.txt requirements/litellm.in "$@"; fi
