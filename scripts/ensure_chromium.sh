#!/bin/sh
# The browser tests need a Chromium. Where there is none, Debian's is installed when that can be done (root, apt-get);
# else the browser tests skip with that reason, except in CI, where a missing Chromium is a failure.
set -eu

for name in chromium chromium-browser google-chrome google-chrome-stable; do
    if command -v "$name" >/dev/null 2>&1; then
        exit 0
    fi
done

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "set-up: installing Debian's chromium for the browser tests"
    export DEBIAN_FRONTEND=noninteractive
    if apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; then
        exit 0
    fi
fi

if [ "${CI:-}" = true ]; then
    echo "There is no Chromium and none could be installed: in CI the browser tests must run." >&2
    exit 1
fi
echo "set-up: there is no Chromium here, so the browser tests will be skipped (install one to run them)"
