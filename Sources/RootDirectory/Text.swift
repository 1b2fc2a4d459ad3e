import Host

func text(_ path: [UInt8]) -> String { HostFile.text(path) }
