# Ends the command of an attempt when its time is up. The fence ends this before.
#
#   base     where the effect's files are
#   attempt  the attempt
#   within   for how many seconds the command may run
#   fence    the process of the fence

base=$1 attempt=$2 within=$3 fence=$4

sleep "$within" 2>/dev/null || sleep "$((${within%.*} + 1))"
kill -0 "$fence" || exit 0
tries=100
until end_group "$base" "$attempt" timed-out; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || exit 0
    nap 0.05
done
