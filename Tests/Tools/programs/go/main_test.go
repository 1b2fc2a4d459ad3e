package main

import (
	"sync"
	"testing"
)

func TestMutex(t *testing.T) {
	var lock sync.Mutex
	var group sync.WaitGroup
	n := 0
	for i := 0; i < 100; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for j := 0; j < 1000; j++ {
				lock.Lock()
				n++
				lock.Unlock()
			}
		}()
	}
	group.Wait()
	if n != 100000 {
		t.Fatal(n)
	}
}
