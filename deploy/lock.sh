#!/bin/sh
# Lock every dependency with the hashes of its files, for all platforms: sh deploy/lock.sh .venv/bin
# Only the public index is asked, and no address is written.
set -eu
head="# Made from requirements.txt by 'make lock': every package with its hashes, for all platforms, Python 3.11 and later."
fresh=requirements.lock.new
trap 'rm -f "$fresh"' EXIT
env -u PIP_FIND_LINKS UV_FIND_LINKS= UV_EXTRA_INDEX_URL= SSL_CERT_FILE="${SSL_CERT_FILE:-${PIP_CERT:-}}" \
    "$1/uv" pip compile requirements.txt --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-header --no-annotate --quiet --output-file "$fresh" >/dev/null
{ echo "$head"; cat "$fresh"; } > requirements.lock
