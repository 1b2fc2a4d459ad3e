import CShim
import Host
import KVM

/// The file /dev/kvm: whose it is, and what helps where it cannot be opened.
struct KVMDevice {
    private static let path = "/dev/kvm"

    /// Nil where it does not exist.
    private let status: stat?

    init() {
        var status = stat()
        let result = Self.path.withCString { path in
            withUnsafeMutablePointer(to: &status) {
                Host.raw(Int32(SYS_newfstatat), Int(AT_FDCWD), path.argument, $0.argument, 0)
            }
        }
        self.status = result == 0 ? status : nil
    }

    var description: String {
        guard let status else { return "it does not exist" }
        let mode = status.st_mode
        return "mode 0\(mode >> 6 & 7)\(mode >> 3 & 7)\(mode & 7), group \(HostFacts.groupName(status.st_gid))"
    }

    /// What to do about it, a sentence each.
    func remedies(for reason: KVMUnavailable) -> [String] {
        switch reason {
        case .missing: Self.remediesWhereMissing
        case .forbidden: remediesWhereForbidden
        case .failed, .apiVersion, .capability: []
        }
    }

    private static var remediesWhereMissing: [String] {
        if HostFacts.exists("/sys/class/misc/kvm") {
            return ["the kernel has KVM, so only the file is missing: in a container, give it the device (--device /dev/kvm)"]
        }
        return HostProcessor.remediesWithoutKVM
    }

    private var remediesWhereForbidden: [String] {
        guard let status else { return [] }
        let rule = "echo 'KERNEL==\"kvm\", GROUP=\"kvm\", MODE=\"0660\"' | sudo tee /etc/udev/rules.d/99-kvm.rules,"
            + " then sudo udevadm trigger --name-match=kvm"
        let join = "sudo usermod -aG \(HostFacts.groupName(status.st_gid)) YOU, then log in again"
        let groupMayOpen = status.st_mode & 0o060 == 0o060
        if groupMayOpen && !Self.isMember(status.st_gid) { return status.st_gid == 0 ? [rule] : [join] }
        if !groupMayOpen { return [rule + "; and be a member of the group kvm"] }
        return ["its mode lets you open it, so something else forbids it: a container's device rules, or a sandbox"]
    }

    /// Whether this process is in a group.
    private static func isMember(_ group: UInt32) -> Bool {
        if Host.raw(Int32(SYS_getegid)) == Int(group) { return true }
        let count = max(Host.raw(Int32(SYS_getgroups), 0, 0), 0)
        return withUnsafeTemporaryAllocation(of: UInt32.self, capacity: max(count, 1)) { groups in
            let found = Host.raw(Int32(SYS_getgroups), count, Int(bitPattern: groups.baseAddress))
            return groups.prefix(max(0, min(found, count))).contains(group)
        }
    }
}
