import RootDirectory
import Testing

private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

private func mirror(list: String = "", stanzas: String = "", for suite: String) -> String? {
    var sources = AptSources()
    sources.add(list: bytes(list))
    sources.add(stanzas: bytes(stanzas))
    return sources.mirror(for: bytes(suite)).map { String(decoding: $0, as: UTF8.self) }
}

@Test func oneLineEntries() {
    let list = """
        # deb http://a.example/debian trixie main
        deb-src http://b.example/debian trixie main
        deb [ arch=amd64 signed-by=/x ] http://c.example/other trixie contrib main # why
        deb http://d.example/debian bookworm main
        """
    #expect(mirror(list: list, for: "trixie") == "http://c.example/other")
    #expect(mirror(list: list, for: "bookworm") == "http://d.example/debian")
    #expect(mirror(list: list, for: "sid") == "http://d.example/debian")
    #expect(mirror(list: "deb cdrom:[Debian] bookworm main\ndeb http://x", for: "bookworm") == nil)
}

@Test func stanzas() {
    let text = """
        Types: deb deb-src
        URIs: http://a.example/debian/
        Suites: bookworm
         bookworm-updates
        # a comment
        Components: main

        Enabled: no
        Types: deb
        URIs: http://b.example/debian
        Suites: trixie
        Components: main

        types: deb
        uris: http://c.example/security
        suites: bookworm-security
        components: main
        """
    #expect(mirror(stanzas: text, for: "bookworm-updates") == "http://a.example/debian/")
    #expect(mirror(stanzas: text, for: "trixie") == "http://a.example/debian/")
    #expect(mirror(stanzas: text, for: "bookworm-security") == "http://c.example/security")
    #expect(mirror(stanzas: "", for: "bookworm") == nil)
}
