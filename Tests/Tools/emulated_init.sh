#!/bin/sh
# The first process of an emulated host: loads KVM, runs the jobs of /jobs, switches the machine off.
# What the machine says goes to its console, the results to the port that /settings names, one line each:
#     RESULT name uptime native-status native-output native-errors vmrun-status vmrun-output vmrun-errors
# (output and errors in base64, "-" for nothing). Before the result of a job that does not end, for each of vmrun's threads:
#     WAITS name pid/tid comm syscall-and-registers signals-pending-blocked kernel-functions
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs -o mode=1777 shm /dev/shm
mount -t tmpfs -o mode=1777 tmp /tmp
for name in fd/0:stdin fd/1:stdout fd/2:stderr fd:fd; do ln -s "/proc/self/${name%:*}" "/dev/${name#*:}"; done
mkdir /tmp/t
ip link set lo up
. /settings
stty -F /dev/$report raw -echo
exec 3> /dev/$report

said=$(. /load)
chmod 666 /dev/kvm
echo "HOST $(uname -r) $said uptime=$(cut -d' ' -f1 /proc/uptime)" >&3

encoded() {
    if [ -s "$1" ]; then head -c 20000 "$1" | base64 -w 0; else printf -- -; fi
}

# What the threads of a run that is about to be ended are waiting for.
waiting() {
    for pid in $(pidof vmrun); do
        for task in /proc/$pid/task/*; do
            echo "WAITS $name $pid/${task##*/} $(cat $task/comm) ($(cat $task/syscall))" \
                $(grep -E '^(State|SigPnd|ShdPnd|SigBlk)' $task/status) $(sed 's/.*\] //; s/+.*//' $task/stack | head -n 6) >&3
        done
    done
}

# once COMMAND...: runs it in an empty directory of its own; what it says is in /out and /err.
once() {
    mount -t tmpfs -o mode=777 scratch /tmp/t
    cd /tmp/t
    (sleep $((seconds - 3)); waiting) &
    watcher=$!
    setsid timeout -s KILL "$seconds" $as "$@" < "$input" > /out 2> /err 3>&-
    status=$?
    kill $watcher
    wait $watcher
    cd /
    # Lazily: a test that failed may have left processes behind.
    umount -l /tmp/t
    return $status
}

# job NAME SECONDS USER INPUT "VMRUN COMMAND" WORD...: one line of results.
job() {
    name=$1 seconds=$2 user=$3 input=$4 vmrun=$5
    shift 5
    as=
    [ "$user" = root ] || as="as_user $user"
    native=- native_output=- native_errors=-
    # Some jobs are about vmrun itself and have no native counterpart.
    if [ "$1" != vmrun ]; then
        once "$@"
        native=$?
        native_output=$(encoded /out) native_errors=$(encoded /err)
    fi
    if [ "$1" = vmrun ]; then once "$@"; else once $vmrun "$@"; fi
    guest=$?
    echo "RESULT $name $(cut -d' ' -f1 /proc/uptime) $native $native_output $native_errors" \
        "$guest $(encoded /out) $(encoded /err)" >&3
    for left in $(pidof vmrun); do
        echo "LEFT $name $(tr '\0' ' ' < /proc/$left/cmdline)" >&3
        kill -KILL $left
    done
}

# debugged NAME SECONDS WORD...: the program waits for gdb, which comes over a port of the machine's. What gdb says is the result.
debugged() {
    name=$1 seconds=$2 as= input=/dev/null
    shift 2
    (until nc 127.0.0.1 2345 <&4 >&4; do sleep 0.2; done) 2> /dev/null &
    relay=$!
    echo "DEBUG $name" >&3
    once vmrun --gdb 2345 --gdb-stop-on-entry "$@"
    kill $relay
    echo "RESULT $name $(cut -d' ' -f1 /proc/uptime) - - - $? $(encoded /out) $(encoded /err)" >&3
}
if [ -n "$debugger" ]; then
    stty -F /dev/$debugger raw -echo
    exec 4<> /dev/$debugger
fi

. /jobs
dmesg | tail -n 30
echo "END uptime=$(cut -d' ' -f1 /proc/uptime)" >&3
sync
poweroff -f
