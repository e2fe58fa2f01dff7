# Writes the fingerprints of files in the stage, in the order in which standard input names them.
#
#   stage  the stage
#   with   the program
#   each   `each` where names may have lines in them and the program would not mark that

stage=$1 with=$2 each=$3

cd -P -- "$stage" || exit $EX_STALE
if [ "$each" = each ]; then
    xargs -0 -n256 /bin/sh -c 'with=$1; shift; for at; do "$with" <"$at" || exit 255; done' sh "$with"
else
    xargs -0 -n256 "$with" --
fi || stop $EX_FAILED "not all files in $stage can be read"
