# Writes pieces of files, as far as they can be read.
#
#   tree  the tree they are in
#   look  how long a piece is
#
# Standard input names for each piece the file, and at how many times that length it is.

cd -P -- "$1" || stop $EX_STALE "$1 is gone"
look=$2
xargs -0 -n 2 /bin/sh -c 'exec dd "if=$1" "bs=$0" "skip=$2" count=1 2>/dev/null' "$look"
exit 0
