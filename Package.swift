// swift-tools-version: 6.0
// VMRUN_EMBEDDED=1 builds the release binary in Embedded Swift (static, position independent);
// without it the same sources build in normal Swift, which is what the unit tests use.

import PackageDescription

let embedded = Context.environment["VMRUN_EMBEDDED"] == "1"
// VMRUN_AARCH64=LIBRARIES builds it for aarch64 Linux: `swift build --triple aarch64-none-none-elf`, see the Makefile. LIBRARIES is
// the toolchain's folder of Embedded Swift libraries. C library and headers are those of Debian's cross packages.
let aarch64Libraries = Context.environment["VMRUN_AARCH64"]
let aarch64Headers = ["/usr/aarch64-linux-gnu/include", "\(Context.packageDirectory)/build/aarch64/usr/include"]

// VMRUN_FAULTS=1 builds a vmrun whose host calls can be made to fail, for Tests/Tools/faults.py.
let injectsFaults = Context.environment["VMRUN_FAULTS"] == "1"

// VMRUN_FUZZ=1 adds the program that libFuzzer runs, and has all modules count what they execute. No tests then: it shares their sources.
let isFuzzed = Context.environment["VMRUN_FUZZ"] == "1"

let swiftSettings: [SwiftSetting] = [
    .unsafeFlags(["-warnings-as-errors"]),
] + (isFuzzed ? [.unsafeFlags(["-sanitize=fuzzer", "-enable-testing"])] : []) + (injectsFaults ? [.unsafeFlags(["-Xcc", "-DVMRUN_FAULTS"])] : []) + (aarch64Libraries != nil ? [
    .unsafeFlags(aarch64Headers.flatMap { ["-Xcc", "-isystem", "-Xcc", $0] }),
] : []) + (embedded ? [
    .enableExperimentalFeature("Embedded"),
    .unsafeFlags(["-wmo", "-enforce-exclusivity=unchecked"]),
    // A start reads and relocates the whole of it: smaller is faster. Frame pointers, for which SwiftPM asks, are a tenth of the text.
    .unsafeFlags(["-Osize", "-Xcc", "-Xclang", "-Xcc", "-mframe-pointer=none"]),
    // Swift 6.3 names the static objects it makes of constant array literals by function and running number. In Embedded
    // Swift every module that uses a function makes them again, perhaps in another order, and the linker then gives the
    // function another module's: `flag ? [1] : [2]` answered the wrong one.
    .unsafeFlags(["-Xllvm", "-sil-disable-pass=object-outliner"]),
] : [.unsafeFlags(["-Xcc", "-DVMRUN_LOW_ARENA"])])

let cSettings: [CSetting] = [
    .define("_GNU_SOURCE"),
    .unsafeFlags(["-Wall", "-Wextra", "-Werror", "-fno-strict-aliasing"]),
] + [.define(embedded ? "VMRUN_OWN_HEAP" : "VMRUN_LOW_ARENA")] + (injectsFaults ? [.define("VMRUN_FAULTS")] : []) + (aarch64Libraries != nil ? [
    .unsafeFlags(["--target=aarch64-linux-gnu", "-fPIE"] + aarch64Headers.flatMap { ["-isystem", $0] }),
] : [])

// -static-pie keeps vmrun's own image above the guest's arena, which is smaller in other builds; see docs/internals.md.
let staticLink: [LinkerSetting] = embedded ? [
    .unsafeFlags(aarch64Libraries.map { libraries in [
        "-use-ld=lld", "-Xclang-linker", "--target=aarch64-linux-gnu", "-Xclang-linker", "-static-pie", "-Xlinker",
        "--gc-sections", "-Xlinker", "--icf=all",
        "-Xlinker", "\(libraries)/aarch64-none-none-elf/libswiftUnicodeDataTables.a",
        "-L\(Context.packageDirectory)/build/aarch64/usr/lib/aarch64-linux-gnu",
    ] } ?? [
        "-use-ld=lld", "-static-executable", "-Xclang-linker", "-static-pie", "-Xlinker", "--gc-sections",
        "-Xlinker", "--icf=all", "-Xlinker", "--pack-dyn-relocs=relr",
    ]),
    // Embedded Swift does not extract the module map's link directives.
    .linkedLibrary("elf"), .linkedLibrary("z"), .linkedLibrary("m"),
] : []

/// A module of the product: its name is its folder, the arrows run downward only.
func module(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: swiftSettings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies, swiftSettings: [.unsafeFlags(["-warnings-as-errors"])])
}

var targets: [Target] = [
    .target(name: "CShim", cSettings: cSettings),
    .systemLibrary(name: "CLibElf"),
    .systemLibrary(name: "CJansson"),
    module("Host", ["CShim"]),
    module("KVM", ["CShim", "Host"]),
    module("Seccomp", []),
    module("Confinement", ["CShim", "Host", "Seccomp"]),
    module("LinuxABI", ["CShim"]),
    module("Tracing", ["CShim", "LinuxABI"]),
    module("Statistics", ["CShim", "Host"]),
    module("GuestMemory", ["CShim", "Host", "LinuxABI"]),
    module("GuestImage", ["CShim", "CLibElf", "Host", "LinuxABI", "GuestMemory"]),
    module("Machine", ["CShim", "Host", "KVM", "LinuxABI", "GuestMemory", "Statistics"]),
    module("Signals", ["CShim", "Host", "LinuxABI", "GuestMemory", "Machine"]),
    module("Sysroot", ["CShim", "Host", "LinuxABI"]),
    module("SyntheticFS", ["CShim", "FakeRoot", "Host", "LinuxABI", "Sysroot"]),
    module("FakeRoot", ["CShim", "Host", "LinuxABI"]),
    module("Debugger", []),
    module("Process", [
        "CShim", "Debugger", "FakeRoot", "Host", "KVM", "LinuxABI", "GuestMemory", "GuestImage", "Machine", "Seccomp", "Signals", "Sysroot",
        "Statistics", "SyntheticFS", "Tracing",
    ]),
    module("Syscalls", [
        "CShim", "Confinement", "FakeRoot", "Host", "LinuxABI", "GuestMemory", "GuestImage", "Machine", "Seccomp", "Signals", "Sysroot",
        "SyntheticFS", "Process", "Statistics", "Tracing",
    ]),
    module("CommandLineOptions", []),
    module("RootDirectory", ["CShim", "GuestImage", "Host"]),
    .executableTarget(
        name: "vmrun",
        dependencies: [
            "CommandLineOptions", "Confinement", "CShim", "FakeRoot", "Host", "KVM", "LinuxABI", "GuestMemory", "GuestImage", "Machine", "Signals", "Sysroot",
            "SyntheticFS", "Process", "Statistics", "Syscalls", "Tracing",
        ],
        swiftSettings: swiftSettings, linkerSettings: staticLink),
    .executableTarget(
        name: "vmrun-root", dependencies: ["CShim", "CommandLineOptions", "Host", "RootDirectory"], swiftSettings: swiftSettings,
        linkerSettings: staticLink),
    .executableTarget(
        name: "vmrun-oci", dependencies: ["CJansson", "CommandLineOptions", "CShim", "Host"], swiftSettings: swiftSettings,
        linkerSettings: staticLink + (embedded ? [.linkedLibrary("jansson")] : [])),
    .executableTarget(
        name: "syscall-docs", dependencies: ["LinuxABI", "Syscalls"], swiftSettings: swiftSettings,
        linkerSettings: staticLink),
    .executableTarget(
        name: "command-docs", dependencies: ["CommandLineOptions", "CShim"], swiftSettings: swiftSettings, linkerSettings: staticLink),
]

if isFuzzed {
    targets.append(
        .executableTarget(
            name: "fuzz",
            dependencies: ["CommandLineOptions", "CShim", "GuestImage", "GuestMemory", "Host", "LinuxABI", "Process", "Sysroot"],
            path: "Tests", sources: ["Fuzz/FuzzTargets.swift", "GuestImageTests/Support.swift", "SysrootTests/TestTree.swift"],
            swiftSettings: swiftSettings + [.unsafeFlags(["-parse-as-library"])],
            linkerSettings: [.unsafeFlags(["-sanitize=fuzzer"])]))
} else if !embedded {
    targets += [
        tests("HostTests", ["Host", "CShim"]),
        tests("SysrootTests", ["Sysroot", "Host", "LinuxABI", "CShim"]),
        tests("SyntheticFSTests", ["SyntheticFS", "Sysroot", "Host", "LinuxABI", "CShim"]),
        tests("GuestMemoryTests", ["GuestMemory", "Host", "LinuxABI", "CShim"]),
        tests("GuestImageTests", ["GuestImage", "GuestMemory", "Host", "LinuxABI", "CShim"]),
        tests("FakeRootTests", ["FakeRoot", "Host", "CShim"]),
        tests("TracingTests", ["Tracing", "LinuxABI"]),
        tests("StatisticsTests", ["Statistics"]),
        tests("OptionsTests", ["CommandLineOptions"]),
        tests("RootDirectoryTests", ["RootDirectory"]),
        tests("DebuggerTests", ["Debugger"]),
        // A process of its own: it counts descriptors, and so do the session's tests.
        tests("HandOverTests", ["Process", "Host", "CShim"]),
        tests("ProcessTests", ["Process", "Tracing", "SyntheticFS", "Host", "LinuxABI", "CShim"]),
        tests("SeccompTests", ["Seccomp"]),
        tests("ConfinementTests", ["Confinement", "Seccomp", "KVM", "LinuxABI", "Machine", "Syscalls", "Host", "CShim"]),
        tests("SyscallsTests", ["Syscalls", "Process", "Tracing", "GuestMemory", "Host", "LinuxABI", "CShim"]),
    ]
}

let package = Package(
    name: "vmrun",
    products: [
        .executable(name: "vmrun", targets: ["vmrun"]),
        .executable(name: "vmrun-root", targets: ["vmrun-root"]),
        .executable(name: "vmrun-oci", targets: ["vmrun-oci"]),
        .executable(name: "syscall-docs", targets: ["syscall-docs"]),
        .executable(name: "command-docs", targets: ["command-docs"]),
    ] + (isFuzzed ? [.executable(name: "fuzz", targets: ["fuzz"])] : []),
    targets: targets,
    swiftLanguageModes: [.v5])
