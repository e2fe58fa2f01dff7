# Part of the scripts for probes: commands that change nothing. It stands behind the tools.

# Runs a command in a session of its own, which ends as a whole when its time is up. Sets `code`, which is `timed-out`
# then.
bounded() { # MILLISECONDS COMMAND...
    within=$1
    seconds=$((within / 1000)).$(printf '%03d' "$((within % 1000))")
    shift
    clock
    limit=$((now + within))
    # The process that `group` names is the command itself: who only waits for it could not be ended in its place.
    (
        its_exec=exec
        as_a_command setsid /bin/sh -c 'umask "$1"; shift; cd / && exec "$@"' clusterctl-look "$its_umask" "$@"
    ) </dev/null >/dev/null 2>&1 &
    group=$!
    setsid /bin/sh -c 'sleep "$1" 2>/dev/null || sleep "$((${1%.*} + 1))"; kill -TERM "-$2" || exit 0
        tries=50
        while [ "$tries" -gt 0 ] && kill -0 "-$2"; do tries=$((tries - 1)); sleep 0.1 || sleep 1; done
        kill -KILL "-$2"' clusterctl-timer "$seconds" "$group" </dev/null >/dev/null 2>&1 &
    timer=$!
    wait "$group"
    code=$?
    kill -KILL "-$timer" 2>/dev/null || kill -KILL "$timer" 2>/dev/null
    [ "$code" -le 256 ] || code=$((code - 128))
    clock
    if [ "$now" -ge "$limit" ]; then
        kill -KILL "-$group" 2>/dev/null
        code=timed-out
    fi
}
