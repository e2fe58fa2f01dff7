# Writes what a path leads to.
# $1 the path
export LC_ALL=C TZ=UTC0
exec stat -L -c '%f %s %u %g %Y %d:%i:%s:%y:%z' -- "$1"
