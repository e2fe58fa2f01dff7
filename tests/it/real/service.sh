# A service as simple as they come: service.sh FOLDER NAME start|stop|status
#
# The daemon detaches itself, leaves its number in a file, and does nothing.
# Every real start and stop is written down.
pid=$1/$2.pid log=$1/$2.log

running() {
    [ -s "$pid" ] && grep -q "$1" "/proc/$(cat "$pid")/cmdline" 2>/dev/null
}

case $3 in
start)
    echo "$3" >>"$log"
    setsid tail -f "$1/$2.log.daemon" </dev/null >/dev/null 2>&1 &
    echo $! >"$pid.new"
    sleep 0.05
    mv "$pid.new" "$pid"
    ;;
stop)
    echo "$3" >>"$log"
    kill "$(cat "$pid")"
    while running "$1"; do sleep 0.01; done
    rm "$pid"
    ;;
status)
    running "$1" || exit 3
    ;;
esac
