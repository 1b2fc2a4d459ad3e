# Go builds, tests and runs a program: goroutines, memory, processes, signals, the network of this machine.
set -eu
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
export GOCACHE="$folder/cache" GOPATH="$folder/path" GOTOOLCHAIN=local GOFLAGS=-mod=mod GO111MODULE=on HOME="$folder" GOTELEMETRY=off
cat > go.mod << 'END'
module example

go 1.19
END
cat > sum.go << 'END'
package main

// sum adds what the channel brings.
func sum(numbers <-chan int) int {
	total := 0
	for number := range numbers {
		total += number
	}
	return total
}
END
cat > sum_test.go << 'END'
package main

import "testing"

func TestSum(t *testing.T) {
	numbers := make(chan int)
	go func() {
		for i := 0; i < 100; i++ {
			numbers <- i
		}
		close(numbers)
	}()
	if total := sum(numbers); total != 4950 {
		t.Fatal(total)
	}
}
END
cat > main.go << 'END'
package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"os/user"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func goroutines() {
	numbers := make(chan int, 10)
	var group sync.WaitGroup
	for i := 0; i < 2000; i++ {
		group.Add(1)
		go func(i int) {
			defer group.Done()
			numbers <- i
		}(i)
	}
	go func() { group.Wait(); close(numbers) }()
	fmt.Println("sum", sum(numbers))
	// Threads: each of these holds one.
	var count int64
	for i := 0; i < 50; i++ {
		group.Add(1)
		go func() {
			runtime.LockOSThread()
			atomic.AddInt64(&count, 1)
			time.Sleep(20 * time.Millisecond)
			group.Done()
		}()
	}
	group.Wait()
	fmt.Println("threads", count)
	// One that never calls anything is interrupted by a signal.
	var stop int32
	runtime.GOMAXPROCS(1)
	go func() { time.Sleep(10 * time.Millisecond); atomic.StoreInt32(&stop, 1) }()
	for atomic.LoadInt32(&stop) == 0 {
	}
	runtime.GOMAXPROCS(runtime.NumCPU())
	fmt.Println("preempted")
}

func memory() {
	kept := map[int][]byte{}
	for i := 0; i < 20000; i++ {
		kept[i%100] = make([]byte, 10000)
		kept[i%100][i%10000] = byte(i)
	}
	runtime.GC()
	fmt.Println("kept", len(kept), kept[99][9999])
	func() {
		defer func() { fmt.Println("recovered:", recover()) }()
		var nothing *struct{ field int }
		nothing.field = 1
	}()
}

func processes() {
	output, err := exec.Command("sh", "-c", "echo from a child; exit 3").Output()
	fmt.Printf("%q %v\n", output, err)
	_, err = exec.Command("/nonexistent").Output()
	fmt.Println(err)
	var group sync.WaitGroup
	var ended int64
	for i := 0; i < 20; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			if exec.Command("true").Run() == nil {
				atomic.AddInt64(&ended, 1)
			}
		}()
	}
	group.Wait()
	fmt.Println("ended", ended)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	syscall.Kill(os.Getpid(), syscall.SIGUSR1)
	fmt.Println(<-signals)
}

func network() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { io.Copy(connection, connection); connection.Close() }()
		}
	}()
	var group sync.WaitGroup
	var right int64
	for i := 0; i < 50; i++ {
		group.Add(1)
		go func(i int) {
			defer group.Done()
			connection, err := net.Dial("tcp", listener.Addr().String())
			if err != nil {
				return
			}
			defer connection.Close()
			fmt.Fprintf(connection, "line %d\n", i)
			line, _ := bufio.NewReader(connection).ReadString('\n')
			if line == fmt.Sprintf("line %d\n", i) {
				atomic.AddInt64(&right, 1)
			}
		}(i)
	}
	group.Wait()
	listener.Close()
	fmt.Println("echoes", right)
	who, err := user.Current()
	fmt.Println(who.Uid == fmt.Sprint(os.Getuid()), err)
}

func main() {
	goroutines()
	memory()
	processes()
	network()
	select {
	case <-time.After(20 * time.Millisecond):
		fmt.Println("done")
	}
	os.Exit(5)
}
END
go build -o program .
status=0
./program || status=$?
echo "status $status"
if readelf -l program | grep -q INTERP; then echo dynamic; else echo static; fi
gofmt -l .
go vet .
go test -count=1 . | cut -f1-2
echo tested
