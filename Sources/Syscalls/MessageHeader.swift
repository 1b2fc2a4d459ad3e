import GuestMemory
import LinuxABI
import Process

/// struct msghdr as the guest gave it, read once.
struct MessageHeader {
    var name: UInt64
    var nameLength: Int32
    var vector: UInt64
    var vectorCount: UInt64
    var control: UInt64
    var controlLength: UInt64

    static let controlLengthOffset = 40
    static let flagsOffset = 48

    /// Nil where the structure cannot be read.
    init?(_ thread: GuestThread, at address: UInt64) {
        let copy = thread.scratch.at(Self.offset)
        guard GuestAccess.tryCopyIn(copy, from: address, count: Int(WireStructure.msghdr.size)) else { return nil }
        name = copy.load(as: UInt64.self)
        nameLength = copy.load(fromByteOffset: 8, as: Int32.self)
        vector = copy.load(fromByteOffset: 16, as: UInt64.self)
        vectorCount = copy.load(fromByteOffset: 24, as: UInt64.self)
        control = copy.load(fromByteOffset: 32, as: UInt64.self)
        controlLength = copy.load(fromByteOffset: 40, as: UInt64.self)
    }

    /// Where the copy is, and where the one that the host call gets is built.
    static let offset = Scratch.structures

    /// Writes the structure for the host call; answers its address.
    func store(_ thread: GuestThread) -> UInt64 {
        let copy = thread.scratch.at(Self.offset)
        copy.storeBytes(of: name, as: UInt64.self)
        copy.storeBytes(of: UInt64(UInt32(bitPattern: nameLength)), toByteOffset: 8, as: UInt64.self)
        copy.storeBytes(of: vector, toByteOffset: 16, as: UInt64.self)
        copy.storeBytes(of: vectorCount, toByteOffset: 24, as: UInt64.self)
        copy.storeBytes(of: control, toByteOffset: 32, as: UInt64.self)
        copy.storeBytes(of: controlLength, toByteOffset: 40, as: UInt64.self)
        copy.storeBytes(of: 0, toByteOffset: 48, as: UInt64.self)
        return copy.hostArgument
    }
}
