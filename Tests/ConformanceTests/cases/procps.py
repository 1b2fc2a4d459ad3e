"""The programs that read /proc, Debian's procps, psmisc, lsof and util-linux, in a Debian root: what they say of a few
known processes is what they say natively, in a process namespace that holds nothing else."""

import os
import re

from harness.context import compare
from harness.registry import case, check

#: Natively the processes are alone too: procfs of a namespace of their own, and /dev and /sys as the host has them.
NATIVE = ('mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && mount --rbind /sys "$0/sys" && '
          'exec chroot "$0" "$@"')

#: A known family: two sleepers, a shell that waits, and a Python program with two threads. $S, $P and $T are their ids.
FAMILY = """
sleep 311 & S=$!
sleep 312 &
sh -c 'sleep 313; :' & P=$!
python3 -c 'import threading, time
ready = threading.Barrier(3)
for _ in range(2): threading.Thread(target=lambda: (ready.wait(), time.sleep(300)), daemon=True).start()
ready.wait()
open("/dev/shm/ready-'$$'", "w")
time.sleep(300)' & T=$!
while [ ! -e /dev/shm/ready-$$ ] || [ "$(pgrep -c sleep)" != 3 ]; do sleep 0.05; done
rm /dev/shm/ready-$$
{ SCRIPT
} 2>&1
kill $(pgrep -x sleep) $T
wait
"""


def both(context, script, normalise=lambda text: text, known=True):
    """Run a script natively and under vmrun; the output, normalised, must be the same. Return both outputs."""
    script = FAMILY.replace("SCRIPT", script) if known else script
    command = ["/bin/bash", "-c", script]
    root = ["--map-root-user"] if os.geteuid() != 0 else []
    native = context.run(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private", *root,
                          "sh", "-c", NATIVE, str(context.debian), *command], timeout=60)
    check(native.status == 0, f"native: {native.describe()}", native.transcript())
    if context.native_only:
        return native.stdout.decode(), None
    guest = context.guest(command, sysroot=context.debian, timeout=120)
    check(guest.status == 0, f"vmrun: {guest.describe()}", guest.transcript())
    texts = native.stdout.decode(errors="replace"), guest.stdout.decode(errors="replace")
    compare(normalise(texts[0]), normalise(texts[1]))
    return texts


def numbers(text):
    """Without numbers, and with single blanks."""
    return re.sub(r"[ \t]+", " ", re.sub(r"\d+", "0", text))


def without_counts(text):
    """As `numbers`, where a column may be empty or not, and wide or narrow."""
    return re.sub(r" ?\b0\b", "", numbers(text))


#: What a walk may not say: that it went in circles, or that it met what it had listed and could not look at.
COMPLAINTS = ("loop", "circular", "cycle", "Too many levels", "Invalid", "Input/output", "Not a directory")


def walker(name, command):
    @case(name, needs_vmrun=True)
    def run(context):
        result = context.guest(["/bin/bash", "-c", command], sysroot=context.debian, timeout=120)
        # What vanishes meanwhile (the walker's own descriptors) is an error of its own, also natively.
        check(result.status in (0, 1), f"vmrun: {result.describe()}", result.transcript())
        errors = result.stderr.decode(errors="replace")
        for complaint in COMPLAINTS:
            check(complaint not in errors, f"the walk complains of {complaint}", errors[:2000])
        lines = result.stdout.decode(errors="replace").splitlines()
        check(200 < len(lines) < 20000, f"{len(lines)} lines are not those of one walk", "\n".join(lines[:50]))
        if name == "find-self":
            check(len(set(lines)) == len(lines), "a path is listed twice")


walker("find-self", "find /proc/self; find /proc/self/")
walker("find-proc", "find /proc -path /proc/sys/net -prune -o -print")
walker("du-self", "du -a /proc/self; du -a /proc/self/")
walker("ls-self", "ls -lR /proc/self/")
walker("ls-follow-self", "ls -lRL --ignore=cwd --ignore=root --ignore=fd --ignore=map_files /proc/self/")
walker("find-identities", "find /proc /dev /sys -path /proc/sys/net -prune -o -printf '%D:%i %p\\n'")


@case(needs_vmrun=False)
def ps(context):
    both(context, """
    ps -eo stat,nlwp,tty,nice,cls,comm,args --sort comm,args --no-headers | grep -v -e 'ps -eo' -e bash
    ps -o ppid= -p $S | grep -qx " *$$" && echo its parent
    ps -o pgid=,sid= -p $P | tr -s ' ' '\\n' | grep -c .
    ps -eLo comm,nlwp --no-headers | grep -c python3
    ps -L -p $T --no-headers | wc -l
    ps --ppid $P -o comm=
    ps -C sleep -o comm=
    ps -p $S -o user,uid,group,gid,euser,ruser,label,pending,blocked,ignored,caught
    ps -p 4194303; echo $?""", numbers)


@case(needs_vmrun=False)
def ps_layouts(context):
    both(context, """
    for layout in aux -ef -eF -ely -eLf axf axjf; do ps $layout | head -1; ps $layout | grep -c '[s]leep 31[123]$'; done""", numbers)


@case(needs_vmrun=False)
def sizes(context):
    """A process is as large as natively, and nothing of vmrun's is counted."""
    texts = both(context, """
    ps -o comm,rss --no-headers -p $S,$T; pmap $S | tail -1; pmap -x $S | tail -1; top -b -n1 -p $S | tail -1""",
                 without_counts)
    if context.native_only:
        return
    native, guest = ([int(line.split()[1]) for line in text.splitlines()[:2]] for text in texts)
    for one, other in zip(native, guest):
        check(abs(one - other) <= one // 5 + 512, f"resident {other} kB, natively {one} kB", "\n".join(texts))


@case(needs_vmrun=False)
def selecting(context):
    """pgrep and its kin, and what they do to whom they find."""
    both(context, """
    pgrep -c sleep; pgrep -x -a sleep | cut -d' ' -f2-; pgrep -P $P -l | cut -d' ' -f2; pgrep -f 'sleep 31[12]' | wc -l
    pidof sleep | wc -w; pidof -s nothing; echo $?
    pgrep nothing; echo $?
    killall -0 sleep; echo $?; killall -0 nothing; echo $?
    pkill -x -f 'sleep 311'; wait $S; echo $?
    killall -e -s TERM -r '^nothing'; echo $?
    pidwait -x nothing; echo $?
    pwdx $P | cut -d' ' -f2""", lambda text: re.sub(r"\(\d+\)", "", text))


@case(needs_vmrun=False)
def pstree(context):
    both(context, """pstree -A -a $P; pstree -A -c -T $T; pstree -A -t $T
    pstree -A -p $P | tr -d '0-9'; pstree -s $S >/dev/null && echo ancestors""")


@case(needs_vmrun=False)
def top(context):
    both(context, """
    top -b -n1 -w 200 | sed -n '7p'
    top -b -n1 -w 200 | awk 'NR > 7 { print $2, $8, $NF }' | grep -e sleep -e python | sort
    top -b -n1 -H -p $T | grep -c python3
    top -b -n2 -d 0.1 -p $S | grep -c sleep""", numbers)


@case(needs_vmrun=False)
def of_the_machine(context):
    """free, vmstat, uptime and others that ask about no process."""
    both(context, """
    free | awk '{ print $1, NF }'; free -h >/dev/null && echo human; vmstat | awk 'NR == 2; END { print NF }'
    vmstat -s | sed 's/^ *[0-9]* //'; vmstat -d | head -2; vmstat -a | head -2
    uptime | grep -c 'load average:'; uptime -s | wc -w; uptime -p | cut -d' ' -f1
    w -h | wc -l; tload -V | wc -l
    sysctl -n kernel.ostype kernel.osrelease fs.nr_open kernel.ngroups_max kernel.cap_last_cap
    sysctl -n net.core.somaxconn vm.overcommit_memory fs.pipe-max-size fs.mqueue.msg_max kernel.hostname
    sysctl -N -a 2>/dev/null | grep -c -e '^kernel.random' -e '^fs.inotify'
    nproc; nproc --all; getconf _NPROCESSORS_ONLN _NPROCESSORS_CONF
    lscpu | grep -v -e MHz -e BogoMIPS; lsmem -V >/dev/null && echo lsmem""", known=False)


@case(needs_vmrun=False)
def pmap(context):
    both(context, """
    pmap $S | awk 'NR > 1 { print $NF }' | grep -v -e K$ | sort -u
    pmap -x $S | awk 'NR > 2 { print $NF }' | grep -v -e '^[0-9-]*$' | sort -u
    pmap -X $S | sed -n 2p; pmap -XX $S | sed -n 2p | tr -s ' ' '\\n' | sort
    pmap -d $S | head -2 | tail -1
    pmap 4194303; echo $?""", numbers)


@case(needs_vmrun=False)
def lsof(context):
    both(context, """
    exec 8</etc/hostname 9>/dev/shm/open-$$ 7< <(sleep 313)
    lsof -w -p $$ | awk 'NR > 1 { print $4, $5, $NF }' | grep -v -e ^mem | sort
    lsof -w -p $S | awk '$4 == "mem" { print $5, $NF }' | sort -u
    lsof -w -t /etc/hostname | grep -cx $$; lsof -w -t /dev/shm/open-$$ | grep -cx $$
    lsof -w -a -d cwd -c sleep | awk 'NR > 1 { print $1, $4, $NF }'
    lsof -w -a -d txt -p $T | awk 'NR > 1 { print $NF }'
    exec 9>&- 7<&-; rm /dev/shm/open-$$""", numbers)


@case(needs_vmrun=False)
def fuser(context):
    both(context, """
    exec 8</etc/hostname
    fuser /etc/hostname 2>/dev/null | grep -cw $$
    fuser -v /bin/sleep 2>&1 | awk '{ print $NF }' | sort -u
    fuser -s /usr/bin/python3.11; echo $?; fuser -s /etc/passwd; echo $?
    (cd /usr/share; sleep 313 & cd /; sleep 0.1; fuser /usr/share 2>&1 | tr -d '0-9 '; kill $!; wait $! 2>/dev/null)""")


@case(needs_vmrun=False)
def of_util_linux(context):
    both(context, """
    prlimit -p $S -o RESOURCE,SOFT,HARD --noheadings | grep -v -e NPROC -e SIGPENDING
    taskset -p $S | cut -d: -f2; ionice -p $S; chrt -p $S | cut -d: -f2
    lsns -p $S -o TYPE,NPROCS --noheadings | awk '{ print $1 }' | sort
    exec 8>/dev/shm/locked-$$; flock 8; lslocks -u -o COMMAND,TYPE,MODE --noheadings | grep flock; exec 8>&-; rm /dev/shm/locked-$$
    findmnt -n -o TARGET,FSTYPE | grep -e /proc -e '/dev$' -e shm | sed 's,^[^/]*,,' | tr -s ' ' | sort -u
    findmnt -n -o FSTYPE /proc; mountpoint /proc; mountpoint -q /dev/shm; echo $?
    df --output=target,fstype /dev/shm | tail -1
    nsenter --version >/dev/null && echo nsenter""", numbers)
