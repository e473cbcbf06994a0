#!/bin/sh
# The same models fitted of a data frame, SQLite, Arrow, PostgreSQL and Spark, as a table; and of a
# PostgreSQL table of 1e7 rows, with R's memory. As root on Debian, on the newest R
# (tools/setup-r.sh newest). PostgreSQL and Spark are installed here, PostgreSQL's server runs in a
# temporary folder, and both are stopped at the end.
# Usage: tools/engines.sh [ROWS]          ROWS: of the large table (default: none)
# RLMM_ENGINES_LIB: a library with rlmm for the newest R, to save its compilation.
set -eu
cd "$(dirname "$0")/.."
. tools/lib-debian.sh

rows=${1:-0}
sid=${RLMM_SID_ROOT:-/opt/rlmm-sid}
room=/tmp/rlmm-engines
port=${RLMM_ENGINES_PORT:-54329}
venv=$PWD/.local/spark

in_sid() { chroot "$sid" env HOME=/root PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin LC_ALL=C.UTF-8 "$@"; }
as_postgres() { in_sid runuser -u postgres -- "$@"; }
engines() { in_sid env R_LIBS="$library" RLMM_POSTGRES_PORT="$port" Rscript "$room/engines.R" "$@"; }

install_postgres() {
  cp tools/lib-debian.sh "$sid/tmp/lib-debian.sh"
  in_sid sh -c '. /tmp/lib-debian.sh; command -v pg_ctlcluster >/dev/null || apt_update; apt_install postgresql r-cran-rpostgresql r-cran-rsqlite'
}

install_spark() {
  command -v java >/dev/null || { apt_update; apt_install openjdk-17-jre-headless; }
  [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
  "$venv/bin/python" -c 'import pyspark' 2>/dev/null || "$venv/bin/python" -m pip install --quiet pyspark
}

install_rlmm() {
  library=${RLMM_ENGINES_LIB:-}
  [ -z "$library" ] || return 0
  library=$room/lib
  mkdir -p "$sid$library" "$sid$room/rlmm"
  git ls-files -z --cached --others --exclude-standard | xargs -0 tar cf - | tar xf - -C "$sid$room/rlmm"
  in_sid R CMD INSTALL --no-docs --no-test-load -l "$library" "$room/rlmm" >/dev/null 2>&1
}

# A server of its own, with a password for its administrator and a role that may only read.
start_postgres() {
  in_sid mkdir -p "$room/pg"
  echo administrator >"$sid$room/pg/password"
  in_sid chown -R postgres "$room/pg"
  bin=$(in_sid sh -c 'ls -d /usr/lib/postgresql/*/bin | tail -n 1')
  as_postgres "$bin/initdb" -A scram-sha-256 --pwfile="$room/pg/password" -D "$room/pg/data" >/dev/null
  as_postgres "$bin/pg_ctl" -D "$room/pg/data" -l "$room/pg/log" -w start >/dev/null \
    -o "-p $port -c listen_addresses=127.0.0.1 -k $room/pg -c log_statement=all -c log_line_prefix='%u '"
}

stop_postgres() {
  [ -z "${bin:-}" ] || as_postgres "$bin/pg_ctl" -D "$room/pg/data" -m immediate stop >/dev/null 2>&1 || true
  rm -rf "$sid$room"
}

rm -rf "$sid$room"
mkdir -p "$sid$room"
cp tools/engines.R "$sid$room/"
install_postgres
install_spark
trap stop_postgres EXIT
install_rlmm
start_postgres
engines prepare
"$venv/bin/python" tools/engines-spark.py "$sid$room/spark" 2>"$sid$room/spark.log" ||
  { tail -n 20 "$sid$room/spark.log"; exit 1; }
engines compare
[ "$rows" -eq 0 ] || engines large "$rows"
