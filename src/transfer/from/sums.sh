# Writes the fingerprints of the files that standard input names, and after each 256 of them, or the last, their sizes
# and times, a line each.
#
#   tree  the tree they are in
#   with  the program that computes them
#   each  `each` where names may have lines in them and the program would not mark that

tree=$1 with=$2 each=$3

cd -P -- "$tree" || stop $EX_STALE "$tree is gone"
lists=stat
! find / -maxdepth 0 -printf '' 2>/dev/null || lists=find
xargs -0 -n256 /bin/sh -c '
    with=$1 each=$2 lists=$3
    shift 3
    if [ "$each" = each ]; then
        for at; do "$with" <"$at" || exit 255; done
    else
        "$with" -- "$@" || exit 255
    fi
    if [ "$lists" = find ]; then
        find "$@" -maxdepth 0 -printf "%s %T@\n" || exit 255
    else
        stat -c "%s %Y" -- "$@" || exit 255
    fi' sh "$with" "$each" "$lists"
