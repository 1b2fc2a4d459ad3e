#if arch(arm64)
extension DebianArchitecture {
    static let host = "arm64"
}
#endif
