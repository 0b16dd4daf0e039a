#!/usr/bin/env bash
# Installs what building and testing llmc needs on Debian 12. Safe to run again: a second run takes seconds.
#
# Usage: examples/install.sh [--tests]
#   --tests   also the format and lint tools, a headless Chromium, and the pinned Python packages of the end-to-end checks in .venv
#
# Needs root or sudo, and the security suite among the apt sources (a fresh Debian 12 has it): LLVM 22 and Rust come from there.
# Pinned: LLVM's major version (part of the package names), crates (Cargo.lock), Python packages (requirements.txt).
set -euo pipefail
cd "$(dirname "$0")/.."

wantTests=no
for argument in "$@"; do
  case "$argument" in
    --tests) wantTests=yes ;;
    -h | --help) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "install.sh: unknown argument '$argument' (see --help)" >&2; exit 2 ;;
  esac
done

# gcc is there for Rust, whose build scripts are linked with `cc`; everything of ours is built with clang-22.
packages=(llvm-22 llvm-22-dev llvm-22-tools libmlir-22-dev mlir-22-tools clang-22 lld-22 liblld-22-dev libclang-rt-22-dev
  cmake ninja-build ccache gcc g++ binutils git ca-certificates
  flatbuffers-compiler libflatbuffers-dev libcxxopts-dev nlohmann-json3-dev libxxhash-dev libedit-dev libyaml-dev libhwloc-dev libboost1.81-dev
  zlib1g-dev libzstd-dev libxml2-dev
  libgtest-dev libgmock-dev python3 python3-venv python3-pip)
if [ "$wantTests" = yes ]; then
  # The browser that the tests of the server's page drive: a download of 100 MB.
  packages+=(clang-format-22 clang-tidy-22 chromium-headless-shell)
fi

asRoot() {
  if [ "$(id -u)" = 0 ]; then
    env DEBIAN_FRONTEND=noninteractive "$@"
  elif command -v sudo > /dev/null; then
    sudo env DEBIAN_FRONTEND=noninteractive "$@"
  else
    echo "install.sh: needs root or sudo for: $*" >&2
    exit 1
  fi
}

# Only a package in state "installed" counts; one that was removed leaves its configuration behind.
isInstalled() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2> /dev/null)" = installed ]; }

# Rust 2024 and the crates need 1.87. An installed cargo that is new enough is used as it is.
cargoIsNewEnough() {
  command -v cargo > /dev/null || return 1
  local version
  version="$(cargo --version | cut -d ' ' -f 2)"
  [ "$(printf '1.87\n%s\n' "$version" | sort -V | head -n 1)" = 1.87 ]
}

missing=()
for package in "${packages[@]}"; do
  isInstalled "$package" || missing+=("$package")
done
if ! cargoIsNewEnough; then
  missing+=(cargo-web rustc-web)
fi

if [ "${#missing[@]}" -gt 0 ]; then
  echo "install: apt packages: ${missing[*]}"
  asRoot apt-get update -qq
  if ! unknown="$(apt-cache show "${missing[@]}" 2>&1 > /dev/null)"; then
    echo "$unknown" >&2
    echo "install.sh: apt does not know all of them; this needs Debian 12 with bookworm-security among its sources" >&2
    exit 1
  fi
  asRoot apt-get install -y -qq --no-install-recommends "${missing[@]}"
else
  echo "install: all ${#packages[@]} apt packages are there"
fi
if ! cargoIsNewEnough; then
  echo "install.sh: $(command -v cargo) is older than 1.87 and hides apt's; remove it or put /usr/bin first in PATH" >&2
  exit 1
fi
echo "install: $(cargo --version); clang $(clang-22 -dumpversion); $(cmake --version | head -n 1)"

if [ "$wantTests" = yes ]; then
  # The stamp holds the list that was installed; a changed list installs again.
  stamp=.venv/requirements.installed
  if [ ! -x .venv/bin/python ]; then
    echo "install: Python environment .venv"
    python3 -m venv .venv
  fi
  if ! cmp -s tests/e2e/requirements.txt "$stamp"; then
    echo "install: Python packages of tests/e2e/requirements.txt"
    .venv/bin/python -m pip install -q --disable-pip-version-check -r tests/e2e/requirements.txt
    cp tests/e2e/requirements.txt "$stamp"
  else
    echo "install: the Python packages are there"
  fi
fi
