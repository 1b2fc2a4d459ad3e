"""What CPython's larger modules ask of a kernel; prints the same in every run."""

import asyncio
import concurrent.futures
import ctypes
import fcntl
import http.client
import http.server
import mmap
import multiprocessing
import multiprocessing.shared_memory
import os
import pathlib
import pty
import resource
import select
import selectors
import shutil
import signal
import socket
import socketserver
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time


def square(number):
    return number * number


def processes(method):
    context = multiprocessing.get_context(method)
    with context.Pool(4) as pool:
        print(method, sum(pool.map(square, range(1000), chunksize=10)))
        try:
            pool.apply(int, ["x"])
        except ValueError as error:
            print(error)
    queue, lock, value = context.Queue(), context.Lock(), context.Value("i", 0)
    workers = [context.Process(target=count, args=(queue, lock, value)) for _ in range(4)]
    for worker in workers:
        worker.start()
    print(sorted(queue.get() for _ in workers))
    for worker in workers:
        worker.join()
    print(value.value, [worker.exitcode for worker in workers])
    one, other = context.Pipe()
    worker = context.Process(target=answer, args=(other,))
    worker.start()
    one.send({"a": [1, 2]})
    print(one.recv())
    worker.join()
    barrier = context.Barrier(3)
    workers = [context.Process(target=barrier.wait) for _ in range(2)]
    for worker in workers:
        worker.start()
    barrier.wait()
    for worker in workers:
        worker.join()
    sleeper = context.Process(target=time.sleep, args=(100,))
    sleeper.start()
    sleeper.terminate()
    sleeper.join()
    print("terminated", sleeper.exitcode)


def count(queue, lock, value):
    for _ in range(100):
        with lock:
            value.value += 1
    queue.put(len(multiprocessing.current_process().name) > 0)
    sys.exit(3)


def answer(connection):
    connection.send([connection.recv(), "answer"])


def fill(name):
    memory = multiprocessing.shared_memory.SharedMemory(name)
    memory.buf[:5] = b"child"
    memory.close()


def shared_memory():
    memory = multiprocessing.shared_memory.SharedMemory(create=True, size=100000)
    worker = multiprocessing.Process(target=fill, args=(memory.name,))
    worker.start()
    worker.join()
    print("shared", bytes(memory.buf[:5]))
    memory.close()
    memory.unlink()
    with multiprocessing.Manager() as manager:
        shared = manager.dict()
        workers = [multiprocessing.Process(target=shared.__setitem__, args=(i, i * i)) for i in range(5)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        print("manager", sorted(shared.items()))
    with concurrent.futures.ProcessPoolExecutor(3) as pool:
        print("executor", sum(pool.map(square, range(50))))


def threads():
    lock, total = threading.Lock(), [0]

    def add():
        for _ in range(1000):
            with lock:
                total[0] += 1
    all_threads = [threading.Thread(target=add) for _ in range(100)]
    for thread in all_threads:
        thread.start()
    for thread in all_threads:
        thread.join()
    print("threads", total[0])
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        print(sum(pool.map(lambda i: len(subprocess.run(["echo", str(i)], stdout=subprocess.PIPE).stdout), range(40))))
    condition = threading.Condition()
    with condition:
        print("timed out", not condition.wait(0.05))


def children():
    print(subprocess.run("echo out; echo err >&2; exit 4", shell=True, capture_output=True, text=True))
    try:
        subprocess.run(["sleep", "20"], timeout=0.1)
    except subprocess.TimeoutExpired as error:
        print("too slow", error.cmd)
    print(subprocess.run(["sh", "-c", "kill -9 $$"]).returncode)
    one = subprocess.Popen(["seq", "100000"], stdout=subprocess.PIPE)
    other = subprocess.Popen(["tail", "-1"], stdin=one.stdout, stdout=subprocess.PIPE)
    one.stdout.close()
    print(other.communicate()[0], one.wait())
    started = subprocess.run(["sh", "-c", "ps -o pgid=,sid= -p $$ | tr -s ' ' '\\n' | sort -u | grep -c ."], start_new_session=True,
                             stdout=subprocess.PIPE)
    print(started.stdout)
    read, write = os.pipe()
    subprocess.run(["sh", "-c", f"echo passed >&{write}"], pass_fds=[write])
    os.close(write)
    print(os.read(read, 100))
    os.close(read)
    print(os.waitstatus_to_exitcode(os.waitpid(os.posix_spawn("/bin/sh", ["sh", "-c", "exit 6"], {}), 0)[1]))
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp("sh", ["sh", "-c", "stty size; tty | cut -c-9; read line; echo got $line"])
    os.write(terminal, b"typed\n")
    text = b""
    while True:
        try:
            part = os.read(terminal, 1000)
        except OSError:
            break
        text += part
        if not part:
            break
    print(sorted(text.split(b"\r\n")), os.waitpid(pid, 0)[1])


async def asynchronous():
    async def serve(reader, writer):
        while line := await reader.readline():
            writer.write(line.upper())
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    async def talk(number):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for i in range(10):
            writer.write(f"line {number} {i}\n".encode())
            assert await reader.readline() == f"LINE {number} {i}\n".encode()
        writer.close()
        return number

    print("asyncio", sum(await asyncio.gather(*(talk(number) for number in range(100)))))
    server.close()
    outputs = await asyncio.gather(*(run_child(i) for i in range(20)))
    print(outputs)
    loop = asyncio.get_running_loop()
    signalled = asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, signalled.set)
    os.kill(os.getpid(), signal.SIGUSR1)
    await asyncio.wait_for(signalled.wait(), 5)
    try:
        await asyncio.wait_for(asyncio.sleep(100), 0.05)
    except asyncio.TimeoutError:
        print("timeout")
    print(await loop.run_in_executor(None, square, 12))


async def run_child(number):
    child = await asyncio.create_subprocess_exec("cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    return (await child.communicate(str(number).encode()))[0].decode() + str(child.returncode)


def database():
    connection = sqlite3.connect("test.db", timeout=30, isolation_level=None, check_same_thread=False)
    print(connection.execute("PRAGMA journal_mode = WAL").fetchone(), connection.execute("PRAGMA mmap_size = 1000000").fetchone())
    connection.execute("CREATE TABLE t (thread, value)")

    def insert(number):
        own = sqlite3.connect("test.db", timeout=60)
        for value in range(50):
            with own:
                own.execute("INSERT INTO t VALUES (?, ?)", (number, value))
        own.close()
    all_threads = [threading.Thread(target=insert, args=(number,)) for number in range(4)]
    for thread in all_threads:
        thread.start()
    for thread in all_threads:
        thread.join()
    print(connection.execute("SELECT count(*), sum(value) FROM t").fetchone(), connection.execute("PRAGMA integrity_check").fetchone())
    connection.close()


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


def network():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        pathlib.Path("served").write_bytes(bytes(3_000_000))
        for path in ["/served", "/none"]:
            connection = http.client.HTTPConnection(*server.server_address)
            connection.request("GET", path)
            response = connection.getresponse()
            print(response.status, len(response.read()))
        server.shutdown()
    with socketserver.UnixStreamServer("python.socket", socketserver.BaseRequestHandler) as server:
        print(server.server_address)
    one, other = socket.socketpair()
    read, write = os.pipe()
    socket.send_fds(one, [b"x"], [write])
    _, descriptors, _, _ = socket.recv_fds(other, 10, 5)
    os.write(descriptors[0], b"through a descriptor")
    print(os.read(read, 100))
    one.settimeout(0.05)
    try:
        one.recv(1)
    except TimeoutError as error:
        print(error)
    print(socket.getaddrinfo("127.0.0.1", 80, socket.AF_INET, socket.SOCK_STREAM))


def system():
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory)
        (path / "a/b/c").mkdir(parents=True)
        (path / "a/b/c/file").write_text("text")
        shutil.copytree(path / "a", path / "copy")
        print(sorted(str(each.relative_to(path)) for each in path.rglob("*")))
        with open(path / "mapped", "wb+") as file:
            file.truncate(1 << 20)
            with mmap.mmap(file.fileno(), 0) as memory:
                memory[500000:500005] = b"hello"
                memory.flush()
                memory.resize(1 << 21)
                print(memory.find(b"hello"), len(memory))
            file.seek(500000)
            print(file.read(5))
            fcntl.lockf(file, fcntl.LOCK_EX)
            print(subprocess.run([sys.executable, "-c", "import fcntl, sys; f = open(sys.argv[1], 'rb+')\ntry: fcntl.lockf(f, fcntl.LOCK_EX | "
                                  "fcntl.LOCK_NB)\nexcept OSError as error: print(error)", path / "mapped"], stdout=subprocess.PIPE).stdout)
    anonymous = mmap.mmap(-1, 1 << 16)
    if os.fork() == 0:
        anonymous[:4] = b"fork"
        os._exit(0)
    os.wait()
    print(anonymous[:4])
    received = []
    signal.signal(signal.SIGALRM, lambda number, frame: received.append(number))
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
    while len(received) < 5:
        time.sleep(1)
    signal.setitimer(signal.ITIMER_REAL, 0)
    print("ticks", received[0])
    with selectors.DefaultSelector() as selector:
        read, write = os.pipe()
        selector.register(read, selectors.EVENT_READ)
        print(type(selector).__name__, len(selector.select(0.01)))
        os.write(write, b"x")
        print(len(selector.select(1)))
    print(ctypes.CDLL(None).getpid() == os.getpid())
    callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
    numbers = (ctypes.c_int * 5)(5, 2, 4, 1, 3)
    ctypes.CDLL(None).qsort(numbers, 5, 4, callback(lambda a, b: a[0] - b[0]))
    print(list(numbers))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > 1000, os.sysconf("SC_PAGE_SIZE"), os.cpu_count() == len(os.sched_getaffinity(0)))
    descriptor = os.memfd_create("name")
    os.write(descriptor, b"#!/bin/sh\necho from a memfd\n")
    print(os.listdir("/proc/self/fd").count(str(descriptor)), os.readlink(f"/proc/self/fd/{descriptor}"))
    watched = select.epoll()
    watched.register(read, select.EPOLLIN | select.EPOLLET)
    print(watched.poll(1) == [(read, select.EPOLLIN)], watched.poll(0.01))


if __name__ == "__main__":
    threads()
    for name in ["fork", "spawn", "forkserver"]:
        processes(name)
    shared_memory()
    children()
    asyncio.run(asynchronous())
    database()
    network()
    system()
