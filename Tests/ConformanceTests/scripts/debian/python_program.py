# Python: the standard library's ways to use the system.
import asyncio, collections, concurrent.futures, hashlib, json, math, mmap, os, pathlib, queue, random, re, select
import shutil, signal, socket, sqlite3, struct, subprocess, sys, tempfile, threading, time, zlib

print(sys.version_info[:2], sys.platform, sys.argv)
print(hashlib.sha256(b"x" * 1000000).hexdigest(), zlib.crc32(b"y" * 1000))
random.seed(1); print(sorted(random.sample(range(1000), 5)), math.fsum([0.1] * 10), 2 ** 200)
print(json.dumps({"b": [1, 2.5, None], "a": "ü"}, sort_keys=True), re.sub(r"(\w)(\w)", r"\2\1", "abcdef"))
with tempfile.TemporaryDirectory() as directory:
    path = pathlib.Path(directory, "file")
    path.write_text("".join(f"line {n}\n" for n in range(1000)))
    print(len(path.read_text()), path.stat().st_size, sorted(os.listdir(directory)))
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        mapped[0:4] = b"LINE"; print(mapped.find(b"999"), mapped[:6])
    database = sqlite3.connect(os.path.join(directory, "db"))
    database.execute("create table t (n integer, s text)")
    database.executemany("insert into t values (?, ?)", ((n, str(n)) for n in range(1000))); database.commit()
    print(database.execute("select sum(n), max(s) from t").fetchone()); database.close()
    os.symlink("file", os.path.join(directory, "link")); print(os.readlink(os.path.join(directory, "link")))
    shutil.copytree(directory, directory + ".copy"); print(len(os.listdir(directory + ".copy"))); shutil.rmtree(directory + ".copy")
print(subprocess.run(["sh", "-c", "cat; exit 5"], input=b"in\n", capture_output=True))
try:
    subprocess.run(["/nonexistent/program"])
except FileNotFoundError as error:
    print("missing:", error.errno)
print(subprocess.run(["sh", "-c", "kill -9 $$"]).returncode)
pid = os.fork()
if pid == 0:
    os._exit(9)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
results = queue.Queue(); lock = threading.Lock(); total = 0
def work(n):
    global total
    for _ in range(1000):
        with lock: total += n
    results.put(n)
threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
[t.start() for t in threads]; [t.join() for t in threads]
print(total, sorted(results.queue))
with concurrent.futures.ThreadPoolExecutor(4) as pool: print(list(pool.map(lambda n: n * n, range(10))))
with concurrent.futures.ProcessPoolExecutor(2) as pool: print(list(pool.map(abs, range(-5, 5))))
one, other = socket.socketpair(); one.sendall(b"pair"); print(other.recv(10))
listener = socket.socket(socket.AF_UNIX); name = tempfile.mktemp(); listener.bind(name); listener.listen()
client = socket.socket(socket.AF_UNIX); client.connect(name); client.sendall(b"unix"); print(listener.accept()[0].recv(10)); os.unlink(name)
async def tasks():
    async def nap(n): await asyncio.sleep(0.01 * n); return n
    process = await asyncio.create_subprocess_exec("echo", "async", stdout=subprocess.PIPE)
    return await asyncio.gather(nap(3), nap(1)), (await process.communicate())[0]
print(asyncio.run(tasks()))
caught = []; signal.signal(signal.SIGUSR1, lambda *_: caught.append("USR1")); os.kill(os.getpid(), signal.SIGUSR1)
signal.signal(signal.SIGALRM, lambda *_: caught.append("ALRM")); signal.setitimer(signal.ITIMER_REAL, 0.02); time.sleep(0.1); print(caught)
print(select.select([one], [other], [], 0) == ([], [other], []), struct.pack("<iq", 1, 2), os.cpu_count() >= 1)
print(collections.Counter("mississippi").most_common(2), [f"{x:.3e}" for x in (math.pi, 1e300 * 10)])
deep = lambda n: 0 if n == 0 else 1 + deep(n - 1); print(deep(900)); sys.exit(11)
