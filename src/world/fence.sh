# Runs one command on a node under the node's effect lock, and leaves its
# outcome there even when whoever started it is gone.
#
# Needs a POSIX shell and flock. Nothing is ever pasted into this text:
# everything comes as arguments.
#
#   folder   the node's folder
#   run      the run, and
#   epoch    the epoch with which it must hold the node
#   base     where the effect's files go: BASE.pid, BASE.out, BASE.err, BASE.exit
#   attempt  the name of this attempt, repeated in those files
#   wait     for how many seconds at most the lock is waited for, or `held`:
#            whoever starts this has it already, and hands it over as the
#            standard output, so that no instant is without it
#   dir      the folder that the command runs in
#   ...      the command
#
# Exit codes of its own, only when BASE.pid does not name this attempt:
#   69 there is no flock; 70 the run does not hold the node; 71 the lock was
#   not free in time; 72 no such folder to run in; 73 the files can't be written.

folder=$1 run=$2 epoch=$3 base=$4 attempt=$5 wait=$6 dir=$7
shift 7
mask=$(umask)
umask 077

if [ "$wait" = held ]; then
    exec 9>&1 >/dev/null
else
    command -v flock >/dev/null || exit 69
    exec 9>>"$folder/effect.lock" || exit 73
    # Some shells hide what they opened from the programs they run, unless it is handed on.
    until flock -n 9 9>&9; do
        [ "$wait" -gt 0 ] || exit 71
        wait=$((wait - 1))
        sleep 1
    done
fi

holds_the_node() {
    read -r held_epoch held_run held_until <"$folder/lock" || return 1
    [ "$held_epoch" = "$epoch" ] || return 1
    [ "$held_run" = "$run" ] || return 1
    now=$(date +%s%3N)
    case $now in
    # Where the clock tells only seconds, the next one is taken: better too early than too late.
    *[!0-9]*) now=$(($(date +%s) + 1))000 ;;
    esac
    [ "$now" -lt "$held_until" ]
}
holds_the_node || exit 70

cd "$dir" || exit 72
: >"$base.out" || exit 73
: >"$base.err" || exit 73
# Room for the exit code, so that a disk that fills up can't keep it from being written.
printf '%s    \n' "$attempt" >"$base.exit" || exit 73
# Once more: whoever was put to sleep since may have lost the node.
holds_the_node || exit 70
printf '%s %s\n' "$attempt" "$$" >"$base.pid" || exit 73

# A signal to the group ends the command; the lock stays held until it has ended.
trap : HUP INT TERM
(
    umask "$mask"
    exec 9>&-
    exec "$@"
) >>"$base.out" 2>>"$base.err"
code=$?
# A command that a signal ended: 128 and its number, also in shells that count from 256.
[ "$code" -le 256 ] || code=$((code - 128))

printf '%s %3d\n' "$attempt" "$code" 1<>"$base.exit"
exit "$code"
