# vmrun: what can be done with this tree. `make help` prints the list.

MAKEFLAGS += --no-print-directory
SHELL     := /bin/bash

# The system's interpreter, not one of a version manager: the harness needs 3.11 and nothing else.
PYTHON := /usr/bin/python3
SWIFT  := $(firstword $(shell command -v swift 2>/dev/null) \
            $(wildcard /opt/swift/usr/bin/swift /usr/libexec/swift/bin/swift))

RELEASE_FLAGS := -c release --disable-local-rpath --scratch-path .build/embedded
UNIT_SCRATCH  := .build/unit
CONFORMANCE   := Tests/ConformanceTests/run.py
# For one run of a part: make conformance ARGS='-k mmap -v'
ARGS          :=

# Where `make install` puts things; ZSH_COMPLETIONS as well.
export PREFIX DESTDIR ZSH_COMPLETIONS

# `make run CMD='for i in 1 2; do echo $i; done'` must reach the guest's shell as it was typed.
export RUN_COMMAND := $(value CMD)

.PHONY: all help setup swift run test bench bench-quick bench-spawn bench-paths bench-growth bench-tools bench-peers soak fuzz-calls fuzz test-faults unit conformance emulators test-emulated-short test-svm test-vmx aarch64 test-arm64 test-cpython test-go test-stress-ng test-kselftest test-foreign test-programs test-docs fixtures roots debian-root arm64-root amd64-root programs-root syscall-docs command-docs install uninstall deb clean

all: build/vmrun build/vmrun-root build/vmrun-oci command-docs ## build the release binary build/vmrun, what lies beside it, and the manual page (the default)

help: ## print this list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

setup: ## install the apt packages that are missing
	@Tests/Tools/setup.sh

run: build/vmrun build/roots/busybox ## a shell in a busybox root; CMD='...' runs one command line
	@build/vmrun --sysroot build/roots/busybox --timeout 0 /bin/sh $${RUN_COMMAND:+-c "$$RUN_COMMAND"}

test: build/vmrun build/vmrun-root build/vmrun-oci build/vmrun-aarch64 build/syscall-docs command-docs roots emulators packaging-tools ## everything; the last line is `N passed, N failed`
	@$(PYTHON) Tests/Tools/test_all.py --swift $(SWIFT) --scratch-path $(UNIT_SCRATCH)

unit: swift setup ## the Swift unit tests
	@$(PYTHON) Tests/Tools/unit_tests.py --swift $(SWIFT) --scratch-path $(UNIT_SCRATCH) $(ARGS)

bench: build/vmrun fixtures bench-peers ## programs natively, under vmrun and its peers; growth curves; docs/performance.md is written; ARGS='-k ROW --switches'
	@$(PYTHON) Tests/Tools/bench.py --write $(ARGS)
	@$(PYTHON) Tests/Tools/bench.py growth --write

bench-quick: build/vmrun fixtures bench-tools ## the same programs natively and under vmrun, in less than two minutes; writes nothing
	@$(PYTHON) Tests/Tools/bench.py --quick $(ARGS)

bench-spawn: build/vmrun fixtures bench-peers ## as bench, for processes, threads, and talk between them
	@$(PYTHON) Tests/Tools/bench.py spawn --write $(ARGS)

bench-paths: build/vmrun fixtures bench-tools ## as bench, for calls on paths, natively and under vmrun
	@$(PYTHON) Tests/Tools/bench.py paths --no-peers --write $(ARGS)

bench-growth: build/vmrun fixtures bench-tools ## as bench, for how costs grow with threads, mappings, memory and descriptors
	@$(PYTHON) Tests/Tools/bench.py growth --write $(ARGS)

bench-tools: setup
	@Tests/Tools/setup.sh hyperfine

# A release of Debian need not have them all.
bench-peers: bench-tools
	@for package in proot qemu-user bubblewrap user-mode-linux runsc; do Tests/Tools/setup.sh $$package || true; done

soak: build/vmrun build/roots/busybox fixtures ## 1000 rounds of start/exit and of spawn/kill, then 20 minutes of everything at once; ARGS='--rounds N --seconds N'
	@$(PYTHON) Tests/Tools/soak.py $(ARGS)

fuzz-calls: build/vmrun fixtures ## half an hour of random system calls by hostile programs; ARGS='--seconds N'
	@$(PYTHON) Tests/Tools/fuzz_calls.py $(ARGS)

fuzz: swift setup ## libFuzzer on the readers of ELF files, exec plans, hand-overs, options and paths; ARGS='--seconds N TARGET...'
	@VMRUN_FUZZ=1 $(SWIFT) build -c release --scratch-path .build/fuzz --product fuzz >&2
	@$(PYTHON) Tests/Tools/fuzz.py --fuzzer .build/fuzz/release/fuzz $(ARGS)

test-faults: build/vmrun-faults fixtures ## every host call that vmrun makes fails in turn; ARGS='-k NAME --only CALL -v'
	@$(PYTHON) Tests/Tools/faults.py $(ARGS)

conformance: build/vmrun build/vmrun-oci roots ## the guest fixtures and cases; ARGS='-k NAME -v' selects
	@$(PYTHON) $(CONFORMANCE) $(ARGS)

packaging-tools:
	@Tests/Tools/setup.sh man-db mandoc zsh fish lintian podman conmon

emulators:
	@Tests/Tools/setup.sh qemu-system-x86 xz-utils qemu-system-arm

test-emulated-short: build/vmrun build/vmrun-aarch64 emulators ## a small selection on each kind of emulated host, as `make test` runs it; a few minutes
	@$(PYTHON) Tests/Tools/emulated_short.py

test-svm: build/vmrun fixtures emulators ## the static fixtures on an emulated AMD host with standard KVM; ARGS='-k NAME' selects
	@$(PYTHON) Tests/Tools/svm_tests.py $(ARGS)

test-vmx: build/vmrun ## the same on an emulated Intel host: a selection; ARGS='--all', or '-k NAME'
	@Tests/Tools/setup.sh bochs bochs-term grub-common grub-pc-bin xorriso mtools xz-utils
	@$(PYTHON) Tests/Tools/vmx_tests.py $(ARGS)

aarch64: build/vmrun-aarch64 build/vmrun-root-aarch64 build/vmrun-oci-aarch64 ## build the release binaries for arm64, build/vmrun-aarch64 and its like

test-arm64: build/vmrun-aarch64 emulators ## the fixtures, built for arm64, on emulated arm64 hosts of several kinds; ARGS='-k NAME' selects
	@$(PYTHON) Tests/Tools/arm64_tests.py $(ARGS)

test-cpython: build/vmrun ## CPython's own tests, compared with native test by test; ARGS='-k NAME MODULE...' selects
	@Tests/Tools/setup.sh python3.11 libpython3.11-testsuite
	@$(PYTHON) Tests/Tools/cpython_tests.py $(ARGS)

test-go: build/vmrun ## the tests of Go's own packages, compared test by test; ARGS='-k PATTERN PACKAGE...' selects
	@Tests/Tools/setup.sh golang-go golang-src
	@$(PYTHON) Tests/Tools/go_tests.py $(ARGS)

test-stress-ng: build/vmrun ## stress-ng's stressors with --verify, compared one by one; ARGS='NAME...' selects
	@Tests/Tools/setup.sh stress-ng
	@$(PYTHON) Tests/Tools/stress_ng_tests.py $(ARGS)

test-kselftest: build/vmrun ## the kernel's selftests of calls, compared one by one; ARGS='-k NAME' selects
	@Tests/Tools/setup.sh libcap-dev libpopt-dev flex bison rsync xz-utils
	@$(PYTHON) Tests/Tools/kselftest_tests.py $(ARGS)

test-foreign: build/vmrun fixtures arm64-root amd64-root ## compilers, and programs of other processors; ARGS='-k NAME -v' selects
	@Tests/Tools/setup.sh qemu-user valgrind golang-go gcc-riscv64-linux-gnu libc6-dev-riscv64-cross gcc-arm-linux-gnueabihf libc6-dev-armhf-cross
	@$(PYTHON) $(CONFORMANCE) --suite foreign -j 1 $(ARGS)

test-docs: all ## every command of README.md and docs/usage.md, those that download too
	@Tests/Tools/setup.sh mmdebstrap
	@$(PYTHON) Tests/Tools/docs_tests.py build/vmrun

test-programs: build/vmrun programs-root ## real programs in a Debian root made under vmrun; ARGS='-k NAME' selects
	@$(PYTHON) Tests/Tools/programs_tests.py $(ARGS)

fixtures: setup ## compile GuestFixtures/ into build/fixtures
	@$(PYTHON) $(CONFORMANCE) --build-only

roots: build/roots/busybox debian-root arm64-root ## the root directories that the tests use

debian-root: build/vmrun-root setup ## build/roots/debian, made by `vmrun root create` and kept in the user's cache
	@$(PYTHON) Tests/Tools/debian_root.py build/roots/debian build/vmrun

arm64-root amd64-root: %-root: setup
	@$(PYTHON) Tests/Tools/package_root.py $* build/roots/$*

programs-root: build/vmrun debian-root ## build/roots/debian-programs, installed by apt under vmrun and kept in the user's cache
	@$(PYTHON) Tests/Tools/programs_root.py build/roots/debian-programs build/vmrun

syscall-docs: build/syscall-docs ## regenerate docs/syscalls.md from the system call table
	@mkdir -p docs && $< > build/syscalls.md && mv build/syscalls.md docs/syscalls.md

command-docs: build/vmrun ## manual page and completions of bash, zsh and fish, in build/command-docs
	@VMRUN_EMBEDDED=1 $(SWIFT) build $(RELEASE_FLAGS) --product command-docs >&2
	@docs/packaging/command_docs.sh .build/embedded/release/command-docs build/command-docs

install: ## put what `make` built below PREFIX (/usr/local); DESTDIR is what a package is made in
	@docs/packaging/install.sh install

uninstall: ## take it away again
	@docs/packaging/install.sh uninstall

deb: all ## build/vmrun_VERSION_ARCHITECTURE.deb
	@docs/packaging/build_deb.sh build

clean: ## remove everything that was built (not the cached roots)
	rm -rf build .build/embedded .build/faults .build/fuzz .build/aarch64 $(UNIT_SCRATCH)

# SwiftPM decides what is out of date, so both products are always asked for. What it says goes to
# stderr: `make run CMD=...` prints only what the guest prints.
build/vmrun: swift setup
	@VMRUN_EMBEDDED=1 $(SWIFT) build $(RELEASE_FLAGS) --product vmrun >&2
	@Tests/Tools/install_release.sh .build/embedded/release/vmrun $@

# The same with host calls that can be made to fail.
build/vmrun-faults: swift setup
	@VMRUN_FAULTS=1 VMRUN_EMBEDDED=1 $(SWIFT) build -c release --disable-local-rpath --scratch-path .build/faults --product vmrun >&2
	@Tests/Tools/install_release.sh .build/faults/release/vmrun $@

# What `vmrun root` and `vmrun oci` start.
build/vmrun-root build/vmrun-oci: build/%: build/vmrun
	@VMRUN_EMBEDDED=1 $(SWIFT) build $(RELEASE_FLAGS) --product $* >&2
	@Tests/Tools/install_release.sh .build/embedded/release/$* $@

# C library and headers are those of Debian's cross packages; libelf and jansson are those of its arm64 packages, unpacked beside the build.
build/%-aarch64: swift build/aarch64
	@VMRUN_EMBEDDED=1 VMRUN_AARCH64=$(abspath $(dir $(SWIFT))../lib/swift/embedded) $(SWIFT) build -c release \
	    --triple aarch64-none-none-elf --disable-local-rpath --scratch-path .build/aarch64 --product $* >&2
	@STRIP=aarch64-linux-gnu-strip Tests/Tools/install_release.sh .build/aarch64/release/$* $@

build/aarch64: Tests/Tools/arm64_packages.py | setup
	@$(PYTHON) Tests/Tools/arm64_packages.py $@ libelf-dev zlib1g-dev libjansson-dev && touch $@

build/syscall-docs: build/vmrun
	@VMRUN_EMBEDDED=1 $(SWIFT) build $(RELEASE_FLAGS) --product syscall-docs >&2
	@cp -p .build/embedded/release/syscall-docs $@

build/roots/busybox: Tests/Tools/busybox_root.sh | setup
	@Tests/Tools/busybox_root.sh $@

swift:
	@test -n "$(SWIFT)" || { echo "vmrun needs a Swift 6 toolchain: put 'swift' in PATH, or install it" \
	    "as /opt/swift/usr/bin/swift (see https://www.swift.org/install)." >&2; exit 1; }
