#!/bin/sh
# Install the nightly refresh and the dashboard as services of this machine: sudo sh deploy/install.sh
# UNITS (default /etc/systemd/system) may name another folder, to look at the units first.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
data=${KERMA_DATA_DIR:-$here/data}
units=${UNITS:-/etc/systemd/system}
[ -x "$here/.venv/bin/python" ] || { echo "run 'make run' once first: $here/.venv is missing" >&2; exit 1; }
mkdir -p "$units"
for unit in kerma-refresh.service kerma-refresh.timer kerma.service; do
    sed -e "s|@KERMA@|$here|g" -e "s|@DATA@|$data|g" "$here/deploy/$unit" > "$units/$unit"
done
[ "$units" = /etc/systemd/system ] || { echo "units written to $units"; exit 0; }
id kerma >/dev/null 2>&1 || useradd --system --home-dir "$data" --shell /usr/sbin/nologin kerma
mkdir -p "$data/inbox"
chown -R kerma "$data"
[ -e /etc/kerma.env ] || printf 'KERMA_DATA_DIR=%s\n' "$data" > /etc/kerma.env
systemctl daemon-reload
systemctl enable --now kerma-refresh.timer kerma.service
systemctl list-timers kerma-refresh.timer --no-pager
