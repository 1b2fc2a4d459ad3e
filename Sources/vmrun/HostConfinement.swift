import CShim
import Confinement
import Host
import KVM
import SyntheticFS
import Syscalls
import Sysroot

/// What a session's first process gives up before the first guest instruction. All that it makes inherits that, fresh images included,
/// so nobody does it twice.
enum HostConfinement {
    /// Ends vmrun with a sentence where the host does not allow it.
    ///
    /// - Parameters:
    ///   - view: what the guest sees, with its descriptors.
    ///   - sharedMemory: the session's own /dev/shm, nil where it has none.
    ///   - traceDirectory: where each process writes a trace of its own, -1 for nowhere.
    static func begin(_ view: RootConfiguration, network: HostCalls.Network, sharedMemory: [UInt8]?, traceDirectory: Int32) {
        do throws(Confinement.Refusal) { try Confinement.renouncePrivileges() } catch {
            Message.fail("the host does not let vmrun renounce privileges (errno \(error.errno)); --no-confine does without")
        }
        restrictFiles(view, network, sharedMemory, traceDirectory)
        do throws(Confinement.Refusal) {
            try Confinement.install(HostCalls.filter(network, machineRequests: KVMRequests.all))
        } catch {
            Message.fail("the host gives vmrun no system call filter (errno \(error.errno)); --no-confine does without")
        }
    }

    // MARK: Files

    /// Kernels without Landlock do without; the path resolver is the first boundary in any case.
    private static func restrictFiles(
        _ view: RootConfiguration, _ network: HostCalls.Network, _ sharedMemory: [UInt8]?, _ traceDirectory: Int32
    ) {
        let version = Landlock.version
        if version < Landlock.firstUsable { return }
        // Without a root of its own the guest may go wherever the user may; but only vmrun is ever executed on the host.
        let hasRoot = view.rootPath != [UInt8(ascii: "/")]
        do throws(Confinement.Refusal) {
            let rules = try Landlock(
                handling: hasRoot ? .all : [.execute, .move], scopes: network == .none ? [.signals, .abstractNames] : .signals,
                version: version)
            try rules.allow([.execute, .readFile], path: Array("/proc/self/exe".utf8))
            if hasRoot { try allowView(view, sharedMemory, rules) }
            if hasRoot && traceDirectory >= 0 { try rules.allow([.writeFile, .truncate, .makeFile], descriptor: traceDirectory) }
            // Where from and where to is said by the rights to remove and to make; and nothing gains rights by being moved.
            try rules.allow(.move, path: [UInt8(ascii: "/")])
            try rules.enforce()
        } catch {
            // Sixteen of them are inside each other already, or a sandbox around vmrun forbids it.
            if error.errno == E2BIG || error.errno == EPERM || error.errno == EACCES { return }
            Message.fail("the host does not bind vmrun's files (errno \(error.errno)); --no-confine does without")
        }
    }

    private static func allowView(_ view: RootConfiguration, _ sharedMemory: [UInt8]?, _ rules: borrowing Landlock) throws(Confinement.Refusal) {
        let all: FileRights = [.read, .change]
        // By descriptors: a user that was changed to may not get there by name.
        if let root = view.descriptors.first { try rules.allow(view.isReadOnly ? .read : all, descriptor: root) }
        for (bind, descriptor) in zip(view.binds, view.descriptors.suffix(view.binds.count)) {
            try rules.allow(bind.readOnly ? .read : all, descriptor: descriptor)
        }
        if view.hostFallback { try rules.allow(.read, path: [UInt8(ascii: "/")]) }
        for entry in ownPlaces { try rules.allow(entry.rights, path: entry.path.withUTF8Buffer { Array($0) }) }
        if let sharedMemory { try rules.allow(all, path: sharedMemory) }
        // What vmrun was given: it can be opened again by way of /proc/self/fd.
        let own = Int32(truncatingIfNeeded: Host.raw(Int32(SYS_getpid)))
        for descriptor in HostProcesses.descriptors(of: own) where !InternalDescriptors.contains(descriptor) {
            try rules.allow(all, descriptor: descriptor)
        }
    }

    private static let devices: FileRights = [.readFile, .writeFile]

    /// What vmrun itself opens on the host for a guest.
    private static var ownPlaces: [(path: StaticString, rights: FileRights)] {
        [
            ("/proc", [.read, .writeFile]), ("/sys", .readDirectory), ("/sys/devices/system", .read), ("/sys/kernel/mm", .read),
            ("/dev", .readDirectory), ("/dev/null", devices),
            ("/dev/zero", devices), ("/dev/full", devices), ("/dev/random", devices), ("/dev/urandom", devices), ("/dev/tty", devices),
            ("/dev/console", devices), ("/dev/ptmx", devices), ("/dev/pts", [.readDirectory, .readFile, .writeFile]),
            // Where it is mounted, this is what rights to message queues hang on.
            ("/dev/mqueue", [.readDirectory, .readFile, .writeFile]),
            // The last process of a session removes its directory.
            ("/dev/shm", [.readDirectory, .removeDirectory]),
            // Translators of foreign programs.
            ("/usr/bin", .readFile), ("/usr/local/bin", .readFile), ("/usr/libexec/qemu-binfmt", .readFile),
        ]
    }
}
