# Looks who holds a node.
#
#   folder   the node's folder
#   how      `look`, or `make`: the folder is made if need be, and nobody
#            changes the record while it is read
#
# Answers with `clock` (milliseconds), `boot`, `folder` (mode as ls shows it,
# owner, and who asks), `lock.json` and `history`. A folder that others could
# change is told of and not used.

folder=$1 how=$2

if [ "$how" = make ] && ! [ -d "$folder" ]; then
    mkdir -p "$folder" || exit 73
    sync_path "${folder%/*}/"
fi
if [ -d "$folder" ]; then
    its_mode=$(ls -ldn "$folder/.") || exit 73
    read -r its_mode links owner rest <<END
$its_mode
END
    me=$(id -u)
    say folder "$its_mode $owner $me"
    case $its_mode in ?????w* | ????????w*) exit 0 ;; esac
    [ "$owner" = "$me" ] || [ "$owner" = 0 ] || exit 0
fi
if [ "$how" = make ]; then
    opens "$folder/claim.lock" || exit 73
    exec 9>>"$folder/claim.lock"
    # Whoever has it may be stopped: that the node is held can be seen all the same.
    lock 10 || say turn none
fi
# The clock is read before the record: a lease that is over by it is over.
clock
say clock "$now"
boot=
[ ! -r /proc/sys/kernel/random/boot_id ] || read -r boot </proc/sys/kernel/random/boot_id
say boot "$boot $(readlink /proc/self/ns/pid 2>/dev/null)"
say_file lock.json "$folder/lock.json" || exit 73
if [ -f "$folder/history" ]; then
    history=$(cat "$folder/history") || exit 73
    say history "$history"
fi
