# Processes from a shell: many, in groups, in pipelines, killed, waited for.
for i in $(seq 200); do /bin/true || echo "failed $i"; done; echo "200 programs"
seq 100 | xargs -P 4 -n 1 sh -c 'exit $(($0 % 2))'; echo "xargs $?"
for i in 1 2 3 4 5; do (sleep 0.0$i; echo "child $i") & done | sort; wait
seq 20000 | cat | cat | cat | cat | tail -1
sleep 50 & pid=$!; kill $pid; wait $pid; echo "killed $?"
sleep 50 & pid=$!; kill -STOP $pid; kill -0 $pid && echo alive; kill -CONT $pid; kill -9 $pid; wait $pid 2> /dev/null; echo "$?"
sh -c 'kill -SEGV $$'; echo "segv $?"; sh -c 'exit 300'; echo "300 is $?"
/nonexistent 2> /dev/null; echo "missing $?"; /etc/passwd 2> /dev/null; echo "denied $?"
bash -c 'trap "echo got term; exit 5" TERM; kill $$; sleep 1'; echo "trapped $?"
(trap '' INT; sh -c 'kill -INT $$; echo ignored'); setsid sh -c 'echo new session'
nohup sh -c 'echo hup' 2> /dev/null; exec -a another sh -c 'echo $0' & wait
(ulimit -n 20; exec 9> /dev/null; echo nofile $(ulimit -n)); umask 027; sh -c umask
echo 'echo from a script "$@"' > /tmp/script.$$; chmod +x /tmp/script.$$; /tmp/script.$$ one two; rm /tmp/script.$$
time_output=$( { time sleep 0.01; } 2>&1 | grep -c real); echo "time $time_output"
flock /tmp/lock.$$ echo locked; rm -f /tmp/lock.$$; timeout -s KILL 0.1 sleep 5; echo "timeout $?"
