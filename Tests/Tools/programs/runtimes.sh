# Runtimes with memory managers, compilers and schedulers of their own: some fix addresses, some rely on faults.
set -e
cat >sbcl.lisp <<'LISP'
(require :asdf)
(defun fib (n) (if (< n 2) n (+ (fib (- n 1)) (fib (- n 2)))))
(format t "fib ~a~%" (fib 25))
(let ((kept '()))
  (dotimes (i 2000) (push (make-array 10000) kept) (when (> (length kept) 50) (setf kept '())))
  (gc :full t)
  (format t "collected~%"))
(format t "~a~%" (handler-case (labels ((deep (n) (+ 1 (deep (+ n 1))))) (deep 0)) (storage-condition () "stack exhausted")))
(format t "~a~%" (handler-case (/ 1 (- (length *posix-argv*) (length *posix-argv*))) (division-by-zero () "division by zero")))
(format t "~a~%" (handler-case (sb-sys:with-pinned-objects () (sb-sys:sap-ref-8 (sb-sys:int-sap 8) 0)) (error () "memory fault")))
(let ((threads (loop for i below 8 collect (let ((i i)) (sb-thread:make-thread (lambda () (dotimes (j 200) (make-array 1000)) (* i i)))))))
  (format t "threads ~a~%" (mapcar #'sb-thread:join-thread threads)))
(format t "~a~%" (uiop:run-program '("echo" "child") :output '(:string :stripped t)))
(save-lisp-and-die "image" :executable t :toplevel (lambda () (format t "image ~a~%" (fib 20)) (exit :code 3)))
LISP
sbcl --noinform --disable-debugger --no-userinit --load sbcl.lisp 2>/dev/null | grep -v -E '^(\[|;|$)' || true
./image || echo "status $?"

luajit -e 'local s = 0 for i = 1, 1e7 do s = s + i % 7 end print(jit.status(), s)
local ffi = require "ffi" ffi.cdef "int getpid(void); int puts(const char *);" print(ffi.C.getpid() > 0)
local t = {} for i = 1, 1e6 do t[i % 1000] = {i} end collectgarbage() print(collectgarbage "count" < 4000)'

cat >program.erl <<'ERL'
-module(program).
-export([start/0]).
start() ->
    Parent = self(),
    [spawn(fun() -> Parent ! N * N end) || N <- lists:seq(1, 10000)],
    io:format("processes ~p~n", [lists:sum([receive M -> M end || _ <- lists:seq(1, 10000)])]),
    {ok, Listener} = gen_tcp:listen(0, [binary, {active, false}, {ip, {127, 0, 0, 1}}, {backlog, 100}]),
    {ok, Port} = inet:port(Listener),
    spawn(fun Accept() -> {ok, S} = gen_tcp:accept(Listener),
        Pid = spawn(fun() -> receive go -> ok end, {ok, D} = gen_tcp:recv(S, 0), gen_tcp:send(S, D), gen_tcp:close(S) end),
        gen_tcp:controlling_process(S, Pid), Pid ! go, Accept() end),
    [spawn(fun() -> {ok, S} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {active, false}]), ok = gen_tcp:send(S, <<N:32>>),
        {ok, <<M:32>>} = gen_tcp:recv(S, 4), Parent ! M end) || N <- lists:seq(1, 50)],
    io:format("echoes ~p~n", [lists:sum([receive M -> M end || _ <- lists:seq(1, 50)])]),
    io:format("~s", [os:cmd("echo from the shell; exit 3")]),
    io:format("~p~n", [catch 1 / list_to_integer("0")]),
    timer:sleep(50),
    io:format("~p~n", [erlang:system_info(schedulers) > 0]),
    halt(4).
ERL
erlc program.erl >/dev/null
erl -noshell -s program start 2>&1 | sed 's/,\[{program.*//' || true

ruby -rsocket -ropen3 -e '
puts (1..20).map { |i| Thread.new { (1..1000).sum * i } }.sum(&:value)
reader, writer = IO.pipe
pid = fork { writer.puts "from the child"; exit! 3 }
Process.wait pid
puts reader.gets, $?.exitstatus
puts Open3.capture2e("sh", "-c", "cat; echo error >&2", stdin_data: "input\n")[0]
server = TCPServer.new("127.0.0.1", 0)
Thread.new { 20.times { client = server.accept; client.write client.gets; client.close } }
puts (1..20).sum { |i| s = TCPSocket.new("127.0.0.1", server.addr[1]); s.puts i; s.read.to_i }
trap("USR1") { puts "signal" }
Process.kill "USR1", $$; sleep 0.05
f = Fiber.new { 3.times { |i| Fiber.yield i }; :done }
p 4.times.map { f.resume }
def deep(n) = deep(n + 1)
begin; deep(0); rescue SystemStackError => e; puts e.class; end
GC.stress = true; 50.times { "x" * 1000 }; GC.stress = false
GC.compact rescue puts "no compaction"
puts [1, 2, 3].lazy.map { _1 * 2 }.first(2).inspect, Process.clock_gettime(Process::CLOCK_MONOTONIC) > 0
r = Ractor.new { Ractor.receive * 2 } ; r.send 21; puts r.take' 2>/dev/null
ruby --jit -e 'x = 0; 300_000.times { |i| x += i }; puts x' 2>/dev/null

php -r 'echo array_sum(range(1, 1000)), "\n"; echo shell_exec("echo shell"); $p = proc_open(["cat"], [["pipe", "r"], ["pipe", "w"]], $pipes);
fwrite($pipes[0], "through cat\n"); fclose($pipes[0]); echo stream_get_contents($pipes[1]); echo proc_close($p), "\n";
$a = []; for ($i = 0; $i < 300000; $i++) $a[] = str_repeat("x", 10); unset($a); echo gc_collect_cycles() >= 0 ? "collected\n" : "";'
php -d opcache.enable_cli=1 -d opcache.jit=1255 -d opcache.jit_buffer_size=16M -r 'function f($n) { return $n < 2 ? $n : f($n - 1) + f($n - 2); } echo f(22), "\n";' 2>/dev/null
mkdir web; echo '<?php echo 6 * 7;' >web/index.php
php -S 127.0.0.1:18081 -t web >/dev/null 2>&1 &
for try in $(seq 100); do curl -fs http://127.0.0.1:18081/ && break; sleep 0.1; done; echo
kill $!; wait $! || true

guile --no-auto-compile -c '(use-modules (ice-9 threads) (ice-9 popen) (ice-9 rdelim)) (display (apply + (par-map (lambda (x) (* x x)) (iota 100)))) (newline)
(display (read-line (open-input-pipe "echo pipe"))) (newline) (gc) (display (catch #t (lambda () (car 1)) (lambda (key . rest) key))) (newline)'
pypy3 -c 'import threading, subprocess, sys
def f(n): return n if n < 2 else f(n - 1) + f(n - 2)
print(f(22), sum(i % 7 for i in range(2000000)))
threads = [threading.Thread(target=f, args=(12,)) for i in range(10)]
for t in threads: t.start()
for t in threads: t.join()
print(subprocess.check_output(["echo", "child"]))
def deep(n): return deep(n + 1) + 1
try: deep(0)
except RecursionError as error: print("recursion")'
