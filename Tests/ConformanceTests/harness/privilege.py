"""Run a command as a user without privileges, who may open /dev/kvm and nothing else."""

import os

from harness.registry import Skip

USER = 65534

# In a mount namespace of its own: /dev/kvm becomes a node that everybody may open, whatever the
# machine's own mode and groups are. A private tmpfs holds the node, because the directory that the
# test was given may be mounted nodev.
SCRIPT = f"""
set -e
holder=$1; shift
mkdir -p "$holder"
mount -t tmpfs -o dev,mode=755 kvm "$holder"
if [ -e /dev/kvm ]; then
    mknod -m 666 "$holder/kvm" c $(stat -c '0x%t 0x%T' /dev/kvm)
    mount --bind "$holder/kvm" /dev/kvm
fi
exec setpriv --reuid {USER} --regid {USER} --clear-groups --inh-caps=-all --bounding-set=-all "$@"
"""


def as_other_user(command, folder):
    """The command line that runs a command as the other user. folder is the test's own directory."""
    if os.geteuid() != 0:
        raise Skip("the whole run is already unprivileged")
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", SCRIPT, "sh", str(folder / "kvm"), *command]


def in_private_mounts(setup, command):
    """The command line that runs a command after a shell fragment has changed the mounts it sees."""
    if os.geteuid() != 0:
        raise Skip("mounts can only be changed by root")
    script = f'set -e\n{setup}\nexec "$@"'
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", *command]
