# Tells the free space under a path or, where that is not there yet, under the
# folder that it will be in.
#
#   path     the path
#
# Answers with `bytes`.

path=$1
while ! [ -e "$path" ] && [ "$path" != / ]; do
    path=$(dirname "$path")
done
if free=$(stat -f -c '%a %S' "$path" 2>/dev/null); then
    say bytes "$((${free% *} * ${free#* }))"
else
    line=$(df -P -k "$path" | tail -n 1) || exit 73
    # Available blocks stand before the percentage; names before and after may contain anything.
    free=$(printf '%s\n' "$line" | sed -n 's|^.* \([0-9][0-9]*\)  *[0-9][0-9]*%  */.*$|\1|p')
    [ -n "$free" ] || exit 73
    say bytes "$((free * 1024))"
fi
