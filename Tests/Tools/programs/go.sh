# A Go program: built, vetted, tested and run, linked statically and (with cgo) dynamically.
set -e
export GOCACHE=$PWD/cache GOFLAGS=-mod=mod GOTOOLCHAIN=local
cp -r /programs/go program
cd program
go mod init example.org/program 2>/dev/null
CGO_ENABLED=0 go build -o ../static .
go build -o ../dynamic .
go vet .
go test -count=1 . | cut -f1,2
cd ..
mkdir run
cd run
../static
../dynamic >out; tail -1 out
GOGC=1 GOMAXPROCS=4 ../dynamic | cmp - out && echo "the same"
