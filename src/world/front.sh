# Brings work to a node's fence, waits for it, and tells what came of it.
#
#   fence    the text of the fence, and
#   timer    the text of the timer that it needs
#   most     how many bytes of the end of what the command wrote are told
#   size     the bytes of standard input
#   ...      what the fence is told; see there
#
# Standard input is the record of the attempt, the one whose place it takes,
# and what the command reads. All of it is on this node before anything
# begins, so that what begins never depends on the connection.
#
# Answers with `code`, the exit code of the fence, and with what the node
# remembers of the effect and the ends of what the command wrote.

fence=$1 timer=$2 most=$3 size=$4
shift 4
folder=$1 base=$4 other=$5 attempt=$6

command -v flock >/dev/null && command -v setsid >/dev/null || exit 69
[ -r "$folder/lock" ] || exit 70
effects=${base%/*}
if ! [ -d "$effects" ]; then
    mkdir -p "$effects" || exit 73
    sync_path "${effects%/*}"
fi
spool=$base.$attempt.in
opens "$spool" || exit 73
trap 'rm -f "$spool"; exit 75' HUP INT TERM
exec 8<"$spool"
cat >"$spool"
wrote=$?
arrived=$(($(wc -c <"$spool")))
rm -f "$spool"
trap - HUP INT TERM
if [ "$arrived" -ne "$size" ]; then
    [ "$wrote" -eq 0 ] && exit 75
    exit 73
fi

# In a session of its own: what ends this script does not end the fence.
as_a_command setsid /bin/sh -c "$fence" clusterctl-fence "$its_umask" "$timer" "$@" \
    <&8 8<&- >/dev/null 2>&1
code=$?
say code "$code"
say_effect "$base" "$other" || exit 73
say_end out "$base.out" "$most"
say_end err "$base.err" "$most"
