# Writes archives of the files that standard input names, in that order.
#
#   tree   the tree they are in
#   how    `gnu` or `busybox`; from GNU's tar also `whole`, with all that can be kept of files, and `plain`, for what every
#          tar understands
#   owner  whom they belong to where they go, as `UID GID`; `-` for the same as here

cd -P -- "$1" || stop $EX_STALE "$1 is gone"
how=$2 owner=$3
set -- --no-recursion --null --files-from=-
# What stands after the list does not count for it.
[ "$owner" = - ] || set -- "--owner=${owner% *}" "--group=${owner#* }" "$@"
case $how in
gnu) exec tar --create --file=- --format=gnu --sparse "$@" ;;
plain) exec tar --create --file=- --format=gnu --numeric-owner "$@" ;;
whole) exec tar --create --file=- --format=posix --numeric-owner --sparse --xattrs --xattrs-include='*' "$@" ;;
esac
# Names may have lines in them, so they are given as arguments. After an archive that was cut short, none may follow.
exec xargs -0 -n256 /bin/sh -c 'tar -c -f - "$@" || exit 255' sh
