# Copies files of the live tree into the stage, sharing their blocks where the file system can.
#
#   live   the tree, and
#   stage  the stage
#
# Standard input names the files.

live=$1 stage=$2

cd -P -- "$live" || stop $EX_STALE "$live is gone"
alone "$stage"
case $(cp --help 2>&1) in
*--no-preserve*)
    said=$(xargs -0 cp -a --no-preserve=links --parents --reflink=auto -t "$stage" -- 2>&1)
    ;;
*)
    said=$(xargs -0 -n256 /bin/sh -c 'to=$1; shift; cp -a --parents -- "$@" "$to"' sh "$stage" 2>&1)
    ;;
esac || blame "files of $live can't be copied to $stage" "$said"
