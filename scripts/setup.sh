#!/usr/bin/env bash
# Prepare this checkout: `scripts/setup.sh demo` for the command itself, `scripts/setup.sh test` for everything.
# `--missing` only names the Debian packages that are not there. Safe to run again at any time, and quick when
# nothing changed. Exit 5: the machine lacks something that we may not or cannot install; the list says what.
set -euo pipefail
cd "$(dirname "$0")/.."
unset PYTHONPATH PYTHONHOME

want=${1:-test}
stamps=.venv/.spiritsafe

say() { echo "setup: $*" >&2; }

# --- what the machine must have -------------------------------------------------------------------------

usable_python() { # the first Python 3.11 that can make a virtual environment
  local candidate
  for candidate in ${PYTHON:-} python3.11 python3 /usr/bin/python3.11; do
    if "$candidate" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
      echo "$candidate"
      return 0
    fi
  done
  return 1
}

missing_packages() { # Debian's names for what is not there
  usable_python >/dev/null || echo python3.11 python3.11-venv
  [ -s /etc/ssl/certs/ca-certificates.crt ] || echo ca-certificates
  if [ "$want" = test ]; then
    scripts/java_home.sh >/dev/null 2>&1 || echo openjdk-17-jre-headless
    [ -x /usr/bin/chromium ] || echo chromium
    command -v openssl >/dev/null || echo openssl
    compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || echo postgresql
    command -v redis-server >/dev/null || command -v valkey-server >/dev/null || echo redis-server
    # Playwright's driver is linked against it and does not bring it.
    compgen -G '/usr/lib/*/libatomic.so.1' >/dev/null || echo libatomic1
  fi
}

refuse() { # say what to install, and leave
  local missing
  missing=$(missing_packages | xargs)
  cat >&2 <<LIST
setup: $1

Please install these, then run the same command again:
$(for package in $missing; do case $package in
  python3.11) echo "  - Python 3.11" ;;
  python3.11-venv) echo "  - Python 3.11's venv and ensurepip modules" ;;
  ca-certificates) echo "  - certificate authorities at /etc/ssl/certs/ca-certificates.crt" ;;
  openjdk-*) echo "  - a Java 17 (or 21) runtime, for the tests on Apache Spark; JAVA_HOME may point to it" ;;
  chromium) echo "  - Chromium at /usr/bin/chromium, for the tests that open the report" ;;
  openssl) echo "  - the program openssl, a time-stamp authority for the tests of the ledger" ;;
  postgresql) echo "  - PostgreSQL 15 or later in /usr/lib/postgresql, for the tests of the cases" ;;
  redis-server) echo "  - redis-server or valkey-server, for the tests of a fleet of guards" ;;
  libatomic1) echo "  - the library libatomic.so.1, for Playwright, which drives Chromium" ;;
esac; done)

On Debian 12, the platform that is supported and tested, as root:
  apt-get update && apt-get install -y --no-install-recommends $missing
LIST
  exit 5
}

system_packages() {
  local missing
  missing=$(missing_packages | xargs)
  [ -n "$missing" ] || return 0
  local like=""
  # shellcheck disable=SC1091
  [ ! -r /etc/os-release ] || like=$(. /etc/os-release && echo " ${ID:-} ${ID_LIKE:-} ")
  case $like in
    *" debian "* | *" ubuntu "*) ;;
    *) refuse "this is not Debian or Ubuntu, so nothing was installed" ;;
  esac
  [ "$(id -u)" = 0 ] || refuse "some system packages are missing and only root may install them"
  say "installing $missing"
  local log
  log=$(mktemp)
  export DEBIAN_FRONTEND=noninteractive
  # shellcheck disable=SC2086
  if ! { apt-get update && apt-get install -y --no-install-recommends $missing; } >"$log" 2>&1; then
    tail -n 12 "$log" >&2
    refuse "apt-get could not install $missing"
  fi
  rm -f "$log"
  [ -z "$(missing_packages | xargs)" ] || refuse "some packages are still missing after apt-get"
}

# --- the virtual environment ------------------------------------------------------------------------------

digest() { cat "$@" | sha256sum | cut -d ' ' -f 1; }
stamped() { [ "$(cat "$stamps/$1" 2>/dev/null)" = "$2" ]; }
stamp() { mkdir -p "$stamps" && echo "$2" >"$stamps/$1"; }

locked() { # pip, nothing but what a lock file names, byte for byte
  "$1" -m pip install -qq --disable-pip-version-check --no-input --no-warn-script-location \
    --no-build-isolation --require-hashes -r "$2"
}

ours() { # a Python 3.11 environment made for this very folder: scripts in a moved one point elsewhere
  [ "$("$1/bin/python" -c 'import sys; print(sys.prefix, *sys.version_info[:2])' 2>/dev/null)" = "$PWD/$1 3 11" ] &&
    head -n 1 "$1/bin/pip" 2>/dev/null | grep -qF "$PWD/$1/bin/"
}

environment() { # environment FOLDER: make it unless it is there, with the locked installer in it
  if ! ours "$1"; then
    say "making $1 with $("$(usable_python)" --version)"
    "$(usable_python)" -m venv --clear "$1"
  fi
  if [ "$(cat "$1/.bootstrap" 2>/dev/null)" != "$(digest requirements/bootstrap.txt)" ]; then
    locked "$1/bin/python" requirements/bootstrap.txt
    digest requirements/bootstrap.txt >"$1/.bootstrap"
  fi
}

install_lock() { # install_lock NAME: requirements/NAME.txt into .venv
  local wanted
  wanted=$(digest "requirements/$1.txt")
  ! stamped "$1" "$wanted" || return 0
  say "installing $(grep -c '^[a-zA-Z0-9]' "requirements/$1.txt") locked packages (requirements/$1.txt), once"
  locked .venv/bin/python "requirements/$1.txt"
  .venv/bin/python -m pip check --disable-pip-version-check >&2
  # The runtime lock is a part of the dev lock with the same versions (a house test holds that).
  [ "$1" != dev ] || stamp runtime "$(digest requirements/runtime.txt)"
  [ "$1" != runtime ] || rm -f "$stamps/dev"
  stamp "$1" "$wanted"
}

install_project() { # our own package, editable: again when its metadata changed
  local wanted
  wanted=$(digest pyproject.toml)
  ! { stamped project "$wanted" && [ -x .venv/bin/spiritsafe ]; } || return 0
  .venv/bin/python -m pip install -qq --disable-pip-version-check --no-input --no-deps \
    --no-build-isolation --no-index -e .
  stamp project "$wanted"
}

litellm() { # the real LiteLLM pins what we do not, so it lives apart; only the tests use it
  [ -f requirements/litellm.txt ] || return 0
  environment .venvs/litellm
  local wanted
  wanted=$(digest requirements/litellm.txt)
  [ "$(cat .venvs/litellm/.installed 2>/dev/null)" != "$wanted" ] || return 0
  say "installing the real LiteLLM beside it (.venvs/litellm), once"
  locked .venvs/litellm/bin/python requirements/litellm.txt
  echo "$wanted" >.venvs/litellm/.installed
}

case "$want ${2:-}" in
  "demo " | "test ") ;;
  "demo --missing" | "test --missing")
    missing_packages | xargs -r -n 1
    exit 0
    ;;
  *)
    say "usage: scripts/setup.sh demo|test [--missing]"
    exit 2
    ;;
esac
system_packages
environment .venv
if [ "$want" = demo ]; then
  install_lock runtime
else
  install_lock dev
  litellm
fi
install_project
