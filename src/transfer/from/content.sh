# Writes archives of the files that standard input names, in that order.
#
#   tree  the tree they are in
#   how   `gnu` or `busybox`

cd -P -- "$1" || stop $EX_STALE "$1 is gone"
if [ "$2" = gnu ]; then
    exec tar --create --file=- --format=gnu --sparse --no-recursion --null --files-from=-
fi
# Names may have lines in them, so they are given as arguments. After an archive that was cut short, none may follow.
exec xargs -0 -n256 /bin/sh -c 'tar -c -f - "$@" || exit 255' sh
