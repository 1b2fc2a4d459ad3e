/// All that is said of one option, wherever it is said: by `--help`, by the manual page vmrun(1), by the shells' completions.
public struct OptionDescription {
    /// What an option is about, and so where it is listed.
    public enum Group: CaseIterable {
        case files, identity, environment, limits, isolation, speed, debugging, information
        /// One vmrun image gives it to the next; it is no user's.
        case ownUse
        /// Of commands.
        case rootCreate, oci

        var isOfCommand: Bool { self == .rootCreate || self == .oci }

        /// Those of running a program, as they are listed.
        public static let listed: [Group] = [
            .files, .identity, .environment, .limits, .isolation, .speed, .debugging, .information,
        ]

        /// What stands above the group.
        public var title: StaticString {
            switch self {
            case .files: "Files"
            case .identity: "User"
            case .environment: "Environment and translators"
            case .limits: "Limits"
            case .isolation: "Isolation"
            case .speed: "Speed"
            case .debugging: "Debugging"
            case .information: "Information"
            case .ownUse: "Own use"
            case .rootCreate: "root create"
            case .oci: "oci"
            }
        }
    }

    /// What a shell offers for the value.
    public enum Completion {
        case nothing, directory, file, user, variable
        /// A host path, before the first colon.
        case bind
        /// These words, with blanks between them.
        case words(StaticString)
    }

    public let spelling: StaticString
    /// With one hyphen and one letter; empty where there is none.
    public let short: StaticString
    public let group: Group
    /// What the value is called; empty where the option takes none.
    public let value: StaticString
    /// The value can be left out, and stands behind an equals sign where it is not.
    public let isValueOptional: Bool
    /// A few words, without a full stop.
    public let summary: StaticString
    /// Whole sentences for the manual page, beyond the summary.
    public let details: StaticString
    public let isRepeatable: Bool
    public let completion: Completion

    init(
        _ spelling: StaticString, _ group: Group, value: StaticString = "", _ summary: StaticString, _ details: StaticString = "",
        isRepeatable: Bool = false, completion: Completion = .nothing, short: StaticString = "", isValueOptional: Bool = false
    ) {
        self.spelling = spelling
        self.short = short
        self.isValueOptional = isValueOptional
        self.group = group
        self.value = value
        self.summary = summary
        self.details = details
        self.isRepeatable = isRepeatable
        self.completion = completion
    }

    /// Whether the next word is the value, where none is behind an equals sign.
    public var takesValue: Bool { value.utf8CodeUnitCount > 0 && !isValueOptional }

    /// What stands behind the spelling where the option is explained.
    public var valueText: String {
        if isValueOptional { return "[=" + value.description + "]" }
        return takesValue ? " " + value.description : ""
    }

    /// The options of running a program, in the order of the groups and of their declaration.
    public static var listed: [OptionDescription] { Group.listed.flatMap { of($0) } }

    /// The options of one group, in the order of their declaration.
    public static func of(_ group: Group) -> [OptionDescription] {
        OptionName.allCases.map { $0.description }.filter { $0.group == group }
    }
}
