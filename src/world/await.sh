# Waits until no effect runs on a node, and tells what it remembers of one.
#
#   folder   the node's folder
#   base     where the effect's files are
#   other    the same for the other direction of the step
#   attempt  the attempt that is asked for, or `-` for any: one that was not
#            started by then never is
#   why      `cancelled` when it is to be ended, else `-`
#   wait     for how many seconds at most
#   most     how many bytes of the end of what the command wrote are told
#
# Answers as `front` does, without `code`.

folder=$1 base=$2 other=$3 attempt=$4 why=$5 wait=$6 most=$7

if ! [ -d "$folder" ]; then
    say token none
    exit 0
fi
if [ "$attempt" != - ]; then
    # Its front, which makes the folder, may come only after this.
    mkdir -p "${base%/*}" && opens "$base.$attempt.stop" || exit 73
    [ "$why" = - ] || end_group "$base" "$attempt" "$why" 2>/dev/null
fi
opens "$folder/effect.lock" || exit 73
exec 9>>"$folder/effect.lock"
if ! lock 0; then
    clock
    end=$((now + wait * 1000))
    until lock 0; do
        clock
        [ "$now" -lt "$end" ] || exit 71
        # It may have been started only now.
        [ "$why" = - ] || end_group "$base" "$attempt" "$why" 2>/dev/null
        nap 0.05
    done
fi
discard "$base".*.in "$base".*.masked
say_effect "$base" "$other" || exit 73
say_end out "$base.out" "$most"
say_end err "$base.err" "$most"
