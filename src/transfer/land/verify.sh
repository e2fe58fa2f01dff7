# Writes the fingerprints of files, a line each. Standard input names the files.
#
#   folder   the folder that they are in
#   with     the program and its options
#   many     how many of it may run at once; then the lines may come in any order
#   batch    how many files each of these gets
#   each     `each` where names may have lines in them and the program would not mark that: then there are no names
#            in the lines, and they come in order

folder=$1 with=$2 many=$3 batch=$4 each=$5

cd -P -- "$folder" || stop $EX_STALE "$folder is gone"
if [ "$each" = each ]; then
    xargs -0 -n256 /bin/sh -c 'with=$1; shift; for at; do $with <"$at" || exit 255; done' sh "$with"
elif [ "$many" -gt 1 ] && command -v flock >/dev/null; then
    # Each says what it has found in one piece: nobody else writes meanwhile.
    xargs -0 -n"$batch" -P"$many" /bin/sh -c '
        with=$1
        shift
        said=$($with "$@") && exec 8<. && flock 8 8<&8 && printf "%s\n" "$said" || exit 255' sh "$with"
else
    xargs -0 -n"$batch" $with
fi || stop $EX_FAILED "not all files in $folder can be read"
