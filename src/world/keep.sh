# Adds lines to a node's copy of a journal, and has them on disk.
#
#   folder   the node's folder
#   run      the run, and
#   epoch    the epoch with which it must hold the node
#   how      `more` to add them; `anew` when they are all that the copy shall
#            say: then JOURNAL.damaged keeps what it said
#   ...      the numbers of the lines: FIRST COUNT for each row of them
#
# Reads the lines, their end, and a dot that shows that all of them have
# arrived. Those up to the last that is there already are not added again.

folder=$1 run=$2 epoch=$3 how=$4
shift 4

lines=$(cat)
case $lines in
*"$newline.") lines=${lines%"$newline."} ;;
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
if [ "$how" = anew ]; then
    put "$journal.anew" "$lines$newline" || exit 73
    [ ! -e "$journal" ] || cp -p "$journal" "$journal.damaged" || exit 73
    mv -f "$journal.anew" "$journal" || exit 73
    sync_path "$own"
    exit 0
fi
fresh=
[ -e "$journal" ] || fresh=yes
if [ -s "$journal" ]; then
    if [ -n "$(tail -c 1 "$journal")" ]; then
        # What a power cut left of an earlier line, which was never promised to anybody, goes.
        whole=$(wc -l <"$journal")
        head -n "$((whole))" "$journal" >"$journal.new" && sync_path "$journal.new" || exit 73
        mv -f "$journal.new" "$journal" || exit 73
    fi
    last=$(tail -n 1 "$journal" | sed -n 's/^{"sum":"[^"]*","rec":{"seq":\([0-9]\{1,18\}\)[,}].*/\1/p')
    known=0
    while [ "$#" -gt 1 ] && [ "$1" -le "${last:-0}" ]; do
        rows=$((last - $1 + 1))
        known=$((known + (rows < $2 ? rows : $2)))
        shift 2
    done
    [ "$known" -eq 0 ] || lines=$(printf '%s\n' "$lines" | tail -n "+$((known + 1))")
fi
if [ -n "$lines" ] && ! printf '%s\n' "$lines" 2>/dev/null >>"$journal"; then
    # Why is said by who fails alike.
    write_text "$journal.new" "$lines"
    rm -f "$journal.new"
    exit 73
fi
if [ -n "$fresh" ]; then
    sync_path "$journal" "$own"
else
    sync_path "$journal"
fi
