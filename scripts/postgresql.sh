#!/usr/bin/env bash
# A PostgreSQL server of this machine, for tests and benchmarks.
#
#     scripts/postgresql.sh start FOLDER   makes it if there is none, and prints its address
#     scripts/postgresql.sh stop FOLDER    what is stored stays
#
# FOLDER is somewhere that every user can reach, such as /tmp/server. The password is that of the
# variable PASSWORD.
set -euo pipefail
PASSWORD=${PASSWORD:-only-for-tests}

command=${1:?start or stop}
folder=${2:?a folder}

# Debian keeps what manages a server out of the path.
PATH=$PATH:$(printf '%s:' /usr/lib/postgresql/*/bin)
# It refuses to run as root.
as_owner=()
if [ "$(id -u)" = 0 ]; then
    owner=$(id -un postgres 2>/dev/null || echo nobody)
    as_owner=(runuser -u "$owner" --)
    install -d -o "$owner" -m 700 "$folder"
else
    mkdir -p -m 700 "$folder"
fi

if [ "$command" = stop ]; then
    "${as_owner[@]}" pg_ctl --pgdata "$folder/data" --mode immediate --silent stop
    exit
fi
if [ "$("${as_owner[@]}" sh -c "ls '$folder'")" = "" ]; then
    "${as_owner[@]}" sh -c "cat > '$folder/password'" <<<"$PASSWORD"
    "${as_owner[@]}" initdb --pgdata "$folder/data" --username nas --pwfile "$folder/password" \
        --auth scram-sha-256 --no-sync >/dev/null
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    "${as_owner[@]}" sh -c "echo $port > '$folder/port'"
fi
port=$("${as_owner[@]}" cat "$folder/port")
"${as_owner[@]}" pg_ctl --pgdata "$folder/data" status >/dev/null || "${as_owner[@]}" pg_ctl --pgdata "$folder/data" --log "$folder/log" --silent --wait start \
    --options "-p $port -k $folder -c listen_addresses=127.0.0.1 -c fsync=${FSYNC:-off}" >&2
echo "postgresql://nas@127.0.0.1:$port/postgres"
