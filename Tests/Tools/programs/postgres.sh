# A cluster: initdb, server, transactions, several clients, a crash and its recovery. As a user, for it refuses root.
set -e
PATH=$(echo /usr/lib/postgresql/*/bin):$PATH
initdb -D data -A trust -U tester --no-instructions >initdb.log
start() { pg_ctl -D data -s -w -t 120 -l log -o "-p 15432 -k $PWD -c listen_addresses=127.0.0.1 -c max_parallel_workers_per_gather=2" start; }
query() { psql -X -h 127.0.0.1 -p 15432 -U tester -At "$@" postgres; }
start
query -c 'SELECT count(*) > 300 FROM pg_class'
query <<'SQL'
CREATE TABLE account (id int PRIMARY KEY, balance bigint);
INSERT INTO account SELECT i, i * 10 FROM generate_series(1, 50000) i;
BEGIN; UPDATE account SET balance = 0; ROLLBACK;
SELECT sum(balance) FROM account;
ANALYZE account;
SET min_parallel_table_scan_size = 0; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;
SELECT count(*) FROM account WHERE balance % 3 = 0;
CREATE INDEX ON account (balance);
SQL
pgbench -h "$PWD" -p 15432 -U tester -i -q postgres >/dev/null 2>&1
pgbench -h "$PWD" -p 15432 -U tester -c 4 -j 2 -t 50 postgres 2>/dev/null | grep 'transactions actually'
query -c 'SELECT count(*) FROM pgbench_history'

# A killed backend makes the server begin anew; an immediate stop leaves the next start to recover.
query -c 'SELECT pg_sleep(60)' >/dev/null 2>&1 &
backend="SELECT pid FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)' AND backend_type = 'client backend'"
for try in $(seq 100); do pid=$(query -c "$backend"); [ -z "$pid" ] || break; sleep 0.1; done
kill -KILL "$pid"
wait $! || echo "lost the connection: $?"
for try in $(seq 100); do query -c 'SELECT 1' >/dev/null 2>&1 && break; sleep 0.2; done
grep -c 'terminated by signal 9' log
pg_ctl -D data -s -w -m immediate stop
start
query -c 'SELECT sum(balance) FROM account' -c 'SELECT count(*) FROM pgbench_history'
grep -c 'not properly shut down' log
pg_ctl -D data -s -w -m fast stop
pg_controldata data | grep 'cluster state'
