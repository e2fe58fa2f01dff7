# Copies files of the live tree into the stage, sharing their blocks where the file system can.
#
#   live   the tree, and
#   stage  the stage
#   how    `copy`, or `link` to give the files themselves another name there
#
# Standard input names the files.

live=$1 stage=$2 how=$3

cd -P -- "$live" || stop $EX_STALE "$live is gone"
alone "$stage"
case $how/$(cp --help 2>&1) in
link/*) said=$(xargs -0 -n256 /bin/sh -c 'to=$1; shift; cp -a -l --parents -- "$@" "$to"' sh "$stage" 2>&1) ;;
*--no-preserve*)
    said=$(xargs -0 cp -a --no-preserve=links --parents --reflink=auto -t "$stage" -- 2>&1)
    ;;
*)
    said=$(xargs -0 -n256 /bin/sh -c 'to=$1; shift; cp -a --parents -- "$@" "$to"' sh "$stage" 2>&1)
    ;;
esac || blame "files of $live can't be copied to $stage" "$said"
