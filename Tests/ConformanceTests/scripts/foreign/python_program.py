"""What an interpreter does with the system: processes, threads, signals, files, sockets."""
import mmap
import os
import selectors
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

print(os.uname().machine, sys.maxsize, struct.calcsize("P"))
results = []
threads = [threading.Thread(target=lambda n=n: results.append(sum(range(n * 1000)))) for n in range(30)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(results), sum(results))

print(subprocess.run(["sh", "-c", "read line; echo got $line; exit 4"], input=b"text\n", capture_output=True))
print(subprocess.run([sys.executable, "-c", "print(6 * 7)"], capture_output=True).stdout)
try:
    subprocess.run(["/nonexistent"])
except FileNotFoundError as error:
    print("not found", error.errno)

pid = os.fork()
if pid == 0:
    os._exit(17)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

caught = []
signal.signal(signal.SIGALRM, lambda number, frame: caught.append(number))
signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
while len(caught) < 3:
    time.sleep(0.01)
signal.setitimer(signal.ITIMER_REAL, 0)
print(len(caught) >= 3)

with tempfile.TemporaryFile() as file:
    file.write(b"x" * 10000)
    file.flush()
    with mmap.mmap(file.fileno(), 0) as mapped:
        mapped[5000:5004] = b"abcd"
        print(len(mapped), mapped.find(b"abcd"))
    file.seek(5000)
    print(file.read(4))

server = socket.socket()
server.bind(("127.0.0.1", 0))
server.listen()


def answer():
    connection, _ = server.accept()
    with connection:
        connection.sendall(connection.recv(100).upper())


thread = threading.Thread(target=answer)
thread.start()
with socket.create_connection(server.getsockname()) as client:
    client.sendall(b"question")
    selector = selectors.DefaultSelector()
    selector.register(client, selectors.EVENT_READ)
    print(len(selector.select(10)), client.recv(100))
thread.join()
print(sorted(os.listdir("/proc/self/fd"))[:3])
