# Runs one command on a node under the node's effect lock, and leaves its
# outcome there even when whoever started it is gone.
#
#   umask    the file mode mask of the command
#   timer    the text of the timer that ends the command when its time is up
#   folder   the node's folder
#   run      the run, and
#   epoch    the epoch with which it must hold the node
#   base     where the effect's files go: BASE.json, .pid, .out, .err, .exit
#   other    the same for the other direction of the step
#   attempt  the name of this attempt, repeated in those files
#   token    what was seen of earlier attempts; see `token`
#   forget   `undone` when the step was taken back since it was done, `undo`
#            when it was not and the attempt to take it back is forgotten,
#            `nothing` when this takes the step back
#   wait     for how many seconds at most the lock is waited for
#   within   for how many seconds the command may run, with a fraction
#   dir      the folder that the command runs in
#   record   how many lines of standard input are the record of this attempt
#   before   how many after them are the record whose place it takes
#   ...      the command, which reads the rest
#
# BASE.group names the process group of the command while it runs. When
# BASE.ATTEMPT.stop is there, the command is not started any more.
#
# Exit codes of its own, only when BASE.pid does not name this attempt: those
# of the tools; 72 no such folder to run in; 77 it was stopped before.

its_umask=$1 timer=$2
shift 2
folder=$1 run=$2 epoch=$3 base=$4 other=$5 attempt=$6 token=$7 forget=$8 wait=$9
shift 9
within=$1 dir=$2 record_lines=$3 before_lines=$4
shift 4

exec 7<&0 </dev/null
# Sets `text` to so many lines of standard input.
next_lines() { # COUNT
    text= count=$1
    while [ "$count" -gt 0 ]; do
        IFS= read -r its_line <&7 || exit 75
        text=$text$its_line$newline
        count=$((count - 1))
    done
    text=${text%"$newline"}
}
next_lines "$record_lines"
record=$text
next_lines "$before_lines"
before=$text
[ -n "$record" ] || exit 75

is_stopped() {
    [ -e "$base.$attempt.stop" ]
}

holds_the_node() {
    read -r held_epoch held_run held_until <"$folder/lock" || return 1
    [ "$held_epoch" = "$epoch" ] || return 1
    [ "$held_run" = "$run" ] || return 1
    careful_clock
    [ "$now" -lt "$held_until" ]
}

opens "$folder/effect.lock" || exit 73
exec 9>>"$folder/effect.lock"
if ! lock 0; then
    clock
    end=$((now + wait * 1000))
    until lock 0; do
        is_stopped && exit 77
        clock
        [ "$now" -lt "$end" ] || exit 71
        nap 0.05
    done
fi
holds_the_node || exit 70
is_stopped && exit 77
[ "$(token "$base" "$other")" = "$token" ] || exit 74

# What earlier attempts could not bring to its end.
discard "$base".*.in "$base".*.masked

cd "$dir" || exit 72
for ending in out err group; do
    true >"$base.$ending" || exit 73
done
discard "$base.ended"
# Room for the exit code, so that a disk that fills up can't keep it from being written.
printf '%s    \n' "$attempt" >"$base.exit" || exit 73

# What was taken back is forgotten before the taking back is, so that no reader sees it done in between.
case $forget in
undone) rm -f "$base.json" && sync_path "${base%/*}" && rm -f "$other.json" ;;
undo) discard "$other.json" ;;
esac || exit 73
put "$base.json" "$record" && sync_path "${base%/*}" || exit 73

# What the node knew before stands again when nothing was begun.
withdraw() {
    if [ -n "$before" ]; then
        put "$base.json" "$before"
    else
        rm -f "$base.json"
    fi
    sync_path "${base%/*}"
    exit "$1"
}
# Once more: whoever was put to sleep since may have lost the node.
holds_the_node || withdraw 70
is_stopped && withdraw 77
# On disk before anything is begun: a record without it says that nothing was.
put "$base.pid" "$attempt $$$newline" && sync_path "${base%/*}" || withdraw 73

# It has the lock too, for the case that this is killed.
setsid /bin/sh -c "$timer" clusterctl-timer "$base" "$attempt" "$within" "$$" \
    </dev/null >/dev/null 2>&1 7<&- 9>&9 &
timer=$!
# A signal ends neither this nor the lock; the command has a session of its own.
trap : HUP INT TERM
(
    umask "$its_umask"
    exec 9>&-
    LC_ALL=$its_lc_all
    [ -n "$LC_ALL" ] || unset LC_ALL
    exec setsid /bin/sh -c 'printf "%s %s\n" "$1" "$$" >"$2.group"; shift 2; exec "$@"' clusterctl-command \
        "$attempt" "$base" "$@"
) <&7 >>"$base.out" 2>>"$base.err" 7<&-
code=$?
# A command that a signal ended: 128 and its number, also in shells that count from 256.
[ "$code" -le 256 ] || code=$((code - 128))
kill -KILL "-$timer" 2>/dev/null || kill -KILL "$timer" 2>/dev/null
if [ -e "$base.ended" ]; then
    # It was to end: so is what it started.
    read -r whose group <"$base.group"
    [ -z "$group" ] || kill -KILL "-$group" 2>/dev/null
fi

printf '%s %3d\n' "$attempt" "$code" 1<>"$base.exit"
sync_path "$base.exit"
true >"$base.group"
# For all that have it: the timer may take a moment to end.
flock -u 9 9>&9
exit "$code"
