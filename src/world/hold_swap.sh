# Puts a new record of who holds a node in the place of the one that was seen.
#
#   folder   the node's folder
#   how      `take`: only while no effect runs; `renew`: only within the lease;
#            `release`
#   until    the end of the present lease, in milliseconds
#   seen     the record as it was seen; empty where there was none
#   line     the new record for shells
#   json     the new record
#   ...      changes of the history: +RUN or -RUN; after `--` those that are
#            made when the record is written
#
# Answers with `clock`. Exit codes of its own: 76 an effect runs.

folder=$1 how=$2 until=$3 seen=$4 line=$5 json=$6
shift 6

opens "$folder/claim.lock" || exit 73
exec 9>>"$folder/claim.lock"
lock 10 || exit 71
text=
[ ! -e "$folder/lock.json" ] || take_in "$folder/lock.json" || exit 73
[ "$text" = "$seen" ] || exit 74
case $how in
take)
    opens "$folder/effect.lock" || exit 73
    exec 8>>"$folder/effect.lock"
    flock -n 8 8>&8 || exit 76
    ;;
renew)
    careful_clock
    [ "$now" -lt "$until" ] || exit 70
    ;;
esac

# Writes the history with its changes, up to the end or to `--`, beside the old one, and sets `history` to where. It is
# empty when nothing changes.
edit_history() {
    history=
    [ "${1:---}" != -- ] || return 0
    old=
    [ ! -e "$folder/history" ] || old=$(cat "$folder/history") || return 1
    runs=$old
    for edit in "$@"; do
        run=${edit#?}
        case $edit in
        --) break ;;
        +*)
            case $newline$runs$newline in
            *"$newline$run$newline"*) ;;
            *) runs=$runs${runs:+$newline}$run ;;
            esac
            ;;
        -*)
            others=
            for known in $runs; do
                [ "$known" = "$run" ] || others=$others${others:+$newline}$known
            done
            runs=$others
            ;;
        esac
    done
    [ "$runs" != "$old" ] || return 0
    history=$folder/history.new
    write_text "$history" "$runs${runs:+$newline}"
}

edit_history "$@" && write_text "$folder/lock.new" "$line$newline" && write_text "$folder/lock.json.new" "$json" &&
    sync_path ${history:+"$history"} "$folder/lock.new" "$folder/lock.json.new" || exit 73
[ -z "$history" ] || mv -f "$history" "$folder/history" || exit 73
# The line for shells first: an interrupted change then fences the old holder off and lets nobody else in.
mv -f "$folder/lock.new" "$folder/lock" && mv -f "$folder/lock.json.new" "$folder/lock.json" || exit 73
sync_path "$folder"
while [ "$#" -gt 0 ] && [ "$1" != -- ]; do shift; done
if [ "$#" -gt 1 ]; then
    shift
    # The node is taken. Should this fail, whoever gives it up or takes it over makes up for it.
    edit_history "$@" && [ -n "$history" ] && sync_path "$history" && mv -f "$history" "$folder/history" &&
        sync_path "$folder"
fi
clock
say clock "$now"
