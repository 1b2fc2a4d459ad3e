# Servers and terminals: sshd with its separated privileges, memcached, tmux, every kind of socket that socat knows.
set -e
mkdir -p keys; chmod 700 keys
ssh-keygen -q -t ed25519 -N '' -f keys/host
ssh-keygen -q -t ed25519 -N '' -f keys/user
cp keys/user.pub keys/authorized
cat >sshd.conf <<CONF
Port 18022
ListenAddress 127.0.0.1
HostKey $PWD/keys/host
PidFile $PWD/sshd.pid
AuthorizedKeysFile $PWD/keys/authorized
StrictModes no
UsePAM no
PermitRootLogin yes
Subsystem sftp internal-sftp
CONF
mkdir -p /run/sshd
/usr/sbin/sshd -f sshd.conf -E sshd.log
ssh() { command ssh -q -i keys/user -p 18022 -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null "$@"; }
for try in $(seq 50); do ssh root@127.0.0.1 true && break; sleep 0.2; done
ssh root@127.0.0.1 'id -u; echo $SHELL; exit 7' || echo "status $?"
seq 100000 | ssh root@127.0.0.1 'sort -rn | head -2; tty || true'
ssh -tt root@127.0.0.1 'tty | cut -c-9; stty -echo; exit 3' </dev/null 2>/dev/null | tr -d '\r' || true
head -c 3000000 /dev/urandom >sent
sftp -q -b - -i keys/user -P 18022 -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null root@127.0.0.1 >/dev/null <<SFTP
put sent $PWD/received
get $PWD/received returned
SFTP
cmp sent returned && echo "sftp kept everything"
ssh -f -N -L 18023:127.0.0.1:18022 -o ExitOnForwardFailure=yes -o ControlMaster=yes -o ControlPath="$PWD/master" root@127.0.0.1
head -c 4 </dev/tcp/127.0.0.1/18023; echo
ssh -o ControlPath="$PWD/master" -O exit root@127.0.0.1 || true
rsync -a -e "ssh -q -i $PWD/keys/user -p 18022 -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null" keys root@127.0.0.1:"$PWD/copied/" && ls copied/keys
kill "$(cat sshd.pid)"
grep -ciE 'fatal|segfault' sshd.log || true

memcached -u nobody -l 127.0.0.1 -p 18211 -t 4 2>/dev/null & server=$!
for try in $(seq 50); do (: </dev/tcp/127.0.0.1/18211) 2>/dev/null && break; sleep 0.1; done
printf 'set key 0 0 5\r\nvalue\r\nget key\r\nincr none 1\r\nquit\r\n' | socat - TCP:127.0.0.1:18211 | tr -d '\r'
kill $server; wait $server || echo "memcached: $?"

export TMUX_TMPDIR=$PWD
tmux -f /dev/null new-session -d -s test -x 80 -y 20 'sh'
tmux send-keys -t test 'echo $((6 * 7)) columns $(tput cols)' Enter
for try in $(seq 50); do tmux capture-pane -p -t test | grep -q '^42' && break; sleep 0.1; done
tmux capture-pane -p -t test | grep '^42'
tmux split-window -t test 'cat' && tmux list-panes -t test | wc -l
tmux resize-window -t test -x 100 -y 30
tmux display-message -p -t test '#{window_width}'
tmux kill-server

echo "unix stream" | socat - EXEC:cat
socat UNIX-LISTEN:stream,fork EXEC:'tr a-z A-Z' & server=$!
for try in $(seq 50); do [ -S stream ] && break; sleep 0.1; done
echo "through a socket" | socat -t 2 - UNIX-CONNECT:stream
kill $server; wait $server || true
socat ABSTRACT-LISTEN:vmrun-check EXEC:cat & server=$!
sleep 0.3; echo abstract | socat -t 2 - ABSTRACT-CONNECT:vmrun-check; wait $server || true
socat -u UDP4-RECV:18053,bind=127.0.0.1 CREATE:udp & server=$!
sleep 0.3; echo datagram | socat -u - UDP4-SENDTO:127.0.0.1:18053; sleep 0.3; kill $server; wait $server || true; cat udp
socat TCP6-LISTEN:18054,bind=[::1],reuseaddr EXEC:cat & server=$!
sleep 0.3; echo six | socat -t 2 - 'TCP6:[::1]:18054'; wait $server || true
printf 'read line\ntty >/dev/null && echo "got $line"\n' >reader
echo terminal | socat -t 2 - EXEC:"sh reader",pty,raw,echo=0,setsid,ctty
socat -u OPEN:sent,rdonly CREATE:copy && cmp sent copy && echo "copied"
socat UNIX-RECVFROM:dgram,fork EXEC:cat & server=$!
sleep 0.3; echo packet | socat -t 1 - UNIX-SENDTO:dgram,bind=reply; kill $server; wait $server || true

cat >program.ml <<'ML'
let () =
  let r, w = Unix.pipe () in
  (match Unix.fork () with
   | 0 -> ignore (Unix.write_substring w "child" 0 5); exit 3
   | pid -> let buffer = Bytes.create 5 in
     ignore (Unix.read r buffer 0 5);
     print_endline (Bytes.to_string buffer);
     (match Unix.waitpid [] pid with _, Unix.WEXITED n -> Printf.printf "%d\n" n | _ -> ()));
  let rec deep n = 1 + deep (n + 1) in
  (try print_int (deep 0) with Stack_overflow -> print_endline "stack overflow");
  let threads = List.init 10 (fun i -> Thread.create (fun () -> ignore (List.init 1000 (fun j -> i * j))) ()) in
  List.iter Thread.join threads;
  Gc.compact (); print_endline "done"
ML
ulimit -s 8192
ocamlfind ocamlopt -package unix,threads.posix -linkpkg program.ml -o ml 2>/dev/null || ocamlopt -I +unix -I +threads unix.cmxa threads.cmxa program.ml -o ml
./ml
cat >program.rs <<'RS'
use std::{collections::HashMap, io::{Read, Write}, net::{TcpListener, TcpStream}, process::Command, sync::{mpsc, Arc, Mutex}, thread};
fn main() {
    let total = Arc::new(Mutex::new(0u64));
    let threads: Vec<_> = (0..50).map(|i| { let total = total.clone(); thread::spawn(move || for j in 0..1000 { *total.lock().unwrap() += i * j; }) }).collect();
    for t in threads { t.join().unwrap(); }
    println!("threads {}", total.lock().unwrap());
    println!("{:?}", thread::spawn(|| { if true { panic!("caught") } }).join().is_err());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || for s in listener.incoming() { let mut s = s.unwrap(); let mut b = [0; 4]; s.read_exact(&mut b).unwrap(); s.write_all(&b).unwrap(); });
    let sum: u32 = (0..50u32).map(|i| { let mut s = TcpStream::connect(address).unwrap(); s.write_all(&i.to_be_bytes()).unwrap(); let mut b = [0; 4]; s.read_exact(&mut b).unwrap(); u32::from_be_bytes(b) }).sum();
    println!("echoes {sum}");
    println!("{:?}", Command::new("sh").args(["-c", "echo out; exit 5"]).output().map(|o| (o.status.code(), o.stdout.len())));
    println!("{:?}", Command::new("/no/such").spawn().map(|_| ()).map_err(|e| e.kind()));
    let (sender, receiver) = mpsc::channel();
    for i in 0..10 { let sender = sender.clone(); thread::spawn(move || sender.send(i).unwrap()); }
    drop(sender);
    let map: HashMap<i32, i32> = receiver.iter().map(|i| (i, i * i)).collect();
    println!("{} {:?}", map.len(), thread::available_parallelism().is_ok());
}
RS
rustc -O -C codegen-units=4 program.rs -o rs && ./rs 2>/dev/null
