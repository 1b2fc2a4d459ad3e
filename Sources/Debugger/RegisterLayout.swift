/// The registers of an architecture: what the debugger is told of them, and where each is among the bytes of all.
public struct RegisterLayout {
    public struct Register {
        let name: StaticString
        /// A number behind the name, for those that come in rows.
        let row: Int?
        let bits: Int
        /// A type of the protocol's, or one that the feature defines.
        let type: StaticString

        init(_ name: StaticString, row: Int? = nil, bits: Int, type: StaticString = "int") {
            self.name = name
            self.row = row
            self.bits = bits
            self.type = type
        }
    }

    struct Feature {
        let name: StaticString
        /// XML of the types that its registers have.
        var types: StaticString = ""
        let registers: [Register]
    }

    let architecture: StaticString
    let features: [Feature]
    /// Numbers of registers that each stop tells at once: the debugger asks for them anyway.
    let expedited: [Int]

    init(architecture: StaticString, features: [Feature], expedited: [Int]) {
        self.architecture = architecture
        self.features = features
        self.expedited = expedited
        var ranges: [Range<Int>] = []
        var offset = 0
        for feature in features {
            for register in feature.registers {
                ranges.append(offset..<(offset + register.bits / 8))
                offset += register.bits / 8
            }
        }
        self.ranges = ranges
        size = offset
    }

    /// Where each register is.
    let ranges: [Range<Int>]
    /// Bytes of all registers.
    public let size: Int

    /// The target description: GDB manual, "Target Descriptions".
    func description() -> [UInt8] {
        var text = [UInt8]("<?xml version=\"1.0\"?>\n<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n<target>\n<architecture>")
        text.append(architecture)
        text.append("</architecture>\n<osabi>GNU/Linux</osabi>\n")
        for feature in features {
            text.append("<feature name=\"")
            text.append(feature.name)
            text.append("\">\n")
            text.append(feature.types)
            for register in feature.registers { Self.append(register, to: &text) }
            text.append("</feature>\n")
        }
        text.append("</target>\n")
        return text
    }

    private static func append(_ register: Register, to text: inout [UInt8]) {
        text.append("<reg name=\"")
        text.append(register.name)
        if let row = register.row { text.append(contentsOf: decimal(row)) }
        // ymm0h: the row stands inside the name.
        if isUpperHalf(register) { text.append("h") }
        text.append("\" bitsize=\"")
        text.append(contentsOf: decimal(register.bits))
        text.append("\" type=\"")
        text.append(register.type)
        text.append("\"/>\n")
    }

    private static func isUpperHalf(_ register: Register) -> Bool {
        register.row != nil && register.name.withUTF8Buffer { $0.elementsEqual("ymm".utf8) }
    }

    private static func decimal(_ number: Int) -> [UInt8] { Array("\(number)".utf8) }
}
