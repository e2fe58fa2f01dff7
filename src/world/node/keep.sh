# Adds a line to a node's copy of a journal, and has it on disk.
#
#   folder   the node's folder
#   run      the run, and
#   epoch    the epoch with which it must hold the node
#
# Reads the line, its end, and a dot that shows that all of it has arrived.
# A line that is the last one already is not added again.

folder=$1 run=$2 epoch=$3

line=$(cat)
case $line in
*"$newline.") line=${line%"$newline."} ;;
*) exit 75 ;;
esac
[ -d "$folder" ] || exit 70
opens "$folder/claim.lock" || exit 73
exec 9>>"$folder/claim.lock"
lock 10 || exit 71
[ -r "$folder/lock" ] || exit 70
read -r held_epoch held_run held_until <"$folder/lock"
[ "$held_epoch $held_run" = "$epoch $run" ] || exit 70

own=$folder/runs/$run
journal=$own/journal.jsonl
if ! [ -d "$own" ]; then
    mkdir -p "$own" || exit 73
    sync_path "$folder/runs"
fi
fresh=
[ -e "$journal" ] || fresh=yes
if [ -s "$journal" ]; then
    # What a power cut left of an earlier line, which was never promised to anybody, goes.
    if [ "$(tail -c 1 "$journal" | wc -l)" -eq 0 ]; then
        whole=$(wc -l <"$journal")
        head -n "$((whole))" "$journal" >"$journal.new" && sync_path "$journal.new" || exit 73
        mv -f "$journal.new" "$journal" || exit 73
    fi
    [ "$(tail -n 1 "$journal")" != "$line" ] || exit 0
fi
printf '%s\n' "$line" >>"$journal" || exit 73
sync_path "$journal"
[ -z "$fresh" ] || sync_path "$own"
