/// How the memfd behind a synthetic object is named: `vmrun:` and the guest path, directories with a slash at the end. The
/// kernel shows that as the target of /proc/self/fd/N.
public enum SyntheticName {
    static let prefix: StaticString = "vmrun:"
    static let linkPrefix: StaticString = "/memfd:vmrun:"
    static let deletedSuffix: StaticString = " (deleted)"
    /// What memfd_create(2) takes, without the NUL.
    public static let limit = 249

    static func name(path: [UInt8], isDirectory: Bool) -> [UInt8] {
        var name = [UInt8](prefix)
        name.append(contentsOf: path)
        if isDirectory { name.append(UInt8(ascii: "/")) }
        return name
    }

    /// The guest path in the text of a descriptor's link; nil where that is not one of these objects.
    static func path(ofLinkText text: [UInt8]) -> [UInt8]? { parse(text)?.path }

    static func parse(_ text: [UInt8]) -> (path: [UInt8], isDirectory: Bool)? {
        guard text.hasPrefix(linkPrefix), text.hasSuffix(deletedSuffix) else { return nil }
        let path = text.dropFirst(linkPrefix.utf8CodeUnitCount).dropLast(deletedSuffix.utf8CodeUnitCount)
        guard path.first == UInt8(ascii: "/") else { return nil }
        return path.last == UInt8(ascii: "/") ? (Array(path.dropLast()), true) : (Array(path), false)
    }
}
