# Changes what a node remembers of an attempt, unless another was begun since.
#
#   folder   the node's folder
#   base     where the effect's files are
#   other    the files of a direction that is forgotten, or `-`
#   attempt  the attempt
#   beside   what the attempt left beside its place and is removed, or empty
#   record   how many bytes of standard input are the new record; 0 and the
#            record is removed; `-` and it stays
#   out      how many bytes after them are what BASE.out is to be, or `-`
#   err      how many after them are what BASE.err is to be, or `-`

folder=$1 base=$2 other=$3 attempt=$4 beside=$5 record=$6 out=$7 err=$8

spool=$base.$attempt.masked
if [ -d "${base%/*}" ]; then
    opens "$spool" || exit 73
    exec 8<"$spool"
    cat >"$spool" || exit 73
    size=$(($(wc -c <"$spool")))
    rm -f "$spool"
else
    exit 0
fi
sum=0
for part in "$record" "$out" "$err"; do
    [ "$part" = - ] || sum=$((sum + part))
done
[ "$size" -eq "$sum" ] || exit 75

opens "$folder/effect.lock" || exit 73
exec 9>>"$folder/effect.lock"
lock 10 || exit 71
last=$(sed -n 's/.*"attempt": *"\([^"]*\)".*/\1/p' "$base.json" 2>/dev/null | head -n 1)
[ "$last" = "$attempt" ] || exit 0

[ -z "$beside" ] || rm -rf -- "$beside" || exit 73
case $record in
-) ;;
0)
    rm -f "$base.json" && sync_path "${base%/*}" || exit 73
    ;;
*)
    text=$(dd bs="$record" count=1 <&8 2>/dev/null)
    put "$base.json" "$text" && sync_path "${base%/*}" || exit 73
    ;;
esac
# In place: a command that still writes there goes on after it.
for ending in out err; do
    case $ending in out) part=$out ;; *) part=$err ;; esac
    case $part in
    -) ;;
    0) : >"$base.$ending" || exit 73 ;;
    *) dd bs="$part" count=1 <&8 2>/dev/null >"$base.$ending" && sync_path "$base.$ending" || exit 73 ;;
    esac
done
if [ "$other" != - ]; then
    rm -f "$other.json"
    sync_path "${base%/*}"
fi
