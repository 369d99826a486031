#!/bin/sh
# PgBouncer in transaction mode, for the application's role and its one database. A transaction has a server's
# connection for itself, and between two of them nothing may be left on it: see `pooled` in helios/database.py.
set -eu

folder="${PGBOUNCER_FOLDER:-/tmp}"
umask 077
printf '"helios_app" "%s"\n' "$(printf %s "$POSTGRES_APP_PASSWORD" | sed 's/"/""/g')" >"$folder/users.txt"
cat >"$folder/pgbouncer.ini" <<CONFIGURATION
[databases]
helios = host=${POSTGRES_HOST:-postgres} port=${POSTGRES_PORT:-5432} dbname=helios user=helios_app

[pgbouncer]
listen_addr = ${PGBOUNCER_ADDRESS:-0.0.0.0}
listen_port = ${PGBOUNCER_PORT:-6432}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = $folder/users.txt
pool_mode = transaction
default_pool_size = ${PGBOUNCER_POOL_SIZE:-40}
max_client_conn = 2000
server_reset_query =
log_connections = 0
log_disconnections = 0
CONFIGURATION
exec pgbouncer "$folder/pgbouncer.ini"
