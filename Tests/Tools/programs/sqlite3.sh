# Transactions, rollback journal and write-ahead log, several processes at a time, a process killed in a transaction.
set -e
sqlite3 rollback.db <<'SQL'
PRAGMA journal_mode = DELETE;
CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, amount INTEGER);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
INSERT INTO item SELECT i, 'item ' || i, i * 7 % 1000 FROM n;
BEGIN; UPDATE item SET amount = 0; ROLLBACK;
BEGIN; DELETE FROM item WHERE id % 2; COMMIT;
CREATE INDEX by_amount ON item (amount);
SELECT count(*), sum(amount), max(name) FROM item;
VACUUM;
PRAGMA integrity_check;
SQL
sqlite3 shared.db 'PRAGMA journal_mode = WAL; CREATE TABLE log (writer INTEGER, step INTEGER);'
for writer in 1 2 3 4; do
    {
        echo '.timeout 60000'
        for step in $(seq 100); do echo "INSERT INTO log VALUES ($writer, $step);"; done
    } | sqlite3 shared.db &
done
for reader in 1 2; do
    for try in $(seq 10); do sqlite3 -cmd '.timeout 60000' shared.db 'SELECT count(*) >= 0 FROM log'; done | sort | uniq -c | tr -s ' ' &
done
wait
sqlite3 shared.db 'SELECT writer, count(*), sum(step) FROM log GROUP BY writer; PRAGMA wal_checkpoint(TRUNCATE); PRAGMA integrity_check;'

# Killed with a hot journal, or a log that was not checkpointed: the next one recovers.
for mode in DELETE WAL; do
    sqlite3 killed.$mode "PRAGMA journal_mode = $mode; CREATE TABLE t (x); INSERT INTO t VALUES (1);"
    mkfifo input.$mode
    sqlite3 killed.$mode <input.$mode >output.$mode &
    pid=$!
    {
        echo 'PRAGMA cache_size = 2; BEGIN;'
        echo "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO t SELECT randomblob(500) FROM n;"
        echo "SELECT 'done';"
        while ! grep -q 'done' output.$mode; do sleep 0.05; done
        kill -KILL $pid
    } >input.$mode
    wait $pid || echo "ended with $?"
    sqlite3 killed.$mode 'SELECT count(*) FROM t; PRAGMA integrity_check;'
done
