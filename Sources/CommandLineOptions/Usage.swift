extension Options {
    public static let version = "0.1.0"

    /// What --version prints, newline included.
    public static let versionText = "vmrun " + version + "\n"

    /// What --help prints.
    public static let usageText = """
        Usage: vmrun [OPTION...] [--] PROGRAM [ARG...]
               vmrun doctor

        Runs an unmodified Linux program, and whatever it starts, in a user-mode
        virtual machine on KVM. PROGRAM without a slash is looked up in the guest's PATH.

          --sysroot DIR                 the guest's /; without it, the host's
          --bind HOST[:GUEST[:ro]]      show a host file or directory to the guest (repeatable)
          --host-fallback               look up on the host what the sysroot does not hold
          --workdir DIR                 the guest's working directory
          --user USER[:GROUP]           run as this user of the guest's /etc/passwd, or by number
          --fakeroot                    the guest believes to be root; owners it gives to files are
                                        remembered for the session
          --env NAME=VALUE              set a variable; NAME alone passes the host's (repeatable)
          --clear-env                   start from an empty environment
          --interp MACHINE=GUESTPATH    run programs for MACHINE (aarch64, arm, riscv64, ...) by this
                                        translator (repeatable); qemu-user is found by itself
          --timeout N                   end a stay of more than N seconds in the guest; 0: never (default)
          --max-processes N             refuse to make more than N processes; 0: no limit (default)
          --max-threads N               refuse to make more than N threads in all processes; 0: no limit
          --max-open-files N            let no process have more than N descriptors; 0: as vmrun (default)
          --cpu-time N                  end the session when it has used N seconds of processor time; 0: never
          --net host|none               none: no sockets but AF_UNIX ones; host: the host's network (default)
          --no-fast-syscalls            leave the guest for every system call
          --no-switchless               make no calls on another host thread meanwhile
          --no-patch                    rewrite no system call instructions
          --no-confine                  let vmrun keep all its rights on the host (for debugging)
          --version                     print the version
          --help                        print this text

        vmrun doctor checks this machine and says what is missing.

        The exit status is the program's; 128+N where signal N ended it, 124 where --timeout did,
        125 where vmrun itself failed, 126 where PROGRAM cannot be run, 127 where it is not found.

        """
}
