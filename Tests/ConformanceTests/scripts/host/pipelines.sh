# Pipelines whose readers leave early, and whose writers are many and far away.
for i in $(seq 30); do yes | head -n 1; done | uniq -c
seq 1000000 | head -n 2; echo "writer ${PIPESTATUS[0]}"
(trap "" PIPE; yes 2> /dev/null; echo "yes $?" >&2) 2> /tmp/status.$$ | (read -r line; exec <&-; echo "$line"); cat /tmp/status.$$; rm /tmp/status.$$
# The end comes only when the last writer is gone, wherever it is.
{ (sleep 0.2; echo late) & echo early; } | cat
{ (setsid sh -c '(sleep 0.2; echo from another session) &') ; echo first; } | cat
mkfifo /tmp/fifo.$$; (for i in 1 2 3; do (sleep 0.0$i; echo "writer $i") & done; wait) > /tmp/fifo.$$ & sort /tmp/fifo.$$; rm /tmp/fifo.$$
coproc upper { tr a-z A-Z; }; echo through a coprocess >&"${upper[1]}"; exec {upper[1]}>&-; cat <&"${upper[0]}"; wait
diff <(seq 5) <(seq 6); tee >(wc -l) >(sort -rn | head -n 1) < <(seq 50) > /dev/null | sort -n
# Many at a time.
seq 200 | xargs -P 8 -n 5 sh -c 'echo $(($1 + $5))' sh | sort -n | md5sum
find /usr/share/doc -maxdepth 1 -name 'lib*' -print0 | sort -z | head -z -n 40 | xargs -0 -P 4 -n 1 sh -c 'ls "$0" | wc -l; exit 0' | wc -l
seq 8 | xargs -P 8 -I{} sh -c 'test {} != 5 || exit 255; exit 0' 2> /dev/null; echo "xargs $?"
for i in $(seq 40); do (exec sh -c "exit $i") & pids[i]=$!; done
sum=0; for pid in "${pids[@]}"; do wait "$pid"; sum=$((sum + $?)); done; echo "sum $sum"
for i in $(seq 20); do echo "$i" | (read -r x; echo "$x" | (read -r y; echo "$y" | (read -r z; exit "$z"))); echo -n "$? "; done; echo
wait -n 2> /dev/null; (sleep 0.05; exit 4) & (sleep 5) & wait -n; echo "first $?"; kill %2; wait 2> /dev/null
