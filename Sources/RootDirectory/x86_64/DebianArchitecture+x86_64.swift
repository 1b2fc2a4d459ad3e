#if arch(x86_64)
extension DebianArchitecture {
    static let host = "amd64"
}
#endif
