# Puts a file there: others see the old one or the new one, whole. Standard input is its content.
# $1 the file, $2 its mode or nothing, $3 what it must be by now or nothing, $4 the length of the content,
# $5 what no other has in the name of its new file
export LC_ALL=C TZ=UTC0
umask 077
path=$1
links=0
while [ -L "$path" ]; do
  links=$((links + 1))
  [ "$links" -le 40 ] || { stat -L -- "$1" >/dev/null; exit 1; }
  target=$(readlink -- "$path" && echo .) || exit 1
  target=${target%??}
  case $target in
    /*) path=$target ;;
    *) path=${path%/*}/$target ;;
  esac
done
[ ! -d "$path" ] || exit 14
[ ! -e "$path" ] || [ -f "$path" ] || exit 11
folder=${path%/*}/
# It is taken away however this ends, also when it is there and its name is not yet known here.
trap 'rm -f -- "$folder.clusterctl-new-$5-"*' EXIT
trap 'exit 1' HUP INT TERM PIPE
new=$(mktemp "$folder.clusterctl-new-$5-XXXXXX" && echo .) || exit 1
new=${new%??}
cat >"$new" || exit 1
[ "$(stat -c %s -- "$new")" = "$4" ] || exit 13
mode=$2
if [ -e "$path" ]; then
  old=$(stat -c '%a %u:%g' -- "$path") || exit 1
  [ "$(stat -c %u:%g -- "$new")" = "${old#* }" ] || chown "${old#* }" "$new" || exit 1
  mode=${mode:-${old% *}}
fi
chmod "${mode:-600}" "$new" || exit 1
if command -v sync >/dev/null; then
  sync "$new" || exit 1
fi
now=absent
if [ -e "$path" ]; then
  now=$(stat -c '%d:%i:%s:%y:%z' -- "$path") || exit 1
fi
[ -z "$3" ] || [ "$now" = "$3" ] || exit 12
mv -f -- "$new" "$path" || exit 1
trap - EXIT
# The name, too, is on disk; a folder that may be changed but not read is left to the system.
sync "$folder" 2>/dev/null
exec stat -c '%f %s %u %g %Y %d:%i:%s:%y:%z' -- "$path"
