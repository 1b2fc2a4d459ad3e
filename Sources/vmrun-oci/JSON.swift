import CJansson
import Host

/// Why a command of the runtime fails: a sentence without a full stop.
struct RuntimeError: Error {
    let sentence: String

    init(_ sentence: String) { self.sentence = sentence }
}

/// A value of a JSON document. Documents are read once and kept until the process ends.
struct JSON {
    private let value: UnsafeMutablePointer<json_t>

    /// Reads a file. Numbers become floating point ones: Go writes the largest 64-bit numbers, which have no other form in the library.
    static func read(_ path: [UInt8]) throws(RuntimeError) -> JSON {
        guard let text = HostFile.contents(path) else { throw RuntimeError("\(HostFile.text(path)) does not exist or cannot be read") }
        var error = json_error_t()
        let decodeNumbersAsReal = 0x8
        let loaded = text.withUnsafeBytes {
            json_loadb($0.baseAddress?.assumingMemoryBound(to: CChar.self), $0.count, decodeNumbersAsReal, &error)
        }
        guard let loaded else { throw RuntimeError("\(HostFile.text(path)) is no JSON: line \(error.line)") }
        return JSON(value: loaded)
    }

    /// A member that is there and not null.
    subscript(_ name: StaticString) -> JSON? {
        guard let member = json_object_get(value, UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self)) else { return nil }
        return member.pointee.type == JSON_NULL ? nil : JSON(value: member)
    }

    var string: [UInt8]? {
        guard let text = json_string_value(value) else { return nil }
        return UnsafeRawBufferPointer(start: text, count: json_string_length(value)).map { $0 }
    }

    var isTrue: Bool { value.pointee.type == JSON_TRUE }

    /// A whole number that is not negative, as large as it may be; -1 is the largest, as Go's programs mean it.
    var number: UInt64? {
        guard value.pointee.type == JSON_REAL else { return nil }
        let real = json_real_value(value)
        if real == -1 || real >= 18_446_744_073_709_551_616 { return .max }
        return real >= 0 ? UInt64(real) : nil
    }

    /// The elements of an array; none of anything else.
    var elements: [JSON] {
        var result: [JSON] = []
        for index in 0..<json_array_size(value) {
            if let element = json_array_get(value, index) { result.append(JSON(value: element)) }
        }
        return result
    }

    /// The members of an object; none of anything else.
    var members: [(name: [UInt8], value: JSON)] {
        var result: [(name: [UInt8], value: JSON)] = []
        var iterator = json_object_iter(value)
        while let current = iterator {
            if let name = json_object_iter_key(current), let member = json_object_iter_value(current) {
                result.append((Array(String(cString: name).utf8), JSON(value: member)))
            }
            iterator = json_object_iter_next(value, current)
        }
        return result
    }

    /// An array or object without members, an empty string, zero or false: nothing is asked for.
    var isEmpty: Bool {
        switch value.pointee.type {
        case JSON_OBJECT: json_object_size(value) == 0
        case JSON_ARRAY: json_array_size(value) == 0
        case JSON_STRING: json_string_length(value) == 0
        case JSON_REAL: json_real_value(value) == 0
        case JSON_FALSE: true
        default: false
        }
    }

    // MARK: Writing

    static func object() -> JSON? { json_object().map { JSON(value: $0) } }

    func set(_ name: StaticString, _ text: [UInt8]) {
        let string = text.withUnsafeBytes { json_stringn($0.baseAddress?.assumingMemoryBound(to: CChar.self), $0.count) }
        json_object_set_new(value, UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self), string)
    }

    func set(_ name: StaticString, _ number: Int) {
        json_object_set_new(value, UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self), json_integer(json_int_t(number)))
    }

    func set(_ name: StaticString, _ member: JSON) {
        json_object_set(value, UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self), member.value)
    }

    var text: String {
        let indent = 2
        guard let text = json_dumps(value, indent) else { return "" }
        return String(cString: text) + "\n"
    }
}
