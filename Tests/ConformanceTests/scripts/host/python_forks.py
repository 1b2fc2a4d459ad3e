# Children from Python by each of its ways, from several threads at a time.
import concurrent.futures, multiprocessing, os, signal, subprocess, sys, threading, time

def square(number):
    return number * number

def main():
    for method in ["fork", "spawn", "forkserver"]:
        with multiprocessing.get_context(method).Pool(3) as pool:
            print(method, sum(pool.map(square, range(200))))

    def run(number):
        return subprocess.run(["/bin/sh", "-c", f"cat; exit {number}"], input=b"x" * number, capture_output=True)

    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        results = list(threads.map(run, range(60)))
    print("threads", all(result.returncode == number and len(result.stdout) == number for number, result in enumerate(results)))

    # Forks while other threads compute and allocate.
    stop = threading.Event()
    def churn():
        while not stop.is_set():
            [str(number) for number in range(500)]
    workers = [threading.Thread(target=churn) for _ in range(3)]
    [worker.start() for worker in workers]
    statuses = []
    for number in range(30):
        pid = os.fork()
        if pid == 0:
            os._exit(number)
        statuses.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    stop.set()
    [worker.join() for worker in workers]
    print("forks", statuses == list(range(30)))

    spawned = [os.posix_spawn("/bin/sh", ["sh", "-c", f"exit {number}"], os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 5, "/dev/null", os.O_RDONLY, 0)],
                              setpgroup=0, setsigmask=[signal.SIGUSR1]) for number in range(20)]
    print("spawned", [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in spawned] == list(range(20)))
    try:
        os.posix_spawn("/nonexistent", ["x"], {})
    except FileNotFoundError as error:
        print("missing", error.errno)

    sleeper = subprocess.Popen(["sleep", "100"], start_new_session=True)
    print("session", os.getsid(sleeper.pid) == sleeper.pid)
    os.killpg(sleeper.pid, signal.SIGTERM)
    print("killed", sleeper.wait())
    try:
        subprocess.run(["sleep", "100"], timeout=0.2)
    except subprocess.TimeoutExpired:
        print("timeout")

    queue = multiprocessing.get_context("fork").Queue()
    writers = [multiprocessing.get_context("fork").Process(target=lambda: [queue.put(1) for _ in range(100)]) for _ in range(5)]
    [writer.start() for writer in writers]
    print("queue", sum(queue.get() for _ in range(500)))
    [writer.join() for writer in writers]
    value = multiprocessing.Value("i", 0)
    def add():
        for _ in range(200):
            with value.get_lock():
                value.value += 1
    adders = [multiprocessing.get_context("fork").Process(target=add) for _ in range(4)]
    [adder.start() for adder in adders]
    [adder.join() for adder in adders]
    print("shared", value.value)

if __name__ == "__main__":
    main()
    sys.exit(7)
