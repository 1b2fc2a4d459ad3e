/// GDB manual, "i386 Features". The order is that of the debugger's own numbers.
extension RegisterLayout {
    /// - Parameter hasAVX: the upper halves of the 256-bit vectors are there.
    public static func x86_64(hasAVX: Bool) -> RegisterLayout {
        RegisterLayout(
            architecture: "i386:x86-64",
            features: [core, sse, linux, segments] + (hasAVX ? [avx] : []),
            // rbp, rsp, rip
            expedited: [6, 7, 16])
    }

    /// Bytes up to the end of each part, for who fills them in.
    public enum X86 {
        /// rax rbx rcx rdx rsi rdi rbp rsp r8...r15 rip
        public static let words = 17
        /// eflags cs ss ds es fs gs
        public static let halfWords = 7
        public static let stack = words * 8 + halfWords * 4
        public static let stackControl = stack + 8 * 10
        public static let vectors = stackControl + 8 * 4
        public static let vectorControl = vectors + 16 * 16
        public static let systemCall = vectorControl + 4
        public static let bases = systemCall + 8
        public static let upperHalves = bases + 16
    }

    private static func rows(_ name: StaticString, _ count: Int, bits: Int, type: StaticString) -> [Register] {
        (0..<count).map { Register(name, row: $0, bits: bits, type: type) }
    }

    private static func each(_ names: [StaticString], bits: Int, type: StaticString) -> [Register] {
        names.map { Register($0, bits: bits, type: type) }
    }

    private static var core: Feature {
        Feature(
            name: "org.gnu.gdb.i386.core",
            types: """
                <flags id="i386_eflags" size="4"><field name="CF" start="0" end="0"/><field name="" start="1" end="1"/>\
                <field name="PF" start="2" end="2"/><field name="AF" start="4" end="4"/><field name="ZF" start="6" end="6"/>\
                <field name="SF" start="7" end="7"/><field name="TF" start="8" end="8"/><field name="IF" start="9" end="9"/>\
                <field name="DF" start="10" end="10"/><field name="OF" start="11" end="11"/><field name="NT" start="14" end="14"/>\
                <field name="RF" start="16" end="16"/><field name="VM" start="17" end="17"/><field name="AC" start="18" end="18"/>\
                <field name="VIF" start="19" end="19"/><field name="VIP" start="20" end="20"/><field name="ID" start="21" end="21"/>\
                </flags>\n
                """,
            registers: each(["rax", "rbx", "rcx", "rdx", "rsi", "rdi"], bits: 64, type: "int64")
                + each(["rbp", "rsp"], bits: 64, type: "data_ptr")
                + (8..<16).map { Register("r", row: $0, bits: 64, type: "int64") }
                + [Register("rip", bits: 64, type: "code_ptr"), Register("eflags", bits: 32, type: "i386_eflags")]
                + each(["cs", "ss", "ds", "es", "fs", "gs"], bits: 32, type: "int32") + rows("st", 8, bits: 80, type: "i387_ext")
                + each(["fctrl", "fstat", "ftag", "fiseg", "fioff", "foseg", "fooff", "fop"], bits: 32, type: "int"))
    }

    private static var sse: Feature {
        Feature(
            name: "org.gnu.gdb.i386.sse",
            types: """
                <vector id="v4f" type="ieee_single" count="4"/><vector id="v2d" type="ieee_double" count="2"/>\
                <vector id="v16i8" type="int8" count="16"/><vector id="v8i16" type="int16" count="8"/>\
                <vector id="v4i32" type="int32" count="4"/><vector id="v2i64" type="int64" count="2"/>\
                <union id="vec128"><field name="v4_float" type="v4f"/><field name="v2_double" type="v2d"/>\
                <field name="v16_int8" type="v16i8"/><field name="v8_int16" type="v8i16"/><field name="v4_int32" type="v4i32"/>\
                <field name="v2_int64" type="v2i64"/><field name="uint128" type="uint128"/></union>\
                <flags id="i386_mxcsr" size="4"><field name="IE" start="0" end="0"/><field name="DE" start="1" end="1"/>\
                <field name="ZE" start="2" end="2"/><field name="OE" start="3" end="3"/><field name="UE" start="4" end="4"/>\
                <field name="PE" start="5" end="5"/><field name="DAZ" start="6" end="6"/><field name="IM" start="7" end="7"/>\
                <field name="DM" start="8" end="8"/><field name="ZM" start="9" end="9"/><field name="OM" start="10" end="10"/>\
                <field name="UM" start="11" end="11"/><field name="PM" start="12" end="12"/><field name="FZ" start="15" end="15"/>\
                </flags>\n
                """,
            registers: rows("xmm", 16, bits: 128, type: "vec128") + [Register("mxcsr", bits: 32, type: "i386_mxcsr")])
    }

    private static var linux: Feature {
        Feature(name: "org.gnu.gdb.i386.linux", registers: [Register("orig_rax", bits: 64, type: "int64")])
    }

    private static var segments: Feature {
        Feature(name: "org.gnu.gdb.i386.segments", registers: each(["fs_base", "gs_base"], bits: 64, type: "int64"))
    }

    private static var avx: Feature {
        Feature(name: "org.gnu.gdb.i386.avx", registers: rows("ymm", 16, bits: 128, type: "uint128"))
    }
}
