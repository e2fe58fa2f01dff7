# Writes what a file is, its first bytes, and what it is then.
# $1 the file, $2 how many bytes at most, or "whole" for as many as it has at first
export LC_ALL=C TZ=UTC0
form='%f %s %u %g %Y %d:%i:%s:%y:%z'
before=$(stat -L -c "$form" -- "$1") || exit 1
[ -f "$1" ] || exit 11
printf '%s\n' "$before"
most=$2
if [ "$most" = whole ]; then
  most=${before#* }
  most=${most%% *}
fi
head -c "$most" -- "$1" || exit 1
printf '\n'
exec stat -L -c "$form" -- "$1"
