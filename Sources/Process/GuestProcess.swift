import GuestMemory
import Host
import LinuxABI

/// One guest process: a host process, one address space, one VM. Everything hangs off this object and `GuestThread`.
public final class GuestProcess {
    init() {}
}
