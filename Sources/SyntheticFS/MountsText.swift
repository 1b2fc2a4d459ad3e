/// /proc/PID/mountinfo and mounts: of the host's mounts those that the guest's view holds, under the guest's names.
struct MountsText {
    let configuration: SyntheticConfiguration

    /// A line of mountinfo, proc_pid_mountinfo(5).
    private struct Mount {
        var id: UInt64
        var parent: UInt64
        var device: ArraySlice<UInt8>
        /// What of the file system is mounted, and where: both with the kernel's octal escapes.
        var root: [UInt8]
        var point: [UInt8]
        var options: [UInt8]
        var type: ArraySlice<UInt8>
        var source: ArraySlice<UInt8>
        var superOptions: ArraySlice<UInt8>

        /// Shows `ro` in place of `rw`.
        mutating func showReadOnly() {
            if options.hasPrefix("rw") { options[1] = UInt8(ascii: "o") }
        }

        init?(_ line: ArraySlice<UInt8>) {
            var rest = line
            guard let id = rest.take(until: 0x20).number, let parent = rest.take(until: 0x20).number else { return nil }
            self.id = id
            self.parent = parent
            device = rest.take(until: 0x20)
            root = Array(rest.take(until: 0x20))
            point = Array(rest.take(until: 0x20))
            options = Array(rest.take(until: 0x20))
            while !rest.isEmpty, !rest.take(until: 0x20).equals("-") {}
            type = rest.take(until: 0x20)
            source = rest.take(until: 0x20)
            superOptions = rest.take(until: 0x20)
            guard !type.isEmpty else { return nil }
        }
    }

    /// mangle(): blank, tab, newline, backslash, hash.
    private func escape(_ path: [UInt8]) -> [UInt8] {
        Self.escape(path) { $0 == 0x20 || $0 == 0x09 || $0 == 0x0a || $0 == 0x5c || $0 == 0x23 }
    }

    static func escape(_ path: [UInt8], _ isSpecial: (UInt8) -> Bool) -> [UInt8] {
        var escaped: [UInt8] = []
        for byte in path {
            if isSpecial(byte) {
                escaped.append(0x5c)
                for shift in [6, 3, 0] as [UInt8] { escaped.append(0x30 + (byte >> shift & 7)) }
            } else {
                escaped.append(byte)
            }
        }
        return escaped
    }

    /// The mounts of the guest's view, the root first.
    private func mounts(_ host: [UInt8]) -> [Mount] {
        var all: [Mount] = []
        var rest = host[...]
        while let line = rest.takeLine() {
            if let mount = Mount(line) { all.append(mount) }
        }
        let root = escape(configuration.root)
        var shown: [Mount] = []
        if var mount = covering(root, all, at: [UInt8]("/")) {
            if configuration.isReadOnly { mount.showReadOnly() }
            shown.append(mount)
        }
        for mount in all {
            guard let point = guestPath(mount.point, root), point.count > 1, !isSynthetic(point) else { continue }
            var mount = mount
            mount.point = point
            shown.append(mount)
        }
        for bind in configuration.binds {
            guard var mount = covering(escape(bind.host), all, at: escape(bind.guest)) else { continue }
            if bind.readOnly { mount.showReadOnly() }
            shown.append(mount)
        }
        // The synthetic ones stand for the host's own at the same places, each mounted on the one before it in its path.
        var parent = shown.first?.id
        for place in ["/proc", "/sys", "/dev", "/dev/pts", "/dev/shm"] as [StaticString] {
            guard isSynthetic([UInt8](place)), !configuration.binds.contains(where: { $0.guest.equals(place) }),
                var mount = all.last(where: { $0.point.equals(place) })
            else { continue }
            mount.root = [UInt8]("/")
            mount.parent = parent ?? mount.parent
            shown.append(mount)
            if mount.point.equals("/dev") { parent = mount.id }
        }
        return shown
    }

    private func isSynthetic(_ point: [UInt8]) -> Bool {
        configuration.mountPoints.contains { point.isWithin($0) }
    }

    private func guestPath(_ host: [UInt8], _ root: [UInt8]) -> [UInt8]? {
        if root.count == 1 { return host }
        guard host.isWithin(root) else { return nil }
        return host.count == root.count ? [UInt8]("/") : Array(host[root.count...])
    }

    /// The mount that holds a host path, as if that path were mounted at `point`.
    private func covering(_ path: [UInt8], _ all: [Mount], at point: [UInt8]) -> Mount? {
        var best: Mount?
        for mount in all where path.isWithin(mount.point) && mount.point.count >= best?.point.count ?? 0 { best = mount }
        guard var mount = best else { return nil }
        let below = mount.point.count == 1 ? (path.count == 1 ? [] : path[...]) : path[mount.point.count...]
        // Where the guest's root lies on the host is not the guest's business.
        if point.count == 1 {
            mount.root = [UInt8]("/")
        } else if !below.isEmpty {
            mount.root = (mount.root.count == 1 ? [] : mount.root) + below
        }
        mount.point = point
        return mount
    }

    func mountinfo(_ host: [UInt8]) -> [UInt8] {
        var output: [UInt8] = []
        for mount in mounts(host) {
            output.append(decimal: mount.id)
            output.append(0x20)
            output.append(decimal: mount.parent)
            output.append(0x20)
            if isSynthetic(mount.point) {
                output.append("0:")
                output.append(decimal: UInt64(SyntheticIdentity.deviceMinor))
            } else {
                output.append(contentsOf: mount.device)
            }
            output.append(0x20)
            output.append(contentsOf: mount.root)
            output.append(0x20)
            output.append(contentsOf: mount.point)
            output.append(0x20)
            output.append(contentsOf: mount.options)
            output.append(" - ")
            output.append(contentsOf: mount.type)
            output.append(0x20)
            output.append(contentsOf: mount.source)
            output.append(0x20)
            output.append(contentsOf: mount.superOptions)
            output.append(0x0a)
        }
        return output
    }

    /// mountstats: no more than which file system is where.
    func mountstats(fromMountinfo host: [UInt8]) -> [UInt8] {
        var output: [UInt8] = []
        for mount in mounts(host) {
            output.append("device ")
            output.append(contentsOf: mount.source)
            output.append(" mounted on ")
            output.append(contentsOf: mount.point)
            output.append(" with fstype ")
            output.append(contentsOf: mount.type)
            output.append(0x0a)
        }
        return output
    }

    /// Device, mount point, type and options as getmntent(3) reads them.
    func mounts(fromMountinfo host: [UInt8]) -> [UInt8] {
        var output: [UInt8] = []
        for mount in mounts(host) {
            output.append(contentsOf: mount.source)
            output.append(0x20)
            output.append(contentsOf: mount.point)
            output.append(0x20)
            output.append(contentsOf: mount.type)
            output.append(0x20)
            // Either read-only bit makes the whole so; the mount's options come before the file system's.
            var own = mount.options[...]
            var system = mount.superOptions
            let first = own.take(until: UInt8(ascii: ","))
            let systemFirst = system.take(until: UInt8(ascii: ","))
            output.append(first.equals("ro") || systemFirst.equals("ro") ? "ro" : "rw")
            for options in [own, system] where !options.isEmpty {
                output.append(UInt8(ascii: ","))
                output.append(contentsOf: options)
            }
            output.append(" 0 0\n")
        }
        return output
    }
}
