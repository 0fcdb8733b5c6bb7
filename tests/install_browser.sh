#!/bin/sh
# The browser tests need Chromium; on Debian and Ubuntu it is installed when it is missing and we may.
set -eu
need=""
command -v chromium >/dev/null 2>&1 || need="$need chromium"
command -v storescu >/dev/null 2>&1 || need="$need dcmtk"
[ -n "$need" ] || exit 0
[ "$(id -u)" = 0 ] || { command -v sudo >/dev/null 2>&1 && exec sudo sh "$0"; }
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $need fonts-dejavu-core
else
    echo "not installed:$need; the tests that need them are skipped" >&2
fi
