# Ends the command of an attempt when its time is up. The fence ends this before.
# When the fence is killed, this keeps the lock until the command has ended.
#
#   base     where the effect's files are
#   attempt  the attempt
#   within   for how many seconds the command may run
#   fence    the process of the fence
#
# The lock of the fence is descriptor 9.

base=$1 attempt=$2 within=$3 fence=$4

(
    exec 9>&-
    sleep "$within" 2>/dev/null || sleep "$((${within%.*} + 1))"
    tries=100
    until end_group "$base" "$attempt" timed-out; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || exit 0
        nap 0.05
    done
) &

while kill -0 "$fence" 2>/dev/null; do
    sleep 1 9>&-
done

names_its_group() {
    read -r whose group <"$base.group" && [ "$whose" = "$attempt" ] && [ -n "$group" ]
}

tries=100
until names_its_group; do
    tries=$((tries - 1))
    # It was not started any more, or had ended.
    [ "$tries" -gt 0 ] || kill -KILL "-$$"
    nap 0.05 9>&-
done
# Only the command itself: a daemon that it leaves in its group may live on.
while kill -0 "$group" 2>/dev/null; do
    sleep 1 9>&-
done
if [ -e "$base.ended" ]; then
    # It was to end: so is what it started.
    kill -KILL "-$group" 2>/dev/null
    tries=100
    while [ "$tries" -gt 0 ] && kill -0 "-$group" 2>/dev/null; do
        tries=$((tries - 1))
        nap 0.05 9>&-
    done
fi
kill -KILL "-$$"
