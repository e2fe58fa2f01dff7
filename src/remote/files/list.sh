# Writes what is in a folder. No name has two slashes: they end an entry.
# $1 the folder
export LC_ALL=C TZ=UTC0
stat -L -c %f -- "$1/." >/dev/null || exit 1
cd -- "$1" || exit 16
exec find . -mindepth 1 -maxdepth 1 -exec stat -c '%f %s %u %g %Y %d:%i:%s:%y:%z
%n
//' {} +
