#!/bin/sh
# Install the nightly refresh and the dashboard as services of this machine: sudo sh deploy/install.sh
# Without systemd the refresh becomes a line of cron. UNITS names another folder, to look at all files first.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
data=${KERMA_DATA_DIR:-$here/data}
[ -x "$here/.venv/bin/python" ] || { echo "run 'make run' once first: $here/.venv is missing" >&2; exit 1; }

# put FILE TARGET: copy a file of deploy/ with this machine's folders in it.
put() {
    sed -e "s|@KERMA@|$here|g" -e "s|@DATA@|$data|g" "$here/deploy/$1" > "$2"
}

put_units() {
    for unit in kerma-refresh.service kerma-refresh.timer kerma.service kerma-receive.service; do
        put "$unit" "$1/$unit"
    done
}

if [ -n "${UNITS:-}" ]; then
    mkdir -p "$UNITS"
    put_units "$UNITS"
    put kerma.cron "$UNITS/kerma.cron"
    echo "units and cron line written to $UNITS"
    exit 0
fi
id kerma >/dev/null 2>&1 || useradd --system --home-dir "$data" --shell /usr/sbin/nologin kerma
mkdir -p "$data/inbox" "$data/logs"
chown -R kerma "$data"
[ -e /etc/kerma.env ] || printf 'KERMA_DATA_DIR=%s\n' "$data" > /etc/kerma.env
if [ -d /run/systemd/system ]; then
    put_units /etc/systemd/system
    systemctl daemon-reload
    systemctl enable --now kerma-refresh.timer kerma.service
    systemctl list-timers kerma-refresh.timer --no-pager
else
    put kerma.cron /etc/cron.d/kerma
    echo "no systemd here: the refresh runs by /etc/cron.d/kerma; start the dashboard yourself (deploy/serve.py)"
fi
