// What the Java runtime asks of a kernel; prints the same in every run.
import java.io.*;
import java.net.*;
import java.net.http.*;
import java.nio.*;
import java.nio.channels.*;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.*;
import java.util.stream.*;

public class Program {
    static void threads() throws Exception {
        var pool = Executors.newFixedThreadPool(50);
        var total = new AtomicLong();
        var tasks = new ArrayList<Future<?>>();
        for (int i = 0; i < 2000; i++) {
            int number = i;
            tasks.add(pool.submit(() -> total.addAndGet(number)));
        }
        for (var task : tasks) task.get();
        pool.shutdown();
        System.out.println("pool " + total + " " + pool.awaitTermination(10, TimeUnit.SECONDS));
        System.out.println("parallel " + LongStream.range(0, 2_000_000).parallel().map(x -> x * x % 7).sum());
        var lock = new Object();
        int[] count = {0};
        var all = new Thread[200];
        for (int i = 0; i < all.length; i++) {
            all[i] = new Thread(() -> { for (int j = 0; j < 500; j++) synchronized (lock) { count[0]++; } });
            all[i].start();
        }
        for (var thread : all) thread.join();
        System.out.println("monitors " + count[0]);
        var sleeper = new Thread(() -> {
            try { Thread.sleep(60000); } catch (InterruptedException error) { System.out.println("interrupted"); }
        });
        sleeper.start();
        sleeper.interrupt();
        sleeper.join();
    }

    static int deep(int level) { return deep(level + 1) + 1; }

    static void faults() {
        try { deep(0); } catch (StackOverflowError error) { System.out.println("stack overflow"); }
        // Enough times that the compiled code relies on the signal.
        int caught = 0;
        for (int i = 0; i < 50000; i++) {
            String text = i % 10 == 0 ? null : "x";
            try { caught += text.length() - 1; } catch (NullPointerException error) { caught++; }
        }
        System.out.println("null pointers " + caught);
        try { System.out.println(1 / (caught - caught)); } catch (ArithmeticException error) { System.out.println(error.getMessage()); }
        var kept = new ArrayList<byte[]>();
        try {
            while (true) kept.add(new byte[10 << 20]);
        } catch (OutOfMemoryError error) {
            kept.clear();
            System.out.println("out of memory");
        }
        long sum = 0;
        for (int i = 0; i < 300; i++) { var block = new byte[1 << 20]; block[i] = 1; sum += block[i]; }
        System.gc();
        System.out.println("collected " + sum);
    }

    static void files() throws Exception {
        var directory = Files.createTempDirectory("java");
        for (int i = 0; i < 100; i++) Files.writeString(directory.resolve("file" + i), "text " + i);
        try (var stream = Files.walk(directory)) { System.out.println("walked " + stream.count()); }
        var path = directory.resolve("mapped");
        try (var channel = FileChannel.open(path, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            var map = channel.map(FileChannel.MapMode.READ_WRITE, 0, 1 << 20);
            for (int i = 0; i < 1 << 20; i += 4) map.putInt(i, i);
            map.force();
            var buffer = ByteBuffer.allocate(4);
            channel.read(buffer, 4000);
            System.out.println("mapped " + buffer.getInt(0));
            try (var lock = channel.tryLock()) { System.out.println("locked " + lock.isValid()); }
            try (var copy = FileChannel.open(directory.resolve("copy"), StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
                System.out.println("transferred " + channel.transferTo(0, channel.size(), copy));
            }
        }
        var watcher = directory.getFileSystem().newWatchService();
        directory.register(watcher, StandardWatchEventKinds.ENTRY_CREATE);
        Files.createFile(directory.resolve("noticed"));
        System.out.println("watched " + watcher.poll(20, TimeUnit.SECONDS).pollEvents().get(0).context());
        watcher.close();
        System.out.println(Files.getPosixFilePermissions(path).size() + " " + Files.getOwner(path).getName().equals(System.getProperty("user.name")));
        System.out.println(Files.getFileStore(path).getTotalSpace() > 0);
    }

    static void network() throws Exception {
        var selector = Selector.open();
        var server = ServerSocketChannel.open().bind(new InetSocketAddress("127.0.0.1", 0));
        server.configureBlocking(false);
        server.register(selector, SelectionKey.OP_ACCEPT);
        int port = server.socket().getLocalPort();
        var running = new AtomicBoolean(true);
        var loop = new Thread(() -> {
            try {
                while (running.get()) {
                    selector.select(200);
                    for (var key : selector.selectedKeys()) {
                        if (key.isAcceptable()) {
                            var client = server.accept();
                            client.configureBlocking(false);
                            client.register(selector, SelectionKey.OP_READ);
                        } else if (key.isReadable()) {
                            var client = (SocketChannel) key.channel();
                            var buffer = ByteBuffer.allocate(8192);
                            if (client.read(buffer) < 0) { client.close(); continue; }
                            buffer.flip();
                            while (buffer.hasRemaining()) client.write(buffer);
                        }
                    }
                    selector.selectedKeys().clear();
                }
            } catch (IOException error) { error.printStackTrace(); }
        });
        loop.start();
        var pool = Executors.newFixedThreadPool(16);
        var results = new ArrayList<Future<Integer>>();
        for (int i = 0; i < 64; i++) {
            results.add(pool.submit(() -> {
                try (var socket = new Socket("127.0.0.1", port)) {
                    socket.setTcpNoDelay(true);
                    int sum = 0;
                    for (int j = 0; j < 20; j++) { socket.getOutputStream().write(j); sum += socket.getInputStream().read(); }
                    return sum;
                }
            }));
        }
        int sum = 0;
        for (var result : results) sum += result.get();
        running.set(false);
        loop.join();
        pool.shutdown();
        System.out.println("echoes " + sum);

        var web = com.sun.net.httpserver.HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        web.createContext("/", exchange -> {
            var body = ("path " + exchange.getRequestURI()).getBytes();
            exchange.sendResponseHeaders(200, body.length);
            try (var stream = exchange.getResponseBody()) { stream.write(body); }
        });
        web.start();
        var address = URI.create("http://127.0.0.1:" + web.getAddress().getPort() + "/page");
        var response = HttpClient.newHttpClient().send(HttpRequest.newBuilder(address).build(), HttpResponse.BodyHandlers.ofString());
        System.out.println(response.statusCode() + " " + response.body());
        web.stop(0);
        System.out.println(NetworkInterface.getByName("lo").isLoopback());
        try { new Socket("127.0.0.1", 1); } catch (ConnectException error) { System.out.println(error.getMessage()); }
    }

    static void processes() throws Exception {
        for (var mechanism : new String[] {"posix_spawn", "vfork", "fork"}) {
            var out = run(mechanism);
            System.out.println(mechanism + " " + out);
        }
        var process = new ProcessBuilder("cat").start();
        try (var writer = process.outputWriter()) { writer.write("through cat\n"); }
        System.out.println(process.inputReader().readLine() + " " + process.waitFor());
        var sleeper = new ProcessBuilder("sleep", "100").start();
        System.out.println(sleeper.waitFor(50, TimeUnit.MILLISECONDS) + " " + sleeper.toHandle().isAlive());
        sleeper.destroy();
        System.out.println(sleeper.waitFor());
        try { new ProcessBuilder("/no/such").start(); } catch (IOException error) { System.out.println(error.getMessage()); }
        System.out.println(ProcessHandle.current().info().command().map(path -> path.endsWith("/java")).orElse(false));
        System.out.println(ProcessHandle.current().parent().isPresent());
    }

    static String run(String mechanism) throws Exception {
        var process = new ProcessBuilder(System.getProperty("java.home") + "/bin/java", "-Xshare:auto", "-XX:TieredStopAtLevel=1",
            "-Djdk.lang.Process.launchMechanism=" + mechanism, "-cp", ".", "Program", "child").redirectErrorStream(true).start();
        var text = new String(process.getInputStream().readAllBytes()).trim();
        return text + " " + process.waitFor();
    }

    static void child() throws Exception {
        var process = new ProcessBuilder("sh", "-c", "echo grandchild; exit 4").start();
        System.out.println(new String(process.getInputStream().readAllBytes()).trim() + " " + process.waitFor());
        System.exit(5);
    }

    public static void main(String[] arguments) throws Exception {
        if (arguments.length > 0) child();
        System.out.println("processors " + (Runtime.getRuntime().availableProcessors() > 0));
        threads();
        faults();
        files();
        network();
        processes();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("shut down")));
        new ProcessBuilder("kill", "-TERM", "" + ProcessHandle.current().pid()).start();
        Thread.sleep(20000);
    }
}
