# redis-server: its benchmark on loopback, a background save, an append-only file rewritten, a restart that reads them.
set -e
start() {
    redis-server --port 16379 --bind 127.0.0.1 --unixsocket "$PWD/redis.sock" --dir "$PWD" --daemonize yes --logfile "$PWD/log" \
        --pidfile "$PWD/pid" --save "" --appendonly yes --io-threads 2 >/dev/null
    for try in $(seq 100); do [ "$(redis-cli -p 16379 ping 2>/dev/null)" = PONG ] && return; sleep 0.1; done
    cat log; return 1
}
cli() { redis-cli -p 16379 "$@"; }
start
cli set greeting hello; cli get greeting
for number in $(seq 1000); do echo "rpush list $number"; done | cli --pipe | tail -1
cli lrange list -3 -1
cli eval 'local s = 0 for i = 1, 1000 do s = s + i end return s' 0
redis-benchmark -p 16379 -n "${REQUESTS:-20000}" -c 20 -P 4 -t set,get,incr,lpush,mset -q | tr '\r' '\n' | grep 'requests per second' | cut -d: -f1
redis-benchmark -s "$PWD/redis.sock" -n 5000 -q -t ping | tr '\r' '\n' | grep 'requests per second' | cut -d: -f1
cli bgsave
for try in $(seq 200); do cli info persistence | grep -q rdb_bgsave_in_progress:0 && break; sleep 0.1; done
cli info persistence | grep -E 'rdb_last_bgsave_status' | tr -d '\r'
cli bgrewriteaof
for try in $(seq 200); do cli info persistence | grep -q aof_rewrite_in_progress:0 && break; sleep 0.1; done
cli info persistence | grep -E 'aof_last_bgrewrite_status' | tr -d '\r'
(timeout 5 redis-cli -p 16379 subscribe channel | head -6 >messages) &
for try in $(seq 100); do [ "$(cli publish channel news)" = 1 ] && break; sleep 0.1; done
wait
tail -3 messages
cli client list | wc -l
cli shutdown || true
for try in $(seq 100); do [ -e pid ] || break; sleep 0.1; done
start
cli get greeting; cli llen list
kill -TERM "$(cat pid)"
for try in $(seq 100); do [ -e pid ] || break; sleep 0.1; done
test ! -e pid && echo ended
grep -ciE 'crash|assert' log || true
