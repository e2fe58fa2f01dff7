# Tells what a node has, one `key=value` a line. Changes nothing.
#
#   folder   the node's folder for its lock and backups, which need not be there yet

LC_ALL=C
export LC_ALL
folder=$1

now=$(date +%s%3N)
case $now in
# Where the clock tells only seconds.
*[!0-9]*) now=$(date +%s)000 ;;
esac
echo "now=$now"
echo "user=$(id -un 2>/dev/null || id -u)"
login=${SUDO_USER:-$(id -un 2>/dev/null)}
shell=$(getent passwd "$login" 2>/dev/null) || shell=$(grep "^$login:" /etc/passwd 2>/dev/null)
echo "shell=${shell##*:}"
echo "system=$(uname -sm)"

# What the folder will be made in, where it is not there.
there=$folder
while [ -n "$there" ] && [ ! -d "$there" ]; do
    there=${there%/*}
done
[ -n "$there" ] || there=/
if [ -w "$there" ] && [ -x "$there" ]; then
    echo "writable=yes"
else
    echo "writable=$there"
fi
df -Pk "$there" 2>/dev/null | while read -r _ _ _ free _; do
    case $free in
    *[!0-9]* | '') ;;
    *) echo "free=$free" ;;
    esac
done

for program in base64 cat chmod chown cp date df find flock id mkdir mv rm setsid sha256sum sort stat sync xargs; do
    command -v "$program" >/dev/null || echo "missing=$program"
done
