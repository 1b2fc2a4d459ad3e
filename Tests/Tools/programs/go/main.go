// What Go's runtime and its larger packages ask of a kernel; prints the same in every run.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"os/user"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func goroutines() {
	var total int64
	var group sync.WaitGroup
	channel := make(chan int)
	for i := 0; i < 10000; i++ {
		group.Add(1)
		go func(i int) {
			defer group.Done()
			time.Sleep(time.Duration(i%10) * time.Millisecond)
			channel <- i
		}(i)
	}
	go func() { group.Wait(); close(channel) }()
	for i := range channel {
		atomic.AddInt64(&total, int64(i))
	}
	fmt.Println("goroutines", total)

	// One that never calls anything must be preempted (SIGURG).
	previous := runtime.GOMAXPROCS(1)
	var stop int32
	go func() {
		for n := 0; atomic.LoadInt32(&stop) == 0; n++ {
		}
	}()
	time.Sleep(20 * time.Millisecond)
	atomic.StoreInt32(&stop, 1)
	runtime.GOMAXPROCS(previous)
	fmt.Println("preempted")

	// Many threads that block in the kernel.
	var blocked sync.WaitGroup
	for i := 0; i < 100; i++ {
		blocked.Add(1)
		go func() {
			defer blocked.Done()
			t := syscall.NsecToTimespec(int64(20 * time.Millisecond))
			syscall.Nanosleep(&t, nil)
		}()
	}
	blocked.Wait()
	fmt.Println("blocked")
}

func memory() {
	debug.SetGCPercent(20)
	var kept [][]byte
	for i := 0; i < 2000; i++ {
		b := make([]byte, 50000)
		b[i] = byte(i)
		if i%100 == 0 {
			kept = append(kept, b)
		}
	}
	runtime.GC()
	debug.FreeOSMemory()
	sum := 0
	for i, b := range kept {
		sum += int(b[i*100])
	}
	fmt.Println("memory", sum)
	defer func() { fmt.Println("recovered:", recover()) }()
	var pointer *int
	*pointer = 1
}

func web() {
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Write(body)
	})
	mux.Handle("/files/", http.StripPrefix("/files/", http.FileServer(http.Dir("."))))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	server := &http.Server{Handler: mux}
	go server.Serve(listener)
	base := "http://" + listener.Addr().String()
	var group sync.WaitGroup
	var good int64
	for i := 0; i < 50; i++ {
		group.Add(1)
		go func(i int) {
			defer group.Done()
			for j := 0; j < 10; j++ {
				text := strings.Repeat(fmt.Sprint(i, j, ";"), 1000)
				response, err := http.Post(base+"/echo", "text/plain", strings.NewReader(text))
				must(err)
				body, err := io.ReadAll(response.Body)
				must(err)
				response.Body.Close()
				if string(body) == text {
					atomic.AddInt64(&good, 1)
				}
			}
		}(i)
	}
	group.Wait()
	fmt.Println("echoes", good)
	big := make([]byte, 3<<20)
	must(os.WriteFile("big", big, 0o644))
	response, err := http.Get(base + "/files/big")
	must(err)
	n, err := io.Copy(io.Discard, response.Body)
	must(err)
	fmt.Println("file", n)
	client := http.Client{Timeout: 50 * time.Millisecond}
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) { time.Sleep(500 * time.Millisecond) })
	_, err = client.Get(base + "/slow")
	var netError net.Error
	fmt.Println("slow", errors.As(err, &netError) && netError.Timeout())
	must(server.Shutdown(context.Background()))
	_, err = http.Get(base + "/echo")
	fmt.Println("refused", errors.Is(err, syscall.ECONNREFUSED))
}

func sockets() {
	listener, err := net.Listen("unix", "socket")
	must(err)
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { io.Copy(connection, connection); connection.Close() }()
		}
	}()
	connection, err := net.Dial("unix", "socket")
	must(err)
	fmt.Println(connection.RemoteAddr(), listener.Addr())
	fmt.Fprintln(connection, "over unix")
	line, err := bufio.NewReader(connection).ReadString('\n')
	must(err)
	fmt.Print(line)
	connection.Close()
	listener.Close()
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(err)
	packets.SetReadDeadline(time.Now().Add(30 * time.Millisecond))
	_, _, err = packets.ReadFrom(make([]byte, 10))
	fmt.Println("deadline", errors.Is(err, os.ErrDeadlineExceeded))
	interfaces, err := net.Interfaces()
	must(err)
	names := []string{}
	for _, each := range interfaces {
		addresses, err := each.Addrs()
		must(err)
		names = append(names, fmt.Sprint(each.Name, " ", each.MTU, " ", addresses))
	}
	sort.Strings(names)
	fmt.Println(names)
}

func processes() {
	output, err := exec.Command("sh", "-c", "echo out; echo err >&2; exit 3").CombinedOutput()
	fmt.Printf("%q %v\n", output, err)
	_, err = exec.Command("/no/such").Output()
	fmt.Println(err)
	var group sync.WaitGroup
	var good int64
	for i := 0; i < 30; i++ {
		group.Add(1)
		go func(i int) {
			defer group.Done()
			command := exec.Command("cat")
			command.Stdin = strings.NewReader(fmt.Sprint(i))
			out, err := command.Output()
			if err == nil && string(out) == fmt.Sprint(i) {
				atomic.AddInt64(&good, 1)
			}
		}(i)
	}
	group.Wait()
	fmt.Println("children", good)
	timeout, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	fmt.Println(exec.CommandContext(timeout, "sleep", "20").Run())
	command := exec.Command("sh", "-c", "id -u; pwd; umask; echo $X; ps -o pgid= -p $$ >/dev/null")
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() == 0 {
		command.SysProcAttr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
	}
	command.Dir = "/"
	command.Env = []string{"X=environment"}
	output, err = command.CombinedOutput()
	fmt.Printf("%s%v\n", output, err)
	r, w, err := os.Pipe()
	must(err)
	command = exec.Command("sh", "-c", "echo extra >&3")
	command.ExtraFiles = []*os.File{w}
	must(command.Run())
	w.Close()
	extra, err := io.ReadAll(r)
	fmt.Printf("%q %v\n", extra, err)
	if len(os.Args) > 1 {
		return
	}
	me, err := os.Executable()
	must(err)
	fmt.Println(filepath.Base(me))
	output, err = exec.Command(me, "child").Output()
	fmt.Printf("%s%v\n", output, err)
}

func signals() {
	channel := make(chan os.Signal, 10)
	signal.Notify(channel, syscall.SIGUSR1, syscall.SIGTERM)
	for _, each := range []syscall.Signal{syscall.SIGUSR1, syscall.SIGTERM} {
		must(syscall.Kill(os.Getpid(), each))
		fmt.Println(<-channel)
	}
	signal.Reset()
	signal.Ignore(syscall.SIGTERM)
	must(syscall.Kill(os.Getpid(), syscall.SIGTERM))
	command := exec.Command("sh", "-c", "kill -SEGV $$")
	err := command.Run()
	fmt.Println(err, err.(*exec.ExitError).Sys().(syscall.WaitStatus).Signal() == syscall.SIGSEGV)
}

func files() {
	directory, err := os.MkdirTemp("", "go")
	must(err)
	defer os.RemoveAll(directory)
	for i := 0; i < 100; i++ {
		must(os.MkdirAll(filepath.Join(directory, fmt.Sprint("d", i%5), "e"), 0o750))
		must(os.WriteFile(filepath.Join(directory, fmt.Sprint("d", i%5), "e", fmt.Sprint(i)), []byte("text"), 0o640))
	}
	count, bytes := 0, int64(0)
	must(filepath.WalkDir(directory, func(path string, entry os.DirEntry, err error) error {
		must(err)
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
			count++
			bytes += info.Size()
		}
		return nil
	}))
	fmt.Println("walked", count, bytes)
	who, err := user.Current()
	must(err)
	fmt.Println(who.Uid == fmt.Sprint(os.Getuid()))
	data, err := syscall.Mmap(-1, 0, 1<<20, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	must(err)
	data[100000] = 1
	must(syscall.Munmap(data))
	_, err = os.Open("/no/such")
	fmt.Println(err, errors.Is(err, os.ErrNotExist))
}

func main() {
	if len(os.Args) > 1 {
		fmt.Println("child of", os.Getppid() > 1)
		return
	}
	goroutines()
	memory()
	web()
	sockets()
	processes()
	signals()
	files()
}
