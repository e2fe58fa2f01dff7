# Tells the exit code of a command that changes nothing.
#
#   within   for how many milliseconds it may run
#   ...      the command
#
# Answers with `code`: a number, `timed-out`, or `missing` when there is no
# such program.

within=$1
shift
command -v setsid >/dev/null || exit 69
found=
case $1 in
*/*) [ -e "$1" ] && found=yes ;;
*)
    IFS=:
    for folder in $PATH; do
        [ -f "$folder/$1" ] && found=yes
    done
    unset IFS
    ;;
esac
if [ -z "$found" ]; then
    say code missing
    exit 0
fi
bounded "$within" "$@"
say code "$code"
