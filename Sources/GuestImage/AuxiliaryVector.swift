import CShim

/// The keys of the auxiliary vector, getauxval(3): AT_* of linux/auxvec.h, some of which older headers lack.
enum AuxiliaryKey {
    static let null: UInt64 = 0
    static let phdr: UInt64 = 3
    static let phent: UInt64 = 4
    static let phnum: UInt64 = 5
    static let pagesz: UInt64 = 6
    static let base: UInt64 = 7
    static let flags: UInt64 = 8
    static let entry: UInt64 = 9
    static let uid: UInt64 = 11
    static let euid: UInt64 = 12
    static let gid: UInt64 = 13
    static let egid: UInt64 = 14
    static let platform: UInt64 = 15
    static let hwcap: UInt64 = 16
    static let clktck: UInt64 = 17
    static let secure: UInt64 = 23
    static let random: UInt64 = 25
    static let hwcap2: UInt64 = 26
    static let rseqFeatureSize: UInt64 = 27
    static let rseqAlign: UInt64 = 28
    static let hwcap3: UInt64 = 29
    static let hwcap4: UInt64 = 30
    static let execfn: UInt64 = 31
    static let sysinfoEhdr: UInt64 = 33
    static let minsigstksz: UInt64 = 51
}

/// What the guest's auxiliary vector takes over from the host's: the guest runs on the same processor under the same kernel.
public struct HostAuxiliaryValues {
    public var hwcap: UInt64 = 0
    public var hwcap2: UInt64 = 0
    /// 0 where the host gives none, as are all that follow: the guest then gets none either.
    public var hwcap3: UInt64 = 0
    public var hwcap4: UInt64 = 0
    public var minimalSignalStack: UInt64 = 0
    public var rseqFeatureSize: UInt64 = 0
    public var rseqAlign: UInt64 = 0
    /// AT_CLKTCK: USER_HZ.
    public var clockTicks: UInt64 = 100

    public init() {}

    /// The values that the host kernel gave this process, without the bits of AT_HWCAP, AT_HWCAP2 and AT_HWCAP3 in
    /// `hidden`.
    public static func current(hiding hidden: (first: UInt64, second: UInt64, third: UInt64)) -> HostAuxiliaryValues {
        var values = HostAuxiliaryValues()
        values.hwcap = value(AuxiliaryKey.hwcap) & ~hidden.first
        values.hwcap2 = value(AuxiliaryKey.hwcap2) & ~hidden.second
        values.hwcap3 = value(AuxiliaryKey.hwcap3) & ~hidden.third
        values.hwcap4 = value(AuxiliaryKey.hwcap4)
        values.minimalSignalStack = value(AuxiliaryKey.minsigstksz)
        values.rseqFeatureSize = value(AuxiliaryKey.rseqFeatureSize)
        values.rseqAlign = value(AuxiliaryKey.rseqAlign)
        let ticks = value(AuxiliaryKey.clktck)
        if ticks != 0 { values.clockTicks = ticks }
        return values
    }

    private static func value(_ key: UInt64) -> UInt64 { UInt64(vmrun_auxiliary_value(UInt(key))) }
}
