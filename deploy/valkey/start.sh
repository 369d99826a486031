#!/bin/sh
# The password goes in by standard input: a command line can be read by every process of the machine.
set -eu

exec valkey-server - <<CONFIGURATION
requirepass $VALKEY_PASSWORD
dir /data
appendonly yes
appendfsync everysec
save ""
maxmemory ${VALKEY_MAXMEMORY:-512mb}
maxmemory-policy volatile-ttl
CONFIGURATION
